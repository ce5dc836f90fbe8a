"""An event of a known customer: stored, the customer scored anew with it, and the thresholds that it crossed told, all in one transaction or not at all."""

from dataclasses import asdict, replace
from datetime import timedelta

import numpy as np

from models.alerts import crossings, grade_place
from models.life_cycle import exposure_to_limit, pd_rise
from serving import messages
from serving.alert_words import sentence
from serving.incoming import Conflict, Event, Gone, Overtaken, merged
from serving.life_cycle import LifeCycleLedger
from serving.scorer import Asked, Question
from serving.values import parse_moment

PURPOSE = "event"
# How often a customer's event is scored anew because another of it came first.
ATTEMPTS = 20


def take(service, state, row, sent, *, now, languages):
    """Store an event and return (the body to answer with, whether it is new); one that is stored already gets the answer that it got then.

    row: the customer's serving.published.BookRow; sent: serving.incoming.Sent; now: naive UTC. Raises Conflict for an id under which something else is stored,
    Gone for one whose customer was erased.
    """
    incoming = service.incoming()
    for _ in range(ATTEMPTS):
        stored = incoming.find(sent.event_id)
        if stored is not None:
            return _again(service, incoming, stored, sent, languages), False
        earlier = incoming.of_one(row.customer_id)
        event = Event(**asdict(sent), as_of=_as_of(sent.records, earlier, now))
        try:
            return _record(service, state, row, incoming, event, earlier, languages), True
        except Overtaken:
            continue
    raise Overtaken(f"Other events of the customer came {ATTEMPTS} times while this one was scored; send it again.")


def with_events(state, row, question, stored, languages):
    """The Asked of a known customer with stored events ([Stored]) that the book does not hold yet; None where it holds them all, and where nothing can
    score them."""
    records = merged(row.records or {}, [each.event for each in stored]) if stored and state.scorer.whole else None
    if records is None:
        return None
    as_of = max(question.as_of, *(each.event.as_of for each in stored))
    return _asked(state, row, records, languages, replace(question, as_of=as_of))


def told(crossed, languages=messages.LANGUAGES):
    """What an event crossed (serving.incoming.Crossed) as a caller gets it, with its sentence in words."""
    return asdict(crossed) | {"words": {language: sentence(crossed, language=language) for language in languages}}


def _record(service, state, row, incoming, event, earlier, languages):
    book, past = row.records or {}, [each.event for each in earlier]
    question = Question(row.customer_id, event.as_of)
    asked = [_asked(state, row, merged(book, events) or book, languages, question) for events in (past, [*past, event])]
    before, after = service.scored(state, asked)
    crossed, rules = _crossed(service, state, row, asked, (before, after)), state.published.life_cycle
    request = {"customer_id": row.customer_id, "purpose": PURPOSE, "event_id": event.event_id, "as_of": event.as_of, "records": asked[1].records}
    request |= {"languages": languages} | ({"standing": asked[1].standing} if asked[1].standing else {})

    def store(connection, decisions):
        incoming.append(connection, event, decisions[0], crossed, after=len(earlier), rules=rules)

    (body,) = service.record(state, [after], [request], also=store)
    for each in crossed:
        service.metrics.alerts.labels(each.kind).inc()
    return body | _beside(incoming, event.event_id, body["decision_id"], languages)


def _again(service, incoming, stored, sent, languages):
    if (stored.event.customer_id, stored.event.digest) != (sent.customer_id, sent.digest):
        raise Conflict(f"The event '{stored.event.event_id}' is stored with other content; give a new event an id of its own.")
    decision = service.ledger().find_decision(stored.decision_id)
    if decision.payload is None:
        raise Gone(f"The event '{stored.event.event_id}' is stored, and the answer to it was erased since.")
    return decision.payload["answer"] | {"made_at": decision.made_at} | _beside(incoming, stored.event.event_id, decision.id, languages)


def _beside(incoming, event_id, decision_id, languages):
    return {"event_id": event_id, "alerts": [told(each, languages) for each in incoming.crossed(decision_id)]}


def _asked(state, row, records, languages, question):
    # What only the book knows of a standing, such as a default, the records cannot say.
    known = {name: value for name, value in (row.score.get("standing") or {}).items() if name not in state.scorer.stands}
    return Asked(question, None, records, known, languages)


def _as_of(records, earlier, now):
    """The moment from which an event can be seen: now, or what its sender's clock, a little ahead of ours, says; never before that of an earlier one."""
    known = [parse_moment(each["known_at"]) for rows in records.values() for each in rows]
    ceiled = [moment.replace(microsecond=0) + timedelta(seconds=moment.microsecond > 0) for moment in known]
    return max(now.replace(microsecond=0), *ceiled, *(each.event.as_of for each in earlier))


def _crossed(service, state, row, asked, scored):
    """The crossings between two scores of a customer, by the life cycle that was published with the book; none where none was."""
    if state.published.life_cycle is None:
        return []
    standing = LifeCycleLedger(service.ledger(), service.settings.source).standing(row.customer_id)
    reference = np.nan if standing is None or standing.reference_pd is None else standing.reference_pd
    facts = [_facts(each, known, reference) for each, known in zip(scored, state.scorer.facts(asked), strict=True)]
    probability = row.score.get(state.scorer.bundle.manifest.probability_name)
    published = {"grade": grade_place(row.score.get("grade")), "pd_12m": np.nan if probability is None else probability}
    return crossings(state.published.life_cycle, *facts, published=published)


def _facts(scored, known, reference):
    answer = scored.answer
    facts = {name: np.nan if value is None else value for name, value in ({**scored.standing, **known}).items()}
    ratio = exposure_to_limit(np.maximum(facts.get("exposure", np.nan), 0), answer.decision["risk_limit"])
    own = {"pd_12m": answer.probability, "pd_rise": float(pd_rise(answer.probability, reference)), "grade": grade_place(answer.grade)}
    return facts | own | {"exposure_to_limit": float(ratio)}

