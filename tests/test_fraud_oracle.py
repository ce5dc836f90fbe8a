"""The fraud oracle: each law against naive simulation of the same generator, and the probabilities against what happened."""
import numpy as np
import pandas as pd
import pytest

from pipeline.sources import _simulated_transactions as generator
from pipeline.sources._simulated_oracle import FACTORIAL, Amounts, Spells, day_share, fraud_probability, outflow_number
from pipeline.sources._simulated_world import DAY, HOUR, take
from pipeline.sources.simulated import Portfolio, Settings

SPELLS = Spells(1.0, more=2.2, a_day=4 / 3, days=24)
DRAWS = 200_000


def naive_spells(seed):
    """(draws, days) numbers of frauds a day counted from the spell's first, and of those of the third day the ones before noon (half of a day)."""
    rng = np.random.default_rng(seed)
    counts, early = np.zeros((DRAWS, 40), dtype=int), np.zeros(DRAWS, dtype=int)
    size = 1 + rng.poisson(2.2, DRAWS)
    elapsed = np.zeros(DRAWS)
    for number in range(size.max()):
        elapsed = elapsed + (rng.exponential(0.75, DRAWS) if number else 0)
        day, there = np.minimum(elapsed.astype(int), 39), number < size
        np.add.at(counts, (np.flatnonzero(there), day[there]), 1)
        early += there & (day == 2) & (rng.random(DRAWS) < 0.5)
    return counts, early


@pytest.mark.parametrize("pattern", [(1, 0, 0), (1, 2, 0), (2, 1, 1), (1, 0, 2), (3, 0, 0)])
def test_the_days_of_a_spell_come_as_often_as_the_weight_says(pattern):
    counts, early = naive_spells(1)
    found = ((counts[:, 0] == pattern[0]) & (counts[:, 1] == pattern[1]) & (early == pattern[2])).mean()
    state = SPELLS.begin((1, 1))
    state = state | {"first": np.full((1, 1), 5), "today": np.full((1, 1), pattern[0])}
    for day in (5, 6):
        state = SPELLS.roll(state, day, np.ones((1, 1), dtype=int)) | {"today": np.full((1, 1), pattern[day - 4])}
    # The weight is a density of moments: as many orders as frauds a day, and half a day's width for those before noon.
    ways = FACTORIAL[list(pattern)].prod() / 0.5 ** pattern[2]
    weight = SPELLS.weight(state, np.full((1, 1), 7), np.full((1, 1), 0.5))[0, 0] / ways
    assert weight * 24 == pytest.approx(found, abs=4 * np.sqrt(found / DRAWS) + 1e-4)


def test_days_without_anything_pass_at_once_as_one_by_one():
    state = SPELLS.begin((1, 1)) | {"first": np.full((1, 1), 5), "today": np.full((1, 1), 2)}
    step = state
    for day in (5, 6, 7):
        step = SPELLS.roll(step, day, np.ones((1, 1), dtype=int))
    at_once = SPELLS.roll(state, 5, np.full((1, 1), 3))
    for name in step:
        np.testing.assert_allclose(at_once[name], step[name])


@pytest.mark.parametrize(("seen", "left"), [(0, 0.9), (1, 0.5), (2, 0.3), (4, 0.1)])
def test_the_number_of_outflows_seen_comes_as_often_as_its_weight_says(seen, left):
    rng = np.random.default_rng(seen)
    number = rng.binomial(1 + rng.poisson(1.0, DRAWS), 1 - left)
    weight = sum(outflow_number(1.0, np.array(seen), more, left) for more in range(12)) * (1 - left) ** seen / FACTORIAL[seen]
    assert weight == pytest.approx((number == seen).mean(), abs=0.005)


