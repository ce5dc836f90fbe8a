"""A small feed of forty whole months, and what can be done to one of them."""

import calendar
import functools
from datetime import datetime, timedelta

import numpy as np
from builders import customer, exposure, invoice, outcome, payment, transaction, write_tables

from pipeline.feed import judge_feed
from pipeline.params import load_params

MONTHS, CUSTOMERS = 40, 25
FIRST = 2021


def moment(month, day=1, hour=0):
    """The moment of a day (from 1; at most the month's last) of a month counted from the first of the feed."""
    year, number = FIRST + month // 12, month % 12 + 1
    return datetime(year, number, min(day, calendar.monthrange(year, number)[1]), hour)


TODAY = moment(MONTHS) - timedelta(days=1)


def whole():
    """{table: rows} of a feed without a fault: invoices, their payments some thirty days later, transactions, limits, a few defaults."""
    return {name: list(rows) for name, rows in _made().items()}


@functools.cache
def _made():
    rng = np.random.default_rng(0)
    tables = {"customers": [customer(f"C{who:02d}", known_at=moment(0), onboarded_on=moment(0)) for who in range(CUSTOMERS)],
              "outcomes": [outcome(f"C{who:02d}", occurred_at=moment(12 + who)) for who in range(5)],
              **{name: [] for name in ("invoices", "payments", "transactions", "exposures")}}
    for month in range(MONTHS):
        for who in range(CUSTOMERS):
            _month(rng, tables, month, f"C{who:02d}", 100 * (1 + who))
    return {name: [row for row in rows if row["known_at"] <= TODAY] for name, rows in tables.items()}


def _month(rng, tables, month, who, size):
    for _ in range(2):
        issued = moment(month, int(rng.integers(1, 29)))
        amount = int(size * np.exp(0.5 * rng.standard_normal()) * 100)
        sent = invoice(who, issued_at=issued, amount=amount)
        tables["invoices"].append(sent)
        paid = issued + timedelta(days=int(rng.integers(20, 45)))
        tables["payments"].append(payment(who, invoice_id=sent["invoice_id"], amount=amount, occurred_at=paid))
    for _ in range(4):
        at = moment(month, int(rng.integers(1, 29)), int(rng.integers(8, 18)))
        amount = int(rng.choice([-1, 1]) * size * np.exp(0.5 * rng.standard_normal()) * 50)
        tables["transactions"].append(transaction(who, occurred_at=at, amount=amount, balance=int(size * 1000), channel=str(rng.choice(["online", "branch"]))))
    tables["exposures"].append(exposure(who, known_at=moment(month, 28), limit=size * 1000, exposure=int(size * 500 * np.exp(0.2 * rng.standard_normal()))))


def in_month(row, month):
    """Whether a row became known in that month."""
    return moment(month) <= row["known_at"] < moment(month + 1)


def about(tables, **rejected):
    """What ingest.json holds of the tables; rejected: {table: {rule: rows}}."""
    counts = {name: {"read": len(rows), "kept": len(rows), "rejected": rejected.get(name, {}), "known_from": None,
                     "known_to": max(row["known_at"] for row in rows).date().isoformat()} for name, rows in tables.items()}
    return {"today": max(table["known_to"] for table in counts.values()), "tables": counts}


def judged(folder, tables, *, until=None, **rejected):
    """The feed's verdict on the tables, written into a folder."""
    write_tables(folder, tables)
    return judge_feed(about(tables, **rejected), tables=folder, rules=load_params().monitor.feed, until=until)


def kinds(found):
    """{(kind, table, column, month)} of the faults."""
    return {(fault["kind"], fault["table"], fault["column"], fault["month"]) for fault in found["faults"]}
