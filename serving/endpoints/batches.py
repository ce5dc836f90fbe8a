"""Up to a thousand questions in one body: every fault of every one told at once, scored as one matrix, recorded in one transaction."""

from typing import Annotated

from fastapi import Depends

from serving import inbound, openapi
from serving.access import allowed
from serving.endpoints.bodies import Sent, json_answer, read_sent
from serving.endpoints.questions import SHARED_FIELDS, Known, asked_of, item_faults, language_faults, languages_of, looked_up, use_case_of
from serving.inbound import Fault, Refused
from serving.problems import Unknown
from serving.scorer import Unreadable
from serving.values import is_text, shown

MAX_ITEMS = 1000
SCORE = allowed("score")
BATCH_FIELDS = SHARED_FIELDS | {"items"}
# What an item may say of whom the book knows; all else of it stands in the book.
KNOWN_FIELDS = frozenset({"purpose", "requested_amount"})


def add(app, service):
    @app.post("/v1/score/batch", summary=f"Score up to {MAX_ITEMS:,} customers at once", tags=["scores"], dependencies=[SCORE], **openapi.BATCH)
    def batch(sent: Annotated[Sent, Depends(read_sent)]):
        body, claim = sent.body, sent.claim
        answered = service.answered(claim)
        if answered:
            return json_answer({"answers": answered})
        state = _state(body, service)
        asked, requests = _asked(body, state, service)
        try:
            answers = service.answer_all(state, asked, requests, claim=claim)
        except Unreadable as error:
            raise Refused([Fault(f"/items/{place}/records", str(cause), "rows that cannot be read") for place, cause in error.errors]) from None
        return json_answer({"answers": answers})


def _state(body, service):
    """What answers: where the book knows all, also what can only tell their published scores."""
    use_case, items = use_case_of(body), body.get("items")
    known = isinstance(items, list) and all(map(_is_known, items))
    return service.book_state(use_case) if known else service.state(use_case)


def _asked(body, state, service):
    """What each item asks, and the request to keep with its decision. Raises Refused with the faults of all items."""
    faults, items = _outer_faults(body), body.get("items")
    if faults:
        raise Refused(faults)
    shared, now = {name: body[name] for name in SHARED_FIELDS if name in body}, service.clock()
    known = [item["customer_id"] for item in items if _is_known(item) and is_text(item.get("customer_id"))]
    stored = service.incoming().of(known) if known else {}
    found = []
    for place, item in enumerate(items):
        pair, wrong = _item(item, state, now, shared, stored)
        faults += inbound.under(f"/items/{place}", wrong)
        found.append(pair)
    if faults:
        raise Refused(faults)
    return zip(*found, strict=True)


def _is_known(item):
    """Whether an item names whom the book knows, and brings nothing to score."""
    return isinstance(item, dict) and "records" not in item and "features" not in item


def _outer_faults(body):
    faults = [Fault(f"/{name}", f"one of {', '.join(sorted(BATCH_FIELDS))}", "an unknown field") for name in body if name not in BATCH_FIELDS]
    items = body.get("items")
    if not isinstance(items, list) or not 1 <= len(items) <= MAX_ITEMS:
        faults.append(Fault("/items", f"a list of 1 to {MAX_ITEMS} items", shown(items)))
    return faults + language_faults(body)


def _item(item, state, now, shared, stored):
    """((Asked, request), no faults) of an item, or (None, its faults)."""
    if not isinstance(item, dict):
        return None, [Fault("", "an item as an object", shown(item))]
    if _is_known(item):
        return _known(item, state, shared, stored)
    wrong = item_faults(item, state.scorer, now)
    return (None, wrong) if wrong else ((asked_of(item, now, languages=languages_of(shared)), shared | item), [])


def _known(item, state, shared, stored):
    """As _item, of whom the book knows."""
    subject = "transaction_id" if state.scorer.judges_transactions else "customer_id"
    allowed = KNOWN_FIELDS | {subject}
    wrong = [Fault(inbound.path_of(name), f"nothing more than {', '.join(sorted(allowed))} where records and features are left out", shown(item[name]))
             for name in item if name not in allowed]
    wrong += inbound.envelope_faults({name: item[name] for name in allowed if name in item}, known=allowed, required=[subject], now=None)
    if wrong:
        return None, wrong
    try:
        known = Known(item[subject], item.get("requested_amount") or 0)
        asked, request = looked_up(state, known, draws=True, stored=lambda customer_id: stored.get(customer_id, ()), languages=languages_of(shared))
    except Unknown as error:
        return None, [Fault(f"/{subject}", str(error), shown(item[subject]))]
    return (asked, shared | item | request), []
