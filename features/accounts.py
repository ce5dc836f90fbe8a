"""A customer's accounts as they could be read on a date: balance-sheet lines, trailing twelve months of flows, and the same a year
before."""

from functools import cached_property

import numpy as np

from features.arrays import MISSING_TIME
from features.kernel import BASE, pack
from features.lookups import held, pick, pick_time, states

ANY, QUARTER, ANNUAL = 0, 1, 2
YEAR_MONTHS = 12
PREFERRED_BASIS = "consolidated"
HALF_MONTH = 15 * 86_400
PERIODS = 1 << 14
# A thousandth is as fine as anybody states a confidence; 1,024 steps keep period, length and confidence within the packed key's upper half.
STEPS = 1 << 10
CERTAIN = 1_000


def month_number(period_end):
    """Months since January 1950 of the month end nearest to `period_end` in seconds: a year of 52 weeks may close early in the next
    month."""
    months = (period_end - HALF_MONTH).astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)
    return np.where(period_end == MISSING_TIME, -1, months - np.int64(np.datetime64(BASE, "s").astype("datetime64[M]").astype(np.int64)))


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
        self._length_and_trust = self._months * STEPS + trust(rows.get("confidence"), len(self._period))
        self._choose_basis()

    def _choose_basis(self):
        rank = pack(self._period * (32 * STEPS) + self._length_and_trust, self.rows["known_at"])
        step = states(self.rows["entity"] * 2 + self._basis, self.rows["known_at"], rank=rank)
        other, preferred = (held(step, self.entity * 2 + basis, self.as_of) for basis in (0, 1))
        # mixing bases would read a change of consolidation as growth
        behind = _period_at(self._period, other) - _period_at(self._period, preferred) >= YEAR_MONTHS
        self.basis = ((preferred >= 0) & ~behind).astype(np.int64)
        self.latest = np.where(self.basis == 1, preferred, other)
        self.period = _period_at(self._period, self.latest)
        annual = self._months == YEAR_MONTHS
        annual_step = _of_rows(states, annual, self.rows["entity"] * 2 + self._basis, self.rows["known_at"], rank)
        self.annual = held(annual_step, self.entity * 2 + self.basis, self.as_of)
        self.annual_period = _period_at(self._period, self.annual)

    @cached_property
    def _versions(self):
        """One step function per (customer, basis, length, period): its versions as they became known."""
        length = np.where(self._months == 3, QUARTER, np.where(self._months == YEAR_MONTHS, ANNUAL, ANY))
        own = self._code(self.rows["entity"], self._basis, length, self._period)
        anyhow = self._code(self.rows["entity"], self._basis, ANY, self._period)
        twice = np.concatenate([own, anyhow[length != ANY]])
        source = np.concatenate([np.arange(len(own)), np.flatnonzero(length != ANY)])
        codes, group = np.unique(twice, return_inverse=True)
        return (
            codes,
            source,
            states(group.astype(np.int64), self.rows["known_at"][source], rank=pack(self._length_and_trust[source], self.rows["known_at"][source])),
        )

    @staticmethod
    def _code(entity, basis, length, period):
        return ((entity * 2 + basis) * 3 + length) * PERIODS + period

    def _find(self, length, period):
        codes, source, step = self._versions
        wanted = self._code(self.entity, self.basis, length, np.maximum(period, 0))
        group = np.searchsorted(codes, wanted)
        there = (group < len(codes)) & (period >= 0)
        there[there] = codes[group[there]] == wanted[there]
        row = held(step, np.where(there, group, -1), self.as_of)
        return np.where(row >= 0, source[row] if len(source) else -1, -1)

    def at(self, length, lag):
        """Row of the statement of that length whose period ended `lag` months before the latest one's, as known at as_of; -1 where none
        is."""
        key = (length, lag)
        if key not in self._found:
            anchor = self.annual_period if length == ANNUAL else self.period
            self._found[key] = self._find(length, np.where(anchor >= 0, anchor - lag, -1))
        return self._found[key]

    @cached_property
    def _found(self):
        return {(ANY, 0): self.latest, (ANNUAL, 0): self.annual}

    def stock(self, line, lag=0):
        """A line as it stood `lag` months before the latest period end, (n,); where that statement lacks it, the annual statement's."""
        values = self._values(line)
        return _first_known([pick(values, self.at(ANY, lag)), lambda: pick(values, self.at(ANNUAL, lag))])

    def flow(self, line, lag=0):
        """Twelve months of a line up to `lag` months before the latest period end, (n,).

        The last four quarters where all are visible, else the latest annual statement's, else the period's own amount × 12 / its months.
        """
        values = self._values(line)
        return _first_known(
            [self._four_quarters(values, lag), lambda: pick(values, self.at(ANNUAL, lag)), lambda: self._annualized(values, lag)]
        )

    def _values(self, line):
        """A line of all statements; one that no statement here carries is missing throughout."""
        return self.rows[line] if line in self.rows else np.full(len(self._months), np.nan)

    def _four_quarters(self, values, lag):
        quarters = [pick(values, self.at(QUARTER, lag + back)) for back in (0, 3, 6, 9)]
        return quarters[0] + quarters[1] + quarters[2] + quarters[3]

    def _annualized(self, values, lag):
        row = self.at(ANY, lag)
        return pick(values, row) * (YEAR_MONTHS / np.where(row >= 0, self._months[row], YEAR_MONTHS) if len(self._months) else 1.0)

    def age_days(self):
        """Days from the latest period end to as_of, (n,)."""
        return self._days(self.as_of, pick_time(self.rows["period_end"], self.latest))

    def filing_days(self):
        """Days from the latest period end to the day its statement was known, (n,)."""
        return self._days(pick_time(self.rows["known_at"], self.latest), pick_time(self.rows["period_end"], self.latest))

    def _days(self, later, earlier):
        return np.where(self.latest >= 0, (later - np.where(self.latest >= 0, earlier, 0)) / 86_400, np.nan)


def trust(confidence, count):
    """Confidence in thousandths, int64 (count,), of a column of 0 to 1; a missing value or column is certain, one outside counts as the nearer end."""
    if confidence is None:
        return np.full(count, CERTAIN, dtype=np.int64)
    return np.rint(np.clip(np.where(np.isnan(confidence), 1.0, confidence), 0.0, 1.0) * CERTAIN).astype(np.int64)


def _first_known(choices):
    values = choices[0]
    for choice in choices[1:]:
        gap = np.isnan(values)
        if not gap.any():
            break
        values = np.where(gap, choice(), values)
    return values


def _is_level(category, level, count):
    if category is None or level not in category.levels:
        return np.zeros(count, dtype=np.int64)
    return (category.codes == category.levels.index(level)).astype(np.int64)


def _period_at(period, row):
    return np.where(row >= 0, period[row] if len(period) else -1, -1)


def _of_rows(build, chosen, group, known, rank):
    """A step function over the chosen rows only, answering positions among all rows."""
    place = np.flatnonzero(chosen)
    step = build(group[chosen], known[chosen], rank=rank[chosen])
    return type(step)(step.key, place[step.row])
