"""All windowed terms of one table and entity key, worked out together: filters stacked, one call of the kernel for all columns of a measure."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from features import kernel, numbers
from features.arrays import DAY, MISSING_MONEY, Category, length
from features.distinct import distinct

# What a measure answers over a window that holds nothing.
NOTHING = {"count": 0.0, "sum": 0.0, "distinct": 0.0}
# A table of many rows is worked through some columns at a time, so that they stay in the processor's cache.
STACKED = 1 << 20


@dataclass(frozen=True)
class Group:
    """The terms of one measure: the row of each in the answer (t,), its filter (t,), its window's place (t,) and its column's place (t,)."""

    measure: str
    row: np.ndarray
    chosen: np.ndarray
    depth: np.ndarray


@dataclass(frozen=True)
class WindowPlan:
    """What the windowed terms of one (table, key) ask: the windows, the filters (conditions and the column that must be there), the groups."""

    table: str
    key: str
    spans: tuple
    filters: tuple
    groups: tuple


def plan_windows(terms):
    """The WindowPlan of terms over one table and key, in the order of their answers' rows."""
    spans = tuple(sorted({term.span for term in terms}))
    filters = list(dict.fromkeys((term.where, "" if term.measure == "recency" else term.column) for term in terms))
    place = {each: number for number, each in enumerate(filters)}
    groups = {}
    for row, term in enumerate(terms):
        chosen = place[term.where, "" if term.measure == "recency" else term.column]
        groups.setdefault(term.measure, []).append((row, chosen, spans.index(term.span)))
    return WindowPlan(
        terms[0].table,
        terms[0].key,
        spans,
        tuple(filters),
        tuple(Group(measure, *(np.array(column) for column in zip(*members, strict=True))) for measure, members in groups.items()),
    )


def fill_windows(plan, space, out):
    """Write the plan's answers into the rows of `out` (t, n)."""
    if not length(space.rows(plan.table)):
        for group in plan.groups:
            out[group.row] = NOTHING.get(group.measure, np.nan)
        return
    panel = Panel(plan, space)
    for group in plan.groups:
        MEASURES[group.measure](panel, group, out)


