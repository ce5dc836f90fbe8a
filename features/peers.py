"""Declared features that compare a customer with its industry, through the dated context table."""

from features.feature import feature
from features.terms import last, peer

# What differs more between industries and years than between good and bad customers.
COMPARED = (
    "stmt_current_ratio",
    "stmt_quick_ratio",
    "stmt_working_capital_to_assets",
    "stmt_liabilities_to_assets",
    "stmt_equity_to_liabilities",
    "stmt_retained_earnings_to_assets",
    "stmt_interest_cover",
    "stmt_ocf_to_debt",
    "stmt_roa",
    "stmt_ebit_to_assets",
    "stmt_net_margin",
    "stmt_operating_margin",
    "stmt_asset_turnover",
    "stmt_receivable_days",
    "stmt_altman_z_any",
    "stmt_revenue_growth_12m",
    "stmt_equity_growth_12m",
    "stmt_market_to_liabilities",
    "stmt_market_value_to_assets",
    "stmt_market_value_log",
    "stmt_market_value_growth_12m",
    "stmt_log_assets",
)
NAMED = {"stmt_log_assets": "peer_size_rank", "stmt_market_value_log": "peer_market_value_rank"}


def declare(columns, declared):
    """The peer features of those declared features that are compared."""
    by_name = {each.name: each for each in declared}
    industry = (last("customers", "industry"),) if "industry" in columns.get("customers", {}) else ()
    return [_peer(by_name[name], industry) for name in COMPARED if name in by_name]


def peer_name(name):
    """The column that says where the named one stands in its industry, whether or not there is such a column."""
    return NAMED.get(name, f"peer_{name.removeprefix('stmt_')}_quantile")


def _peer(base, industry):
    return feature(
        peer_name(base.name),
        peer(base.name, base.how, *industry),
        unit="quantile",
        factor=base.factor,
        direction=base.direction,
        scope="peer",
        missing=f"Missing when {base.name} is, or when too few customers were observed by that date.",
    )
