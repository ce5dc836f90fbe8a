"""Intervals of the PD: the same error as statsmodels', the spline natural, the curve inside, and the truth held about as often as said."""
import msgspec
import numpy as np
import pytest
import statsmodels.api as sm
from chinese_bundle import bundle as chinese

from benchmarks.intervals import CURVES, coverage
from models import calibration as cal
from models.curves import fit_curves
from models.intervals import _design, fit_interval, fitted
from models.scoring import from_raw


def sample(customers=3000, rows=4, seed=0):
    rng = np.random.default_rng(seed)
    score = (rng.normal(-3, 1.2, (customers, 1)) + rng.normal(0, 0.3, (customers, rows))).ravel()
    luck = np.repeat(rng.uniform(size=customers), rows)
    return score, (luck < cal.sigmoid(score)).astype(float), np.repeat(np.arange(customers), rows)


def test_the_error_over_customers_is_statsmodels():
    score, target, groups = sample()
    design = _design(score, np.quantile(score, (0.05, 0.5, 0.95)))
    weights, covariance = fitted(design, target, groups)
    theirs = sm.GLM(target, design, family=sm.families.Binomial()).fit(cov_type="cluster", cov_kwds={"groups": groups, "use_correction": False})
    # Platt's softened targets move the weights by the order of one row, and statsmodels leaves out the factor n / (n - 1).
    assert weights == pytest.approx(theirs.params, rel=0.03, abs=0.02)
    assert np.sqrt(np.diag(covariance)) == pytest.approx(np.sqrt(np.diag(theirs.cov_params())), rel=0.01)


def test_rows_of_one_customer_count_once():
    score, target, groups = sample()
    design = np.column_stack([score, np.ones(len(score))])
    _, by_customer = fitted(design, target, groups)
    _, by_row = fitted(design, target, np.arange(len(score)))
    assert np.sqrt(by_customer[0, 0] / by_row[0, 0]) > 1.5


def test_the_spline_is_straight_beyond_its_outer_bends_and_smooth_at_them():
    bends = np.array([-5.0, -3.0, -1.0])
    outside = np.r_[np.linspace(-9, -5, 50), np.linspace(-1, 4, 50)]
    for side in (outside[:50], outside[50:]):
        assert np.abs(np.diff(_design(side, bends)[:, 1], 2)).max() < 1e-9
    inside = _design(np.linspace(-5, -1, 2001), bends)[:, 1]
    assert np.abs(np.diff(inside, 2)).max() > 1e-7
    assert np.abs(np.diff(inside, 3)).max() < 1e-7


@pytest.mark.parametrize("method", cal.METHODS)
def test_the_curve_lies_inside_and_both_ends_rise(method):
    score, target, groups = sample(800)
    knots = cal.fit(score, target, method=method)
    interval = fit_interval(knots, score, target, groups, level=0.9)
    low, y, high = np.array(interval.low), np.array(knots.y), np.array(interval.high)
    assert ((low <= y) & (y <= high)).all()
    assert (np.diff(low) >= 0).all()
    assert (np.diff(high) >= 0).all()


def test_more_customers_and_less_confidence_make_it_narrower():
    def width(customers, level):
        score, target, groups = sample(customers)
        interval = fit_interval(cal.fit(score, target, method="logistic"), score, target, groups, level=level)
        return np.log(interval.high[256] / interval.low[256])

    assert width(8000, 0.9) < 0.6 * width(2000, 0.9)
    assert width(2000, 0.5) < 0.6 * width(2000, 0.9)


@pytest.mark.parametrize("score", [np.full(400, -2.0), np.where(np.arange(400) < 200, -3.0, -1.0)], ids=["one score", "two scores"])
def test_scores_that_hardly_vary_have_an_interval(score):
    target = (np.arange(400) % 10 == 0).astype(float)
    interval = fit_interval(cal.fit(score, target, method="logistic"), score, target, np.arange(400), level=0.9)
    assert np.isfinite([interval.low, interval.high]).all()


@pytest.mark.slow
def test_it_holds_the_truth_where_venn_abers_pairs_do_not():
    found, _ = coverage(CURVES["a line"], repeats=40, customers=1500, rows=3)
    assert 0.82 <= found["shipped"][0].mean() <= 0.97
    assert found["Venn-Abers pair"][0].mean() < 0.5


def test_a_prior_moves_curve_and_interval_by_the_same_odds():
    score, target, groups = sample(1000)
    given = {"method": "logistic", "level": 0.9, "points": cal.Points(), "seed": 0}
    before, none, _ = fit_curves(score, target, groups, prior_rate=None, **given)
    after, prior, probability = fit_curves(score, target, groups, prior_rate=0.02, **given)
    assert none is None
    assert (prior["sample_rate"], prior["rate"]) == (target.mean(), 0.02)
    assert prior["offset"] == pytest.approx(np.log(0.02 / 0.98) - np.log(target.mean() / (1 - target.mean())))
    for name in ("y", "low", "high"):
        values = [np.array(getattr(each["knots" if name == "y" else "interval"], name)) for each in (before, after)]
        open_ends = (values[1] > cal.LOWEST) & (values[0] < cal.HIGHEST) & (values[0] > cal.LOWEST)
        odds = [np.log(value[open_ends] / (1 - value[open_ends])) for value in values]
        assert odds[1] - odds[0] == pytest.approx(prior["offset"])
    assert np.array_equal(probability, cal.apply(after["knots"], score))


def test_scores_carry_the_interval_and_an_older_bundle_none():
    raw = np.linspace(-9, 3, 4001)
    scores = from_raw(chinese(), raw)
    assert ((scores.pd_low <= scores.probability) & (scores.probability <= scores.pd_high)).all()
    assert (scores.pd_high - scores.pd_low).max() > 0.01
    older = type(chinese())(msgspec.structs.replace(chinese().manifest, interval=msgspec.UNSET), chinese().booster, chinese().booster_text)
    assert np.isnan(from_raw(older, raw).pd_low).all()
    assert np.array_equal(from_raw(older, raw).probability, scores.probability)
