"""A recorded decision rebuilt from what it was made of: its features and question, the bundle, policy and context of then, whatever answers today."""

import re
from dataclasses import dataclass, replace

import msgspec

from features.catalogue import build_catalogue
from features.errors import RiskError
from models.policy import parse_policy
from serving.current import scorer_of
from serving.kept import Kept, PublicationDamaged
from serving.last_good import LastGood
from serving.published import BookRow, Published
from serving.scorer import Asked, Question
from serving.service import body_of
from serving.store import Decision

# Parts of an answer that are words for what stands beside them: they follow the message catalogue of the day.
WORDS = frozenset({"sentence", "words"})
# Objects of an answer whose members are fields: one that an answer of today has more says nothing about the old one.
FIELDS = re.compile(r"|/decision|/reasons/\d+")


@dataclass(frozen=True)
class Difference:
    """One place where two values differ: its JSON pointer, what stands there in the first and in the second, UNSET where nothing does."""

    path: str
    then: object
    now: object


@dataclass(frozen=True)
class Recomputed:
    """What today's feature code makes of the records of then, features and standing: `names` are the features compared; `undeclared` those of the bundle that
    today's catalogue does not declare. `why_not`: a sentence where there is nothing to compute from, and then nothing else."""

    why_not: str = ""
    names: tuple = ()
    undeclared: tuple = ()
    differences: tuple = ()


@dataclass(frozen=True)
class Replay:
    """A decision beside its rebuilt answer. differences: in anything but words; reworded: paths whose words are others today; gained: paths that answers did
    not have then; records: whether freshness and sufficiency were computed from records rather than taken as recorded."""

    decision: Decision
    differences: tuple
    reworded: tuple
    gained: tuple
    records: bool
    features: Recomputed

    @property
    def identical(self):
        """Whether the rebuilt answer is the recorded one, apart from words and fields of a later day."""
        return not self.differences


def replay(store, var, decision_id):
    """The Replay of a decision; nothing is written.

    store: serving.store.Store; var: the folder the service reads. Raises RiskError for an unknown or erased decision, one whose row was tampered with, and
    a bundle, policy or context that is gone or is not the one the decision names.
    """
    decision = _decision(store, decision_id)
    return _replayed(store, var, decision, decision.payload)


def _decision(store, decision_id):
    found = store.find_decision(decision_id)
    if found is None:
        raise RiskError(f"There is no decision {decision_id} in the ledger {store.database.name}; `risk ledger list` names the latest.")
    faults = store.faults_of(decision_id)
    if faults:
        raise RiskError(f"Decision {decision_id} is not as it was recorded: {faults[0].detail}; run `risk ledger verify`.")
    if found.compressed is None:
        raise RiskError(f"Decision {decision_id} of {found.made_at:%Y-%m-%d %H:%M} was erased: its hash stays in the ledger, what it rested on is gone.")
    if "question" not in found.payload:
        raise RiskError(f"Decision {decision_id} was recorded by a version that kept no question, so it cannot be rebuilt; `risk ledger show` prints it.")
    return found


def _replayed(store, var, decision, payload):
    question, told = msgspec.convert(payload["question"], Question), payload["answer"]
    past = Published.past(var, decision.source, decision.use_case, told["versions"]["publication"])
    parts = past or Kept(var, told["versions"]["publication"])
    records = _records(payload["request"], past)
    if parts.context().digest() != decision.context:
        raise PublicationDamaged(f"The context of the publication {parts.hash[:12]} is not the one that decision {decision.id} names; restore var/kept.")
    policy, freshness = _policy(store, parts, decision), told["freshness"] if told["sufficiency"]["tables"] is not None else None
    languages = tuple(told["decision"]["words"] or ())
    if "published" in payload:
        row = BookRow(decision.customer_id, payload["features"], payload["published"], records)
        (scored,) = LastGood(parts, policy=policy).scored([Asked(question, row=row, freshness=freshness, languages=languages)])
    else:
        scorer, given = scorer_of(var, decision.bundle, parts, policy=policy), {"records": records, "freshness": freshness, "languages": languages}
        scored = scorer.score_features(payload["features"], question, standing=payload["standing"], **given)
    # Through JSON, as the recorded body went.
    now = msgspec.json.decode(msgspec.json.encode(body_of(scored.answer, decision_id=decision.id, source=decision.source, faults=told["faults"])))
    found = list(differences(told, now))
    words, gained = ([each for each in found if test(each)] for test in (_of_words, _gained))
    recomputed = _recomputed(var, decision, payload, parts, records, question)
    if past is not None:
        past.close()
    return Replay(
        decision,
        differences=tuple(each for each in found if each not in words and each not in gained),
        reworded=tuple(each.path for each in words),
        gained=tuple(each.path for each in gained),
        records=records is not None or freshness is None,
        features=recomputed,
    )


