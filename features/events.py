"""Declared features of events: complaints, disputes, lawsuits, inquiries and reports, how many, how grave, how long ago."""

from features.feature import feature
from features.terms import where, window

KINDS = ("complaint", "dispute", "lawsuit", "inquiry", "credit_report", "staff_report")
# Lawsuits and disputes count against a customer beyond doubt; a complaint may be ours to answer for.
ADVERSE = ("dispute", "lawsuit")
NEVER = "Never missing: 0 where nothing happened."
NONE = "Missing when there is none in the window."


def declare(columns):
    """The event features over tables with these columns."""
    return [*(each for kind in KINDS for each in _counts(kind)), *(_recency(kind) for kind in ("complaint", *ADVERSE)), *_gravity()]


def _declare(name, how, unit, missing, direction=0):
    return feature(name, how, unit=unit, factor="disputes", missing=missing, direction=direction)


def _counts(kind):
    direction = 1 if kind in ADVERSE else 0
    return [
        _declare(
            f"evt_{kind}_count_{days}d", window("events", "count", days=days, where=where(("kind", "==", kind))), "count", NEVER, direction
        )
        for days in (90, 365)
    ]


def _recency(kind):
    how = window("events", "recency", days=1095, where=where(("kind", "==", kind)))
    return _declare(f"evt_days_since_{kind}_1095d", how, "days", NONE, -1 if kind in ADVERSE else 0)


def _gravity():
    return [
        _declare("evt_count_365d", window("events", "count", days=365), "count", NEVER),
        _declare("evt_amount_365d", window("events", "sum", "amount", days=365), "minor units", NEVER),
        _declare("evt_severity_max_365d", window("events", "max", "severity", days=365), "1 to 5", NONE),
        _declare("evt_severity_mean_365d", window("events", "mean", "severity", days=365), "1 to 5", NONE),
    ]
