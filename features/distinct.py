"""How many different values a window holds, without sorting each window."""

import numpy as np

from features.kernel import SPAN, blocks, expand, lengths, outwards, runs


def distinct(flat, mask, group):
    """Different values per window, column and observation, int64 (k, c, n), of a flat `group` where the flat `mask` holds: int64 numbers that
    no two entities share.

    A value counts in the windows that hold its last visible row, so each plain row needs only its next row of the same value; the few rows
    outside the plain ranges then correct the ranges' counts.
    """
    by_value = _by_value(flat, mask, group)
    following = _following(len(mask), *by_value)
    rings = np.zeros(flat.start.shape, dtype=np.int64)
    start, stop = flat.start.reshape(len(rings), -1), flat.stop.ravel()
    for begin, end in blocks(start[-1], stop):
        number, position = expand(start[-1, begin:end], stop[begin:end])
        last = following[position] >= stop[begin:end][number]
        question, position = number[last] + begin, position[last]
        ring = (position < start[:, question]).sum(axis=0)
        rings += np.bincount(ring * len(stop) + question, minlength=rings.size).reshape(rings.shape)
    if flat.pairs is not None:
        _correct_by_pairs(rings, flat, mask, group, by_value)
    return outwards(rings, np.add)


def _by_value(flat, mask, group):
    """Rows that may stand in plain ranges by (column, value): their columns, values and flat positions."""
    line = flat.wins.line
    size = (line.begin[1:] - line.begin[:-1])[flat.slot]
    column = np.arange(len(size)).repeat(size)
    if line.late.any():
        mask = mask & (np.arange(len(mask)) - flat.begin[column] < (size - line.late[flat.slot])[column])
    row = mask.nonzero()[0]
    row = row[order_of(column[row], group[row])]
    return column[row], group[row], row


def order_of(column, value):
    """Positions that put rows by (column, value), equal ones in their order."""
    low, high = int(value.min(initial=0)), int(value.max(initial=0))
    count = max(len(value), 1)
    if (high - low + 1) * (int(column.max(initial=0)) + 1) * count >= 1 << 62:
        return np.lexsort((value, column))
    # with its position each number is unique, and numbers sort several times faster than positions
    number = (column * (high - low + 1) + (value - low)) * count + np.arange(len(value))
    number.sort()
    return number % count


def _following(count, column, values, row):
    """Position of the next row of the same value, past the end where there is none; before every position where a row is not counted."""
    following = np.full(count, -1)
    following[row] = count
    same = (values[1:] == values[:-1]) & (column[1:] == column[:-1])
    following[row[:-1][same]] = row[1:][same]
    return following


def _correct_by_pairs(rings, flat, mask, group, by_value):
    """Move the values seen in pairs from the ring of their last plain row, if any, to that of their last pair where this is the smaller."""
    question, row, ring = _pairs(flat, mask)
    value = group[row]
    order = np.lexsort((-ring, value, question))
    question, value, ring = question[order], value[order], ring[order]
    last = np.ones(len(order), dtype=bool)
    last[:-1] = (question[1:] != question[:-1]) | (value[1:] != value[:-1])
    question, value, ring = question[last], value[last], ring[last]
    plain = _last_plain_ring(flat, question, value, by_value)
    moved = ring < plain
    flat_rings = rings.reshape(len(rings), -1)
    np.add.at(flat_rings, (ring[moved], question[moved]), 1)
    moved &= plain < len(rings)
    np.subtract.at(flat_rings, (plain[moved], question[moved]), 1)


def _pairs(flat, mask):
    """The pairs that pass the mask: question (column by column, n each), flat position, ring."""
    row, first, place = flat.pairs
    cell = np.zeros(len(row), dtype=np.int64)
    cell[first[1:]] = 1
    place = place[cell.cumsum()] if len(row) else place
    kept = mask[row]
    questions = flat.stop.size
    return place[kept] % questions, row[kept], place[kept] // questions


def _last_plain_ring(flat, question, value, by_value):
    """Ring of the last plain row of that value before the question's `stop`; k where the plain ranges hold none."""
    column, values, position = by_value
    depth = len(flat.start)
    if not len(values) or not len(value):
        return np.full(len(value), depth)
    first = runs(_numbered(column, values))
    # ranks make (column, value, position) one number without overflowing
    rank = np.arange(len(first)).repeat(lengths(first, len(values)))
    wanted = _find(column[first], values[first], question // flat.stop.shape[1], value)
    found = (rank * SPAN + position).searchsorted(wanted * SPAN + flat.stop.ravel()[question]) - 1
    hit = (found >= 0) & (rank[found] == wanted)
    ring = (position[found] < flat.start.reshape(depth, -1)[:, question]).sum(axis=0)
    return np.where(hit, ring, depth)


def _numbered(column, values):
    """A number for each row that changes whenever column or value does."""
    change = np.zeros(len(values), dtype=np.int64)
    change[1:] = (values[1:] != values[:-1]) | (column[1:] != column[:-1])
    return change.cumsum()


def _find(column, values, wanted_column, wanted):
    """Place of each wanted (column, value) among ascending ones, -1 where it is not."""
    begin = column.searchsorted(wanted_column, side="left")
    end = column.searchsorted(wanted_column, side="right")
    place = np.full(len(wanted), -1)
    for each in np.unique(wanted_column):
        own = wanted_column == each
        low, high = int(begin[own][0]), int(end[own][0])
        if high > low:
            at = np.minimum(values[low:high].searchsorted(wanted[own]), high - low - 1) + low
            place[own] = np.where(values[at] == wanted[own], at, -1)
    return place
