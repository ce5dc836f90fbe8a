"""A customer's life with us: who is moved to which state, why, whose it is then and until when; one customer and a million by the same arithmetic.

A declared table and pure functions, not python-statemachine (3.2.2 of October 2026, MIT, no dependencies, imports with our pins in 0.1 s): a machine is an
object a customer, 0.2 ms to make and 0.15 ms an event, some six minutes for a million customers a night where these arrays take a second; its states are
Python classes, where ours come from a validated file whose faults have a line; and it knows nothing of strictness, hysteresis or cool-down, which are what
has to be proven here. Its check for unreachable states and traps is the idea behind `models.life_cycle_file`.
"""

import datetime
from dataclasses import dataclass

import numpy as np

from features.errors import RiskError
from models.life_cycle_file import (
    APPROVAL,
    APPROVED,
    ASSESSMENT,
    CALM,
    CONFIRMED,
    DECIDED,
    LEVELS,
    OWN_REASONS,
    PERSON,
    PLAN,
    RULE,
    SETTLED,
    SETTLED_UP,
    STATES,
    STRICTNESS,
    Spec,
    as_number,
    is_softer,
    life_cycle_hash,
    parse_spec,
    read_spec,
)
from models.people import person
from models.playbooks import DEPARTMENTS, called_for
from models.policy_file import LETTERS

STRICT = np.array([STRICTNESS[state] for state in STATES], dtype=np.int8)
PLACE = {state: place for place, state in enumerate(STATES)}
# Position in LEVELS of a state that triggers call for, -1 of the others.
LEVEL = np.array([LEVELS.index(state) if state in LEVELS else -1 for state in STATES], dtype=np.int8)
NEVER = np.datetime64("NaT", "D")


@dataclass(frozen=True)
class LifeCycle:
    """Validated rules laid out for arrays; `hash` names their content, `reasons` are all reason codes, `enter` and `leave` thresholds by trigger and level
    (t, 3), NaN where there are none."""

    spec: Spec
    hash: str
    reasons: tuple
    enter: np.ndarray
    leave: np.ndarray

    def way(self, start, to):
        """The Transition between two states, or None."""
        return next((way for way in self.spec.transitions if (way.start, way.to) == (start, to)), None)

    def state(self, name):
        """The rules of one state."""
        return self.spec.states[PLACE[name]]

    @property
    def new_credit(self):
        """What each state leaves of new credit, {state: of models.life_cycle_file.NEW_CREDIT}."""
        return {state.name: state.new_credit for state in self.spec.states}

    def deadline(self, state, today):
        """By when a state entered today has to be confirmed or changed; a run-down, by when nothing may be owed. None where there is nothing to do."""
        plan, days = self.spec.run_down, self.state(state).deadline_days
        days = plan.first_days + plan.every_days * (len(plan.shares) - 1) if state == "run_down" else days
        return None if days is None else today + datetime.timedelta(days=days)


@dataclass(frozen=True)
class Moves:
    """Moves of one pass: the rows moved (m,), and of each the states before and after (positions in STATES), the reason (in LifeCycle.reasons), the owner
    (in DEPARTMENTS) and the deadline (datetime64[D], NaT: none)."""

    row: np.ndarray
    start: np.ndarray
    to: np.ndarray
    reason: np.ndarray
    owner: np.ndarray
    deadline: np.ndarray

    def __len__(self):
        return len(self.row)


@dataclass(frozen=True)
class Advanced:
    """States and the days since when, (n,), after a night; `moves` in their order, a customer at most once in each pass; `held` (n,) those who should be run
    down, were their exposure known."""

    state: np.ndarray
    since: np.ndarray
    moves: tuple
    held: np.ndarray


@dataclass(frozen=True)
class Decided:
    """A person's move: reason code, owner department, deadline (None: none), and what was shown for each step."""

    reason: str
    owner: str
    deadline: datetime.date | None
    steps: dict


def load_life_cycle(path):
    """Read, validate and lay out a life cycle file. Raises: RiskError with line, field and reason."""
    return lay_out(read_spec(path))


def parse_life_cycle(text):
    """Validate and lay out a life cycle's text. Raises: RiskError with line, field and reason."""
    return lay_out(parse_spec(text))


