"""`risk alerts`: a scored book looked at night by night, what people do about it, what came of it, and nothing from the future."""

import datetime
import json
from pathlib import Path

import pytest
from builders import customer, event, exposure, invoice, outcome, write_tables
from test_customers_command import book, risk, take_over

from pipeline.alert_measure import measured
from pipeline.params import load_params
from pipeline.workspace import workspace
from serving.alerts import Alerts
from serving.store import Store

DAY = datetime.date(2023, 6, 30)
NAMES = ("C1", "C2", "C3", "C4")


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.delenv("CUSTOMER_RISK_DATABASE_URL", raising=False)
    with workspace(tmp_path) as folder:
        yield folder


def on(days):
    return DAY + datetime.timedelta(days=days)


def dispute(name="C1", day=None, known=None, **changes):
    day = day or on(3)
    return event(name, kind="dispute", occurred_at=str(day), known_at=str(known or day), amount=1000, **changes)


def tables(**changes):
    given = {"customers": [customer(name) for name in NAMES], "exposures": [exposure(name) for name in NAMES], "events": [event("C9")],
             "invoices": [invoice("C9")], "outcomes": [outcome("C9")]}
    write_tables("data/tables", given | changes)


def night(day, **customers):
    book(day, **({name: {} for name in NAMES} | customers))
    return risk("alerts", "raise").splitlines()


def kept(place):
    with Store(place / "var" / "risk.db").open() as store:
        assert store.verify() == []
        return {(each.alert.customer_id, each.alert.kind): each.alert for each in Alerts(store, source="simulated").listed()}


def test_a_night_raises_what_is_new_and_a_second_one_on_that_day_nothing(place):
    tables()
    assert night(DAY)[1].startswith("A first night remembers and raises nothing")
    tables(events=[dispute()])
    worse = {"C2": {"pd_12m": 0.09, "grade": "D"}}
    said = night(on(5), **worse)
    assert said[0].startswith("2023-07-05: 4 customers looked at, 0 of them for the first time; rules ")
    assert said[1] == "alerts: 4 new, 0 open ones got worse, 0 were seen again"
    assert set(said[2:]) == {"  dispute: 1 (sales)", "  pd_level: 1 (sales)", "  grade_worse: 1 (sales)", "  pd_jump: 1 (sales)"}
    assert night(on(5), **worse)[1:] == ["alerts: 0 new, 0 open ones got worse, 0 were seen again"]
    found = kept(place)
    assert {key: each.severity for key, each in found.items()} == {
        ("C1", "dispute"): "low", ("C2", "pd_level"): "medium", ("C2", "grade_worse"): "high", ("C2", "pd_jump"): "high"}
    assert found["C1", "dispute"].deadline == on(19)


def test_the_list_says_in_words_what_was_seen_and_who_has_to_act_by_when(place):
    tables()
    night(DAY)
    tables(events=[dispute()])
    night(on(5), C2={"pd_12m": 0.09, "grade": "D"})
    lines = risk("alerts", "list", "--customer", "C1").splitlines()
    assert lines[0].endswith("  C1  low dispute, open since 2023-07-05; sales by 2023-07-19")
    assert lines[1] == "  Disputes of the last 90 days: 1, before 0. The threshold is 1."
    assert [line.split()[1] for line in risk("alerts", "list").splitlines()[::2]] == ["C2", "C2", "C2", "C1"]
    assert "no alert is open on 2023-07-05." in risk("alerts", "list", "--owner", "legal")
    assert "no alert is overdue on 2023-07-05." in risk("alerts", "list", "--overdue")
    assert "C1  low dispute, overdue since" in risk("alerts", "list", "--overdue", "--as-of", "2023-07-20")
    told = {each["kind"]: each for each in json.loads(risk("alerts", "list", "--json"))}
    assert told["grade_worse"]["words"]["zh"] == "评级：D，此前为A。达到D级即比所对照的评级低一档。"
    assert (told["dispute"]["before"], told["dispute"]["after"], told["dispute"]["threshold"]) == (0.0, 1.0, 1.0)


