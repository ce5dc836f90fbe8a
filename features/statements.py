"""Declared features of the statements: liquidity, leverage, coverage, profitability, turnover, growth, years, filing, and every line against total
assets."""

import re

from features.beneish import COMPONENTS, WEIGHTS
from features.feature import feature
from features.tables import LINES, TABLES
from features.terms import (
    compare,
    constant,
    growth,
    known_or,
    line,
    log,
    minus,
    plus,
    positive,
    ratio,
    revision,
    signed_log,
    spread,
    statement,
    times,
    trend,
    window,
)

YEAR = 12
HISTORY_DAYS = 1095
GAP = "Missing when no statement is visible, a line is missing or the denominator is zero."
GAP_YEAR = "Missing when the latest statement or the one a year before is not visible, a line is missing or a denominator is zero."
GAP_YEARS = "Missing below three known years among the latest four."
NO_EARNINGS = "Missing when EBITDA is not above 0, no statement is visible or a line is missing."
NEVER = "Never missing."
YEARS = (0, 12, 24, 36)
# What is read in per cent, as its name says: parts of assets, debt or revenue, margins, returns and growth. Other ratios are read as so many times.
PARTS = re.compile(
    r"stmt_(?:.+_(?:to_assets|to_revenue|margin|growth|share|rate)|roa|roe|equity_ratio|payout_ratio|interest_to_debt)(_change)?(?:_sd)?(?:_\d+m)?"
)
# The half year and some days in which most laws want a year's accounts filed.
FILING_DAYS = 185

# Lines whose ratio to total assets has a name of its own in the field.
KNOWN_AS = {
    "total_liabilities": "stmt_liabilities_to_assets",
    "equity": "stmt_equity_ratio",
    "net_income": "stmt_roa",
    "revenue": "stmt_asset_turnover",
}
SHORT = {"total_assets": "assets", "total_liabilities": "liabilities"}
DIRECTIONS = {"total_liabilities": 1, "equity": -1, "retained_earnings": -1}
# The indices that tell of something else than profit.
BENEISH = {"dsri": "cash_flow", "depi": "solvency", "lvgi": "solvency"}
PROFITABILITY = {
    "revenue",
    "cost_of_sales",
    "gross_profit",
    "operating_expenses",
    "ebit",
    "pretax_income",
    "tax",
    "net_income",
    "retained_earnings",
}
# What is tied up in customers, stock and suppliers is told in days too, and both are one fact.
CASH_FLOW = {
    *("cash", "receivables", "inventory", "payables", "operating_cash_flow", "investing_cash_flow", "financing_cash_flow", "capex", "dividends"),
}

MARGINS = {"gross_margin": "gross_profit", "operating_margin": "ebit", "net_margin": "net_income"}

# Altman (2000), "Predicting Financial Distress of Companies: Revisiting the Z-Score and ZETA Models":
# Z' for private firms, Z'' for any industry.
Z_PRIVATE = (0.717, 0.847, 3.107, 0.420, 0.998)
Z_ANY = (6.56, 3.26, 6.72, 1.05)
# Zmijewski (1984), "Methodological Issues Related to the Estimation of Financial Distress Prediction Models": above 0 distress is likely.
X_SCORE = (-4.336, -4.513, 5.679, 0.004)


def declare(columns):
    """The statement features over tables with these columns."""
    return [
        *_liquidity(),
        *_leverage(),
        *_profitability(),
        *_turnover(),
        *_changes(),
        *_years(),
        *_scores(),
        *_beneish(),
        *_piotroski(),
        *_funding(),
        *_size(),
        *_filing(),
        *_lines(columns),
    ]


def _working_capital(lag=0):
    return minus(line("current_assets", lag), line("current_liabilities", lag))


def _debt(lag=0):
    return plus(line("short_term_debt", lag), line("long_term_debt", lag))


def _ebitda(lag=0):
    return plus(line("ebit", lag), line("depreciation", lag))


def _net_debt():
    return minus(_debt(), line("cash"))


def _operating_cost():
    """Twelve months of cost that is paid in cash."""
    return minus(plus(line("cost_of_sales"), line("operating_expenses")), line("depreciation"))