def lay_out(spec):
    """A LifeCycle of a validated Spec."""
    enter, leave = (np.array([[_threshold(trigger, level, key) for level in LEVELS] for trigger in spec.triggers]).reshape(-1, len(LEVELS))
                    for key in ("enter", "leave"))
    return LifeCycle(spec, life_cycle_hash(spec), (*OWN_REASONS, *(trigger.name for trigger in spec.triggers)), enter, leave)


def advance(rules, *, state, since, facts, today):
    """Move customers by the rules until nothing moves any more, as of a day.

    state: positions in STATES, (n,); since: datetime64[D], (n,), the day each came into its state; today: datetime.date, no earlier than any of them;
    facts: {name: (n,) or one number}, NaN or absent: unknown. Beside the triggers' facts (grade as `grade_places` gives it, in_default 0 or 1) these are
    exposure (minor units, which plans and settling need) and approved (1 where the policy's route is automatic and it does not decline).

    What is stricter is never waited for, and may pass several states in a night, each of its own. What is softer needs a score (pd_12m), the state's least
    days, every trigger of that state at or below its `leave`, and none at the `enter` of it or a stricter state. So a worse PD never leads to a softer
    state, all else equal, and doing it again on the same day with the same facts moves nobody.

    Returns Advanced. Raises: RiskError for a day before a customer's `since`.
    """
    state, since = np.array(state, dtype=np.int8), np.array(since, dtype="datetime64[D]")
    day = np.datetime64(today, "D")
    if (since > day).any():
        later = int((since > day).sum())
        raise RiskError(f"life cycle: {later} of {len(since)} customers came into their state after {today}: a past night cannot be run again.")
    values = {name: np.broadcast_to(np.asarray(given, dtype=np.float64), state.shape) for name, given in facts.items()}
    views, moves = _views(rules, values, len(state)), []
    while len(moved := _pass(rules, state, since, views, values, today)):
        state[moved.row], since[moved.row] = moved.to, day
        moves.append(moved)
    wanted = views.top >= LEVELS.index("run_down")
    held = wanted & (state == PLACE["restrict"]) & np.isnan(_fact(values, "exposure", len(state))) & _open_to(rules, RULE, state, "run_down")
    return Advanced(state, since, tuple(moves), held)


def fired(rules, facts, level, rows):
    """Which triggers are at the `enter` of a state: {trigger: (n,) bool}, those without a threshold for it left out."""
    at = LEVELS.index(level)
    return {trigger.name: _fact(facts, trigger.fact, rows) >= rules.enter[place, at]
            for place, trigger in enumerate(rules.spec.triggers) if not np.isnan(rules.enter[place, at])}


def called_playbooks(rules, *, state, facts):
    """Whom the playbooks call for: {playbook: (n,) bool}; state: positions in STATES, (n,). Customers who have left are called for by none."""
    strictness = np.where(STRICT[state] == STRICTNESS["exit"], -1, STRICT[state])
    strictness = np.where(LEVEL[state] >= 0, strictness, -1)
    return {each.name: called_for(each, fired(rules, facts, each.state, len(state)), strictness, STRICTNESS[each.state]) for each in rules.spec.playbooks}


def decide_move(rules, *, state, since, to, actor, today, assessed_on=None, exposure=None, opened_by=()):
    """A person's move of one customer.

    state, to: names; since: the day the customer came into its state; assessed_on: the day of its latest score; exposure: minor units, None: unknown;
    opened_by: who moved it into its state or confirmed it there, whose own case it therefore is. Moving to the state it is in confirms that one, and sets its
    deadline anew.

    Returns Decided. Raises: RiskError for a move that the rules do not give a person, a step not shown, a cool-down not over, or an own case.
    """
    if to not in STATES:
        raise RiskError(f"there is no state {to}: use {', '.join(STATES)}.")
    if today < since:
        raise RiskError(f"the customer is in {state} since {since}, after {today}: give a later day with --as-of.")
    owner, deadline = rules.state(to).owner, rules.deadline(to, today)
    if to == state:
        return Decided(CONFIRMED, owner, _confirmed(rules, state, since, deadline), {})
    way = rules.way(state, to)
    if way is None or PERSON not in way.by:
        raise RiskError(_refusal(rules, state, to, way))
    ready_on = since + datetime.timedelta(days=rules.state(state).least_days)
    if is_softer(state, to) and today < ready_on:
        raise RiskError(f"the cool-down of {state} ends on {ready_on}: {state} to {to} cannot be taken on {today}.")
    shown = {ASSESSMENT: lambda: _assessment(rules, state, since, today, assessed_on), APPROVAL: lambda: _approval(actor, opened_by),
             PLAN: lambda: _plan_shown(rules, exposure, today), SETTLED: lambda: _settled(exposure)}
    return Decided(DECIDED, owner, deadline, {step: shown[step]() for step in way.steps})


