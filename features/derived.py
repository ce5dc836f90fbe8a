"""Columns computed from a table's own columns, row by row, under names that filters and measures may use."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from features.accounts import LONGEST, PERIODS, month_number
from features.arrays import DAY

HOUR = 3_600
THURSDAY = 3  # 1970-01-01, where Monday is 0
POWERS = 10 ** np.arange(19, dtype=np.int64)
# Whole weeks and months are counted from a Monday long before 1970, so that no number of theirs is negative.
BEFORE_1970 = (5_000 * 7 + THURSDAY) * DAY
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


def first_digit(amounts):
    """The first digit, 1 to 9, of amounts in minor units, their sign aside; 0 of a zero."""
    whole = np.abs(amounts)
    return whole // POWERS[np.maximum(np.searchsorted(POWERS, whole, side="right") - 1, 0)]


def _week(rows):
    return rows["entity"] * PERIODS + (rows["occurred_at"] + BEFORE_1970) // (7 * DAY)


def _month(rows):
    months = rows["issued_at"].astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)
    return rows["entity"] * PERIODS + months + PERIODS // 2


def remainder(amounts):
    """What an amount in minor units leaves over whole hundreds, its sign aside: 0 for a round amount."""
    return np.abs(amounts) % ROUND_MINOR_UNITS


def _statement_period(rows):
    months = np.minimum(rows["period_months"].astype(np.int64), LONGEST)
    return (rows["entity"] * PERIODS + month_number(rows["period_end"])) * (LONGEST + 1) + months


def statement_series(rows):
    """One number per (customer, period, length, basis, source): versions of one statement share it."""
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
        "first_digit": Derived(("amount",), lambda rows: first_digit(rows["amount"])),
        "week": Derived(("occurred_at",), _week),
    },
    "invoices": {
        "month": Derived(("issued_at",), _month),
        "terms_days": Derived(("issued_at", "due_at"), lambda rows: (rows["due_at"] - rows["issued_at"]) // DAY),
    },
    "statements": {
        "period": Derived(("period_end", "period_months"), _statement_period),
        "version_of": Derived(("period_end", "period_months"), statement_series),
    },
}

# Tables that the workspace builds from others: their columns, and what they are built from.
SETTLEMENTS = ("days_late", "amount", "late_amount_days", "kind", "payments")
# Columns worked out from several tables: what they need of each. `features.scope_fit` computes them.
LINKED = {("invoices", "outside_scope"): {"invoices": ("category",), "customers": ("scope",)}}
BUILT = {"settlements": {"invoices": ("invoice_id", "issued_at", "due_at", "amount"), "payments": ("invoice_id", "occurred_at", "amount")}}
# Columns that are read where a source has them, without any feature depending on them.
SUPPORT = {"statements": ("basis", "source", "confidence"), "payments": ("kind",), "series": ("industry",)}
