"""`risk customers` and `risk playbook`: a scored book moved night by night, people's moves, drills, and the wording of what is refused."""

import datetime

import pandas as pd
import pytest
from builders import customer, event, exposure, invoice, outcome, write_tables
from click.testing import CliRunner

from models.overrides import Change, Said
from models.policy import load_policy
from pipeline.cli import main
from pipeline.frames import read_frame, write_frame
from pipeline.workspace import workspace
from serving.life_cycle import LifeCycleLedger
from serving.overrides import Overrides
from serving.store import Store

DAY = datetime.date(2023, 6, 30)
SCORE = {"pd_12m": 0.01, "grade": "A", "action": "approve", "route": "automatic", "limit": 1_000_000}


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.delenv("CUSTOMER_RISK_DATABASE_URL", raising=False)
    with workspace(tmp_path) as folder:
        yield folder


def risk(*arguments, code=0):
    result = CliRunner().invoke(main, [str(part) for part in arguments])
    assert result.exit_code == code, result.output
    return result.output


def book(day=DAY, **customers):
    """Write the scores of customers, {id: changes of SCORE}, and their observations."""
    as_of = pd.Timestamp(day) + pd.Timedelta(days=1) - pd.Timedelta(seconds=1)
    rows = pd.DataFrame([{"observation_id": f"{name}@{day}", "customer_id": name, "as_of": as_of, **SCORE, **changes} for name, changes in customers.items()])
    rows["as_of"] = pd.to_datetime(rows["as_of"]).astype("datetime64[us]")
    write_frame("data/default/scores.parquet", rows.assign(policy=load_policy("policy.yaml").hash))
    write_frame("data/default/book/standing.parquet", rows[["observation_id"]].assign(exposure=500_000.0, capacity=10_000_000.0))
    write_frame("data/default/book/observations.parquet", rows[["observation_id", "customer_id", "as_of"]])


def tables(**changes):
    """Tables of customers C1 to C4: each owes 5,000.00, nothing is late, nobody sues."""
    names = ("C1", "C2", "C3", "C4")
    given = {"customers": [customer(name) for name in names], "exposures": [exposure(name) for name in names], "events": [event()], "invoices": [invoice()],
             "outcomes": [outcome("C9")]}
    write_tables("data/tables", given | changes)


def take_over():
    return risk("customers", "advance", "--take-over", "--by", "lin", "--reason", "the book of our start")


@pytest.fixture(scope="module")
def taken_over(tmp_path_factory):
    """A place whose one customer is active, and which no test changes."""
    with workspace(tmp_path_factory.mktemp("taken_over")) as folder:
        tables()
        book(C1={})
        take_over()
        yield folder


def states(place):
    with Store(place / "var" / "risk.db").open() as store:
        assert store.verify() == []
        return {one.customer_id: one.state for one in LifeCycleLedger(store, "simulated").standings()}


def test_a_night_takes_in_moves_and_says_why_and_a_second_one_changes_nothing(place):
    tables(events=[event("C2", kind="lawsuit", occurred_at="2023-06-01", amount=1000)])
    book(C1={}, C2={}, C3={"pd_12m": 0.3, "route": "committee"}, C4={"route": "one_person"})
    said = risk("customers", "advance").splitlines()
    assert said[0].startswith("2023-06-30: 4 customers, 0 of them not in the book; rules ")
    assert said[1:4] == ["  new to onboarding: 4 first_seen", "  onboarding to active: 1 approved_by_policy",
                         "states: onboarding 3, active 1, watch 0, restrict 0, run_down 0, exit 0, re_entry 0"]
    assert states(place) == {"C1": "active", "C2": "onboarding", "C3": "onboarding", "C4": "onboarding"}
    assert risk("customers", "advance").splitlines()[1] == "nobody moves."
    assert len(states(place)) == 4


