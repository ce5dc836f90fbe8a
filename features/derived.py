"""Columns computed from a table's own columns, row by row, under names that filters and measures may use."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from features.accounts import PERIODS, month_number
from features.arrays import DAY

HOUR = 3_600
THURSDAY = 3  # 1970-01-01, where Monday is 0
ROUND_MINOR_UNITS = 10_000  # whole hundreds of a currency with two decimals


@dataclass(frozen=True)
class Derived:
    """A computed column: the columns it needs and the function from the table's rows to an array of that length."""

    needs: tuple
    compute: Callable


def hour(moments):
    """Hour of the day, 0 to 23, of moments in seconds."""
    return moments % DAY // HOUR


def weekday(moments):
    """Day of the week, Monday 0 to Sunday 6, of moments in seconds."""
    return (moments // DAY + THURSDAY) % 7


def remainder(amounts):
    """What an amount in minor units leaves over whole hundreds, its sign aside: 0 for a round amount."""
    return np.abs(amounts) % ROUND_MINOR_UNITS


def _statement_period(rows):
    return (rows["entity"] * PERIODS + month_number(rows["period_end"])) * 32 + rows["period_months"].astype(np.int64)


def _statement_series(rows):
    number = _statement_period(rows)
    for name in ("basis", "source"):
        if name in rows:
            number = number * (len(rows[name].levels) + 1) + rows[name].codes + 1
    return number


DERIVED = {
    "transactions": {
        "size": Derived(("amount",), lambda rows: np.abs(rows["amount"])),
        "hour": Derived(("occurred_at",), lambda rows: hour(rows["occurred_at"])),
        "weekday": Derived(("occurred_at",), lambda rows: weekday(rows["occurred_at"])),
        "remainder": Derived(("amount",), lambda rows: remainder(rows["amount"])),
    },
    "statements": {
        "period": Derived(("period_end", "period_months"), _statement_period),
        "version_of": Derived(("period_end", "period_months"), _statement_series),
    },
}

# Tables that the workspace builds from others: their columns, and what they are built from.
SETTLEMENTS = ("days_late", "amount", "late_amount_days", "kind")
BUILT = {"settlements": {"invoices": ("invoice_id", "issued_at", "due_at", "amount"), "payments": ("invoice_id", "occurred_at", "amount")}}
# Columns that are read where a source has them, without any feature depending on them.
SUPPORT = {"statements": ("basis", "source", "confidence"), "payments": ("kind",), "series": ("industry",)}
