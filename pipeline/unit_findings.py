"""Amounts that look like another unit's: payments against their invoices, and a customer's months against the months before."""

from features.feeders.sql import literal
from features.tables import TABLES

# A slip of units is a factor of 1,000 (thousands for ones) on top of what the amounts vary anyway: within about half an order of magnitude …
SLIP_LOW, SLIP_HIGH = 300, 3000
# … and beyond this many standard deviations of the customer's own log amounts, from this many rows in the month and before it.
SLIP_SPREADS = 4
SLIP_ROWS, SLIP_ROWS_BEFORE = 3, 6
PAID_TOO_MUCH = 100
OTHER_UNIT = 30
ALIGN = "Bring both to minor units in invoices.sql and payments.sql."


def finding(table, rule, rows, example, meaning, remedy):
    """A finding as `data/ingest.json` lists it."""
    return {"table": table, "rule": rule, "rows": rows, "example": example, "meaning": meaning, "remedy": remedy}


def unit_findings(connection, folder, columns):
    """Findings on the amounts of the kept tables of a folder; `columns` maps each table that is there to its columns."""
    told = _payments(connection, folder) if "invoice_id" in columns.get("payments", ()) and "invoices" in columns else []
    present = [table for table in ("invoices", "transactions") if table in columns]
    return told + [each for table in present for each in _slips(connection, folder / f"{table}.parquet", TABLES[table])]


def _payments(connection, folder):
    """Payments far above their invoice, or the two tables in different units."""
    invoices, payments = (literal(folder / f"{table}.parquet") for table in ("invoices", "payments"))
    paired, many, example, ratio = connection.execute(f"""
        WITH owed AS (SELECT invoice_id, max(amount) AS owed FROM {invoices} GROUP BY invoice_id),
             paired AS (SELECT payment_id, amount, owed, amount / owed AS ratio FROM {payments} JOIN owed USING (invoice_id))
        SELECT count(*), count_if(ratio >= {PAID_TOO_MUCH}),
               arg_max(payment_id || ': ' || amount || ' paid on ' || owed, ratio) FILTER (ratio >= {PAID_TOO_MUCH}), approx_quantile(ratio, 0.5)
        FROM paired""").fetchone()
    if paired and not 1 / OTHER_UNIT < ratio < OTHER_UNIT:
        return [finding("payments", "payments and invoices in different units", paired, f"half of the payments are at most {ratio:.3g} times their invoice",
                        "A payment usually is about its invoice's amount; one of the two files is in another unit.", ALIGN)]
    if many:
        return [finding("payments", f"a payment of {PAID_TOO_MUCH} times its invoice or more", many, example,
                        "One of the two amounts is in another unit (cents for units, ones for thousands).", ALIGN)]
    return []


def _slips(connection, path, contract):
    """Months in which a customer's amounts are about a thousand times what they were before, or a thousandth, far beyond their own spread."""
    rows, customers, example = connection.execute(f"""
        WITH logs AS (SELECT customer_id, date_trunc('month', {contract.occurred}) AS month, ln(abs(amount)) AS log FROM {literal(path)}
                      WHERE amount <> 0 AND customer_id IS NOT NULL),
             months AS (SELECT customer_id, month, count(*) AS n, sum(log) AS total, sum(log * log) AS squares FROM logs GROUP BY ALL),
             compared AS (SELECT *, sum(n) OVER earlier AS n_before, sum(total) OVER earlier / n_before AS mean, sum(squares) OVER earlier / n_before AS square
                          FROM months WINDOW earlier AS (PARTITION BY customer_id ORDER BY month ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)),
             steps AS (SELECT customer_id, month, n, total / n - mean AS step, sqrt(greatest(square - mean * mean, 0)) AS spread FROM compared
                       WHERE n >= {SLIP_ROWS} AND n_before >= {SLIP_ROWS_BEFORE})
        SELECT coalesce(sum(n), 0)::BIGINT, count(DISTINCT customer_id),
               min(customer_id || ' in ' || strftime(month, '%Y-%m') || ': ' || format('{{:.4g}}', exp(step)) || ' times the amounts before')
        FROM steps WHERE abs(step) BETWEEN ln({SLIP_LOW}) AND ln({SLIP_HIGH}) AND abs(step) > {SLIP_SPREADS} * spread""").fetchone()
    if not rows:
        return []
    return [finding(contract.name, "amounts of a month about 1,000 times, or a thousandth of, the months before", rows, example,
                    f"Amounts of {customers:,} customers leave their usual size by about three digits within a month, as in a delivery in another unit.",
                    f"Look at the files of these months, and bring their amounts to minor units in {contract.name}.sql.")]