def test_alerts_are_put_off_passed_on_and_closed(place):
    tables()
    night(DAY)
    tables(events=[dispute()])
    night(on(5))
    mine = kept(place)["C1", "dispute"].id
    said = risk("alerts", "snooze", mine, "--until", "2023-07-25", "--by", "lin", "--reason", "the goods are looked at on the 24th")
    assert said == f"alert {mine} on C1 sleeps until 2023-07-25, or until it gets worse by a step; due 2023-07-25.\n"
    assert risk("alerts", "escalate", "--as-of", "2023-07-24") == "2023-07-24: no alert is past its deadline, or the last level has it.\n"
    assert "1 alerts past their deadline go on: head_of_department 1" in risk("alerts", "escalate", "--as-of", "2023-07-26")
    passed = risk("alerts", "escalate", mine, "--by", "anna", "--reason", "beyond my limit")
    assert passed.startswith(f"alert {mine} on C1 goes to risk_officer, due 2023-07-29")
    assert "alerts have steps of 2023-07-26 already: take that day or a later one" in risk(
        "alerts", "close", mine, "--outcome", "acted", "--by", "anna", "--note", "x", "--as-of", "2023-07-20", code=1)
    closed = risk("alerts", "close", mine, "--outcome", "justified", "--by", "anna", "--note", "goods were short")
    assert closed == f"alert {mine} on C1 is closed on 2023-07-26 as justified.\n"
    assert "no alert is open" in risk("alerts", "list")
    assert f"{mine}  C1  low dispute, closed since 2023-07-05; justified, anna on 2023-07-26: goods were short" in risk("alerts", "list", "--all")
    assert "is passed on by a person: say who" in risk("alerts", "escalate", raise_again(), code=1)


def raise_again():
    tables(events=[dispute(), dispute("C2", on(30))])
    night(on(31))
    return risk("alerts", "list", "--customer", "C2").split()[0]


def test_nothing_from_the_future_moves_an_alert(place):
    past = [dispute(), event("C3", kind="lawsuit", occurred_at=str(on(2)), known_at=str(on(4)), amount=1000)]
    later = [dispute("C2", on(4), known=on(6)), event("C4", kind="lawsuit", occurred_at=str(on(6)), known_at=str(on(6)), amount=1000)]
    found = []
    for folder, events, outcomes in (("now", past, []), ("later", past + later, [outcome("C1", occurred_at=str(on(6)), known_at=str(on(7)))])):
        with workspace(place / folder):
            tables()
            night(DAY)
            tables(events=events, outcomes=[outcome("C9"), *outcomes])
            night(on(5))
            found.append({key: (each.severity, each.deadline, each.worst) for key, each in kept(place / folder).items()})
    assert set(found[0]) == {("C1", "dispute"), ("C3", "lawsuit")}
    assert found[0] == found[1]


def test_the_same_day_tells_more_of_what_became_known_by_then(place):
    tables()
    night(DAY)
    tables(events=[dispute("C2", on(4), known=on(6))])
    assert night(on(5))[1] == "alerts: 0 new, 0 open ones got worse, 0 were seen again"
    assert night(on(6))[2] == "  dispute: 1 (sales)"


def test_who_has_left_is_not_looked_at_and_who_left_the_book_is(place):
    tables()
    book(DAY, C1={}, C2={})
    take_over()
    assert risk("alerts", "raise").startswith("2023-06-30: 2 customers looked at")
    tables(events=[dispute("C2")])
    book(on(5), C1={})
    assert "dispute: 1 (sales)" in risk("alerts", "raise")


def test_a_night_without_a_fresh_book_is_refused(place):
    tables()
    night(DAY)
    assert "take 2023-06-30 or later" in risk("alerts", "raise", "--as-of", "2023-06-29", code=1)
    assert "more than 7 days before 2023-07-20" in risk("alerts", "raise", "--as-of", "2023-07-20", code=1)
    assert "--as-of soon is no day" in risk("alerts", "list", "--as-of", "soon", code=1)


def test_alerts_are_measured_once_outcomes_are_in(place):
    tables()
    night(DAY)
    assert risk("alerts", "measure") == "no alert was raised yet: `risk alerts raise` looks at the book every night.\n"
    tables(events=[dispute("C1"), dispute("C2")], outcomes=[outcome("C9"), outcome("C1", occurred_at="2023-10-13", known_at="2023-10-20", cured_at=None)])
    night(on(5), C3={"pd_12m": 0.015}, C4={"pd_12m": 0.012})
    for complete_to, mature in (("2024-07-01", "0 of them long enough ago"), ("2024-12-31", "2 of them long enough ago, of whom 50.0%")):
        Path("data/ingest.json").write_text(json.dumps({"complete_to": complete_to}), encoding="utf-8")
        said = risk("alerts", "measure")
        assert f"alerts: 2 customers named, {mature}" in said
    assert "as many of the highest PD: 2 customers named, 2 of them long enough ago, of whom 0.0%" in said
    assert "base rate: 25.0% of 4 customers looked at defaulted" in said
    assert "alerts: 1 of 1 defaults named before, 100% (" in said
    assert "by 100 days in the middle" in said
    with Store(place / "var" / "risk.db").open() as store:
        found = measured(store, load_params())
    assert (found["standing"], found["closed"], found["horizon_days"]) == ({"open": 2}, {}, 365)
