"""What the reports read from the tables, against customers computed by hand."""

import pytest
from builders import customer, day, invoice, payment, statement, transaction, write_tables

from pipeline.reports import records

AS_OF = day("2024-06-30")
PAID = ("on_time", "late", "very_late", "open")


@pytest.fixture(autouse=True)
def workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def known(given, *, as_of=AS_OF, customers=("C1",)):
    """A connection that holds what was known of the customers."""
    connection = records.open_tables(write_tables("data/tables", given), as_of=as_of, threads=1)
    records.take(connection, [(name, as_of, None) for name in customers])
    return connection


@pytest.mark.parametrize(("issued", "paid", "expected"), [
    ("2024-05-01", [("2024-05-20", 100_000)], {"on_time": 100_000, "days_late": 0}),
    ("2024-05-01", [("2024-06-05", 100_000)], {"late": 100_000, "days_late": 5}),
    ("2024-03-02", [("2024-04-10", 40_000), ("2024-05-15", 60_000)], {"very_late": 100_000, "days_late": 44}),
    ("2024-05-01", [("2024-06-05", 99_999)], {"open": 100_000, "days_late": 30}),
    ("2024-05-01", [], {"open": 100_000, "days_late": 30}),
])
def test_an_invoice_is_paid_when_its_payments_cover_it(issued, paid, expected):
    # Due 30 days after it was issued: on 2024-05-31, or on 2024-04-01.
    payments = [payment(invoice_id="I1", occurred_at=at, amount=amount) for at, amount in paid]
    row, = records.payments_by_month(known({"invoices": [invoice(invoice_id="I1", issued_at=issued)], "payments": payments}))["C1"]
    assert {name: row[name] for name in (*PAID, "days_late")} == dict.fromkeys(PAID, 0) | expected


def test_a_write_off_is_no_payment():
    given = {"invoices": [invoice(invoice_id="I1", issued_at="2024-05-01")], "payments": [payment(invoice_id="I1", occurred_at="2024-06-10", kind="write_off")]}
    assert records.overdue(known(given))["C1"] == {"customer_id": "C1", "amount": 100_000, "invoices": 1, "oldest_days": 30, "currency": "EUR"}


def test_money_in_and_out_is_summed_by_month_with_the_last_balance():
    given = {"transactions": [transaction(occurred_at="2024-06-03", amount=700, balance=5), transaction(occurred_at="2024-06-09", amount=-200, balance=9),
                              transaction(occurred_at="2022-06-30", amount=1)]}
    row, = records.cash_by_month(known(given))["C1"]
    assert (row["inflow"], row["outflow"], row["balance"]) == (700, 200, 9)


def test_statements_take_the_latest_version_of_the_consolidated_four_years():
    lines = {"basis": "consolidated", "total_assets": 100.0}
    years = [statement(period_end=f"{year}-12-31", known_at=f"{year + 1}-04-01", equity=10.0, **lines) for year in range(2018, 2024)]
    restated = statement(period_end="2023-12-31", known_at="2024-05-01", equity=30.0, **lines)
    separate = statement(period_end="2023-12-31", known_at="2024-05-02", equity=99.0, total_assets=100.0)
    given = [*years, restated, separate, statement(period_end="2024-03-31", period_months=3)]
    found = records.statements(known({"statements": given}))["C1"]
    assert [row["period_end"].year for row in found] == [2020, 2021, 2022, 2023]
    assert [row["equity_ratio"] for row in found] == [0.1, 0.1, 0.1, 0.3]


@pytest.mark.parametrize(("lines", "name", "value"), [
    ({"equity": 40.0, "total_assets": 100.0}, "equity_ratio", 0.4),
    ({"total_liabilities": 70.0, "total_assets": 100.0}, "equity_ratio", 0.3),
    ({"ebit": 5.0, "interest_expense": 0.0}, "interest_cover", None),
    ({"ebit": 5.0, "interest_expense": -1.0}, "interest_cover", None),
    ({"receivables": 10.0, "revenue": 100.0}, "receivable_days", 36.5),
    ({"current_assets": 3.0}, "current_ratio", None),
])
def test_ratios(lines, name, value):
    row, = records.statements(known({"statements": [statement(**lines)]}))["C1"]
    assert row[name] == (None if value is None else pytest.approx(value))


def test_quantiles_are_of_an_industry_with_at_least_five_statements():
    firms = [(f"C{place}", "retail" if place < 5 else "energy") for place in range(9)]
    lines = {"period_end": "2023-12-31", "known_at": "2024-03-01", "total_assets": 10.0}
    given = {"customers": [customer(name, industry=industry) for name, industry in firms],
             "statements": [statement(f"C{place}", equity=float(place), **lines) for place in range(9)]}
    found = records.industry_quantiles(known(given), as_of=AS_OF)
    assert set(found) == {"retail", None}
    # 0, 0.1, 0.2, 0.3 and 0.4 at 10, 25, 50, 75 and 90 %.
    assert found["retail"]["equity_ratio"] == pytest.approx([0.04, 0.1, 0.2, 0.3, 0.36])
    assert found["retail"]["current_ratio"] is None
    assert found[None]["customers"] == 9
