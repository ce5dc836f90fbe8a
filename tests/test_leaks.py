"""The screen finds columns that know the outcome, and leaves honest ones alone."""
import numpy as np
import pandas as pd
import pytest

from models.discrimination import auc
from models.leaks import Limits, screen


def rows(n=2000, seed=0):
    rng = np.random.default_rng(seed)
    target = (rng.uniform(size=n) < 0.1).astype(float)
    as_of = pd.Series(pd.Timestamp("2022-01-01")).repeat(n).reset_index(drop=True)
    return target, as_of, rng


def found(values, target, as_of):
    return screen(pd.DataFrame({"x": values}), target, as_of, columns=["x"])


def test_a_column_that_is_the_outcome_is_found():
    target, as_of, rng = rows()
    finding, = found(-target + rng.normal(0, 0.05, len(target)), target, as_of)
    assert finding["reason"] == "value"
    assert finding["auc"] > 0.99


def test_a_column_filled_for_bad_rows_only_is_found():
    target, as_of, rng = rows()
    finding, = found(np.where(target == 1, rng.normal(size=len(target)), np.nan), target, as_of)
    assert (finding["reason"], finding["auc"]) == ("presence", 1.0)


def test_a_date_after_as_of_is_found():
    target, as_of, _ = rows()
    finding, = found(as_of + pd.to_timedelta(np.where(target == 1, 30, -30), unit="D"), target, as_of)
    assert finding["reason"] == "future"
    assert "after as_of" in finding["detail"]


@pytest.mark.parametrize("make", [
    lambda target, rng: rng.normal(size=len(target)),
    lambda target, rng: target + rng.normal(0, 1.0, len(target)),
    lambda target, rng: [f"id{i}" for i in range(len(target))],
    lambda target, rng: np.full(len(target), 7.0),
    lambda target, rng: np.where(rng.uniform(size=len(target)) < 0.5, np.nan, 1.0),
])
def test_honest_columns_pass(make):
    target, as_of, rng = rows()
    assert found(make(target, rng), target, as_of) == []


def test_a_leaking_category_is_found():
    target, as_of, _ = rows()
    assert found(np.where(target == 1, "legal", "normal"), target, as_of)[0]["reason"] == "value"


def test_a_category_is_judged_by_rates_of_the_other_half():
    target, as_of, rng = rows(400)
    other = np.where(rng.uniform(size=400) < 0.5, "new", None)
    values = pd.Series(np.where(rng.uniform(size=400) < 0.2 + 0.5 * target, "late", other), dtype=object)
    level, even = values.fillna("none"), np.arange(400) % 2 == 0
    rates = {half: pd.Series(target[even == half]).groupby(level[even == half].to_numpy()).mean() for half in (True, False)}
    expected = auc(target, [rates[not half][word] for half, word in zip(even, level, strict=True)])
    finding, = screen(pd.DataFrame({"x": values}), target, as_of, columns=["x"], limits=Limits(max_auc=0.5))
    assert finding["auc"] == pytest.approx(expected, abs=1e-12)


def test_rows_without_target_are_left_out():
    target, as_of, rng = rows()
    values = np.where(target == 1, 1.0, 0.0)
    unknown = target.copy()
    unknown[::2] = np.nan
    assert found(values, unknown, as_of)[0]["auc"] == 1.0
