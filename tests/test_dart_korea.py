"""The shipped Korean firms, read in place: counts, which basis and currency, when each version was known, and the rows that are judged."""


import numpy as np
import pandas as pd
import pytest
from real_sets import SHARED, needs, reference_script, stages, up_to_features

from pipeline.datasets import TABLES, case_path
from pipeline.featurize import featurize
from pipeline.ingest import ingest
from pipeline.observe import observe
from pipeline.workspace import ROOT

NAME = "dart_korea"
DATA = SHARED / NAME
pytestmark = needs(NAME)

DUE = "least(filed_on, make_date(reports.report_year + 1, 3, 31))"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    found = up_to_features(NAME, tmp_path_factory.mktemp("dart"))
    return found | {"observed": found["observed"].set_index("observation_id")}


@pytest.fixture(scope="module")
def lines():
    """The file as it stands."""
    return pd.read_parquet(DATA / "statements_2015_2019.parquet")


def versions(run, customer, year):
    """The versions of a firm's December year, in the order they became known."""
    rows = run["tables"]["statements"]
    return rows[(rows["customer_id"] == customer) & (rows["period_end"] == f"{year}-12-31")].sort_values("known_at")


def known(rows):
    return [str(day.date()) for day in rows["known_at"]]


def test_every_row_is_kept(run):
    assert {name: (table["kept"], sum(table["rejected"].values())) for name, table in run["ingest"]["tables"].items()} == {
        "customers": (2_150, 0), "statements": (17_389, 0), "outcomes": (109, 0), "observations": (9_451, 0)}


def test_every_report_has_a_statement_of_its_own_year(run, lines):
    reports = lines.groupby(["stock_code", "bsns_year"])["fs_nm"].agg(lambda names: "separate" if (names == "재무제표").any() else "consolidated")
    statements = run["tables"]["statements"]
    given = set(zip(statements["customer_id"], statements["period_end"].dt.year.astype(str), statements["basis"], strict=True))
    assert len(reports) == 9_552
    assert {(*key, basis) for key, basis in reports.items()} <= given


def test_codes_are_six_digits_on_both_sides(run):
    tables = run["tables"]
    assert all(tables[name]["customer_id"].str.fullmatch(r"\d{5}[0-9A-Z]").all() for name in ("customers", "statements", "outcomes"))
    assert tables["outcomes"]["customer_id"].isin(tables["customers"]["customer_id"]).sum() == 90


def test_mergers_and_planned_ends_are_not_failures(run):
    assert run["tables"]["outcomes"]["kind"].value_counts().to_dict() == {"default": 84, "dissolution": 20, "expiry": 5}


def test_one_basis_a_report_separate_before_consolidated(run):
    assert run["tables"]["statements"]["basis"].value_counts().to_dict() == {"separate": 17_211, "consolidated": 178}


def test_a_firm_with_consolidated_statements_only_keeps_them_in_its_currency(run):
    rows = run["tables"]["statements"].query("customer_id == '900040'")
    assert (set(rows["basis"]), set(rows["currency"])) == ({"consolidated"}, {"CNY"})
    assert versions(run, "900040", 2018)["total_assets"].tolist() == [3_340_548_226]


def test_a_firm_that_reports_in_dollars_is_not_converted(run):
    last = versions(run, "950130", 2019).iloc[-1]
    assert (last["currency"], last["basis"], last["total_assets"]) == ("USD", "separate", 71_857_159)


def test_a_change_of_currency_restates_the_years_the_report_repeats(run):
    rows = versions(run, "008700", 2018)
    assert list(zip(known(rows), rows["currency"], strict=True)) == [("2019-03-29", "KRW"), ("2020-03-30", "USD")]
    assert rows["total_assets"].tolist() == [86_006_943_727, 76_877_527]


def test_a_restated_year_is_a_later_row_known_with_the_later_report(run):
    """동화약품's report of 2016 moves 168 million of 2015's current liabilities."""
    rows = versions(run, "000020", 2015)
    assert list(zip(known(rows), rows["current_liabilities"], strict=True)) == [("2016-03-30", 69_149_048_099), ("2017-03-31", 68_981_227_859)]


def test_an_observation_reads_the_version_of_its_day(run):
    before, after = (run["observed"].loc[f"000020@{year}"] for year in (2015, 2016))
    assert before["stmt_current_ratio"] == pytest.approx(135_014_685_939 / 69_149_048_099, rel=1e-12)
    then = 151_491_847_872 / 55_452_075_959 - 135_014_685_939 / 68_981_227_859
    assert after["stmt_current_ratio_change_12m"] == pytest.approx(then, rel=1e-12)


def test_a_year_that_later_reports_repeat_is_one_row(run):
    assert known(versions(run, "000020", 2016)) == ["2017-03-31"]


def test_an_amended_report_is_taken_as_known_by_the_legal_due_date(run):
    """Its number is of 18 June 2018; the first version's day is lost."""
    assert known(versions(run, "000020", 2017)) == ["2018-03-31"]


def test_a_report_filed_before_the_due_date_is_known_that_day(run):
    assert known(versions(run, "000020", 2019)) == ["2020-03-30"]


