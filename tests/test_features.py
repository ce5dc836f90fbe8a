"""Every feature: worked by hand, and equal to the naive reading."""

from datetime import timedelta

import numpy as np
import pytest
from builders import contract, customer, day, event, exposure, invoice, payment, series, statement, transaction
from naive import START, Naive, assert_as_naive, random_tables

from features import kernel
from features.arrays import Category
from features.catalogue import build_catalogue
from features.compute import compute
from features.context import Context, Counterparties
from features.feeders.records import from_rows, observations_of
from features.tables import TABLES

COLUMNS = {name: {column.name: column.kind for column in table.columns} for name, table in TABLES.items()}
COLUMNS["series"] |= {"market:gdp": "number", "industry:orders": "number"}
COLUMNS["statements"] |= {"headcount": "number"}
COLUMNS["transactions"] |= {"fee": "integer", "mood": "category", "kind=card": "flag", "kind=transfer": "flag"}
COLUMNS["events"] |= {"urgent": "flag"}
CATALOGUES = {use_case: build_catalogue(use_case, COLUMNS) for use_case in ("default", "fraud")}
YEAR = timedelta(days=365)


def features_of(tables, *as_of, names, use_case="default", context=None, **own):
    """The named features of one customer at each as_of, {name: list}."""
    asked = observations_of([{"as_of": day(moment), **own} for moment in as_of], use_case=use_case)
    computed = compute(CATALOGUES[use_case].only(names), from_rows(tables, customer_id="C1"), asked, context=context)
    return {name: (column.strings() if isinstance(column, Category) else column).tolist() for name, column in computed.items()}


def one(tables, name, as_of="2023-06-30", **more):
    """One feature at one as_of."""
    return features_of(tables, as_of, names=[name], **more)[name][0]


ACCOUNTS = {
    "cash": 10.0,
    "inventory": 30.0,
    "current_assets": 100.0,
    "current_liabilities": 50.0,
    "total_assets": 400.0,
    "total_liabilities": 250.0,
    "equity": 150.0,
    "short_term_debt": 20.0,
    "long_term_debt": 60.0,
    "retained_earnings": 40.0,
    "receivables": 50.0,
    "payables": 20.0,
    "revenue": 500.0,
    "cost_of_sales": 300.0,
    "gross_profit": 200.0,
    "ebit": 60.0,
    "depreciation": 20.0,
    "interest_expense": 8.0,
    "net_income": 36.0,
    "operating_cash_flow": 48.0,
    "capex": 28.0,
}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("stmt_current_ratio", 100 / 50),
        ("stmt_quick_ratio", 70 / 50),
        ("stmt_cash_ratio", 10 / 50),
        ("stmt_liabilities_to_assets", 250 / 400),
        ("stmt_equity_ratio", 150 / 400),
        ("stmt_debt_to_equity", 80 / 150),
        ("stmt_interest_cover", 60 / 8),
        ("stmt_ocf_to_debt", 48 / 80),
        ("stmt_roa", 36 / 400),
        ("stmt_roe", 36 / 150),
        ("stmt_gross_margin", 200 / 500),
        ("stmt_net_margin", 36 / 500),
        ("stmt_receivable_days", 365 * 50 / 500),
        ("stmt_inventory_days", 365 * 30 / 300),
        ("stmt_payable_days", 365 * 20 / 300),
        ("stmt_cash_conversion_days", 36.5 + 36.5 - 365 * 20 / 300),
        ("stmt_net_debt_to_ebitda", 70 / 80),
        ("stmt_accruals_to_assets", (36 - 48) / 400),
        ("stmt_free_cash_flow_to_assets", 20 / 400),
        # 6.56 × 50/400 + 3.26 × 40/400 + 6.72 × 60/400 + 1.05 × 150/250
        ("stmt_altman_z_any", 0.82 + 0.326 + 1.008 + 0.63),
        # 0.717 × 0.125 + 0.847 × 0.1 + 3.107 × 0.15 + 0.420 × 0.6 + 0.998 × 1.25
        ("stmt_altman_z_private", 0.089625 + 0.0847 + 0.46605 + 0.252 + 1.2475),
        ("stmt_age_days", 181.0),
        ("stmt_filing_days", 90.0),
        ("stmt_missing", 0.0),
        ("stmt_loss", 0.0),
        ("stmt_log_assets", np.log(400)),
    ],
)
def test_ratios_of_one_statement(name, expected):
    assert one({"statements": [statement(**ACCOUNTS)]}, name) == pytest.approx(expected, rel=1e-12)


