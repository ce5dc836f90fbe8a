"""Early warnings as they stand, and what a person does about one: put off or closed, told by the system the person works in."""

from datetime import date
from typing import Annotated

from fastapi import Depends, Path, Query

from models.alert_file import OUTCOMES, OVERDUE
from models.alerts import terms_of
from models.playbooks import DEPARTMENTS
from serving import inbound, messages, openapi
from serving.access import allowed
from serving.alert_words import sentence
from serving.endpoints.bodies import json_answer, read_body
from serving.inbound import Fault, Refused
from serving.values import MAX_MONEY, MAX_TEXT, is_text, shown

READ, ACT = allowed("alerts"), allowed("alert_actions")
MAX_ALERTS = 1000
SNOOZE_FIELDS, CLOSE_FIELDS = ("until", "by", "reason"), ("outcome", "by", "note")
AlertId = Annotated[str, Path(description="The alert_id of an event's answer or of the list.")]


def add(app, service):
    @app.get("/v1/alerts", summary="Early warnings as they stand, by what happened to them last", tags=["alerts"], dependencies=[READ], **openapi.ALERTS)
    def alerts(
        customer_id: str | None = None,
        owner: str | None = Query(None, description=f"The department that has to act: {', '.join(DEPARTMENTS)}."),
        overdue: bool = Query(False, description="Only open ones past their deadline that are not put off."),
        after: int = Query(0, ge=0, lt=MAX_MONEY, description="Only alerts with a higher sequence: the `next` of the answer before. What changes comes again."),
        limit: int = Query(100, ge=1, le=MAX_ALERTS),
    ):
        _check_query(customer_id, owner)
        found = service.alerts().listed(customer_id=customer_id, owner=owner, only_open=overdue, after=after, limit=limit)
        rules, day = _rules(service), _today(service)
        told = [_told(each, rules, day) for each in found if not overdue or each.alert.state(day) == OVERDUE]
        return json_answer({"alerts": told, "next": found[-1].sequence if found else after})

    @app.post("/v1/alerts/{alert_id}/snooze", summary="Put an early warning off", tags=["alerts"], dependencies=[ACT], **openapi.SNOOZE)
    def snooze(alert_id: AlertId, body: Annotated[dict, Depends(read_body)]):
        until = _until(body)
        _check_id(alert_id)
        rules, day = _rules(service), _today(service)
        return json_answer(_told(service.alerts().snooze(rules, alert_id, until, actor=body["by"], note=body["reason"], day=day), rules, day))

    @app.post("/v1/alerts/{alert_id}/close", summary="Close an early warning with what came of it", tags=["alerts"], dependencies=[ACT], **openapi.CLOSE)
    def close(alert_id: AlertId, body: Annotated[dict, Depends(read_body)]):
        _check(body, CLOSE_FIELDS)
        _check_id(alert_id)
        rules, day = _rules(service), _today(service)
        return json_answer(_told(service.alerts().close(rules, alert_id, body["outcome"], actor=body["by"], note=body["note"], day=day), rules, day))


def _rules(service):
    """The life cycle as it was published with the book, or None."""
    return service.book_state("default").published.life_cycle


def _today(service):
    return service.clock().date()


def _told(kept, rules, day):
    """An alert as a caller gets it: the gravest thing seen of it, in figures and words, and how it stands on a day."""
    alert, seen = kept.alert, kept.alert.worst
    return {"alert_id": alert.id, "sequence": kept.sequence, "made_at": kept.made_at, "customer_id": alert.customer_id, "kind": alert.kind, "level": seen.level,
            "severity": alert.severity, "owner": alert.owner, "with": alert.with_whom(terms_of(rules)), "state": alert.state(day),
            "raised_on": alert.raised_on, "seen_on": alert.seen_on, "sightings": alert.sightings, "deadline": alert.deadline, "snoozed_until": alert.until,
            "outcome": alert.outcome, "closed_on": alert.closed_on, "closed_by": alert.closed_by, "note": alert.note, "fact": seen.fact, "before": seen.before,
            "after": seen.after, "threshold": seen.threshold, "event_id": kept.event_id, "decision_id": kept.decision_id, "rules": kept.rules,
            "words": {language: sentence(seen, language=language) for language in messages.LANGUAGES}}


def _check_query(customer_id, owner):
    if customer_id is not None and not is_text(customer_id):
        raise Refused([Fault("/query/customer_id", "text", "a character that no id has")])
    if owner is not None and owner not in DEPARTMENTS:
        raise Refused([Fault("/query/owner", f"one of {', '.join(DEPARTMENTS)}", shown(owner))])


def _check_id(alert_id):
    if not is_text(alert_id):
        raise Refused([Fault("/path/alert_id", "text", "a character that no id has")])


def _check(body, fields):
    faults = [Fault(inbound.path_of(name), f"one of {', '.join(fields)}", "an unknown field") for name in body if name not in fields]
    faults += [Fault(f"/{name}", f"text of 1 to {MAX_TEXT} characters", shown(body.get(name))) for name in fields if not _is_said(body.get(name))]
    if "outcome" in fields and _is_said(body.get("outcome")) and body["outcome"] not in OUTCOMES:
        faults.append(Fault("/outcome", f"one of {', '.join(OUTCOMES)}", shown(body["outcome"])))
    if faults:
        raise Refused(faults)


def _until(body):
    """The day on which an alert that is put off wakes. Raises Refused for any field that is wrong."""
    _check(body, SNOOZE_FIELDS)
    try:
        return date.fromisoformat(body["until"])
    except ValueError:
        raise Refused([Fault("/until", "a day as YYYY-MM-DD", shown(body["until"]))]) from None


def _is_said(value):
    return is_text(value) and bool(value.strip())
