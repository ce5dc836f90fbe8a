"""What raises an alert, and what becomes of it: the rules refused with line and reason, crossings of many customers as of one, and an alert's life by hand."""

import datetime
import pathlib
import re

import numpy as np
import pytest

from features.errors import RiskError
from models import alert_life as life
from models.alert_file import SEVERITIES, WITHOUT
from models.alerts import Crossing, all_crossings, crossings, terms_of
from models.life_cycle import load_life_cycle, parse_life_cycle

FILE = pathlib.Path(__file__).parent.parent / "life_cycle.yaml"
TEXT = FILE.read_text(encoding="utf-8")
RULES = load_life_cycle(FILE)
TERMS = terms_of(RULES)
DAY = datetime.date(2026, 3, 2)


def on(days):
    return DAY + datetime.timedelta(days=days)


def seen(severity="low", after=1.0):
    return Crossing("dispute", None, "sales", "disputes", 0.0, after, 1.0, severity)


def raised(severity="low", day=DAY):
    return life.begin("a1", "C1", life.sighted(TERMS, None, seen(severity), day))


def follow(alert, *steps):
    for step in steps:
        alert = life.follow(alert, step)
    return alert


# --- the file -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("old", "new", "field", "reason"), [
    ("grades_worse: 1 ", "grades_worse: 5 ", "alerts.grades_worse", "must be 1 to 4 letters"),
    ("from_grade: D", "from_grade: F", "alerts.from_grade", "F is no grade; use A, B, C, D, E"),
    ("pd_times: 2 ", "pd_times: 1 ", "alerts.pd_times", "must be above 1: a PD that is no higher is no jump"),
    ("  owner: sales\n  grades", "  owner: nobody\n  grades", "alerts.owner", "nobody is unknown; use sales, finance, legal"),
    ("reference_days: 30", "reference_days: 0", "alerts.reference_days", "must be 1 or more"),
    ("snooze_days: 30", "snooze_days: 0", "alerts.snooze_days", "must be 1 or more"),
    ("medium: 7", "medium: 15", "alerts.deadline_days.medium", "leaves more time than low does; a graver alert has at most as much"),
    ("critical: 1", "critical: 0", "alerts.deadline_days.critical", "must be 1 or more"),
    ("to: risk_officer", "to: finance", r"alerts.escalation\[1\].to", "finance cannot name who is told next"),
    ("to: risk_officer", "to: head_of_department", r"alerts.escalation\[1\].to", "head_of_department is given twice; keep one"),
    ("{to: committee, deadline_days: 31}", "{to: committee, deadline_days: 0}", r"alerts.escalation\[2\].deadline_days", "must be 1 or more"),
    ("name: overdue_jump", "name: pd_jump", r"triggers\[11\].name", "pd_jump cannot name a trigger"),
    ("owner: sales, alert: {enter: 1}, watch", "owner: sales, alert: {enter: 3}, watch", r"triggers\[7\].watch.enter", "catches earlier than alert does at 3"),
    (", alert: {enter: 0.2}", "", r"triggers\[11\]", "moves nobody and raises no alert; give thresholds for alert, watch, restrict, run_down"),
])
def test_a_faulty_section_is_refused_with_its_line(old, new, field, reason):
    assert TEXT.count(old) == 1
    changed = TEXT.replace(old, new)
    with pytest.raises(RiskError, match=f"field {field}: {re.escape(reason)}") as caught:
        parse_life_cycle(changed)
    assert re.match(r"life_cycle.yaml line \d+, ", str(caught.value))


def test_a_file_of_before_is_read_with_what_it_lacks_as_in_the_shipped_one():
    old = re.sub(r"^alerts:\n(?:  .*\n)*", "alerts: {owner: sales, grades_worse: 1, pd_times: 2}\n", TEXT, flags=re.M)
    alerts = parse_life_cycle(old).spec.alerts
    assert (alerts.deadline_days, alerts.snooze_days, alerts.reference_days) == (TERMS.deadline_days, TERMS.snooze_days, TERMS.reference_days)
    assert terms_of(None) == WITHOUT


# --- crossings ----------------------------------------------------------------------------------------------------------------


def names():
    return [*{trigger.fact: None for trigger in RULES.spec.triggers}]


