"""Where customers stand and how they came there: transitions and playbook runs, appended to hash chains in the operational database."""

from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import date, datetime

import msgspec
import sqlalchemy as sa

from features.errors import RiskError
from models.decision_in_force import Held
from models.life_cycle import decide_move
from models.people import person
from models.playbooks import Step, require_next, standings
from serving import ledger
from serving.schema import life_cycle_states as states
from serving.schema import playbook_events, transitions

STARTED, DONE = "started", "done"
# Who moved a customer where no person did.
RULES = "rules"

OF_SOURCE, OF_THESE = states.c.source == sa.bindparam("of"), states.c.customer_id.in_(sa.bindparam("ids", expanding=True))
CURRENT = sa.select(states.c.customer_id, states.c.sequence).where(OF_SOURCE, OF_THESE)


@dataclass(frozen=True)
class Standing:
    """Where a customer stands: since and deadline are days of the book, reference_pd the PD when it last became active (None: never was), sequence that of
    its last transition."""

    customer_id: str
    state: str
    since: date
    reason: str
    owner: str
    deadline: date | None
    reference_pd: float | None
    sequence: int


# Built once, as in serving.store: every score asks for them.
STANDINGS = sa.select(*(states.c[name] for name in Standing.__dataclass_fields__)).where(OF_SOURCE).order_by(states.c.customer_id)
OF_CUSTOMERS = STANDINGS.where(OF_THESE)


@dataclass(frozen=True)
class Move:
    """A transition to record. from_state None: the customer is new. after: the sequence of the transition it follows, None for a new customer; of several moves
    of one customer in a batch the later ones follow the earlier. evidence: what was shown, anything JSON can carry; note: a person's reason."""

    customer_id: str
    moved_on: date
    from_state: str | None
    to_state: str
    since: date
    reason: str
    owner: str
    deadline: date | None
    actor: str = RULES
    note: str = ""
    evidence: dict = field(default_factory=dict)
    reference_pd: float | None = None
    after: int | None = None


@dataclass(frozen=True)
class Transition:
    """A recorded transition; note and evidence are None once erased, made_at is naive UTC."""

    sequence: int
    made_at: datetime
    moved_on: date
    from_state: str | None
    to_state: str
    reason: str
    owner: str
    deadline: date | None
    actor: str
    rules: str
    note: str | None
    evidence: dict | None


@dataclass(frozen=True)
class Run:
    """A playbook's run: customer_id None for a drill without one, done {step: moment}, by {step: person}, moments in naive UTC; `trigger` what called for it,
    `on` the day of the book on which it did."""

    run: int
    playbook: str
    customer_id: str | None
    drill: bool
    started_at: datetime
    actor: str
    on: date | None
    trigger: str | None
    note: str
    steps: tuple[Step, ...]
    done: dict
    by: dict

    @property
    def open(self):
        """Whether a step is left to do."""
        return len(self.done) < len(self.steps)

    def standings(self, now):
        """How its steps stand, see `models.playbooks.standings`."""
        return standings(self.steps, self.started_at, self.done, now)


@dataclass(frozen=True)
class Start:
    """A playbook to start: for a customer on a day of the book, or as a drill that touches nobody."""

    playbook: str
    customer_id: str | None
    actor: str = RULES
    on: date | None = None
    trigger: str | None = None
    note: str = ""
    drill: bool = False


