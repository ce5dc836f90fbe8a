"""Reject inference: rates and weights by hand, what it changed against the figures themselves, and a selection whose truth is known."""

import numpy as np
import pytest

from features.errors import RiskError
from models.classifier import Settings, fit_trees
from models.discrimination import auc
from models.reject_effect import what_changed
from models.reject_inference import inferred


def test_fuzzy_rows_enter_twice_with_weights_of_one():
    places, target, weight = inferred("fuzzy", raw_score=np.zeros(2), target=np.r_[0, 1], rejected=np.log([1 / 3, 1.0]), prudence=1.5)
    assert places.tolist() == [0, 1, 0, 1]
    assert target.tolist() == [1, 1, 0, 0]
    assert weight == pytest.approx([0.375, 0.75, 0.625, 0.25])


def test_prudence_never_makes_more_than_certain():
    places, target, weight = inferred("fuzzy", raw_score=np.zeros(1), target=np.zeros(1), rejected=np.array([3.0]), prudence=2.0)
    assert (places.tolist(), target.tolist(), weight.tolist()) == ([0], [1.0], [1.0])


def test_parcelling_deals_each_bands_rate_times_prudence():
    # Two bands of rejected rows at log-odds -1 and 1; among the accepted there 2,000 rows each, a tenth and a half bad.
    accepted = np.repeat([-1.0, 1.0], 2000)
    target = np.concatenate([np.arange(2000) < 200, np.arange(2000) < 1000]).astype(float)
    rejected = np.repeat([-1.0, 1.0], 500)
    places, dealt, weight = inferred("parcelling", raw_score=accepted, target=target, rejected=rejected, prudence=1.4, bands=2)
    assert dealt[:500].mean() == pytest.approx(0.14, abs=0.005)
    assert dealt[500:].mean() == pytest.approx(0.70, abs=0.005)
    assert (places.tolist(), weight.tolist()) == (list(range(1000)), [1.0] * 1000)


def test_a_band_without_accepted_rows_takes_the_scores_own_rate():
    _, dealt, _ = inferred("parcelling", raw_score=np.full(100, -5.0), target=np.zeros(100), rejected=np.linspace(1.9, 2.1, 1000), bands=4)
    assert dealt.mean() == pytest.approx(1 / (1 + np.exp(-2.0)), abs=0.01)


def test_an_unknown_method_is_named():
    with pytest.raises(RiskError, match="train.reject_inference guess is unknown; use none, parcelling, fuzzy"):
        inferred("guess", raw_score=np.zeros(1), target=np.zeros(1), rejected=np.zeros(1))


def test_a_weight_counts_as_so_many_rows():
    rng = np.random.default_rng(0)
    matrix, target = rng.normal(size=(300, 2)), (rng.uniform(size=300) < 0.3).astype(float)
    how = {"rounds": 10, "columns": ["a", "b"], "categorical": [], "directions": {},
           "settings": Settings(subsample=1.0, colsample=1.0, extra_trees=False, min_child_samples=1, max_bin=15)}
    weighted = fit_trees(matrix, target, weight=np.full(300, 2.0), **how)
    doubled = fit_trees(np.repeat(matrix, 2, axis=0), np.repeat(target, 2), **how)
    assert weighted.predict(matrix, raw_score=True) == pytest.approx(doubled.predict(matrix, raw_score=True), abs=1e-6)


def test_what_changed_is_said_by_the_figures_themselves():
    rng = np.random.default_rng(1)
    before = rng.normal(-1, 1, 800)
    target = (rng.uniform(size=800) < 1 / (1 + np.exp(-before))).astype(float)
    after = before + rng.normal(0.5, 0.5, 800)
    found = what_changed(target, before, after, np.arange(800), rejected_before=np.zeros(3), rejected_after=np.full(3, np.log(3)))
    assert found["auc"]["difference"] == pytest.approx(auc(target, after) - auc(target, before))
    assert found["offset_after"]["offset"] < found["offset_before"]["offset"]
    assert (found["rejected"], found["rejected_mean_before"], found["rejected_mean_after"]) == (3, 0.5, pytest.approx(0.75))


def test_where_an_officer_saw_more_prudence_brings_the_rejected_nearer_to_the_truth():
    rng = np.random.default_rng(2)
    x, seen = rng.normal(size=(6000, 2)), rng.normal(size=6000)
    target = (rng.uniform(size=6000) < 1 / (1 + np.exp(2 - x[:, 0] - 1.2 * seen))).astype(float)
    accepted = x[:, 0] + seen < 0.4
    how = {"rounds": 60, "columns": ["a", "b"], "categorical": [], "directions": {}, "settings": Settings(extra_trees=False, colsample=1.0)}
    mean = {}
    first = fit_trees(x[accepted], target[accepted], **how)
    for prudence in (1.0, 2.0):
        scores = {"raw_score": first.predict(x[accepted], raw_score=True), "rejected": first.predict(x[~accepted], raw_score=True)}
        places, labels, weight = inferred("fuzzy", target=target[accepted], prudence=prudence, **scores)
        booster = fit_trees(np.vstack([x[accepted], x[~accepted][places]]), np.concatenate([target[accepted], labels]),
                            weight=np.concatenate([np.ones(accepted.sum()), weight]), **how)
        mean[prudence] = booster.predict(x[~accepted]).mean()
    assert mean[1.0] < mean[2.0] < target[~accepted].mean() + 0.05
    assert mean[1.0] < 0.8 * target[~accepted].mean()
