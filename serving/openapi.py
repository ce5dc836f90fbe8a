"""What the service's OpenAPI document says beyond what its code does: bodies, answers and problems, with examples."""

from models.alert_file import OUTCOMES
from serving import openapi_examples as examples
from serving import openapi_parts as parts

DESCRIPTION = """How likely a customer is to default (or a transaction to be fraud), why, and what the policy says to do about it.

Every answer is recorded in the decision ledger before it is sent and carries the hashes of the bundle, policy and context behind it.
Beside what the policy says stand a person's override in force and the state of the customer's life cycle, where there are any; both count.
Errors are `application/problem+json` (RFC 9457); a body's wrong fields are all named at once."""


def install(app):
    """Add the schemas that bodies and answers refer to, to an application's document."""
    made = app.openapi

    def document():
        found = made()
        found.setdefault("components", {}).setdefault("schemas", {}).update(parts.COMPONENTS)
        return found

    app.openapi = document


def _problem(description):
    content = {"schema": parts.ref("Problem"), "example": examples.PROBLEM}
    return {"description": description, "content": {"application/problem+json": content}}


def _told(description, schema, example, *, media="application/json"):
    return {"description": description, "content": {media: {"schema": schema, "example": example}}}


def _asks(schema, given):
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema, "examples": given}}}}


PROBLEMS = {
    401: _problem("No key, or none that holds."),
    403: _problem("The key lacks the scope."),
    429: _problem("The key sent more requests than it may; see Retry-After."),
    503: _problem("Nothing can answer, or the decision could not be recorded; the detail names the cause."),
}
_WRONG = {422: _problem("A parameter is wrong.")}
_ANSWERED = {200: _told("The answer, recorded.", parts.ref("Answer"), examples.ANSWER)}
_BODY = {
    408: _problem("The body did not arrive in time."),
    413: _problem("The body is too large."),
    422: _problem("Every wrong field, by JSON pointer."),
}
_REPEATED = {
    400: _problem("The header Idempotency-Key is malformed."),
    410: _problem("The answer first given under this Idempotency-Key was erased."),
    422: _problem("Every wrong field, by JSON pointer; or the Idempotency-Key was used with another request."),
}
ANSWER = {
    "responses": _ANSWERED | PROBLEMS | _WRONG | {404: _problem("Nobody of that name is in the book.")},
}
SCORE = {
    "responses": _ANSWERED | PROBLEMS | _BODY | _REPEATED | {404: _problem("The use case is not served here.")},
    "openapi_extra": _asks(parts.QUESTION, examples.SCORE),
}
_CASE = {
    "case_id": "0b1f…",
    "decision_id": "6f0c…",
    "status": "open",
    "opened_at": "2026-03-31T09:00:00",
    "due_on": "2026-04-15",
}
_STATEMENT = {"type": "string", "minLength": 1, "maxLength": 2000}
_ASKED = {
    "type": "object",
    "required": ["decision_id", "statement"],
    "additionalProperties": False,
    "properties": {"decision_id": _STATEMENT, "statement": _STATEMENT | {"description": "What a person should look at, in the words of whom it is about."}},
}
_ASKED_EXAMPLE = {"decision_id": "6f0c…", "statement": "The invoice was disputed and settled in March."}

_ONCE_ANSWERED = ("answered_at", "answered_by", "outcome", "answer")
_CASE_SCHEMA = parts.whole(
    dict.fromkeys(("case_id", "decision_id", "status", "opened_at", "due_on"), parts.TEXT) | dict.fromkeys(_ONCE_ANSWERED, parts.or_null(parts.TEXT)),
    optional=_ONCE_ANSWERED,
)
CASE = {
    "responses": {200: _told("The case.", _CASE_SCHEMA, _CASE)} | PROBLEMS | _WRONG | {404: _problem("There is no such case.")},
}
REVIEW = {
    "responses": PROBLEMS
    | _BODY
    | {
        200: _told("The same statement was sent before: the case that is open.", _CASE_SCHEMA, _CASE),
        201: _told("The case, opened.", _CASE_SCHEMA, _CASE),
        404: _problem("No decision of that id is recorded."),
        409: _problem("Another case on the decision is open."),
    },
    "openapi_extra": _asks(_ASKED, {"disputed": {"value": _ASKED_EXAMPLE}}),
}
_ANSWERS = _told("The answers in the order of the items, all recorded.", parts.whole({"answers": parts.listed(parts.ref("Answer"))}),
                 {"answers": [examples.ANSWER]})
