"""Requests that a person look at a decision (PIPL art. 24): opened with a day by which they are to be answered, and answered once, by a named person."""

import uuid
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache

import sqlalchemy as sa

from features.errors import RiskError
from models.people import person
from models.policy import AUTOMATIC
from models.policy_file import ROUTES
from serving import ledger, messages
from serving.overrides import USE_CASE as OVERRIDDEN
from serving.overrides import Overrides
from serving.schema import human_reviews

OPENED, ANSWERED = "opened", "answered"
UPHELD, CHANGED = "upheld", "changed"
# Sooner than the 30 days of GB/T 35273-2020, 8.7, and the month of GDPR art. 12(3).
DUE_DAYS = 15
LONGEST_STATEMENT = 2_000
PATH = "/v1/reviews"


class UnknownCase(RiskError):
    """There is no such case or decision."""


class Waiting(RiskError):
    """Another case on the decision is open."""


@dataclass(frozen=True)
class Case:
    """One request for a human review: opened_at is naive UTC, due_on the last day for an answer; what follows is None while it is open."""

    id: str
    decision_id: str
    customer_id: str
    use_case: str
    source: str
    statement: str
    opened_at: datetime
    opened_by: str
    due_on: date
    answered_at: datetime | None = None
    answered_by: str | None = None
    outcome: str | None = None
    note: str | None = None
    override_id: str | None = None

    @property
    def status(self):
        """`open` or `answered`."""
        return "open" if self.answered_at is None else "answered"

    def days_late(self, today):
        """Days past the due day to the answer, or to today."""
        return max(0, ((self.answered_at.date() if self.answered_at else today) - self.due_on).days)


class HumanReviews:
    """The cases in a store; every method that writes is one transaction. Days are of the store's clock, which runs in UTC."""

    def __init__(self, store):
        """store: serving.store.Store."""
        self._store = store

    def open(self, decision_id, statement, *, opened_by):
        """Open a case on a decision and return (Case, whether it is new): the same statement again gives the case that is open.

        Raises: UnknownCase for a decision that is not recorded or was erased; Waiting while another case on it is open; RiskError for an empty statement.
        """
        stated = statement.strip()
        if not 0 < len(stated) <= LONGEST_STATEMENT:
            raise RiskError(f"a request needs a statement of 1 to {LONGEST_STATEMENT:,} characters: what should a person look at?")
        now = self._store.now()
        with self._store.database.writing() as connection:
            # The lock comes first: of two who ask at once, the second has to see the first.
            head = ledger.locked_head(connection, "human_reviews")
            before = [each for each in _cases(self._rows(connection, human_reviews.c.decision_id == decision_id)) if each.status == "open"]
            if before and before[0].statement == stated:
                return before[0], False
            if before:
                raise Waiting(f"case {before[0].id} on this decision is open and due on {before[0].due_on}: wait for its answer.")
            decision = self._decision(connection, decision_id)
            row = {"case_id": str(uuid.uuid4()), "kind": OPENED, "made_at": now, "use_case": decision.use_case, "source": decision.source,
                   "decision_id": decision_id, "due_on": now.date() + timedelta(days=DUE_DAYS), "actor": opened_by, "outcome": None, "override_id": None,
                   **ledger.sealed(decision.customer_id, {"statement": stated})}
            return _cases(ledger.append(connection, head, [row]))[0], True

    def answer(self, case_id, *, by, outcome, note, override_id=None):
        """Answer a case and return it. outcome: UPHELD or CHANGED; the latter names an override of the customer made since the case was opened.

        Raises: UnknownCase; RiskError for one that was answered, an unnamed person, an empty note, and an override that does not fit.
        """
        _check_answer(by, outcome, note)
        with self._store.database.writing() as connection:
            head = ledger.locked_head(connection, "human_reviews")
            rows = self._rows(connection, (human_reviews.c.case_id == case_id) & human_reviews.c.customer_id.is_not(None))
            case = _one(rows, case_id)
            if case.status != "open":
                raise RiskError(f"case {case_id} was answered on {case.answered_at.date()} by {case.answered_by}: open a new one.")
            self._check_override(connection, case, outcome, override_id)
            row = {"case_id": case_id, "kind": ANSWERED, "made_at": self._store.now(), "use_case": case.use_case, "source": case.source,
                   "decision_id": case.decision_id, "due_on": case.due_on, "actor": by.strip(), "outcome": outcome, "override_id": override_id,
                   **ledger.sealed(case.customer_id, {"note": note.strip()})}
            return _cases([*rows, *ledger.append(connection, head, [row])])[0]

    def find(self, case_id):
        """The Case. Raises: UnknownCase for one that is not there or was erased."""
        with self._store.database.reading() as connection:
            return _one(self._rows(connection, (human_reviews.c.case_id == case_id) & human_reviews.c.customer_id.is_not(None)), case_id)

    def all(self):
        """Every case, oldest first; those of erased customers are left out."""
        with self._store.database.reading() as connection:
            return _cases(self._rows(connection, human_reviews.c.customer_id.is_not(None)))

    def _decision(self, connection, decision_id):
        # On this connection: whoever holds the head and waits for another one would wait for those who wait for the head.
        decision = self._store.find_decision(decision_id, connection=connection)
        if decision is None or decision.customer_id is None:
            what = "is not recorded" if decision is None else "was erased with its customer"
            raise UnknownCase(f"The decision {decision_id} {what}; name the decision_id of an answer.")
        return decision

    def _check_override(self, connection, case, outcome, override_id):
        if outcome == UPHELD or case.use_case != OVERRIDDEN:
            if override_id is not None:
                raise RiskError("only a changed credit decision has an override: leave --override away.")
            return
        made = {each.id: each for each in Overrides(self._store, source=case.source).of(case.customer_id, connection=connection)}
        if override_id not in made or made[override_id].made_on < case.opened_at.date():
            raise RiskError(f"a changed decision needs an override of {case.customer_id} made since the case was opened on {case.opened_at.date()}: "
                            "grant one with `risk override add`, and name it with --override.")

    def _rows(self, connection, condition):
        return connection.execute(sa.select(human_reviews).where(condition).order_by(human_reviews.c.sequence)).mappings().all()


