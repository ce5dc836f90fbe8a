"""The gate: what promotes, what keeps, and why."""
import pytest

from models.gate import Margins, decide

LINE = {"slope": 1.0, "slope_low": 0.9, "slope_high": 1.1, "offset": 0.0, "offset_low": -0.1, "offset_high": 0.1}
GOOD = {"discrimination": {"auc": 0.80, "low": 0.77}, "probability": {"line": LINE, "ece": 0.003}}
EVEN = {"difference": 0.001, "low": -0.004, "high": 0.006}
KEPT = [{"column": "debt", "rows": 100, "violations": 0}]
STILL = {"verdict": "none"}
CALM = {"cases": 10, "grades": {"two_or_more": 0.0}, "approved": {"before": 0.9, "after": 0.9}, "expected_loss_alike": None}
WIDER = {"groups": ["a", "b"], "too_small": [], "differences": {"demographic_parity_difference": {"difference": 0.1, "low": 0.05, "high": 0.15}}}


def judge(candidate=GOOD, champion=GOOD, comparison=EVEN, audit=KEPT, stability=STILL, moved=0.0, **more):
    evidence = {"fairness": {}, "effect": CALM} | more
    return decide(candidate, champion, comparison=comparison, audit=audit, stability=stability, moved=moved, margins=Margins(), **evidence)


def line(**change):
    return {**GOOD, "probability": {"line": LINE | change, "ece": 0.003}}


def failed(found):
    return [check["check"] for check in found["reasons"] if not check["passed"]]


def test_an_equal_candidate_is_promoted_with_every_check_named():
    found = judge()
    assert (found["verdict"], found["first"]) == ("promote", False)
    assert [check["check"] for check in found["reasons"]] == ["discrimination", "calibration", "monotonicity", "stability", "fairness", "decisions"]


@pytest.mark.parametrize(("change", "check"), [
    ({"comparison": EVEN | {"low": -0.02}}, "discrimination"),
    ({"comparison": None}, "discrimination"),
    ({"candidate": line(slope_low=1.5, slope_high=2.0)}, "calibration"),
    ({"candidate": line(offset_low=0.5, offset_high=0.9)}, "calibration"),
    ({"candidate": {**GOOD, "probability": {"line": LINE, "ece": 0.02}}}, "calibration"),
    ({"audit": [{"column": "debt", "rows": 100, "violations": 3}]}, "monotonicity"),
    ({"stability": {"verdict": "severe"}}, "stability"),
    ({"stability": None}, "stability"),
    ({"fairness": {"region": WIDER}}, "fairness"),
    ({"fairness": None}, "fairness"),
    ({"effect": CALM | {"grades": {"two_or_more": 0.3}}}, "decisions"),
    ({"effect": None}, "decisions"),
])
def test_each_failure_keeps_the_champion_and_is_named(change, check):
    found = judge(**change)
    assert found["verdict"] == "keep"
    assert failed(found) == [check]


def test_the_first_model_needs_no_comparison():
    found = decide(GOOD, margins=Margins(), audit=KEPT)
    assert (found["verdict"], found["first"]) == ("promote", True)


def test_a_first_model_no_better_than_chance_is_kept_out():
    found = decide({**GOOD, "discrimination": {"auc": 0.55, "low": 0.49}}, margins=Margins())
    assert (found["verdict"], failed(found)) == ("keep", ["discrimination"])


def test_a_wide_calibration_interval_that_meets_the_band_passes():
    assert judge(candidate=line(slope=1.6, slope_low=1.2, slope_high=2.0))["verdict"] == "promote"


def test_a_curve_moved_to_a_long_run_rate_is_judged_as_if_it_had_not_been():
    moved = {**GOOD, "probability": {"line": LINE | {"offset": 0.9, "offset_low": 0.8, "offset_high": 1.0}, "ece": 0.03}}
    assert failed(judge(moved)) == ["calibration"]
    found = judge(moved, moved=-0.9)
    assert found["verdict"] == "promote"
    assert found["reasons"][1]["detail"] == "slope 1.00 (0.90 to 1.10), offset +0.90, of which +0.90 by the move to the long-run rate"
    assert failed(judge(moved, moved=0.9)) == failed(judge(GOOD, moved=-0.9)) == ["calibration"]
