"""Profit of a cut-off and the expected maximum profit, against every cut-off tried in turn and numerical integration."""

import numpy as np
import pytest

from models.profit import Costs, best_cut_off, break_even, curve, drawn_means, expected_maximum_profit, gains, judged

COSTS = Costs(margin=0.05, loss_given_default=0.6, review_cost=3.0)


def drawn(rows=300, seed=0, digits=2):
    rng = np.random.default_rng(seed)
    probability = np.round(rng.uniform(0.01, 0.4, rows), digits)
    return (rng.uniform(size=rows) < probability).astype(float), probability, np.round(rng.lognormal(6, 1, rows)), np.arange(rows) // 2


def profit_of(target, probability, amount, cut_off):
    """The sum over rows in plain words."""
    total = 0.0
    for bad, p, sum_lent in zip(target, probability, amount, strict=True):
        if p > cut_off:
            total -= COSTS.review_cost
        else:
            total += -sum_lent * COSTS.loss_given_default if bad else sum_lent * COSTS.margin
    return total / len(target)


@pytest.mark.parametrize("seed", range(4))
def test_the_best_cut_off_is_the_best_of_all(seed):
    target, probability, amount, _ = drawn(seed=seed)
    tried = {cut: profit_of(target, probability, amount, cut) for cut in [0.0, *np.unique(probability)]}
    found = best_cut_off(probability, *gains(target, amount, COSTS))
    assert tried[found] == pytest.approx(max(tried.values()))


def test_every_point_of_the_curve_is_the_profit_at_its_cut_off():
    target, probability, amount, _ = drawn()
    points = curve(probability, *gains(target, amount, COSTS), points=20)
    assert len(points) > 10
    for point in points:
        assert point["profit"] == pytest.approx(profit_of(target, probability, amount, point["cut_off"]))
        assert point["accepted"] == pytest.approx((probability <= point["cut_off"]).mean())
    assert (points[0]["accepted"], points[-1]["accepted"]) == (0.0, 1.0)


def test_at_break_even_accepting_earns_what_refusing_does():
    p = break_even(np.array([10.0, 1000.0]), COSTS)
    amount = np.array([10.0, 1000.0])
    assert (1 - p[1]) * COSTS.margin * amount[1] - p[1] * COSTS.loss_given_default * amount[1] == pytest.approx(-COSTS.review_cost)
    # Reviewing ten costs more than half of all that can be lost of them.
    assert p[0] == pytest.approx((0.05 + 0.3) / 0.65)


def test_for_fraud_the_bound_is_the_review_over_the_amount():
    assert break_even(np.array([100.0, 5.0]), Costs(margin=0.0, loss_given_default=1.0, review_cost=20.0)).tolist() == [0.2, 1.0]


def test_the_rules_are_judged_by_drawn_customers():
    target, probability, amount, groups = drawn()
    found = judged(probability, amount, *gains(target, amount, COSTS), groups, cut_off=0.1, costs=COSTS)
    assert found["cut_off"]["profit"] == pytest.approx(profit_of(target, probability, amount, 0.1))
    assert found["none"]["profit"] == found["none"]["low"] == -COSTS.review_cost
    assert found["all"]["over_all"] == {"difference": 0.0, "low": 0.0, "high": 0.0}
    assert found["cut_off"]["over_all"]["difference"] == pytest.approx(found["cut_off"]["profit"] - found["all"]["profit"])
    assert found["cut_off"]["low"] < found["cut_off"]["profit"] < found["cut_off"]["high"]


def test_drawn_means_spread_as_the_clustered_mean_does():
    rng = np.random.default_rng(0)
    values = np.repeat(rng.normal(size=200), 5)
    found = drawn_means(values[:, None], np.repeat(np.arange(200), 5), repeats=2000, seed=0)
    assert found.std() == pytest.approx(values[::5].std() / np.sqrt(200), rel=0.06)


def integrated(target, score, paid, lost, roi):
    """Verbraken's definition: at each loss the best of all cut-offs, averaged over the losses."""
    cuts = np.r_[np.inf, np.unique(score)]
    found = np.array([((score >= cut) & (target == 1)).mean() for cut in cuts])
    alarms = np.array([((score >= cut) & (target == 0)).mean() for cut in cuts])
    losses = (np.arange(20_000) + 0.5) / 20_000
    best = (np.outer(losses, found) - roi * alarms).max(axis=1)
    return paid * 0.0 + lost * (found - roi * alarms).max() + (1 - paid - lost) * best.mean()


@pytest.mark.parametrize(("seed", "paid", "lost", "roi"), [(0, 0.55, 0.1, 0.2644), (1, 0.2, 0.3, 0.05), (2, 0.0, 1.0, 0.1), (3, 0.55, 0.1, 3.0)])
def test_the_expected_maximum_profit_agrees_with_integration(seed, paid, lost, roi):
    target, probability, _, _ = drawn(seed=seed)
    found = expected_maximum_profit(target, probability, all_paid=paid, all_lost=lost, return_on_investment=roi)
    assert found["emp"] == pytest.approx(integrated(target, probability, paid, lost, roi), abs=1e-7)


def test_a_perfect_score_earns_the_mean_loss_of_the_bad():
    # Refusing exactly the bad saves their mean loss: 0.35 / 2 + 0.1 of each, a tenth of the rows.
    target = np.r_[np.ones(10), np.zeros(90)]
    found = expected_maximum_profit(target, target)
    assert found == {"emp": pytest.approx(0.1 * 0.275), "refused": pytest.approx(0.1 * 0.45)}
