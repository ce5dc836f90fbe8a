"""The one kernel of windowed figures: rows packed by (entity, moment), windows found by binary search, measures of many columns taken together.

A window is (as_of - w, as_of] over the moment a row occurred, of rows with known_at <= as_of. Rows older than the table's usual lag cannot
be hidden and are read as plain ranges; younger rows, and the stragglers whose lag is unusual, are expanded and masked once for all windows
of an observation ("pairs"). Nested windows share their work: a pair belongs to the ring of the smallest window that holds it, and rings are
accumulated outwards. Every measure here gives the same bits however rows are split among calls, because whole numbers add up exactly in any
order and floats are only added in the order of the rows.

Columns come stacked, (c, m) over the m rows of a line; what a filter leaves out holds the measure's identity (0, or the lowest number), so
that one call serves every filter.
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
    if len(offset) and (offset.min() < 0 or offset.max() >= SPAN):
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
    first = count.cumsum() - count
    return number, np.arange(len(number)) - (first - start).repeat(count)


def usual_lag(lag):
    """Of the lags (n,) in seconds, that within which a row of this table becomes known, stragglers aside.

    Only speed depends on it: the longest lag, unless that is over four times the 99th percentile.
    """
    longest = int(lag.max(initial=0))
    if len(lag) <= FEW_ROWS:
        return longest
    # a sample will do: a poor guess costs time, never a wrong figure
    usual = int(np.quantile(lag[:: max(1, len(lag) // 100_000)], 0.99, method="higher"))
    return max(longest if longest <= 4 * usual else usual, 0)


@dataclass(frozen=True)
class Timeline:
    """Rows of one table by (entity, occurred): first the `prompt` ones, known within `lag` seconds, then the stragglers.

    `order` (m,) are positions in the source rows, None where that is their own order; `key` and `known` (m,) follow it, ascending within
    either part.
    """

    order: np.ndarray | None
    key: np.ndarray
    known: np.ndarray
    prompt: int
    lag: int

    def arrange(self, column):
        """A column (..., m) of the source rows in this line's order."""
        return column if self.order is None else column[..., self.order]

    def sources(self, position):
        """Positions in the source rows of positions in this line."""
        return position if self.order is None else self.order[position]


def timeline(entity, occurred, known):
    """The Timeline of rows given in any order (n,); rows of one entity and second keep their given order."""
    key = pack(entity, occurred)
    order = None if not (key[1:] < key[:-1]).any() else key.argsort(kind="stable")
    lag = usual_lag(known - occurred)
    late = known - occurred > lag
    if late.any():
        # one import months after the fact must not make every recent row a maybe
        order = np.arange(len(key)) if order is None else order
        late = late[order]
        order = np.concatenate([order[~late], order[late]])
    prompt = len(key) - int(late.sum())
    return Timeline(order, key, known, prompt, lag) if order is None else Timeline(order, key[order], known[order], prompt, lag)


@dataclass(frozen=True)
class Windows:
    """Nested windows of n observations over one timeline.

    `spans` (k,) are the windows in seconds, ascending. `start` (k, n) and `stop` (n,) bound the plain ranges of prompt rows.
    `pair_observation`, `pair_row` (position in the line) and `pair_ring` list the visible rows outside those ranges by observation, then in
    the order of the source rows; a ring is the place of the smallest window that holds the row.
    """

    line: Timeline
    spans: np.ndarray
    start: np.ndarray
    stop: np.ndarray
    pair_observation: np.ndarray
    pair_row: np.ndarray
    pair_ring: np.ndarray
    as_of: np.ndarray

    @cached_property
    def cells(self):
        """The pairs by (observation, ring): their rows, where each cell begins, and the cell's place in a flat (k, n) matrix."""
        depth = len(self.spans)
        cell = self.pair_observation * depth + (depth - 1 - self.pair_ring)
        order = cell.argsort(kind="stable")
        cell = cell[order]
        first = runs(cell)
        place = (depth - 1 - cell[first] % depth) * len(self.stop) + cell[first] // depth
        return self.pair_row[order], first, place

    @cached_property
    def edges(self):
        """The rings' edges of every observation, outermost first, flat (n * (k + 1),), and which rings (k, n) are empty."""
        edges = np.concatenate([self.start[::-1], self.stop[None]])
        return edges.T.ravel(), (edges[1:] <= edges[:-1])[::-1]


def windows(line, entity, as_of, *, spans):
    """The Windows of observations (entity (n,), as_of (n,) in seconds, ascending) over a Timeline, for ascending spans in seconds."""
    spans = np.asarray(spans, dtype=np.int64)
    moments = np.concatenate([as_of - spans[:, None], (as_of - line.lag)[None], as_of[None]])
    found = line.key[: line.prompt].searchsorted(pack_edge(entity, moments), side="right")
    edges, stop, end = found[:-2], found[-2], found[-1]
    observation, position = _visible(line, as_of, np.maximum(stop, edges[-1]), end)
    if line.prompt < len(line.key):
        observation, position = _with_stragglers(line, entity, as_of, spans[-1], observation, position)
    age = as_of[observation] - (line.key[position] & (SPAN - 1)) - BASE
    # age < span is inside, so an age that equals a span belongs to the next ring
    ring = spans.searchsorted(age, side="right")
    return Windows(line, spans, np.minimum(edges, stop), stop, observation, position, ring, as_of)


