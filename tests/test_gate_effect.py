"""What another model changes on the same cases, by hand; and where the gate calls it too much."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.gate import Margins
from models.gate_effect import Side, effect_check, effect_of
from models.policy import load_policy
from pipeline.effect import _credit, _fraud

ROOT = Path(__file__).parent.parent


def side(probability, grade, approved, granted=None):
    return Side(np.array(probability), np.array(grade, dtype=object), np.array(approved), None if granted is None else np.array(granted))


def test_moves_approvals_and_losses_are_counted_by_hand():
    before = side([0.01, 0.02, 0.05, 0.20], ["A", "A1", "B", "C2"], [True, True, True, False], [100, 200, 400, 0])
    after = side([0.01, 0.05, 0.05, 0.60], ["A", "A2", "A", "E"], [True, True, False, False], [100, 200, 0, 0])
    found = effect_of(before, after, loss_given_default=0.5)
    assert found["cases"] == 4
    assert (found["grades"]["worse"], found["grades"]["better"], found["grades"]["two_or_more"]) == (0.25, 0.25, 0.25)
    assert found["grades"]["matrix"] == [[2, 0, 0, 0, 0], [1, 0, 0, 0, 0], [0, 0, 0, 0, 1], [0] * 5, [0] * 5]
    assert found["approved"] == {"before": 0.75, "after": 0.5, "differing": 0.25}
    assert found["granted"] == {"before": 700.0, "after": 300.0}
    assert found["expected_loss"] == pytest.approx({"before": 0.5 * (1 + 4 + 20), "after": 0.5 * (1 + 10)})
    middle = 1 / (1 + np.sqrt(49 * 19))
    assert found["expected_loss_alike"] == pytest.approx({"before": 0.5 * (1 + 200 * middle + 20), "after": 0.5 * (1 + 200 * middle)})


def test_a_model_that_only_sees_more_risk_changes_no_loss_at_the_same_probabilities():
    before = side([0.01, 0.02], ["A", "A"], [True, True], [100, 100])
    after = side([0.02, 0.04], ["A", "A"], [True, True], [100, 100])
    found = effect_of(before, after)
    assert found["expected_loss"]["after"] == 2 * found["expected_loss"]["before"]
    assert found["expected_loss_alike"]["after"] == found["expected_loss_alike"]["before"]


def test_without_amounts_losses_are_not_known_and_no_case_has_no_effect():
    assert effect_of(side([0.1], ["A"], [True]), side([0.1], ["A"], [True]))["expected_loss"] is None
    assert effect_of(side([], [], []), side([], [], [])) is None


def found(*, moved=0.0, approved=0.9, loss=100.0):
    return {"cases": 1000, "grades": {"two_or_more": moved}, "approved": {"before": 0.9, "after": approved},
            "expected_loss_alike": None if loss is None else {"before": 100.0, "after": loss}}


@pytest.mark.parametrize(("change", "passed"), [
    ({}, True), ({"moved": 0.05}, True), ({"moved": 0.051}, False), ({"approved": 0.79}, False), ({"approved": 1.0}, True), ({"loss": 121.0}, False),
    ({"loss": 20.0}, True), ({"loss": None}, True),
])
def test_each_margin_is_held(change, passed):
    assert effect_check(found(**change), Margins(approvals_max=0.10001))["passed"] is passed


def test_the_detail_says_the_figures_and_their_margins():
    said = effect_check(found(moved=0.012, approved=0.892, loss=103.1), Margins())
    assert said["detail"] == ("of 1,000 cases of the book 1.2% move two grades or more (at most 5%), the share approved changes by -0.8% (at most ±10%), "
                              "expected loss of what is granted by +3.1% at the same probabilities (at most +20%)")
    assert said["values"] == pytest.approx({"cases": 1000, "moved": 0.012, "approved": -0.008, "loss_rise": 0.031})


def test_what_was_not_measured_fails():
    assert effect_check(None, Margins())["passed"] is False


class Scored:
    """Scores as `models.scoring` gives them, as far as a decision asks."""

    def __init__(self, probability, grade):
        self.probability, self._grade = np.array(probability), np.array(grade, dtype=object)

    def grade_names(self):
        return self._grade


def test_transactions_are_granted_what_passes():
    policy = load_policy(ROOT / "policy.yaml", "fraud")
    rows = pd.DataFrame({"as_of": pd.to_datetime(["2026-03-31"] * 3), "amount": [-500.0, 700.0, np.nan]})
    found = _fraud(policy, rows, {}, Scored([policy.spec.fraud.block_at, policy.spec.fraud.review_at / 2, policy.spec.fraud.review_at / 2], ["E", "A", "A"]))
    assert (found.approved.tolist(), found.granted.tolist()) == ([False, True, True], [0.0, 700.0, 0.0])
    assert _fraud(policy, rows[["as_of"]], {}, Scored([0.1] * 3, ["A"] * 3)).granted is None


def test_credit_is_granted_what_is_lent_and_where_that_is_not_known_what_the_policy_would_grant():
    policy = load_policy(ROOT / "policy.yaml", "default")
    scores = Scored([0.001, 0.9], ["A", "E"])
    lent = _credit(policy, pd.DataFrame(index=[0, 1]), {"exposure": np.array([100.0, 100.0])}, scores)
    assert (lent.approved[0], int(lent.granted[0])) == (True, 100)
    unknown = _credit(policy, pd.DataFrame(index=[0, 1]), {"capacity": np.array([1e12, 1e12])}, scores)
    assert unknown.granted[0] > unknown.granted[1] >= 0
