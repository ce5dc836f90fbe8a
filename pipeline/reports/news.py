"""What became known of the customers that get a report since they were looked at before, as counts and as single facts with their day.

Reads the tables that `records.take` made, in which `since` is the earlier moment; nothing is news of a customer without one.
"""

from pipeline.reports.records import SETTLED, USED, by_customer, rows_of

# Master data whose change says something of risk; a table may lack any of them.
WATCHED = ("name", "industry", "region", "ownership", "kind")
# Of one kind of event so many are told one by one, newest first.
EACH_KIND = 3


def arrivals(connection):
    """Rows of each table that became known since: {customer_id: [dict of table, rows]}, only tables with such rows."""
    parts = " UNION ALL ".join(f"""
        SELECT customer_id, '{name}' AS "table", {place} AS place, count(*) AS rows FROM {name} WHERE known_at > since GROUP BY ALL"""
        for place, name in enumerate(USED))
    return by_customer(rows_of(connection, f"SELECT * FROM ({parts}) ORDER BY customer_id, place"))


def facts_since(connection):
    """Single facts since, newest first: {customer_id: [dict of kind, on and what that kind tells]}.

    filed: period_end; event: event, amount; late: invoices that were paid late, amount, days of the latest; overdue: the same of what fell due and is
    unpaid; contract: status, contracts; master: column, old, new; exposure: old, new, currency. Amounts are in minor units.
    """
    told = [row for part in (_filed, _events, _late, _overdue, _contracts, _master, _exposure) for row in part(connection)]
    return by_customer(sorted(told, key=lambda row: (row["on"], row["kind"]), reverse=True))


def _filed(connection):
    return rows_of(connection, """
        SELECT DISTINCT customer_id, 'filed' AS kind, known_at AS "on", period_end FROM statements WHERE known_at > since ORDER BY ALL""")


def _events(connection):
    return rows_of(connection, f"""
        SELECT customer_id, 'event' AS kind, occurred_at AS "on", events.kind AS event, amount FROM events WHERE known_at > since
        QUALIFY row_number() OVER (PARTITION BY customer_id, events.kind ORDER BY occurred_at DESC, event_id) <= {EACH_KIND} ORDER BY ALL""")


def _late(connection):
    return rows_of(connection, SETTLED + """
        SELECT customer_id, 'late' AS kind, max(settled_at) AS "on", count(*) AS invoices, sum(amount)::BIGINT AS amount, max(days_late) AS days,
               min(currency) AS currency
        FROM dated WHERE settled_at > since AND days_late > 0 GROUP BY customer_id ORDER BY customer_id""")


def _overdue(connection):
    return rows_of(connection, SETTLED + """
        SELECT customer_id, 'overdue' AS kind, max(due_at) AS "on", count(*) AS invoices, sum(amount - received)::BIGINT AS amount,
               max(days_late) AS days, min(currency) AS currency
        FROM dated WHERE settled_at IS NULL AND due_at > since AND due_at < as_of GROUP BY customer_id ORDER BY customer_id""")


def _contracts(connection):
    return rows_of(connection, """
        WITH latest AS (SELECT * FROM contracts QUALIFY row_number() OVER (PARTITION BY contract_id ORDER BY known_at DESC) = 1)
        SELECT customer_id, 'contract' AS kind, max(known_at) AS "on", status, count(*) AS contracts FROM latest
        WHERE known_at > since AND status IN ('late', 'breached') GROUP BY customer_id, status ORDER BY ALL""")


def _master(connection):
    changes = " UNION ALL ".join(f"""
        SELECT customer_id, 'master' AS kind, known_at AS "on", '{name}' AS "column", old_{name}::VARCHAR AS old, {name}::VARCHAR AS new FROM dated
        WHERE known_at > since AND {name} IS DISTINCT FROM old_{name} AND old_{name} IS NOT NULL""" for name in WATCHED)
    before = ", ".join(f"lag({name}) OVER (PARTITION BY customer_id ORDER BY known_at) AS old_{name}" for name in WATCHED)
    return rows_of(connection, f"WITH dated AS (SELECT *, {before} FROM customers) SELECT * FROM ({changes}) ORDER BY ALL")


def _exposure(connection):
    return rows_of(connection, """
        SELECT customer_id, 'exposure' AS kind, max(known_at) AS "on", arg_max(exposure, known_at) FILTER (known_at <= since) AS old,
               arg_max(exposure, known_at) AS new, arg_max(currency, known_at) AS currency
        FROM exposures GROUP BY customer_id HAVING max(known_at) > any_value(since) AND old IS NOT NULL AND old IS DISTINCT FROM new ORDER BY customer_id""")
