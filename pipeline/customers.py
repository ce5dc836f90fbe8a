"""`risk customers`: the book moved by the life cycle's rules every night, single customers moved by people, and where each of them stands."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np

from features.errors import RiskError
from models.life_cycle import PLACE, advance, behind_plan, called_playbooks, fired, load_life_cycle, run_down_plan
from models.life_cycle_file import FIRST_SEEN, LEVELS, STATES, TAKEN_OVER
from models.playbooks import DEPARTMENTS
from pipeline.customer_facts import facts_of, fresh, overridden, read_book
from pipeline.params import load_params
from pipeline.promote import open_store
from serving.life_cycle import RULES, LifeCycleLedger, Move, Start, move_of, opened_by, plan_of, require_person
from serving.overrides import Overrides

LIFE_CYCLE = "life_cycle.yaml"
# What an unknown customer is told to do.
UNKNOWN = "customer {} has no state: check the id, or run `risk customers advance`, which takes in the book's new customers."


def keep_rules(store, rules):
    """Keep the text of the rules in force under their hash, so that a move which names it can be read for ever."""
    store.record_policy(rules.hash, Path(LIFE_CYCLE).read_text(encoding="utf-8"))


def advance_book(as_of=None, *, take_over=False, actor="", note=""):
    """Move all customers by the rules as of a day, the book's unless given, start the playbooks called for, and return what happened as lines.

    take_over: the book's customers that were never seen, or only taken into onboarding by an earlier night, are business that is there already, which a person
    (`actor`, with a reason) answers for: they become active without the single approvals of new ones. Doing it again on the same day changes nothing.
    Raises: RiskError for a day before the book's or before the last night, for scores gone stale, and as `read_book` and `load_life_cycle`.
    """
    params, rules, book = load_params(), load_life_cycle(LIFE_CYCLE), read_book()
    if take_over:
        require_person(actor, note)
    day = day_of(as_of, book, rules)
    with open_store() as store:
        keep_rules(store, rules)
        ledger = LifeCycleLedger(store, params.source.name)
        _refuse_past(day, ledger.last_night())
        book = book_in_force(book, store, params, rules, day)
        night = _Night(rules, book, ledger.columns(), day, params)
        if take_over:
            night.take_over(actor, note)
        night.advance()
        runs = ledger.record(rules, night.moves, night.starts(ledger.runs(drills=False)))
        return _lines(night, runs, ledger.runs(only_open=True, drills=False), store.now())


class _Night:
    """One night: the customers of the book and those with a state, their facts, and the moves made of them."""

    def __init__(self, rules, book, known, day, params):
        self.rules, self.book, self.day = rules, book, day
        places = {customer: place for place, customer in enumerate(known["customer_id"])}
        new = [customer for customer in book.rows["customer_id"] if customer not in places]
        self.customers = np.array([*known["customer_id"], *new], dtype=object)
        self.reference = np.array([*(np.nan if value is None else value for value in known["reference_pd"]), *[np.nan] * len(new)], dtype=np.float64)
        self.state = np.array([*(PLACE[name] for name in known["state"]), *[PLACE["onboarding"]] * len(new)], dtype=np.int8)
        self.since = np.array([*known["since"], *[day] * len(new)], dtype="datetime64[D]")
        self.owner = [*known["owner"], *[rules.state("onboarding").owner] * len(new)]
        self.deadline = [*known["deadline"], *[rules.deadline("onboarding", day)] * len(new)]
        self.after = [*known["sequence"], *[None] * len(new)]
        self.first_new, self.moves, self.held = len(places), [], np.zeros(0, dtype=bool)
        self.taken_over = None
        # Nobody has touched the case of those whom an earlier night took in and left in onboarding.
        self.untouched = [row for row, reason in enumerate(known["reason"]) if reason == FIRST_SEEN and known["state"][row] == "onboarding"]
        self.facts = facts_of(self.customers, book, day=day, reference_pd=self.reference, params=params)
        for row in range(self.first_new, len(self.customers)):
            self._move(row, None, "onboarding", FIRST_SEEN, self.owner[row], self.deadline[row])

    def take_over(self, actor, note):
        """Let the customers of the book that are new, or whose case nobody has touched since they were, be active, on a person's word."""
        scored = ~np.isnan(self.facts["pd_12m"])
        self.taken_over = [row for row in [*self.untouched, *range(self.first_new, len(self.customers))] if scored[row]]
        for row in self.taken_over:
            evidence = {"steps": {"assessment": str(self.day), "approval": actor}}
            self._move(row, "onboarding", "active", TAKEN_OVER, self.rules.state("active").owner, self.rules.deadline("active", self.day), evidence=evidence,
                       actor=actor, note=note)
            self.state[row], self.since[row] = PLACE["active"], self.day

    def advance(self):
        """Move everybody by the rules."""
        result = advance(self.rules, state=self.state, since=self.since, facts=self.facts, today=self.day)
        self.state, self.since, self.held = result.state, result.since, result.held
        caught = {level: fired(self.rules, self.facts, level, len(self.customers)) for level in ("watch", "restrict", "run_down")}
        for each in result.moves:
            for row, start, to, reason, owner, deadline in zip(each.row, each.start, each.to, each.reason, each.owner, each.deadline, strict=True):
                name = STATES[to]
                self._move(int(row), STATES[start], name, self.rules.reasons[reason], DEPARTMENTS[owner], deadline.astype(object),
                           evidence=self._evidence(int(row), name, caught.get(name, {})))

    def starts(self, runs):
        """The playbooks to start tonight: those called for that neither run for the customer nor ran since it came into its state."""
        latest = {(run.customer_id, run.playbook): run for run in runs}
        found = []
        for name, rows in called_playbooks(self.rules, state=self.state, facts=self.facts).items():
            playbook = next(each for each in self.rules.spec.playbooks if each.name == name)
            caught = fired(self.rules, self.facts, playbook.state, len(self.customers))
            for row in np.flatnonzero(rows):
                run = latest.get((self.customers[row], name))
                if run is None or not (run.open or (run.on is not None and run.on >= self.since[row].astype(object))):
                    trigger = next(each for each in playbook.triggers if caught[each][row])
                    found.append(Start(name, self.customers[row], on=self.day, trigger=trigger))
        return found

    def late(self):
        """Rows whose deadline is past."""
        return [row for row, deadline in enumerate(self.deadline) if deadline is not None and deadline < self.day]

    def _evidence(self, row, to, caught):
        known = {name: _plain(values[row]) for name, values in self.facts.items() if not np.isnan(values[row]) and np.isfinite(values[row])}
        found = {"facts": known, "triggers": [name for name, rows in caught.items() if rows[row]]}
        if to == "run_down":
            plan = run_down_plan(self.rules, self.facts["exposure"][row], self.day)
            found["steps"] = {"plan": [[str(day), target] for day, target in plan]}
        return found

    def _move(self, row, start, to, reason, owner, deadline, *, evidence=None, actor=RULES, note=""):
        if to == "active":
            pd_12m = self.facts["pd_12m"][row]
            self.reference[row] = pd_12m
        reference = self.reference[row]
        self.moves.append(Move(self.customers[row], self.day, start, to, self.day, reason, owner, deadline, actor=actor, note=note, evidence=evidence or {},
                               reference_pd=None if np.isnan(reference) else float(reference), after=self.after[row]))
        self.owner[row], self.deadline[row] = owner, deadline


