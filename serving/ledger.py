"""Appending to a hash chain, and proving one whole: what every module that keeps a ledger in the operational database does alike."""

import json
import zlib
from secrets import token_bytes

import msgspec
import sqlalchemy as sa

from features.errors import RiskError
from serving import chain
from serving.chain import Head
from serving.schema import CHAINS, erasures, heads

# Identifiers asked for in one statement: PostgreSQL and SQLite both bound the number of parameters.
CHUNK = 500
# Chains whose rows carry an erasable customer and payload.
SEALED = tuple(name for name, table in CHAINS.items() if "payload" in table.c)

# Built once: SQLAlchemy takes longer to build and recognise a statement than SQLite to run it.
HEAD = sa.select(heads).where(heads.c.chain == sa.bindparam("name"))
HEAD_LOCKED = HEAD.with_for_update()
MOVE_HEAD = sa.update(heads).where(heads.c.chain == sa.bindparam("name")).values(count=sa.bindparam("count"), hash=sa.bindparam("hash"))
APPEND = {name: sa.insert(table) for name, table in CHAINS.items()}


def as_json(value, what):
    """JSON bytes of a value. Raises: RiskError, naming `what`, for one that JSON cannot carry."""
    try:
        return msgspec.json.encode(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise RiskError(f"The {what} of a ledger row cannot be written as JSON: {error}.") from error


def sealed(customer_id, value):
    """The four columns of a row of what may be erased later: customer_id (None: nobody), salt, the payload compressed, and the hash of them that stays.

    Raises: RiskError for a value that JSON cannot carry.
    """
    payload, salt = as_json(value, "payload"), token_bytes(16)
    return {"payload_hash": chain.payload_hash(salt, customer_id, payload), "customer_id": customer_id, "salt": salt, "payload": zlib.compress(payload, 3)}


def unsealed(compressed):
    """What `sealed` was given; None once erased."""
    return None if compressed is None else json.loads(zlib.decompress(compressed))


def locked_head(connection, name):
    """The chain's head, with its row locked until the transaction ends: this is what makes several processes append one after another."""
    return Head(**connection.execute(HEAD_LOCKED, {"name": name}).mappings().one())


def head_of(connection, name):
    """The chain's head as the transaction sees it."""
    return Head(**connection.execute(HEAD, {"name": name}).mappings().one())


def append(connection, head, contents):
    """Append rows after a locked head and move it; returns them with sequence and hashes."""
    rows, after = chain.link(head, contents)
    if rows:
        connection.execute(APPEND[head.chain], rows)
        connection.execute(MOVE_HEAD, {"name": head.chain, "count": after.count, "hash": after.hash})
    return rows


def ordered(connection, name):
    """All rows of a chain by sequence, a chunk at a time."""
    table = CHAINS[name]
    return connection.execute(sa.select(table).order_by(table.c.sequence).execution_options(yield_per=CHUNK)).mappings()


def erase(connection, customer_id):
    """Empty what may be erased of a customer in all chains; returns {chain: sequences of the rows}, those with none left out."""
    erased = {}
    for name in SEALED:
        table = CHAINS[name]
        mine = table.c.customer_id == customer_id
        numbers = list(connection.execute(sa.select(table.c.sequence).where(mine).order_by(table.c.sequence)).scalars())
        if numbers:
            connection.execute(sa.update(table).where(mine).values(customer_id=None, salt=None, payload=None))
            erased[name] = numbers
    return erased


def erasure_text(erased):
    """How the erasure ledger names rows: a list where only decisions are concerned, as its first version wrote it, else an object of lists by chain."""
    return json.dumps(erased["decisions"] if list(erased) == ["decisions"] else erased)


def erased_rows(connection):
    """(chain, sequence) of every row that the erasure ledger names."""
    found = set()
    for text in connection.execute(sa.select(erasures.c.decisions)).scalars():
        named = json.loads(text)
        by_chain = named if isinstance(named, dict) else {"decisions": named}
        found |= {(name, number) for name, numbers in by_chain.items() for number in numbers}
    return found


def payload_faults(connection, name, erased):
    """Faults of what a chain's rows carry: gone without a row in erasures, or not what payload_hash says."""
    for row in ordered(connection, name):
        number = row["sequence"]
        if row["payload"] is None and (name, number) not in erased:
            yield chain.Fault(name, number, "erased", f"row {number} of {name} lost its payload without a row in erasures")
        elif row["payload"] is not None and not _intact(row):
            yield chain.Fault(name, number, "changed", f"row {number} of {name} has a payload or customer that differs from its hash")


def _intact(row):
    try:
        return chain.payload_hash(row["salt"], row["customer_id"], zlib.decompress(row["payload"])) == row["payload_hash"]
    except (zlib.error, TypeError):
        return False
