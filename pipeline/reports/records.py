"""What the tables know about the customers that get a report, read in one pass per table and summed up in DuckDB."""

import duckdb
import pyarrow as pa

from features.tables import TABLES

_TYPES = {"id": "VARCHAR", "category": "VARCHAR", "text": "VARCHAR", "time": "TIMESTAMP", "money": "BIGINT", "number": "DOUBLE",
          "flag": "BOOLEAN", "integer": "BIGINT"}
USED = ("customers", "statements", "contracts", "invoices", "payments", "transactions", "events", "exposures")
MONTHS = 24
# Ratios of a statement: name, numerator, denominator (None: the line itself), unit, and +1 where more is better.
RATIOS = (
    ("equity_ratio", "equity", "total_assets", "share", 1),
    ("current_ratio", "current_assets", "current_liabilities", "times", 1),
    ("interest_cover", "ebit", "interest_expense", "times", 1),
    ("operating_cash_to_liabilities", "operating_cash_flow", "total_liabilities", "share", 1),
    ("ebit_margin", "ebit", "revenue", "share", 1),
    ("net_margin", "net_income", "revenue", "share", 1),
    ("return_on_assets", "net_income", "total_assets", "share", 1),
    ("receivable_days", "365 * receivables", "revenue", "days", -1),
    ("inventory_days", "365 * inventory", "cost_of_sales", "days", -1),
)
# The median of fewer statements than this says little, and comes near to telling one firm the figures of another.
FEWEST_PEERS = 5
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
AMOUNTS = ("revenue", "ebit", "net_income", "total_assets", "equity", "operating_cash_flow")


def open_tables(folder, *, as_of, threads):
    """A DuckDB connection with a view per table, `all_<table>`, of what was known at as_of.

    Every column of the contract is there: a column or a table that the source lacks reads as null or empty, so no query asks what there is.
    """
    connection = duckdb.connect()
    connection.execute(f"SET threads = {int(threads)}; SET TimeZone = 'UTC'; SET preserve_insertion_order = true")
    for name in USED:
        whole = _whole(folder / f"{name}.parquet", TABLES[name])
        connection.execute(f"CREATE VIEW all_{name} AS SELECT * FROM ({whole}) WHERE known_at <= '{as_of}'::TIMESTAMP")
    return connection


def _whole(path, table):
    columns = ", ".join(f'NULL::{_TYPES[column.kind]} AS "{column.name}"' for column in table.columns)
    given = f"FROM read_parquet('{path}') UNION ALL BY NAME " if path.exists() else ""
    return f"{given}SELECT {columns} WHERE false"


def take(connection, customers):
    """Copy what was known of these customers into tables of their own; customers: (customer_id, as_of, since), as_of inclusive, since or None the earlier
    moment after which a row is news."""
    ids, *moments = zip(*customers, strict=True)
    asked = pa.table([pa.array(ids, pa.string()), *(pa.array(each, pa.timestamp("us")) for each in moments)], ["customer_id", "as_of", "since"])
    connection.register("asked", asked)
    connection.execute("CREATE OR REPLACE TEMP TABLE reported AS FROM asked")
    connection.unregister("asked")
    for name in USED:
        connection.execute(f"""
            CREATE OR REPLACE TEMP TABLE {name} AS
            SELECT t.*, r.as_of, r.since FROM all_{name} t JOIN reported r USING (customer_id) WHERE t.known_at <= r.as_of""")


def profiles(connection):
    """The latest row of each customer: {customer_id: dict of the customers table, with known_since}."""
    rows = rows_of(connection, """
        SELECT *, min(known_at) OVER (PARTITION BY customer_id) AS known_since FROM customers
        QUALIFY row_number() OVER (PARTITION BY customer_id ORDER BY known_at DESC) = 1 ORDER BY customer_id""")
    return {row["customer_id"]: row for row in rows}


def industries(connection):
    """The industry of every customer as last known: {customer_id: name or None}; not only of those taken."""
    query = "SELECT customer_id, arg_max_null(industry, known_at) FROM all_customers GROUP BY customer_id"
    return dict(connection.execute(query).fetchall())


def regions(connection):
    """The region of every customer as last known, as `industries`."""
    query = "SELECT customer_id, arg_max_null(region, known_at) FROM all_customers GROUP BY customer_id"
    return dict(connection.execute(query).fetchall())


def tables_of(connection):
    """Names of the tables that know anything of each customer: {customer_id: set}; not only of those taken."""
    found = {}
    for name in USED:
        for customer, in connection.execute(f"SELECT DISTINCT customer_id FROM all_{name}").fetchall():
            found.setdefault(customer, set()).add(name)
    return found


