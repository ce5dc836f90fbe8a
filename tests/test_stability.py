"""Drift against its own noise: frozen bins, PSI and its null, merging, false discoveries, verdicts."""
import numpy as np
import pytest
from scipy import stats

from features.arrays import Category, categorize
from features.errors import RiskError
from models.drift_reference import reference_column
from models.histograms import Histogram, added, freeze, histogram, placed
from models.stability import Thresholds, column_shift, psi, psi_noise, verdict


def test_psi_by_hand():
    # Half a row is added to every bin: shares (50.5, 50.5)/101 and (25.5, 75.5)/101.
    p, q = np.array([0.5, 0.5]), np.array([25.5, 75.5]) / 101
    assert psi([50, 50], [25, 75]) == pytest.approx(((p - q) * np.log(p / q)).sum())


def test_bins_of_a_number_hold_equal_counts_and_ties_share_one():
    values = np.r_[np.zeros(500), np.arange(1, 501)]
    bins = freeze("x", values)
    counts = histogram(bins, values).counts
    assert sum(counts) == 1000
    assert counts[0] == 500
    assert max(counts[1:]) - min(counts[1:]) <= 1


def test_missing_and_unseen_values_are_counted_apart():
    number = histogram(freeze("x", np.arange(10.0)), np.array([1.0, np.nan, 99.0]))
    assert (sum(number.counts), number.missing) == (2, 1)
    word = histogram(freeze("x", ["a", "b", None]), ["a", "c", None, "c"])
    assert word == Histogram(counts=(1, 0), missing=1, unseen=2)


def test_a_category_and_its_strings_count_alike():
    strings = ["b", None, "a", "b"]
    assert freeze("x", categorize(strings)) == freeze("x", strings)
    assert histogram(freeze("x", strings), categorize(strings)) == histogram(freeze("x", strings), strings)


def test_levels_that_no_row_has_are_no_bins():
    values = Category(np.array([2, 0, -1, 2], dtype=np.int32), ("z", "never", "a"))
    assert freeze("x", values).levels == ("a", "z")
    assert histogram(freeze("x", ["a", "never"]), values) == Histogram(counts=(2, 0), missing=1, unseen=1)


@pytest.mark.parametrize("seed", range(4))
def test_bins_and_counts_agree_with_numpy(seed):
    rng = np.random.default_rng(seed)
    values = np.where(rng.uniform(size=997) < 0.1, np.nan, np.round(rng.normal(size=997), seed))
    bins, present = freeze("x", values), values[~np.isnan(values)]
    cuts = np.unique(np.quantile(present, np.arange(1, 10) / 10, method="lower"))
    assert bins.edges == tuple(cuts[cuts < present.max()])
    assert histogram(bins, values).counts == tuple(np.bincount(np.searchsorted(bins.edges, present), minlength=len(bins.edges) + 1))


@pytest.mark.parametrize("values", [[3.0, np.nan, 1.0, 1.0, 7.0], ["b", None, "a", "b"]])
def test_each_row_lies_in_the_bin_that_counts_it(values):
    bins = freeze("x", values)
    counts, places = histogram(bins, values), placed(bins, values)
    assert tuple(np.bincount(places, minlength=bins.cells)[:bins.cells]) == counts.counts
    assert (places == bins.cells).sum() == counts.missing


def test_a_level_that_was_not_frozen_has_a_place_of_its_own():
    assert placed(freeze("x", ["a", "b"]), categorize(["b", "new", None])).tolist() == [1, 3, 2]


def test_histograms_of_parts_add_up():
    values = np.random.default_rng(0).normal(size=1000)
    bins = freeze("x", values)
    assert added([histogram(bins, values[:300]), histogram(bins, values[300:])]) == histogram(bins, values)


def test_a_column_without_any_value_has_one_bin_and_no_test():
    nothing = np.full(50, np.nan)
    bins = freeze("x", nothing)
    shift = column_shift("x", histogram(bins, nothing), histogram(bins, nothing))
    assert shift["p_distribution"] is None
    assert shift["psi"] == 0.0


def test_the_null_of_psi_agrees_with_a_simulation():
    rng = np.random.default_rng(0)
    drawn = [psi(rng.multinomial(5000, [0.1] * 10), rng.multinomial(800, [0.1] * 10)) for _ in range(500)]
    mean, high = psi_noise(10, 5000, 800)
    assert np.mean(drawn) == pytest.approx(mean, rel=0.07)
    assert np.mean(np.array(drawn) > high) == pytest.approx(0.05, abs=0.03)


@pytest.mark.parametrize("bins", [2, 10, 40])
def test_the_noise_s_high_end_agrees_with_scipy(bins):
    assert psi_noise(bins, 100, 50)[1] == pytest.approx(stats.chi2.ppf(0.95, bins - 1) * 0.03, rel=1e-12)


