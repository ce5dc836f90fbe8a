"""What happens to known customers between two books, told as it happens."""

from typing import Annotated

from fastapi import Depends

from serving import inbound, openapi
from serving.access import allowed
from serving.endpoints.bodies import json_answer, read_body
from serving.endpoints.questions import found_in_book, language_faults, languages_of
from serving.events import take
from serving.inbound import ACCEPTED, Fault, Refused
from serving.incoming import Sent, digest, in_utc
from serving.values import is_text, shown

EVENT_FIELDS = frozenset({"customer_id", "event_id", "records", "languages"})
EVENTS = allowed("events")
MAX_EVENT_ID = 200


def add(app, service):
    what = "Tell what happened to a known customer: it is scored anew"

    @app.post("/v1/events", summary=what, tags=["events"], status_code=201, dependencies=[EVENTS], **openapi.EVENT)
    def event(body: Annotated[dict, Depends(read_body)]):
        state, now = service.state("default"), service.clock()
        records = _known_now(body.get("records"), now)
        faults = _faults(body, records, state, now)
        if faults:
            raise Refused(faults)
        row = found_in_book(state, body["customer_id"], "customer")
        sent = Sent(body["event_id"], row.customer_id, in_utc(records), digest(in_utc(body["records"])))
        answer, new = take(service, state, row, sent, now=now, languages=languages_of(body))
        return json_answer(answer, status=201 if new else 200)


def _known_now(records, now):
    """The records with known_at now in every row that does not say it: what is told as it happens is known now."""
    if not isinstance(records, dict):
        return records
    known = {"known_at": now.replace(microsecond=0).isoformat()}
    return {name: [known | row if isinstance(row, dict) else row for row in rows] if isinstance(rows, list) else rows for name, rows in records.items()}


def _faults(body, records, state, now):
    # What its source does not deliver, the next ingest would not read; a series is nobody's event.
    tables = tuple(name for name in ACCEPTED if name in state.published.columns() and name != "series")
    faults = inbound.envelope_faults(body, known=EVENT_FIELDS, required=["customer_id", "event_id", "records"], now=now) + language_faults(body)
    faults += inbound.record_faults({} if records is None else records, customer_id=body.get("customer_id"), now=now, accepted=tables,
                                    columns=state.published.columns())
    if isinstance(records, dict) and not any(records.values()):
        faults.append(Fault("/records", "at least one row", "none"))
    event_id = body.get("event_id")
    if event_id is not None and not (is_text(event_id) and 0 < len(event_id) <= MAX_EVENT_ID):
        faults.append(Fault("/event_id", f"text of 1 to {MAX_EVENT_ID} characters", shown(event_id)))
    return faults
