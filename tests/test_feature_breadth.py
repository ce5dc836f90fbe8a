"""The features beside the plain ratios, worked by hand: years, M-score, filing, ageing, concentration, rhythm, kinds, scope, extras, basis."""

import json
import math
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from builders import contract, customer, day, event, exposure, invoice, observation, payment, series, statement, transaction, write_table, write_tables
from naive import START, Naive, random_tables

from features.accounts import PREFERRED_BASIS
from features.arrays import Category
from features.catalogue import Catalogue, build_catalogue
from features.compute import compute
from features.context import Context, Counterparties
from features.feature import feature
from features.feeders.duck import columns_of, last_as_of
from features.feeders.records import from_rows, observations_of
from features.tables import TABLES
from features.transactions import benford
from pipeline.featurize import available_columns
from serving.standing import standing_catalogue

CONTRACT = {name: {column.name: column.kind for column in table.columns} for name, table in TABLES.items()}
EXTRAS = {
    "transactions": {"fee": "integer", "mood": "category", "kind=loan": "flag", "kind=Loan payment": "flag", "kind=loan  payment": "flag"},
    "events": {"urgent": "flag", "score": "number", "note": "text", "lawyer_name": "category"},
    "contracts": {"margin": "number"},
}
COLUMNS = {name: columns | EXTRAS.get(name, {}) for name, columns in CONTRACT.items()}
CATALOGUES = {use_case: build_catalogue(use_case, COLUMNS) for use_case in ("default", "fraud")}
END = "2023-06-30"


def one(tables, name, as_of=END, *, use_case="default", catalogue=None, context=None, **own):
    """One feature of customer C1 at one as_of."""
    asked = observations_of([{"as_of": day(as_of), **own}], use_case=use_case)
    chosen = (catalogue or CATALOGUES[use_case]).only([name])
    column = compute(chosen, from_rows(tables, customer_id="C1"), asked, context=context)[name]
    return (column.strings() if isinstance(column, Category) else column)[0]


def year(number, **lines):
    """An annual statement, filed after 90 days."""
    return statement(period_end=f"{number}-12-31", **lines)


