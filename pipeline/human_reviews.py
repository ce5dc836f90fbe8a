"""`risk human-reviews`: requests that a person look at a decision, opened, listed and answered; only the serving extra is needed."""

import json
from contextlib import contextmanager
from dataclasses import asdict

from serving.human_reviews import HumanReviews
from serving.settings import database_of
from serving.store import Store


def open_case(decision_id, *, statement, by, database):
    """Open a case for a person who asked by another way than the service, and return a sentence about it. Raises: RiskError."""
    with _opened(database) as (cases, today):
        return _line(cases.open(decision_id, statement, opened_by=by)[0], today)


def answer_case(case_id, *, by, outcome, note, override_id, database):
    """Answer a case and return a sentence about it. Raises: RiskError as `serving.human_reviews.HumanReviews.answer`."""
    with _opened(database) as (cases, today):
        return _line(cases.answer(case_id, by=by, outcome=outcome, note=note, override_id=override_id), today)


def list_cases(*, everything, as_json, database):
    """Open cases, or all, the most urgent first, as lines or JSON."""
    with _opened(database) as (cases, today):
        found = sorted((each for each in cases.all() if everything or each.status == "open"), key=lambda each: (each.due_on, each.opened_at))
    if as_json:
        return json.dumps([asdict(each) for each in found], ensure_ascii=False, indent=2, default=lambda moment: moment.isoformat())
    return "\n".join(_line(each, today) for each in found) or f"no case {'was ever opened' if everything else 'is open'}."


@contextmanager
def _opened(database):
    with Store(database_of(database)).open() as store:
        yield HumanReviews(store), store.now().date()


def _line(case, today):
    late = case.days_late(today)
    overdue = f", {late} day{'' if late == 1 else 's'} late" if late else ""
    opened = f"opened on {case.opened_at.date()} by {case.opened_by}, due {case.due_on}{overdue}"
    about = f"case {case.id} on decision {case.decision_id} of {case.customer_id}, {opened}"
    if case.status == "open":
        return f"{about}: {case.statement}"
    override = f", override {case.override_id}" if case.override_id else ""
    return f"{about}: {case.outcome} on {case.answered_at.date()} by {case.answered_by}{override}: {case.note}"
