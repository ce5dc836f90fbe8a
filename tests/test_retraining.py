"""How a retraining is carried out: the champion's trees with another curve, trees grown anew, settings searched; and the same call twice changes nothing."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from checkouts import fresh_run, repro, risk

from features.errors import RiskError
from models.bundle import BOOSTER_FILE, bundle_hash, load_bundle
from models.sample import CALIBRATION, OUT_OF_TIME, UNUSED
from models.sample_recent import recent_split
from pipeline import promotion_steps, retraining
from pipeline.book import book
from pipeline.datasets import case_path, read_json
from pipeline.effect import effect
from pipeline.evaluate import evaluate
from pipeline.featurize import featurize
from pipeline.gate import gate
from pipeline.ingest import ingest
from pipeline.observe import observe
from pipeline.params import Training, change_params, load_params, load_training, settled
from pipeline.places import bundle_path
from pipeline.promote import promote
from pipeline.retraining import prepare, withdraw
from pipeline.sample import sample
from pipeline.shadow import end, try_on_book
from pipeline.ship import ship
from pipeline.state import move_cutoff, read_champion, write_training
from pipeline.train import train
from pipeline.use import source_changes
from pipeline.workspace import workspace
from serving.store import Store
from serving.trials import Trials

CASE, SOURCE = "default", "mine"
FIRST, LAST = "2024-03-31", "2024-12-31"
SQL = "SELECT no AS observation_id, person AS customer_id, day::TIMESTAMP AS as_of, flag::DOUBLE AS target, debt, late FROM read_csv('d.csv')"
YAML = {"description": "made up", "use_cases": ["default"], "complete_to": LAST, "horizon_days": 30}
STAGES = (observe, featurize, sample, train, evaluate, ship, effect, gate)
FOUND = {"learning_rate": 0.2, "num_leaves": 4, "min_child_samples": 30, "subsample": 0.8, "colsample": 1.0, "l2": 2.0, "extra_trees": False}


def history(persons=300, *, seed=0):
    """A row a quarter of every person from 2020 on; from the end of 2023 on three times as many turn bad, in the same order of risk."""
    rng = np.random.default_rng(seed)
    days = pd.date_range("2020-03-31", LAST, freq="QE")
    frame = pd.DataFrame({"person": np.repeat([f"P{number:04d}" for number in range(persons)], len(days)), "day": np.tile(days, persons)})
    debt, late = rng.normal(size=(2, len(frame)))
    level = np.where(frame["day"] > "2023-12-01", np.log(3.0), 0.0)
    flag = rng.uniform(size=len(frame)) < 1 / (1 + np.exp(2.2 - 1.2 * debt - 0.8 * late - level))
    return frame.assign(no=np.arange(len(frame)), flag=flag.astype(int), debt=debt, late=late)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A champion that learned up to FIRST, in a folder whose outcomes are complete to LAST."""
    files = tmp_path_factory.mktemp("files")
    (files / "definition").mkdir()
    history().to_csv(files / "d.csv", index=False)
    (files / "definition" / "observations.sql").write_text(SQL, encoding="utf-8")
    (files / "definition" / "source.yaml").write_text(json.dumps(YAML), encoding="utf-8")
    changes = [*source_changes([CASE], name=SOURCE, definition=files / "definition", path=files), ("train.max_trees", 60), ("train.threads", 1),
               ("evaluate.bootstrap_rounds", 20), ("validate.repeats", 20)]
    patch = pytest.MonkeyPatch()
    for module in ("pipeline.promote", "pipeline.promotion_steps"):
        patch.setattr(f"{module}.mirror", lambda *_: None)
    with workspace(tmp_path_factory.mktemp("project"), changes) as folder:
        ingest()
        move_cutoff(SOURCE, CASE, FIRST)
        book(CASE)
        made()
        promote(CASE, actor="lin", reason="first")
        yield folder
    patch.undo()


@pytest.fixture
def champion(project):
    """The champion's bundle, with the training file as it left it."""
    move_cutoff(SOURCE, CASE, FIRST)
    Path(f"var/training/{SOURCE}-{CASE}.before.yaml").unlink(missing_ok=True)
    return load_bundle(bundle_path(read_champion(SOURCE, CASE)))


def made():
    """Every stage up to the gate, and its verdict."""
    for stage in STAGES:
        stage(CASE)
    return read_json(case_path(CASE, "gate.json"))


def samples():
    rows = pd.read_parquet(case_path(CASE, "development", "observations.parquet"))
    return rows.assign(sample=pd.read_parquet(case_path(CASE, "development", "samples.parquet"))["sample"])


