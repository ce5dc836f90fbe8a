"""Arithmetic that never answers infinity and gives the same bits on every processor: only the basic operations of IEEE 754."""

import numpy as np

LN2 = 0.6931471805599453
HALF_ROOT = 0.7071067811865476


def ratio(top, bottom):
    """top / bottom, float64; NaN where the bottom is 0 or missing, the top is missing, or the quotient overflows."""
    with np.errstate(all="ignore"):
        quotient = np.divide(top, bottom)
    quotient[~np.isfinite(quotient)] = np.nan
    return quotient


def log(values):
    """Natural logarithm within 2 ulp; NaN at and below 0.

    ln(m 2^e) = e ln 2 + 2 atanh((m - 1) / (m + 1)) by its series: numpy's own log differs between processors.
    """
    usable = np.isfinite(values) & (values > 0)
    mantissa, exponent = np.frexp(np.where(usable, values, 1.0))
    low = mantissa < HALF_ROOT
    mantissa, exponent = np.where(low, 2 * mantissa, mantissa), exponent - low
    z = (mantissa - 1) / (mantissa + 1)
    square = z * z
    series = np.zeros_like(z)
    for power in range(21, 0, -2):
        series = series * square + 1.0 / power
    return np.where(usable, exponent * LN2 + 2 * (z * series), np.nan)


def signed_log(values):
    """sign(x) ln(1 + |x|): keeps the order and the sign of amounts; NaN stays missing."""
    return np.sign(values) * log(1 + np.abs(values))


def months_between(later, earlier):
    """Mean months (365.25 / 12 days) between two moments in seconds, float64; NaN where either is missing."""
    lowest = np.iinfo(np.int64).min
    there = (later != lowest) & (earlier != lowest)
    seconds = np.where(there, later, 0) - np.where(there, earlier, 0)
    return np.where(there, seconds / (86_400 * 365.25 / 12), np.nan)
