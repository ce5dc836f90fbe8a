"""The parts of the M-score, which tells accounts that were dressed up from those that were not.

Beneish (1999), "The Detection of Earnings Manipulation", Financial Analysts Journal 55(5): eight-variable model; accruals from the cash flow
statement, as in Beneish, Lee and Nichols (2013). Of the eight, sales growth (SGI) and accruals (TATA) are features of their own already.
Each index compares the latest year with the one before: 1 is no change. A score above -1.78 speaks of manipulation.
"""

from features.terms import constant, known_or, line, minus, plus, positive, ratio, where_known

YEAR = 12
LEAST_SOFT = 0.01
WEIGHTS = {
    "constant": -4.84,
    "dsri": 0.920,
    "gmi": 0.528,
    "aqi": 0.404,
    "sgi": 0.892,
    "depi": 0.115,
    "sgai": -0.172,
    "tata": 4.679,
    "lvgi": -0.327,
}


def _receivables(lag=0):
    return ratio(line("receivables", lag), line("revenue", lag))


def _margin(lag=0):
    return ratio(line("gross_profit", lag), line("revenue", lag))


def _soft_assets(lag=0):
    """The share of assets that is neither current nor fixed."""
    hard = plus(line("current_assets", lag), line("fixed_assets", lag))
    return minus(constant(1.0), ratio(hard, line("total_assets", lag)))


def _depreciation_rate(lag=0):
    return ratio(line("depreciation", lag), plus(line("depreciation", lag), line("fixed_assets", lag)))


def _overheads(lag=0):
    return ratio(line("operating_expenses", lag), line("revenue", lag))


def _leverage(lag=0):
    return ratio(plus(line("long_term_debt", lag), line("current_liabilities", lag)), line("total_assets", lag))


def _soft_enough(lag=0):
    """The share, missing where it is under a hundredth: below that, what remains is rounding, or assets told as current and fixed alone."""
    return where_known(_soft_assets(lag), positive(minus(_soft_assets(lag), constant(LEAST_SOFT))))


def _asset_quality():
    """The index, neutral where hardly any assets are soft in either year."""
    quality = known_or(ratio(_soft_enough(), _soft_enough(YEAR)), 1.0)
    return where_known(where_known(quality, _soft_assets()), _soft_assets(YEAR))


COMPONENTS = {
    "dsri": ratio(_receivables(), _receivables(YEAR)),
    "gmi": ratio(_margin(YEAR), _margin()),
    "aqi": _asset_quality(),
    "depi": ratio(_depreciation_rate(YEAR), _depreciation_rate()),
    "sgai": ratio(_overheads(), _overheads(YEAR)),
    "lvgi": ratio(_leverage(), _leverage(YEAR)),
}
