"""Declared features of contract performance: what fell due was fulfilled on time, late, or breached."""

from features.feature import feature
from features.terms import contracts, minus, ratio

NOTHING_DUE = "Missing when no contract fell due in the window."
LATE_OR_NOT = "Missing when no contract that fell due in the window was left unbroken."
NEVER = "Never missing: 0 where nothing happened."


def declare(columns):
    """The contract features over tables with these columns."""
    return [*(each for days in (365, 730) for each in _performance(days)), *_at_stake(365)]


def _declare(name, how, unit, missing, direction):
    return feature(name, how, unit=unit, factor="contracts", missing=missing, direction=direction)


def _at_stake(days):
    """The same in money and in days."""
    due, breached, count = (contracts(name, days=days) for name in ("due_amount", "breached_amount", "due"))
    delay = ratio(contracts("delay_days", days=days), minus(count, contracts("breached", days=days)))
    on_time, longer = (ratio(contracts("on_time", days=span), contracts("due", days=span)) for span in (days, 2 * days))
    return [
        _declare(f"con_share_on_time_trend_{days}d", minus(on_time, longer), "difference of shares", NOTHING_DUE, 0),
        _declare(f"con_due_amount_{days}d", due, "minor units", NEVER, 0),
        _declare(f"con_amount_breached_share_{days}d", ratio(breached, due), "share", NOTHING_DUE, 1),
        _declare(f"con_delay_days_mean_{days}d", delay, "days", LATE_OR_NOT, 1),
    ]


def _performance(days):
    due = contracts("due", days=days)
    return [
        _declare(f"con_share_on_time_{days}d", ratio(contracts("on_time", days=days), due), "share", NOTHING_DUE, -1),
        _declare(f"con_share_breached_{days}d", ratio(contracts("breached", days=days), due), "share", NOTHING_DUE, 1),
        _declare(f"con_late_count_{days}d", contracts("late", days=days), "count", NEVER, 0),
        _declare(f"con_breached_count_{days}d", contracts("breached", days=days), "count", NEVER, 1),
        _declare(f"con_due_count_{days}d", due, "count", NEVER, 0),
    ]
