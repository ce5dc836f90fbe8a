"""The dated context: where a value stands among its industry on a date, and what was known of a counterparty by a day."""

import numpy as np
import pytest
from naive import running_counts

from features.arrays import DAY, categorize
from features.context import Context, quantile_knots

JANUARY, FEBRUARY = 1_675_123_200, 1_677_542_400  # 2023-01-31 and 2023-02-28


def knots_of(values, *, industry=None, as_of=JANUARY, **rules):
    dates = np.full(len(values), as_of)
    return quantile_knots({"x": np.array(values, dtype=float)}, industry and categorize(industry), dates, **rules)


def place(context, value, *, industry=None, as_of=JANUARY):
    own = categorize([industry]) if industry else None
    return context.quantiles(["x"], np.array([[value]]), own, np.array([as_of]))[0, 0]


@pytest.mark.parametrize(
    ("value", "expected"), [(0, 0), (-5, 0), (100, 1), (500, 1), (50, 0.5), (52.5, 0.525), (5, 0.05), (np.nan, np.nan)]
)
def test_a_value_is_placed_between_the_quantiles_of_all(value, expected):
    assert place(Context(knots_of(range(101))), value) == pytest.approx(expected, nan_ok=True)


def test_a_value_that_many_share_stands_in_their_middle():
    # 21 knots: the lowest eleven are 0, so 0 stands at the middle of the places 0 to 10
    context = Context(knots_of([0] * 51 + list(range(1, 51))))
    assert place(context, 0) == 5 / 20


def test_an_industry_is_compared_with_itself_and_a_small_one_with_everybody():
    values, industry = [*range(100), *range(1000, 1040), 5000], ["retail"] * 100 + ["steel"] * 40 + ["rare"]
    context = Context(knots_of(values, industry=industry))
    assert place(context, 1039, industry="steel") == 1
    assert place(context, 99, industry="retail") == 1
    assert place(context, 5000, industry="rare") == place(context, 5000) == 1
    assert place(context, 99, industry="rare") == place(context, 99) < 0.75


@pytest.mark.parametrize(
    ("as_of", "expected"), [(JANUARY - 1, np.nan), (JANUARY, 1), (FEBRUARY - 1, 1), (FEBRUARY, 0), (FEBRUARY + 400 * DAY, 0)]
)
def test_the_latest_quantiles_up_to_as_of_count(as_of, expected):
    later = quantile_knots({"x": np.arange(100.0) + 1000}, None, np.full(100, FEBRUARY))
    (dates, first), (more, second) = knots_of(range(100))["x", None], later["x", None]
    context = Context({("x", None): (np.concatenate([dates, more]), np.concatenate([first, second]))})
    assert place(context, 500, as_of=as_of) == pytest.approx(expected, nan_ok=True)


def test_observations_of_one_moment_are_compared_with_each_other():
    assert knots_of(range(40))["x", None][0].tolist() == [JANUARY]


def test_a_month_is_drawn_anew_whenever_it_has_doubled_and_when_it_is_over():
    # two observations a day from the 12th on: 32 of them by the 27th, 40 by the 31st
    knots = quantile_knots({"x": np.arange(40.0)}, None, JANUARY - np.arange(40) % 20 * DAY)
    assert knots["x", None][0].tolist() == [JANUARY - 4 * DAY, JANUARY + DAY - 1]
    assert [drawn[-1] for drawn in knots["x", None][1]] == [39, 39]


def test_an_observation_of_a_later_day_of_the_month_moves_no_earlier_quantile():
    early = quantile_knots({"x": np.arange(40.0)}, None, np.full(40, JANUARY - 5))
    both = quantile_knots({"x": np.arange(90.0)}, None, np.repeat([JANUARY - 5, JANUARY], [40, 50]))
    assert both["x", None][0].tolist() == [JANUARY - 5, JANUARY]
    assert np.array_equal(both["x", None][1][0], early["x", None][1][0])


def test_too_few_values_give_no_quantiles():
    assert knots_of(range(19)) == {}
    assert list(knots_of(range(19), least_members=19)) == [("x", None)]


def counts(known, frauds=(), *, begin=0, end=100 * DAY):
    """A context of one counterparty whose transactions and frauds became known on these days."""
    known, frauds = (np.array([int(each * DAY) for each in days], dtype=np.int64) for days in (known, frauds))
    zeros = [np.zeros(len(each), dtype=np.int64) for each in (known, frauds)]
    return Context(counterparties=running_counts(("B",), zeros[0], known, zeros[1], frauds, begin=begin, end=end))


def figure(context, measure, day, name="B"):
    row = context.counterparty_row(context.counterparty_codes(categorize([name])), np.array([int(day * DAY)]))
    return context.counterparty_count(measure, row)[0]


@pytest.mark.parametrize(("day", "count", "frauds"), [(0.9, 0, 0), (1, 1, 0), (2.9, 1, 0), (3, 3, 0), (6, 3, 1), (50, 3, 1)])
def test_what_became_known_on_a_day_counts_from_the_next_midnight(day, count, frauds):
    context = counts([0.5, 2.2, 2.8], [5.1])
    assert (figure(context, "count", day), figure(context, "frauds", day)) == (count, frauds)


def test_a_counterparty_never_seen_has_no_past():
    assert figure(counts([0.5]), "count", 5, name="C") == 0


def test_what_is_known_after_the_end_is_left_out_and_before_the_begin_summed_up():
    context = counts([1, 2, 8, 9, 20], begin=5 * DAY, end=10 * DAY)
    assert context.counterparties.date.tolist() == [5 * DAY, 8 * DAY, 9 * DAY]
    assert context.counterparties.count.tolist() == [2, 3, 4]


def test_the_digest_follows_what_is_said():
    first, same, other = (Context(knots_of(range(size)), counts([1]).counterparties).digest() for size in (40, 40, 41))
    assert first == same != other


def test_an_empty_context_survives_being_stored():
    assert Context.from_rows(Context().to_rows()).digest() == Context().digest()
