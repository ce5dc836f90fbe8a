"""The estimate without labels: the formula against all pairs, the interval against simulated outcomes, and what it says of itself."""
import msgspec
import numpy as np
import pytest

from models.calibration import log_odds, sigmoid
from models.discrimination import auc
from models.label_free import Standing, compared, estimate, expected_auc, judged, promised_auc, standing_of, standing_of_count, stood

SURE = Standing(centre=-3.0, level_error=1e-9, slope_error=1e-9)


def book(rows=3000, *, seed=1, spread=1.2, middle=-3.5):
    """Calibrated probabilities of a book."""
    return sigmoid(np.random.default_rng(seed).normal(middle, spread, rows))


def all_pairs(probability, score):
    """Expected AUC by every pair of two different rows."""
    weight = probability[:, None] * (1 - probability)[None, :]
    np.fill_diagonal(weight, 0.0)
    won = (score[:, None] > score[None, :]) + 0.5 * (score[:, None] == score[None, :])
    return (weight * won).sum() / weight.sum()


@pytest.mark.parametrize("digits", [None, 1, 0])
def test_the_expected_auc_is_that_of_all_pairs_ties_too(digits):
    probability = book(200)
    score = log_odds(probability) if digits is None else np.round(log_odds(probability), digits)
    assert expected_auc(probability, score) == pytest.approx(all_pairs(probability, score), abs=1e-12)


def test_two_customers_by_hand():
    # The pair counts for 0.5 * 0.8 where the riskier is bad, for 0.2 * 0.5 where the other is.
    assert expected_auc(np.array([0.2, 0.5]), np.array([1.0, 2.0])) == pytest.approx(0.4 / 0.5)


def test_nobody_is_ranked_where_all_score_alike():
    assert expected_auc(np.array([0.1, 0.3, 0.2]), np.zeros(3)) == pytest.approx(0.5)


def test_the_estimate_is_the_mean_of_what_comes_where_the_probabilities_are_true():
    probability, rng = book(), np.random.default_rng(5)
    score = log_odds(probability)
    found = estimate(probability, score, standing=SURE)
    came = [(rng.random(len(probability)) < probability).astype(float) for _ in range(300)]
    assert found["auc"] == pytest.approx(np.mean([auc(target, score) for target in came]), abs=0.005)
    assert found["rate"] == pytest.approx(np.mean([target.mean() for target in came]), rel=0.02)
    assert found["brier"] == pytest.approx(np.mean([((target - probability) ** 2).mean() for target in came]), rel=0.02)


def test_the_interval_holds_what_comes_by_chance_as_often_as_it_says():
    probability, rng = book(), np.random.default_rng(6)
    score = log_odds(probability)
    found = estimate(probability, score, standing=SURE, draws=1000)
    held = [compared(found, (rng.random(len(probability)) < probability).astype(float), probability, score) for _ in range(400)]
    for name in ("auc", "rate", "brier"):
        assert 0.92 < np.mean([each[name]["inside"] for each in held]) < 0.98


def test_the_interval_holds_what_a_shock_and_a_calibration_off_by_its_error_bring():
    probability, rng = book(), np.random.default_rng(8)
    standing, score = Standing(centre=-2.5, level_error=0.3, slope_error=0.2), log_odds(probability)
    found = estimate(probability, score, standing=standing, draws=2000)
    inside = []
    for level, slope in rng.standard_normal((800, 2)):
        truly = sigmoid(-2.5 + 0.3 * level + (1 + 0.2 * slope) * (score + 2.5))
        inside.append(compared(found, (rng.random(len(truly)) < truly).astype(float), probability, score))
    for name in ("auc", "rate"):
        assert 0.92 < np.mean([each[name]["inside"] for each in inside]) < 0.98


@pytest.mark.parametrize("more", [{"asset_correlation": 0.05}, {"repeats": 4.0}, {"standing": Standing(centre=-3.0, level_error=0.4, slope_error=1e-9)}])
def test_every_source_of_error_widens_the_interval(more):
    probability = book()
    plain, wider = (estimate(probability, log_odds(probability), **({"standing": SURE} | given)) for given in ({}, more))
    assert wider["rate_high"] - wider["rate_low"] > 1.3 * (plain["rate_high"] - plain["rate_low"])


