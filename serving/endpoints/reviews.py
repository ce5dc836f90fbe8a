"""A person's right to have a person look at a decision (PIPL art. 24): ask for it, and see how it stands."""

from typing import Annotated

from fastapi import Depends, Request

from serving import inbound, openapi
from serving.access import allowed
from serving.endpoints.bodies import json_answer, read_body
from serving.human_reviews import PATH, HumanReviews, UnknownCase
from serving.report_access import THIS_MACHINE
from serving.values import MAX_TEXT, is_text

FIELDS = ("decision_id", "statement")
REVIEWS = allowed("reviews")


def add(app, service):
    @app.post(PATH, summary="Ask that a person review a decision", tags=["reviews"], status_code=201, dependencies=[REVIEWS], **openapi.REVIEW)
    def ask(request: Request, body: Annotated[dict, Depends(read_body)]):
        _check(body)
        key = request.state.key
        case, new = HumanReviews(service.ledger()).open(body["decision_id"], body["statement"], opened_by=key.name if key else THIS_MACHINE)
        return json_answer(_told(case), status=201 if new else 200)

    @app.get(f"{PATH}/{{case_id}}", summary="How a review stands", tags=["reviews"], dependencies=[REVIEWS], **openapi.CASE)
    def stands(case_id: str):
        if not is_text(case_id):
            raise UnknownCase("There is no such case; name the case_id that opening it gave.")
        return json_answer(_told(HumanReviews(service.ledger()).find(case_id)))


def _check(body):
    faults = [inbound.Fault(f"/{name}", f"one of {', '.join(FIELDS)}", "an unknown field") for name in body if name not in FIELDS]
    faults += [inbound.Fault(f"/{name}", f"text of 1 to {MAX_TEXT} characters", _got(body, name)) for name in FIELDS if not _is_said(body.get(name))]
    if faults:
        raise inbound.Refused(faults)


def _is_said(value):
    return is_text(value) and bool(value.strip())


def _got(body, name):
    return "something else" if name in body else "nothing"


def _told(case):
    """A case as its person may see it: the override that came of it is the house's own."""
    return {"case_id": case.id, "decision_id": case.decision_id, "status": case.status, "opened_at": case.opened_at, "due_on": case.due_on,
            "answered_at": case.answered_at, "answered_by": case.answered_by, "outcome": case.outcome, "answer": case.note}
