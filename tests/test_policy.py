"""The policy file refused for every gap, overlap and unknown word; decisions that harden with risk; one row as in a book."""
import pathlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import RiskError
from models.policy import ACTIONS, FRAUD_ACTIONS, decide_book, decide_fraud, decide_one, load_policy, parse_policy, queue_ahead
from models.policy_file import ROUTES

FILE = pathlib.Path(__file__).parent.parent / "policy.yaml"
TEXT = FILE.read_text(encoding="utf-8")
POLICY = load_policy(FILE)
K = 1000 * 100  # a thousand units of currency in minor units


def test_comments_and_order_do_not_change_the_hash_and_numbers_do():
    assert parse_policy(TEXT.replace("# From score", "# from score").replace("deposit_share: 0.0", "deposit_share: 0")).hash == POLICY.hash
    assert parse_policy(TEXT.replace("loss_budget: 30000", "loss_budget: 30001")).hash != POLICY.hash


@pytest.mark.parametrize(("old", "new", "near", "field", "reason"), [
    ("- {from: 200000, to: 1000000, route: one_person}", "- {from: 250000, to: 1000000, route: one_person}", "from: 200000, to: 1000000",
     r"approval\[0\].amount\[1\].from", "gap between 200000 and 250000"),
    ("- {from: 200000, to: 1000000, route: one_person}", "- {from: 150000, to: 1000000, route: one_person}", "from: 200000, to: 1000000",
     r"approval\[0\].amount\[1\].from", "overlap between 200000 and 150000"),
    ("- {from: 20000, to: 200000, route: one_person}", "- {from: 20000, to: 200000, route: nobody}", "from: 20000, to: 200000",
     r"approval\[2\].amount\[1\].route", "route nobody is unknown"),
    ("- {from: 5000000, to: null, route: committee}", "- {from: 5000000, to: 9000000, route: committee}", "from: 5000000, to: null",
     r"approval\[0\].amount\[3\].to", "the last band must end at null"),
    ("    - grades: [B]\n", "    - grades: [A, B]\n", "approval:", "default.approval", r"grade A stands in two entries \(overlap\)"),
    ("    - grades: [B]\n", "    - grades: [F]\n", "approval:", "default.approval", "grade F is unknown"),
    ("- {grades: [E], payment_days: 0, ", "- {grades: [], payment_days: 0, ", "terms:", "default.terms", r"grade E is in no entry \(gap\)"),
    ("payment_days: 15", "payment_days: 31", "payment_days: 15", r"default.terms\[3\].payment_days", "is softer for grade D than for C"),
    ("D: 500000, E: 100000", "D: 500000, E: 600000", "ceiling:", "default.limits.ceiling", "must not rise from a better to a worse grade"),
    ("{A: 0.10,", "{A: .nan,", "capacity_share:", "default.limits.capacity_share", "must be numbers of 0 or more"),
    ("loss_given_default: 0.6", "loss_given_default: 1.6", "loss_given_default: 0.6", "default.limits.loss_given_default", "at most 1"),
    ("review_at: 0.02", "review_at: 0.6", "review_at:", "fraud.review_at", "review_at < block_at"),
    ("daily_capacity: 50", "daily_capacity: fifty", "daily_capacity:", "fraud.daily_capacity", "expected `int`, got `str`"),
    ("daily_capacity: 50", "daily: 50", "fraud:", "fraud", "unknown field `daily`|missing required field"),
    ("then: committee", "then: prison", "name: open_lawsuit", r"hard_stops\[3\].then", "prison is unknown"),
    ("{name: committee, authority: null}", "{name: committee, authority: 9}", "routes:", "default.routes", "authority must rise"),
    ("{name: two_persons, authority: 5000000}", "{name: two_persons, authority: 4000000}", "from: 1000000, to: 5000000", "exposure.*to",
     "reaches beyond the 4000000 that two_persons may sign for"),
])
def test_a_faulty_file_is_refused_with_line_field_and_reason(old, new, near, field, reason):
    assert old in TEXT
    with pytest.raises(RiskError, match=f"policy.yaml line [0-9]+, field .*{field}.*: .*({reason})") as raised:
        parse_policy(TEXT.replace(old, new, 1))
    line = int(str(raised.value).split("line ")[1].split(",")[0])
    # Bands repeat in the file; the field says which is meant, the line must be one of theirs.
    assert line in [number for number, text in enumerate(TEXT.splitlines(), 1) if near in text]


