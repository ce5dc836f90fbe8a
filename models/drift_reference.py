"""What a later book is compared with: each column's bins, counts and noise, and its weight in the model, kept beside the bundle that learned them."""
import msgspec
import numpy as np

from models.design_effect import Noise, measure
from models.histograms import Bins, Histogram, freeze, histogram, placed
from models.stability import rank_scores

REFERENCE_FILE = "drift_reference.json"
# More rows would tell a column's noise no better, and the reference has as many as taught the model.
NOISE_ROWS = 200_000
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
    """The ReferenceColumn of values (as for `histograms.freeze`); customers, periods: whole numbers from 0, one a row; noise_rows: the rows by which its noise is
    measured (positions; all without it)."""
    frozen = freeze(name, values, bins=bins)
    counts = histogram(frozen, values)
    rows = slice(None) if noise_rows is None else noise_rows
    scores = rank_scores(counts.counts) if frozen.levels is None else None
    some = placed(frozen, values if noise_rows is None else _at(values, rows))
    found = measure(some, frozen.cells, scores, customers[rows], periods[rows])
    if noise_rows is not None and len(some):
        found = msgspec.structs.replace(found, novel=round(found.novel * counts.rows / len(some)))
    return ReferenceColumn(bins=frozen, histogram=counts, noise=found, weight=weight)


def period_codes(as_of, *, days=None, most=60):
    """Whole numbers from 0 for the moments (datetime64) of observations: the day where there are at most `most` days, else blocks of `days`."""
    day = as_of.astype("datetime64[D]").astype(np.int64)
    found, code = np.unique(day, return_inverse=True)
    return code if len(found) <= most else np.unique((day - day.min()) // (days or 91), return_inverse=True)[1]


def _at(values, rows):
    return values[rows] if isinstance(values, np.ndarray) or hasattr(values, "codes") else [values[row] for row in rows]