class LifeCycleLedger:
    """The life cycle's part of a Store, for one source; every method is one transaction."""

    def __init__(self, store, source):
        self._store, self._source = store, source

    def standing(self, customer_id):
        """Where a customer stands, or None for one that was never seen."""
        return self.standings_of([customer_id]).get(customer_id)

    def standings_of(self, customers, *, connection=None):
        """{customer_id: Standing} of those of these customers who were ever seen; connection: of the transaction they are looked up in, if in one."""
        with self._store.database.reading() if connection is None else nullcontext(connection) as connection:
            rows = [row for part in ledger.parts(customers) for row in connection.execute(OF_CUSTOMERS, {"of": self._source, "ids": part})]
        return {row.customer_id: Standing(*row) for row in rows}

    def standings(self, *, state=None):
        """Where all customers stand, or those in a state, by customer_id."""
        return self._standings(*([] if state is None else [states.c.state == state]))

    def columns(self):
        """All customers' standings as columns, {name: list}, by customer_id: for a book of a million."""
        names = tuple(Standing.__dataclass_fields__)
        with self._store.database.reading() as connection:
            rows = connection.execute(STANDINGS, {"of": self._source}).all()
        return dict(zip(names, (list(values) for values in zip(*rows, strict=True)), strict=True)) if rows else {name: [] for name in names}

    def last_night(self):
        """The latest day on which any customer moved, or None."""
        with self._store.database.reading() as connection:
            return connection.execute(sa.select(sa.func.max(transitions.c.moved_on)).where(transitions.c.source == self._source)).scalar()

    def history(self, customer_id):
        """A customer's transitions, oldest first."""
        query = sa.select(transitions).where(transitions.c.source == self._source, transitions.c.customer_id == customer_id).order_by(transitions.c.sequence)
        with self._store.database.reading() as connection:
            return [_transition(row) for row in connection.execute(query).mappings()]

    def moves_until(self, moment):
        """Yield every transition made up to a moment (naive UTC, inclusive), oldest first: (customer_id, Transition without note and evidence); those of erased
        customers are left out."""
        columns = [transitions.c[name] for name in ("customer_id", *Transition.__dataclass_fields__) if name not in ("note", "evidence")]
        condition = (transitions.c.source == self._source) & (transitions.c.made_at <= moment) & transitions.c.customer_id.is_not(None)
        query = sa.select(*columns).where(condition).order_by(transitions.c.sequence).execution_options(yield_per=ledger.CHUNK)
        with self._store.database.reading() as connection:
            for customer, *values in connection.execute(query):
                yield customer, Transition(*values, note=None, evidence=None)

    def record(self, rules, moves, starts=()):
        """Append moves and start playbooks, all or none, and keep the states in step.

        rules: the LifeCycle they were made by. Returns the runs started. Raises: RiskError when a customer was moved meanwhile.
        """
        with self._store.database.writing() as connection:
            head = ledger.locked_head(connection, "transitions")
            self._refuse_moved(connection, moves)
            now = self._store.now()
            ledger.append_each(connection, head, (self._content(rules, move, now) for move in moves))
            last = {move.customer_id: (move, sequence) for sequence, move in enumerate(moves, head.count + 1)}
            self._keep(connection, last)
            started = self._start(connection, rules, starts, now)
        return [_run([row]) for row in started]

    # --- playbooks -------------------------------------------------------------------------------------------------------------

    def runs(self, *, run=None, customer_id=None, only_open=False, drills=True):
        """Runs of playbooks, oldest first; a filter left out does not filter."""
        query = sa.select(playbook_events).where(playbook_events.c.source == self._source).order_by(playbook_events.c.sequence)
        query = query if run is None else query.where(playbook_events.c.run == run)
        query = query if customer_id is None else query.where(playbook_events.c.customer_id == customer_id)
        query = query if drills else query.where(playbook_events.c.drill == 0)
        with self._store.database.reading() as connection:
            found = _runs(connection.execute(query).mappings())
        return [one for one in found if one.open or not only_open]

    def do_step(self, rules, run, step, *, actor, note=""):
        """Record that a step of a run was done now; returns the Run after it.

        Raises: RiskError for a run or step that is not there, was done already, or is not the next one, and for a run of a customer who was erased.
        """
        query = sa.select(playbook_events).where(playbook_events.c.source == self._source, playbook_events.c.run == run).order_by(playbook_events.c.sequence)
        with self._store.database.writing() as connection:
            # The lock comes first: of two who say it at once, the second has to see the first.
            head = ledger.locked_head(connection, "playbook_events")
            rows = [dict(row) for row in connection.execute(query).mappings()]
            if not rows:
                raise RiskError(f"there is no playbook run {run}: `risk playbook list` shows the runs.")
            if rows[0]["payload"] is None:
                raise RiskError(f"playbook run {run} was of a customer who was erased: its steps are gone, and nothing is left to do.")
            current = _run(rows)
            require_next(current.steps, current.done, step)
            content = {"made_at": self._store.now(), "source": self._source, "run": run, "playbook": current.playbook, "action": DONE, "step": step,
                       "drill": int(current.drill), "actor": actor, "rules": rules.hash, **ledger.sealed(current.customer_id, {"note": note})}
            return _run([*rows, *ledger.append(connection, head, [content])])

    def _standings(self, *conditions):
        with self._store.database.reading() as connection:
            return [Standing(*row) for row in connection.execute(STANDINGS.where(*conditions), {"of": self._source})]

    def _refuse_moved(self, connection, moves):
        expected = {}
        for move in moves:
            expected.setdefault(move.customer_id, move.after)
        found, ids = {}, list(expected)
        for start in range(0, len(ids), ledger.CHUNK):
            found |= dict(connection.execute(CURRENT, {"of": self._source, "ids": ids[start : start + ledger.CHUNK]}).all())
        moved = [customer for customer in ids if found.get(customer) != expected[customer]]
        if moved:
            raise RiskError(f"{len(moved)} customers, first {moved[0]}, were moved by somebody else meanwhile: nothing was changed, so look again and repeat.")

    def _content(self, rules, move, now):
        return {"made_at": now, "source": self._source, "moved_on": move.moved_on, "from_state": move.from_state, "to_state": move.to_state,
                "reason": move.reason, "owner": move.owner, "deadline": move.deadline, "actor": move.actor, "rules": rules.hash,
                **ledger.sealed(move.customer_id, {"note": move.note, "evidence": move.evidence})}

    def _keep(self, connection, last):
        ids = list(last)
        for start in range(0, len(ids), ledger.CHUNK):
            some = ids[start : start + ledger.CHUNK]
            connection.execute(sa.delete(states).where(states.c.source == self._source, states.c.customer_id.in_(some)))
            connection.execute(sa.insert(states), [self._state(customer, *last[customer]) for customer in some])

    def _state(self, customer, move, sequence):
        return {"source": self._source, "customer_id": customer, "state": move.to_state, "since": move.since, "reason": move.reason, "owner": move.owner,
                "deadline": move.deadline, "reference_pd": move.reference_pd, "sequence": sequence}

    def _start(self, connection, rules, starts, now):
        if not starts:
            return []
        playbooks = {each.name: each for each in rules.spec.playbooks}
        head = ledger.locked_head(connection, "playbook_events")
        contents = []
        for number, start in enumerate(starts, head.count + 1):
            payload = {"on": start.on, "trigger": start.trigger, "note": start.note, "steps": playbooks[start.playbook].steps}
            contents.append({"made_at": now, "source": self._source, "run": number, "playbook": start.playbook, "action": STARTED, "step": None,
                             "drill": int(start.drill), "actor": start.actor, "rules": rules.hash, **ledger.sealed(start.customer_id, payload)})
        return ledger.append(connection, head, contents)


