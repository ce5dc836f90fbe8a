"""Overrides and reviews in both databases: rows that prove who decided what, when it held, and which reviews were done and missed."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from databases import NOON

from features.errors import RiskError
from models.overrides import Change, Said
from models.policy import load_policy
from models.reviews import DONE, DUE, LATE, LEFT, MISSED, UPCOMING
from serving import ledger
from serving.overrides import Overrides
from serving.reviews import Reviews
from serving.schema import CHAINS, REVISION
from serving.store import Entry, Store

POLICY = load_policy(Path(__file__).parent.parent / "policy.yaml")
SAID = Said("decline", 0, "committee", "D1", 0.08, 40_000_000, "p" * 64, "b" * 64)
TODAY = NOON.date()


@pytest.fixture
def store(url, clock):
    with Store(url, clock=clock).open() as opened:
        yield opened


@pytest.fixture
def overrides(store):
    return Overrides(store, source="simulated")


@pytest.fixture
def reviews(store):
    return Reviews(store, source="simulated")


def grant(overrides, customer="C1", **changes):
    values = {"reason_code": "security", "reason": " 银行保函 ", "author": "anna", "approver": "ben", "expires_on": TODAY + timedelta(days=30)}
    values |= {"policy": POLICY}
    return overrides.grant(customer, Change(action="approve", limit=50_000_000), SAID, **(values | changes))


# --- overrides ----------------------------------------------------------------------------------------------------------------


def test_an_override_is_found_again_as_it_was_made(overrides, store):
    made = grant(overrides)
    assert overrides.in_force("C1", TODAY) == made == overrides.all_in_force(TODAY)["C1"]
    assert (made.change, made.said, made.reason) == (Change(action="approve", limit=50_000_000), SAID, "银行保函")
    assert (made.author, made.approver, made.made_on, made.expires_on) == ("anna", "ben", TODAY, date(2026, 4, 30))
    assert overrides.in_force("C2", TODAY) is None
    assert Overrides(store, source="elsewhere").all() == []
    assert store.verify() == []


def test_an_override_holds_until_its_last_day(overrides):
    grant(overrides)
    held = [overrides.in_force("C1", TODAY + timedelta(days=days)) is not None for days in (-1, 0, 30, 31)]
    assert held == [False, True, True, False]


def test_nothing_is_written_of_an_override_that_is_refused(overrides, store):
    with pytest.raises(RiskError, match="anna cannot approve an own case"):
        grant(overrides, approver="anna")
    assert overrides.all() == []
    assert {head.count for head in store.heads()} == {0}


def test_a_second_override_of_a_customer_is_refused_while_one_is_in_force(overrides, clock):
    first = grant(overrides)
    with pytest.raises(RiskError, match=f"override {first.id} of C1 is in force until 2026-04-30: renew it, or revoke it first"):
        grant(overrides)
    clock.forward(31)
    assert grant(overrides, expires_on=TODAY + timedelta(days=60)).id != first.id


def test_a_renewal_that_shortens_is_refused(overrides):
    made = grant(overrides)
    with pytest.raises(RiskError, match=f"override {made.id} holds until 2026-04-30 already: name a later day, or revoke it to end it sooner"):
        overrides.renew(made.id, reason="still right", author="ben", approver="anna", expires_on=made.expires_on)


def test_a_renewal_carries_both_its_signers_or_one_person_would_seem_to_have_signed_alone(overrides):
    made = grant(overrides)
    renewed = overrides.renew(made.id, reason="still right", author="ben", approver="anna", expires_on=TODAY + timedelta(days=60))
    assert (renewed.author, renewed.approver) == ("ben", "anna")


def test_an_erased_customers_override_can_be_neither_renewed_nor_revoked(overrides, store):
    made = grant(overrides)
    store.erase_customer("C1", actor="privacy desk", reason="request")
    for follow in (lambda: overrides.revoke(made.id, reason="void", author="carl"),
                   lambda: overrides.renew(made.id, reason="still", author="anna", approver="ben", expires_on=TODAY + timedelta(days=60))):
        with pytest.raises(RiskError, match=f"there is no override {made.id}"):
            follow()


def test_an_override_is_renewed_by_two_persons_while_it_holds(overrides, clock, store):
    made = grant(overrides)
    clock.forward(30)
    terms = {"reason": "guarantee renewed", "author": "anna", "expires_on": TODAY + timedelta(days=60)}
    with pytest.raises(RiskError, match="anna cannot approve an own case"):
        overrides.renew(made.id, approver="anna", **terms)
    renewed = overrides.renew(made.id, approver="carl", **terms)
    assert (renewed.expires_on, renewed.renewals, renewed.approver, renewed.made_on) == (date(2026, 5, 30), 1, "carl", TODAY)
    clock.forward(31)
    with pytest.raises(RiskError, match=f"override {made.id} of C1 expired on 2026-05-30: make a new one on today's decision"):
        overrides.renew(made.id, approver="carl", **terms | {"expires_on": TODAY + timedelta(days=90)})
    assert store.verify() == []


def test_a_revoked_override_does_not_hold_from_that_day_on(overrides, clock):
    made = grant(overrides)
    clock.forward(2)
    assert overrides.revoke(made.id, reason="guarantee void", author="carl").revoked_on == TODAY + timedelta(days=2)
    assert [overrides.in_force("C1", TODAY + timedelta(days=days)) is not None for days in (1, 2)] == [True, False]
    with pytest.raises(RiskError, match=f"override {made.id} of C1 was revoked on 2026-04-02"):
        overrides.revoke(made.id, reason="again", author="carl")


def test_what_came_later_is_not_read_of_a_past_day(overrides, clock):
    made = grant(overrides)
    clock.forward(2)
    overrides.renew(made.id, reason="still right", author="carl", approver="anna", expires_on=TODAY + timedelta(days=60))
    clock.forward(1)
    overrides.revoke(made.id, reason="guarantee void", author="carl")
    assert overrides.all(as_of=TODAY - timedelta(days=1)) == []
    assert overrides.all(as_of=TODAY + timedelta(days=1)) == [made]
    assert [each.renewals for each in overrides.all(as_of=TODAY + timedelta(days=2))] == [1]
    assert [each.revoked_on for each in overrides.all()] == [TODAY + timedelta(days=3)]


def test_an_unknown_override_and_an_empty_reason_are_refused(overrides):
    with pytest.raises(RiskError, match="there is no override o9: `risk override list --all` names them"):
        overrides.revoke("o9", reason="x", author="carl")
    made = grant(overrides)
    with pytest.raises(RiskError, match="an override needs a reason in words"):
        overrides.revoke(made.id, reason=" ", author="carl")


@pytest.mark.parametrize("change", ["approver = 'carl'", "expires_on = '2027-01-01'", "customer_id = 'C2'", "reason_code = 'strategy'"])
def test_an_override_that_was_tampered_with_is_named(overrides, store, change):
    grant(overrides)
    with store.database.engine.begin() as connection:
        connection.execute(sa.text(f"update overrides set {change}"))
    assert [(fault.chain, fault.kind, fault.sequence) for fault in store.verify()] == [("overrides", "changed", 1)]


# --- reviews ------------------------------------------------------------------------------------------------------------------


def listed(reviews, **how):
    return [(each.customer_id, str(each.due_on), each.status, each.days_late) for each in reviews.listed(**how)]


def test_a_book_is_planned_once_and_again_only_where_something_changed(reviews, store):
    assert reviews.plan(["C1", "C2"], ["A", "D"], [365, 30]) == 2
    assert reviews.plan(["C1", "C2"], ["A", "D"], [365, 30]) == 0
    assert reviews.plan(["C1", "C2", "C3"], ["A", "D", "C"], [365, 30, 91]) == 1
    assert listed(reviews) == [("C1", "2027-03-31", UPCOMING, 0), ("C2", "2026-04-30", UPCOMING, 0), ("C3", "2026-06-30", UPCOMING, 0)]
    assert store.verify() == []


def test_a_worse_grade_pulls_a_review_forward_and_a_better_one_does_not_push_it_away(reviews, clock):
    reviews.plan(["C1", "C2"], ["A", "D"], [365, 30])
    clock.forward(10)
    assert reviews.plan(["C1", "C2"], ["C", "A"], [91, 365]) == 2
    assert listed(reviews) == [("C1", "2026-06-30", UPCOMING, 0), ("C2", "2026-04-30", UPCOMING, 0)]
    clock.forward(100)
    reviews.plan(["C1"], ["D"], [30])
    assert [each.status for each in reviews.listed(customer_id="C1")] == [MISSED]


def test_a_review_done_in_time_plans_the_next_by_the_grade_in_force(reviews, clock, store):
    reviews.plan(["C1"], ["D"], [30])
    clock.forward(10)
    reviews.plan(["C1"], ["A"], [365])
    clock.forward(20)
    done, following = reviews.done("C1", reviewer="anna", approver="ben", note=" statements of 2025 read ")
    assert (done.status, done.due_on, done.done_on, done.note, done.reviewer, done.approver) == (DONE, date(2026, 4, 30), date(2026, 4, 30),
                                                                                                  "statements of 2025 read", "anna", "ben")
    assert following == date(2027, 4, 30)
    assert reviews.plan(["C1"], ["A"], [365]) == 0
    assert listed(reviews) == [("C1", "2026-04-30", DONE, 0), ("C1", "2027-04-30", UPCOMING, 0)]
    assert store.verify() == []


def test_the_last_review_of_each_is_told(reviews, clock):
    reviews.plan(["C1", "C2"], ["D", "D"], [30, 30])
    assert reviews.last_done() == {}
    for _ in range(2):
        clock.forward(10)
        reviews.done("C1", reviewer="anna", approver="ben", note="read")
    assert reviews.last_done() == {"C1": date(2026, 4, 20)}


def test_a_missed_review_stays_on_record_after_it_was_caught_up(reviews, clock):
    reviews.plan(["C1"], ["D"], [30])
    clock.forward(35)
    assert listed(reviews) == [("C1", "2026-04-30", MISSED, 5)]
    reviews.plan(["C1"], ["D"], [30])
    clock.forward(2)
    reviews.done("C1", reviewer="anna", approver="ben", note="visited")
    assert listed(reviews) == [("C1", "2026-04-30", LATE, 7), ("C1", "2026-06-06", UPCOMING, 0)]
    assert listed(reviews, as_of=date(2026, 5, 2)) == [("C1", "2026-04-30", MISSED, 2)]
    assert listed(reviews, as_of=date(2026, 6, 10))[1] == ("C1", "2026-06-06", MISSED, 4)
    assert reviews.listed()[0].planned_at == NOON


@pytest.mark.parametrize(("changes", "message"), [
    ({"approver": "ANNA"}, "ANNA cannot approve an own case: a review needs a second person"),
    ({"note": ""}, "a review needs a note of what was looked at and found: give one with --note"),
    ({"customer_id": "C9"}, "customer C9 is not in the review calendar: check the id, or run `risk publish`"),
    ({"decision_id": "d9"}, "the decision d9 is not recorded: name one of C1, or leave --decision away"),
    ({"decision_id": "d2"}, "the decision d2 is not about this customer"),
])
def test_a_review_that_proves_nothing_is_refused(reviews, store, changes, message):
    reviews.plan(["C1"], ["D"], [30])
    store.record_decision(Entry("default", "simulated", "C2", "b", "p", "c", {}, decision_id="d2"))
    with pytest.raises(RiskError, match=message):
        reviews.done(**({"customer_id": "C1", "reviewer": "anna", "approver": "ben", "note": "read"} | changes))
    assert listed(reviews) == [("C1", "2026-04-30", UPCOMING, 0)]


def test_who_drops_out_of_the_calendar_is_missed_no_more_and_comes_back_with_the_review_that_was_due(reviews, clock, store):
    reviews.plan(["C1", "C2"], ["D", "A"], [30, 365])
    clock.forward(40)
    assert reviews.drop_out(["C2"], why=lambda customer: f"{customer} is gone") == 1
    assert reviews.drop_out(["C2"], why=str) == 0
    gone = reviews.listed(customer_id="C1")[0]
    assert (gone.status, gone.days_late, gone.left_on, gone.note, gone.done_on) == (LEFT, 10, clock.now.date(), "C1 is gone", None)
    clock.forward(100)
    assert reviews.listed(customer_id="C1")[0].days_late == 10
    with pytest.raises(RiskError, match=r"customer C1 left the review calendar on 2026-05-10 \(C1 is gone\): `risk publish` takes it in again"):
        reviews.done("C1", reviewer="anna", approver="ben", note="read")
    assert reviews.plan(["C1", "C2"], ["D", "A"], [30, 365]) == 1
    assert [(each.status, each.due_on) for each in reviews.listed(customer_id="C1")][1:] == [(DUE, clock.now.date())]
    assert store.verify() == []


def test_a_review_names_the_decision_it_rests_on(reviews, store):
    reviews.plan(["C1"], ["D"], [30])
    store.record_decision(Entry("default", "simulated", "C1", "b", "p", "c", {}, decision_id="d1"))
    reviews.done("C1", reviewer="anna", approver="ben", note="read", decision_id="d1")
    assert reviews.listed()[0].decision_id == "d1"


def test_a_review_that_was_tampered_with_is_named(reviews, store):
    reviews.plan(["C1"], ["D"], [30])
    with store.database.engine.begin() as connection:
        connection.execute(sa.text("update reviews set on_day = '2026-12-31'"))
    assert [(fault.chain, fault.kind, fault.sequence) for fault in store.verify()] == [("reviews", "changed", 1)]


# --- both ---------------------------------------------------------------------------------------------------------------------


def test_an_erased_customer_leaves_whole_chains_and_no_override(overrides, reviews, store):
    grant(overrides)
    reviews.plan(["C1", "C2"], ["D", "D"], [30, 30])
    store.record_decision(Entry("default", "simulated", "C1", "b", "p", "c", {}))
    assert store.erase_customer("C1", actor="privacy desk", reason="request") == 3
    assert overrides.all() == []
    assert [each.customer_id for each in reviews.listed()] == ["C2"]
    assert store.verify() == []
    assert reviews.plan(["C2"], ["D"], [30]) == 0


def test_a_renewal_whose_grant_is_erased_before_it_says_nothing(overrides, store):
    made = grant(overrides)
    overrides.renew(made.id, reason="still right", author="ben", approver="anna", expires_on=TODAY + timedelta(days=60))
    with store.database.writing() as connection:
        # As an expiry of more rows than one transaction takes, stopped between the two.
        first = {"overrides": CHAINS["overrides"].c.sequence == 1}
        ledger.erase_where(connection, first, made_at=store.now(), actor="privacy desk", reason="past its time", most=1)
    assert (overrides.of("C1"), overrides.all(), overrides.in_force("C1", TODAY)) == ([], [], None)


@pytest.mark.parametrize("chain", ledger.PERSONAL)
def test_an_erasure_waits_for_whoever_is_writing_a_row_of_the_customer(store, overrides, chain, clock):
    grant(overrides)
    with ThreadPoolExecutor(1) as other:
        with store.database.writing() as connection:
            ledger.locked_head(connection, chain)
            erasure = other.submit(store.erase_customer, "C1", actor="privacy desk", reason="request")
            with pytest.raises(TimeoutError):
                erasure.result(timeout=0.3)
        assert erasure.result() == 1


def test_a_payload_lost_without_an_erasure_is_named(overrides, reviews, store):
    grant(overrides)
    reviews.plan(["C1"], ["D"], [30])
    with store.database.engine.begin() as connection:
        for table in ("overrides", "reviews"):
            connection.execute(sa.text(f"update {table} set payload = null, salt = null, customer_id = null"))
    assert [(fault.chain, fault.kind) for fault in store.verify()] == [("overrides", "erased"), ("reviews", "erased")]


def test_a_database_of_the_first_revision_gets_the_new_ledgers_and_keeps_its_rows(url):
    store = Store(url)
    config = Config()
    config.set_main_option("script_location", "serving:migrations")
    with store.database.migrating() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        row = {"use_case": "default", "source": "simulated", "action": "promote", "bundle": "b1", "previous_bundle": None, "policy": None}
        row |= {"actor": "lin", "reason": "first", "evidence": "{}", "made_at": datetime(2026, 1, 1)}
        ledger.append(connection, ledger.locked_head(connection, "promotions"), [row])
    with store.open():
        assert store.revision() == REVISION
        assert [each.bundle for each in store.promotions()] == ["b1"]
        grant(Overrides(store, source="simulated"), expires_on=datetime.now().date() + timedelta(days=9))
        assert store.verify() == []