def test_a_zero_denominator_leaves_the_ratio_missing():
    assert np.isnan(one({"statements": [statement(current_assets=10.0, current_liabilities=0.0)]}, "stmt_current_ratio"))


def test_growth_compares_with_the_same_period_a_year_before_as_known_now():
    rows = [
        statement(period_end="2021-12-31", revenue=400.0),
        statement(revenue=500.0),
        statement(period_end="2021-12-31", revenue=450.0, known_at="2023-05-01"),
    ]
    found = features_of({"statements": rows}, "2023-04-30", "2023-05-01", names=["stmt_revenue_growth_12m"])
    assert found["stmt_revenue_growth_12m"] == pytest.approx([100 / 400, 50 / 450])


def test_a_restatement_counts_from_the_day_it_is_known():
    rows = [statement(net_income=10.0, total_assets=100.0), statement(net_income=-5.0, total_assets=100.0, known_at="2023-06-01")]
    found = features_of({"statements": rows}, "2023-05-31", "2023-06-01", names=["stmt_roa", "stmt_restated_1095d", "stmt_loss"])
    assert found == {"stmt_roa": [0.1, -0.05], "stmt_restated_1095d": [0, 1], "stmt_loss": [0, 1]}


def quarter(end, months=3, **lines):
    return statement(period_end=end, period_months=months, **lines)


def test_flows_are_the_last_four_quarters_where_all_are_visible():
    ends = ("2022-03-31", "2022-06-30", "2022-09-30", "2022-12-31")
    rows = [quarter(end, revenue=amount, total_assets=100.0) for end, amount in zip(ends, (10.0, 20.0, 30.0, 40.0), strict=True)]
    assert one({"statements": rows}, "stmt_asset_turnover") == 1.0


def test_without_four_quarters_the_annual_statement_counts_then_the_annualized_period():
    annual, first = quarter("2021-12-31", 12, revenue=80.0, total_assets=100.0), quarter("2022-03-31", revenue=10.0, total_assets=100.0)
    assert one({"statements": [annual, first]}, "stmt_asset_turnover", "2022-07-01") == 0.8
    assert one({"statements": [first]}, "stmt_asset_turnover", "2022-07-01") == 0.4


def test_consolidated_accounts_are_preferred_unless_a_year_behind():
    rows = [
        statement(basis="consolidated", period_end="2021-12-31", equity=1.0, total_assets=10.0),
        quarter("2022-09-30", equity=2.0, total_assets=10.0),
        quarter("2022-12-31", equity=3.0, total_assets=10.0),
    ]
    found = features_of({"statements": rows}, "2022-12-30", "2023-06-30", names=["stmt_equity_ratio"])
    assert found["stmt_equity_ratio"] == [0.1, 0.3]


def paid(amount=100_000, on="2023-01-31", **changes):
    return payment(invoice_id="I", amount=amount, occurred_at=on, **changes)


@pytest.mark.parametrize(
    ("payments", "name", "expected"),
    [
        ([], "inv_open_amount", 100_000),
        ([], "inv_overdue_amount", 100_000),
        ([], "inv_oldest_overdue_days", 28),
        ([], "inv_overdue_over_0d_share", 1),
        ([paid(40_000)], "inv_open_amount", 60_000),
        ([paid(40_000)], "inv_partly_paid_share", 40_000 / 60_000),
        ([paid(on="2023-02-10")], "inv_days_late_mean_90d", 10),
        ([paid(on="2023-02-10")], "inv_share_late_90d", 1),
        ([paid(on="2023-02-10")], "inv_open_amount", 0),
        ([paid(on="2023-01-26")], "inv_days_late_max_90d", -5),
        ([paid(60_000), paid(40_000, on="2023-02-20")], "inv_days_late_weighted_90d", 20),
        ([paid(on="2023-02-10", known_at="2023-03-05")], "inv_open_amount", 100_000),
        ([paid(kind="write_off")], "inv_settled_count_90d", 0),
        ([paid(kind="write_off")], "pay_write_off_count_730d", 1),
        ([paid(25_000, kind="credit_note")], "pay_credit_note_share_365d", 0.25),
    ],
)
def test_one_invoice_due_on_31_january_seen_on_28_february(payments, name, expected):
    tables = {"invoices": [invoice(invoice_id="I", issued_at="2023-01-01")], "payments": payments}
    assert one(tables, name, "2023-02-28") == pytest.approx(expected)


