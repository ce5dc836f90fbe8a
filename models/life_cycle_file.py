"""`life_cycle.yaml` read and refused: a state out of reach or without a way out, or a path past a mandatory step, never moves a customer."""

import math
import re
from itertools import pairwise

from models.alert_file import AGAINST_EARLIER, Alerts, alert_faults
from models.lined_yaml import Closed, content_hash, parse_lined, read_lined
from models.playbooks import DEPARTMENTS, Playbook, playbook_faults
from models.policy_file import LETTERS, ROUTES

STATES = ("onboarding", "active", "watch", "restrict", "run_down", "exit", "re_entry")
# How little may be done in a state: before approval, as little as under restriction and less. A move to a lower figure is a softer one.
STRICTNESS = {"active": 0, "watch": 1, "restrict": 2, "onboarding": 3, "re_entry": 3, "run_down": 4, "exit": 5}
# States that a trigger can call for, from soft to strict.
LEVELS = ("watch", "restrict", "run_down")
# What a trigger's thresholds are for, from soft to strict: an alert alone, then the states.
ALERT = "alert"
TOLD = (ALERT, *LEVELS)
# What a state leaves of new credit, from soft to strict: what the policy says, no softer a route than the one named, nothing.
BY_POLICY, DECLINE = "by_policy", "decline"
NEW_CREDIT = (BY_POLICY, *ROUTES[1:], DECLINE)
# States in which nothing is approved automatically, whatever the file says. Onboarding is none of them: the automatic route is what lets a new customer in.
NEVER_AUTOMATIC = ("restrict", "run_down", "exit", "re_entry")
RULE, PERSON = "rule", "person"
ASSESSMENT, APPROVAL, PLAN, SETTLED = "assessment", "approval", "plan", "settled"
STEPS = (ASSESSMENT, APPROVAL, PLAN, SETTLED)
FACTS = ("in_default", "pd_12m", "pd_rise", "grade", "days_past_due", "exposure_to_limit", "open_lawsuit_amount", "lawsuits", "disputes",
         "bounced_payments", "negative_reports", "overdue_change", "order_rise", "outflow_rise", "inflow_fall")
# Reasons that are no trigger's.
FIRST_SEEN, TAKEN_OVER, APPROVED, CALM, SETTLED_UP, DECIDED, CONFIRMED = OWN_REASONS = (
    "first_seen", "taken_over", "approved_by_policy", "calm", "settled_up", "decided", "confirmed")
# Names that mean something else already.
TAKEN = (*OWN_REASONS, *AGAINST_EARLIER)
# Where a state may be entered from at all, and what any other way would skip.
ONLY_FROM = {"onboarding": ((), "nothing: a customer is new only once"), "active": (("onboarding", "watch"), "watch"), "exit": (("run_down",), "run_down"),
             "re_entry": (("exit",), "exit")}


class State(Closed):
    """A state's owner department, days within which the owner confirms or changes it (None: nothing to do), least days before anything softer, and what it
    leaves of new credit (of NEW_CREDIT)."""

    name: str
    owner: str
    deadline_days: int | None
    least_days: int
    new_credit: str


class Transition(Closed, rename={"start": "from"}):
    """A way from one state to another: who may take it (rule, person), and what must be shown before."""

    start: str
    to: str
    by: tuple[str, ...]
    steps: tuple[str, ...]


class Thresholds(Closed):
    """Caught at `enter` and above, let go at `leave` and below; a grade is given by its letter."""

    enter: float | str
    leave: float | str


class Entry(Closed):
    """Caught at `enter` and above, and never let go by a rule."""

    enter: float | str


class Trigger(Closed):
    """A fact that moves customers, the department whose it is then, and its thresholds by state; `alert`: from where on it is only told."""

    name: str
    fact: str
    owner: str
    alert: Entry | None = None
    watch: Thresholds | None = None
    restrict: Thresholds | None = None
    run_down: Entry | None = None


class RunDown(Closed):
    """The plan of a run-down: shares of the exposure at its start that may be left first_days after it, and then every_days each."""

    first_days: int
    every_days: int
    shares: tuple[float, ...]


class Spec(Closed):
    """A whole life cycle file."""

    version: int
    stale_days: int
    assessment_days: int
    states: tuple[State, ...]
    transitions: tuple[Transition, ...]
    triggers: tuple[Trigger, ...]
    run_down: RunDown
    playbooks: tuple[Playbook, ...] = ()
    alerts: Alerts | None = None


def read_spec(path):
    """Read and validate a life cycle file. Returns Spec. Raises: RiskError naming file, line, field and reason."""
    return read_lined(path, Spec, _faults)


def parse_spec(text, *, where="life_cycle.yaml"):
    """Validate a life cycle's text. Returns Spec. Raises: RiskError with the line of the offending field."""
    return parse_lined(text, Spec, _faults, where=where)


def life_cycle_hash(spec):
    """sha256 hex of the rules' content; comments, order of keys and spelling of numbers do not change it."""
    return content_hash(spec)


