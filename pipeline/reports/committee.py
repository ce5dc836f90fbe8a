"""The committee's monthly pack: what is to be decided, what became of earlier decisions, the figures behind it, and what each department has to do."""

from models.playbooks import DEPARTMENTS
from pipeline.reports.committee_alerts import department_warnings, named_in, overdue_warnings
from pipeline.reports.model_health import model_health_view
from pipeline.reports.portfolio import loss_rate, risk_view, tiles
from pipeline.reports.portfolio_figures import grades_figure
from pipeline.reports.portfolio_health import health_view
from pipeline.reports.portfolio_moves import moves_of
from pipeline.reports.portfolio_risk import customers_of, largest

MOST, LISTED = 10, 15
# States in which the owner department has something to do.
WATCHED = ("onboarding", "watch", "restrict", "run_down", "re_entry")
STRICTEST = ("run_down", "restrict", "watch", "re_entry", "onboarding")
COMMITTEE = "committee"


def shown_customers(book, facts, policy):
    """Ids of the customers that the pack may name."""
    ids = {each["customer_id"] for each in (*moves_of(book, most=MOST), *largest(book, loss_rate(policy)))}
    ids |= {each.customer_id for each in (*facts.missed[:LISTED], *facts.in_force, *facts.granted, *facts.decided, *facts.asked)}
    ids |= named_in(facts.warnings, facts.night)
    for department in DEPARTMENTS:
        ids |= {each.customer_id for each in (*_cases_of(facts, department)[:LISTED], *_steps_of(facts, department)[:LISTED])}
    return ids - {None}


def committee_view(book, facts, *, policy, fields, names, beside, words):
    """Everything the pack shows, in one language. facts: pipeline.committee_pack.Month; the other arguments as in `portfolio_view`."""
    about = customers_of(book)
    held = dict(zip(about["customer_id"].tolist(), zip(about["grade"], about["exposure"], strict=True), strict=True))

    def person(customer):
        return {"id": customer, "name": names.get(customer), "link": None}

    risk = risk_view(book, fields, names, {}, policy, beside, words, most=MOST)
    return {
        "title": words("committee.title", month=words.month_name(facts.first)), "currency": policy.currency, "weighted": bool(risk["concentration"]), **risk,
        "age": (facts.day - book.as_of.date()).days, "day": facts.day,
        "tiles": [*tiles(book, policy, words), (words("tile.missed"), words.count(len(facts.missed)), ""),
                  (words("tile.watched"), words.count(sum(each.state in WATCHED for each in facts.cases)), words("tile.watched.note"))],
        "agenda": agenda(book, facts, words, currency=policy.currency), "decided": [_decided(each, facts, person, words) for each in facts.decided],
        "grades": grades_figure(book, words), "state_moves": _state_moves(facts, words),
        "missed": [_missed(each, held, person, words) for each in facts.missed[:LISTED]], "missed_count": len(facts.missed),
        "reviewed": _reviewed(facts, words), "overrides": _overrides(facts, person, words),
        "hit_rates": [_hit_rate(each, words) for each in facts.hit_rates if each["reason_code"] is None and each["made"]], "proven": health_view(book, words),
        "health": model_health_view(facts.health, words, use_case=book.use_case, bundle=book.bundle),
        "warnings": department_warnings(facts.warnings, facts.night, person, words),
        "model": _model(facts, words), "departments": [_department(each, facts, held, person, words) for each in DEPARTMENTS],
    }


def agenda(book, facts, words, *, currency):
    """What the figures call for, (department in words, sentence): an empty list where they call for nothing. currency: the policy's."""
    found = [*_people_items(facts, words), *_book_items(book, facts, words, currency), *_model_items(facts, words)]
    return [(words(f"department.{department}"), sentence) for department, sentence in found]


def _people_items(facts, words):
    if facts.missed:
        oldest = facts.missed[0].days_late
        yield facts.owners["reviews"], words("agenda.reviews", count=words.count(len(facts.missed)), days=words.days(oldest))
    for department in DEPARTMENTS:
        late = [each for each in _cases_of(facts, department) if _late(each, facts)]
        if late:
            yield department, words("agenda.cases", count=words.count(len(late)))
        steps = [each for each in _steps_of(facts, department) if each.late]
        if steps:
            yield department, words("agenda.steps", count=words.count(len(steps)))
    for department, late in overdue_warnings(facts.warnings, facts.night):
        yield department, words("agenda.warnings", count=words.count(late))
    asked = [each for each in facts.asked if each.days_late(facts.day)]
    if asked:
        yield "legal", words("agenda.asked", count=words.count(len(asked)))
    overdue = [each for each in facts.decided if each.state(facts.day) == "overdue"]
    if overdue:
        yield COMMITTEE, words("agenda.overdue", count=words.count(len(overdue)))
    if facts.expiring:
        yield COMMITTEE, words("agenda.expiring", count=words.count(len(facts.expiring)))
    for each in facts.hit_rates:
        if each["reason_code"] is None and each["verdict"] == "worse":
            rates = {"rate": each["rate"], "comparable": each["comparable_rate"]}
            yield COMMITTEE, words(f"agenda.overrides.{each['direction']}", **{name: words.percent(rate, 0) for name, rate in rates.items()})


def _book_items(book, facts, words, currency):
    arrays = book.arrays
    over = arrays["exposure"] > arrays["limit"]
    if over.any():
        excess = float((arrays["exposure"] - arrays["limit"])[over].sum())
        yield facts.owners["limits"], words("agenda.limits", count=words.count(int(over.sum())), amount=words.money(excess, currency))
    ours = (arrays["route"] == COMMITTEE) & (arrays["exposure"] > 0)
    if ours.any():
        yield COMMITTEE, words("agenda.route", count=words.count(int(ours.sum())), amount=words.money(float(arrays["exposure"][ours].sum()), currency))
    if facts.spent:
        yield "finance", words("agenda.budget", count=words.count(len(facts.spent)), budget=words.amount(facts.budget, currency),
                                last=words.date(facts.spent[-1][0]))


