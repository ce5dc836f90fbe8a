"""Early warning in the committee's pack: what is open, overdue and passed on at each department."""

from collections import Counter

from models.alert_file import ASLEEP, OPEN, OVERDUE, SEVERITIES
from models.playbooks import DEPARTMENTS
from serving.alert_words import sentence

LISTED = 15


def department_warnings(warnings, day, person, words):
    """The committee pack's section: [{name, said, rows, count}] of each department with an open alert, overdue ones first. warnings: serving.alerts.Kept of
    alerts that were open at the month's end; person: from an id to what `who` of the templates shows."""
    return [_department(name, [each for each in warnings if each.alert.owner == name], day, person, words)
            for name in DEPARTMENTS if any(each.alert.owner == name for each in warnings)]


def overdue_warnings(warnings, day):
    """[(department, how many)] of the open alerts past their deadline, for the agenda."""
    late = Counter(each.alert.owner for each in warnings if each.alert.state(day) == OVERDUE)
    return [(name, late[name]) for name in DEPARTMENTS if late[name]]


def named_in(warnings, day):
    """Ids of the customers that the pack's section names."""
    return {each.alert.customer_id for name in DEPARTMENTS for each in _urgent([each for each in warnings if each.alert.owner == name], day)[:LISTED]}


def _urgent(warnings, day):
    """Overdue ones first, then the gravest, then the earliest deadline."""
    order = {OVERDUE: 0, OPEN: 1, ASLEEP: 2}
    return sorted(warnings, key=lambda each: (order[each.alert.state(day)], -SEVERITIES.index(each.alert.severity), each.alert.deadline, each.alert.id))


def _department(name, warnings, day, person, words):
    states = Counter(each.alert.state(day) for each in warnings)
    said = words("warnings.department", open=words.count(len(warnings)), overdue=words.count(states[OVERDUE]), asleep=words.count(states[ASLEEP]),
                 passed=words.count(sum(each.alert.place > 0 for each in warnings)))
    rows = [{"who": person(each.alert.customer_id), "kind": words.named("trigger", each.alert.kind), "severity": words.named("severity", each.alert.severity),
             "deadline": each.alert.deadline, "state_id": each.alert.state(day), "state": words(f"warnings.state.{each.alert.state(day)}"),
             "sentence": sentence(each.alert.worst, language=words.language)} for each in _urgent(warnings, day)[:LISTED]]
    return {"name": words(f"department.{name}"), "said": said, "rows": rows, "count": len(warnings)}
