"""The committee's decisions in the operational database: each with owner and due date, closed by a row of its own; no row is ever changed."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from secrets import token_hex

import sqlalchemy as sa

from features.errors import RiskError
from models.people import person
from models.playbooks import DEPARTMENTS
from serving import ledger
from serving.schema import committee_decisions as table

DECIDED, CLOSED = "decided", "closed"
# How a decision ends: carried out, or given up with a reason.
OUTCOMES = DONE, DROPPED = "done", "dropped"
OPEN, OVERDUE = "open", "overdue"
# A committee meets to decide what is done within the year; a later day is a slip of the pen.
LONGEST_DAYS = 366


@dataclass(frozen=True)
class CommitteeDecision:
    """One decision as it stands: decided_at and closed_at are naive UTC, due_on its last day in time; customer_id None where it names nobody, outcome of
    OUTCOMES, None with what follows while it is open."""

    id: str
    text: str
    customer_id: str | None
    department: str
    owner: str
    due_on: date
    actor: str
    decided_at: datetime
    outcome: str | None = None
    note: str | None = None
    closed_by: str | None = None
    closed_at: datetime | None = None

    def state(self, day):
        """How it stands on a day: done, dropped, open, or overdue from the day after due_on."""
        return self.outcome or (OVERDUE if day > self.due_on else OPEN)


class Committee:
    """The committee's decisions of one source in a store; every method is one transaction. Days are of the store's clock, which runs in UTC."""

    def __init__(self, store, *, source):
        """store: serving.store.Store."""
        self._store, self._source = store, source

    def today(self):
        """The day that says what is overdue."""
        return self._store.now().date()

    def decide(self, text, *, owner, department, due_on, actor, customer_id=None):
        """Record a decision and return it. customer_id: whom it is about, so that an erasure finds it; a text that names somebody else is not found by theirs.

        Raises: RiskError without a text, a named owner or a named recorder, for a blank customer_id, an unknown department, and a due day that is past or more
        than a year ahead.
        """
        now = self._store.now()
        _check_words(text, "to say in words what was decided")
        _check_words(owner, "somebody who carries it out: name the person with --owner")
        _check_person(actor)
        if customer_id is not None:
            # An erasure finds the id as the tables write it, and never one with a space around it.
            customer_id = customer_id.strip()
            _check_words(customer_id, "the id of the customer that it is about: name one with --customer, or leave the option out")
        if department not in DEPARTMENTS:
            raise RiskError(f"department {department} is unknown: use {', '.join(DEPARTMENTS)}.")
        if not now.date() <= due_on <= now.date() + timedelta(days=LONGEST_DAYS):
            raise RiskError(f"a decision of {now.date()} cannot be due on {due_on}: name a day from today on, within {LONGEST_DAYS} days.")
        row = self._row(DECIDED, token_hex(4), now, {"text": text.strip()}, customer_id=customer_id, department=department, owner=owner.strip(), due_on=due_on,
                        actor=actor.strip())
        with self._store.database.writing() as connection:
            return _standing(ledger.append(connection, ledger.locked_head(connection, table.name), [row]))[0]

    def close(self, decision_id, *, outcome, note, actor):
        """Record how a decision ended, and return it. Raises: RiskError for an unknown or closed one, an unknown outcome, and without a note or a person."""
        if outcome not in OUTCOMES:
            raise RiskError(f"outcome {outcome} is unknown: use {' or '.join(OUTCOMES)}.")
        _check_words(note, "a note when it is closed: say with --note what was done, or why it was given up")
        _check_person(actor)
        with self._store.database.writing() as connection:
            # The lock comes first: of two who close it at once, the second has to see the first.
            head = ledger.locked_head(connection, table.name)
            found = _standing(self._rows(connection, table.c.decision_id == decision_id))
            if not found:
                raise RiskError(f"there is no committee decision {decision_id}: `risk committee list --all` names them.")
            if found[0].outcome:
                raise RiskError(f"committee decision {decision_id} was closed on {found[0].closed_at.date()} as {found[0].outcome}: decide anew if it is not.")
            row = self._row(CLOSED, decision_id, self._store.now(), {"note": note.strip()}, customer_id=found[0].customer_id, department=found[0].department,
                            owner=found[0].owner, due_on=found[0].due_on, actor=actor.strip(), outcome=outcome)
            ledger.append(connection, head, [row])
            return _standing(self._rows(connection, table.c.decision_id == decision_id))[0]

    def listed(self, *, as_of=None):
        """Every decision as it stood at the end of a day (today unless given), oldest first; those of erased customers are left out."""
        day = as_of or self.today()
        with self._store.database.reading() as connection:
            return _standing(self._rows(connection, table.c.made_at < datetime.combine(day + timedelta(days=1), datetime.min.time())))

    def _rows(self, connection, condition):
        kept = (table.c.source == self._source) & table.c.payload.is_not(None)
        return connection.execute(sa.select(table).where(condition & kept).order_by(table.c.sequence)).mappings().all()

    def _row(self, kind, decision_id, now, payload, *, customer_id, department, owner, due_on, actor, outcome=None):
        return {"decision_id": decision_id, "kind": kind, "made_at": now, "source": self._source, "department": department, "owner": owner, "due_on": due_on,
                "actor": actor, "outcome": outcome, **ledger.sealed(customer_id, payload)}


def _standing(rows):
    """Decisions as their rows, in order of sequence, leave them."""
    found = {}
    for row in rows:
        payload, number = ledger.opened(row["payload"]), row["decision_id"]
        if row["kind"] == DECIDED:
            found[number] = CommitteeDecision(number, payload["text"], row["customer_id"], row["department"], row["owner"], row["due_on"], row["actor"],
                                              row["made_at"])
        elif number in found:
            found[number] = replace(found[number], outcome=row["outcome"], note=payload["note"], closed_by=row["actor"], closed_at=row["made_at"])
    return list(found.values())


def _check_words(words, what):
    if not (words or "").strip():
        raise RiskError(f"a committee decision needs {what}.")


def _check_person(actor):
    if not person(actor or ""):
        raise RiskError("say with --by who writes it down: a committee decision carries a name.")