NOW = {
    "cash": 60.0, "receivables": 90.0, "current_assets": 200.0, "fixed_assets": 150.0, "total_assets": 400.0, "current_liabilities": 100.0,
    "short_term_debt": 40.0, "long_term_debt": 80.0, "total_liabilities": 220.0, "equity": 180.0, "paid_in_capital": 100.0, "payables": 50.0,
    "revenue": 600.0, "cost_of_sales": 420.0, "gross_profit": 180.0, "operating_expenses": 120.0, "depreciation": 20.0, "ebit": 40.0,
    "interest_expense": 10.0, "pretax_income": 30.0, "tax": 6.0, "net_income": 24.0, "operating_cash_flow": 50.0, "capex": 30.0, "dividends": 12.0,
}  # fmt: skip
BEFORE = {
    "cash": 50.0, "receivables": 60.0, "current_assets": 150.0, "fixed_assets": 150.0, "total_assets": 350.0, "current_liabilities": 100.0,
    "short_term_debt": 20.0, "long_term_debt": 80.0, "total_liabilities": 190.0, "equity": 160.0, "paid_in_capital": 100.0, "payables": 40.0,
    "revenue": 500.0, "cost_of_sales": 330.0, "gross_profit": 170.0, "operating_expenses": 110.0, "depreciation": 30.0, "ebit": 50.0,
    "interest_expense": 10.0, "pretax_income": 40.0, "tax": 8.0, "net_income": 32.0, "operating_cash_flow": 20.0, "capex": 30.0, "dividends": 0.0,
}  # fmt: skip
DSRI, GMI, AQI = (90 / 600) / (60 / 500), (170 / 500) / (180 / 600), (1 - 350 / 400) / (1 - 300 / 350)
SGI, DEPI, SGAI, LVGI, TATA = 600 / 500, (30 / 180) / (20 / 170), (120 / 600) / (110 / 500), (180 / 400) / (180 / 350), (24 - 50) / 400


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("stmt_cash_cover_months", 60 / (520 / 12)),
        ("stmt_defensive_days", 150 / (520 / 365)),
        ("stmt_net_debt_to_assets", 60 / 400),
        ("stmt_net_debt_to_ebitda", 60 / 60),
        ("stmt_negative_ebitda", 0),
        ("stmt_ocf_to_interest", 5),
        ("stmt_equity_change_to_assets_12m", 20 / 350),
        ("stmt_owner_flows_to_assets_12m", (20 - 24) / 400),
        ("stmt_beneish_dsri", DSRI),
        ("stmt_beneish_gmi", GMI),
        ("stmt_beneish_aqi", AQI),
        ("stmt_beneish_depi", DEPI),
        ("stmt_beneish_sgai", SGAI),
        ("stmt_beneish_lvgi", LVGI),
        (
            "stmt_beneish_m",
            -4.84 + 0.920 * DSRI + 0.528 * GMI + 0.404 * AQI + 0.892 * SGI + 0.115 * DEPI - 0.172 * SGAI + 4.679 * TATA - 0.327 * LVGI,
        ),
        ("stmt_zmijewski_x", -4.336 - 4.513 * 24 / 400 + 5.679 * 220 / 400 + 0.004 * 2),
        # earned, cash flow, accruals, less debt to assets, no shares issued, turnover and liquidity rose; the return and the margin fell
        ("stmt_piotroski_f", 7),
        ("stmt_interest_to_debt", 10 / 120),
        ("stmt_debt_growth_12m", 0.2),
        ("stmt_long_term_funds_to_fixed_assets", 260 / 150),
        ("stmt_capex_to_depreciation", 1.5),
        ("stmt_payout_ratio", 0.5),
        ("stmt_tax_rate", 0.2),
        ("stmt_payable_days_change_12m", 365 * (50 / 420 - 40 / 330)),
        ("stmt_loss_two_years", 0),
        ("stmt_cash_drain_two_years", 0),
        ("stmt_filing_late", 0),
        ("stmt_filing_days_change_12m", 0),
        ("stmt_equity_revision_to_assets", 0),
    ],
)
def test_two_years_of_accounts(name, expected):
    assert one({"statements": [year(2021, **BEFORE), year(2022, **NOW)]}, name) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # margins 0.1, 0.2, 0.3, 0.6 from 2019 on: around the middle, -1.5 × -0.2 - 0.5 × -0.1 + 0 + 1.5 × 0.3, over 5
        ("stmt_net_margin_trend_36m", (0.3 + 0.05 + 0.0 + 0.45) / 5),
        ("stmt_net_margin_sd_36m", math.sqrt((0.04 + 0.01 + 0.0 + 0.09) / 3)),
        ("stmt_revenue_growth_36m", 0.0),
    ],
)
def test_four_years_of_a_margin(name, expected):
    rows = [year(2019 + place, revenue=100.0, net_income=income) for place, income in enumerate((10.0, 20.0, 30.0, 60.0))]
    assert one({"statements": rows}, name) == pytest.approx(expected, abs=1e-12)


def test_a_year_in_between_may_be_missing_but_not_two():
    rows = [year(number, revenue=100.0, net_income=income) for number, income in ((2019, 10.0), (2021, 30.0), (2022, 40.0))]
    assert one({"statements": rows}, "stmt_net_margin_trend_36m") == pytest.approx(0.1)
    assert np.isnan(one({"statements": rows[1:]}, "stmt_net_margin_trend_36m"))


@pytest.mark.parametrize(("income", "expected"), [((-1.0, -2.0), 1), ((1.0, -2.0), 0), ((-1.0, 2.0), 0)])
def test_losses_count_in_a_row(income, expected):
    rows = [year(2021 + place, net_income=each) for place, each in enumerate(income)]
    assert one({"statements": rows}, "stmt_loss_two_years") == expected


