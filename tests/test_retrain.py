"""The retrain decision: the mildest action that answers the evidence, and what it waits for."""
import pytest

from features.errors import RiskError
from models.retrain import Evidence, Thresholds, decide

FINE = {"slope": 1.0, "slope_low": 0.8, "slope_high": 1.2, "offset": 0.05, "offset_low": -0.1, "offset_high": 0.2}
OFF = FINE | {"offset": 0.6, "offset_low": 0.4, "offset_high": 0.8}
BENT = FINE | {"slope": 0.5, "slope_low": 0.3, "slope_high": 0.7}
HELD = {"auc_development": 0.80, "auc": 0.79, "auc_low": 0.75, "auc_high": 0.83}
FELL = {"auc_development": 0.80, "auc": 0.75, "auc_low": 0.73, "auc_high": 0.77}
BROKE = {"auc_development": 0.80, "auc": 0.66, "auc_low": 0.62, "auc_high": 0.70}


@pytest.mark.parametrize(("evidence", "action", "wanted"), [
    ({"drift": "none", "line": FINE, "new_bad": 500, **HELD}, "none", "none"),
    ({"drift": "moderate", "line": FINE, "new_bad": 500, **HELD}, "none", "none"),
    ({"drift": "none", "line": OFF, "new_bad": 500, **HELD}, "recalibrate", "recalibrate"),
    ({"drift": "none", "line": BENT, "new_bad": 500, **HELD}, "recalibrate", "recalibrate"),
    ({"drift": "none", "line": OFF, "new_bad": 10, **HELD}, "none", "recalibrate"),
    ({"drift": "none", "line": FINE, "new_bad": 500, **FELL}, "refit", "refit"),
    ({"drift": "none", "line": OFF, "new_bad": 50, **FELL}, "recalibrate", "refit"),
    ({"drift": "none", "line": FINE, "new_bad": 50, **FELL}, "none", "refit"),
    ({"drift": "none", "line": FINE, "new_bad": 500, **BROKE}, "rebuild", "rebuild"),
    ({"drift": "none", "line": FINE, "new_bad": 500, "refits_failed": 1, **FELL}, "rebuild", "rebuild"),
    ({"drift": "severe", "new_bad": 500}, "refit", "refit"),
    ({"drift": "severe", "new_bad": 0}, "none", "refit"),
    ({"drift": "none", "new_bad": 500, "age_days": 800}, "refit", "refit"),
    ({"drift": "severe", "line": OFF, "new_bad": 500, "faults": ("amounts grew a thousandfold",), **BROKE}, "none", "none"),
    ({}, "none", "none"),
])
def test_decisions(evidence, action, wanted):
    found = decide(Evidence(**evidence), thresholds=Thresholds())
    assert (found["action"], found["wanted"], found["enough"]) == (action, wanted, action == wanted)
    assert found["reasons"]


def test_what_is_waited_for_is_said():
    found = decide(Evidence(drift="severe", new_bad=3), thresholds=Thresholds())
    assert "refit needs 100 matured bad customers since the training cutoff, there are 3" in found["reasons"]


def test_nothing_measured_is_said_and_not_taken_for_calm():
    assert decide(Evidence(), thresholds=Thresholds())["reasons"] == ["drift is not measured; no matured cohort since the cutoff to judge by"]


def test_an_unknown_verdict_is_refused():
    with pytest.raises(RiskError, match="drift verdict alarming is unknown"):
        decide(Evidence(drift="alarming"), thresholds=Thresholds())
