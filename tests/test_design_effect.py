"""How many independent rows a sample counts for, against worked examples and simulated customers and dates."""

import numpy as np
import pytest

from models.design_effect import Noise, Spread, measure, rows_a_customer, sizes
from models.drift_reference import period_codes, reference_column
from models.histograms import histogram
from models.stability import column_shift


def test_rows_a_customer_as_the_average_row_sees_it():
    # One customer with three rows, one with one: three rows see three, one sees one.
    assert rows_a_customer(np.array([0, 0, 0, 1])) == (9 + 1) / 4


def column(customers, dates, *, keep, market, seed=0):
    """A hidden normal variable of each customer at each date, and one of the date, in the shares of variance asked."""
    rng = np.random.default_rng(seed)
    own, new, date = rng.standard_normal(customers), rng.standard_normal((dates, customers)), rng.standard_normal(dates)
    values = np.sqrt(keep) * own + np.sqrt(1 - keep - market) * new + np.sqrt(market) * date[:, None]
    return values.ravel(), np.tile(np.arange(customers), dates), np.repeat(np.arange(dates), customers)


def noise(values, who, when):
    return reference_column("x", values, who, when, bins=10).noise


@pytest.mark.parametrize(("keep", "repeats"), [(0.0, 1.0), (0.5, 4.35), (1.0, 8.0)])
def test_customers_that_resemble_themselves_count_for_fewer_rows(keep, repeats):
    # 1 + (8 - 1) times the correlation of a customer's ranks, 6 / pi asin(keep / 2) for normal variables.
    found = noise(*column(2000, 8, keep=keep, market=0.0))
    assert found.location.repeats == pytest.approx(repeats, rel=0.08)
    assert (found.a_customer, found.periods) == (8, 8)


def test_a_constant_customer_s_rows_count_for_one_in_every_figure():
    found = noise(*column(500, 4, keep=1.0, market=0.0))
    assert [found.location.repeats, found.width.repeats, found.cells] == pytest.approx([4, 4, 4], rel=0.01)


def test_variance_from_date_to_date_is_found_and_rows_of_one_date_are_none():
    found = [noise(*column(400, 40, keep=0.0, market=0.2, seed=seed)).location.between for seed in range(10)]
    assert np.mean(found) == pytest.approx(0.19, abs=0.04)
    assert noise(*column(400, 1, keep=0.0, market=0.2)).location.between == 0.0


def test_what_is_the_same_for_all_on_a_date_counts_for_one_row_a_date():
    found = noise(*column(300, 12, keep=0.0, market=1.0))
    assert found.location.between == pytest.approx(1.0)
    assert sizes(found.location, found, reference_rows=3600, current_rows=300).current == pytest.approx(1.0, abs=0.01)


def test_sizes_by_hand():
    # The current 100 rows are of 50 customers of two rows with correlation (3 - 1) / (5 - 1): 100 / 1.5 rows; and 0.01 between dates.
    found = sizes(Spread(repeats=3.0, between=0.01), Noise(a_customer=5.0, periods=10), reference_rows=300, current_rows=100, current_repeats=2.0)
    assert found.current == pytest.approx(1 / (0.015 + 0.01))
    assert found.reference == pytest.approx(1 / (0.01 + 0.001))
    assert found.degrees == pytest.approx(9 * ((0.01 + 0.015 + 0.011) / 0.011) ** 2)


def test_rows_of_new_customers_are_compared_by_the_worst_where_the_reference_has_no_repeats():
    found = sizes(Spread(), Noise(), reference_rows=100, current_rows=100, current_repeats=4.0)
    assert found.current == pytest.approx(25)


@pytest.mark.parametrize(("keep", "market"), [(0.0, 0.0), (0.8, 0.0), (0.8, 0.1), (0.0, 1.0)])
def test_false_alarms_of_one_column_keep_to_their_rate(keep, market):
    p = []
    for seed in range(250):
        values, who, when = column(200, 13, keep=keep, market=market, seed=seed)
        learned = when < 12
        known = reference_column("x", values[learned], who[learned], when[learned], bins=10)
        p.append(column_shift("x", known.histogram, histogram(known.bins, values[~learned]), noise=known.noise)["p"])
    assert np.mean(np.array(p) < 0.05) < 0.09


def test_noise_is_measured_on_some_rows_as_on_all():
    values, who, when = column(4000, 6, keep=0.5, market=0.05)
    every, some = (reference_column("x", values, who, when, bins=10, noise_rows=rows) for rows in (None, np.flatnonzero(who < 2000)))
    assert some.histogram == every.histogram
    assert some.noise.location.repeats == pytest.approx(every.noise.location.repeats, rel=0.1)


def test_a_category_has_no_ranks_and_a_column_without_values_no_noise():
    names = [f"L{place % 3}" for place in range(30)]
    found = reference_column("x", names, np.arange(30) // 3, np.zeros(30, dtype=int), bins=10).noise
    assert (found.location, found.cells) == (Spread(), 1.0)
    nothing = measure(np.full(4, 1), 1, np.zeros((1, 2)), np.arange(4), np.zeros(4, dtype=int))
    assert nothing.moving == ()


def test_dates_are_days_where_there_are_few_and_blocks_of_days_where_there_are_many():
    days = np.datetime64("2024-01-01") + np.arange(100)
    assert period_codes(days[:3]).tolist() == [0, 1, 2]
    assert period_codes(days, days=7).max() == 14
