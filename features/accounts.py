"""A customer's accounts as they could be read on a date: balance-sheet lines, trailing twelve months of flows, and the same a year
before."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from features.arrays import MISSING_TIME
from features.kernel import BASE, pack
from features.lookups import held, pick_time, states

ANY, QUARTER, ANNUAL = 0, 1, 2
YEAR_MONTHS = 12
PREFERRED_BASIS = "consolidated"
HALF_MONTH = 15 * 86_400
BASE_MONTH = int(np.datetime64(BASE, "s").astype("datetime64[M]").astype(np.int64))
# Months from 1950 to 2086, the range of the packed key; the last number stands for "whatever period".
PERIODS = 1 << 11
LATEST = PERIODS - 1
# A thousandth is as fine as anybody states a confidence; 1,024 steps keep period, length and confidence within the packed key's upper half.
STEPS = 1 << 10
# Months beyond which one statement counts as no longer than another, so that a length never reaches into the period.
LONGEST = 31
CERTAIN = 1_000


def month_number(period_end):
    """Months since January 1950 of the month end nearest to `period_end` in seconds: a year of 52 weeks may close early in the next
    month."""
    months = (period_end - HALF_MONTH).astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)
    return np.where(period_end == MISSING_TIME, -1, np.minimum(np.maximum(months - BASE_MONTH, 0), LATEST - 1))


class Accounts:
    """The statements that each observation (entity (n,), as_of (n,)) can read.

    The latest statement is the one of the latest period end, of a tie the longer period. Of several versions of one period, whether restated or from
    several sources, the one of the highest confidence is read, of equals the one known last, and always whole: never one line from one source and the
    next from another. A missing confidence counts as 1. An observation reads one basis throughout: the preferred one, unless its latest period is a year
    or more behind the other's.
    """

    def __init__(self, rows, entity, as_of, *, preferred=PREFERRED_BASIS):
        self.rows, self.entity, self.as_of = rows, entity, as_of
        self._months = rows["period_months"].astype(np.int64)
        self._period = month_number(rows["period_end"])
        self._basis = _is_level(rows.get("basis"), preferred, len(self._period))
        self._source, self._step = self._versions()
        self._choose_basis()

    def _versions(self):
        """A step function per (customer, basis, length, period): its versions as they became known; rows of the source behind its rows."""
        months, rows = self._months, np.arange(len(self._months))
        trusted = np.minimum(months, LONGEST) * STEPS + trust(self.rows.get("confidence"), len(months))
        rank = pack(self._period * ((LONGEST + 1) * STEPS) + trusted, self.rows["known_at"])
        annual = (months == YEAR_MONTHS).nonzero()[0]
        own = ((months == 3) | (months == YEAR_MONTHS)).nonzero()[0]
        # a statement stands for its own length and for any, for its own period and for the latest
        source = np.concatenate([rows, rows, own, annual])
        length = np.concatenate([np.full(2 * len(rows), ANY), np.where(months[own] == 3, QUARTER, ANNUAL), np.full(len(annual), ANNUAL)])
        period = np.concatenate([self._period, np.full(len(rows), LATEST), self._period[own], np.full(len(annual), LATEST)])
        code = self._code(self.rows["entity"][source], self._basis[source], length, period)
        return source, states(code, self.rows["known_at"][source], rank=rank[source])

    def _choose_basis(self):
        both = np.array([[0], [1]])
        other, preferred = self._held(both, ANY, LATEST)
        # mixing bases would read a change of consolidation as growth
        behind = _period_at(self._period, other) - _period_at(self._period, preferred) >= YEAR_MONTHS
        self.basis = ((preferred >= 0) & ~behind).astype(np.int64)
        self.latest = np.where(self.basis == 1, preferred, other)
        self.annual = self._held(self.basis, ANNUAL, LATEST)
        self.period, self.annual_period = _period_at(self._period, self.latest), _period_at(self._period, self.annual)

    def _held(self, basis, length, period):
        """Row of the statement that held for each observation, of that basis, length and period; -1 where none did."""
        row = held(self._step, self._code(self.entity, basis, length, period), self.as_of)
        return np.where(row >= 0, self._source[row] if len(self._source) else -1, -1)

    @staticmethod
    def _code(entity, basis, length, period):
        return ((entity * 2 + basis) * 3 + length) * PERIODS + period

    def fill(self, plan, out):
        """Write the lines that a LinesPlan asks into the rows of `out` (t, n); missing where no statement says."""
        if not len(self._months):
            out[:] = np.nan
            return
        self._find_all(plan.statements)
        # the last column stands for "no statement"
        values = np.full((len(plan.names), len(self._months) + 1), np.nan)
        for row, name in enumerate(plan.names):
            values[row, :-1] = self.rows.get(name, np.nan)
        for asked, figure in ((plan.stocks, self._stocks), (plan.flows, self._flows)):
            if len(asked.row):
                out[asked.row] = figure(values, asked)

    def _find_all(self, asked):
        """Look up the statements of (length, months back) pairs at once."""
        wanted = dict.fromkeys(each for each in asked if each not in self._found)
        if not wanted:
            return
        length, back = (np.array(column)[:, None] for column in zip(*wanted, strict=True))
        anchor = np.where(length == ANNUAL, self.annual_period, self.period)
        period = anchor - back
        row = np.where((anchor >= 0) & (period >= 0), self._held(self.basis, length, np.maximum(period, 0)), -1)
        self._found.update(zip(wanted, row, strict=True))

    def at(self, length, lag):
        """Row of the statement of that length whose period ended `lag` months before the latest one's, as known at as_of; -1 where none
        is."""
        self._find_all([(length, lag)])
        return self._found[length, lag]

    @cached_property
    def _found(self):
        return {(ANY, 0): self.latest, (ANNUAL, 0): self.annual}

    def _read(self, values, asked, length, back=0):
        """Lines of the statements of a length that ended that many months before each line's own lag, (t, n), and their rows (t, n)."""
        rows = np.array([self._found[length, lag + back] for lag in asked.lags])[asked.lag]
        return values[asked.name[:, None], rows], rows

    def _stocks(self, values, asked):
        """Lines as they stood `lag` months before the latest period end; where that statement lacks one, the annual statement's."""
        found, _ = self._read(values, asked, ANY)
        return _first_known(found, lambda: self._read(values, asked, ANNUAL)[0])

    def _flows(self, values, asked):
        """Twelve months of lines up to `lag` months before the latest period end.

        The last four quarters where all are visible, else the latest annual statement's, else the period's own amount × 12 / its months.
        """
        first, second, third, fourth = (self._read(values, asked, QUARTER, back)[0] for back in QUARTERS)
        four = first + second + third + fourth
        return _first_known(four, lambda: self._read(values, asked, ANNUAL)[0], lambda: self._annualized(*self._read(values, asked, ANY)))

    def _annualized(self, amounts, rows):
        return amounts * (YEAR_MONTHS / np.where(rows >= 0, self._months[rows], YEAR_MONTHS))

    def age_days(self):
        """Days from the latest period end to as_of, (n,)."""
        return self._days(self.as_of, pick_time(self.rows["period_end"], self.latest))

    def filing_days(self):
        """Days from the latest period end to the day the version read was known, (n,): a restatement's own day. Catalogues stored before features asked
        for the first version's still do."""
        return self._days(pick_time(self.rows["known_at"], self.latest), pick_time(self.rows["period_end"], self.latest))

    def _days(self, later, earlier):
        return np.where(self.latest >= 0, (later - np.where(self.latest >= 0, earlier, 0)) / 86_400, np.nan)


