"""What a customer is compared with: dated quantiles of its industry and dated figures of counterparties, the same for a batch and for one
customer."""

import hashlib
from dataclasses import dataclass, field

import numpy as np

from features.arrays import DAY
from features.kernel import pack, pack_edge

# Shares of a group below each of its 21 quantiles: closer at the ends, where those who fail are found.
LEVELS = np.array([0, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 1.0])
KNOTS = len(LEVELS)
LEAST_MEMBERS = 20
# Each value is held beside its knots; so many at a time stay in the processor's cache.
BLOCK = 1 << 11
EVERYBODY = None
NO_KNOTS = np.zeros(0, dtype=np.int64), np.zeros((0, KNOTS))


@dataclass(frozen=True)
class Counterparties:
    """Running counts per counterparty: `levels` are their ids, ascending; a row holds from `date` (midnight, seconds) on.

    `code` (k,) into levels, `date` (k,), `count` and `frauds` (k,) so far, by (code, date).
    """

    levels: tuple = ()
    code: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    date: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    count: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    frauds: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))


class Context:
    """The dated context: `knots` maps (feature, industry or None for everybody) to (dates ascending, 21 quantiles each)."""

    def __init__(self, knots=None, counterparties=None):
        self.knots = dict(sorted((knots or {}).items(), key=lambda item: _entry_order(item[0])))
        self.counterparties = counterparties or Counterparties()
        self._code = {level: code for code, level in enumerate(self.counterparties.levels)}
        self._key = pack(self.counterparties.code, self.counterparties.date)

    def quantiles(self, names, values, industry, as_of):
        """Where each value (f, n) of the named features stands among its industry's at the latest context date <= as_of: 0 lowest, 1 highest, (f, n).

        An industry without quantiles of that date, or none given, means everybody's. Missing when the value is or no context date is that
        early.
        """
        answer = np.full(values.shape, np.nan)
        for begin in range(0, len(as_of), BLOCK):
            some = slice(begin, begin + BLOCK)
            knots = self._knots_of(names, None if industry is None else industry[some], as_of[some])
            usable = ~np.isnan(values[:, some]) & ~np.isnan(knots[:, :, 0])
            answer[:, some][usable] = _place(values[:, some][usable], knots[usable])
        return answer

    def _knots_of(self, names, industry, as_of):
        """The quantiles that hold for each name and observation, (f, n, 21); NaN where no context date is that early."""
        knots, members = np.full((len(names), len(as_of), KNOTS), np.nan), _members(industry)
        for name, chosen in zip(names, knots, strict=True):
            dates, everybody = self.knots.get((name, EVERYBODY), NO_KNOTS)
            at = dates.searchsorted(as_of, side="right") - 1
            there = (at >= 0).nonzero()[0]
            chosen[there] = everybody[at[there]]
            for level, own in members:
                self._use_industry(chosen, (name, level), own[at[own] >= 0], dates, at)
        return knots

    def _use_industry(self, chosen, entry, members, dates, at):
        if entry not in self.knots or not len(members):
            return
        own_dates, knots = self.knots[entry]
        wanted = dates[at[members]]
        place = np.minimum(own_dates.searchsorted(wanted), len(own_dates) - 1)
        same = own_dates[place] == wanted
        chosen[members[same]] = knots[place[same]]

    def counterparty_codes(self, own):
        """Codes int64 (n,) of a Category of counterparties in this context; -1 where none is given or it was never seen."""
        table = np.array([*(self._code.get(level, -1) for level in own.levels), -1], dtype=np.int64)
        return table[own.codes]

    def counterparty_row(self, code, moment):
        """Row of the running counts that holds for each counterparty at a moment, -1 before its first.

        Days count whole: what became known on a day counts from the next midnight on.
        """
        order = np.lexsort((moment, code))
        at = np.empty(len(code), dtype=np.int64)
        at[order] = np.searchsorted(self._key, pack_edge(code[order], moment[order]), side="right") - 1
        found = at >= 0
        found[found] = self.counterparties.code[at[found]] == code[found]
        return np.where(found, at, -1)

    def counterparty_count(self, measure, row):
        """Transactions (`count`) or frauds among them (`frauds`) that became known up to those rows; 0 at -1."""
        return np.append(getattr(self.counterparties, measure), 0)[row]

    def to_rows(self):
        """The context as a table, {column: list}: part, name, industry, date (seconds), knots, count, frauds; None where a column does not
        apply."""
        rows = {name: [] for name in ("part", "name", "industry", "date", "knots", "count", "frauds")}
        for (name, industry), (dates, knots) in self.knots.items():
            _extend(
                rows,
                part=["quantile"] * len(dates),
                name=[name] * len(dates),
                industry=[industry] * len(dates),
                date=dates.tolist(),
                knots=knots.tolist(),
                count=[None] * len(dates),
                frauds=[None] * len(dates),
            )
        own, none = self.counterparties, [None] * len(self.counterparties.code)
        _extend(
            rows,
            part=["counterparty"] * len(none),
            name=[own.levels[code] for code in own.code],
            industry=none,
            date=own.date.tolist(),
            knots=none,
            count=own.count.tolist(),
            frauds=own.frauds.tolist(),
        )
        return rows

    @classmethod
    def from_rows(cls, rows):
        """The context that `to_rows` gave, columns as lists or arrays."""
        part = np.asarray(rows["part"], dtype=object)
        return cls(_knots_of(rows, np.flatnonzero(part == "quantile")), _counterparties_of(rows, np.flatnonzero(part == "counterparty")))

    def digest(self):
        """sha256 of what the context says, whatever file it came from."""
        own, sha = self.counterparties, hashlib.sha256()
        for entry, (dates, knots) in self.knots.items():
            sha.update(repr(entry).encode() + dates.astype("<i8").tobytes() + knots.astype("<f8").tobytes())
        sha.update(repr(own.levels).encode())
        for column in (own.code, own.date, own.count, own.frauds):
            sha.update(column.astype("<i8").tobytes())
        return sha.hexdigest()