def _current_ratio(lag=0):
    return ratio(line("current_assets", lag), line("current_liabilities", lag))


def _interest_cover(lag=0):
    return ratio(line("ebit", lag), line("interest_expense", lag))


def _margin(top, lag=0):
    return ratio(line(top, lag), line("revenue", lag))


def _days(stock, flow, lag=0):
    return times(ratio(line(stock, lag), line(flow, lag)), 365.0)


def _declare(factor, missing, *rows, unit=None):
    return [feature(name, how, unit=unit or _unit(name), factor=factor, missing=missing, direction=direction) for name, how, direction in rows]


def _unit(name):
    part = PARTS.fullmatch(name)
    if part is None:
        return "ratio"
    return "difference of shares" if part[1] else "share"


def _liquidity():
    quick = minus(line("current_assets"), line("inventory"))
    return _declare(
        "solvency",
        GAP,
        ("stmt_current_ratio", _current_ratio(), 0),
        ("stmt_quick_ratio", ratio(quick, line("current_liabilities")), 0),
        ("stmt_cash_ratio", ratio(line("cash"), line("current_liabilities")), 0),
        ("stmt_working_capital_to_assets", ratio(_working_capital(), line("total_assets")), 0),
        ("stmt_working_capital_to_revenue", ratio(_working_capital(), line("revenue")), 0),
    ) + _endurance()


def _endurance():
    """How long the liquid means would pay the running cost. Sorter and Benston (1960), "Appraising the Defensive Position of a Firm"."""
    months, days = (times(positive(_operating_cost()), 1 / parts) for parts in (12, 365))
    liquid = plus(line("cash"), line("receivables"))
    return [
        *_declare("cash_flow", GAP, ("stmt_cash_cover_months", ratio(line("cash"), months), 0), unit="months"),
        *_declare("cash_flow", GAP, ("stmt_defensive_days", ratio(liquid, days), 0), unit="days"),
    ]


def _leverage():
    return [
        *_declare(
            "solvency",
            GAP,
            ("stmt_debt_to_equity", ratio(_debt(), line("equity")), 0),
            ("stmt_debt_to_assets", ratio(_debt(), line("total_assets")), 0),
            ("stmt_short_term_debt_share", ratio(line("short_term_debt"), _debt()), 0),
            ("stmt_net_debt_to_assets", ratio(_net_debt(), line("total_assets")), 0),
            ("stmt_interest_cover", _interest_cover(), 0),
            ("stmt_current_liabilities_share", ratio(line("current_liabilities"), line("total_liabilities")), 0),
            ("stmt_equity_to_liabilities", ratio(line("equity"), line("total_liabilities")), 0),
        ),
        # below 0 a larger loss would read as less debt
        *_declare("solvency", NO_EARNINGS, ("stmt_net_debt_to_ebitda", ratio(_net_debt(), positive(_ebitda())), 0)),
        *_declare("profitability", GAP, ("stmt_negative_ebitda", compare(_ebitda(), "<=", 0), 0), unit="flag"),
        *_declare(
            "cash_flow",
            GAP,
            ("stmt_ocf_to_interest", ratio(line("operating_cash_flow"), line("interest_expense")), 0),
            ("stmt_ocf_to_debt", ratio(line("operating_cash_flow"), _debt()), 0),
            ("stmt_ocf_to_current_liabilities", ratio(line("operating_cash_flow"), line("current_liabilities")), 0),
            ("stmt_accruals_to_assets", _accruals(), 0),
            ("stmt_free_cash_flow_to_assets", ratio(minus(line("operating_cash_flow"), line("capex")), line("total_assets")), 0),
        ),
    ]


def _profitability():
    return _declare(
        "profitability",
        GAP,
        ("stmt_gross_margin", _margin("gross_profit"), 0),
        ("stmt_operating_margin", _margin("ebit"), 0),
        ("stmt_net_margin", _margin("net_income"), 0),
        ("stmt_ebitda_margin", ratio(_ebitda(), line("revenue")), 0),
        ("stmt_roe", ratio(line("net_income"), line("equity")), 0),
        ("stmt_net_income_to_liabilities", ratio(line("net_income"), line("total_liabilities")), 0),
        ("stmt_operating_expenses_to_revenue", _margin("operating_expenses"), 0),
    )


