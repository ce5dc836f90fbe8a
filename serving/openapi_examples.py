"""Examples of the OpenAPI document. Tests send every one of a request and hold every one of an answer against its schema.

None of them holds a null: FastAPI leaves fields that are null out of what it writes.
"""

CUSTOMER, TRANSACTION = "C000123", "T000987"
RECORDS = {
    "customers": [{"known_at": "2024-01-05", "kind": "company", "industry": "textiles", "region": "华东", "founded_on": "2011-05-01"}],
    "invoices": [
        {"invoice_id": "I1", "known_at": "2026-01-10", "issued_at": "2026-01-10", "due_at": "2026-02-09", "amount": 1_250_000, "currency": "CNY"},
    ],
    "payments": [
        {"payment_id": "P1", "known_at": "2026-02-20", "invoice_id": "I1", "occurred_at": "2026-02-20", "amount": 1_250_000, "kind": "payment"},
    ],
}
FEATURES = {"stmt_current_ratio": 1.42, "inv_days_late_mean_90d": 11.0, "bg_industry": "textiles"}
BY_RECORDS = {"customer_id": CUSTOMER, "purpose": "onboarding", "requested_amount": 5_000_000, "records": RECORDS}
BY_FEATURES = {"customer_id": CUSTOMER, "features": FEATURES, "standing": {"exposure": 6_000_000}, "languages": ["zh"]}
JUDGED = {
    "customer_id": CUSTOMER,
    "use_case": "fraud",
    "records": {"transactions": []},
    "transaction": {"transaction_id": "T1", "occurred_at": "2026-03-30T23:30:00", "amount": -12_345, "kind": "purchase", "channel": "web"},
}
SCORE = {
    "records": {"summary": "A customer from raw records", "value": BY_RECORDS},
    "features": {"summary": "A customer from features, with sentences in Chinese", "value": BY_FEATURES},
    "fraud": {"summary": "A transaction", "value": JUDGED},
}
BATCH = {
    "mixed": {
        "summary": "From features, from records, and as the book knows it",
        "value": {
            "languages": [],
            "items": [{"customer_id": "N1", "features": FEATURES}, {"customer_id": "N2", "records": RECORDS}, {"customer_id": CUSTOMER}],
        },
    }
}
EVENT = {
    "payment": {
        "summary": "A payment came in",
        "value": {
            "event_id": "crm-20260331-17",
            "customer_id": CUSTOMER,
            "records": {"payments": [{"payment_id": "P2", "invoice_id": "I2", "occurred_at": "2026-03-31", "amount": 50_000, "kind": "payment"}]},
        },
    },
    "lawsuit": {
        "summary": "The customer was sued",
        "value": {
            "event_id": "crm-20260331-18",
            "customer_id": CUSTOMER,
            "records": {"events": [{"event_id": "E7", "occurred_at": "2026-03-30", "kind": "lawsuit", "amount": 40_000_000, "severity": 4}]},
        },
    },
}