def test_a_negative_ebitda_gives_no_multiple_but_says_so():
    rows = [year(2022, ebit=-50.0, depreciation=20.0, short_term_debt=40.0, long_term_debt=0.0, cash=0.0)]
    assert np.isnan(one({"statements": rows}, "stmt_net_debt_to_ebitda"))
    assert one({"statements": rows}, "stmt_negative_ebitda") == 1


RESTATED = [
    year(2021, net_income=30.0),
    year(2022, net_income=20.0, equity=50.0, total_assets=100.0, known_at="2023-07-10"),
    year(2022, net_income=5.0, equity=45.0, total_assets=80.0, known_at="2023-10-01"),
    year(2022, net_income=99.0, equity=99.0, total_assets=100.0, source="mail", known_at="2023-02-01", confidence=0.5),
]


@pytest.mark.parametrize(
    ("name", "as_of", "expected"),
    [
        ("stmt_filing_late", "2023-10-02", 1),  # 191 days
        ("stmt_filing_days_change_12m", "2023-10-02", 191 - 90),
        ("stmt_net_income_revision_to_assets", "2023-09-30", 0),
        ("stmt_net_income_revision_to_assets", "2023-10-01", -15 / 80),
        ("stmt_equity_revision_to_assets", "2023-10-01", -5 / 80),
    ],
)
def test_a_restatement_is_measured_against_the_first_version_of_its_own_source(name, as_of, expected):
    assert one({"statements": RESTATED}, name, as_of) == pytest.approx(expected)


def paid(name, amount, on, **changes):
    return payment(invoice_id=name, amount=amount, occurred_at=on, **changes)


# Due 2023-01-31 each: A on time in two parts, B 5 days early, C 40 and D 100 days late.
SETTLED = {
    "invoices": [invoice(invoice_id=name, amount=amount) for name, amount in (("A", 100), ("B", 200), ("C", 300), ("D", 400))],
    "payments": [
        paid("A", 60, "2023-01-20"),
        paid("A", 40, "2023-01-31"),
        paid("B", 200, "2023-01-26"),
        paid("C", 300, "2023-03-12"),
        paid("D", 400, "2023-05-11"),
    ],
}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("inv_late_over_30d_share_365d", 0.7),
        ("inv_late_over_60d_share_365d", 0.4),
        ("inv_late_over_90d_share_365d", 0.4),
        ("inv_share_early_365d", 1 / 4),
        ("inv_share_in_parts_365d", 1 / 4),
        ("inv_share_late_trend_90d", 1 - 1 / 2),
        ("inv_terms_days_365d", 30),
        ("inv_active_months_365d", 1),
        ("inv_gap_to_usual_365d", 180 / (365 / 4)),
        ("pay_paid_to_billed_365d", 1),
    ],
)
def test_four_invoices_settled_in_time_and_not(name, expected):
    assert one(SETTLED, name) == pytest.approx(expected)


# Seen on 2023-06-30: 25 and 55 and 75 days overdue; A grew old from 25 days thirty days before, C was paid down since.
OPEN = {
    "invoices": [
        invoice(invoice_id="A", issued_at="2023-04-01", due_at="2023-05-06", amount=100),
        invoice(invoice_id="B", issued_at="2023-05-01", due_at="2023-06-05", amount=300),
        invoice(invoice_id="C", issued_at="2023-01-01", due_at="2023-04-16", amount=600),
    ],
    "payments": [paid("C", 200, "2023-06-10")],
}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("inv_largest_open_share", 400 / 800),
        ("inv_overdue_days_weighted", (55 * 100 + 25 * 300 + 75 * 400) / 800),
        ("inv_roll_rate_to_30d_30d", 100 / 100),
        ("inv_roll_rate_to_60d_30d", 400 / 600),
        ("inv_open_growth_90d", (800 - 600) / 600),  # 90 days before, A was not known yet
        ("inv_overdue_change_to_billed_90d", 800 / 1000),
        ("inv_overdue_share_change_90d", 1.0),
    ],
)
def test_open_items_against_those_before(name, expected):
    tables = OPEN | {"invoices": [row | {"known_at": row["known_at"] + timedelta(hours=1)} for row in OPEN["invoices"]]}
    assert one(tables, name) == pytest.approx(expected)


