"""Figures of several parts at once, such as one ratio of four years: their spread, their trend, the largest of them.

Sums run through the parts in their order, whatever the number of observations, so that one customer has the bits of a book.
"""

import numpy as np

LEAST_KNOWN = 3


def largest(parts):
    """The largest known value of each observation, in the parts' shape; NaN where none is known."""
    answer = parts[0]
    for part in parts[1:]:
        answer = np.fmax(answer, part)
    return answer


def spread(parts):
    """Sample standard deviation (n - 1) of the known values, (n,), two-pass; NaN below three of them."""
    known, count, aside = _about_their_mean(np.stack(parts))
    return np.where(count >= LEAST_KNOWN, np.sqrt(in_order(aside * aside) / np.maximum(count - 1, 1)), np.nan)


def trend(parts):
    """Slope per step of the least-squares line through the known values, (n,), the latest given first; NaN below three of them."""
    known, count, aside = _about_their_mean(np.stack(parts))
    steps = np.where(known, -np.arange(float(len(parts))).reshape(-1, *[1] * (known.ndim - 1)), np.nan)
    _, _, along = _about_their_mean(steps)
    across = in_order(along * along)
    return np.where(count >= LEAST_KNOWN, in_order(along * aside) / np.where(across > 0, across, 1.0), np.nan)


def in_order(values):
    """The sum over the first axis, one line after the other: a plain sum regroups its terms where there is a single column."""
    return np.add.accumulate(values, axis=0)[-1]


def _about_their_mean(values):
    """Which values (p, n) are known, how many of each observation, and their distance from its mean, 0 where unknown."""
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    mean = in_order(np.where(known, values, 0.0)) / np.maximum(count, 1)
    return known, count, np.where(known, values - mean, 0.0)
