"""Where two sources say different things of one customer: named, kept side by side, never merged.

Which of them features read is one rule: of a period's versions the one of the highest confidence, of equals the one known last, and always whole
(`features.accounts`). Events are all read, whichever source they come from. Of customers the row known last is read, whole.
"""

from features.feeders.sql import literal
from features.tables import LINES

# Two registries round differently; beyond one per cent one of them is wrong or means something else.
TOLERANCE = 0.01
ROUNDING = 2.0
SEVERITY = 3
# A customer may move away and back once; two registries take turns.
TURNS = 2
FACTS = ("industry", "region", "ownership", "kind", "founded_on")
SAME_PERIOD = "customer_id, month, period_months, basis_name"

_SOURCES = {
    "meaning": "two sources give one period differently by more than 1 %; features read the one of the higher confidence, of equals the one known last, whole",
    "remedy": "give the more trusted source the higher confidence (0 to 1) in the SELECT, or leave the other out",
}
_CURRENCIES = _SOURCES | {"meaning": "two sources give one period in different currencies, so that nothing else of them can be compared"}
_TWICE = {
    "meaning": "two sources give an event of one kind, day and amount for one customer, which counts and sums then count twice",
    "remedy": "leave one of them out in the SELECT, by the higher confidence, if they are one event",
}
_BACK = {
    "meaning": "a fact about the customer goes back to a former value again and again, as when two registries take turns; features read the row known last",
    "remedy": "choose one registry in the SELECT: arg_max of its rank, not of the day it was known",
}


def statement_conflicts(connection):
    """Findings of sources that disagree on a customer's period, added to the temporary table `found` line by line.

    Reads the temporary tables `accounts` and `series` of `pipeline.account_checks`; of each source its version known last. `found` is the value that is not
    read, of `source`; `expected` the one that is, of `other_source`.
    """
    connection.execute(f"CREATE OR REPLACE TEMP TABLE rivals AS {_rivals()}")
    connection.execute(f"INSERT INTO found {_disagreements()}")
    connection.execute(f"""INSERT INTO found SELECT {_key()}, 'conflicting currencies', 'currency', NULL, NULL, NULL, other_source, {SEVERITY}
        FROM rivals WHERE currency <> other_currency""")
    connection.execute("DROP TABLE rivals")
    return [*_summary(connection, "conflicting sources", _SOURCES), *_summary(connection, "conflicting currencies", _CURRENCIES)]


def _key():
    return "customer_id, period_end, period_months, basis, source, greatest(known_at, other_known_at)"


def _rivals():
    """Each period's versions that features do not read, beside the one they read, whose columns are named other_."""
    places = ", ".join(f"accounts.{name}" for name in SAME_PERIOD.split(", "))
    return f"""WITH several AS (SELECT {SAME_PERIOD} FROM series GROUP BY ALL HAVING count(DISTINCT source_name) > 1),
            ranked AS (SELECT accounts.*, row_number() OVER (PARTITION BY {places} ORDER BY coalesce(accounts.confidence, 1) DESC, accounts.known_at DESC,
                    accounts.source_name DESC) AS place
                FROM series SEMI JOIN several USING ({SAME_PERIOD}) JOIN accounts USING (row)),
            read AS (SELECT COLUMNS(*) AS 'other_\\0' FROM ranked WHERE place = 1)
        SELECT ranked.*, read.* FROM ranked JOIN read ON {" AND ".join(f"ranked.{name} = read.other_{name}" for name in SAME_PERIOD.split(", "))}
        WHERE place > 1"""


def _disagreements():
    apart = f"abs({{line}} - other_{{line}}) > {TOLERANCE} * greatest(abs({{line}}), abs(other_{{line}})) + {ROUNDING}"
    each = ", ".join(f"CASE WHEN {apart.format(line=line)} THEN struct_pack(line := '{line}', expected := other_{line}, found := {line}) END" for line in LINES)
    return f"""SELECT {_key()}, 'conflicting sources', gap.line, gap.expected, gap.found, gap.found - gap.expected, other_source, {SEVERITY}
        FROM (SELECT *, unnest(list_filter([{each}], lambda gap: gap IS NOT NULL)) AS gap FROM rivals
              WHERE coalesce(currency, '') = coalesce(other_currency, ''))"""