_VERSIONS = {"bundle": "070c9045…", "policy": "e6e072f0…", "context": "dc0c9eae…", "publication": "8ba9936c…"}
ANSWER = {
    "decision_id": "67ea3261-3f12-4757-b82c-78701069e139",
    "made_at": "2026-03-31T08:00:00.123456",
    "source": "simulated",
    "use_case": "default",
    "customer_id": CUSTOMER,
    "as_of": "2026-03-31T08:00:00",
    "probability_name": "pd_12m",
    "probability": 0.0187,
    "pd_low": 0.0142,
    "pd_high": 0.0241,
    "raw_score": -3.96,
    "points": 587.3,
    "grade": "B",
    "sub_scores": {"financial": -0.41, "behavioural": 0.22, "cash_flow": 0.05, "background": -0.1},
    "reasons": [
        {
            "message_id": "reason.late_payment",
            "factor": "payment_behaviour",
            "contribution": 0.31,
            "values": [{"name": "inv_days_late_mean_90d", "value": 11.0, "contribution": 0.31}],
            "sentence": {
                "en": "The risk is raised by late payment: average days late (last 90 days) came to 11 days, against 4 days for a typical customer.",
                "zh": "付款逾期情况推高风险：近90天平均逾期天数为11天，而典型客户为4天。",
            },
            "comparison": {"kind": "typical", "name": "inv_days_late_mean_90d", "value": 11.0, "reference": 4.0},
        }
    ],
    "decision": {
        "action": "approve",
        "route": "one_person",
        "limit": 5_000_000,
        "risk_limit": 18_000_000,
        "payment_days": 30,
        "term_months": 0,
        "deposit_share": 0.0,
        "guarantee": False,
        "review_days": 180,
        "reasons": ["route.amount", "limit.capacity"],
        "life_cycle": {"state": "watch", "since": "2026-03-02", "owner": "sales", "deadline": "2026-03-16", "new_credit": "by_policy"},
        "words": {
            "en": {"action": "approve", "route": "one person signs", "reasons": ["The amount asked for decides who signs."]},
            "zh": {"action": "批准", "route": "单人审批", "reasons": ["审批层级由申请金额决定。"]},
        },
    },
    "sufficiency": {"columns": 210, "known": 131, "share": 0.62, "tables": ["customers", "invoices", "payments"], "absent": ["statements"]},
    "freshness": {"customers": "2024-01-05T00:00:00", "invoices": "2026-01-10T00:00:00", "payments": "2026-02-20T00:00:00"},
    "versions": _VERSIONS,
    "faults": [],
}
_CROSSED = {
    "customer_id": CUSTOMER,
    "alert_id": "5b0f3c9a7d21",
    "kind": "lawsuit",
    "level": "watch",
    "severity": "medium",
    "owner": "legal",
    "fact": "lawsuits",
    "before": 0.0,
    "after": 1.0,
    "threshold": 1.0,
    "event_id": "crm-20260331-18",
    "decision_id": ANSWER["decision_id"],
    "rules": "5d1f0c7a…",
    "words": {
        "en": "Lawsuits of the last 90 days: 1, before 0. The threshold is 1 and calls for the state: watch-list.",
        "zh": "近90天诉讼次数：1，此前为0。阈值为1，对应状态：观察名单。",
    },
}
CROSSING = {"sequence": 12, "made_at": "2026-03-31T08:00:00.123456"} | _CROSSED
ALERT = _CROSSED | {
    "sequence": 31,
    "made_at": "2026-03-31T09:10:00.123456",
    "with": "legal",
    "state": "snoozed",
    "raised_on": "2026-03-31",
    "seen_on": "2026-03-31",
    "sightings": 1,
    "deadline": "2026-04-10",
    "snoozed_until": "2026-04-10",
}
SNOOZE = {"until": "2026-04-10", "by": "lin", "reason": "The hearing is on 9 April."}
CLOSE = {"outcome": "acted", "by": "lin", "note": "Limit halved, a guarantee asked for."}
CLOSED = {name: value for name, value in ALERT.items() if name != "snoozed_until"} | {
    "state": "closed", "outcome": "acted", "closed_on": "2026-04-01", "closed_by": "lin", "note": CLOSE["note"]}
EVENT_ANSWER = ANSWER | {"event_id": "crm-20260331-18", "alerts": [CROSSING]}
MODEL = {
    "source": "simulated",
    "use_case": "default",
    "probability_name": "pd_12m",
    "training": {"rows": 120_000},
    "versions": _VERSIONS,
    "grades": [{"name": "A", "below": 0.004, "probability": 0.002}, {"name": "B", "below": 0.02, "probability": 0.01}],
    "columns": [
        {
            "name": "bg_industry",
            "kind": "category",
            "unit": "category",
            "factor": "background",
            "scope": "own",
            "direction": 0,
            "levels": ["textiles", "machinery"],
            "words": {"en": "Industry", "zh": "行业"},
        }
    ],
    "book": {"as_of": "2026-02-28T00:00:00", "rows": 5_000},
    "faults": [],
}
PROBLEM = {
    "type": "about:blank",
    "title": "Unprocessable Content",
    "status": 422,
    "detail": "The request has 1 wrong fields, the first at /records/invoices/0/amount: expected an amount above 0, got -5.",
    "errors": [{"pointer": "/records/invoices/0/amount", "expected": "an amount above 0", "got": "-5"}],
}
PAGE = "<!doctype html>…"
FIGURES = 'risk_decisions_total{action="approve",grade="B",use_case="default"} 17.0\n'
