"""How many different values a window holds, without sorting each window."""

import numpy as np

from features.kernel import SPAN, accumulate, blocks, plain_rows


def distinct(chosen, group):
    """Different values per window, int64 (k, n), of a `group` (rows,): int64 numbers that no two entities share.

    A value counts in the windows that hold its last visible row, so each plain row needs only its next row of the same value; the few rows
    outside the plain ranges then correct the ranges' counts.
    """
    own = group[chosen.rows]
    by_value = np.argsort(own, kind="stable")
    rings = np.zeros(chosen.start.shape, dtype=np.int64)
    following = _following(own, by_value)
    deepest = len(rings) - 1
    for begin, end in blocks(chosen, deepest):
        observation, position, ring = plain_rows(chosen, begin, end, deepest)
        last = following[position] >= chosen.stop[observation]
        width = end - begin
        cell = ring[last] * width + observation[last] - begin
        rings[:, begin:end] += np.bincount(cell, minlength=len(rings) * width).reshape(len(rings), width)
    _correct_by_pairs(rings, chosen, group, (own[by_value], by_value))
    return accumulate(rings, np.add)


def _following(own, by_value):
    """Position of the next row of the same value, past the end where there is none."""
    following = np.full(len(own), len(own))
    same = own[by_value][1:] == own[by_value][:-1]
    following[by_value[:-1][same]] = by_value[1:][same]
    return following


def _correct_by_pairs(rings, chosen, group, by_value):
    """Move the values seen in pairs from the ring of their last plain row, if any, to that of their last pair where this is the smaller."""
    value = group[chosen.pair_row]
    order = np.lexsort((-chosen.pair_ring, value, chosen.pair_observation))
    observation, value, ring = chosen.pair_observation[order], value[order], chosen.pair_ring[order]
    last = np.append((observation[1:] != observation[:-1]) | (value[1:] != value[:-1]), True)[: len(order)]
    observation, value, ring = observation[last], value[last], ring[last]
    plain = _last_plain_ring(chosen, observation, value, by_value)
    moved = ring < plain
    np.add.at(rings, (ring[moved], observation[moved]), 1)
    moved &= plain < len(rings)
    np.subtract.at(rings, (plain[moved], observation[moved]), 1)


def _last_plain_ring(chosen, observation, value, by_value):
    """Ring of the last plain row of that value before the observation's `stop`; k where the plain ranges hold none."""
    values, position = by_value
    depth = len(chosen.spans)
    if not len(values) or not len(value):
        return np.full(len(value), depth)
    # ranks make (value, position) one number without overflowing
    rank = np.cumsum(np.append(0, values[1:] != values[:-1]))
    wanted = np.searchsorted(values[np.flatnonzero(np.diff(rank, prepend=-1))], value)
    found = np.searchsorted(rank * SPAN + position, wanted * SPAN + chosen.stop[observation]) - 1
    hit = (found >= 0) & (values[found] == value)
    place = position[found]
    ring = (place < chosen.start[:, observation]).sum(axis=0)
    return np.where(hit, ring, depth)