# --- the samples of a recalibration -------------------------------------------------------------------------------------------


def observations(rows):
    """Rows of (customer, known_at, target, sample) as a frame and a Series."""
    frame = pd.DataFrame(rows, columns=["customer_id", "target_known_at", "target", "sample"])
    frame = frame.assign(target_known_at=pd.to_datetime(frame["target_known_at"]), as_of=pd.to_datetime(frame["target_known_at"]))
    dealt = frame.pop("sample")
    dealt.attrs = {"by": "time", "notes": []}
    return frame, dealt


def many(sample_name, known_at, count=40):
    return [(f"{sample_name}{known_at}{number}", known_at, float(number % 4 == 0), sample_name) for number in range(count)]


def test_only_what_became_known_since_takes_part_and_customers_are_whole():
    old = many(CALIBRATION, "2023-01-01") + many("development", "2023-01-01")
    frame, dealt = observations(many(OUT_OF_TIME, "2024-05-01") + many(OUT_OF_TIME, "2024-02-01") + old)
    found = recent_split(dealt, frame, since="2024-03-31", share=0.5, seed=1)
    assert found[:40].value_counts().to_dict() == {CALIBRATION: 20, OUT_OF_TIME: 20}
    assert set(found[40:120]) == {UNUSED}
    assert set(found[120:]) == {"development"}
    assert found.attrs["notes"][0].startswith("recalibration: of the customers with outcomes that became known after 2024-03-31, 20 fit the curve and 20 judge")


def test_an_outcome_of_the_day_itself_was_known_already():
    frame, dealt = observations(many(OUT_OF_TIME, "2024-03-31T23:00:00") + many(OUT_OF_TIME, "2024-04-01T00:00:00"))
    found = recent_split(dealt, frame, since="2024-03-31", share=0.5, seed=1)
    assert set(found[:40]) == {UNUSED}
    assert UNUSED not in set(found[40:])


def test_a_part_without_both_classes_is_refused():
    frame, dealt = observations([(f"C{number}", "2024-05-01", 0.0, OUT_OF_TIME) for number in range(10)])
    with pytest.raises(RiskError, match="recalibration: 0 of 5 calibration rows that became known after 2024-03-31 are bad, and both classes are needed: wait"):
        recent_split(dealt, frame, since="2024-03-31", share=0.5, seed=1)


def test_rows_without_an_order_in_time_cannot_recalibrate():
    frame, dealt = observations(many(OUT_OF_TIME, "2024-05-01"))
    dealt.attrs = {"by": "customer", "notes": []}
    with pytest.raises(RiskError, match="this source's rows have no order in time: refit instead"):
        recent_split(dealt, frame, since="2024-03-31", share=0.5, seed=1)


# --- recalibrate --------------------------------------------------------------------------------------------------------------


def test_a_recalibration_keeps_trees_and_grades_and_passes_the_gate_and_parity(champion):
    said = prepare(CASE, "recalibrate")
    assert said == f"default: the trees of {champion.hash[:12]} get a curve fitted on what became known after {FIRST} up to {LAST}."
    verdict = made()
    found = load_bundle(case_path(CASE, "model"))
    assert (case_path(CASE, "model") / BOOSTER_FILE).read_bytes() == (bundle_path(champion.hash) / BOOSTER_FILE).read_bytes()
    assert found.manifest.knots != champion.manifest.knots
    assert found.manifest.columns == champion.manifest.columns
    assert [(grade.name, grade.upper) for grade in found.manifest.grades] == [(grade.name, grade.upper) for grade in champion.manifest.grades]
    about = found.manifest.training
    assert (about["recalibrated"], about["since"], about["cutoff"], about["trees"]) == (champion.hash, FIRST, LAST, champion.manifest.training["trees"])
    full = read_json(case_path(CASE, "evaluation", "full.json"))
    # The same trees rank the same rows the same, to the bit.
    assert (full["champion"]["comparison"]["difference"], full["champion"]["comparison"]["p"]) == (0.0, 1.0)
    # Three times as many turn bad: the old curve is off by a log-odds of about 1, the new one is not.
    assert full["champion"]["metrics"]["probability"]["line"]["offset"] > 0.7
    assert abs(full["probability"]["line"]["offset"]) < 0.4
    assert [check["check"] for check in verdict["reasons"] if not check["passed"]] in ([], ["decisions"])
    before = read_champion(SOURCE, CASE)
    promote(CASE, actor="lin", reason="recalibrated", override=verdict["verdict"] == "keep")
    assert read_champion(SOURCE, CASE) == found.hash != before
    with Store("var/risk.db").open() as store:
        assert store.promotions()[-1].evidence["parity"]["rows"] > 0
    promotion_steps.point_to(before, source=SOURCE, use_case=CASE)
    with Store("var/risk.db").open() as store:
        store.record_promotion(use_case=CASE, source=SOURCE, bundle=before, previous_bundle=found.hash, actor="test", reason="back", evidence={},
                               action="rollback")