def test_a_worse_grade_approved_more_softly_is_refused():
    softer = TEXT.replace("- {from: 0, to: 50000, route: one_person}", "- {from: 0, to: 50000, route: automatic}", 1)
    with pytest.raises(RiskError, match="from 20000 on, grade D is approved more softly than C"):
        parse_policy(softer)


@pytest.mark.parametrize(("text", "message"), [
    ("", "line 1, field the file: .*missing required field"),
    ("a: [", "line 1: .*correct the YAML"),
    (TEXT + "\nversion: 1\n", "version is given twice"),
    (TEXT.replace("version: 1", "version: 2", 1), "version 2 is unknown"),
    ("a: &x {b: *x}", "aliases are not allowed"),
    ("? [a, b]\n: c", "a key must be a word"),
])
def test_unreadable_text_is_refused(text, message):
    with pytest.raises(RiskError, match=message):
        parse_policy(text)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RiskError, match="policy.yaml cannot be read"):
        load_policy(tmp_path / "policy.yaml")


@pytest.mark.parametrize(("asked", "action", "route", "limit"), [
    ({"grade": "A", "pd_12m": 0.002, "amount": 100 * K, "capacity": 50_000 * K}, "approve", "automatic", 100 * K),
    ({"grade": "A", "pd_12m": 0.002, "amount": 200 * K, "capacity": 50_000 * K}, "approve", "one_person", 200 * K),
    ({"grade": "A", "pd_12m": 0.002, "amount": 10 * K, "exposure": 990 * K, "capacity": 50_000 * K}, "approve", "two_persons", 1000 * K),
    # Capacity bounds: 5 % of 1 million.
    ({"grade": "C1", "pd_12m": 0.02, "amount": 60 * K, "capacity": 1000 * K}, "reduce", "one_person", 50 * K),
    # Expected loss bounds: 30,000 / (0.25 x 0.6) = 200,000, but E's ceiling of 100,000 is lower.
    ({"grade": "E", "pd_12m": 0.25, "amount": 150 * K, "capacity": 90_000 * K}, "reduce", "committee", 100 * K),
    ({"grade": "D", "pd_12m": 0.10, "amount": 600 * K, "capacity": 90_000 * K}, "reduce", "committee", 500 * K),
    # Nothing known of the customer: 10 % of half a million.
    ({"grade": "A", "pd_12m": 0.002, "amount": 60 * K}, "reduce", "automatic", 50 * K),
    ({"grade": "B", "pd_12m": 0.01}, "approve", "automatic", 0),
    ({"grade": "B", "pd_12m": 0.01, "amount": 10 * K, "capacity": 0}, "decline", "automatic", 0),
    ({"grade": "A", "pd_12m": 0.002, "amount": 10 * K, "facts": {"in_default": 1}}, "decline", "committee", 0),
    ({"grade": "A", "pd_12m": 0.002, "amount": 10 * K, "facts": {"days_past_due": 30}}, "approve", "two_persons", 10 * K),
])
def test_worked_decisions(asked, action, route, limit):
    found = decide_one(POLICY, **asked)
    assert (found.action, found.route, found.limit) == (action, route, limit)


def test_terms_and_reasons_follow_the_rules_that_decided():
    found = decide_one(POLICY, grade="C2", pd_12m=0.03, amount=10 * K, exposure=60 * K, facts={"open_lawsuit_amount": 2e6, "days_past_due": 0})
    assert (found.payment_days, found.deposit_share, found.guarantee, found.review_days) == (30, 0.1, False, 91)
    assert found.reasons == ("route.exposure", "limit.capacity", "stop.open_lawsuit")


def test_a_missing_fact_does_what_the_file_says():
    strict = parse_policy(TEXT.replace("then: committee, if_missing: pass", "then: committee, if_missing: two_persons"))
    found = decide_one(strict, grade="A", pd_12m=0.002, amount=10 * K)
    assert found.route == "two_persons"
    assert "stop_unknown.open_lawsuit" in found.reasons


