"""As-of lookups: which row of a slowly changing table held on a date, and which spells of time cover it."""

from dataclasses import dataclass

import numpy as np

from features.arrays import MISSING_TIME
from features.errors import RiskError
from features.kernel import expand, lengths, pack, pack_edge, runs

# Far beyond any moment, yet small enough to add to one.
NEVER = 1 << 62


@dataclass(frozen=True)
class States:
    """A step function per group: from `key` on (packed group and moment, ascending), source row `row` holds."""

    key: np.ndarray
    row: np.ndarray


def states(group, known, *, rank=None):
    """The States of rows with int64 `group` (n,) and `known` (n,): of those known, the row of highest `rank` (n,) holds, without one the
    last known.

    Among rows of equal rank, or known in the same second, the later row in the given order holds.
    """
    key = pack(group, known)
    order = key.argsort(kind="stable")
    if rank is None or not len(key):
        return States(key[order], order)
    # both sorts are stable, so of equals the later row in the given order comes later
    by_rank = np.lexsort((rank, group))
    place = np.empty(len(group), dtype=np.int64)
    place[by_rank] = np.arange(len(group))
    # places of a later group are all higher, so the running maximum never crosses groups
    return States(key[order], by_rank[np.maximum.accumulate(place[order])])


def held(step, group, as_of):
    """Source row that held for each (group, as_of), two arrays of one shape or that broadcast, changes at as_of included; -1 where none did."""
    if not len(step.key):
        return np.full(np.broadcast_shapes(np.shape(group), np.shape(as_of)), -1)
    at = step.key.searchsorted(pack_edge(group, as_of), side="right") - 1
    # before the first key, position -1 names the last one, whose group is another's unless it is the only one
    return np.where((at >= 0) & (step.key[at] >> 32 == group), step.row[at], -1)


def pick(values, row):
    """`values` (n,) at `row` (m,) as float64, NaN where row is -1; missing times and money become NaN."""
    if not len(values):
        return np.full(len(row), np.nan)
    taken = values[row]
    missing = row < 0
    if np.issubdtype(taken.dtype, np.integer):
        missing = missing | (taken == MISSING_TIME)
    return np.where(missing, np.nan, taken)


def pick_time(values, row):
    """Seconds at `row` (m,), MISSING_TIME where row is -1."""
    return np.where(row < 0, MISSING_TIME, values[row]) if len(values) else np.full(len(row), MISSING_TIME)


def covering(entity, begin, end, *, observed, as_of):
    """Pairs (item, observation) whose spell [begin, end) covers as_of, by observation, then item.

    entity, begin, end (n,) describe the items; `observed`, `as_of` (m,) the observations, which must ascend by (observed, as_of). The work
    grows with the pairs found, not with items × observations.
    """
    key = pack(observed, as_of)
    first = np.searchsorted(key, pack_edge(entity, begin), side="left")
    last = np.searchsorted(key, pack_edge(entity, np.maximum(end, begin)), side="left")
    item, observation = expand(first, last)
    order = observation.argsort(kind="stable")
    return item[order], observation[order]


def by_observation(observation, values, *, count, ufunc=np.add):
    """Stacked `values` (f, p) of pairs listed by observation, reduced per observation, float64 (f, count); 0 where an observation has no pair."""
    answer = np.zeros((len(values), count))
    first = runs(observation)
    if len(first):
        if ufunc is np.add and float(np.abs(values).max()) * float(lengths(first, len(observation)).max()) >= 2.0**63:
            raise RiskError("Sums of open or contracted amounts may leave 64 bits; state the amounts in a larger unit.")
        answer[:, observation[first]] = ufunc.reduceat(values, first, axis=1)
    return answer
