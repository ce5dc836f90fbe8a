"""How many different values a window holds, without sorting each window."""

import numpy as np

from features.kernel import SPAN, blocks, plain_rings, runs


def distinct(wins, mask, group):
    """Different values per window, int64 (k, n), of a `group` (m,) over the line's rows where `mask` (m,) holds: int64 numbers that no two
    entities share.

    A value counts in the windows that hold its last visible row, so each plain row needs only its next row of the same value; the few rows
    outside the plain ranges then correct the ranges' counts.
    """
    row = mask[: wins.line.prompt].nonzero()[0]
    own = group[row]
    by_value = own.argsort(kind="stable")
    rings = np.zeros(wins.start.shape, dtype=np.int64)
    following = _following(len(mask), own[by_value], row[by_value])
    deepest = len(rings) - 1
    for begin, end in blocks(wins, deepest):
        observation, position, ring = plain_rings(wins, begin, end, deepest)
        last = following[position] >= wins.stop[observation]
        width = end - begin
        cell = ring[last] * width + observation[last] - begin
        rings[:, begin:end] += np.bincount(cell, minlength=len(rings) * width).reshape(len(rings), width)
    kept = mask[wins.pair_row]
    if kept.any():
        _correct_by_pairs(rings, wins, kept, group, (own[by_value], row[by_value]))
    return np.add.accumulate(rings, axis=0)


def _following(count, values, row):
    """Position of the next row of the same value, past the end where there is none; before every position where a row is not counted."""
    following = np.full(count, -1)
    following[row] = count
    same = values[1:] == values[:-1]
    following[row[:-1][same]] = row[1:][same]
    return following


def _correct_by_pairs(rings, wins, kept, group, by_value):
    """Move the values seen in pairs from the ring of their last plain row, if any, to that of their last pair where this is the smaller."""
    observation, ring, value = wins.pair_observation[kept], wins.pair_ring[kept], group[wins.pair_row[kept]]
    order = np.lexsort((-ring, value, observation))
    observation, value, ring = observation[order], value[order], ring[order]
    last = np.append((observation[1:] != observation[:-1]) | (value[1:] != value[:-1]), True)
    observation, value, ring = observation[last], value[last], ring[last]
    plain = _last_plain_ring(wins, observation, value, by_value)
    moved = ring < plain
    np.add.at(rings, (ring[moved], observation[moved]), 1)
    moved &= plain < len(rings)
    np.subtract.at(rings, (plain[moved], observation[moved]), 1)


def _last_plain_ring(wins, observation, value, by_value):
    """Ring of the last plain row of that value before the observation's `stop`; k where the plain ranges hold none."""
    values, position = by_value
    depth = len(wins.spans)
    if not len(values):
        return np.full(len(value), depth)
    # ranks make (value, position) one number without overflowing
    first = runs(values)
    rank = np.arange(len(first)).repeat(np.append(first[1:], len(values)) - first)
    wanted = values[first].searchsorted(value)
    found = (rank * SPAN + position).searchsorted(wanted * SPAN + wins.stop[observation]) - 1
    hit = (found >= 0) & (values[found] == value)
    ring = (position[found] < wins.start[:, observation]).sum(axis=0)
    return np.where(hit, ring, depth)