def shifts(reference, current, **about):
    bins = [freeze(name, values) for name, values in reference.items()]
    return [column_shift(b.column, histogram(b, reference[b.column]), histogram(b, current[b.column]), ordered=b.levels is None, **about) for b in bins]


def normals(rows, columns=20, *, seed, moved=0.0, missing=0.0):
    rng = np.random.default_rng(seed)
    named = {f"x{i}": rng.normal(size=rows) for i in range(columns)}
    named["x0"] = np.where(rng.uniform(size=rows) < missing, np.nan, named["x0"] + moved)
    return named


@pytest.mark.parametrize("rows", [30, 100, 2000])
def test_nothing_moved_is_no_drift(rows):
    alarms = [verdict(shifts(normals(1000, seed=s), normals(rows, seed=1000 + s)), thresholds=Thresholds())["verdict"] != "none" for s in range(40)]
    assert sum(alarms) <= 6


@pytest.mark.parametrize(("change", "kind", "expected"), [
    ({"moved": 0.4}, "distribution", "moderate"), ({"missing": 0.1}, "missing", "moderate"), ({"moved": 1.5}, "distribution", "moderate")])
def test_a_moved_column_is_named_with_what_moved(change, kind, expected):
    found = verdict(shifts(normals(5000, seed=1), normals(1000, seed=2, **change)), thresholds=Thresholds())
    assert found["verdict"] == expected
    assert [(r["column"], r["kind"]) for r in found["reasons"]] == [("x0", kind)]


def test_a_severely_moved_score_is_severe_alone():
    found = verdict(shifts(normals(5000, seed=1), normals(1000, seed=2, moved=1.5)), thresholds=Thresholds(), score="x0")
    assert found["verdict"] == "severe"


def test_a_change_that_is_certain_but_tiny_is_no_drift():
    found = verdict(shifts(normals(200_000, 3, seed=1), normals(200_000, 3, seed=2, moved=0.05)), thresholds=Thresholds())
    assert found["verdict"] == "none"
    assert found["columns"][0]["p"] < 1e-6


def test_unseen_levels_are_drift():
    reference, current = {"x": ["a"] * 500 + ["b"] * 500}, {"x": ["a"] * 200 + ["b"] * 200 + ["c"] * 100}
    found = verdict(shifts(reference, current), thresholds=Thresholds())
    assert (found["reasons"][0]["kind"], found["reasons"][0]["size"]) == ("unseen", 0.2)


def test_repeated_customers_weaken_the_evidence():
    reference, current = normals(1000, 1, seed=1), normals(500, 1, seed=2, moved=0.2)
    alone, repeated = (shifts(reference, current, effect=e)[0]["p"] for e in (1.0, 10.0))
    assert alone < repeated


def test_no_columns_are_no_drift():
    assert verdict([], thresholds=Thresholds()) == {"verdict": "none", "reasons": [], "columns": []}


def test_histograms_of_other_bins_are_refused():
    with pytest.raises(RiskError, match="column x has 2 reference bins and 3 current ones"):
        column_shift("x", Histogram(counts=(1, 2), missing=0), Histogram(counts=(1, 2, 3), missing=0))


def test_a_drifted_column_that_the_model_hardly_uses_does_not_shout():
    moved = shifts(normals(5000, seed=1), normals(1000, seed=2, moved=1.5))
    hardly, much = (verdict(moved, thresholds=Thresholds(), weights={"x0": weight}) for weight in (0.001, 0.3))
    assert (hardly["verdict"], much["verdict"]) == ("none", "severe")
    assert [reason["column"] for reason in hardly["reasons"]] == ["x0"]


def test_columns_that_hardly_count_alone_count_together():
    columns = {f"x{number}": 0.004 for number in range(3)}
    rng = np.random.default_rng(0)
    before, now = ({name: rng.normal(size=2000) + by for name in columns} for by in (0.0, 0.5))
    assert verdict(shifts(before, now), thresholds=Thresholds(least_weight=0.01), weights=columns)["verdict"] == "moderate"


def test_the_direction_is_told():
    # Of the pairs of a reference and a current row, 3 of 4 are higher in the current one (ties count half).
    found = column_shift("x", Histogram(counts=(10, 10), missing=0), Histogram(counts=(0, 10), missing=0))
    assert found["higher"] == pytest.approx(0.75)


def test_levels_that_come_up_anew_at_the_usual_rate_are_no_drift():
    # One row in five has a level that no other row has, in the reference and after it.
    rng = np.random.default_rng(0)

    def names(rows, offset):
        return [f"n{offset + place}" if rng.uniform() < 0.2 else "usual" for place in range(rows)]

    column = reference_column("x", names(1000, 0), np.arange(1000), np.zeros(1000, dtype=int), bins=10)
    shift = column_shift("x", column.histogram, histogram(column.bins, names(400, 5000)), noise=column.noise, ordered=False)
    assert shift["unseen_current"] == pytest.approx(0.2, abs=0.05)
    assert verdict([shift], thresholds=Thresholds())["verdict"] == "none"
