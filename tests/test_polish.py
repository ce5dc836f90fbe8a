"""The shipped Polish ratios, read in place: repeated rows out, the others in the files' order, and the published folds."""


import numpy as np
import pandas as pd
import pytest
from real_sets import SHARED, needs, stages
from scipy.io import arff
from sklearn.model_selection import StratifiedKFold

from models.protocols import draw
from pipeline.datasets import case_path, read_json
from pipeline.featurize import featurize
from pipeline.ingest import ingest
from pipeline.observe import observe
from pipeline.params import read_yaml
from pipeline.sample import sample
from pipeline.source_file import SourceFile
from pipeline.workspace import ROOT

NAME = "polish_bankruptcy"
DATA = SHARED / NAME
pytestmark = needs(NAME)
WORKED_OUT = {
    "current_assets_to_assets": lambda a: a[4] * a[51], "fixed_assets_to_assets": lambda a: 1 - a[4] * a[51],
    "inventory_to_assets": lambda a: a[20] * a[9] / 365,
    "receivables_to_assets": lambda a: a[44] * a[9] / 365, "cash_to_assets": lambda a: a[40] * a[51],
    "receivables_of_quick_assets_to_assets": lambda a: (a[46] - a[40]) * a[51], "long_term_liabilities_to_assets": lambda a: a[2] - a[51],
    "short_term_share_of_liabilities": lambda a: a[51] / a[2].replace(0, np.nan), "share_capital_to_assets": lambda a: a[10] - a[25],
    "provisions_and_accruals_to_assets": lambda a: 1 - a[2] - a[10], "long_term_capital_to_assets": lambda a: a[38] - a[10],
    "operating_expenses_to_assets": lambda a: a[34] * a[2], "other_operating_result_to_assets": lambda a: a[22] - a[35],
    "financial_result_to_assets": lambda a: a[18] - a[22], "financial_expenses_to_assets": lambda a: a[22] / a[27].replace(0, np.nan),
    "extraordinary_and_financial_expenses_to_assets": lambda a: a[11] - a[18], "income_tax_to_assets": lambda a: a[18] - a[1],
    "depreciation_to_assets": lambda a: a[16] * a[2] - a[18]}
KEYS = ("observation_id", "customer_id", "file_id", "as_of", "target", "status", "target_known_at")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The stages up to the samples."""
    with stages(NAME, tmp_path_factory.mktemp("polish")) as folder:
        ingest()
        for stage in (observe, featurize, sample):
            stage("default")
        yield folder


@pytest.fixture(scope="module")
def rows(run):
    return pd.read_parquet(case_path("default", "development", "observations.parquet"))


def file_rows(file):
    """A file's rows without the repeated ones, the first of each kept, in the file's order."""
    return pd.DataFrame(arff.loadarff(DATA / f"{file}.arff")[0]).drop_duplicates().reset_index(drop=True)


def of_file(rows, file):
    return rows[rows["file_id"] == file].sort_values("observation_id").reset_index(drop=True)


@pytest.mark.parametrize(("file", "count", "bad"), [("1year", 6_945, 271), ("5year", 5_850, 408)])
def test_ids_in_order_are_the_rows_of_the_file_without_the_repeated_ones(rows, file, count, bad):
    ours, theirs = of_file(rows, file), file_rows(file)
    assert (len(ours), int(ours["target"].sum())) == (count, bad) == (len(theirs), theirs["class"].astype(int).sum())
    assert ours["target"].tolist() == theirs["class"].astype(int).tolist()
    ratios = ours.drop(columns=list(KEYS)).iloc[:, :64]
    np.testing.assert_array_equal(ratios.to_numpy(dtype=float), theirs.drop(columns="class").to_numpy(dtype=float))


def test_an_id_says_file_and_row(rows):
    repeated = pd.DataFrame(arff.loadarff(DATA / "5year.arff")[0]).duplicated()
    kept = [f"5year-{place + 1:05d}" for place in np.flatnonzero(~repeated)]
    assert of_file(rows, "5year")["observation_id"].tolist() == kept


def test_the_judged_rows_are_the_first_published_fold_of_the_file_one_year_ahead(rows):
    samples = pd.read_parquet(case_path("default", "development", "samples.parquet")).set_index("observation_id")["sample"]
    ours = of_file(rows, "5year")
    judged = next(StratifiedKFold(10, shuffle=True, random_state=0).split(ours, ours["target"]))[1]
    assert sorted(samples.index[samples == "out_of_time"]) == sorted(ours["observation_id"].iloc[judged])
    assert set(samples[rows.loc[rows["file_id"] == "1year", "observation_id"]]) == {"unused"}


def test_the_other_file_is_judged_by_its_own_folds(rows):
    import msgspec

    other = read_yaml(ROOT / f"pipeline/sources/{NAME}/source.yaml", SourceFile).also["five_years_ahead"]
    train, judged = draw(rows, msgspec.to_builtins(other), number=3)
    ours = of_file(rows, "1year")
    places = list(StratifiedKFold(10, shuffle=True, random_state=0).split(ours, ours["target"]))[3][1]
    assert sorted(rows.loc[judged, "observation_id"]) == sorted(ours["observation_id"].iloc[places])
    assert set(rows.loc[train | judged, "file_id"]) == {"1year"}


def test_the_file_is_no_feature_and_every_ratio_is(run):
    names = [feature["name"] for feature in read_json(case_path("default", "development", "catalogue.json"))["features"]]
    assert len(names) == 64 + len(WORKED_OUT)
    assert "obs_file_id" not in names
    assert {"obs_net_profit_to_assets", "obs_sales_to_fixed_assets"} <= set(names)


def test_a_question_mark_is_missing(rows):
    ours, theirs = of_file(rows, "5year"), file_rows("5year")
    assert ours["quick_assets_to_long_term_liabilities"].isna().sum() == theirs["Attr37"].isna().sum() > 2_000


@pytest.mark.parametrize("name", WORKED_OUT)
def test_a_line_worked_out_is_what_the_ratios_imply(rows, name):
    theirs = file_rows("1year")
    expected = WORKED_OUT[name]({number: theirs[f"Attr{number}"] for number in range(1, 65)})
    np.testing.assert_allclose(of_file(rows, "1year")[name].to_numpy(dtype=float), expected.to_numpy(dtype=float), rtol=1e-12, atol=1e-15)
    assert of_file(rows, "1year")[name].notna().mean() > 0.7
