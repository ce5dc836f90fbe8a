"""The rules that follow from a table's declaration in `features/tables.py`, as SQL over a relation `s` of the rows as they came."""

from dataclasses import dataclass

from features.feeders.sql import literal, quoted
from pipeline.cast_reasons import cast_reason

SQL_TYPES = {
    "id": "VARCHAR", "category": "VARCHAR", "text": "VARCHAR", "time": "TIMESTAMP", "money": "BIGINT",
    "number": "DOUBLE", "integer": "BIGINT", "flag": "BOOLEAN",
}
WHOLE_NUMBERS = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"}
ZONED_TEXT = "VARCHAR of zoned times"
NO_DAY_LIMIT = "9999-12-31"


@dataclass(frozen=True)
class Rule:
    """What a row must not be: the rule's name (SQL giving a text), the test that a bad row meets, and the value to show."""

    name: str
    test: str
    shown: str


def rules_of(contract, found, *, latest):
    """Every rule that concerns one row alone, in the order in which the first broken one is named; a duplicate key concerns two.

    `found` maps the columns that came to their SQL types; no row can be known (an observation: asked) after the day `latest`.
    """
    columns = [column for column in contract.columns if column.name in found]
    rules = [rule for column in columns for rule in _column_rules(column, found[column.name])]
    return rules + _future_rule(contract, found, latest) + _order_rules(contract, found)


def cast(name, kind, column, *, row="s"):
    """SQL that gives a column of a `row` its type: the contract's, or for one beyond it a number, a time or a text; null where it cannot be cast."""
    raw = f"{row}.{quoted(name)}"
    if column is None:
        wanted = _beyond_contract(kind)
        return raw if kind == wanted else f"{raw}::{wanted}"
    wanted = SQL_TYPES[column.kind]
    if kind == ZONED_TEXT:
        return f"try_cast({raw} AS TIMESTAMPTZ)::TIMESTAMP"
    return raw if kind == wanted else f"try_cast({raw} AS {wanted})"


def _beyond_contract(kind):
    if kind.startswith(("DATE", "TIMESTAMP")):
        return "TIMESTAMP"
    is_number = kind in WHOLE_NUMBERS or kind in ("DOUBLE", "FLOAT") or kind.startswith("DECIMAL")
    return "DOUBLE" if is_number else "VARCHAR"


def _column_rules(column, kind):
    raw, typed, text = f"s.{quoted(column.name)}", cast(column.name, kind, column), kind in ("VARCHAR", ZONED_TEXT)
    given = f"{raw} IS NOT NULL" + (f" AND trim({raw}) <> ''" if text else "")
    rules = []
    if typed != raw and SQL_TYPES[column.kind] != "VARCHAR":
        name = f"{literal(f'{column.name} is not a {column.kind}: ')} || {cast_reason(raw, column.kind)}"
        rules.append(Rule(name, f"({given} AND {typed} IS NULL)", raw))
    if column.required:
        # What begins with a blank sorts before '!': the rest need not be trimmed.
        blank = f" OR ({raw} < '!' AND trim({raw}) = '')" if text else ""
        rules.append(Rule(literal(f"{column.name} is empty"), f"({raw} IS NULL{blank})", "''"))
    return rules + _bounds(column, kind, raw, typed)


def _bounds(column, kind, raw, typed):
    if column.kind == "time":
        outside = f"({typed} < TIMESTAMP '1000-01-01' OR {typed} > TIMESTAMP '9999-12-31 23:59:59.999999')"
        return [Rule(literal(f"{column.name} is outside the years 1000 to 9999"), outside, raw)]
    rules = []
    if column.kind == "integer" and kind not in WHOLE_NUMBERS:
        rules.append(Rule(literal(f"{column.name} is not an integer: a fraction"), f"try_cast({raw} AS DOUBLE) <> {typed}", raw))
    if column.kind == "number" and kind in ("DOUBLE", "FLOAT", "VARCHAR"):
        rules.append(Rule(literal(f"{column.name} is infinite"), f"isinf({typed})", raw))
    return rules + _range(column, raw, typed)


def _range(column, raw, typed):
    if column.least is None:
        return []
    if column.kind == "number":
        # DuckDB takes NaN for the largest number; it means that there is none.
        typed = f"nullif({typed}, 'nan'::DOUBLE)"
    words = "is not positive" if column.most is None else f"is outside {column.least:g} to {column.most:g}"
    above = "" if column.most is None else f" OR {typed} > {column.most}"
    return [Rule(literal(f"{column.name} {words}"), f"({typed} < {column.least}{above})", raw)]


def _order_rules(contract, found):
    pairs = [(contract.occurred, "known_at"), ("as_of", "target_known_at")]
    present = [pair for pair in pairs if pair[0] != pair[1] and set(pair) <= set(found)]
    # A row can be known at midnight of the day during which it happened: only an earlier day is an error.
    return [Rule(literal(f"{known} before {happened}"), f"{_day(contract, known, found)} < {_day(contract, happened, found)}", f"s.{known}")
            for happened, known in present]


def _future_rule(contract, found, latest):
    dated = "known_at" if "known_at" in found else contract.occurred
    # Simulated months may lie ahead of the calendar; a real row cannot have been known tomorrow.
    if latest == NO_DAY_LIMIT or dated not in found:
        return []
    return [Rule(literal(f"{dated} in the future"), f"{_day(contract, dated, found)} > DATE '{latest}'", f"s.{dated}")]


def _day(contract, name, found):
    return f"{cast(name, found[name], contract.column(name))}::DATE"