def drawn(rng, rows):
    """Facts around the thresholds, a fifth of them unknown."""
    found = {"pd_12m": rng.choice([0.01, 0.02, 0.03, 0.09, 0.3, 0.6], rows), "grade": rng.integers(1, 6, rows).astype(float)}
    found |= {name: rng.choice([0.0, 0.05, 0.6, 1.0, 2.5, 40.0, 95.0, 2e6, np.inf], rows) for name in names() if name not in found}
    return {name: np.where(rng.uniform(size=rows) < 0.2, np.nan, values) for name, values in found.items()}


@pytest.mark.parametrize("seed", range(3))
def test_many_customers_cross_as_each_alone(seed):
    rng = np.random.default_rng(seed)
    before, after, earlier = (drawn(rng, 200) for _ in range(3))
    together = sorted(((row, crossing) for row, crossing in all_crossings(RULES, before, after, earlier)), key=lambda pair: pair[0])
    alone = [(row, crossing) for row in range(200) for crossing in crossings(
        RULES, *({name: values[row] for name, values in facts.items()} for facts in (before, after)),
        published={name: earlier[name][row] for name in ("pd_12m", "grade")})]
    assert len(together) > 300
    assert together == alone


@pytest.mark.parametrize(("name", "before", "after", "severity"), [
    ("lawsuits", 0, 1, "medium"), ("lawsuits", 0, 3, "high"), ("lawsuits", 1, 3, "high"), ("days_past_due", 0, 95, "critical"), ("disputes", 0, 1, "low"),
    ("inflow_fall", 0.1, 0.9, "low"), ("grade", 3, 4, "low"), ("grade", 1, 4, "high"), ("pd_12m", 0.01, 0.04, "medium"), ("pd_12m", 0.001, 0.01, "high")])
def test_the_state_called_for_or_the_distance_says_how_grave(name, before, after, severity):
    first, last = ({"pd_12m": 0.001, "grade": 4.0} | {name: float(value)} for value in (before, after))
    assert [each.severity for each in crossings(RULES, first, last, published=first)] == [severity]


def test_a_score_that_was_worse_already_is_no_new_alert_but_a_step_further_is():
    published = {"pd_12m": 0.01, "grade": 4.0}
    assert crossings(RULES, {"pd_12m": 0.03}, {"pd_12m": 0.035}, published=published) == []
    (further,) = crossings(RULES, {"pd_12m": 0.03}, {"pd_12m": 0.041}, published=published)
    assert (further.kind, further.severity, further.threshold) == ("pd_jump", "medium", 0.04)


def test_a_good_grade_moves_without_a_word():
    published = {"pd_12m": 0.001, "grade": 1.0}
    for grade, kinds in ((3.0, []), (4.0, ["grade_worse", "pd_jump"]), (np.nan, ["pd_jump"])):
        assert [each.kind for each in crossings(RULES, published, {"pd_12m": 0.01, "grade": grade}, published=published)] == kinds


# --- an alert's life ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("severity", "days"), [("low", 14), ("medium", 7), ("high", 3), ("critical", 1)])
def test_an_alert_is_due_by_how_grave_it_is(severity, days):
    alert = raised(severity)
    assert (alert.deadline, alert.sightings, alert.with_whom(TERMS)) == (on(days), 1, "sales")
    assert [alert.state(on(place)) for place in (0, days, days + 1)] == ["open", "open", "overdue"]


def test_the_same_again_is_a_sighting_and_no_second_alert():
    alert = raised()
    assert life.sighted(TERMS, alert, seen(), DAY) is None
    step = life.sighted(TERMS, alert, seen(after=2.0), on(3))
    after = follow(alert, step)
    assert (step.step, after.sightings, after.seen_on, after.deadline) == ("seen", 2, on(3), alert.deadline)
    assert (after.worst.after, after.last.after) == (1.0, 2.0)


def test_what_gets_worse_is_due_sooner_and_never_later():
    sooner = follow(raised(), life.sighted(TERMS, raised(), seen("high"), on(2)))
    assert (sooner.severity, sooner.deadline) == ("high", on(5))
    late = follow(raised(), life.sighted(TERMS, raised(), seen("medium"), on(13)))
    assert late.deadline == on(14)


def test_a_snoozed_alert_sleeps_until_its_day_and_is_then_due():
    alert = follow(raised("high"), life.snoozed(TERMS, raised("high"), on(10), DAY, actor="lin", note="hearing"))
    assert [alert.state(on(days)) for days in (0, 9, 10, 11)] == ["snoozed", "snoozed", "open", "overdue"]
    again = life.sighted(TERMS, alert, seen("high", 2.0), on(4))
    assert follow(alert, again).state(on(5)) == "snoozed"


