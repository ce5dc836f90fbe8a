"""The retrain decision: the mildest action that answers what matured outcomes prove, what it waits for, brings and costs."""
import numpy as np
import pytest

from features.errors import RiskError
from models.retrain import Evidence, Thresholds, cost_of_waiting, decide, expected_gain, ranking_lost

STANDING = {"centre": -3.0, "level": 0.0, "level_error": 0.08, "slope": 1.0, "slope_error": 0.08}


def line(offset=0.0, slope=1.0, *, error=0.05):
    """A calibration line whose offset and slope have a standard error each."""
    return {f"{name}{end}": value + sign * 1.96 * error for name, value in (("offset", offset), ("slope", slope)) for end, sign in
            (("", 0), ("_low", -1), ("_high", 1))}


def recent(auc=0.83, *, promised=0.83, error=0.01, **changed):
    """Two recent cohorts of 4,000 customers that expect 100 bad ones each."""
    return {"first": "2022-03-31", "last": "2022-06-30", "cohorts": 2, "rows": 8000, "expected": 200.0, "auc": auc, "auc_se": error,
            "auc_low": auc - 1.96 * error, "auc_high": auc + 1.96 * error, "auc_promised": promised, "auc_promised_se": 0.01, "line": line(),
            "recalibration": {"difference": 0.002, "low": 0.001, "high": 0.003}} | changed


FINE, OFF, BENT = recent(), recent(line=line(offset=0.6)), recent(line=line(slope=1.5))
FELL, FLATTER = recent(0.77, line=line(slope=0.75)), recent(0.79, error=0.03, line=line(slope=0.6))
BROKE = recent(0.70, line=line(slope=0.4))


def evidence(**given):
    return Evidence(**{"drift": "none", "new_bad": 500, "standing": STANDING, "auc_development": 0.83} | given)


@pytest.mark.parametrize(("given", "action", "wanted"), [
    ({"recent": FINE}, "none", "none"),
    ({"recent": OFF}, "recalibrate", "recalibrate"),
    ({"recent": recent(line=line(offset=-0.6))}, "recalibrate", "recalibrate"),
    ({"recent": BENT}, "recalibrate", "recalibrate"),
    # It stood there when it was accepted, on few rows; now it is certain.
    ({"recent": recent(line=line(offset=0.6)), "standing": STANDING | {"level": 0.5, "level_error": 0.3}}, "recalibrate", "recalibrate"),
    ({"recent": OFF, "new_bad": 10}, "none", "recalibrate"),
    ({"recent": FELL}, "refit", "refit"),
    ({"recent": FLATTER}, "refit", "refit"),
    ({"recent": recent(0.77, line=line(0.6, 0.7)), "new_bad": 50}, "recalibrate", "refit"),
    ({"recent": FELL, "new_bad": 50}, "none", "refit"),
    ({"recent": BROKE}, "rebuild", "rebuild"),
    ({"recent": FELL, "refits_failed": 1}, "rebuild", "rebuild"),
    ({"recent": FINE, "age_days": 2000}, "refit", "refit"),
    ({"recent": None, "standing": None}, "none", "none"),
])
def test_decisions(given, action, wanted):
    found = decide(evidence(**given), thresholds=Thresholds())
    assert (found["action"], found["wanted"], found["enough"]) == (action, wanted, action == wanted)
    assert found["reasons"]


@pytest.mark.parametrize("given", [
    {"recent": recent(0.81)},  # smaller than matters
    {"recent": recent(0.79, error=0.05)},  # large enough, but chance does as much
    {"recent": recent(line=line(offset=0.2))},
    {"recent": recent(line=line(offset=0.4, error=0.3))},
    {"recent": recent(line=line(offset=0.4)), "standing": STANDING | {"level": 0.3}},  # it stood there when the model was accepted
])
def test_what_is_small_or_chance_or_was_known_asks_for_nothing(given):
    assert decide(evidence(**given), thresholds=Thresholds())["action"] == "none"


@pytest.mark.parametrize("drift", ["moderate", "severe"])
def test_drift_alone_calls_for_attention_and_no_action(drift):
    found = decide(evidence(drift=drift, recent=FINE), thresholds=Thresholds())
    assert (found["action"], found["wanted"]) == ("none", "none")
    assert found["attention"] == [f"the inputs drifted ({drift}); matured cohorts say whether that matters"]