def test_what_was_open_before_is_what_was_known_then():
    late = [row | {"known_at": day("2023-06-01")} for row in OPEN["invoices"]]
    assert np.isnan(one({**OPEN, "invoices": late}, "inv_open_growth_90d"))


def test_disputed_amounts_are_set_against_billing():
    tables = SETTLED | {"events": [event(kind="dispute", amount=250), event(kind="complaint", amount=900)]}
    assert one(tables, "inv_disputed_to_billed_365d") == 0.25


CONTRACTS = [
    contract(contract_id="A", due_on="2023-06-01", fulfilled_on="2023-06-01T10:00:00", known_at="2023-06-02", status="fulfilled", amount=100),
    contract(contract_id="B", due_on="2023-06-01", fulfilled_on="2023-06-11", known_at="2023-06-12", status="late", amount=200),
    contract(contract_id="C", due_on="2023-06-10", amount=300),
    contract(contract_id="D", due_on="2023-06-01", status="breached", amount=400),
    contract(contract_id="E", due_on="2022-06-01", fulfilled_on="2022-05-01", known_at="2022-06-02", status="fulfilled", amount=None),
]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("con_due_amount_365d", 1000),
        ("con_amount_breached_share_365d", 0.4),
        ("con_delay_days_mean_365d", (0 + 10 + 20) / 3),
        ("con_share_on_time_trend_365d", 1 / 4 - 2 / 5),
    ],
)
def test_contracts_in_money_and_days(name, expected):
    assert one({"contracts": CONTRACTS}, name) == pytest.approx(expected)


LIMITS = [
    exposure(known_at="2022-01-01", limit=100, exposure=90),
    exposure(known_at="2023-03-01", limit=200, exposure=100),
    exposure(known_at="2023-05-01", limit=150, exposure=60),
]


@pytest.mark.parametrize(
    ("name", "as_of", "expected"),
    [
        ("exp_exposure_to_limit_change_90d", END, 60 / 150 - 100 / 200),
        ("exp_peak_to_limit_365d", END, 100 / 150),
        ("exp_peak_to_limit_365d", "2023-02-28", 90 / 100),  # no row within the year, but a state that held
        ("exp_limit_growth_365d", END, 0.5),
        ("exp_limit_growth_365d", "2022-06-30", np.nan),
    ],
)
def test_the_use_of_a_limit_over_time(name, as_of, expected):
    assert one({"exposures": LIMITS}, name, as_of) == pytest.approx(expected, nan_ok=True)


def moved(amount, who, on, **changes):
    return transaction(amount=amount, counterparty_id=who, occurred_at=on, **changes)


MOVES = [
    moved(-600, "B1", "2023-06-25", kind="loan"),
    moved(-300, "B2", "2022-08-01", kind="Loan payment"),
    moved(-100, None, "2023-01-10"),
    moved(-100, "B2", "2023-06-01"),
    moved(400, "B3", "2023-02-01"),
    moved(400, "B4", "2023-05-20", kind="loan"),
]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("txn_outflow_concentration_365d", 0.6**2 + 0.4**2),
        ("txn_inflow_concentration_365d", 0.5),
        ("txn_outflow_largest_counterparty_share_365d", 0.6),
        ("txn_inflow_largest_counterparty_share_365d", 0.5),
        ("txn_largest_inflow_share_365d", 0.5),
        ("txn_new_counterparties_90d", 2),  # B1 and B4; B2 was paid before
        ("txn_gap_to_usual_365d", 5 / (365 / 6)),
        ("txn_active_weeks_365d", 6),
        ("txn_active_weeks_90d", 3),
        # quarters of inflow: 400, 400 (150 days ago), 0, 0
        ("txn_inflow_quarterly_sd_365d", math.sqrt(4 * 200**2 / 3) / 200),
        ("txn_kind_loan_outflow_share_365d", 600 / 1100),
        ("txn_kind_loan_inflow_share_365d", 400 / 800),
        ("txn_kind_loan_outflow_to_inflow_90d", 600 / 400),
        ("txn_kind_loan_payment_outflow_share_365d", 300 / 1100),
    ],
)
def test_transactions_by_counterparty_quarter_and_kind(name, expected):
    assert one({"transactions": MOVES}, name) == pytest.approx(expected)


