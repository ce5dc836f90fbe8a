"""What settings are worth: periods pooled, cells counted pair by pair, today's choice as the pipeline makes it, and a gain without the flattery of choosing."""

import dataclasses

import msgspec
import numpy as np
import pytest

from models.classifier import Settings, choose
from models.discrimination import auc, compare_auc
from models.tuning import Rules, composed, fold_scores, ground_of, honest_gain, objective, paired, pooled_periods, verdict

RULES = Rules(folds=3, fold_bad=5, period_bad=20, spread_weight=0.5)
HOW = {"columns": ["a", "b"], "categorical": [], "directions": {}}
QUICK = Settings(max_trees=30, early_stopping_rounds=5, num_leaves=4, min_child_samples=10, colsample=1.0, learning_rate=0.2)


def book(quarters=10, customers=200, seed=0):
    """{sample: (matrix, target, customers)} and {sample: days} of a book whose first column ranks risk."""
    rng = np.random.default_rng(seed)
    parts, dates = {}, {}
    for name, share in (("development", 0.7), ("validation", 0.3)):
        count = int(customers * share)
        matrix = rng.normal(size=(count * quarters, 2))
        target = (rng.uniform(size=len(matrix)) < 1 / (1 + np.exp(2.2 - matrix[:, 0]))).astype(float)
        parts[name] = (matrix, target, np.tile([f"{name}{number}" for number in range(count)], quarters))
        dates[name] = np.repeat(np.datetime64("2019-03-31") + 91 * np.arange(quarters), count)
    return parts, dates


@pytest.fixture(scope="module")
def ground():
    parts, dates = book()
    return ground_of(parts, dates, HOW, rules=RULES, horizon_days=365, embargo_days=365)


def noisy(ground, seed, noise=1.0):
    rng = np.random.default_rng(seed)
    judged = np.any([judged for _, judged in ground.folds.pairs], axis=0)
    return np.where(judged, ground.matrix[:, 0] + noise * rng.normal(size=len(judged)), np.nan)


def test_periods_are_joined_until_they_hold_bad_rows_enough():
    as_of = np.repeat(np.array(["2020-01", "2020-04", "2020-07", "2020-10"], "datetime64[us]"), 10)
    target = np.concatenate([np.arange(10) < bad for bad in (3, 2, 6, 4)]).astype(float)
    judged = np.ones(40, dtype=bool)
    def numbers(least, **given):
        return pooled_periods(as_of, target, given.get("judged", judged), months=3, least_bad=least)[::10].tolist()
    assert numbers(1) == [0, 1, 2, 3]
    assert numbers(5) == [0, 0, 1, 1]
    assert numbers(7) == [0, 0, 0, 0]
    assert numbers(99) == [0, 0, 0, 0]
    assert numbers(1, judged=as_of > as_of[0]) == [-1, 0, 1, 2]
    assert pooled_periods(None, target, judged, months=3, least_bad=1).tolist() == [0] * 40


def test_the_objective_is_counted_pair_by_pair(ground):
    scores = noisy(ground, 1)
    found = objective(ground, verdict(ground, scores))
    won, pairs = {}, {}
    for _, judged in ground.folds.pairs:
        for bad in np.flatnonzero(judged & (ground.target == 1)):
            for good in np.flatnonzero(judged & (ground.target == 0) & (ground.period == ground.period[bad])):
                key = ground.period[bad]
                won[key] = won.get(key, 0) + float(scores[bad] > scores[good])
                pairs[key] = pairs.get(key, 0) + 1
    spread = np.std([won[key] / pairs[key] for key in won], ddof=1)
    mean = np.mean([auc(ground.target[judged], scores[judged]) for _, judged in ground.folds.pairs])
    assert len(won) >= 3
    assert found == pytest.approx({"auc": mean, "spread": spread, "value": mean - 0.5 * spread})


def test_periods_may_hold_rows_of_several_folds():
    parts, dates = book()
    ground = ground_of(parts, dates, HOW, rules=RULES, horizon_days=365, embargo_days=365, by_time=False)
    assert ground.pairs.shape[0] == 3
    assert (ground.pairs > 0).all()
    assert np.isfinite(objective(ground, verdict(ground, noisy(ground, 1)))["spread"])


