"""Transitions and playbook runs in the operational database: states that follow their chain, no lost move, tampering named, erasure whole."""

import pathlib
from datetime import date, timedelta

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from databases import NOON, ticking

from features.errors import RiskError
from models.life_cycle import parse_life_cycle
from serving import ledger as chains
from serving.life_cycle import LifeCycleLedger, Move, Start, move_of, opened_by, plan_of
from serving.schema import metadata
from serving.store import Entry, Store

TEXT = (pathlib.Path(__file__).parent.parent / "life_cycle.yaml").read_text(encoding="utf-8")
RULES = parse_life_cycle(TEXT)
DAY = date(2025, 6, 30)


def move(customer="C1", start=None, to="onboarding", **changes):
    given = {"moved_on": DAY, "since": DAY, "reason": "first_seen", "owner": "sales", "deadline": DAY + timedelta(days=14)} | changes
    return Move(customer, from_state=start, to_state=to, **given)


@pytest.fixture
def store(url):
    with Store(url, clock=ticking()).open() as opened:
        yield opened


@pytest.fixture
def ledger(store):
    return LifeCycleLedger(store, "simulated")


def seen(ledger, *customers):
    ledger.record(RULES, [move(customer) for customer in customers])


def test_a_customer_is_found_where_its_moves_left_it(ledger):
    seen(ledger, "C1", "C2")
    approved = {"reason": "approved_by_policy", "deadline": None, "reference_pd": 0.01, "evidence": {"facts": {"pd_12m": 0.01}}}
    ledger.record(RULES, [move("C1", "onboarding", "active", after=1, **approved),
                          move("C1", "active", "watch", reason="lawsuit", owner="legal", reference_pd=0.01, after=1)])
    standing = ledger.standing("C1")
    assert (standing.state, standing.reason, standing.owner, standing.reference_pd, standing.sequence) == ("watch", "lawsuit", "legal", 0.01, 4)
    assert [(one.from_state, one.to_state, one.actor, one.rules) for one in ledger.history("C1")] == [
        (None, "onboarding", "rules", RULES.hash), ("onboarding", "active", "rules", RULES.hash), ("active", "watch", "rules", RULES.hash)]
    assert ledger.history("C1")[1].evidence == {"facts": {"pd_12m": 0.01}}
    assert [one.customer_id for one in ledger.standings()] == ["C1", "C2"]
    assert [one.customer_id for one in ledger.standings(state="watch")] == ["C1"]
    assert ledger.columns()["state"] == ["watch", "onboarding"]
    assert ledger.last_night() == DAY
    assert ledger.standing("C9") is None


def test_sources_are_apart(store, ledger):
    seen(ledger, "C1")
    other = LifeCycleLedger(store, "erp")
    assert (other.standings(), other.columns()["state"], other.last_night(), other.history("C1")) == ([], [], None, [])


def test_a_move_on_a_state_that_somebody_changed_is_refused_whole(ledger):
    seen(ledger, "C1", "C2")
    ledger.record(RULES, [move("C1", "onboarding", "active", after=1)])
    with pytest.raises(RiskError, match="1 customers, first C1, were moved by somebody else meanwhile: nothing was changed"):
        ledger.record(RULES, [move("C2", "onboarding", "active", after=2), move("C1", "onboarding", "run_down", after=1)], [Start("file_claim", "C2")])
    with pytest.raises(RiskError, match="first C2, were moved"):
        seen(ledger, "C2")
    assert [one.state for one in ledger.standings()] == ["active", "onboarding"]
    assert ledger.runs() == []


def test_more_customers_than_a_statement_holds_are_kept_in_step(store, ledger):
    customers = [f"C{number:05d}" for number in range(1203)]
    seen(ledger, *customers)
    ledger.record(RULES, [move(customer, "onboarding", "active", after=number) for number, customer in enumerate(customers, 1)])
    assert set(ledger.columns()["state"]) == {"active"}
    assert len(ledger.standings()) == 1203
    assert store.verify() == []