def names(connection, customers):
    """The name of some customers as last known: {customer_id: name or None}."""
    query = "SELECT customer_id, arg_max_null(name, known_at) FROM all_customers WHERE list_contains(?, customer_id) GROUP BY customer_id"
    return dict(connection.execute(query, [list(customers)]).fetchall())


def statements(connection):
    """The last four annual statements in their latest version, oldest first: {customer_id: [dict of lines and ratios]}.

    Consolidated statements where a customer has any, else separate ones: a trend over both would compare two different firms.
    """
    return by_customer(rows_of(connection, f"""
        WITH annual AS (SELECT * REPLACE (coalesce(equity, total_assets - total_liabilities) AS equity)
                        FROM statements WHERE period_months = 12),
             latest AS (SELECT * FROM annual QUALIFY basis IS NOT DISTINCT FROM min(basis) OVER (PARTITION BY customer_id)
                        AND row_number() OVER (PARTITION BY customer_id, period_end, basis ORDER BY known_at DESC, source) = 1),
             recent AS (SELECT * FROM latest QUALIFY row_number() OVER (PARTITION BY customer_id ORDER BY period_end DESC) <= 4)
        SELECT customer_id, period_end, known_at, basis, source, audited, currency, {', '.join(AMOUNTS)}, {_ratio_columns()}
        FROM recent ORDER BY customer_id, period_end"""))


def industry_quantiles(connection, *, as_of):
    """The QUANTILES of each ratio over an industry's latest annual statements of the last two years: {industry: {ratio: list, "customers":
    number}, None: over all customers}; an industry with fewer than five is left out, as is a ratio that fewer than five have (None)."""
    quantiles = ", ".join(f"CASE WHEN count({name}) >= {FEWEST_PEERS} THEN quantile_cont({name}, {list(QUANTILES)}) END AS {name}" for name, *_ in RATIOS)
    rows = rows_of(connection, f"""
        WITH who AS (SELECT customer_id, arg_max_null(industry, known_at) AS industry FROM all_customers GROUP BY customer_id),
             annual AS (SELECT * REPLACE (coalesce(equity, total_assets - total_liabilities) AS equity) FROM all_statements
                        WHERE period_months = 12 AND period_end > '{as_of}'::TIMESTAMP - INTERVAL 2 YEAR),
             latest AS (SELECT * FROM annual
                        QUALIFY row_number() OVER (PARTITION BY customer_id ORDER BY period_end DESC, known_at DESC, basis, source) = 1),
             ratios AS (SELECT industry, {_ratio_columns()} FROM latest LEFT JOIN who USING (customer_id))
        SELECT industry, count(*) AS customers, grouping(industry) AS whole, {quantiles}
        FROM ratios GROUP BY ROLLUP (industry) HAVING count(*) >= {FEWEST_PEERS} ORDER BY ALL""")
    return {row["industry"]: row for row in rows if row["whole"] or row["industry"] is not None}


def _ratio_columns():
    return ", ".join(f"CASE WHEN {below} > 0 THEN {above} / {below} END AS {name}" for name, above, below, *_ in RATIOS)


# The moment at which the payments up to it covered an invoice; a write-off is no payment.
SETTLED = """
    WITH paid AS (SELECT invoice_id, occurred_at,
                         sum(amount) OVER (PARTITION BY invoice_id ORDER BY occurred_at, payment_id) AS so_far
                  FROM payments WHERE kind IS DISTINCT FROM 'write_off'),
         settled AS (SELECT i.customer_id, i.invoice_id, i.due_at, i.amount, i.currency, i.as_of, i.since,
                            coalesce(max(p.so_far), 0) AS received, min(p.occurred_at) FILTER (p.so_far >= i.amount) AS settled_at
                     FROM invoices i LEFT JOIN paid p USING (invoice_id) GROUP BY ALL),
         dated AS (SELECT *, greatest(date_diff('day', due_at, coalesce(settled_at, as_of)), 0) AS days_late FROM settled)"""


