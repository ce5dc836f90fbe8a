"""What an event has brought to a threshold: the early warnings of the life cycle's triggers, and how far a score has moved from the published one."""

from dataclasses import dataclass

import numpy as np

from models.life_cycle import fired, grade_places
from models.life_cycle_file import LEVELS, as_number

# Alerts that are no trigger's: they compare with the published book.
GRADE_WORSE, PD_JUMP = "grade_worse", "pd_jump"


@dataclass(frozen=True)
class Crossing:
    """One threshold that was not reached before an event and is after it: kind is a trigger's name, GRADE_WORSE or PD_JUMP, level the state that the trigger
    calls for (None for the others), owner the department that has to act; before is None where the fact was not known."""

    kind: str
    level: str | None
    owner: str
    fact: str
    before: float | None
    after: float
    threshold: float


def crossings(rules, before, after, *, published):
    """Crossings between the facts before and after an event, in the order of the triggers, of each trigger the strictest state that it newly calls for.

    rules: models.life_cycle.LifeCycle; before, after: {fact: number}, NaN or absent: unknown, with `pd_12m` and `grade` as a number (grade_places);
    published: the same of the book, of which pd_12m and grade are read. The event alone is judged: who was at a threshold already raises nothing again.
    """
    facts = {name: np.array([before.get(name, np.nan), after.get(name, np.nan)], dtype=np.float64) for name in after}
    caught = {level: fired(rules, facts, level, 2) for level in LEVELS}
    found = [_of_trigger(trigger, facts, caught) for trigger in rules.spec.triggers]
    return [each for each in (*found, *_against_book(rules.spec.alerts, facts, published)) if each is not None]


def grade_place(grade):
    """A grade's place in the order of risk, A being 1; NaN for none."""
    return float(grade_places([grade])[0])


def _of_trigger(trigger, facts, caught):
    new = [level for level in LEVELS if trigger.name in caught[level] and caught[level][trigger.name][1] and not caught[level][trigger.name][0]]
    return _crossing(trigger.name, new[-1], trigger.owner, trigger.fact, facts, as_number(getattr(trigger, new[-1]).enter)) if new else None


def _against_book(rules, facts, published):
    """Crossings of what the section `alerts` declares; none without it."""
    if rules is None:
        return
    worse, times = published.get("grade", np.nan) + rules.grades_worse, published.get("pd_12m", np.nan) * rules.pd_times
    for kind, fact, threshold in ((GRADE_WORSE, "grade", worse), (PD_JUMP, "pd_12m", times)):
        first, last = facts.get(fact, (np.nan, np.nan))
        if last >= threshold and not first >= threshold:
            yield _crossing(kind, None, rules.owner, fact, facts, threshold)


def _crossing(kind, level, owner, fact, facts, threshold):
    first, last = facts[fact].tolist()
    return Crossing(kind, level, owner, fact, first if first == first else None, last, float(threshold))
