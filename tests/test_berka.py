"""The shipped Czech loans, read in place: two languages in one table, what was known at the application, and the published folds."""


import numpy as np
import pandas as pd
import pytest
from real_sets import SHARED, needs, reference_script, stages, up_to_features

from models.lightgbm_core import lgb
from pipeline.datasets import TABLES, case_path
from pipeline.featurize import featurize
from pipeline.ingest import ingest
from pipeline.observe import observe

NAME = "berka"
DATA = SHARED / NAME
pytestmark = needs(NAME)

# ../shared/tools/reference_scores.py: mean of 20 folds
REFERENCE_AUC = 0.875
# the settings of its learner
THEIRS = {"objective": "binary", "learning_rate": 0.05, "num_leaves": 7, "min_data_in_leaf": 10, "num_threads": 1, "verbosity": -1, "seed": 0}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return up_to_features(NAME, tmp_path_factory.mktemp("berka"))


def file(name, sep=";"):
    return pd.read_csv(DATA / name, sep=sep, low_memory=False)


def moves():
    """Both files of transactions, days as dates, amounts signed by the type."""
    both = pd.concat([file("trans_preloan_1997_1998_FEUP_competition.csv"), file("trans_19930101_19940331_partial.asc")])
    return both.assign(day=pd.to_datetime(both["date"], format="%y%m%d"), signed=both["amount"].where(both["type"].isin(["credit", "PRIJEM"]), -both["amount"]))


def loan(run, number):
    """The observation of a loan with its features."""
    return run["observed"].set_index(run["observed"]["observation_id"].str[5:]).loc[str(number)]


def states(run, account):
    return run["tables"]["customers"].query("customer_id == @account").sort_values("known_at")


def test_every_row_is_kept(run):
    assert {name: (table["kept"], sum(table["rejected"].values())) for name, table in run["ingest"]["tables"].items()} == {
        "customers": (13_280, 0), "events": (107, 0), "observations": (354, 0), "transactions": (79_302, 0)}
    assert run["tables"]["customers"]["customer_id"].nunique() == 4_500


def test_amounts_are_signed_minor_units_in_both_languages(run):
    table = run["tables"]["transactions"].astype({"transaction_id": "int64"}).set_index("transaction_id")
    file_rows = moves().set_index("trans_id").loc[table.index]
    assert (table["amount"] == (file_rows["signed"] * 100).round().astype("int64")).all()
    assert (table["balance"] == (file_rows["balance"] * 100).round().astype("int64")).all()
    withdrawn = file_rows["type"].isin(["withdrawal in cash", "VYBER"])
    assert (withdrawn.sum(), table.loc[withdrawn.to_numpy(), "amount"].max() < 0) == (1_507, True)


@pytest.mark.parametrize(("kind", "rows"), [("interest", 14_593), ("statement_fee", 8_631), ("household", 5_911), ("pension", 1_770), ("insurance", 1_325),
                                            ("loan_payment", 123), ("sanction_interest", 107)])
def test_one_word_for_a_kind_in_either_language(run, kind, rows):
    assert run["tables"]["transactions"]["kind"].eq(kind).sum() == rows


def test_channels_are_those_of_both_files(run):
    assert run["tables"]["transactions"]["channel"].value_counts(dropna=False).to_dict() == {
        "cash_withdrawal": 33_642, "cash_deposit": 15_063, np.nan: 14_593, "transfer_out": 10_718, "transfer_in": 5_220, "card_withdrawal": 66}


def test_the_last_row_of_a_day_holds_the_balance_that_the_next_day_starts_from(run):
    rows = run["tables"]["transactions"].sort_values(["customer_id", "occurred_at"])
    before_the_loan = rows[rows["customer_id"].isin(run["observed"]["customer_id"])]
    days = before_the_loan.groupby(["customer_id", before_the_loan["occurred_at"].dt.normalize()]).agg(moved=("amount", "sum"), closed=("balance", "last"))
    opened = days["closed"].groupby(level=0).shift()
    # Balances are rounded to 10 haléře, row by row.
    assert ((days["closed"] - opened - days["moved"]).dropna().abs() <= 200).all()


