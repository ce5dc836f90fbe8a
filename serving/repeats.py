"""Repeated requests: the header Idempotency-Key (draft-ietf-httpapi-idempotency-key-header) names a request, and the same one gets the first answer.

A row says which decisions a key was first answered with; the answer itself is read from the ledger, so nothing about a person is kept twice.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa

from features.errors import RiskError
from serving.schema import decisions, request_keys

# For how long a key is remembered: longer than any client retries, and a night's batch that failed can be sent again the next day.
RETENTION = timedelta(hours=48)
LONGEST = 255
# A String of RFC 8941, section 3.3.3, or the same characters bare, as many clients send it.
QUOTED, BARE = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"'), re.compile(r"[!#-\[\]-~]+")

FIND = sa.select(request_keys).where(request_keys.c.caller == sa.bindparam("of"), request_keys.c.key == sa.bindparam("named"))
SALTS = sa.select(decisions.c.id, decisions.c.salt).where(decisions.c.id == sa.bindparam("first"))
INSERT = sa.insert(request_keys)
FORGET = sa.delete(request_keys).where(request_keys.c.made_at < sa.bindparam("since"))


class MalformedKey(RiskError):
    """An Idempotency-Key that is none."""


class KeyReused(RiskError):
    """A key that was used before with another request."""


class AnswerErased(RiskError):
    """The first answer was about somebody who has been erased since."""


@dataclass(frozen=True)
class Claim:
    """A request that names itself: who sent it, its key, and the sha256 of its path and body."""

    caller: str
    key: str
    fingerprint: bytes


def claim(headers, *, caller, path, body):
    """The Claim of a request, None without the header. headers: all values of Idempotency-Key. Raises: MalformedKey."""
    if not headers:
        return None
    return Claim(caller, _key(headers), hashlib.sha256(path.encode() + b"\0" + body).digest())


def first_ids(connection, asked, now):
    """Ids of the decisions that a Claim was first answered with, in their order; None for a new one or one that is older than RETENTION.

    Raises: KeyReused for another request under the same key, AnswerErased when the first answer's customer was erased.
    """
    row = connection.execute(FIND, {"of": asked.caller, "named": asked.key}).mappings().first()
    if row is None or row["made_at"] < now - RETENTION:
        return None
    ids = json.loads(row["decision_ids"])
    salt = connection.execute(SALTS, {"first": ids[0]}).one().salt
    if salt is None:
        raise AnswerErased("The answer first given under this Idempotency-Key was erased with its customer; send a new request under another key.")
    if row["request_hash"] != _request_hash(salt, asked):
        raise KeyReused("This Idempotency-Key was used with another request; use a new key for each request, and the same one only to repeat it.")
    return ids


def remember(connection, asked, rows, now):
    """Note the ledger rows that a Claim is answered with, in the transaction that writes them, and forget keys older than RETENTION."""
    connection.execute(FORGET, {"since": now - RETENTION})
    noted = {"request_hash": _request_hash(rows[0]["salt"], asked), "decision_ids": json.dumps([row["id"] for row in rows])}
    connection.execute(INSERT, {"caller": asked.caller, "key": asked.key, "made_at": now, **noted})


def _request_hash(salt, asked):
    """With the decision's own salt, which an erasure takes away: a guessed request cannot be confirmed after it."""
    return hashlib.sha256(salt + asked.fingerprint).hexdigest()


def _key(headers):
    given = headers[0].strip()
    quoted = QUOTED.fullmatch(given)
    key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else given if BARE.fullmatch(given) else ""
    if len(headers) > 1 or not 1 <= len(key) <= LONGEST:
        raise MalformedKey(f'The header Idempotency-Key must be sent once, as 1 to {LONGEST} printable ASCII characters in double quotes, such as a UUID.')
    return key
