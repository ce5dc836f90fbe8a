"""The parts of the OpenAPI document: schemas of rows, questions and answers, and the examples, which tests send and hold against the schemas."""

from features.tables import TABLES
from models.alert_file import ASLEEP, DONE, OPEN, OUTCOMES, OVERDUE, SEVERITIES
from models.policy import ACTIONS, FRAUD_ACTIONS
from models.policy_file import ROUTES
from models.reasons import COMPARED_WITH, SUB_SCORES
from serving.inbound import ACCEPTED, MAX_ROWS, STANDING
from serving.messages import LANGUAGES
from serving.values import MAX_MONEY, MAX_NUMBER, MAX_TEXT

TEXT, NUMBER, WHOLE = {"type": "string"}, {"type": "number"}, {"type": "integer"}
ID = {"type": "string", "minLength": 1, "maxLength": MAX_TEXT}
LONG = {"type": "string", "maxLength": MAX_TEXT}
MOMENT = {"type": "string", "minLength": 10, "description": "A date or moment as ISO 8601 text; naive means UTC."}
FINITE = {"type": "number", "minimum": -MAX_NUMBER, "maximum": MAX_NUMBER}
INTEGER = {"type": "integer", "minimum": 1 - MAX_MONEY, "maximum": MAX_MONEY - 1}
MINOR_UNITS = INTEGER | {"description": "In minor units."}
SCALAR = {"type": ["string", "number", "boolean", "null"]}
KINDS = {"id": ID, "category": LONG, "text": LONG, "time": MOMENT, "money": MINOR_UNITS, "number": FINITE, "flag": {"type": "boolean"}, "integer": INTEGER}
BY_LANGUAGE = {"type": "object", "description": f"Sentences by language ({', '.join(LANGUAGES)}), those asked for."}


def ref(name):
    """A reference to a schema of COMPONENTS."""
    return {"$ref": f"#/components/schemas/{name}"}


def or_null(schema):
    """A schema, or null."""
    return schema | {"type": [schema["type"], "null"]}


def whole(properties, *, optional=(), **more):
    """An object of these properties, all of them there but the optional ones; others may be added later."""
    return {"type": "object", "required": [name for name in properties if name not in optional], "properties": properties, **more}


def listed(schema, **more):
    """A list."""
    return {"type": "array", "items": schema, **more}


def records(*, known_now=False):
    """{table: rows} as a caller may send it; known_now: known_at may be left out."""
    tables = {name: listed(_row(TABLES[name], known_now), maxItems=MAX_ROWS) for name in ACCEPTED}
    return {"type": "object", "description": "Table to rows, in the tables' own contract; more columns may be added.", "properties": tables,
            "additionalProperties": False}


def _row(table, known_now):
    columns = {column.name: _column(column) for column in table.columns}
    required = [name for name in table.required if name != "customer_id" and not (known_now and name == "known_at")]
    return {"type": "object", "required": required, "properties": columns, "additionalProperties": SCALAR}


def _column(column):
    schema = KINDS[column.kind]
    bounds = {name: value for name, value in (("minimum", column.least), ("maximum", column.most)) if value is not None}
    schema = schema | bounds
    return schema if column.required and column.name != "customer_id" else or_null(schema)


REASONS = (
    "What raises the risk most, then what lowers it most. Null, as the sub-scores, where no bundle answers and the book was published without: a fault says so."
)

