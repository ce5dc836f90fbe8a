"""The drift verdict against a kept reference: what is left out, what is said, and that the reference of one bundle judges no other."""

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_bundle import bundle, columns

from features.arrays import categorize
from features.errors import RiskError
from models.bundle import save_bundle
from models.drift import judge_drift
from models.drift_reference import REFERENCE_FILE, DriftReference, reference_column
from models.histograms import freeze, histogram
from models.stability import Thresholds
from pipeline.columns import read_columns
from pipeline.drift_reference import read_reference
from pipeline.feature_counts import file_histograms
from pipeline.monitor import counted
from pipeline.params import load_params

LIMITS = Thresholds(q=0.02, psi_moderate=0.02, least_weight=0.01, severe_weight=0.2)


def reference(named, weights=None, *, score=None, dates=1):
    """The reference of some columns, each row a customer of its own."""
    rows = len(next(iter(named.values())))
    when = np.arange(rows) % dates
    kept = [reference_column(name, values, np.arange(rows), when, bins=10, weight=(weights or {}).get(name, 1 / len(named))) for name, values in named.items()]
    return DriftReference(bundle="", score=score or "", rows=rows, customers=rows, periods=dates, columns=tuple(kept))


def normals(rows, *, seed, **moved):
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=rows) + moved.get(name, 0.0) for name in ("a", "b", "c", "score")}


def judged(known, named, **about):
    return judge_drift(known, counted(known, named), thresholds=LIMITS, **about)


def test_no_drift_is_said_with_the_rows_it_was_looked_for_in():
    found = judged(reference(normals(2000, seed=1), score="score", dates=4), normals(300, seed=2))
    assert (found["verdict"], found["reasons"]) == ("none", [])
    assert found["sentences"] == ["No drift beyond chance in 4 columns, 300 rows against 2,000 that the model learned from."]


def test_what_moved_is_named_with_its_size_and_weight_the_score_first():
    known = reference(normals(2000, seed=1), {"a": 0.7, "b": 0.2, "c": 0.1, "score": 1.0}, score="score", dates=4)
    found = judged(known, normals(1000, seed=2, a=0.35, score=-0.35))
    assert (found["verdict"], [reason["column"] for reason in found["reasons"]]) == ("moderate", ["score", "a"])
    assert found["sentences"][1].startswith("The score moved: PSI 0.")
    assert found["sentences"][1].endswith("lower values.")
    assert found["sentences"][2].endswith("is chance, higher values; it carries 70.0% of what the model uses.")


def test_a_column_that_a_data_fault_explains_is_left_out_and_the_score_that_reads_it():
    known = reference(normals(2000, seed=1), {"a": 0.7, "b": 0.295, "c": 0.005, "score": 1.0}, score="score", dates=4)
    moved = normals(500, seed=2, a=2.0, score=2.0)
    found = judged(known, moved, faulty=["a", "elsewhere"])
    assert (found["verdict"], found["left_out"]) == ("none", ["a", "score"])
    assert found["sentences"][-1] == "1 columns were left out, since a data fault explains them, and so was the score, which reads them."
    assert judged(known, moved, faulty=["c"])["left_out"] == ["c"]


def test_a_reference_of_one_date_says_what_it_cannot_know():
    assert "one date" in judged(reference(normals(500, seed=1)), normals(100, seed=2))["sentences"][-1]


@pytest.mark.parametrize(("reference_rows", "current_rows"), [(500, 30), (500, 500)])
def test_nothing_moved_seldom_alarms(reference_rows, current_rows):
    from benchmarks.drift_world import draw

    alarms = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        alarms += judged(reference(draw(rng, reference_rows)), draw(rng, current_rows))["verdict"] != "none"
    assert alarms <= 1


def test_a_shift_of_three_tenths_in_one_of_a_hundred_columns_is_named():
    from benchmarks.drift_world import draw

    hits = 0
    for seed in range(5):
        rng = np.random.default_rng(seed)
        found = judged(reference(draw(rng, 5000)), draw(rng, 500, moved="plain_09", by=0.3))
        hits += "plain_09" in {reason["column"] for reason in found["reasons"]} and found["verdict"] != "none"
    assert hits >= 4


def test_a_category_with_rare_levels_is_counted_on_customers_that_did_not_choose_its_levels():
    rng = np.random.default_rng(0)
    values = categorize([f"L{number}" for number in rng.geometric(0.3, 1000)])
    kept = reference_column("x", values, np.arange(1000), np.zeros(1000, dtype=int), bins=10)
    assert kept.bins == freeze("x", values[np.arange(1000) % 2 == 0])
    assert kept.histogram == histogram(kept.bins, values[np.arange(1000) % 2 == 1])
    common = categorize(["a", "b"] * 500)
    assert reference_column("x", common, np.arange(1000), np.zeros(1000, dtype=int), bins=10).histogram.rows == 1000


@pytest.fixture
def kept(tmp_path):
    save_bundle(bundle(), tmp_path)
    found = reference(columns(400))
    return tmp_path, DriftReference(bundle=bundle().hash, score="raw_score", rows=400, customers=400, periods=1, columns=found.columns)


def test_a_kept_bundle_is_judged_by_its_own_reference_without_any_development_rows(kept):
    folder, made = kept
    (folder / REFERENCE_FILE).write_bytes(msgspec.json.encode(made))
    assert read_reference("default", folder, load_params()) == made


@pytest.mark.parametrize(("change", "message"), [
    (lambda content: content[:-40], "is damaged .*: restore it, or delete it to have it measured again"),
    (lambda content: content.replace(bundle().hash.encode(), b"0" * 64), "is not of this bundle and version: restore it, or delete it")])
def test_a_reference_that_is_not_the_bundle_s_is_refused(kept, change, message):
    folder, made = kept
    (folder / REFERENCE_FILE).write_bytes(change(msgspec.json.encode(made)))
    with pytest.raises(RiskError, match=message):
        read_reference("default", folder, load_params())


@pytest.mark.parametrize("group", [7, 1000])
def test_a_file_is_counted_slice_by_slice_as_its_columns_are_in_memory(tmp_path, monkeypatch, group):
    rng = np.random.default_rng(0)
    table = pa.table({"number": pa.array([None if x < -1 else x for x in rng.normal(size=60)]), "whole": pa.array(rng.integers(0, 3, 60)),
                      "nothing": pa.array([None] * 60, pa.float64()), "word": pa.array([None if x == 2 else f"w{x}" for x in rng.integers(0, 5, 60)])})
    pq.write_table(table, tmp_path / "f.parquet", row_group_size=group)
    named = read_columns(tmp_path / "f.parquet")
    bins = [freeze(name, values[:30]) for name, values in named.items()]
    monkeypatch.setattr("pipeline.feature_counts.SLICE", 14)
    assert file_histograms(tmp_path / "f.parquet", bins) == {each.column: histogram(each, named[each.column]) for each in bins}


def test_a_file_without_rows_has_empty_counts_and_one_without_a_column_is_refused(tmp_path):
    pq.write_table(pa.table({"x": pa.array([], pa.float64())}), tmp_path / "f.parquet")
    bins = freeze("x", np.arange(20.0))
    assert file_histograms(tmp_path / "f.parquet", [bins])["x"].rows == 0
    with pytest.raises(RiskError, match="lacks 1 of the columns asked for, first y"):
        file_histograms(tmp_path / "f.parquet", [freeze("y", np.arange(20.0))])
