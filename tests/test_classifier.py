"""Training: deterministic bytes, stopping and refit, directions kept, categories frozen, bad samples refused."""
import lightgbm as lgb
import msgspec
import numpy as np
import pytest

from features.errors import RiskError
from models.classifier import (
    FEW_BAD,
    Settings,
    audit_monotone,
    booster_text,
    candidates_for,
    choose,
    freeze_levels,
    grouped_folds,
    joined,
    normalised,
    out_of_fold,
    refitted,
    settings_for,
    train,
)
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
    assert booster_text(grow()) != booster_text(grow(msgspec.structs.replace(QUICK, refit="none")))


def test_a_refit_on_all_rows_learns_from_the_calibration_rows_too():
    matrix, target = rows()
    how = {"columns": NAMES, "categorical": ("trade",), "directions": {}, "validation": (matrix[1000:2000], target[1000:2000])}
    settings = msgspec.structs.replace(QUICK, refit="all")
    booster = train(matrix[:1000], target[:1000], calibration=(matrix[2000:], target[2000:]), settings=settings, **how)
    # The root of a tree counts the rows it was drawn: 70 % of those it may learn from.
    assert booster.dump_model()["tree_info"][0]["tree_structure"]["internal_count"] == pytest.approx(0.7 * 3000, rel=0.03)
    with pytest.raises(RiskError, match="train.refit all is unknown or lacks its rows; use none, validation, all"):
        train(matrix[:1000], target[:1000], settings=settings, **how)


@pytest.mark.parametrize(("bad", "by_folds"), [(FEW_BAD - 1, True), (FEW_BAD, False)])
def test_few_bad_validation_rows_leave_the_number_of_trees_to_folds_of_all_rows(bad, by_folds):
    matrix, target = rows()
    away = np.r_[np.flatnonzero(target == 1)[:bad], np.flatnonzero(target == 0)[:300]]
    kept = np.setdiff1d(np.arange(len(target)), away)
    turned = (matrix[away], target[away][::-1])
    booster = train(matrix[kept], target[kept], validation=turned, columns=NAMES, categorical=("trade",), directions={},
                    settings=msgspec.structs.replace(QUICK, refit="none", min_trees=1))
    # Labels turned round among the validation rows alone stop the trees at once, unless the other nine tenths of the rows have their say.
    assert (booster.num_trees() > 20) == by_folds


def test_categories_of_a_small_file_are_cut():
    rng = np.random.default_rng(4)
    level = rng.integers(0, 6, 300).astype(float)
    target = (rng.uniform(size=300) < np.where(level < 3, 0.1, 0.6)).astype(float)
    booster = train(level[:200, None], target[:200], validation=(level[200:, None], target[200:]), columns=["level"], categorical=["level"], directions={},
                    settings=settings_for(200, int(target[:200].sum()), 1, max_trees=60))
    assert auc(target, booster.predict(level[:, None], raw_score=True)) > 0.7


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
    assert settings_for(100 * bad, bad, 100).num_leaves == leaves


@pytest.mark.parametrize(("columns", "share"), [(3, 1.0), (32, 1.0), (64, 0.5), (128, 0.25), (300, 0.25)])
def test_a_tree_sees_a_number_of_columns_not_a_share_of_few(columns, share):
    assert settings_for(60_000, 600, columns).colsample == share


@pytest.mark.parametrize(("rows", "bad", "least"), [(200, 60, 10), (1_000, 90, 20), (320, 110, 10), (60_000, 90, 40), (60_000, 600, 60), (900_000, 9_000, 200)])
def test_no_leaf_takes_a_large_part_of_a_small_sample(rows, bad, least):
    assert settings_for(rows, bad, 10).min_child_samples == least


@pytest.mark.parametrize(("rows", "bad", "number"), [(3_000, 99, 1), (3_000, 100, 3), (60_000, 4_999, 3), (100_000, 4_999, 1), (90_000, 5_000, 1)])
def test_validation_chooses_among_shapes_where_bad_rows_are_enough_to_tell(rows, bad, number):
    candidates = candidates_for(rows, bad, 50)
    assert len(candidates) == number
    assert candidates[0] == settings_for(rows, bad, 50)


def test_a_setting_that_is_given_holds_for_every_candidate():
    assert {each.l2 for each in candidates_for(3_000, 300, 50, l2=7.0)} == {7.0}
    assert len(candidates_for(3_000, 300, 50, l2=7.0, extra_trees=True, num_leaves=4, min_child_samples=30, colsample=0.5)) == 1


@pytest.mark.parametrize(("bold", "deep"), [(0.0, False), (4.0, True)])
def test_the_shape_is_the_one_that_the_validation_rows_like_best(bold, deep):
    rng = np.random.default_rng(2)
    matrix = rng.normal(size=(4000, 6))
    # Four columns that matter only together, or one that matters alone.
    together = np.sign(matrix[:, 0] * matrix[:, 1] * matrix[:, 2])
    target = (rng.uniform(size=4000) < 1 / (1 + np.exp(2.0 - bold * together - matrix[:, 3]))).astype(float)
    candidates = tuple(msgspec.structs.replace(Settings(max_trees=150, early_stopping_rounds=30, colsample=1.0), num_leaves=leaves, extra_trees=False, l2=0.0)
                       for leaves in (2, 31))
    chosen, *_ = choose(matrix[:3000], target[:3000], validation=(matrix[3000:], target[3000:]), columns=list("abcdef"), categorical=(), directions={},
                       candidates=candidates)
    assert (chosen.num_leaves == 31) == deep


def test_given_settings_win_and_null_means_chosen():
    settings = settings_for(60_000, 600, 100, num_leaves=3, l2=None)
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


def test_neighbouring_rows_are_joined_without_a_copy():
    whole = np.arange(40.0).reshape(10, 4).copy()
    joined_rows = joined([whole[2:5], whole[5:9]])
    assert np.shares_memory(joined_rows, whole)
    np.testing.assert_array_equal(joined_rows, whole[2:9])


@pytest.mark.parametrize("parts", [lambda whole: [whole[2:5], whole[6:9]], lambda whole: [whole[5:9], whole[2:5]], lambda whole: [whole[:5, :3], whole[5:, :3]],
                                   lambda whole: [whole.copy()[:5], whole[5:]], lambda whole: [whole.copy(), whole.copy()]])
def test_other_rows_are_joined_by_copying(parts):
    given = parts(np.arange(40.0).reshape(10, 4).copy())
    np.testing.assert_array_equal(joined(given), np.vstack(given))


def test_without_a_refit_the_trees_that_were_stopped_are_the_final_ones():
    matrix, target = rows()
    development, validation = (matrix[:2000], target[:2000]), (matrix[2000:], target[2000:])
    settings = msgspec.structs.replace(QUICK, refit="none", max_trees=500)
    how = {"columns": NAMES, "categorical": (), "directions": {}}
    chosen, rounds, stopped_at = choose(*development, validation=validation, candidates=(settings,), **how)
    kept = refitted(*development, validation=validation, calibration=None, rounds=rounds, settings=chosen, stopped_at=stopped_at, **how)
    grown = refitted(*development, validation=validation, calibration=None, rounds=rounds, settings=chosen, **how)
    assert booster_text(kept) == booster_text(grown)
    assert kept.num_trees() == rounds > settings.min_trees


@pytest.mark.parametrize(("rows", "refit"), [(99_999, "validation"), (100_000, "none")])
def test_very_many_rows_are_not_refitted_on_an_eighth_more(rows, refit):
    assert settings_for(rows, 4000, 50).refit == refit
    assert settings_for(rows, 4000, 50, refit="all").refit == "all"
