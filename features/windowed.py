"""All windowed terms of a catalogue, worked out together: one line of rows, flat columns, one call of the kernel for all of a measure."""

from dataclasses import dataclass, field
from functools import cached_property, reduce

import numpy as np

from features import groups, kernel, numbers
from features.arrays import DAY, MISSING_MONEY, Category, length
from features.distinct import distinct, order_of

# What a measure answers over a window that holds nothing.
NOTHING = dict.fromkeys(("count", "sum", "distinct", "newcomers", "decay"), 0.0)
# Of a table of many rows some columns are taken at a time, so that memory does not grow with their number.
FLAT_ROWS = 1 << 21
# Below this many rows the number of calls is what costs: columns asked for one measure are laid out for all.
FEW_ROWS = 50_000
NUMERIC = ("sum", "mean", "sd", "min", "max")


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


@dataclass(frozen=True)
class Layout:
    """Some filters laid flat: their places among all (c,), the kernel's Flat, the flat mask and the flat columns."""

    chosen: list
    flat: kernel.Flat
    mask: np.ndarray
    values: np.ndarray


class Panel:
    """The windows of a plan with its filters as masks, and the columns in the line's order."""

    def __init__(self, plan, space, put):
        self.plan, self.space, self.put = plan, space, put
        slots = [space.slot(table, key) for table, key in plan.slots]
        rows = [(own, space.occurred(table), space.rows(table)["known_at"]) for (own, _, _), (table, _) in zip(slots, plan.slots, strict=True)]
        self.line = kernel.line_of(rows, width=1 + max(width for _, _, width in slots), since=space.observations.as_of.min())
        self.wins = kernel.windows(self.line, np.array([asked for _, asked, _ in slots]), space.observations.as_of, spans=plan.spans)
        self.slot = np.array([slot for slot, _, _ in plan.filters])
        self._kept, self._columns = {}, {}
        self._passed = self._pass_all()
        self.masks = [self._mask(*each) for each in plan.filters]
        self.rows = (self.line.begin[1:] - self.line.begin[:-1])[self.slot]
        self.few = int(self.rows.sum()) < FEW_ROWS

    def _pass_all(self):
        """Which rows pass each condition, {(slot, condition): mask}: the conditions on one column are tested together."""
        passed = {}
        for (slot, column, test), values in self.plan.conditions.items():
            found = self.space.passes(self.plan.slots[slot][0], column, test, values)
            passed.update(((slot, column, test, value), mask) for value, mask in zip(values[:, 0].tolist(), self.line.arrange(slot, found), strict=True))
        return passed

    def _mask(self, slot, conditions, column):
        masks = [self._passed[slot, each.column, each.test, each.value] for each in conditions]
        there = self.present(slot, column) if column else None
        masks += [] if there is None else [there]
        return reduce(np.logical_and, masks) if masks else np.ones(self.line.begin[slot + 1] - self.line.begin[slot], dtype=bool)

    def once(self, key, build):
        """What `build()` gives, worked out at the first call with that key."""
        if key not in self._kept:
            self._kept[key] = build()
        return self._kept[key]

    @cached_property
    def counts(self):
        """Rows per window, filter and observation, int64 (k, f, n)."""
        return np.concatenate([counted.counts for counted in self._counted(list(range(len(self.masks))))], axis=1)

    def last(self, chosen):
        """Position in the source rows of the last row per window, chosen filter and observation: places (f,) and (k, c, n)."""
        # of few rows it costs least to let every filter share what counting found
        chosen = list(range(len(self.masks))) if self.few else list(dict.fromkeys(chosen))
        return self.once(("last", *chosen), lambda: (self._places(chosen), np.concatenate([each.last for each in self._counted(chosen)], axis=1)))

    def _counted(self, chosen):
        return self.once(("counted", *chosen), lambda: [kernel.Counted(self._flat(some), self._masked(some)) for some in self._slabs(chosen)])

    def _flat(self, some):
        return kernel.Flat(self.wins, self.slot[some])

    def _masked(self, some):
        return _joined([self.masks[each] for each in some])

    def _slabs(self, chosen):
        cut = self.rows[chosen].cumsum() // FLAT_ROWS
        edges = [0, *(np.flatnonzero(cut[1:] != cut[:-1]) + 1).tolist(), len(chosen)] if not self.few else [0, len(chosen)]
        return [chosen[begin:end] for begin, end in zip(edges[:-1], edges[1:], strict=True)]

    def _places(self, chosen):
        place = np.full(len(self.masks), -1)
        place[chosen] = np.arange(len(chosen))
        return place

    def column(self, each):
        """The column of a filter, in the line's order; a whole number stays one."""
        slot, _, name = self.plan.filters[each]
        found = self._columns.get((slot, name))
        if found is None:
            found = self._columns[slot, name] = self.line.arrange(slot, self.space.column(self.plan.slots[slot][0], name))
        return found

    def joined(self, chosen):
        """The columns of some filters, flat."""
        return _joined([self.column(each) for each in chosen])

    @cached_property
    def whole(self):
        """Which filters' columns are whole numbers, a boolean array (f,)."""
        kinds = {(slot, name): _kind(self.column(each)) for each, (slot, _, name) in enumerate(self.plan.filters) if name}
        return np.array([kinds.get((slot, name)) == "i" for slot, _, name in self.plan.filters])

    def laid(self, *measures, whole):
        """Layouts, slab by slab, of the columns, whole numbers or not, of which one of the measures is asked, and their filters' places (f,)."""
        measures = NUMERIC if self.few else measures
        return self.once(("laid", whole, measures), lambda: self._lay(measures, whole))

    def _lay(self, measures, whole):
        asked = [each for group in self.plan.groups if group.measure in measures for each in group.chosen.tolist()]
        chosen = [each for each in dict.fromkeys(asked) if self.whole[each] == whole]
        return self._places(chosen), [
            Layout(some, self._flat(some), self._masked(some), self.joined(some)) for some in self._slabs(chosen)
        ]

    def totals(self):
        """Exact sums of whole numbers: their filters' places (f,), and int64 (k, c, n)."""
        return self.once("totals", lambda: self._measured(self.laid("sum", "mean", "sd", whole=True), self._total))

    def _measured(self, places_and_layouts, measure):
        place, layouts = places_and_layouts
        return place, np.concatenate([measure(layout) for layout in layouts], axis=1)

    def _total(self, layout):
        return kernel.totals(layout.flat, np.where(layout.mask, layout.values, 0), counts=self.counts[:, layout.chosen])

    def extremes(self, *, whole, negative):
        """Largest values, or with `negative` of their negatives: their filters' places (f,), and (k, c, n) in the columns' type."""
        measures = ("min" if negative else "max", *(("sd",) if whole else ()))
        sign = -1 if negative else 1
        return self.once(("extremes", whole, negative), lambda: self._measured(self.laid(*measures, whole=whole), lambda each: _extreme_of(each, sign)))

    def deviations(self):
        """Deviations of whole numbers: their filters' places (f,), float64 (k, c, n), and where squares might leave 64 bits."""
        place, layouts = self.laid("sd", whole=True)
        found = [kernel.deviations(each.flat, np.where(each.mask, each.values, 0), **self._bounds(each.chosen)) for each in layouts]
        return place, *(np.concatenate(each, axis=1) for each in zip(*found, strict=True))

    def _bounds(self, some):
        (sum_place, sums), (high_place, high), (low_place, low) = self.totals(), *(self.extremes(whole=True, negative=sign) for sign in (False, True))
        return {"counts": self.counts[:, some], "sums": sums[:, sum_place[some]], "high": high[:, high_place[some]], "low": -low[:, low_place[some]]}

    def ordered(self, group, members, measure, *, empty=np.nan, least=1, asked=None):
        """A measure row by row of some members (positions) of a group, (t, n); asked (t, n): where, everywhere without it."""
        chosen = list(dict.fromkeys(group.chosen[members].tolist()))
        column = self._places(chosen)[group.chosen[members]]
        values = self.joined(chosen).astype(np.float64)
        about = {"empty": empty, "least": least, "chosen": asked}
        return kernel.ordered(self._flat(chosen), values, self._masked(chosen), column, group.depth[members], measure, **about)

    def distinct(self, chosen):
        """Different values of the columns of some filters: places (f,) and int64 (k, c, n)."""
        found = [distinct(self._flat(some), self._masked(some), _joined([self._codes(each) for each in some])) for some in self._slabs(chosen)]
        return self._places(chosen), np.concatenate(found, axis=1)

    def _codes(self, each):
        slot, _, name = self.plan.filters[each]
        return self.groups(slot, name)

    def groups(self, slot, name):
        """A column of a slot as int64 numbers that no two entities share, in the line's order."""
        return self.line.arrange(slot, self.space.group(self.plan.slots[slot][0], name))

    def numbered(self, slot, name):
        """The groups of a column of a slot numbered within each entity (m,), and how many groups each row's entity has (m,)."""
        return self.once(("numbered", slot, name), lambda: _numbered(self.groups(slot, name), self.line.key[self.line.begin[slot] : self.line.begin[slot + 1]]))

    def present(self, slot, name):
        """Where a column of a slot is not missing, in the line's order, or None where none can be."""
        return self.once(("present", slot, name), lambda: self._present(slot, name))

    def _present(self, slot, name):
        there = self.space.present(self.plan.slots[slot][0], name)
        return None if there is None else self.line.arrange(slot, there)


def _numbered(group, key):
    order = order_of(np.zeros(len(group), dtype=np.int64), group)
    first = kernel.runs(group[order])
    # groups of one entity stand together, since no two entities share a number
    owner = key[order[first]] >> 32
    begin, end = (owner.searchsorted(owner, side=side) for side in ("left", "right"))
    number, width = np.empty(len(group), dtype=np.int64), np.empty(len(group), dtype=np.int64)
    count = kernel.lengths(first, len(group))
    number[order], width[order] = (np.arange(len(first)) - begin).repeat(count), (end - begin).repeat(count)
    return number, width


def _joined(columns):
    return columns[0] if len(columns) == 1 else np.concatenate(columns)


def _kind(column):
    return "category" if isinstance(column, Category) else column.dtype.kind


def _extreme_of(layout, sign):
    return kernel.largest(layout.flat, np.where(layout.mask, sign * layout.values, kernel.lowest(layout.values.dtype)))


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


def present(column):
    """Which values are not missing, a boolean array."""
    if isinstance(column, Category):
        return column.codes >= 0
    return column == column if column.dtype.kind == "f" else column != MISSING_MONEY