def test_the_book_is_scored_by_the_bundle_on_trial_too(champion):
    prepare(CASE, "recalibrate")
    made()
    change_params([("promote.shadow_days", 7), ("gate.approvals_max", 1.0), ("gate.grades_moved_max", 1.0)])
    gate(CASE)
    assert "is on trial beside" in promote(CASE, actor="lin", reason="trial")
    found = bundle_hash(case_path(CASE, "shipped"))
    with Store("var/risk.db").open() as store:
        assert try_on_book(store, SOURCE, CASE, champion=champion.hash, as_of="2024-12-31") == f", {found[:12]} on trial scored beside it"
        (night,) = Trials(store, source=SOURCE, use_case=CASE).nights(found)
        assert night.effect == read_json(case_path(CASE, "effect.json"))["effect"]
        assert night.effect["cases"] == read_json(case_path(CASE, "book", "about.json"))["rows"]
        assert night.effect["log_odds"]["median"] > 0.7
    end(CASE, actor="lin", reason="test over")
    change_params([("promote.shadow_days", 0), ("gate.approvals_max", 0.1), ("gate.grades_moved_max", 0.05)])


def test_fitting_and_judging_customers_are_apart_and_unseen_by_the_trees(champion):
    learned = set(samples().query("sample in ('development', 'validation')")["observation_id"])
    prepare(CASE, "recalibrate")
    for stage in (observe, featurize, sample):
        stage(CASE)
    rows = samples()
    parts = {name: rows[rows["sample"] == name] for name in (CALIBRATION, OUT_OF_TIME)}
    assert all((part["target_known_at"] > FIRST).all() for part in parts.values())
    assert not set(parts[CALIBRATION]["customer_id"]) & set(parts[OUT_OF_TIME]["customer_id"])
    assert not learned & set(pd.concat(parts.values())["observation_id"])


def test_trees_are_kept_also_where_every_matured_row_would_be_shipped(champion):
    prepare(CASE, "recalibrate")
    for stage in (observe, featurize, sample, train):
        stage(CASE)
    change_params([("ship.refit_on", "all_matured")])
    ship(CASE)
    change_params([("ship.refit_on", "nothing")])
    assert bundle_hash(case_path(CASE, "shipped")) == bundle_hash(case_path(CASE, "model"))


def test_the_same_call_twice_leaves_the_file_as_it_is(champion):
    prepare(CASE, "recalibrate")
    path = Path(f"var/training/{SOURCE}-{CASE}.yaml")
    before, stamp = path.read_bytes(), path.stat().st_mtime_ns
    assert prepare(CASE, "recalibrate").endswith(", as was prepared before.")
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (before, stamp)


def test_a_champion_that_is_gone_or_another_cannot_be_recalibrated(champion):
    write_training(Path(f"var/training/{SOURCE}-{CASE}.yaml"), cutoff=LAST, action="recalibrate", booster="0" * 64, since=FIRST)
    with pytest.raises(RiskError, match="the bundle 000000000000, whose trees are to be recalibrated, is not in .*: restore that folder, or `risk retrain"):
        train(CASE)


def test_nothing_new_is_no_recalibration(champion, monkeypatch):
    monkeypatch.setattr(retraining, "read_json", lambda _path: {"complete_to": FIRST})
    with pytest.raises(RiskError, match=f"outcomes are complete to {FIRST}, and the champion knew those of {FIRST} already: nothing to recalibrate on"):
        prepare(CASE, "recalibrate")


# --- refit and rebuild --------------------------------------------------------------------------------------------------------


def test_a_refit_moves_the_cutoff_and_grows_trees(champion):
    assert prepare(CASE, "refit") == f"default: trees are grown on what was known up to {LAST}, with the parameters' settings."
    assert load_training(SOURCE, CASE) == Training(cutoff=LAST)
    for stage in (observe, featurize, sample, train):
        stage(CASE)
    found = load_bundle(case_path(CASE, "model"))
    assert found.booster_text != champion.booster_text
    assert found.manifest.training["cutoff"] == LAST
    assert "recalibrated" not in found.manifest.training


