"""The one kernel of windowed figures: rows packed by (entity, moment), windows found by binary search, measures taken ring by ring.

A window is (as_of - w, as_of] over the moment a row occurred, of rows with known_at <= as_of. Rows older than the table's usual lag cannot
be hidden and are read as plain ranges; younger rows, and the stragglers whose lag is unusual, are expanded and masked once for all windows
of an observation. Nested windows share their work: a row belongs to the ring of the smallest window that holds it, and rings are
accumulated outwards. Every measure here gives the same bits however rows are split, because whole numbers add up exactly in any order and
floats are only added in the order of the rows.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from features.arrays import DAY
from features.errors import RiskError

BASE = -631_152_000  # 1950-01-01: with 32 bits of seconds, moments up to early 2086 can be packed
SPAN = 1 << 32
BLOCK_ROWS = 2_000_000


def pack(entity, moment, *, base=BASE):
    """One ascending int64 key of int64 entity codes and moments in seconds.

    Raises RiskError when a moment does not fit into the 32 bits from `base` on.
    """
    offset = moment - base
    wrong = (offset < 0) | (offset >= SPAN)
    if wrong.any():
        first, last = (np.datetime64(base + edge, "s").astype("datetime64[D]") for edge in (0, SPAN - 1))
        raise RiskError(
            f"{int(wrong.sum())} of {len(offset)} moments lie outside {first} to {last}, the range the packed key can hold; "
            "correct these dates."
        )
    return (entity << 32) + offset


def pack_edge(entity, moment, *, base=BASE):
    """A key to search with: moments before the range mean "before the entity's first row", moments after it "after its last"."""
    return (entity << 32) + np.clip(moment - base, -1, SPAN - 1)


def expand(start, stop):
    """All positions of the ranges [start, stop): the range's number and the position, both int64, range by range."""
    count = np.maximum(stop - start, 0)
    number = np.repeat(np.arange(len(count)), count)
    first = np.cumsum(count) - count
    return number, np.arange(len(number)) - np.repeat(first - start, count)