@pytest.mark.parametrize(("statement", "expected"), [
    ("update transitions set to_state = 'active' where sequence = 2", ("transitions", "changed", 2)),
    ("update transitions set deadline = '2030-01-01' where sequence = 2", ("transitions", "changed", 2)),
    ("update transitions set customer_id = 'C9' where sequence = 2", ("transitions", "changed", 2)),
    ("update transitions set payload = salt where sequence = 1", ("transitions", "changed", 1)),
    ("delete from transitions where sequence = 1", ("transitions", "removed", 1)),
    ("delete from playbook_events where sequence = 2", ("playbook_events", "truncated", 2)),
    ("update playbook_events set drill = 1 where sequence = 1", ("playbook_events", "changed", 1)),
    ("update playbook_events set customer_id = null, salt = null, payload = null where sequence = 1", ("playbook_events", "erased", 1)),
])
def test_tampering_is_named(store, ledger, statement, expected):
    seen(ledger, "C1", "C2")
    ledger.record(RULES, [], [Start("file_claim", "C1")])
    ledger.do_step(RULES, 1, "collect_contracts_and_delivery_notes", actor="lin")
    assert store.verify() == []
    with store.database.engine.begin() as connection:
        connection.execute(sa.text(statement))
    assert [(fault.chain, fault.kind, fault.sequence) for fault in store.verify()] == [expected]


def test_an_erased_customer_is_gone_from_every_ledger_and_the_chains_stay_whole(store, ledger):
    store.record_decision(Entry("default", "simulated", "C1", "b", "p", "c", {"n": 1}))
    seen(ledger, "C1", "C2")
    ledger.record(RULES, [], [Start("file_claim", "C1", note="about C1")])
    assert store.erase_customer("C1", actor="privacy desk", reason="request") == 3
    assert (ledger.standing("C1"), ledger.history("C1"), ledger.runs(customer_id="C1")) == (None, [], [])
    assert ledger.standing("C2").state == "onboarding"
    assert store.verify() == []
    assert not ledger.runs()[0].open
    with pytest.raises(RiskError, match="playbook run 1 was of a customer who was erased: its steps are gone"):
        ledger.do_step(RULES, 1, "collect_contracts_and_delivery_notes", actor="lin")


def test_an_older_database_keeps_its_ledgers_and_gains_the_new_ones(tmp_path):
    url = f"sqlite:///{tmp_path / 'risk.db'}"
    old = Store(url, clock=ticking())
    with old.database.migrating() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", "serving:migrations")
        command.upgrade(config, "0001")
        assert not sa.inspect(connection).has_table("transitions")
        entry = {"made_at": NOON, "id": "d", "use_case": "default", "source": "s", "bundle": "b", "policy": "p", "context": "c"}
        entry |= chains.sealed("C1", {"n": 1})
        chains.append(connection, chains.locked_head(connection, "decisions"), [entry])
    old.close()
    with Store(url, clock=ticking()).open() as store:
        assert store.verify() == []
        assert store.find_decision("d").payload == {"n": 1}
        seen(LifeCycleLedger(store, "simulated"), "C1")
        assert store.verify() == []


def test_the_states_are_what_a_replay_of_the_transitions_says(store, ledger):
    seen(ledger, "C1", "C2")
    ledger.record(RULES, [move("C1", "onboarding", "active", after=1), move("C1", "active", "watch", reason="lawsuit", after=1)])
    last = {}
    with store.database.reading() as connection:
        for row in connection.execute(sa.select(metadata.tables["transitions"]).order_by("sequence")).mappings():
            last[row["customer_id"]] = (row["to_state"], row["reason"], row["owner"], row["deadline"], row["sequence"])
    assert {one.customer_id: (one.state, one.reason, one.owner, one.deadline, one.sequence) for one in ledger.standings()} == last


# --- people -------------------------------------------------------------------------------------------------------------------


def test_who_asked_for_re_entry_cannot_approve_it_and_another_can(ledger):
    exited = DAY - timedelta(days=300)
    ledger.record(RULES, [move("C1", None, "exit", moved_on=exited, since=exited)])
    asked = move_of(RULES, ledger.standing("C1"), "re_entry", actor="lin", note="new owner", today=DAY, assessed_on=DAY)
    ledger.record(RULES, [asked])
    given = {"note": "sound", "today": DAY, "assessed_on": DAY, "opened_by": opened_by(ledger.history("C1"))}
    with pytest.raises(RiskError, match="Lin opened or confirmed this case and cannot approve it"):
        move_of(RULES, ledger.standing("C1"), "watch", actor="Lin", **given)
    ledger.record(RULES, [move_of(RULES, ledger.standing("C1"), "watch", actor="wang", **given)])
    assert ledger.standing("C1").state == "watch"
    assert ledger.history("C1")[-1].evidence["steps"] == {"assessment": "2025-06-30", "approval": "wang"}
    assert (ledger.history("C1")[-1].note, ledger.history("C1")[-1].actor) == ("sound", "wang")