def test_a_day_that_the_file_gives_backwards_is_put_right(run):
    day = run["tables"]["transactions"].query("customer_id == '25' and '1996-09-06' <= occurred_at < '1996-09-07'").sort_values("occurred_at")
    assert list(zip(day["amount"], day["balance"], strict=True)) == [(4_175_900, 11_358_000), (-3_600_000, 7_758_000)]


def test_an_order_is_known_from_its_first_execution_and_the_loans_own_never(run):
    """Account 4473: 3,525 on 11 March 1996, with 5,528 from 5 April; its third order, 1,566, pays the loan back and shows in no transaction before it."""
    rows = states(run, "4473")
    orders = rows.drop_duplicates("standing_orders").set_index("standing_orders")
    assert orders["known_at"].dt.strftime("%Y-%m-%d").to_dict() == {0: "1995-10-09", 1: "1996-03-11", 2: "1996-04-05"}
    assert orders["standing_orders_amount"].tolist() == [0.0, 3_525.0, 9_053.0]
    assert (loan(run, 5895)["bg_standing_orders"], loan(run, 5895)["bg_standing_orders_amount"]) == (2, 9_053)


def test_only_cards_issued_before_the_loan_are_known(run):
    cards = file("card.asc").merge(file("disp.asc"), on="disp_id").merge(file("loan.asc"), on="account_id")
    cards = cards[cards["account_id"].isin(run["observed"]["customer_id"].astype(int))]
    before = cards[pd.to_datetime(cards["issued"].str[:6], format="%y%m%d") < pd.to_datetime(cards["date"], format="%y%m%d")]
    seen = run["observed"].loc[run["observed"]["bg_card"].notna(), "customer_id"].astype(int)
    assert (len(cards), len(before)) == (91, 25)
    assert sorted(seen) == sorted(before["account_id"])


@pytest.mark.parametrize(("number", "unemployment"), [(5895, "A12"), (6607, "A13")])
def test_a_districts_figures_are_those_of_the_last_year_published(run, number, unemployment):
    """The loan of January 1997 knows 1995's, that of October 1996's: a year's are known on 31 March after it."""
    owner = file("disp.asc").query("type == 'OWNER'").merge(file("client.asc"), on="client_id").set_index("account_id")
    given = loan(run, number)
    district = file("district.asc").set_index("A1").loc[owner.loc[int(given["customer_id"]), "district_id"]]
    assert given["bg_district_unemployment"] == float(district[unemployment])
    assert pd.isna(given["bg_district_salary"]) == (unemployment == "A12")


def test_neither_sex_nor_age_is_read_from_the_birth_number(run):
    assert not {"founded_on", "birth_number", "sex"} & set(run["tables"]["customers"])
    assert "bg_age_months" not in run["observed"]


def test_nothing_of_the_loans_day_or_later_is_known(run, tmp_path):
    """Features come out the same, to the bit, from tables that hold nothing known on the day of the customer's loan or after it."""
    day = run["observed"].set_index("customer_id")["as_of"]
    with stages(NAME, tmp_path):
        ingest()
        for name in ("customers", "transactions", "events"):
            rows = pd.read_parquet(TABLES / f"{name}.parquet")
            until = rows["customer_id"].map(day)
            rows[until.isna() | (rows["known_at"] < until)].to_parquet(TABLES / f"{name}.parquet", index=False)
        observe("default")
        featurize("default")
        again = pd.read_parquet(case_path("default", "development", "features.parquet"))
    pd.testing.assert_frame_equal(run["observed"][list(again)], again, check_exact=True)


