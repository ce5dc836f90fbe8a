"""Alerts in the operational database: every step of each is a row of a hash chain that is never changed, and beside it stands which are open."""

from dataclasses import dataclass
from datetime import datetime
from secrets import token_hex

import msgspec
import sqlalchemy as sa

from features.errors import RiskError
from models import alert_life as life
from models.alert_life import Alert, Step
from models.alerts import Crossing, terms_of
from serving import ledger
from serving.schema import alert_states as states
from serving.schema import alert_steps as table


class UnknownAlert(RiskError):
    """There is no such alert."""


class AlreadyClosed(RiskError):
    """The alert was closed before."""


@dataclass(frozen=True)
class Sighting:
    """A crossing of a customer, and what showed it: an event with its decision, or a night; looked: how many rows the chain had when the customer's facts were
    last looked at, None where only what follows an event is judged."""

    customer_id: str
    crossing: Crossing
    event_id: str | None = None
    decision_id: str | None = None
    looked: int | None = None


@dataclass(frozen=True)
class Kept:
    """An alert as it is kept: sequence and made_at (naive UTC) of its last step, seen of its last sighting, with the event and decision that showed that, and
    the hash of the rules it follows from; steps: {step: how often}."""

    alert: Alert
    sequence: int
    made_at: datetime
    seen: int
    event_id: str | None
    decision_id: str | None
    rules: str | None
    steps: dict


