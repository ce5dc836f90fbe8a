"""Scores with reasons and a decision: of raw records or features sent, and of whom the book knows."""

from datetime import timedelta
from typing import Annotated

from fastapi import Depends, Query

from serving import inbound, openapi
from serving.access import allowed
from serving.endpoints.bodies import json_answer, read_body, read_claim
from serving.problems import Unknown
from serving.repeats import Claim
from serving.scorer import Question

SCORE_FIELDS = frozenset({"customer_id", "use_case", "purpose", "as_of", "requested_amount", "records", "features", "standing", "transaction", "observation"})

SCORE, READ = allowed("score"), allowed("read")


def add(app, service):
    @app.post("/v1/score", summary="Score a customer with reasons and a decision", tags=["scores"], dependencies=[SCORE], **openapi.SCORE)
    def score(body: Annotated[dict, Depends(read_body)], claim: Annotated[Claim | None, Depends(read_claim)]):
        answered = service.answered(claim)
        if answered:
            return json_answer(answered[0])
        state = service.state(_use_case(body))
        question = service.in_force(state, _question(body, state.scorer, service.clock()))
        return json_answer(service.answer(state, _scored(state.scorer, question, body), body, claim=claim))

    @app.get("/v1/customers/{customer_id}", summary="A known customer's current risk", tags=["scores"], dependencies=[READ], **openapi.ANSWER)
    def customer(customer_id: str, requested_amount: int = Query(0, ge=0, lt=inbound.MAX_MONEY)):
        return json_answer(_looked_up(service, "default", customer_id, "customer", requested_amount))

    @app.get("/v1/transactions/{transaction_id}", summary="A known transaction's risk of fraud", tags=["scores"], dependencies=[READ], **openapi.ANSWER)
    def transaction(transaction_id: str):
        return json_answer(_looked_up(service, "fraud", transaction_id, "transaction", 0))


def _use_case(body):
    use_case = body.get("use_case", "default")
    if not isinstance(use_case, str):
        raise inbound.Refused([inbound.Fault("/use_case", "text", "something else")])
    return use_case


def _question(body, scorer, now):
    """The Question in a body whose every field fits. Raises Refused with all that do not."""
    faults = inbound.envelope_faults(body, known=SCORE_FIELDS, required=["customer_id"], now=now) + _content_faults(body, scorer, now)
    if faults:
        raise inbound.Refused(faults)
    own = body.get("transaction", {}) | body.get("observation", {})
    return Question(body["customer_id"], _as_of(body, now), body.get("requested_amount") or 0, own)


def _content_faults(body, scorer, now):
    """Faults of what is to be scored: records or features, one of them, and what goes with them."""
    if ("records" in body) == ("features" in body):
        return [inbound.Fault("", "either records or features", "both" if "records" in body else "neither")]
    faults = []
    if "records" in body:
        faults += inbound.record_faults(body["records"], customer_id=body.get("customer_id"), now=now)
    if "features" in body:
        faults += inbound.feature_faults(body["features"], columns=scorer.kinds)
    if "standing" in body:
        faults += inbound.standing_faults(body["standing"])
    if "observation" in body:
        faults += inbound.observation_faults(body["observation"], columns=scorer.own)
    if "transaction" in body and not scorer.judges_transactions:
        faults.append(inbound.Fault("/transaction", "nothing, since this model judges customers", "a transaction"))
    elif "transaction" in body or ("records" in body and scorer.judges_transactions):
        faults += inbound.transaction_faults(body.get("transaction"), customer_id=body.get("customer_id"), now=now)
    return faults


def _as_of(body, now):
    """The moment to be judged from: as given; the second before the transaction; or now."""
    if body.get("as_of"):
        return inbound.parse_moment(body["as_of"])
    if body.get("transaction"):
        return inbound.parse_moment(body["transaction"]["occurred_at"]).replace(microsecond=0) - timedelta(seconds=1)
    return now.replace(microsecond=0)


def _scored(scorer, question, body):
    if "features" in body:
        return scorer.score_features(body["features"], question, standing=body.get("standing"))
    return scorer.score_records(body["records"], question, standing=body.get("standing"))


def _looked_up(service, use_case, subject_id, what, requested_amount):
    state = service.book_state(use_case)
    row = state.published.find(subject_id)
    if row is None:
        raise Unknown(f"The {what} '{subject_id}' is not in the book of {state.published.as_of}; score it from its records with POST /v1/score.")
    # The reviewers' queue of the book's transactions was the batch's: looking one up again sends nobody to review.
    draws = not state.scorer.judges_transactions
    question = Question(row.customer_id, inbound.parse_moment(row.score.get("as_of") or state.published.as_of), requested_amount, draws=draws)
    question = service.in_force(state, question)
    request = {what: subject_id, "requested_amount": requested_amount, "publication": state.published.hash}
    return service.answer(state, state.scorer.score_row(row, question), request)
