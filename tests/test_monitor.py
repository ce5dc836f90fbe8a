"""Stage monitor on a small simulated run: the champion's own reference, and a broken feed that is not taken for drift."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from small_run import small_run

from features.errors import RiskError
from models.bundle import bundle_hash
from models.drift_reference import REFERENCE_FILE
from pipeline import promote as promoting
from pipeline.datasets import TABLES, case_path, read_json
from pipeline.drift_reference import read_reference
from pipeline.monitor import monitor
from pipeline.params import load_params
from pipeline.places import bundle_path

pytestmark = pytest.mark.slow
SHIPPED = case_path("default", "shipped")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    with small_run(tmp_path_factory.mktemp("monitor")) as folder:
        yield folder


@pytest.fixture
def judged(project):
    """What the stage writes of the book as it is: (drift.json, quality.json)."""
    def run():
        monitor("default")
        return tuple(read_json(case_path("default", "monitoring", f"{name}.json")) for name in ("drift", "quality"))
    return run


def test_a_calm_portfolio_is_whole_and_not_severe(judged):
    drift, quality = judged()
    assert (quality["verdict"], quality["faults"]) == ("whole", [])
    assert drift["verdict"] in ("none", "moderate")
    assert (drift["left_out"], drift["periods"] > 8, drift["evidently"]["columns"]) == ([], True, load_params().monitor.evidently_columns)
    # What is the same for all customers of a day has one row a day to be judged by.
    assert not [reason for reason in drift["reasons"] if reason["column"].startswith("mkt_")]


def test_the_reference_beside_the_bundle_is_the_one_measured_and_goes_with_it_into_production(project):
    shipped = bundle_hash(SHIPPED)
    kept = read_reference("default", SHIPPED, load_params())
    (SHIPPED / REFERENCE_FILE).rename(project / "aside.json")
    assert read_reference("default", SHIPPED, load_params()) == kept
    (project / "aside.json").rename(SHIPPED / REFERENCE_FILE)
    assert kept.bundle == shipped
    assert sum(each.weight for each in kept.columns) == pytest.approx(2)


def test_the_promoted_bundle_has_its_reference(project, monkeypatch):
    monkeypatch.setattr(promoting, "measure_parity", lambda *_, **_how: {})
    for module in ("promote", "promotion_steps"):
        monkeypatch.setattr(f"pipeline.{module}.mirror", lambda *_: None)
    promoting.promote("default", actor="a", reason="b", override=True)
    assert (bundle_path(bundle_hash(SHIPPED)) / REFERENCE_FILE).read_bytes() == (SHIPPED / REFERENCE_FILE).read_bytes()


def test_scores_of_another_bundle_are_refused(judged):
    path = case_path("default", "scores.parquet")
    table = pq.read_table(path)
    other = table.set_column(table.column_names.index("bundle"), "bundle", [["0" * 64] * len(table)])
    pq.write_table(other, path)
    try:
        with pytest.raises(RiskError, match="was scored by 000000000000, and .* is in force: run `risk run`"):
            judged()
    finally:
        pq.write_table(table, path)


def test_lost_payments_are_a_broken_feed_and_no_drift(judged):
    path = TABLES / "payments.parquet"
    table = pq.read_table(path)
    known = table["known_at"].to_numpy()
    lost = (known > known.max() - np.timedelta64(150, "D")) & (np.random.default_rng(0).random(len(table)) < 0.5)
    pq.write_table(table.filter(~lost), path)
    try:
        drift, quality = judged()
    finally:
        pq.write_table(table, path)
    assert quality["verdict"] == "faulty"
    assert "broken_feed" in {fault["kind"] for fault in quality["faults"]}
    assert {"inv_days_late_mean_90d", "raw_score"} <= set(drift["left_out"])
    assert not set(drift["left_out"]) & {row["column"] for row in drift["columns"]}
