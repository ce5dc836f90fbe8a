"""The one operational database: what was decided and what was promoted, each appended once to a hash chain, and the policies they name."""

import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime

import sqlalchemy as sa

from features.errors import RiskError
from serving import chain, daily_spend, ledger, repeats
from serving.chain import Head
from serving.clocks import refuse_ledger_ahead
from serving.daily_spend import Draw
from serving.database import Database
from serving.ledger import CHUNK
from serving.schema import CHAINS, REVISION, decisions, heads, metadata, policies, promotions

# Actions of the promotion ledger that change the champion.
CHANGES = ("promote", "rollback")
# Tables that hold customers and are no chain: their rows can be deleted.
PLAIN = [table for table in metadata.sorted_tables if "customer_id" in table.c and table.name not in CHAINS]
# Built once: SQLAlchemy takes longer to build and recognise a statement than SQLite to run it.
LAST_MADE = sa.select(decisions.c.made_at).where(decisions.c.sequence == sa.select(heads.c.count).where(heads.c.chain == "decisions").scalar_subquery())
BY_ID = sa.select(decisions).where(decisions.c.id.in_(sa.bindparam("ids", expanding=True)))


@dataclass(frozen=True)
class Entry:
    """A decision to record: payload is anything JSON can carry, bundle, policy and context are hashes; no decision_id means a new one. With a draw the
    payload is what that decides, see `serving.daily_spend`, and the one given is not read."""

    use_case: str
    source: str
    customer_id: str
    bundle: str
    policy: str
    context: str
    payload: Mapping | None
    decision_id: str | None = None
    draw: Draw | None = None


def _nothing():
    pass


@dataclass(frozen=True)
class Recording:
    """The decisions of one request. entries: any iterable; each is sealed as it comes, and the transaction begins after the last. claim: as the request named
    itself (serving.repeats); one that was answered before gets the decisions of then, and nothing is recorded. begin: called in the transaction before the
    first row; a RiskError that it raises leaves this recording out."""

    entries: Iterable
    claim: repeats.Claim | None = None
    begin: Callable = _nothing


@dataclass(frozen=True)
class Decision:
    """A recorded decision; customer_id and payload are None once erased, made_at is naive UTC, compressed the payload's JSON under zlib; given: the payload as
    it was recorded just now, None of one that was read."""

    sequence: int
    id: str
    made_at: datetime
    use_case: str
    source: str
    bundle: str
    policy: str
    context: str
    payload_hash: str
    customer_id: str | None
    hash: str
    compressed: bytes | None
    given: Mapping | None = field(default=None, repr=False, compare=False)

    @property
    def payload(self):
        """What the caller recorded, decoded; None once erased."""
        return ledger.opened(self.compressed)


STORED = tuple(name for name in Decision.__dataclass_fields__ if name not in ("compressed", "given"))


@dataclass(frozen=True)
class Promotion:
    """An entry of the promotion ledger: made_at is naive UTC, action one of CHANGES or of request, shadow and shadow_end (pipeline.promote), which change no
    champion; bundle is the one that becomes champion, is asked for or is tried, previous_bundle the champion before; policy the hash of the policy in force
    from then on; evidence what the gate and the measurements said."""

    sequence: int
    made_at: datetime
    use_case: str
    source: str
    action: str
    bundle: str
    previous_bundle: str | None
    policy: str | None
    actor: str
    reason: str
    evidence: dict = field(default_factory=dict)
    hash: str = ""


def utc_now():
    """The present moment as naive UTC, to the microsecond that both databases keep."""
    return datetime.now(UTC).replace(tzinfo=None)


