"""The one kernel of windowed figures: rows packed by (entity, moment), windows found by binary search, measures of many columns taken together.

A window is (as_of - w, as_of] over the moment a row occurred, of rows with known_at <= as_of. Rows older than the table's usual lag cannot
be hidden and are read as plain ranges; younger rows, and the stragglers whose lag is unusual, are expanded and masked once for all windows
of an observation ("pairs"). Nested windows share their work: a pair belongs to the ring of the smallest window that holds it, and rings are
accumulated outwards. Every measure here gives the same bits however rows are split among calls, because whole numbers add up exactly in any
order and floats are only added in the order of the rows.

One line holds the rows of several tables, its slots; columns to be measured lie one after the other in one flat array, whatever their slots,
so that the number of calls does not grow with tables, filters and columns: one customer costs microseconds a column, not milliseconds.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from features.errors import RiskError

BASE = -631_152_000  # 1950-01-01: with 32 bits of seconds, moments up to early 2086 can be packed
SPAN = 1 << 32
BLOCK_ROWS = 2_000_000
# Below this many rows every row may be a maybe: telling stragglers apart costs more than it saves.
FEW_ROWS = 2_000
EXACT = 2.0**62


def pack(entity, moment, *, base=BASE):
    """One ascending int64 key of int64 entity codes and moments in seconds.

    Raises RiskError when a moment does not fit into the 32 bits from `base` on.
    """
    offset = moment - base
    # one look at all bits: a moment too early sets the sign, one too late a bit above the 32
    if int(np.bitwise_or.reduce(offset, initial=0)) >> 32:
        _refuse(offset, base)
    return (entity << 32) + offset


def _refuse(offset, base):
    wrong = (offset < 0) | (offset >= SPAN)
    first, last = (np.datetime64(base + edge, "s").astype("datetime64[D]") for edge in (0, SPAN - 1))
    raise RiskError(
        f"{int(wrong.sum())} of {len(offset)} moments lie outside {first} to {last}, the range the packed key can hold; correct these dates."
    )


def pack_edge(entity, moment, *, base=BASE):
    """A key to search with: moments before the range mean "before the entity's first row", moments after it "after its last"."""
    return (entity << 32) + np.minimum(np.maximum(moment - base, -1), SPAN - 1)


def expand(start, stop):
    """All positions of the ranges [start, stop): the range's number and the position, both int64, range by range."""
    count = np.maximum(stop - start, 0)
    number = np.arange(len(count)).repeat(count)
    return number, np.arange(len(number)) + (start + count - count.cumsum())[number]


