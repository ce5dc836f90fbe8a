"""The section `alerts` of `life_cycle.yaml`: what raises an alert beside the triggers, by when it is dealt with, and to whom it goes when it is not."""

import math
import re

from models.lined_yaml import Closed
from models.playbooks import DEPARTMENTS

# From mild to grave. A trigger's alert is as grave as the state that it calls for, and `low` where it calls for none.
SEVERITIES = LOW, MEDIUM, HIGH, CRITICAL = "low", "medium", "high", "critical"

# Alerts that are no trigger's: they hold a score against an earlier one of the same customer.
AGAINST_EARLIER = GRADE_WORSE, PD_JUMP = "grade_worse", "pd_jump"

# How an alert stands on a day.
OPEN, ASLEEP, OVERDUE, DONE = "open", "snoozed", "overdue", "closed"
# What came of it: it was right and there was nothing to be done; it was wrong; it was right and something was done, which the note says.
JUSTIFIED, FALSE_ALARM, ACTED = OUTCOMES = "justified", "false_alarm", "acted"


class Deadlines(Closed):
    """Within how many days an alert of each severity is dealt with."""

    low: int = 14
    medium: int = 7
    high: int = 3
    critical: int = 1


class Escalation(Closed):
    """To whom an alert goes that is past its deadline, and how many days it has there."""

    to: str
    deadline_days: int


class Alerts(Closed):
    """When a score has become so much worse that it raises an alert, by how many letters or times, from which grade on, and whose that is; and how all alerts
    are dealt with: see the comments of the file. An older file has the deadlines of the shipped one, all grades and nobody to escalate to."""

    owner: str
    grades_worse: int
    pd_times: float
    from_grade: str = "A"
    reference_days: int = 30
    deadline_days: Deadlines = Deadlines()
    snooze_days: int = 30
    escalation: tuple[Escalation, ...] = ()


# How alerts are dealt with by a file without the section: only triggers raise any, and nobody is told beside the owner.
WITHOUT = Alerts(owner=DEPARTMENTS[0], grades_worse=1, pd_times=2)


def alert_faults(alerts, letters):
    """(path, reason) of everything wrong with the section that types cannot say, in the file's order; letters: of the grades."""
    if alerts is None:
        return
    if alerts.owner not in DEPARTMENTS:
        yield "alerts.owner", f"{alerts.owner} is unknown; use {', '.join(DEPARTMENTS)}"
    if not 1 <= alerts.grades_worse < len(letters):
        yield "alerts.grades_worse", f"must be 1 to {len(letters) - 1} letters"
    if alerts.from_grade not in letters:
        yield "alerts.from_grade", f"{alerts.from_grade} is no grade; use {', '.join(letters)}"
    if not 1 < alerts.pd_times < math.inf:
        yield "alerts.pd_times", "must be above 1: a PD that is no higher is no jump"
    for key in ("reference_days", "snooze_days"):
        if getattr(alerts, key) < 1:
            yield f"alerts.{key}", "must be 1 or more"
    yield from _deadline_faults(alerts.deadline_days)
    yield from _escalation_faults(alerts.escalation)


def _deadline_faults(deadlines):
    days = [getattr(deadlines, severity) for severity in SEVERITIES]
    for place, severity in enumerate(SEVERITIES):
        if days[place] < 1:
            yield f"alerts.deadline_days.{severity}", "must be 1 or more"
        elif place and days[place] > days[place - 1]:
            yield f"alerts.deadline_days.{severity}", f"leaves more time than {SEVERITIES[place - 1]} does; a graver alert has at most as much"


def _escalation_faults(levels):
    for number, level in enumerate(levels):
        path = f"alerts.escalation[{number}]"
        if not re.fullmatch("[a-z][a-z0-9_]{0,63}", level.to) or level.to in DEPARTMENTS:
            yield f"{path}.to", f"{level.to} cannot name who is told next; use small letters, digits and _, and no department"
        elif level.to in [other.to for other in levels[:number]]:
            yield f"{path}.to", f"{level.to} is given twice; keep one"
        if level.deadline_days < 1:
            yield f"{path}.deadline_days", "must be 1 or more"
