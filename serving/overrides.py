"""Overrides in the operational database: granted, renewed and revoked, each a row that is never changed, and what stands of them on a day."""

import uuid
from contextlib import nullcontext
from dataclasses import replace
from datetime import date, datetime, timedelta

import msgspec
import sqlalchemy as sa

from features.errors import RiskError
from models.overrides import Change, Override, Said, check_end, check_four_eyes, check_override, check_reason, check_usable
from serving import ledger
from serving.schema import overrides

GRANT, RENEW, REVOKE = "grant", "renew", "revoke"
# Overrides of credit decisions; a transaction is judged once, so there is nothing to override for a while.
USE_CASE = "default"

# Built once, as in serving.store: every score asks for it.
MINE = (overrides.c.use_case == USE_CASE) & (overrides.c.source == sa.bindparam("of"))
OF_CUSTOMERS = sa.select(overrides).where(overrides.c.customer_id.in_(sa.bindparam("ids", expanding=True)), MINE).order_by(overrides.c.sequence)


class Overrides:
    """The overrides of one source in a store; every method is one transaction. Days are of the store's clock, which runs in UTC."""

    def __init__(self, store, *, source):
        """store: serving.store.Store."""
        self._store, self._source = store, source

    def today(self):
        """The day that decides whether an override holds."""
        return self._store.now().date()

    def grant(self, customer_id, change, said, *, reason_code, reason, author, approver, expires_on, policy):
        """Record an override and return it.

        change, said: models.overrides.Change and Said; policy: models.policy.Policy. Raises: RiskError for what `check_override` refuses, and while another
        override of the customer is in force.
        """
        now = self._store.now()
        check_override(change, said, reason_code=reason_code, reason=reason, author=author, approver=approver, expires_on=expires_on, today=now.date(),
                       policy=policy)
        payload = {"change": msgspec.to_builtins(change), "said": msgspec.to_builtins(said), "reason": reason.strip()}
        row = self._row(GRANT, str(uuid.uuid4()), customer_id, payload, now, reason_code=reason_code, author=author, approver=approver, expires_on=expires_on)
        with self._store.database.writing() as connection:
            head = ledger.locked_head(connection, "overrides")
            before = [each for each in self._of(connection, customer_id) if each.holds(now.date())]
            if before:
                raise RiskError(f"override {before[0].id} of {customer_id} is in force until {before[0].expires_on}: renew it, or revoke it first.")
            ledger.append(connection, head, [row])
            return _standing(self._rows(connection, overrides.c.override_id == row["override_id"]))[0]

    def renew(self, override_id, *, reason, author, approver, expires_on):
        """Let an override hold longer, and return it. Four eyes again; what the policy said when it was made stays beside it.

        Raises: RiskError for an unknown one, one that expired or was revoked, and what `check_override` refuses of persons, reason and end.
        """
        return self._follow(RENEW, override_id, reason=reason, author=author, approver=approver, expires_on=expires_on)

    def revoke(self, override_id, *, reason, author):
        """Take an override back: from today on it does not hold. One person may: it only restores what the policy says. Returns it; raises as `renew`."""
        return self._follow(REVOKE, override_id, reason=reason, author=author)

    def _follow(self, kind, override_id, *, reason, author, approver=None, expires_on=None):
        now = self._store.now()
        with self._store.database.writing() as connection:
            head = ledger.locked_head(connection, "overrides")
            # An erased customer's rows still carry the id, and nothing of what was decided.
            same = (overrides.c.override_id == override_id) & overrides.c.customer_id.is_not(None)
            found = _standing(self._rows(connection, same))
            if not found:
                raise RiskError(f"there is no override {override_id}: `risk override list --all` names them.")
            check_usable(found[0], now.date())
            check_reason(found[0].reason_code, reason)
            if kind == RENEW:
                check_four_eyes(author, approver, what="an override")
                check_end(expires_on, now.date())
                if expires_on <= found[0].expires_on:
                    raise RiskError(f"override {override_id} holds until {found[0].expires_on} already: name a later day, or revoke it to end it sooner.")
            row = self._row(kind, override_id, found[0].customer_id, {"reason": reason.strip()}, now, reason_code=found[0].reason_code, author=author,
                            approver=approver, expires_on=expires_on)
            ledger.append(connection, head, [row])
            return _standing(self._rows(connection, same))[0]

    def of(self, customer_id, *, connection=None):
        """A customer's overrides as they stand, oldest first; connection: of the transaction they are looked up in, if in one."""
        with self._store.database.reading() if connection is None else nullcontext(connection) as connection:
            return self._of(connection, customer_id)

    def in_force(self, customer_id, day):
        """The override of a customer that holds on a day, or None."""
        return self.in_force_of([customer_id], day).get(customer_id)

    def in_force_of(self, customers, day, *, connection=None):
        """{customer_id: Override} of those of these customers who have one that holds on a day; connection: as in `of`."""
        with self._store.database.reading() if connection is None else nullcontext(connection) as connection:
            return {each.customer_id: each for part in ledger.parts(customers) for each in self._of(connection, *part) if each.holds(day)}

    def all(self, *, as_of=None):
        """Every override as it stood at the end of a day (as it stands unless given), oldest first; those of erased customers are left out."""
        kept = overrides.c.customer_id.is_not(None)
        if as_of is not None:
            kept &= overrides.c.made_at < datetime.combine(as_of + timedelta(days=1), datetime.min.time())
        with self._store.database.reading() as connection:
            return _standing(self._rows(connection, kept))

    def all_in_force(self, day):
        """{customer_id: Override} of all that hold on a day."""
        return {each.customer_id: each for each in self.all() if each.holds(day)}

    def _of(self, connection, *customers):
        return _standing(connection.execute(OF_CUSTOMERS, {"of": self._source, "ids": customers}).mappings())

    def _rows(self, connection, condition):
        return connection.execute(sa.select(overrides).where(condition & MINE).order_by(overrides.c.sequence), {"of": self._source}).mappings().all()

    def _row(self, kind, override_id, customer_id, payload, now, *, reason_code, author, approver, expires_on: date | None):
        return {"override_id": override_id, "kind": kind, "made_at": now, "use_case": USE_CASE, "source": self._source, "reason_code": reason_code,
                "author": author.strip(), "approver": approver and approver.strip(), "expires_on": expires_on, **ledger.sealed(customer_id, payload)}


def _standing(rows):
    """Overrides as their rows, in order of sequence, leave them."""
    found = {}
    for row in rows:
        payload, made_on = ledger.opened(row["payload"]), row["made_at"].date()
        if row["kind"] == GRANT:
            found[row["override_id"]] = Override(
                row["override_id"], row["customer_id"], msgspec.convert(payload["change"], Change), msgspec.convert(payload["said"], Said), row["reason_code"],
                payload["reason"], row["author"], row["approver"], made_on, row["expires_on"])
        elif row["override_id"] not in found:
            # Its grant was erased first: what is left of it is about to be, and says nothing any more.
            continue
        elif row["kind"] == RENEW:
            before = found[row["override_id"]]
            # Both signers of the renewal: the first one's author beside the second one's approver could be one person, who signed alone at no time.
            found[row["override_id"]] = replace(before, expires_on=row["expires_on"], author=row["author"], approver=row["approver"],
                                                renewals=before.renewals + 1)
        else:
            found[row["override_id"]] = replace(found[row["override_id"]], revoked_on=made_on)
    return list(found.values())
