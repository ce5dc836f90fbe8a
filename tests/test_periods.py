"""Periods of the scheduled job: names, neighbours, and which were missed."""

from datetime import date
from types import SimpleNamespace

import pytest

from features.errors import RiskError
from pipeline.periods import asked_day, first_day, keys_between, missed, next_key, period_key


@pytest.mark.parametrize(("period", "day", "key", "first", "following"), [
    ("day", date(2026, 12, 31), "2026-12-31", date(2026, 12, 31), "2027-01-01"),
    ("week", date(2026, 12, 31), "2026-W53", date(2026, 12, 28), "2027-W01"),
    ("week", date(2027, 1, 3), "2026-W53", date(2026, 12, 28), "2027-W01"),
    ("week", date(2027, 1, 4), "2027-W01", date(2027, 1, 4), "2027-W02"),
    ("month", date(2027, 1, 31), "2027-01", date(2027, 1, 1), "2027-02"),
    ("month", date(2024, 2, 29), "2024-02", date(2024, 2, 1), "2024-03"),
    ("month", date(2026, 12, 1), "2026-12", date(2026, 12, 1), "2027-01"),
])
def test_a_day_lies_in_a_period_with_a_name_a_first_day_and_a_next(period, day, key, first, following):
    assert (period_key(period, day), first_day(key), next_key(period, key)) == (key, first, following)


def test_keys_between_hold_both_ends():
    assert keys_between("month", "2026-11", "2027-02") == ["2026-11", "2026-12", "2027-01", "2027-02"]
    assert keys_between("day", "2026-03-02", "2026-03-01") == []


def run(key, outcome):
    return SimpleNamespace(key=key, outcome=outcome)


def test_missed_is_what_no_run_finished_since_the_first():
    runs = [run("2026-01", "finished"), run("2026-02", "failed"), run("2026-04", None), run("2026-05", "finished")]
    assert missed(runs, "month", "2026-07") == ["2026-02", "2026-03", "2026-04", "2026-06"]
    assert missed(runs, "month", "2026-01") == missed([], "month", "2026-07") == missed(runs, "month", "2025-01") == []


def test_the_day_asked_for_has_been():
    today = date(2026, 11, 26)
    assert (asked_day(None, today), asked_day("2026-11-01", today)) == (today, date(2026, 11, 1))
    with pytest.raises(RiskError, match=r"--as-of 2026-11-27 has not come yet: today is 2026-11-26 \(UTC\)"):
        asked_day("2026-11-27", today)
    with pytest.raises(RiskError, match="--as-of November is no day of the calendar: write it as YYYY-MM-DD"):
        asked_day("November", today)
