"""Statements checked as accounts: what cannot be right, or hardly, by customer and period, as findings beside the tables and never as rejects."""

from pathlib import Path

from features.feeders.sql import literal
from features.tables import LINES
from pipeline.account_rules import EXPENSES, KEY, RULES, SERIES
from pipeline.account_units import mean_scale, unit_slips
from pipeline.source_conflicts import conflict_findings, statement_conflicts, written

TEMPORARY = ("accounts", "usage", "series", "unit_slips", "found")
# A file's usage of a sign is what nine in ten of at least ten amounts have.
USUAL, LEAST_ROWS = 0.9, 10


def account_findings(connection, tables_folder, findings_folder):
    """Check the kept statements by RULES and sources against each other; findings as dicts of table, rule, rows, example, meaning, remedy.

    Writes `statements.parquet` into the findings folder, one row per finding: customer_id, period_end, period_months, basis, source, known_at (when both
    statements that show it were known), rule, line, expected, found, difference, other_source, severity 1 to 5; and what `conflict_findings` writes. No
    statements table means no findings of it.
    """
    tables, folder = Path(tables_folder), Path(findings_folder)
    folder.mkdir(parents=True, exist_ok=True)
    findings = []
    if (tables / "statements.parquet").exists():
        findings = _statements(connection, tables / "statements.parquet", folder / "statements.parquet")
    return findings + conflict_findings(connection, tables, folder)


def _statements(connection, path, place):
    _prepare(connection, path)
    connection.execute("""CREATE OR REPLACE TEMP TABLE found (customer_id VARCHAR, period_end TIMESTAMP, period_months BIGINT, basis VARCHAR, source VARCHAR,
        known_at TIMESTAMP, rule VARCHAR, line VARCHAR, expected DOUBLE, found DOUBLE, difference DOUBLE, other_source VARCHAR, severity TINYINT)""")
    for rule in RULES:
        connection.execute(f"INSERT INTO found SELECT {KEY}, known_at, '{rule.name}', line, expected, found, found - expected, NULL, {rule.severity} "
                           f"FROM ({rule.query})")
    findings = [*_summaries(connection, RULES), *statement_conflicts(connection), *_usage(connection)]
    connection.execute(f"COPY (FROM found ORDER BY ALL) TO {literal(place)} (FORMAT parquet, COMPRESSION zstd)")
    for name in TEMPORARY:
        connection.execute(f"DROP TABLE IF EXISTS {name}")
    return findings


def _prepare(connection, path):
    """The temporary tables that the rules read."""
    present = {name for name, *_ in connection.execute(f"DESCRIBE FROM {literal(path)}").fetchall()}
    for name, query in (("accounts", _accounts(path, present)), ("usage", _signs_in_use()), ("series", _series()), ("unit_slips", unit_slips())):
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {query}")
    # One wrong unit breaks every comparison with its neighbours: named once, not again by the rules across periods.
    connection.execute(f"""UPDATE series SET comparable = false FROM (SELECT DISTINCT {KEY} FROM unit_slips) AS slip
        WHERE series.customer_id = slip.customer_id AND series.period_months = slip.period_months AND series.basis IS NOT DISTINCT FROM slip.basis
          AND series.source IS NOT DISTINCT FROM slip.source AND slip.period_end IN (series.period_end, series.previous_period_end)""")


def _accounts(path, present):
    """Versions of statements with all lines the rules read; `month` is that of the nearest month end, as the features take it."""
    optional = {"basis": "VARCHAR", "source": "VARCHAR", "currency": "VARCHAR", "confidence": "DOUBLE"} | dict.fromkeys(LINES, "DOUBLE")
    columns = [name if name in present else f"NULL::{kind} AS {name}" for name, kind in optional.items()]
    return f"""SELECT customer_id, period_end, period_months, known_at, {", ".join(columns)}, row_number() OVER () AS row,
        {_text("basis", present)} AS basis_name, {_text("source", present)} AS source_name,
        datediff('month', DATE '1950-01-01', (period_end - INTERVAL 15 DAY)::DATE) AS month FROM {literal(path)}"""