def _turnover():
    cycle = minus(plus(_days("receivables", "revenue"), _days("inventory", "cost_of_sales")), _days("payables", "cost_of_sales"))
    return _declare(
        "cash_flow",
        GAP,
        ("stmt_receivable_days", _days("receivables", "revenue"), 0),
        ("stmt_inventory_days", _days("inventory", "cost_of_sales"), 0),
        ("stmt_payable_days", _days("payables", "cost_of_sales"), 0),
        ("stmt_cash_conversion_days", cycle, 0),
        unit="days",
    )


def _equity_change():
    return minus(line("equity"), line("equity", YEAR))


def _years():
    """How steady and whither: ratios of the latest year and the three before it."""
    margins = {name: [_margin(top, lag) for lag in YEARS] for name, top in MARGINS.items()}
    returns, leverage = ([_to_assets(name, lag) for lag in YEARS] for name in ("net_income", "total_liabilities"))
    return [
        *_declare("profitability", GAP_YEARS, *((f"stmt_{name}_trend_36m", trend(*years), 0) for name, years in margins.items()), unit="ratio per year"),
        *_declare("profitability", GAP_YEARS, *((f"stmt_{name}_sd_36m", spread(*years), 0) for name, years in margins.items())),
        *_declare("profitability", GAP_YEARS, ("stmt_roa_sd_36m", spread(*returns), 0)),
        *_declare("solvency", GAP_YEARS, ("stmt_liabilities_to_assets_trend_36m", trend(*leverage), 0), unit="ratio per year"),
        *_declare(
            "profitability",
            "Missing when the latest statement or the one three years before is not visible, or revenue was zero.",
            ("stmt_revenue_growth_36m", growth(line("revenue"), line("revenue", YEARS[-1])), 0),
        ),
    ]


def _both(first, second):
    """1 where both flags are, 0 where not."""
    return compare(plus(first, second), "==", 2)


def _piotroski():
    """Nine signs of a firm that mends, one point each. Piotroski (2000), "Value Investing", Journal of Accounting Research 38; what the year brought is set
    against the assets at its end, and paid-in capital stands for shares."""
    rise = {
        "roa": _change(_to_assets, "net_income"),
        "liquidity": _change(_current_ratio),
        "margin": _change(_margin, "gross_profit"),
        "turnover": _change(_to_assets, "revenue"),
    }
    signs = [
        compare(_to_assets("net_income"), ">", 0),
        compare(_to_assets("operating_cash_flow"), ">", 0),
        compare(_accruals(), "<", 0),
        compare(minus(_to_assets("long_term_debt"), _to_assets("long_term_debt", YEAR)), "<", 0),
        compare(minus(line("paid_in_capital"), line("paid_in_capital", YEAR)), "<=", 0),
        *(compare(each, ">", 0) for each in rise.values()),
    ]
    return _declare("profitability", GAP_YEAR, ("stmt_piotroski_f", plus(*signs), 0), unit="points of 9")


def _change(figure, *arguments):
    """A figure less what it was a year before."""
    return minus(figure(*arguments), figure(*arguments, YEAR))


def _funding():
    """What debt costs, what is reinvested and paid out, and whether what lasts is paid for by what stays."""
    lasting = plus(line("equity"), line("long_term_debt"))
    spent = compare(line("operating_cash_flow"), "<", 0), compare(line("operating_cash_flow", YEAR), "<", 0)
    return [
        *_declare(
            "solvency",
            GAP,
            ("stmt_interest_to_debt", ratio(line("interest_expense"), _debt()), 0),
            ("stmt_long_term_funds_to_fixed_assets", ratio(lasting, line("fixed_assets")), 0),
        ),
        *_declare("solvency", GAP_YEAR, ("stmt_debt_growth_12m", growth(_debt(), _debt(YEAR)), 0)),
        *_declare("cash_flow", GAP_YEAR, ("stmt_payable_days_change_12m", _change(_days, "payables", "cost_of_sales"), 0), unit="days"),
        *_declare(
            "cash_flow",
            GAP,
            ("stmt_capex_to_depreciation", ratio(line("capex"), line("depreciation")), 0),
            ("stmt_payout_ratio", ratio(line("dividends"), positive(line("net_income"))), 0),
        ),
        *_declare("profitability", GAP, ("stmt_tax_rate", ratio(line("tax"), positive(line("pretax_income"))), 0)),
        *_declare("cash_flow", GAP_YEAR, ("stmt_cash_drain_two_years", _both(*spent), 0), unit="flag"),
    ]


