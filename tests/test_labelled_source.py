"""A labelled CSV is a source: nothing but observations with their targets goes through every stage, to the pages and the service's look-up."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.errors import RiskError
from models.discrimination import auc
from pipeline.book import book
from pipeline.challenge import challenge
from pipeline.datasets import case_path, read_json
from pipeline.decide import decide
from pipeline.dossier import dossier
from pipeline.evaluate import evaluate
from pipeline.explain import explain
from pipeline.featurize import featurize
from pipeline.gate import gate
from pipeline.ingest import ingest
from pipeline.lookup import show_customer
from pipeline.monitor import monitor
from pipeline.observe import observe
from pipeline.performance import performance
from pipeline.publish import publish
from pipeline.report import report
from pipeline.sample import sample
from pipeline.score import score
from pipeline.ship import ship
from pipeline.state import keep_bundle, point_to
from pipeline.summary import _leak_lines, summary
from pipeline.train import train
from pipeline.use import source_changes
from pipeline.validate import validate
from pipeline.workspace import workspace
from serving.current import Current

LEARN = (observe, featurize, sample, train, evaluate, challenge, explain, validate, ship, gate, dossier)
TODAY = (book, score, monitor, performance, decide, report)
OBSERVATIONS = """
SELECT no AS observation_id, person AS customer_id, TIMESTAMP '{as_of}' AS as_of, flag::DOUBLE AS target, * EXCLUDE (no, person, flag)
FROM read_csv('d.csv', types = {{'no': 'VARCHAR', 'person': 'VARCHAR'}})"""
YAML = {"description": "made up", "use_cases": ["default"], "complete_to": "2024-12-31", "horizon_days": 30}
RANDOM = {"kind": "random", "test_share": 0.3, "rounds": 10}


def numbers(rows=400, *, seed=0):
    """Rows whose flag follows two of their columns; a third of either is missing, one column never varies."""
    rng = np.random.default_rng(seed)
    debt, late, size = rng.normal(size=(3, rows))
    flag = rng.uniform(size=rows) < 1 / (1 + np.exp(1.5 - 2 * debt - 1.5 * late))
    frame = pd.DataFrame({"no": [f"{place:05d}" for place in range(rows)], "person": [f"P{place:04d}" for place in range(rows)],
                          "Debt Ratio": debt, "逾期": late, "amount": np.exp(size), "constant": 1, "flag": flag.astype(object)})
    for column in ("Debt Ratio", "逾期"):
        frame.loc[rng.uniform(size=rows) < 0.3, column] = None
    return frame.assign(flag=frame["flag"].astype(int).astype(object))


def words(rows=400):
    """The same with nothing but categories."""
    frame = numbers(rows)
    names, edges = ["very low", "low", "high", "VERY HIGH"], [-9, -0.7, 0, 0.7, 9]
    levels = {name: pd.cut(frame[name], edges, labels=names).astype(object) for name in ("Debt Ratio", "逾期")}
    return frame.drop(columns=["Debt Ratio", "逾期", "amount"]).assign(**levels, kind=np.where(frame["amount"] > 1, "kind a", "kind b"))


def source(folder, frame, *, as_of="2024-06-30", **about):
    """A source of one CSV and one SQL file; returns the parameters that choose it."""
    definition = folder / "definition"
    definition.mkdir(parents=True)
    frame.to_csv(folder / "d.csv", index=False)
    (definition / "observations.sql").write_text(OBSERVATIONS.format(as_of=as_of), encoding="utf-8")
    (definition / "source.yaml").write_text(json.dumps(YAML | {"protocol": RANDOM} | about), encoding="utf-8")
    return [*source_changes(["default"], name="mine", definition=definition, path=folder), ("train.max_trees", 120),
            ("train.early_stopping_rounds", 30), ("report.customers", 3), ("explain.rows", 60)]


def learned(folder, frame, **about):
    """A workspace with a candidate trained on the frame."""
    changes = source(folder / "files", frame, **about)
    return workspace(folder / "project", changes)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Every stage but track over a labelled CSV, promoted by hand and published."""
    with learned(tmp_path_factory.mktemp("labelled"), numbers()) as folder:
        ingest()
        for stage in (*LEARN, book):
            stage("default")
        bundle = read_json(case_path("default", "gate.json"))["bundle"]
        keep_bundle(case_path("default", "model"), bundle)
        point_to(bundle, source="mine", use_case="default")
        for stage in (*TODAY[1:], publish):
            stage("default")
        yield folder


