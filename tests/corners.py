"""Customers that hurt, by name: their rows of every table, and the moments they are asked at. All fit into one book."""

from datetime import datetime, timedelta

from builders import contract, customer, event, exposure, invoice, observation, outcome, payment, series, statement, transaction

AS_OF = datetime(2023, 6, 30, 12)
SECOND = timedelta(seconds=1)
OPTIONAL = {
    "customers": ("name", "kind", "industry", "scope", "ownership", "region", "founded_on", "onboarded_on"),
    "statements": ("basis", "source", "currency", "audited"),
    "contracts": ("signed_on", "due_on", "amount"),
    "invoices": ("currency",),
    "payments": ("invoice_id", "kind"),
    "transactions": ("currency", "kind", "counterparty_id", "channel", "balance"),
    "events": ("amount", "severity", "source", "confidence"),
    "exposures": ("limit", "exposure", "collateral", "currency"),
}
ROWS = {
    "customers": customer,
    "statements": statement,
    "contracts": contract,
    "invoices": invoice,
    "payments": payment,
    "transactions": transaction,
    "events": event,
    "exposures": exposure,
}


def one_of_each(who, **changes):
    """A row of every table."""
    return {table: [row(who, **changes)] for table, row in ROWS.items()}


def in_one_table(table):
    """A row of that table and of no other."""
    return lambda who: {table: [ROWS[table](who)]}


def all_null(who):
    """A row of every table with nothing in it that may be missing."""
    return {table: [row(who, **dict.fromkeys(OPTIONAL[table]))] for table, row in ROWS.items()}


def tied(who):
    """Rows of one second, known in another order than their ids and than their microseconds; and of one moment throughout."""
    moments = [AS_OF - SECOND * 3 + timedelta(microseconds=step) for step in (900_000, 1, 500_000, 0, 0, 0)]
    lags = (0, 3, 1, 2, 0, 0)
    dated = [{"occurred_at": when, "known_at": when + SECOND * lag} for when, lag in zip(moments, lags, strict=True)]
    moved = [{"transaction_id": f"{who}T{9 - part}", "amount": 100 * part - 250, "balance": part} for part in range(6)]
    rows = {
        "transactions": [transaction(who, **each, **when) for each, when in zip(moved, dated, strict=True)],
        "events": [event(who, event_id=f"{who}E{9 - part}", severity=1 + part / 3, **when) for part, when in enumerate(dated)],
    }
    rows["invoices"] = [invoice(who, invoice_id=f"{who}I{9 - part}", issued_at=when["occurred_at"] - timedelta(days=50)) for part, when in enumerate(dated)]
    paid = [{"invoice_id": f"{who}I{9 - part // 2}", "amount": 50_000 + part, "kind": ["payment", "write_off"][part % 2]} for part in range(6)]
    rows["payments"] = [payment(who, payment_id=f"{who}P{9 - part}", **each, **when) for part, (each, when) in enumerate(zip(paid, dated, strict=True))]
    return rows


def corrected(who):
    """States with later rows of the same key, some within the second, one of them known after as_of."""
    lags = [timedelta(0), timedelta(microseconds=400_000), timedelta(days=30), AS_OF - datetime(2023, 1, 2) + timedelta(microseconds=1)]
    since = datetime(2023, 1, 2)
    return {
        "customers": [customer(who, known_at=since + lag, region=f"R{part}", industry=["steel", None][part % 2]) for part, lag in enumerate(lags)],
        "exposures": [exposure(who, known_at=since + lag, limit=1000 + part, exposure=900 - part) for part, lag in enumerate(lags)],
        "contracts": [contract(who, contract_id=f"{who}K", known_at=since + lag, amount=part, due_on="2023-02-01") for part, lag in enumerate(lags)],
        "statements": [statement(who, known_at=since + lag, net_income=10.0 - part, total_assets=100.0 + part) for part, lag in enumerate(lags)],
    }


def around(who):
    """Rows that happened or became known within a second of as_of, before and after."""
    steps = [timedelta(microseconds=step) for step in (-1_500_000, -1_000_000, -1, 0, 1, 500_000, 1_000_000)]
    dated = [(AS_OF + step, AS_OF + step + lag) for step in steps for lag in (timedelta(0), timedelta(microseconds=1))]
    return {
        "transactions": [transaction(who, occurred_at=when, known_at=known, amount=part + 1) for part, (when, known) in enumerate(dated)],
        "events": [event(who, occurred_at=when, known_at=known) for when, known in dated],
        "exposures": [exposure(who, known_at=known + SECOND * part / 9, limit=part + 1) for part, (_, known) in enumerate(dated)],
    }


