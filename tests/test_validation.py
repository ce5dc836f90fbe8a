"""Every statistic against a published value, an independent implementation, or a hand computation."""
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from sklearn import metrics as sk

from features.errors import RiskError
from models import discrimination as rank
from models import probability_tests as truth
from models.clusters import cluster_codes
from models.grades import Grade
from models.validation import metrics, periods


def scored(n=2000, seed=0, *, clusters=None):
    rng = np.random.default_rng(seed)
    raw = rng.normal(-2.5, 1.2, n)
    target = (rng.uniform(size=n) < 1 / (1 + np.exp(-raw))).astype(float)
    return target, np.round(raw, 2)


def test_auc_counts_pairs_and_halves_ties():
    # Pairs (bad, good): 3>1, 3>2, 2>1, 2=2, so (3 + 0.5) / 4.
    assert rank.auc([1, 1, 0, 0], [3, 2, 1, 2]) == 3.5 / 4


@pytest.mark.parametrize(("ours", "theirs"), [(rank.auc, sk.roc_auc_score), (rank.average_precision, sk.average_precision_score),
                                              (rank.ks, lambda t, s: stats.ks_2samp(s[t == 1], s[t == 0]).statistic)])
def test_rankings_agree_with_scikit_learn_and_scipy(ours, theirs):
    target, score = scored()
    assert ours(target, score) == pytest.approx(theirs(target, score), abs=1e-12)


def delong_by_pairs(target, score, other=None):
    """DeLong's variance straight from the definition: an m x n matrix of pair kernels."""
    target, score = np.asarray(target), np.asarray(score, dtype=float)

    def components(s):
        pairs = np.subtract.outer(s[target == 1], s[target == 0])
        kernel = (pairs > 0) + 0.5 * (pairs == 0)
        return kernel.mean(axis=1), kernel.mean(axis=0)

    (v10, v01), (w10, w01) = components(score), components(score * 0 if other is None else np.asarray(other, dtype=float))
    return np.var(v10 - w10, ddof=1) / len(v10) + np.var(v01 - w01, ddof=1) / len(v01)


def test_delong_variance_by_midranks_equals_the_definition():
    target, score = scored(400)
    assert rank.auc_interval(target, score)["se"] ** 2 == pytest.approx(delong_by_pairs(target, score), rel=1e-10)


def test_paired_delong_equals_the_definition_and_knows_the_same_score():
    target, score = scored(400)
    other = score + np.random.default_rng(1).normal(0, 1, 400)
    found = rank.compare_auc(target, score, other)
    assert found["se"] ** 2 == pytest.approx(delong_by_pairs(target, score, other), rel=1e-10)
    assert found["low"] < found["difference"] < found["high"]
    assert rank.compare_auc(target, score, 3 * score)["p"] == 1.0


def test_clusters_widen_the_interval_and_single_rows_do_not():
    target, score = scored(500)
    four = rank.auc_interval(np.tile(target, 4), np.tile(score, 4), groups=np.tile(np.arange(500), 4))["se"]
    single = rank.auc_interval(target, score, groups=np.arange(500))["se"]
    assert four == pytest.approx(single, rel=0.01)
    assert single == pytest.approx(rank.auc_interval(target, score)["se"], rel=0.01)


def test_the_clustered_error_is_that_of_drawing_customers():
    rng, customers = np.random.default_rng(0), 300
    raw = np.repeat(rng.normal(-1, 1, customers), 4) + rng.normal(0, 0.3, 4 * customers)
    target = (np.repeat(rng.uniform(size=customers), 4) < 1 / (1 + np.exp(-raw))).astype(float)
    rows, groups = np.arange(4 * customers).reshape(customers, 4), np.arange(4 * customers) // 4
    draws = [rows[rng.integers(0, customers, customers)].ravel() for _ in range(600)]
    drawn = np.std([sk.roc_auc_score(target[draw], raw[draw]) for draw in draws])
    assert rank.auc_interval(target, raw, groups=groups)["se"] == pytest.approx(drawn, rel=0.1)


