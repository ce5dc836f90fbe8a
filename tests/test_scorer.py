"""The scorer: one answer whether features or raw records are given, the same bits as the batch, and honest about what is missing."""

from datetime import datetime

import msgspec
import numpy as np
import pytest
from serving_world import AS_OF, NAMES, POLICY, book, bundle, catalogue, context, features_of, invoice, records, transaction

from features.errors import RiskError
from models import policy as rules
from models import reasons, scoring
from serving.scorer import Question, Scorer
from serving.standing import policy_arguments, standing_catalogue

COLUMNS = catalogue().needs


def scorer(use_case="default", *, policy=POLICY):
    parts = {"catalogue": catalogue(use_case), "context": context(), "policy": rules.parse_policy(policy), "columns": COLUMNS}
    return Scorer(bundle(use_case), **parts, hashes={"context": "c" * 64, "publication": "p" * 64})


def question(**changes):
    return Question(**({"customer_id": "C1", "as_of": AS_OF} | changes))


def test_features_and_the_records_they_come_from_give_the_same_answer():
    from_records = scorer().score_records(records(), question())
    from_features = scorer().score_features(features_of(records()), question(), records=records())
    assert from_records == from_features


def test_one_row_has_the_bits_of_a_batch():
    model, rng = bundle(), np.random.default_rng(4)
    rows = [
        {name: rng.choice(["纺织", "steel", None]) if name == "bg_industry" else rng.choice([rng.gamma(2.0), None]) for name in model.names} for _ in range(50)
    ]
    matrix = scoring.encode({name: [row[name] for row in rows] for name in model.names}, model)
    scores, contributions = scoring.score(model, matrix), scoring.contributions(model, matrix)
    batch = list(zip(scores.raw_score, scores.probability, scores.points, scores.grade_names(), reasons.reasons(model, contributions, matrix), strict=True))
    one = scorer()
    for row, (raw_score, probability, points, grade, found) in zip(rows, batch, strict=True):
        answer = one.score_features(row, question()).answer
        assert (answer.raw_score, answer.probability, answer.points, answer.grade) == (raw_score, probability, points, grade)
        assert [(reason.message_id, reason.contribution) for reason in answer.reasons] == [(reason.message_id, reason.contribution) for reason in found]


def test_sub_scores_and_the_base_add_up_to_the_raw_score():
    model, values = bundle(), features_of(records())
    answer = scorer().score_features(values, question()).answer
    base = scoring.contributions(model, scoring.encode({name: [values[name]] for name in model.names}, model))[0, -1]
    assert sum(answer.sub_scores.values()) + base == pytest.approx(answer.raw_score, abs=1e-12)


def test_reasons_carry_value_and_a_sentence_in_both_languages():
    found = {reason.message_id: reason for reason in scorer().score_records(records(), question()).answer.reasons}
    late = found["reason.late_payment"]
    assert late.values[0]["value"] == late.comparison["value"] == 10.0
    assert late.sentence["en"].startswith("The risk is ")
    assert "ed by late payment: average days late (last 90 days) came to 10 days" in late.sentence["en"]
    assert late.sentence["zh"].startswith("付款逾期情况")
    assert "风险：近90天平均逾期天数为10天" in late.sentence["zh"]


def test_standing_by_hand():
    scored = scorer().score_records(records(), question())
    # Invoice I2 fell due on 14 February, 45 days before 31 March; the lawsuit is 40,000,000 minor units, the revenue 900,000 currency units.
    assert scored.standing == {"exposure": 6_000_000.0, "capacity": 90_000_000.0, "days_past_due": 45.0, "open_lawsuit_amount": 400_000.0}


def test_the_decision_is_the_policys_on_that_standing():
    scored = scorer().score_records(records(), question(requested_amount=1_000_000))
    answer = scored.answer
    asked = {"grade": answer.grade, "pd_12m": answer.probability, "amount": 1_000_000}
    expected = rules.decide_one(rules.parse_policy(POLICY), **asked, **policy_arguments(scored.standing))
    assert {name: answer.decision[name] for name in msgspec.structs.asdict(expected)} == msgspec.structs.asdict(expected)
    assert "stop.days_past_due_30" in answer.decision["reasons"]
    assert "有发票逾期30天或以上。" in answer.decision["words"]["zh"]["reasons"]