_CROSSED = {
    "kind": TEXT | {"description": "A trigger of life_cycle.yaml, grade_worse or pd_jump."},
    "level": or_null(TEXT) | {"description": "The state that the trigger calls for."},
    "severity": or_null(TEXT) | {"enum": [*SEVERITIES, None]},
    "owner": TEXT | {"description": "The department that has to act."},
    "fact": TEXT,
    "before": or_null(NUMBER),
    "after": or_null(NUMBER),
    "threshold": or_null(NUMBER),
}
COMPONENTS = {
    "Problem": whole(
        {
            "type": TEXT,
            "title": TEXT,
            "status": WHOLE,
            "detail": TEXT | {"description": "One sentence that says what went wrong."},
            "errors": listed(whole({"pointer": TEXT | {"description": "JSON pointer (RFC 6901)."}, "expected": TEXT, "got": TEXT})),
        },
        optional=("type", "errors"),
        description="RFC 9457.",
    ),
    "Reason": whole(
        {
            "message_id": TEXT,
            "factor": TEXT,
            "contribution": NUMBER | {"description": "In log-odds; above 0 it raises the risk."},
            "values": listed(whole({"name": TEXT, "value": {"type": ["number", "string", "null"]}, "contribution": or_null(NUMBER)})),
            "sentence": BY_LANGUAGE,
            "comparison": or_null(
                whole(
                    {
                        "kind": {"enum": [*COMPARED_WITH], "description": "What the reference is: docs/reasons.md."},
                        "name": TEXT,
                        "value": {"type": ["number", "string", "null"]},
                        "reference": {"type": ["number", "string", "null"]},
                    },
                    description="The customer's figure and what it is held against; null on an answer from a publication that has none.",
                )
            ),
        }
    ),
    "Decision": whole(
        {
            "action": {"enum": [*ACTIONS, *FRAUD_ACTIONS]},
            "route": {"enum": [*ROUTES, None], "description": "Who signs; null for fraud."},
            "limit": MINOR_UNITS | {"description": "Granted of what was asked, in minor units."},
            "risk_limit": MINOR_UNITS | {"description": "The most the policy would grant, in minor units."},
            "payment_days": WHOLE,
            "term_months": WHOLE,
            "deposit_share": NUMBER,
            "guarantee": {"type": "boolean"},
            "review_days": WHOLE,
            "reasons": listed(TEXT, description="Codes of what decided."),
            "override": {"type": ["object", "null"], "description": "A person's decision in the policy's place."},
            "life_cycle": {"type": ["object", "null"], "description": "The state of the customer's life cycle."},
            "words": {"type": ["object", "null"], "description": "Action, route and reasons in words, by language."},
        },
        optional=("limit", "risk_limit", "payment_days", "term_months", "deposit_share", "guarantee", "review_days", "override", "life_cycle"),
        description="What the policy says to do. Of a transaction only action, route, reasons and words.",
    ),
    "Answer": whole(
        {
            "decision_id": TEXT,
            "made_at": MOMENT,
            "source": TEXT,
            "use_case": TEXT,
            "customer_id": ID,
            "as_of": MOMENT,
            "probability_name": TEXT | {"description": "Such as pd_12m: default within twelve months."},
            "probability": {"type": "number", "minimum": 0, "maximum": 1},
            "pd_low": or_null(NUMBER) | {"description": "Ends of the probability's interval; null where the bundle has none."},
            "pd_high": or_null(NUMBER),
            "raw_score": NUMBER,
            "points": NUMBER,
            "grade": TEXT,
            "sub_scores": or_null(whole(dict.fromkeys(SUB_SCORES, NUMBER), description="In log-odds around the base value; above 0 is riskier; or null.")),
            "reasons": or_null(listed(ref("Reason"), description=REASONS)),
            "decision": ref("Decision"),
            "sufficiency": whole(
                {"columns": WHOLE, "known": WHOLE, "share": NUMBER, "tables": or_null(listed(TEXT)), "absent": or_null(listed(TEXT))},
                description="How many of the model's columns are known, and which of its tables have rows; null for features without records.",
            ),
            "freshness": {"type": "object", "description": "By table the latest moment at which anything was known.", "additionalProperties": MOMENT},
            "versions": whole(dict.fromkeys(("bundle", "policy", "context", "publication"), TEXT), description="Hashes of what answered."),
            "faults": listed(TEXT, description="Why what answered is not what it should be; empty when it is."),
            "human_review": {"type": ["object", "null"], "description": "How to ask that a person looks at it; null where a person signs anyway."},
        },
        # Always there; but FastAPI leaves a null out of an example.
        optional=("human_review",),
        description="A score with reasons and a decision, as it was recorded.",
    ),
    "Crossing": whole(
        {
            "sequence": WHOLE,
            "made_at": MOMENT,
            "customer_id": ID,
            "alert_id": or_null(TEXT) | {"description": "The early warning that was raised or seen again; null before there were any."},
            **_CROSSED,
            "event_id": TEXT,
            "decision_id": TEXT,
            "rules": TEXT | {"description": "Hash of the life_cycle.yaml it follows from."},
            "words": BY_LANGUAGE,
        },
        description="A threshold that an event crossed.",
    ),
    "Alert": whole(
        {
            "alert_id": TEXT,
            "sequence": WHOLE | {"description": "Of what happened to it last."},
            "made_at": MOMENT,
            "customer_id": ID,
            **_CROSSED,
            "with": TEXT | {"description": "Who has it now: the owner, or the level of life_cycle.yaml that it was passed on to."},
            "state": {"enum": [OPEN, ASLEEP, OVERDUE, DONE]},
            "raised_on": TEXT,
            "seen_on": TEXT,
            "sightings": WHOLE,
            "deadline": TEXT,
            "snoozed_until": or_null(TEXT),
            "outcome": or_null(TEXT) | {"enum": [*OUTCOMES, None]},
            **dict.fromkeys(("closed_on", "closed_by", "note"), or_null(TEXT)),
            "event_id": or_null(TEXT) | {"description": "The event that showed it last; null where a night did."},
            "decision_id": or_null(TEXT),
            "rules": or_null(TEXT) | {"description": "Hash of the life_cycle.yaml it follows from."},
            "words": BY_LANGUAGE,
        },
        # Always there; but FastAPI leaves a null out of an example.
        optional=("snoozed_until", "outcome", "closed_on", "closed_by", "note", "event_id", "decision_id"),
        description="An early warning as it stands, with the gravest thing seen of it.",
    ),
    "Model": whole(
        {
            "source": TEXT,
            "use_case": TEXT,
            "probability_name": TEXT,
            "training": {"type": "object"},
            "versions": whole(dict.fromkeys(("bundle", "policy", "context", "publication"), TEXT)),
            "grades": listed(whole({"name": TEXT, "below": NUMBER, "probability": NUMBER})),
            "columns": listed(
                whole(
                    {
                        "name": TEXT,
                        "kind": {"enum": ["number", "category"]},
                        "unit": TEXT,
                        "factor": TEXT,
                        "scope": TEXT,
                        "direction": {"enum": [-1, 0, 1]},
                        "levels": or_null(listed(TEXT)),
                        "words": BY_LANGUAGE,
                    }
                )
            ),
            "book": whole({"as_of": MOMENT, "rows": WHOLE}),
            "faults": listed(TEXT),
        }
    ),
}