def book(rows=400, seed=0):
    rng = np.random.default_rng(seed)
    return {"grade": rng.choice(["A1", "A2", "B", "C", "D1", "E"], rows), "pd_12m": rng.uniform(0.0005, 0.4, rows), "amount": rng.integers(0, 2000, rows) * K,
            "exposure": rng.integers(0, 3000, rows) * K, "capacity": np.where(rng.uniform(size=rows) < 0.3, np.nan, rng.uniform(0, 1e6, rows) * K),
            "facts": {"days_past_due": rng.choice([np.nan, 0.0, 40.0, 100.0], rows)}}


def test_one_customer_is_decided_as_in_a_book():
    asked = book()
    decided = decide_book(POLICY, **asked)
    facts = asked.pop("facts")["days_past_due"]
    for i in range(400):
        alone = decide_one(POLICY, **{name: values[i] for name, values in asked.items()}, facts={"days_past_due": facts[i]})
        assert alone == decided.one(i)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 4), st.integers(0, 4), st.floats(0.0002, 0.5), st.floats(1.0, 3.0), st.integers(0, 10**9), st.integers(0, 10**9),
       st.one_of(st.none(), st.floats(0, 1e10)))
def test_a_worse_pd_never_gets_a_softer_decision_nor_a_limit_beyond_authority(first, second, pd_12m, factor, amount, exposure, capacity):
    better, worse = (decide_one(POLICY, grade="ABCDE"[g], pd_12m=p, amount=amount, exposure=exposure, capacity=capacity)
                     for g, p in ((min(first, second), pd_12m), (max(first, second), min(pd_12m * factor, 0.99))))
    assert ACTIONS.index(worse.action) >= ACTIONS.index(better.action)
    assert ROUTES.index(worse.route) >= ROUTES.index(better.route)
    assert worse.limit <= better.limit
    assert worse.risk_limit <= better.risk_limit
    assert (worse.payment_days, worse.review_days) <= (better.payment_days, better.review_days)
    assert worse.deposit_share >= better.deposit_share
    authority = POLICY.spec.default.routes[ROUTES.index(worse.route)].authority
    assert authority is None or worse.limit <= authority * 100


@pytest.mark.parametrize(("change", "message"), [
    ({"grade": "F"}, "grade F is unknown"), ({"grade": ""}, "grade  is unknown"), ({"pd_12m": float("nan")}, "pd_12m of 1 of 1 rows must lie between"),
    ({"pd_12m": 1.0}, "pd_12m of 1 of 1 rows"), ({"amount": -1}, "amount of 1 of 1 rows must be 0 or more"),
    ({"exposure": float("nan")}, "exposure of 1 of 1 rows"), ({"amount": None}, "amount of 1 of 1 rows"),
])
def test_undecidable_rows_are_refused(change, message):
    with pytest.raises(RiskError, match=message):
        decide_one(POLICY, **({"grade": "A", "pd_12m": 0.01} | change))


def test_fraud_is_blocked_reviewed_while_there_is_capacity_and_passed():
    p_fraud = [0.9, 0.5, 0.49, 0.02, 0.0199]
    assert [FRAUD_ACTIONS[a] for a in decide_fraud(POLICY, p_fraud)] == ["block", "block", "review", "review", "pass"]
    assert decide_fraud(POLICY, [0.3, 0.9], ahead=[50, 50]).tolist() == [0, 2]


def test_the_queue_is_by_risk_within_each_day_and_blocked_ones_need_no_reviewer():
    assert queue_ahead(POLICY, [0.1, 0.9, 0.3, 0.3, 0.2], [1, 1, 1, 1, 2]).tolist() == [2, 0, 0, 1, 0]


@pytest.mark.parametrize("p_fraud", [[-0.1], [1.1], [float("nan")]])
def test_a_fraud_probability_must_be_one(p_fraud):
    with pytest.raises(RiskError, match="p_fraud of 1 of 1 rows must lie between 0 and 1"):
        decide_fraud(POLICY, p_fraud)
