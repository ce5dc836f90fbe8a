"""Worse inputs, fewer customers, samples side by side: on a small bundle and on data made to show each effect."""

import numpy as np
import pandas as pd
import pytest
from small_bundle import bundle, columns, target_of

from features.arrays import Category
from models.classifier import Settings
from models.discrimination import auc
from models.learning_curve import learning_curve
from models.sample_shift import sample_shifts
from models.scoring import encode, score
from models.sensitivity import effect, noisy, previous_rows, sensitivity, without


@pytest.fixture(scope="module")
def judged():
    named = columns()
    return encode(named, bundle()), target_of(named), np.arange(len(target_of(named))) // 2


def test_noise_moves_known_numbers_by_a_share_of_their_spread(judged):
    matrix, *_ = judged
    moved = noisy(matrix, bundle(), 0.25, seed=1)
    assert (np.isnan(moved) == np.isnan(matrix)).all()
    for place, column in enumerate(bundle().manifest.columns):
        step = (moved - matrix)[:, place]
        step = step[~np.isnan(step)]
        known = matrix[~np.isnan(matrix[:, place]), place]
        low, high = np.quantile(known, [0.01, 0.99])
        spread = 0.0 if column.levels is not None else known[(known >= low) & (known <= high)].std()
        assert step.std() == pytest.approx(0.25 * spread, rel=0.05)


def test_unchanged_inputs_have_no_effect(judged):
    matrix, target, groups = judged
    found = effect(bundle(), score(bundle(), matrix), matrix, target, groups)
    assert (found["difference"], found["grades_changed"], found["mean"]) == (0.0, 0.0, found["mean_before"])


def test_a_missing_table_is_the_score_of_missing_columns(judged):
    matrix, target, groups = judged
    names = [name for name in bundle().names if name.startswith("inv_")]
    found = sensitivity(bundle(), matrix, target, groups, tables={"invoices": names}, older={}, noise=(0.1, 1.0))
    emptied = matrix.copy()
    emptied[:, [name.startswith("inv_") for name in bundle().names]] = np.nan
    expected = score(bundle(), emptied)
    assert found["missing"][0]["auc"] == auc(target, expected.raw_score)
    assert found["missing"][0]["grades_changed"] == (expected.grade != score(bundle(), matrix).grade).mean()
    assert found["noise"][1]["difference"] < found["noise"][0]["difference"]
    assert found["stale"] == []
    assert np.array_equal(without(matrix, bundle(), names), emptied, equal_nan=True)


def test_stale_rows_are_compared_with_their_own_fresh_scores(judged):
    matrix, target, groups = judged
    rows = np.arange(0, len(matrix), 3)
    found = sensitivity(bundle(), matrix, target, groups, tables={}, older={"a quarter older": (rows, matrix[rows[::-1]])}, noise=(0.1,))["stale"][0]
    assert (found["how"], found["rows"]) == ("a quarter older", len(rows))
    assert found["auc_before"] == auc(target[rows], score(bundle(), matrix[rows]).raw_score)


@pytest.mark.parametrize("back", [1, 2])
def test_the_row_before_is_the_same_customers_last_one(back):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"customer": rng.integers(0, 20, 120).astype(str), "as_of": rng.permutation(120), "place": np.arange(120)})
    expected = frame.sort_values("as_of").groupby("customer")["place"].shift(back).sort_index().fillna(-1).astype(int)
    assert previous_rows(frame["customer"], frame["as_of"], back).tolist() == expected.tolist()


def made(customers, seed, columns=4):
    """A matrix whose first column says something and the others nothing, two rows a customer."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(2 * customers, columns))
    chance = 1 / (1 + np.exp(1.5 - 1.5 * np.tanh(matrix[:, 0]) - matrix[:, 1] * matrix[:, 2]))
    return matrix, (rng.uniform(size=len(matrix)) < chance).astype(float), np.arange(2 * customers) // 2


HOW = {"columns": list("abcd"), "categorical": [], "directions": {}}
SETTINGS = Settings(max_trees=400, learning_rate=0.05, num_leaves=8, min_child_samples=10, colsample=1.0, extra_trees=False)


def test_the_learning_curve_rises_where_there_is_more_to_learn_and_is_repeatable():
    given = (made(600, 0), made(200, 1), made(800, 2))
    found = learning_curve(*given, how=HOW, settings=SETTINGS, grown=80, draws=2, trees=60)
    assert [point["share"] for point in found["points"]] == [0.1, 0.2, 0.4, 0.7, 1.0]
    assert [point["customers"] for point in found["points"]] == [60, 120, 240, 420, 600]
    assert found["points"][-1]["auc"] > found["points"][0]["auc"] + 0.02
    assert all(point["low"] < point["auc"] < point["high"] for point in found["points"])
    assert found["points"][-1]["average_precision"] > found["points"][0]["average_precision"] > given[2][1].mean()
    step = found["last_step"]
    assert step["difference"] == pytest.approx(found["points"][-1]["auc"] - found["points"][-2]["auc"], abs=1e-12)
    assert step["per_doubling"] == pytest.approx(step["difference"] / np.log2(1 / 0.7))
    assert found == learning_curve(*given, how=HOW, settings=SETTINGS, grown=80, draws=2, trees=60)


def test_shares_with_too_few_bad_customers_are_left_out_and_said():
    matrix, _, customers = made(50, 0)
    few = (matrix, np.r_[np.ones(6), np.zeros(94)], customers)
    found = learning_curve(few, made(50, 1), made(50, 2), how=HOW, settings=SETTINGS, grown=20)
    assert (found["points"], found["last_step"]) == ([], None)
    assert found["verdict"] == "Too few bad customers to draw shares of them: the curve says nothing."


def test_samples_side_by_side_name_the_column_that_moved_and_only_it():
    rng = np.random.default_rng(0)
    sample = np.repeat(["development", "validation", "out_of_time"], [4000, 2000, 2000])
    moved = rng.normal(size=8000) + 0.7 * (sample == "out_of_time")
    named = {"raw_score": rng.normal(size=8000), "moved": moved, "still": rng.normal(size=8000),
             "kind": Category(rng.integers(0, 3, 8000).astype(np.int32), ("a", "b", "c"))}
    found = sample_shifts(named, sample, np.arange(8000), reference="development", others=("validation", "out_of_time"))
    assert (found["validation"]["verdict"], found["validation"]["moved"]) == ("none", 0)
    assert (found["out_of_time"]["moved"], found["out_of_time"]["worst"][0]["column"]) == (1, "moved")
    assert found["out_of_time"]["score"]["psi"] < 0.02
    # The textbook's sum over ten bins of the reference's deciles.
    cuts = np.quantile(moved[:4000], np.linspace(0, 1, 11)[1:-1])
    shares = [np.bincount(np.searchsorted(cuts, moved[sample == name]), minlength=10) / (sample == name).sum() for name in ("development", "out_of_time")]
    assert found["out_of_time"]["worst"][0]["psi"] == pytest.approx(((shares[0] - shares[1]) * np.log(shares[0] / shares[1])).sum(), rel=0.03)


def test_a_customer_in_many_rows_makes_no_shift():
    rng = np.random.default_rng(0)
    customers = np.repeat(np.arange(200), 20)
    named = {"raw_score": rng.normal(size=4000), "size": np.repeat(rng.normal(size=200), 20)}
    found = sample_shifts(named, np.where(customers < 100, "development", "out_of_time"), customers, reference="development", others=("out_of_time",))
    assert found["out_of_time"]["moved"] == 0
