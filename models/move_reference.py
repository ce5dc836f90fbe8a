"""The customers that a move is measured by: what is plausible among those of better grades, how far a value lies from another, what rank it has."""

from functools import cached_property

import numpy as np

from features.moves import peers_of, terms_of
from features.readback import leaves
from models import scoring

# Values beyond these shares of the better customers are no example to follow.
PLAUSIBLE = (0.01, 0.99)
# Below as many better customers nobody can say what is usual among them.
LEAST_ROWS = 20
INDUSTRY, MISSING_STATEMENT = "bg_industry", "stmt_missing"


class Reference:
    """Customers to compare with: their encoded rows and grades, by which values are called plausible and effort is measured.

    The rows may be of the book or of the development sample; a bundle of any version will do, since they are graded by it here.
    """

    def __init__(self, bundle, matrix, *, threads=1):
        self.bundle, self.matrix = bundle, np.asarray(matrix, dtype=np.float64)
        scores = scoring.score(bundle, self.matrix, threads=threads)
        self.grade, self.raw_score = scores.grade, scores.raw_score
        self.place = {name: place for place, name in enumerate(bundle.names)}
        self._limits = {}

    def limits(self, target):
        """The ends of what is plausible by column, (2, columns), and whether missing was seen, among customers of the grade `target` or better; None where
        they are too few."""
        if target not in self._limits:
            rows = self.matrix[self.grade <= target]
            self._limits[target] = None if len(rows) < LEAST_ROWS else (_quantiles(rows), np.isnan(rows).any(axis=0))
        return self._limits[target]

    def passed(self, column, before, after):
        """The share of customers between two values of a column, ties counted half."""
        values = self._sorted(self.place[column])
        if not len(values):
            return 0.0
        return np.abs(_share(values, after) - _share(values, before))

    def rank(self, column, base, industry, values):
        """What rank values of the column `base` have in an industry (its code), as the ranks of its customers show; None where they show none."""
        curve = self._curve(column, base, industry)
        return None if curve is None else np.where(np.isnan(values), np.nan, np.interp(values, *curve))

    def donor(self, grade):
        """The row that stands for a statement not seen: of the customers of a grade that filed one, the middle one by score; None without one."""
        if MISSING_STATEMENT not in self.place:
            return None
        filed = np.flatnonzero((self.grade == grade) & (self.matrix[:, self.place[MISSING_STATEMENT]] == 0))
        order = filed[np.lexsort((filed, self.raw_score[filed]))]
        return self.matrix[order[len(order) // 2]] if len(order) else None

    @cached_property
    def terms(self):
        """How the bundle's columns are made of facts."""
        return terms_of(self.bundle.names)

    @cached_property
    def leaves(self):
        """The facts of each of these columns."""
        return {name: leaves(term) for name, term in self.terms.items()}

    @cached_property
    def peers(self):
        """Ranks whose ranked column the bundle has too."""
        return {name: base for name, base in peers_of(self.bundle.names).items() if base in self.terms}

    @cached_property
    def _columns(self):
        return {}

    def _sorted(self, place):
        if place not in self._columns:
            values = self.matrix[:, place]
            self._columns[place] = np.sort(values[~np.isnan(values)])
        return self._columns[place]

    def _curve(self, column, base, industry):
        key = column, industry
        if key not in self._columns:
            x, y = (self.matrix[:, self.place[name]] for name in (base, column))
            same = ~np.isnan(x) & ~np.isnan(y)
            if INDUSTRY in self.place:
                same &= self.matrix[:, self.place[INDUSTRY]] == industry
            order = np.argsort(x[same], kind="stable")
            self._columns[key] = (x[same][order], np.maximum.accumulate(y[same][order])) if order.size > 1 else None
        return self._columns[key]


def _quantiles(rows):
    """The ends of what is plausible, (2, columns); NaN for a column that nobody has."""
    known = np.where(np.isnan(rows).all(axis=0), 0.0, rows)
    found = np.nanquantile(known, PLAUSIBLE, axis=0, method="nearest")
    return np.where(np.isnan(rows).all(axis=0), np.nan, found)


def _share(values, at):
    """The share of sorted values below `at`, ties counted half; 0 where it is missing."""
    found = (np.searchsorted(values, at, side="left") + np.searchsorted(values, at, side="right")) / (2 * len(values))
    return np.where(np.isnan(at), 0.0, found)
