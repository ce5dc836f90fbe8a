"""The stages joined, on a small simulated portfolio in a folder of its own: what each writes fits what the next one reads."""

import hashlib
import json
import shutil
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from serving_world import local_client
from small_run import small_run

from features.errors import RiskError
from models.bundle import load_bundle
from models.scoring import contributions, encode
from pipeline.book import book
from pipeline.cli import main
from pipeline.columns import read_columns
from pipeline.datasets import case_path, read_json, write_json
from pipeline.featurize import featurize
from pipeline.ingest import ingest
from pipeline.lookup import score_file, show_customer
from pipeline.observe import observe
from pipeline.override import add_override
from pipeline.params import change_params
from pipeline.promote import open_store, promote
from pipeline.publish import publish
from pipeline.report import report
from pipeline.reports.pages import report_name
from pipeline.sample import sample
from pipeline.score import score
from pipeline.state import keep_bundle, pages_folder, point_to
from pipeline.train import train
from pipeline.validate import validate
from pipeline.what_if import policy_diff
from pipeline.what_if_text import diff_lines
from pipeline.workspace import workspace
from serving.app import create_app
from serving.current import Current
from serving.messages import label
from serving.overrides import Overrides
from serving.published_reports import PORTFOLIO
from serving.reviews import Reviews
from serving.scorer import Question
from serving.settings import Settings

DEVELOPMENT = ("observations.parquet", "maturity.json", "features.parquet", "catalogue.json", "context.parquet", "later.parquet")


