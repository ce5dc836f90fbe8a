"""Scores with reasons and a decision: of raw records or features sent, and of whom the book knows."""

from typing import Annotated

from fastapi import Depends, Path, Query

from serving import inbound, openapi, openapi_examples
from serving.access import allowed
from serving.endpoints.bodies import Sent, json_answer, read_sent
from serving.endpoints.questions import ITEM_FIELDS, SHARED_FIELDS, Known, asked_of, item_faults, language_faults, languages_of, looked_up, use_case_of
from serving.values import MAX_MONEY

SCORE_FIELDS = ITEM_FIELDS | SHARED_FIELDS

SCORE, READ = allowed("score"), allowed("read")


def add(app, service):
    @app.post("/v1/score", summary="Score a customer with reasons and a decision", tags=["scores"], dependencies=[SCORE], **openapi.SCORE)
    def score(sent: Annotated[Sent, Depends(read_sent)]):
        body, claim = sent.body, sent.claim
        answered = service.answered(claim)
        if answered:
            return json_answer(answered[0])
        state, now = service.state(use_case_of(body)), service.clock()
        faults = item_faults(body, state.scorer, now, known=SCORE_FIELDS) + language_faults(body)
        if faults:
            raise inbound.Refused(faults)
        return json_answer(service.answer(state, asked_of(body, now, languages=languages_of(body)), body, claim=claim))

    @app.get("/v1/customers/{customer_id}", summary="A known customer's current risk", tags=["scores"], dependencies=[READ], **openapi.ANSWER)
    def customer(customer_id: Annotated[str, Path(examples=[openapi_examples.CUSTOMER])], requested_amount: int = Query(0, ge=0, lt=MAX_MONEY)):
        state = service.book_state("default")
        asked, request = looked_up(state, Known(customer_id, requested_amount), draws=False, stored=lambda known: service.incoming().of_one(known))
        return json_answer(service.answer(state, asked, request))

    @app.get("/v1/transactions/{transaction_id}", summary="A known transaction's risk of fraud", tags=["scores"], dependencies=[READ], **openapi.ANSWER)
    def transaction(transaction_id: Annotated[str, Path(examples=[openapi_examples.TRANSACTION])]):
        state = service.book_state("fraud")
        return json_answer(service.answer(state, *looked_up(state, Known(transaction_id), draws=False)))