def _beneish():
    declared = [_declare(BENEISH.get(name, "profitability"), GAP_YEAR, (f"stmt_beneish_{name}", how, 0), unit="index") for name, how in COMPONENTS.items()]
    known = {**COMPONENTS, "sgi": ratio(line("revenue"), line("revenue", YEAR)), "tata": _accruals()}
    score = plus(constant(WEIGHTS["constant"]), *(times(how, WEIGHTS[name]) for name, how in known.items()))
    return [
        *(each for one in declared for each in one),
        *_declare("profitability", GAP_YEAR, ("stmt_beneish_m", score, 0), unit="score"),
    ]


def _accruals():
    return ratio(minus(line("net_income"), line("operating_cash_flow")), line("total_assets"))


def _changes():
    return [
        *_declare(
            "solvency",
            GAP_YEAR,
            ("stmt_current_ratio_change_12m", _change(_current_ratio), 0),
            ("stmt_interest_cover_change_12m", _change(_interest_cover), 0),
            # the equity's growth runs away where there was hardly any
            ("stmt_equity_change_to_assets_12m", ratio(_equity_change(), line("total_assets", YEAR)), 0),
            # what the owners brought in (above 0) or took out, beside the year's income
            ("stmt_owner_flows_to_assets_12m", ratio(minus(_equity_change(), line("net_income")), line("total_assets")), 0),
        ),
        *_declare(
            "profitability",
            GAP_YEAR,
            ("stmt_gross_margin_change_12m", _change(_margin, "gross_profit"), 0),
            ("stmt_operating_margin_change_12m", _change(_margin, "ebit"), 0),
            ("stmt_net_margin_change_12m", _change(_margin, "net_income"), 0),
        ),
        *_declare(
            "cash_flow",
            GAP_YEAR,
            ("stmt_receivable_days_change_12m", _change(_days, "receivables", "revenue"), 0),
            ("stmt_inventory_days_change_12m", _change(_days, "inventory", "cost_of_sales"), 0),
            unit="days",
        ),
    ]


def _scores():
    assets = line("total_assets")
    parts = (
        ratio(_working_capital(), assets),
        ratio(line("retained_earnings"), assets),
        ratio(line("ebit"), assets),
        ratio(line("equity"), line("total_liabilities")),
        ratio(line("revenue"), assets),
    )
    return _declare(
        "solvency",
        GAP,
        ("stmt_altman_z_any", plus(*(times(part, weight) for part, weight in zip(parts, Z_ANY, strict=False))), -1),
        ("stmt_altman_z_private", plus(*(times(part, weight) for part, weight in zip(parts, Z_PRIVATE, strict=True))), -1),
        ("stmt_zmijewski_x", _zmijewski(), 0),
        unit="score",
    )


def _zmijewski():
    figures = (_to_assets("net_income"), _to_assets("total_liabilities"), _current_ratio())
    return plus(constant(X_SCORE[0]), *(times(part, weight) for part, weight in zip(figures, X_SCORE[1:], strict=True)))


def _size():
    return _declare(
        "solvency",
        GAP,
        ("stmt_log_assets", log(line("total_assets")), 0),
        ("stmt_log_revenue", log(line("revenue")), 0),
        unit="log currency units",
    )