def test_of_two_kinds_with_one_word_the_first_in_order_makes_the_columns():
    named = [name for name in CATALOGUES["default"].names if name.startswith("txn_kind_")]
    assert len(named) == 6
    (condition,) = (each for each in CATALOGUES["default"]["txn_kind_loan_payment_inflow_share_365d"].how.parts[0].where if each.column == "kind")
    assert condition.value == "Loan payment"


def test_first_digits_are_held_against_benfords_law_from_fifty_on():
    rows = [moved(100 + place, "B1", "2023-06-01") for place in range(50)]
    expected = (1 - math.log10(2) + sum(math.log10(1 + 1 / digit) for digit in range(2, 10))) / 9
    assert one({"transactions": rows}, "txn_benford_365d") == pytest.approx(expected, rel=1e-12)
    assert np.isnan(one({"transactions": rows[1:]}, "txn_benford_365d"))


def test_a_figure_has_the_same_bits_alone_and_among_others():
    rng = np.random.default_rng(3)
    moments = [day("2022-07-01") + timedelta(days=int(days)) for days in rng.integers(0, 360, 300)]
    rows = [moved(int(amount), f"B{who}", on) for amount, who, on in zip(rng.lognormal(8, 2, 300) + 1, rng.integers(0, 40, 300), moments, strict=True)]
    names = ["txn_benford_365d", "txn_inflow_concentration_365d", "txn_inflow_quarterly_sd_365d"]
    asked = [{"as_of": day("2023-05-01") + timedelta(days=place)} for place in range(9)]
    records, catalogue = from_rows({"transactions": rows}, customer_id="C1"), CATALOGUES["default"].only(names)
    together = compute(catalogue, records, observations_of(asked))
    for place, row in enumerate(asked):
        alone = compute(catalogue, records, observations_of([row]))
        assert [alone[name][0].hex() for name in names] == [together[name][place].hex() for name in names]


def test_an_account_falls_silent():
    rows = [transaction(occurred_at=day("2023-03-01") + timedelta(days=place)) for place in range(5)]
    assert one({"transactions": rows}, "txn_gap_to_usual_365d", "2023-03-06") < one({"transactions": rows}, "txn_gap_to_usual_365d")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("evt_lawsuit_decayed_1095d", 1 / (1 + 0 / 90) + 1 / (1 + 180 / 90)),
        ("evt_dispute_decayed_1095d", 0),
        ("evt_lawsuit_amount_365d", 15_000),
        ("evt_lawsuit_amount_to_assets_365d", 150 / 1000),
        ("evt_count_trend_90d", 1 / 3),
    ],
)
def test_an_event_fades_with_its_age(name, expected):
    rows = [
        event(kind="lawsuit", occurred_at="2023-06-30", amount=5_000),
        event(kind="lawsuit", occurred_at="2023-01-01", amount=None),
        event(kind="judgment", occurred_at="2023-02-01", amount=10_000),
    ]
    assert one({"events": rows, "statements": [year(2022, total_assets=1000.0)]}, name) == pytest.approx(expected)


SOLD = [
    invoice(category="Cement", amount=100, issued_at="2023-03-01"),
    invoice(category="jewels", amount=300, issued_at="2023-03-02"),
    invoice(category="钢材", amount=100, issued_at="2023-06-02"),
    invoice(amount=500, issued_at="2023-03-03"),
]


