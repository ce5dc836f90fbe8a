"""Declared features of the customer itself, its exposure, its market, and whatever columns a source adds to them."""

from features.feature import feature
from features.tables import TABLES
from features.terms import growth, largest, last, line, log, minus, months_since, own, ratio, series, times, where, where_known, window

UNKNOWN = "Missing when the customer's record is not visible or the value is not given."
NO_BASE = "Missing when no exposure is visible or there is nothing to divide by."
NO_SCOPE = "Missing when no invoice of the window says what was sold, or the customer's scope was not known."
NO_SERIES = "Missing when no value of the series was published yet."
# Columns of observations that are the label's or say whose outcome there is (accepted, rejected), nothing known of the customer.
NOT_OWN = ("status", "decision")
NUMBERS = ("number", "integer", "money", "flag")


def declare(columns):
    """The background features over tables with these columns."""
    return [
        *customer(columns),
        *_scope_fit(),
        *_exposure(),
        *_utilisation(),
        *_market(columns),
    ]


def extras(columns):
    """The columns beyond the contract of customers, exposures and the observations themselves."""
    return [*customer_extras(columns), *_extras(columns, "exposures", "exp"), *observation(columns)]


def _declare(name, how, unit, missing, kind="number"):
    return feature(name, how, unit=unit, factor="background", missing=missing, kind=kind)


def customer(columns):
    """Age, time as a customer, and what kind of customer it is."""
    return [
        _declare("bg_age_months", months_since("customers", "founded_on"), "months", UNKNOWN),
        _declare("bg_months_as_customer", months_since("customers", "onboarded_on"), "months", UNKNOWN),
        *(
            _declare(f"bg_{name}", last("customers", name), "category", UNKNOWN, "category")
            for name in ("industry", "region", "ownership", "kind")
        ),
    ]


def _exposure():
    limit, exposure = last("exposures", "limit"), last("exposures", "exposure")
    in_units = times(exposure, 0.01)
    return [
        _declare("exp_log_limit", log(limit), "log minor units", NO_BASE),
        _declare("exp_exposure_to_limit", ratio(exposure, limit), "share", NO_BASE),
        _declare("exp_collateral_share", ratio(last("exposures", "collateral"), exposure), "share", NO_BASE),
        _declare("exp_exposure_to_assets", ratio(in_units, line("total_assets")), "share", NO_BASE),
        _declare("exp_exposure_to_revenue", ratio(in_units, line("revenue")), "share", NO_BASE),
    ]


def _utilisation():
    """How the use of the limit, and the limit, moved; the peak is against today's limit, since that is what is at stake."""
    used, used_before = (ratio(last("exposures", "exposure", ago=ago), last("exposures", "limit", ago=ago)) for ago in (0, 90))
    peak = largest(window("exposures", "max", "exposure", days=365), last("exposures", "exposure", ago=365))
    limit, before = last("exposures", "limit"), last("exposures", "limit", ago=365)
    return [
        _declare("exp_exposure_to_limit_change_90d", minus(used, used_before), "difference of shares", "Missing when no exposure was visible 90 days before."),
        _declare("exp_peak_to_limit_365d", ratio(peak, limit), "share", NO_BASE),
        _declare("exp_limit_growth_365d", growth(limit, before), "share", "Missing when no limit was visible 365 days before."),
    ]


def _scope_fit():
    """What the customer buys that its stated business does not name."""
    outside, known = where(("outside_scope", "==", 1)), where(("outside_scope", ">=", 0))
    amount, billed = (window("invoices", "sum", "amount", days=365, where=each) for each in (outside, known))
    share, count = ratio(amount, billed), window("invoices", "count", days=365, where=outside)
    return [
        _declare("bg_outside_scope_share_365d", share, "share", NO_SCOPE),
        _declare("bg_outside_scope_count_365d", where_known(count, share), "count", NO_SCOPE),
    ]


def _market(columns):
    """Level and twelve months' growth of each published series, by the columns "market:<name>" and "industry:<name>"."""
    named = [column.partition(":") for column in columns.get("series", {}) if ":" in column]
    return [each for whose, _, name in named for each in _series(name, whose == "industry")]


def _series(name, industry):
    stem = f"bg_{'industry' if industry else 'market'}_{name}"
    now, before = series(name, industry=industry), series(name, industry=industry, lag=12)
    return [_declare(stem, now, "the series' unit", NO_SERIES), _declare(f"{stem}_growth_12m", growth(now, before), "share", NO_SERIES)]


def _beyond_contract(columns, table):
    return [(name, kind) for name, kind in columns.get(table, {}).items() if TABLES[table].column(name) is None]


def customer_extras(columns):
    """The columns beyond the contract of customers."""
    return _extras(columns, "customers", "bg")


def _extras(columns, table, group):
    return [
        _declare(f"{group}_{name}", last(table, name), "as given", UNKNOWN, "category" if kind == "category" else "number")
        for name, kind in _beyond_contract(columns, table)
        if kind in (*NUMBERS, "category")
    ]


def observation(columns, *, other=()):
    """The observations' own columns, as given, but for `other`: those that a fraud observation carries from its transaction."""
    return [
        _declare(
            f"obs_{name}",
            own(name),
            "as given",
            "Missing where the observation gives none.",
            "category" if kind == "category" else "number",
        )
        for name, kind in _beyond_contract(columns, "observations")
        if kind in (*NUMBERS, "category") and name not in (*NOT_OWN, *other)
    ]