def test_a_book_that_is_there_is_taken_over_on_a_persons_word(place):
    tables(events=[event("C2", kind="lawsuit", occurred_at="2023-06-01", amount=1000)])
    book(C1={}, C2={}, C3={"pd_12m": 0.3, "route": "committee"}, C4={"pd_12m": 0.6})
    said = take_over()
    for line in ("  onboarding to active: 4 taken_over", "  active to watch: 1 lawsuit", "  active to restrict: 2 pd_level",
                 "  restrict to run_down: 1 pd_level", "playbook stop_shipment starts for 2"):
        assert line in said.splitlines()
    assert states(place) == {"C1": "active", "C2": "watch", "C3": "restrict", "C4": "run_down"}
    assert "nobody moves." in take_over()
    assert "starts for" not in take_over()
    assert risk("customers", "list", "--state", "watch") == "C2  since 2023-06-30  lawsuit; legal by 2023-07-14\n"
    assert "restrict           1" in risk("customers", "list")
    assert risk("customers", "list", "--state", "exit") == "nobody is in exit.\n"


def test_a_book_whose_first_night_forgot_to_take_it_over_can_still_be_taken_over_but_for_cases_that_somebody_touched(place):
    tables()
    book(C1={}, C2={"route": "one_person"}, C3={"route": "one_person"})
    risk("customers", "advance")
    risk("customers", "move", "C3", "--to", "onboarding", "--by", "wang", "--reason", "papers are missing")
    assert states(place) == {"C1": "active", "C2": "onboarding", "C3": "onboarding"}
    book(DAY + datetime.timedelta(days=1), C1={}, C2={"route": "one_person"}, C3={"route": "one_person"})
    assert "  onboarding to active: 1 taken_over" in take_over().splitlines()
    assert states(place) == {"C1": "active", "C2": "active", "C3": "onboarding"}
    assert "C2 on 2023-07-01: active since 2023-07-01, taken_over" in risk("customers", "show", "C2")
    assert "nobody is taken over: the book's customers have states already" in take_over()


def override(place, customer, **change):
    """Let two persons decide otherwise than the policy about a customer, from today on."""
    with Store(place / "var" / "risk.db").open() as store:
        overrides = Overrides(store, source="simulated")
        said = Said("approve", 100_000, "automatic", "A", 0.01, 500_000, "p" * 64, "b" * 64)
        overrides.grant(customer, Change(**change), said, reason_code="security", reason="guarantee", author="anna", approver="ben",
                        expires_on=overrides.today() + datetime.timedelta(days=9), policy=load_policy("policy.yaml"))


def test_the_exposure_is_held_against_a_limit_that_two_persons_granted(place):
    tables()
    book(C1={"limit": 100_000}, C2={"limit": 100_000})
    override(place, "C1", action="approve", limit=500_000)
    take_over()
    assert states(place) == {"C1": "active", "C2": "restrict"}


def test_the_exposure_is_held_against_the_limit_that_an_overridden_grade_leaves(place):
    # Of 100,000.00 capacity the policy lets A owe 10,000 and E 1,000; what is owed are 5,000.
    tables()
    book(C1={"limit": 1_000_000}, C2={"limit": 1_000_000})
    override(place, "C1", grade="E")
    take_over()
    assert states(place) == {"C1": "restrict", "C2": "active"}


def test_the_decision_in_force_is_the_headline_and_the_policys_stands_beside_it(place):
    tables()
    shown = {"pd_12m": 0.4, "points": 600.0, "adverse": [], "pd_low": float("nan")}
    book(C1=shown, C2=shown | {"pd_12m": 0.01})
    assert risk("score", "C1").splitlines()[1] == "decision: approve, limit 10,000, automatic"
    take_over()
    override(place, "C2", limit=200_000)
    said = risk("score", "C1").splitlines()
    assert said[1:3] == ["decision: approve, limit 5,000, the committee decides", "the policy alone: approve, limit 10,000, automatic"]
    assert said[3].startswith("life cycle: C1 is in restrict since 2023-06-30, which declines new credit")
    said = risk("score", "C2").splitlines()
    assert said[1:3] == ["decision: approve a smaller limit, limit 2,000, automatic", "the policy alone: approve, limit 10,000, automatic"]
    assert said[3].startswith("overridden: override ")


def test_an_overridden_book_of_another_policy_is_refused(place):
    tables()
    book(C1={})
    override(place, "C1", grade="E")
    write_frame("data/default/scores.parquet", read_frame("data/default/scores.parquet").assign(policy="0" * 64))
    assert "the book's scores are of another policy than policy.yaml" in risk("customers", "advance", code=1)