def test_amount_length_and_payment_of_the_application_are_features(run):
    given = loan(run, 5895)
    assert (given["obs_loan_amount"], given["obs_loan_months"], given["obs_loan_payment"]) == (93_960, 60, 1_566)


def test_the_flows_of_a_loan_worked_out_from_the_file(run):
    given = loan(run, 5895)
    rows = moves().query("account_id == 4473")
    year = rows[rows["day"] > given["as_of"] - pd.Timedelta(days=365)]
    assert given["txn_inflow_365d"] == round(year.loc[year["signed"] > 0, "amount"].sum() * 100)
    assert given["txn_balance_last_365d"] == 4_954_850
    assert given["txn_balance_min_90d"] == round(rows.loc[rows["day"] > given["as_of"] - pd.Timedelta(days=90), "balance"].min() * 100)


def test_loans_are_good_or_bad_by_the_status_at_the_end_of_1998(run):
    status = file("loan.asc").set_index("loan_id")["status"]
    rows = run["observed"]
    own = rows["observation_id"].str[5:].astype(int).map(status)
    assert pd.crosstab(own, rows["target"]).to_dict() == {0.0: {"A": 40, "B": 0, "C": 284, "D": 0}, 1.0: {"A": 0, "B": 3, "C": 0, "D": 27}}
    assert set(rows["status"]) == {"matured"}


@pytest.mark.parametrize(("year", "rows", "bad"), [(1997, 196, 26), (1998, 158, 4)])
def test_the_immature_year_is_there_and_can_be_left_out(run, year, rows, bad):
    chosen = run["observed"][run["observed"]["as_of"].dt.year == year]
    assert (len(chosen), int(chosen["target"].sum())) == (rows, bad)


def test_a_finished_loans_target_is_known_at_its_end_a_running_ones_on_the_files_last_day(run):
    rows = run["observed"].set_index("observation_id")
    months = rows["obs_loan_months"]
    finished = rows["target_known_at"] < "1998-12-31"
    assert int(finished.sum()) == 43
    assert all(rows.loc[name, "as_of"] + pd.DateOffset(months=int(months[name])) == rows.loc[name, "target_known_at"] for name in rows.index[finished])


def test_folds_in_the_order_of_the_ids_are_the_references(run, monkeypatch):
    script = reference_script()
    judged = []

    def noted(train_x, train_y, test_x, test_y, seed, **_):
        judged.append((np.asarray(test_x.index), np.asarray(test_y)))
        return 0.5, 0.5

    monkeypatch.setattr(script, "score", noted)
    script.berka()
    rows = run["observed"].sort_values("observation_id", kind="stable").reset_index(drop=True)
    folds = script.RepeatedStratifiedKFold(n_splits=5, n_repeats=4, random_state=0).split(rows, rows["target"].astype(int))
    ours = [(rows["customer_id"].astype(int).to_numpy()[test], rows["target"].astype(int).to_numpy()[test]) for _, test in folds]
    assert len(ours) == len(judged) == 20
    for (own, own_target), (accounts, target) in zip(ours, judged, strict=True):
        assert (own == accounts).all()
        assert (own_target == target).all()


@pytest.mark.slow
def test_the_columns_rank_better_than_the_references_under_its_own_learner(run):
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import RepeatedStratifiedKFold

    rows = run["observed"].sort_values("observation_id", kind="stable").reset_index(drop=True)
    matrix = rows.filter(regex="^(txn|obs|evt|bg)_").select_dtypes("number").to_numpy(dtype=float)
    target, found = rows["target"].to_numpy(dtype=int), []
    for train, test in RepeatedStratifiedKFold(n_splits=5, n_repeats=4, random_state=0).split(matrix, target):
        model = lgb.train(THEIRS, lgb.Dataset(matrix[train], target[train]), num_boost_round=150)
        found.append(roc_auc_score(target[test], model.predict(matrix[test])))
    assert np.mean(found) > REFERENCE_AUC
