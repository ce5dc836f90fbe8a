"""How often an interval of the PD holds the true one: Venn-Abers, the error of a line, and the interval that is shipped.

    python -m benchmarks.intervals [--repeats 200] [--customers 4000] [--rows 4]

Raw scores and the true default rate at each are drawn from five known curves, so that the truth is no estimate; a customer's rows share most of what makes
them default, as consecutive windows do. Printed for every curve and way: the share of repeats in which the 90 % interval holds the true rate at the 5, 25, 50,
75, 95 and 99 % quantiles of the score, their mean, and the median ratio of upper to lower end at the median score.
"""

import argparse
import math

import numpy as np

from models import calibration
from models.calibration import sigmoid
from models.intervals import fit_interval, fitted

LEVEL, Z, QUANTILES = 0.9, 1.644854, (0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
SHARED = 0.95
CURVES = {
    "a line": lambda x: sigmoid(1.3 * x + 0.6),
    "right as it is": sigmoid,
    "beta": lambda x: sigmoid(1.2 - 1.6 * np.logaddexp(0.0, -x) + 0.4 * np.logaddexp(0.0, x)),
    "flat at the top": lambda x: 0.001 + 0.25 * sigmoid(1.8 * (x + 2.6)),
    "a kink": lambda x: sigmoid(-4.6 + np.where(x < -4, 0.3, 1.4) * (x + 4)),
}


def drawn(rng, curve, customers, rows):
    """Raw scores, targets and customers: each row defaults at the curve's rate, whatever its customer's other rows do."""
    from scipy.stats import norm

    score = (rng.normal(-4.2, 1.1, (customers, 1)) + rng.normal(0, 0.3, (customers, rows))).ravel()
    luck = SHARED * np.repeat(rng.normal(size=customers), rows) + math.sqrt(1 - SHARED ** 2) * rng.normal(size=len(score))
    return score, (norm.cdf(luck) < curve(score)).astype(float), np.repeat(np.arange(customers), rows)


def venn_abers(score, target, _, x, rng):
    """The pair (p0, p1) of the package."""
    from venn_abers import VennAbers

    model = VennAbers()
    model.fit(np.column_stack([1 - sigmoid(score), sigmoid(score)]), target)
    pair = model.predict_proba(np.column_stack([1 - sigmoid(x), sigmoid(x)]))[1]
    return pair[:, 0], pair[:, 1]


def line(score, target, groups, x, rng):
    """The error of a logistic curve alone, which takes for granted that the truth is one; a bootstrap over customers says the same in a hundred fits."""
    weights, covariance = fitted(np.column_stack([score, np.ones(len(score))]), target, groups)
    grid = np.column_stack([x, np.ones(len(x))])
    error = Z * np.sqrt(np.einsum("ij,jk,ik->i", grid, covariance, grid))
    return sigmoid(grid @ weights - error), sigmoid(grid @ weights + error)


def shipped(score, target, groups, x, rng):
    """What a bundle holds, around a logistic curve."""
    knots = calibration.fit(score, target, method="logistic")
    interval = fit_interval(knots, score, target, groups, level=LEVEL)
    return [calibration.interpolate(np.asarray(knots.x), np.asarray(end), x) for end in (interval.low, interval.high)]


WAYS = {"Venn-Abers pair": venn_abers, "error of a line": line, "shipped": shipped}


def coverage(curve, *, repeats, customers, rows, seed=1):
    """{way: (share of repeats that hold the truth by quantile, median ratio of the ends at the median score)} and the mean count of bad rows."""
    held, ratio, bad = {name: [] for name in WAYS}, {name: [] for name in WAYS}, []
    for repeat in range(repeats):
        rng = np.random.default_rng([seed, repeat])
        score, target, groups = drawn(rng, curve, customers, rows)
        x = np.quantile(score, QUANTILES)
        bad.append(target.sum())
        for name, way in WAYS.items():
            low, high = way(score, target, groups, x, rng)
            held[name].append((low <= curve(x)) & (curve(x) <= high))
            ratio[name].append(high[2] / max(low[2], 1e-9))
    return {name: (np.mean(held[name], axis=0), float(np.median(ratio[name]))) for name in WAYS}, float(np.mean(bad))


def main():
    """Print a line per curve and way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--customers", type=int, default=4000)
    parser.add_argument("--rows", type=int, default=4)
    asked = parser.parse_args()
    for name, curve in CURVES.items():
        found, bad = coverage(curve, **vars(asked))
        for way, (held, ratio) in found.items():
            shares = " ".join(f"{share:.2f}" for share in held)
            print(f"{name:16} {bad:5.0f} bad  {way:16} {shares}  mean {held.mean():.3f}, ratio {ratio:.2f}", flush=True)


if __name__ == "__main__":
    main()
