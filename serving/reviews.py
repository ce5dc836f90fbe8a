"""The review calendar in the operational database: planned days and reviews done, rows that are never changed and so prove what was done and missed."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
import sqlalchemy as sa

from features.errors import RiskError
from models.overrides import check_four_eyes
from models.reviews import STATUSES, calendar, next_due
from serving import ledger
from serving.schema import reviews

DUE, DONE, LEFT = "due", "done", "left"
USE_CASE = "default"
# What stands for the grade of a customer in default, who is in no book and has none.
IN_DEFAULT = "in_default"


@dataclass(frozen=True)
class Review:
    """One obligation to review a customer: status of models.reviews.STATUSES; days_late counts past due_on to the review or to the day asked.

    planned_at is when the due day was written down (naive UTC), None for a review nobody planned; done_on and what follows are None while it is open. Of a
    customer who dropped out of the calendar left_on is the day and note says why.
    """

    customer_id: str
    grade: str
    due_on: date
    status: str
    days_late: int
    planned_at: datetime | None
    done_on: date | None = None
    reviewer: str | None = None
    approver: str | None = None
    note: str | None = None
    decision_id: str | None = None
    left_on: date | None = None


class Reviews:
    """The review calendar of one source in a store; every method is one transaction. Days are of the store's clock, which runs in UTC."""

    def __init__(self, store, *, source):
        """store: serving.store.Store."""
        self._store, self._source = store, source

    def today(self):
        """The day the calendar has reached."""
        return self._store.now().date()

    def customers(self):
        """Ids of all customers that the calendar ever knew, also those who left it; erased ones left out."""
        mine = (reviews.c.use_case == USE_CASE) & (reviews.c.source == self._source) & reviews.c.customer_id.is_not(None)
        with self._store.database.reading() as connection:
            return set(connection.execute(sa.select(reviews.c.customer_id).where(mine).distinct()).scalars())

    def plan(self, customer_id, grade, review_days):
        """Bring the calendar in line with the grades in force, and return how many customers' entries changed.

        customer_id: list of n distinct ids; grade: n names; review_days: n days between reviews by each one's grade. A customer without a planned day is due
        that many days from today, and until its first review days count from the day it was planned first, also where it left in between: who comes back with
        a review overdue is due today. Only changes are written, so a second call with
        the same grades writes nothing.
        """
        now = self._store.now()
        days, today = np.asarray(review_days, dtype=np.int64), np.datetime64(now.date())
        with self._store.database.writing() as connection:
            head = ledger.locked_head(connection, "reviews")
            last, planned, before = self._state(connection, customer_id)
            due = next_due(np.where(np.isnat(last), today, last), days, as_of=today, planned=planned)
            # Other terms are written down though the day stays: the review after the next is planned by them.
            changed = np.flatnonzero(np.isnat(planned) | (due < planned) | (before != days))
            rows = (self._row(DUE, customer_id[i], now, due[i].item(), grade=str(grade[i]), review_days=int(days[i])) for i in changed.tolist())
            return ledger.append_each(connection, head, rows)

    def drop_out(self, staying, *, why):
        """Take every customer out of the calendar but those staying (ids), and return how many left.

        why: the note of a customer_id. What was missed by then stays on record; `plan` takes a customer in again.
        """
        now, staying = self._store.now(), set(staying)
        with self._store.database.writing() as connection:
            head = ledger.locked_head(connection, "reviews")
            query = self._query(reviews.c.customer_id.is_not(None), [reviews.c[name] for name in ("customer_id", "kind", "grade", "review_days")])
            last = {customer: (kind, grade, days) for customer, kind, grade, days in connection.execute(query)}
            rows = (self._row(LEFT, customer, now, now.date(), grade=grade, review_days=days, note=why(customer))
                    for customer, (kind, grade, days) in sorted(last.items()) if kind != LEFT and customer not in staying)
            return ledger.append_each(connection, head, rows)

    def done(self, customer_id, *, reviewer, approver, note, decision_id=None):
        """Record that a customer was reviewed today, plan the next review by the grade in force, and return (Review, the next due day).

        A review is recorded on the day it is done: nobody can date one back. Raises: RiskError for a person who approves an own review, an empty note, a
        customer the calendar does not know, and a decision that is not recorded or is another customer's.
        """
        check_four_eyes(reviewer, approver, what="a review")
        if not note.strip():
            raise RiskError("a review needs a note of what was looked at and found: give one with --note.")
        self._check_decision(decision_id, customer_id)
        now = self._store.now()
        with self._store.database.writing() as connection:
            head = ledger.locked_head(connection, "reviews")
            rows = self._rows(connection, reviews.c.customer_id == customer_id)
            if not rows:
                raise RiskError(f"customer {customer_id} is not in the review calendar: check the id, or run `risk publish`, which plans the book's reviews.")
            if rows[-1]["kind"] == LEFT:
                raise RiskError(f"customer {customer_id} left the review calendar on {rows[-1]['on_day']} ({ledger.opened(rows[-1]['payload'])['note']}): "
                                "`risk publish` takes it in again once it is back in the book.")
            terms = {"grade": rows[-1]["grade"], "review_days": rows[-1]["review_days"]}
            following = now.date() + timedelta(days=terms["review_days"])
            new = [self._row(DONE, customer_id, now, now.date(), **terms, reviewer=reviewer.strip(), approver=approver.strip(), decision_id=decision_id,
                             note=note.strip()), self._row(DUE, customer_id, now, following, **terms)]
            ledger.append(connection, head, new)
            found = _reviews(self._rows(connection, reviews.c.customer_id == customer_id), now.date())
        return found[-2], following

    def last_done(self):
        """The day of each customer's last review, {customer_id: date}; customers without one and erased ones left out."""
        query = self._query(reviews.c.customer_id.is_not(None) & (reviews.c.kind == DONE), [reviews.c.customer_id, sa.func.max(reviews.c.on_day)])
        with self._store.database.reading() as connection:
            return dict(connection.execute(query.group_by(reviews.c.customer_id).order_by(None)).all())

    def listed(self, *, as_of=None, customer_id=None):
        """Every Review as it stood at the end of a day (today unless given; a later day looks ahead), by customer and in time; erased customers left out."""
        day = as_of or self.today()
        condition = (reviews.c.customer_id.is_not(None) if customer_id is None else reviews.c.customer_id == customer_id)
        condition &= reviews.c.made_at < datetime.combine(day + timedelta(days=1), datetime.min.time())
        with self._store.database.reading() as connection:
            return _reviews(self._rows(connection, condition), day)

    def _state(self, connection, customer_id):
        """Each customer's last review (the day it was first planned before any), planned day of the next, NaT without one, and days by its terms, 0 without."""
        place, size = {customer: i for i, customer in enumerate(customer_id)}, len(customer_id)
        last, planned = np.full((2, size), np.datetime64("NaT", "D"))
        terms = np.zeros(size, dtype=np.int64)
        columns = [reviews.c[name] for name in ("customer_id", "kind", "on_day", "review_days", "made_at")]
        for customer, kind, day, days, made_at in connection.execute(self._query(reviews.c.customer_id.is_not(None), columns)):
            at = place.get(customer)
            if at is None:
                continue
            if kind == DONE:
                last[at] = day
            elif kind == LEFT:
                planned[at], terms[at] = np.datetime64("NaT", "D"), 0
            else:
                planned[at], terms[at] = day, days
                last[at] = made_at.date() if np.isnat(last[at]) else last[at]
        return last, planned, terms

    def _check_decision(self, decision_id, customer_id):
        if decision_id is None:
            return
        decision = self._store.find_decision(decision_id)
        if decision is None or decision.customer_id != customer_id:
            what = "is not recorded" if decision is None else "is not about this customer"
            raise RiskError(f"the decision {decision_id} {what}: name one of {customer_id}, or leave --decision away.")

    def _query(self, condition, columns=(reviews,)):
        mine = (reviews.c.use_case == USE_CASE) & (reviews.c.source == self._source)
        return sa.select(*columns).where(condition & mine).order_by(reviews.c.sequence)

    def _rows(self, connection, condition):
        return connection.execute(self._query(condition)).mappings().all()

    def _row(self, kind, customer_id, now, day, *, grade, review_days, reviewer=None, approver=None, decision_id=None, note=None):
        return {"kind": kind, "made_at": now, "use_case": USE_CASE, "source": self._source, "on_day": day, "grade": grade, "review_days": review_days,
                "reviewer": reviewer, "approver": approver, "decision_id": decision_id, **ledger.sealed(customer_id, {} if note is None else {"note": note})}


def _reviews(rows, day):
    names = [row["customer_id"] for row in rows]
    code = {name: place for place, name in enumerate(sorted(set(names)))}
    found = calendar([code[name] for name in names], [row["kind"] for row in rows], [row["on_day"] for row in rows], as_of=day)
    return [_review(rows, {name: values[place] for name, values in found.items()}) for place in range(len(found["row"]))]


def _review(rows, found):
    plan, end = rows[found["row"]], rows[found["end_row"]] if found["end_row"] >= 0 else None
    about = (plan["customer_id"], plan["grade"], found["due_on"].item(), STATUSES[found["status"]], int(found["days_late"]),
             plan["made_at"] if plan["kind"] == DUE else None)
    if end is None:
        return Review(*about)
    note = ledger.opened(end["payload"]).get("note")
    if end["kind"] == LEFT:
        return Review(*about, note=note, left_on=end["on_day"])
    return Review(*about, end["on_day"], end["reviewer"], end["approver"], note, end["decision_id"])
