"""`risk tune` on a folder of its own: it goes on, begins anew, applies when asked, reads no judged row, logs every trial, and says what was wrong."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from test_search import quick

from features.catalogue import Catalogue, build_catalogue
from features.errors import RiskError
from features.tables import TABLES
from models import search as searching
from pipeline import tune as tuning
from pipeline.cli import main
from pipeline.datasets import write_json
from pipeline.params import change_params, load_params
from pipeline.sample import split
from pipeline.state import move_cutoff, training_path, write_training
from pipeline.train import prepared
from pipeline.tune import apply_case, read_task, tune, tune_case

ROOT = Path(__file__).parent.parent
QUICK = [("use_cases", ["default"]), ("train.max_trees", 20), ("train.early_stopping_rounds", 5), ("train.threads", 1), ("sample.default.embargo_days", 90),
         ("sample.default.out_of_time_days", 180), ("tune.folds", 2), ("tune.startup_trials", 2), ("train.learning_rate", 0.01)]
SAMPLES = "data/default/development/samples.parquet"
FEATURES = "data/default/development/features.parquet"


def declared():
    columns = {name: {column.name: column.kind for column in table.columns} for name, table in TABLES.items()}
    return [each for each in build_catalogue("default", columns).features if each.kind == "number"][:3]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The development branch of 150 customers over eleven quarters, of whom every fourth is bad; three columns."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    change_params(QUICK, tmp_path / "params.yaml")
    for case in ("default", "fraud"):
        move_cutoff("simulated", case, "2022-12-31")
    rng = np.random.default_rng(1)
    rows = pd.DataFrame({"customer_id": np.tile([f"C{number}" for number in range(150)], 11), "status": "matured",
                         "as_of": np.repeat(pd.date_range("2020-03-31", periods=11, freq="QE").astype("datetime64[us]"), 150)})
    rows.insert(0, "observation_id", [f"O{number}" for number in range(len(rows))])
    values = {each.name: rng.normal(size=len(rows)) for each in declared()}
    logit = sum((each.direction or 1) * value for each, value in zip(declared(), values.values(), strict=True)) - 1.4
    rows["target"] = (rng.uniform(size=len(rows)) < 1 / (1 + np.exp(-logit))).astype(float)
    folder = tmp_path / "data/default/development"
    folder.mkdir(parents=True)
    samples = split(rows, use_case="default", params=load_params(), protocol=None, horizon_days=90)
    rows.to_parquet(folder / "observations.parquet")
    pd.DataFrame({"observation_id": rows["observation_id"], **values}).to_parquet(folder / "features.parquet")
    rows[["observation_id"]].assign(sample=samples).to_parquet(folder / "samples.parquet")
    write_json(folder / "catalogue.json", Catalogue("default", declared()).to_dict())
    write_json(folder / "leaks.json", {"by": samples.attrs["by"], "left_out": []})
    write_json(folder / "maturity.json", {"horizon_days": 90, "protocol": None})
    return tmp_path


@pytest.fixture
def silent(monkeypatch):
    """Trees and MLflow left out, which cost seconds; `silent` holds how many trials would be logged."""
    logged = []
    monkeypatch.setattr(searching, "fold_scores", quick)
    monkeypatch.setattr(tuning, "_log", lambda study, *_: logged.append(len(searching.finished(study))))
    return logged


def said(**asked):
    lines = []
    tune_case("default", echo=lines.append, **asked)
    return lines


def without_times(lines):
    return [line.rsplit(", ", 1)[0] if line.startswith("trial") else line for line in lines]


def test_a_study_goes_on_where_ctrl_c_left_it(place, silent, monkeypatch):
    left = iter(range(7))

    def stops(*given):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return quick(*given)

    lines = []
    monkeypatch.setattr(searching, "fold_scores", stops)
    with pytest.raises(KeyboardInterrupt):
        tune_case("default", trials=5, echo=lines.append)
    assert lines[-1] == "default: stopped after 3 trials; `risk tune` goes on from there."
    assert silent == [3]
    monkeypatch.setattr(searching, "fold_scores", quick)
    again = said(trials=5)
    assert again[0] == "default: the study goes on after 3 trials."
    assert [line.split(":")[0] for line in again if line.startswith("trial")] == ["trial 4 of 5", "trial 5 of 5"]
    fresh = without_times(said(trials=5, fresh=True))
    assert fresh[-len(again) + 2:] == without_times(again)[2:]


def test_other_data_or_settings_begin_a_new_study_and_that_is_said(place, silent):
    said(trials=4)
    change_params([("tune.space.num_leaves", [3, 5])])
    changed = said(trials=4)
    assert changed[0] == "default: the data, today's settings, the search space or the objective changed since the last study: a new one begins."
    assert len([line for line in changed if line.startswith("trial")]) == 4
    change_params([("tune.space.num_leaves", [3, 31])])
    assert said(trials=4)[0] == "default: the study goes on after 4 trials."


def test_rows_that_judge_the_model_move_nothing(place):
    before = read_task("default", load_params()).name
    samples, features = pd.read_parquet(SAMPLES)["sample"], pd.read_parquet(FEATURES)
    rows = pd.read_parquet("data/default/development/observations.parquet")
    judged = samples.eq("out_of_time").to_numpy()
    assert 100 < judged.sum() < len(judged) / 2

    def written(mask):
        features.where(~mask[:, None] | features.columns.isin(["observation_id"]), features.shift(1)).to_parquet(FEATURES)
        rows.assign(target=rows["target"].where(~mask, 1 - rows["target"])).to_parquet("data/default/development/observations.parquet")
        return read_task("default", load_params()).name

    assert written(judged) == before
    assert written(samples.eq("embargo").to_numpy()) == before
    assert written(samples.eq("calibration").to_numpy()) == before
    assert written(samples.eq("validation").to_numpy()) != before


def test_customers_kept_apart_are_apart_in_the_folds(place):
    def shared():
        ground = read_task("default", load_params()).ground
        return [np.intersect1d(ground.groups[train], ground.groups[judged]).size for train, judged in ground.folds.pairs]

    assert min(shared()) > 0
    change_params([("sample.default.customers", "apart"), ("tune.fold_bad", 5)])
    assert max(shared()) == 0


def test_compromised_rows_judge_no_settings_of_fraud(place):
    shutil.copytree("data/default", "data/fraud")
    path = Path("data/fraud/development/observations.parquet")
    rows = pd.read_parquet(path)
    rows.assign(compromised=rows["customer_id"].isin([f"C{number}" for number in range(40)])).to_parquet(path)
    change_params([("sample.fraud.embargo_days", 90)])
    task, past = read_task("fraud", load_params()), pd.read_parquet(SAMPLES)["sample"]
    order = np.concatenate([np.flatnonzero(past.eq(name)) for name in ("development", "validation")])
    held = rows["customer_id"].isin([f"C{number}" for number in range(40)]).to_numpy()[order]
    assert any((judged & ~held).any() for _, judged in task.ground.folds.pairs)
    assert not any((judged & held).any() for _, judged in task.ground.folds.pairs)
    assert all((train & held).any() for train, _ in task.ground.folds.pairs)


def test_calibration_rows_take_part_only_where_the_final_trees_grow_on_them(place):
    assert set(read_task("default", load_params()).ground.sample) == {"development", "validation"}
    change_params([("train.refit", "all")])
    assert set(read_task("default", load_params()).ground.sample) == {"development", "validation", "calibration"}


def test_the_best_is_applied_when_asked_and_comments_stay(place, silent):
    with pytest.raises(RiskError, match="default: there is no study of the data and parameters as they are now: run `risk tune` first"):
        apply_case("default")
    before = Path("params.yaml").read_text(encoding="utf-8")
    lines = "\n".join(said(trials=8)).splitlines()
    assert Path("params.yaml").read_text(encoding="utf-8") == before
    assert "  apply it: risk tune --apply --use-case default" in lines
    applied = []
    apply_case("default", echo=applied.append)
    assert applied[0].startswith("default: the settings of trial ")
    after = Path("params.yaml").read_text(encoding="utf-8")
    assert [line.partition("#")[2] for line in after.splitlines()] == [line.partition("#")[2] for line in before.splitlines()]
    tried, = [line for line in lines if line.startswith("  try it: dvc exp run ")]
    given = load_params().train
    assert tried.split()[6::2] == [f"train.{name}={str(getattr(given, name)).lower()}" for name in load_params().tune.space.__struct_fields__]


def test_what_came_out_says_whether_to_keep_today_s_settings(place, silent, monkeypatch):
    def level(ground, number, settings):
        judged = ground.folds.pairs[number][1]
        return 0.5, ground.matrix[judged, 0]

    monkeypatch.setattr(searching, "fold_scores", level)
    assert said(trials=5)[-1].splitlines()[-1] == "  no trial is better: keep today's settings."
    lines = []
    apply_case("default", echo=lines.append)
    assert lines == ["default: no trial is better than today's settings; params.yaml stays as it is."]
    rng = np.random.default_rng(0)

    def lucky(ground, number, settings):
        judged = ground.folds.pairs[number][1]
        return 0.5, ground.matrix[judged, 0] + 0.2 * rng.normal(size=judged.sum())

    monkeypatch.setattr(searching, "fold_scores", lucky)
    assert "  that is within noise: keep today's settings unless something else speaks for these." in said(trials=9, fresh=True)[-1].splitlines()


@pytest.mark.slow
def test_every_trial_is_logged_once_with_its_folds(place):
    from pipeline.registry import mlflow

    said(trials=4)
    said(trials=5)
    runs = mlflow.search_runs(experiment_names=["customer-risk-simulated-default-tuning"], order_by=["attributes.start_time"])
    assert len(runs) == 5
    assert set(runs["tags.state"]) <= {"complete", "pruned"}
    assert runs["metrics.value"].notna().tolist() == runs["tags.state"].eq("complete").tolist()
    steps = mlflow.MlflowClient().get_metric_history(runs["run_id"][0], "fold_auc")
    assert [each.step for each in steps] == [0, 1]
    assert runs["params.learning_rate"][0] == "0.01"


def test_what_a_user_gets_wrong_is_one_sentence(place):
    with pytest.raises(RiskError, match="0 minutes leave no time for a trial: ask for more"):
        tune_case("default", minutes=0)
    shutil.rmtree("data")
    asked = [CliRunner().invoke(main, ["tune", *words]) for words in ([], ["--apply", "--fresh"], ["--trials", "x"])]
    assert [found.exit_code for found in asked] == [1, 1, 2]
    assert asked[0].output.strip() == "error: data/default/development/leaks.json is missing: run `risk run`."
    assert asked[1].output.strip() == "error: --apply tries nothing: leave --trials, --minutes and --fresh away."


def test_too_few_trials_and_a_lost_score_are_named(place, silent):
    with pytest.raises(RiskError, match="0 trials are too few: today's settings take the first 3, so ask for 4 or more"):
        tune_case("default", trials=0)
    assert not Path("var/tuning").exists()
    said(trials=4)
    lost = next(Path("var/tuning").glob("*/*/0.npy"))
    lost.unlink()
    with pytest.raises(RiskError, match="lacks the scores of trial 0: begin anew with `risk tune --fresh`"):
        apply_case("default")


def test_too_few_trials_are_refused_before_folds_are_drawn(place, monkeypatch):
    monkeypatch.setattr(tuning, "ground_of", lambda *_, **__: pytest.fail("folds were drawn"))
    with pytest.raises(RiskError, match="^1 trial is too few: today's settings take the first 3, so ask for 4 or more"):
        tune_case("default", trials=1)


def test_a_second_search_beside_the_first_is_refused(place, silent):
    refused = []

    def second(line):
        if line.startswith("trial 1 of"):
            with pytest.raises(RiskError, match="default: another `risk tune` is at work on var/tuning/simulated-default.db: wait for it, or stop it"):
                tune_case("default", trials=4)
            refused.append(line)

    tune_case("default", trials=4, echo=second)
    assert len(refused) == 1


def test_one_section_serves_both_use_cases(place):
    change_params([("use_cases", ["default", "fraud"])])
    found = CliRunner().invoke(main, ["tune", "--apply"])
    assert found.output.strip() == ("error: the section train of params.yaml serves default and fraud alike: name the one whose study is applied with "
                                    "--use-case.")


@pytest.mark.parametrize(("key", "value", "words"), [
    ("learning_rate", [0.2, 0.01], "`tune.space`: the range of learning_rate is upside down, from 0.2 to 0.01: write the lower end first"),
    ("l2", [0.0, 1.0], r"`tune.space.l2\[0\]`: expected `float` > 0.0"),
    ("num_leaves", [3], "`tune.space.num_leaves`: expected `array` of length >= 2"),
])
def test_a_range_that_cannot_be_searched_is_refused(place, key, value, words):
    text = Path("params.yaml").read_text(encoding="utf-8")
    line, = [each for each in text.splitlines() if each.startswith(f"    {key}: [")]
    Path("params.yaml").write_text(text.replace(line, f"    {key}: {value}"), encoding="utf-8")
    with pytest.raises(RiskError, match=words):
        load_params()


def test_arrays_alone_are_tuned_in_memory(place):
    params = load_params()
    rows = pd.read_parquet("data/default/development/observations.parquet").assign(sample=pd.read_parquet(SAMPLES)["sample"])
    columns = {each.name: pd.read_parquet(FEATURES)[each.name].to_numpy() for each in declared()}
    described, parts = prepared(columns, rows, declared())
    shutil.rmtree("data")
    asked = {"train": params.train, "rules": params.tune, "horizon_days": 90, "embargo_days": 90, "trials": 4}
    dates = {name: rows.loc[rows["sample"] == name, "as_of"].to_numpy() for name in parts}
    by_time, without = (tune(parts, described, as_of, **asked) for as_of in (dates, None))
    assert by_time.today["spread"] > 0
    assert without.today["spread"] == 0
    assert not Path("var/tuning").exists()


def test_settings_that_a_rebuild_found_are_today_s_and_stand_before_applied_ones(place, silent):
    found = {"learning_rate": 0.1, "num_leaves": 9, "min_child_samples": 20, "subsample": 0.7, "colsample": 0.5, "l2": 1.0, "extra_trees": True}
    write_training(training_path("simulated", "default"), cutoff="2022-12-31", action="rebuild", settings=found)
    assert {each.num_leaves for each in read_task("default", load_params()).candidates} == {9}
    tune_case("default", trials=8, minutes=1, echo=lambda _: None)
    lines = []
    apply_case("default", echo=lines.append)
    assert lines[0].splitlines()[-1] == ("  var/training/simulated-default.yaml has settings that a rebuild found, which stand before these: delete its line "
                                         "`settings` to use them.")
