"""The business facts behind the features: columns that tell of one fact are one reason, so that what is said once is not said ten times.

A fact is what a risk officer or a customer would talk about as one thing. Its columns have one factor; its message id is "reason.<fact>". A column that
no fact lists (a source's own) is a fact with whatever else is made of the same figure: "feature.<stem>".
"""

import re

import msgspec

from features.peers import peer_name

_BACKGROUND = {
    "company_age": ("bg_age_months",),
    "relationship": ("bg_months_as_customer",),
    "industry": ("bg_industry",),
    "region": ("bg_region",),
    "ownership": ("bg_ownership",),
    "customer_kind": ("bg_kind",),
}
# Stems of the columns of each fact: names without industry comparison, window and the endings of ENDING; a stem that is listed with its ending is told apart.
FACTS = {
    "default": {
        # solvency
        "indebtedness": (
            *("stmt_liabilities", "stmt_equity_ratio", "stmt_equity_to_liabilities", "stmt_debt_to_equity", "stmt_negative_equity"),
            *("stmt_debt", "stmt_net_debt", "stmt_net_debt_to_ebitda", "stmt_long_term_debt", "stmt_zmijewski_x", "stmt_beneish_lvgi"),
            *("stmt_equity", "stmt_equity_change"),
        ),
        "debt_maturity": ("stmt_short_term_debt", "stmt_short_term_debt_share", "stmt_current_liabilities", "stmt_current_liabilities_share"),
        "owner_funds": ("stmt_owner_flows", "stmt_paid_in_capital"),
        "interest_burden": ("stmt_interest_cover", "stmt_interest_to_debt", "stmt_interest_expense"),
        "liquidity": (
            *("stmt_current_ratio", "stmt_quick_ratio", "stmt_cash_ratio", "stmt_working_capital", "stmt_working_capital_to_revenue"),
            "stmt_long_term_funds_to_fixed_assets",
        ),
        "asset_structure": ("stmt_current_assets", "stmt_fixed_assets", "stmt_depreciation", "stmt_beneish_depi"),
        "asset_growth": ("stmt_assets",),
        "size": ("stmt_log_assets", "stmt_log_revenue", "peer_size_rank"),
        "distress_scores": ("stmt_altman_z_any", "stmt_altman_z_private"),
        "market_value": ("stmt_market_value", "stmt_market_to_liabilities", "stmt_market_to_equity", "peer_market_value_rank"),
        # profitability
        "profit": (
            *("stmt_operating_margin", "stmt_net_margin", "stmt_ebitda_margin", "stmt_negative_ebitda", "stmt_roe", "stmt_roa", "stmt_net_income"),
            *("stmt_net_income_to_liabilities", "stmt_ebit", "stmt_pretax_income", "stmt_loss", "stmt_loss_two_years"),
            *("stmt_tax", "stmt_tax_rate"),
        ),
        "gross_margin": ("stmt_gross_margin", "stmt_beneish_gmi"),
        "overheads": ("stmt_operating_expenses", "stmt_operating_expenses_to_revenue", "stmt_beneish_sgai"),
        # what is sold, what it costs and what is earned on it move together against the assets; the margin between them is told apart
        "sales": ("stmt_revenue", "stmt_asset_turnover", "stmt_cost_of_sales", "stmt_gross_profit"),
        "earnings_stability": ("stmt_gross_margin_sd", "stmt_operating_margin_sd", "stmt_net_margin_sd", "stmt_roa_sd"),
        "accounts_quality": ("stmt_beneish_aqi", "stmt_beneish_m", "stmt_piotroski_f"),
        "retained_earnings": ("stmt_retained_earnings",),
        # cash flow
        "operating_cash_flow": (
            *("stmt_operating_cash_flow", "stmt_ocf_to_interest", "stmt_ocf_to_debt", "stmt_ocf_to_current_liabilities", "stmt_accruals"),
            *("stmt_free_cash_flow", "stmt_cash_drain_two_years"),
        ),
        "cash_reserves": ("stmt_cash", "stmt_cash_cover_months", "stmt_defensive_days"),
        "receivables": ("stmt_receivables", "stmt_receivable_days", "stmt_beneish_dsri"),
        "inventory": ("stmt_inventory", "stmt_inventory_days"),
        "payables": ("stmt_payables", "stmt_payable_days"),
        "cash_conversion": ("stmt_cash_conversion_days",),
        "investment": ("stmt_investing_cash_flow", "stmt_capex", "stmt_capex_to_depreciation"),
        "outside_funding": ("stmt_financing_cash_flow",),
        "dividends": ("stmt_dividends", "stmt_payout_ratio"),
        "account_flows": ("txn_inflow", "txn_outflow", "txn_days_since_last_inflow"),
        "account_surplus": ("txn_outflow_to_inflow", "txn_net_flow_to_inflow"),
        "account_balance": (
            *("txn_balance", "txn_balance_min", "txn_balance_negative_share", "txn_balance_last", "txn_balance_to_outflow", "txn_balance_to_mean"),
        ),
        "account_steadiness": ("txn_inflow_quarterly", "txn_net_flow_quarterly"),
        # transactions
        "account_activity": ("txn_count", "txn_active_weeks", "txn_days_since_last", "txn_gap_to_usual"),
        "counterparties": ("txn_counterparties", "txn_new_counterparties"),
        "concentration": (
            *("txn_largest_inflow_share", "txn_largest_outflow_share", "txn_inflow_concentration", "txn_outflow_concentration"),
            *("txn_inflow_largest_counterparty_share", "txn_outflow_largest_counterparty_share"),
        ),
        "transaction_amounts": ("txn_volatility", "txn_round_share", "txn_benford"),
        "transaction_hours": ("txn_night_share", "txn_weekend_share"),
        # payment behaviour
        "late_payment": (
            *("inv_days_late", "inv_days_late_mean", "inv_days_late_max", "inv_days_late_weighted", "inv_share_late", "inv_share_early"),
            *("inv_late_over_30d_share", "inv_late_over_60d_share", "inv_late_over_90d_share"),
        ),
        "overdue": (
            *("inv_overdue_amount", "inv_overdue_count", "inv_overdue_share", "inv_oldest_overdue_days", "inv_overdue_days_weighted"),
            *("inv_overdue_over_0d_share", "inv_overdue_over_30d_share", "inv_overdue_over_60d_share", "inv_overdue_over_90d_share"),
            *("inv_overdue_change_to_billed", "inv_roll_rate_to_30d", "inv_roll_rate_to_60d"),
        ),
        "open_invoices": ("inv_open", "inv_open_amount", "inv_open_count", "inv_open_to_billed", "inv_largest_open_share"),
        "part_payments": ("inv_share_in_parts", "inv_partly_paid_share"),
        "business_volume": (
            *("inv_billed_amount", "inv_count", "inv_settled_count", "inv_billing", "inv_amount", "inv_active_months", "inv_days_since_last"),
            "inv_gap_to_usual",
        ),
        "payment_terms": ("inv_terms_days",),
        "payments_received": ("pay_paid_to_billed", "pay_days_since_last"),
        "credit_notes": ("pay_credit_note_share",),
        "write_offs": ("pay_write_off_share", "pay_write_off_count"),
        # contracts
        "contract_delay": ("con_share_on_time", "con_late_count", "con_delay_days_mean"),
        "contract_breach": ("con_share_breached", "con_breached_count", "con_amount_breached_share"),
        "contract_volume": ("con_due_count", "con_due_amount"),
        # disputes
        "complaints": ("evt_complaint_count", "evt_days_since_complaint", "evt_complaint_decayed"),
        "disputes": ("evt_dispute_count", "evt_days_since_dispute", "evt_dispute_decayed", "inv_disputed_to_billed"),
        "lawsuits": ("evt_lawsuit_count", "evt_days_since_lawsuit", "evt_lawsuit_decayed", "evt_lawsuit_amount"),
        "inquiries": ("evt_inquiry_count", "evt_inquiry_decayed"),
        "credit_reports": (
            *("evt_credit_report_count", "evt_report_score_last", "evt_report_score_change_last", "evt_report_passage_last", "evt_report_severity_last"),
        ),
        "staff_reports": ("evt_staff_report_count", "evt_staff_report_decayed"),
        "events": ("evt_count", "evt_amount", "evt_severity_max", "evt_severity_mean"),
        "enforcement": ("evt_enforcement_count", "evt_enforcement_amount", "evt_days_since_enforcement", "evt_enforcement_decayed"),
        "insolvency": ("evt_insolvency_count", "evt_insolvency_amount", "evt_days_since_insolvency", "evt_insolvency_decayed"),
        "regulator": ("evt_regulator_count", "evt_regulator_amount", "evt_days_since_regulator", "evt_regulator_decayed"),
        # background
        **_BACKGROUND,
        "scope": ("bg_outside_scope_share", "bg_outside_scope_count"),
        "filing": ("stmt_age_days", "stmt_filing_days", "stmt_filing_late", "stmt_count", "stmt_missing"),
        "restatements": ("stmt_restated", "stmt_net_income_revision", "stmt_equity_revision"),
        "audit": ("stmt_audited",),
        "credit_limit": ("exp_log_limit", "exp_limit"),
        "limit_use": ("exp_exposure_to_limit", "exp_peak_to_limit", "inv_open_to_limit"),
        "collateral": ("exp_collateral_share",),
        "our_exposure": ("exp_exposure", "exp_exposure_to_revenue"),
    },
    "fraud": {
        "amount": ("txn_amount_log", "txn_round"),
        "amount_to_usual": ("txn_amount_to_mean", "txn_amount_to_max", "txn_amount_deviations"),
        "amount_to_means": ("txn_amount_to_inflow", "txn_spending_to_inflow", "txn_amount_to_balance", "txn_balance_last"),
        "transaction_kind": ("txn_kind",),
        "channel": ("txn_channel",),
        "currency": ("txn_currency",),
        "time_of_day": ("txn_hour", "txn_night", "txn_night_share", "txn_night_outflow_count"),
        "day_of_week": ("txn_weekday", "txn_weekend"),
        "pace": ("txn_count", "txn_count_1d_share", "txn_outflow_count", "txn_days_since_last"),
        "spending": ("txn_outflow", "txn_amount_max"),
        "counterparty_new": ("txn_new_counterparty", "txn_counterparty_count", "txn_counterparty_amount", "txn_amount_to_counterparty_mean"),
        "counterparty_number": ("txn_counterparties", "txn_new_counterparties"),
        "counterparty_volume": ("cpty_count",),
        "counterparty_frauds": ("cpty_fraud_count", "cpty_fraud_rate"),
        **_BACKGROUND,
    },
}
# Columns beside which another says how they stand to the customer's own longer average: their difference from it, or how many times it they are.
OWN_AVERAGE = {
    "inv_days_late_mean_90d": ("inv_days_late_trend_90d", "difference"),
    "inv_share_late_90d": ("inv_share_late_trend_90d", "difference"),
    "inv_billed_amount_90d": ("inv_billing_trend_90d", "times"),
    "con_share_on_time_365d": ("con_share_on_time_trend_365d", "difference"),
    "txn_inflow_90d": ("txn_inflow_trend_90d", "times"),
    "txn_outflow_90d": ("txn_outflow_trend_90d", "times"),
}
_PEER = re.compile(r"peer_(.+)_quantile")
# What a name may end with beside its window and still tell of the same figure.
ENDING = re.compile(
    r"(.+?)_(?:\d+[hdm]|to_assets|change|growth|trend|sd|log|mean|last|share|inflow_share|outflow_share|outflow_to_inflow)"
)
_FACT_OF = {use_case: {stem: fact for fact, stems in facts.items() for stem in stems} for use_case, facts in FACTS.items()}