class Panel:
    """The windows of a plan with its filters as masks, and the columns in the line's order."""

    def __init__(self, plan, space):
        self.plan, self.space = plan, space
        self.wins = space.windows(plan.table, plan.key, plan.spans)
        self.filters = kernel.Filters(self.wins, self._masks())

    def _masks(self):
        masks = np.ones((len(self.plan.filters), len(self.wins.line.key)), dtype=bool)
        for mask, (conditions, column) in zip(masks, self.plan.filters, strict=True):
            for each in conditions:
                mask &= self._passed(each)
            there = self.space.present(self.plan.table, column) if column else None
            if there is not None:
                mask &= self.wins.line.arrange(there)
        return masks

    def _passed(self, condition):
        table = self.plan.table
        return self.space.once(
            ("passed", table, self.plan.key, condition), lambda: self.wins.line.arrange(self.space.passes(table, condition))
        )

    def column(self, chosen):
        """The column of a filter, in the line's order; a whole number stays one."""
        name = self.plan.filters[chosen][1]
        return self.wins.line.arrange(self.space.column(self.plan.table, name))

    def by_kind(self, group):
        """(filters of whole-number columns, filters of others) of a group."""
        whole = [each for each in dict.fromkeys(group.chosen.tolist()) if np.issubdtype(self.column(each).dtype, np.integer)]
        return whole, [each for each in dict.fromkeys(group.chosen.tolist()) if each not in whole]

    def stacked(self, chosen, identity, *, negative=False):
        """Slabs of columns: (filters, values (c, m)), each column its identity where its filter leaves a row out."""
        size = max(1, STACKED // max(1, self.filters.masks.shape[1]))
        for begin in range(0, len(chosen), size):
            some = chosen[begin : begin + size]
            values = np.array([self.column(each) for each in some])
            yield some, np.where(self.filters.masks[some], -values if negative else values, identity)

    @cached_property
    def _kept(self):
        return {}

    def totals(self, chosen):
        """Exact sums of the columns of some filters: {filter: int64 (k, n)}."""
        kept = self._kept.setdefault("totals", {})
        for some, values in self.stacked([each for each in chosen if each not in kept], 0):
            kept.update(zip(some, kernel.totals(self.wins, values, counts=self.filters.counts[some]), strict=True))
        return kept

    def extremes(self, chosen, *, negative):
        """Largest values of the columns of some filters, or with `negative` of their negatives: {filter: (k, n)} in the columns' type."""
        kept = self._kept.setdefault(("extremes", negative), {})
        fresh = [each for each in chosen if each not in kept]
        for some, values in self.stacked(fresh, kernel.lowest(self.column(fresh[0]).dtype) if fresh else 0, negative=negative):
            kept.update(zip(some, kernel.largest(self.wins, values), strict=True))
        return kept


def _put(out, group, found):
    """Write the answers of {filter: (k, n)} to a group's rows."""
    for row, chosen, depth in zip(group.row.tolist(), group.chosen.tolist(), group.depth.tolist(), strict=True):
        if chosen in found:
            out[row] = found[chosen][depth]


def _count(panel, group, out):
    out[group.row] = panel.filters.counts[group.chosen, group.depth]


def _sum(panel, group, out):
    whole, others = panel.by_kind(group)
    _put(out, group, {each: panel.totals(whole)[each] for each in whole})
    _row_by_row(panel, group, out, others, kernel.added, empty=0.0)


def _mean(panel, group, out):
    whole, others = panel.by_kind(group)
    counts = panel.filters.counts
    _put(out, group, {each: numbers.ratio(panel.totals(whole)[each].astype(np.float64), counts[each]) for each in whole})
    _row_by_row(panel, group, out, others, kernel.averaged)


def _row_by_row(panel, group, out, others, measure, *, empty=np.nan, least=1):
    for row, chosen, depth in zip(group.row.tolist(), group.chosen.tolist(), group.depth.tolist(), strict=True):
        if chosen in others:
            values = panel.column(chosen).astype(np.float64)
            out[row] = kernel.ordered(panel.wins, values, panel.filters.masks[chosen], depth, measure, empty=empty, least=least)


def _extreme(panel, group, out, *, negative):
    for chosen in panel.by_kind(group):
        found = panel.extremes(chosen, negative=negative)
        there = {each: panel.filters.counts[each] > 0 for each in chosen}
        _put(out, group, {each: np.where(there[each], -found[each] if negative else found[each], np.nan) for each in chosen})


def _deviation(panel, group, out):
    whole, others = panel.by_kind(group)
    _row_by_row(panel, group, out, others, kernel.two_pass, least=2)
    if not whole:
        return
    counts, sums = panel.filters.counts[whole], panel.totals(whole)
    high, low = (panel.extremes(whole, negative=negative) for negative in (False, True))
    found = {}
    for place, each in enumerate(whole):
        values = np.where(panel.filters.masks[each], panel.column(each), 0)[None]
        bounds = {"counts": counts[place][None], "sums": sums[each][None], "high": high[each][None], "low": -low[each][None]}
        figures, wide = kernel.deviations(panel.wins, values, **bounds)
        found[each] = figures[0]
        _wide_deviations(panel, each, found[each], wide[0])
    _put(out, group, found)


def _wide_deviations(panel, chosen, figures, wide):
    """Where squares might leave 64 bits, the deviation row by row."""
    for depth in wide.any(axis=1).nonzero()[0]:
        values, mask = panel.column(chosen).astype(np.float64), panel.filters.masks[chosen]
        by_row = kernel.ordered(panel.wins, values, mask, depth, kernel.two_pass, empty=np.nan, least=2, chosen=wide[depth])
        figures[depth] = np.where(wide[depth], by_row, figures[depth])


def _last_rows(panel, group):
    """Position in the source rows of the last row of each of a group's terms, (t, n)."""
    chosen = list(dict.fromkeys(group.chosen.tolist()))
    return panel.filters.last(chosen)[[chosen.index(each) for each in group.chosen.tolist()], group.depth]


def _last(panel, group, out):
    for row, chosen, source in zip(group.row.tolist(), group.chosen.tolist(), _last_rows(panel, group), strict=True):
        values = panel.space.column(panel.plan.table, panel.plan.filters[chosen][1])
        out[row] = np.where(source >= 0, values[source], np.nan)


def _recency(panel, group, out):
    found = _last_rows(panel, group)
    occurred = panel.space.occurred(panel.plan.table)
    out[group.row] = np.where(found >= 0, (panel.wins.as_of - occurred[found]) / DAY, np.nan)


def _distinct(panel, group, out):
    found = {}
    for chosen in dict.fromkeys(group.chosen.tolist()):
        codes = panel.wins.line.arrange(panel.space.group(panel.plan.table, panel.plan.filters[chosen][1]))
        found[chosen] = distinct(panel.wins, panel.filters.masks[chosen], codes)
    _put(out, group, found)


MEASURES = {
    "count": _count,
    "sum": _sum,
    "mean": _mean,
    "min": lambda panel, group, out: _extreme(panel, group, out, negative=True),
    "max": lambda panel, group, out: _extreme(panel, group, out, negative=False),
    "sd": _deviation,
    "recency": _recency,
    "distinct": _distinct,
    "last": _last,
}


def present(column):
    """Which values are not missing, a boolean array, or None where all are there."""
    if isinstance(column, Category):
        there = column.codes >= 0
    elif np.issubdtype(column.dtype, np.floating):
        there = ~np.isnan(column)
    else:
        there = column != MISSING_MONEY
    return None if there.all() else there