def payments_by_month(connection):
    """What fell due in each of the last 24 months and when it was paid: {customer_id: [dict]}.

    month, late_invoices, worst_days (of one invoice), currency; in minor units: on_time, late (1 to 30 days), very_late (over 30 days), open; days_late is
    weighted by amount, an early payment counts as 0 and an open invoice as late as it is at as_of.
    """
    return by_customer(rows_of(connection, SETTLED + f"""
        SELECT customer_id, date_trunc('month', due_at)::DATE AS month,
               coalesce(sum(amount) FILTER (settled_at IS NOT NULL AND days_late = 0), 0)::BIGINT AS on_time,
               coalesce(sum(amount) FILTER (settled_at IS NOT NULL AND days_late BETWEEN 1 AND 30), 0)::BIGINT AS late,
               coalesce(sum(amount) FILTER (settled_at IS NOT NULL AND days_late > 30), 0)::BIGINT AS very_late,
               coalesce(sum(amount) FILTER (settled_at IS NULL), 0)::BIGINT AS open,
               sum(amount::HUGEINT * days_late) / sum(amount) AS days_late, min(currency) AS currency,
               count(*) FILTER (days_late > 0) AS late_invoices, max(days_late) AS worst_days
        FROM dated WHERE due_at <= as_of AND due_at >= date_trunc('month', as_of) - INTERVAL {MONTHS - 1} MONTH
        GROUP BY ALL ORDER BY customer_id, month"""))


def overdue(connection):
    """What is unpaid past its due day at as_of: {customer_id: dict of amount (minor units), invoices, oldest_days, currency}."""
    return _one_each(rows_of(connection, SETTLED + """
        SELECT customer_id, coalesce(sum(amount - received) FILTER (due_at < as_of), 0)::BIGINT AS amount,
               count(*) FILTER (due_at < as_of) AS invoices, max(days_late) AS oldest_days, min(currency) AS currency
        FROM dated WHERE settled_at IS NULL GROUP BY customer_id ORDER BY customer_id"""))


def cash_by_month(connection):
    """Money in, money out (both positive, minor units) and the last balance of each of the last 24 months: {customer_id: [dict]}."""
    return by_customer(rows_of(connection, f"""
        SELECT customer_id, date_trunc('month', occurred_at)::DATE AS month, coalesce(sum(amount) FILTER (amount > 0), 0)::BIGINT AS inflow,
               coalesce(-sum(amount) FILTER (amount < 0), 0)::BIGINT AS outflow,
               last(balance ORDER BY occurred_at, transaction_id) AS balance, min(currency) AS currency
        FROM transactions WHERE occurred_at <= as_of AND occurred_at >= date_trunc('month', as_of) - INTERVAL {MONTHS - 1} MONTH
        GROUP BY ALL ORDER BY customer_id, month"""))


def events(connection):
    """Events of the last 24 months, newest first: {customer_id: [dict of kind, occurred_at, amount, severity, source]}."""
    return by_customer(rows_of(connection, f"""
        SELECT customer_id, occurred_at, kind, amount, severity, source FROM events
        WHERE occurred_at <= as_of AND occurred_at >= date_trunc('month', as_of) - INTERVAL {MONTHS - 1} MONTH
        ORDER BY customer_id, occurred_at DESC, event_id"""))


def filings(connection):
    """The days of the last 24 months on which a statement became known: {customer_id: [dict of known_at, period_end, period_months]}."""
    return by_customer(rows_of(connection, f"""
        SELECT DISTINCT customer_id, known_at, period_end, period_months FROM statements
        WHERE known_at >= date_trunc('month', as_of) - INTERVAL {MONTHS - 1} MONTH ORDER BY customer_id, known_at, period_end"""))


def contracts(connection):
    """Contracts by their latest status: {customer_id: [dict of status, contracts, amount]}."""
    return by_customer(rows_of(connection, """
        WITH latest AS (SELECT * FROM contracts QUALIFY row_number() OVER (PARTITION BY contract_id ORDER BY known_at DESC) = 1)
        SELECT customer_id, status, count(*) AS contracts, sum(amount)::BIGINT AS amount
        FROM latest GROUP BY ALL ORDER BY customer_id, status"""))


def exposures(connection):
    """The latest row of each customer's exposure: {customer_id: dict}."""
    return _one_each(rows_of(connection, """
        SELECT * FROM exposures QUALIFY row_number() OVER (PARTITION BY customer_id ORDER BY known_at DESC) = 1 ORDER BY customer_id"""))


def freshness(connection):
    """Rows and the latest known_at of each table: {customer_id: [dict of table, rows, known_at]}, only tables with rows."""
    parts = " UNION ALL ".join(f"""
        SELECT customer_id, '{name}' AS "table", {place} AS place, count(*) AS rows, max(known_at) AS known_at FROM {name} GROUP BY ALL"""
        for place, name in enumerate(USED))
    return by_customer(rows_of(connection, f"SELECT * FROM ({parts}) ORDER BY customer_id, place"))


def rows_of(connection, query):
    """The rows of a query as dicts."""
    found = connection.execute(query)
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def by_customer(rows):
    """Rows by their customer_id, in their order."""
    grouped = {}
    for row in rows:
        grouped.setdefault(row["customer_id"], []).append(row)
    return grouped


def _one_each(rows):
    return {row["customer_id"]: row for row in rows}
