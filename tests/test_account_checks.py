"""Statements checked as accounts: sound accounts are left alone, and each planted slip is found by its own rule and by nothing else."""

from datetime import datetime

import duckdb
import pandas as pd
import pytest
from builders import day, statement, write_table

from pipeline.account_checks import account_findings

YEARS = range(2018, 2023)


def accounts(customer_id="C1", *, years=YEARS, size=1_000_000.0, **changes):
    """Five annual statements of a customer growing by 8 % a year, in which every line ties; changes apply to all of them."""
    rows, cash, retained = [], 100_000.0, 200_000.0
    for number, year in enumerate(years):
        total = size * 1.0812345**number
        net_income, dividends = round(0.05 * total, 2), round(0.02 * total, 2)
        flows = {"operating_cash_flow": round(0.09 * total, 2), "investing_cash_flow": round(-0.05 * total, 2), "financing_cash_flow": -round(0.03 * total, 2)}
        cash, retained = cash + sum(flows.values()), retained + net_income - dividends
        lines = {
            "cash": cash, "receivables": 0.1 * total, "inventory": 0.1 * total, "current_assets": 0.6 * total, "fixed_assets": 0.4 * total,
            "total_assets": total, "payables": 0.1 * total, "current_liabilities": 0.3 * total, "long_term_debt": 0.2 * total,
            "total_liabilities": 0.6 * total, "equity": 0.4 * total, "retained_earnings": retained, "revenue": 1.5 * total,
            "cost_of_sales": 0.9 * total, "gross_profit": 0.6 * total, "depreciation": 0.04 * total, "net_income": net_income, "dividends": dividends,
        }
        rows.append(statement(customer_id, period_end=f"{year}-12-31", **(lines | flows | changes)))
    return rows


def scaled(row, factor):
    return row | {name: value * factor for name, value in row.items() if isinstance(value, float) and name != "confidence"}


def check(tmp_path, rows, **more):
    for name, table in {"statements": rows, **more}.items():
        write_table(tmp_path / "tables", name, table)
    findings = account_findings(duckdb.connect(), tmp_path / "tables", tmp_path / "findings")
    return findings, pd.read_parquet(tmp_path / "findings" / "statements.parquet")


def change(place, **lines):
    def planted(rows):
        rows[place] |= lines
    return planted


def replace(place, build):
    def planted(rows):
        rows[place] = build(rows[place])
    return planted


def flip_expenses(rows):
    rows[2]["cost_of_sales"] *= -1


def end_a_day_early(rows):
    rows.append(rows[2] | {"period_end": day("2020-12-30"), "known_at": day("2021-06-01")})


def copy_last_year(rows):
    rows[3]["net_income"] = rows[2]["net_income"]
    # the copied line is the slip: what depends on it is left as if it had been right
    rows[3]["dividends"] = None


SLIPS = {
    "balance identity": (change(2, total_liabilities=1_000_000.0), [("2020-12-31", "total_assets")]),
    "part exceeds total": (change(2, inventory=900_000.0), [("2020-12-31", "inventory")]),
    "gross profit": (change(2, gross_profit=900_000.0), [("2020-12-31", "gross_profit")]),
    "unit slip": (replace(2, lambda row: scaled(row, 1000.0)), [("2020-12-31", "total_assets")]),
    "sign slip": (flip_expenses, [("2020-12-31", "cost_of_sales")]),
    "cash tie-out": (change(4, operating_cash_flow=-200_000.0), [("2022-12-31", "cash")]),
    "retained earnings": (change(4, retained_earnings=900_000.0), [("2022-12-31", "retained_earnings")]),
    "currency change": (change(4, currency="USD"), [("2022-12-31", "currency")]),
    "repeated amount": (copy_last_year, [("2021-12-31", "net_income")]),
    "period gap": (lambda rows: rows.pop(2), [("2021-12-31", "period_end")]),
    "period twice": (end_a_day_early, [("2020-12-31", "period_end")]),
    "period overlap": (change(4, period_end=day("2022-06-30"), cash=None, retained_earnings=None), [("2022-06-30", "period_end")]),
}


@pytest.mark.parametrize("rule", SLIPS)
def test_a_planted_slip_is_found_by_its_rule_and_by_nothing_else(tmp_path, rule):
    planted, expected = SLIPS[rule]
    rows = accounts()
    planted(rows)
    findings, written = check(tmp_path, [*rows, *accounts("C2")])
    assert [each["rule"] for each in findings] == [rule]
    assert sorted({(str(row.period_end.date()), row.line) for row in written.itertuples()}) == expected
    assert set(written["customer_id"]) == {"C1"}


