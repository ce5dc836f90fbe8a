"""The kernel against a loop that anyone can read."""

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features import kernel
from features.arrays import DAY
from features.distinct import distinct
from features.errors import RiskError

START = 1_600_000_000
SPANS = (DAY, 7 * DAY, 30 * DAY)


def naive_rows(rows, entity, as_of, span):
    """Places of the rows that an observation may see in a window, in their order of time."""
    return [
        place
        for place in range(len(rows["entity"]))
        if rows["entity"][place] == entity and as_of - span < rows["occurred"][place] <= as_of and rows["known"][place] <= as_of
    ]


def table(entity, days, lags, values):
    """Rows sorted as feeders sort them."""
    entity, occurred = np.array(entity, dtype=np.int64), START + (np.array(days) * DAY).astype(np.int64)
    rows = {
        "entity": entity,
        "occurred": occurred,
        "known": occurred + (np.array(lags) * DAY).astype(np.int64),
        "value": np.array(values, dtype=np.int64),
    }
    order = np.lexsort((rows["known"], rows["occurred"], rows["entity"]))
    return {name: column[order] for name, column in rows.items()}


SLOTS = 2


def windows(rows, entity, as_of):
    """The table as every slot of one line, so that slots are shown not to touch each other."""
    slot = rows["entity"], rows["occurred"], rows["known"]
    line = kernel.line_of([slot] * SLOTS, width=9, since=min(as_of))
    spans = np.array(SPANS)[:, None].repeat(SLOTS, axis=1)
    return kernel.windows(line, np.array([entity] * SLOTS, dtype=np.int64), np.array(as_of, dtype=np.int64), spans=spans)


def measured(rows, entity, as_of, where=None):
    """Every measure over the rows where `where` holds, {name: (k, n)}, the same for every slot."""
    wins = windows(rows, entity, as_of)
    flat = kernel.Flat(wins, np.arange(SLOTS))
    where = np.ones(len(rows["entity"]), dtype=bool) if where is None else where
    mask, value = (np.concatenate([wins.line.arrange(slot, column) for slot in range(SLOTS)]) for column in (where, rows["value"]))
    group = np.concatenate([wins.line.arrange(slot, rows["entity"] * 100 + rows["value"]) for slot in range(SLOTS)])
    counted, whole = kernel.Counted(flat, mask), np.where(mask, value, 0)
    low, high = (np.where(mask, sign * value, kernel.lowest(value.dtype)) for sign in (-1, 1))
    found = {
        "count": counted.counts,
        "sum": kernel.totals(flat, whole, counts=counted.counts),
        "max": kernel.largest(flat, high),
        "min": -kernel.largest(flat, low),
        "latest": counted.last,
        "distinct": distinct(flat, mask, group),
    }
    found["sd"], found["wide"] = kernel.deviations(flat, whole, counts=found["count"], sums=found["sum"], high=found["max"], low=found["min"])
    found |= row_by_row(flat, value, mask)
    for name, figures in found.items():
        assert np.array_equal(figures[:, 0], figures[:, 1], equal_nan=figures.dtype.kind == "f"), name
    return {name: figures[:, 0] for name, figures in found.items()}


def row_by_row(flat, value, mask):
    measures = {"float": (value / 3, kernel.added, 0.0, 1), "mean": (value, kernel.averaged, np.nan, 1), "sd2": (value, kernel.two_pass, np.nan, 2)}
    column, depth = (each.ravel() for each in np.meshgrid(np.arange(SLOTS), np.arange(len(SPANS))))
    return {
        name: kernel.ordered(flat, values.astype(float), mask, column, depth, measure, empty=empty, least=least).reshape(len(SPANS), SLOTS, -1)
        for name, (values, measure, empty, least) in measures.items()
    }


histories = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 60).map(lambda n: n / 2), st.sampled_from([0, 0, 0, 0.5, 1, 2, 40]), st.integers(-5, 5)),
    min_size=1,
    max_size=60,
)
questions = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 90).map(lambda n: n / 2)), min_size=1, max_size=12)


@settings(max_examples=150, deadline=None)
@given(histories, questions, st.booleans(), st.sampled_from([0, kernel.FEW_ROWS]))
def test_every_measure_equals_a_naive_loop(history, asked, filtered, few_rows):
    rows = table(*(list(column) for column in zip(*history, strict=True)))
    asked = sorted(asked)
    entity, as_of = [each for each, _ in asked], [START + int(days * DAY) for _, days in asked]
    where = rows["value"] > 0 if filtered else None
    # without few rows, those with an unusual lag are set aside as stragglers
    with patch.object(kernel, "FEW_ROWS", few_rows):
        found = measured(rows, entity, as_of, where)
    for place, (who, when) in enumerate(zip(entity, as_of, strict=True)):
        for depth, span in enumerate(SPANS):
            seen = [row for row in naive_rows(rows, who, when, span) if where is None or where[row]]
            expected = naive_measures(rows, seen, when)
            for measure, value in expected.items():
                assert found[measure][depth, place] == pytest.approx(value, rel=1e-12, nan_ok=True), (measure, depth, place)


