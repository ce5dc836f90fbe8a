"""Windowed measures that compare the rows of a window with each other: concentration, newcomers, and counts that fade with age.

Each needs the window's rows themselves, so each is worked out for the one window that is asked. Only whole numbers are added across groups, so
that the names of counterparties and the order in which they come leave no trace in the bits.
"""

from dataclasses import dataclass

import numpy as np

from features import kernel
from features.arrays import DAY

# Squared shares are added as whole numbers of this many parts of one, so that the order of the groups leaves no trace in the bits.
PARTS = 2.0**62
# More cells (questions times groups of their customer) are worked through some questions at a time.
CELLS = 1 << 22


@dataclass(frozen=True)
class Laid:
    """A measure's terms, each with a column of its own: the kernel's Flat, the flat mask, and the window's place of each term (t,)."""

    flat: kernel.Flat
    mask: np.ndarray
    depth: np.ndarray

    def rows(self):
        """Question (term by term, n each) and flat position of every visible row, some questions at a time."""
        return kernel.visible(self.flat, self.mask, np.arange(len(self.depth)), self.depth)

    def term(self, question):
        """The place of each question's term."""
        return question // self.flat.stop.shape[1]

    def as_of(self, question):
        """When each question is asked, in seconds."""
        return self.flat.wins.as_of[question % self.flat.stop.shape[1]]

    def moments(self, row):
        """When flat rows occurred, in seconds."""
        column = self.flat.begin.searchsorted(row, side="right") - 1
        return (self.flat.wins.line.key[row - self.flat.shift[column, 0]] & (kernel.SPAN - 1)) + kernel.BASE

    def answer(self, empty):
        """An answer to every question, `empty` so far, flat."""
        return np.full(len(self.depth) * self.flat.stop.shape[1], empty)


def _lay(panel, group, *, by=False):
    """A group's terms laid out; `by`: only rows that name a group of the column `by`."""
    masks = [panel.masks[each] for each in group.chosen.tolist()]
    if by:
        masks = [_named(panel, mask, slot, term.by) for mask, slot, term in zip(masks, panel.slot[group.chosen].tolist(), group.terms, strict=True)]
    return Laid(kernel.Flat(panel.wins, panel.slot[group.chosen]), np.concatenate(masks), group.depth)


def _named(panel, mask, slot, name):
    there = panel.present(slot, name)
    return mask if there is None else mask & there


def _groups(panel, group):
    """Of the column `by` of each term, flat: the group of each row, numbered within its entity, and how many groups that entity has."""
    found = [panel.numbered(slot, term.by) for slot, term in zip(panel.slot[group.chosen].tolist(), group.terms, strict=True)]
    return tuple(np.concatenate(column) for column in zip(*found, strict=True))


def _celled(laid, groups):
    """Visible rows by question, some questions at a time: the questions, where each one's cells begin (one more for the end), flat row and cell of
    each row. A question has a cell for each group of its customer."""
    number, width = groups
    for question, row in laid.rows():
        first = kernel.runs(question)
        cells = np.concatenate([[0], width[row[first]].cumsum()])
        for begin, end in _pieces(cells):
            low, high = first[begin], first[end] if end < len(first) else len(row)
            own, rows = cells[begin : end + 1] - cells[begin], row[low:high]
            count = kernel.lengths(first[begin:end] - low, high - low)
            yield question[first[begin:end]], own, rows, own[:-1].repeat(count) + number[rows]


def _pieces(cells):
    """Ranges of questions of about CELLS cells each, from where each one's begin."""
    if len(cells) < 2:
        return []
    edges = sorted({0, *cells.searchsorted(np.arange(CELLS, cells[-1], CELLS)).tolist(), len(cells) - 1})
    return zip(edges[:-1], edges[1:], strict=True)


def _shares(cells, cell, amounts):
    """The sum of the groups' squared shares of their question's total amount, and the largest share, (2, q)."""
    if float(amounts.astype(np.float64).sum()) >= 2.0**53:
        sums = np.zeros(cells[-1], dtype=np.int64)
        np.add.at(sums, cell, amounts)
    else:
        # whole numbers that floats hold exactly
        sums = np.bincount(cell, weights=amounts, minlength=cells[-1])
    total = np.add.reduceat(sums, cells[:-1]).repeat(cells[1:] - cells[:-1])
    share = sums / np.maximum(total, 1)
    squares = np.floor(share * share * PARTS).astype(np.int64)
    figures = np.array([np.add.reduceat(squares, cells[:-1]) / PARTS, np.maximum.reduceat(share, cells[:-1])])
    # amounts that are all zero have no shares
    return np.where(figures > 0, figures, np.nan)


def _both_shares(panel, group):
    """Both figures of shares of a group's terms, (2, t, n); NaN where a window names no group."""
    laid, amounts, groups = _lay(panel, group, by=True), np.abs(panel.joined(group.chosen.tolist())), _groups(panel, group)
    answer = np.array([laid.answer(np.nan)] * 2)
    for question, cells, row, cell in _celled(laid, groups):
        answer[:, question] = _shares(cells, cell, amounts[row])
    return answer.reshape(2, len(group.terms), -1)


def _share(which):
    def measure(panel, group, out):
        key = "shares", *((term.table, term.key, term.where, term.column, term.by, term.span) for term in group.terms)
        out[group.row] = panel.once(key, lambda: _both_shares(panel, group))[which]

    return measure


def newcomers(panel, group, out):
    """Groups whose first row in the window is younger than the term's `value` in days; 0 where there are none."""
    laid, groups = _lay(panel, group, by=True), _groups(panel, group)
    answer, young = laid.answer(0.0), np.array([int(term.value * DAY) for term in group.terms])
    for question, cells, row, cell in _celled(laid, groups):
        since = (laid.as_of(question) - young[laid.term(question)]).repeat(cells[1:] - cells[:-1])
        first = np.full(cells[-1], np.iinfo(np.int64).min)
        # written backwards, so that the first row of each cell stays
        first[cell[::-1]] = laid.moments(row)[::-1]
        answer[question] = np.add.reduceat(first > since, cells[:-1], dtype=np.int64)
    out[group.row] = answer.reshape(len(group.terms), -1)


def decay(panel, group, out):
    """Rows counted by age, each as 1 / (1 + age / the term's `value` in days): today's as one, one of that age as a half."""
    laid = _lay(panel, group)
    answer, scales = laid.answer(0.0), np.array([int(term.value * DAY) for term in group.terms])
    for question, row in laid.rows():
        scale = scales[laid.term(question)]
        first = kernel.runs(question)
        if len(first):
            answer[question[first]] = np.add.reduceat(scale / (scale + laid.as_of(question) - laid.moments(row)), first)
    out[group.row] = answer.reshape(len(group.terms), -1)


# panel, the terms of one measure, the answers' rows to fill (see features.windowed)
MEASURES = {"concentration": _share(0), "largest_share": _share(1), "newcomers": newcomers, "decay": decay}