def reason_id(use_case, name):
    """The message id of the reason that a column belongs to: "reason.<fact>", or "feature.<stem>" for a figure that no fact lists."""
    facts = _FACT_OF[use_case]
    for stem in stems(name):
        if stem in facts:
            return f"reason.{facts[stem]}"
    return f"feature.{stem}"


def with_reasons(use_case, declared):
    """The declared features, each with the message id of its reason."""
    return [msgspec.structs.replace(each, message_id=reason_id(use_case, each.name)) for each in declared]


def stems(name):
    """A column's name, and that name with one ending after the other taken off; of a quantile that of what is compared."""
    compared = _PEER.fullmatch(name)
    name = f"stmt_{compared[1]}" if compared else name
    yield name
    while ended := ENDING.fullmatch(name):
        name = ended[1]
        yield name


def comparisons(name):
    """What a column may be compared by: [(kind, the column that says so, what that holds)], the most telling first.

    kind: industry (it holds the quantile), year_before, quarter_before or own_average (it holds the difference from that, or the times of it). Whether
    there are such columns is not asked.
    """
    changes = [("year_before", f"{name}_change_12m", "difference"), ("quarter_before", f"{name}_change_90d", "difference")]
    own = [("own_average", *OWN_AVERAGE[name])] if name in OWN_AVERAGE else []
    return [("industry", peer_name(name), "quantile"), *changes, *own]
