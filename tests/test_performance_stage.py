"""Stages performance and decide: which rows are followed since the cutoff, what was known of them, and the evidence that the decision is given."""
import json
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest
from builders import outcome
from small_run import small_run

from models.retrain import ACTIONS, Evidence
from pipeline.datasets import case_path, read_json, write_json
from pipeline.decide import decide, faults, gathered, learning
from pipeline.params import ObserveDefaultParams, ObserveFraudParams, PastDueParams
from pipeline.performance import later_dates, performance, scored, with_outcomes
from pipeline.state import move_cutoff

PAST_DUE = PastDueParams(days_past_due=90, counted="invoice", material_amount=0, material_share=0.0, cure_days=90, grey_from=None)
RULES = ObserveDefaultParams(every_months=3, warm_up_months=12, active_days=90, horizon_days=365, reporting_lag_days=45, definition="event", past_due=PAST_DUE)
FRAUD = ObserveFraudParams(history_days=720, horizon_days=1, reporting_lag_days=60, compromised_days=None)


def month_ends(*days):
    return pd.DatetimeIndex(days).as_unit("us")


@pytest.mark.parametrize(("until", "later"), [
    ("2022-03-31", []), ("2022-05-31", []), ("2022-06-30", ["2022-06-30"]), ("2022-07-31", ["2022-06-30"]), ("2022-09-30", ["2022-06-30", "2022-09-30"]),
])
def test_the_grid_of_development_goes_on_and_does_not_move_with_a_new_month(until, later):
    assert list(later_dates(month_ends("2021-12-31", "2022-03-31"), 3, until)) == list(pd.to_datetime(later))


def test_monthly_observations_go_on_monthly():
    assert len(later_dates(month_ends("2022-01-31"), 1, "2022-04-30")) == 3


def rows(*as_of):
    return pd.DataFrame({"customer_id": "C1", "as_of": pd.to_datetime(as_of)})


def test_a_row_is_judged_once_its_year_and_the_lag_have_passed_and_not_a_day_before():
    observed, outcomes = rows("2022-03-31 23:59:59"), pd.DataFrame([outcome(occurred_at="2022-09-01")])
    for day, status in (("2023-05-14", "immature"), ("2023-05-16", "matured")):
        found = with_outcomes(observed, outcomes, use_case="default", rules=RULES, complete_to=day)
        assert found["status"].tolist() == [status]
    assert found["target"].tolist() == [1.0]


def test_a_customer_in_default_is_not_followed():
    outcomes = pd.DataFrame([outcome(occurred_at="2022-02-01")])
    assert with_outcomes(rows("2022-03-31"), outcomes, use_case="default", rules=RULES, complete_to="2023-12-31").empty


def test_a_later_outcome_changes_nothing_that_was_known():
    observed = rows("2022-03-31 23:59:59", "2022-06-30 23:59:59")
    known = pd.DataFrame([outcome(occurred_at="2022-09-01")])
    later = pd.concat([known, pd.DataFrame([outcome("C2", occurred_at="2023-09-01"), outcome(occurred_at="2023-06-20", known_at="2023-06-25")])])
    early, again = (with_outcomes(observed, each, use_case="default", rules=RULES, complete_to="2023-06-01") for each in (known, later))
    pd.testing.assert_frame_equal(early, again)


def test_transactions_of_compromised_customers_are_marked():
    observed = rows("2022-03-31").assign(transaction_id="T1")
    reports = pd.DataFrame([outcome(kind="fraud", transaction_id="T0", occurred_at="2022-03-01", known_at="2022-03-05")])
    found = with_outcomes(observed, reports, use_case="fraud", rules=FRAUD, complete_to="2022-12-31")
    assert (found["compromised"].tolist(), found["target"].tolist()) == ([True], [0.0])


def test_where_every_target_was_known_at_the_cutoff_nothing_is_followed():
    nothing = scored(rows().astype({"as_of": "datetime64[us]"}), {}, None, threads=1)
    found = with_outcomes(nothing, pd.DataFrame([outcome()]), use_case="default", rules=RULES, complete_to="2023-12-31")
    assert (len(found), {"raw_score", "probability", "grade", "status", "target"} - set(found)) == (0, set())


def test_faults_are_stale_feeds_and_what_the_months_records_lack():
    quality = {"stale": ["payments"], "tables": {"payments": {"known_to": "2020-01-31"}}}
    assert faults(quality) == ("nothing new in payments since 2020-01-31",)
    assert faults(quality | {"stale": [], "faults": [{"kind": "unit", "sentence": "amounts of invoices grew a thousandfold in 2022-03"}]}) == (
        "amounts of invoices grew a thousandfold in 2022-03",)


