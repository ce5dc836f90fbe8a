"""Concordance with weights: the AUC that a sample has, and the one its own probabilities promise, each with its rows' influence."""
import numpy as np


def concordance(score, badness):
    """Share of (bad, good) pairs in which the bad one scores higher, ties counted half, and each row's share in its sampling error.

    badness: (rows,) in [0, 1], how much of each row is bad; the rest of it is good. With outcomes (0 or 1) this is the AUC and
    `influence` as in DeLong. With probabilities it is the AUC to expect if they are true, given the cases at hand ("model-based
    concordance", van Klaveren, Gonen, Steyerberg, Vergouwe, Statistics in Medicine 2016), up to each row's pair with itself.

    Returns (value, influence (rows,)), NaN and zeros where there is no bad or no good.
    """
    score, badness = np.asarray(score, dtype=np.float64), np.asarray(badness, dtype=np.float64)
    bad, good = badness.sum(), (1 - badness).sum()
    if bad <= 0 or good <= 0:
        return np.nan, np.zeros(len(score))
    order = np.argsort(score, kind="stable")
    ends = np.flatnonzero(np.r_[np.diff(score[order]) != 0, True])
    good_below, bad_above = _beside(1 - badness, order, ends) / good, 1 - _beside(badness, order, ends) / bad
    value = float(badness @ good_below / bad)
    return value, badness * (good_below - value) / bad + (1 - badness) * (bad_above - value) / good


def _beside(weight, order, ends):
    """Sum of weights below each row, those of equal scores counted half; ends: the last place of each run of equal scores in order."""
    total = np.cumsum(weight[order])[ends]
    held = np.diff(total, prepend=0.0)
    beside = np.empty(len(weight))
    beside[order] = np.repeat(total - held / 2, np.diff(ends, prepend=-1))
    return beside