def is_softer(start, to):
    """Whether a move lets a customer do more than before."""
    return STRICTNESS[to] < STRICTNESS[start]


def mandatory_steps(start, to):
    """Steps that a move needs whatever the file says: nobody is let more freely without a score that is not stale, nor out of a state in which nothing is
    sold without an approval; no run-down is without a plan, and nobody leaves owing."""
    return tuple(step for step, needed in ((ASSESSMENT, is_softer(start, to)),
                                           (APPROVAL, is_softer(start, to) and start in ("onboarding", "run_down", "re_entry")),
                                           (PLAN, to == "run_down"), (SETTLED, to == "exit")) if needed)


def as_number(threshold):
    """A threshold as a number; a grade's letter as its place, A being 1."""
    return float(LETTERS.index(threshold) + 1) if isinstance(threshold, str) else float(threshold)


def _faults(spec):
    """(path, reason) of everything wrong that types cannot say, in the file's order."""
    if spec.version != 1:
        yield "version", f"version {spec.version} is unknown; this code reads version 1"
    for key in ("stale_days", "assessment_days"):
        if getattr(spec, key) < 0:
            yield key, "must be 0 or more"
    yield from _state_faults(spec)
    yield from _transition_faults(spec.transitions)
    yield from _graph_faults(spec.transitions)
    yield from _trigger_faults(spec)
    yield from _plan_faults(spec.run_down)
    levels = {trigger.name: [level for level in LEVELS if getattr(trigger, level)] for trigger in spec.triggers}
    yield from playbook_faults(spec.playbooks, levels)
    yield from alert_faults(spec.alerts, LETTERS)


def _state_faults(spec):
    if tuple(state.name for state in spec.states) != STATES:
        yield "states", f"states must be {', '.join(STATES)}, in this order"
    eased = {way.start for way in spec.transitions if RULE in way.by and way.to in STATES and way.start in STATES and is_softer(way.start, way.to)}
    for number, state in enumerate(spec.states):
        if state.owner not in DEPARTMENTS:
            yield f"states[{number}].owner", f"{state.owner} is unknown; use {', '.join(DEPARTMENTS)}"
        if state.deadline_days is not None and state.deadline_days < 1:
            yield f"states[{number}].deadline_days", "must be 1 or more, or null"
        least = 1 if state.name in eased - {"onboarding"} else 0
        if state.least_days < least:
            reason = f"must be {least} or more" + (": without a cool-down a customer could flip every night" if least else "")
            yield f"states[{number}].least_days", reason
    yield from _credit_faults(spec.states)


def _credit_faults(states):
    for number, state in enumerate(states):
        path = f"states[{number}].new_credit"
        if state.new_credit not in NEW_CREDIT:
            yield path, f"{state.new_credit} is unknown; use {', '.join(NEW_CREDIT)}"
        if state.name in NEVER_AUTOMATIC and state.new_credit == BY_POLICY:
            yield path, f"{state.name} must not leave new credit to the policy, which may approve it automatically; use {', '.join(NEW_CREDIT[1:])}"
    strictness = {state.name: (number, NEW_CREDIT.index(state.new_credit)) for number, state in enumerate(states)}
    for softer, stricter in pairwise(("active", *LEVELS, "exit")):
        (_, mild), (number, strict) = strictness[softer], strictness[stricter]
        if strict < mild:
            yield f"states[{number}].new_credit", f"is softer in {stricter} than in {softer}"


def _transition_faults(ways):
    for number, way in enumerate(ways):
        path = f"transitions[{number}]"
        for key, given, allowed in (("from", (way.start,), STATES), ("to", (way.to,), STATES), ("by", way.by, (RULE, PERSON)), ("steps", way.steps, STEPS)):
            for word in given:
                if word not in allowed:
                    yield f"{path}.{key}", f"{word} is unknown; use {', '.join(allowed)}"
        if (way.start, way.to) in [(other.start, other.to) for other in ways[:number]]:
            yield path, f"{way.start} to {way.to} is given twice; keep one"
        if way.start == way.to:
            yield path, f"leads from {way.start} to itself; take it out: a person confirms a state without a transition"
        if not way.by:
            yield f"{path}.by", "nobody may take it; name rule or person"
        yield from _skip_faults(path, way)
        yield from _author_faults(f"{path}.by", way)


def _skip_faults(path, way):
    allowed, skipped = ONLY_FROM.get(way.to, (STATES, ""))
    if way.start == "exit" and way.to != "re_entry":
        yield path, f"{way.start} to {way.to} skips the mandatory re_entry; lead there first"
    elif way.start not in allowed:
        yield path, f"{way.start} to {way.to} skips the mandatory {skipped}" + ("; lead there first" if allowed else "")
    for step in mandatory_steps(way.start, way.to):
        if step not in way.steps:
            yield f"{path}.steps", f"{way.start} to {way.to} skips the mandatory step {step}; add it"


