"""What the notebooks show: small tables and figures whose frames are known beforehand."""

import json
import shutil
from datetime import datetime
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from builders import customer, exposure, invoice, observation, outcome, series, statement, write_table, write_tables

from features.errors import RiskError
from models.discrimination import average_precision, compare_average_precision
from pipeline import look_data, look_model, plots
from pipeline.datasets import write_json

matplotlib.use("Agg")
AS_OF = "2023-06-30"
PARAMS = Path(__file__).parent.parent / "params.yaml"
INTAKE = {"read": 3, "kept": 2, "rejected": {"amount is not positive": 1}, "known_from": "2023-01-01", "known_to": "2023-05-01"}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A project's folder with two customers, of which one has statements, and one reject."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(PARAMS, tmp_path)
    statements = [statement("C1", current_assets=200.0, current_liabilities=100.0), statement("C1", period_end="2021-12-31", current_assets=300.0,
                                                                                             current_liabilities=100.0)]
    write_tables(tmp_path / "data/tables", {
        "customers": [customer("C1"), customer("C2", region=None)], "statements": statements, "series": [series()],
        "invoices": [invoice("C1", invoice_id="I1"), invoice("C1", invoice_id="I2", issued_at="2023-07-01")],
        "exposures": [exposure("C2")], "outcomes": [outcome("C1")]})
    pd.DataFrame({"table": "invoices", "row_number": [7, 3], "rule": "amount is not positive", "value": ["-2", "-1"]}).to_parquet(_made(tmp_path, "invoices"))
    write_json(tmp_path / "data/ingest.json", {"tables": {"invoices": {**INTAKE, "rejected": {"amount is not positive": 2}}}})
    return tmp_path


def _made(folder, table):
    (folder / "data/rejects").mkdir(parents=True)
    return folder / "data/rejects" / f"{table}.parquet"


def test_the_project_is_found_from_a_folder_within(place, monkeypatch):
    inside = place / "notebooks" / "mine"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    assert look_data.open_project() == place


def test_a_folder_without_a_project_is_refused(tmp_path):
    with pytest.raises(RiskError, match=r"no params.yaml in .* or above it: open the notebook from the project's folder"):
        look_data.open_project(tmp_path)


def test_intake_counts_rows_by_table(place):
    assert look_data.intake().loc["invoices", ["read", "kept", "rejected"]].tolist() == [3, 2, 2]


def test_a_reject_shows_its_first_row(place):
    assert look_data.rejects().to_dict("records") == [
        {"table": "invoices", "rule": "amount is not positive", "rows": 2, "first_row": 3, "first_value": "-1"}]


def test_findings_are_shown_as_ingest_wrote_them(place):
    assert look_data.findings().empty
    finding = {"table": "payments", "rule": "unit slip", "rows": 4, "example": "P1", "meaning": "m", "remedy": "r"}
    write_json(place / "data/ingest.json", {"tables": {}, "findings": [finding]})
    assert look_data.findings().to_dict("records") == [finding]


def test_coverage_is_the_share_of_all_customers_named_anywhere(place):
    found = look_data.coverage()
    assert found["share"].dropna().to_dict() == {"customers": 1.0, "statements": 0.5, "invoices": 0.5, "exposures": 0.5, "outcomes": 0.5}
    assert np.isnan(found.loc["series", "customers"])


def test_filled_is_the_share_of_rows_that_give_a_column(place):
    assert look_data.filled("customers").loc[("customers", "region"), "filled"] == 0.5
    assert set(look_data.filled().reset_index()["table"]) == {"customers", "statements", "invoices", "exposures", "series", "outcomes"}
    with pytest.raises(RiskError, match="there is no table payments in data/tables: the source gives customers, "):
        look_data.filled("payments")


def test_history_says_what_was_known_on_the_day(place):
    rows = look_data.history("C1", AS_OF)
    known = dict(zip(zip(rows["table"], rows["happened"].dt.strftime("%Y-%m-%d"), strict=True), rows["known"], strict=True))
    assert known == {("outcomes", "2023-09-01"): False, ("invoices", "2023-07-01"): False, ("invoices", "2023-01-01"): True,
                     ("statements", "2022-12-31"): True, ("statements", "2021-12-31"): True, ("customers", "2020-01-01"): True}
    assert "amount 100,000" in rows.loc[rows["table"] == "invoices", "values"].iloc[0]