def _entry_order(entry):
    name, industry = entry
    return name, industry is not None, industry or ""


def _extend(rows, **more):
    for name, values in more.items():
        rows[name].extend(values)


def _members(industry):
    """(level, positions) of the observations of each industry."""
    if industry is None or not len(industry.levels):
        return []
    return [(industry.levels[code], (industry.codes == code).nonzero()[0]) for code in set(industry.codes.tolist()) - {-1}]


def _place(values, knots):
    """Place of each value (n,) on its knots (n, 21), 0 to 1: linear between knots, the middle of those it equals."""
    below = (knots < values[:, None]).sum(axis=1)
    upto = (knots <= values[:, None]).sum(axis=1)
    row, left, right = np.arange(len(values)), np.clip(below - 1, 0, KNOTS - 1), np.clip(below, 0, KNOTS - 1)
    low, high = knots[row, left], knots[row, right]
    step = np.where(high > low, high - low, 1.0)
    between = LEVELS[left] + (values - low) / step * (LEVELS[right] - LEVELS[left])
    shared = (LEVELS[np.minimum(below, KNOTS - 1)] + LEVELS[np.maximum(upto - 1, 0)]) / 2
    place = np.where(upto > below, shared, between)
    return np.where(upto == 0, 0.0, np.where(below == KNOTS, 1.0, place))


def quantile_knots(columns, industry, as_of, *, least_members=LEAST_MEMBERS):
    """The `knots` of a Context from the values of observed customers: columns {feature: (n,)}, industry a Category (n) or None, as_of (n,)
    seconds.

    Observations of one calendar month are compared with each other, as far as they were asked by then: quantiles are drawn of its first
    moment, again whenever as many more are there, and of all of them at its end, so nothing later is ever read, not even that somebody was
    observed. Groups with fewer than `least_members` values are left out.
    """
    rows, place, dates = _drawings(as_of)
    knots = {}
    for name, column in columns.items():
        values = column[rows]
        _add_knots(knots, name, values, place, np.zeros(len(rows), dtype=np.int64), (EVERYBODY,), dates, least_members)
        if industry is not None and len(industry.levels):
            _add_knots(knots, name, values, place, industry.codes[rows].astype(np.int64), industry.levels, dates, least_members)
    return knots