def test_the_interval_covers_the_true_auc():
    truth_auc = stats.norm.cdf(1 / np.sqrt(2))
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(300):
        target = np.repeat([1.0, 0.0], [40, 160])
        found = rank.auc_interval(target, rng.normal(size=200) + target)
        inside += found["low"] <= truth_auc <= found["high"]
    assert 0.92 <= inside / 300 <= 0.98


def test_a_perfect_score_has_a_point_interval():
    assert rank.auc_interval([0, 0, 1, 1], [1, 2, 3, 4])["low"] == 1.0


def test_average_precision_interval_holds_the_value_and_is_repeatable():
    target, score = scored()
    found = rank.average_precision_interval(target, score, repeats=100)
    assert found["low"] < found["average_precision"] < found["high"]
    assert rank.average_precision_interval(target, score, repeats=100) == found


def average_precision_draws(target, score, groups, *, repeats, seed):
    """The bootstrap from its definition: draw customers, weigh their rows, sort and sum anew."""
    rng, ids = np.random.default_rng(seed), np.unique(groups)
    drawn = [np.bincount(rng.integers(0, len(ids), len(ids)), minlength=len(ids)) for _ in range(repeats)]
    weights = [times[np.searchsorted(ids, groups)] for times in drawn]
    return [sk.average_precision_score(target, score, sample_weight=weight) if (weight * target).any() else np.nan for weight in weights]


@pytest.mark.parametrize("rows", [15, 600])
@pytest.mark.parametrize("digits", [0, 6])
def test_the_bootstrap_by_weights_equals_its_definition(rows, digits):
    target, score = scored(rows, seed=5)
    target[0], score = 1.0, np.round(score, digits)
    groups = np.array([f"c{i // 3}" for i in range(rows)])
    found = rank.average_precision_interval(target, score, groups=groups, repeats=60)
    naive = np.nanquantile(average_precision_draws(target, score, groups, repeats=60, seed=0), [0.025, 0.975])
    assert (found["low"], found["high"]) == pytest.approx(tuple(naive), abs=1e-12)


def test_cluster_codes_follow_sorted_ids_and_keep_the_missing_together():
    assert cluster_codes(["b", "a", None, "b", None]).tolist() == [1, 0, 2, 1, 2]
    assert cluster_codes(cluster_codes(["b", "a", "b"])).tolist() == [1, 0, 1]


def test_capture_of_the_riskiest_rows():
    found, = rank.capture([1, 0, 1, 0, 0, 0, 0, 0, 0, 0], [9, 8, 7, 6, 5, 4, 3, 2, 1, 0], shares=(0.3,))
    assert found == {"share": 0.3, "rows": 3, "captured": 1.0, "precision": pytest.approx(2 / 3), "lift": pytest.approx(10 / 3)}


@pytest.mark.parametrize("target", [np.zeros(5), np.ones(5), np.array([0, 1, np.nan, 0, 1])])
def test_one_class_or_a_missing_target_is_refused(target):
    with pytest.raises(RiskError, match="needs both classes and no missing value"):
        rank.auc(target, np.arange(5))


def test_brier_and_log_loss_agree_with_scikit_learn():
    target, raw = scored()
    p = 1 / (1 + np.exp(-raw))
    assert truth.brier(target, p) == pytest.approx(sk.brier_score_loss(target, p), abs=1e-12)
    assert truth.log_loss(target, p) == pytest.approx(sk.log_loss(target, p), abs=1e-12)


def test_expected_calibration_error_by_hand():
    # Two bins of two rows: predicted 0.1 and 0.6, observed 0 and 0.5.
    assert truth.expected_calibration_error([0, 0, 1, 0], [0.1, 0.1, 0.6, 0.6], bins=2) == pytest.approx(0.5 * 0.1 + 0.5 * 0.1)


def test_the_calibration_line_agrees_with_statsmodels():
    target, raw = scored()
    model = sm.Logit(target, sm.add_constant(raw)).fit(disp=0)
    low, high = model.conf_int()[1]
    found = truth.calibration_line(target, raw)
    assert (found["slope"], found["slope_low"], found["slope_high"]) == pytest.approx((model.params[1], low, high), abs=1e-6)