def crowd(who):
    """More rows than kernel.FEW_ROWS, each day's posted at 02:00 of the next, and four days imported a year later."""
    rows = []
    for part in range(2_300):
        when = datetime(2022, 3, 1) + timedelta(minutes=311 * part)
        night = when.replace(hour=2, minute=0) + timedelta(days=1)
        late = datetime(2023, 6, 1, 3) if when.month == 5 and when.day < 5 else night
        optional = {"counterparty_id": f"B{part % 7}", "kind": ["card", "transfer"][part % 2]}
        rows.append(transaction(who, occurred_at=when, known_at=late, amount=part % 997 - 300, balance=part % 89 - 20, **optional))
    return {"transactions": rows}


def many_counterparties(who):
    """A counterparty to every row, and one to a few."""
    rows = [
        transaction(who, occurred_at=datetime(2023, 2, 1) + timedelta(minutes=70 * part), amount=-part - 1, counterparty_id=f"Z{part}" if part % 9 else "Z")
        for part in range(2_100)
    ]
    return {"transactions": rows}


def large(who):
    """Amounts near 2^40 of both signs, one unit apart, and their deviations."""
    amounts = [2**40 + part for part in range(5)] + [-(2**40) - part for part in range(4)]
    return {"transactions": [transaction(who, amount=amount, occurred_at=AS_OF - timedelta(days=part)) for part, amount in enumerate(amounts)]}


def of_one_value(who):
    """Amounts without any deviation."""
    return {"transactions": [transaction(who, amount=2**40 + 1, occurred_at=AS_OF - timedelta(days=part)) for part in range(30)]}


def with_own_levels(who):
    """Levels that no other customer has, and none that others have."""
    rows = one_of_each(who)
    rows["transactions"] = [transaction(who, kind="barter", channel="pigeon", counterparty_id="B-\u00fc")]
    rows["customers"] = [customer(who, region="moon", industry="moonshine", ownership="\u56fd\u6709", kind="spirit")]
    rows["events"] = [event(who, kind="omen")]
    return rows


def imported(who):
    """A row of every table whose facts became known on one day years later, after as_of; and one known just before."""
    late, early = ({"known_at": moment} for moment in ("2025-01-01T03:00:00", AS_OF - SECOND))
    return {table: [row(who, **late), row(who, **early)] for table, row in ROWS.items()}


CORNERS = {
    "nobody": lambda who: {},
    **{f"only_{table}": in_one_table(table) for table in ROWS},
    "one_of_each": one_of_each,
    "all_null": all_null,
    "tied": tied,
    "corrected": corrected,
    "around": around,
    "crowd": crowd,
    "many_counterparties": many_counterparties,
    "large": large,
    "of_one_value": of_one_value,
    "with_own_levels": with_own_levels,
    "imported": imported,
}
# The naive reading of thousands of rows takes seconds.
SLOW = ("crowd", "many_counterparties")
SERIES = [series("gdp"), series("gdp", period_end="2021-12-31", value=80.0), series("orders", industry="steel"), series("orders", industry="manufacturing")]
MOMENTS = (AS_OF, datetime(1960, 1, 1), AS_OF + timedelta(microseconds=500_000), AS_OF, datetime(2023, 5, 31, 23, 59, 59))


def rows_of(name):
    """{table: rows} of the customer of that name, series among them."""
    return {table: [] for table in ROWS} | CORNERS[name](name) | {"series": SERIES}


def asked_of(name):
    """What is asked of a customer: in no order of time, one moment twice, one before everything; with a transaction's columns for fraud."""
    own = {"amount": -5, "currency": "EUR", "kind": "card", "channel": "online"}
    return [
        observation(name, observation_id=f"{name}@{place}", as_of=when, occurred_at=when + SECOND, counterparty_id=[None, "B1", "Z"][place % 3], **own)
        for place, when in enumerate(MOMENTS)
    ]


def book():
    """{table: rows} of all of them together, with observations moment by moment and frauds among the outcomes."""
    parts = {name: CORNERS[name](name) for name in CORNERS}
    tables = {table: [row for part in parts.values() for row in part.get(table, ())] for table in ROWS}
    frauds = [outcome(None, transaction_id=row["transaction_id"], kind="fraud", occurred_at=row["occurred_at"]) for row in tables["transactions"][::50]]
    asked = [asked_of(name)[place] for place in range(len(MOMENTS)) for name in CORNERS]
    return tables | {"series": SERIES, "outcomes": frauds, "observations": asked}