def naive_measures(rows, seen, as_of):
    values = [int(rows["value"][row]) for row in seen]
    figures = {
        "count": len(seen),
        "sum": sum(values),
        "latest": max(seen, default=-1),
        "distinct": len(set(values)),
        "float": sum(value / 3 for value in values),
    }
    mean = sum(values) / len(values) if values else np.nan
    figures |= {
        "mean": mean,
        "sd": (sum((value - mean) ** 2 for value in values) / (len(values) - 1)) ** 0.5 if len(values) > 1 else np.nan,
    }
    figures["sd2"] = figures["sd"]
    return figures | ({"max": max(values), "min": min(values)} if values else {})


@pytest.mark.parametrize(("days_before", "inside"), [(0, True), (6.999, True), (7, False), (-0.001, False)])
def test_a_window_excludes_its_start_and_includes_as_of(days_before, inside):
    as_of = START + 100 * DAY
    rows = table([0], [100 - days_before], [0], [1])
    assert measured(rows, [0], [as_of])["count"][1, 0] == int(inside)


@pytest.mark.parametrize(("lag", "seen"), [(0, 1), (2, 1), (2.001, 0)])
def test_a_row_is_read_from_the_second_it_is_known(lag, seen):
    assert measured(table([0], [98], [lag], [1]), [0], [START + 100 * DAY])["count"][1, 0] == seen


def test_a_straggler_among_prompt_rows_is_read_once_it_is_known(monkeypatch):
    monkeypatch.setattr(kernel, "FEW_ROWS", 100)
    rows = table([0] * 200, range(200), [0] * 100 + [10] + [0] * 99, [1] * 200)
    assert windows(rows, [0], [START]).line.late.tolist() == [1] * SLOTS
    as_of = START + np.array([99, 101, 109, 110]) * DAY
    assert measured(rows, [0] * 4, as_of)["sum"][2].tolist() == [30, 29, 29, 30]


@pytest.mark.parametrize("large", [0, 10**6, 10**12, 2**60])
def test_deviation_survives_large_amounts(large):
    rows = table([0, 0, 0], [1, 2, 3], [0, 0, 0], [large + 1, large + 2, large + 3])
    assert measured(rows, [0], [START + 10 * DAY])["sd"][2, 0] == 1.0


def test_a_deviation_of_whole_numbers_is_exact_where_one_of_many_differs():
    rows = table([0] * 1000, [1] * 1000, [0] * 1000, [5] * 999 + [4])
    assert measured(rows, [0], [START + 10 * DAY])["sd"][2, 0] == pytest.approx((1 / 1000) ** 0.5, rel=1e-15)


def test_squares_that_may_leave_64_bits_are_told_apart():
    rows = table([0, 0, 1, 1], [1, 2, 1, 2], [0] * 4, [-(2**33), 2**33, 1, 2])
    assert measured(rows, [0, 1], [START + 10 * DAY] * 2)["wide"][2].tolist() == [True, False]


def test_sums_of_amounts_are_exact_beyond_the_range_of_floats():
    rows = table([0, 0], [1, 2], [0, 0], [2**60, 1])
    assert measured(rows, [0], [START + 10 * DAY])["sum"][2, 0] == 2**60 + 1


def test_a_sum_that_would_leave_64_bits_is_refused():
    rows = table([0, 0, 0], [1, 2, 3], [0, 0, 0], [2**62] * 3)
    with pytest.raises(RiskError, match="may leave 64 bits; state the amounts in a larger unit"):
        measured(rows, [0], [START + 10 * DAY])


def test_moments_outside_the_packed_range_are_refused_with_their_count():
    with pytest.raises(RiskError, match="1 of 2 moments lie outside 1950-01-01 to 2086-02-06"):
        kernel.pack(np.array([0, 0]), np.array([0, -(10**10)]))


def test_rows_in_any_order_give_the_same_windows():
    rows = table([0, 1, 0, 1], [1, 1, 2, 2], [0, 0, 0, 0], [1, 2, 3, 4])
    mixed = {name: column[::-1] for name, column in rows.items()}
    asked = ([0, 1], [START + 10 * DAY] * 2)
    assert np.array_equal(measured(rows, *asked)["sum"], measured(mixed, *asked)["sum"])
