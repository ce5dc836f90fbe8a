"""Who read a report on whom, and why: rows of a hash chain, written before the report is handed over."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import sqlalchemy as sa
from fastapi import Depends, Header, Query, Request

from serving import ledger
from serving.inbound import Fault, Refused
from serving.schema import report_access

LONGEST_PURPOSE = 500
# Who reads without a key: the service answers this machine only while there is none.
THIS_MACHINE = "this machine"


@dataclass(frozen=True)
class Reading:
    """One reading: made_at is naive UTC, reader the key's name or the person, key_id None for a person at the command line, report its kind and language."""

    customer_id: str
    made_at: datetime
    reader: str
    key_id: str | None
    report: str
    purpose: str


class ReportAccess:
    """The readings in a store; every method is one transaction."""

    def __init__(self, store):
        """store: serving.store.Store."""
        self._store = store

    def record(self, customer_id, *, reader, report, purpose, key_id=None):
        """Record that somebody reads a report on a customer now, and return the Reading."""
        row = {"made_at": self._store.now(), "reader": reader, "key_id": key_id, "report": report, **ledger.sealed(customer_id, {"purpose": purpose})}
        with self._store.database.writing() as connection:
            (recorded,) = ledger.append(connection, ledger.locked_head(connection, "report_access"), [row])
        return _reading(recorded)

    def all(self, *, customer_id=None):
        """Readings, oldest first; those of erased customers are left out."""
        condition = report_access.c.customer_id.is_not(None) if customer_id is None else report_access.c.customer_id == customer_id
        with self._store.database.reading() as connection:
            query = sa.select(report_access).where(condition).order_by(report_access.c.sequence)
            return [_reading(row) for row in connection.execute(query).mappings()]


def stated_purpose(
    purpose: Annotated[str | None, Query(description="Why the report is read; it is logged.")] = None,
    x_purpose: Annotated[str | None, Header(description="The same, where the address is not to hold it (ASCII).")] = None,
):
    """Why a report is read, as a request says it. Raises: Refused for no purpose, or one that is too long."""
    stated = (purpose or x_purpose or "").strip()
    if not 0 < len(stated) <= LONGEST_PURPOSE or any(ord(character) < 32 or 0xD800 <= ord(character) < 0xE000 for character in stated):
        got = f"{len(stated)} characters" if stated else "nothing"
        raise Refused([Fault("/query/purpose", f"why the report is read, 1 to {LONGEST_PURPOSE} characters (or the header X-Purpose)", got)])
    return stated


Purpose = Annotated[str, Depends(stated_purpose)]


def log_reading(request: Request, customer_id, *, report, purpose):
    """Log that the caller of a request reads a report on a customer; call it before answering, from an endpoint that asks for a `Purpose`.

    report: its kind and language, such as `customer/zh`. Raises: StoreUnavailable: what cannot be logged must not be shown.
    """
    key = request.state.key
    access = ReportAccess(request.app.state.service.ledger())
    access.record(customer_id, reader=key.name if key else THIS_MACHINE, key_id=key and key.id, report=report, purpose=purpose)


def _reading(row):
    return Reading(row["customer_id"], row["made_at"], row["reader"], row["key_id"], row["report"], ledger.opened(row["payload"])["purpose"])