def test_a_single_period_takes_nothing_off():
    parts, _ = book()
    ground = ground_of(parts, None, HOW, rules=RULES, horizon_days=365, embargo_days=365)
    found = objective(ground, verdict(ground, noisy(ground, 1)))
    assert (found["spread"], found["value"]) == (0.0, found["auc"])


def test_today_s_choice_in_a_fold_is_the_one_that_training_makes(ground):
    candidates = (QUICK, msgspec.structs.replace(QUICK, learning_rate=0.001))
    scores, losses = [], []
    for settings in candidates[::-1]:
        parts = [fold_scores(ground, number, settings) for number in range(3)]
        losses.append([loss for loss, _ in parts])
        whole = np.full(len(ground.target), np.nan)
        for (_, judged), (_, part) in zip(ground.folds.pairs, parts, strict=True):
            whole[judged] = part
        scores.append(verdict(ground, whole))
    train = ground.folds.pairs[0][0]
    development, validation = (train & (ground.sample == name) for name in ("development", "validation"))
    both = np.concatenate([ground.groups[development], ground.groups[validation]])
    chosen, *_ = choose(ground.matrix[development], ground.target[development], validation=(ground.matrix[validation], ground.target[validation]),
                       candidates=candidates[::-1], groups=both, **HOW)
    today = composed(ground, scores, np.array(losses))
    assert chosen == QUICK
    assert today.aucs.tolist() == scores[1].aucs.tolist()
    np.testing.assert_array_equal(today.scores, scores[1].scores)


def test_the_interval_of_one_fold_is_delong_s_with_customers_as_clusters(ground):
    _, judged = ground.folds.pairs[-1]
    alone = dataclasses.replace(ground, folds=dataclasses.replace(ground.folds, pairs=ground.folds.pairs[-1:]))
    one, other = noisy(ground, 1), noisy(ground, 2)
    found = paired(alone, [one], [other])
    known = compare_auc(ground.target[judged], one[judged], other[judged], groups=ground.groups[judged])
    assert found == pytest.approx({name: known[name] for name in ("difference", "low", "high")}, abs=1e-6)


def test_a_customer_in_two_folds_counts_once(ground):
    one, other = noisy(ground, 1), noisy(ground, 2)
    found = paired(ground, [one] * 3, [other] * 3)
    alone = dataclasses.replace(ground, groups=np.arange(len(ground.target)))
    doubled = dataclasses.replace(ground, groups=np.zeros(len(ground.target), dtype=int))
    assert found["high"] - found["low"] != pytest.approx(_width(paired(alone, [one] * 3, [other] * 3)))
    # All rows of one customer: influences sum to nothing.
    assert _width(paired(doubled, [one] * 3, [other] * 3)) == pytest.approx(0.0, abs=1e-9)


def _width(found):
    return found["high"] - found["low"]


def test_the_honest_gain_of_luck_is_nothing_where_the_best_of_many_looks_better(ground):
    naive, honest = [], []
    for draw in range(12):
        today, *others = [verdict(ground, noisy(ground, 1000 * draw + number)) for number in range(15)]
        best = max(others, key=lambda found: objective(ground, found)["value"])
        naive.append(objective(ground, best)["auc"] - objective(ground, today)["auc"])
        honest.append(honest_gain(ground, today, others)["difference"])
    assert np.mean(naive) > 0.01
    assert abs(np.mean(honest)) < 0.5 * np.mean(naive)


def test_a_real_gain_is_found(ground):
    found = honest_gain(ground, verdict(ground, noisy(ground, 1, noise=3.0)), [verdict(ground, noisy(ground, 2, noise=0.1))])
    assert found["low"] > 0
    assert honest_gain(ground, verdict(ground, noisy(ground, 1)), []) == {"difference": 0.0, "low": 0.0, "high": 0.0}


def test_a_class_missing_in_a_period_of_a_fold_is_no_cell():
    parts, dates = book(quarters=9)
    ground = ground_of(parts, dates, HOW, rules=RULES, horizon_days=365, embargo_days=365)
    found = verdict(ground, noisy(ground, 3))
    assert np.isnan(found.cells).tolist() == (ground.pairs == 0).tolist()
