"""What tore at the edges once: rows of others, rows without a date, columns that are gone, amounts that do not fit, and figures that flattered."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builders import contract, day, invoice, observation, payment, statement, transaction, write_tables

from features import compute as computing
from features.catalogue import Catalogue, build_catalogue
from features.compute import compute
from features.context import EVERYBODY, LEVELS, Context, Counterparties
from features.errors import RiskError
from features.feature import feature
from features.feeders.duck import columns_of, featurize
from features.feeders.records import from_rows, observations_of
from features.tables import TABLES
from features.terms import contracts, last, line, open_items, own, peer, window
from pipeline.spine import transactions_between
from serving.messages import format_value

CONTRACT = {name: {column.name: column.kind for column in table.columns} for name, table in TABLES.items()}
ABOUT = {"unit": "x", "factor": "background", "missing": "Never."}


def catalogue_of(**terms):
    return Catalogue("default", [feature(name, how, **ABOUT) for name, how in terms.items()])


def asked(*moments, **columns):
    return observations_of([{"as_of": day(moment), **columns} for moment in moments])


def one(tables, name, *moments, use_case="default", **more):
    catalogue = build_catalogue(use_case, CONTRACT).only([name])
    return compute(catalogue, from_rows(tables, customer_id="C1"), asked(*(moments or ("2023-06-30",))), **more)[name].tolist()


def book(folder, catalogue, chunk_customers):
    featurize(folder, folder / "observations.parquet", folder / "out.parquet", catalogue=catalogue, chunk_customers=chunk_customers)
    return pq.read_table(folder / "out.parquet").to_pydict()


@pytest.mark.parametrize("column", ["known_at", "occurred_at"])
def test_a_row_dated_with_pandas_nothing_is_left_out(column):
    assert one({"transactions": [transaction() | {column: pd.NaT}, transaction()]}, "txn_count_365d") == [1.0]


@pytest.mark.parametrize("chunk_customers", [1, 2])
def test_a_contract_that_moves_and_a_payment_on_anothers_invoice_stay_with_their_customer(tmp_path, chunk_customers):
    tables = {
        "contracts": [contract("A", contract_id="K"), contract("B", contract_id="K", known_at="2023-02-02")],
        "invoices": [invoice("A", invoice_id="I")],
        "payments": [payment("B", invoice_id="I", amount=40_000)],
        "observations": [observation("A"), observation("B")],
    }
    write_tables(tmp_path, tables)
    found = book(tmp_path, catalogue_of(due=contracts("due", days=365), left=open_items("open_amount")), chunk_customers)
    assert (found["due"], found["left"]) == ([1.0, 1.0], [100_000.0, 0.0])


def test_contracts_without_an_id_are_contracts_of_their_own():
    rows = [contract() | {"contract_id": None, "known_at": day(moment)} for moment in ("2023-01-02", "2023-02-02")]
    found = compute(catalogue_of(due=contracts("due", days=365)), from_rows({"contracts": rows}, customer_id="C1"), asked("2023-06-30"))
    assert found["due"].tolist() == [2.0]


@pytest.mark.parametrize("moments", [("2023-03-01",), ("2023-03-01", "2023-07-01")])
def test_an_invoice_told_twice_keeps_its_payments_where_they_were(moments):
    tables = {"invoices": [invoice(invoice_id="I"), invoice(invoice_id="I", known_at="2023-06-01")], "payments": [payment(invoice_id="I")]}
    assert one(tables, "inv_open_amount", *moments)[0] == 0.0


def test_more_customers_than_the_packed_keys_hold_are_refused(monkeypatch):
    monkeypatch.setattr(computing, "MOST_CUSTOMERS", 0)
    with pytest.raises(RiskError, match="1 customers at once are more than the 0 that the packed keys hold; take fewer a chunk, or more buckets"):
        one({}, "txn_count_365d")


def test_no_observation_has_empty_columns():
    catalogue = build_catalogue("default", CONTRACT)
    found = compute(catalogue, from_rows({"transactions": [transaction()]}, customer_id="C1"), observations_of([]))
    assert tuple(found) == catalogue.names
    assert {len(column) for column in found.values()} == {0}


def test_an_optional_column_that_is_gone_is_missing_throughout(tmp_path):
    rows = [{name: value for name, value in transaction().items() if name not in ("kind", "counterparty_id")}]
    write_tables(tmp_path, {"transactions": [transaction()], "observations": [observation()]})
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "transactions.parquet")
    share = window("transactions", "largest_share", "amount", days=365, by="counterparty_id")
    terms = {"fees": window("transactions", "count", days=365, where=()), "names": window("transactions", "distinct", "counterparty_id", days=365)}
    found = book(tmp_path, catalogue_of(**terms, share=share), 10)
    assert (found["fees"], found["names"], np.isnan(found["share"][0])) == ([1.0], [0.0], True)


def test_groups_are_told_apart_within_the_key_that_is_asked():
    rows = [transaction(counterparty_id=who, kind=kind) for who, kind in (("B1", "x"), ("B2", "x"), ("B2", "y"))]
    about = {"days": 365, "by": "kind", "key": "counterparty_id", "value": 300.0}
    terms = {measure: window("transactions", measure, "amount", **about) for measure in ("concentration", "newcomers")}
    observations = observations_of([{"as_of": day("2023-06-30"), "counterparty_id": "B2"}], use_case="fraud")
    found = compute(catalogue_of(**terms), from_rows({"transactions": rows}, customer_id="C1"), observations)
    assert (found["concentration"].tolist(), found["newcomers"].tolist()) == ([0.5], [2.0])


def test_amounts_of_nothing_have_no_shares():
    term = window("transactions", "concentration", "amount", days=365, by="counterparty_id")
    found = compute(catalogue_of(share=term), from_rows({"transactions": [transaction(amount=0)]}, customer_id="C1"), asked("2023-06-30"))
    assert np.isnan(found["share"][0])


def test_peers_of_two_kinds_of_group_are_each_compared_with_their_own():
    dates, knots = np.array([0]), np.linspace(0, 1, len(LEVELS))
    context = Context({("x", EVERYBODY): (dates, knots[None]), ("x", "north"): (dates, knots[None] * 10), ("x", "steel"): (dates, knots[None] / 10)})
    value = own("x")
    catalogue = catalogue_of(one=peer("x", value, last("customers", "industry")), two=peer("x", value, last("customers", "region")))
    rows = {"customers": [{"known_at": day("2020-01-01"), "industry": "steel", "region": "north"}]}
    found = compute(catalogue, from_rows(rows, customer_id="C1"), asked("2023-06-30", x=0.5), context=context)
    assert (found["one"][0], found["two"][0] < 0.5) == (1.0, True)


@pytest.mark.parametrize(
    ("tables", "term"),
    [
        ({"invoices": [invoice(amount=2**55, issued_at="2020-01-01")]}, open_items("overdue_amount_days")),
        ({"contracts": [contract(amount=2**62), contract(amount=2**62)]}, contracts("due_amount", days=365)),
    ],
)
def test_amounts_that_do_not_fit_are_refused_and_never_wrapped(tables, term):
    with pytest.raises(RiskError, match="may leave 64 bits; state the amounts in a larger unit"):
        compute(catalogue_of(x=term), from_rows(tables, customer_id="C1"), asked("2023-06-30"))


def test_a_statement_of_another_century_is_read_as_the_edge_of_ours():
    rows = [statement(equity=1.0), statement(period_end="2202-12-31", known_at="2023-04-01", equity=2.0)]
    found = compute(catalogue_of(x=line("equity")), from_rows({"statements": rows}, customer_id="C1"), asked("2023-06-30"))
    assert found["x"].tolist() == [2.0]


# figures that flattered


def year(number, **lines):
    return statement(period_end=f"{number}-12-31", **lines)


@pytest.mark.parametrize(("fixed", "expected"), [(60.0, 1.0), (50.0, 0.5), (None, np.nan)])
def test_the_asset_quality_index_is_neutral_where_all_assets_are_current_or_fixed(fixed, expected):
    rows = [
        year(2021, current_assets=40.0, fixed_assets=60.0 if fixed == 60.0 else 40.0, total_assets=100.0),
        year(2022, current_assets=40.0, fixed_assets=fixed, total_assets=100.0),
    ]
    assert one({"statements": rows}, "stmt_beneish_aqi") == pytest.approx([expected], nan_ok=True)


def test_more_frauds_than_transactions_of_a_week_are_a_share_of_one():
    midnight = np.array([day("2023-06-29").timestamp()]).astype(np.int64)
    past = Context(counterparties=Counterparties(("B2",), np.zeros(1, dtype=np.int64), midnight, np.array([1]), np.array([4])))
    catalogue = build_catalogue("fraud", CONTRACT).only(["cpty_fraud_rate_7d", "cpty_fraud_count_7d"])
    own_columns = {"occurred_at": day("2023-06-30"), "amount": 1, "currency": None, "kind": None, "channel": None, "counterparty_id": "B2"}
    question = observations_of([{"as_of": day("2023-06-30"), **own_columns}], use_case="fraud")
    found = compute(catalogue, from_rows({}, customer_id="C1"), question, context=past)
    assert {name: values.tolist() for name, values in found.items()} == {"cpty_fraud_rate_7d": [1.0], "cpty_fraud_count_7d": [4.0]}


def test_the_days_to_filing_are_the_first_versions():
    rows = [statement(known_at="2023-03-01"), statement(known_at="2023-06-20", net_income=1.0)]
    assert one({"statements": rows}, "stmt_filing_days") == [60.0]


def test_a_payment_of_no_kind_is_a_payment():
    tables = {"invoices": [invoice(invoice_id="I")], "payments": [payment(invoice_id="I", occurred_at="2023-02-10") | {"kind": None}]}
    assert one(tables, "inv_days_late_mean_180d") == [10.0]


def test_what_a_statement_says_in_words_and_by_yes_or_no_is_read(tmp_path):
    rows = [year(2021, opinion="clean", doubt=False), year(2022, opinion="qualified", doubt=True)]
    write_tables(tmp_path, {"statements": rows, "observations": [observation()]})
    catalogue = build_catalogue("default", columns_of(tmp_path)).only(["stmt_opinion", "stmt_doubt"])
    found = book(tmp_path, catalogue, 10)
    assert (found["stmt_opinion"], found["stmt_doubt"]) == (["qualified"], [1.0])


@pytest.mark.parametrize(("value", "words"), [(0.0148, "0.015"), (-0.004, "-0.004"), (0.5, "0.50"), (0.0, "0"), (1e-9, "0")])
def test_a_small_figure_keeps_two_digits(value, words):
    assert format_value(value, "ratio", language="en") == words


def test_a_judged_transaction_carries_the_sources_own_columns(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_tables("data/tables", {"transactions": [transaction(device="phone", device_id="D7")]})
    spine = transactions_between("2023-01-01", "2023-12-31")
    assert spine["device"].tolist() == ["phone"]
    assert "device_id" not in spine