class Alerts:
    """The alerts of one source in a store; every method but `sight` is one transaction.

    rules: the models.life_cycle.LifeCycle in force, or None; day: the day on which it is done, of the book at night, else the store clock's (UTC).
    """

    def __init__(self, store, *, source):
        """store: serving.store.Store."""
        self._store, self._source = store, source

    def today(self):
        """The day that says what is overdue, of the store's clock."""
        return self._store.now().date()

    def last_day(self):
        """The latest day of any step, or None."""
        with self._store.database.reading() as connection:
            return connection.execute(sa.select(sa.func.max(table.c.on_day)).where(table.c.source == self._source)).scalar()

    def sight(self, connection, rules, sightings, day):
        """Record what was seen on a day, in a transaction that holds the chain's lock: at most one sighting of a kind of a customer.

        Returns [(alert id, step of models.alert_life.STEPS, or None where nothing new is said)], in their order.
        """
        before, found, taken = self._latest(connection, {each.customer_id for each in sightings}), [], []
        for each in sightings:
            kept = before.get((each.customer_id, each.crossing.kind))
            dealt_with = kept is not None and each.looked is not None and kept.seen > each.looked
            step = life.sighted(terms_of(rules), kept and kept.alert, each.crossing, day, dealt_with=dealt_with)
            alert_id = token_hex(6) if step is not None and step.step == life.RAISED else kept.alert.id
            found.append((alert_id, step and step.step))
            if step is not None:
                taken.append((alert_id, each.customer_id, kept, step, {"event_id": each.event_id, "decision_id": each.decision_id}))
        self._take(connection, rules, taken)
        return found

    def snooze(self, rules, alert_id, until, *, actor, note, day=None):
        """Put an alert off until a day and return it. Raises: UnknownAlert, AlreadyClosed, RiskError as `models.alert_life.snoozed`."""
        return self._by_person(rules, alert_id, lambda alert, on: life.snoozed(terms_of(rules), alert, until, on, actor=actor, note=note), day)

    def close(self, rules, alert_id, outcome, *, actor, note, day=None):
        """Close an alert and return it. Raises: UnknownAlert, AlreadyClosed, RiskError as `models.alert_life.closed`."""
        return self._by_person(rules, alert_id, lambda alert, on: life.closed(alert, outcome, on, actor=actor, note=note), day)

    def pass_on(self, rules, alert_id, *, actor, note, day=None):
        """Pass an alert on to the next level and return it. Raises: UnknownAlert, AlreadyClosed, RiskError as `models.alert_life.passed_on`."""
        return self._by_person(rules, alert_id, lambda alert, on: life.passed_on(terms_of(rules), alert, on, actor=actor, note=note), day)

    def escalate(self, rules, day=None):
        """Pass every alert past its deadline on to the next level, once a day, and return those that were."""
        day = day or self.today()
        with self._store.database.writing() as connection:
            ledger.locked_head(connection, table.name)
            late = self._kept(connection, [states.c.outcome.is_(None), states.c.deadline < day])
            steps = [(kept, life.escalated(terms_of(rules), kept.alert, day)) for kept in late]
            taken = [(kept.alert.id, kept.alert.customer_id, kept, step, {}) for kept, step in steps if step is not None]
            self._take(connection, rules, taken)
        return [life.follow(kept.alert, step) for kept, step in steps if step is not None]

    def find(self, alert_id):
        """The Kept of an id. Raises: UnknownAlert for one that is not there or was erased."""
        with self._store.database.reading() as connection:
            return self._find(connection, alert_id)

    def listed(self, *, customer_id=None, owner=None, only_open=False, after=0, limit=None):
        """[Kept], the latest of each kind of each customer, by the sequence of their last step, of which only those above `after`; at most limit."""
        conditions = [states.c.sequence > after]
        conditions += [] if customer_id is None else [states.c.customer_id == customer_id]
        conditions += [] if owner is None else [states.c.owner == owner]
        conditions += [states.c.outcome.is_(None)] if only_open else []
        with self._store.database.reading() as connection:
            return self._kept(connection, conditions, limit=limit)

    def all(self, *, until=None):
        """[Kept] of every alert there ever was, oldest first, as they stood at a moment (naive UTC, inclusive), or stand now; those of erased customers are
        left out."""
        mine = (table.c.source == self._source) & table.c.payload.is_not(None)
        query = sa.select(table).where(mine if until is None else mine & (table.c.made_at <= until)).order_by(table.c.sequence)
        with self._store.database.reading() as connection:
            return _folded(connection.execute(query.execution_options(yield_per=ledger.CHUNK)).mappings())

    def raised_since(self, connection, sequence):
        """Customers on whom an alert was raised by a row of the chain after this one."""
        mine = (table.c.source == self._source) & (table.c.step == life.RAISED) & table.c.customer_id.is_not(None)
        return set(connection.execute(sa.select(table.c.customer_id).where(mine, table.c.sequence > sequence)).scalars())

    def _by_person(self, rules, alert_id, step_of, day):
        with self._store.database.writing() as connection:
            # The lock comes first: of two who act at once, the second has to see the first.
            ledger.locked_head(connection, table.name)
            kept = self._find(connection, alert_id)
            _refuse_closed(kept.alert)
            step = step_of(kept.alert, day or self.today())
            self._take(connection, rules, [(alert_id, kept.alert.customer_id, kept, step, {})])
            return self._find(connection, alert_id)

    def _take(self, connection, rules, taken):
        """Append steps, [(alert id, customer, the Kept before or None, Step, columns beside it)], and keep the states in step."""
        head = ledger.locked_head(connection, table.name)
        now, rules_hash = self._store.now(), rules and rules.hash
        after = [life.begin(alert_id, customer, step) if step.step == life.RAISED else life.follow(kept.alert, step)
                 for alert_id, customer, kept, step, _ in taken]
        led = [beside if step.crossing is not None else {"event_id": None, "decision_id": None} for *_, step, beside in taken]
        rows = (_row(alert, step, beside) | {"made_at": now, "source": self._source, "rules": rules_hash}
                for alert, (*_, step, _), beside in zip(after, taken, led, strict=True))
        ledger.append_each(connection, head, rows)
        self._keep(connection, [kept.alert.id for _, _, kept, _, _ in taken if kept is not None],
                   [(alert, sequence) for sequence, alert in enumerate(after, head.count + 1)])

    def _keep(self, connection, replaced, alerts):
        for ids in ledger.parts(replaced):
            connection.execute(sa.delete(states).where(states.c.alert_id.in_(ids)))
        for start in range(0, len(alerts), ledger.CHUNK):
            connection.execute(sa.insert(states), [self._state(*pair) for pair in alerts[start : start + ledger.CHUNK]])

    def _state(self, alert, sequence):
        return {"source": self._source, "customer_id": alert.customer_id, "kind": alert.kind, "alert_id": alert.id, "owner": alert.owner,
                "deadline": alert.deadline, "outcome": alert.outcome, "sequence": sequence}

    def _latest(self, connection, customers):
        """{(customer_id, kind): Kept} of the latest alerts of customers."""
        found = [kept for part in ledger.parts(sorted(customers)) for kept in self._kept(connection, [states.c.customer_id.in_(part)])]
        return {(kept.alert.customer_id, kept.alert.kind): kept for kept in found}

    def _kept(self, connection, conditions, *, limit=None):
        query = sa.select(states.c.alert_id).where(states.c.source == self._source, *conditions).order_by(states.c.sequence).limit(limit)
        ids = list(connection.execute(query).scalars())
        found = {kept.alert.id: kept for part in ledger.parts(ids) for kept in self._of(connection, part)}
        return [found[each] for each in ids if each in found]

    def _of(self, connection, ids):
        condition = table.c.alert_id.in_(ids) & table.c.payload.is_not(None)
        return _folded(connection.execute(sa.select(table).where(condition).order_by(table.c.sequence)).mappings())

    def _find(self, connection, alert_id):
        found = [kept for kept in self._of(connection, [alert_id]) if self._holds(connection, alert_id)]
        if not found:
            raise UnknownAlert(f"There is no alert {alert_id}: `risk alerts list --all` names them.")
        return found[0]

    def _holds(self, connection, alert_id):
        """Whether an alert is this source's latest of its kind: an earlier one is history."""
        query = sa.select(states.c.alert_id).where(states.c.source == self._source, states.c.alert_id == alert_id)
        return connection.execute(query).first() is not None