def test_its_clustered_interval_agrees_with_statsmodels():
    target, raw = scored(600)
    groups = np.arange(600) // 3
    model = sm.Logit(target, sm.add_constant(raw)).fit(disp=0, cov_type="cluster", cov_kwds={"groups": groups, "use_correction": False})
    found = truth.calibration_line(target, raw, groups=groups)
    for name, error in zip(("intercept", "slope"), model.bse, strict=True):
        assert (found[f"{name}_high"] - found[f"{name}_low"]) / 2 / stats.norm.ppf(0.975) == pytest.approx(error, rel=1e-6)


def test_the_offset_agrees_with_a_fit_at_slope_one():
    target, raw = scored()
    model = sm.GLM(target, np.ones(len(raw)), family=sm.families.Binomial(), offset=raw).fit()
    assert truth.calibration_line(target, raw)["offset"] == pytest.approx(model.params[0], abs=1e-6)


def test_hosmer_lemeshow_by_hand():
    # Two bins of ten rows, expected 1 and 5, observed 2 and 5: (2-1)^2 / 0.9 + 0.
    target = np.r_[np.repeat([1, 0], [2, 8]), np.repeat([1, 0], [5, 5])]
    found = truth.hosmer_lemeshow(target, np.repeat([0.1, 0.5], 10), bins=2)
    assert found == {"statistic": pytest.approx(1 / 0.9), "degrees": 2, "p": pytest.approx(stats.chi2.sf(1 / 0.9, 2))}


@pytest.mark.parametrize("test", [lambda t, p: truth.hosmer_lemeshow(t, p)["p"], lambda t, p: truth.spiegelhalter(t, p)["p"]])
def test_calibration_tests_reject_true_probabilities_as_often_as_they_say(test):
    rng = np.random.default_rng(0)
    p = rng.uniform(0.02, 0.6, 2000)
    rejected = np.mean([test((rng.uniform(size=2000) < p).astype(float), p) < 0.05 for _ in range(400)])
    assert 0.025 <= rejected <= 0.085


@pytest.mark.parametrize(("bad", "rows", "rate"), [(0, 10, 0.3), (10, 10, 0.3), (7, 100, 0.03), (31_200, 1_000_000, 0.031)])
def test_tests_of_a_rate_agree_with_scipy(bad, rows, rate):
    assert truth.binomial_test(bad, rows, rate) == pytest.approx(stats.binom.sf(bad - 1, rows, rate), abs=1e-9)
    assert truth.jeffreys_test(bad, rows, rate) == pytest.approx(stats.beta.cdf(rate, bad + 0.5, rows - bad + 0.5), abs=1e-12)
    low, high = stats.beta.ppf([0.025, 0.975], bad + 0.5, rows - bad + 0.5)
    assert truth.jeffreys_interval(bad, rows) == pytest.approx((low if bad else 0.0, high if bad < rows else 1.0), abs=1e-12)


def test_tests_of_the_whole_agree_with_scipy():
    target, raw = scored()
    p = 1 / (1 + np.exp(-0.9 * raw))
    fit, z = truth.hosmer_lemeshow(target, p), truth.spiegelhalter(target, p)
    assert fit["p"] == pytest.approx(stats.chi2.sf(fit["statistic"], 10), abs=1e-12)
    assert z["p"] == pytest.approx(2 * stats.norm.sf(abs(z["z"])), abs=1e-12)


def test_spiegelhalters_z_is_the_brier_scores_distance_from_what_its_own_probabilities_expect():
    target, raw = scored(500, seed=3)
    p = 1 / (1 + np.exp(-0.8 * raw))
    drawn = (np.random.default_rng(0).uniform(size=(40_000, 500)) < p).astype(float)
    briers = ((drawn - p) ** 2).mean(axis=1)
    assert truth.spiegelhalter(target, p)["z"] == pytest.approx((truth.brier(target, p) - briers.mean()) / briers.std(), abs=0.05)