def test_a_customer_that_no_table_names_is_refused(place):
    with pytest.raises(RiskError, match="no table names the customer nobody: check the id"):
        look_data.history("nobody", AS_OF)


def test_a_customer_of_observations_alone_has_no_dated_rows(place):
    write_table(place / "data/tables", "observations", [observation("C9")])
    assert look_data.history("C9", AS_OF).empty


def test_features_over_time_know_a_statement_from_its_day_on(place):
    # The statement of 2022 is known on 2023-03-31; three months before 2023-06-29 only that of 2021 is.
    found = look_data.features_over_time("C1", "2023-06-29", quarters=1, names=["stmt_current_ratio"])
    assert found["stmt_current_ratio"].tolist() == [3.0, 2.0]
    assert found.index.tolist() == [pd.Timestamp("2023-03-29"), pd.Timestamp("2023-06-29")]
    with pytest.raises(RiskError, match="has no feature peer_size_rank"):
        look_data.features_over_time("C1", AS_OF, names=["peer_size_rank"])


def test_features_over_time_without_dated_tables_are_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(PARAMS, tmp_path)
    write_table(tmp_path / "data/tables", "observations", [observation("C9", sales=1.0)])
    assert look_data.features_over_time("C9", AS_OF).shape == (5, 0)


def test_the_example_is_the_last_observation_that_turned_out_bad(place):
    folder = place / "data/default/development"
    folder.mkdir(parents=True)
    rows = pd.DataFrame({"customer_id": ["C1", "C2", "C3"], "as_of": pd.to_datetime(["2022-01-31", "2022-02-28", "2022-03-31"]), "target": [1.0, 1.0, 0.0]})
    rows.to_parquet(folder / "observations.parquet")
    assert look_data.bad_example() == ("C2", datetime(2022, 2, 28))
    rows.assign(target=0.0).to_parquet(folder / "observations.parquet")
    with pytest.raises(RiskError, match="none of the 3 observations of default turned out bad"):
        look_data.bad_example()


@pytest.fixture
def explained(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data/default/explanation"
    folder.mkdir(parents=True)
    point = {"contribution": 0.1, "low": 0.0, "high": 0.2, "rows": 5}
    (folder / "dependence.json").write_text(json.dumps([
        {"column": "bg_region", "kind": "category", "points": [{"value": None, **point}, {"value": "north", **point}]},
        {"column": "stmt_roa", "kind": "number", "points": [{"value": None, **point}, {"value": 0.3, **point}]}]))


def test_a_missing_value_is_a_level_of_its_own(explained):
    assert look_model.dependence("bg_region")["value"].tolist() == ["missing", "north"]
    assert look_model.dependence("stmt_roa")["value"].isna().tolist() == [True, False]


def test_a_column_without_a_measured_dependence_is_named(explained):
    assert look_model.explained() == ["bg_region", "stmt_roa"]
    with pytest.raises(RiskError, match="the dependence of bg_kind was not measured: choose one of bg_region, stmt_roa, or raise explain.dependence_top"):
        look_model.dependence("bg_kind")


def test_a_band_leaves_out_rows_without_a_place_on_the_axis(explained):
    axes = plots.band(look_model.dependence("stmt_roa"), x="value", y="contribution", title="t")
    assert axes.lines[0].get_xdata().tolist() == [0.3]


def test_levels_are_drawn_as_points_with_bars(explained):
    axes = plots.band(look_model.dependence("bg_region"), x="value", y="contribution", title="t")
    assert [label.get_text() for label in axes.get_xticklabels()] == ["missing", "north"]
    low, high = axes.collections[0].get_segments()[0][:, 1]
    assert (low, high) == (0.0, 0.2)


def test_two_average_precisions_are_paired():
    rng = np.random.default_rng(1)
    target = (rng.random(600) < 0.1).astype(float)
    good, poor = target + rng.normal(0, 1, 600), rng.normal(0, 1, 600)
    found = compare_average_precision(target, good, poor)
    assert found["difference"] == average_precision(target, good) - average_precision(target, poor)
    assert 0 < found["low"] < found["difference"] < found["high"]
    assert compare_average_precision(target, good, good) == {"difference": 0.0, "low": 0.0, "high": 0.0}
    wide = compare_average_precision(target, good, good + rng.normal(0, 0.05, 600))
    assert wide["high"] - wide["low"] < 0.3 * (found["high"] - found["low"])
