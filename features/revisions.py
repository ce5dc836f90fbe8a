"""What a statement said first: its earliest version, when that was filed, and by how much the version read now departs from it."""

import numpy as np

from features.accounts import ANY
from features.arrays import DAY
from features.derived import statement_series
from features.kernel import lengths, runs
from features.lookups import pick


def first_versions(rows):
    """Row of the version known first of each statement row's period, length, basis and source, int64 (rows,).

    It became known no later than the row itself, so whoever can read the row can read it.
    """
    number = statement_series(rows)
    order = np.lexsort((rows["known_at"], number))
    first = runs(number[order])
    answer = np.empty(len(order), dtype=np.int64)
    answer[order] = order[first].repeat(lengths(first, len(order)))
    return answer


def _first_of(space, row):
    first = space.once(("first_versions",), first_versions, space.rows("statements"))
    return np.where(row >= 0, first[row] if len(first) else -1, -1)


def revision(space, term):
    """A line of the latest visible statement less what its first version said, in currency units, (n,)."""
    values, row = space.column(term.table, term.column), space.accounts.latest
    return pick(values, row) - pick(values, _first_of(space, row))


def first_filing_days(space, lag):
    """Days from period end to the day its first version was known, of the statement `lag` months before the latest, (n,)."""
    rows, row = space.rows("statements"), _first_of(space, space.accounts.at(ANY, lag))
    if not len(rows["known_at"]):
        return np.full(len(row), np.nan)
    return np.where(row >= 0, (rows["known_at"][row] - rows["period_end"][row]) / DAY, np.nan)
