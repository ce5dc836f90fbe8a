"""Promotion and rollback: who may, what the ledger says, and that a crash at any step is mended by calling again."""

import json
from datetime import date, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from promotion_world import CASE, SOURCE, World

from features.errors import RiskError
from models.policy import load_policy
from pipeline import promotion_steps
from pipeline.cli import main
from pipeline.promote import approve, promote
from pipeline.promotions import champion_lines, list_lines, show_lines
from pipeline.rollback import rollback

BUDGET, LOWER = "    loss_budget: 30000", "    loss_budget: 10000"


@pytest.fixture
def world(tmp_path, monkeypatch, clock):
    return World(tmp_path, monkeypatch, clock)


def promoted(world, number, **how):
    made = world.candidate(number)
    promote(CASE, **{"actor": "lin", "reason": f"number {number}"} | how)
    assert world.champion == made
    return made


def policy_hash():
    return load_policy("policy.yaml").hash


def test_a_promotion_names_policy_evidence_and_time(world):
    made = promoted(world, 1)
    (entry,) = world.entries
    assert (entry.bundle, entry.previous_bundle, entry.action, entry.actor, entry.policy) == (made, None, "promote", "lin", policy_hash())
    parity = entry.evidence["parity"]
    assert (parity["rows"], parity["champion_p99"]) == (30, None)
    assert 0 < parity["milliseconds_median"] <= parity["milliseconds_p99"]
    assert Path(f"var/policies/{entry.policy}.yaml").read_text() == Path("policy.yaml").read_text()


def test_latency_is_measured_beside_the_champion_and_bounded(world):
    promoted(world, 1)
    world.candidate(2)
    world.change(milliseconds_max=0.0001)
    # Champion and candidate are as slow: it is the machine.
    assert "is the champion now" in promote(CASE, actor="lin", reason="as slow")
    assert world.entries[-1].evidence["parity"]["champion_p99"] > 0.0001


def test_a_first_model_too_slow_is_refused_unless_overridden(world):
    world.candidate(1)
    world.change(milliseconds_max=0.0001)
    with pytest.raises(RiskError, match="takes .* milliseconds at the 99th percentile, more than promote.milliseconds_max 0.0001: grow fewer"):
        promote(CASE, actor="lin", reason="slow")
    assert world.entries == []
    promote(CASE, actor="lin", reason="slow", override=True)
    assert world.entries[-1].evidence["override"] is True


def test_a_gate_that_says_keep_is_obeyed_and_its_failed_checks_named(world):
    failed = [{"check": "decisions", "passed": False, "detail": "too many move", "values": {}}]
    world.candidate(1, verdict="keep", reasons=failed)
    with pytest.raises(RiskError, match=r"the gate says keep \(decisions: too many move\): improve the candidate, or promote with --override"):
        promote(CASE, actor="lin", reason="r")


# --- four eyes ----------------------------------------------------------------------------------------------------------------


def test_four_eyes_waits_for_another_person_and_records_both(world):
    world.change(four_eyes=True)
    made = world.candidate(1)
    said = promote(CASE, actor="lin", reason="first")
    assert said == f"default: the promotion of {made[:12]} is requested by lin; a second person approves it with `risk promote --approve 1 --by NAME`."
    assert world.champion is None
    assert promote(CASE, actor="lin", reason="again") == said
    assert [entry.action for entry in world.entries] == ["request"]
    with pytest.raises(RiskError, match=" Lin asked for this promotion|lin asked for this promotion and cannot approve it: another person must"):
        approve(1, actor=" Lin ")
    assert approve(1, actor="wang") == f"default: {made[:12]} is the champion now, approved by wang."
    entry = world.entries[-1]
    assert (world.champion, entry.actor, entry.evidence["approver"], entry.evidence["requested"]) == (made, "lin", "wang", 1)
    assert approve(1, actor="wang").endswith("is the champion already, by request 1.")
    assert len(world.entries) == 2


def test_four_eyes_in_one_call_needs_two_names(world):
    world.change(four_eyes=True)
    made = world.candidate(1)
    with pytest.raises(RiskError, match="lin asked for this promotion and cannot approve it"):
        promote(CASE, actor="lin", reason="r", approver="LIN")
    with pytest.raises(RiskError, match="two persons must answer for this promotion, each by name: say --by NAME"):
        promote(CASE, actor="unnamed", reason="r")
    assert promote(CASE, actor="lin", reason="r", approver="wang") == f"default: {made[:12]} is the champion now, approved by wang."


