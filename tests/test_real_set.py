"""The shipped real set, read in place: the protocol's counts, and a model that ranks at least as well as the reference."""

import os
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.sources import pipeline_predictions
from models.discrimination import auc, average_precision

DATA = Path(os.environ.get("CUSTOMER_RISK_SHARED_DATA", Path(__file__).parent.parent.parent / "shared" / "data")) / "american_bankruptcy"
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not DATA.exists(), reason=f"the real set is not at {DATA}; set CUSTOMER_RISK_SHARED_DATA")]

# ../shared/tools/reference_scores.py: untuned LightGBM on simple columns, mean of five seeds
REFERENCE_AUC, REFERENCE_AVERAGE_PRECISION = 0.909, 0.124


@pytest.fixture(scope="module")
def judged():
    return pipeline_predictions("american_bankruptcy", DATA)


def test_the_protocol_judges_the_rows_of_the_data_page(judged):
    assert (len(judged), int(judged["target"].sum())) == (13_741, 113)
    assert pd.to_datetime(judged["as_of"]).dt.year.isin([2012, 2013, 2014, 2015]).all()


def test_the_default_parameters_rank_at_least_as_well_as_the_reference(judged):
    assert auc(judged["target"], judged["raw_score"]) >= REFERENCE_AUC
    assert average_precision(judged["target"], judged["raw_score"]) >= REFERENCE_AVERAGE_PRECISION
