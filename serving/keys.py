"""Keys of the service's callers: made, revoked and recognised. A secret is shown once, when its key is made; only its hash is kept."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import date, datetime

import sqlalchemy as sa

from features.errors import RiskError
from serving.schema import keys

# What a key may be for: an endpoint asks for one of these, and a key carries some of them.
SCOPES = {
    "score": "decide on records or features that the caller sends, alone or in a batch",
    "read": "the current risk of a customer or transaction in the book",
    "events": "store an event of a known customer and score it again",
    "reports": "finished reports, each reading logged with its purpose",
    "reviews": "ask for a person's review of a decision, and how it stands",
    "alerts": "early warnings and how they stand",
    "alert_actions": "put an early warning off, or close it",
    "model": "what answers now: bundle, columns, policy",
    "metrics": "figures on the service for Prometheus",
}
PREFIX = "risk"
SECRET_BYTES = 32


@dataclass(frozen=True)
class Key:
    """A key without its secret: created_at and revoked_at are naive UTC, expires_on its last day (UTC), None for no end."""

    id: str
    name: str
    scopes: tuple
    created_at: datetime
    expires_on: date | None
    revoked_at: datetime | None
    digest: str = field(repr=False)

    def refused(self, today):
        """Why it does not hold on a day, or None when it does."""
        if self.revoked_at is not None:
            return f"was revoked on {self.revoked_at.date()}"
        return f"expired on {self.expires_on}" if self.expires_on is not None and today > self.expires_on else None

    def matches(self, secret):
        """Whether a secret is this key's, in a time that says nothing of how much of it is right."""
        return hmac.compare_digest(self.digest, _digest(secret))


class Keys:
    """The keys in a store; every method is one transaction."""

    def __init__(self, store):
        """store: serving.store.Store."""
        self._store = store

    def add(self, name, scopes, *, expires_on=None):
        """Make a key and return (Key, what its holder sends); the latter cannot be had again.

        Raises: RiskError for no name, no scope or an unknown one, and a last day that is past.
        """
        now = self._store.now()
        _check(name, scopes, expires_on, now.date())
        key_id, secret = secrets.token_hex(4), secrets.token_urlsafe(SECRET_BYTES)
        row = {"id": key_id, "digest": _digest(secret), "name": name.strip(), "scopes": ",".join(each for each in SCOPES if each in scopes),
               "created_at": now, "expires_on": expires_on, "revoked_at": None}
        with self._store.database.writing() as connection:
            connection.execute(sa.insert(keys), row)
        return _key(row), f"{PREFIX}_{key_id}_{secret}"

    def revoke(self, key_id):
        """End a key now, for ever, and return it. Raises: RiskError for an unknown key and one revoked before."""
        with self._store.database.writing() as connection:
            found = connection.execute(sa.select(keys).where(keys.c.id == key_id)).mappings().first()
            if found is None:
                raise RiskError(f"there is no key {key_id}: `risk keys list` names them.")
            if found["revoked_at"] is not None:
                raise RiskError(f"key {key_id} ({found['name']}) was revoked on {found['revoked_at'].date()} already.")
            now = self._store.now()
            connection.execute(sa.update(keys).where(keys.c.id == key_id).values(revoked_at=now))
        return _key({**found, "revoked_at": now})

    def all(self):
        """Every key that was ever made, the oldest first."""
        with self._store.database.reading() as connection:
            return [_key(row) for row in connection.execute(sa.select(keys).order_by(keys.c.created_at, keys.c.id)).mappings()]


def split(token):
    """(key id, secret) of what a caller sent; (None, "") where it is not of a key's form."""
    prefix, _, rest = token.partition("_")
    key_id, _, secret = rest.partition("_")
    return (key_id, secret) if prefix == PREFIX and secret else (None, "")


def _digest(secret):
    # One round of SHA-256 and no salt: slow hashes protect what people choose and can be guessed; nobody guesses 256 random bits, and every request pays.
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _check(name, scopes, expires_on, today):
    unknown = sorted(set(scopes) - set(SCOPES))
    if not name.strip():
        raise RiskError("a key needs a name: say whose it is.")
    if unknown:
        raise RiskError(f"the scope {unknown[0]} is unknown: use some of {', '.join(SCOPES)}.")
    if not scopes:
        raise RiskError(f"a key without a scope opens nothing: name some with --scope, of {', '.join(SCOPES)}.")
    if expires_on is not None and expires_on < today:
        raise RiskError(f"a key until {expires_on} would be expired today, {today}: name a later day.")


def _key(row):
    return Key(row["id"], row["name"], tuple(row["scopes"].split(",")), row["created_at"], row["expires_on"], row["revoked_at"], row["digest"])