def held_of(standing, new_credit):
    """The Held of a Standing, or None without one. new_credit: {state: what it leaves of new credit}."""
    return None if standing is None else Held(standing.state, standing.since, standing.owner, standing.deadline, new_credit[standing.state])


def move_of(rules, standing, to, *, actor, note, today, assessed_on=None, exposure=None, pd_12m=None, opened_by=()):
    """A person's Move of a customer, checked by `models.life_cycle.decide_move`. Raises: RiskError as that, and where who or why is not said."""
    require_person(actor, note)
    decided = decide_move(rules, state=standing.state, since=standing.since, to=to, actor=actor, today=today, assessed_on=assessed_on, exposure=exposure,
                          opened_by=opened_by)
    reference = pd_12m if to == "active" and standing.state != "active" else standing.reference_pd
    return Move(standing.customer_id, today, standing.state, to, standing.since if to == standing.state else today, decided.reason, decided.owner,
                decided.deadline, actor=actor, note=note, evidence={"steps": decided.steps, "pd_12m": pd_12m, "exposure": exposure}, reference_pd=reference,
                after=standing.sequence)


def opened_by(history):
    """Persons who moved a customer into the state it is in, or confirmed it there: the case is their own. history: its transitions, oldest first."""
    if not history:
        return ()
    now = history[-1].to_state
    spell = []
    for one in reversed(history):
        spell.append(one.actor)
        if one.from_state != now:
            break
    return tuple(actor for actor in spell if actor != RULES)


def plan_of(history):
    """The run-down plan in force, [(date, minor units)], or none outside a run-down."""
    if not history or history[-1].to_state != "run_down":
        return []
    entered = next(one for one in reversed(history) if one.from_state != "run_down")
    shown = ((entered.evidence or {}).get("steps") or {}).get("plan") or []
    return [(date.fromisoformat(day), target) for day, target in shown]


def require_person(actor, note):
    """Raises: RiskError unless it is said who and why, and who is no machine."""
    if not person(actor) or person(actor) in (RULES, "unnamed"):
        raise RiskError("say who decides with --by: a move of a person carries a name.")
    if not note.strip():
        raise RiskError("say why with --reason: a move of a person carries its reason.")


def _transition(row):
    payload = ledger.opened(row["payload"]) or {"note": None, "evidence": None}
    kept = {name: row[name] for name in Transition.__dataclass_fields__ if name not in ("note", "evidence")}
    return Transition(**kept, note=payload["note"], evidence=payload["evidence"])


def _runs(rows):
    grouped = {}
    for row in rows:
        grouped.setdefault(row["run"], []).append(row)
    return [_run(events) for events in grouped.values()]


def _run(rows):
    first = rows[0]
    payload = ledger.opened(first["payload"]) or {"on": None, "trigger": None, "note": "", "steps": []}
    later = [row for row in rows[1:] if row["action"] == DONE]
    return Run(first["run"], first["playbook"], first["customer_id"], bool(first["drill"]), first["made_at"], first["actor"],
               None if payload["on"] is None else date.fromisoformat(payload["on"]), payload["trigger"], payload["note"],
               msgspec.convert(payload["steps"], tuple[Step, ...]), {row["step"]: row["made_at"] for row in later},
               {row["step"]: row["actor"] for row in later})
