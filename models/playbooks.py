"""Emergency playbooks: what is done in which order, by whom and within how many hours, once a trigger calls for it; and how a run of one stands."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from features.errors import RiskError
from models.lined_yaml import Closed

DEPARTMENTS = ("sales", "finance", "legal")


class Step(Closed):
    """One thing to do: its name, the department that does it, and by how many hours after the run's start."""

    name: str
    department: str
    within_hours: int


class Playbook(Closed):
    """Steps in their order, and what calls for them: one of the `triggers`, for a customer in `state` or a stricter one."""

    name: str
    state: str
    triggers: tuple[str, ...]
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Standing:
    """How one step of a run stands: due_at and done_at (None: open) in naive UTC; late when it was done after due_at, or is open after it."""

    name: str
    department: str
    due_at: datetime
    done_at: datetime | None
    late: bool


def playbook_faults(playbooks, thresholds):
    """(path, reason) of everything wrong with the playbooks of a rule file. thresholds: {trigger: the states it has thresholds for}."""
    for number, playbook in enumerate(playbooks):
        path = f"playbooks[{number}]"
        if playbook.name in [other.name for other in playbooks[:number]]:
            yield f"{path}.name", f"playbook {playbook.name} is given twice; keep one"
        for trigger in playbook.triggers:
            if trigger not in thresholds:
                yield f"{path}.triggers", f"trigger {trigger} is unknown; use {', '.join(thresholds)}"
            elif playbook.state not in thresholds[trigger]:
                yield f"{path}.triggers", f"trigger {trigger} has no threshold for {playbook.state}, so it would never start this playbook; give it one"
        if not playbook.triggers:
            yield f"{path}.triggers", "nothing starts this playbook; name a trigger"
        yield from _step_faults(path, playbook.steps)


def _step_faults(path, steps):
    if not steps:
        yield f"{path}.steps", "has no step; name what is to be done"
    for number, step in enumerate(steps):
        before = steps[number - 1] if number else None
        if step.name in [other.name for other in steps[:number]]:
            yield f"{path}.steps[{number}].name", f"step {step.name} is given twice; keep one"
        if step.department not in DEPARTMENTS:
            yield f"{path}.steps[{number}].department", f"{step.department} is unknown; use {', '.join(DEPARTMENTS)}"
        if step.within_hours <= 0:
            yield f"{path}.steps[{number}].within_hours", "must be above 0"
        elif before and step.within_hours < before.within_hours:
            yield f"{path}.steps[{number}].within_hours", f"is due before {before.name}, which has to be done first"


def called_for(playbook, fired, strictness, least):
    """Whom a playbook is for, (n,) bool: fired: {trigger: (n,) bool} at the playbook's state; strictness: (n,) of each customer's state; least: that of
    the playbook's state."""
    caught = np.logical_or.reduce([fired[trigger] for trigger in playbook.triggers])
    return caught & (strictness >= least)


def standings(steps, started_at, done, now):
    """How each step of a run stands at `now`, in order. done: {step name: moment}; a step due at that very moment is in time."""
    found = []
    for step in steps:
        due_at, done_at = started_at + timedelta(hours=step.within_hours), done.get(step.name)
        found.append(Standing(step.name, step.department, due_at, done_at, (done_at or now) > due_at))
    return found


def require_next(steps, done, name):
    """The step of this name. Raises: RiskError unless it is there, open, and all steps before it are done."""
    names = [step.name for step in steps]
    if name not in names:
        raise RiskError(f"there is no step {name} in this run: its steps are {', '.join(names)}.")
    if name in done:
        raise RiskError(f"step {name} was done on {done[name]:%Y-%m-%d %H:%M}: nothing is left to do about it.")
    first = next(other for other in names if other not in done)
    if first != name:
        raise RiskError(f"step {name} comes after {first}, which is open: do that first and say so with `risk playbook done`.")
    return steps[names.index(name)]