def _usual_lags(lags, begin):
    """By slot the seconds within which its rows become known, stragglers aside: the longest lag, unless that is over four times the 99th percentile.

    Only speed depends on it.
    """
    longest = np.maximum(np.maximum.reduceat(lags, begin[:-1]), 0)
    for slot in (begin[1:] - begin[:-1] > FEW_ROWS).nonzero()[0]:
        own = lags[begin[slot] : begin[slot + 1]]
        # a sample will do: a poor guess costs time, never a wrong figure
        usual = max(int(np.quantile(own[:: max(1, len(own) // 100_000)], 0.99, method="higher")), 0)
        longest[slot] = longest[slot] if longest[slot] <= 4 * usual else usual
    return longest


@dataclass(frozen=True)
class Line:
    """Rows of several slots, slot after slot, each by (entity, occurred): first those known within the slot's usual lag, then the stragglers.

    `key`, `known` and `source` (m,): packed key, moment known, position in the slot's own rows. `begin` (s + 1,): where each slot begins;
    `late` (s,): how many stragglers it ends with; `lag` (s,): seconds; `width`: entity codes a slot takes up in the keys; `orders`: by slot
    its source positions, None where they are the line's own order.
    """

    key: np.ndarray
    known: np.ndarray
    source: np.ndarray
    begin: np.ndarray
    late: np.ndarray
    lag: np.ndarray
    width: int
    orders: tuple

    def arrange(self, slot, column):
        """A column (..., rows) of a slot in this line's order."""
        return column if self.orders[slot] is None else column[..., self.orders[slot]]


def line_of(slots, *, width, since):
    """The Line of slots, each a triple of entity codes below `width`, occurred and known (m,), none of them empty, rows in any order; rows
    of one entity and second keep their given order. No observation will be as of a moment before `since`."""
    size = np.array([len(entity) for entity, _, _ in slots])
    begin = np.concatenate([[0], size.cumsum()])
    entity, occurred, known = (np.concatenate(column) for column in zip(*slots, strict=True))
    number = np.arange(len(slots)).repeat(size)
    key = pack(entity + number * width, occurred)
    # what all observations may read is hidden from none, however late it came
    lags = np.where(known <= since, 0, known - occurred)
    lag = _usual_lags(lags, begin)
    orders, late = _orders(key, lags > lag[number], begin)
    source = np.arange(len(key)) - begin[number]
    for slot, order in enumerate(orders):
        if order is not None:
            own = slice(begin[slot], begin[slot + 1])
            key[own], known[own], source[own] = key[own][order], known[own][order], order
    return Line(key, known, source, begin, late, lag, width, orders)


def _orders(key, straggling, begin):
    """By slot the order that puts its rows by key, stragglers last (None: the given one), and how many straggle."""
    ascending = not (key[1:] < key[:-1]).any()
    if ascending and not straggling.any():
        return (None,) * (len(begin) - 1), np.zeros(len(begin) - 1, dtype=np.int64)
    orders, late = [], np.add.reduceat(straggling, begin[:-1], dtype=np.int64)
    for low, high in zip(begin[:-1], begin[1:], strict=True):
        own, behind = key[low:high], straggling[low:high]
        order = own.argsort(kind="stable") if (own[1:] < own[:-1]).any() else np.arange(high - low)
        behind = behind[order]
        # one import months after the fact must not make every recent row a maybe
        orders.append(np.concatenate([order[~behind], order[behind]]))
    return tuple(orders), late


@dataclass(frozen=True)
class Windows:
    """Nested windows of n observations over the s slots of a line; a question is an observation in a slot, slot after slot.

    `spans` (k, s) are the windows in seconds, ascending, the longest repeated where a slot has fewer. `start` (k, s, n) and `stop` (s, n)
    bound the plain ranges of prompt rows. `pair_question`, `pair_row` (position in the line) and `pair_ring` list the visible rows outside
    those ranges by question, then in the order of the source rows; a ring is the place of the smallest window that holds the row.
    """

    line: Line
    spans: np.ndarray
    start: np.ndarray
    stop: np.ndarray
    pair_question: np.ndarray
    pair_row: np.ndarray
    pair_ring: np.ndarray
    as_of: np.ndarray

    @cached_property
    def cells(self):
        """The pairs by (question, ring): their rows, where each cell begins, its ring and question, and where each slot's pairs and cells begin."""
        depth, slots = len(self.spans), np.arange(self.stop.shape[0] + 1) * self.stop.shape[1]
        cell = self.pair_question * depth + (depth - 1 - self.pair_ring)
        order = cell.argsort(kind="stable")
        cell = cell[order]
        first = runs(cell)
        question, ring = cell[first] // depth, depth - 1 - cell[first] % depth
        return self.pair_row[order], first, ring, question, self.pair_question.searchsorted(slots), question.searchsorted(slots)


def windows(line, entity, as_of, *, spans):
    """The Windows of n > 0 observations, entity (s, n) by slot and as_of (n,) in seconds, over a Line, for ascending spans (k, s) in seconds.

    An entity of -1 has no rows.
    """
    slot = np.arange(len(line.lag))[:, None]
    moments = np.concatenate([as_of - spans[:, :, None], (as_of - line.lag[:, None])[None], as_of + 0 * slot[None]])
    prompt, before = _part(line, straggling=False)
    entity = entity + slot * line.width
    found = line.key[prompt].searchsorted(pack_edge(entity, moments), side="right") + before[:, None]
    edges, stop, end = found[:-2], found[-2], found[-1]
    question, row = _visible(line, as_of, np.maximum(stop, edges[-1]), end)
    if line.late.any():
        question, row = _with_stragglers(line, entity, as_of, spans[-1], question, row)
    age = as_of[question % len(as_of)] - (line.key[row] & (SPAN - 1)) - BASE
    # age < span is inside, so an age that equals a span belongs to the next ring
    ring = (age >= spans[:, question // len(as_of)]).sum(axis=0)
    return Windows(line, spans, np.minimum(edges, stop), stop, question, row, ring, as_of)


def _part(line, *, straggling):
    """The line's prompt rows or its stragglers, and by slot how many rows of the other part stand before its own."""
    if not line.late.any():
        return slice(None), np.zeros(len(line.late), dtype=np.int64)
    size = line.begin[1:] - line.begin[:-1]
    place = np.arange(len(line.key)) - line.begin[:-1].repeat(size)
    late = place >= (size - line.late).repeat(size)
    if straggling:
        return late, (size - line.late).cumsum()
    return ~late, line.late.cumsum() - line.late


def _visible(line, as_of, start, stop):
    if (stop <= start).all():
        return np.zeros((2, 0), dtype=np.int64)
    question, row = expand(start.ravel(), stop.ravel())
    seen = line.known[row] <= as_of[question % len(as_of)]
    return question[seen], row[seen]


def _with_stragglers(line, entity, as_of, span, question, row):
    late, before = _part(line, straggling=True)
    start, stop = (line.key[late].searchsorted(pack_edge(entity, moment), side="right") + before[:, None] for moment in (as_of - span[:, None], as_of))
    pairs = zip((question, row), _visible(line, as_of, start, stop), strict=True)
    question, row = (np.concatenate(both) for both in pairs)
    order = np.lexsort((line.source[row], question))
    return question[order], row[order]


def runs(number):
    """Where each run of equal numbers begins."""
    change = np.ones(len(number), dtype=bool)
    np.not_equal(number[1:], number[:-1], out=change[1:])
    return change.nonzero()[0]


def outwards(rings, ufunc):
    """Rings (k, ...) accumulated from the innermost outwards, in place: what the windows hold."""
    for inner, outer in zip(rings[:-1], rings[1:], strict=True):
        ufunc(inner, outer, out=outer)
    return rings


def lengths(first, total):
    """How long the runs are that begin at `first` and fill `total` places."""
    return np.concatenate([first[1:], [total]]) - first


class Flat:
    """How c columns of the slots `slot` (c,) lie one after the other in one flat array, and where the windows are in it.

    `begin` (c,) is where each column begins; `start` (k, c, n) and `stop` (c, n) bound the plain ranges.
    """

    def __init__(self, wins, slot):
        line = wins.line
        size = (line.begin[1:] - line.begin[:-1])[slot]
        self.wins, self.slot = wins, slot
        self.begin = size.cumsum() - size
        self.shift = (self.begin - line.begin[slot])[:, None]
        self.start, self.stop = wins.start[:, slot] + self.shift, wins.stop[slot] + self.shift

    @cached_property
    def pairs(self):
        """Flat positions of the pairs' rows, column by column and cell by cell; where each cell begins; its place in a flat (k, c, n); None without pairs."""
        if not len(self.wins.pair_row):
            return None
        row, first, ring, question, pair_begin, cell_begin = self.wins.cells
        column, pair = expand(pair_begin[self.slot], pair_begin[self.slot + 1])
        count = pair_begin[self.slot + 1] - pair_begin[self.slot]
        moved = count.cumsum() - count - pair_begin[self.slot]
        owner, cell = expand(cell_begin[self.slot], cell_begin[self.slot + 1])
        shape = self.start.shape
        place = ring[cell] * (shape[1] * shape[2]) + owner * shape[2] + question[cell] % shape[2]
        return row[pair] + self.shift[column, 0], first[cell] + moved[owner], place

    @cached_property
    def edges(self):
        """The rings' edges, column by column and outermost first, flat; and which rings (k, c, n) are empty."""
        edges = np.concatenate([self.start[::-1], self.stop[None]])
        return edges.transpose(1, 2, 0).ravel(), (edges[1:] <= edges[:-1])[::-1]

    def sources(self):
        """Position in its slot's own rows of every row of every column, flat."""
        own = self.wins.line.begin
        return np.concatenate([self.wins.line.source[own[slot] : own[slot + 1]] for slot in self.slot.tolist()])

    def join(self, ranged, values, ufunc, identity):
        """Plain figures (k, c, n), joined in place with those of the pairs' values by a ufunc."""
        if self.pairs is None:
            return ranged
        row, first, place = self.pairs
        if len(first):
            rings = np.full(ranged.size, identity, dtype=ranged.dtype)
            rings[place] = ufunc.reduceat(values[row], first, dtype=ranged.dtype)
            ufunc(ranged, outwards(rings.reshape(ranged.shape), ufunc), out=ranged)
        return ranged


def _before(values):
    """Running sums (m + 1,) of a flat array (m,): what comes before each row."""
    before = np.zeros(len(values) + 1, dtype=np.int64)
    np.cumsum(values, out=before[1:])
    return before


class Counted:
    """Rows that pass filters: a flat boolean `mask` laid out by a Flat, and how many of them the windows hold."""

    def __init__(self, flat, mask):
        self.flat, self.mask = flat, mask
        self.before = _before(mask)

    @cached_property
    def counts(self):
        """Rows per window, filter and observation, int64 (k, c, n)."""
        return self.flat.join(self.before[self.flat.stop] - self.before[self.flat.start], self.mask, np.add, 0)

    @cached_property
    def last(self):
        """Position in the slot's own rows of the last row per window, filter and observation, (k, c, n); -1 where a window is empty.

        A slot's rows must be given in their order of time for this to mean "last".
        """
        flat, line = self.flat, self.flat.wins.line
        passed = self.before[flat.stop]
        position = np.concatenate([self.mask.nonzero()[0], [-1]])
        plain = np.where(passed > self.before[flat.begin][:, None], position[passed - 1], -1)
        found = np.where(plain >= flat.start, line.source[np.maximum(plain - flat.shift, 0)], -1)
        return found if flat.pairs is None else flat.join(found, np.where(self.mask, flat.sources(), -1), np.maximum, -1)


def totals(flat, values, *, counts):
    """Exact sums of flat int64 `values`, 0 where not counted, int64 (k, c, n); counts (k, c, n): of the rows in them, for the check.

    Raises RiskError when a sum might leave 64 bits.
    """
    largest = max(float(values.max(initial=0)), -float(values.min(initial=0)))
    if largest * float(counts.max(initial=0)) >= 2.0**63:
        raise RiskError(f"Sums of amounts as large as {largest:.3g} minor units may leave 64 bits; state the amounts in a larger unit.")
    return wrapping(flat, values)


def wrapping(flat, values):
    """Sums of flat int64 `values` modulo 2^64, int64 (k, c, n)."""
    # running sums may wrap around, their differences are exact as long as the window's own sum fits
    before = _before(values)
    return flat.join(before[flat.stop] - before[flat.start], values, np.add, 0)


def largest(flat, values):
    """Largest of flat int64 or float64 `values`, in their type (k, c, n); the type's lowest where a window is empty.

    The lowest number stands for "not counted" in the values too.
    """
    edges, empty = flat.edges
    identity = lowest(values.dtype)
    depth, columns, count = flat.start.shape
    reduced = np.maximum.reduceat(np.concatenate([values, [identity]]), edges).reshape(columns, count, depth + 1)
    rings = reduced[:, :, :-1].transpose(2, 0, 1)[::-1].copy()
    # reduceat answers an empty range with the value at its start
    rings[empty] = identity
    return flat.join(outwards(rings, np.maximum), values, np.maximum, identity)


def lowest(dtype):
    """The lowest number of a type."""
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min


def deviations(flat, values, *, counts, sums, low, high):
    """Sample standard deviations (n - 1) of flat int64 `values`, 0 where not counted, float64 (k, c, n); NaN below two rows.

    counts, sums, low, high (k, c, n): rows in each window, their sum, least and largest. The squared deviations from the whole number next
    to the mean are whole, so their sum is exact modulo 2^64 however large the squares themselves are; where it may exceed 2^62 the second
    array returned (k, c, n) says so, and the figure is to be computed row by row.
    """
    n = np.maximum(counts, 1)
    centre = sums // n
    rest = sums - n * centre
    squares = wrapping(flat, values * values) - 2 * centre * sums + n * centre * centre
    reach = np.maximum(high - centre, centre - low).astype(np.float64)
    wide = (counts > 1) & (reach * reach * n >= EXACT)
    # n Σd² - (Σd)² in whole numbers while it fits: beyond, the second term is too small to cancel anything
    small = squares < EXACT / n
    exact = (np.where(small, squares, 0) * n - rest * rest) / n
    total = np.where(small, exact, squares - rest.astype(np.float64) ** 2 / n)
    return np.where(counts > 1, np.sqrt(np.maximum(total, 0.0) / np.maximum(n - 1, 1)), np.nan), wide


def ordered(flat, values, mask, column, depth, measure, *, empty, least, chosen=None):
    """A measure of flat float64 `values` taken row by row in the source's order, where the flat `mask` holds, float64 (t, n).

    column, depth (t,): of which column, over which window. measure: takes (values, ages in seconds, where each run of rows begins, how many
    it has) and answers one figure a run; `empty` where there are fewer than `least` rows; chosen (t, n): what is asked, all without it.
    """
    answer = np.full((len(column), flat.stop.shape[1]), empty)
    for question, row in visible(flat, mask, column, depth):
        if chosen is not None:
            asked = chosen.ravel()[question]
            question, row = question[asked], row[asked]
        first = runs(question)
        count = lengths(first, len(question))
        if len(first):
            figures = measure(values[row], _ages(flat, column, question, row), first, count)
            answer.ravel()[question[first]] = np.where(count >= least, figures, empty)
    return answer


def visible(flat, mask, column, depth):
    """The visible rows of columns' windows (column, depth (t,)), where the flat `mask` holds, some questions at a time: the question (term by
    term, n each) and the flat position of each, by question and source order."""
    start, stop = flat.start[depth, column].ravel(), flat.stop[column].ravel()
    for begin, end in blocks(start, stop):
        question, row = _visible_rows(flat, column, depth, begin, end, start, stop)
        kept = mask[row]
        yield question[kept], row[kept]


def _ages(flat, column, question, row):
    number = question // flat.stop.shape[1]
    moment = flat.wins.line.key[row - flat.shift[column[number], 0]] & (SPAN - 1)
    return flat.wins.as_of[question % flat.stop.shape[1]] - moment - BASE


def _visible_rows(flat, column, depth, begin, end, start, stop):
    """All visible rows of the questions (term by term, n each) [begin, end): question and flat position, by question and source order."""
    number, row = expand(start[begin:end], stop[begin:end])
    question = number + begin
    if flat.pairs is None:
        return question, row
    extra, extra_row = _pairs_of(flat, column, depth)
    inside = (extra >= begin) & (extra < end)
    if not inside.any():
        return question, row
    question, row = np.concatenate([question, extra[inside]]), np.concatenate([row, extra_row[inside]])
    line = row - flat.shift[column[question // flat.stop.shape[1]], 0]
    by_time = np.lexsort((flat.wins.line.source[line], question))
    return question[by_time], row[by_time]


def _pairs_of(flat, column, depth):
    """The pairs inside each term's window: question and flat position."""
    wins, count = flat.wins, flat.stop.shape[1]
    slot = flat.slot[column]
    begin = wins.pair_question.searchsorted(slot * count)
    term, pair = expand(begin, wins.pair_question.searchsorted((slot + 1) * count))
    inside = wins.pair_ring[pair] <= depth[term]
    term, pair = term[inside], pair[inside]
    return term * count + wins.pair_question[pair] % count, wins.pair_row[pair] + flat.shift[column[term], 0]


def two_pass(own, age, first, count):
    """Sample standard deviation of each run of values: its mean first, then the squares around it."""
    centre = (np.add.reduceat(own, first) / count).repeat(count)
    return np.sqrt(np.add.reduceat((own - centre) ** 2, first) / np.maximum(count - 1, 1))


def added(own, age, first, count):
    """Sum of each run of values."""
    return np.add.reduceat(own, first)


def averaged(own, age, first, count):
    """Mean of each run of values."""
    return np.add.reduceat(own, first) / count


def blocks(start, stop):
    """Ranges of questions whose rows [start, stop) come to about BLOCK_ROWS."""
    size = (stop - start).cumsum()
    count, total = len(size), int(size[-1]) if len(size) else 0
    cuts = size.searchsorted(np.arange(BLOCK_ROWS, total, BLOCK_ROWS)).tolist() if total > BLOCK_ROWS else []
    edges = sorted({0, *cuts, count})
    return list(zip(edges[:-1], edges[1:], strict=True))