def digests(folder):
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in DEVELOPMENT}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A run of every stage of the default use case that imports neither MLflow nor Evidently."""
    with small_run(tmp_path_factory.mktemp("project"), [("report.customers", 3), ("validate.learning_draws", 1), ("validate.repeats", 100)]) as folder:
        yield folder


def test_features_are_the_catalogue_in_order(project):
    names = [feature["name"] for feature in read_json(case_path("default", "development", "catalogue.json"))["features"]]
    assert pq.read_schema(case_path("default", "development", "features.parquet")).names == ["observation_id", *names]
    assert len(names) > 200


@pytest.mark.parametrize("stage", [train, sample])
def test_the_same_inputs_give_the_same_bytes(project, stage):
    places = {train: ["model/booster.txt", "model/model.json"], sample: ["development/samples.parquet", "development/leaks.json"]}[stage]
    before = [case_path("default", place).read_bytes() for place in places]
    stage("default")
    assert [case_path("default", place).read_bytes() for place in places] == before


def test_out_of_time_lies_a_whole_horizon_after_what_the_model_learned_from(project):
    rows = pd.read_parquet(case_path("default", "development", "observations.parquet")).assign(
        sample=pd.read_parquet(case_path("default", "development", "samples.parquet"))["sample"])
    learned = rows[rows["sample"].isin(["development", "validation", "calibration"])]
    judged = rows[rows["sample"] == "out_of_time"]
    assert learned["as_of"].max() + pd.Timedelta(days=365) <= judged["as_of"].min()
    assert not set(learned[learned["sample"] == "development"]["customer_id"]) & set(learned[learned["sample"] == "calibration"]["customer_id"])


def test_the_model_ranks_customers_it_never_saw(project):
    assert read_json(case_path("default", "evaluation", "metrics.json"))["auc_low"] > 0.6


def test_scores_hold_grade_reasons_and_decision_for_every_customer_of_the_book(project):
    scores = pd.read_parquet(case_path("default", "scores.parquet"))
    assert len(scores) == read_json(case_path("default", "book", "about.json"))["rows"]
    assert scores["pd_12m"].between(0, 1, inclusive="neither").all()
    assert scores["adverse"].map(len).between(1, 4).all()
    assert set(scores["route"]) <= {"automatic", "one_person", "two_persons", "committee"}
    assert scores.sort_values("pd_12m")["grade"].is_monotonic_increasing


def test_sub_scores_and_base_add_up_to_the_raw_score(project):
    scores = pd.read_parquet(case_path("default", "scores.parquet"))
    bundle = load_bundle(case_path("default", "model"))
    base = contributions(bundle, encode(read_columns(case_path("default", "book", "features.parquet"), rows=[0]), bundle))[0, -1]
    parts = scores[["sub_financial", "sub_behavioural", "sub_cash_flow", "sub_background"]].sum(axis=1) + base
    np.testing.assert_allclose(parts, scores["raw_score"], rtol=0, atol=1e-10)


@pytest.mark.slow
def test_validation_answers_every_part_from_the_same_rows_and_again_the_same(project):
    validate("default")
    path = case_path("default", "validation", "validation.json")
    first, found = path.read_bytes(), read_json(path)
    judged = pd.read_parquet(case_path("default", "evaluation", "predictions.parquet"))
    by_column = pd.DataFrame(found["segments"]).groupby("column")[["rows", "bad"]].sum()
    assert (by_column == [len(judged), judged["target"].sum()]).all().all()
    assert {"bg_industry", "stmt_log_assets", "bg_months_as_customer"} <= set(by_column.index)
    assert set(found["fairness"]["columns"]) == {"region", "ownership"}
    assert set(found["psi"]) == {"validation", "calibration", "out_of_time"}
    amount = np.exp(pd.read_parquet(case_path("default", "development", "features.parquet"), columns=["observation_id", "exp_log_limit"]).set_index(
        "observation_id")["exp_log_limit"]) / 100
    amount = amount.fillna(amount.median()).loc[judged["observation_id"]].to_numpy()
    earned = np.where(judged["target"] == 1, -0.6 * amount, 0.05 * amount)
    assert found["profit"]["rules"]["all"]["profit"] == pytest.approx(earned.mean())
    assert found["profit"]["rules"]["cut_off"]["profit"] == pytest.approx((earned * (judged["probability"] <= found["profit"]["cut_off"])).mean())
    assert {"statements", "invoices", "payments", "transactions"} <= {each["table"] for each in found["sensitivity"]["missing"]}
    assert [each["how"] for each in found["sensitivity"]["stale"]][0].endswith("days older")
    assert found["learning_curve"]["points"][-1]["share"] == 1.0
    validate("default")
    assert path.read_bytes() == first


def test_an_unknown_column_to_validate_by_is_named(project):
    change_params([("validate.segments", ["nonsense"])])
    with pytest.raises(RiskError, match="validate.segments: column nonsense is neither a feature of the model nor a column of the observations"):
        validate("default")
    change_params([("validate.segments", "auto")])


@pytest.mark.slow
def test_a_new_month_leaves_what_the_model_learns_from_as_it_was(project):
    folder = case_path("default", "development")
    before = digests(folder)
    change_params([("simulated.months", 85)])
    try:
        ingest()
        observe("default")
        featurize("default")
        assert digests(folder) == before
        book("default")
        assert read_json(case_path("default", "book", "about.json"))["as_of"] == "2025-01-31T23:59:59"
    finally:
        change_params([("simulated.months", 84)])
        ingest()
        book("default")
        score("default")


def test_nothing_is_published_without_a_champion(project):
    with pytest.raises(RiskError, match="default: there is no champion yet: run `risk run`"):
        publish("default")


def test_the_service_gives_the_batch_its_own_numbers_from_raw_records(project):
    bundle = load_bundle(case_path("default", "model"))
    keep_bundle(case_path("default", "model"), bundle.hash)
    point_to(bundle.hash, source="simulated", use_case="default")
    publish("default")
    scores = pq.read_table(case_path("default", "scores.parquet"))
    pq.write_table(scores.slice(1), case_path("default", "scores.parquet"))
    with pytest.raises(RiskError, match="the scores are of another book than today's: run `dvc repro` and publish again"):
        publish("default")
    pq.write_table(scores, case_path("default", "scores.parquet"))
    state = Current(Path("var"), source="simulated", use_case="default").state()
    when = datetime.fromisoformat(state.published.manifest["as_of"])
    for row in pd.read_parquet(case_path("default", "scores.parquet"))[::40].itertuples():
        published = state.published.find(row.customer_id)
        scored = state.scorer.score_records(published.records, Question(row.customer_id, when))
        assert scored.values == published.features
        assert (scored.answer.raw_score, scored.answer.probability, scored.answer.grade) == (row.raw_score, row.pd_12m, row.grade)
        assert (scored.answer.decision["route"], scored.answer.decision["risk_limit"]) == (row.route, row.limit)
    state.published.close()
    _reports_are_published_and_served(scores)
    _override_is_published_and_served(scores.slice(0, 1).to_pylist()[0], when)
    point_to(None, source="simulated", use_case="default")


def _reports_are_published_and_served(scores):
    """What the report stage wrote, page by page; pages of another bundle are not published."""
    report("default")
    publish("default")
    pages, settings = case_path("default", "reports"), Settings.from_environment(var="var", env={})
    with local_client(create_app(settings)) as client:
        assert client.get("/v1/reports?language=zh&purpose=review").content == (pages / "index.zh.html").read_bytes()
        customers = {customer for customer in scores["customer_id"].to_pylist() if (pages / "customers" / report_name(customer, "en")).is_file()}
        assert len(customers) == 3
        for customer in customers:
            assert client.get(f"/v1/reports/{customer}?purpose=review").content == (pages / "customers" / report_name(customer, "en")).read_bytes()
        other = next(customer for customer in scores["customer_id"].to_pylist() if customer not in customers)
        assert client.get(f"/v1/reports/{other}?purpose=review").status_code == 404
    (pages / "index.html").write_text("<p>an older bundle's", encoding="utf-8")
    with pytest.raises(RiskError, match="default: the reports are of another bundle than the champion .*: run `dvc repro` and publish again"):
        publish("default")
    shutil.rmtree(pages)


def _override_is_published_and_served(row, when):
    """An override of one customer: the batch and the service decide alike by it, and the score stage's file says what the policy says."""
    changes = {"action": None, "limit": row["limit"] // 100 + 1000, "route": None, "grade": None}
    add_override(row["customer_id"], changes, reason_code="security", reason="guarantee", author="anna", approver="ben", expires=None, days=9)
    before = case_path("default", "scores.parquet").read_bytes()
    report("default")
    assert ", 1 under an override, " in publish("default")
    assert "decisions in force on" in (pages_folder("simulated", "default") / "index.html").read_text(encoding="utf-8")
    assert case_path("default", "scores.parquet").read_bytes() == before
    state = Current(Path("var"), source="simulated", use_case="default").state()
    # The service shows the pages as they stand by the decisions in force.
    assert state.published.report(PORTFOLIO, "en") == (pages_folder("simulated", "default") / "index.html").read_bytes()
    published = state.published.find(row["customer_id"])
    with open_store() as store:
        overrides = Overrides(store, source="simulated")
        question = Question(row["customer_id"], when, override=overrides.in_force(row["customer_id"], overrides.today()), day=overrides.today())
        assert len(Reviews(store, source="simulated").listed()) == state.published.manifest["rows"]
    decision = state.scorer.score_records(published.records, question).answer.decision
    assert published.score["limit"] == decision["risk_limit"] == changes["limit"] * 100
    assert published.score["override"]["policy_said"] == json.loads(json.dumps(decision["override"]["policy_said"]))
    assert published.score["override"]["policy_said"]["risk_limit"] == row["limit"]
    said = show_customer(row["customer_id"])
    assert "overridden: override" in said
    assert f"decision: {decision['words']['en']['action']}, limit {changes['limit']:,}, {decision['words']['en']['route']}\n" in said
    assert f"the policy alone: {label('action', row['action'], language='en')}, limit {row['limit'] // 100:,}, " in said
    state.published.close()


def test_a_gate_that_says_keep_is_not_passed_by(project):
    path = case_path("default", "gate.json")
    verdict = read_json(path)
    refused = [{"check": "calibration", "passed": False, "detail": "slope 0.2"}]
    write_json(path, {**verdict, "verdict": "keep", "reasons": refused})
    with pytest.raises(RiskError, match=r"the gate says keep \(calibration: slope 0.2\): improve the candidate, or promote with --override"):
        promote("default", actor="a", reason="b")
    write_json(path, {**verdict, "bundle": "0" * 64})
    with pytest.raises(RiskError, match="the gate judged another bundle .*: run `dvc repro` first"):
        promote("default", actor="a", reason="b")
    write_json(path, {**verdict, "champion": "0" * 64})
    with pytest.raises(RiskError, match="the gate judged .* against another champion than today's: run `dvc repro` first"):
        promote("default", actor="a", reason="b")
    write_json(path, verdict)


def test_a_feature_file_is_scored_like_the_book(project, tmp_path):
    out = tmp_path / "scores.parquet"
    assert "rows scored into" in score_file(case_path("default", "book", "features.parquet"), str(out), use_case="default")
    scores = pd.read_parquet(case_path("default", "scores.parquet"))
    assert (pd.read_parquet(out)["pd_12m"] == scores["pd_12m"]).all()


@pytest.mark.parametrize(("name", "content", "message"), [
    ("missing.csv", None, "missing.csv does not exist: name a feature file"),
    ("few.csv", "observation_id,a\n1,2\n", "columns are missing, first"),
    ("bad.parquet", "text", "bad.parquet cannot be read .*: bring Parquet or CSV"),
])
def test_a_file_that_cannot_be_scored_is_named(project, tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(RiskError, match=message):
        score_file(tmp_path / name, None, use_case="default")


def test_one_customer_is_shown_with_reasons(project):
    customer = pd.read_parquet(case_path("default", "scores.parquet"))["customer_id"][0]
    assert "12-month PD" in show_customer(customer)
    with pytest.raises(RiskError, match="customer nobody is not in the book of"):
        show_customer("nobody")


def test_a_stricter_policy_grants_and_loses_less_on_the_book_on_history_and_in_the_forecast(project):
    Path("stricter.yaml").write_text(Path("policy.yaml").read_text().replace("loss_budget: 30000\n", "loss_budget: 6000\n"))
    found = policy_diff("policy.yaml", "stricter.yaml", "default", months=(12,))
    for side in ("book", "history"):
        figures = found[side]["figures"]
        assert figures["granted"]["high"] < 0
        assert figures["expected_loss"]["high"] < 0
        assert figures["approve"]["difference"] == -figures["reduce"]["difference"]
    assert 0 < found["history"]["figures"]["observed_loss"]["new"] < found["history"]["figures"]["observed_loss"]["old"]
    assert found["book"]["movers"][0]["name"]
    (year,) = found["forecast"]["ahead"]
    assert year["new"]["loss"]["expected"] < year["old"]["loss"]["expected"]
    for side in ("old", "new", "constant_rate"):
        assert year[side]["loss"]["low"] <= year[side]["loss"]["expected"] <= year[side]["loss"]["high"]
    said = "\n".join(diff_lines(found))
    assert "The budget for expected loss bounds the limit" in said
    assert "Loss to expect of today's book" in said


def test_the_same_policy_changes_nothing_and_the_old_side_is_the_score_stages(project):
    said = CliRunner().invoke(main, ["policy", "diff", "policy.yaml", "policy.yaml", "--use-case", "default", "--json"])
    (found,) = json.loads(said.output)
    assert found["book"]["moves"] == []
    scores = pd.read_parquet("data/default/scores.parquet")
    assert found["book"]["figures"]["approve"]["old"] == (scores["action"] == "approve").sum()
    assert found["book"]["figures"]["risk_limit"]["old"] == scores["limit"].sum()


def test_requests_make_work_and_an_ask_that_is_none_is_refused(project):
    quiet, busy = (policy_diff("policy.yaml", "policy.yaml", "default", ask=ask, months=())["book"]["figures"] for ask in ("0", "50000"))
    requests = sum(busy[name]["old"] - quiet[name]["old"] for name in quiet if name.startswith("workload."))
    # Reviews are due where the request is signed, so only the cases added are compared.
    assert requests == pytest.approx(len(pd.read_parquet("data/default/scores.parquet")))
    with pytest.raises(RiskError, match="--ask much is neither a share of the exposure, such as 10%, nor whole currency units, such as 50000"):
        policy_diff("policy.yaml", "policy.yaml", "default", ask="much")


def test_a_stage_without_its_input_names_it(project, tmp_path):
    with workspace(tmp_path / "empty"), pytest.raises(RiskError, match="data/ingest.json is missing: run `risk run`"):
        observe("default")