def _model_items(facts, words):
    gate = facts.gate
    if gate and gate["verdict"] == "promote" and gate["bundle"] != gate["champion"]:
        yield COMMITTEE, words("agenda.promote", bundle=gate["bundle"][:12])
    elif gate and gate["bundle"] != gate["champion"]:
        failed = words("list.between").join(words(f"check.{each['check']}") for each in gate["reasons"] if not each["passed"])
        yield COMMITTEE, words("agenda.keep", bundle=gate["bundle"][:12], checks=failed)
    if facts.health.retrain and facts.health.retrain["action"] != "none":
        yield COMMITTEE, words(f"agenda.retrain.{facts.health.retrain['action']}")
    if facts.health.drift and facts.health.drift["verdict"] == "severe":
        yield COMMITTEE, words("agenda.drift", count=words.count(len(facts.health.drift["reasons"])))


def _decided(each, facts, person, words):
    state = each.state(facts.day)
    return {"decision": each, "who": person(each.customer_id) if each.customer_id else None, "state_id": state, "state": words(f"decided.{state}"),
            "new": each.decided_at.date() >= facts.first, "department": words(f"department.{each.department}")}


def _late(case, facts):
    return case.deadline is not None and case.deadline < facts.night


def _cases_of(facts, department):
    """Cases that the department has to act on, the strictest state first and in it the earliest deadline."""
    mine = [each for each in facts.cases if each.owner == department and each.state in WATCHED]
    return sorted(mine, key=lambda each: (STRICTEST.index(each.state), each.deadline or facts.day.max, each.customer_id))


def _steps_of(facts, department):
    return [each for each in facts.steps if each.department == department]


def _department(name, facts, held, person, words):
    cases, steps = _cases_of(facts, name), _steps_of(facts, name)
    states = [(words.named("state", state), sum(each.state == state for each in cases), sum(each.state == state and _late(each, facts) for each in cases))
              for state in STRICTEST]
    shown = [{"who": person(each.customer_id), "state": words.named("state", each.state), "since": each.since, "reason": words.named("trigger", each.reason),
              "deadline": each.deadline, "late": _late(each, facts), "grade": held.get(each.customer_id, (None, None))[0],
              "exposure": held.get(each.customer_id, (None, None))[1]} for each in cases[:LISTED]]
    due = [{"who": person(each.customer_id) if each.customer_id else None, "playbook": words.named("playbook", each.playbook),
            "step": words.named("step", each.step), "due": each.due_at.date(), "late": each.late} for each in steps[:LISTED]]
    return {"name": words(f"department.{name}"), "id": name, "states": [each for each in states if each[1]], "cases": shown, "case_count": len(cases),
            "steps": due, "step_count": len(steps), "asked": len(facts.asked) if name == "legal" else 0,
            "reviews": len(facts.missed) if name == facts.owners["reviews"] else 0,
            "decisions": [_decided(each, facts, person, words) for each in facts.decided if each.department == name and each.outcome is None]}


def _state_moves(facts, words):
    """Moves between states within the month, (from, to, customers), the most frequent first."""
    ordered = sorted(facts.moves.items(), key=lambda pair: (-pair[1], pair[0]))
    return [(words.named("state", start), words.named("state", to), words.count(count)) for (start, to), count in ordered]


def _missed(each, held, person, words):
    grade, exposure = held.get(each.customer_id, (None, None))
    return {"who": person(each.customer_id), "grade": grade or words.named("review_grade", each.grade), "due": each.due_on, "late": each.days_late,
            "exposure": exposure}


def _reviewed(facts, words):
    late = sum(each.days_late > 0 for each in facts.reviewed)
    return words("reviews.done", count=words.count(len(facts.reviewed)), late=words.count(late))


def _overrides(facts, person, words):
    """Those in force or granted in the month, the first to end on top."""
    ids = {each.id: each for each in (*facts.in_force, *facts.granted)}
    rows = sorted(ids.values(), key=lambda each: (each.expires_on, each.customer_id))
    return {"said": words("overrides.said", in_force=words.count(len(facts.in_force)), granted=words.count(len(facts.granted)),
                          expiring=words.count(len(facts.expiring))),
            "rows": [_override(each, person, words) for each in rows[:LISTED]], "count": len(rows)}


def _override(each, person, words):
    return {"who": person(each.customer_id), "direction": words(f"direction.{each.direction}"), "code": words.named("override_code", each.reason_code),
            "reason": each.reason, "by": each.author, "approver": each.approver, "until": each.expires_on, "grade": each.said.grade}


def _hit_rate(each, words):
    if each["rate"] is None:
        return words(f"hit.open.{each['direction']}", made=words.count(each["made"]))
    said = words(f"hit.{each['direction']}", made=words.count(each["made"]), matured=words.count(each["matured"]), rate=words.percent(each["rate"], 0),
                 low=words.percent(each["low"], 0), high=words.percent(each["high"], 0))
    if each["comparable_rate"] is None:
        return said
    return said + words("hit.comparable", rate=words.percent(each["comparable_rate"], 0)) + words(f"hit.verdict.{each['verdict'] or 'open'}")


def _model(facts, words):
    """What the gate says of the candidate, where the stage has run."""
    said = []
    if facts.gate:
        said.append(words("model.same") if facts.gate["bundle"] == facts.gate["champion"] else words(f"model.gate.{facts.gate['verdict']}"))
    return said