def test_standing_given_wins_over_the_records():
    scored = scorer().score_records(records(), question(), standing={"in_default": 1, "exposure": 5})
    assert (scored.standing["exposure"], scored.standing["days_past_due"]) == (5, 45.0)
    assert scored.answer.decision["action"] == "decline"


def test_a_customer_of_whom_nothing_is_known_is_scored_and_says_so():
    answer = scorer().score_records({}, question()).answer
    assert answer.sufficiency["tables"] == []
    assert set(answer.sufficiency["absent"]) == {"statements", "invoices", "payments", "events", "customers"}
    assert answer.freshness == {}
    assert 0 < answer.probability < 1


def test_sufficiency_and_freshness_count_what_was_known_by_then():
    later = records(invoices=[invoice("I1", "2026-01-05", "2026-01-20"), invoice("I9", "2026-03-31T12:00:01", "2026-04-30")])
    answer = scorer().score_records(later, question()).answer
    assert answer.freshness["invoices"] == datetime(2026, 1, 5)
    assert answer.sufficiency == {
        "columns": 6,
        "known": 6,
        "share": 1.0,
        "tables": ["statements", "invoices", "payments", "events", "customers"],
        "absent": [],
    }


def test_nothing_known_later_moves_the_answer():
    late = {"known_at": "2026-03-31T12:00:01", "occurred_at": "2026-01-01", "kind": "lawsuit", "amount": 9_900_000_000, "event_id": "E9"}
    assert scorer().score_records(records(events=[*records()["events"], late]), question()).values == scorer().score_records(records(), question()).values


def test_features_alone_say_nothing_of_tables():
    answer = scorer().score_features({"stmt_current_ratio": 1.5}, question()).answer
    assert (answer.sufficiency["known"], answer.sufficiency["tables"], answer.freshness) == (1, None, {})


def test_a_category_never_seen_is_kept_as_it_came_and_named_as_unseen():
    scored = scorer().score_features(features_of(records()) | {"bg_industry": "航天"}, question())
    assert scored.values["bg_industry"] == "航天"
    sentences = [reason.sentence["zh"] for reason in scored.answer.reasons if reason.message_id == "feature.bg_industry"]
    assert all("未曾见过的取值" in sentence for sentence in sentences)


def test_versions_name_everything_behind_the_answer():
    versions = scorer().score_features({}, question()).answer.versions
    assert versions == {"bundle": bundle().hash, "policy": rules.parse_policy(POLICY).hash, "context": "c" * 64, "publication": "p" * 64}


def test_a_transaction_is_judged_for_fraud():
    asked = question(as_of=datetime(2026, 3, 30, 23, 29, 59), own=transaction())
    scored = scorer("fraud").score_records(
        {"transactions": [transaction(transaction_id="T1", occurred_at="2026-03-30T20:00:00", known_at="2026-03-30T20:00:00")]}, asked
    )
    assert scored.values["txn_channel"] == "web"
    assert scored.values["txn_count_1d"] == 1.0
    assert scored.answer.probability_name == "p_fraud"
    assert scored.answer.decision["action"] in rules.FRAUD_ACTIONS


def test_a_bundle_the_catalogue_does_not_know_is_refused():
    parts = {"context": context(), "policy": rules.parse_policy(POLICY), "columns": COLUMNS, "hashes": {}}
    with pytest.raises(RiskError, match="has no feature txn_amount_log"):
        Scorer(bundle("fraud"), catalogue=catalogue("default"), **parts)


def test_the_model_describes_its_columns_in_words():
    described = scorer().describe()
    assert [column["name"] for column in described["columns"]] == list(NAMES["default"])
    assert described["columns"][0]["words"] == {"en": "Current ratio", "zh": "流动比率"}
    assert [grade["name"] for grade in described["grades"]] == list("ABCDE")


def test_a_standing_the_tables_cannot_say_is_left_out():
    assert standing_catalogue({"invoices": COLUMNS["invoices"], "payments": COLUMNS["payments"]}).names == ("days_past_due",)
    assert policy_arguments({})["capacity"] is None
    assert policy_arguments({"exposure": np.array([np.nan, -5.0, 7.0])})["exposure"].tolist() == [0, 0, 7]


def test_a_book_row_with_all_features_missing_is_scored():
    answer = scorer().score_features(book("default")[1].features, question(customer_id="C2")).answer
    assert answer.sufficiency["known"] == 0