def move_customer(customer, to, *, actor, note, as_of=None):
    """Move one customer on a person's word, or confirm its state, and return a sentence about it.

    Raises: RiskError for an unknown customer, and as `models.life_cycle.decide_move`.
    """
    params, rules, book = load_params(), load_life_cycle(LIFE_CYCLE), read_book()
    with open_store() as store:
        keep_rules(store, rules)
        ledger = LifeCycleLedger(store, params.source.name)
        standing, history = _known(ledger, customer)
        day = day_of(as_of, book, rules, stale=False)
        shown = _shown(customer, book, day, params)
        move = move_of(rules, standing, to, actor=actor, note=note, today=day, opened_by=opened_by(history), **shown)
        onwards = _onwards(rules, move, book_in_force(book, store, params, rules, day), day, params)
        ledger.record(rules, [move])
    what = f"is confirmed in {to}" if to == standing.state else f"moves from {standing.state} to {to}"
    return f"{customer} {what} on {day}; {_whose(move.owner, move.deadline, day)}.{onwards}"


def start_for(ledger, rules, playbook, customer, *, actor, note, as_of=None):
    """Start a playbook for a customer, which it moves to the playbook's state where it stands softer; returns the Run.

    Raises: RiskError for an unknown customer, a run of it that is open, and as `models.life_cycle.decide_move`.
    """
    standing, _ = _known(ledger, customer)
    if any(run.playbook == playbook.name for run in ledger.runs(customer_id=customer, only_open=True, drills=False)):
        raise RiskError(f"{playbook.name} runs for {customer} already: `risk playbook list` shows it.")
    book, moves = read_book(), []
    day = day_of(as_of, book, rules, stale=False)
    if standing.state in ("active", "watch", "restrict", "run_down") and PLACE[standing.state] < PLACE[playbook.state]:
        shown = _shown(customer, book, day, load_params())
        moves = [replace(move_of(rules, standing, playbook.state, actor=actor, note=note, today=day, **shown), reason=f"playbook.{playbook.name}")]
    (run,) = ledger.record(rules, moves, [Start(playbook.name, customer, actor=actor, on=day, note=note)])
    return run


