"""The arrays that the kernel reads: rows as columns of numbers, moments as whole seconds, categories as codes.

Moments are int64 seconds since 1970. What happened or became known is rounded up to the next second and an `as_of` down, so that rounding
never looks ahead.
"""

from dataclasses import dataclass, field

import numpy as np

# The lowest number, so that a missing moment is never later than anything.
MISSING_TIME = np.iinfo(np.int64).min
MISSING_MONEY = np.iinfo(np.int64).min
DAY = 86_400
MONTH_DAYS = 365.25 / 12


@dataclass(frozen=True)
class Category:
    """A column of categories: `codes` int32 (n,) into `levels`, a tuple of strings; -1 means missing."""

    codes: np.ndarray
    levels: tuple

    def __len__(self):
        return len(self.codes)

    def __getitem__(self, rows):
        return Category(self.codes[rows], self.levels)

    def where(self, there, rows):
        """The values at `rows`, missing where not `there`."""
        return Category(np.where(there, self.codes[rows] if len(self.codes) else -1, -1).astype(np.int32), self.levels)

    def strings(self):
        """The values as an object array of strings, None where missing."""
        table = np.array([*self.levels, None], dtype=object)
        return table[self.codes]


@dataclass(frozen=True)
class Records:
    """Rows of some customers, ready for the kernel.

    `customers` are the ids by entity code. `tables` maps a table's name to its rows: a dict of equally long columns, each an ndarray or a
    Category, with int64 `entity` codes. Times are int64 seconds (MISSING_TIME), money int64 minor units (MISSING_MONEY), numbers float64
    (NaN), flags float64 (0, 1, NaN); `invoice_id` and `contract_id` are int64 codes (-1 missing) that mean the same in every table. Rows
    that lack the moment they happened or were known are left out by the feeders: nobody can say when they could have been read.
    """

    customers: tuple
    tables: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Observations:
    """Questions asked: entity codes (n,), `as_of` seconds (n,), and the observations' own columns as rows (n)."""

    entity: np.ndarray
    as_of: np.ndarray
    columns: dict = field(default_factory=dict)

    def __len__(self):
        return len(self.entity)


def seconds_up(microseconds):
    """Whole seconds, rounded up, of int64 microseconds since 1970; MISSING_TIME stays missing."""
    return np.where(microseconds == MISSING_TIME, MISSING_TIME, -(-microseconds // 1_000_000))


def seconds_down(microseconds):
    """Whole seconds, rounded down, of int64 microseconds since 1970; MISSING_TIME stays missing."""
    return np.where(microseconds == MISSING_TIME, MISSING_TIME, microseconds // 1_000_000)


def categorize(values):
    """A Category of a sequence of strings and Nones, levels in order of first appearance."""
    levels = tuple(dict.fromkeys(value for value in values if value is not None))
    code = {level: place for place, level in enumerate(levels)}
    return Category(np.array([code.get(value, -1) for value in values], dtype=np.int32), levels)


def present(column):
    """Which values are not missing, a boolean array."""
    if isinstance(column, Category):
        return column.codes >= 0
    return column == column if column.dtype.kind == "f" else column != MISSING_MONEY


def take(rows, index):
    """The chosen rows of a dict of columns, in the order of `index` (positions or a mask)."""
    return {name: column[index] for name, column in rows.items()}


def length(rows):
    """The number of rows of a dict of columns."""
    return len(next(iter(rows.values()))) if rows else 0