def _visible(line, as_of, start, stop):
    observation, position = expand(start, stop)
    seen = line.known[position] <= as_of[observation]
    return observation[seen], position[seen]


def _with_stragglers(line, entity, as_of, span, observation, position):
    late = line.key[line.prompt :]
    start, stop = (late.searchsorted(pack_edge(entity, moment), side="right") + line.prompt for moment in (as_of - span, as_of))
    both = (np.concatenate(pairs) for pairs in zip((observation, position), _visible(line, as_of, start, stop), strict=True))
    observation, position = both
    order = np.lexsort((line.sources(position), observation))
    return observation[order], position[order]


def runs(number):
    """Where each run of equal numbers begins."""
    if not len(number):
        return np.zeros(0, dtype=np.int64)
    change = np.empty(len(number), dtype=bool)
    change[0] = True
    np.not_equal(number[1:], number[:-1], out=change[1:])
    return change.nonzero()[0]


def _before(values):
    """Running sums (c, m + 1) of stacked columns (c, m): what comes before each row."""
    before = np.zeros((len(values), values.shape[1] + 1), dtype=np.int32 if values.dtype == bool else np.int64)
    np.cumsum(values, axis=1, out=before[:, 1:])
    return before


def _ranged(wins, before):
    """Differences of running sums (c, m + 1) over the plain ranges, (c, k, n)."""
    return before.take(wins.stop, axis=1)[:, None] - before.take(wins.start, axis=1)


def _with_pairs(wins, ranged, values, ufunc, identity):
    """Plain figures (c, k, n), joined with those of the pairs by a ufunc, in place."""
    row, first, place = wins.cells
    if not len(first):
        return ranged
    rings = np.full((len(values), wins.start.size), identity, dtype=ranged.dtype)
    rings[:, place] = ufunc.reduceat(values.take(row, axis=1), first, axis=1, dtype=ranged.dtype)
    rings = ufunc.accumulate(rings.reshape(ranged.shape), axis=1)
    return ufunc(ranged, rings, out=ranged)


class Filters:
    """Filters over the rows of a line: `masks` (f, m), the windows, and what follows from them."""

    def __init__(self, wins, masks):
        self.wins, self.masks = wins, masks

    @cached_property
    def before(self):
        """Rows that pass before each row, int32 (f, m + 1)."""
        return _before(self.masks)

    @cached_property
    def counts(self):
        """Rows per filter, window and observation, int64 (f, k, n)."""
        ranged = _ranged(self.wins, self.before).astype(np.int64)
        return _with_pairs(self.wins, ranged, self.masks, np.add, 0)

    def last(self, chosen):
        """Position in the source rows of the last row per chosen filter, window and observation, (c, k, n); -1 where a window is empty.

        Source rows must be given in their order of time for this to mean "last".
        """
        masks, before, line = self.masks[chosen], self.before[chosen], self.wins.line
        count, position = before[:, -1].astype(np.int64), masks.nonzero()[1]
        passed = before.take(self.wins.stop, axis=1)
        # the filters' positions stand one after the other, a first one for "none yet"
        place = np.where(passed > 0, passed + (count.cumsum() - count)[:, None], 0)
        plain = np.concatenate([[-1], position])[place][:, None]
        found = np.where(plain >= self.wins.start, line.sources(plain), -1)
        if not len(self.wins.pair_row):
            return found
        sources = line.sources(np.arange(masks.shape[1]))
        return _with_pairs(self.wins, found, np.where(masks, sources, -1), np.maximum, -1)


def totals(wins, values, *, counts):
    """Exact sums of stacked int64 `values` (c, m), 0 where not counted, int64 (c, k, n); counts: of the rows in them, for the check.

    Raises RiskError when a sum might leave 64 bits.
    """
    largest = max(float(values.max(initial=0)), -float(values.min(initial=0)))
    if largest * float(counts.max(initial=0)) >= 2.0**63:
        raise RiskError(f"Sums of amounts as large as {largest:.3g} minor units may leave 64 bits; state the amounts in a larger unit.")
    return _wrapping(wins, values)


def _wrapping(wins, values):
    # running sums may wrap around, their differences are exact as long as the window's own sum fits
    return _with_pairs(wins, _ranged(wins, _before(values)), values, np.add, 0)


