"""What is kept of one customer: exported for the person it is about, and erased when its time is over."""

from datetime import timedelta

import sqlalchemy as sa

from features.errors import RiskError
from serving import ledger
from serving.privacy import RETAINED, RETAINED_BY_TABLE
from serving.published import Published, published_cases
from serving.schema import CHAINS, metadata

# Proof of a row, not a fact about its customer.
PROOF = frozenset({"previous_hash", "hash", "payload_hash", "salt"})
# Rows erased in one transaction: whoever wants to record a decision meanwhile waits for it.
AT_ONCE = 2_000


def exported(store, customer_id, *, var):
    """All that is kept of a customer in the database and in what is published, as plain values: {customer_id, exported_at, database: {table: rows, oldest
    first}, published: {source-use case: rows}}; tables without a row are left out."""
    with store.database.reading() as connection:
        found = {table.name: _rows(connection, table, customer_id) for table in _tables()}
    about = {"customer_id": customer_id, "exported_at": store.now(), "database": {name: rows for name, rows in found.items() if rows}}
    return about | {"published": _published(customer_id, var)}


def where_published(customer_id, *, var):
    """Names (source-use case) of the publications in force that hold a customer."""
    return list(_published(customer_id, var))


def expired(store, *, keep=None):
    """{table: rows past their time} of the tables that have any. keep: {table: days} in the place of the declared ones. Raises: RiskError as `expire`."""
    _check_keep(keep or {})
    with store.database.reading() as connection:
        counts = {kept.table: _count(connection, condition) for kept, condition in _past(store, keep)}
    return {name: count for name, count in counts.items() if count}


def expire(store, *, actor, keep=None):
    """Erase every row past its time, noting which in the erasure ledger, and return {table: rows}.

    In transactions of bounded size, so that decisions can be recorded in between; a call that was stopped is finished by the next one. Raises: RiskError for a
    table that nothing is kept in, and fewer days than one.
    """
    _check_keep(keep or {})
    found = {}
    for kept, condition in _past(store, keep):
        reason = f"kept for {(keep or {}).get(kept.table, kept.days)} days"
        while count := _erase_some(store, kept.table, condition, actor=actor, reason=reason):
            found[kept.table] = found.get(kept.table, 0) + count
    return found


def _erase_some(store, table, condition, *, actor, reason):
    with store.database.writing() as connection:
        erased = ledger.erase_where(connection, {table: condition}, made_at=store.now(), actor=actor, reason=reason, most=AT_ONCE)
    return erased.get(table, 0)


def _past(store, keep):
    for kept in RETAINED:
        days = (keep or {}).get(kept.table, kept.days)
        if days is None:
            continue
        table = CHAINS[kept.table]
        before = store.now() - timedelta(days=days)
        condition = table.c.customer_id.is_not(None) & (table.c.made_at < before)
        if kept.after_last:
            later = table.alias()
            condition &= ~sa.exists().where((later.c.customer_id == table.c.customer_id) & (later.c.made_at >= before))
        yield kept, condition


def _count(connection, condition):
    return connection.execute(sa.select(sa.func.count()).where(condition)).scalar()


def _check_keep(keep):
    dated = [each.table for each in RETAINED if each.days is not None]
    for table, days in keep.items():
        if table not in RETAINED_BY_TABLE or RETAINED_BY_TABLE[table].days is None:
            raise RiskError(f"the table {table} keeps nothing for a time: name one of {', '.join(dated)}.")
        if days < 1:
            raise RiskError(f"{table} would be kept for {days} days: name at least 1.")


def _tables():
    return [table for table in metadata.sorted_tables if "customer_id" in table.c]


def _rows(connection, table, customer_id):
    order = [table.c.sequence] if "sequence" in table.c else list(table.primary_key)
    query = sa.select(table).where(table.c.customer_id == customer_id).order_by(*order)
    return [_plain(row) for row in connection.execute(query).mappings()]


def _plain(row):
    kept = {name: value for name, value in row.items() if name not in PROOF}
    return kept | {"payload": ledger.opened(row["payload"])} if "payload" in row and isinstance(row["payload"], bytes) else kept


def _published(customer_id, var):
    found = {}
    for source, use_case in published_cases(var):
        publication = Published.open(var, source, use_case)
        try:
            rows = [publication.find(subject) for subject in publication.subjects(customer_id)]
        finally:
            publication.close()
        if rows:
            found[f"{source}-{use_case}"] = [{"as_of": publication.as_of, "features": row.features, "score": row.score, "records": row.records} for row in rows]
    return found