def _summary(connection, rule, about):
    rows, example = connection.execute("""SELECT count(*), arg_min(struct_pack(customer_id, period_end, line, expected, found, source, other_source),
        (customer_id, period_end, line, source)) FROM found WHERE rule = ?""", [rule]).fetchone()
    if not rows:
        return []
    shown = f"{example['customer_id']}, {example['period_end']:%Y-%m-%d}, {example['line']}: "
    if example["found"] is None:
        shown += f"{example['source']} and {example['other_source']}"
    else:
        shown += f"{written(example['found'])} of {example['source']} against {written(example['expected'])} of {example['other_source']}"
    return [{"table": "statements", "rule": rule, "rows": rows, "example": shown, **about}]


def written(amount):
    """An amount as a person reads it: whole from a thousand on."""
    return f"{amount:,.0f}" if abs(amount) >= 1_000 else f"{amount:.6g}"


def conflict_findings(connection, tables, folder):
    """Findings of events that two sources both give and of facts about customers that change back and forth; `events.parquet` and `customers.parquet`
    in the findings folder list them where there are any: customer_id, occurred_at or known_at, and what is said by whom."""
    findings = []
    for name, queries in (("events", _events), ("customers", _customers)):
        path = tables / f"{name}.parquet"
        if path.exists():
            present = {column for column, *_ in connection.execute(f"DESCRIBE FROM {literal(path)}").fetchall()}
            findings += queries(connection, path, present, folder / f"{name}.parquet")
    return findings


def _events(connection, path, present, place):
    if not {"source", "amount"} <= present:
        return []
    query = f"""SELECT customer_id, occurred_at::DATE AS occurred_on, kind, amount, list_sort(list(DISTINCT source)) AS sources, max(known_at) AS known_at
        FROM {literal(path)} WHERE amount IS NOT NULL AND source IS NOT NULL GROUP BY ALL HAVING count(DISTINCT source) > 1"""
    return _listed(connection, query, place, "one event of two sources", "events",
                   lambda row: f"{row[0]}, {row[1]}, {row[2]}: {' and '.join(row[4])}", _TWICE)


def _customers(connection, path, present, place):
    facts = [fact for fact in FACTS if fact in present]
    if not facts:
        return []
    back = " UNION ALL ".join(f"""SELECT customer_id, max(known_at) AS known_at, '{fact}' AS fact, max(value) AS one, min(value) AS other, count(*) AS times
        FROM (SELECT customer_id, known_at, {fact}::VARCHAR AS value FROM {literal(path)} WHERE {fact} IS NOT NULL
              WINDOW w AS (PARTITION BY customer_id ORDER BY known_at)
              QUALIFY {fact} <> lag({fact}) OVER w AND list_contains(list({fact}) OVER (w ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), {fact}))
        GROUP BY customer_id HAVING count(*) >= {TURNS}""" for fact in facts)
    return _listed(connection, back, place, "fact changes back and forth", "customers",
                   lambda row: f"{row[0]}, {row[1]:%Y-%m-%d}, {row[2]}: {row[3]} and {row[4]}", _BACK)


def _listed(connection, query, place, rule, table, shown, about):
    connection.execute(f"CREATE OR REPLACE TEMP TABLE listed AS {query}")
    rows = connection.execute("SELECT count(*) FROM listed").fetchone()[0]
    first = connection.execute("FROM listed ORDER BY ALL LIMIT 1").fetchone()
    if rows:
        connection.execute(f"COPY (FROM listed ORDER BY ALL) TO {literal(place)} (FORMAT parquet, COMPRESSION zstd)")
    connection.execute("DROP TABLE listed")
    return [{"table": table, "rule": rule, "rows": rows, "example": shown(first), **about}] if rows else []
