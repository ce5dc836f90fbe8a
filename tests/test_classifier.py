"""Training: deterministic bytes, stopping and refit, directions kept, categories frozen, bad samples refused."""
import lightgbm as lgb
import msgspec
import numpy as np
import pytest

from features.errors import RiskError
from models.classifier import Settings, audit_monotone, booster_text, freeze_levels, grouped_folds, normalised, out_of_fold, settings_for, train
from models.discrimination import auc

NAMES = ("debt", "late", "noise", "trade")
QUICK = Settings(max_trees=80, early_stopping_rounds=20, num_leaves=6, colsample=0.8)


def rows(n=3000, seed=0):
    rng = np.random.default_rng(seed)
    matrix = np.column_stack([rng.normal(size=n), rng.gamma(1.0, 1.0, n), rng.normal(size=n), rng.integers(0, 3, n).astype(float)])
    logit = -2.5 + matrix[:, 0] + 0.5 * matrix[:, 1] + 0.5 * (matrix[:, 3] == 2)
    return matrix, (rng.uniform(size=n) < 1 / (1 + np.exp(-logit))).astype(float)


def grow(settings=QUICK, directions=None):
    matrix, target = rows()
    return train(matrix[:2000], target[:2000], validation=(matrix[2000:], target[2000:]), columns=NAMES, categorical=("trade",),
                 directions={"debt": 1, "late": 1} if directions is None else directions, settings=settings)


def test_the_same_inputs_give_the_same_bytes_on_one_thread_and_on_two():
    short = msgspec.structs.replace(QUICK, max_trees=10)
    assert booster_text(grow(short)) == booster_text(grow(msgspec.structs.replace(short, threads=2)))


def test_the_text_keeps_no_training_parameters():
    assert "num_threads" not in booster_text(grow())


def test_reading_the_text_back_predicts_the_same_bits():
    booster, (matrix, _) = grow(), rows(seed=3)
    assert np.array_equal(booster.predict(matrix, raw_score=True), normalised(booster).predict(matrix, raw_score=True))


def test_it_ranks_rows_it_never_saw():
    matrix, target = rows(seed=9)
    assert auc(target, grow().predict(matrix, raw_score=True)) > 0.7


@pytest.mark.parametrize(("least", "trees"), [(1, range(2, 50)), (60, range(50, 61))])
def test_early_stopping_keeps_fewer_trees_than_allowed_and_the_least_it_must(least, trees):
    stopped = msgspec.structs.replace(QUICK, max_trees=500, min_trees=least, early_stopping_rounds=5, learning_rate=0.3)
    assert grow(stopped).num_trees() in trees


def test_a_refit_also_learns_from_the_validation_rows():
    assert booster_text(grow()) != booster_text(grow(msgspec.structs.replace(QUICK, refit=False)))


def test_directions_hold_on_real_rows():
    matrix, _ = rows()
    swept = audit_monotone(grow(), matrix, columns=NAMES, directions={"debt": 1, "late": 1})
    assert [(s["column"], s["violations"]) for s in swept] == [("debt", 0), ("late", 0)]


def test_the_audit_finds_a_direction_that_does_not_hold():
    matrix, _ = rows()
    wrong, = audit_monotone(grow(directions={}), matrix, columns=NAMES, directions={"debt": -1})
    assert wrong["violations"] > 50
    assert wrong["worst"] > 0.1


def test_levels_are_frozen_by_frequency_and_rare_ones_share_the_unseen_bucket():
    values = ["b"] * 30 + ["a"] * 30 + ["c"] * 50 + ["rare"] * 19 + [None] * 40 + [float("nan")]
    assert freeze_levels(values) == ("c", "a", "b")
    assert freeze_levels(values, max_levels=1) == ("c",)


@pytest.mark.parametrize(("bad", "leaves"), [(30, 5), (600, 6), (50_000, 31)])
def test_settings_grow_with_the_bad_rows(bad, leaves):
    assert settings_for(100 * bad, bad).num_leaves == leaves


def test_given_settings_win_and_null_means_chosen():
    settings = settings_for(60_000, 600, num_leaves=3, l2=None)
    assert (settings.num_leaves, settings.l2) == (3, Settings().l2)


def test_folds_keep_a_customer_together_and_deal_bad_ones_evenly():
    target = np.tile([0.0, 0.0, 1.0, 0.0], 50)
    groups = np.repeat([f"c{i}" for i in range(100)], 2)
    fold = grouped_folds(target, groups, folds=5, seed=0)
    assert (fold[::2] == fold[1::2]).all()
    assert np.ptp(np.bincount(fold, weights=target)) <= 1


def test_out_of_fold_scores_rank_worse_than_in_sample_and_better_than_chance():
    matrix, target = rows(1500)
    known = {"columns": NAMES, "categorical": ("trade",), "directions": {}, "settings": QUICK}
    raw_score = out_of_fold(matrix, target, np.arange(1500), rounds=40, **known)
    assert 0.7 < auc(target, raw_score) < 0.85


@pytest.mark.parametrize(("target", "columns", "message"), [
    (np.zeros(100), NAMES, "development: 0 bad of 100 rows"),
    (np.ones(100), NAMES, "development: 100 bad of 100 rows"),
    (np.r_[1.0, np.zeros(99)], NAMES[:3], "does not fit 100 targets and 3 column names"),
])
def test_unfit_samples_are_refused(target, columns, message):
    matrix = np.zeros((100, 4))
    with pytest.raises(RiskError, match=message):
        train(matrix, target, validation=(matrix, target), columns=columns, categorical=(), directions={}, settings=QUICK)


def test_names_that_lightgbm_would_refuse_are_fine():
    matrix, target = rows(500)
    names = ("a,b", "名称", 'quo"te', "x y")
    booster = train(matrix, target, validation=(matrix, target), columns=names, categorical=(), directions={}, settings=Settings(max_trees=2))
    assert isinstance(booster, lgb.Booster)