def test_an_invoice_is_overdue_from_the_day_after_its_due_day():
    tables = {"invoices": [invoice(invoice_id="I")]}
    assert features_of(tables, "2023-01-31T23:59:59", "2023-02-01", names=["inv_overdue_count"])["inv_overdue_count"] == [0, 1]


@pytest.mark.parametrize(
    ("changes", "on_time", "breached"),
    [
        ({"fulfilled_on": "2023-06-01T18:00:00", "status": "fulfilled"}, 1, 0),
        ({"fulfilled_on": "2023-06-02", "status": "late"}, 0, 0),
        ({}, 0, 0),
        ({"status": "breached"}, 0, 1),
    ],
)
def test_a_contract_due_in_june_stands_as_its_last_known_row_says(changes, on_time, breached):
    rows = [
        contract(contract_id="K"),
        contract(contract_id="K", known_at="2023-06-20", **changes),
        contract(contract_id="K", known_at="2023-07-02", status="breached"),
    ]
    found = features_of(
        {"contracts": rows}, "2023-06-30", names=["con_share_on_time_365d", "con_breached_count_365d", "con_due_count_365d"]
    )
    assert found == {"con_share_on_time_365d": [on_time], "con_breached_count_365d": [breached], "con_due_count_365d": [1]}


FLOWS = [
    transaction(occurred_at="2023-06-20T03:00:00", amount=300_00, balance=500_00, counterparty_id="B1"),
    transaction(occurred_at="2023-06-24T12:00:00", amount=-150_00, balance=350_00, counterparty_id="B2"),
    transaction(occurred_at="2023-06-26T12:00:00", amount=-50_01, balance=-20_00, counterparty_id="B1"),
    transaction(occurred_at="2023-03-01T12:00:00", amount=1_000_00, balance=100_00, counterparty_id="B3"),
]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("txn_inflow_30d", 300_00),
        ("txn_outflow_30d", 200_01),
        ("txn_outflow_to_inflow_90d", 200_01 / 300_00),
        ("txn_inflow_365d", 1_300_00),
        ("txn_count_30d", 3),
        ("txn_balance_min_30d", -20_00),
        ("txn_balance_last_365d", -20_00),
        ("txn_balance_negative_share_30d", 1 / 3),
        ("txn_counterparties_90d", 2),
        ("txn_counterparties_365d", 3),
        ("txn_inflow_trend_90d", 300 / 1300 * 365 / 90),
        ("txn_night_share_365d", 1 / 4),
        ("txn_weekend_share_365d", 1 / 4),
        ("txn_round_share_365d", 2 / 4),
        ("txn_days_since_last_365d", 3.5),
        ("txn_largest_outflow_share_365d", 150_00 / 200_01),
    ],
)
def test_transactions_of_june(name, expected):
    assert one({"transactions": FLOWS}, name) == pytest.approx(expected, rel=1e-12)


def test_events_are_counted_by_kind_within_their_window():
    rows = [
        event(kind="lawsuit", occurred_at="2023-05-31", severity=5.0),
        event(kind="lawsuit", occurred_at="2022-12-31"),
        event(kind="complaint", occurred_at="2023-06-30"),
    ]
    found = features_of(
        {"events": rows},
        "2023-06-30",
        names=["evt_lawsuit_count_90d", "evt_lawsuit_count_365d", "evt_severity_max_365d", "evt_days_since_lawsuit_1095d"],
    )
    assert found == {
        "evt_lawsuit_count_90d": [1],
        "evt_lawsuit_count_365d": [2],
        "evt_severity_max_365d": [5.0],
        "evt_days_since_lawsuit_1095d": [30.0],
    }