@pytest.mark.parametrize(
    ("scopes", "share", "count"),
    [
        ([customer(scope="Trade in CEMENT and sand")], 400 / 500, 2),
        ([customer(scope="trade in cement"), customer(known_at="2023-06-01", scope="批发钢材、水泥")], 300 / 500, 1),
        ([customer(scope=None)], np.nan, np.nan),
        ([customer(known_at="2023-06-01", scope="钢材")], 0, 0),  # of the others nobody knows
    ],
)
def test_purchases_outside_the_stated_business(scopes, share, count):
    tables = {"customers": scopes, "invoices": SOLD}
    assert one(tables, "bg_outside_scope_share_365d") == pytest.approx(share, nan_ok=True)
    assert one(tables, "bg_outside_scope_count_365d") == pytest.approx(count, nan_ok=True)


def test_an_invoice_booked_late_is_held_against_the_scope_of_that_day():
    scopes = [customer(scope="sand"), customer(known_at="2023-04-01", scope="sand, cement")]
    rows = [invoice(category="cement", issued_at="2023-03-01", known_at=known) for known in ("2023-03-02", "2023-05-02")]
    assert one({"customers": scopes, "invoices": rows}, "bg_outside_scope_count_365d") == 1


ODD = {
    "transactions": [transaction(fee=3, mood="calm"), transaction(occurred_at="2023-04-01", fee=6, mood="loud"), transaction(occurred_at="2023-05-01")],
    "events": [event(urgent=True), event(urgent=False), event(urgent=None)],
    "contracts": [contract(margin=0.25)],
}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("txn_fee_mean_365d", 4.5),
        ("txn_fee_last_365d", 6),
        ("txn_mood_last_365d", "loud"),
        ("evt_urgent_share_365d", 0.5),
        ("con_margin_last_365d", 0.25),
    ],
)
def test_columns_beyond_the_contract_give_their_mean_share_or_last_value(name, expected):
    assert one(ODD, name) == expected


def test_what_names_something_or_has_features_of_its_own_gives_none():
    assert not [name for name in CATALOGUES["default"].names if name.startswith(("evt_score", "evt_note", "evt_lawyer"))]


JUDGED = {"occurred_at": day("2023-06-28T12:00:01"), "amount": -300, "currency": "EUR", "kind": "card", "channel": "online", "counterparty_id": "B1"}
PAIRS = [
    moved(-100, "B1", "2023-06-28T11:30:00"),
    moved(-200, "B1", "2023-06-28T09:00:00"),
    moved(-300, "B2", "2023-06-28T11:45:00"),
    moved(-100, "B1", "2023-06-24T11:30:00"),
]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("txn_counterparty_count_1h", 1),
        ("txn_counterparty_count_1d", 2),
        ("txn_counterparty_count_7d", 3),
        ("txn_counterparty_amount_1d", 300),
        ("txn_amount_to_counterparty_mean_365d", 300 / (400 / 3)),
    ],
)
def test_the_pace_with_one_counterparty(name, expected):
    assert one({"transactions": PAIRS}, name, "2023-06-28T12:00:00", use_case="fraud", **JUDGED) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "expected"), [("cpty_count_1d", 2), ("cpty_count_7d", 8), ("cpty_fraud_rate_7d", 3 / 8), ("cpty_fraud_rate_30d", 3 / 12)]
)
def test_a_counterparty_under_attack_shows_in_days(name, expected):
    midnights = np.array([np.datetime64(text, "s").astype(np.int64) for text in ("2023-06-05", "2023-06-25", "2023-06-28")])
    past = Counterparties(("B1",), np.zeros(3, dtype=np.int64), midnights, np.array([4, 10, 12]), np.array([0, 3, 3]))
    found = one({"transactions": PAIRS}, name, "2023-06-28T12:00:00", use_case="fraud", context=Context(counterparties=past), **JUDGED)
    assert found == pytest.approx(expected)


BOTH = [year(2022, equity=1.0, total_assets=10.0), year(2022, basis="consolidated", equity=5.0, total_assets=10.0)]


@pytest.mark.parametrize(("basis", "expected"), [("separate", 0.1), ("consolidated", 0.5)])
def test_the_catalogue_says_which_basis_is_read_and_is_stored_with_it(basis, expected):
    built = build_catalogue("default", COLUMNS, preferred_basis=basis)
    stored = Catalogue.from_dict(json.loads(json.dumps(built.to_dict())))
    for catalogue in (built, stored, stored.select("own")):
        assert one({"statements": BOTH}, "stmt_equity_ratio", catalogue=catalogue) == expected