def test_a_rebuild_grows_with_what_the_search_found_and_params_yaml_stays(champion, monkeypatch):
    params, called = Path("params.yaml").read_bytes(), []
    monkeypatch.setattr("pipeline.repro.repro", lambda *targets, **_: called.append((targets, load_training(SOURCE, CASE).cutoff)))
    monkeypatch.setattr("pipeline.tune.tune_case", lambda use_case, echo: FOUND)
    assert prepare(CASE, "rebuild") == f"default: trees are grown on what was known up to {LAST}, with settings searched there."
    assert called == [(("sample@default",), LAST)]
    assert settled(load_params().train, load_training(SOURCE, CASE)).num_leaves == 4
    assert prepare(CASE, "rebuild").endswith("as was prepared before.")
    for stage in (observe, featurize, sample, train):
        stage(CASE)
    about = load_bundle(case_path(CASE, "model")).manifest.training
    assert (about["settings"]["num_leaves"], about["settings"]["learning_rate"], about["rebuilt"]) == (4, 0.2, FOUND)
    assert (Path("params.yaml").read_bytes(), len(called)) == (params, 1)


def test_a_search_that_finds_nothing_better_is_a_refit(champion, monkeypatch):
    monkeypatch.setattr("pipeline.repro.repro", lambda *_, **__: None)
    monkeypatch.setattr("pipeline.tune.tune_case", lambda use_case, echo: None)
    assert prepare(CASE, "rebuild").startswith("default: a search found no better settings, so trees are grown on what was known up to")
    assert load_training(SOURCE, CASE) == Training(cutoff=LAST)


def test_what_the_gate_kept_out_is_withdrawn(champion):
    with pytest.raises(RiskError, match="nothing was prepared since the last candidate that stayed: nothing to withdraw"):
        withdraw(CASE)
    prepare(CASE, "refit")
    prepare(CASE, "recalibrate")
    assert withdraw(CASE) == f"default: the training cutoff is {FIRST} again; `dvc repro` restores the candidate of then."
    assert load_training(SOURCE, CASE) == Training(cutoff=FIRST)


@pytest.mark.parametrize(("content", "message"), [
    ('cutoff: "2024-01-01"\naction: recalibrate\n', "recalibrate needs the booster it keeps and the day since which outcomes are new"),
    ('cutoff: "2024-01-01"\naction: rebuild\n', "rebuild needs the settings that a search found"),
    ('cutoff: "2024-01-01"\naction: guess\n', "action guess is unknown: use refit, recalibrate or rebuild"),
    ('cutoff: "2024-01-01"\nsince: "2024-02-31"\n', "2024-02-31 is no day of the calendar"),
])
def test_a_faulty_training_file_is_named(tmp_path, content, message):
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "mine-default.yaml").write_text(content)
    with pytest.raises(RiskError, match=message):
        load_training("mine", "default", var=tmp_path)


def test_an_unknown_action_is_refused(champion):
    with pytest.raises(RiskError, match="wait is no retraining: use recalibrate, refit, rebuild"):
        prepare(CASE, "wait")


@pytest.mark.slow
def test_a_retraining_goes_through_dvc_and_the_second_run_does_nothing(tmp_path):
    project = fresh_run(tmp_path / "project")
    pointer = project / "var" / "champion" / "simulated-default.json"
    first = json.loads(pointer.read_text())["bundle"]
    change_params([("simulated.months", 96)], project / "params.yaml")
    repro(project)
    said = risk(project, "retrain", "--action", "recalibrate").stdout
    assert f"the trees of {first[:12]} get a curve" in said
    assert (project / "data/default/model/booster.txt").read_bytes() == (project / f"var/bundles/{first}/booster.txt").read_bytes()
    # What scores and reports is still to come; nothing that learned runs again.
    assert not repro(project) & {"sample", "train", "evaluate", "ship", "effect", "gate"}
    assert repro(project) == set()
    risk(project, "promote", "--by", "lin", "--reason", "recalibrated", "--override")
    assert json.loads(pointer.read_text())["bundle"] != first
    page = next((project / "var" / "dossiers").glob(f"{json.loads(pointer.read_text())['bundle']}/index.html")).read_text()
    assert "How it came into use" in page
    risk(project, "run")
    assert repro(project) == set()
    assert risk(project, "ledger", "verify").returncode == 0
