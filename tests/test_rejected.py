"""Rejected applications from a source's observations to the trees and to what they changed."""

import numpy as np
import pandas as pd
import pytest
from test_labelled_source import numbers, source

from features.errors import RiskError
from pipeline.datasets import case_path, read_json
from pipeline.explain import explain
from pipeline.featurize import featurize
from pipeline.ingest import ingest
from pipeline.observe import observe
from pipeline.params import change_params
from pipeline.rejected import named_rejected
from pipeline.sample import sample
from pipeline.train import train
from pipeline.validate import validate
from pipeline.workspace import workspace

EASE = [("validate.learning_draws", 1), ("validate.repeats", 50), ("validate.fairness", ["branch", "age"])]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A labelled source of which the worse third was rejected, up to the samples; its outcomes are hidden."""
    frame = numbers(1500)
    worse = frame["Debt Ratio"].astype(float).fillna(0) + frame["逾期"].astype(float).fillna(0)
    rejected = worse > worse.quantile(0.67)
    frame = frame.assign(decision=np.where(rejected, "rejected", "accepted"), flag=frame["flag"].where(~rejected, None),
                         branch=np.arange(1500) % 2, age=np.arange(1500) % 50 + 20)
    folder = tmp_path_factory.mktemp("rejected")
    changes = source(folder / "source", frame)
    with workspace(folder / "work", [*changes, *EASE]):
        ingest()
        for stage in (observe, featurize, sample):
            stage("default")
        yield frame


def test_a_decision_is_no_feature_and_a_rejected_row_judges_nothing(project):
    names = [feature["name"] for feature in read_json(case_path("default", "development", "catalogue.json"))["features"]]
    assert "obs_amount" in names
    assert "obs_decision" not in names
    observed = pd.read_parquet(case_path("default", "development", "observations.parquet"))
    samples = pd.read_parquet(case_path("default", "development", "samples.parquet"))["sample"]
    assert set(samples[observed["decision"] == "rejected"]) == {"unused"}


@pytest.mark.parametrize(("method", "prior"), [("parcelling", None), ("fuzzy", 0.02)])
def test_rejected_rows_teach_and_what_they_changed_is_said(project, method, prior):
    change_params([("train.reject_inference", method), ("train.reject_prudence", 1.5), ("calibrate.prior_rate", prior)])
    for stage in (train, explain, validate):
        stage("default")
    about = read_json(case_path("default", "model", "model.json"))["training"]
    assert about["reject_inference"]["rejected"] == (project["decision"] == "rejected").sum()
    assert "rejected" not in about["counts"]
    found = read_json(case_path("default", "validation", "validation.json"))["reject_inference"]
    assert (found["method"], found["prudence"]) == (method, 1.5)
    assert found["rejected_mean_after"] > found["rejected_mean_before"]
    assert found["auc"]["low"] < found["auc"]["high"]
    # A move to a long-run rate moves both alike.
    assert abs(found["offset_after"]["offset"] - found["offset_before"]["offset"]) < 1
    assert (found["offset_after"]["offset"] > 1) == (prior is not None)


def test_without_it_nothing_of_it_is_written(project):
    change_params([("train.reject_inference", "none")])
    for stage in (train, explain, validate):
        stage("default")
    assert "reject_inference" not in read_json(case_path("default", "model", "model.json"))["training"]
    assert "reject_inference" not in read_json(case_path("default", "validation", "validation.json"))


def test_groups_are_levels_few_numbers_or_quarters(project):
    groups = {name: [group["group"] for group in found["groups"]]
              for name, found in read_json(case_path("default", "validation", "validation.json"))["fairness"]["columns"].items()}
    assert groups["branch"] == ["0", "1"]
    assert len(groups["age"]) == 4
    assert all(name.startswith("age ") for name in groups["age"])


def test_refitting_on_all_rows_leaves_none_to_infer_from(project):
    change_params([("train.reject_inference", "fuzzy"), ("train.refit", "all")])
    with pytest.raises(RiskError, match="`train.reject_inference` fuzzy needs accepted rows that teach no tree, and `train.refit` is all"):
        train("default")


ROWS = pd.DataFrame({"decision": ["accepted", "rejected", "rejected"], "target": [1.0, None, None], "sample": ["development", "unused", "unused"],
                     "as_of": pd.to_datetime(["2024-02-01", "2024-01-01", "2024-03-01"])})


def test_only_applications_rejected_while_the_model_learned_teach():
    assert named_rejected(ROWS)["sample"].tolist() == ["development", "rejected", "unused"]


@pytest.mark.parametrize(("rows", "message"), [
    (ROWS.drop(columns="decision"), "no observation has decision = rejected: bring rejected applications"),
    (ROWS.assign(decision="accepted"), "no observation has decision = rejected: bring rejected applications"),
])
def test_rows_that_cannot_be_inferred_from_are_named(rows, message):
    with pytest.raises(RiskError, match=message):
        named_rejected(rows)