def _text(name, present):
    return f"coalesce({name}, '')" if name in present else "''"


def _signs_in_use():
    shares = [f"""coalesce(count(*) FILTER ({line} < 0) >= {USUAL} * count(*) FILTER ({line} <> 0) AND count(*) FILTER ({line} <> 0) >= {LEAST_ROWS}, false)
        AS {line}_negative""" for line in EXPENSES]
    return f"SELECT source_name, {', '.join(shares)} FROM accounts GROUP BY source_name"


def _series():
    """The version known last of each period beside the one of the period before; `first` figures are those of the version known first.

    `size` is the mean power of ten of its lines. Only what the rules across periods read is carried along: a window over all lines costs seconds.
    """
    figures = ", ".join(("cash", "retained_earnings", "equity", "net_income", "dividends", "operating_cash_flow", "investing_cash_flow",
                         "financing_cash_flow"))
    carried = ("known_at", "period_end", "currency", "cash", "cash_first", "retained_first", "equity", "net_income", "size")
    previous = ", ".join(f"lag({name}) OVER later AS previous_{name}" for name in carried)
    columns = f"{KEY}, basis_name, source_name, month, known_at, currency, confidence, row, {figures}, {mean_scale()} AS size"
    firsts = "first_value(cash) OVER versions AS cash_first, first_value(retained_earnings) OVER versions AS retained_first"
    return f"""WITH restated AS (SELECT {SERIES}, month FROM accounts GROUP BY ALL HAVING count(*) > 1),
            latest AS (SELECT {columns}, cash AS cash_first, retained_earnings AS retained_first FROM accounts ANTI JOIN restated USING ({SERIES}, month)
                UNION ALL SELECT {columns}, {firsts} FROM accounts SEMI JOIN restated USING ({SERIES}, month)
                WINDOW versions AS (PARTITION BY {SERIES}, month ORDER BY known_at) QUALIFY lead(known_at) OVER versions IS NULL)
        SELECT *, {previous}, lag(retained_earnings) OVER later AS previous_retained, month - lag(month) OVER later AS months_since_previous,
            coalesce(currency = lag(currency) OVER later, true) AS comparable
        FROM latest WINDOW later AS (PARTITION BY {SERIES} ORDER BY month)"""


def _summaries(connection, rules):
    counts = connection.execute("""SELECT rule, count(*), arg_min(struct_pack(customer_id, period_end, line, expected, found),
        (customer_id, period_end, line, known_at))
        FROM found GROUP BY rule""").fetchall()
    by_name = {name: (rows, example) for name, rows, example in counts}
    return [{"table": "statements", "rule": rule.name, "rows": by_name[rule.name][0], "example": _shown(by_name[rule.name][1]), "meaning": rule.meaning,
             "remedy": rule.remedy} for rule in rules if rule.name in by_name]


def _shown(example):
    about = f"{example['customer_id']}, {example['period_end']:%Y-%m-%d}, {example['line']}"
    if example["found"] is None:
        return about
    return f"{about}: {written(example['found'])}" + (f", expected {written(example['expected'])}" if example["expected"] is not None else "")


def _usage(connection):
    """Files that write an expense below zero throughout: nothing is wrong with a row, but features read expenses as positive amounts."""
    found = []
    for line in EXPENSES:
        rows, source = connection.execute(f"""SELECT count(*), min(source_name) FROM accounts JOIN usage USING (source_name)
            WHERE {line}_negative AND {line} < 0""").fetchone()
        if rows:
            found.append({"table": "statements", "rule": "negative expenses", "rows": rows, "example": f"{line}, source {source or 'not named'}",
                          "meaning": f"{line} is negative throughout, while features read expenses as positive amounts",
                          "remedy": f"give -{line} AS {line} in the SELECT"})
    return found