def test_an_opening_balance_dated_1_january_closes_the_year_before(run):
    rows = run["tables"]["statements"].query("customer_id == '001060'")
    assert not (rows["period_end"] == "2017-01-01").any()
    assert versions(run, "001060", 2016)["total_assets"].iloc[-1] == 648_743_063_061


def test_a_changed_year_has_its_own_length(run):
    rows = run["tables"]["statements"].query("customer_id == '042370' and known_at <= '2019-03-31'")
    assert dict(zip(rows["period_end"].dt.strftime("%Y-%m"), rows["period_months"], strict=True)) == {
        "2014-03": 12, "2014-06": 3, "2015-06": 12, "2016-06": 12, "2017-06": 12, "2018-06": 12, "2018-12": 6}


def test_cash_flows_belong_to_separate_statements_and_shared_years_are_left_out(run, lines):
    rows = run["tables"]["statements"]
    assert rows.loc[rows["basis"] == "consolidated", "cash"].isna().all()
    flows = pd.read_csv(DATA / "cash_flows_2015_2019.csv", dtype={"corp_code": str})
    twice = flows[flows.duplicated(["corp_code", "bsns_year"], keep=False)]
    assert len(twice) == 16
    firm = lines.drop_duplicates("corp_code").set_index("corp_code")["stock_code"]
    pairs = set(zip(twice["corp_code"].map(firm), twice["bsns_year"], strict=True))
    shared = [pair in pairs for pair in zip(rows["customer_id"], rows["period_end"].dt.year, strict=True)]
    assert rows.loc[shared, "cash"].isna().all()


def test_nothing_is_known_before_its_period_has_ended(run):
    rows = run["tables"]["statements"]
    assert (rows["known_at"] >= rows["period_end"]).all()


def test_the_features_of_a_day_do_not_see_later_reports(run, tmp_path):
    """The observations of 1 April 2017 come out the same, to the bit, from tables without anything known later."""
    with stages(NAME, tmp_path):
        ingest()
        for file in TABLES.glob("*.parquet"):
            rows = pd.read_parquet(file)
            if "known_at" in rows and file.stem != "outcomes":
                rows[rows["known_at"] < "2017-04-01"].to_parquet(file, index=False)
        observe("default")
        featurize("default")
        again = pd.read_parquet(case_path("default", "development", "features.parquet")).set_index("observation_id")
    day = [name for name in again.index if name.endswith("@2016")]
    own = [name for name in again if not name.startswith("peer_")]
    assert len(day) > 1_700
    pd.testing.assert_frame_equal(run["observed"].loc[day, own], again.loc[day, own], check_exact=True)


@pytest.mark.parametrize(("fiscal", "rows", "bad"), [((2015, 2016), 3_546, 31), ((2018, 2019), 4_012, 36)])
def test_the_protocol_has_the_counts_of_the_data_page(run, fiscal, rows, bad):
    observed = run["observed"]
    chosen = observed[observed["as_of"].dt.year.sub(1).between(*fiscal)]
    assert (len(chosen), int(chosen["target"].sum()), set(chosen["status"])) == (rows, bad, {"matured"})


def test_firms_that_file_on_after_their_delisting_are_not_observed(run):
    gone = set(run["tables"]["observations"]["observation_id"]) - set(run["observed"].index)
    assert len(gone) == 16
    failed = run["tables"]["outcomes"].query("kind == 'default'").set_index("customer_id")["occurred_at"]
    assert all(failed[name[:6]] <= pd.Timestamp(f"{int(name[-4:]) + 1}-04-01") for name in gone)


@pytest.fixture
def script(monkeypatch):
    """The reference script with its model taken out: the rows and targets it would train and judge."""
    module = reference_script()
    module.taken = []

    def noted(train_x, train_y, test_x, test_y, seed, **_):
        module.taken.append((train_x.index, np.asarray(train_y), test_x.index, np.asarray(test_y)))
        return 0.5, 0.5

    monkeypatch.setattr(module, "score", noted)
    return module


def test_rows_and_targets_are_those_of_the_reference(run, script):
    script.dart()
    train, train_target, test, test_target = script.taken[0]
    # The script names a row by its place among firm-years, ordered by code and year.
    names = np.sort(run["tables"]["observations"]["observation_id"].to_numpy().astype(str))
    observed = run["observed"]
    years = observed["as_of"].dt.year
    for places, target, chosen in ((train, train_target, years <= 2017), (test, test_target, years >= 2019)):
        assert sorted(names[places]) == sorted(observed.index[chosen])
        assert (observed.loc[names[places], "target"].to_numpy() == target).all()


def test_the_strict_rule_differs_in_one_line_of_sql():
    """docs/sources/dart_korea.md and benchmarks/dart_known_at.py replace it."""
    assert (ROOT / "pipeline" / "sources" / NAME / "statements.sql").read_text(encoding="utf-8").count(DUE) == 1


@pytest.mark.slow
def test_the_strict_rule_hides_the_reports_amended_later(tmp_path):
    from benchmarks.dart_known_at import strict_definition

    with stages(NAME, tmp_path / "run", strict_definition(tmp_path)):
        ingest()
        rows = pd.read_parquet(TABLES / "statements.parquet")
    own = rows[(rows["customer_id"] == "000020") & (rows["period_end"] == "2017-12-31")]
    assert known(own.sort_values("known_at")) == ["2018-06-18"]
