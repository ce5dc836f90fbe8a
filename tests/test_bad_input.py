"""Too little, too much or nothing to learn from: refused or told in one sentence on the whole way from samples to a score, never a silent NaN."""

import time
import tracemalloc
from types import SimpleNamespace

import msgspec
import numpy as np
import pandas as pd
import pytest
from small_bundle import bundle, columns
from test_labelled_source import learned, numbers
from test_sample import RULES, portfolio

from features.arrays import Category, categorize
from features.errors import RiskError
from models.classifier import FOLDS, freeze_levels
from models.discrimination import auc, average_precision, capture, compare_auc, ks
from models.histograms import level_counts
from models.sample import CALIBRATION, DEVELOPMENT, OUT_OF_TIME, VALIDATION, split_by_time
from models.scoring import encode, from_raw, lay_out, score
from models.sufficiency import LEAST_BAD, MANY_LEVELS, told_bad, told_columns
from models.validation import metrics
from pipeline.columns import read_columns
from pipeline.datasets import case_path, read_json
from pipeline.featurize import featurize
from pipeline.ingest import ingest
from pipeline.observe import observe
from pipeline.params import load_params
from pipeline.sample import _warnings, sample
from pipeline.summary import _warning_lines
from pipeline.train import fit_bundle, train

PARAMS = load_params()
QUICK = msgspec.structs.replace(PARAMS, train=msgspec.structs.replace(PARAMS.train, max_trees=15, early_stopping_rounds=5, threads=1),
                                calibrate=msgspec.structs.replace(PARAMS.calibrate, method="logistic"))
MANY = 100_000


def dealt(**bad):
    """Samples of 100 good customers each, and so many bad customers, two rows a customer."""
    names = np.repeat([DEVELOPMENT, VALIDATION, CALIBRATION, OUT_OF_TIME], 200)
    target = np.zeros(800)
    for place, name in enumerate((DEVELOPMENT, VALIDATION, CALIBRATION, OUT_OF_TIME)):
        target[place * 200: place * 200 + 2 * bad[name]] = 1.0
    return pd.DataFrame({"customer_id": np.repeat([f"c{n}" for n in range(400)], 2), "target": target}), pd.Series(names)


def test_thirty_bad_customers_are_enough_and_fewer_are_told():
    assert told_bad(*dealt(development=20, validation=5, calibration=5, out_of_time=30)) == []
    teach, judge = told_bad(*dealt(development=20, validation=5, calibration=4, out_of_time=29))
    assert teach.startswith("Only 29 customers with a bad row teach (20 in development, 5 in validation, 4 in calibration), and 30 are few")
    assert judge.startswith("Only 29 customers with a bad row judge, and 30 are few")
    assert _warning_lines([judge]) == [f"  note         {judge}"]


def test_fewer_bad_customers_than_folds_are_refused():
    assert LEAST_BAD == FOLDS
    told_bad(*dealt(development=3, validation=2, calibration=1, out_of_time=1))
    with pytest.raises(RiskError, match="development and validation hold 4 customers with a bad row; the 5 folds that choose the trees need 5: bring more"):
        told_bad(*dealt(development=3, validation=1, calibration=9, out_of_time=9))


@pytest.mark.parametrize(("change", "message"), [
    ({"target": 0.0}, "0 of 3200 matured rows are bad; a model needs both classes, so bring more outcomes"),
    ({"target": 1.0}, "3200 of 3200 matured rows are bad; a model needs both classes"),
    ({"status": "immature"}, "none of 3200 rows is matured .*shorten the horizon or bring outcomes up to a later date"),
])
def test_one_class_and_an_immature_horizon_are_refused(change, message):
    with pytest.raises(RiskError, match=message):
        split_by_time(portfolio().assign(**change), out_of_time_days=300, **RULES)


def test_a_split_that_leaves_a_sample_empty_is_refused():
    with pytest.raises(RiskError, match="development has 0 rows, 0 bad, validation has 0 rows, 0 bad.*bring more customers or a longer history"):
        split_by_time(portfolio(quarters=3), out_of_time_from="2018-01-01", **RULES)


def test_the_fall_back_of_a_short_history_is_told_and_a_split_by_time_is_not():
    short, long = portfolio(quarters=3), portfolio()
    told, = _warnings(short, split_by_time(short, out_of_time_days=100, **RULES))[:1]
    assert told.startswith("The history is too short to judge on later dates")
    assert not [each for each in _warnings(long, split_by_time(long, out_of_time_days=300, **RULES)) if "history" in each]


def test_columns_that_never_vary_or_vary_with_everybody_are_named():
    matrix = np.column_stack([np.arange(6.0), np.ones(6), np.full(6, np.nan), [1, 1, 1, np.nan, 1, 1], np.zeros(6)])
    flat, many = told_columns(matrix, ["varies", "one", "empty", "partly", "name"], {"name": MANY})
    assert flat == "3 columns (one, empty, name) are each the same on every development row, so the trees cannot use them."
    assert many.startswith("Column name has 100,000 levels, as a name or a number of each customer has: at most the 200 most frequent")
    one, = told_columns(matrix[:, :2], ["varies", "one"], {"few": MANY_LEVELS})
    assert one == "Column one is the same on every development row, so the trees cannot use it."
    with pytest.raises(RiskError, match="none of 2 columns varies on the development rows, first one, empty; nobody can be told apart"):
        told_columns(matrix[:, 1:3], ["one", "empty"], {})


def test_an_infinite_value_is_refused_with_its_column_and_row():
    named = columns(50)
    named["inv_days_late_90d"][7] = -np.inf
    with pytest.raises(RiskError, match="column inv_days_late_90d holds infinite values, first in row 7; a ratio to nothing is missing, so make it null"):
        encode(named, bundle())
    wide = {"a": np.zeros(50_000), "b": np.where(np.arange(50_000) == 45_000, np.inf, 0.0)}
    with pytest.raises(RiskError, match="column b holds infinite values, first in row 45,000"):
        lay_out(wide, ["a", "b"], [None, None])