def test_sound_accounts_have_no_findings(tmp_path):
    quarters = [row | {"period_months": 3, "period_end": datetime(2022, month, 28), "cash": None, "retained_earnings": None}
                for row, month in zip(accounts("C3"), (3, 6, 9), strict=False)]
    findings, written = check(tmp_path, [*accounts(), *accounts("C2", size=3e9), *quarters])
    assert (findings, len(written)) == ([], 0)


def test_a_finding_says_what_was_expected_and_when_it_could_be_seen(tmp_path):
    rows = accounts()
    rows[2]["known_at"] = day("2024-01-01")
    rows[3]["operating_cash_flow"] = 0.0
    findings, written = check(tmp_path, rows)
    found = written.iloc[0]
    assert (found["rule"], found["basis"], found["source"], found["severity"]) == ("cash tie-out", "separate", "filing", 3)
    assert found["known_at"] == day("2024-01-01")
    assert found["found"] - found["expected"] == pytest.approx(found["difference"])
    assert findings[0]["table"] == "statements"
    assert findings[0]["rows"] == 1
    assert "C1, 2021-12-31, cash" in findings[0]["example"]
    assert findings[0]["meaning"]
    assert findings[0]["remedy"]


@pytest.mark.parametrize(("factor", "found"), [(100.0, True), (1000.0, True), (0.001, True), (1e6, True), (3.0, False), (30.0, False)])
def test_units_slip_by_powers_of_ten_only(tmp_path, factor, found):
    rows = accounts()
    rows[1] = scaled(rows[1], factor)
    rules = {each["rule"] for each in check(tmp_path, rows)[0]}
    assert ("unit slip" in rules) == found
    if found:
        assert rules == {"unit slip"}


def test_a_version_in_another_unit_than_its_restatement_is_named(tmp_path):
    rows = accounts(years=(2022,))
    rows.append(scaled(rows[0], 1e-6) | {"known_at": day("2024-03-31")})
    findings, written = check(tmp_path, rows)
    assert [(each["rule"], each["rows"]) for each in findings] == [("unit slip", 1)]
    assert written.iloc[0][["found", "expected"]].tolist() == [1_000_000.0, 1.0]


def test_one_line_that_jumps_is_no_unit_slip(tmp_path):
    rows = accounts()
    rows[2] |= {"receivables": rows[2]["receivables"] / 1000}
    assert check(tmp_path, rows)[0] == []


def test_a_restated_year_before_does_not_break_the_roll_forward(tmp_path):
    rows = accounts()
    lower = {name: rows[2][name] - 50_000.0 for name in ("retained_earnings", "net_income")}
    rows.append(rows[2] | lower | {"known_at": day("2021-12-01")})
    assert check(tmp_path, rows)[0] == []


def test_a_file_that_writes_expenses_below_zero_is_told_once(tmp_path):
    rows = [row | {"cost_of_sales": -row["cost_of_sales"]} for customer in range(3) for row in accounts(f"C{customer}")]
    rows[0]["cost_of_sales"] *= -1
    findings, written = check(tmp_path, rows)
    assert [(each["rule"], each["rows"]) for each in findings] == [("sign slip", 1), ("negative expenses", 14)]
    assert len(written) == 1


def test_a_small_release_of_provisions_is_no_sign_slip(tmp_path):
    rows = accounts()
    rows[2]["depreciation"] = -0.01 * rows[2]["revenue"]
    assert check(tmp_path, rows)[0] == []


def test_statements_of_few_columns_are_checked_by_what_they_have(tmp_path):
    table = pd.DataFrame([{"customer_id": "C1", "period_end": day("2022-12-31"), "period_months": 12, "known_at": day("2023-03-31"), "revenue": -5.0}])
    (tmp_path / "tables").mkdir()
    table.to_parquet(tmp_path / "tables" / "statements.parquet")
    findings = account_findings(duckdb.connect(), tmp_path / "tables", tmp_path / "findings")
    assert [(each["rule"], each["rows"]) for each in findings] == [("sign slip", 1)]


def test_without_statements_there_is_nothing_to_check(tmp_path):
    assert account_findings(duckdb.connect(), tmp_path, tmp_path / "findings") == []


def test_the_connection_is_left_as_it_was_and_two_runs_write_the_same_bytes(tmp_path):
    rows = accounts()
    rows[2] = scaled(rows[2], 1000.0)
    connection = duckdb.connect()
    write_table(tmp_path, "statements", rows)
    first = account_findings(connection, tmp_path, tmp_path / "a")
    assert account_findings(connection, tmp_path, tmp_path / "b") == first
    assert (tmp_path / "a" / "statements.parquet").read_bytes() == (tmp_path / "b" / "statements.parquet").read_bytes()
    assert connection.execute("SHOW ALL TABLES").fetchall() == []
