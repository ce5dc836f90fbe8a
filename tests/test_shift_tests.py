"""Tests of counts: right in the tail where alarms are decided, for thirty rows and for half a million."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from models.exact import fisher_exact
from models.shift_tests import cell_tests, discoveries, homogeneity, score_test, widened


def exact(scores, reference, current):
    """P of a sum of scores at least as far above its mean, by counting every table with these margins."""
    pooled, n = np.add(reference, current), sum(current)
    ways = {(0, 0): 1}
    for score, rows in zip(scores, pooled, strict=True):
        ways = {key: sum(more) for key, more in _grouped(ways, score, int(rows), n)}
    total = sum(score * rows for score, rows in zip(scores, current, strict=True))
    return sum(count for (rows, found), count in ways.items() if rows == n and found >= total) / math.comb(int(pooled.sum()), n)


def _grouped(ways, score, rows, n):
    new = sorted(((used + c, found + c * score), count * math.comb(rows, c)) for (used, found), count in ways.items() for c in range(min(rows, n - used) + 1))
    return ((key, [count for _, count in part]) for key, part in itertools.groupby(new, key=lambda pair: pair[0]))


@pytest.mark.parametrize(("reference", "current"), [
    ((60, 50, 55, 40), (2, 3, 5, 20)), ((60, 50, 55, 40), (0, 0, 0, 8)), ((500, 20, 10), (20, 4, 6)), ((100, 100), (2, 28)), ((40, 0), (6, 2)),
    ((3000, 1500, 500), (8, 9, 13)), ((200, 5, 1), (25, 4, 1))])
def test_the_score_test_agrees_with_counting_every_table(reference, current):
    one_sided = exact(range(len(reference)), reference, current)
    assert score_test(range(len(reference)), reference, current) == pytest.approx(2 * one_sided, rel=0.08)


def test_with_ranks_it_is_wilcoxon_s_test():
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 8, 900), rng.integers(0, 9, 300)
    counts = [np.bincount(values, minlength=9) for values in (first, second)]
    ranks = np.cumsum(sum(counts)) - sum(counts) / 2
    assert score_test(ranks / 1200, *counts) == pytest.approx(stats.mannwhitneyu(first, second, use_continuity=False).pvalue, rel=0.03)


@pytest.mark.parametrize("empty", [((0, 0), (3, 9)), ((5, 5), (0, 0)), ((4, 0), (7, 0))])
def test_nothing_to_compare_has_no_p_value(empty):
    assert score_test((0, 1), *empty) is None


@pytest.mark.parametrize("rows", [30, 200])
def test_false_alarms_keep_to_their_rate_far_out_on_a_skewed_column(rows):
    # A chi-square on a column that is nearly always zero alarms several times too often there.
    rng, shares = np.random.default_rng(1), (0.95, 0.03, 0.015, 0.005)
    p = [score_test(range(4), rng.multinomial(5000, shares), rng.multinomial(rows, shares)) for _ in range(4000)]
    assert np.mean(np.array(p) < 0.005) < 0.0085


def test_a_cell_is_compared_with_all_others_by_fisher_s_test():
    places, p = cell_tests([100, 200, 300], [40, 5, 15])
    expected = {0: stats.fisher_exact([[100, 500], [40, 20]]).pvalue, 1: stats.fisher_exact([[200, 400], [5, 55]]).pvalue}
    assert {place: value for place, value in zip(places, p, strict=True) if place in expected} == pytest.approx(expected, rel=1e-6)


def test_cells_without_enough_rows_on_both_sides_are_not_tried():
    assert cell_tests([500, 2, 0], [50, 1, 0])[0].tolist() == [0]


def test_homogeneity_agrees_with_scipy_where_no_bin_is_small():
    counts = [[100, 200, 300], [40, 60, 100]]
    assert homogeneity(*counts) == pytest.approx(stats.chi2_contingency(counts).pvalue)


@pytest.mark.parametrize("degrees", [1.0, 7.0])
def test_estimated_noise_makes_a_student_s_test(degrees):
    assert widened(2 * stats.norm.sf(3), degrees) == pytest.approx(2 * stats.t.sf(3, degrees))
    assert widened(0.01, np.inf) == 0.01


@pytest.mark.parametrize(("first", "second"), [
    ((0, 0), (3, 9)), ((0, 5), (0, 7)), ((5, 5), (7, 7)), ((3, 10), (3, 10)), ((1, 20), (9, 20)), ((12, 5000), (31, 4000)),
    ((150_000, 300_000), (50_400, 100_000)), ((10, 300_000), (40, 900)), ((0, 2000), (1500, 2000))])
def test_the_exact_test_agrees_with_scipy(first, second):
    theirs = stats.fisher_exact([[part, rows - part] for part, rows in (first, second)]).pvalue
    assert fisher_exact(*first, *second) == pytest.approx(theirs, rel=1e-9, abs=1e-300)


def test_the_exact_test_agrees_with_scipy_on_every_small_table():
    tables = [(a, n, b, m) for n in range(1, 6) for m in range(1, 8) for a in range(n + 1) for b in range(m + 1)]
    theirs = [stats.fisher_exact([[a, n - a], [b, m - b]]).pvalue for a, n, b, m in tables]
    assert [fisher_exact(*table) for table in tables] == pytest.approx(theirs, abs=1e-12)


def test_small_bins_are_merged_until_the_test_is_honest():
    rng = np.random.default_rng(0)
    p = [homogeneity(rng.multinomial(500, [0.1] * 10), rng.multinomial(60, [0.1] * 10)) for _ in range(1000)]
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.02)


def test_false_discoveries_follow_benjamini_and_hochberg():
    # Their 1995 paper's example of fifteen p-values: four are rejected at 0.05.
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0]
    assert discoveries(p, q=0.05).tolist() == [True] * 4 + [False] * 11
