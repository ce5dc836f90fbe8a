"""The committee's decisions in both databases, and `risk committee`: who carries out what by when, and how it ended."""

import json
from datetime import date, datetime, timedelta

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from databases import NOON

from features.errors import RiskError
from pipeline.cli import main
from pipeline.workspace import workspace
from serving import subjects
from serving.committee import Committee
from serving.store import Store

TODAY = NOON.date()
DUE = TODAY + timedelta(days=30)


@pytest.fixture
def store(url, clock):
    with Store(url, clock=clock).open() as opened:
        yield opened


@pytest.fixture
def committee(store):
    return Committee(store, source="simulated")


def decide(committee, text="补做逾期复审", **changes):
    return committee.decide(text, **{"owner": " lin ", "department": "sales", "due_on": DUE, "actor": "anna"} | changes)


def test_a_decision_is_found_again_as_it_was_taken_and_closed(committee, store):
    made = decide(committee, customer_id="C1")
    assert (made.text, made.owner, made.department, made.due_on, made.customer_id, made.decided_at) == ("补做逾期复审", "lin", "sales", DUE, "C1", NOON)
    assert committee.listed() == [made]
    assert Committee(store, source="elsewhere").listed() == []
    closed = committee.close(made.id, outcome="done", note="all seen", actor="ben")
    assert committee.listed() == [closed]
    assert (closed.outcome, closed.note, closed.closed_by) == ("done", "all seen", "ben")
    assert store.verify() == []


def test_a_decision_is_overdue_from_the_day_after_its_last(committee, clock):
    made = decide(committee)
    assert [made.state(DUE + timedelta(days=days)) for days in (-1, 0, 1)] == ["open", "open", "overdue"]
    clock.forward(40)
    assert committee.close(made.id, outcome="dropped", note="customer left", actor="anna").state(committee.today()) == "dropped"


def test_a_past_day_knows_nothing_of_what_followed(committee, clock):
    made = decide(committee)
    clock.forward(3)
    committee.close(made.id, outcome="done", note="done", actor="anna")
    assert committee.listed(as_of=TODAY - timedelta(days=1)) == []
    assert [each.outcome for each in committee.listed(as_of=TODAY + timedelta(days=2))] == [None]
    assert [each.outcome for each in committee.listed(as_of=TODAY + timedelta(days=3))] == ["done"]


@pytest.mark.parametrize(("changes", "match"), [
    ({"text": " "}, "needs to say in words what was decided"), ({"owner": ""}, "name the person with --owner"), ({"actor": " "}, "say with --by who"),
    ({"customer_id": " "}, "name one with --customer, or leave the option out"),
    ({"department": "hr"}, "department hr is unknown: use sales, finance, legal"),
    ({"due_on": TODAY - timedelta(days=1)}, "of 2026-03-31 cannot be due on 2026-03-30: name a day from today on"),
    ({"due_on": TODAY + timedelta(days=400)}, "within 366 days")])
def test_nothing_is_written_of_a_decision_that_is_refused(committee, store, changes, match):
    with pytest.raises(RiskError, match=match):
        decide(committee, **changes)
    assert {head.count for head in store.heads()} == {0}


def test_a_decision_is_closed_once_by_somebody_with_a_note(committee):
    made = decide(committee)
    for changes, match in (({"outcome": "later"}, "outcome later is unknown: use done or dropped"), ({"note": " "}, "needs a note when it is closed"),
                           ({"actor": ""}, "say with --by")):
        with pytest.raises(RiskError, match=match):
            committee.close(made.id, **{"outcome": "done", "note": "x", "actor": "anna"} | changes)
    with pytest.raises(RiskError, match="there is no committee decision 0000: `risk committee list --all` names them"):
        committee.close("0000", outcome="done", note="x", actor="anna")
    committee.close(made.id, outcome="done", note="x", actor="anna")
    with pytest.raises(RiskError, match=f"{made.id} was closed on 2026-03-31 as done"):
        committee.close(made.id, outcome="dropped", note="x", actor="anna")


@pytest.mark.parametrize("change", ["owner = 'carl'", "due_on = '2027-01-01'", "outcome = 'done'", "customer_id = 'C2'"])
def test_a_decision_that_was_tampered_with_is_named(committee, store, change):
    decide(committee, customer_id="C1")
    with store.database.engine.begin() as connection:
        connection.execute(sa.text(f"update committee_decisions set {change}"))
    assert [(fault.chain, fault.kind, fault.sequence) for fault in store.verify()] == [("committee_decisions", "changed", 1)]


def test_an_erased_customers_decision_is_gone_and_every_chain_is_whole(committee, store, tmp_path):
    mine, other, nobody = decide(committee, customer_id=" C1 "), decide(committee, customer_id="C2"), decide(committee)
    committee.close(mine.id, outcome="done", note="x", actor="anna")
    assert set(subjects.exported(store, "C1", var=tmp_path)["database"]) == {"committee_decisions"}
    assert store.erase_customer("C1", actor="privacy desk", reason="request") == 2
    assert committee.listed() == [other, nobody]
    assert store.verify() == []
    with pytest.raises(RiskError, match="there is no committee decision"):
        committee.close(mine.id, outcome="done", note="x", actor="anna")


def test_what_names_a_customer_expires_and_what_names_nobody_stays(committee, store, clock):
    decide(committee, customer_id="C1")
    nobody = decide(committee)
    clock.forward(5 * 365 + 1)
    assert subjects.expire(store, actor="night") == {"committee_decisions": 1}
    assert [each.id for each in committee.listed()] == [nobody.id]
    assert store.verify() == []


def test_decisions_are_taken_listed_and_closed_from_the_command_line(tmp_path, monkeypatch):
    def risk(*arguments, code=0):
        result = CliRunner().invoke(main, ["committee", *map(str, arguments)])
        assert result.exit_code == code, result.output
        return result.output.strip()

    monkeypatch.delenv("CUSTOMER_RISK_DATABASE_URL", raising=False)
    with workspace(tmp_path):
        assert risk("list") == "no committee decision is open."
        due = datetime.now().date() + timedelta(days=20)
        said = risk("decide", "Call the guarantee", "--owner", "lin", "--department", "legal", "--due", due, "--customer", "C1", "--by", "anna")
        number = said.split()[2]
        assert f"committee decision {number} on C1, open: Call the guarantee (lin, legal, due {due}; decided" in said
        assert risk("list") == said
        (found,) = json.loads(risk("list", "--json"))
        assert (found["id"], found["state"], date.fromisoformat(found["due_on"])) == (number, "open", due)
        assert "done: Call the guarantee" in risk("close", number, "--note", "paid in full", "--by", "lin")
        assert risk("list") == "no committee decision is open."
        assert "paid in full (lin," in risk("list", "--all")
        assert "error: there is no committee decision x" in risk("close", "x", "--note", "x", "--by", "lin", code=1)