def test_a_snoozed_alert_wakes_when_it_gets_worse_by_a_step():
    alert = follow(raised(), life.snoozed(TERMS, raised(), on(20), DAY, actor="lin", note="hearing"))
    woken = follow(alert, life.sighted(TERMS, alert, seen("medium"), on(4)))
    assert (woken.state(on(4)), woken.deadline, woken.until) == ("open", on(11), None)


def test_an_alert_past_its_deadline_goes_up_level_by_level():
    alert, whom = raised("high"), []
    for day in range(60):
        step = life.escalated(TERMS, alert, on(day))
        if step is not None:
            alert = life.follow(alert, step)
            whom.append((day, alert.with_whom(TERMS), alert.deadline))
            assert life.escalated(TERMS, alert, on(day)) is None
    assert whom == [(4, "head_of_department", on(7)), (8, "risk_officer", on(11)), (12, "committee", on(43))]


def test_nobody_is_told_of_what_sleeps_or_is_closed_or_where_the_file_names_nobody():
    asleep = follow(raised(), life.snoozed(TERMS, raised(), on(25), DAY, actor="lin", note="x"))
    closed = follow(raised(), life.closed(raised(), "false_alarm", DAY, actor="lin", note="x"))
    assert life.escalated(TERMS, asleep, on(20)) is None
    assert life.escalated(TERMS, closed, on(20)) is None
    assert life.escalated(WITHOUT, raised(), on(20)) is None


def test_a_closed_alert_is_followed_by_a_new_one_unless_that_was_dealt_with():
    closed = follow(raised("medium"), life.closed(raised("medium"), "acted", on(1), actor="lin", note="limit halved"))
    assert life.sighted(TERMS, closed, seen("medium"), on(2), dealt_with=True) is None
    assert life.sighted(TERMS, closed, seen("high"), on(2), dealt_with=True).step == "raised"
    assert life.sighted(TERMS, closed, seen("low"), on(2)).step == "raised"
    assert (closed.outcome, closed.closed_on, closed.closed_by, closed.note, closed.state(on(99))) == ("acted", on(1), "lin", "limit halved", "closed")


def test_a_person_can_pass_an_alert_on_before_its_deadline():
    step = life.passed_on(TERMS, raised(), on(1), actor="lin", note="beyond my limit")
    alert = follow(raised(), step)
    assert (alert.with_whom(TERMS), alert.deadline, step.actor) == ("head_of_department", on(4), "lin")


@pytest.mark.parametrize(("act", "match"), [
    (lambda alert: life.snoozed(TERMS, alert, DAY, DAY, actor="lin", note="x"), "cannot be put off on 2026-03-02 until 2026-03-02: name a day from 2026-03-03"),
    (lambda alert: life.snoozed(TERMS, alert, on(31), DAY, actor="lin", note="x"), "name a day from 2026-03-03 to 2026-04-01"),
    (lambda alert: life.snoozed(TERMS, alert, on(2), DAY, actor=" ", note="x"), "an alert is put off by a person: say who"),
    (lambda alert: life.snoozed(TERMS, alert, on(2), DAY, actor="rules", note="x"), "an alert is put off by a person: say who"),
    (lambda alert: life.closed(alert, "acted", DAY, actor="lin", note=" "), "an alert is closed for a reason: say which in words"),
    (lambda alert: life.closed(alert, "maybe", DAY, actor="lin", note="x"), "the outcome maybe is unknown: use justified, false_alarm, acted"),
    (lambda alert: life.passed_on(WITHOUT, alert, DAY, actor="lin", note="x"), "life_cycle.yaml names nobody under alerts.escalation"),
    (lambda alert: life.closed(follow(alert, life.closed(alert, "acted", DAY, actor="lin", note="x")), "acted", DAY, actor="lin", note="x"),
     "alert a1 was closed on 2026-03-02 as acted"),
])
def test_what_a_person_cannot_do_is_said(act, match):
    with pytest.raises(RiskError, match=re.escape(match)):
        act(raised())


def test_severities_rise_with_what_is_done_about_them():
    assert [getattr(TERMS.deadline_days, severity) for severity in SEVERITIES] == sorted(
        (getattr(TERMS.deadline_days, severity) for severity in SEVERITIES), reverse=True)
