"""Importance with intervals by customers, interactions that add up, and their figures as files of their own."""

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import small_bundle
from small_bundle import NAMES, bundle, columns

from features.errors import RiskError
from models import interactions as together
from models.bundle import make_bundle, save_bundle
from models.classifier import Settings, booster_text, train
from models.explanation import dependence, importance, means_between
from models.interactions import interactions
from models.scoring import contributions, encode
from pipeline.reports.explanation_figures import explanation_figures, standalone
from pipeline.reports.text import LANGUAGES, Words

ROOT = Path(__file__).parent.parent


def drawn(rng, *, customers=120, rows=4):
    """Values of customers whose rows are much alike, and their ids; the mean of all customers is 1."""
    own = rng.exponential(1.0, customers)
    return (np.repeat(own, rows) * rng.uniform(0.9, 1.1, customers * rows))[:, None], np.repeat(np.arange(customers), rows)


def test_intervals_cover_the_mean_as_often_as_they_say_where_rows_of_a_customer_are_alike():
    rng = np.random.default_rng(5)
    covered = {"customers": 0, "rows": 0}
    for trial in range(300):
        values, customers = drawn(rng)
        for name, groups in (("customers", customers), ("rows", np.arange(len(values)))):
            low, high = means_between(values, groups, repeats=200, seed=trial)[1][:2, 0]
            covered[name] += low <= 1.0 <= high
    assert 0.90 <= covered["customers"] / 300 <= 0.98
    # Rows drawn on their own would promise twice the certainty.
    assert covered["rows"] / 300 < 0.75


def test_the_same_rows_of_a_customer_again_tell_nothing_new():
    values, customers = drawn(np.random.default_rng(1), rows=1)
    once = means_between(values, customers, seed=3)
    again = means_between(np.repeat(values, 5, axis=0), np.repeat(customers, 5), seed=3)
    assert again[0] == pytest.approx(once[0])
    assert again[1] == pytest.approx(once[1])


def test_customers_of_many_rows_are_drawn_with_all_of_them():
    values = np.array([[1.0], [1.0], [1.0], [5.0]])
    ends = means_between(values, ["A", "A", "A", "B"], repeats=400, level=0.9)[1][:2, 0]
    # All of A, or all of B.
    assert ends.tolist() == [1.0, 5.0]


def explained(rows=300):
    matrix = encode(columns(rows, seed=8), bundle())
    customers = np.arange(rows) // 2
    return matrix, customers, contributions(bundle(), matrix)


def test_every_importance_lies_within_its_interval_and_is_what_it_is_without_one():
    _, customers, values = explained()
    with_ends, without = importance(bundle(), values, customers=customers), importance(bundle(), values)
    for kind in ("columns", "factors"):
        for row, plain in zip(with_ends[kind], without[kind], strict=True):
            assert {name: row[name] for name in plain} == plain
            assert row["low"] <= row["importance"] <= row["high"]
            assert row["share_low"] <= row["share"] <= row["share_high"]
    assert importance(bundle(), values, customers=customers) == with_ends


@pytest.mark.slow  # importing shap takes seconds
def test_interactions_add_up_to_the_contributions_categories_and_missing_values_included():
    matrix, customers, _ = explained(60)
    assert np.isnan(matrix).any()
    assert len(set(matrix[:, NAMES.index("industry")].tolist())) > 2
    found = interactions(bundle(), matrix, customers, list(NAMES), repeats=20)
    assert found["largest_difference"] < 1e-9
    assert [row["importance"] for row in found["pairs"]] == sorted((row["importance"] for row in found["pairs"]), reverse=True)
    assert len(found["pairs"]) == 10
    assert all(row["low"] <= row["importance"] <= row["high"] for row in found["pairs"])


@pytest.mark.slow
def test_values_that_do_not_add_up_are_refused(monkeypatch):
    matrix, customers, values = explained(20)
    monkeypatch.setattr(together.scoring, "contributions", lambda *_, **__: values + 1.0)
    with pytest.raises(RiskError, match="interactions add up to contributions that differ by 1 log-odds on 20 rows; check the lightgbm and shap versions"):
        interactions(bundle(), matrix, customers, list(NAMES))


