"""The benchmark of reasons: its figures by hand, and the claims on a simulated portfolio."""

import msgspec
import numpy as np
import pytest

from benchmarks.reasons import kept, lowered, replace_named, run_size, said, top
from models.bundle import Bundle
from models.reasons import reason_totals
from models.scoring import contributions, encode
from tests.small_bundle import bundle, columns


def test_the_largest_above_zero_are_named():
    assert top(np.array([[0.1, -0.2, 0.5, 0.0, 0.3], [-1.0, -1.0, 0.2, -1.0, -1.0]]), 3).tolist() == [[2, 4, 0], [2, -1, -1]]


def test_what_is_named_again_is_counted_in_any_order():
    before = np.array([[2, 4, 0, 1], [2, 4, 0, 1], [3, -1, -1, -1]])
    after = np.array([[1, 0, 4, 2], [5, 6, 0, 1], [1, 2, -1, -1]])
    assert kept(before, after).tolist() == [4, 2, 3]


def typical_bundle():
    """The small bundle with medians, which its own manifest lacks."""
    given = [msgspec.structs.replace(column, typical=column.levels[0] if column.levels else 7.0) for column in bundle().manifest.columns]
    return Bundle(msgspec.structs.replace(bundle().manifest, columns=tuple(given)), bundle().booster, bundle().booster_text)


def test_all_columns_of_a_named_reason_are_replaced_and_no_others():
    matrix = np.array([[0.9, 40.0, 30.0, np.nan, 2.0], [0.9, 40.0, 30.0, np.nan, 2.0]])
    found = replace_named(typical_bundle(), matrix, np.array([[1, -1, -1, -1], [3, 0, -1, -1]]))
    assert np.array_equal(found, [[0.9, 7.0, 7.0, np.nan, 2.0], [7.0, 40.0, 30.0, np.nan, 0.0]], equal_nan=True)


def test_the_share_that_falls_is_of_the_chosen_rows():
    model = typical_bundle()
    matrix = encode(columns(300, seed=8), model)
    named = top(reason_totals(model, contributions(model, matrix))[1])
    nobody = lowered(model, matrix, named, np.zeros(300, dtype=bool))
    assert nobody == {"rows": 0, "probability_falls": None, "raw_score_falls": None}
    nothing_named = lowered(model, matrix, np.full_like(named, -1), np.ones(300, dtype=bool))
    assert nothing_named == {"rows": 300, "probability_falls": 0.0, "raw_score_falls": 0.0}


@pytest.mark.slow  # simulates and trains: a minute
def test_the_claims_hold_on_a_simulated_portfolio():
    found = run_size(1500, refits=1, seed=77)
    assert found["off_the_score"] < 1e-12
    assert found["reasons"]["named"] >= 25
    assert found["declined"]["rows"] > 20
    assert found["declined"]["probability_falls"] >= 0.95
    assert found["riskiest_tenth"]["probability_falls"] >= 0.95
    assert "three of four kept for" in said(found)
