"""Rows of one customer as one cluster: ids turned into whole numbers once, so that no statistic has to compare strings."""
import numpy as np
import pandas as pd


def cluster_codes(groups):
    """Whole numbers from 0 for cluster ids, one per row, in the order of the sorted ids; rows without an id are one cluster of their own.

    Sorted, so that a seeded draw of clusters does not depend on the rows' order. Codes of codes are the same codes.
    """
    return pd.factorize(np.asarray(groups), sort=True, use_na_sentinel=False)[0]


def draws(count, *, repeats, rng):
    """`repeats` bootstrap draws of `count` clusters, one at a time: how often each of them is drawn."""
    for _ in range(repeats):
        yield np.bincount(rng.integers(0, count, count), minlength=count)


def some_customers(groups, *, rows, seed=0):
    """Positions, in order, of the rows of whole customers drawn until the next would make more than `rows` rows; all of them where they fit."""
    code = cluster_codes(groups)
    if len(code) <= rows:
        return np.arange(len(code))
    drawn = np.random.default_rng(seed).permutation(int(code.max()) + 1)
    kept = np.zeros(len(drawn), dtype=bool)
    kept[drawn[np.cumsum(np.bincount(code)[drawn]) <= rows]] = True
    return np.flatnonzero(kept[code])
