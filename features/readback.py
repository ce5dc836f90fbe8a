"""The facts behind one customer's columns: each feature's term read backwards where that leaves one unknown, and forwards again once a fact has moved."""

from collections import deque

import numpy as np

from features.compute import ARITHMETIC
from features.terms import Term, walk

# A column counts as understood when the facts give it back to this share of its size.
CLOSE = 1e-9


def leaves(term):
    """The facts that a term is made of: its parts that are no arithmetic."""
    return {each for each in walk(term) if each.op not in ARITHMETIC}


def evaluate(term, facts, done=None):
    """The term's value (n,) from facts {leaf: (n,)}; NaN where one it needs is not known. `done` keeps what was worked out before."""
    done = {} if done is None else done
    if term not in done:
        if term.op not in ARITHMETIC:
            done[term] = facts.get(term, np.full(_rows(facts), np.nan))
        else:
            parts = [evaluate(part, facts, done)[None] for part in term.parts]
            out = np.empty((1, _rows(facts)))
            ARITHMETIC[term.op]([term], out, *parts)
            done[term] = out[0]
    return done[term]


def read_back(terms, values, *, gauges=()):
    """The facts {leaf: (1,)} of one customer from its columns.

    terms: {column: Term}; values: {column: float}. A feature gives the one fact of its term that is not known yet, so ratios to total assets give a balance
    sheet and the changes over a year the one before. Of `gauges`, facts that only divide others, one that stays unknown is set to 1: the ratios hold as well.
    """
    waiting = _Waiting(terms, values)
    waiting.solve()
    for gauge in gauges:
        if gauge not in waiting.facts:
            waiting.learn(gauge, 1.0)
            waiting.solve()
    return waiting.facts


def understood(terms, values, facts):
    """Names of the columns that the facts give back: {name}. Any other column would be written anew from what it is not made of."""
    done, kept = {}, set()
    for name, term in terms.items():
        found, held = evaluate(term, facts, done)[0], values.get(name, np.nan)
        if (np.isnan(found) and np.isnan(held)) or abs(found - held) <= CLOSE * max(1.0, abs(held)):
            kept.add(name)
    return kept


def _rows(facts):
    return len(next(iter(facts.values()))) if facts else 1


class _Waiting:
    """Known columns with the facts that each still lacks; one that lacks a single fact may give it."""

    def __init__(self, terms, values):
        self.facts, self.users = {}, {}
        self.known = [(term, values[name], leaves(term)) for name, term in terms.items() if not np.isnan(values.get(name, np.nan))]
        for place, (_, _, lacking) in enumerate(self.known):
            for leaf in lacking:
                self.users.setdefault(leaf, []).append(place)
        self.ready = deque(place for place, each in enumerate(self.known) if len(each[2]) == 1)

    def solve(self):
        """Solve until nothing is found any more, in the order of the columns."""
        while self.ready:
            term, value, lacking = self.known[self.ready.popleft()]
            if len(lacking) == 1:
                (leaf,) = lacking
                solved = _solve(term, leaf, value, self.facts)
                if solved is not None and np.isfinite(solved):
                    self.learn(leaf, solved)

    def learn(self, leaf, value):
        """Take a fact as known."""
        self.facts[leaf] = np.array([value])
        for place in self.users.get(leaf, ()):
            lacking = self.known[place][2]
            lacking.discard(leaf)
            if len(lacking) == 1:
                self.ready.append(place)


def _solve(term, leaf, value, facts):
    """The leaf's value that makes the term's; None where the term does not tell."""
    if term == leaf:
        return value
    holding = [place for place, part in enumerate(term.parts) if leaf in set(walk(part))]
    if term.op == "ratio" and len(holding) == 2:
        return _before_growth(term, leaf, value, facts)
    if len(holding) != 1 or term.op not in UNDONE:
        return None
    place = holding[0]
    others = [evaluate(part, facts)[0] for number, part in enumerate(term.parts) if number != place]
    inner = UNDONE[term.op](term, place, value, others)
    return None if inner is None else _solve(term.parts[place], leaf, inner, facts)


def _undo_ratio(_, place, value, others):
    if place == 0:
        return value * others[0]
    return others[0] / value if value else None


def _undo_minus(_, place, value, others):
    return value + others[0] if place == 0 else others[0] - value


UNDONE = {
    "ratio": _undo_ratio,
    "minus": _undo_minus,
    "plus": lambda term, place, value, others: value - sum(others),
    "times": lambda term, place, value, others: value / term.value,
    "log": lambda term, place, value, others: float(np.exp(value)),
    "positive": lambda term, place, value, others: value,
}


def _before_growth(term, leaf, value, facts):
    """What a figure was before it grew by (new - old) / |old|, or / old; None where both signs would do."""
    top, bottom = term.parts
    if top.op != "minus" or bottom not in (leaf, Term("size", (leaf,))) or top.parts[1] != leaf:
        return None
    new = evaluate(top.parts[0], facts)[0]
    above, below = (new / (1 + sign * value) if 1 + sign * value else np.nan for sign in (1, -1))
    if bottom == leaf:
        return above
    fitting = [each for each, fits in ((above, above > 0), (below, below < 0)) if fits]
    return fitting[0] if len(fitting) == 1 else None
