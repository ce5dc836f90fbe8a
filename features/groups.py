"""Windowed measures that compare the rows of a window with each other: concentration, newcomers, first digits, and counts that fade with age.

Each needs the window's rows themselves, so each is worked out for the one window that is asked. Whole numbers are added before anything is
divided, and shares in the order of their size, so that the names of counterparties and the order in which they come leave no trace in the bits.
"""

from dataclasses import dataclass

import numpy as np

from features import kernel
from features.arrays import DAY
from features.several import in_order

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


def _codes(panel, group):
    """Groups of the column `by` of each term, flat."""
    return np.concatenate([panel.groups(slot, term.by) for slot, term in zip(panel.slot[group.chosen].tolist(), group.terms, strict=True)])


def _moments(laid, row):
    """When flat rows occurred, in seconds."""
    line = laid.flat.wins.line
    column = laid.flat.begin.searchsorted(row, side="right") - 1
    return (line.key[row - laid.flat.shift[column, 0]] & (kernel.SPAN - 1)) + kernel.BASE


def _grouped(question, code, values, ufunc):
    """Values reduced by (question, group code): the question of each pair and its figure."""
    if not len(code):
        return question, values
    # one number sorts faster than two, and named groups are never negative
    pair = question * (int(code.max()) + 1) + code
    order = pair.argsort(kind="stable")
    first = kernel.runs(pair[order])
    return question[order[first]], ufunc.reduceat(values[order], first)


def _shares(question, code, amounts):
    """The sum of the groups' squared shares of their window's total amount, and the largest share: question, both (2, m)."""
    question, sums = _grouped(question, code, amounts, np.add)
    if not len(sums):
        return question, np.zeros((2, 0))
    order = np.lexsort((sums, question))
    question, sums = question[order], sums[order]
    first = kernel.runs(question)
    total = np.add.reduceat(sums, first).repeat(kernel.lengths(first, len(sums)))
    share = sums / np.maximum(total, 1)
    return question[first], np.array([np.add.reduceat(share * share, first), np.maximum.reduceat(share, first)])


def _both_shares(panel, group):
    """Both figures of shares of a group's terms, (2, t, n); NaN where a window names no group."""
    laid, amounts, codes = _lay(panel, group, by=True), np.abs(panel.joined(group.chosen.tolist())), _codes(panel, group)
    answer = np.array([laid.answer(np.nan)] * 2)
    for question, row in laid.rows():
        found, figures = _shares(question, codes[row], amounts[row])
        answer[:, found] = figures
    return answer.reshape(2, len(group.terms), -1)


def _share(which):
    def measure(panel, group, out):
        key = "shares", *((term.where, term.column, term.by, term.span) for term in group.terms)
        out[group.row] = panel.once(key, lambda: _both_shares(panel, group))[which]

    return measure


def newcomers(panel, group, out):
    """Groups whose first row in the window is younger than the term's `value` in days; 0 where there are none."""
    laid, codes = _lay(panel, group, by=True), _codes(panel, group)
    answer, young = laid.answer(0.0), np.array([int(term.value) * DAY for term in group.terms])
    for question, row in laid.rows():
        found, first = _grouped(question, codes[row], _moments(laid, row), np.minimum)
        found = found[laid.as_of(found) - first < young[laid.term(found)]]
        answer += np.bincount(found, minlength=len(answer))
    out[group.row] = answer.reshape(len(group.terms), -1)


def decay(panel, group, out):
    """Rows counted by age, each as 1 / (1 + age / the term's `value` in days): today's as one, one of that age as a half."""
    laid = _lay(panel, group)
    answer, scales = laid.answer(0.0), np.array([int(term.value) * DAY for term in group.terms])
    for question, row in laid.rows():
        scale = scales[laid.term(question)]
        first = kernel.runs(question)
        if len(first):
            answer[question[first]] = np.add.reduceat(scale / (scale + laid.as_of(question) - _moments(laid, row)), first)
    out[group.row] = answer.reshape(len(group.terms), -1)


def benford(panel, group, out):
    """Mean absolute deviation of the first digits' shares from Benford's law; missing below the term's `value` in rows.

    Nigrini (2012), Benford's Law, chapter 7: above 0.015 the digits of a large set do not conform.
    """
    laid, digits = _lay(panel, group), panel.joined(group.chosen.tolist())
    counts = np.zeros((9, len(laid.answer(0.0))), dtype=np.int64)
    for question, row in laid.rows():
        counts += np.bincount((digits[row] - 1) * counts.shape[1] + question, minlength=counts.size).reshape(counts.shape)
    rows, least = counts.sum(axis=0), np.array([term.value for term in group.terms]).repeat(laid.flat.stop.shape[1])
    distance = in_order(np.abs(counts / np.maximum(rows, 1) - np.array(BENFORD)[:, None])) / 9
    out[group.row] = np.where(rows >= np.maximum(least, 1), distance, np.nan).reshape(len(group.terms), -1)


# panel, the terms of one measure, the answers' rows to fill (see features.windowed)
MEASURES = {"concentration": _share(0), "largest_share": _share(1), "newcomers": newcomers, "decay": decay, "benford": benford}
