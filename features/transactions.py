"""Declared features of account transactions for a customer's default: flows, balance, counterparties, rhythm."""

from features.feature import feature
from features.terms import minus, ratio, times, where, window

NEVER = "Never missing: 0 where nothing happened."
EMPTY = "Missing when the window holds no transaction, or nothing to divide by."
# Money in and out apart: their difference hides a customer who moves more than it earns.
IN, OUT = where(("amount", ">", 0)), where(("amount", "<", 0))
WINDOWS = (30, 90, 365)


def declare(columns):
    """The transaction features over tables with these columns."""
    return [
        *(each for days in WINDOWS for each in _flows(days)),
        *_trends(),
        *(each for days in WINDOWS for each in _balance(days)),
        *_balance_now(),
        *_counterparties(),
        *_rhythm(),
    ]


def _declare(name, how, unit, missing, factor="cash_flow", direction=0):
    return feature(name, how, unit=unit, factor=factor, missing=missing, direction=direction)


def inflow(days):
    """Money in over a window."""
    return window("transactions", "sum", "amount", days=days, where=IN)


def outflow(days):
    """Money out over a window, as a positive amount."""
    return times(window("transactions", "sum", "amount", days=days, where=OUT), -1.0)


def _flows(days):
    volatility = ratio(window("transactions", "sd", "amount", days=days), window("transactions", "mean", "size", days=days))
    return [
        _declare(f"txn_inflow_{days}d", inflow(days), "minor units", NEVER),
        _declare(f"txn_outflow_{days}d", outflow(days), "minor units", NEVER),
        _declare(f"txn_outflow_to_inflow_{days}d", ratio(outflow(days), inflow(days)), "ratio", EMPTY),
        _declare(f"txn_count_{days}d", window("transactions", "count", days=days), "count", NEVER, "transactions"),
        _declare(f"txn_volatility_{days}d", volatility, "ratio", "Missing below two transactions in the window.", "transactions"),
    ]


def _trends():
    return [
        _declare("txn_inflow_trend_90d", times(ratio(inflow(90), inflow(365)), 365 / 90), "ratio", EMPTY),
        _declare("txn_inflow_trend_30d", times(ratio(inflow(30), inflow(90)), 3.0), "ratio", EMPTY),
        _declare("txn_outflow_trend_90d", times(ratio(outflow(90), outflow(365)), 365 / 90), "ratio", EMPTY),
        _declare("txn_net_flow_to_inflow_365d", ratio(minus(inflow(365), outflow(365)), inflow(365)), "ratio", EMPTY),
    ]


def _balance(days):
    below = ratio(
        window("transactions", "count", days=days, where=where(("balance", "<", 0))), window("transactions", "count", "balance", days=days)
    )
    return [
        _declare(f"txn_balance_min_{days}d", window("transactions", "min", "balance", days=days), "minor units", EMPTY),
        _declare(f"txn_balance_negative_share_{days}d", below, "share", EMPTY),
    ]


def _balance_now():
    balance = window("transactions", "last", "balance", days=365)
    return [
        _declare("txn_balance_last_365d", balance, "minor units", EMPTY),
        _declare("txn_balance_to_outflow_90d", ratio(balance, outflow(90)), "ratio", EMPTY),
        _declare("txn_balance_to_mean_365d", ratio(balance, window("transactions", "mean", "balance", days=365)), "ratio", EMPTY),
    ]


def _counterparties():
    short, long = (window("transactions", "distinct", "counterparty_id", days=days) for days in (90, 365))
    return [
        _declare("txn_counterparties_90d", short, "count", NEVER, "transactions"),
        _declare("txn_counterparties_365d", long, "count", NEVER, "transactions"),
        _declare("txn_counterparties_trend_90d", ratio(short, long), "ratio", EMPTY, "transactions"),
        _declare(
            "txn_largest_outflow_share_365d",
            ratio(times(window("transactions", "min", "amount", days=365, where=OUT), -1.0), outflow(365)),
            "share",
            EMPTY,
            "transactions",
        ),
    ]


def _share(name, conditions, days):
    how = ratio(window("transactions", "count", days=days, where=conditions), window("transactions", "count", days=days))
    return _declare(name, how, "share", EMPTY, "transactions")


def _rhythm():
    return [
        _share("txn_night_share_365d", where(("hour", "<", 6)), 365),
        _share("txn_weekend_share_365d", where(("weekday", ">=", 5)), 365),
        _share("txn_round_share_365d", where(("remainder", "==", 0)), 365),
        _declare("txn_days_since_last_365d", window("transactions", "recency", days=365), "days", EMPTY, "transactions"),
        _declare("txn_days_since_last_inflow_365d", window("transactions", "recency", days=365, where=IN), "days", EMPTY),
    ]