# With none to come and a mean of nothing all totals are the least one: a line that a grid of boxes cannot integrate.
@pytest.mark.parametrize(("more", "mean"), [(0, 1.0), (1, 1.0), (3, 1.0), (1, 0.0), (3, 0.0)])
def test_amounts_fall_as_often_into_a_box_as_their_density_says(more, mean):
    amounts = Amounts(np.array([mean]), spread=0.265, noise=0.7, least=0.15)
    rng = np.random.default_rng(more)
    total = np.maximum(mean + 0.265 * rng.standard_normal(DRAWS), 0.15)
    weight = np.exp(0.7 * rng.standard_normal((DRAWS, 2 + more)))
    logs = np.log(total[:, None] * weight / weight.sum(axis=1, keepdims=True))[:, :2]
    centre, half = np.median(logs[:, 0]), 0.5
    drawn = (np.abs(logs - centre) < half).all(axis=1).mean()
    grid = centre + half * (np.arange(600) + 0.5) / 300 - half
    first, second = (side.reshape(1, -1) for side in np.meshgrid(grid, grid))
    sums = {"seen": np.full(first.shape, 2), "total": np.exp(first) + np.exp(second), "logs": first + second, "squares": first**2 + second**2}
    found = amounts.density(np.zeros((1, 1), dtype=int), sums, more).mean() * (2 * half) ** 2
    assert found == pytest.approx(drawn, rel=0.06)


def test_a_customer_s_share_of_a_day_is_that_of_the_clock():
    at = np.array([0, 3, 6, 8, 13.5, 19, 23]) * HOUR + 5 * DAY
    assert day_share(at, 0.35) == pytest.approx([0, 0.175, 0.35, 0.35, 0.675, 1, 1])


def test_the_future_moves_nothing():
    rng = np.random.default_rng(3)
    n = 60
    rows = {"customer": np.sort(rng.integers(0, 12, n)), "day": rng.integers(0, 28, n), "size": rng.lognormal(-1, 0.7, n), "ratio": rng.lognormal(-3, 3, n)}
    rows = take(rows, np.lexsort((rows["day"], rows["customer"])))
    rows = rows | {"left": 1 - rows["day"] / 31, "passed": np.full(n, 0.5)}
    law = {"spells": Spells(0.005, more=2.2, a_day=4 / 3, days=24), "amounts": Amounts(np.ones(12), spread=0.3, noise=0.7, least=0.15), "more_expected": 1.0}
    whole = fraud_probability(rows, **law)
    early = np.flatnonzero(rows["day"] < 12)
    np.testing.assert_allclose(fraud_probability(take(rows, early), **law), whole[early])


@pytest.fixture(scope="module")
def outflows():
    """Outflows of a thousand customers over twenty months."""
    taken, plain = [], generator.Transactions.move

    def move(self, *given):
        rows = plain(self, *given)
        taken.append(pd.DataFrame({name: rows[name] for name in ("customer", "amount", "_fraud", "_probability")}).assign(month=given[0]))
        return rows

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generator.Transactions, "move", move)
        portfolio = Portfolio(Settings(customers=1000, seed=4))
        for _ in range(20):
            portfolio.advance()
    rows = pd.concat(taken, ignore_index=True)
    return rows[rows["amount"] < 0]


def _bands(rows, how):
    """Frauds less expected in standard errors, by band."""
    by = rows.assign(variance=rows["_probability"] * (1 - rows["_probability"])).groupby(how.to_numpy(), observed=True)
    return (by["_fraud"].sum() - by["_probability"].sum()) / np.sqrt(by["variance"].sum() + 0.25)


def test_the_oracle_is_calibrated_by_probability_place_in_the_month_and_what_came_before(outflows):
    before = outflows.groupby(["month", "customer"])["_probability"].cumsum() - outflows["_probability"]
    place = outflows.groupby(["month", "customer"]).cumcount().clip(upper=5)
    assert _bands(outflows, pd.cut(outflows["_probability"], [-1, 1e-3, 0.02, 0.2, 0.6, 0.9, 0.99, 2])).abs().max() < 3.5
    assert _bands(outflows, pd.cut(before, [-1, 0.01, 0.1, 0.9, 2, 30])).abs().max() < 3.5
    assert _bands(outflows, place).abs().max() < 3.5
    assert outflows["_fraud"].sum() > 150
