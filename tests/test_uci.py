"""The shipped card holders, read in place: every row in the file's order, the published draws, and the columns worked out by hand."""


import numpy as np
import pandas as pd
import pytest
from real_sets import SHARED, needs, stages
from sklearn.model_selection import StratifiedShuffleSplit

from pipeline.datasets import case_path, read_json
from pipeline.featurize import featurize
from pipeline.ingest import ingest
from pipeline.observe import observe
from pipeline.params import change_params
from pipeline.sample import sample

NAME = "uci_credit_default"
DATA = SHARED / NAME
pytestmark = needs(NAME)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The stages up to the samples."""
    with stages(NAME, tmp_path_factory.mktemp("uci")) as folder:
        ingest()
        for stage in (observe, featurize, sample):
            stage("default")
        yield folder


@pytest.fixture(scope="module")
def clients():
    """The file as it stands, in its order."""
    return pd.read_csv(DATA / "default_of_credit_card_clients.csv", header=1)


def observed(*columns):
    return pd.read_parquet(case_path("default", "development", "observations.parquet"), columns=["observation_id", *columns] if columns else None)


def test_no_row_is_lost(run):
    tables = read_json("data/ingest.json")["tables"]
    assert {name: (table["kept"], sum(table["rejected"].values())) for name, table in tables.items()} == {
        "customers": (30_000, 0), "exposures": (180_000, 0), "observations": (30_000, 0)}


def test_ids_in_order_are_the_rows_of_the_file(run, clients):
    rows = observed("target", "status").sort_values("observation_id")
    assert rows["observation_id"].astype(int).tolist() == clients["ID"].tolist()
    assert rows["target"].tolist() == clients["default payment next month"].tolist()
    assert (int(rows["target"].sum()), set(rows["status"])) == (6_636, {"matured"})


@pytest.mark.parametrize("number", [0, 9])
def test_the_judged_rows_are_those_of_the_published_draw(run, clients, number):
    change_params([("sample.round", number)])
    sample("default")
    samples = pd.read_parquet(case_path("default", "development", "samples.parquet"))
    judged = samples.loc[samples["sample"] == "out_of_time", "observation_id"].astype(int)
    target = clients["default payment next month"]
    drawn = next(StratifiedShuffleSplit(1, test_size=0.3, random_state=number).split(clients, target))[1]
    assert sorted(judged) == sorted(clients["ID"].iloc[drawn])


def test_codes_that_nobody_documented_are_named_and_kept_apart(run, clients):
    counts = observed("education")["education"].value_counts()
    given = clients["EDUCATION"].value_counts()
    assert {code: counts[f"undocumented code {code}"] for code in (0, 5, 6)} == {code: given[code] for code in (0, 5, 6)}
    assert (counts["graduate school"], counts["university"], counts["high school"], counts["other"]) == tuple(given[code] for code in (1, 2, 3, 4))


def test_what_the_law_protects_is_no_column(run):
    names = pd.read_parquet(case_path("default", "development", "features.parquet")).columns
    assert not [name for name in names if any(word in name for word in ("sex", "marri", "age", "gender"))]


def test_the_first_client_by_hand(run):
    """Limit 20,000; bills from September back 3,913 3,102 689 0 0 0; payments 0 689 0 0 0 0; status 2 2 -1 -1 -2 -2."""
    first = observed().set_index("observation_id").loc["00001"]
    by_hand = {"use_highest": 3913 / 20000, "use_lowest": 0.0, "use_mean": 7704 / 6 / 20000, "use_change_1m": 811 / 20000, "use_change_5m": 3913 / 20000,
               "paid_of_bill_now": 0.0, "paid_of_bills": 689 / 3791, "paid_to_limit": 689 / 20000, "paid_least": 0, "months_without_payment": 5,
               "months_late": 2, "months_since_late": 0, "status_worst": 2, "status_mean": -2 / 6, "status_change": 1.5}
    np.testing.assert_allclose([first[name] for name in by_hand], list(by_hand.values()))


def test_who_was_never_late_has_no_month_since(run):
    third = observed("months_late", "months_since_late").set_index("observation_id").loc["00003"]
    assert third["months_late"] == 0
    assert np.isnan(third["months_since_late"])


def test_limit_and_bills_are_dated_exposures(run, clients):
    rows = pd.read_parquet("data/tables/exposures.parquet").sort_values(["customer_id", "known_at"])
    months = rows[rows["customer_id"] == "00001"]
    assert months["known_at"].dt.strftime("%m-%d").tolist() == ["04-30", "05-31", "06-30", "07-31", "08-31", "09-30"]
    assert months["exposure"].tolist() == [0, 0, 0, 68_900, 310_200, 391_300]
    features = pd.read_parquet(case_path("default", "development", "features.parquet")).sort_values("observation_id")
    np.testing.assert_allclose(features["exp_exposure_to_limit"], clients["BILL_AMT1"] / clients["LIMIT_BAL"])
