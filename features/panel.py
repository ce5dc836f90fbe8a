"""The windows of one computation laid out: filters as masks, columns flat, and what several measures share worked out once."""

from dataclasses import dataclass
from functools import cached_property, reduce

import numpy as np

from features import kernel
from features.arrays import Category
from features.distinct import distinct, order_of

# Of a table of many rows some columns are taken at a time, so that memory does not grow with their number.
FLAT_ROWS = 1 << 21
# Below this many rows the number of calls is what costs: columns asked for one measure are laid out for all.
FEW_ROWS = 50_000
NUMERIC = ("sum", "mean", "sd", "min", "max")


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
    owner = key >> 32
    order = order_of(owner - owner.min(initial=0), group)
    owner, group = owner[order], group[order]
    change = np.ones(len(order), dtype=bool)
    change[1:] = (owner[1:] != owner[:-1]) | (group[1:] != group[:-1])
    first = change.nonzero()[0]
    begin, end = (owner[first].searchsorted(owner[first], side=side) for side in ("left", "right"))
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
