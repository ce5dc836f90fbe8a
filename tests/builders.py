"""Rows for tests: one function per table, each with defaults that make a valid row, and a writer of Parquet tables."""

from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from features.tables import LINES, TABLES

_NUMBER = count(1)
ARROW = {
    "id": pa.string(),
    "category": pa.string(),
    "text": pa.string(),
    "time": pa.timestamp("us"),
    "money": pa.int64(),
    "number": pa.float64(),
    "flag": pa.bool_(),
    "integer": pa.int64(),
}


def day(text):
    """The moment of an ISO date or date and time."""
    return datetime.fromisoformat(text)


def _next(prefix):
    return f"{prefix}{next(_NUMBER):06d}"


def _row(defaults, changes):
    row = {**defaults, **changes}
    return {
        name: day(value) if isinstance(value, str) and name.endswith(("_at", "_on", "_end", "as_of")) else value
        for name, value in row.items()
    }


def customer(customer_id="C1", **changes):
    """A company known since 2020."""
    return _row(
        {
            "customer_id": customer_id,
            "known_at": "2020-01-01",
            "name": "Example Ltd",
            "kind": "company",
            "industry": "manufacturing",
            "scope": "widgets",
            "ownership": "private",
            "region": "north",
            "founded_on": "2000-01-01",
            "onboarded_on": "2020-01-01",
        },
        changes,
    )


def statement(customer_id="C1", **changes):
    """The annual statement of 2022, known three months later; lines that are not given are missing."""
    defaults = {
        "customer_id": customer_id,
        "period_end": "2022-12-31",
        "period_months": 12,
        "basis": "separate",
        "source": "filing",
        "currency": "EUR",
        "audited": True,
        **dict.fromkeys(LINES),
    }
    row = _row(defaults, changes)
    row.setdefault("known_at", row["period_end"] + timedelta(days=90))
    return row


def contract(customer_id="C1", **changes):
    """A contract signed and due in 2023, still open."""
    return _row(
        {
            "contract_id": changes.get("contract_id") or _next("K"),
            "known_at": "2023-01-02",
            "customer_id": customer_id,
            "signed_on": "2023-01-01",
            "due_on": "2023-06-01",
            "fulfilled_on": None,
            "amount": 100_000,
            "status": "open",
        },
        changes,
    )


def invoice(customer_id="C1", **changes):
    """An invoice of 1,000.00, issued on 2023-01-01, known at once, due 30 days later."""
    row = _row(
        {
            "invoice_id": changes.get("invoice_id") or _next("I"),
            "customer_id": customer_id,
            "issued_at": "2023-01-01",
            "amount": 100_000,
            "currency": "EUR",
        },
        changes,
    )
    row.setdefault("known_at", row["issued_at"])
    row.setdefault("due_at", row["issued_at"] + timedelta(days=30))
    return row


def payment(customer_id="C1", **changes):
    """A payment of 1,000.00 on 2023-01-31, known at once; give it the invoice_id it pays."""
    row = _row(
        {
            "payment_id": _next("P"),
            "invoice_id": None,
            "customer_id": customer_id,
            "occurred_at": "2023-01-31",
            "amount": 100_000,
            "kind": "payment",
        },
        changes,
    )
    row.setdefault("known_at", row["occurred_at"])
    return row


def transaction(customer_id="C1", **changes):
    """Money in, 500.00 on 2023-03-01 at noon, known at once."""
    row = _row(
        {
            "transaction_id": _next("T"),
            "customer_id": customer_id,
            "occurred_at": "2023-03-01T12:00:00",
            "amount": 50_000,
            "currency": "EUR",
            "kind": "transfer",
            "counterparty_id": "B1",
            "channel": "online",
            "balance": 1_000_000,
        },
        changes,
    )
    row.setdefault("known_at", row["occurred_at"])
    return row


def event(customer_id="C1", **changes):
    """A complaint on 2023-03-01, known at once."""
    row = _row(
        {
            "event_id": _next("E"),
            "customer_id": customer_id,
            "occurred_at": "2023-03-01",
            "kind": "complaint",
            "amount": 10_000,
            "severity": 2.0,
            "source": "crm",
            "confidence": 1.0,
        },
        changes,
    )
    row.setdefault("known_at", row["occurred_at"])
    return row


def exposure(customer_id="C1", **changes):
    """A limit of 10,000.00 of which half is used, known since 2023."""
    return _row(
        {
            "customer_id": customer_id,
            "known_at": "2023-01-01",
            "limit": 1_000_000,
            "exposure": 500_000,
            "collateral": 100_000,
            "currency": "EUR",
        },
        changes,
    )


def outcome(customer_id="C1", **changes):
    """A default on 2023-09-01, known a week later."""
    row = _row(
        {
            "customer_id": customer_id,
            "transaction_id": None,
            "kind": "default",
            "occurred_at": "2023-09-01",
            "loss": None,
            "cured_at": None,
        },
        changes,
    )
    row.setdefault("known_at", row["occurred_at"] + timedelta(days=7))
    return row


def series(name="index", **changes):
    """A market figure of December 2022, published a month later."""
    row = _row({"name": name, "industry": None, "period_end": "2022-12-31", "value": 100.0, "unit": "index"}, changes)
    row.setdefault("known_at", row["period_end"] + timedelta(days=30))
    return row


def observation(customer_id="C1", **changes):
    """A question about a customer as of 2023-06-30."""
    return _row({"observation_id": _next("O"), "customer_id": customer_id, "as_of": "2023-06-30"}, changes)


def write_table(folder, name, rows):
    """Write one table's rows as `<folder>/<name>.parquet` with the contract's types; columns beyond it get the type of their values."""
    names = list(dict.fromkeys([*TABLES[name].names, *(column for row in rows for column in row)]))
    fields = [(column, ARROW[TABLES[name].column(column).kind] if TABLES[name].column(column) else None) for column in names]
    arrays = [pa.array([row.get(column) for row in rows], type=kind) for column, kind in fields]
    Path(folder).mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(arrays, names=names), Path(folder) / f"{name}.parquet")


def write_tables(folder, tables):
    """Write {table: rows} as Parquet files into a folder; returns the folder."""
    for name, rows in tables.items():
        write_table(folder, name, rows)
    return Path(folder)