def test_a_catalogue_stored_before_it_said_so_reads_consolidated_accounts():
    older = {key: value for key, value in CATALOGUES["default"].to_dict().items() if key != "preferred_basis"}
    assert Catalogue.from_dict(older).preferred_basis == PREFERRED_BASIS


def seconds(text):
    return int(np.datetime64(text, "s").astype(np.int64))


def test_levels_and_series_of_a_later_day_make_no_column(tmp_path):
    write_tables(
        tmp_path,
        {
            "transactions": [transaction(kind="card"), transaction(kind="cash", known_at="2023-04-01")],
            "series": [series("gdp"), series("oil", known_at="2023-04-01")],
            "customers": [customer(f"C{number}", known_at="2023-04-01", rating=f"R{number}") for number in range(60)],
        },
    )
    before, after = (columns_of(tmp_path, until=seconds(text)) for text in ("2023-03-31T23:59:59", "2023-04-01"))
    new = {(table, name) for table in after for name in after[table] if name not in before[table]}
    assert new == {("transactions", "kind=cash"), ("series", "market:oil")}
    assert (before["customers"]["rating"], after["customers"]["rating"]) == ("category", "text")
    assert columns_of(tmp_path) == after


def test_more_than_a_dozen_kinds_make_no_columns(tmp_path):
    write_tables(tmp_path, {"transactions": [transaction(kind=f"k{number}") for number in range(13)]})
    assert not [name for name in columns_of(tmp_path)["transactions"] if "=" in name]


def test_the_last_as_of_is_rounded_down(tmp_path):
    write_table(tmp_path, "observations", [observation(), observation(as_of="2023-07-01T00:00:00.900000")])
    assert last_as_of(tmp_path / "observations.parquet") == seconds("2023-07-01")


FEW = benford(365, least=2)
DIGITS = feature("x", FEW, unit="", factor="", missing="")


@pytest.mark.parametrize("seed", range(6))
def test_digits_of_a_few_transactions_equal_the_naive_reading(seed):
    tables, asked = random_tables(seed, customers=1), [{"customer_id": "C0", "as_of": START + timedelta(days=days)} for days in (200, 500, 800)]
    found = compute(Catalogue("default", [DIGITS]), from_rows(tables, customer_id="C0"), observations_of(asked))["x"]
    assert found == pytest.approx([Naive(tables, row).value(FEW) for row in asked], nan_ok=True)


def test_a_kind_of_a_later_month_makes_no_column_of_the_book_either(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_tables("data/tables", {"transactions": [transaction(kind="card"), transaction(kind="cash", known_at="2023-08-01")]})
    write_table("data/default/book", "observations", [observation(as_of="2023-08-31")])
    book = Path("data/default/book")
    assert "kind=cash" in available_columns(book, "default")["transactions"]
    write_table("data/default/development", "observations", [observation(as_of="2023-06-30")])
    assert {"kind=card"} == {name for name in available_columns(book, "default")["transactions"] if "=" in name}


def test_an_own_column_of_the_book_is_of_the_kind_that_was_learned_from(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_tables("data/tables", {"customers": [customer()]})
    for case, levels in (("development", 2), ("book", 60)):
        write_table(f"data/default/{case}", "observations", [observation(f"C{number}", branch=f"B{number}") for number in range(levels)])
    assert available_columns(Path("data/default/book"), "default")["observations"]["branch"] == "category"


@pytest.mark.parametrize(("basis", "expected"), [("separate", 10_000), ("consolidated", 70_000)])
def test_the_policys_capacity_is_read_in_the_models_basis(basis, expected):
    rows = [year(2022, revenue=100.0), year(2022, basis="consolidated", revenue=700.0)]
    assert one({"statements": rows}, "capacity", catalogue=standing_catalogue(CONTRACT, preferred_basis=basis)) == expected