def run_down_plan(rules, exposure, start):
    """Dated targets of a run-down begun on a day: [(date, what may be owed at most)], falling to 0. exposure: minor units, at least 0; targets are rounded
    down to whole ones."""
    plan = rules.spec.run_down
    dates = [start + datetime.timedelta(days=plan.first_days + plan.every_days * number) for number in range(len(plan.shares))]
    return [(day, int(np.floor(max(exposure, 0) * share))) for day, share in zip(dates, plan.shares, strict=True)]


def behind_plan(plan, exposure, today):
    """By how much more (minor units) is owed than the last target due by today (inclusive) allows; 0 where none is due or the exposure is unknown (None)."""
    due = [target for day, target in plan if day <= today]
    return max(exposure - due[-1], 0) if due and exposure is not None else 0


def pd_rise(pd_12m, reference):
    """By what factor a PD is above the one when the customer last became active; NaN where there is no such PD."""
    return np.asarray(pd_12m, dtype=np.float64) / np.asarray(reference, dtype=np.float64)


def exposure_to_limit(exposure, limit):
    """Exposure over limit, both in minor units; without a limit any exposure is infinitely above it; nothing owed is 0, unknown is NaN."""
    exposure, limit = np.asarray(exposure, dtype=np.float64), np.asarray(limit, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(exposure <= 0, 0.0, exposure / limit)


def grade_places(grade):
    """Grades as numbers that rise with the risk, A being 1, NaN where there is no grade; the letter decides. grade: names or None, (n,)."""
    places = {letter: float(place) for place, letter in enumerate(LETTERS, 1)}
    names, code = np.unique(np.array([name or "" for name in grade], dtype=str), return_inverse=True)
    return np.array([places.get(str(name)[:1], np.nan) for name in names])[code] if len(names) else np.empty(0)


def flips_bound(rules, days=365):
    """The most moves among active, watch, restrict and run_down that rules can make of one customer within so many days.

    Only a rule eases watch or restrict, and after at least c days in it, c being the smaller of their least days: eased at most s = 1 + (days - 1) // c
    times. Each tightening climbs a step or more, each easing descends one, and there are three to climb: at most s + 3 tightenings.
    """
    least = min(rules.state(state).least_days for state in ("watch", "restrict"))
    return 2 * (1 + (days - 1) // least) + len(LEVELS)


@dataclass(frozen=True)
class _View:
    """What the facts say, whatever the state: the strictest level at which a trigger fires (-1: none), the first trigger that does, and by level whether
    all triggers are at or below `leave`."""

    top: np.ndarray
    first: np.ndarray
    calm: np.ndarray


def _views(rules, values, rows):
    top, first, calm = np.full(rows, -1, dtype=np.int8), np.zeros(rows, dtype=np.int16), np.ones((len(LEVELS), rows), dtype=bool)
    for place, trigger in enumerate(rules.spec.triggers):
        value = _fact(values, trigger.fact, rows)
        for level in range(len(LEVELS)):
            catches = (value >= rules.enter[place, level]) & (level > top)
            top[catches], first[catches] = level, place
            # NaN on either side neither catches nor holds.
            calm[level] &= ~(value > rules.leave[place, level])
    return _View(top, first, calm)


def _pass(rules, state, since, views, values, today):
    rows = len(state)
    assessed, exposure = ~np.isnan(_fact(values, "pd_12m", rows)), _fact(values, "exposure", rows)
    days = (np.datetime64(today, "D") - since).astype(np.int64)
    least = np.array([each.least_days for each in rules.spec.states])[state]
    to, reason = state.copy(), np.zeros(rows, dtype=np.int16)
    for way in rules.spec.transitions:
        if RULE not in way.by:
            continue
        here, target = state == PLACE[way.start], LEVEL[PLACE[way.to]]
        if way.to == "exit":
            takes, why = here & (exposure <= 0), rules.reasons.index(SETTLED_UP)
        elif way.to == "active" and way.start == "onboarding":
            takes, why = here & assessed & (_fact(values, "approved", rows) == 1) & (views.top < 0), rules.reasons.index(APPROVED)
        elif is_softer(way.start, way.to):
            level = LEVEL[PLACE[way.start]]
            takes, why = here & assessed & (days >= least) & views.calm[level] & (views.top < level), rules.reasons.index(CALM)
        else:
            # Towards what the triggers call for as far as one step leads; the strictest step wins.
            takes, why = here & (views.top >= target) & (target > LEVEL[to]), views.first + len(OWN_REASONS)
        takes = takes & ~(np.isnan(exposure) if PLAN in way.steps else False) & (assessed if ASSESSMENT in way.steps else True)
        to, reason = np.where(takes, PLACE[way.to], to).astype(np.int8), np.where(takes, why, reason).astype(np.int16)
    return _moves(rules, state, to, reason, today)


def _moves(rules, state, to, reason, today):
    row = np.flatnonzero(to != state)
    owners = np.array([DEPARTMENTS.index(each.owner) for each in rules.spec.states])
    trigger_owners = np.array([DEPARTMENTS.index(each.owner) for each in rules.spec.triggers], dtype=np.int64)
    owner, by_trigger = owners[to[row]], reason[row] >= len(OWN_REASONS)
    owner[by_trigger] = trigger_owners[reason[row][by_trigger] - len(OWN_REASONS)]
    deadlines = np.array([rules.deadline(name, today) or NEVER for name in STATES], dtype="datetime64[D]")
    return Moves(row, state[row], to[row], reason[row], owner.astype(np.int8), deadlines[to[row]])


def _open_to(rules, who, state, to):
    starts = [PLACE[way.start] for way in rules.spec.transitions if way.to == to and who in way.by]
    return np.isin(state, starts)


def _fact(values, name, rows):
    return np.broadcast_to(np.asarray(values.get(name, np.nan), dtype=np.float64), (rows,))


def _threshold(trigger, level, key):
    value = getattr(getattr(trigger, level), key, None)
    return np.nan if value is None else as_number(value)


def _confirmed(rules, state, since, deadline):
    """A run-down keeps the end of its plan: confirming it gives no more time."""
    return rules.deadline(state, since) if state == "run_down" else deadline


def _refusal(rules, state, to, way):
    open_to = [each.to for each in rules.spec.transitions if each.start == state and PERSON in each.by]
    why = f"{state} to {to} is taken by the rules alone" if way else f"there is no way from {state} to {to}"
    return f"{why}: a person can move a customer in {state} to {' or '.join(open_to) or 'no other state'}, or confirm {state}."


def _assessment(rules, state, since, today, assessed_on):
    limit = rules.spec.assessment_days
    if assessed_on is None:
        raise RiskError("the customer has no score, which this move needs: score it first (`risk run`, or the service).")
    if assessed_on > today or (today - assessed_on).days > limit:
        raise RiskError(f"the customer's score is of {assessed_on}, and this move on {today} needs one of the last {limit} days: score it anew.")
    if state == "exit" and assessed_on <= since:
        raise RiskError(f"the customer's score is of {assessed_on} and it left on {since}: re-entry needs a score made after the exit.")
    return str(assessed_on)


def _approval(actor, opened_by):
    if person(actor) in {person(other) for other in opened_by}:
        raise RiskError(f"{actor} opened or confirmed this case and cannot approve it: nobody approves a case of their own; let somebody else move it.")
    return actor


def _plan_shown(rules, exposure, today):
    if exposure is None:
        raise RiskError("the customer's exposure is not known, so it cannot be run down by a plan: bring its exposure and run `risk run`.")
    return [[str(day), target] for day, target in run_down_plan(rules, exposure, today)]


def _settled(exposure):
    if exposure is None or exposure > 0:
        owed = "is not known" if exposure is None else f"is {exposure / 100:,.2f}"
        raise RiskError(f"the customer's exposure {owed}: it can leave only when nothing is owed.")
    return exposure