def test_jeffreys_posterior_by_numerical_integration():
    x = np.linspace(1e-9, 0.03, 200_001)
    density = x ** 4.5 * (1 - x) ** 94.5
    whole = np.linspace(1e-9, 1, 2_000_001)
    share = np.trapezoid(density, x) / np.trapezoid(whole ** 4.5 * (1 - whole) ** 94.5, whole)
    assert truth.jeffreys_test(5, 100, 0.03) == pytest.approx(share, rel=1e-4)


@pytest.mark.parametrize(("bad", "rows", "low", "high"), [(0, 10, 0.0, 0.2172), (10, 10, 0.7828, 1.0)])
def test_jeffreys_interval_at_the_ends(bad, rows, low, high):
    # Brown, Cai and DasGupta (2001): the end at a bound is the bound itself.
    assert truth.jeffreys_interval(bad, rows) == pytest.approx((low, high), abs=1e-4)


def test_the_design_effect_is_the_mean_clump():
    assert truth.design_effect([1, 1, 1, 1, 0, 0], list("aaabcc")) == (3 * 3 + 1) / 4
    assert truth.design_effect([0, 0], list("ab")) == 1.0


def test_the_common_shock_s_variance_agrees_with_a_simulation():
    factor = np.random.default_rng(0).normal(size=400_000)
    rate = stats.norm.cdf((stats.norm.ppf(0.03) - np.sqrt(0.1) * factor) / np.sqrt(0.9))
    assert truth.shock_variance(0.03, 0.1) == pytest.approx(rate.var(), rel=0.02)


@pytest.mark.parametrize(("rate", "correlation"), [(1e-4, 0.05), (0.03, 0.1), (0.5, 0.3), (0.97, 0.9)])
def test_and_with_the_bivariate_normal(rate, correlation):
    edge = stats.norm.ppf(rate)
    both = stats.multivariate_normal.cdf([edge, edge], cov=[[1, correlation], [correlation, 1]])
    assert truth.shock_variance(rate, correlation) == pytest.approx(both - rate ** 2, abs=1e-12)


@pytest.mark.parametrize(("rows", "rate"), [(1, 0.4), (500, 0.02), (200_000, 0.013), (3000, 0.999)])
def test_without_shock_or_repeats_the_interval_is_binomial(rows, rate):
    assert truth.predictive_interval(rows, rate) == tuple(stats.binom.ppf([0.025, 0.975], rows, rate))


@pytest.mark.parametrize(("rows", "rate", "repeats"), [(30, 0.1, 2.0), (5000, 0.02, 1.5), (100_000, 0.03, 40.0), (400, 0.001, 300.0)])
def test_with_repeats_it_is_beta_binomial(rows, rate, repeats):
    strength = (rows - 1) / (repeats - 1) - 1
    law = stats.betabinom(rows, rate * strength, (1 - rate) * strength)
    total = np.cumsum(law.pmf(np.arange(rows + 1)))
    assert truth.predictive_interval(rows, rate, repeats=repeats) == tuple(np.searchsorted(total, [0.025, 0.975]))


@pytest.mark.parametrize("wider", [{"repeats": 3.0}, {"asset_correlation": 0.05}, {"estimated_from": 30}])
def test_each_source_of_error_widens_the_interval(wider):
    low, high = truth.predictive_interval(2000, 0.02)
    more = truth.predictive_interval(2000, 0.02, **wider)
    assert more[0] < low
    assert more[1] > high


def test_the_interval_covers_counts_with_repeats_shock_and_an_estimated_pd():
    rng, inside = np.random.default_rng(0), 0
    for _ in range(400):
        estimate = rng.poisson(60) / 60 * 0.03
        shocked = stats.norm.cdf((stats.norm.ppf(0.03) + np.sqrt(0.03) * rng.normal()) / np.sqrt(0.97))
        bad = 3 * rng.binomial(500, shocked)
        low, high = truth.predictive_interval(1500, estimate, repeats=3.0, asset_correlation=0.03, estimated_from=60)
        inside += low <= bad <= high
    assert 0.92 <= inside / 400 <= 0.985


@pytest.mark.parametrize(("rows", "rate"), [(1, 0.01), (10, 0.9999), (1_000_000, 0.03)])
def test_extreme_books_have_intervals_inside_their_size(rows, rate):
    low, high = truth.predictive_interval(rows, rate, repeats=2.0, asset_correlation=0.05, estimated_from=20)
    assert 0 <= low <= high <= rows


