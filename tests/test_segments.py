"""Segments of columns, weighted concordance, and the offset: against statsmodels, scikit-learn and hand counts."""

import numpy as np
import pytest
import statsmodels.api as sm
from sklearn import metrics as sk

from features.arrays import Category
from models.clusters import some_customers
from models.concordance import concordance
from models.discrimination import influence
from models.probability_tests import calibration_line, calibration_offset
from models.segments import by_segment, segment_figures, slices, words


def drawn(rows=900, seed=0):
    rng = np.random.default_rng(seed)
    raw = np.round(rng.normal(-1.5, 1.2, rows), 1)
    probability = 1 / (1 + np.exp(-raw))
    return (rng.uniform(size=rows) < probability).astype(float), probability, raw, np.arange(rows) // 3


@pytest.mark.parametrize("values", [np.array([3.0, 1.0, np.nan, 2.0, 2.0, 9.0, 4.0, 5.0]), np.zeros(8), np.full(8, np.nan), np.array([1.0] * 7 + [2.0]),
                                    Category(np.array([0, 1, -1, 1, 0, 0, 3, 3], dtype=np.int32), ("a", "b", "never", "c"))])
def test_segments_hold_every_row_once_and_none_is_empty(values):
    masks = np.array([mask for _, mask in slices("x", values)])
    assert (masks.sum(axis=0) == 1).all()
    assert masks.any(axis=1).all()


def test_quarters_are_cut_at_values_that_belong_below():
    found = slices("x", np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, np.nan]))
    assert [words(condition) for condition, _ in found] == ["x up to 2", "x above 2 up to 4", "x above 4 up to 6", "x above 6", "x is missing"]
    assert [int(mask.sum()) for _, mask in found] == [2, 2, 2, 2, 1]


def test_a_constant_has_one_segment_in_words():
    assert [words(condition) for condition, _ in slices("x", np.ones(3))] == ["x is known"]


def test_the_figures_of_a_segment_are_those_of_its_rows_alone():
    target, probability, raw, groups = drawn()
    columns = {"x": np.where(np.arange(900) < 300, 1.0, 2.0), "k": Category((np.arange(900) % 2).astype(np.int32), ("even", "odd"))}
    found = {row["segment"]: row for row in by_segment(columns, target, probability, raw, groups)}
    assert found["x up to 1"]["auc"] == pytest.approx(sk.roc_auc_score(target[:300], raw[:300]), abs=1e-12)
    fit = sm.GLM(target[1::2], np.ones(450), family=sm.families.Binomial(), offset=raw[1::2]).fit(cov_type="cluster", cov_kwds={
        "groups": groups[1::2], "use_correction": False})
    assert found["k is odd"]["offset"] == pytest.approx(fit.params[0], abs=1e-6)
    assert (found["k is odd"]["offset_low"], found["k is odd"]["offset_high"]) == pytest.approx(tuple(fit.conf_int()[0]), abs=1e-5)
    assert (found["k is odd"]["rows"], found["k is odd"]["customers"]) == (450, 300)


def test_a_segment_without_both_classes_has_no_auc_and_no_offset():
    figures = segment_figures(np.zeros(4), np.full(4, 0.1), np.full(4, -2.2), np.arange(4))
    assert (figures["bad"], figures["auc"], figures["offset"], figures["offset_low"]) == (0, None, None, None)


def test_few_bad_rows_are_said():
    target, probability, raw, groups = drawn(40)
    assert [row["few"] for row in by_segment({"x": np.ones(40)}, target, probability, raw, groups, fewest_bad=int(target.sum()) + 1)] == [True]


def test_the_offset_of_the_line_is_the_offset_alone():
    target, _, raw, groups = drawn()
    line = calibration_line(target, raw, groups=groups)
    assert {key: line[key] for key in ("offset", "offset_low", "offset_high")} == calibration_offset(target, raw, groups=groups)


def test_concordance_with_outcomes_is_delongs():
    target, _, raw, _ = drawn()
    value, share = concordance(raw, target)
    assert value == pytest.approx(sk.roc_auc_score(target, raw), abs=1e-12)
    assert share == pytest.approx(influence(target, raw), abs=1e-12)


def test_concordance_with_probabilities_by_all_pairs():
    _, probability, raw, _ = drawn(150)
    pairs = np.outer(probability, 1 - probability)
    kernel = (raw[:, None] > raw[None, :]) + 0.5 * (raw[:, None] == raw[None, :])
    assert concordance(raw, probability)[0] == pytest.approx((pairs * kernel).sum() / pairs.sum(), abs=1e-12)


def test_true_probabilities_keep_what_they_promise():
    rng = np.random.default_rng(0)
    _, probability, raw, _ = drawn(4000)
    seen = [concordance(raw, (rng.uniform(size=4000) < probability).astype(float))[0] for _ in range(50)]
    assert np.mean(seen) == pytest.approx(concordance(raw, probability)[0], abs=0.003)


def test_customers_are_taken_whole_and_at_most_so_many_rows():
    groups = np.repeat(np.arange(50), np.arange(1, 51))
    taken = some_customers(groups, rows=400)
    assert 300 < len(taken) <= 400
    assert all((groups[taken] == each).sum() == each + 1 for each in np.unique(groups[taken]))
    assert some_customers(groups, rows=10_000).tolist() == list(range(len(groups)))
