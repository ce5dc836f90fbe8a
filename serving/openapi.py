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


PROBLEMS = {503: _problem("Nothing can answer, or the decision could not be recorded; the detail names the cause.")}
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
        404: _problem("The use case is not served here."),
        413: _problem("The body is too large."),
        422: _problem("Every wrong field, by JSON pointer."),
    },
    "openapi_extra": {"requestBody": {"required": True, "content": {"application/json": {"schema": _REQUEST, "example": EXAMPLE_RECORDS}}}},
}
BATCH = {
    "responses": SCORE["responses"],
    "openapi_extra": {"requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}},
}
EVENT, ALERTS = BATCH, {"responses": PROBLEMS}
FIGURES = {"responses": {200: {"description": "Prometheus' text format.", "content": {"text/plain": {"schema": {"type": "string"}}}}}}
REPORT = {"responses": {200: {"description": "The page.", "content": {"text/html": {"schema": {"type": "string"}}}}}}
