"""What a body asks for, checked field by field: the same for one question and for each item of a batch."""

from dataclasses import dataclass
from datetime import timedelta

from serving import inbound
from serving.events import with_events
from serving.inbound import Fault, Refused
from serving.messages import LANGUAGES
from serving.problems import Unknown
from serving.scorer import Asked, Question
from serving.values import parse_moment, shown

# What is asked, whoever asks for it; a request of its own also names the use case and the languages.
ITEM_FIELDS = frozenset({"customer_id", "purpose", "as_of", "requested_amount", "records", "features", "standing", "transaction", "observation"})
SHARED_FIELDS = frozenset({"use_case", "languages"})


@dataclass(frozen=True)
class Known:
    """A known subject to be looked up in the book: a customer, or for fraud a transaction."""

    subject_id: str
    requested_amount: int = 0


def use_case_of(body):
    """The use case a body names, `default` where it names none. Raises Refused for one that is no text."""
    use_case = body.get("use_case", "default")
    if not isinstance(use_case, str):
        raise Refused([Fault("/use_case", "text", "something else")])
    return use_case


def languages_of(body):
    """The languages of the sentences a body asks for, all where it names none, in the service's order."""
    return tuple(each for each in LANGUAGES if each in body.get("languages", LANGUAGES))


def language_faults(body):
    """Faults of the field languages: it lists languages there are words in; an empty list leaves the words out."""
    given = body.get("languages", [])
    if isinstance(given, list) and all(each in LANGUAGES for each in given):
        return []
    return [Fault("/languages", f"a list of {', '.join(LANGUAGES)}, empty for an answer without words", shown(given))]


def item_faults(body, scorer, now, *, known=ITEM_FIELDS):
    """Faults of what is to be scored: records or features, one of them, and what goes with them."""
    return inbound.envelope_faults(body, known=known, required=["customer_id"], now=now) + _content_faults(body, scorer, now)


def asked_of(body, now, *, languages):
    """The Asked in a body whose every field fits."""
    own = (body.get("transaction") or {}) | (body.get("observation") or {})
    question = Question(body["customer_id"], _as_of(body, now), body.get("requested_amount") or 0, own)
    return Asked(question, body.get("features"), body.get("records"), body.get("standing"), languages)


def looked_up(state, known, *, draws, stored=lambda customer_id: (), languages=LANGUAGES):
    """The Asked of a known subject, as the book has it and its stored events since, and the request to keep with its decision.

    draws: whether an amount asked for takes its part of the day, or is only looked at; stored: the Stored (serving.incoming) of a customer; asked only of whom
    the book knows, so no name that a database cannot hold gets there. Raises Unknown for one who is not in the book.
    """
    what = "transaction" if state.scorer.judges_transactions else "customer"
    row = found_in_book(state, known.subject_id, what)
    # The reviewers' queue of the book's transactions was the batch's: looking one up again sends nobody to review.
    as_of, draws = parse_moment(row.score.get("as_of") or state.published.as_of), draws and not state.scorer.judges_transactions
    spent = _beyond_capacity(state.scorer, row) if state.scorer.judges_transactions else 0
    question = Question(row.customer_id, as_of, known.requested_amount, spent=spent, draws=draws)
    request = {what: known.subject_id, "requested_amount": known.requested_amount, "publication": state.published.hash}
    asked = with_events(state, row, question, stored(row.customer_id), languages)
    if asked is None:
        return Asked(question, row.features, row.records, row.score.get("standing"), languages, row=row), request
    return asked, request | {"as_of": asked.question.as_of, "records": asked.records}


def _beyond_capacity(scorer, row):
    """What of the reviewers' day was taken before a transaction of the book: all of it, where the batch passed what it would have had reviewed."""
    return scorer.policy.spec.fraud.daily_capacity if row.score.get("action") == "pass" else 0


def found_in_book(state, subject_id, what):
    """The BookRow of a subject. Raises Unknown."""
    row = state.published.find(subject_id)
    if row is None:
        raise Unknown(f"The {what} '{subject_id}' is not in the book of {state.published.as_of}; score it from its records with POST /v1/score.")
    return row


def _content_faults(body, scorer, now):
    if ("records" in body) == ("features" in body):
        return [Fault("", "either records or features", "both" if "records" in body else "neither")]
    faults = []
    if "records" in body:
        faults += inbound.record_faults(body["records"], customer_id=body.get("customer_id"), now=now, columns=scorer.columns)
    if "features" in body:
        faults += inbound.feature_faults(body["features"], columns=scorer.kinds)
    if "standing" in body:
        faults += inbound.standing_faults(body["standing"])
    if "observation" in body:
        faults += inbound.observation_faults(body["observation"], columns=scorer.own)
    if "transaction" in body and not scorer.judges_transactions:
        faults.append(Fault("/transaction", "nothing, since this model judges customers", "a transaction"))
    elif "transaction" in body or ("records" in body and scorer.judges_transactions):
        faults += inbound.transaction_faults(body.get("transaction"), customer_id=body.get("customer_id"), now=now)
    return faults


def _as_of(body, now):
    """The moment to be judged from: as given; the second before the transaction; or now."""
    if body.get("as_of"):
        return parse_moment(body["as_of"])
    if body.get("transaction"):
        return parse_moment(body["transaction"]["occurred_at"]).replace(microsecond=0) - timedelta(seconds=1)
    return now.replace(microsecond=0)
