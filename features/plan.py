"""The order in which a catalogue's terms are worked out: each distinct term once, terms of one kind together."""

from dataclasses import dataclass

import numpy as np

from features.accounts import plan_lines
from features.terms import walk
from features.windowed import plan_windows

# Terms that are worked out from the same lookups, whatever their op.
FAMILIES = {"stock": "lines", "flow": "lines"}
DETAILS = {"window": lambda terms: plan_windows(tuple(enumerate(terms))), "lines": plan_lines}


@dataclass(frozen=True)
class Batch:
    """Terms worked out in one call: their `op` (or family), the rows [begin, end) of the answers, and by argument the rows of their parts.

    `detail` is what terms of that op need to be worked out together: a WindowPlan, a LinesPlan, None for other terms.
    """

    op: str
    terms: tuple
    begin: int
    end: int
    parts: tuple
    detail: object = None


@dataclass(frozen=True)
class Plan:
    """The batches of a catalogue in an order in which parts come first, how many answers they give, and the answer of each feature."""

    batches: tuple
    size: int
    outputs: np.ndarray


def plan_of(catalogue):
    """The catalogue's Plan, made once per catalogue."""
    if "_plan" not in catalogue.__dict__:
        catalogue.__dict__["_plan"] = make_plan([each.how for each in catalogue.features])
    return catalogue.__dict__["_plan"]


def make_plan(asked):
    """The Plan of some terms: as few batches as a greedy choice finds."""
    waiting = {}
    for term in dict.fromkeys(each for how in asked for each in walk(how)):
        waiting.setdefault(_kind(term), []).append(term)
    place, batches = {}, []
    while waiting:
        kind, ready = _next(waiting, place)
        batches.append(_batch(kind, ready, place))
        left = [term for term in waiting[kind] if term not in place]
        waiting = {name: terms for name, terms in (waiting | {kind: left}).items() if terms}
    return Plan(tuple(batches), len(place), np.array([place[how] for how in asked], dtype=np.int64))


def _kind(term):
    """What terms must share to be worked out in one call."""
    op = FAMILIES.get(term.op, term.op)
    if op == "window":
        return (op,)
    industry = term.parts[1] if op == "peer" and len(term.parts) > 1 else None
    return op, len(term.parts), term.measure if op == "compare" else "", term.table if op == "last" else "", industry


def _next(waiting, place):
    """The kind to work out next and its ready terms: one of which all terms are ready before one of which most are."""
    ready = {kind: [term for term in terms if all(part in place for part in term.parts)] for kind, terms in waiting.items()}
    kind = max(ready, key=lambda each: (bool(ready[each]) and len(ready[each]) == len(waiting[each]), len(ready[each])))
    return kind, ready[kind]


def _batch(kind, terms, place):
    begin = len(place)
    parts = tuple(np.array([place[term.parts[number]] for term in terms]) for number in range(len(terms[0].parts)))
    place.update((term, begin + number) for number, term in enumerate(terms))
    detail = DETAILS[kind[0]](terms) if kind[0] in DETAILS else None
    return Batch(kind[0], tuple(terms), begin, len(place), parts, detail)


def reading_terms(plan):
    """All terms of a plan that read a table, in its order."""
    return [term for batch in plan.batches for term in batch.terms if term.table]
