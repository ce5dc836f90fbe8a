"""Events of known customers as they came between two books, kept in a hash chain until a book holds their rows, and the thresholds they crossed."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

import msgspec
import sqlalchemy as sa

from features.errors import RiskError
from features.tables import TABLES
from serving import ledger
from serving.alerts import Alerts, Sighting
from serving.schema import alerts, incoming_records
from serving.values import parse_moment

# What of an event stands in its row's payload.
KEPT = ("records", "digest", "as_of")


class Conflict(RiskError):
    """What was sent contradicts what is stored under the same name."""


class Gone(RiskError):
    """What was stored under that name was erased."""


class Overtaken(RiskError):
    """Another event of the same customer was stored meanwhile."""


@dataclass(frozen=True)
class Sent:
    """One event as it was sent: records {table: rows} with naive UTC moments, digest what its content is known again by."""

    event_id: str
    customer_id: str
    records: dict
    digest: str


@dataclass(frozen=True)
class Event(Sent):
    """One event; as_of: the moment from which its customer was judged with it."""

    as_of: datetime


@dataclass(frozen=True)
class Stored:
    """An event as it is stored, with the decision it led to; made_at is naive UTC."""

    sequence: int
    made_at: datetime
    decision_id: str
    event: Event


@dataclass(frozen=True)
class Crossed:
    """A threshold that an event crossed: fields as in models.alerts.Crossing; alert_id names the alert that was raised or seen again by it, rules is the hash
    of the life cycle's file. alert_id and severity are None of what was stored before alerts had a life of their own."""

    sequence: int
    made_at: datetime
    customer_id: str
    alert_id: str | None
    kind: str
    level: str | None
    severity: str | None
    owner: str
    fact: str
    before: float | None
    after: float
    threshold: float
    event_id: str
    decision_id: str
    rules: str


class Incoming:
    """The events of one source in a store, and what they crossed."""

    def __init__(self, store, *, source):
        """store: serving.store.Store."""
        self._store, self._source = store, source

    def find(self, event_id):
        """The Stored of an id, or None. Raises Gone where its customer was erased."""
        with self._store.database.reading() as connection:
            return self._find(connection, event_id)

    def of(self, customers):
        """{customer_id: [Stored, oldest first]} of those of these customers of whom there is any."""
        found = {}
        with self._store.database.reading() as connection:
            for part in ledger.parts(customers):
                for each in self._of(connection, part):
                    found.setdefault(each.event.customer_id, []).append(each)
        return found

    def of_one(self, customer_id):
        """The Stored of one customer, oldest first."""
        return self.of([customer_id]).get(customer_id, [])

    def all(self):
        """Every event, oldest first; those of erased customers are left out."""
        query = self._mine().where(incoming_records.c.customer_id.is_not(None)).execution_options(yield_per=ledger.CHUNK)
        with self._store.database.reading() as connection:
            yield from map(_stored, connection.execute(query).mappings())

    def append(self, connection, event, decision, crossed, *, after, rules):
        """Store an event with its decision and the crossings it led to, in the transaction that records the decision.

        after: how many events of the customer it was scored with; rules: models.life_cycle.LifeCycle, None without one. Raises Overtaken when the id is stored
        by now, or the customer has other events.
        """
        # In the order in which an erasure locks them, after the decisions' head.
        heads = {name: ledger.locked_head(connection, name) for name in ("incoming_records", "alerts", "alert_steps")}
        if self._find(connection, event.event_id) or len(self._of(connection, [event.customer_id])) != after:
            raise Overtaken("Other events of the customer came meanwhile; send it again.")
        shared = {"made_at": decision.made_at, "source": self._source, "event_id": event.event_id, "decision_id": decision.id}
        ledger.append(connection, heads["incoming_records"], [shared | ledger.sealed(event.customer_id, {name: getattr(event, name) for name in KEPT})])
        seen = [Sighting(event.customer_id, each, event.event_id, decision.id) for each in crossed]
        raised = Alerts(self._store, source=self._source).sight(connection, rules, seen, decision.made_at.date())
        marks = [{"kind": each.kind, "level": each.level, "owner": each.owner, "rules": rules and rules.hash} for each in crossed]
        sealed = [ledger.sealed(event.customer_id, msgspec.to_builtins(each) | {"alert_id": alert_id})
                  for each, (alert_id, _) in zip(crossed, raised, strict=True)]
        ledger.append(connection, heads["alerts"], [shared | mark | seal for mark, seal in zip(marks, sealed, strict=True)])

    def crossed(self, decision_id):
        """[Crossed] of the event that led to a decision, in their order; none of an erased customer."""
        query = sa.select(alerts).where(alerts.c.source == self._source, alerts.c.customer_id.is_not(None), alerts.c.decision_id == decision_id)
        with self._store.database.reading() as connection:
            return [_crossed(row) for row in connection.execute(query.order_by(alerts.c.sequence)).mappings()]

    def _mine(self):
        return sa.select(incoming_records).where(incoming_records.c.source == self._source).order_by(incoming_records.c.sequence)

    def _of(self, connection, customers):
        query = self._mine().where(incoming_records.c.customer_id.in_(customers))
        return [_stored(row) for row in connection.execute(query).mappings()]

    def _find(self, connection, event_id):
        row = connection.execute(self._mine().where(incoming_records.c.event_id == event_id)).mappings().first()
        if row is not None and row["payload"] is None:
            raise Gone(f"The event '{event_id}' was stored, and what is known of its customer was erased since.")
        return None if row is None else _stored(row)


