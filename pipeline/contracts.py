"""Table contracts, checked by DuckDB: valid rows to `data/tables/`, the others with their rule to `data/rejects/`."""

import msgspec

from features.errors import RiskError
from features.tables import TABLES

SQL_TYPES = {
    "id": "VARCHAR", "category": "VARCHAR", "text": "VARCHAR", "time": "TIMESTAMP", "money": "BIGINT",
    "number": "DOUBLE", "integer": "BIGINT", "flag": "BOOLEAN",
}
WHOLE_NUMBERS = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"}
RESERVED = ("status", "default_at", "event_seen")
POSITIVE = {"invoices": "amount", "payments": "amount"}


class Intake(msgspec.Struct, frozen=True):
    """What became of one table: rows read and kept, rejects by rule, first and last day known."""

    read: int
    kept: int
    rejected: dict[str, int]
    known_from: str | None
    known_to: str | None


def check_table(connection, table, *, where, kept_path, rejects_path, max_reject_share, latest="9999-12-31"):
    """Split the relation `staged` by the table's contract and write both parts as Parquet.

    Valid rows are ordered by customer, time and key. `where` names the input in messages; nothing can be known after the day `latest`.

    Raises RiskError for a missing column, an amount that is not in whole minor units, no rows at all, or more rejects
    than `max_reject_share` of the rows.
    """
    contract = TABLES[table]
    found = dict(connection.execute("SELECT column_name, column_type FROM (DESCRIBE staged)").fetchall())
    _require_columns(contract, found, where)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE judged AS {_judged(contract, found, latest)}")
    counts = dict(connection.execute("SELECT coalesce(rule, ''), count(*) FROM judged GROUP BY ALL ORDER BY ALL").fetchall())
    kept = counts.pop("", 0)
    read = kept + sum(counts.values())
    if rejects_path is not None and counts:
        _write(connection, f"SELECT '{table}' AS \"table\", row_number, rule, value FROM judged WHERE rule IS NOT NULL ORDER BY row_number", rejects_path)
    _refuse(table, where, read, counts, max_reject_share)
    columns = ", ".join(_name(column) for column in found)
    _write(connection, f"SELECT {columns} FROM judged WHERE rule IS NULL ORDER BY {_order(contract, found)}", kept_path)
    return Intake(read, kept, counts, *_range(connection, found))


def _require_columns(contract, found, where):
    taken = [name for name in RESERVED if contract.name == "observations" and name in found]
    if taken:
        raise RiskError(f"{where}: column {taken[0]} is a name that observe gives itself: rename it in the SELECT.")
    missing = [column.name for column in contract.columns if column.required and column.name not in found]
    if missing:
        given = ", ".join(found)
        raise RiskError(f"{where}: column {missing[0]} is missing (it gives {given}): add it to the SELECT.")
    for column in contract.columns:
        if column.kind == "money" and column.name in found and found[column.name] not in WHOLE_NUMBERS:
            raise RiskError(f"{where}: column {column.name} is {found[column.name]}, expected whole minor units (cents): "
                            f"give round({column.name} * 100)::BIGINT.")


def _judged(contract, found, latest):
    known = {column.name: column for column in contract.columns}
    typed = ", ".join(_cast(name, kind, known.get(name)) for name, kind in found.items())
    rules = _type_rules(contract, found) + _value_rules(contract, found, latest)
    rule = " ".join(f"WHEN {test} THEN '{name}'" for name, test, _ in rules)
    value = " ".join(f"WHEN {test} THEN {shown}::VARCHAR" for _, test, shown in rules)
    key = ", ".join(f"s.{_name(column)}" for column in contract.key if column in found)
    return f"""
        WITH numbered AS (SELECT *, row_number() OVER () AS row_number FROM staged),
             s AS (SELECT *, row_number() OVER (PARTITION BY {key.replace('s.', '')} ORDER BY row_number) AS repeat FROM numbered)
        SELECT {typed}, s.row_number, CASE {rule} END AS rule, CASE {value} END AS value FROM s"""


def _cast(name, kind, column):
    quoted = _name(name)
    if column is not None:
        return f"try_cast(s.{quoted} AS {SQL_TYPES[column.kind]}) AS {quoted}"
    return f"s.{quoted}::{_beyond_contract(kind)} AS {quoted}"


def _beyond_contract(kind):
    if kind.startswith(("DATE", "TIMESTAMP")):
        return "TIMESTAMP"
    is_number = kind in WHOLE_NUMBERS or kind in ("DOUBLE", "FLOAT") or kind.startswith("DECIMAL")
    return "DOUBLE" if is_number else "VARCHAR"


def _type_rules(contract, found):
    rules = []
    for column in contract.columns:
        if column.name not in found:
            continue
        raw = f"s.{_name(column.name)}"
        rules.append((f"{column.name} is not a {column.kind}", f"{raw} IS NOT NULL AND try_cast({raw} AS {SQL_TYPES[column.kind]}) IS NULL", raw))
        if column.required:
            rules.append((f"{column.name} is empty", f"{raw} IS NULL", "''"))
    return rules


def _value_rules(contract, found, latest):
    key = " || ' ' || ".join(f"coalesce(s.{_name(column)}::VARCHAR, '')" for column in contract.key if column in found)
    rules = [("duplicate key", "s.repeat > 1", key)]
    happened, amount = contract.occurred, POSITIVE.get(contract.name)
    if happened != "known_at" and {happened, "known_at"} <= set(found):
        # A row can be known at midnight of the day during which it happened: only an earlier day is an error.
        early = f"try_cast(s.known_at AS DATE) < try_cast(s.{happened} AS DATE)"
        rules.append((f"known_at before {happened}", early, "s.known_at"))
    if "known_at" in found:
        # Simulated months may lie ahead of the calendar; a real row cannot have been known tomorrow.
        rules.append(("known_at in the future", f"try_cast(s.known_at AS DATE) > DATE '{latest}'", "s.known_at"))
    if amount in found:
        rules.append((f"{amount} is not positive", f"try_cast(s.{amount} AS BIGINT) <= 0", f"s.{amount}"))
    return rules


def _refuse(table, where, read, counts, max_reject_share):
    if read == 0:
        raise RiskError(f"{where}: no rows for {table}: correct its WHERE clause, or remove the file if the source has no {table}.")
    rejected = sum(counts.values())
    if rejected > max_reject_share * read:
        worst = ", ".join(f"{rule}: {count:,}" for rule, count in sorted(counts.items(), key=lambda item: -item[1]))
        raise RiskError(f"{where}: {rejected:,} of {read:,} rows of {table} break its contract ({worst}), more than ingest.max_reject_share = "
                        f"{max_reject_share:g}: correct the source or raise the share.")


def _order(contract, found):
    columns = ["customer_id", contract.occurred, "known_at", *contract.key]
    present = dict.fromkeys(column for column in columns if column in found)
    return ", ".join(f"{_name(column)} NULLS FIRST" for column in present)


def _range(connection, found):
    if "known_at" not in found:
        return None, None
    return connection.execute("SELECT min(known_at)::DATE::VARCHAR, max(known_at)::DATE::VARCHAR FROM judged WHERE rule IS NULL").fetchone()


def _write(connection, query, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    connection.execute(f"COPY ({query}) TO '{str(path).replace(chr(39), chr(39) * 2)}' (FORMAT parquet, COMPRESSION zstd)")


def _name(column):
    return '"' + column.replace('"', '""') + '"'