USE_CASE = {"type": "string", "default": "default"}
LANGUAGE_LIST = listed({"enum": list(LANGUAGES)}, description="Languages of the sentences; all when left out, none for an empty list, which is quicker.")
ITEM = {
    "customer_id": ID,
    "purpose": ID | {"description": "Why the question is asked, such as onboarding or review; kept with the decision."},
    "as_of": MOMENT | {"description": "ISO 8601 moment, not in the future; naive means UTC. Left out: now."},
    "requested_amount": {"type": "integer", "minimum": 0, "maximum": MAX_MONEY - 1, "description": "Asked for on top of the exposure, in minor units."},
    "records": records(),
    "features": {"type": "object", "minProperties": 1, "description": "Features by name, see /v1/model; one left out is not known.",
                 "additionalProperties": {"type": ["number", "string", "null"]}},
    "transaction": {"type": "object", "description": "For fraud: the transaction to be judged, as a row of its table.", "additionalProperties": SCALAR},
    "observation": {"type": "object", "description": "The observation's own columns, where the model reads any.", "additionalProperties": SCALAR},
    "standing": {
        "type": "object",
        "description": "Exposure and capacity in minor units and the facts of the policy's hard stops, where the records do not say them.",
        "properties": dict.fromkeys(STANDING, {"type": ["number", "null"], "minimum": 0}),
        "additionalProperties": False,
    },
}
_EITHER = [{"required": ["records"]}, {"required": ["features"]}]
QUESTION = {
    "type": "object",
    "required": ["customer_id"],
    "oneOf": _EITHER,
    "additionalProperties": False,
    "properties": ITEM | {"use_case": USE_CASE, "languages": LANGUAGE_LIST},
}
KNOWN = {
    "type": "object",
    "additionalProperties": False,
    "description": "Whom the book knows: customer_id, or transaction_id for fraud.",
    "properties": {name: ITEM[name] for name in ("customer_id", "purpose", "requested_amount")} | {"transaction_id": ID},
}
BATCH = {
    "type": "object",
    "required": ["items"],
    "additionalProperties": False,
    "properties": {
        "use_case": USE_CASE,
        "languages": LANGUAGE_LIST,
        "items": listed(
            {"anyOf": [{"type": "object", "required": ["customer_id"], "oneOf": _EITHER, "additionalProperties": False, "properties": ITEM}, KNOWN]},
            minItems=1,
            maxItems=1000,
        ),
    },
}
EVENT = {
    "type": "object",
    "required": ["event_id", "customer_id", "records"],
    "additionalProperties": False,
    "properties": {
        "event_id": {"type": "string", "minLength": 1, "maxLength": 200, "description": "The sender's own name for the event, which says nothing of persons: "
                     "it is never erased. Sent again, it is the same event."},
        "customer_id": ID,
        "records": records(known_now=True) | {"description": "What happened, as rows of the tables that the source delivers; known_at left out means now."},
        "languages": LANGUAGE_LIST,
    },
}