def customer_lines(customer, as_of=None):
    """Where a customer stands, how it came there, what is open and its plan, as lines. Raises: RiskError for an unknown customer."""
    params, rules, book = load_params(), load_life_cycle(LIFE_CYCLE), read_book()
    with open_store() as store:
        ledger = LifeCycleLedger(store, params.source.name)
        standing, history = _known(ledger, customer)
        runs, now = ledger.runs(customer_id=customer), store.now()
    day = day_of(as_of, book, rules, stale=False)
    lines = [f"{customer} on {day}: {standing.state} since {standing.since}, {standing.reason}; {_whose(standing.owner, standing.deadline, day)}"]
    plan = plan_of(history)
    if plan:
        owed = _shown(customer, book, day, params)["exposure"]
        behind = behind_plan(plan, owed, day)
        lines += ["run-down: " + ", ".join(f"{target / 100:,.0f} by {when}" for when, target in plan),
                  f"owed now: {'not known' if owed is None else f'{owed / 100:,.0f}'}" + (f", {behind / 100:,.0f} more than planned" if behind else "")]
    for run in (run for run in runs if run.open):
        step = next(each for each in run.standings(now) if each.done_at is None)
        lines.append(f"playbook {run.playbook}, run {run.run}: {step.name} by {step.due_at:%Y-%m-%d %H:%M} UTC, {step.department}{_late(step.late)}")
    return [*lines, "history:", *(_history_line(one) for one in history)]


def list_lines(state=None, as_of=None):
    """The customers in a state, the most urgent deadline first, or without a state how many are in each; as lines. Raises: RiskError for no state."""
    if state is not None and state not in STATES:
        raise RiskError(f"there is no state {state}: use {', '.join(STATES)}.")
    params, rules, book = load_params(), load_life_cycle(LIFE_CYCLE), read_book()
    with open_store() as store:
        ledger = LifeCycleLedger(store, params.source.name)
        found = ledger.standings(state=state)
    day = day_of(as_of, book, rules, stale=False)
    if state is None:
        counts = {name: sum(one.state == name for one in found) for name in STATES}
        return [f"{name:<10} {count:>9,}" for name, count in counts.items()]
    urgent = sorted(found, key=lambda one: (one.deadline or date.max, one.customer_id))
    return [f"{one.customer_id}  since {one.since}  {one.reason}; {_whose(one.owner, one.deadline, day)}" for one in urgent] or [f"nobody is in {state}."]


def day_of(as_of, book, rules, *, stale=True):
    """The day asked for, or the book's. Raises: RiskError for a day that is none, one before the book's, or one for which its scores are stale."""
    try:
        day = book.day if as_of is None else date.fromisoformat(as_of)
    except ValueError:
        raise RiskError(f"--as-of {as_of} is no day: write it as YYYY-MM-DD.") from None
    if day < book.day:
        raise RiskError(f"the book is of {book.day}, and knows more than was known on {day}: take {book.day} or later.")
    if stale and (day - book.day).days > rules.spec.stale_days:
        raise RiskError(f"the book's scores are of {book.day}, more than {rules.spec.stale_days} days before {day}: run `risk run` on newer data first.")
    return day


def _refuse_past(day, last):
    if last is not None and day < last:
        raise RiskError(f"customers were moved as of {last} already: a night before it cannot be run again, take {last} or later.")


def _known(ledger, customer):
    standing = ledger.standing(customer)
    if standing is None:
        raise RiskError(UNKNOWN.format(customer))
    return standing, ledger.history(customer)


def book_in_force(book, store, params, rules, day):
    """The Book as overrides leave it, without the scores that have gone stale."""
    overrides = Overrides(store, source=params.source.name)
    today = overrides.today()
    return fresh(overridden(book, overrides.all_in_force(today), today=today), day, rules.spec.stale_days)