def test_drift_before_any_matured_cohort_is_attention_too():
    found = decide(evidence(drift="severe", recent=None, expected_auc=(0.80, 0.85)), thresholds=Thresholds())
    assert found["action"] == "none"
    assert found["attention"] == ["the inputs drifted (severe); no matured cohort since the cutoff can say yet whether that matters"]


def test_drift_with_a_label_free_estimate_below_what_was_accepted_wants_a_refit_while_nothing_matured():
    given = {"drift": "severe", "recent": None, "expected_auc": (0.70, 0.78)}
    assert decide(evidence(**given), thresholds=Thresholds())["wanted"] == "refit"
    assert decide(evidence(**given | {"recent": FINE}), thresholds=Thresholds())["wanted"] == "none"
    assert decide(evidence(**given | {"drift": "none"}), thresholds=Thresholds())["wanted"] == "none"


def test_nothing_is_learned_from_faulty_records_whatever_they_show():
    found = decide(evidence(recent=BROKE, drift="severe", faults=("payments are missing since 2022-03",)), thresholds=Thresholds())
    assert (found["action"], found["wanted"]) == ("none", "none")
    assert found["reasons"] == ["records are faulty, so nothing is learned from them: payments are missing since 2022-03"]


def test_what_is_waited_for_is_said():
    found = decide(evidence(recent=FELL, new_bad=3), thresholds=Thresholds())
    assert "refit needs 100 matured bad customers since the training cutoff, there are 3" in found["reasons"]


def test_nothing_measured_is_said_and_not_taken_for_calm():
    assert decide(Evidence(), thresholds=Thresholds())["reasons"] == ["drift is not measured; no matured cohort since the cutoff to judge by"]


def test_an_unknown_verdict_is_refused():
    with pytest.raises(RiskError, match="drift verdict alarming is unknown"):
        decide(Evidence(drift="alarming"), thresholds=Thresholds())


def test_a_loss_is_held_against_both_errors():
    found = ranking_lost(evidence(recent=recent(0.80)))
    assert (found["loss"], found["loss_se"]) == pytest.approx((0.03, 0.01 * np.sqrt(2)))
    assert found["auc_p"] == pytest.approx(0.0169, abs=1e-3)  # z = 2.12, one-sided


def test_a_refit_regains_what_was_lost_less_what_fewer_bad_customers_teach():
    given = {"recent": FELL, "new_bad": 100, "development_bad": 400, "per_doubling": (0.01, 0.01, 0.01)}
    found = expected_gain(evidence(**given), "refit")
    # 0.06 lost; a quarter of the bad customers are two doublings less.
    assert (found["figure"], found["gain"]) == ("auc", pytest.approx(0.06 - 0.02))
    assert found["high"] - found["gain"] == pytest.approx(1.96 * 0.01 * np.sqrt(2))


def test_an_unchanged_world_gains_what_more_customers_are_worth():
    found = expected_gain(evidence(recent=recent(0.83, promised=0.83), new_bad=300, development_bad=100, per_doubling=(0.01, 0.004, 0.016)), "none")
    assert found["gain"] == pytest.approx(0.02)  # four times as many
    assert found["low"] < 0 < found["high"]


def test_a_recalibration_gains_the_log_loss_that_it_saved_on_other_customers():
    assert expected_gain(evidence(recent=OFF), "recalibrate") == {"figure": "log_loss", "gain": 0.002, "low": 0.001, "high": 0.003}


def test_nothing_measured_promises_no_gain_and_no_cost():
    assert expected_gain(Evidence(), "refit") is None
    assert cost_of_waiting(Evidence()) is None


def test_waiting_costs_the_bad_rows_that_nobody_foresaw():
    found = cost_of_waiting(evidence(recent=recent(line=line(offset=np.log(1.5)))))
    assert (found["rows"], found["unforeseen_bad"]) == (4000, pytest.approx(50.0))  # half as many again as the hundred expected a cohort
    assert found["low"] < 50 < found["high"]
