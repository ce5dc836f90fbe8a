"""The life of one alert: seen again, put off, passed on when its deadline is past, closed with what came of it; pure, a step at a time.

Every function that moves an alert returns a Step, and `follow` says how the alert stands after it, so that replaying the steps gives what stands.
"""

from dataclasses import dataclass, replace
from datetime import date, timedelta

from features.errors import RiskError
from models.alert_file import ASLEEP, DONE, OPEN, OUTCOMES, OVERDUE, SEVERITIES
from models.alerts import Crossing
from models.people import person

RAISED, SEEN, WORSENED, SNOOZED, ESCALATED, CLOSED = STEPS = "raised", "seen", "worsened", "snoozed", "escalated", "closed"
# Who takes the steps that no person does.
RULES = "rules"


@dataclass(frozen=True)
class Step:
    """One thing that happened to an alert on a day: severity and deadline as they are from then on, place how many levels it was passed on (0: its owner has
    it), until the day on which it wakes (None: awake), outcome of OUTCOMES when it is closed; crossing: what was seen, None where nothing was."""

    step: str
    on_day: date
    severity: str
    place: int
    deadline: date
    until: date | None = None
    outcome: str | None = None
    actor: str = RULES
    note: str = ""
    crossing: Crossing | None = None


@dataclass(frozen=True)
class Alert:
    """How an alert stands: `worst` is the gravest thing seen, `last` the latest; place, deadline and until as in Step; outcome None while it is open."""

    id: str
    customer_id: str
    kind: str
    owner: str
    severity: str
    raised_on: date
    seen_on: date
    sightings: int
    deadline: date
    place: int = 0
    until: date | None = None
    outcome: str | None = None
    closed_on: date | None = None
    closed_by: str | None = None
    note: str | None = None
    worst: Crossing | None = None
    last: Crossing | None = None

    def state(self, day):
        """How it stands on a day: closed, snoozed until the day it wakes, overdue from the day after its deadline, or open."""
        if self.outcome is not None:
            return DONE
        return ASLEEP if self.until is not None and day < self.until else OVERDUE if day > self.deadline else OPEN

    def with_whom(self, terms):
        """Who has it: its owner department, or the level it was passed on to."""
        return terms.escalation[min(self.place, len(terms.escalation)) - 1].to if self.place and terms.escalation else self.owner


def sighted(terms, alert, crossing, day, *, dealt_with=False):
    """What a crossing on a day makes of the latest alert of its kind, open or closed or None: a Step, or None where it says nothing new.

    terms: models.alert_file.Alerts; dealt_with: whether what crossed had been seen already when the alert was closed: then only a graver crossing raises a new
    one. Again the same on one day is one sighting.
    """
    if alert is None or alert.outcome is not None:
        if alert is not None and dealt_with and not _graver(crossing.severity, alert.severity):
            return None
        return Step(RAISED, day, crossing.severity, 0, _due(terms, crossing.severity, day), crossing=crossing)
    if _graver(crossing.severity, alert.severity):
        # Worse by a step: it wakes, and is due no later than it was.
        due = _due(terms, crossing.severity, day)
        return Step(WORSENED, day, crossing.severity, alert.place, due if alert.state(day) == ASLEEP else min(alert.deadline, due), crossing=crossing)
    if alert.seen_on == day and alert.last == crossing:
        return None
    return Step(SEEN, day, alert.severity, alert.place, alert.deadline, until=alert.until, crossing=crossing)


def escalated(terms, alert, day):
    """The Step by which an alert past its deadline goes to the next level; None where it is not, or the last level has it."""
    if alert.state(day) != OVERDUE or alert.place >= len(terms.escalation):
        return None
    return Step(ESCALATED, day, alert.severity, alert.place + 1, day + timedelta(days=terms.escalation[alert.place].deadline_days))


def passed_on(terms, alert, day, *, actor, note):
    """The Step by which a person passes an alert on before its deadline. Raises: RiskError for one that is closed or has reached the last level, and unless it
    is said who and why."""
    _check(alert, actor, note, "is passed on")
    if alert.place >= len(terms.escalation):
        where = f"{alert.with_whom(terms)} has it" if terms.escalation else "life_cycle.yaml names nobody under alerts.escalation"
        raise RiskError(f"alert {alert.id} cannot be passed on: {where}, so close it with what came of it.")
    deadline = min(alert.deadline, day + timedelta(days=terms.escalation[alert.place].deadline_days))
    return Step(ESCALATED, day, alert.severity, alert.place + 1, max(day, deadline), actor=actor.strip(), note=note.strip())


def snoozed(terms, alert, until, day, *, actor, note):
    """The Step by which a person puts an alert off until a day, on which it wakes; it is then due, unless its deadline is later.

    Raises: RiskError for one that is closed, a day that is not ahead or more than `snooze_days` away, and unless it is said who and why.
    """
    _check(alert, actor, note, "is put off")
    last = day + timedelta(days=terms.snooze_days)
    if not day < until <= last:
        raise RiskError(f"alert {alert.id} cannot be put off on {day} until {until}: name a day from {day + timedelta(days=1)} to {last}.")
    return Step(SNOOZED, day, alert.severity, alert.place, max(alert.deadline, until), until=until, actor=actor.strip(), note=note.strip())


def closed(alert, outcome, day, *, actor, note):
    """The Step by which a person closes an alert. Raises: RiskError for one that is closed, an unknown outcome, and unless it is said who, and what was found
    or done."""
    _check(alert, actor, note, "is closed")
    if outcome not in OUTCOMES:
        raise RiskError(f"the outcome {outcome} is unknown: use {', '.join(OUTCOMES)}.")
    return Step(CLOSED, day, alert.severity, alert.place, alert.deadline, outcome=outcome, actor=actor.strip(), note=note.strip())


def follow(alert, step):
    """How the alert stands after a step of its own other than RAISED."""
    after = replace(alert, severity=step.severity, place=step.place, deadline=step.deadline, until=step.until)
    if step.step in (SEEN, WORSENED):
        worst = step.crossing if step.step == WORSENED else alert.worst
        return replace(after, seen_on=step.on_day, sightings=alert.sightings + 1, worst=worst, last=step.crossing)
    if step.step == CLOSED:
        return replace(after, outcome=step.outcome, closed_on=step.on_day, closed_by=step.actor, note=step.note)
    return after


def begin(alert_id, customer_id, step):
    """The Alert that a RAISED step begins."""
    crossing = step.crossing
    return Alert(alert_id, customer_id, crossing.kind, crossing.owner, step.severity, step.on_day, step.on_day, 1, step.deadline, worst=crossing, last=crossing)


def _due(terms, severity, day):
    return day + timedelta(days=getattr(terms.deadline_days, severity))


def _graver(severity, other):
    return SEVERITIES.index(severity) > SEVERITIES.index(other)


def _check(alert, actor, note, what):
    if alert.outcome is not None:
        raise RiskError(f"alert {alert.id} was closed on {alert.closed_on} as {alert.outcome}: a new one is raised when it happens again.")
    if not person(actor or "") or person(actor) in (RULES, "unnamed"):
        raise RiskError(f"an alert {what} by a person: say who.")
    if not (note or "").strip():
        raise RiskError(f"an alert {what} for a reason: say which in words.")
