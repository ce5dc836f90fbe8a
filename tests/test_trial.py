"""A trial in shadow: begun, waited for, and its evidence among the promotion's."""

from pathlib import Path

import pytest
from promotion_world import CASE, SOURCE, World

from features.errors import RiskError
from pipeline import shadow
from pipeline.promote import promote
from pipeline.rollback import rollback
from pipeline.shadow import agreement, end, on_trial, try_on_book
from pipeline.shadow_text import shadow_lines
from serving.shadow import shadow_of
from serving.store import Entry
from serving.trials import Trials

EFFECT = {"cases": 10, "grades": {"worse": 0.1, "better": 0.2, "two_or_more": 0.1}, "log_odds": {"low": -0.1, "median": 0.0, "high": 0.1},
          "approved": {"before": 0.9, "after": 0.8, "differing": 0.1}, "expected_loss_alike": {"before": 100.0, "after": 103.0}}


@pytest.fixture
def world(tmp_path, monkeypatch, clock):
    made = World(tmp_path, monkeypatch, clock)
    made.candidate(1)
    promote(CASE, actor="lin", reason="first")
    made.change(shadow_days=14)
    monkeypatch.setattr("pipeline.effect.book_effect", lambda *_: {"effect": EFFECT, "lacking": []})
    return made


def begun(world, number=2):
    made = world.candidate(number)
    return made, promote(CASE, actor="lin", reason="trial")


def night(world, day="2026-03-31"):
    with world.store() as store:
        return try_on_book(store, SOURCE, CASE, champion=world.champion, as_of=f"{day}T23:59:59")


def followed():
    return shadow_of("var", SOURCE, CASE)


def test_a_candidate_is_tried_before_it_is_promoted(world, clock):
    champion = world.champion
    made, said = begun(world)
    assert said == f"default: {made[:12]} is on trial beside {champion[:12]} for 14 days; `risk shadow` shows what it says."
    assert (world.champion, followed(), world.entries[-1].action) == (champion, made, "shadow")
    assert night(world) == f", {made[:12]} on trial scored beside it"
    clock.forward(5)
    assert promote(CASE, actor="lin", reason="too early").endswith("9 of 14 days are left; `risk shadow` shows what it says.")
    clock.forward(9)
    assert promote(CASE, actor="lin", reason="done") == f"default: {made[:12]} is the champion now, {champion[:12]} was."
    told = world.entries[-1].evidence["shadow"]
    assert (told["days"], told["started"], [each["as_of"] for each in told["nights"]], told["nights"][0]["effect"]) == (14, 2, ["2026-03-31T23:59:59"], EFFECT)
    assert followed() is None


def test_a_first_champion_needs_no_trial(tmp_path, monkeypatch, clock):
    made = World(tmp_path, monkeypatch, clock)
    made.change(shadow_days=14)
    made.candidate(1)
    assert "is the champion now" in promote(CASE, actor="lin", reason="first")


def test_a_trial_that_said_nothing_is_no_evidence(world, clock):
    begun(world)
    clock.forward(14)
    with pytest.raises(RiskError, match="in 14 days of trial .* has scored neither a book nor an answer: run `risk publish`, or promote with --override"):
        promote(CASE, actor="lin", reason="done")
    assert "is the champion now" in promote(CASE, actor="lin", reason="done", override=True)


def test_the_same_book_again_replaces_its_night_and_a_new_one_adds_one(world):
    begun(world)
    for day in ("2026-03-31", "2026-03-31", "2026-04-30"):
        night(world, day)
    lines = shadow_lines(CASE)
    assert [line[:22] for line in lines[1:3]] == ["  book of 2026-03-31: ", "  book of 2026-04-30: "]
    assert lines[1] == ("  book of 2026-03-31: 10 cases; grade worse 10.0%, better 20.0%, by two or more 10.0%; log-odds +0.00 (-0.10 to +0.10); "
                        "approved 90.0% and 80.0%, 10.0% by one only; expected loss of what is granted +3.0% at the same probabilities")
    assert lines[3] == "  no answer of the service was scored beside it yet"


def test_another_candidate_begins_a_trial_of_its_own_and_forgets_the_first(world, clock):
    first, _ = begun(world, 2)
    night(world)
    clock.forward(13)
    second, said = begun(world, 3)
    assert said.startswith(f"default: {second[:12]} is on trial")
    with world.store() as store:
        trials = Trials(store, source=SOURCE, use_case=CASE)
        assert (trials.nights(first), agreement(store, on_trial(store, SOURCE, CASE))["days"]) == ([], 0)


def test_a_trial_is_ended_and_may_be_ended_once(world):
    made, _ = begun(world)
    assert end(CASE, actor="wang", reason="enough") == f"default: the trial of {made[:12]} is over; the champion stays."
    assert (followed(), world.entries[-1].action, night(world)) == (None, "shadow_end", "")
    assert shadow_lines(CASE) == ["default: no bundle is on trial."]
    with pytest.raises(RiskError, match="no bundle is on trial: `risk promote` begins a trial where promote.shadow_days is above 0"):
        end(CASE, actor="wang", reason="enough")


def test_a_rollback_ends_the_trial(world):
    world.candidate(2)
    promote(CASE, actor="lin", reason="second", override=True)
    begun(world, 3)
    rollback(CASE, actor="wang", reason="alarm")
    assert (followed(), shadow_lines(CASE)) == (None, ["default: no bundle is on trial."])


def test_a_pointer_that_a_crash_left_behind_is_mended_by_the_night(world, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(shadow, "write_json", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        made = world.candidate(2)
        with pytest.raises(KeyboardInterrupt):
            promote(CASE, actor="lin", reason="trial")
    assert followed() is None
    night(world)
    assert followed() == made


def test_answers_are_compared_by_probability_grade_and_action(world):
    made, _ = begun(world)
    with world.store() as store:
        entry = {"use_case": CASE, "source": SOURCE, "bundle": world.champion, "policy": "p", "context": "c", "payload": {}}
        store.record_decisions([Entry(customer_id=f"C{number}", decision_id=f"d{number}", **entry) for number in range(3)])
        row = {"shadow": made, "champion": world.champion, "champion_probability": 0.01, "champion_grade": "A", "champion_action": "approve"}
        others = [(0.01, "A1", "approve"), (0.2, "D", "reduce"), (0.01, "A", "approve")]
        rows = [row | {"decision_id": f"d{number}", "customer_id": f"C{number}", "shadow_probability": p, "shadow_grade": grade, "shadow_action": action}
                for number, (p, grade, action) in enumerate(others)]
        trials = Trials(store, source=SOURCE, use_case=CASE)
        store.erase_customer("C2", actor="desk", reason="asked")
        trials.record_scores(rows)
        trials.record_scores(rows[:1])
        found = agreement(store, on_trial(store, SOURCE, CASE))["answers"]
        assert (found["cases"], found["grades"]["two_or_more"], found["approved"]["after"]) == (2, 0.5, 0.5)
        store.erase_customer("C1", actor="desk", reason="asked")
        assert agreement(store, on_trial(store, SOURCE, CASE))["answers"]["cases"] == 1


def test_a_damaged_pointer_is_named(world):
    begun(world)
    Path("var/shadow/simulated-default.json").write_text("{")
    with pytest.raises(RiskError, match="cannot be read .*: run `risk shadow end`"):
        followed()
    assert "is over" in end(CASE, actor="wang", reason="damaged")
