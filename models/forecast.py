"""What a book will lose in the months to come, as a distribution: uncertain PDs, correlated defaults, losses as unlike as they were."""
from dataclasses import dataclass, field

import numpy as np
from scipy import special

from models.clusters import cluster_codes

# A PD of 0 or 1 has no normal quantile.
TINY = 1e-12


@dataclass(frozen=True)
class Severity:
    """What a default costs, as a share of the exposure on the day of the forecast: `rate` on average (by exposure), `se` the relative standard error of
    that, and `pool` with `weights` to draw single ones from (empty: each costs the rate)."""

    rate: float
    se: float = 0.0
    pool: np.ndarray = field(default_factory=lambda: np.zeros(0))
    weights: np.ndarray = field(default_factory=lambda: np.zeros(0))


def severity(loss, exposure, groups, *, assumed, fewest=20):
    """Severity of past defaults with a known loss: one row each with loss and exposure (same unit) and customer id.

    The rate is all losses over all exposures: a default whose exposure came later than the day counts with its loss. The pool holds loss / exposure of the
    others, drawn by exposure and scaled to the rate. Fewer than `fewest` customers say too little: the rate is then the `assumed` loss given default.
    """
    loss, exposure = np.asarray(loss, dtype=np.float64), np.asarray(exposure, dtype=np.float64)
    known = np.isfinite(loss) & np.isfinite(exposure)
    loss, exposure, code = loss[known], exposure[known], cluster_codes(np.asarray(groups)[known])
    if not len(loss) or code.max() + 1 < fewest or exposure.sum() <= 0 or loss.sum() <= 0:
        return Severity(assumed)
    rate = loss.sum() / exposure.sum()
    rest = np.bincount(code, weights=loss - rate * exposure)
    lent = exposure > 0
    pool = loss[lent] / exposure[lent]
    weights = exposure[lent] / exposure.sum()
    drawn = pool @ weights
    return Severity(float(rate), float(np.sqrt((rest ** 2).sum()) / loss.sum()), pool * (rate / drawn if drawn > 0 else 1.0), weights)


def within(pd_12m, months, *, horizon_months=12):
    """Probability of a default within `months`, of one within `horizon_months`, at a constant hazard."""
    return -np.expm1(np.log1p(-np.asarray(pd_12m, dtype=np.float64)) * (months / horizon_months))


def forecast(probability, exposure, cost, *, asset_correlation=0.0, estimated_from=None, repeats=1000, seed=0, level=0.95):
    """Defaults and loss of a book, with predictive intervals.

    probability: (n,) of a default within the time asked about (`within`); exposure: (n,) what each would lose all of, any unit; cost: a Severity.

    Simulated: a default happens where a standard normal falls below the probability's quantile, and (a) all those normals share one factor by
    `asset_correlation` (Vasicek, Risk 2002), which is how defaults of one year are alike; (b) the probabilities themselves are all too high or too low by
    one error of relative size 1 / sqrt(estimated_from), the independent defaults that they rest on (None: known), as in
    `models.probability_tests.predictive_interval`; (c) each default is its own chance; (d) what it costs is drawn from past ones, and (e) their mean
    has its error. Not in it: an economy unlike every one that the correlation stands for, and exposures that grow.

    Returns {"defaults", "loss"}: each {"expected", "low", "high"}, ends at `level`, loss in the exposure's unit.
    """
    p, exposure = np.clip(np.asarray(probability, dtype=np.float64), TINY, 1 - TINY), np.asarray(exposure, dtype=np.float64)
    threshold = special.ndtri(p)
    error = np.zeros(len(p)) if estimated_from is None else p / (np.exp(-threshold ** 2 / 2) / np.sqrt(2 * np.pi)) / np.sqrt(max(estimated_from, 1.0))
    rng, drawn = np.random.default_rng(seed), np.empty((repeats, 2))
    for row in range(repeats):
        common, misjudged, dearer = rng.standard_normal(3)
        bar = (threshold + error * misjudged - np.sqrt(asset_correlation) * common) / np.sqrt(1 - asset_correlation)
        hit = np.flatnonzero(rng.standard_normal(len(p), dtype=np.float32) < bar)
        drawn[row] = len(hit), exposure[hit] @ _costs(cost, len(hit), rng) * max(1 + cost.se * dearer, 0.0)
    ends = np.quantile(drawn, [0.5 - level / 2, 0.5 + level / 2], axis=0)
    expected = p.sum(), p @ exposure * cost.rate
    return {name: {"expected": float(expected[at]), "low": float(ends[0, at]), "high": float(ends[1, at])} for at, name in enumerate(("defaults", "loss"))}


def _costs(cost, count, rng):
    if not len(cost.pool):
        return np.full(count, cost.rate)
    places = np.searchsorted(np.cumsum(cost.weights), rng.uniform(size=count) * cost.weights.sum(), side="right")
    return cost.pool[np.minimum(places, len(cost.pool) - 1)]