def _author_faults(path, way):
    softer = is_softer(way.start, way.to)
    eased = (way.start, way.to) in (("watch", "active"), ("restrict", "watch"))
    if RULE in way.by and softer and not eased and way.start != "onboarding":
        yield path, f"{way.start} to {way.to} is a person's decision; take rule out"
    if PERSON in way.by and eased:
        yield path, f"{way.start} to {way.to} is let go by its thresholds alone; take person out, or nothing bounds how often a customer flips"
    if RULE in way.by and APPROVAL in way.steps and way.start != "onboarding":
        yield path, f"no rule can give the approval that {way.start} to {way.to} asks for; take rule or approval out"


def _graph_faults(ways):
    """States that nothing leads to, and states (a cycle among them perhaps) from which neither the end nor ordinary business can be reached."""
    onwards = {state: {way.to for way in ways if way.start == state} for state in STATES}
    reached = _closure({"onboarding"}, onwards)
    for state in STATES:
        if state not in reached:
            yield "transitions", f"{state} is out of reach: no path leads there from onboarding; add a transition"
    backwards = {state: {way.start for way in ways if way.to == state} for state in STATES}
    for end in ("exit", "active"):
        trapped = [state for state in STATES if state not in _closure({end}, backwards)]
        if trapped:
            inside = next((number for number, way in enumerate(ways) if way.start in trapped), None)
            verb = "has" if len(trapped) == 1 else "have"
            what = "form a cycle with no way out" if inside is not None and _has_cycle(trapped, onwards) else f"{verb} no way out"
            yield "transitions" if inside is None else f"transitions[{inside}]", f"{', '.join(trapped)} {what}: no path leads to {end}; add a transition"


def _closure(found, onwards):
    grown = found.union(*(onwards[state] for state in found))
    return found if grown == found else _closure(grown, onwards)


def _has_cycle(states, onwards):
    return any(state in _closure(set(onwards[state]), onwards) for state in states if onwards[state])


def _trigger_faults(spec):
    for number, trigger in enumerate(spec.triggers):
        path = f"triggers[{number}]"
        if trigger.name in [other.name for other in spec.triggers[:number]]:
            yield f"{path}.name", f"trigger {trigger.name} is given twice; keep one"
        if trigger.name in TAKEN or not re.fullmatch("[a-z][a-z0-9_]*", trigger.name):
            yield f"{path}.name", f"{trigger.name} cannot name a trigger; use small letters, digits and _, and none of {', '.join(TAKEN)}"
        if trigger.fact not in FACTS:
            yield f"{path}.fact", f"fact {trigger.fact} is unknown; use {', '.join(FACTS)}"
        if trigger.owner not in DEPARTMENTS:
            yield f"{path}.owner", f"{trigger.owner} is unknown; use {', '.join(DEPARTMENTS)}"
        if not any(getattr(trigger, level) for level in TOLD):
            yield path, f"moves nobody and raises no alert; give thresholds for {', '.join(TOLD)}"
        yield from _threshold_faults(path, trigger)
    for number, way in enumerate(spec.transitions):
        if RULE in way.by and way.to in LEVELS and not is_softer(way.start, way.to) and not any(getattr(each, way.to) for each in spec.triggers):
            yield f"transitions[{number}].by", f"no trigger has a threshold for {way.to}, so the rule would never move anybody; take rule out, or give one"


def _threshold_faults(path, trigger):
    given = [(level, getattr(trigger, level)) for level in TOLD if getattr(trigger, level)]
    for level, thresholds in given:
        for key in ("enter", "leave"):
            value = getattr(thresholds, key, None)
            if isinstance(value, str) and (trigger.fact != "grade" or value not in LETTERS):
                yield f"{path}.{level}.{key}", f"{value} is no number" + (f" and no grade; use {', '.join(LETTERS)}" if trigger.fact == "grade" else "")
                return
            if isinstance(value, int | float) and not math.isfinite(value):
                yield f"{path}.{level}.{key}", "must be a finite number"
        if isinstance(thresholds, Thresholds) and not as_number(thresholds.leave) < as_number(thresholds.enter):
            yield f"{path}.{level}.leave", f"must be milder than enter {thresholds.enter} (no hysteresis), or a customer at that value would flip"
    for (softer, mild), (stricter, strict) in pairwise(given):
        if as_number(strict.enter) < as_number(mild.enter):
            yield f"{path}.{stricter}.enter", f"catches earlier than {softer} does at {mild.enter}; a stricter state needs at least as much"


def _plan_faults(plan):
    for key in ("first_days", "every_days"):
        if getattr(plan, key) < 1:
            yield f"run_down.{key}", "must be 1 or more"
    if not plan.shares or plan.shares[-1] != 0:
        yield "run_down.shares", "the last share must be 0: a run-down ends with nothing owed"
    if not all(0 <= share < 1 for share in plan.shares) or any(b >= a for a, b in pairwise(plan.shares)):
        yield "run_down.shares", "must fall from date to date, each at least 0 and below 1"
