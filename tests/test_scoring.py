"""The scoring path: the same bits by row, batch and reload; missing, unseen and wrong columns; frames at its edge."""
import numpy as np
import pandas as pd
import pytest
from small_bundle import NAMES, bundle, columns

from features.arrays import Category, categorize
from features.errors import RiskError
from models.bundle import load_bundle, save_bundle
from models.frames import score_frame
from models.scoring import contributions, encode, score


def fresh(rows=400):
    return columns(rows, seed=5)


def one(named, i):
    return {name: values[i:i + 1] for name, values in named.items()}


def test_one_row_a_batch_two_threads_and_a_reloaded_bundle_give_the_same_bits(tmp_path):
    save_bundle(bundle(), tmp_path)
    named, reloaded = fresh(), load_bundle(tmp_path)
    batch = score(bundle(), encode(named, bundle()))
    assert np.array_equal(score(reloaded, encode(named, reloaded), threads=2).probability, batch.probability)
    for i in range(0, 400, 7):
        alone = score(bundle(), encode(one(named, i), bundle()))
        assert (alone.raw_score[0], alone.probability[0], alone.points[0], alone.grade[0]) == (
            batch.raw_score[i], batch.probability[i], batch.points[i], batch.grade[i])


def test_contributions_add_up_and_are_the_same_in_chunks():
    matrix = encode(fresh(), bundle())
    whole = contributions(bundle(), matrix)
    assert whole.shape == (400, len(NAMES) + 1)
    assert np.abs(whole.sum(axis=1) - score(bundle(), matrix).raw_score).max() < 1e-12
    assert np.array_equal(contributions(bundle(), matrix, chunk=33), whole)


def test_no_rows_are_no_scores():
    matrix = np.empty((0, len(NAMES)))
    assert contributions(bundle(), matrix).shape == (0, len(NAMES) + 1)


def test_riskier_rows_have_higher_probability_fewer_points_and_a_worse_grade():
    scores = score(bundle(), encode(fresh(), bundle()))
    order = np.argsort(scores.raw_score)
    assert (np.diff(scores.probability[order]) >= 0).all()
    assert (np.diff(scores.points[order]) <= 0).all()
    assert (np.diff(scores.grade[order]) >= 0).all()


def test_levels_are_coded_by_the_frozen_list_whatever_the_column_s_own_order():
    frozen = bundle().manifest.columns[4].levels
    named = fresh(4) | {"industry": Category(np.array([0, 1, 2, -1], dtype=np.int32), ("new", frozen[1], frozen[0]))}
    assert encode(named, bundle())[:, 4].tolist()[:3] == [float(len(frozen)), 1.0, 0.0]
    assert np.isnan(encode(named, bundle())[3, 4])


def test_strings_are_coded_like_categories():
    named = fresh()
    strings = named | {"industry": list(named["industry"].strings())}
    assert np.array_equal(encode(named, bundle()), encode(strings, bundle()), equal_nan=True)


def test_an_unseen_level_scores():
    named = fresh(3) | {"industry": categorize(["月球", None, "retail"])}
    assert np.isfinite(score(bundle(), encode(named, bundle())).probability).all()


@pytest.mark.parametrize(("change", "message"), [
    ({"industry": None}, "1 of 5 columns are missing, first industry"),
    ({"industry": np.zeros(3)}, "column industry is a number, the model was trained on a category"),
    ({"txn_outflow_90d": categorize(["a", "b", "c"])}, "column txn_outflow_90d is a category"),
    ({"txn_outflow_90d": ["a", "b", "c"]}, "column txn_outflow_90d holds values that are no numbers"),
    ({"txn_outflow_90d": np.zeros(2)}, "column txn_outflow_90d has 2 rows, stmt_debt_ratio has 3"),
])
def test_wrong_columns_are_named(change, message):
    named = {name: values for name, values in (fresh(3) | change).items() if values is not None}
    with pytest.raises(RiskError, match=message):
        encode(named, bundle())


def test_a_matrix_of_another_width_is_refused():
    with pytest.raises(RiskError, match=r"shape \(2, 3\) does not fit the bundle's 5 columns"):
        score(bundle(), np.zeros((2, 3)))


def frame(rows=50):
    named = fresh(rows)
    return pd.DataFrame({name: values.strings() if name == "industry" else values for name, values in named.items()}, index=np.arange(rows) + 100)


@pytest.mark.parametrize("change", [
    lambda t: t[t.columns[::-1]],
    lambda t: t.assign(industry=t["industry"].astype("category")),
    lambda t: t.astype({"stmt_debt_ratio": object}).where(t.notna(), None),
    lambda t: t.assign(extra="x"),
    lambda t: t.convert_dtypes(),
])
def test_frames_of_many_kinds_score_the_same(change):
    expected = score(bundle(), encode(fresh(50), bundle()))
    scored = score_frame(bundle(), change(frame()))
    assert np.array_equal(scored["pd_12m"], expected.probability)
    assert scored["grade"].tolist() == expected.grade_names().tolist()
    assert scored.index.tolist() == list(range(100, 150))