def _onwards(rules, move, book, day, params):
    """A sentence where the rules will move a customer on from where a person put it; a person who lets somebody more freely has to know it."""
    reference = np.array([np.nan if move.reference_pd is None else move.reference_pd])
    facts = facts_of(np.array([move.customer_id], dtype=object), book, day=day, reference_pd=reference, params=params)
    after = advance(rules, state=[PLACE[move.to_state]], since=[move.since], facts=facts, today=day)
    if not after.moves:
        return ""
    return f" By today's facts the next `risk customers advance` moves it on to {STATES[after.state[0]]} ({rules.reasons[after.moves[-1].reason[0]]})."


def _shown(customer, book, day, params):
    """What can be shown for a person's move: the day of the score, the PD, and the exposure in minor units; None where unknown."""
    facts = facts_of(np.array([customer], dtype=object), book, day=day, reference_pd=np.array([np.nan]), params=params)
    scored = book.rows[book.rows["customer_id"] == customer]
    exposure, pd_12m = facts["exposure"][0], facts["pd_12m"][0]
    return {"assessed_on": None if scored.empty else scored["as_of"].iloc[0].date(), "pd_12m": None if np.isnan(pd_12m) else float(pd_12m),
            "exposure": None if np.isnan(exposure) else int(exposure)}


def _plain(value):
    return int(value) if value == int(value) else float(value)


def _whose(owner, deadline, day):
    return f"nothing is due ({owner})" if deadline is None else f"{owner} by {deadline}{_late(deadline < day)}"


def _late(is_late):
    return ", late" if is_late else ""


def _history_line(one):
    who = "by the rules" if one.actor == RULES else f"by {one.actor}: {one.note}"
    started = one.from_state or "new"
    return f"  {one.moved_on}  {started} to {one.to_state}, {one.reason}, {who}"


def _lines(night, runs, open_runs, now):
    outside = len(night.customers) - len(night.book.rows)
    lines = [f"{night.day}: {len(night.customers):,} customers, {outside:,} of them not in the book; rules {night.rules.hash[:12]}"]
    stale = int(night.book.stale(night.day, night.rules.spec.stale_days).sum())
    if stale:
        lines.append(f"{stale:,} scores are more than {night.rules.spec.stale_days} days old and move nobody: run `risk run` on newer data, or raise "
                     f"stale_days in {LIFE_CYCLE} where a source scores so seldom.")
    lines += _move_lines(night.moves) or ["nobody moves."]
    lines.append("states: " + ", ".join(f"{name} {int((night.state == place).sum()):,}" for place, name in enumerate(STATES)))
    if night.held.any():
        lines.append(f"{int(night.held.sum()):,} customers should be run down, and cannot without a known exposure: bring the table exposures.")
    counts = {name: sum(run.playbook == name for run in runs) for name in (each.name for each in night.rules.spec.playbooks)}
    lines += [f"playbook {name} starts for {count:,}" for name, count in counts.items() if count]
    if night.taken_over == []:
        lines.append("nobody is taken over: the book's customers have states already; let those in onboarding in one by one with `risk customers move`.")
    if night.moves:
        lines.append("The service decides by these states from now on; `risk publish` brings them into the published book.")
    lines += _late_lines(night, open_runs, now) + _unknown_lines(night)
    return lines


def _move_lines(moves):
    counts = {}
    for move in moves:
        key = (move.from_state or "new", move.to_state, move.reason)
        counts[key] = counts.get(key, 0) + 1
    order = {name: place for place, name in enumerate(("new", *STATES))}
    rows = sorted(counts.items(), key=lambda item: (order[item[0][0]], order[item[0][1]], -item[1], item[0][2]))
    return [f"  {start} to {to}: {count:,} {reason}" for (start, to, reason), count in rows]


def _late_lines(night, open_runs, now):
    late = [night.owner[row] for row in night.late()]
    steps = [step.department for run in open_runs for step in run.standings(now) if step.late and step.done_at is None]
    said = [f"{department} {late.count(department):,}" for department in DEPARTMENTS if late.count(department)]
    acted = [f"{department} {steps.count(department):,}" for department in DEPARTMENTS if steps.count(department)]
    return ([f"deadlines passed: {', '.join(said)}"] if said else []) + ([f"playbook steps late: {', '.join(acted)}"] if acted else [])


def _unknown_lines(night):
    asked = dict.fromkeys(trigger.fact for trigger in night.rules.spec.triggers if any(getattr(trigger, level) for level in LEVELS))
    unknown = [name for name in asked if name not in night.facts or np.isnan(night.facts[name]).all()]
    return [f"known of nobody, so they move nobody: {', '.join(unknown)}"] if unknown and len(night.customers) else []

