"""The valid rows of `staged`, typed, in the order of customers and time, as Parquet."""

from features.feeders.sql import literal, quoted
from pipeline.contract_rules import cast
from pipeline.duplicates import valid_rows

# Parquet's second version packs ids and dates tighter; a dictionary of nearly distinct ids costs time and saves nothing (docs/experiments.md).
PARQUET = "FORMAT parquet, PARQUET_VERSION v2, COMPRESSION zstd, COMPRESSION_LEVEL 1, DICTIONARY_SIZE_LIMIT 2000"
FEW_LEVELS = 1000


def write_kept(connection, contract, found, path):
    """Write the rows that are not in `broken`; `found` maps their columns to the types as they came.

    Ordered by customer and when it happened, then as they came; by key where there is no customer. The same rows give the same bytes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    valid, codes, order = _ordered(connection, contract, found)
    coded = _coded(connection, contract, found)
    columns = ", ".join(coded.get(name) or f"{_typed(contract, name, found)} AS {quoted(name)}" for name in found)
    connection.execute(f"COPY (SELECT {columns} FROM {valid} {codes} ORDER BY {order}, s.rowid) TO {literal(path)} ({PARQUET})")
    for name in coded:
        connection.execute(f"DROP TYPE {_level_type(name)}")
    connection.execute("DROP TABLE IF EXISTS codes")


def _ordered(connection, contract, found):
    """FROM, JOIN and ORDER BY of the kept rows."""
    valid = valid_rows(connection)
    if "customer_id" not in found:
        keys = dict.fromkeys(name for name in (contract.occurred, "known_at", *contract.key) if name in found)
        return valid, "", ", ".join(_typed(contract, name, found) for name in keys)
    # A number a customer is all that their order needs, and sorts in half the time of a text; a third time in the key would double the time again.
    customer = _typed(contract, "customer_id", found)
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE codes AS
        SELECT customer, row_number() OVER (ORDER BY customer)::INTEGER AS code FROM (SELECT DISTINCT {customer} AS customer FROM {valid})""")
    return valid, f"LEFT JOIN codes ON codes.customer = {customer}", f"coalesce(codes.code, 0), {_typed(contract, contract.occurred, found)}"


def _coded(connection, contract, found):
    """Columns of few levels as codes into them: carried through the sort and written as a dictionary, they cost a quarter less; they read as texts."""
    coded = {}
    for column in contract.columns:
        if column.kind != "category" or found.get(column.name) != "VARCHAR":
            continue
        name = quoted(column.name)
        connection.execute(f"CREATE OR REPLACE TEMP TABLE levels AS SELECT DISTINCT {name} AS level FROM staged WHERE {name} IS NOT NULL")
        if 0 < connection.execute("SELECT count(*) FROM levels").fetchone()[0] <= FEW_LEVELS:
            connection.execute(f"CREATE TEMP TYPE {_level_type(column.name)} AS ENUM (SELECT level FROM levels ORDER BY level)")
            coded[column.name] = f"s.{name}::{_level_type(column.name)} AS {name}"
    return coded


def _level_type(name):
    return quoted(f"levels of {name}")


def _typed(contract, name, found):
    return cast(name, found[name], contract.column(name))
