"""Declared features of account transactions for a customer's default: flows, their kinds, balance, counterparties, rhythm, digits."""

import re

from features.feature import feature
from features.terms import constant, minus, plus, positive, ratio, size, spread, times, where, where_known, window

NEVER = "Never missing: 0 where nothing happened."
EMPTY = "Missing when the window holds no transaction, or nothing to divide by."
# Money in and out apart: their difference hides a customer who moves more than it earns.
IN, OUT = where(("amount", ">", 0)), where(("amount", "<", 0))
WINDOWS = (30, 90, 365)
QUARTERS = (90, 180, 270, 365)
# Benford's law: log10(1 + 1/d) for the first digits 1 to 9.
BENFORD = (
    0.3010299956639812,
    0.17609125905568124,
    0.12493873660829995,
    0.09691001300805642,
    0.07918124604762482,
    0.06694678963061322,
    0.05799194697768673,
    0.05115252244738129,
    0.04575749056067514,
)
# Below it the digits of honest books stray as far from Benford's law as those of false ones.
LEAST_FOR_DIGITS = 50


def declare(columns):
    """The transaction features over tables with these columns."""
    return [
        *(each for days in WINDOWS for each in _flows(days)),
        *_trends(),
        *(each for days in WINDOWS for each in _balance(days)),
        *_balance_now(),
        *_steadiness(),
        *_counterparties(),
        *_concentration(),
        *_rhythm(),
        *_breaks(),
        *(each for level, slug in _slugs(columns) for each in _of_kind(level, slug)),
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
        # what outflow to inflow says, kept for the bundles that read it
        _declare("txn_net_flow_to_inflow_365d", ratio(minus(inflow(365), outflow(365)), inflow(365)), "share", EMPTY),
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
    recent, usual = (window("transactions", "mean", "balance", days=days) for days in (90, 365))
    return [
        _declare("txn_balance_trend_90d", ratio(recent, usual), "ratio", EMPTY),
        _declare("txn_balance_last_365d", balance, "minor units", EMPTY),
        _declare("txn_balance_to_outflow_90d", ratio(balance, outflow(90)), "ratio", EMPTY),
        _declare("txn_balance_to_mean_365d", ratio(balance, window("transactions", "mean", "balance", days=365)), "ratio", EMPTY),
    ]


def _by_quarter(of_days):
    """The four quarters of a year from what windows up to their starts hold, the latest first; the oldest has 95 days."""
    return [of_days(QUARTERS[0]), *(minus(of_days(end), of_days(begin)) for begin, end in zip(QUARTERS, QUARTERS[1:], strict=False))]


def _net_flow(days):
    return window("transactions", "sum", "amount", days=days)


def _steadiness():
    usual = times(inflow(365), 1 / len(QUARTERS))
    return [
        _declare("txn_inflow_quarterly_sd_365d", ratio(spread(*_by_quarter(inflow)), usual), "ratio", EMPTY),
        _declare("txn_net_flow_quarterly_sd_365d", ratio(spread(*_by_quarter(_net_flow)), usual), "ratio", EMPTY),
    ]


def _by_counterparty(measure, flow):
    return window("transactions", measure, "size", days=365, where=flow, by="counterparty_id")


def _concentration():
    """Herfindahl (1950): sum of squared shares; 1 is one counterparty alone."""
    nobody = "Missing when no such flow of the window names its counterparty."
    newcomers = window("transactions", "newcomers", "amount", days=365, by="counterparty_id", value=90)
    return [
        *(
            _declare(f"txn_{name}_{word}_365d", _by_counterparty(measure, flow), unit, nobody, "transactions")
            for measure, word, unit in (("concentration", "concentration", "index"), ("largest_share", "largest_counterparty_share", "share"))
            for name, flow in (("inflow", IN), ("outflow", OUT))
        ),
        _declare("txn_new_counterparties_90d", newcomers, "count", NEVER, "transactions"),
    ]


def benford(days, *, least):
    """Mean absolute deviation of the first digits' shares from Benford's law; missing below `least` amounts.

    Nigrini (2012), Benford's Law, chapter 7: above 0.015 the digits of a large set do not conform.
    """
    tests = ((">=", 1), *(("==", digit) for digit in range(1, 10)))
    count, *counts = (window("transactions", "count", days=days, where=where(("first_digit", *test))) for test in tests)
    off = [size(minus(ratio(own, count), constant(share))) for own, share in zip(counts, BENFORD, strict=True)]
    return where_known(ratio(plus(*off), constant(9.0)), positive(minus(count, constant(least - 1.0))))


def _breaks():
    """Whether the account falls silent, and whether its amounts look made up."""
    gap = ratio(constant(365.0), window("transactions", "count", days=365))
    weeks = window("transactions", "distinct", "week", days=365)
    few = f"Missing below {LEAST_FOR_DIGITS} transactions in the window."
    return [
        _declare("txn_gap_to_usual_365d", ratio(window("transactions", "recency", days=365), gap), "ratio", EMPTY, "transactions"),
        _declare("txn_active_weeks_365d", weeks, "count", NEVER, "transactions"),
        _declare("txn_active_weeks_90d", window("transactions", "distinct", "week", days=90), "count", NEVER, "transactions"),
        _declare("txn_benford_365d", benford(365, least=LEAST_FOR_DIGITS), "mean deviation of shares", few, "transactions"),
    ]


def _slugs(columns):
    """The kinds of transaction that are few enough to be told apart, and the word for each in a column's name; of two with one word the first."""
    levels = sorted(name.removeprefix("kind=") for name in columns.get("transactions", {}) if name.startswith("kind="))
    words = {level: re.sub(r"\W+", "_", level.casefold()).strip("_") for level in levels}
    first = {word: level for level, word in reversed(words.items())}
    return [(level, word) for level, word in words.items() if word and first[word] == level]


def _of_kind(level, slug):
    """What part of the money goes out, or comes in, for this: a rising share of loan payments, a salary that is most of the income."""
    condition = where(("kind", "==", level))
    spent, earned = (window("transactions", "sum", "amount", days=365, where=flow + condition) for flow in (OUT, IN))
    recent = times(window("transactions", "sum", "amount", days=90, where=OUT + condition), -1.0)
    return [
        _declare(f"txn_kind_{slug}_outflow_share_365d", ratio(times(spent, -1.0), outflow(365)), "share", EMPTY),
        _declare(f"txn_kind_{slug}_inflow_share_365d", ratio(earned, inflow(365)), "share", EMPTY),
        _declare(f"txn_kind_{slug}_outflow_to_inflow_90d", ratio(recent, inflow(90)), "ratio", EMPTY),
    ]


def _counterparties():
    short, long = (window("transactions", "distinct", "counterparty_id", days=days) for days in (90, 365))
    return [
        _declare("txn_counterparties_90d", short, "count", NEVER, "transactions"),
        _declare("txn_counterparties_365d", long, "count", NEVER, "transactions"),
        _declare("txn_counterparties_trend_90d", ratio(short, long), "ratio", EMPTY, "transactions"),
        _declare(
            "txn_largest_inflow_share_365d", ratio(window("transactions", "max", "amount", days=365, where=IN), inflow(365)), "share", EMPTY, "transactions"
        ),
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