def merged(records, events):
    """A customer's records, {table: rows}, with the rows of events that they do not hold yet, by the tables' keys; None where they hold them all.

    As the ingest does, the first row of a key holds: the records' own before an event's, an earlier event's before a later one's.
    """
    found, grown = {table: list(rows) for table, rows in records.items()}, False
    for table in dict.fromkeys(table for event in events for table in event.records):
        rows = found.setdefault(table, [])
        held = {_key(table, row) for row in rows}
        for row in (row for event in events for row in event.records.get(table, ())):
            key = _key(table, row)
            if key not in held:
                held.add(key)
                rows.append(row)
                grown = True
    return found if grown else None


def in_utc(records):
    """Records with every moment of the contract as ISO text in naive UTC, so that rows of several senders stand in one column."""
    return {table: [_row_in_utc(TABLES[table], row) for row in rows] for table, rows in records.items()}


def digest(records):
    """sha256 hex of records, whatever the order of tables and columns: the same event sent twice has one, also where it leaves known_at to our clock."""
    return hashlib.sha256(msgspec.json.encode(records, order="sorted")).hexdigest()


def _row_in_utc(table, row):
    times = {column.name for column in table.columns if column.kind == "time"}
    return {name: parse_moment(value).isoformat() if name in times and value is not None else value for name, value in row.items() if name != "customer_id"}


def _key(table, row):
    contract = TABLES[table]
    values = [(row.get(name), contract.column(name).kind) for name in contract.key if name != "customer_id"]
    return tuple(parse_moment(value) if kind == "time" else value for value, kind in values)


def _stored(row):
    payload = ledger.opened(row["payload"])
    event = Event(row["event_id"], row["customer_id"], payload["records"], payload["digest"], datetime.fromisoformat(payload["as_of"]))
    return Stored(row["sequence"], row["made_at"], row["decision_id"], event)


def _crossed(row):
    kept = {name: row[name] for name in ("sequence", "made_at", "customer_id", "kind", "level", "owner", "event_id", "decision_id", "rules")}
    told = ledger.opened(row["payload"])
    return Crossed(**kept, **{name: told.get(name) for name in ("alert_id", "severity", "fact", "before", "after", "threshold")})
