"""Matured cohorts: cut by quarter, judged together as far as they hold enough bad customers, against what the model promised."""
import numpy as np
import pandas as pd
import pytest

from models.calibration import log_odds, sigmoid
from models.grades import Grade
from models.performance import Rules, cohorts, holm, judged_grades, performance, recalibration_gain, window

GRADES = (Grade("A", 0.02, 0.01), Grade("B", 0.1, 0.05), Grade("C", 1.0, 0.2))
RULES = Rules(draws=100, window_bad=50)


def quarter(as_of, *, rows=2000, seed=0, off=0.0, flat=1.0, first=0):
    """Scored customers on a date; true log-odds are `off` above and `flat` times as steep as the predicted ones around -3."""
    rng = np.random.default_rng(seed)
    z = rng.normal(-3.3, 1.2, rows)
    probability = sigmoid(z)
    target = rng.random(rows) < sigmoid(-3 + off + flat * (z + 3))
    return pd.DataFrame({"customer_id": [f"C{first + place}" for place in range(rows)], "as_of": pd.Timestamp(as_of), "raw_score": z,
                         "probability": probability, "pd_low": sigmoid(z - 0.2), "pd_high": sigmoid(z + 0.2), "target": target.astype(float),
                         "grade": np.array(["A", "B", "C"], dtype=object)[np.searchsorted([0.02, 0.1], probability, side="right")]})


def judged(matured, still_open=None, *, rules=RULES, line=None):
    still_open = matured.iloc[:0] if still_open is None else still_open
    return performance(matured, still_open, GRADES, confidence=0.9, learned_from=100, line=line, rules=rules)


def test_a_cohort_is_a_quarter_of_observations():
    rows = pd.concat([quarter("2022-01-31", rows=5), quarter("2022-03-31", rows=6), quarter("2022-06-30", rows=7)])
    assert [(key, len(part)) for key, part in cohorts(rows, months=3)] == [("2022-01", 11), ("2022-04", 7)]
    assert [key for key, _ in cohorts(rows, months=1)] == ["2022-01", "2022-03", "2022-06"]


def test_the_window_is_the_latest_cohorts_that_hold_enough_bad_customers():
    rows = pd.concat([quarter(day, seed=place, first=2000 * place) for place, day in enumerate(("2021-12-31", "2022-03-31", "2022-06-30", "2022-09-30"))])
    bad = rows.loc[rows["as_of"].eq(rows["as_of"].max()), "target"].sum()
    assert window(rows, rules=Rules(window_bad=int(bad)))["as_of"].nunique() == 1
    assert window(rows, rules=Rules(window_bad=int(bad) + 1))["as_of"].nunique() == 2
    assert window(rows, rules=Rules(window_bad=10_000, window_cohorts=3))["as_of"].nunique() == 3


def test_a_customers_defaults_are_counted_once_in_the_window():
    rows = pd.concat([quarter(day) for day in ("2022-03-31", "2022-06-30")])  # the same customers and outcomes twice
    bad = int(rows["target"].sum()) // 2
    assert window(rows, rules=Rules(window_bad=bad + 1, window_cohorts=2))["as_of"].nunique() == 2
    assert judged(rows)["new_bad"] == bad


def test_without_a_matured_cohort_there_is_the_estimate_alone():
    found = judged(quarter("2022-03-31").iloc[:0], quarter("2022-06-30"))
    assert (found["cohorts"], found["recent"], found["new_bad"], found["held"]) == ([], None, 0, {})
    assert found["open"][0]["cohort"] == "2022-04"
    assert found["open"][0]["estimate"]["auc_low"] < found["open"][0]["estimate"]["auc"] < found["open"][0]["estimate"]["auc_high"]


def test_nothing_at_all_is_no_error():
    nothing = quarter("2022-03-31").iloc[:0]
    assert judged(nothing) == {"standing": None, "cohorts": [], "recent": None, "open": [], "held": {}, "new_bad": 0}


def test_a_true_model_keeps_its_promise_and_holds_its_estimates():
    found = judged(pd.concat([quarter(day, seed=place, first=2000 * place) for place, day in enumerate(("2022-03-31", "2022-06-30"))]))
    recent = found["recent"]
    assert abs(recent["auc_promised"] - recent["auc"]) < 2.5 * np.hypot(recent["auc_se"], recent["auc_promised_se"])
    assert recent["line"]["offset_low"] < 0 < recent["line"]["offset_high"]
    assert found["held"]["auc"] | {"mean_error": 0, "mean_width": 0} == {"cohorts": 2, "held": 2, "mean_error": 0, "mean_width": 0}


def test_a_flatter_truth_breaks_the_promise_and_the_slope_falls():
    recent = judged(quarter("2022-03-31", rows=8000, flat=0.5))["recent"]
    assert recent["auc_promised"] - recent["auc"] > 0.05
    assert recent["line"]["slope_high"] < 0.75


def test_more_defaults_leave_the_ranking_and_move_the_offset_and_its_grades():
    recent = judged(quarter("2022-03-31", rows=8000, off=0.7))["recent"]
    assert recent["line"]["offset"] == pytest.approx(0.7, abs=0.15)
    assert recent["bad"] > 1.5 * recent["expected"]
    assert [row["p_holm"] < 0.05 for row in recent["grades"]] == [True, True, True]
    assert recent["recalibration"]["low"] > 0


def test_one_bad_customer_gives_no_interval():
    rows = quarter("2022-03-31", rows=500).assign(target=0.0)
    rows.loc[3, "target"] = 1.0
    found = judged(rows)
    assert (found["cohorts"][0]["auc"], found["cohorts"][0]["line"], found["cohorts"][0]["bad"]) == (None, None, 1)


def test_a_bundle_without_interval_is_judged_by_the_count_that_calibrated_it():
    found = judged(quarter("2022-03-31").assign(pd_low=np.nan, pd_high=np.nan))
    assert found["standing"]["level_error"] == pytest.approx(0.1)


def test_repeated_rows_of_a_grade_are_no_further_proof():
    once = quarter("2022-03-31", off=0.4)
    table, again = (judged_grades(rows, GRADES, asset_correlation=0.0, estimated_from=None) for rows in (once, pd.concat([once] * 4)))
    assert [row["p"] for row in again] == pytest.approx([row["p"] for row in table], rel=0.05)


def test_a_grade_without_rows_has_no_test_and_costs_the_others_nothing():
    table = judged_grades(quarter("2022-03-31").query("grade != 'A'"), GRADES, asset_correlation=0.0, estimated_from=None)
    assert table[0]["p"] is table[0]["p_holm"] is None
    assert table[1]["p_holm"] <= 2 * table[1]["p"] + 1e-12


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.9]) == pytest.approx([1.0, 1.0])


def test_a_recalibration_saves_nothing_where_the_line_is_right():
    rows = quarter("2022-03-31", rows=6000)
    found = recalibration_gain(rows["target"].to_numpy(), log_odds(rows["probability"].to_numpy()), rows["customer_id"].to_numpy())
    assert found["low"] < 0
    assert abs(found["difference"]) < 0.002  # a line of few bad customers costs a little


def test_a_half_without_a_class_says_nothing_of_a_recalibration():
    assert recalibration_gain(np.array([1.0, 0.0, 0.0, 0.0]), np.zeros(4), np.array(list("abcd"))) is None
