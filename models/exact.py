"""Exact laws of counts, built from the ratio of each count's probability to the one before: no large terms that cancel."""
import numpy as np


def mass_of_steps(steps):
    """Probabilities of counts in a row from the logs of each one's ratio to the one before: one more than steps, summing to 1."""
    logs = np.concatenate([[0.0], np.cumsum(steps)])
    mass = np.exp(logs - logs.max())
    return mass / mass.sum()


def fisher_exact(first, first_rows, second, second_rows):
    """Two-sided p-value of Fisher's exact test of first / first_rows against second / second_rows, all whole counts.

    The sum over all tables with the same margins that are no likelier than this one, up to rounding (1e-7, as in R). Tables further than
    40 standard deviations and 200 counts from the mean are left out: together they are less likely than 1e-300.
    """
    found, rows = first + second, first_rows + second_rows
    low, high = max(0, found - second_rows), min(found, first_rows)
    mean = first_rows * found / max(rows, 1)
    reach = 40 * np.sqrt(mean * (rows - found) / max(rows, 1) * second_rows / max(rows - 1, 1)) + 200
    low, high = max(low, int(mean - reach)), min(high, int(mean + reach) + 1)
    if not low <= first <= high:
        return 0.0
    k = np.arange(low, high, dtype=np.float64)
    mass = mass_of_steps(np.log((first_rows - k) * (found - k) / ((k + 1) * (second_rows - found + k + 1))))
    return min(1.0, float(mass[mass <= mass[first - low] * (1 + 1e-7)].sum()))