def test_each_score_goes_stale_by_its_own_day_and_its_limit_stays(place):
    tables(exposures=[exposure("C1"), exposure("C2"), exposure("C3", exposure=9_000_000)])
    old = {"pd_12m": 0.6, "as_of": pd.Timestamp("2023-06-22")}
    book(C1={"pd_12m": 0.6, "as_of": pd.Timestamp("2023-06-23")}, C2=old, C3=old, C4={})
    said = take_over().splitlines()
    assert said[1].startswith("2 scores are more than 7 days old and move nobody: run `risk run` on newer data, or raise stale_days in life_cycle.yaml")
    assert states(place) == {"C1": "run_down", "C2": "onboarding", "C3": "onboarding", "C4": "active"}
    risk("customers", "move", "C3", "--to", "active", "--by", "wang", "--reason", "an old customer")
    assert "  active to restrict: 1 exposure_over_limit" in risk("customers", "advance").splitlines()


@pytest.mark.parametrize("change", [{"action": "decline"}, {"route": "two_persons"}, {"limit": 50_000}])
def test_whom_two_persons_were_harder_on_than_the_policy_is_not_let_in_by_its_automatic_route(place, change):
    tables()
    book(C1={}, C2={})
    override(place, "C1", **change)
    risk("customers", "advance")
    assert states(place) == {"C1": "onboarding", "C2": "active"}


def test_a_run_down_called_off_while_its_trigger_stands_is_said_to_come_back(place):
    tables()
    book(C1={"pd_12m": 0.6})
    take_over()
    said = risk("customers", "move", "C1", "--to", "restrict", "--by", "wang", "--reason", "new owner")
    assert said == ("C1 moves from run_down to restrict on 2023-06-30; finance by 2023-07-07. "
                    "By today's facts the next `risk customers advance` moves it on to run_down (pd_level).\n")
    assert "  restrict to run_down: 1 pd_level" in risk("customers", "advance").splitlines()


def test_a_default_takes_a_customer_out_of_the_book_and_into_restriction(place):
    tables()
    book(C1={}, C2={})
    take_over()
    assert states(place)["C1"] == "active"
    tables(outcomes=[outcome("C1", occurred_at="2023-07-01", known_at="2023-07-03")])
    book(datetime.date(2023, 7, 5), C2={})
    assert "2 customers, 1 of them not in the book" in risk("customers", "advance")
    assert states(place)["C1"] == "restrict"
    shown = risk("customers", "show", "C1")
    assert "playbook call_guarantee, run" in shown
    assert "in_default, by the rules" in shown


def test_a_run_down_is_shown_with_its_plan_and_ends_when_nothing_is_owed(place):
    tables()
    book(C1={"pd_12m": 0.6})
    take_over()
    shown = risk("customers", "show", "C1")
    assert "C1 on 2023-06-30: run_down since 2023-06-30, pd_level; sales by 2023-10-28" in shown
    assert "run-down: 3,750 by 2023-07-30, 2,500 by 2023-08-29, 1,250 by 2023-09-28, 0 by 2023-10-28" in shown
    assert "owed now: 5,000, 1,250 more than planned" in risk("customers", "show", "C1", "--as-of", "2023-08-01")
    assert "sales by 2023-10-28, late" in risk("customers", "show", "C1", "--as-of", "2023-10-29")
    # Paid up, and no longer in the book.
    tables(exposures=[exposure("C1", exposure=0, known_at="2023-10-01")])
    book(datetime.date(2023, 10, 31), C2={})
    assert "  run_down to exit: 1 settled_up" in risk("customers", "advance").splitlines()


