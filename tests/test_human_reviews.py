"""A person asks that a person look at a decision: the case has a day, is answered once and by name, and every automatic answer says how to ask."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from serving_world import NOW, SOURCE, local_client, published, records

from features.errors import RiskError
from models.overrides import Change, Said
from models.policy import load_policy
from pipeline.cli import main
from serving.app import create_app
from serving.human_reviews import CHANGED, UPHELD, HumanReviews, how_to_ask
from serving.overrides import Overrides
from serving.settings import Settings
from serving.store import Entry, Store

POLICY = load_policy(Path(__file__).parent.parent / "policy.yaml")
SAID = Said("decline", 0, "committee", "D1", 0.08, 40_000_000, "p" * 64, "b" * 64)


@pytest.fixture
def store(url, clock):
    with Store(url, clock=clock).open() as opened:
        for use_case, customer, decision_id in (("default", "C1", "d1"), ("default", "C2", "d2"), ("fraud", "C1", "f1")):
            opened.record_decision(Entry(use_case, SOURCE, customer, "b", "p", "c", {}, decision_id=decision_id))
        yield opened


@pytest.fixture
def cases(store):
    return HumanReviews(store)


def granted(store, customer):
    terms = {"reason_code": "security", "reason": "guarantee", "author": "anna", "approver": "ben", "policy": POLICY}
    return Overrides(store, source=SOURCE).grant(customer, Change(action="approve", limit=50_000_000), SAID, expires_on=date(2026, 6, 1), **terms)


def test_a_case_has_a_day_and_is_answered_by_name(cases, store, clock):
    case, new = cases.open("d1", " 发票已于三月结清 ", opened_by="crm")
    assert (new, case.status, case.customer_id, case.statement, case.due_on) == (True, "open", "C1", "发票已于三月结清", date(2026, 4, 15))
    clock.now += timedelta(days=17)
    assert cases.find(case.id).days_late(clock.now.date()) == 2
    answered = cases.answer(case.id, by=" lin ", outcome=UPHELD, note=" known and counted ")
    assert (answered.status, answered.answered_by, answered.note, answered.outcome) == ("answered", "lin", "known and counted", UPHELD)
    assert answered == cases.find(case.id) == cases.all()[0]
    clock.now += timedelta(days=30)
    assert answered.days_late(clock.now.date()) == 2
    assert store.verify() == []


def test_the_same_request_again_is_the_same_case_and_another_one_waits(cases):
    case, _ = cases.open("d1", "look again", opened_by="crm")
    assert cases.open("d1", "look again", opened_by="crm") == (case, False)
    with pytest.raises(RiskError, match=f"case {case.id} on this decision is open and due on 2026-04-15: wait for its answer"):
        cases.open("d1", "and at this", opened_by="crm")
    cases.answer(case.id, by="lin", outcome=UPHELD, note="looked")
    assert cases.open("d1", "look again", opened_by="crm")[1]


def test_of_two_who_ask_at_once_one_opens_the_case(cases):
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: cases.open("d1", "look again", opened_by="crm"), range(2)))
    assert sorted(new for _, new in found) == [False, True]
    assert len({case.id for case, _ in found}) == 1


@pytest.mark.parametrize(("decision", "statement", "message"), [
    ("d9", "look", "The decision d9 is not recorded; name the decision_id of an answer"),
    ("d1", " ", "a request needs a statement of 1 to 2,000 characters"),
    ("d1", "x" * 2001, "a request needs a statement of 1 to 2,000 characters"),
])
def test_a_request_about_nothing_is_refused(cases, decision, statement, message):
    with pytest.raises(RiskError, match=message):
        cases.open(decision, statement, opened_by="crm")
    assert cases.all() == []


def test_a_changed_decision_rests_on_an_override_made_for_it(cases, store, clock):
    before = granted(store, "C1")
    clock.now += timedelta(days=1)
    case, _ = cases.open("d1", "look again", opened_by="crm")
    for override_id in (None, "o9", before.id, granted(store, "C2").id):
        with pytest.raises(RiskError, match="a changed decision needs an override of C1 made since the case was opened on 2026-04-01"):
            cases.answer(case.id, by="lin", outcome=CHANGED, note="seen", override_id=override_id)
    Overrides(store, source=SOURCE).revoke(before.id, reason="renewed", author="anna")
    made = granted(store, "C1")
    assert cases.answer(case.id, by="lin", outcome=CHANGED, note="guarantee seen", override_id=made.id).override_id == made.id


def test_a_judged_transaction_is_changed_without_an_override(cases):
    case, _ = cases.open("f1", "it was me", opened_by="crm")
    with pytest.raises(RiskError, match="only a changed credit decision has an override"):
        cases.answer(case.id, by="lin", outcome=CHANGED, note="called", override_id="o1")
    assert cases.answer(case.id, by="lin", outcome=CHANGED, note="called").outcome == CHANGED


@pytest.mark.parametrize(("changes", "message"), [
    ({"by": " "}, "a human review is answered by a person: say who with --by"),
    ({"by": "Unnamed"}, "a human review is answered by a person"),
    ({"outcome": "perhaps"}, "the outcome perhaps is unknown: use upheld or changed"),
    ({"note": ""}, "an answer needs words that the person can be told"),
    ({"case_id": "c9"}, "There is no case c9; `risk human-reviews list --all` names them"),
    ({"override_id": "o1"}, "only a changed credit decision has an override: leave --override away"),
])
def test_an_answer_that_answers_nothing_is_refused(cases, store, changes, message):
    case, _ = cases.open("d1", "look again", opened_by="crm")
    with pytest.raises(RiskError, match=message):
        cases.answer(**({"case_id": case.id, "by": "lin", "outcome": UPHELD, "note": "looked"} | changes))
    assert cases.find(case.id).status == "open"


def test_a_case_is_answered_once(cases):
    case, _ = cases.open("d1", "look again", opened_by="crm")
    cases.answer(case.id, by="lin", outcome=UPHELD, note="looked")
    with pytest.raises(RiskError, match=f"case {case.id} was answered on 2026-03-31 by lin: open a new one"):
        cases.answer(case.id, by="wang", outcome=UPHELD, note="looked too")


def test_an_erased_customers_case_is_gone_and_nothing_can_be_asked_of_its_decision(cases, store):
    case, _ = cases.open("d1", "look again", opened_by="crm")
    store.erase_customer("C1", actor="privacy desk", reason="request")
    assert cases.all() == []
    for asked in (lambda: cases.find(case.id), lambda: cases.answer(case.id, by="lin", outcome=UPHELD, note="looked")):
        with pytest.raises(RiskError, match=f"There is no case {case.id}"):
            asked()
    with pytest.raises(RiskError, match="The decision d1 was erased with its customer"):
        cases.open("d1", "look again", opened_by="crm")
    assert store.verify() == []


def test_a_case_that_was_tampered_with_is_named(cases, store):
    cases.open("d1", "look again", opened_by="crm")
    with store.database.writing() as connection:
        connection.execute(sa.text("update human_reviews set due_on = '2030-01-01'"))
    assert [(fault.chain, fault.kind) for fault in store.verify()] == [("human_reviews", "changed")]


# --- the service --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def client(tmp_path):
    published(tmp_path)
    with local_client(create_app(Settings(SOURCE, ("default",), tmp_path, tmp_path / "risk.db"), clock=lambda: NOW)) as opened:
        yield opened


def ask(client, **body):
    return client.post("/v1/reviews", json=body)


def test_a_review_is_asked_for_seen_and_answered(client, tmp_path):
    decision = client.get("/v1/customers/C1").json()["decision_id"]
    asked = ask(client, decision_id=decision, statement="look again")
    assert asked.status_code == 201
    case = asked.json()
    assert (case["status"], case["due_on"], case["decision_id"], case["answer"]) == ("open", "2026-04-15", decision, None)
    again = ask(client, decision_id=decision, statement="look again")
    assert (again.status_code, again.json()) == (200, case)
    assert ask(client, decision_id=decision, statement="and at this").status_code == 409
    with Store(tmp_path / "risk.db", clock=lambda: NOW) as store:
        HumanReviews(store).answer(case["case_id"], by="lin", outcome=UPHELD, note="looked")
    seen = client.get(f"/v1/reviews/{case['case_id']}").json()
    assert (seen["status"], seen["outcome"], seen["answer"], seen["answered_by"]) == ("answered", "upheld", "looked", "lin")


@pytest.mark.parametrize(("body", "pointers"), [
    ({}, ["/decision_id", "/statement"]), ({"decision_id": 3, "statement": " "}, ["/decision_id", "/statement"]),
    ({"decision_id": "a\0", "statement": "x" * 2001, "mood": 1}, ["/mood", "/decision_id", "/statement"]),
])
def test_wrong_fields_are_all_named(client, body, pointers):
    answer = ask(client, **body)
    assert (answer.status_code, [each["pointer"] for each in answer.json()["errors"]]) == (422, pointers)


def test_what_is_not_there_is_not_found(client):
    assert ask(client, decision_id="d9", statement="look").status_code == 404
    assert client.get("/v1/reviews/c9").status_code == 404


def test_an_automatic_answer_says_in_words_how_to_ask(client):
    answer = client.post("/v1/score", json={"customer_id": "C1", "records": records()}).json()
    assert (answer["human_review"] is not None) == (answer["decision"]["route"] == "automatic")
    words = {"en": {}, "zh": {}}
    told = how_to_ask({"route": "automatic", "words": words})
    assert (told["path"], told["due_days"]) == ("/v1/reviews", 15)
    assert "POST /v1/reviews; a person answers within 15 days" in told["words"]["en"]
    assert "人工复核" in told["words"]["zh"]
    assert how_to_ask({"route": None, "words": words}) == told
    assert how_to_ask({"route": None, "words": None})["words"] == {}
    assert how_to_ask({"route": "one_person", "words": words}) is None


# --- the command --------------------------------------------------------------------------------------------------------------


def test_cases_are_opened_listed_and_answered_on_the_command_line(tmp_path, monkeypatch):
    monkeypatch.setenv("CUSTOMER_RISK_DATABASE_URL", str(tmp_path / "risk.db"))

    def risk(*arguments):
        return CliRunner().invoke(main, ["human-reviews", *arguments]).output

    with Store(tmp_path / "risk.db").open() as store:
        store.record_decision(Entry("default", SOURCE, "C1", "b", "p", "c", {}, decision_id="d1"))
        assert risk("list") == "no case is open.\n"
        assert "on decision d1 of C1, opened on" in risk("open", "d1", "--statement", "look again", "--by", "hotline")
        (case,) = HumanReviews(store).all()
        assert f"case {case.id}" in risk("list")
        assert f'"id": "{case.id}"' in risk("list", "--json")
        assert "upheld on" in risk("answer", case.id, "--by", "lin", "--outcome", "upheld", "--note", "looked")
        assert risk("list") == "no case is open.\n"
        assert "by lin: looked" in risk("list", "--all")
        assert risk("answer", "c9", "--by", "lin", "--outcome", "upheld", "--note", "looked").startswith("error: There is no case c9")
