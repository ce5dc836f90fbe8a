"""The rows that a curve is fitted on, with scores of trees that had not seen them: what profit's cut-off and the score's stability read."""

import pandas as pd
import pytest
from test_ship import MODEL, learned

from models.bundle import load_bundle
from models.discrimination import auc
from models.sample import IN_SAMPLE
from models.scoring import encode, raw_scores
from pipeline.columns import read_columns
from pipeline.datasets import case_path
from pipeline.featurize import featurize
from pipeline.ingest import ingest
from pipeline.observe import observe
from pipeline.sample import sample
from pipeline.train import train
from pipeline.validate_inputs import read_inputs

DEVELOPMENT = case_path("default", "development")


@pytest.mark.parametrize(("refit", "samples"), [("validation", ["calibration"]), ("none", ["calibration"]), ("all", list(IN_SAMPLE))])
def test_they_are_told_with_scores_of_trees_that_had_not_seen_them(tmp_path, refit, samples):
    with learned(tmp_path, ("train.refit", refit)):
        ingest()
        for stage in (observe, featurize, sample, train):
            stage("default")
        told = pd.read_parquet(case_path("default", "calibrated.parquet"))
        held = pd.read_parquet(DEVELOPMENT / "samples.parquet")["sample"]
        target = pd.read_parquet(DEVELOPMENT / "observations.parquet")["target"][told["place"]].to_numpy()
        assert sorted(told["place"]) == [place for place, name in enumerate(held) if name in samples]
        bundle = load_bundle(MODEL)
        again = raw_scores(bundle, encode(read_columns(DEVELOPMENT / "features.parquet", bundle.names), bundle))[told["place"]]
        if refit == "all":
            assert auc(target, again) > auc(target, told["raw_score"]) + 0.02
        else:
            assert (again == told["raw_score"]).all()
        places, expected = read_inputs("default", threads=1).calibrated
        assert (places == told["place"]).all()
        assert expected.mean() == pytest.approx(target.mean(), abs=0.03)
