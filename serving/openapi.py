"""What the service's OpenAPI document says beyond what its code does: bodies, answers and problems, with examples."""

DESCRIPTION = """How likely a customer is to default (or a transaction to be fraud), why, and what the policy says to do about it.

Every answer is recorded in the decision ledger before it is sent and carries the hashes of the bundle, policy and context behind it.
Beside what the policy says stand a person's override in force and the state of the customer's life cycle, where there are any; both count.
Errors are `application/problem+json` (RFC 9457); a body's wrong fields are all named at once."""

EXAMPLE_RECORDS = {
    "customer_id": "C000123",
    "requested_amount": 5_000_000,
    "records": {
        "customers": [{"known_at": "2024-01-05", "kind": "company", "industry": "textiles", "region": "华东", "founded_on": "2011-05-01"}],
        "invoices": [
            {
                "invoice_id": "I1",
                "known_at": "2026-01-10",
                "issued_at": "2026-01-10",
                "due_at": "2026-02-09",
                "amount": 1_250_000,
                "currency": "CNY",
            }
        ],
        "payments": [
            {
                "payment_id": "P1",
                "known_at": "2026-02-20",
                "invoice_id": "I1",
                "occurred_at": "2026-02-20",
                "amount": 1_250_000,
                "kind": "payment",
            }
        ],
    },
}
EXAMPLE_ANSWER = {
    "decision_id": "6f0c…",
    "made_at": "2026-03-31T08:00:00.123456",
    "use_case": "default",
    "customer_id": "C000123",
    "as_of": "2026-03-31T08:00:00",
    "probability_name": "pd_12m",
    "probability": 0.0187,
    "pd_low": 0.0142,
    "pd_high": 0.0241,
    "points": 587.3,
    "grade": "B",
    "sub_scores": {"financial": -0.41, "behavioural": 0.22, "cash_flow": 0.05, "background": -0.1},
    "reasons": [
        {
            "message_id": "feature.inv_days_late_mean_180d",
            "factor": "payment_behaviour",
            "contribution": 0.31,
            "values": [{"name": "inv_days_late_mean_180d", "value": 11.0, "contribution": 0.31}],
            "sentence": {"en": "…", "zh": "…"},
        }
    ],
    "decision": {"action": "approve", "route": "one_person", "limit": 5_000_000},
    "sufficiency": {"columns": 210, "known": 131, "share": 0.62, "tables": ["customers", "invoices", "payments"], "absent": ["statements"]},
    "freshness": {"invoices": "2026-01-10T00:00:00"},
    "versions": {"bundle": "…", "policy": "…", "context": "…", "publication": "…"},
    "human_review": None,
}
_ROW = {"type": "object", "additionalProperties": True}
_REQUEST = {
    "type": "object",
    "required": ["customer_id"],
    "oneOf": [{"required": ["records"]}, {"required": ["features"]}],
    "additionalProperties": False,
    "properties": {
        "customer_id": {"type": "string", "minLength": 1, "maxLength": 2000},
        "use_case": {"type": "string", "default": "default"},
        "purpose": {"type": "string", "description": "Why the question is asked, such as onboarding or review; kept with the decision."},
        "as_of": {"type": "string", "description": "ISO 8601 moment, not in the future; naive means UTC. Left out: now."},
        "requested_amount": {
            "type": "integer",
            "minimum": 0,
            "description": "Amount asked for on top of the present exposure, in minor units.",
        },
        "records": {
            "type": "object",
            "description": "Table to rows, in the tables' own contract.",
            "additionalProperties": {"type": "array", "items": _ROW},
        },
        "features": {
            "type": "object",
            "description": "Features by name, see /v1/model; one left out is not known.",
            "additionalProperties": True,
        },
        "transaction": {"type": "object", "description": "For fraud: the transaction to be judged, as a row of its table.", "additionalProperties": True},
        "observation": {"type": "object", "description": "The observation's own columns, where the model reads any.", "additionalProperties": True},
        "standing": {
            "type": "object",
            "description": "Exposure and capacity in minor units and the facts of the policy's hard stops, where the records do not say them.",
            "additionalProperties": {"type": ["number", "null"], "minimum": 0},
        },
    },
}
_PROBLEM = {
    "type": "object",
    "required": ["title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {"type": "object", "properties": {name: {"type": "string"} for name in ("pointer", "expected", "got")}},
        },
    },
}