def page(name):
    return Path(f"data/default/reports/{name}").read_text(encoding="utf-8")


def test_its_columns_are_the_features_whatever_they_are_called(project):
    names = [column["name"] for column in read_json("data/default/model/model.json")["columns"]]
    assert names == ["obs_Debt Ratio", "obs_逾期", "obs_amount", "obs_constant"]


def test_the_model_ranks_rows_that_were_held_out_at_random(project):
    predicted = pd.read_parquet("data/default/evaluation/predictions.parquet")
    assert len(predicted) == 120
    assert auc(predicted["target"], predicted["raw_score"]) > 0.7
    assert read_json("data/default/evaluation/full.json")["judged_by"]["words"] == "held out at random, round 1 of 10"


def test_the_probability_is_called_after_the_source_s_horizon(project):
    assert pd.read_parquet("data/default/scores.parquet")["pd_1m"].between(0, 1, inclusive="neither").all()
    assert "1-month PD" in show_customer("P0007")


def test_where_every_target_is_known_the_book_is_each_customer_s_latest_row(project):
    about = read_json("data/default/book/about.json")
    assert (about["rule"], about["rows"], about["customers"]) == ("latest", 400, 400)


def test_the_summary_says_how_it_was_judged_and_what_the_book_is(project):
    told = summary(seconds=1)
    for said in ("400 observations", "Customers: default within 1 month", "each customer's latest observation, since every target is known",
                 "judged on    120 rows of 120 customers", "held out at random, round 1 of 10", "this comparison cannot show drift",
                 "  note         Column obs_constant is the same on every development row, so the trees cannot use it."):
        assert said in told
    assert "out of time" not in told


def test_no_column_that_may_know_the_outcome_is_left_unsaid():
    found = [{"column": f"obs_{name}", "detail": f"obs_{name} alone reaches an AUC of 1.000"} for name in "abcde"]
    assert _leak_lines(found[:3], "default") == [f"  leak?        obs_{name} alone reaches an AUC of 1.000" for name in "abc"]
    assert "and 2 more: obs_d, obs_e" in _leak_lines(found, "default")[-1]
    assert _leak_lines([], "default") == []


def test_the_portfolio_says_what_it_cannot_say_and_shows_nothing_empty(project):
    shown = page("index.html")
    assert "They were held out at random: round 1 of 10. So nothing is said about later dates." in shown
    assert "observed on 30 Jun 2024" in shown
    assert "No exposure is known" in shown
    assert "Exposure, CNY" not in shown
    assert "12 months" not in shown


def test_a_report_shows_what_was_given_and_no_part_without_a_table(project):
    name = sorted(path.name for path in Path("data/default/reports/customers").glob("*.en.html"))[0]
    shown = page(f"customers/{name}")
    assert "What was given" in shown
    assert "Debt Ratio" in shown
    assert "逾期" in shown
    for part in ("Statements", "How the customer pays us", "Cash on the account", "What happened", "How fresh the facts are"):
        assert part not in shown


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_page_shows_a_missing_number_or_an_empty_part(project, language):
    reports = [path.read_text(encoding="utf-8") for path in Path("data/default/reports/customers").glob(f"*.{language}.html")]
    pages = [page(f"index{'' if language == 'en' else '.zh'}.html"), *reports]
    assert len(pages) == 4
    for shown in pages:
        text = re.sub(r"<(style|script)>.*?</\1>", "", shown, flags=re.DOTALL)
        assert not re.search(r"\b(nan|NaN|None|null|inf)\b", re.sub(r"<[^>]+>", " ", text))
        assert not re.search(r"<(td|tbody|ol|ul|dd|p|section|figure)[^>]*>\s*</\1>", text)


