"""The interval of a probability: how far the calibration sample leaves its curve open, customers counted once.

What it is: at a given raw score an interval that holds the true default rate of customers with that score about as often as `level` says, if they are
like the calibration sample. What it is not: it knows nothing of the trees' own luck, of years unlike those, or of one customer's fate.

Venn-Abers predictors (Vovk and Petej, UAI 2014) give a pair (p0, p1) of which one is perfectly calibrated: that is a statement about the mean over
many scores, and the pair's width only what one more row would change. Read as an interval of the PD it held the true one in a fifth to a third of the
cases where 90 % were asked (docs/experiments.md, `python -m benchmarks.intervals`), and so another way is taken here.
"""
from statistics import NormalDist

import numpy as np

from models.calibration import HIGHEST, LOWEST, Interval, newton, sigmoid
from models.clusters import cluster_codes

# Places of the spline's knots among the raw scores (Harrell, Regression Modeling Strategies). With one bend less the interval is a fifth narrower and
# missed a curve that is flat at its top in a quarter of the cases.
PLACES = (0.05, 0.35, 0.65, 0.95)


def fit_interval(knots, raw_score, target, groups, *, level):
    """Interval on the knots of a fitted curve, before any prior shift. Arguments as for `calibration.fit`; level: its confidence.

    A natural cubic spline of the raw score in log-odds (Durrleman and Simon 1989), bending more freely than the curve itself so that its error covers
    a wrong choice of curve, with the variance of Liang and Zeger (1986) over customers, whose rows share a default; pointwise, by the normal law.
    Since the true rate rises with the score, a lower end holds for every higher score too, and an upper end for every lower one. Last, both ends are
    moved out to the curve itself where it lies outside, so that a probability is never outside its own interval.
    """
    raw_score, x, y = np.asarray(raw_score, dtype=np.float64), np.asarray(knots.x), np.asarray(knots.y)
    bends = np.unique(np.quantile(raw_score, PLACES))
    weights, covariance = fitted(_design(raw_score, bends), np.asarray(target, dtype=np.float64), cluster_codes(groups))
    grid = _design(x, bends)
    middle, error = grid @ weights, np.sqrt(np.einsum("ij,jk,ik->i", grid, covariance, grid))
    reach = NormalDist().inv_cdf((1 + level) / 2) * error
    low = np.maximum.accumulate(sigmoid(middle - reach))
    high = np.minimum.accumulate(sigmoid(middle + reach)[::-1])[::-1]
    ends = (np.minimum(low, y), np.maximum(high, y))
    return Interval(*(tuple(np.clip(end, LOWEST, HIGHEST).tolist()) for end in ends), level, "spline")


def fitted(design, target, cluster):
    """Weights of a logistic regression and their covariance, which lets the rows of a cluster depend on each other in any way (a sandwich).

    design: (rows, columns) with its constant last; target: 0 or 1; cluster: whole numbers from 0, without gaps.
    """
    weights = newton(design, target)
    probability = sigmoid(design @ weights)
    inverse = np.linalg.pinv((design * (probability * (1.0 - probability))[:, None]).T @ design)
    sums = np.column_stack([np.bincount(cluster, weights=column * (target - probability)) for column in design.T])
    return weights, inverse @ (sums.T @ sums) @ inverse * (len(sums) / (len(sums) - 1))


def _design(raw_score, bends):
    """Columns of a natural cubic spline, linear beyond its outer bends: the score, a column for each bend but two, and the constant."""
    def cubic(place):
        return (np.maximum(raw_score - bends[place], 0.0) ** 3 - np.maximum(raw_score - bends[-1], 0.0) ** 3) / (bends[-1] - bends[place])

    bent = [(cubic(place) - cubic(-2)) / (bends[-1] - bends[0]) ** 2 for place in range(len(bends) - 2)]
    return np.column_stack([raw_score, *bent, np.ones(len(raw_score))])
