"""Early warnings: what facts have come to between two moments, by the triggers of the life cycle and by how far a score is from an earlier one.

An event and a night ask the same: before and after the event, or the night before and this one. One customer and a million by the same arithmetic.
"""

from dataclasses import dataclass

import numpy as np

from models.alert_file import GRADE_WORSE, LOW, PD_JUMP, SEVERITIES, WITHOUT
from models.life_cycle import grade_places
from models.life_cycle_file import ALERT, TOLD, as_number


@dataclass(frozen=True)
class Crossing:
    """One threshold that was not reached before and is after: kind is a trigger's name, GRADE_WORSE or PD_JUMP, level the state that the trigger calls for
    (None: none), owner the department that has to act, severity of SEVERITIES; before is None where the fact was not known."""

    kind: str
    level: str | None
    owner: str
    fact: str
    before: float | None
    after: float
    threshold: float
    severity: str = LOW


def crossings(rules, before, after, *, published):
    """Crossings of one customer, in the order of the triggers; arguments as for `all_crossings`, with a number for each fact."""
    facts = (_columns(before, after), _columns(after, after), _columns(published, published))
    return [crossing for _, crossing in all_crossings(rules, *facts)]


def all_crossings(rules, before, after, earlier):
    """Crossings between the facts before and after, [(row, Crossing)], by trigger in the file's order and then by row; of each trigger and row the strictest
    level that is newly reached.

    rules: models.life_cycle.LifeCycle; before, after: {fact: (n,)}, NaN or absent: unknown, with `pd_12m` and `grade` as a number (grade_places); earlier:
    {"pd_12m", "grade"} of the score that this one is held against: for an event the published one, for a night one of the last `reference_days`. Who was at a
    threshold before raises nothing again.
    """
    rows = len(next(iter(after.values()), ()))
    return [each for kind in (*map(_of_trigger, rules.spec.triggers), *_against_earlier(rules.spec.alerts, earlier, after, rows))
            for each in _crossed(kind, before, after, rows)]


def terms_of(rules):
    """How alerts are dealt with (models.alert_file.Alerts) by a LifeCycle, or without one."""
    return rules.spec.alerts if rules is not None and rules.spec.alerts is not None else WITHOUT


def grade_place(grade):
    """A grade's place in the order of risk, A being 1; NaN for none."""
    return float(grade_places([grade])[0])


@dataclass(frozen=True)
class _Kind:
    """What raises one kind of alert: ladder are its (threshold, level, severity), from soft to strict, a threshold being a number or (n,)."""

    name: str
    owner: str
    fact: str
    ladder: tuple


def _of_trigger(trigger):
    ladder = [(as_number(getattr(trigger, level).enter), None if level == ALERT else level, severity)
              for level, severity in zip(TOLD, SEVERITIES, strict=True) if getattr(trigger, level)]
    return _Kind(trigger.name, trigger.owner, trigger.fact, tuple(ladder))


def _against_earlier(alerts, earlier, after, rows):
    """The kinds that the section `alerts` declares; none without it. Each time as far again is one severity more; who is in a better grade than from_grade now
    has no threshold."""
    if alerts is None:
        return
    spared = _fact(after, "grade", rows) < as_number(alerts.from_grade)
    grade, pd_12m = (np.where(spared, np.nan, _fact(earlier, name, rows)) for name in ("grade", "pd_12m"))
    steps = tuple(enumerate(SEVERITIES, 1))
    yield _Kind(GRADE_WORSE, alerts.owner, "grade", tuple((grade + number * alerts.grades_worse, None, severity) for number, severity in steps))
    yield _Kind(PD_JUMP, alerts.owner, "pd_12m", tuple((pd_12m * alerts.pd_times ** number, None, severity) for number, severity in steps))


def _crossed(kind, before, after, rows):
    first, last = _fact(before, kind.fact, rows), _fact(after, kind.fact, rows)
    reached = np.full(rows, -1)
    for place, (threshold, _, _) in enumerate(kind.ladder):
        # NaN on either side of a comparison is no threshold reached.
        reached[(last >= threshold) & ~(first >= threshold)] = place
    for row in np.flatnonzero(reached >= 0).tolist():
        threshold, level, severity = kind.ladder[reached[row]]
        known = first[row] == first[row]
        yield row, Crossing(kind.name, level, kind.owner, kind.fact, float(first[row]) if known else None, float(last[row]),
                            float(np.broadcast_to(threshold, rows)[row]), severity)


def _columns(facts, names):
    return {name: np.array([facts.get(name, np.nan)], dtype=np.float64) for name in names}


def _fact(facts, name, rows):
    return np.broadcast_to(np.asarray(facts.get(name, np.nan), dtype=np.float64), (rows,))