def _filing():
    periods = window("statements", "distinct", "period", days=HISTORY_DAYS)
    versions = window("statements", "count", days=HISTORY_DAYS)
    series = window("statements", "distinct", "version_of", days=HISTORY_DAYS)
    return [
        *_declare(
            "background",
            "Missing when no statement is visible.",
            ("stmt_age_days", statement("age_days"), 0),
            ("stmt_filing_days", statement("first_filing_days"), 0),
            unit="days",
        ),
        *_late_filing(),
        *_revisions(),
        *_declare("background", NEVER, ("stmt_count_1095d", periods, 0), ("stmt_restated_1095d", minus(versions, series), 0), unit="count"),
        *_declare("background", NEVER, ("stmt_missing", statement("missing"), 0), unit="flag"),
        *_declare("background", GAP, ("stmt_audited", line("audited"), 0), unit="flag"),
        *_declare("profitability", NEVER, ("stmt_loss", known_or(_loss()), 0), unit="flag"),
        *_declare("profitability", GAP_YEAR, ("stmt_loss_two_years", _both(_loss(), _loss(YEAR)), 0), unit="flag"),
        *_declare("solvency", NEVER, ("stmt_negative_equity", known_or(compare(line("equity"), "<", 0)), 1), unit="flag"),
    ]


def _loss(lag=0):
    return compare(line("net_income", lag), "<", 0)


def _late_filing():
    now, before = statement("first_filing_days"), statement("first_filing_days", YEAR)
    return [
        *_declare("background", "Missing when no statement is visible.", ("stmt_filing_late", compare(now, ">", FILING_DAYS), 0), unit="flag"),
        *_declare("background", GAP_YEAR, ("stmt_filing_days_change_12m", minus(now, before), 0), unit="days"),
    ]


def _revisions():
    """What a restatement took from, or added to, the income and equity first reported for the latest period."""
    revised = [(f"stmt_{name}_revision_to_assets", ratio(revision(name), line("total_assets")), 0) for name in ("net_income", "equity")]
    return _declare("background", GAP, *revised)


def _factor(name):
    if name in PROFITABILITY:
        return "profitability"
    return "cash_flow" if name in CASH_FLOW else "solvency"


def _to_assets(name, lag=0):
    return ratio(line(name, lag), line("total_assets", lag))


def _one_line(name):
    """A line against total assets, the change of that ratio, and its own growth over one year."""
    return [*_against_assets(name), *_growth(name)]


def _growth(name):
    how = growth(line(name), line(name, YEAR))
    return _declare(_factor(name), GAP_YEAR, (f"stmt_{SHORT.get(name, name)}_growth_12m", how, 0))


def _against_assets(name):
    short = KNOWN_AS.get(name, f"stmt_{name}_to_assets")
    return [
        *_declare(_factor(name), GAP, (short, _to_assets(name), DIRECTIONS.get(name, 0))),
        *_declare(_factor(name), GAP_YEAR, (f"{short}_change_12m", minus(_to_assets(name), _to_assets(name, YEAR)), 0)),
    ]


def _lines(columns):
    return [*_growth("total_assets"), *(each for name in LINES if name != "total_assets" for each in _one_line(name))]


def extras(columns):
    """Columns beyond the contract: numbers against total assets and in size, categories and flags as the last period's statement says."""
    extras = {name: kind for name, kind in columns.get("statements", {}).items() if TABLES["statements"].column(name) is None}
    numeric = [name for name, kind in extras.items() if kind in ("number", "integer", "money")]
    declared = [each for name in numeric for each in _one_line(name)]
    declared += _declare("solvency", GAP, *((f"stmt_{name}_log", signed_log(line(name)), 0) for name in numeric), unit="signed log")
    if "market_value" in numeric:
        declared += _declare(
            "solvency",
            GAP,
            ("stmt_market_to_liabilities", ratio(line("market_value"), line("total_liabilities")), 0),
            ("stmt_market_to_equity", ratio(line("market_value"), line("equity")), 0),
        )
    return declared + _told(extras)


def _told(extras):
    """What a statement says in words or by yes and no, such as its auditor's opinion."""
    last = {name: window("statements", "last", name, days=HISTORY_DAYS) for name, kind in extras.items() if kind in ("category", "flag")}
    about = {"factor": "solvency", "missing": "Missing when no statement of the window says."}
    return [
        feature(f"stmt_{name}", how, unit=extras[name], kind="number" if extras[name] == "flag" else "category", **about) for name, how in last.items()
    ]