def largest(wins, values):
    """Largest of stacked int64 or float64 `values` (c, m), in their type (c, k, n); the type's lowest where a window is empty.

    The lowest number stands for "not counted" in the values too.
    """
    edges, empty = wins.edges
    identity = lowest(values.dtype)
    padded = np.full((len(values), values.shape[1] + 1), identity, dtype=values.dtype)
    padded[:, :-1] = values
    reduced = np.maximum.reduceat(padded, edges, axis=1).reshape(len(values), len(wins.stop), -1)[:, :, :-1]
    rings = reduced.transpose(0, 2, 1)[:, ::-1].copy()
    # reduceat answers an empty range with the value at its start
    rings[:, empty] = identity
    return _with_pairs(wins, np.maximum.accumulate(rings, axis=1), values, np.maximum, identity)


def lowest(dtype):
    """The lowest number of a type."""
    return -np.inf if np.issubdtype(dtype, np.floating) else np.iinfo(dtype).min


def deviations(wins, values, *, counts, sums, low, high):
    """Sample standard deviations (n - 1) of stacked int64 `values` (c, m), 0 where not counted, float64 (c, k, n); NaN below two rows.

    counts, sums, low, high (c, k, n): rows in each window, their sum, least and largest. The squared deviations from the whole number next
    to the mean are whole, so their sum is exact modulo 2^64 however large the squares themselves are; where it may exceed 2^62 the second
    array returned (c, k, n) says so, and the figure is to be computed row by row.
    """
    n = np.maximum(counts, 1)
    centre = sums // n
    rest = sums - n * centre
    squares = _wrapping(wins, values * values) - 2 * centre * sums + n * centre * centre
    reach = np.maximum(high - centre, centre - low).astype(np.float64)
    wide = (counts > 1) & (reach * reach * n >= EXACT)
    # n Σd² - (Σd)² in whole numbers while it fits: beyond, the second term is too small to cancel anything
    small = squares < EXACT / n
    exact = (np.where(small, squares, 0) * n - rest * rest) / n
    total = np.where(small, exact, squares - rest.astype(np.float64) ** 2 / n)
    return np.where(counts > 1, np.sqrt(np.maximum(total, 0.0) / np.maximum(n - 1, 1)), np.nan), wide


def ordered(wins, values, mask, depth, measure, *, empty, least, chosen=None):
    """A measure of float64 `values` (m,) taken row by row in the source's order, where `mask` (m,) holds, for the window at `depth`, (n,).

    measure: takes (values, ages in seconds, where each observation's rows begin, how many there are) and answers one figure each; `empty`
    where there are fewer than `least` rows; chosen (n,): the observations asked, all without it.
    """
    answer = np.full(len(wins.stop), empty)
    for begin, end in blocks(wins, depth):
        observation, row = visible_rows(wins, begin, end, depth)
        kept = mask[row] if chosen is None else mask[row] & chosen[observation]
        observation, row = observation[kept], row[kept]
        first = runs(observation)
        if len(first):
            count = np.append(first[1:], len(observation)) - first
            age = wins.as_of[observation] - (wins.line.key[row] & (SPAN - 1)) - BASE
            answer[observation[first]] = np.where(count >= least, measure(values[row], age, first, count), empty)
    return answer


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


def blocks(wins, depth):
    """Ranges of observations whose windows up to `depth` expand to about BLOCK_ROWS rows each."""
    size = (wins.stop - wins.start[depth]).cumsum()
    count = len(size)
    cuts = size.searchsorted(np.arange(BLOCK_ROWS, int(size[-1]) if count else 0, BLOCK_ROWS))
    edges = sorted({0, *cuts.tolist(), count})
    return list(zip(edges[:-1], edges[1:], strict=True))


def visible_rows(wins, begin, end, depth):
    """All visible rows in the window at `depth` of observations [begin, end): observation and position in the line, by observation and source order."""
    number, row = expand(wins.start[depth, begin:end], wins.stop[begin:end])
    observation = number + begin
    low, high = wins.pair_observation.searchsorted([begin, end])
    pairs = low + (wins.pair_ring[low:high] <= depth).nonzero()[0]
    if not len(pairs):
        return observation, row
    observation = np.concatenate([observation, wins.pair_observation[pairs]])
    row = np.concatenate([row, wins.pair_row[pairs]])
    by_time = ((observation - begin) * SPAN + wins.line.sources(row)).argsort(kind="stable")
    return observation[by_time], row[by_time]


def plain_rings(wins, begin, end, depth):
    """The plain ranges up to `depth` of observations [begin, end) row by row: observation, position in the line, ring."""
    number, position = expand(wins.start[depth, begin:end], wins.stop[begin:end])
    edges = np.concatenate([wins.start[depth::-1, begin:end], wins.stop[None, begin:end]])
    widths = (edges[1:] - edges[:-1]).T.ravel()
    ring = np.arange(depth, -1, -1)[None].repeat(end - begin, axis=0).ravel().repeat(widths)
    return number + begin, position, ring
