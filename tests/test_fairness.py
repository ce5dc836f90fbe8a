"""Groups compared: fairlearn's figures and hand counts, intervals by drawn customers, and small groups that say so."""

import numpy as np
import pytest
from fairlearn import metrics as fair
from fairlearn.metrics import demographic_parity_difference
from scipy import stats

from models.fairness import drawn_rates, fairness


def drawn(rows=1200, seed=0, gap=0.15):
    rng = np.random.default_rng(seed)
    names = np.array(["a", "b", "c"], dtype=object)[rng.integers(0, 3, rows)]
    raw = np.round(rng.normal(-1.0, 1.0, rows), 2)
    target = (rng.uniform(size=rows) < 1 / (1 + np.exp(-raw))).astype(float)
    accepted = raw < -0.5 - gap * (names == "b")
    return names, target, 1 / (1 + np.exp(-raw)), raw, accepted, np.arange(rows) // 3


def test_rates_by_group_are_counts_of_its_rows():
    names, target, *rest, accepted, groups = drawn()
    group = next(each for each in fairness(names, target, *rest, accepted, groups)["groups"] if each["group"] == "b")
    here = names == "b"
    assert group["selection_rate"] == pytest.approx(accepted[here].mean())
    assert group["true_positive_rate"] == pytest.approx(accepted[here & (target == 0)].mean())
    assert group["false_positive_rate"] == pytest.approx(accepted[here & (target == 1)].mean())
    assert group["selection_rate_low"] < group["selection_rate"] < group["selection_rate_high"]
    assert (group["rows"], group["bad"]) == (here.sum(), target[here].sum())


def test_differences_are_fairlearns_and_lie_in_their_intervals():
    names, target, *rest, accepted, groups = drawn(gap=0.8)
    found = fairness(names, target, *rest, accepted, groups)["differences"]
    given = {"y_true": 1 - target, "y_pred": accepted, "sensitive_features": names}
    for name in ("demographic_parity_difference", "demographic_parity_ratio", "equalized_odds_difference", "equalized_odds_ratio"):
        assert found[name] == pytest.approx(getattr(fair, name)(**given))
        assert found[f"{name}_low"] < found[name] < found[f"{name}_high"]


def test_every_draw_of_customers_is_what_fairlearn_says_of_its_rows():
    names, target, _, _, accepted, groups = drawn(90)
    code = np.unique(names.astype(str), return_inverse=True)[1]
    found = drawn_rates(target, accepted, code, groups, repeats=5, seed=3)
    rng = np.random.default_rng(3)
    for draw in range(5):
        rows = np.concatenate([np.flatnonzero(groups == each) for each in rng.integers(0, 30, 30)])
        difference = demographic_parity_difference(1 - target[rows], accepted[rows], sensitive_features=names[rows])
        assert np.ptp(found["selection_rate"][draw]) == pytest.approx(difference)


@pytest.mark.slow
def test_a_gap_by_luck_stays_within_chance_and_a_real_one_does_not():
    outside = 0
    for seed in range(30):
        found = fairness(*drawn(600, seed=seed, gap=0.0), repeats=100)["differences"]
        outside += found["demographic_parity_difference"] > found["demographic_parity_difference_chance"]
    assert outside <= stats.binom.ppf(0.995, 30, 0.05)
    found = fairness(*drawn(gap=0.8))["differences"]
    assert found["demographic_parity_difference"] > found["demographic_parity_difference_chance"]
    assert found["demographic_parity_ratio"] < found["demographic_parity_ratio_chance"]


def test_a_small_group_is_shown_and_counts_in_no_difference():
    names, target, *rest, accepted, groups = drawn()
    names = names.copy()
    names[:20] = "tiny"
    accepted[:20] = False
    found = fairness(names, target, *rest, accepted, groups)
    assert {group["group"]: group["too_small"] for group in found["groups"]} == {"a": False, "b": False, "c": False, "tiny": True}
    assert found["differences"]["demographic_parity_difference"] < 0.3


def test_one_group_alone_is_compared_with_nobody_and_the_missing_are_a_group():
    names, target, *rest = drawn()
    found = fairness([None] * len(names), target, *rest)
    assert [group["group"] for group in found["groups"]] == ["missing"]
    assert found["differences"] is None
    assert "not judged" in found["statement"]


def test_a_group_without_bad_rows_has_no_false_positive_rate():
    names, target, *rest = drawn()
    found = fairness(names, np.where(names == "a", 0.0, target), *rest)
    assert (found["groups"][0]["false_positive_rate"], found["groups"][0]["false_positive_rate_low"]) == (None, None)