def test_the_service_finds_a_customer_of_it(project):
    state = Current(Path("var"), source="mine", use_case="default").state()
    scores = pd.read_parquet("data/default/scores.parquet").set_index("customer_id")
    found = state.published.find("P0007")
    assert found.score["pd_1m"] == scores.loc["P0007", "pd_1m"]
    assert list(found.features) == ["obs_Debt Ratio", "obs_逾期", "obs_amount", "obs_constant"]
    state.published.close()


def run(folder, frame, *, stages=(*LEARN, *TODAY), **about):
    with learned(folder, frame, **about):
        ingest()
        for stage in stages:
            stage("default")
        return {name: json.loads(path.read_text()) for name, path in {"book": case_path("default", "book", "about.json"), "full": case_path(
            "default", "evaluation", "full.json"), "leaks": case_path("default", "development", "leaks.json")}.items() if path.exists()}


@pytest.mark.slow
def test_rows_without_a_target_are_the_book_and_several_of_a_customer_are_all_scored(tmp_path):
    frame = numbers()
    frame.loc[:39, "flag"], frame.loc[:1, "person"] = None, "P9999"
    with learned(tmp_path, frame):
        ingest()
        for stage in (*LEARN, *TODAY):
            stage("default")
        about, scores = read_json("data/default/book/about.json"), pd.read_parquet("data/default/scores.parquet")
        assert (about["rule"], about["rows"], about["customers"]) == ("open", 40, 39)
        assert sorted(scores["observation_id"]) == [f"{place:05d}" for place in range(40)]
        assert read_json("data/default/monitoring/drift.json")["note"] is None


@pytest.mark.slow
def test_a_book_of_several_rows_a_customer_is_published_once_each(tmp_path):
    frame = numbers()
    frame.loc[:39, "flag"], frame.loc[:1, "person"] = None, "P9999"
    with learned(tmp_path, frame):
        ingest()
        for stage in (*LEARN, book, score):
            stage("default")
        bundle = read_json(case_path("default", "gate.json"))["bundle"]
        keep_bundle(case_path("default", "model"), bundle)
        point_to(bundle, source="mine", use_case="default")
        assert "published 39 rows" in publish("default")


@pytest.mark.slow
@pytest.mark.parametrize("frame", [words(), numbers(200), numbers(200).assign(opened=range(200), sample=range(200))],
                         ids=["all categories", "200 rows", "our own words"])
def test_small_and_wordy_files_run_to_the_end(tmp_path, frame):
    assert run(tmp_path, frame)["full"]["discrimination"]["auc"] > 0.6


@pytest.mark.slow
def test_folds_and_customers_held_out_are_said(tmp_path):
    frame = numbers().assign(person=lambda table: "P" + (table["no"].astype(int) // 2).astype(str))
    found = run(tmp_path, frame, stages=LEARN, protocol={"kind": "grouped", "folds": 5})
    assert found["full"]["judged_by"]["words"] == "customers held out, fold 1 of 5"
    assert found["full"]["customers"] == 40


def test_without_a_protocol_rows_of_one_date_fall_back_to_customers_held_out(tmp_path):
    found = run(tmp_path, numbers(), stages=LEARN, protocol=None)
    assert found["full"]["judged_by"]["words"] == "customers held out"
    assert "too short to judge on later dates" in found["leaks"]["notes"][0]


def test_a_file_with_three_bad_rows_is_refused_with_their_number(tmp_path):
    frame = numbers().assign(flag=0)
    frame.loc[:2, "flag"] = 1
    with pytest.raises(RiskError, match="with 3 bad of 400 rows .* each of development, validation, calibration, out_of_time needs both classes: bring more"):
        run(tmp_path, frame, stages=LEARN)
