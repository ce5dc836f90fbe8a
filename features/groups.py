"""Windowed measures that compare the rows of a window with each other: concentration, newcomers, first digits, and counts that fade with age.

Each needs the window's rows themselves, so each is worked out for the one window that is asked. Whole numbers are added before anything is
divided, and shares in the order of their size, so that the names of counterparties and the order in which they come leave no trace in the bits.
"""

import numpy as np

from features.arrays import DAY
from features.kernel import blocks, visible_rows
from features.several import in_order
from features.workspace import present

# Benford's law: log10(1 + 1/d) for the first digits 1 to 9.
BENFORD = (
    0.3010299956639812,
    0.17609125905568124,
    0.12493873660829995,
    0.09691001300805642,
    0.07918124604762482,
    0.06694678963061322,
    0.05799194697768673,
    0.05115252244738129,
    0.04575749056067514,
)


def _of_one_window(chosen, space, term, figure, *, empty, figures=()):
    """A figure of the rows in the term's own window, float64 (k, n) of which only that window's line is worked out; (2, k, n) for `figures` (2,).

    `figure` takes observation and source row of every visible row (by observation, then row) and gives observations and their values.
    """
    depth = space.spans[term.table, term.key].index(term.span)
    answer = np.full((*figures, *chosen.start.shape), empty)
    for begin, end in blocks(chosen, depth):
        observation, row, _ = visible_rows(chosen, begin, end, depth)
        if len(row):
            found, values = figure(observation, row)
            answer[..., depth, found] = values
    return answer


def _starts(number):
    """Where each run of equal numbers begins."""
    return np.flatnonzero(np.concatenate([[True], number[1:] != number[:-1]]))


def _grouped(space, term, observation, row, values, ufunc):
    """Values of the rows reduced by (observation, group of the column `by`); rows that name no group are left aside."""
    named = present(space.column(term.table, term.by))
    if named is not None:
        kept = named[row]
        observation, row, values = observation[kept], row[kept], values[kept]
    if not len(row):
        return observation, values
    group = space.group(term.table, term.by)[row]
    # one number sorts faster than two, and named groups are never negative
    pair = observation * (int(group.max()) + 1) + group
    order = np.argsort(pair, kind="stable")
    first = _starts(pair[order])
    return observation[order[first]], ufunc.reduceat(values[order], first)


def _shares(space, term, observation, row):
    """The sum of the groups' squared shares of their window's total amount and the largest share: observation, both (2, m)."""
    amounts = np.abs(space.column(term.table, term.column)[row])
    observation, sums = _grouped(space, term, observation, row, amounts, np.add)
    if not len(sums):
        return observation, np.zeros((2, 0))
    order = np.lexsort((sums, observation))
    observation, sums = observation[order], sums[order]
    first = _starts(observation)
    total = np.repeat(np.add.reduceat(sums, first), np.diff(first, append=len(sums)))
    share = sums / np.maximum(total, 1)
    return observation[first], np.stack([np.add.reduceat(share * share, first), np.maximum.reduceat(share, first)])


def _both_shares(chosen, space, term):
    key = ("shares", term.table, term.key, term.where, term.column, term.by, term.span)
    return space.once(key, lambda: _of_one_window(chosen, space, term, lambda *rows: _shares(space, term, *rows), empty=np.nan, figures=(2,)))


def concentration(chosen, space, term):
    """Herfindahl index of amounts by group: the sum of squared shares, 1 where one group holds all; missing where the window names no group."""
    return _both_shares(chosen, space, term)[0]


def largest_share(chosen, space, term):
    """The largest group's share of the amounts; missing where the window names no group."""
    return _both_shares(chosen, space, term)[1]


def newcomers(chosen, space, term):
    """Groups whose first row in the window is younger than the term's `value` in days; 0 where there are none."""
    return _of_one_window(chosen, space, term, lambda *rows: _first_seen(chosen, space, term, *rows), empty=0.0)


def _first_seen(chosen, space, term, observation, row):
    observation, first = _grouped(space, term, observation, row, space.occurred(term.table)[row], np.minimum)
    young = chosen.as_of[observation] - first < int(term.value) * DAY
    return np.unique(observation[young], return_counts=True)


def decay(chosen, space, term):
    """Rows counted by age, each as 1 / (1 + age / the term's `value` in days): today's as one, one of that age as a half."""
    return _of_one_window(chosen, space, term, lambda *rows: _faded(chosen, space, term, *rows), empty=0.0)


def _faded(chosen, space, term, observation, row):
    scale = int(term.value) * DAY
    age = chosen.as_of[observation] - space.occurred(term.table)[row]
    first = _starts(observation)
    return observation[first], np.add.reduceat(scale / (scale + age), first)


def benford(chosen, space, term):
    """Mean absolute deviation of the first digits' shares from Benford's law; missing below the term's `value` in rows.

    Nigrini (2012), Benford's Law, chapter 7: above 0.015 the digits of a large set do not conform.
    """
    return _of_one_window(chosen, space, term, lambda *rows: _digits(space, term, *rows), empty=np.nan)


def _digits(space, term, observation, row):
    first = _starts(observation)
    place = np.repeat(np.arange(len(first)), np.diff(first, append=len(row)))
    cell = (space.column(term.table, term.column)[row] - 1) * len(first) + place
    counts = np.bincount(cell, minlength=9 * len(first)).reshape(9, len(first))
    rows = counts.sum(axis=0)
    distance = in_order(np.abs(counts / rows - np.array(BENFORD)[:, None])) / 9
    return observation[first], np.where(rows >= term.value, distance, np.nan)


MEASURES = {"concentration": concentration, "largest_share": largest_share, "newcomers": newcomers, "decay": decay, "benford": benford}
