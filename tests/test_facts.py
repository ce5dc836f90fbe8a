"""Business facts: every declared column belongs to one, of one factor, and a source's own columns stand by themselves."""

import pytest

from features.catalogue import USE_CASES, build_catalogue
from features.facts import FACTS, OWN_AVERAGE, comparisons, reason_id
from features.tables import TABLES

COLUMNS = {name: {column.name: column.kind for column in table.columns} for name, table in TABLES.items()}
CREDIT_REPORTS = {"score": "number", "score_change": "number", "passage_level": "number", "family": "category"}
WITH_REPORTS = COLUMNS | {"events": COLUMNS["events"] | CREDIT_REPORTS, "statements": COLUMNS["statements"] | {"market_value": "number"}}


@pytest.mark.parametrize("use_case", USE_CASES)
def test_every_declared_feature_belongs_to_a_fact_of_one_factor(use_case):
    factors = {}
    for each in build_catalogue(use_case, WITH_REPORTS).features:
        assert each.message_id == reason_id(use_case, each.name)
        assert each.message_id.removeprefix("reason.") in FACTS[use_case], each.name
        factors.setdefault(each.message_id, set()).add(each.factor)
    assert {fact: found for fact, found in factors.items() if len(found) > 1} == {}
    assert {fact for fact in FACTS[use_case] if f"reason.{fact}" not in factors} == set()


@pytest.mark.parametrize("use_case", USE_CASES)
def test_no_figure_belongs_to_two_facts(use_case):
    listed = [stem for stems in FACTS[use_case].values() for stem in stems]
    assert sorted({stem for stem in listed if listed.count(stem) > 1}) == []


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("stmt_equity_ratio_change_12m", "reason.indebtedness"),
        ("peer_roa_quantile", "reason.profit"),
        ("peer_size_rank", "reason.size"),
        ("stmt_roa_sd_36m", "reason.earnings_stability"),
        ("inv_late_over_30d_share_365d", "reason.late_payment"),
        ("stmt_goodwill_to_assets_change_12m", "feature.stmt_goodwill"),
        ("stmt_goodwill_log", "feature.stmt_goodwill"),
        ("stmt_cash_restricted_to_assets", "feature.stmt_cash_restricted"),
        ("txn_kind_payroll_outflow_share_365d", "feature.txn_kind_payroll"),
        ("txn_kind_payroll_outflow_to_inflow_90d", "feature.txn_kind_payroll"),
        ("bg_market_pmi_growth_12m", "feature.bg_market_pmi"),
        ("inv_priority_mean_365d", "feature.inv_priority"),
        ("bg_age_months_given", "feature.bg_age_months_given"),
    ],
)
def test_a_column_s_reason_follows_from_its_name(name, found):
    assert reason_id("default", name) == found


def test_a_figure_is_compared_with_columns_of_its_own_fact():
    catalogue = build_catalogue("default", WITH_REPORTS)
    found = [(each.name, other) for each in catalogue.features for _, other, _ in comparisons(each.name) if other in catalogue.names]
    assert len(found) > 40
    assert [pair for pair in found if catalogue[pair[0]].message_id != catalogue[pair[1]].message_id] == []
    assert [name for name, (trend, _) in OWN_AVERAGE.items() if name not in catalogue.names or trend not in catalogue.names] == []