def _drawings(as_of):
    """Which observations (m,) quantiles are drawn of, at which of the `dates` (m,), and those dates, ascending.

    Each date counts at least twice the observations of the one before in its month, so m is at most three times n.
    """
    order = as_of.argsort(kind="stable")
    moments, upto = np.unique(as_of[order], return_index=True)
    upto = np.append(upto, len(as_of))[1:]
    month = moments.astype("datetime64[s]").astype("datetime64[M]")
    drawn = []
    for first in np.flatnonzero(np.append(True, month[1:] != month[:-1])[: len(month)]):
        end = np.searchsorted(month, month[first], side="right")
        begin = upto[first - 1] if first else 0
        drawn += [(begin, *each) for each in _month_drawings(moments[first:end], upto[first:end] - begin, month[first])]
    rows = [order[begin : begin + count] for begin, count, _ in drawn]
    place = np.arange(len(drawn)).repeat([len(each) for each in rows])
    return np.concatenate([np.zeros(0, dtype=np.int64), *rows]), place, np.array([date for *_, date in drawn], dtype=np.int64)


def _month_drawings(moments, count, month):
    """How many of a month's observations, in the order of time, are drawn of, and when: `count` (k,) were there by `moments` (k,)."""
    at = 0
    while at < len(count):
        yield count[at], moments[at]
        last, at = at, np.searchsorted(count, 2 * count[at])
    if count[last] < count[-1]:
        yield count[-1], (month + 1).astype("datetime64[s]").astype(np.int64) - 1


def _add_knots(knots, name, values, place, code, levels, dates, least):
    there = np.flatnonzero(np.isfinite(values) & (code >= 0))
    order = there[np.lexsort((values[there], place[there], code[there]))]
    group = code[order] * len(dates) + place[order]
    first = np.flatnonzero(np.diff(group, prepend=-1))
    count = np.diff(first, append=len(group))
    first, count = first[count >= least], count[count >= least]
    drawn = _quantiles_of(values[order], first, count)
    for level in np.unique(group[first] // len(dates)):
        own = group[first] // len(dates) == level
        knots[name, levels[level]] = (dates[group[first][own] % len(dates)], drawn[own])


def _quantiles_of(ordered, first, count):
    """The quantiles at LEVELS (g, 21) of runs of sorted values, linear between neighbours."""
    at = (count - 1)[:, None] * LEVELS
    low = at.astype(np.int64)
    high = np.minimum(low + 1, (count - 1)[:, None])
    lower, upper = ordered[first[:, None] + low], ordered[first[:, None] + high]
    return lower + (upper - lower) * (at - low)


def added_counts(levels, code, known, count, frauds, *, begin, end):
    """Counterparties from counts added up in part: rows (n,) in any order, each of a code into ascending levels, a moment in seconds, and the int64
    `count` of transactions and of `frauds` among them that became known then.

    What became known after `end` is left out; what did before `begin` is one row dated with it, since no window reaches back further.
    """
    date = -(-np.maximum(known, begin) // DAY) * DAY
    kept = np.flatnonzero((code >= 0) & (date <= end))
    order = kept[np.argsort(pack(code[kept], date[kept]), kind="stable")]
    code, date = code[order], date[order]
    # np.unique would sort again what is sorted
    first = np.diff(code, prepend=-1) != 0
    last = np.append(first[1:] | (date[1:] != date[:-1]), True)[: len(order)]
    steps = (_running(step[order], first, last) for step in (count, frauds))
    return Counterparties(tuple(levels[each] for each in code[first]), (np.cumsum(first) - 1)[last], date[last], *steps)


def _running(step, first, last):
    """Running sums within each code, which starts at the rows marked first, at the rows marked last."""
    total = np.cumsum(step)
    begin = np.flatnonzero(first)
    before = np.repeat((total - step)[begin], np.diff(begin, append=len(step)))
    return (total - before)[last]


def _knots_of(rows, index):
    entries = {}
    for place in index:
        entries.setdefault((rows["name"][place], rows["industry"][place]), []).append((int(rows["date"][place]), rows["knots"][place]))
    return {
        entry: (np.array([date for date, _ in dated], dtype=np.int64), np.array([list(knots) for _, knots in dated], dtype=np.float64))
        for entry, dated in entries.items()
    }


def _counterparties_of(rows, index):
    names = [rows["name"][place] for place in index]
    levels = tuple(sorted(set(names)))
    code = {level: number for number, level in enumerate(levels)}
    date, count, frauds = (np.array([rows[column][place] for place in index], dtype=np.int64) for column in ("date", "count", "frauds"))
    return Counterparties(levels, np.array([code[name] for name in names], dtype=np.int64), date, count, frauds)
