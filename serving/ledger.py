"""How every ledger of the operational database is written and read back: appended under its head's lock, what may be erased kept apart and hashed."""

import json
import zlib
from itertools import islice
from secrets import token_bytes

import msgspec
import sqlalchemy as sa

from features.errors import RiskError
from serving import chain
from serving.chain import Head
from serving.schema import CHAINS, erasures, heads

# Rows fetched at once, and identifiers asked for in one statement: PostgreSQL and SQLite both bound the number of parameters.
CHUNK = 500
# Rows appended at once where there are many: so few that the garbage collector, which looks at every dict there is, stays out of the way.
BULK = 2000

# Built once: SQLAlchemy takes longer to build and recognise a statement than SQLite to run it.
HEAD = sa.select(heads).where(heads.c.chain == sa.bindparam("name"))
HEAD_LOCKED = HEAD.with_for_update()
MOVE_HEAD = sa.update(heads).where(heads.c.chain == sa.bindparam("name")).values(count=sa.bindparam("count"), hash=sa.bindparam("hash"))
APPEND = {name: sa.insert(table) for name, table in CHAINS.items()}
# Chains whose rows hold a customer and a payload that can be erased.
PERSONAL = tuple(name for name, table in CHAINS.items() if "payload" in table.c)


def parts(values):
    """Distinct values in parts that one statement may ask for."""
    distinct = list(dict.fromkeys(values))
    return [distinct[start : start + CHUNK] for start in range(0, len(distinct), CHUNK)]


def to_json(value, what):
    """A value as the bytes of its JSON. Raises: RiskError for one that JSON cannot carry."""
    try:
        return msgspec.json.encode(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise RiskError(f"The {what} of a ledger row cannot be written as JSON: {error}.") from error


def sealed(customer_id, payload):
    """The columns of a row that can be erased, and the hash that stays: customer_id, salt, payload (compressed) and payload_hash.

    payload: anything JSON can carry.
    """
    content, salt = to_json(payload, "payload"), token_bytes(16)
    digest = chain.payload_hash(salt, customer_id, content)
    return {"payload_hash": digest, "customer_id": customer_id, "salt": salt, "payload": zlib.compress(content, 1)}


def opened(payload):
    """What was sealed, decoded; None once erased."""
    return None if payload is None else json.loads(zlib.decompress(payload))


def locked_head(connection, name):
    """The chain's head, with its row locked until the transaction ends: this is what makes several processes append one after another."""
    return Head(**connection.execute(HEAD_LOCKED, {"name": name}).mappings().one())


def head_of(connection, name):
    """The chain's head as it is now; None when somebody removed it."""
    found = connection.execute(HEAD, {"name": name}).mappings().first()
    return found and Head(**found)


def append(connection, head, contents):
    """Append rows after the locked head and return them as recorded."""
    rows, after = chain.link(head, contents)
    if rows:
        connection.execute(APPEND[head.chain], rows)
        connection.execute(MOVE_HEAD, {"name": head.chain, "count": after.count, "hash": after.hash})
    return rows


def append_each(connection, head, contents):
    """As append, of contents that come one by one (an iterable), for more rows than should stand in memory at once; returns how many."""
    start = head.count
    contents = iter(contents)
    while some := list(islice(contents, BULK)):
        last = append(connection, head, some)[-1]
        head = Head(head.chain, last["sequence"], last["hash"])
    return head.count - start


def ordered(connection, name):
    """All rows of a chain, ascending, fetched in chunks."""
    table = CHAINS[name]
    query = sa.select(table).order_by(table.c.sequence).execution_options(yield_per=CHUNK)
    return connection.execute(query).mappings()


def erase(connection, customer_id, *, made_at, actor, reason):
    """Empty a customer's rows in every chain that holds persons, note which in the erasure ledger, and return {chain: how many}, without zeros."""
    mine = {name: CHAINS[name].c.customer_id == customer_id for name in PERSONAL}
    return erase_where(connection, mine, made_at=made_at, actor=actor, reason=reason)


def erase_where(connection, conditions, *, made_at, actor, reason, most=None):
    """Empty the rows for which a chain's condition holds, {chain: condition}, at most so many of each; note them in the erasure ledger, and return {chain: how
    many}, without zeros."""
    # Heads are locked in one order by everybody who locks several, or two such transactions could wait for each other.
    head, chains = locked_head(connection, "erasures"), [name for name in PERSONAL if name in conditions]
    for name in chains:
        # A row that another transaction is writing now would not be seen, and would keep the customer.
        locked_head(connection, name)
    found = {name: numbers for name in chains if (numbers := _emptied(connection, CHAINS[name], conditions[name], most))}
    if found:
        # A list alone is of decisions, as rows before revision 0003 have it: the column cannot be renamed, since every row's hash covers its columns.
        listed = found["decisions"] if list(found) == ["decisions"] else found
        append(connection, head, [{"made_at": made_at, "decisions": json.dumps(listed), "actor": actor, "reason": reason}])
    return {name: len(numbers) for name, numbers in found.items()}


def _emptied(connection, table, condition, most):
    numbers = list(connection.execute(sa.select(table.c.sequence).where(condition).order_by(table.c.sequence).limit(most)).scalars())
    for start in range(0, len(numbers), CHUNK):
        these = table.c.sequence.in_(numbers[start : start + CHUNK])
        connection.execute(sa.update(table).where(these).values(customer_id=None, salt=None, payload=None))
    return numbers


def erased(connection):
    """(chain, sequence) of every row that the erasure ledger names."""
    listed = [json.loads(text) for text in connection.execute(sa.select(erasures.c.decisions)).scalars()]
    by_chain = [each if isinstance(each, dict) else {"decisions": each} for each in listed]
    return {(name, number) for each in by_chain for name, numbers in each.items() for number in numbers}


def payload_faults(rows, name, forgotten):
    """Faults of a chain's erasable parts: gone without an erasure that names them (`forgotten`: see `erased`), or not what their hash says."""
    for row in rows:
        number = row["sequence"]
        if row["payload"] is None and (name, number) not in forgotten:
            yield chain.Fault(name, number, "erased", f"row {number} of {name} lost its payload without a row in erasures")
        elif row["payload"] is not None and not _intact(row):
            yield chain.Fault(name, number, "changed", f"row {number} of {name} has a payload or customer that differs from its hash")


def _intact(row):
    try:
        return chain.payload_hash(row["salt"], row["customer_id"], zlib.decompress(row["payload"])) == row["payload_hash"]
    except (zlib.error, TypeError):
        return False