def test_a_request_is_void_once_another_champion_came(world):
    world.change(four_eyes=True)
    world.candidate(1)
    promote(CASE, actor="lin", reason="r")
    world.candidate(2)
    promote(CASE, actor="lin", reason="r", approver="wang")
    with pytest.raises(RiskError, match="request 1 was judged against another champion than today's: run `dvc repro` and request it again"):
        approve(1, actor="wang")
    with pytest.raises(RiskError, match="row 2 of the promotion ledger requests no promotion of simulated: `risk promotions list`"):
        approve(2, actor="wang")


def test_an_approved_bundle_must_be_the_requested_one(world):
    world.change(four_eyes=True)
    made = world.candidate(1)
    promote(CASE, actor="lin", reason="r")
    path = Path(f"var/bundles/{made}/model.json")
    path.write_text(path.read_text().replace('"number": 1', '"number": 3'))
    with pytest.raises(RiskError, match="holds another bundle than the one that was requested"):
        approve(1, actor="wang")
    assert world.champion is None


# --- rollback -----------------------------------------------------------------------------------------------------------------


def test_a_rollback_brings_model_and_policy_back_together(world):
    first = promoted(world, 1)
    before = policy_hash()
    text = Path("policy.yaml").read_text()
    world.published(before)
    world.change_policy(BUDGET, LOWER)
    stricter = policy_hash()
    second = promoted(world, 2)
    said = rollback(CASE, actor="wang", reason="alarm")
    assert said.startswith(f"default: {first[:12]} is the champion again, {second[:12]} was. policy.yaml is the policy {before[:12]} of then again; "
                           f"the one of now is kept as var/policies/{stricter}.yaml. It decides fraud too.")
    assert (world.champion, Path("policy.yaml").read_text()) == (first, text)
    entry = world.entries[-1]
    assert (entry.action, entry.policy, entry.evidence["policy_replaced"], entry.evidence["undoes"]) == ("rollback", before, stricter, 2)
    assert load_policy(f"var/policies/{stricter}.yaml").hash == stricter


def test_a_policy_changed_since_the_promotion_goes_back_too(world):
    promoted(world, 1)
    before = policy_hash()
    promoted(world, 2)
    world.change_policy(BUDGET, LOWER)
    rollback(CASE, actor="wang", reason="alarm")
    assert policy_hash() == before


def test_the_model_alone_goes_back_on_request(world):
    first = promoted(world, 1)
    promoted(world, 2)
    world.change_policy(BUDGET, LOWER)
    now = policy_hash()
    assert "policy.yaml" not in rollback(CASE, actor="wang", reason="alarm", model_only=True)
    assert (world.champion, policy_hash(), world.entries[-1].policy) == (first, now, now)


def test_a_policy_that_did_not_change_is_not_touched(world):
    promoted(world, 1)
    promoted(world, 2)
    stamp = Path("policy.yaml").stat().st_mtime_ns
    assert rollback(CASE, actor="wang", reason="alarm").endswith(" was.")
    assert Path("policy.yaml").stat().st_mtime_ns == stamp


def test_a_faulty_policy_is_kept_aside_by_its_text(world):
    promoted(world, 1)
    before = policy_hash()
    promoted(world, 2)
    Path("policy.yaml").write_text("profile: nonsense\n")
    assert "the faulty one of now is kept under var/policies" in rollback(CASE, actor="wang", reason="alarm")
    assert policy_hash() == before
    assert "profile: nonsense\n" in [path.read_text() for path in Path("var/policies").iterdir()]


def test_nothing_changes_where_the_policy_of_then_is_damaged(world):
    promoted(world, 1)
    before = policy_hash()
    second = promoted(world, 2)
    world.change_policy(BUDGET, LOWER)
    now = policy_hash()
    kept = Path(f"var/policies/{before}.yaml")
    kept.write_text(kept.read_text().replace(BUDGET, "    loss_budget: 30001"))
    with pytest.raises(RiskError, match="is not the policy it is named by any more: restore it from a backup"):
        rollback(CASE, actor="wang", reason="alarm")
    assert (world.champion, policy_hash(), len(world.entries)) == (second, now, 2)
    kept.unlink()
    # The database has its text too.
    rollback(CASE, actor="wang", reason="alarm")
    assert policy_hash() == before


def test_nothing_before_the_first_champion(world):
    promoted(world, 1)
    with pytest.raises(RiskError, match="there is no champion before the current one: nothing to roll back to"):
        rollback(CASE, actor="wang", reason="alarm")


# --- crashes ------------------------------------------------------------------------------------------------------------------


class Killed(Exception):
    """Stands for a process that ends here."""


def killed(*_arguments, **_options):
    raise Killed


@pytest.mark.parametrize("step", ["point_to", "end_pointer"])
def test_a_promotion_killed_after_the_ledger_is_ended_by_promoting_again(world, monkeypatch, step):
    promoted(world, 1)
    made = world.candidate(2)
    with monkeypatch.context() as patch:
        patch.setattr(promotion_steps, step, killed)
        with pytest.raises(Killed):
            promote(CASE, actor="lin", reason="second")
    assert "is the champion" in promote(CASE, actor="lin", reason="second")
    assert (world.champion, [entry.bundle for entry in world.entries].count(made)) == (made, 1)