def test_background_is_the_last_known_row():
    rows = [customer(), customer(known_at="2023-06-01", industry="retail", region=None)]
    found = features_of({"customers": rows}, "2023-05-31", "2023-06-01", names=["bg_industry", "bg_region", "bg_age_months"])
    assert found["bg_industry"] == ["manufacturing", "retail"]
    assert found["bg_region"] == ["north", None]
    assert found["bg_age_months"] == pytest.approx([23 * 12 + 5, 23 * 12 + 5], abs=0.1)


def test_exposure_against_its_limit():
    found = features_of({"exposures": [exposure()]}, "2022-12-31", "2023-06-30", names=["exp_exposure_to_limit", "exp_collateral_share"])
    assert np.isnan(found["exp_exposure_to_limit"][0])
    assert found["exp_exposure_to_limit"][1] == 0.5
    assert found["exp_collateral_share"][1] == 0.2


def test_a_series_is_read_from_its_publication_and_revised_later():
    rows = [
        series("gdp", period_end="2021-12-31", value=80.0),
        series("gdp", value=100.0),
        series("gdp", value=104.0, known_at="2023-06-01"),
    ]
    found = features_of({"series": rows}, "2023-01-29", "2023-01-30", "2023-06-01", names=["bg_market_gdp", "bg_market_gdp_growth_12m"])
    assert found["bg_market_gdp"] == [80, 100, 104]
    assert found["bg_market_gdp_growth_12m"][1:] == pytest.approx([0.25, 0.3])


def test_an_industry_series_follows_the_customers_industry():
    rows = [series("orders", industry="retail", value=1.0), series("orders", industry="manufacturing", value=2.0)]
    assert one({"series": rows, "customers": [customer()]}, "bg_industry_orders") == 2.0


def judged(name, rows, **own):
    defaults = {
        "occurred_at": day("2023-06-28T12:00:01"),
        "amount": -300_00,
        "currency": "EUR",
        "kind": "card",
        "channel": "online",
        "counterparty_id": "B2",
    }
    return one({"transactions": rows}, name, "2023-06-28T12:00:00", use_case="fraud", **(defaults | own))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("txn_count_1h", 0),
        ("txn_count_7d", 2),
        ("txn_outflow_7d", 200_01),
        ("txn_outflow_30d", 200_01),
        ("txn_amount_max_30d", 300_00),
        ("txn_amount_to_mean_90d", 300_00 / ((300_00 + 150_00 + 50_01) / 3)),
        ("txn_amount_to_max_90d", 1.0),
        ("txn_amount_to_inflow_365d", 300_00 / 1300_00),
        ("txn_spending_to_inflow_365d", (300_00 + 200_01) / 1300_00),
        ("txn_amount_to_balance_90d", -15.0),
        ("txn_outflow_count_3d", 1),
        ("txn_outflow_count_30d", 2),
        ("txn_night_outflow_count_7d", 0),
        ("txn_new_counterparties_7d", 1),
        ("txn_new_counterparty_365d", 0),
        ("txn_counterparty_count_365d", 1),
        ("txn_counterparties_7d", 2),
        ("txn_days_since_last_365d", 2.0),
        ("txn_hour", 12),
        ("txn_weekday", 2),
        ("txn_night", 0),
        ("txn_round", 1),
        ("txn_kind", "card"),
        ("txn_amount_log", -np.log(30_001)),
    ],
)
def test_a_transaction_is_judged_by_what_was_known_a_second_before(name, expected):
    assert judged(name, FLOWS) == (expected if isinstance(expected, str) else pytest.approx(expected, rel=1e-12))


@pytest.mark.parametrize(("own", "expected"), [("B9", 1), (None, np.nan)])
def test_a_counterparty_never_paid_before_is_new(own, expected):
    assert judged("txn_new_counterparty_365d", FLOWS, counterparty_id=own) == pytest.approx(expected, nan_ok=True)