class Store:
    """The operational database behind a URL; every method is one transaction and raises StoreUnavailable, a RiskError, when it cannot be used."""

    def __init__(self, url, *, clock=utc_now, busy_seconds=10, pool_size=8):
        """url: SQLite file or URL, or a PostgreSQL URL; clock gives naive UTC; busy_seconds: how long to wait for another writer."""
        self.database = Database(url, busy_seconds=busy_seconds, pool_size=pool_size)
        self._clock = clock

    def open(self):
        """Bring the tables up to date and return the store."""
        self.migrate()
        return self

    def close(self):
        """Close all connections."""
        self.database.close()

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.close()

    def migrate(self):
        """Run the migrations the database lacks; several processes may call it at once. Raises RiskError for a database of a newer version."""
        if self.revision() != REVISION:
            with self.database.migrating() as connection:
                _upgrade(connection, self.database.name)

    def revision(self):
        """The newest migration the database has, or None for an empty one."""
        with self.database.reading() as connection:
            if not sa.inspect(connection).has_table("alembic_version"):
                return None
            return connection.execute(sa.text("select version_num from alembic_version")).scalar()

    def now(self):
        """The present moment by the store's clock, naive UTC."""
        return self._clock()

    def check(self):
        """Raise StoreUnavailable unless the database answers and has its tables, ClockBehind when its last decision is of a later moment than now."""
        with self.database.reading() as connection:
            refuse_ledger_ahead(self._clock(), connection.execute(LAST_MADE).scalar())

    # --- decisions -------------------------------------------------------------------------------------------------------------

    def record_decision(self, entry, *, claim=None):
        """Append one decision to the ledger and return it as recorded; see record_decisions."""
        return self.record_decisions([entry], claim=claim)[0]

    def record_decisions(self, entries, *, claim=None, also=None):
        """Append decisions in one transaction, all or none, and return them as recorded, in the order given.

        entries, claim: as in Recording; also(connection, decisions): what else belongs into the transaction, done last. Raises RiskError for a payload that
        JSON cannot carry, ClockBehind when the last decision was made after now, StoreUnavailable for an id that the ledger has already, and as `answered`.
        """
        (recorded,) = self.record_each([Recording(entries, claim)], also=also)
        if isinstance(recorded, RiskError):
            raise recorded
        return recorded

    def record_each(self, recordings, *, also=None):
        """Append the decisions of several requests in one transaction; returns for each its decisions, or the RiskError that left it out.

        No two may have the same claim. also: see record_decisions, for one recording. Raises, with nothing recorded of any: RiskError for a payload that JSON
        cannot carry, StoreUnavailable.
        """
        now = self._clock()
        sealed = [[(entry, _decision_content(entry, now)) for entry in each.entries] for each in recordings]
        with self.database.writing() as connection:
            # Whoever holds the head sees every claim that was answered: of two requests with one key the second finds the first.
            head, last, days = ledger.locked_head(connection, "decisions"), connection.execute(LAST_MADE).scalar(), daily_spend.Days(connection)
            outcomes = [_not_recorded(connection, each, now, last) for each in recordings]
            drawn = [[_drawn(days, *pair) for pair in pairs] if outcome is None else [] for outcome, pairs in zip(outcomes, sealed, strict=True)]
            days.keep()
            rows = iter(ledger.append(connection, head, [content for part in drawn for _, content in part]))
            for place, (each, part) in enumerate(zip(recordings, drawn, strict=True)):
                if outcomes[place] is None:
                    outcomes[place] = [_decision(next(rows), payload) for payload, _ in part]
                    if each.claim is not None:
                        repeats.remember(connection, each.claim, [content for _, content in part], now)
                    if also:
                        also(connection, outcomes[place])
        return outcomes

    def answered(self, claim):
        """The decisions that a request was first answered with, in their order, or None for a new one.

        Raises: KeyReused for another request under the same key, AnswerErased when the customer of one was erased.
        """
        with self.database.reading() as connection:
            return _answered(connection, claim, self._clock())

    def find_decision(self, decision_id, *, connection=None):
        """The decision with this id, or None; connection: of the transaction it is looked up in, which must not wait for a second connection."""
        with self.database.reading() if connection is None else nullcontext(connection) as connection:
            found = _decisions_by_id(connection, [decision_id])
        return _decision(found[decision_id]) if found else None

    def faults_of(self, decision_id):
        """Faults of one decision's row by itself, see `verify`; none for an id that is not there."""
        with self.database.reading() as connection:
            rows, forgotten = list(_decisions_by_id(connection, [decision_id]).values()), ledger.erased(connection)
        return [*(fault for row in rows for fault in chain.own_faults(row, "decisions")), *ledger.payload_faults(rows, "decisions", forgotten)]

    def history(self, *, customer_id=None, use_case=None, source=None, since=None, until=None, limit=100):
        """Decisions newest first, at most limit of them, made in [since, until) (naive UTC); a filter left out does not filter."""
        query = sa.select(decisions).order_by(decisions.c.sequence.desc()).limit(limit)
        for column, value in (("customer_id", customer_id), ("use_case", use_case), ("source", source)):
            query = query if value is None else query.where(decisions.c[column] == value)
        query = query if since is None else query.where(decisions.c.made_at >= since)
        query = query if until is None else query.where(decisions.c.made_at < until)
        with self.database.reading() as connection:
            return [_decision(row) for row in connection.execute(query).mappings()]

    def erase_customer(self, customer_id, *, actor, reason):
        """Erase a customer's identifier and payloads from every ledger that holds persons, and its rows from every other table; note it in the erasure ledger,
        and return how many rows of ledgers it was.

        The rows' hashes stay, so the chain stays whole; what SQLite deletes is overwritten (secure_delete).
        """
        with self.database.writing() as connection:
            found = ledger.erase(connection, customer_id, made_at=self._clock(), actor=actor, reason=reason)
            for table in PLAIN:
                connection.execute(sa.delete(table).where(table.c.customer_id == customer_id))
        return sum(found.values())

    def spends(self, *, source=None, since=None):
        """What days have spent of what the policy allows for a day, newest first: see `serving.daily_spend.spends`."""
        with self.database.reading() as connection:
            return daily_spend.spends(connection, source=source, since=since)

    # --- promotions and policies -----------------------------------------------------------------------------------------------

    def record_promotion(self, *, use_case, source, bundle, previous_bundle, actor, reason, evidence, policy=None, action="promote"):
        """Append one entry to the promotion ledger and return it as recorded; evidence: a mapping that JSON can carry."""
        content = {
            "use_case": use_case,
            "source": source,
            "action": action,
            "bundle": bundle,
            "previous_bundle": previous_bundle,
            "policy": policy,
        }
        content |= {"actor": actor, "reason": reason, "evidence": ledger.to_json(evidence, "evidence").decode(), "made_at": self._clock()}
        with self.database.writing() as connection:
            (row,) = ledger.append(connection, ledger.locked_head(connection, "promotions"), [content])
        return _promotion(row)

    def promotions(self, *, use_case=None, source=None, every=False):
        """All changes of champion, or with `every` all entries of the promotion ledger, oldest first; a filter left out does not filter."""
        query = sa.select(promotions).order_by(promotions.c.sequence)
        query = query if every else query.where(promotions.c.action.in_(CHANGES))
        query = query if use_case is None else query.where(promotions.c.use_case == use_case)
        query = query if source is None else query.where(promotions.c.source == source)
        with self.database.reading() as connection:
            return [_promotion(row) for row in connection.execute(query).mappings()]

    def champion_on(self, moment, *, use_case, source):
        """The promotion in force at a moment (naive UTC, inclusive), or None when there was no champion yet."""
        past = [one for one in self.promotions(use_case=use_case, source=source) if one.made_at <= moment]
        return past[-1] if past else None

    def record_policy(self, policy_hash, content):
        """Keep a policy's text under its hash; a second call with the same hash changes nothing."""
        with self.database.writing() as connection:
            # Any row that all writers lock will do: two processes that meet a new policy at once must not both insert it.
            ledger.locked_head(connection, "promotions")
            if connection.execute(sa.select(policies.c.hash).where(policies.c.hash == policy_hash)).first() is None:
                connection.execute(sa.insert(policies), {"hash": policy_hash, "content": content, "first_seen_at": self._clock()})

    def find_policy(self, policy_hash):
        """The text kept under a policy's hash, or None."""
        with self.database.reading() as connection:
            return connection.execute(sa.select(policies.c.content).where(policies.c.hash == policy_hash)).scalar()

    # --- proof -----------------------------------------------------------------------------------------------------------------

    def heads(self):
        """Every chain's head, to be noted down outside the database at intervals and given to verify later."""
        with self.database.reading() as connection:
            return [Head(**row) for row in connection.execute(sa.select(heads).order_by(heads.c.chain)).mappings()]

    def verify(self, *, anchors=()):
        """Walk every chain and return its faults, one per row and none when the ledgers are whole; anchors are heads noted down earlier.

        Rows with a payload are also checked against its hash, unless the erasure ledger names them. Memory does not grow with the ledger.
        """
        with self.database.reading() as connection:
            forgotten = ledger.erased(connection)
            faults = [fault for name in CHAINS for fault in _walked(connection, name)]
            faults += [fault for name in ledger.PERSONAL for fault in ledger.payload_faults(ledger.ordered(connection, name), name, forgotten)]
            for anchor in anchors:
                faults += chain.anchor_faults(_hash_at(connection, anchor), anchor)
        return list({(fault.chain, fault.sequence): fault for fault in reversed(faults)}.values())[::-1]


