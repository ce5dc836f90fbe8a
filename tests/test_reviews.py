"""The review calendar: when the next review is due, and what was done, missed and caught up, against a naive reading row by row."""

from datetime import date, timedelta

import numpy as np
import pytest

from features.errors import RiskError
from models.reviews import DONE, DUE, LATE, LEFT, MISSED, STATUSES, UPCOMING, calendar, next_due

DAY = "datetime64[D]"
NEVER = np.datetime64("NaT", "D")


def days(*texts):
    return np.array([NEVER if text is None else text for text in texts], dtype=DAY)


@pytest.mark.parametrize(("last", "review_days", "as_of", "planned", "expected"), [
    ("2026-01-01", 365, "2026-03-31", None, "2027-01-01"),
    ("2026-01-01", 91, "2026-03-31", "2027-01-01", "2026-04-02"),  # a worse grade pulls it forward
    ("2026-01-01", 30, "2026-03-31", "2027-01-01", "2026-03-31"),  # but not into the past
    ("2026-01-01", 365, "2026-03-31", "2026-04-02", "2026-04-02"),  # a better grade does not push it away
    ("2026-01-01", 30, "2026-03-31", "2026-01-31", "2026-01-31"),  # a missed day stays missed
])
def test_the_next_review_is_due_by_the_grade_in_force(last, review_days, as_of, planned, expected):
    found = next_due(days(last), [review_days], as_of=date.fromisoformat(as_of), planned=None if planned is None else days(planned))
    assert found == days(expected)


def test_planned_days_never_move_away_and_a_worse_grade_is_never_later():
    rng = np.random.default_rng(3)
    n = 5000
    last = np.datetime64("2025-01-01") + rng.integers(0, 400, n).astype("timedelta64[D]")
    planned = np.where(rng.random(n) < 0.3, NEVER, last + rng.integers(1, 400, n).astype("timedelta64[D]"))
    better = rng.choice([30, 91, 182, 365], n)
    worse = np.minimum(better, rng.choice([30, 91, 182, 365], n))
    soft, hard = (next_due(last, each, as_of=date(2026, 3, 31), planned=planned) for each in (better, worse))
    assert (hard <= soft).all()
    assert (soft[~np.isnat(planned)] <= planned[~np.isnat(planned)]).all()
    assert (soft[np.isnat(planned)] >= np.datetime64("2026-03-31")).all()


@pytest.mark.parametrize(("last", "review_days", "message"), [
    (["2026-01-01", "2026-01-01"], [0, 30], "review_days of 1 of 2 customers are below 1: correct the terms in policy.yaml"),
    ([None, "2026-01-01"], [30, 30], "the last review of 1 of 2 customers is missing: begin with the day of their first decision"),
])
def test_a_calendar_that_cannot_be_reckoned_is_refused(last, review_days, message):
    with pytest.raises(RiskError, match=message):
        next_due(days(*last), review_days, as_of=date(2026, 3, 31))


def read(rows, as_of="2026-03-31"):
    customer, kind, on_day = zip(*rows, strict=True)
    found = calendar(customer, kind, days(*on_day), as_of=as_of)
    return [(int(found["customer"][i]), str(found["due_on"][i]), STATUSES[found["status"][i]], int(found["days_late"][i])) for i in range(len(found["row"]))]


@pytest.mark.parametrize(("rows", "expected"), [
    ([("due", "2026-04-01")], [("2026-04-01", UPCOMING, 0)]),
    ([("due", "2026-03-31")], [("2026-03-31", DUE, 0)]),
    ([("due", "2026-03-30")], [("2026-03-30", MISSED, 1)]),
    ([("due", "2026-03-10"), ("done", "2026-03-10"), ("due", "2026-06-09")], [("2026-03-10", DONE, 0), ("2026-06-09", UPCOMING, 0)]),
    ([("due", "2026-03-10"), ("done", "2026-03-12"), ("due", "2026-06-11")], [("2026-03-10", LATE, 2), ("2026-06-11", UPCOMING, 0)]),
    ([("due", "2027-03-10"), ("due", "2026-03-20")], [("2026-03-20", MISSED, 11)]),
    ([("due", "2026-04-01"), ("left", "2026-03-30")], [("2026-04-01", LEFT, 0)]),
    ([("due", "2026-03-01"), ("left", "2026-03-04"), ("due", "2026-04-30")], [("2026-03-01", LEFT, 3), ("2026-04-30", UPCOMING, 0)]),
    ([("done", "2026-03-12")], [("2026-03-12", DONE, 0)]),
    ([("done", "2026-03-12"), ("done", "2026-03-13")], [("2026-03-12", DONE, 0), ("2026-03-13", DONE, 0)]),
])
def test_what_became_of_planned_reviews(rows, expected):
    assert read([(7, *row) for row in rows]) == [(7, *row) for row in expected]


def test_the_row_that_first_wrote_a_day_down_proves_it():
    found = calendar([1, 1, 1], ["due", "due", "due"], days("2026-05-01", "2026-04-01", "2026-04-01"), as_of="2026-03-31")
    assert found["row"].tolist() == [1]


def test_an_empty_calendar_is_empty():
    assert all(len(values) == 0 for values in calendar([], [], days(), as_of="2026-03-31").values())


def naive(rows, as_of):
    """Each customer's rows one after another, as a clerk would read them."""
    found = []
    for customer in sorted({row[0] for row in rows}):
        due = None
        for _, kind, day in (row for row in rows if row[0] == customer):
            if kind == "due":
                due = day
                continue
            due = due or day
            late = max((day - due).days, 0)
            found.append((customer, str(due), LEFT if kind == "left" else LATE if late else DONE, late))
            due = None
        if due is not None:
            status = MISSED if due < as_of else DUE if due == as_of else UPCOMING
            found.append((customer, str(due), status, max((as_of - due).days, 0)))
    return found


def test_the_calendar_of_a_book_is_what_a_clerk_reads_row_by_row():
    rng, as_of = np.random.default_rng(11), date(2026, 3, 31)
    for _ in range(40):
        size = int(rng.integers(1, 60))
        when = [date(2026, 1, 1) + timedelta(days=int(each)) for each in rng.integers(0, 120, size)]
        rows = [(int(rng.integers(0, 8)), str(rng.choice(["due", "due", "due", "done", "done", "left"])), day) for day in when]
        assert read(rows, as_of) == naive(rows, as_of)
