"""All windowed terms of a catalogue, worked out together: one line of rows, flat columns, one call of the kernel for all of a measure."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from features import groups, kernel, numbers
from features.arrays import DAY, Category, length
from features.panel import Panel

# What a measure answers over a window that holds nothing.
NOTHING = dict.fromkeys(("count", "sum", "distinct", "newcomers", "decay"), 0.0)


@dataclass(frozen=True)
class Group:
    """The terms of one measure: the terms, the row of each in the answer (t,), its filter (t,) and its window's place (t,)."""

    measure: str
    terms: tuple
    row: np.ndarray
    chosen: np.ndarray
    depth: np.ndarray


@dataclass(frozen=True)
class WindowPlan:
    """What windowed terms ask: `terms` by row of the answer, `slots` as (table, key), `spans` (k, s), `filters` as (slot, conditions, column
    that must be there), and the terms by measure. A plan's `parts` are those for some of its tables only."""

    terms: tuple
    slots: tuple
    spans: np.ndarray
    filters: tuple
    groups: tuple
    parts: dict = field(default_factory=dict)

    @cached_property
    def conditions(self):
        """The values that columns are tested against, {(slot, column, test): (v, 1) of texts or numbers}."""
        found = {}
        for slot, conditions, _ in self.filters:
            for each in conditions:
                found.setdefault((slot, each.column, each.test), {})[each.value] = None
        return {key: np.array(list(values))[:, None] for key, values in found.items()}

    def part(self, there):
        """The plan of the slots that are `there`, a tuple of booleans by slot."""
        if all(there):
            return self
        if there not in self.parts:
            kept = {slot for slot, is_there in zip(self.slots, there, strict=True) if is_there}
            self.parts[there] = plan_windows([(row, term) for row, term in self.terms if (term.table, term.key) in kept])
        return self.parts[there]


def plan_windows(terms):
    """The WindowPlan of (row of the answer, term) pairs."""
    slots = list(dict.fromkeys((term.table, term.key) for _, term in terms))
    spans = [sorted({term.span for _, term in terms if (term.table, term.key) == slot}) for slot in slots]
    depth = max(map(len, spans), default=0)
    filters = list(dict.fromkeys(_filter_of(term, slots) for _, term in terms))
    groups = {}
    for row, term in terms:
        chosen = _filter_of(term, slots)
        groups.setdefault(term.measure, []).append((term, row, filters.index(chosen), spans[chosen[0]].index(term.span)))
    padded = np.array([own + own[-1:] * (depth - len(own)) for own in spans], dtype=np.int64).reshape(len(slots), depth).T
    return WindowPlan(
        tuple(terms),
        tuple(slots),
        padded,
        tuple(filters),
        tuple(_group(measure, *zip(*members, strict=True)) for measure, members in groups.items()),
    )


def _group(measure, terms, *columns):
    return Group(measure, terms, *(np.array(column) for column in columns))


def _filter_of(term, slots):
    return slots.index((term.table, term.key)), term.where, "" if term.measure == "recency" else term.column


def fill_windows(plan, space, out, *, put):
    """Write the plan's answers into the rows of `out` (t, n); put(row, column) writes what may be a category."""
    there = tuple(length(space.rows(table)) > 0 for table, _ in plan.slots)
    part = plan.part(there)
    if part is not plan:
        for group in plan.groups:
            out[group.row] = NOTHING.get(group.measure, np.nan)
    if part.groups:
        panel = Panel(part, space, put)
        for group in part.groups:
            MEASURES[group.measure](panel, group, out)


def _by_kind(panel, group):
    """Members of a group whose column is whole numbers, and those whose is not."""
    whole = panel.whole[group.chosen]
    return whole.nonzero()[0], (~whole).nonzero()[0]


def _count(panel, group, out):
    out[group.row] = panel.counts[group.depth, group.chosen]


def _sum(panel, group, out):
    whole, others = _by_kind(panel, group)
    if len(whole):
        place, found = panel.totals()
        out[group.row[whole]] = found[group.depth[whole], place[group.chosen[whole]]]
    if len(others):
        out[group.row[others]] = panel.ordered(group, others, kernel.added, empty=0.0)


def _mean(panel, group, out):
    whole, others = _by_kind(panel, group)
    if len(whole):
        place, found = panel.totals()
        depth, chosen = group.depth[whole], group.chosen[whole]
        out[group.row[whole]] = numbers.ratio(found[depth, place[chosen]].astype(np.float64), panel.counts[depth, chosen])
    if len(others):
        out[group.row[others]] = panel.ordered(group, others, kernel.averaged)


def _extreme(panel, group, out, *, negative):
    for whole, members in zip((True, False), _by_kind(panel, group), strict=True):
        if len(members):
            place, found = panel.extremes(whole=whole, negative=negative)
            depth, chosen = group.depth[members], group.chosen[members]
            figures = found[depth, place[chosen]]
            out[group.row[members]] = np.where(panel.counts[depth, chosen] > 0, -figures if negative else figures, np.nan)


def _deviation(panel, group, out):
    whole, others = _by_kind(panel, group)
    if len(others):
        out[group.row[others]] = panel.ordered(group, others, kernel.two_pass, least=2)
    if len(whole):
        out[group.row[whole]] = _whole_deviations(panel, group, whole)


def _whole_deviations(panel, group, members):
    place, figures, wide = panel.deviations()
    at = group.depth[members], place[group.chosen[members]]
    figures, wide = figures[at], wide[at]
    hard = wide.any(axis=1).nonzero()[0]
    if len(hard):
        # their squares might leave 64 bits
        by_row = panel.ordered(group, members[hard], kernel.two_pass, least=2, asked=wide[hard])
        figures[hard] = np.where(wide[hard], by_row, figures[hard])
    return figures


def _last_rows(panel, group):
    """Of each of a group's terms its table, its column's name, and the position in the source rows of its windows' last row (n,)."""
    place, found = panel.last(group.chosen.tolist())
    rows = found[group.depth, place[group.chosen]]
    for row, chosen, source in zip(group.row.tolist(), group.chosen.tolist(), rows, strict=True):
        slot, _, name = panel.plan.filters[chosen]
        yield row, panel.plan.slots[slot][0], name, source


def _last(panel, group, out):
    for row, table, name, source in _last_rows(panel, group):
        values = panel.space.column(table, name)
        panel.put(row, values.where(source >= 0, source) if isinstance(values, Category) else np.where(source >= 0, values[source], np.nan))


def _recency(panel, group, out):
    for row, table, _, source in _last_rows(panel, group):
        out[row] = np.where(source >= 0, (panel.wins.as_of - panel.space.occurred(table)[source]) / DAY, np.nan)


def _distinct(panel, group, out):
    place, found = panel.distinct(list(dict.fromkeys(group.chosen.tolist())))
    out[group.row] = found[group.depth, place[group.chosen]]


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
    **groups.MEASURES,
}