def _problem(description):
    return {"description": description, "content": {"application/problem+json": {"schema": _PROBLEM}}}


PROBLEMS = {
    401: _problem("No key, or none that holds."),
    403: _problem("The key lacks the scope."),
    429: _problem("The key sent more requests than it may; see Retry-After."),
    503: _problem("Nothing can answer, or the decision could not be recorded; the detail names the cause."),
}
_ANSWERED = {
    200: {
        "description": "The answer, recorded.",
        "content": {"application/json": {"schema": {"type": "object"}, "example": EXAMPLE_ANSWER}},
    }
}
ANSWER = {
    "responses": _ANSWERED | PROBLEMS | {404: _problem("Nobody of that name is in the book."), 422: _problem("A parameter is wrong.")},
}
SCORE = {
    "responses": _ANSWERED
    | PROBLEMS
    | {
        400: _problem("The header Idempotency-Key is malformed."),
        404: _problem("The use case is not served here."),
        408: _problem("The body did not arrive in time."),
        410: _problem("The answer first given under this Idempotency-Key was erased."),
        413: _problem("The body is too large."),
        422: _problem("Every wrong field, by JSON pointer; or the Idempotency-Key was used with another request."),
    },
    "openapi_extra": {"requestBody": {"required": True, "content": {"application/json": {"schema": _REQUEST, "example": EXAMPLE_RECORDS}}}},
}
_CASE = {
    "case_id": "0b1f…",
    "decision_id": "6f0c…",
    "status": "open",
    "opened_at": "2026-03-31T09:00:00",
    "due_on": "2026-04-15",
    "answered_at": None,
    "answered_by": None,
    "outcome": None,
    "answer": None,
}
_STATEMENT = {"type": "string", "minLength": 1, "maxLength": 2000}
_ASKED = {
    "type": "object",
    "required": ["decision_id", "statement"],
    "additionalProperties": False,
    "properties": {"decision_id": _STATEMENT, "statement": _STATEMENT | {"description": "What a person should look at, in the words of whom it is about."}},
}
_ASKED_EXAMPLE = {"decision_id": "6f0c…", "statement": "The invoice was disputed and settled in March."}
_STANDS = {"content": {"application/json": {"schema": {"type": "object"}, "example": _CASE}}}
CASE = {
    "responses": {200: {"description": "The case.", **_STANDS}}
    | PROBLEMS
    | {404: _problem("There is no such case."), 422: _problem("A parameter is wrong.")},
}
REVIEW = {
    "responses": PROBLEMS
    | {
        200: {"description": "The same statement was sent before: the case that is open.", **_STANDS},
        201: {"description": "The case, opened.", **_STANDS},
        404: _problem("No decision of that id is recorded."),
        408: _problem("The body did not arrive in time."),
        409: _problem("Another case on the decision is open."),
        413: _problem("The body is too large."),
        422: _problem("Every wrong field, by JSON pointer."),
    },
    "openapi_extra": {"requestBody": {"required": True, "content": {"application/json": {"schema": _ASKED, "example": _ASKED_EXAMPLE}}}},
}
BATCH = {
    "responses": SCORE["responses"],
    "openapi_extra": {"requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}},
}
EVENT, ALERTS = BATCH, {"responses": PROBLEMS}
FIGURES = {"responses": {200: {"description": "Prometheus' text format.", "content": {"text/plain": {"schema": {"type": "string"}}}}}}
REPORT = {"responses": {200: {"description": "The page.", "content": {"text/html": {"schema": {"type": "string"}}}}}}