def test_the_whole_life_back_to_watch_needs_a_fresh_score_and_two_persons(place):
    tables(exposures=[exposure("C1", exposure=0)])
    book(C1={"pd_12m": 0.6})
    take_over()
    assert states(place)["C1"] == "exit"
    early = risk("customers", "move", "C1", "--to", "re_entry", "--by", "lin", "--reason", "asks", "--as-of", "2023-07-10", code=1)
    assert early == "error: the cool-down of exit ends on 2023-12-27: exit to re_entry cannot be taken on 2023-07-10.\n"
    stale = risk("customers", "move", "C1", "--to", "re_entry", "--by", "lin", "--reason", "asks", "--as-of", "2023-12-28", code=1)
    assert stale == "error: the customer's score is of 2023-06-30, and this move on 2023-12-28 needs one of the last 30 days: score it anew.\n"
    book(datetime.date(2023, 12, 28), C1={})
    assert risk("customers", "move", "C1", "--to", "re_entry", "--by", "lin", "--reason", "asks") == (
        "C1 moves from exit to re_entry on 2023-12-28; sales by 2024-01-27.\n")
    own = risk("customers", "move", "C1", "--to", "watch", "--by", "LIN", "--reason", "sound", code=1)
    assert own == ("error: LIN opened or confirmed this case and cannot approve it: nobody approves a case of their own; let somebody else move it.\n")
    assert "moves from re_entry to watch" in risk("customers", "move", "C1", "--to", "watch", "--by", "wang", "--reason", "sound")
    assert "  2023-12-28  re_entry to watch, decided, by wang: sound" in risk("customers", "show", "C1").splitlines()


def test_a_pd_that_rose_since_the_customer_became_active_puts_it_on_watch_and_being_watched_is_not_the_new_usual(place):
    tables()
    book(C1={"pd_12m": 0.01})
    take_over()
    book(datetime.date(2023, 7, 1), C1={"pd_12m": 0.031})
    assert "  active to watch: 1 pd_rise" in risk("customers", "advance").splitlines()
    book(datetime.date(2023, 9, 1), C1={"pd_12m": 0.031})
    assert "nobody moves." in risk("customers", "advance").splitlines()
    book(datetime.date(2023, 9, 2), C1={"pd_12m": 0.019})
    assert "  watch to active: 1 calm" in risk("customers", "advance").splitlines()
    book(datetime.date(2023, 9, 3), C1={"pd_12m": 0.04})
    assert "nobody moves." in risk("customers", "advance").splitlines()


def test_deadlines_that_passed_are_counted_by_department_until_somebody_confirms(place):
    tables(events=[event("C2", kind="lawsuit", occurred_at="2023-06-01", amount=1000)])
    book(C1={}, C2={})
    take_over()
    tables(events=[event("C2", kind="lawsuit", occurred_at="2023-07-01", amount=1000)])
    book(datetime.date(2023, 7, 20), C1={}, C2={})
    assert "deadlines passed: legal 1" in risk("customers", "advance").splitlines()
    said = risk("customers", "move", "C2", "--to", "watch", "--by", "lin", "--reason", "read it")
    assert said == "C2 is confirmed in watch on 2023-07-20; sales by 2023-08-03.\n"
    assert "deadlines passed" not in risk("customers", "advance")


def test_a_fact_that_the_tables_lack_is_said_to_move_nobody(place):
    tables()
    book(C1={})
    (place / "data" / "tables" / "events.parquet").unlink()
    unknown = "days_past_due, pd_rise, lawsuits, open_lawsuit_amount, disputes, bounced_payments, negative_reports"
    assert risk("customers", "advance").splitlines()[-1] == f"known of nobody, so they move nobody: {unknown}"


def test_a_drill_moves_nobody_and_says_what_would_have_been_late(place):
    tables()
    book(C1={})
    take_over()
    said = risk("playbook", "drill", "stop_shipment", "--customer", "C1", "--by", "lin", "--reason", "yearly drill")
    assert said.startswith("drill 1 of stop_shipment for C1, started ")
    assert said.endswith("would have been late: nothing, so far\n")
    assert states(place) == {"C1": "active"}
    assert "  1. block_orders, sales, by " in risk("playbook", "done", "1", "block_orders", "--by", "wang")
    assert "drill 1 of stop_shipment, C1: recall_goods_in_transit, sales, by " in risk("playbook", "list")
    refused = risk("playbook", "done", "1", "confirm_open_balance", "--by", "wang", code=1)
    assert refused == ("error: step confirm_open_balance comes after recall_goods_in_transit, which is open: do that first and say so with "
                       "`risk playbook done`.\n")
    assert "3. confirm_open_balance, finance, by " in risk("playbook", "list", "1")