def test_a_confirmation_keeps_since_and_makes_the_case_the_confirmers(ledger):
    entered = DAY - timedelta(days=5)
    ledger.record(RULES, [move("C1", None, "watch", moved_on=entered, since=entered)])
    ledger.record(RULES, [move_of(RULES, ledger.standing("C1"), "watch", actor="lin", note="spoke to them", today=DAY)])
    standing = ledger.standing("C1")
    assert (standing.since, standing.deadline, standing.reason) == (entered, DAY + timedelta(days=14), "confirmed")
    assert opened_by(ledger.history("C1")) == ("lin",)


@pytest.mark.parametrize(("actor", "note", "message"), [
    (" ", "why", "say who decides with --by"), ("rules", "why", "say who decides"), ("unnamed", "why", "say who decides"),
    ("lin", " ", "say why with --reason"),
])
def test_a_move_without_author_or_reason_is_refused(ledger, actor, note, message):
    seen(ledger, "C1")
    with pytest.raises(RiskError, match=message):
        move_of(RULES, ledger.standing("C1"), "onboarding", actor=actor, note=note, today=DAY)


def test_the_plan_of_a_run_down_is_read_back_also_after_a_confirmation(ledger):
    ledger.record(RULES, [move("C1", None, "restrict")])
    ledger.record(RULES, [move_of(RULES, ledger.standing("C1"), "run_down", actor="lin", note="enough", today=DAY, exposure=1000)])
    ledger.record(RULES, [move_of(RULES, ledger.standing("C1"), "run_down", actor="lin", note="on its way", today=DAY)])
    assert [target for _, target in plan_of(ledger.history("C1"))] == [750, 500, 250, 0]
    assert plan_of(ledger.history("C2")) == []


# --- playbooks ----------------------------------------------------------------------------------------------------------------


def test_a_run_is_worked_through_in_order_and_remembers_who_and_when(ledger):
    (run,) = ledger.record(RULES, [], [Start("call_guarantee", "C1", trigger="days_past_due", on=DAY)])
    assert (run.run, run.trigger, run.on, run.drill, run.open) == (1, "days_past_due", DAY, False, True)
    with pytest.raises(RiskError, match="send_demand_to_guarantor comes after check_guarantee_and_its_term"):
        ledger.do_step(RULES, 1, "send_demand_to_guarantor", actor="lin")
    for step in ("check_guarantee_and_its_term", "send_demand_to_guarantor", "book_expected_receipt"):
        run = ledger.do_step(RULES, 1, step, actor="lin")
    assert not run.open
    assert run.by["send_demand_to_guarantor"] == "lin"
    assert run.done["check_guarantee_and_its_term"] < run.done["book_expected_receipt"]
    assert ledger.runs(only_open=True) == []
    with pytest.raises(RiskError, match="there is no playbook run 7"):
        ledger.do_step(RULES, 7, "block_orders", actor="lin")


def test_a_drill_touches_no_customers_state_and_is_told_apart(store, ledger):
    seen(ledger, "C1")
    before = ledger.standings()
    ledger.record(RULES, [], [Start("stop_shipment", "C1", actor="lin", drill=True)])
    assert ledger.standings() == before
    assert len(ledger.history("C1")) == 1
    assert ledger.runs(drills=False) == []
    assert ledger.runs()[0].drill
    assert store.verify() == []


def test_a_run_keeps_the_steps_it_began_with(ledger):
    ledger.record(RULES, [], [Start("file_claim", "C1")])
    changed = parse_life_cycle(TEXT.replace("name: collect_contracts_and_delivery_notes", "name: collect_papers"))
    assert ledger.do_step(changed, 1, "collect_contracts_and_delivery_notes", actor="lin").done.keys() == {"collect_contracts_and_delivery_notes"}
