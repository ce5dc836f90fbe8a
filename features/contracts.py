"""Declared features of contract performance: what fell due was fulfilled on time, late, or breached."""

from features.feature import feature
from features.terms import contracts, ratio

NOTHING_DUE = "Missing when no contract fell due in the window."
NEVER = "Never missing: 0 where nothing happened."


def declare(columns):
    """The contract features over tables with these columns."""
    return [each for days in (365, 730) for each in _performance(days)]


def _declare(name, how, unit, missing, direction):
    return feature(name, how, unit=unit, factor="contracts", missing=missing, direction=direction)


def _performance(days):
    due = contracts("due", days=days)
    return [
        _declare(f"con_share_on_time_{days}d", ratio(contracts("on_time", days=days), due), "share", NOTHING_DUE, -1),
        _declare(f"con_share_breached_{days}d", ratio(contracts("breached", days=days), due), "share", NOTHING_DUE, 1),
        _declare(f"con_late_count_{days}d", contracts("late", days=days), "count", NEVER, 0),
        _declare(f"con_breached_count_{days}d", contracts("breached", days=days), "count", NEVER, 1),
        _declare(f"con_due_count_{days}d", due, "count", NEVER, 0),
    ]
