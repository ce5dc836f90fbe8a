"""The kernel against a loop that anyone can read."""

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


def chosen_rows(rows, entity, as_of, where=None, lag=None):
    line = kernel.timeline(rows["entity"], rows["occurred"], rows["known"])
    wins = kernel.windows(line, np.array(entity, dtype=np.int64), np.array(as_of, dtype=np.int64), spans=SPANS)
    return kernel.select(wins, where=where)


histories = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 60).map(lambda n: n / 2), st.sampled_from([0, 0, 0, 0.5, 1, 2, 40]), st.integers(-5, 5)),
    max_size=60,
)
questions = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 90).map(lambda n: n / 2)), min_size=1, max_size=12)


@settings(max_examples=150, deadline=None)
@given(histories, questions, st.booleans())
def test_every_measure_equals_a_naive_loop(history, asked, filtered):
    rows = table(*(list(column) for column in zip(*history, strict=True))) if history else table([], [], [], [])
    asked = sorted(asked)
    entity, as_of = [each for each, _ in asked], [START + int(days * DAY) for _, days in asked]
    where = rows["value"] > 0 if filtered else None
    chosen = chosen_rows(rows, entity, as_of, where)
    depths = range(len(SPANS))
    found = {
        "count": chosen.counts,
        "sum": kernel.total(chosen, rows["value"]),
        "max": kernel.extreme(chosen, rows["value"], largest=True),
        "min": kernel.extreme(chosen, rows["value"], largest=False),
        "mean": kernel.mean(chosen, rows["value"]),
        "latest": kernel.latest(chosen),
        "sd": kernel.deviation(chosen, rows["value"], depths=depths),
        "recency": kernel.recency(chosen, rows["occurred"]),
        "distinct": distinct(chosen, rows["entity"] * 100 + rows["value"]),
        "float": kernel.ordered_total(chosen, rows["value"] / 3, depths=depths),
    }
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
    figures["recency"] = min((as_of - int(rows["occurred"][row])) / DAY for row in seen) if seen else np.nan
    return figures | ({"max": max(values), "min": min(values)} if values else {})


@pytest.mark.parametrize(("days_before", "inside"), [(0, True), (6.999, True), (7, False), (-0.001, False)])
def test_a_window_excludes_its_start_and_includes_as_of(days_before, inside):
    as_of = START + 100 * DAY
    rows = table([0], [100 - days_before], [0], [1])
    assert chosen_rows(rows, [0], [as_of]).counts[1, 0] == int(inside)


@pytest.mark.parametrize(("lag", "seen"), [(0, 1), (2, 1), (2.001, 0)])
def test_a_row_is_read_from_the_second_it_is_known(lag, seen):
    assert chosen_rows(table([0], [98], [lag], [1]), [0], [START + 100 * DAY]).counts[1, 0] == seen


def test_a_straggler_among_prompt_rows_is_read_once_it_is_known():
    rows = table([0] * 200, range(200), [0] * 100 + [10] + [0] * 99, [1] * 200)
    assert kernel.timeline(rows["entity"], rows["occurred"], rows["known"]).prompt == 199
    as_of = START + np.array([99, 101, 109, 110]) * DAY
    assert kernel.total(chosen_rows(rows, [0] * 4, as_of), rows["value"])[2].tolist() == [30, 29, 29, 30]


def test_deviation_survives_large_amounts():
    large = 10**12
    rows = table([0, 0, 0], [1, 2, 3], [0, 0, 0], [large + 1, large + 2, large + 3])
    assert kernel.deviation(chosen_rows(rows, [0], [START + 10 * DAY]), rows["value"], depths=[2])[2, 0] == 1.0


def test_sums_of_amounts_are_exact_beyond_the_range_of_floats():
    rows = table([0, 0], [1, 2], [0, 0], [2**60, 1])
    assert kernel.total(chosen_rows(rows, [0], [START + 10 * DAY]), rows["value"])[2, 0] == 2**60 + 1


def test_a_sum_that_would_leave_64_bits_is_refused():
    rows = table([0, 0, 0], [1, 2, 3], [0, 0, 0], [2**62] * 3)
    with pytest.raises(RiskError, match="may leave 64 bits; state the amounts in a larger unit"):
        kernel.total(chosen_rows(rows, [0], [START + 10 * DAY]), rows["value"])


def test_moments_outside_the_packed_range_are_refused_with_their_count():
    with pytest.raises(RiskError, match="1 of 2 moments lie outside 1950-01-01 to 2086-02-06"):
        kernel.pack(np.array([0, 0]), np.array([0, -(10**10)]))


def test_rows_in_any_order_give_the_same_windows():
    rows = table([0, 1, 0, 1], [1, 1, 2, 2], [0, 0, 0, 0], [1, 2, 3, 4])
    mixed = {name: column[::-1] for name, column in rows.items()}
    asked = ([0, 1], [START + 10 * DAY] * 2)
    assert np.array_equal(kernel.total(chosen_rows(rows, *asked), rows["value"]), kernel.total(chosen_rows(mixed, *asked), mixed["value"]))
