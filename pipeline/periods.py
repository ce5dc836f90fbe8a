"""Days, ISO weeks and months as periods of the scheduled job: what each is called, when it begins, and which lie between two."""

import datetime
import re

from features.errors import RiskError

PERIODS = ("day", "week", "month")
_WEEK = re.compile(r"(\d{4})-W(\d{2})")


def period_key(period, day):
    """The name of the period that a day lies in: 2026-11-26, 2026-W48 (ISO 8601) or 2026-11."""
    if period == "week":
        year, week, _ = day.isocalendar()
        return f"{year}-W{week:02d}"
    return f"{day:%Y-%m}" if period == "month" else day.isoformat()


def first_day(key):
    """The first day of a period by its name."""
    week = _WEEK.fullmatch(key)
    if week:
        return datetime.date.fromisocalendar(int(week[1]), int(week[2]), 1)
    return datetime.date.fromisoformat(key if len(key) == 10 else f"{key}-01")


def next_key(period, key):
    """The name of the period after one."""
    longest = {"day": 1, "week": 7, "month": 31}[period]
    start = first_day(key)
    return period_key(period, (start.replace(day=1) if period == "month" else start) + datetime.timedelta(days=longest))


def keys_between(period, first, last):
    """The names from one to another, both included; none where the first comes after the last."""
    found = []
    while first_day(first) <= first_day(last):
        found.append(first)
        first = next_key(period, first)
    return found


def missed(runs, period, key):
    """The periods before the named one without a finished run, from the first that was ever begun; runs: `serving.cycles.Run`s of that kind of period."""
    begun = min((run.key for run in runs), key=first_day, default=key)
    finished = {run.key for run in runs if run.outcome == "finished"}
    return [each for each in keys_between(period, begun, key)[:-1] if each not in finished] if first_day(begun) < first_day(key) else []


def asked_day(text, today):
    """The day that a run is for: today's, or the one given as a text. Raises: RiskError for no day, or one that has not come."""
    try:
        day = today if text is None else datetime.date.fromisoformat(text)
    except ValueError:
        raise RiskError(f"--as-of {text} is no day of the calendar: write it as YYYY-MM-DD.") from None
    if day > today:
        raise RiskError(f"--as-of {text} has not come yet: today is {today} (UTC).")
    return day
