"""The benchmark of seven-year histories: its shared past is the simulator's own, and a verdict is by the first action alone."""
import pandas as pd
import pytest

from benchmarks.histories import RIGHT, label_free, seeds_of, table, verdict
from benchmarks.history_world import Past, about_of
from pipeline.sources._simulated_scenarios import SCENARIOS
from pipeline.sources.simulated import Settings, simulate


def rows_of(path):
    frame = pd.read_parquet(path)
    return frame.sort_values(list(frame.columns)).reset_index(drop=True)


@pytest.mark.parametrize("scenario", ["recession", "broken_feed"])
def test_a_history_that_goes_on_from_a_shared_past_is_the_one_simulated_whole(tmp_path, scenario):
    settings = Settings(customers=300, months=10, seed=3, scenario=scenario, scenario_month=7)
    simulate(tmp_path / "whole", tmp_path / "truth", settings=settings)
    past = Past(Settings(customers=300, months=10, seed=3), 7)
    past.go_on("calm", 3, tmp_path / "calm")
    past.go_on(scenario, 3, tmp_path / "shared")
    for path in sorted((tmp_path / "whole").iterdir()):
        pd.testing.assert_frame_equal(rows_of(path), rows_of(tmp_path / "shared" / path.name))


def test_a_day_knows_nothing_later(tmp_path):
    Past(Settings(customers=100, months=4, seed=3), 4).write(tmp_path)
    about = about_of(tmp_path, until="2018-02-28")
    assert about["today"] == about["complete_to"] == "2018-02-28"
    assert max(table["known_to"] for table in about["tables"].values() if table["known_to"]) <= "2018-02-28"


def history(scenario, actions, *, faults=None, fraud=None):
    """A history of the actions by month; nothing is done in the other quarters."""
    decisions = [{"month": month, "action": actions.get(month, "none"), "drift": "none", "faults": ["lost"] if month in (faults or ()) else []}
                 for month in range(36, 85, 3)]
    told = {} if fraud is None else {"fraud": [{"month": 39, "action": fraud}]}
    return {"scenario": scenario, "seed": 1, "decisions": decisions, "label_free": []} | told


@pytest.mark.parametrize(("found", "right"), [
    (history("calm", {}), True),
    (history("calm", {84: "refit"}), False),
    (history("covariate_shift", {60: "recalibrate"}), False),
    (history("recession", {48: "recalibrate", 57: "refit"}), True),
    (history("recession", {48: "refit"}), False),
    (history("recession", {39: "recalibrate"}), False),  # before a cohort could show it
    (history("recession", {60: "recalibrate"}), False),  # too late
    (history("recession", {}), False),
    (history("new_default", {57: "rebuild"}), True),
    (history("concept_drift", {45: "recalibrate", 48: "refit"}), False),
    (history("broken_feed", {}, faults=(42,)), True),
    (history("broken_feed", {}), False),
    (history("broken_feed", {}, faults=(45,)), False),
    (history("broken_feed", {60: "refit"}, faults=(39,)), False),
    (history("fraud_wave", {}, fraud="recalibrate"), True),
    (history("fraud_wave", {}, fraud="refit"), False),
    (history("fraud_wave", {48: "recalibrate"}, fraud="recalibrate"), False),
])
def test_verdicts(found, right):
    assert verdict(found["scenario"], found)[0] is right


def test_every_scenario_has_a_right_answer():
    assert set(RIGHT) == set(SCENARIOS)


def test_the_table_counts_first_actions():
    said = table([history("recession", {48: "recalibrate", 57: "refit"}), history("recession", {51: "refit"})])
    assert said.splitlines()[-1].startswith("| recession | 2 | 0 | 1 | 1 | 0 | 49.5 | 1 (50%) | 1 |")


def test_coverage_by_hand():
    cohorts = [{"cohort": "2022-01", "auc": {"estimate": 0.8, "low": 0.7, "high": 0.9, "realised": realised}} for realised in (0.75, 0.95)]
    said = label_free([history("calm", {}) | {"label_free": [each | {"rate": each["auc"], "brier": each["auc"]} for each in cohorts]}])
    assert "| calm | 2 | 50.0%, -0.0500, 0.2000 |" in said


def test_seeds_are_asked_for_as_one_or_a_range():
    assert (list(seeds_of("3")), list(seeds_of("1-3"))) == ([3], [1, 2, 3])
