"""What a later book is compared with: each column's bins, counts and noise, and its weight in the model, kept beside the bundle that learned them."""
import msgspec
import numpy as np

from models.design_effect import Noise, measure
from models.histograms import Bins, Histogram, freeze, histogram, placed
from models.stability import rank_scores

REFERENCE_FILE = "drift_reference.json"
# More rows would tell a column's noise no better, and the reference has as many as taught the model.
NOISE_ROWS = 200_000
# Customers that a level needs for its kind to be known in full.
COMMON = 10
VERSION = 1


class ReferenceColumn(msgspec.Struct, frozen=True, kw_only=True):
    """One column: its frozen bins, how many reference rows each holds, how it varies, and its share of the model's contributions (the score's is 1)."""

    bins: Bins
    histogram: Histogram
    noise: Noise
    weight: float


class DriftReference(msgspec.Struct, frozen=True, kw_only=True):
    """The rows that a bundle learned from, as drift reads them. `bundle` is the bundle's hash; rows, customers and periods count them; columns: the score,
    named `score`, among them."""

    bundle: str
    score: str
    rows: int
    customers: int
    periods: int
    columns: tuple[ReferenceColumn, ...]
    version: int = VERSION

    @property
    def by_name(self):
        """{column: ReferenceColumn}."""
        return {each.bins.column: each for each in self.columns}


def reference_column(name, values, customers, periods, *, bins, weight=0.0, noise_rows=None):
    """The ReferenceColumn of values (as for `histograms.freeze`).

    customers, periods: whole numbers from 0, one a row; noise_rows: positions of the rows by which its noise is measured, all without it. A category with rare
    levels is frozen on half of the customers and counted on the other: counted on those that chose its levels, it would have no unseen ones and too many of the
    rare, and every later sample would seem to have moved.
    """
    frozen, counted = freeze(name, values, bins=bins), np.arange(len(customers))
    if frozen.levels is not None and _rare(values, customers):
        chosen = customers % 2 == 0
        frozen, counted = freeze(name, _at(values, np.flatnonzero(chosen))), np.flatnonzero(~chosen)
    counts = histogram(frozen, _at(values, counted))
    some = counted if noise_rows is None else np.intersect1d(counted, noise_rows, assume_unique=True)
    scores = rank_scores(counts.counts) if frozen.levels is None else None
    noise = measure(placed(frozen, _at(values, some)), frozen.cells, scores, customers[some], periods[some])
    return ReferenceColumn(bins=frozen, histogram=counts, noise=noise, weight=weight)


def _rare(values, customers):
    """Whether some level belongs to so few customers that others like it may not have come up; there must be customers enough to halve."""
    codes = values.codes if hasattr(values, "codes") else np.unique([value or "" for value in values], return_inverse=True)[1]
    there, own = codes >= 0, np.bincount(customers, minlength=1)
    if np.count_nonzero(own) < 2 or not there.any():
        return False
    level, who = codes[there].astype(np.int64), customers[there]
    holders = np.bincount(level) if own.max() == 1 else np.bincount(np.unique(level * len(own) + who) // len(own))
    return bool((holders[holders > 0] < COMMON).any())


def period_codes(as_of, *, days=None, most=60):
    """Whole numbers from 0 for the moments (datetime64) of observations: the day where there are at most `most` days, else blocks of `days`."""
    day = as_of.astype("datetime64[D]").astype(np.int64)
    found, code = np.unique(day, return_inverse=True)
    return code if len(found) <= most else np.unique((day - day.min()) // (days or 91), return_inverse=True)[1]


def _at(values, rows):
    return values[rows] if isinstance(values, np.ndarray) or hasattr(values, "codes") else [values[row] for row in rows]