def test_a_counterpartys_past_is_read_from_the_dated_context():
    midnight = np.array([day("2023-03-01").timestamp(), day("2023-06-01").timestamp(), day("2023-06-28").timestamp()]).astype(np.int64)
    past = Counterparties(("B2",), np.zeros(3, dtype=np.int64), midnight, np.array([4, 10, 12]), np.array([0, 3, 3]))
    found = {
        name: one(
            {"transactions": FLOWS},
            name,
            "2023-06-27T23:59:59",
            use_case="fraud",
            context=Context(counterparties=past),
            counterparty_id="B2",
            amount=1,
            occurred_at=day("2023-06-28"),
        )
        for name in ("cpty_count_90d", "cpty_fraud_count_90d", "cpty_fraud_rate_365d")
    }
    assert found == {"cpty_count_90d": 6, "cpty_fraud_count_90d": 3, "cpty_fraud_rate_365d": 0.3}


@pytest.mark.parametrize("use_case", ["default", "fraud"])
@pytest.mark.parametrize(
    "tables", [{}, {"customers": [customer()]}, {"statements": [statement()], "invoices": [invoice()], "transactions": [transaction()]}]
)
def test_a_customer_with_no_or_one_row_has_every_feature_and_nothing_infinite(use_case, tables):
    own = (
        {"occurred_at": day("2023-07-01"), "amount": 1, "currency": None, "kind": None, "channel": None, "counterparty_id": None}
        if use_case == "fraud"
        else {}
    )
    asked = observations_of([{"as_of": day("2023-06-30"), **own}], use_case=use_case)
    found = compute(CATALOGUES[use_case], from_rows(tables, customer_id="C1"), asked)
    assert tuple(found) == CATALOGUES[use_case].names
    assert not any(np.isinf(column).any() for column in found.values() if not isinstance(column, Category))


def asked_of(seed, use_case, count=6):
    """Questions about customer C0, over the whole history and a little beyond."""
    rng = np.random.default_rng(seed + 10_000)
    rows = [
        {
            "customer_id": "C0",
            "as_of": START + timedelta(hours=int(rng.integers(0, 24_000)), microseconds=int(rng.integers(0, 2)) * 500_000),
        }
        for _ in range(count)
    ]
    return rows if use_case == "default" else [row | judged_columns(rng, row["as_of"]) for row in rows]


def judged_columns(rng, as_of):
    return {
        "occurred_at": as_of + timedelta(seconds=1),
        "amount": int(rng.integers(-(10**6), 10**6)),
        "currency": "EUR",
        "kind": "card",
        "channel": None,
        "counterparty_id": [None, "B1", "B2", "B9"][int(rng.integers(0, 4))],
    }


@pytest.mark.parametrize("use_case", ["default", "fraud"])
@pytest.mark.parametrize("seed", range(12))
def test_every_feature_equals_the_naive_reading(seed, use_case, monkeypatch):
    # every other history tells stragglers apart, as tables of many rows do
    monkeypatch.setattr(kernel, "FEW_ROWS", kernel.FEW_ROWS * (seed % 2))
    tables, asked = random_tables(seed, customers=1), asked_of(seed, use_case)
    own = CATALOGUES[use_case].select("own")
    found = compute(own, from_rows(tables, customer_id="C0"), observations_of(asked, use_case=use_case))
    for place, row in enumerate(asked):
        assert_as_naive(own, found, place, Naive(tables, row))


def test_a_statement_of_impossible_length_never_outranks_a_later_period():
    rows = [
        statement(period_end="2022-06-30", period_months=40, total_assets=2.0, known_at="2022-09-01"),
        statement(period_end="2022-07-31", period_months=1, total_assets=5.0, known_at="2022-09-01"),
    ]
    assert one({"statements": rows}, "stmt_log_assets") == pytest.approx(np.log(5))


@pytest.mark.parametrize("later", [{"amount": 2**62}, {"occurred_at": "2090-01-01"}])
def test_what_is_known_later_is_not_even_refused(later):
    rows = [transaction(), transaction(), transaction(**{"known_at": "2091-01-01"} | later)]
    assert one({"transactions": rows}, "txn_inflow_365d") == 1000_00