def test_a_drill_left_alone_would_have_been_late(place, monkeypatch):
    tables()
    book(C1={})
    risk("playbook", "drill", "file_claim", "--by", "lin", "--reason", "yearly drill")
    later = datetime.datetime.now(datetime.UTC).replace(tzinfo=None) + datetime.timedelta(hours=100)
    monkeypatch.setattr(Store, "now", lambda _store: later)
    assert risk("playbook", "list", "1").splitlines()[-1] == (
        "would have been late: collect_contracts_and_delivery_notes, confirm_claim_with_interest, so far")


def test_a_playbook_started_by_a_person_moves_the_customer_to_its_state(place):
    tables()
    book(C1={})
    take_over()
    assert risk("playbook", "start", "file_claim", "C1", "--by", "lin", "--reason", "court").startswith("run 1 of file_claim for C1")
    assert states(place) == {"C1": "restrict"}
    assert "active to restrict, playbook.file_claim, by lin: court" in risk("customers", "show", "C1")
    again = risk("playbook", "start", "file_claim", "C1", "--by", "lin", "--reason", "court", code=1)
    assert again == "error: file_claim runs for C1 already: `risk playbook list` shows it.\n"


@pytest.mark.parametrize(("arguments", "message"), [
    (("customers", "show", "C7"), "error: customer C7 has no state: check the id, or run `risk customers advance`, which takes in the book's new customers.\n"),
    (("customers", "list", "--state", "limbo"), "error: there is no state limbo: use onboarding, active, watch, restrict, run_down, exit, re_entry.\n"),
    (("customers", "advance", "--as-of", "2023-06-01"),
     "error: the book is of 2023-06-30, and knows more than was known on 2023-06-01: take 2023-06-30 or later.\n"),
    (("customers", "advance", "--as-of", "2023-07-08"),
     "error: the book's scores are of 2023-06-30, more than 7 days before 2023-07-08: run `risk run` on newer data first.\n"),
    (("customers", "advance", "--as-of", "today"), "error: --as-of today is no day: write it as YYYY-MM-DD.\n"),
    (("customers", "advance", "--take-over"), "error: say who decides with --by: a move of a person carries a name.\n"),
    (("customers", "move", "C1", "--to", "exit", "--by", "lin", "--reason", "x"),
     "error: there is no way from active to exit: a person can move a customer in active to watch or restrict, or confirm active.\n"),
    (("customers", "move", "C1", "--to", "watch", "--by", "lin", "--reason", " "), "error: say why with --reason: a move of a person carries its reason.\n"),
    (("playbook", "start", "panic", "C1", "--by", "lin", "--reason", "x"),
     "error: there is no playbook panic: life_cycle.yaml has stop_shipment, call_guarantee, file_claim.\n"),
    (("playbook", "list", "99"), "error: there is no playbook run 99: `risk playbook list` shows the runs.\n"),
    (("playbook", "done", "99", "block_orders", "--by", "lin"), "error: there is no playbook run 99: `risk playbook list` shows the runs.\n"),
])
def test_what_is_refused_is_said_in_one_sentence(taken_over, arguments, message):
    before = states(taken_over)
    assert risk(*arguments, code=1) == message
    assert states(taken_over) == before


def test_a_night_before_the_last_one_is_refused(place):
    tables()
    book(C1={})
    risk("customers", "advance", "--as-of", "2023-07-02")
    assert risk("customers", "advance", code=1) == (
        "error: customers were moved as of 2023-07-02 already: a night before it cannot be run again, take 2023-07-02 or later.\n")


def test_a_faulty_file_moves_nobody(place):
    tables()
    book(C1={})
    file = place / "life_cycle.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("watch: {enter: 0.08, leave: 0.05}", "watch: {enter: 0.08, leave: 0.09}"), encoding="utf-8")
    assert "error: life_cycle.yaml line " in risk("customers", "advance", code=1)
    assert states(place) == {}


def test_without_scores_the_remedy_is_named(place):
    assert risk("customers", "advance", code=1) == "error: data/default/scores.parquet is missing: run `risk run`.\n"