def _walked(connection, name):
    head = ledger.head_of(connection, name)
    return [chain.headless(name)] if head is None else chain.walk(ledger.ordered(connection, name), head)


def _upgrade(connection, database):
    # Imported here because alembic takes 0.4 s, which a service with an up-to-date database need not pay.
    from alembic import command, util
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", "serving:migrations")
    try:
        command.upgrade(config, "head")
    except util.CommandError as error:
        raise RiskError(f"The operational database {database} is of a version this program does not know ({error}); use the newer program.") from error


def _decision_content(entry, made_at):
    return {
        "id": entry.decision_id or str(uuid.uuid4()),
        "made_at": made_at,
        "use_case": entry.use_case,
        "source": entry.source,
        "bundle": entry.bundle,
        "policy": entry.policy,
        "context": entry.context,
        **({} if entry.draw else ledger.sealed(entry.customer_id, entry.payload)),
    }


def _answered(connection, claim, now):
    ids = repeats.first_ids(connection, claim, now)
    if ids is None:
        return None
    found = _decisions_by_id(connection, ids)
    return [_decision(found[each]) for each in ids]


def _not_recorded(connection, recording, now, last):
    """What a recording has instead of new decisions: the first ones of its claim, or the RiskError that leaves it out; None where it is to be recorded."""
    try:
        recording.begin()
        first = None if recording.claim is None else _answered(connection, recording.claim, now)
        if first is None:
            refuse_ledger_ahead(now, last)
        return first
    except RiskError as error:
        return error


def _drawn(days, entry, content):
    """(payload, content) of a decision, of one that draws on its day decided now."""
    if entry.draw is None:
        return entry.payload, content
    payload = days.draw(entry, content["made_at"])
    return payload, content | ledger.sealed(entry.customer_id, payload)


def _decisions_by_id(connection, ids):
    found = {}
    for start in range(0, len(ids), CHUNK):
        rows = connection.execute(BY_ID, {"ids": ids[start : start + CHUNK]}).mappings()
        found |= {row["id"]: row for row in rows}
    return found


def _decision(row, given=None):
    return Decision(**{name: row[name] for name in STORED}, compressed=row["payload"], given=given)


def _promotion(row):
    kept = {name: row[name] for name in Promotion.__dataclass_fields__ if name != "evidence"}
    return Promotion(**kept, evidence=json.loads(row["evidence"]))


def _hash_at(connection, anchor):
    table = CHAINS[anchor.chain]
    query = sa.select(table.c.sequence, table.c.hash).where(table.c.sequence == anchor.count)
    return {row.sequence: row.hash for row in connection.execute(query)}
