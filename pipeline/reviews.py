"""`risk reviews`: reviews recorded, and the calendar read as due, done and missed."""

import json
from dataclasses import asdict
from datetime import timedelta

from models.reviews import DONE, DUE, LATE, LEFT, MISSED, UPCOMING
from pipeline.params import load_params
from pipeline.promote import open_store
from serving.reviews import Reviews


def record_review(customer, *, reviewer, approver, note, decision_id):
    """Record a review done today, and return a sentence about it. Raises: RiskError as `serving.reviews.Reviews.done`."""
    with open_store() as store:
        review, following = Reviews(store, source=load_params().source.name).done(customer, reviewer=reviewer, approver=approver, note=note,
                                                                                decision_id=decision_id)
    late = f", {review.days_late} days late" if review.days_late else ""
    return f"{customer} was reviewed on {review.done_on} (due {review.due_on}{late}); the next review is due on {following}."


def due_reviews(*, as_of, within, as_json):
    """Open reviews: missed, due, and falling due within so many days, the oldest first."""
    found, day = _listed(as_of)
    last = day + timedelta(days=within)
    chosen = [each for each in found if each.status in (MISSED, DUE) or (each.status == UPCOMING and each.due_on <= last)]
    return _shown(chosen, as_json, f"no review is due by {last}.")


def done_reviews(*, as_of, as_json):
    """Reviews done, in time and late, the oldest first."""
    found, day = _listed(as_of)
    return _shown([each for each in found if each.status in (DONE, LATE)], as_json, f"no review was done by {day}.")


def missed_reviews(*, as_of, as_json):
    """Reviews whose day passed without one: still open, caught up late, or open when the customer left, the oldest first."""
    found, day = _listed(as_of)
    chosen = [each for each in found if each.status in (MISSED, LATE) or (each.status == LEFT and each.days_late)]
    return _shown(chosen, as_json, f"no review was missed by {day}.")


def left_reviews(*, as_of, as_json):
    """Customers who dropped out of the calendar and why, with the review that was open then, the oldest first."""
    found, day = _listed(as_of)
    return _shown([each for each in found if each.status == LEFT], as_json, f"nobody left the calendar by {day}.")


def _listed(as_of):
    with open_store() as store:
        reviews = Reviews(store, source=load_params().source.name)
        day = as_of or reviews.today()
        return sorted(reviews.listed(as_of=day), key=lambda each: (each.due_on, each.customer_id)), day


def _shown(reviews, as_json, nothing):
    if as_json:
        return json.dumps([{name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in asdict(each).items()} for each in reviews],
                          ensure_ascii=False, indent=2)
    return "\n".join(map(_line, reviews)) or nothing


def _line(review):
    late = f", {review.days_late} day{'' if review.days_late == 1 else 's'} late" if review.days_late else ""
    if review.left_on is not None:
        return f"{review.customer_id}: left the calendar on {review.left_on}, {review.note}; due {review.due_on} (grade {review.grade}){late}"
    if review.done_on is None:
        return f"{review.customer_id}: {review.status}, due {review.due_on} (grade {review.grade}){late}"
    decision = f", decision {review.decision_id}" if review.decision_id else ""
    return (f"{review.customer_id}: reviewed on {review.done_on}, due {review.due_on} (grade {review.grade}){late}, by {review.reviewer} and "
            f"{review.approver}: {review.note}{decision}")
