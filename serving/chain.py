"""A ledger's hash chain: how a row's hash is made from its content and its predecessor, and what a walk along the chain finds."""

import hashlib
from dataclasses import dataclass

import msgspec

# What the first row of a chain names as its predecessor.
ORIGIN = "0" * 64
# Columns that a person's right to erasure may empty: no row's hash covers them, only payload_hash does, which stays.
ERASABLE = frozenset({"customer_id", "salt", "payload"})


@dataclass(frozen=True)
class Head:
    """A chain's length and the hash of its last row; kept outside the database it anchors everything before it."""

    chain: str
    count: int
    hash: str


@dataclass(frozen=True)
class Fault:
    """One sign of tampering: the chain, the first row it concerns, its kind (changed, inserted, removed, truncated, erased) and a sentence."""

    chain: str
    sequence: int
    kind: str
    detail: str


def row_hash(previous_hash, content):
    """Hash of a row: sha256 in hex over the JSON list of its predecessor's hash and its content's values in the order of their names.

    content: mapping of column to string, integer, None, date or naive UTC datetime, without the columns that may be erased.
    """
    values = [content[name] for name in sorted(content)]
    return hashlib.sha256(msgspec.json.encode([previous_hash, *values])).hexdigest()


def payload_hash(salt, customer_id, payload):
    """Hash of what may be erased: sha256 in hex over a secret salt, the customer and the payload's bytes before compression.

    Without the salt, which is erased with them, a guessed customer or payload cannot be confirmed from the hash that stays.
    """
    return hashlib.sha256(salt + msgspec.json.encode(customer_id) + b"\n" + payload).hexdigest()


def link(head, contents):
    """Rows ready to append after the head, and the head that follows: each gets sequence, previous_hash and hash."""
    rows = []
    for content in contents:
        numbered = {**content, "sequence": head.count + 1}
        digest = row_hash(head.hash, {name: value for name, value in numbered.items() if name not in ERASABLE})
        rows.append({**numbered, "previous_hash": head.hash, "hash": digest})
        head = Head(head.chain, head.count + 1, digest)
    return rows, head


def walk(rows, head):
    """Faults of a chain, in order of sequence.

    rows: mappings of all columns, ascending by sequence. head: what the database says the chain's end is.
    A row replaced by one that is consistent in itself is found by the link of the row after it, or by the head.
    """
    expected, previous = 1, ORIGIN
    for row in rows:
        yield from _row_faults(row, head, expected, previous)
        expected, previous = row["sequence"] + 1, row["hash"]
    yield from _end_faults(head, expected - 1, previous)


def headless(chain):
    """The fault of a chain whose head is gone: without it nobody can append, and the end cannot be told."""
    return Fault(chain, 0, "removed", f"the head of {chain} is gone from the table heads")


def own_faults(row, chain):
    """The fault of a row that differs from its own hash, if it does."""
    content = {name: value for name, value in row.items() if name not in ERASABLE | {"previous_hash", "hash"}}
    if row_hash(row["previous_hash"], content) != row["hash"]:
        yield Fault(chain, row["sequence"], "changed", f"row {row['sequence']} of {chain} differs from its own hash")


def _row_faults(row, head, expected, previous):
    number, chain = row["sequence"], head.chain
    if number > head.count:
        yield Fault(chain, number, "inserted", f"row {number} of {chain} stands after the head, which counts {head.count} rows")
    elif number > expected:
        yield Fault(chain, expected, "removed", f"rows {expected} to {number - 1} of {chain} are gone")
    elif own := list(own_faults(row, chain)):
        yield from own
    elif row["previous_hash"] != previous:
        yield Fault(chain, number - 1, "changed", f"row {number} of {chain} does not follow row {number - 1}: that one was replaced")


def _end_faults(head, last, last_hash):
    if last < head.count:
        yield Fault(head.chain, last + 1, "truncated", f"rows {last + 1} to {head.count} of {head.chain} are gone from the end")
    if last == head.count and last_hash != head.hash:
        yield Fault(head.chain, last, "changed", f"row {last} of {head.chain} is not the one its head names")


def anchor_faults(rows, anchor):
    """Faults of a chain against a head noted down earlier outside the database: the row it counts must still carry its hash.

    rows: mapping of sequence to hash for the anchored row only (empty when it is gone).
    """
    found = rows.get(anchor.count, ORIGIN if anchor.count == 0 else None)
    if found is None:
        yield Fault(anchor.chain, anchor.count, "truncated", f"row {anchor.count} of {anchor.chain}, anchored outside the database, is gone")
    elif found != anchor.hash:
        detail = f"{anchor.chain} up to row {anchor.count} is not what was anchored outside the database"
        yield Fault(anchor.chain, anchor.count, "changed", detail)
