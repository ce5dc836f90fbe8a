"""`risk override` and `risk reviews` on a published book, and one decision whoever asks: the published row and the service."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from serving_world import BOOK_AS_OF, POLICY, SOURCE, bundle, features_of, local_client, published, records

from features.errors import RiskError
from models.life_cycle import load_life_cycle
from models.overrides import Change, Said
from models.policy import parse_policy
from pipeline.cli import main
from pipeline.datasets import TABLES, case_path, write_json
from pipeline.frames import write_frame
from pipeline.override import add_override
from pipeline.publish import _InForce
from pipeline.workspace import workspace
from serving.app import create_app
from serving.life_cycle import LifeCycleLedger, Move
from serving.overrides import Overrides
from serving.published import BookRow
from serving.reviews import Reviews
from serving.settings import Settings
from serving.store import Store

STANDING = {"exposure": 40_000_000.0, "capacity": 500_000_000.0, "days_past_due": None}
SCORE = {"as_of": BOOK_AS_OF, "bundle": "b" * 64, "policy": "p" * 64, "pd_12m": 0.08, "grade": "D1", "exposure": 40_000_000, "action": "reduce",
         "route": "two_persons", "limit": 10_000_000, "payment_terms_days": 15, "deposit_share": 0.3, "guarantee": True, "review_days": 30,
         "decision_reasons": ["limit.capacity"]}
RULES = load_life_cycle(Path(__file__).parent.parent / "life_cycle.yaml")
ADD = ("override", "add", "C1", "--action", "approve", "--limit", "500000", "--code", "security", "--reason", "bank guarantee", "--by", "anna", "--approver")


def today():
    return datetime.now(UTC).date()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with workspace(tmp_path_factory.mktemp("world")) as folder:
        values = features_of(records())
        published(folder / "var", rows=[BookRow("C1", values, {**SCORE, "standing": STANDING}, records()), BookRow("C2", values, {**SCORE}, {})])
        yield folder


@pytest.fixture
def risk(world):
    def call(*arguments, code=0):
        result = CliRunner().invoke(main, [str(each) for each in arguments])
        assert result.exit_code == code, result.output
        return result.output.strip()

    (world / "var" / "risk.db").unlink(missing_ok=True)
    return call


def made_id(output):
    return output.split()[1]


# --- overrides ----------------------------------------------------------------------------------------------------------------


def test_an_override_is_added_listed_renewed_and_revoked(risk):
    last = today() + timedelta(days=90)
    said = risk(*ADD, "ben", "--days", 90)
    number = made_id(said)
    assert said == (f"override {number} of C1, until {last}: decision approve, limit 500,000; the policy said reduce, limit 100,000, two_persons, grade D1; "
                    "security: bank guarantee (by anna, approved by ben)\n"
                    "The service decides by it from now on; `risk publish` brings it into the published book.")
    (listed,) = json.loads(risk("override", "list", "--json"))
    assert (listed["id"], listed["direction"], listed["limit"], listed["policy_said"]["limit"], listed["in_force"]) == (number, "approval", 5e5, 1e5, True)
    assert f"until {today() + timedelta(days=120)}" in risk("override", "renew", number, "--reason", "renewed", "--by", "anna", "--approver", "carl",
                                                            "--days", 120)
    assert risk("override", "revoke", number, "--reason", "void", "--by", "carl") == (
        f"override {number} of C1 is revoked from {today()} on: the policy decides again.")
    assert risk("override", "list") == f"no override is in force on {today()}."
    assert "(revoked): decision approve" in risk("override", "list", "--all", "--customer", "C1")


def in_force(store, policy=None):
    """What publishing applies, where nothing was published before."""
    return _InForce(store, SOURCE, policy or parse_policy(POLICY), RULES, SimpleNamespace(of=lambda _row: None, told=0))


def test_a_row_in_ordinary_business_is_published_as_it_was_scored_with_its_state(tmp_path):
    with Store(tmp_path / "risk.db").open() as store:
        stand(store, "C1", "active")
        applied = in_force(store)
        state = {"state": "active", "since": "2026-03-01", "owner": "finance", "deadline": None, "new_credit": "by_policy"}
        assert applied.row({**SCORE, "customer_id": "C1"}, STANDING) == {**SCORE, "customer_id": "C1", "life_cycle": state, "last_published": None}
        assert applied.row({**SCORE, "customer_id": "C2"}, STANDING) == {**SCORE, "customer_id": "C2", "last_published": None}
        assert "0 bound by their life cycle state" in applied.plan_reviews(BOOK_AS_OF)


def test_a_state_that_an_override_does_not_lift_is_said(risk, world):
    with Store(world / "var" / "risk.db").open() as store:
        stand(store, "C1", "restrict")
        stand(store, "C2", "watch")
    assert risk(*ADD, "ben", "--days", 90).splitlines()[-1] == (
        "life cycle: C1 is in restrict since 2026-03-01, which declines new credit; an override does not lift that.")
    assert "life cycle" not in risk("override", "add", "C2", *ADD[3:], "ben", "--days", 90)


@pytest.mark.parametrize(("arguments", "message"), [
    ((*ADD, "anna", "--days", 9), "anna cannot approve an own case: an override needs a second person, name one with --approver."),
    ((*ADD, "ben"), "an override needs an end: name its last day with --expires, or --days from today."),
    ((*ADD, "ben", "--days", 9, "--expires", "2030-01-01"), "an override needs an end"),
    ((*ADD, "ben", "--expires", "2020-01-01"), "an override until 2020-01-01 would be expired today"),
    (("override", "add", "C9", *ADD[3:], "ben", "--days", 9), f"customer C9 is not in the book of {BOOK_AS_OF}: check the id, or run `risk publish`."),
    (("override", "renew", "o9", "--reason", "x", "--by", "a", "--approver", "b", "--days", 9), "there is no override o9"),
])
def test_what_is_refused_is_one_sentence_and_leaves_nothing(risk, arguments, message):
    assert f"error: {message}" in risk(*arguments, code=1)
    assert risk("override", "list", "--all") == "no override was ever made."


def test_a_day_that_is_none_is_refused(risk):
    assert "'soon' does not match the format" in risk(*ADD, "ben", "--expires", "soon", code=2)


def test_the_report_says_when_no_outcome_is_in(risk, world):
    write_json(world / "data" / "ingest.json", {"today": today().isoformat()})
    (world / TABLES).mkdir(parents=True, exist_ok=True)
    write_outcomes(world)
    risk(*ADD, "ben", "--days", 9)
    assert risk("override", "report").splitlines()[1:] == [
        "towards approval: 1 made, 0 matured: no outcome is in yet", "towards approval, security: 1 made, 0 matured: no outcome is in yet",
        "towards decline: 0 made, 0 matured"]


def test_the_report_judges_matured_overrides_beside_comparable_customers(risk, world):
    later = today() + timedelta(days=500)
    write_json(world / "data" / "ingest.json", {"today": later.isoformat()})
    (world / TABLES).mkdir(parents=True, exist_ok=True)
    write_outcomes(world, ("C2", today() + timedelta(days=100)))
    case_path("default", "evaluation").mkdir(parents=True, exist_ok=True)
    write_frame(case_path("default", "evaluation", "predictions.parquet"),
                pd.DataFrame({"customer_id": [f"X{number}" for number in range(100)] + ["C1"], "as_of": pd.Timestamp("2020-06-30"), "grade": "D1",
                              "target": [1.0] * 30 + [0.0] * 71}))
    risk(*ADD, "ben", "--days", 9)
    risk("override", "add", "C2", *ADD[3:], "ben", "--days", 9)
    found = json.loads(risk("override", "report", "--json"))
    first = found["hit_rates"][0]
    assert (first["made"], first["matured"], first["right"], first["comparable"], first["comparable_rate"]) == (2, 2, 1, 100, pytest.approx(0.7))
    assert "2 made, 2 matured, 1 right: 50% (6% to 94%), the model expected 92%, 70% (61% to 78%) of 100 comparable customers: not told apart" in risk(
        "override", "report")


def write_outcomes(world, *rows):
    frame = pd.DataFrame(list(rows), columns=["customer_id", "occurred_at"]).astype({"customer_id": "str"})
    frame = frame.assign(occurred_at=pd.to_datetime(frame["occurred_at"]).astype("datetime64[us]"), kind="default", loss=pd.array([0] * len(frame), "int64"))
    frame = frame.assign(known_at=frame["occurred_at"], cured_at=pd.Series(pd.NaT, index=frame.index, dtype="datetime64[us]"))
    write_frame(world / TABLES / "outcomes.parquet", frame)


# --- one decision, whoever asks -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [Change(action="approve", limit=50_000_000), Change(grade="B"), Change(limit=1_000_000), Change(action="decline")])
def test_the_service_and_the_published_row_decide_alike_by_an_override(tmp_path, change):
    values = features_of(records())
    published(tmp_path, rows=[BookRow("C1", values, {"as_of": BOOK_AS_OF, "standing": STANDING}, records())])
    with Store(tmp_path / "risk.db").open() as store, local_client(create_app(Settings(SOURCE, ("default",), tmp_path, tmp_path / "risk.db"))) as client:
        before = client.get("/v1/customers/C1").json()
        policy, decision = parse_policy(POLICY), before["decision"]
        assert decision["override"] is None
        said = Said(decision["action"], decision["risk_limit"], decision["route"], before["grade"], before["probability"], 40_000_000, "p", "b")
        Overrides(store, source=SOURCE).grant("C1", change, said, reason_code="security", reason="guarantee", author="anna", approver="ben",
                                              expires_on=today() + timedelta(days=9), policy=policy)
        after = client.get("/v1/customers/C1").json()["decision"]
        row = {**SCORE, "customer_id": "C1", "grade": before["grade"], "pd_12m": before["probability"]}
        applied = in_force(store, policy).row(row, STANDING)
        assert [applied[name] for name in ("action", "route", "limit", "payment_terms_days", "review_days")] == [
            after[name] for name in ("action", "route", "risk_limit", "payment_days", "review_days")]
        assert applied["decision_reasons"] == list(after["reasons"])
        assert json.loads(json.dumps(applied["override"])) == after["override"]
        assert after["override"]["policy_said"]["action"] == decision["action"]
        assert applied["grade"] == before["grade"]
        assert after["words"]["en"]["reasons"][0] == "A person decided otherwise than the policy: security that the data do not show."
        recorded = store.history(customer_id="C1")[0].payload["answer"]["decision"]
        assert recorded["override"]["id"] == after["override"]["id"]


def stand(store, customer, state, **changes):
    """Put a customer into a state, by the rules of the file."""
    since = date(2026, 3, 1)
    LifeCycleLedger(store, SOURCE).record(RULES, [Move(customer, since, None, state, since, "first_seen", "finance", None, **changes)])


@pytest.mark.parametrize("state", ["active", "restrict", "exit", "re_entry"])
def test_the_service_and_the_published_row_say_the_state_and_keep_to_it_also_under_an_override(tmp_path, state):
    published(tmp_path, rows=[BookRow("C1", features_of(records()), {"as_of": BOOK_AS_OF, "standing": STANDING}, records())], life_cycle=RULES)
    with Store(tmp_path / "risk.db").open() as store, local_client(create_app(Settings(SOURCE, ("default",), tmp_path, tmp_path / "risk.db"))) as client:
        before = client.get("/v1/customers/C1").json()
        assert before["decision"]["life_cycle"] is None
        stand(store, "C1", state)
        policy = parse_policy(POLICY)
        said = Said(before["decision"]["action"], before["decision"]["risk_limit"], before["decision"]["route"], before["grade"], 0.08, 40_000_000, "p", "b")
        Overrides(store, source=SOURCE).grant("C1", Change(action="approve", limit=90_000_000), said, reason_code="security", reason="guarantee", author="anna",
                                              approver="ben", expires_on=today() + timedelta(days=9), policy=policy)
        after = client.get("/v1/customers/C1", params={"requested_amount": 100}).json()["decision"]
        assert after["life_cycle"] == {"state": state, "since": "2026-03-01", "owner": "finance", "deadline": None, "new_credit": RULES.new_credit[state]}
        assert (after["action"] == "decline") == (state in ("restrict", "exit"))
        assert after["route"] != "automatic" or state == "active"
        row = {**SCORE, "customer_id": "C1", "grade": before["grade"], "pd_12m": before["probability"]}
        applied = in_force(store, policy).row(row, STANDING)
        asked_nothing = client.get("/v1/customers/C1").json()["decision"]
        assert [applied[name] for name in ("action", "route", "limit", "term_months", "life_cycle", "override")] == [
            asked_nothing[name] for name in ("action", "route", "risk_limit", "term_months", "life_cycle", "override")]
        assert applied["decision_reasons"] == asked_nothing["reasons"]
        assert client.post("/v1/score", json={"customer_id": "C1", "records": records(), "requested_amount": 100}).json()["decision"]["life_cycle"] == (
            after["life_cycle"])


def test_a_posted_question_meets_the_override_too_and_an_expired_one_is_passed_over(tmp_path):
    published(tmp_path)
    moment = datetime(2026, 3, 31, 12)
    with Store(tmp_path / "risk.db", clock=lambda: moment).open() as store:
        said = Said("approve", 10**9, "one_person", bundle().manifest.grades[0].name, 0.01, 0, "p", "b")
        Overrides(store, source=SOURCE).grant("C1", Change(action="decline"), said, reason_code="suspicion", reason="see case", author="anna", approver="ben",
                                              expires_on=moment.date(), policy=parse_policy(POLICY))
    for days, expected in ((0, "suspicion"), (1, None)):
        clock = lambda days=days: moment + timedelta(days=days)  # noqa: E731
        with local_client(create_app(Settings(SOURCE, ("default",), tmp_path, tmp_path / "risk.db"), clock=clock)) as client:
            found = client.post("/v1/score", json={"customer_id": "C1", "records": records()}).json()["decision"]
            assert (found["override"] or {}).get("reason_code") == expected
            assert (found["action"] == "decline") == (expected is not None)


def test_publishing_plans_reviews_by_the_grade_in_force(tmp_path):
    with Store(tmp_path / "risk.db").open() as store:
        said = Said("reduce", 10_000_000, "two_persons", "D1", 0.08, 40_000_000, "p", "b")
        policy = parse_policy(POLICY)
        Overrides(store, source=SOURCE).grant("C1", Change(grade="A"), said, reason_code="data_error", reason="wrong statement", author="anna", approver="ben",
                                              expires_on=today() + timedelta(days=9), policy=policy)
        applied = in_force(store, policy)
        for customer in ("C1", "C2"):
            applied.row({**SCORE, "customer_id": customer}, STANDING)
        assert applied.plan_reviews(BOOK_AS_OF) == ", 1 under an override, 2 reviews planned or moved"
        assert applied.plan_reviews(BOOK_AS_OF) == ", 1 under an override, 0 reviews planned or moved"
        found = {each.customer_id: (each.grade, (each.due_on - today()).days) for each in Reviews(store, source=SOURCE).listed()}
        assert found == {"C1": ("A", 365), "C2": ("D1", 30)}


def test_who_has_left_us_or_the_book_drops_out_of_the_review_calendar_with_a_note(risk, world):
    with Store(world / "var" / "risk.db").open() as store:
        Reviews(store, source=SOURCE).plan(["C1", "C2", "C3", "C4"], ["A"] * 4, [365] * 4)
        stand(store, "C2", "exit")
        stand(store, "C3", "run_down")
        applied = in_force(store)
        for customer in ("C1", "C2"):
            applied.row({**SCORE, "customer_id": customer}, STANDING)
        assert applied.plan_reviews(BOOK_AS_OF).endswith(", 3 customers out of the review calendar (`risk reviews left`)")
    due = today() + timedelta(days=365)
    assert risk("reviews", "left").splitlines() == [
        f"C2: left the calendar on {today()}, in exit since 2026-03-01; due {due} (grade A)",
        f"C3: left the calendar on {today()}, not in the book of 2026-02-28, in run_down since 2026-03-01; due {due} (grade A)",
        f"C4: left the calendar on {today()}, not in the book of 2026-02-28; due {due} (grade A)"]
    assert risk("reviews", "missed", "--as-of", due + timedelta(days=9)).startswith("C1: missed")
    assert "C2" not in risk("reviews", "due", "--within", 999)


def test_a_customer_in_default_stays_in_the_review_calendar_by_the_shortest_interval_until_it_is_cured_or_gone(risk, world):
    defaulted = {"C2", "C3", "C4", "C5"}
    with Store(world / "var" / "risk.db").open() as store:
        reviews = Reviews(store, source=SOURCE)
        reviews.plan(["C1", "C2", "C3"], ["A"] * 3, [365] * 3)
        stand(store, "C3", "exit")
        stand(store, "C4", "restrict")

        def published_without_them():
            applied = in_force(store)
            applied.row({**SCORE, "customer_id": "C1"}, STANDING)
            return applied.plan_reviews(BOOK_AS_OF, in_default=lambda customers: np.isin(customers.astype(str), list(defaulted)))

        assert published_without_them().endswith(
            ", 1 customers out of the review calendar (`risk reviews left`), 2 customers in default kept in the review calendar")
        found = {each.customer_id: (each.grade, (each.due_on - today()).days) for each in reviews.listed() if each.status == "upcoming"}
        assert {name: found[name] for name in ("C2", "C4")} == {"C2": ("in_default", 30), "C4": ("in_default", 30)}
        reviews.done("C2", reviewer="anna", approver="ben", note="workout plan read")
        assert reviews.listed(customer_id="C2")[-1].due_on == today() + timedelta(days=30)
        defaulted.clear()
        assert "2 customers out of the review calendar" in published_without_them()
    assert "C2: left the calendar" in risk("reviews", "left")


# --- reviews ------------------------------------------------------------------------------------------------------------------


def planned(world):
    with Store(world / "var" / "risk.db").open() as store:
        Reviews(store, source=SOURCE).plan(["C1", "C2"], ["D1", "A"], [30, 365])


def test_reviews_are_listed_recorded_and_missed(risk, world):
    planned(world)
    due, late = today() + timedelta(days=30), today() + timedelta(days=33)
    assert risk("reviews", "due") == f"C1: upcoming, due {due} (grade D1)"
    assert risk("reviews", "due", "--within", 400).count("upcoming") == 2
    assert risk("reviews", "missed") == f"no review was missed by {today()}."
    assert risk("reviews", "missed", "--as-of", late) == f"C1: missed, due {due} (grade D1), 3 days late"
    assert risk("reviews", "done") == f"no review was done by {today()}."
    assert risk("reviews", "record", "C1", "--by", "anna", "--approver", "ben", "--note", "statements read") == (
        f"C1 was reviewed on {today()} (due {due}); the next review is due on {due}.")
    assert risk("reviews", "done") == f"C1: reviewed on {today()}, due {due} (grade D1), by anna and ben: statements read"
    (done,) = json.loads(risk("reviews", "done", "--json"))
    assert (done["customer_id"], done["status"], done["done_on"], done["due_on"]) == ("C1", "done", today().isoformat(), due.isoformat())


def test_a_review_by_one_person_and_one_of_an_unknown_customer_are_refused(risk, world):
    planned(world)
    alone = ("reviews", "record", "C1", "--by", "anna", "--approver", "Anna", "--note", "read")
    assert "error: Anna cannot approve an own case: a review needs a second person, name one with --approver." in risk(*alone, code=1)
    assert "error: customer C9 is not in the review calendar" in risk("reviews", "record", "C9", "--by", "a", "--approver", "b", "--note", "read", code=1)


def test_nothing_published_is_said(tmp_path):
    with workspace(tmp_path / "empty"), pytest.raises(RiskError, match="Nothing is published for simulated, default .*run `risk publish`"):
        add_override("C1", dict.fromkeys(("action", "limit", "route", "grade")), reason_code="security", reason="x", author="a", approver="b", expires=None,
                     days=3)