def test_a_missing_raw_score_is_refused_not_graded():
    with pytest.raises(RiskError, match="1 of 3 rows have no raw score; a missing one would read as the riskiest grade"):
        from_raw(bundle(), np.array([-2.0, np.nan, 1.0]))


@pytest.mark.parametrize("figure", [auc, ks, average_precision, capture, lambda target, score: compare_auc(target, score, np.arange(4.0))])
def test_a_missing_score_is_refused_not_ranked(figure):
    with pytest.raises(RiskError, match="scores: 1 of . are missing; a row without a score has no rank"):
        figure(np.array([0.0, 1.0, 0.0, 1.0]), np.array([0.1, np.nan, 0.2, 0.3]))


def test_a_missing_probability_is_refused_not_averaged():
    frame = pd.DataFrame({"target": [0.0, 1.0], "probability": [0.1, np.nan], "raw_score": [0.0, 1.0], "grade": "A", "customer_id": ["a", "b"],
                          "as_of": pd.Timestamp("2024-01-01")})
    with pytest.raises(RiskError, match="1 of 2 rows lack target or probability"):
        metrics(frame, bundle().manifest.grades)


def test_levels_of_a_category_are_those_of_its_strings():
    values = ["b"] * 30 + ["a"] * 30 + ["c"] * 50 + ["rare"] * 19 + [None] * 40
    assert freeze_levels(categorize(values)) == freeze_levels(values) == ("c", "a", "b")
    assert level_counts(Category(np.array([1, 1, -1], dtype=np.int32), ("unused", "x"))) == {"x": 2}


def test_one_very_long_level_takes_its_own_room_only():
    values = Category(np.arange(MANY, dtype=np.int32) % (MANY // 20), ("x" * 100_000, *(f"N{place}" for place in range(1, MANY // 20))))
    tracemalloc.start()
    try:
        found = [freeze_levels(values), freeze_levels(values.strings())]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found[0] == found[1]
    assert len(found[0]) == MANY_LEVELS
    # As an array of texts the longest level would take 400 kB for each row.
    assert peak < 50e6


@pytest.fixture
def wide(tmp_path):
    """A feature file of 120,000 rows with a category of 100,000 levels, one of them very long, a constant, an empty column and an empty category."""
    rng, rows = np.random.default_rng(0), 120_000
    signal = rng.normal(size=rows)
    # A hundred frequent levels before as many as there are rows.
    who = np.where(np.arange(rows) < 20_000, np.arange(rows) % 100, np.arange(rows) - 20_000)
    names = np.array([f"N{place}" for place in range(MANY)], dtype=object)
    names[0] = "x" * 100_000
    frame = pd.DataFrame({"observation_id": np.arange(rows).astype(str), "signal": signal, "name": names[who], "one": 1.0, "empty": np.nan,
                          "nothing": pd.Series([None] * rows, dtype="str")})
    order = rng.permutation(rows)
    frame, signal = frame.iloc[order].reset_index(drop=True), signal[order]
    path = tmp_path / "features.parquet"
    frame.to_parquet(path)
    target = (rng.uniform(size=rows) < 1 / (1 + np.exp(3.0 - 1.5 * signal))).astype(float)
    sample = rng.choice([DEVELOPMENT, VALIDATION, CALIBRATION, OUT_OF_TIME], p=[0.4, 0.2, 0.2, 0.2], size=rows)
    return path, pd.DataFrame({"customer_id": frame["observation_id"], "target": target, "sample": sample})


def features(*names):
    return [SimpleNamespace(name=name, factor="background", message_id=f"feature.{name}", direction=0, scope="own", unit="") for name in names]


def test_a_hundred_thousand_levels_train_and_score_quickly(wide):
    path, rows = wide
    started = time.process_time()
    found, _ = fit_bundle(path, rows, catalogue=features("signal", "name", "one", "empty", "nothing"), use_case="default", horizon_days=365, params=QUICK)
    judged = rows["sample"].eq(OUT_OF_TIME).to_numpy()
    scores = score(found, encode(read_columns(path, found.names, rows=judged), found))
    assert time.process_time() - started < 60
    levels = next(column.levels for column in found.manifest.columns if column.name == "name")
    assert 0 < len(levels) <= MANY_LEVELS
    assert np.isfinite(scores.probability).all()
    assert auc(rows["target"][judged], scores.raw_score) > 0.75
    told = found.manifest.training["warnings"]
    assert "3 columns (one, empty, nothing) are each the same on every development row" in told[0]
    assert "Column name has " in told[1]


def few(bad, rows=500):
    """A labelled file with so many bad rows."""
    frame = numbers(rows)
    return frame.assign(flag=np.where(frame["flag"].eq(1).cumsum() <= bad, frame["flag"], 0))


def learn():
    ingest()
    for stage in (observe, featurize, sample):
        stage("default")


def test_a_file_with_a_dozen_bad_rows_trains_and_says_so(tmp_path):
    with learned(tmp_path, few(14)):
        learn()
        train("default")
        teach, judge = read_json(case_path("default", "development", "leaks.json"))["warnings"]
        assert teach.startswith("Only 10 customers with a bad row teach (")
        assert judge.startswith("Only 4 customers with a bad row judge")
        assert read_json(case_path("default", "model", "model.json"))["training"]["trees"] > 0


def test_a_file_with_half_a_dozen_is_refused(tmp_path):
    with learned(tmp_path, few(7)), pytest.raises(RiskError, match="samples: .*bring more (customers|outcomes) or a longer history"):
        learn()