def test_a_certain_pd_has_no_interval():
    with pytest.raises(RiskError, match="strictly between 0 and 1"):
        truth.predictive_interval(10, 0.0)


GRADES = (Grade("A", 0.05, 0.02), Grade("B", 0.2, 0.1), Grade("C", 0.9, 0.4), Grade("D", 1.0, 0.95))


def judged(n=2000):
    target, raw = scored(n)
    p = 1 / (1 + np.exp(-raw))
    return pd.DataFrame({"target": target, "probability": p, "raw_score": raw, "customer_id": [f"c{i // 4}" for i in range(n)],
                         "grade": np.select([p < 0.05, p < 0.2], ["A", "B"], "C"), "as_of": pd.date_range("2022-01-01", periods=n, freq="8h")})


def test_metrics_are_complete_plain_and_repeatable():
    found = metrics(judged(), GRADES, repeats=50)
    assert found == metrics(judged(), GRADES, repeats=50)
    assert found["discrimination"]["gini"] == pytest.approx(2 * found["discrimination"]["auc"] - 1)
    assert found["bad"] == judged()["target"].sum()
    assert [row["grade"] for row in found["grades"]] == ["A", "B", "C", "D"]
    assert found["grades"][3]["rows"] == 0
    assert found["grades_inside"] == 1.0
    assert sum(row["rows"] for row in found["periods"]) == 2000


def test_the_interval_of_a_period_is_that_of_its_rows_by_customer():
    frame = judged()
    first = frame[frame["as_of"] < "2022-04-01"]
    alone = rank.auc_interval(first["target"], first["raw_score"], groups=first["customer_id"])
    row = periods(frame)[0]
    assert (row["auc"], row["auc_low"], row["auc_high"]) == (alone["auc"], alone["low"], alone["high"])
    assert row["auc_low"] < row["auc"] < row["auc_high"]


@pytest.mark.parametrize(("customers", "sure"), [(9, False), (10, True)])
def test_a_period_of_few_bad_customers_has_an_auc_without_an_interval(customers, sure):
    frame = judged(400).assign(as_of=pd.Timestamp("2022-01-01"), customer_id=[f"c{place}" for place in range(400)], target=0)
    # Two bad rows each: rows are many, customers few.
    frame.loc[frame.index[: 2 * customers], ["target", "customer_id"]] = [[1, f"b{place // 2}"] for place in range(2 * customers)]
    row, = periods(frame)
    assert row["auc"] == pytest.approx(rank.auc(frame["target"], frame["raw_score"]))
    assert [row[end] is not None for end in ("auc_low", "auc_high")] == [sure, sure]


def test_a_period_with_one_class_has_no_auc():
    frame = judged(40).assign(target=[0] * 39 + [1], as_of=[pd.Timestamp("2022-01-01")] * 39 + [pd.Timestamp("2022-07-01")])
    assert [(row["period"], row["auc"], row["auc_low"]) for row in periods(frame)] == [("2022-01-01", None, None), ("2022-07-01", None, None)]


@pytest.mark.parametrize(("change", "message"), [
    (lambda t: t.drop(columns="grade"), "column grade is missing"),
    (lambda t: t.assign(target=[np.nan, *t["target"][1:]]), "1 of 2000 rows lack target or probability"),
    (lambda t: t.assign(target=0.0), "0 bad of 2000 rows"),
])
def test_bad_input_is_named(change, message):
    with pytest.raises(RiskError, match=message):
        metrics(change(judged()), GRADES)


def test_what_the_stages_import_stays_light():
    # scipy.stats alone costs more than most stages.
    code = ("import sys, models.validation, models.stability, models.retrain, models.target, models.leaks, models.fairness, models.profit; "
            "import models.weak_segments, models.learning_curve, models.sensitivity, models.sample_shift, models.reject_inference; "
            "sys.exit(any(name.startswith(('scipy.stats', 'sklearn')) for name in sys.modules))")
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