def _refuse_closed(alert):
    if alert.outcome is not None:
        raise AlreadyClosed(f"alert {alert.id} was closed on {alert.closed_on} as {alert.outcome}: a new one is raised when it happens again.")


def _row(alert, step, beside):
    return {"alert_id": alert.id, "step": step.step, "kind": alert.kind, "owner": alert.owner, "on_day": step.on_day, "severity": step.severity,
            "place": step.place, "deadline": step.deadline, "until": step.until, "outcome": step.outcome, "actor": step.actor, **beside,
            **ledger.sealed(alert.customer_id, {"crossing": msgspec.to_builtins(step.crossing), "note": step.note})}


def _folded(rows):
    """[Kept], oldest first, as rows, in order of sequence, leave them."""
    found = {}
    for row in rows:
        step, before = _step(row), found.get(row["alert_id"])
        if before is None and step.step != life.RAISED:
            continue
        alert = life.begin(row["alert_id"], row["customer_id"], step) if before is None else life.follow(before.alert, step)
        seen = (row["sequence"], row["event_id"], row["decision_id"], row["rules"]) if step.crossing else (
            before.seen, before.event_id, before.decision_id, before.rules)
        counts = {} if before is None else before.steps
        found[row["alert_id"]] = Kept(alert, row["sequence"], row["made_at"], *seen, counts | {step.step: counts.get(step.step, 0) + 1})
    return list(found.values())


def _step(row):
    told = ledger.opened(row["payload"])
    crossing = told["crossing"] and Crossing(**told["crossing"])
    kept = {name: row[name] for name in ("step", "on_day", "severity", "place", "deadline", "until", "outcome", "actor")}
    return Step(**kept, note=told["note"], crossing=crossing)
