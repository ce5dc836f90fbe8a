"""What is shipped: the validated bundle byte for byte, or its settings grown again on every matured row, judged by its validated twin ever after."""

import numpy as np
import pandas as pd
import pytest
from test_labelled_source import LEARN, numbers, source

from features.errors import RiskError
from models.bundle import BOOSTER_FILE, MANIFEST_FILE, bundle_hash, load_bundle
from models.discrimination import auc
from models.scoring import encode, raw_scores
from pipeline import promote as promoting
from pipeline.book import book
from pipeline.columns import read_columns
from pipeline.datasets import case_path, read_json, write_json
from pipeline.drift_reference import learned_mask
from pipeline.effect import effect
from pipeline.evaluate import evaluate
from pipeline.gate import gate
from pipeline.ingest import ingest
from pipeline.params import change_params
from pipeline.performance import accepted_with
from pipeline.places import bundle_path
from pipeline.report import report
from pipeline.score import score
from pipeline.ship import ship
from pipeline.train import train
from pipeline.workspace import workspace

MODEL, SHIPPED = case_path("default", "model"), case_path("default", "shipped")


def learned(folder, *changes, **about):
    frame = numbers(600)
    frame.loc[:39, "flag"] = None
    return workspace(folder / "project", [*source(folder / "files", frame, **about), ("train.threads", 1), *changes])


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Shipped as validated, then refitted; 40 of 600 rows have no outcome yet."""
    with learned(tmp_path_factory.mktemp("ship")) as folder:
        ingest()
        for stage in LEARN:
            stage("default")
        yield folder


@pytest.fixture
def refitted(project):
    """The shipped bundle refitted, and the gate after it."""
    change_params([("ship.refit_on", "all_matured")])
    ship("default")
    effect("default")
    gate("default")
    yield load_bundle(SHIPPED)
    change_params([("ship.refit_on", "nothing")])
    ship("default")
    effect("default")
    gate("default")


def test_nothing_refitted_is_the_validated_bundle_byte_for_byte(project):
    assert [(SHIPPED / name).read_bytes() for name in (BOOSTER_FILE, MANIFEST_FILE)] == [(MODEL / name).read_bytes() for name in (BOOSTER_FILE, MANIFEST_FILE)]
    verdict = read_json(case_path("default", "gate.json"))
    assert verdict["bundle"] == verdict["validated"] == bundle_hash(MODEL)


def test_a_refit_says_what_it_is_and_learned_from_every_matured_row(refitted):
    about, validated = refitted.manifest.training, load_bundle(MODEL)
    assert (about["describes"], about["validated"], about["refit_on"]) == ("refitted", validated.hash, "all_matured")
    rows = pd.read_parquet(case_path("default", "development", "observations.parquet"))
    matured = rows[rows["status"] == "matured"]
    assert about["counts"]["all_matured"] == {"rows": 560, "bad": int(matured["target"].sum()), "bad_customers": int(matured["target"].sum())}
    assert about["last_as_of"] == "2024-06-30"
    assert learned_mask("default", refitted).sum() == 560 > learned_mask("default", validated).sum()
    assert refitted.hash != validated.hash == refitted.validated


def test_a_refit_keeps_settings_columns_trees_method_and_cuts(refitted):
    validated = load_bundle(MODEL)
    for kept in ("settings", "trees", "calibration"):
        assert refitted.manifest.training[kept] == validated.manifest.training[kept]
    assert refitted.manifest.columns == validated.manifest.columns
    assert refitted.booster.num_trees() == validated.booster.num_trees()
    assert refitted.manifest.knots.method == validated.manifest.knots.method
    assert [(grade.name, grade.upper) for grade in refitted.manifest.grades] == [(grade.name, grade.upper) for grade in validated.manifest.grades]
    lowers = [0.0, *(grade.upper for grade in refitted.manifest.grades)]
    assert all(lower <= grade.probability <= grade.upper for lower, grade in zip(lowers, refitted.manifest.grades, strict=False))


def test_a_refit_is_calibrated_on_trees_that_never_saw_the_customer(refitted):
    samples = pd.read_parquet(case_path("default", "development", "samples.parquet"))["sample"].ne("unused").to_numpy()
    target = pd.read_parquet(case_path("default", "development", "observations.parquet"))["target"].to_numpy()[samples]
    columns = read_columns(case_path("default", "development", "features.parquet"), refitted.names, rows=samples)
    seen = raw_scores(refitted, encode(columns, refitted))
    # The trees know their own rows: in sample they rank better than out of fold.
    assert auc(target, seen) > refitted.manifest.training["out_of_fold"]["auc"] > 0.6


def test_a_refit_is_the_same_twice(refitted):
    before = refitted.hash
    ship("default")
    assert bundle_hash(SHIPPED) == before


def test_the_gate_names_both_and_refuses_a_shipped_bundle_of_another_evaluation(refitted):
    verdict = read_json(case_path("default", "gate.json"))
    assert (verdict["bundle"], verdict["validated"]) == (refitted.hash, refitted.validated)
    path = case_path("default", "evaluation", "full.json")
    full = read_json(path)
    write_json(path, full | {"bundle": "0" * 64})
    with pytest.raises(RiskError, match=f"what is shipped stands on the bundle {refitted.validated[:12]}, evaluated is 000000000000: run `dvc repro`"):
        gate("default")
    write_json(path, full)


def test_a_candidate_meets_the_twin_of_a_refitted_champion(refitted, monkeypatch):
    for module in ("promote", "promotion_steps"):
        monkeypatch.setattr(f"pipeline.{module}.mirror", lambda *_: None)
    book("default")
    gate_path = case_path("default", "gate.json")
    verdict = read_json(gate_path)
    write_json(gate_path, verdict | {"validated": "0" * 64})
    with pytest.raises(RiskError, match="the gate judged 000000000000, which is not the validated bundle behind .*: run `dvc repro` first"):
        promoting.promote("default", actor="a", reason="b", override=True)
    write_json(gate_path, verdict)
    assert "is the champion now" in promoting.promote("default", actor="a", reason="b", override=True)
    assert bundle_hash(bundle_path(refitted.hash)) == refitted.hash
    assert bundle_hash(bundle_path(refitted.validated)) == refitted.validated
    evaluate("default")
    effect("default")
    champion = read_json(case_path("default", "evaluation", "full.json"))["champion"]
    assert (champion["bundle"], champion["judged"], champion["seen_to"]) == (refitted.hash, refitted.validated, "2024-06-30")
    # The candidate is that twin: on rows that neither saw they are equal, where the refitted trees themselves would shine.
    assert (champion["comparison"]["difference"], champion["comparison"]["low"]) == (0.0, 0.0)
    gate("default")
    verdict = read_json(gate_path)
    assert (verdict["champion"], verdict["champion_judged"]) == (refitted.hash, refitted.validated)
    assert verdict["reasons"][0]["detail"] == "the candidate is the champion"
    full = read_json(case_path("default", "evaluation", "full.json"))
    assert accepted_with(full, refitted)["discrimination"] == full["discrimination"]
    score("default")
    report("default")
    page = case_path("default", "reports", "index.html").read_text(encoding="utf-8")
    assert "before the model in use was grown again" in page
    assert "These figures are of the newest candidate" not in page
    bundle_path(refitted.validated).rename(bundle_path("away"))
    with pytest.raises(RiskError, match="was refitted, and the validated bundle .*, by which alone it can be judged, is not in .*: restore that folder"):
        evaluate("default")


def test_scale_and_prior_of_one_s_own_reach_the_bundle_and_its_refit(tmp_path):
    own = [("calibrate.prior_rate", 0.1), ("calibrate.method", "logistic"), ("scale.cuts", [0.02, 0.1, 0.3, 1.0]), ("scale.names", ["AA", "A", "B", "D"])]
    with learned(tmp_path, *own, ("ship.refit_on", "all_matured")):
        ingest()
        for stage in LEARN:
            stage("default")
        for folder in (MODEL, SHIPPED):
            manifest = load_bundle(folder).manifest
            prior = manifest.training["prior"]
            assert prior["rate"] == 0.1 < prior["sample_rate"]
            assert prior["offset"] == pytest.approx(np.log(1 / 9) - np.log(prior["sample_rate"] / (1 - prior["sample_rate"])))
            assert load_bundle(folder).moved == prior["offset"] < 0
            assert [(grade.name, grade.upper) for grade in manifest.grades] == [("AA", 0.02), ("A", 0.1), ("B", 0.3), ("D", 1.0)]
        assert read_json(case_path("default", "challengers", "challengers.json"))["constant"]["probability"] == 0.1
        change_params([("scale.names", ["AA", "A", "B", "X"])])
        with pytest.raises(RiskError, match="since the policy decides by that letter"):
            train("default")


def test_scores_of_a_book_hold_the_interval(project):
    book("default")
    score("default")
    scores = pd.read_parquet(case_path("default", "scores.parquet"))
    name = next(column for column in scores if column.startswith("pd_") and column.endswith("m"))
    assert scores["pd_low"].le(scores[name]).all()
    assert scores["pd_high"].ge(scores[name]).all()
    assert (scores["pd_high"] > scores["pd_low"]).all()