def _policy(store, parts, decision):
    """The policy that the decision names: from the database, where every policy is kept by its hash, or from the publication."""
    text = store.find_policy(decision.policy)
    policy = parts.policy() if text is None else parse_policy(text)
    if policy.hash != decision.policy:
        raise RiskError(f"The policy kept as {decision.policy[:12]} has the hash {policy.hash[:12]}: its text was changed; restore it from a backup.")
    return policy


def _records(request, past):
    """The raw records that a decision was made of, {table: rows}; None where there were none or they are not kept any more."""
    if "records" in request:
        return request["records"]
    row = past.find(_subject(request)) if past is not None and _subject(request) is not None else None
    return None if row is None else row.records


def _subject(request):
    """Whom a request looked up in the book, or None."""
    return request.get("transaction" if "customer" not in request else "customer") if "publication" in request else None


def _recomputed(var, decision, payload, parts, records, question):
    if "published" in payload:
        return Recomputed("Nothing to compute today's features from: no bundle answered then, and the score told was the published one.")
    if records is None:
        why = "the book it was looked up in is not kept any more" if _subject(payload["request"]) else "its features were given, not computed"
        return Recomputed(f"Nothing to compute today's features from: {why}.")
    kept, names = parts.catalogue(), tuple(payload["features"])
    today = build_catalogue(decision.use_case, parts.columns(), preferred_basis=kept.preferred_basis)
    own, given = question.own or _own(payload["request"], records), "records" in payload["request"]
    declared = [name for name in names if name in today.names]
    compared = tuple(name for name in declared if own or given or "observations" not in today[name].needs)
    # What is not declared any more is computed as it was declared then, since a bundle is scored on all its columns.
    mixed = kept.of([today[name] if name in today.names else kept[name] for name in kept.names])
    scored = scorer_of(var, decision.bundle, parts, catalogue=mixed).score_records(records, replace(question, own=own))
    standing = {} if payload["request"].get("standing") else {"standing": payload["standing"]}
    then = {"features": {name: payload["features"][name] for name in compared}} | standing
    now = {"features": {name: scored.values[name] for name in compared}} | dict.fromkeys(standing, scored.standing)
    return Recomputed("", compared, tuple(name for name in names if name not in declared), tuple(differences(then, now)))


def _own(request, records):
    """The own columns of a transaction that was looked up, of which the book's records have the row."""
    rows = records.get("transactions", ()) if "transaction" in request else ()
    return next((row for row in rows if row.get("transaction_id") == request["transaction"]), {})


def differences(then, now, path=""):
    """Every Difference between two JSON values, in the order of the first."""
    if isinstance(then, dict) and isinstance(now, dict):
        for name in [*then, *(name for name in now if name not in then)]:
            place = f"{path}/{str(name).replace('~', '~0').replace('/', '~1')}"
            yield from differences(then.get(name, msgspec.UNSET), now.get(name, msgspec.UNSET), place)
    elif isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        for place, (before, after) in enumerate(zip(then, now, strict=True)):
            yield from differences(before, after, f"{path}/{place}")
    elif type(then) is not type(now) or then != now:
        yield Difference(path, then, now)


def _of_words(difference):
    return not WORDS.isdisjoint(difference.path.split("/"))


def _gained(difference):
    return difference.then is msgspec.UNSET and FIELDS.fullmatch(difference.path.rpartition("/")[0]) is not None