QUARTERS = (0, 3, 6, 9)
# Which statements, by (length, months back), a stock and a flow read.
STATEMENTS_OF = {
    "stock": lambda lag: ((ANY, lag), (ANNUAL, lag)),
    "flow": lambda lag: ((ANY, lag), (ANNUAL, lag), *((QUARTER, lag + back) for back in QUARTERS)),
}


@dataclass(frozen=True)
class AskedLines:
    """Statement lines asked: the row of each in the answer (t,), its place among the names (t,) and among the `lags` (t,) in months."""

    row: np.ndarray
    name: np.ndarray
    lag: np.ndarray
    lags: tuple


@dataclass(frozen=True)
class LinesPlan:
    """What stock and flow terms ask: the lines' names, the stocks, the flows, and the statements they read as (length, months back)."""

    names: tuple
    stocks: AskedLines
    flows: AskedLines
    statements: tuple


def plan_lines(terms):
    """The LinesPlan of stock and flow terms, in the order of their answers' rows."""
    names = tuple(dict.fromkeys(term.column for term in terms))
    stocks, flows = (_asked_lines(terms, names, op) for op in ("stock", "flow"))
    statements = dict.fromkeys(each for term in terms for each in STATEMENTS_OF[term.op](term.lag))
    return LinesPlan(names, stocks, flows, tuple(statements))


def _asked_lines(terms, names, op):
    own = [(row, term) for row, term in enumerate(terms) if term.op == op]
    lags = tuple(dict.fromkeys(term.lag for _, term in own))
    places = [(row, names.index(term.column), lags.index(term.lag)) for row, term in own]
    return AskedLines(*np.array(places, dtype=np.int64).reshape(-1, 3).T, lags)


def trust(confidence, count):
    """Confidence in thousandths, int64 (count,), of a column of 0 to 1; a missing value or column is certain, one outside counts as the nearer end."""
    if confidence is None:
        return np.full(count, CERTAIN, dtype=np.int64)
    known = np.where(np.isnan(confidence), 1.0, confidence)
    return np.rint(np.minimum(np.maximum(known, 0.0), 1.0) * CERTAIN).astype(np.int64)


def _first_known(values, *others):
    for other in others:
        gap = np.isnan(values)
        if not gap.any():
            break
        values = np.where(gap, other(), values)
    return values


def _is_level(category, level, count):
    if category is None or level not in category.levels:
        return np.zeros(count, dtype=np.int64)
    return (category.codes == category.levels.index(level)).astype(np.int64)


def _period_at(period, row):
    return np.where(row >= 0, period[row] if len(period) else -1, -1)
