"""Rows of one customer as one cluster: ids turned into whole numbers once, so that no statistic has to compare strings."""
import numpy as np
import pandas as pd


def cluster_codes(groups):
    """Whole numbers from 0 for cluster ids, one per row, in the order of the sorted ids; rows without an id are one cluster of their own.

    Sorted, so that a seeded draw of clusters does not depend on the rows' order. Codes of codes are the same codes.
    """
    return pd.factorize(np.asarray(groups), sort=True, use_na_sentinel=False)[0]
