"""The catalogue: what is declared, what is left out, what is refused."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from builders import contract, customer, exposure, invoice, observation, payment, series, statement, transaction, write_tables

from features.catalogue import MEASURES, Catalogue, build_catalogue, check
from features.compute import compute as compute_features
from features.errors import RiskError
from features.feature import feature
from features.feeders.duck import columns_of, featurize
from features.feeders.records import from_rows, observations_of
from features.tables import TABLES
from features.terms import compare, contracts, counterparty, last, open_items, ratio, where, window
from features.terms import statement as statement_term

EVERYTHING = {name: {column.name: column.kind for column in table.columns} for name, table in TABLES.items()}


def declared(name="x_count_1d", how=None, **about):
    return feature(name, how or window("events", "count", days=1), **({"unit": "count", "factor": "disputes", "missing": "Never."} | about))


@pytest.mark.parametrize(("use_case", "least"), [("default", 200), ("fraud", 40)])
def test_every_table_in_full_gives_the_whole_catalogue(use_case, least):
    catalogue = build_catalogue(use_case, EVERYTHING)
    assert len(catalogue) >= least
    assert catalogue.left_out == {}


@pytest.mark.parametrize("use_case", ["default", "fraud"])
def test_a_catalogue_survives_being_stored(use_case):
    catalogue = build_catalogue(use_case, EVERYTHING)
    stored = Catalogue.from_dict(json.loads(json.dumps(catalogue.to_dict())))
    assert stored.features == catalogue.features
    assert stored.left_out == catalogue.left_out
    assert stored.use_case == use_case


@pytest.mark.parametrize(
    ("lacking", "name", "named"),
    [
        (("statements", "inventory"), "stmt_quick_ratio", "statements.inventory"),
        (("payments", None), "inv_open_amount", "payments.invoice_id"),
        (("transactions", None), "txn_count_30d", "transactions.known_at"),
        (("transactions", "balance"), "txn_balance_min_30d", "transactions.balance"),
        (("statements", "net_income"), "peer_roa_quantile", "statements.net_income"),
        (("customers", "industry"), "bg_industry", "customers.industry"),
    ],
)
def test_a_feature_without_its_columns_is_left_out_and_named(lacking, name, named):
    table, column = lacking
    columns = {
        each: {key: kind for key, kind in its.items() if (each, key) != lacking}
        for each, its in EVERYTHING.items()
        if column or each != table
    }
    catalogue = build_catalogue("default", columns)
    assert name not in catalogue.names
    assert catalogue.left_out[name] == named


def test_columns_beyond_the_contract_become_features_unless_ids_names_or_text(tmp_path):
    extra = {"employees": 12, "rating": "B", "branch_id": 7, "audit_date": None}
    rows = [customer(f"C{number}", website=f"site {number}", **extra) for number in range(60)]
    write_tables(
        tmp_path,
        {
            "customers": rows,
            "exposures": [exposure(utilised=0.5)],
            "observations": [observation(tenure=3.0, target=1.0)],
            "statements": [statement(market_value=5.0, total_assets=1.0, total_liabilities=2.0)],
        },
    )
    names = build_catalogue("default", columns_of(tmp_path)).names
    assert {"bg_employees", "bg_rating", "exp_utilised", "obs_tenure", "stmt_market_value_to_assets", "stmt_market_to_liabilities"} <= set(
        names
    )
    assert not {"bg_website", "bg_branch_id", "bg_name", "obs_target"} & set(names)


def test_dated_rows_columns_beyond_the_contract_become_features_unless_a_declared_one_bears_the_name(tmp_path):
    rows = {"invoices": [invoice(days_late=3, urgent=True, shop="A")], "payments": [payment(bank_fee=0.5)], "contracts": [contract(delay_days=1)]}
    write_tables(tmp_path, rows)
    names = build_catalogue("default", columns_of(tmp_path)).names
    assert {"inv_days_late_last_365d", "inv_urgent_share_365d", "inv_shop_last_365d", "pay_bank_fee_mean_365d", "con_delay_days_last_365d"} <= set(names)
    assert len(set(names)) == len(names)


def test_a_category_beyond_the_contract_keeps_its_kind(tmp_path):
    write_tables(tmp_path, {"customers": [customer(rating="B")]})
    assert build_catalogue("default", columns_of(tmp_path))["bg_rating"].kind == "category"


def test_each_published_series_becomes_a_level_and_a_growth(tmp_path):
    write_tables(tmp_path, {"series": [series("gdp"), series("orders", industry="retail")], "customers": [customer()]})
    names = build_catalogue("default", columns_of(tmp_path)).names
    assert {"bg_market_gdp", "bg_market_gdp_growth_12m", "bg_industry_orders", "bg_industry_orders_growth_12m"} <= set(names)


def test_a_fraud_observation_carries_its_transactions_columns(tmp_path):
    write_tables(tmp_path, {"transactions": [transaction()]})
    assert {"txn_amount_log", "txn_kind", "txn_hour"} <= set(build_catalogue("fraud", columns_of(tmp_path)).names)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ([declared(), declared()], "Feature x_count_1d is declared twice"),
        ([declared(factor="luck")], "Feature x_count_1d has the unknown factor 'luck'; choose one of solvency"),
        ([declared(scope="world")], "unknown scope 'world'; choose one of own, peer, counterparty"),
        ([declared(how=window("events", "median", "amount", days=1))], "unknown measure 'median'; choose one of count"),
        ([declared(how=window("events", "decay", days=1))], "Feature x_count_1d asks for decay without value; state"),
        ([declared(how=window("transactions", "newcomers", "amount", days=1))], "asks for newcomers without by and value"),
        ([declared(how=window("events", "count", days=60_000))], "window of 5184000000 seconds, outside the packed key's"),
        ([declared(how=window("events", "count"))], "window of 0 seconds"),
        ([declared(how=contracts("due", days=60_000))], "window of 5184000000 seconds, outside the packed key's"),
        ([declared(how=ratio(open_items("open_sum"), contracts("due", days=1)))], "unknown measure 'open_sum'; choose one of open_amount"),
        ([declared(how=contracts("overdue", days=1))], "unknown measure 'overdue'; choose one of due, on_time"),
        ([declared(how=statement_term("age"))], "unknown measure 'age'; choose one of age_days"),
        ([declared(how=counterparty("sum", days=1))], "unknown measure 'sum'; choose one of count, frauds"),
        ([declared(how=compare(contracts("due", days=1), "=", 1))], "unknown measure '='; choose one of =="),
        ([declared(how=window("events", "count", days=1, where=where(("amount", "=>", 1))))], "filters by the unknown test '=>'; choose one of =="),
    ],
)
def test_a_declaration_that_breaks_the_rules_is_refused(features, message):
    with pytest.raises(RiskError, match=message):
        check(features)


@pytest.mark.parametrize(
    "how",
    [
        *(statement_term(measure) for measure in MEASURES["statement"]),
        *(open_items(measure) for measure in MEASURES["open_items"]),
        *(contracts(measure, days=365) for measure in MEASURES["contracts"]),
        *(compare(contracts("due", days=365), test, 1) for test in MEASURES["compare"]),
    ],
)
def test_every_measure_that_is_allowed_can_be_computed(how):
    catalogue = Catalogue("default", [declared(how=how)])
    rows = from_rows({"invoices": [invoice()], "contracts": [contract()], "statements": [statement()]}, customer_id="C1")
    assert np.isfinite(compute_features(catalogue, rows, observations_of([{"as_of": "2023-06-30"}]))["x_count_1d"]).all()


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (window("events", "median", "amount", days=1), "unknown measure 'median'"),
        (window("events", "count", days=60_000), "outside the packed key's"),
    ],
)
def test_a_catalogue_is_checked_when_it_is_built(how, message, monkeypatch):
    monkeypatch.setattr("features.catalogue.declare", lambda use_case, columns: [declared(how=how)])
    with pytest.raises(RiskError, match=message):
        build_catalogue("default", EVERYTHING)


def test_two_series_that_would_bear_one_name_are_refused_when_the_catalogue_is_built():
    columns = EVERYTHING | {"series": EVERYTHING["series"] | {"market:gdp": "number", "market:gdp_growth_12m": "number"}}
    with pytest.raises(RiskError, match="Feature bg_market_gdp_growth_12m is declared twice; a catalogue's names are unique"):
        build_catalogue("default", columns)


def test_a_feature_left_out_is_no_column_of_the_file(tmp_path):
    write_tables(tmp_path, {"observations": [observation()], "statements": [statement(current_assets=4.0, current_liabilities=2.0)]})
    pq.write_table(pq.read_table(tmp_path / "statements.parquet").drop_columns("inventory"), tmp_path / "statements.parquet")
    catalogue = build_catalogue("default", columns_of(tmp_path))
    featurize(tmp_path, tmp_path / "observations.parquet", tmp_path / "features.parquet", catalogue=catalogue)
    names = pq.read_schema(tmp_path / "features.parquet").names
    assert catalogue.left_out["stmt_quick_ratio"] == "statements.inventory"
    assert ("stmt_quick_ratio" in names, "stmt_current_ratio" in names) == (False, True)


def test_an_unknown_use_case_is_refused():
    with pytest.raises(RiskError, match="Use case 'churn' is unknown; choose one of default, fraud"):
        build_catalogue("churn", EVERYTHING)


def test_asking_for_a_feature_that_is_not_there_names_it():
    with pytest.raises(RiskError, match="The catalogue of default has no feature stmt_unheard_of"):
        build_catalogue("default", EVERYTHING).only(["stmt_current_ratio", "stmt_unheard_of"])


def test_what_a_feature_needs_follows_from_how_it_is_computed():
    assert declared(how=last("exposures", "limit")).needs == {"exposures": ("limit",)}
    assert build_catalogue("default", EVERYTHING)["stmt_current_ratio"].needs == {"statements": ("current_assets", "current_liabilities")}


@pytest.mark.parametrize("use_case", ["default", "fraud"])
def test_every_feature_says_what_a_reader_needs(use_case):
    for each in build_catalogue(use_case, EVERYTHING).features:
        assert each.message_id.startswith("reason."), each.name
        assert each.direction in (-1, 0, 1), each.name
        assert each.unit, each.name
        assert each.missing.startswith(("Missing", "Never")), each.name


def test_a_users_column_named_like_a_declared_feature_stands_beside_it(tmp_path):
    write_tables(tmp_path, {"customers": [customer(age_months=7)], "exposures": [exposure(log_limit=0.5)]})
    catalogue = build_catalogue("default", columns_of(tmp_path))
    assert {"bg_age_months", "bg_age_months_given", "exp_log_limit", "exp_log_limit_given"} <= set(catalogue.names)
    assert catalogue["bg_age_months_given"].message_id == "feature.bg_age_months_given"


@pytest.mark.parametrize(("name", "unit"), [
    ("stmt_net_income_growth_12m", "share"), ("stmt_liabilities_to_assets", "share"), ("stmt_roa", "share"), ("stmt_roe", "share"),
    ("stmt_equity_ratio", "share"), ("stmt_gross_margin_sd_36m", "share"), ("inv_open_growth_90d", "share"), ("exp_exposure_to_limit", "share"),
    ("stmt_roa_change_12m", "difference of shares"), ("stmt_net_margin_change_12m", "difference of shares"), ("stmt_current_ratio", "ratio"),
    ("stmt_asset_turnover", "ratio"), ("stmt_asset_turnover_change_12m", "ratio"), ("stmt_current_ratio_change_12m", "ratio"),
])
def test_parts_and_growth_are_read_in_per_cent_and_other_ratios_as_times(name, unit):
    assert build_catalogue("default", EVERYTHING)[name].unit == unit