def test_the_evidence_takes_the_latest_open_cohorts_estimate():
    estimate = {"auc": 0.8, "auc_low": 0.75, "auc_high": 0.85}
    figures = {"new_bad": 7, "recent": None, "standing": None, "development": None, "open": [{"estimate": dict.fromkeys(estimate)}, {"estimate": estimate}]}
    found = gathered(figures, "none", (), age_days=-3)
    assert (found.expected_auc, found.age_days, found.new_bad, found.auc_development) == ((0.75, 0.85), 0, 7, None)
    assert gathered(figures | {"open": figures["open"][:1]}, "none", (), age_days=1).expected_auc is None


def test_the_learning_curve_speaks_of_the_model_it_was_drawn_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    step = {"from": 0.25, "to": 1.0, "difference": 0.04, "low": 0.02, "high": 0.06}
    write_json(case_path("default", "validation", "validation.json"), {"bundle": "a", "learning_curve": {"last_step": step}})
    write_json(case_path("default", "model", "model.json"), {"training": {"counts": {"development": {"bad_customers": 120}}}})
    assert learning("default", "a") == {"development_bad": 120, "per_doubling": pytest.approx((0.02, 0.01, 0.03))}  # two doublings
    assert learning("default", "b") == {}
    assert msgspec.to_builtins(Evidence(**learning("default", "a")))["per_doubling"] == pytest.approx((0.02, 0.01, 0.03))  # as it is written down


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """A small run whose cutoff lies two years before today, and the figures of stage performance."""
    cutoff = "2022-12-31"
    with small_run(tmp_path_factory.mktemp("performance"), [("simulated.months", 84), ("performance.draws", 100)]) as place:
        before = read_json(case_path("default", "development", "maturity.json"))["cutoff"]
        move_cutoff("simulated", "default", cutoff)
        from pipeline.evaluate import evaluate
        from pipeline.featurize import featurize
        from pipeline.observe import observe
        from pipeline.sample import sample
        from pipeline.ship import ship
        from pipeline.train import train

        assert before > cutoff
        for stage in (observe, featurize, sample, train, evaluate, ship, performance):
            stage("default")
        yield Path(place), read_json(case_path("default", "performance", "performance.json"))


@pytest.mark.slow
def test_every_quarter_since_the_cutoff_is_judged_or_estimated(followed):
    _, found = followed
    matured, still_open = ([each["cohort"] for each in found[name]] for name in ("cohorts", "open"))
    # Targets open at the cutoff, up to what had a year and the lag to mature; then the rest of the grid up to today.
    assert matured == ["2021-10", "2022-01", "2022-04", "2022-07", "2022-10", "2023-01", "2023-04", "2023-07"]
    assert still_open == ["2023-10", "2024-01", "2024-04", "2024-07", "2024-10"]
    assert found["new_bad"] > 0
    assert found["development"]["auc"] > 0.6


@pytest.mark.slow
def test_the_scores_of_cohorts_since_the_cutoff_are_those_that_the_book_of_that_day_had(followed):
    """Features of a date do not depend on what else is asked: the last cohort is the book of the last day."""
    from models.bundle import load_bundle
    from pipeline.book import book
    from pipeline.columns import read_columns

    book("default")
    names = load_bundle("data/default/shipped").names
    since = pd.read_parquet("data/default/performance/observations.parquet")
    last = np.flatnonzero(since["as_of"].eq(since["as_of"].max()))
    columns, own = (read_columns(case_path("default", folder, "features.parquet"), names) for folder in ("performance", "book"))
    book_rows = pd.read_parquet("data/default/book/observations.parquet")
    shared = book_rows["customer_id"].isin(since["customer_id"].iloc[last])
    same = since.iloc[last].reset_index(drop=True)["customer_id"].isin(book_rows["customer_id"]).to_numpy()
    numbers = [name for name in names if not hasattr(own[name], "codes") and not name.startswith("peer")]
    for name in numbers:
        np.testing.assert_array_equal(columns[name][last][same], own[name][shared.to_numpy()], err_msg=name)


@pytest.mark.slow
def test_the_decision_stands_on_the_cohorts_and_the_same_files_give_the_same_bytes(followed):
    place, found = followed
    write_json(case_path("default", "monitoring", "drift.json"), {"verdict": "severe"})
    write_json(case_path("default", "monitoring", "quality.json"), {"stale": [], "tables": {}, "faults": []})
    write_json(case_path("default", "validation", "validation.json"), {"bundle": "another", "learning_curve": {"last_step": None}})
    decide("default")
    told = json.loads((place / "data/default/retrain.json").read_text(encoding="utf-8"))
    assert told["action"] in ACTIONS
    assert told["evidence"]["recent"]["auc"] == found["recent"]["auc"]
    assert any("drifted (severe)" in sentence for sentence in told["attention"])
    before = (place / "data/default/performance/performance.json").read_bytes()
    performance("default")
    assert (place / "data/default/performance/performance.json").read_bytes() == before