@pytest.mark.parametrize("step", ["put_in_force", "point_to", "end_pointer"])
def test_a_rollback_killed_at_any_step_is_ended_and_goes_no_further_back(world, monkeypatch, step):
    promoted(world, 1)
    second = promoted(world, 2)
    before = policy_hash()
    world.published(before)
    world.change_policy(BUDGET, LOWER)
    promoted(world, 3)
    with monkeypatch.context() as patch:
        patch.setattr(promotion_steps, step, killed)
        with pytest.raises(Killed):
            rollback(CASE, actor="wang", reason="alarm")
    again = rollback if step != "end_pointer" else promote
    if step == "end_pointer":
        world.candidate(2)
    again(CASE, actor="wang", reason="alarm")
    assert (world.champion, policy_hash()) == (second, before)
    assert [entry.action for entry in world.entries] == ["promote"] * 3 + ["rollback"]


# --- reading it back ----------------------------------------------------------------------------------------------------------


def test_who_was_champion_on_a_day(world, clock):
    first = promoted(world, 1)
    clock.forward(10)
    second = promoted(world, 2, approver="wang")
    clock.forward(10)
    rollback(CASE, actor="wang", reason="alarm")
    day = date(2026, 3, 31)
    assert champion_lines([CASE], on=day - timedelta(days=1)) == ["default: no champion at the end of 2026-03-30 (UTC)."]
    said = f"default: {first} at the end of 2026-03-31 (UTC), made so on 2026-03-31 12:00 UTC by lin (row 1, policy "
    assert champion_lines([CASE], on=day)[0].startswith(said)
    assert second in champion_lines([CASE], on=day + timedelta(days=19))[0]
    assert "lin, approved by wang" in champion_lines([CASE], on=day + timedelta(days=10))[0]
    assert champion_lines([CASE])[0].startswith(f"default: {first} now, rolled back to on 2026-04-20 12:00 UTC by wang")
    assert [line.split()[0] for line in list_lines([CASE])] == ["3", "2", "1"]


def test_an_entry_is_shown_with_its_evidence(world):
    made = promoted(world, 1)
    lines = show_lines(1)
    assert f"  bundle {made}" in lines
    assert "  passed  discrimination: it ranks as well" in lines
    assert any(line.startswith("  30 rows alone and in a batch: the same bits; milliseconds a row") for line in lines)
    with pytest.raises(RiskError, match="the promotion ledger has no row 9: `risk promotions list`"):
        show_lines(9)


def test_the_ledger_is_of_one_source(world):
    promoted(world, 1)
    with world.store() as store:
        assert store.promotions(source="another", every=True) == []
        assert [entry.source for entry in store.promotions(source=SOURCE)] == [SOURCE]


# --- on the command line ------------------------------------------------------------------------------------------------------


def risk(*arguments):
    done = CliRunner().invoke(main, arguments)
    return done.exit_code, done.output.strip()


def test_the_command_line_promotes_reads_back_and_rolls_back(world):
    first, second = (world.candidate(number) for number in (1, 2))
    assert risk("promote", "--use-case", "default", "--by", "lin", "--reason", "r") == (0, f"default: {second[:12]} is the champion now.")
    first = world.candidate(1)
    assert risk("promote", "--use-case", "default", "--by", "lin", "--reason", "r", "--approver", "wang")[0] == 0
    code, said = risk("champion", "--use-case", "default", "--on", "2026-03-31")
    assert (code, said.startswith(f"default: {first} at the end of 2026-03-31 (UTC)")) == (0, True)
    assert [each["sequence"] for each in json.loads(risk("promotions", "list", "--json")[1])] == [2, 1]
    assert json.loads(risk("promotions", "show", "2", "--json")[1])["evidence"]["approver"] == "wang"
    assert risk("promotions", "show", "2")[1].startswith("2  2026-03-31 12:00  default  promote     ")
    assert risk("shadow", "--use-case", "default") == (0, "default: no bundle is on trial.")
    assert risk("rollback", "--use-case", "default", "--by", "wang", "--reason", "r") == (0, f"default: {second[:12]} is the champion again, {first[:12]} was.")


def test_an_approval_takes_nothing_but_a_name(world):
    world.change(four_eyes=True)
    world.candidate(1)
    risk("promote", "--use-case", "default", "--by", "lin", "--reason", "r")
    assert "leave all but --by away" in risk("promote", "--approve", "1", "--by", "wang", "--reason", "r")[1]
    assert risk("promote", "--approve", "1", "--by", "wang")[0] == 0
