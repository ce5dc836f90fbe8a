"""The review calendar: by which day each customer is to be reviewed, and what was done, missed and caught up; one customer and a whole book alike."""
import numpy as np

from features.errors import RiskError

DAY = "datetime64[D]"
UPCOMING, DUE, MISSED, DONE, LATE, LEFT = "upcoming", "due", "missed", "done", "done_late", "left"
STATUSES = (UPCOMING, DUE, MISSED, DONE, LATE, LEFT)


def next_due(last_review, review_days, *, as_of, planned=None):
    """By which day each customer is to be reviewed next, as known on a day.

    last_review: (n,) days of the last review, or of the first decision on a customer that has had none; review_days: (n,) whole days between reviews by the
    grade in force; as_of: the day the grade is known; planned: (n,) the due days planned so far, NaT without one.
    A review is due `review_days` after the last. A worse grade pulls it forward, at most to `as_of`: nobody can have missed a day that was not known yet. A
    better grade does not push a planned day away; only a review does. Ends are inclusive: a review on the due day is in time.

    Returns (n,) datetime64[D]. Raises: RiskError for review days below 1 or a missing last review.
    """
    last, days = np.asarray(last_review, dtype=DAY), np.asarray(review_days, dtype=np.int64)
    if (days < 1).any():
        raise RiskError(f"review_days of {int((days < 1).sum())} of {len(days)} customers are below 1: correct the terms in policy.yaml.")
    if np.isnat(last).any():
        raise RiskError(f"the last review of {int(np.isnat(last).sum())} of {len(last)} customers is missing: begin with the day of their first decision.")
    fresh = np.maximum(last + days.astype("timedelta64[D]"), np.datetime64(as_of, "D"))
    if planned is None:
        return fresh
    planned = np.asarray(planned, dtype=DAY)
    return np.where(np.isnat(planned), fresh, np.minimum(planned, fresh))


def calendar(customer, kind, on_day, *, as_of):
    """What became of every review that was ever planned.

    customer: (n,) whole numbers; kind: (n,) "due", "done" or "left"; on_day: (n,) the planned day, the day of the review, or the day on which the customer
    dropped out of the calendar; rows recorded by as_of, in that order. as_of: the day the calendar is read. A customer's planned days between two reviews
    are one obligation, and the last of them stands: planned days move forward only; `row` is where it was written down first. A review fulfils the
    obligation that is open, and leaving ends it; a review that nobody planned is listed with its own day as due day.

    Returns a dict of arrays, one row per obligation, by customer and then in time: customer, row (position of the due row, or of the row that ended it
    without one), due_on, end_row (position of the row that ended it, -1 while it is open), status (position in STATUSES) and days_late (how many days past
    the due day it ended, or is still open at as_of; 0 when in time).
    """
    customer, on_day, day = np.asarray(customer, dtype=np.int64), np.asarray(on_day, dtype=DAY), np.datetime64(as_of, "D")
    order = np.argsort(customer, kind="stable")
    code, words, when = customer[order], np.asarray(kind, dtype=object)[order], on_day[order]
    ends = words != "due"
    # A customer's obligation ends with its done or left row: the row after one begins the next.
    begins = np.ones(len(code), dtype=bool)
    begins[1:] = (code[1:] != code[:-1]) | ends[:-1]
    obligation = np.cumsum(begins) - 1
    due_row, end_row = np.full((2, int(begins.sum())), -1)
    # Of several planned days the last one written stands, and the row that wrote it first proves since when it was known.
    due_row[obligation[~ends]], end_row[obligation[ends]] = np.flatnonzero(~ends), np.flatnonzero(ends)
    first = np.flatnonzero(~ends & (when == when[due_row[obligation]]))[::-1]
    due_row[obligation[first]] = first
    row = np.where(due_row >= 0, due_row, end_row)
    open_ = end_row < 0
    ended_on = np.where(open_, day, when[end_row])
    return {"customer": code[row], "row": order[row], "due_on": when[row], "end_row": np.where(open_, -1, order[end_row]),
            **_judged(when[row], ended_on, open_, ~open_ & (words[end_row] == "left"))}


def _judged(due_on, ended_on, open_, left):
    late = np.maximum((ended_on - due_on).astype(np.int64), 0)
    conditions = [open_ & (due_on < ended_on), open_ & (due_on == ended_on), open_, left, late > 0]
    words = [MISSED, DUE, UPCOMING, LEFT, LATE]
    return {"status": np.select(conditions, [STATUSES.index(word) for word in words], STATUSES.index(DONE)), "days_late": late}