@pytest.mark.slow
def test_two_columns_that_are_bad_only_together_are_the_strongest_pair():
    rng = np.random.default_rng(0)
    matrix = np.column_stack([*(rng.normal(size=3000) for _ in range(4)), rng.integers(0, 3, 3000).astype(float)])
    target = (rng.uniform(size=3000) < np.where((matrix[:, 0] > 0) & (matrix[:, 3] > 0), 0.8, 0.1)).astype(float)
    grown = train(matrix[:2000], target[:2000], validation=(matrix[2000:], target[2000:]), columns=NAMES, categorical=("industry",), directions={},
                  settings=Settings(max_trees=60, num_leaves=8, colsample=0.8))
    trained = make_bundle(booster_text(grown), small_bundle.bundle().manifest)
    found = interactions(trained, matrix[:200], np.arange(200), list(NAMES), repeats=20)
    strongest = found["pairs"][0]
    assert {strongest["first"], strongest["second"]} == {NAMES[0], NAMES[3]}
    assert strongest["low"] > 3 * found["pairs"][1]["high"]
    low, *_, high = found["curves"][0]["groups"]
    slopes = [group["points"][-1]["effect"] - group["points"][0]["effect"] for group in (low, high)]
    assert slopes[0] < 0 < slopes[1]


TOGETHER = {"rows": 300, "pairs": [{"first": NAMES[0], "second": NAMES[4], "importance": 0.02, "low": 0.01, "high": 0.03}], "curves": [
    {"first": NAMES[0], "second": NAMES[4], "groups": [
        {"level": "retail", "points": [{"bin": 0, "value": 0.2, "effect": -0.1, "rows": 40}, {"bin": 1, "value": 0.6, "effect": 0.1, "rows": 60}]},
        {"level": "建筑", "points": [{"bin": 1, "value": 0.6, "effect": -0.2, "rows": 30}]}]}]}


def figures(language):
    matrix, customers, values = explained()
    found = {"rows": 300, "customers": 150, **importance(bundle(), values, customers=customers)}
    return explanation_figures(found, dependence(bundle(), values, matrix), TOGETHER, Words(language, more=("explanation",)))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_figure_is_a_document_of_its_own_that_loads_nothing(language):
    made = figures(language)
    assert {"importance_factors", "importance_columns", "interactions", "interaction_1", "dependence_1"} <= made.keys()
    for name, figure in made.items():
        document = standalone(figure)
        texts = [each.text for each in ElementTree.fromstring(document).iter("{http://www.w3.org/2000/svg}text")]
        assert figure.title.replace(" ", "") in "".join(texts).replace(" ", ""), name
        assert not re.search(r"(href|src)=|url\(|@import|nan|None", document), name
        assert "{" not in figure.title + figure.note


def test_a_column_s_name_is_never_part_of_a_file_s():
    assert all(re.fullmatch(r"[a-z]+(_[a-z0-9]+)?", name) for name in figures("en"))


def test_lines_of_parts_without_a_bin_have_no_point_there():
    drawn_line = figures("en")["interaction_1"].svg
    assert drawn_line.count("<circle") == 3


LOG = """
import sys
from pathlib import Path
from pipeline.registry import log_bundle
from pipeline.workspace import workspace
named, folder, explanation, project = sys.argv[1:]
with workspace(Path(project)):
    log_bundle(named, Path(folder), source="test", use_case="default", parameters={}, metrics={}, tags={}, artifacts={"explanation": Path(explanation)})
"""


@pytest.mark.slow  # MLflow takes seconds
def test_the_figures_go_to_mlflow_with_the_run(tmp_path):
    save_bundle(bundle(), tmp_path / "bundle")
    (tmp_path / "explanation/figures").mkdir(parents=True)
    (tmp_path / "explanation/figures/interactions.en.svg").write_text("<svg/>")
    # In a process of its own: MLflow keeps the first store it opened under a relative address, whatever folder a later test works in.
    places = [str(tmp_path / name) for name in ("bundle", "explanation", "project")]
    subprocess.run([sys.executable, "-c", LOG, bundle().hash, *places], check=True, capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert len(list((tmp_path / "project/var").rglob("explanation/figures/interactions.en.svg"))) == 1
