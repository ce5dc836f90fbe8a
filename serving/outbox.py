"""Notifications that wait in the operational database until they are written and sent: none is lost when a process dies, and each keeps its id."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from serving.schema import notifications

# Between two attempts, doubled each time from two seconds on.
LONGEST_WAIT = timedelta(hours=1)


@dataclass(frozen=True)
class Note:
    """Something to be told once. id: the same for the same event, whoever queues it again; body: JSON, as it is written and sent; made_at: naive UTC."""

    id: str
    made_at: datetime
    kind: str
    body: str
    attempts: int = 0


def note_id(*parts):
    """The stable id of an event, from what makes it that one: receivers tell a repeat by it."""
    return "msg_" + hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()[:32]


def queue(connection, *, source, now, note, to_send):
    """Queue a note, {"id", "kind", "body"}, in the caller's transaction; one whose id is there already changes nothing. to_send: whether there is a webhook."""
    if connection.execute(sa.select(notifications.c.id).where(notifications.c.id == note["id"])).first() is None:
        connection.execute(sa.insert(notifications), {"id": note["id"], "made_at": now, "source": source, "kind": note["kind"], "attempts": 0,
                                                      "body": json.dumps(note["body"], ensure_ascii=False), "due_at": now if to_send else None})


class Outbox:
    """What waits in a store, of all sources; every method is one transaction."""

    def __init__(self, store):
        """store: serving.store.Store."""
        self._store = store

    def unfiled(self):
        """Notes that no file holds yet, oldest first."""
        return self._notes(notifications.c.filed_at.is_(None))

    def due(self, *, within=timedelta(0)):
        """Notes to send now, or within that time, oldest first."""
        return self._notes(self._waiting() & (notifications.c.due_at <= self._store.now() + within))

    def waiting(self):
        """How many notes wait to be sent, now or later."""
        with self._store.database.reading() as connection:
            return connection.execute(sa.select(sa.func.count()).select_from(notifications).where(self._waiting())).scalar()

    def filed(self, note):
        """Remember that a note's file is written."""
        self._set(note, filed_at=self._store.now())

    def sent(self, note):
        """Remember that a note was taken by the receiver."""
        self._set(note, sent_at=self._store.now(), attempts=note.attempts + 1, fault=None)

    def failed(self, note, fault, *, give_up):
        """Remember why a note could not be sent, and try again later: after 2, 4, 8 … seconds, at most an hour; never when it is given up."""
        now, attempts = self._store.now(), note.attempts + 1
        wait = min(timedelta(seconds=2 ** min(attempts, 20)), LONGEST_WAIT)
        self._set(note, attempts=attempts, fault=fault, due_at=now + wait, given_up_at=now if give_up else None)

    def _waiting(self):
        table = notifications.c
        return table.due_at.is_not(None) & table.sent_at.is_(None) & table.given_up_at.is_(None)

    def _notes(self, condition):
        table = notifications.c
        query = sa.select(table.id, table.made_at, table.kind, table.body, table.attempts).where(condition).order_by(table.made_at, table.id)
        with self._store.database.reading() as connection:
            return [Note(**row) for row in connection.execute(query).mappings()]

    def _set(self, note, **values):
        with self._store.database.writing() as connection:
            connection.execute(sa.update(notifications).where(notifications.c.id == note.id).values(**values))