def test_a_book_beyond_the_groups_is_estimated_alike():
    probability = book(6001)
    found = estimate(probability, log_odds(probability), standing=SURE, draws=2000)
    one = [estimate(probability[part::3], log_odds(probability[part::3]), standing=SURE, draws=2000) for part in range(3)]
    # Three times the rows, and outcomes alone: the interval is narrower by the root of three.
    width = np.mean([each["auc_high"] - each["auc_low"] for each in one])
    assert found["auc_high"] - found["auc_low"] == pytest.approx(width / np.sqrt(3), rel=0.1)


def test_no_auc_is_estimated_where_not_one_bad_row_is_expected():
    found = estimate(np.full(50, 0.001), np.arange(50.0), standing=SURE)
    assert found["auc"] is found["auc_low"] is found["auc_high"] is None
    assert found["rate"] == pytest.approx(0.001)


def test_the_same_rows_and_seed_give_the_same_figures():
    probability = book()
    assert estimate(probability, probability, standing=SURE) == estimate(probability, probability, standing=SURE)


def test_the_standing_recovers_a_lines_own_errors():
    probability, standing = book(), Standing(centre=-2.0, level_error=0.15, slope_error=0.1)
    z = log_odds(probability)
    reach = 1.6448536 * np.sqrt(0.15**2 + (0.1 * (z + 2.0)) ** 2)
    found = standing_of(probability, sigmoid(z - reach), sigmoid(z + reach), confidence=0.9)
    assert (found.centre, found.level_error, found.slope_error) == pytest.approx((standing.centre, 0.15, 0.1), abs=1e-6)
    assert (found.level, found.slope) == (0.0, 1.0)


def test_the_standing_of_a_count_knows_its_level_as_well_as_a_poisson_count():
    assert standing_of_count(book(), 100).level_error == pytest.approx(0.1)


def test_rows_that_judged_the_calibration_move_it_by_their_precision():
    line = {"offset": 0.4, "offset_low": 0.4 - 0.196, "offset_high": 0.4 + 0.196, "slope": 0.8, "slope_low": 0.8 - 0.392, "slope_high": 0.8 + 0.392}
    found = judged(Standing(centre=-3.0, level_error=0.1, slope_error=0.1), line)
    # Level: both errors are 0.1, so half of 0.4. Slope: 0.1 against 0.2, so a fifth of the way from 1 to 0.8.
    assert (found.level, found.slope) == pytest.approx((0.2, 0.96), abs=1e-4)
    assert (found.level_error, found.slope_error) == pytest.approx((0.1 / np.sqrt(2), 0.1 * np.sqrt(0.8)), abs=1e-4)


def test_a_flatter_calibration_promises_a_lower_auc_and_says_how_surely():
    probability = book()
    score = log_odds(probability)
    steep, se = promised_auc(probability, score, standing=SURE)
    flat, wide = promised_auc(probability, score, standing=Standing(centre=-3.0, slope=0.7, level_error=0.1, slope_error=0.1))
    assert steep == pytest.approx(expected_auc(probability, score), abs=1e-6)
    assert steep - flat > 0.03
    assert se < 1e-6 < 0.005 < wide


def test_a_perfect_standing_leaves_the_probabilities_as_they_are():
    assert stood(book(), SURE) == pytest.approx(book(), abs=1e-12)


def test_what_has_one_class_is_compared_by_rate_alone():
    probability = book(100)
    found = compared(estimate(probability, probability, standing=SURE), np.zeros(100), probability, probability)
    assert sorted(found) == ["brier", "rate"]
    assert found["rate"]["error"] == pytest.approx(probability.mean())


def test_an_interval_of_one_width_leaves_the_slope_as_open_as_the_level():
    probability = sigmoid(np.linspace(-5, 0, 200))
    low, high = (sigmoid(log_odds(probability) + end) for end in (-0.3, 0.3))
    found = standing_of(probability, low, high, confidence=0.9)
    assert 0.05 < found.slope_error < 1
    assert np.isfinite(list(msgspec.structs.astuple(judged(found, LINE)))).all()


def test_a_line_without_errors_changes_nothing():
    given = standing_of_count(sigmoid(np.linspace(-5, 0, 200)), 40)
    nowhere = {f"{name}{end}": np.nan for name in ("offset", "slope") for end in ("", "_low", "_high")}
    assert judged(given, nowhere) == given


LINE = {"offset": 0.1, "offset_low": 0.0, "offset_high": 0.2, "slope": 1.0, "slope_low": 0.8, "slope_high": 1.2}
