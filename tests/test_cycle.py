"""The scheduled job's own logic, with stages, promotion and publication replaced: what follows from what, once per period, and what a restart carries on."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from features.errors import RiskError
from models.bundle import bundle_hash
from pipeline import cycle as cycling
from pipeline import cycle_case, cycle_steps, notify, promote, publish, retraining, state
from pipeline.cycle import NIGHTLY, cycle
from pipeline.cycle_calendar import calendar, calendar_lines
from pipeline.cycle_lock import HOLDER, LOCK, holder
from pipeline.datasets import case_path, read_json, write_json
from pipeline.params import change_params
from pipeline.places import bundle_path, pointer_path, training_path
from pipeline.promotion_steps import end_interrupted
from pipeline.repro import StageFailed
from pipeline.state import move_cutoff, point_to, read_champion
from serving.cycles import Cycles
from serving.store import Store

ROOT = Path(__file__).parent.parent
OLD, NEW = "a" * 64, "b" * 64


class Killed(BaseException):
    """Stands for SIGKILL: nothing may catch it."""


class Night:
    """The faked installation. calls: what was asked of it, in order; fails: {target: sentence}; kills: targets, steps or `promote` at which it dies."""

    def __init__(self, clock):
        self.clock, self.calls, self.fails, self.kills, self.said = clock, [], {}, set(), []
        for case in ("default", "fraud"):
            bundle_path(OLD).mkdir(parents=True, exist_ok=True)
            point_to(OLD, source="simulated", use_case=case)
            move_cutoff("simulated", case, "2025-12-31")
            self.decides(case, "none")
            self.feed(case)
            write_json(case_path(case, "development", "maturity.json"), {"cutoff": "2025-12-31"})
            self.gate(case, "promote")

    def decides(self, case, action, wanted=None):
        write_json(case_path(case, "retrain.json"), {"action": action, "wanted": wanted or action, "reasons": ["because", "30 are needed"]})

    def feed(self, case, *faults):
        write_json(case_path(case, "monitoring", "quality.json"), {"stale": [], "tables": {}, "faults": [{"sentence": each} for each in faults]})

    def gate(self, case, verdict):
        case_path(case, "shipped").mkdir(parents=True, exist_ok=True)
        for name in ("booster.txt", "model.json"):
            (case_path(case, "shipped") / name).write_text(case)
        checks = [{"check": "discrimination", "passed": verdict == "promote", "detail": "AUC is 0.02 lower"}]
        write_json(case_path(case, "gate.json"), {"bundle": NEW, "verdict": verdict, "reasons": checks})

    def did(self, what):
        self.calls.append(what)
        if what in self.kills:
            raise Killed
        if what in self.fails:
            raise RiskError(self.fails[what])

    def repro(self, *targets, **_options):
        for target in targets:
            try:
                self.did(target)
            except RiskError as error:
                failed = StageFailed("the pipeline stopped")
                failed.cause = str(error)
                raise failed from None

    def publish(self, case):
        self.did(f"publish {case}")
        return f"{case}: published."

    def promote(self, case, *, actor, reason):
        self.did(f"promote {case}")
        there = bundle_hash(case_path(case, "shipped"))
        bundle_path(there).mkdir(parents=True, exist_ok=True)
        point_to(there, source="simulated", use_case=case)
        return f"{case}: promoted by {actor} ({reason})."

    def prepare(self, case, action):
        self.did(f"prepare {case}")
        before = training_path("simulated", case).read_text()
        move_cutoff("simulated", case, "2026-03-31")
        cutoff = next(line for line in before.splitlines() if line.startswith("cutoff"))
        return f"{case}: {action} from {cutoff}."

    def run(self, **options):
        self.calls, self.said = [], []
        return cycle(**{"period": "month", "as_of": None, "echo": self.said.append, **options})

    def killed(self, *at):
        self.kills = set(at)
        with pytest.raises(Killed):
            self.run()
        self.kills = set()

    def history(self):
        with self.store() as store:
            return [(run.key, run.outcome) for run in Cycles(store, source="simulated").runs()]

    def steps(self):
        with self.store() as store:
            cycles = Cycles(store, source="simulated")
            return [(step.use_case, step.name, step.outcome) for step in cycles.steps(cycles.runs()[-1].id)]

    def store(self):
        return Store("var/risk.db", clock=self.clock).open()

    def told(self):
        return sorted(read_json(path)["type"] for path in notify.FOLDER.glob("*.json"))


@pytest.fixture
def night(tmp_path, clock, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CUSTOMER_RISK_WEBHOOK_URL", raising=False)
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    Path("var").mkdir()
    # Folders of bundles are named here, not filled.
    monkeypatch.setattr(state, "refuse_other_bundle", lambda _bundle: None)
    made = Night(clock)
    monkeypatch.setattr(cycle_steps, "repro", made.repro)
    for module in (cycling, __import__("pipeline.cycle_calendar", fromlist=["calendar"])):
        monkeypatch.setattr(module, "open_store", made.store)
    monkeypatch.setattr(cycling, "export_inbox", lambda: "inbox: none.")
    monkeypatch.setattr(cycling, "initialise", lambda: None)
    monkeypatch.setattr(cycling, "refresh", lambda _source: None)
    monkeypatch.setattr(cycling, "NIGHTLY", ())
    monkeypatch.setattr(publish, "publish", made.publish)
    monkeypatch.setattr(promote, "promote", made.promote)
    monkeypatch.setattr(retraining, "prepare", made.prepare)
    return made


FOLLOW = ["book", "score", "monitor", "decide", "score", "report"]


def following(case):
    return [*(f"{stage}@{case}" for stage in FOLLOW), f"publish {case}"]


# --- what follows from what ---------------------------------------------------------------------------------------------------


def test_a_calm_month_is_scored_published_and_recorded_step_by_step(night):
    assert night.run().startswith("simulated, 2026-03: finished: default: published. none: because.")
    assert night.calls == ["ingest", *following("default"), *following("fraud")]
    names = ["book", "score", "monitor", "decide", "report", "publish"]
    assert night.steps() == [*((None, name, "done") for name in ("mend", "inbox", "watermark", "ingest")),
                             *((case, name, "done") for case in ("default", "fraud") for name in names)]
    assert (night.history(), night.told()) == ([("2026-03", "finished")], ["cycle.finished"])


def test_a_retraining_is_prepared_trained_promoted_and_scored(night):
    night.decides("default", "refit")
    night.run()
    began, rest = following("default")[:4], following("default")[4:]
    assert night.calls[1:12] == [*began, "prepare default", "dossier@default", "track@default", "promote default", *rest]
    assert read_champion("simulated", "default") == bundle_hash(case_path("default", "shipped"))
    assert night.told() == ["cycle.finished", "model.promoted"]


def test_a_refusal_by_the_gate_is_no_failure(night):
    night.decides("default", "refit")
    night.gate("default", "keep")
    assert "the gate kept bbbbbbbbbbbb out: AUC is 0.02 lower." in night.run()
    assert "promote default" not in night.calls
    assert ("default", "promote", "kept") in night.steps()
    assert night.told() == ["cycle.finished", "model.kept"]


def test_a_retraining_that_cannot_be_prepared_leaves_everything_as_it_was(night):
    night.decides("default", "refit")
    night.fails = {"prepare default": "nothing is known after the cutoff."}
    before = training_path("simulated", "default").read_text()
    assert "refit was wanted: nothing is known after the cutoff." in night.run()
    assert training_path("simulated", "default").read_text() == before
    assert night.told() == ["cycle.finished", "retraining.impossible"]


def test_after_a_training_that_failed_the_report_s_stages_find_the_cutoff_of_before(night):
    night.decides("default", "refit")
    night.fails = {"dossier@default": "too few bad customers."}
    before = training_path("simulated", "default").read_text()
    assert "the training settings are back where they were: too few bad customers." in night.run()
    assert training_path("simulated", "default").read_text() == before
    assert night.calls[-9:-7] == ["report@default", "publish default"]


def test_a_retraining_that_has_to_wait_is_told_once(night):
    night.decides("default", "none", "refit")
    assert "refit is wanted, none is done: 30 are needed." in night.run()
    night.clock.forward(1)
    night.run()
    assert night.told() == ["cycle.finished", "cycle.finished", "retraining.impossible"]


def test_a_promotion_that_waits_for_a_person_is_asked_for_again_and_told_once(night, monkeypatch):
    night.decides("default", "refit")
    monkeypatch.setattr(promote, "promote", lambda case, **_said: f"{case}: the promotion is requested.")
    assert "the promotion is requested." in night.run()
    night.decides("default", "none")
    night.run(again=True)
    assert night.told() == ["cycle.finished", "cycle.finished", "model.pending"]
    monkeypatch.setattr(promote, "promote", night.promote)
    night.promote("default", actor="lin", reason="approved")
    night.run(again=True)
    assert night.told().count("model.promoted") == 1
    night.run(again=True)
    assert "promote default" not in night.calls


def test_a_candidate_that_is_the_champion_to_the_byte_is_no_new_model(night):
    night.promote("default", actor="lin", reason="first")
    night.decides("default", "recalibrate")
    assert "the new model is the champion, to the byte." in night.run()
    assert "promote default" not in night.calls


def test_a_promotion_that_fails_leaves_the_champion_whose_scores_are_published(night):
    night.decides("default", "refit")
    night.fails = {"promote default": "the parity was not exact."}
    with pytest.raises(RiskError, match="simulated, 2026-03: the cycle failed: default: published. promote: the parity was not exact."):
        night.run()
    assert "publish default" in night.calls
    night.fails = {}
    night.decides("default", "none")
    night.run()
    assert "promote default" in night.calls
    assert "prepare default" not in night.calls


# --- faults -------------------------------------------------------------------------------------------------------------------


def test_of_a_faulty_feed_nothing_is_learned_and_the_last_publication_stays(night):
    night.decides("default", "refit")
    night.feed("default", "amounts of invoices are 1000 times those of before.")
    with pytest.raises(RiskError, match="the cycle was held: nothing was published: amounts of invoices are 1000 times those of before"):
        night.run()
    assert night.calls == ["ingest", *following("default")[:4], *following("fraud")]
    assert (night.history(), night.told()) == ([("2026-03", "held")], ["cycle.held", "data.faulty"])


def test_by_parameter_a_faulty_feed_is_published_and_still_not_learned_from(night):
    change_params([("cycle.on_faulty_feed", "publish")], Path("params.yaml"))
    night.decides("default", "refit")
    night.feed("default", "a month came twice")
    assert "not retrained: a month came twice." in night.run()
    assert "publish default" in night.calls
    assert "prepare default" not in night.calls


def test_a_table_that_stands_still_is_a_fault_too(night):
    write_json(case_path("default", "monitoring", "quality.json"), {"stale": ["invoices"], "tables": {"invoices": {"known_to": "2025-01-31"}}})
    assert cycle_case.faults_of("default") == ["nothing new in invoices since 2025-01-31"]


@pytest.mark.parametrize("target", ["book@default", "monitor@default", "report@default", "publish default"])
def test_one_use_case_s_failure_leaves_the_other_s_publication_alone(night, target):
    night.fails = {target: "column amount is gone."}
    with pytest.raises(RiskError, match="column amount is gone"):
        night.run()
    assert night.calls[-7:] == following("fraud")
    assert (night.history(), night.told()) == ([("2026-03", "failed")], ["cycle.failed"])


def test_a_fault_in_a_step_itself_is_recorded_and_ends_that_use_case_alone(night, monkeypatch):
    monkeypatch.setattr(publish, "publish", lambda case: 1 / 0 if case == "default" else night.publish(case))
    with pytest.raises(RiskError, match="publish: ZeroDivisionError: division by zero"):
        night.run()
    assert ("default", "publish", "failed") in night.steps()
    assert ("fraud", "publish", "done") in night.steps()


def test_without_new_data_nothing_follows(night):
    night.fails = {"ingest": "too many rejects."}
    with pytest.raises(RiskError, match="the cycle failed: ingest: too many rejects"):
        night.run()
    assert night.calls == ["ingest"]


def test_a_use_case_without_a_champion_is_told_what_to_do(night):
    point_to(None, source="simulated", use_case="default")
    with pytest.raises(RiskError, match="default has no champion yet: run `risk run` once"):
        night.run()
    assert night.calls[-7:] == following("fraud")


def test_the_nightly_steps_follow_a_publication_and_nothing_else(night, monkeypatch):
    monkeypatch.setattr(cycling, "NIGHTLY", (("advance", "test_cycle:_advance"), NIGHTLY[-1]))
    night.run()
    assert night.steps()[-2:] == [("default", "advance", "done"), ("default", "publish", "done")]
    night.clock.forward(1)
    night.feed("default", "a month came twice")
    with pytest.raises(RiskError):
        night.run()
    assert "advance" not in [name for _, name, _ in night.steps()]


def _advance():
    return ["2 customers moved", "more"]


# --- once per period, and again after a kill ------------------------------------------------------------------------------------


def test_a_finished_period_is_done_again_only_when_asked(night):
    night.run()
    assert night.run() == "simulated, 2026-03: finished already at 2026-03-31 12:00 UTC; --again does it once more."
    assert night.calls == []
    night.run(again=True)
    night.clock.forward(1)
    night.run()
    assert night.calls
    assert night.history() == [("2026-03", "finished")] * 2 + [("2026-04", "finished")]


def test_a_failed_or_held_period_is_done_again(night):
    night.fails = {"ingest": "no."}
    with pytest.raises(RiskError):
        night.run()
    night.fails = {}
    night.run()
    assert night.history() == [("2026-03", "failed"), ("2026-03", "finished")]


AT = ["ingest", "book@default", "decide@default", "prepare default", "dossier@default", "track@default", "promote default", "report@default",
      "publish default", "book@fraud", "publish fraud"]


@pytest.mark.parametrize("at", AT)
def test_a_run_killed_anywhere_is_carried_on_to_one_promotion_and_one_publication(night, at):
    night.decides("default", "refit")
    night.killed(at)
    begun = AT.index("prepare default") <= AT.index(at)
    # With the cutoff moved the decision stage sees nothing to do any more: only what was recorded carries the retraining on.
    if begun:
        night.decides("default", "none")
    night.run()
    promoted = AT.index(at) > AT.index("promote default")
    assert ("promote default" in night.calls) is not promoted
    assert read_champion("simulated", "default") == bundle_hash(case_path("default", "shipped"))
    assert (night.history(), night.told()) == ([("2026-03", "interrupted"), ("2026-03", "finished")], ["cycle.finished", "model.promoted"])


def test_a_preparation_cut_short_begins_again_from_where_it_began(night, monkeypatch):
    night.decides("default", "refit")

    def moved_and_killed(case, _action):
        move_cutoff("simulated", case, "2026-03-31")
        raise Killed

    monkeypatch.setattr(retraining, "prepare", moved_and_killed)
    night.killed()
    monkeypatch.setattr(retraining, "prepare", night.prepare)
    night.decides("default", "none")
    night.run()
    assert 'default prepare: done: default: refit from cutoff: "2025-12-31".' in night.said


def test_killed_between_pointer_and_record_the_promotion_is_told_by_the_next_run(night, monkeypatch):
    night.decides("default", "refit")
    monkeypatch.setattr(promote, "promote", lambda case, **said: (night.promote(case, **said), (_ for _ in ()).throw(Killed))[1].send(None))
    night.killed()
    monkeypatch.setattr(promote, "promote", night.promote)
    night.decides("default", "none")
    night.run()
    assert night.told() == ["cycle.finished", "model.promoted"]


def test_a_pointer_behind_the_ledger_is_moved_to_it(night, monkeypatch):
    moved = []
    monkeypatch.setitem(sys.modules, "pipeline.registry", type(sys)("registry"))
    sys.modules["pipeline.registry"].set_champion = lambda bundle, **_where: moved.append(bundle)
    bundle_path(NEW).mkdir()
    with night.store() as store:
        record = {"use_case": "default", "source": "simulated", "actor": "risk cycle", "reason": "refit", "evidence": {}}
        assert end_interrupted(store, "simulated", "default") is None
        store.record_promotion(bundle=NEW, previous_bundle=OLD, **record)
        store.record_promotion(bundle=OLD, previous_bundle=NEW, action="shadow", **record)
        assert "names its champion bbbbbbbbbbbb now" in end_interrupted(store, "simulated", "default")
        assert end_interrupted(store, "simulated", "default") is None
        shutil.rmtree(bundle_path(NEW))
        point_to(OLD, source="simulated", use_case="default")
        with pytest.raises(RiskError, match="the ledger's champion bbbbbbbbbbbb is not in var/bundles/b.*restore that folder"):
            end_interrupted(store, "simulated", "default")
    assert moved == [NEW]
    assert read_json(pointer_path("simulated", "default")) == {"bundle": OLD}


# --- one at a time --------------------------------------------------------------------------------------------------------------


HOLD = "import sys, time\nfrom pipeline.cycle_lock import holding\nwith holding():\n    print('held', flush=True)\n    time.sleep(60)\n"


@pytest.fixture
def other(night):
    process = subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_the_second_says_who_is_at_it(night, other):
    with pytest.raises(RiskError, match=rf"`risk cycle` is running already, process {other.pid} on \S+ since \S+ \S+ UTC: wait for its end"):
        night.run()
    assert (holder().pid, night.calls) == (other.pid, [])


def test_a_killed_one_holds_nothing(night, other):
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert HOLDER.exists()
    assert holder() is None
    assert "finished" in night.run()
    assert not HOLDER.exists()


def test_nobody_holds_a_lock_that_was_never_taken(night):
    assert (LOCK.exists(), holder()) == (False, None)


# --- the calendar ---------------------------------------------------------------------------------------------------------------


def rows(**options):
    return {row["key"]: row["status"] for row in calendar(period="month", **options)["periods"]}


def test_the_calendar_says_what_ran_what_was_missed_and_what_is_due(night):
    assert (rows(), calendar(period="month")["next"]) == ({"2026-03": "due"}, {"key": "2026-03", "from": "2026-03-01"})
    night.run()
    night.clock.forward(61)
    night.fails = {"ingest": "no."}
    with pytest.raises(RiskError):
        night.run()
    assert rows() == {"2026-03": "finished", "2026-04": "missed", "2026-05": "failed"}
    assert calendar(period="month")["next"] == {"key": "2026-06", "from": "2026-06-01"}
    assert rows(last=1) == {"2026-05": "failed"}
    assert calendar_lines(calendar(period="month"))[-3:] == ["running now: nothing", "not finished: 2", "next: 2026-06, from 2026-06-01 on"]
    assert json.loads(json.dumps(calendar(period="month")))["periods"][0]["ended_at"] == "2026-03-31 12:00"


def test_what_was_killed_is_told_from_what_runs(night, monkeypatch):
    night.killed("ingest")
    assert rows() == {"2026-03": "interrupted"}
    monkeypatch.setattr("pipeline.cycle_calendar.holder", lambda: "process 7 on night since then UTC")
    assert rows() == {"2026-03": "running"}


def test_missed_periods_are_told_when_the_next_one_begins(night):
    night.run()
    night.clock.forward(92)
    night.run()
    night.run(again=True)
    missing = [read_json(path)["data"] for path in notify.FOLDER.glob("*periods.missed*")]
    assert [each["periods"] for each in missing] == [["2026-04", "2026-05", "2026-06"]]


def test_a_past_period_can_be_caught_up(night):
    night.run()
    night.clock.forward(61)
    night.run(as_of="2026-04-15")
    assert rows() == {"2026-03": "finished", "2026-04": "finished", "2026-05": "due"}