def how_to_ask(decision):
    """What an answer says of it: {path, due_days, words in the languages of the decision}; None where a person signs. decision: the answer's own."""
    return _asked_for(tuple(decision["words"] or ())) if decision["route"] in (None, ROUTES[AUTOMATIC]) else None


@cache
def _asked_for(languages):
    words = {language: messages.text("human_review.how", language=language, path=PATH, days=DUE_DAYS) for language in languages}
    return {"path": PATH, "due_days": DUE_DAYS, "words": words}


def _check_answer(by, outcome, note):
    if not person(by) or person(by) == "unnamed":
        raise RiskError("a human review is answered by a person: say who with --by.")
    if outcome not in (UPHELD, CHANGED):
        raise RiskError(f"the outcome {outcome} is unknown: use {UPHELD} or {CHANGED}.")
    if not note.strip():
        raise RiskError("an answer needs words that the person can be told: give them with --note.")


def _one(rows, case_id):
    found = _cases(rows)
    if not found:
        raise UnknownCase(f"There is no case {case_id}; `risk human-reviews list --all` names them.")
    return found[0]


def _cases(rows):
    """Cases as their rows, in order of sequence, leave them."""
    found = {}
    for row in rows:
        said = ledger.opened(row["payload"])
        if said is None:
            continue
        if row["kind"] == OPENED:
            found[row["case_id"]] = {"id": row["case_id"], "decision_id": row["decision_id"], "customer_id": row["customer_id"], "use_case": row["use_case"],
                                     "source": row["source"], "statement": said["statement"], "opened_at": row["made_at"], "opened_by": row["actor"],
                                     "due_on": row["due_on"]}
        else:
            found[row["case_id"]] |= {"answered_at": row["made_at"], "answered_by": row["actor"], "outcome": row["outcome"], "note": said["note"],
                                      "override_id": row["override_id"]}
    return [Case(**each) for each in found.values()]
