"""Weak segments: planted ones are found, and a model without any yields false finds at the stated rate at most."""

import numpy as np
import pytest
from scipy import stats

from models.weak_segments import CALIBRATION, Half, weak_segments, worse


def simulated(rng, *, weak=None, customers=600, rows=4):
    """Rows whose probabilities are true but for the planted weakness where x2 is high; a customer's rows share most of their luck."""
    code = np.repeat(np.arange(customers), rows)
    x = np.repeat(rng.normal(size=(customers, 5)), rows, axis=0)
    raw = -2.6 + x[:, 0] + 0.7 * x[:, 1]
    truth, weak_rows = raw.copy(), x[:, 2] > 0.5
    if weak == "calibration":
        truth[weak_rows] += 1.5
    if weak == "promise":
        truth[weak_rows] = raw[weak_rows][rng.permutation(weak_rows.sum())]
    luck = np.where(rng.uniform(size=len(code)) < 0.7, np.repeat(rng.uniform(size=customers), rows), rng.uniform(size=len(code)))
    target = (luck < 1 / (1 + np.exp(-truth))).astype(float)
    return {f"x{place}": x[:, place] for place in range(5)}, target, 1 / (1 + np.exp(-raw)), raw, code


def test_true_probabilities_yield_false_finds_at_the_stated_rate_at_most():
    rng = np.random.default_rng(0)
    found = sum(bool(weak_segments(*simulated(rng), q=0.2, seed=draw)["found"]) for draw in range(40))
    # Where nothing is weak every find is false, and the false-discovery rate is the chance of any: at most 0.2.
    assert found <= stats.binom.ppf(0.99, 40, 0.2)


def test_columns_that_say_nothing_of_the_risk_are_no_harder_segments():
    rng = np.random.default_rng(1)
    found = 0
    for draw in range(40):
        columns, *rest = simulated(rng)
        found += bool(weak_segments({name: columns[name] for name in ("x2", "x3", "x4")}, *rest, q=0.2, seed=draw)["harder"])
    assert found <= stats.binom.ppf(0.99, 40, 0.2)


@pytest.mark.parametrize("kind", ["calibration", "promise"])
def test_a_planted_weakness_is_found_in_words(kind):
    rng, right = np.random.default_rng(2), 0
    for draw in range(5):
        found = weak_segments(*simulated(rng, weak=kind, customers=2000), seed=draw)["found"]
        right += any(each["kind"] == kind and "x2 above" in each["rule"] for each in found)
    assert right >= 4


def test_a_find_is_described_by_the_customers_that_did_not_search():
    found = weak_segments(*simulated(np.random.default_rng(3), weak="calibration", customers=2000))["found"][0]
    assert found["kind"] == "calibration"
    assert found["figures"]["offset_low"] > found["elsewhere"]["offset_high"]
    assert found["figures"]["rows"] < found["rows"]
    assert found["p"] <= 0.05


def test_it_is_repeatable():
    given = simulated(np.random.default_rng(4), weak="calibration")
    assert weak_segments(*given) == weak_segments(*given)


def test_the_calibration_test_of_independent_rows_is_the_score_test():
    """Rao's test of one more column in a logistic regression with a constant, from its matrices."""
    rng = np.random.default_rng(5)
    probability = rng.uniform(0.2, 0.6, 4000)
    target, inside = (rng.uniform(size=4000) < probability).astype(float), rng.uniform(size=4000) < 0.3
    design, weight = np.column_stack([np.ones(4000), inside]), probability * (1 - probability)
    # The constant's own score is taken out, which the caller's levelled probabilities have at zero.
    residual = target - probability - weight * (target - probability).sum() / weight.sum()
    score = design.T @ residual
    statistic = score @ np.linalg.solve((design * weight[:, None]).T @ design, score)
    half = Half(np.arange(4000), target, probability, probability, np.arange(4000), 1.0)
    assert worse(CALIBRATION, inside, half) == pytest.approx(stats.chi2.sf(statistic, 1), rel=0.2)


def test_too_few_bad_customers_end_in_nothing_found():
    found = weak_segments({"x": np.arange(40.0)}, np.r_[np.ones(3), np.zeros(37)], np.full(40, 0.1), np.arange(40.0), np.arange(40))
    assert (found["found"], found["harder"], found["carried"]) == ([], [], 0)