def usual_lag(occurred, known):
    """Seconds within which a row of this table becomes known, stragglers aside.

    Only speed depends on it: the longest lag, unless that is over four times the 99th percentile.
    """
    lag = known - occurred
    if not len(lag):
        return 0
    # a sample will do: a poor guess costs time, never a wrong figure
    usual = int(np.quantile(lag[:: max(1, len(lag) // 100_000)], 0.99, method="higher"))
    longest = int(lag.max())
    return max(longest if longest <= 4 * usual else usual, 0)


@dataclass(frozen=True)
class Timeline:
    """Rows of one table by (entity, occurred): first the `prompt` ones, known within `lag` seconds, then the stragglers.

    `order` (m,) are positions in the source rows; `key` and `known` (m,) follow that order, ascending within either part.
    """

    order: np.ndarray
    key: np.ndarray
    known: np.ndarray
    prompt: int
    lag: int


def timeline(entity, occurred, known):
    """The Timeline of rows given in any order (n,); rows of one entity and second keep their given order."""
    key = pack(entity, occurred)
    order = np.arange(len(key)) if (key[1:] >= key[:-1]).all() else np.argsort(key, kind="stable")
    lag = usual_lag(occurred, known)
    late = (known - occurred > lag)[order]
    if late.any():
        # one import months after the fact must not make every recent row a maybe
        order = np.concatenate([order[~late], order[late]])
    return Timeline(order, key[order], known[order], len(key) - int(late.sum()), lag)


@dataclass(frozen=True)
class Windows:
    """Nested windows of every observation over one timeline.

    `spans` (k,) are the windows in seconds, ascending. `start` (k, n) and `stop` (n,) bound the plain ranges of prompt rows.
    `pair_observation`, `pair_row` (position in the source rows) and `pair_ring` list the visible rows outside those ranges by observation;
    a ring is the place of the smallest window that holds the row. `order` maps plain positions to source rows.
    """

    spans: np.ndarray
    start: np.ndarray
    stop: np.ndarray
    order: np.ndarray
    pair_observation: np.ndarray
    pair_row: np.ndarray
    pair_ring: np.ndarray
    as_of: np.ndarray


def windows(line, entity, as_of, *, spans):
    """The Windows of observations (entity (n,), as_of (n,) in seconds) over a Timeline, for ascending spans in seconds."""
    spans = np.asarray(spans, dtype=np.int64)
    key = line.key[: line.prompt]
    stop = np.searchsorted(key, pack_edge(entity, as_of - line.lag), side="right")
    edges = np.stack([np.searchsorted(key, pack_edge(entity, as_of - span), side="right") for span in spans])
    tail = _visible(line, entity, as_of, np.maximum(stop, edges[-1]), np.searchsorted(key, pack_edge(entity, as_of), side="right"))
    late = _stragglers(line, entity, as_of, spans[-1])
    observation, position = (np.concatenate(both) for both in zip(tail, late, strict=True))
    age = as_of[observation] - ((line.key[position] & (SPAN - 1)) + BASE)
    # age < span is inside, so an age that equals a span belongs to the next ring
    ring = np.searchsorted(spans, age, side="right")
    row = line.order[position]
    if len(late[0]):
        by_observation = np.lexsort((row, observation))
        observation, row, ring = observation[by_observation], row[by_observation], ring[by_observation]
    return Windows(spans, np.minimum(edges, stop), stop, line.order[: line.prompt], observation, row, ring, as_of)


def _visible(line, entity, as_of, start, stop):
    observation, position = expand(start, stop)
    seen = line.known[position] <= as_of[observation]
    return observation[seen], position[seen]


def _stragglers(line, entity, as_of, span):
    key = line.key[line.prompt :]
    start = np.searchsorted(key, pack_edge(entity, as_of - span), side="right") + line.prompt
    stop = np.searchsorted(key, pack_edge(entity, as_of), side="right") + line.prompt
    return _visible(line, entity, as_of, start, stop)


@dataclass(frozen=True)
class Selection:
    """Windows narrowed to the rows that pass a filter: `rows` (m,) are their source positions; `start`, `stop` bound them; pairs as in
    Windows."""

    spans: np.ndarray
    start: np.ndarray
    stop: np.ndarray
    rows: np.ndarray
    pair_observation: np.ndarray
    pair_row: np.ndarray
    pair_ring: np.ndarray
    as_of: np.ndarray

    @cached_property
    def cells(self):
        """The pairs by (observation, ring): their sorting order, where each cell begins, and the cell's place in a flat (k, n) matrix."""
        depth = len(self.spans)
        cell = self.pair_observation * depth + (depth - 1 - self.pair_ring)
        order = np.argsort(cell, kind="stable")
        cell = cell[order]
        first = np.flatnonzero(np.diff(cell, prepend=-1))
        place = (depth - 1 - cell[first] % depth) * len(self.stop) + cell[first] // depth
        return order, first, place

    @cached_property
    def counts(self):
        """Rows per window and observation, int64 (k, n)."""
        return accumulate(_pair_rings(self, np.ones(len(self.pair_row), dtype=np.int64), np.add, 0), np.add) + (self.stop - self.start)


def select(wins, *, where=None):
    """Windows narrowed to source rows where the boolean `where` (rows,) holds; None keeps all."""
    if where is None:
        return Selection(wins.spans, wins.start, wins.stop, wins.order, wins.pair_observation, wins.pair_row, wins.pair_ring, wins.as_of)
    chosen = where[wins.order]
    before = np.concatenate([[0], np.cumsum(chosen)])
    kept = where[wins.pair_row]
    return Selection(
        wins.spans,
        before[wins.start],
        before[wins.stop],
        wins.order[chosen],
        wins.pair_observation[kept],
        wins.pair_row[kept],
        wins.pair_ring[kept],
        wins.as_of,
    )


def _pair_rings(chosen, values, ufunc, identity):
    """Pair values reduced per (ring, observation), (k, n)."""
    rings = np.full(chosen.start.shape, identity, dtype=values.dtype)
    order, first, place = chosen.cells
    if len(first):
        rings.ravel()[place] = ufunc.reduceat(values[order], first)
    return rings


def accumulate(rings, ufunc):
    """Rings (k, n) summed up outwards into windows by a ufunc."""
    return ufunc.accumulate(rings, axis=0)


def total(chosen, values):
    """Exact sums of int64 `values` (rows,) per window, int64 (k, n); 0 where a window is empty.

    Raises RiskError when a sum might leave 64 bits.
    """
    # prefix sums may wrap around, their differences are exact as long as the window's own sum fits
    largest = float(np.abs(values).max()) if len(values) else 0.0
    if largest * float(chosen.counts.max(initial=0)) >= 2.0**63:
        raise RiskError(f"Sums of amounts as large as {largest:.3g} minor units may leave 64 bits; state the amounts in a larger unit.")
    before = np.concatenate([[0], np.cumsum(values[chosen.rows])])
    rings = _pair_rings(chosen, values[chosen.pair_row], np.add, 0)
    return accumulate(rings, np.add) + (before[chosen.stop] - before[chosen.start])


def extreme(chosen, values, *, largest):
    """Largest or smallest of int64 or float64 `values` (rows,) per window, in their type (k, n); the type's own limit where a window is
    empty."""
    ufunc = np.maximum if largest else np.minimum
    identity = _limit(values.dtype, lowest=largest)
    rings = ufunc(_range_rings(chosen, values[chosen.rows], ufunc, identity), _pair_rings(chosen, values[chosen.pair_row], ufunc, identity))
    return accumulate(rings, ufunc)


def _limit(dtype, *, lowest):
    if np.issubdtype(dtype, np.floating):
        return -np.inf if lowest else np.inf
    return np.iinfo(dtype).min if lowest else np.iinfo(dtype).max


def _range_rings(chosen, values, ufunc, identity):
    """Plain ranges reduced per (ring, observation), (k, n): one reduceat over the rings' edges, outermost first."""
    edges = np.concatenate([chosen.start[::-1], chosen.stop[None]]).T
    padded = np.append(values, np.array(identity, dtype=values.dtype))
    reduced = ufunc.reduceat(padded, edges.ravel()).reshape(edges.shape)[:, :-1]
    # reduceat answers an empty range with the value at its start
    reduced[edges[:, 1:] <= edges[:, :-1]] = identity
    return reduced.T[::-1]


def latest(chosen):
    """Source position of the last row per window, (k, n); -1 where a window is empty.

    Source rows must be given in their order of time for this to mean "last".
    """
    return np.maximum(extreme(chosen, np.arange(_size(chosen)), largest=True), -1)


def _size(chosen):
    return 1 + max(int(chosen.rows.max(initial=-1)), int(chosen.pair_row.max(initial=-1)))


def recency(chosen, occurred):
    """Days from the last row to as_of per window, float64 (k, n); NaN where a window is empty."""
    last = extreme(chosen, occurred, largest=True)
    return np.where(chosen.counts > 0, (chosen.as_of - last) / DAY, np.nan)


def mean(chosen, values):
    """Means of int64 `values` (rows,) per window, float64 (k, n); NaN where a window is empty."""
    return np.divide(total(chosen, values), chosen.counts, out=np.full(chosen.start.shape, np.nan), where=chosen.counts > 0)


def ordered_total(chosen, values, *, depths):
    """Sums of float64 `values` (rows,) for the windows at `depths`, added in the rows' order, (k, n); 0 where a window is empty."""
    return _by_block(chosen, values, lambda own, first, count: np.add.reduceat(own, first), depths=depths, empty=0.0, least=1)


def deviation(chosen, values, *, depths):
    """Sample standard deviations (n - 1) of `values` (rows,) for the windows at `depths`, two-pass, float64 (k, n); NaN below two rows."""
    return _by_block(chosen, values, _two_pass, depths=depths, empty=np.nan, least=2)


def _two_pass(own, first, count):
    centre = np.repeat(np.add.reduceat(own, first) / count, count)
    squares = np.add.reduceat((own - centre) ** 2, first)
    return np.sqrt(squares / np.maximum(count - 1, 1))


def _by_block(chosen, values, measure, *, depths, empty, least):
    answer = np.full(chosen.start.shape, empty)
    deepest = max(depths)
    for begin, end in blocks(chosen, deepest):
        observation, row, ring = visible_rows(chosen, begin, end, deepest)
        own = values[row].astype(np.float64)
        for depth in depths:
            inside = slice(None) if depth == deepest else ring <= depth
            first, count = _runs(observation[inside])
            if len(first):
                figure = measure(own[inside], first, count)
                answer[depth, observation[inside][first]] = np.where(count >= least, figure, empty)
    return answer


def _runs(number):
    """Where each run of equal numbers begins, and how long it is."""
    first = np.flatnonzero(np.diff(number, prepend=-1))
    return first, np.diff(first, append=len(number))


def blocks(chosen, depth):
    """Ranges of observations whose windows up to `depth` expand to about BLOCK_ROWS rows each."""
    size = np.cumsum(chosen.stop - chosen.start[depth])
    count = len(size)
    cuts = np.searchsorted(size, np.arange(BLOCK_ROWS, int(size[-1]) if count else 0, BLOCK_ROWS))
    edges = np.unique(np.concatenate([[0], cuts, [count]]))
    return zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)


def visible_rows(chosen, begin, end, depth):
    """All visible rows in the windows up to `depth` of observations [begin, end): observation, source row, ring; by observation and source
    order."""
    observation, position, ring = plain_rows(chosen, begin, end, depth)
    low, high = np.searchsorted(chosen.pair_observation, [begin, end])
    pairs = low + np.flatnonzero(chosen.pair_ring[low:high] <= depth)
    row = chosen.rows[position]
    if not len(pairs):
        return observation, row, ring
    observation = np.concatenate([observation, chosen.pair_observation[pairs]])
    row = np.concatenate([row, chosen.pair_row[pairs]])
    by_time = np.argsort((observation - begin) * SPAN + row)
    return observation[by_time], row[by_time], np.concatenate([ring, chosen.pair_ring[pairs]])[by_time]


def plain_rows(chosen, begin, end, depth):
    """The plain ranges up to `depth` of observations [begin, end) row by row: observation, position in `rows`, ring."""
    number, position = expand(chosen.start[depth, begin:end], chosen.stop[begin:end])
    edges = np.concatenate([chosen.start[depth::-1, begin:end], chosen.stop[None, begin:end]])
    ring = np.repeat(np.tile(np.arange(depth, -1, -1), end - begin), np.diff(edges, axis=0).T.ravel())
    return number + begin, position, ring
