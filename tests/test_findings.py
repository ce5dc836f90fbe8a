"""What is odd across kept rows: ids that match nothing, dates that cannot be, amounts in another unit; and nothing where all is well."""

import pandas as pd
import pytest

from features.tables import TABLES
from pipeline.findings import number_ids, table_findings
from pipeline.params import IngestParams
from pipeline.staging import connect

LIMITS = IngestParams(max_reject_share=0, probe_rows=100, max_probe_share=0.5, rejects_per_rule=10, memory_limit="1GB", threads=1)
DAY = pd.Timestamp("2024-01-05")


def customer(customer_id="C01", **change):
    return {"customer_id": customer_id, "known_at": DAY, **change}


def invoice(invoice_id="I1", amount=100, customer_id="C01", issued_at=DAY):
    return {"invoice_id": invoice_id, "customer_id": customer_id, "issued_at": issued_at, "known_at": issued_at, "due_at": issued_at, "amount": amount}


def payment(amount=100, invoice_id="I1", customer_id="C01", payment_id="P1"):
    return {"payment_id": payment_id, "invoice_id": invoice_id, "customer_id": customer_id, "occurred_at": DAY, "known_at": DAY, "amount": amount}


def contract(**change):
    return {"contract_id": "K1", "customer_id": "C01", "signed_on": DAY, "known_at": DAY, "status": "signed", **change}


def told(folder, *, latest="2024-06-30", **tables):
    """Findings over tables of rows, as (table, rule, rows, example)."""
    for table, rows in tables.items():
        pd.DataFrame(rows).to_parquet(folder / f"{table}.parquet")
    with connect(LIMITS) as connection:
        return [(each["table"], each["rule"], each["rows"], each["example"]) for each in table_findings(connection, folder, latest=latest)]


def test_tables_that_belong_together_tell_nothing(tmp_path):
    assert told(tmp_path, customers=[customer()], invoices=[invoice()], payments=[payment()], contracts=[contract()]) == []


@pytest.mark.parametrize(("given", "rule", "example"), [
    ("1", "customer_id is in customers only with other leading zeros", "1 for 01"),
    ("0001", "customer_id is in customers only with other leading zeros", "0001 for 01"),
    (" 01", "customer_id is in customers only with other blanks or capitals", " 01 for 01"),
    ("07", "customer_id is not in customers", "07"),
])
def test_ids_that_do_not_match_are_counted_and_said_why(tmp_path, given, rule, example):
    payments = [payment(customer_id="01"), payment(customer_id=given), payment(customer_id=given)]
    assert told(tmp_path, customers=[customer("01")], payments=payments) == [("payments", rule, 2, example)]


def test_the_padding_is_as_wide_as_the_ids(tmp_path):
    for table, rows in {"customers": [customer("00001")], "payments": [payment(customer_id="1")]}.items():
        pd.DataFrame(rows).to_parquet(tmp_path / f"{table}.parquet")
    with connect(LIMITS) as connection:
        found = table_findings(connection, tmp_path)
    assert "lpad(customer_id, 5, '0')" in found[0]["remedy"]


def test_payments_of_unknown_invoices_are_counted(tmp_path):
    payments = [payment(), payment(invoice_id="I9"), payment(invoice_id=None)]
    assert told(tmp_path, customers=[customer()], invoices=[invoice()], payments=payments) == [("payments", "invoice_id is not in invoices", 1, "I9")]


@pytest.mark.parametrize(("change", "told_of"), [
    ({"fulfilled_on": pd.Timestamp("2024-07-01")}, [("contracts", "fulfilled_on in the future", 1, "K2: 2024-07-01")]),
    ({"fulfilled_on": pd.Timestamp("2024-03-01")}, [("contracts", "fulfilled_on after known_at", 1, "K2: 2024-03-01")]),
    ({"due_on": pd.Timestamp("2025-01-01")}, []),
])
def test_dates_of_what_happened_lie_before_they_were_known(tmp_path, change, told_of):
    assert told(tmp_path, contracts=[contract(), contract(contract_id="K2", known_at=pd.Timestamp("2024-02-01"), **change)]) == told_of


def test_a_cure_known_later_is_in_the_nature_of_an_outcome(tmp_path):
    outcome = {"customer_id": "C01", "kind": "default", "occurred_at": DAY, "known_at": DAY, "cured_at": pd.Timestamp("2024-05-05")}
    assert told(tmp_path, customers=[customer()], outcomes=[outcome]) == []


def test_a_payment_a_hundred_times_its_invoice_is_named(tmp_path):
    payments = [payment(), payment(payment_id="P2"), payment(amount=10_000, payment_id="P3")]
    assert told(tmp_path, customers=[customer()], invoices=[invoice()], payments=payments) == [
        ("payments", "a payment of 100 times its invoice or more", 1, "P3: 10000 paid on 100")]


def test_payments_and_invoices_in_different_units_are_named_once(tmp_path):
    payments = [payment(amount=100_000), payment(amount=90_000, payment_id="P2")]
    assert told(tmp_path, customers=[customer()], invoices=[invoice()], payments=payments) == [
        ("payments", "payments and invoices in different units", 2, "half of the payments are at most 950 times their invoice")]


def months(factor, *, spread=1.1, at=8):
    """Four invoices a month over ten months, varying by `spread`, with the month `at` multiplied by `factor`."""
    days = pd.date_range("2023-01-31", periods=10, freq="ME")
    return [invoice(f"I{month}-{number}", int(1000 * spread ** number * (factor if month == at else 1)), issued_at=day)
            for month, day in enumerate(days) for number in range(4)]


@pytest.mark.parametrize(("factor", "times"), [(1000, "1000"), (0.001, "0.0008668")])
def test_a_month_in_another_unit_is_named(tmp_path, factor, times):
    rule = "amounts of a month about 1,000 times, or a thousandth of, the months before"
    assert told(tmp_path, customers=[customer()], invoices=months(factor)) == [("invoices", rule, 4, f"C01 in 2023-09: {times} times the amounts before")]


@pytest.mark.parametrize(("factor", "spread"), [(1, 1.1), (20, 1.1), (1000, 30)])
def test_a_busy_month_is_no_slip(tmp_path, factor, spread):
    assert told(tmp_path, customers=[customer()], invoices=months(factor, spread=spread)) == []


@pytest.mark.parametrize(("ids", "rows"), [
    ([5930, 660, 100090, 20, 270], 4),
    (list(range(1, 300)), 0),
    ([100090, 205930, 300660], 0),
    (["005930", "000660", "100090"], 0),
])
def test_ids_that_came_as_numbers_of_different_lengths_are_named(ids, rows):
    with connect(LIMITS) as connection:
        connection.register("rows", pd.DataFrame({"customer_id": ids}))
        connection.execute("CREATE TEMP TABLE staged AS FROM rows")
        found = number_ids(connection, TABLES["customers"])
    assert [(each["rule"], each["rows"]) for each in found] == ([("customer_id came as a number", rows)] if rows else [])