BATCH = {
    "responses": {200: _ANSWERS} | PROBLEMS | _BODY | _REPEATED | {404: _problem("The use case is not served here.")},
    "openapi_extra": _asks(parts.BATCH, examples.BATCH),
}
_SCORED = {"allOf": [parts.ref("Answer"), parts.whole({"event_id": parts.TEXT, "alerts": parts.listed(parts.ref("Crossing"))})]}
EVENT = {
    "responses": {
        200: _told("The event was stored before: the answer it got then.", _SCORED, examples.EVENT_ANSWER),
        201: _told("The event is stored, the customer scored anew with it, and every threshold told that it crossed.", _SCORED, examples.EVENT_ANSWER),
    }
    | PROBLEMS
    | _BODY
    | {
        404: _problem("Nobody of that name is in the book."),
        409: _problem("Another event is stored under that id."),
        410: _problem("The event was stored and erased since."),
    },
    "openapi_extra": _asks(parts.EVENT, examples.EVENT),
}
_PAGE_OF_ALERTS = parts.whole({"alerts": parts.listed(parts.ref("Alert")), "next": parts.WHOLE | {"description": "What to ask `after` next."}})
ALERTS = {
    "responses": {200: _told("Alerts, by what happened to them last.", _PAGE_OF_ALERTS, {"alerts": [examples.ALERT], "next": 31})} | PROBLEMS | _WRONG,
}
_ACTED_ON = PROBLEMS | _BODY | {404: _problem("There is no such alert."), 409: _problem("The alert was closed before.")}
_BY = {"type": "string", "minLength": 1, "maxLength": parts.MAX_TEXT, "description": "The person who does it."}
_WHY = {"type": "string", "minLength": 1, "maxLength": parts.MAX_TEXT}
_SNOOZE = parts.whole(
    {"until": {"type": "string", "format": "date", "description": "The day on which it wakes, at most alerts.snooze_days of life_cycle.yaml ahead."},
     "by": _BY, "reason": _WHY}, additionalProperties=False)
_CLOSE = parts.whole({"outcome": {"enum": list(OUTCOMES)}, "by": _BY, "note": _WHY | {"description": "What was found or done."}}, additionalProperties=False)
SNOOZE = {
    "responses": {200: _told("The alert sleeps until that day, or until it gets worse by a step.", parts.ref("Alert"), examples.ALERT)} | _ACTED_ON,
    "openapi_extra": _asks(_SNOOZE, {"hearing": {"value": examples.SNOOZE}}),
}
CLOSE = {
    "responses": {200: _told("The alert is closed.", parts.ref("Alert"), examples.CLOSED)} | _ACTED_ON,
    "openapi_extra": _asks(_CLOSE, {"acted": {"value": examples.CLOSE}}),
}
MODEL = {
    "responses": {200: _told("What answers.", parts.ref("Model"), examples.MODEL)} | PROBLEMS | _WRONG | {404: _problem("The use case is not served here.")},
}
REPORT = {
    "responses": {200: _told("The page.", parts.TEXT, examples.PAGE, media="text/html")}
    | PROBLEMS
    | _WRONG
    | {404: _problem("The page was not published, or the use case is not served here.")},
}
FIGURES = {"responses": {200: _told("Prometheus' text format.", parts.TEXT, examples.FIGURES, media="text/plain")} | PROBLEMS}


def _status(word, **more):
    """The answers of a health endpoint that says one word; more: {field: (its schema, an example)}."""
    fields = {"status": ({"const": word}, word), **more}
    schema, example = ({name: pair[place] for name, pair in fields.items()} for place in (0, 1))
    return {"responses": {200: _told("So it is.", parts.whole(schema), example)}}


LIVE = _status("live")
READY = {"responses": _status("ready", faults=(parts.listed(parts.TEXT), []))["responses"] | PROBLEMS}
