"""A column's bins, frozen once on the reference, and how many rows fall into each: parts add up, so size does not matter."""
from collections import Counter

import msgspec
import numpy as np

from features.errors import RiskError

# Rows that are compared with the edges at a time: they stay in the processor's cache over all of the edges.
BLOCK = 1 << 15


class Bins(msgspec.Struct, frozen=True, kw_only=True):
    """A column's bins as frozen on the reference: upper `edges` of a number (right-closed, the last open) or `levels` of a category."""

    column: str
    edges: tuple[float, ...] | None = None
    levels: tuple[str, ...] | None = None

    @property
    def cells(self):
        """How many bins there are, missing and unseen aside."""
        return len(self.levels) if self.levels is not None else len(self.edges) + 1


class Histogram(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of one column over its bins, with missing and (for categories) unseen values counted apart."""

    counts: tuple[int, ...]
    missing: int
    unseen: int = 0

    @property
    def present(self):
        """Rows with a value that has a bin."""
        return sum(self.counts)

    @property
    def rows(self):
        """All rows."""
        return self.present + self.missing + self.unseen


def level_counts(values):
    """{level: rows} of the levels that a categorical column has. values: a Category, or strings among which anything else is missing."""
    if not hasattr(values, "codes"):
        return Counter(str(value) for value in np.asarray(values, dtype=object) if isinstance(value, str))
    # By code: a hundred thousand levels as an array of texts would take the longest's room for each row.
    rows = np.bincount(values.codes[values.codes >= 0], minlength=len(values.levels))
    return {values.levels[code]: int(rows[code]) for code in np.flatnonzero(rows)}


def freeze(column, values, *, bins=10):
    """Bins of a reference column: at most `bins` quantile bins of a number, or the levels of a category.

    values: float array (NaN missing), Category, or sequence of strings and Nones. A number with few distinct values gets one bin each; cuts
    are values themselves, so ties never straddle them.
    """
    if _is_category(values):
        return Bins(column=column, levels=tuple(sorted(level_counts(values))))
    number = np.asarray(values, dtype=np.float64)
    present = np.sort(number[~np.isnan(number)])
    if not len(present):
        return Bins(column=column, edges=())
    cuts = np.unique(present[np.floor(np.linspace(0, 1, bins + 1)[1:-1] * (len(present) - 1)).astype(np.int64)])
    return Bins(column=column, edges=tuple(float(c) for c in cuts if c < present[-1]))


def histogram(bins, values):
    """Count values (as for `freeze`) into frozen bins. Histograms of parts add up."""
    if bins.levels is not None:
        return _category_histogram(bins, values)
    above, missing = _above(np.asarray(values, dtype=np.float64), bins.edges)
    counts = -np.diff([len(values) - missing, *above, 0])
    return Histogram(counts=tuple(int(c) for c in counts), missing=missing)


def added(histograms):
    """The histogram of all parts together."""
    counts = np.sum([h.counts for h in histograms], axis=0)
    missing, unseen = sum(h.missing for h in histograms), sum(h.unseen for h in histograms)
    return Histogram(counts=tuple(int(c) for c in counts), missing=missing, unseen=unseen)


def placed(bins, values):
    """The bin of each row, int64: 0 for the first bin, `bins.cells` for a missing value, `bins.cells` + 1 for an unseen level."""
    if bins.levels is None:
        number = np.asarray(values, dtype=np.float64)
        return np.where(np.isnan(number), bins.cells, np.searchsorted(bins.edges, number))
    place = {level: code for code, level in enumerate(bins.levels)}
    if hasattr(values, "codes"):
        table = np.array([*(place.get(level, bins.cells + 1) for level in values.levels), bins.cells], dtype=np.int64)
        return table[values.codes]
    return np.array([place.get(value, bins.cells + 1) if isinstance(value, str) else bins.cells for value in values], dtype=np.int64)


def need_same_bins(reference, current, column):
    """Raises: RiskError when two histograms of a column were not counted over the same bins."""
    if len(reference.counts) != len(current.counts):
        raise RiskError(f"stability: column {column} has {len(reference.counts)} reference bins and {len(current.counts)} current ones; "
                        "freeze the bins again")


def _above(values, edges):
    """How many values lie above each edge, and how many are missing. Comparing blocks with a few edges takes a third of the time of searching them."""
    above, missing = np.zeros(len(edges), dtype=np.int64), 0
    for start in range(0, len(values), BLOCK):
        block = values[start:start + BLOCK]
        above += np.array([np.count_nonzero(block > edge) for edge in edges], dtype=np.int64)
        missing += int(np.count_nonzero(block != block))
    return above, missing


def _category_histogram(bins, values):
    found = level_counts(values)
    known = tuple(found.get(level, 0) for level in bins.levels)
    present = sum(found.values())
    return Histogram(counts=known, missing=len(values) - present, unseen=present - sum(known))


def _is_category(values):
    return hasattr(values, "codes") or np.asarray(values).dtype.kind in "OUST"
