"""Declared features of a transaction judged for fraud: itself, its customer's recent pace, its counterparty's past."""

from features.feature import feature
from features.terms import compare, counterparty, largest, minus, moment, own, plus, ratio, signed_log, size, where, where_known, window

NEVER = "Never missing: 0 where nothing happened."
GIVEN = "Missing where the transaction gives none."
EMPTY = "Missing when the window holds no transaction."
OUT, IN = where(("amount", "<", 0)), where(("amount", ">", 0))
# The columns that a fraud observation carries from its transaction.
JUDGED = ("occurred_at", "amount", "currency", "kind", "channel", "counterparty_id")
PACE = (("1h", {"hours": 1}), ("1d", {"days": 1}), ("7d", {"days": 7}), ("30d", {"days": 30}))
NIGHT_ENDS = 6
SATURDAY = 5


def declare(columns):
    """The features of one transaction over tables with these columns."""
    return [*_own(), *(each for label, span in PACE for each in _pace(label, span)), *_usual(), *_standing(), *_counterparty_own(), *_counterparty_past()]


def _declare(name, how, unit, missing, *, kind="number", scope="own", direction=0):
    return feature(name, how, unit=unit, factor="transactions", missing=missing, kind=kind, scope=scope, direction=direction)


def _own():
    amount, at = own("amount"), "occurred_at"
    return [
        _declare("txn_amount_log", signed_log(amount), "signed log minor units", GIVEN),
        _declare("txn_round", compare(moment("remainder", "amount"), "==", 0), "flag", GIVEN),
        *(_declare(f"txn_{name}", own(name), "category", GIVEN, kind="category") for name in ("kind", "channel", "currency")),
        _declare("txn_hour", moment("hour", at), "hour", GIVEN),
        _declare("txn_weekday", moment("weekday", at), "weekday, Monday 0", GIVEN),
        _declare("txn_night", compare(moment("hour", at), "<", NIGHT_ENDS), "flag", GIVEN),
        _declare("txn_weekend", compare(moment("weekday", at), ">=", SATURDAY), "flag", GIVEN),
    ]


def _pace(label, span):
    return [
        _declare(f"txn_count_{label}", window("transactions", "count", **span), "count", NEVER),
        _declare(f"txn_outflow_{label}", size(window("transactions", "sum", "amount", where=OUT, **span)), "minor units", NEVER),
        _declare(f"txn_amount_max_{label}", window("transactions", "max", "size", **span), "minor units", EMPTY),
    ]


def _usual():
    amount = size(own("amount"))
    usual, largest = (window("transactions", measure, "size", days=90) for measure in ("mean", "max"))
    spread = window("transactions", "sd", "size", days=90)
    pace = ratio(window("transactions", "count", days=1), window("transactions", "count", days=30))
    return [
        _declare("txn_amount_to_mean_90d", ratio(amount, usual), "ratio", EMPTY),
        _declare("txn_amount_to_max_90d", ratio(amount, largest), "ratio", EMPTY),
        _declare(
            "txn_amount_deviations_90d",
            ratio(minus(amount, usual), spread),
            "standard deviations",
            "Missing below two transactions in the window.",
        ),
        _declare("txn_count_1d_share_30d", pace, "share", EMPTY),
        _declare("txn_days_since_last_365d", window("transactions", "recency", days=365), "days", EMPTY),
        _declare(
            "txn_night_share_90d",
            ratio(
                window("transactions", "count", days=90, where=where(("hour", "<", NIGHT_ENDS))), window("transactions", "count", days=90)
            ),
            "share",
            EMPTY,
        ),
        _declare("txn_balance_last_90d", window("transactions", "last", "balance", days=90), "minor units", EMPTY),
    ]


def _standing():
    """The payment against what the account lives on, and signs of a spell: an intruder pays out again and again, to strangers and at night."""
    amount, no_inflow = size(own("amount")), "Missing when no money came in during the window."
    inflow, balance = window("transactions", "sum", "amount", days=365, where=IN), window("transactions", "last", "balance", days=90)
    spent = plus(amount, size(window("transactions", "sum", "amount", days=30, where=OUT)))
    at_night = where(("amount", "<", 0), ("hour", "<", NIGHT_ENDS))
    return [
        _declare("txn_amount_to_inflow_365d", ratio(amount, inflow), "ratio", no_inflow),
        _declare("txn_spending_to_inflow_365d", ratio(spent, inflow), "ratio", no_inflow),
        _declare("txn_amount_to_balance_90d", ratio(amount, balance), "ratio", EMPTY),
        *(_declare(f"txn_outflow_count_{days}d", window("transactions", "count", days=days, where=OUT), "count", NEVER) for days in (3, 30)),
        _declare("txn_night_outflow_count_7d", window("transactions", "count", days=7, where=at_night), "count", NEVER),
        _declare("txn_new_counterparties_7d", window("transactions", "newcomers", "amount", days=365, by="counterparty_id", value=7), "count", NEVER),
    ]


def _pair_pace(label, span):
    """How fast this customer trades with this very counterparty."""
    count, paid = (window("transactions", *what, key="counterparty_id", **span) for what in (("count",), ("sum", "size")))
    return [
        _declare(f"txn_counterparty_count_{label}", where_known(count, own("counterparty_id")), "count", GIVEN),
        _declare(f"txn_counterparty_amount_{label}", where_known(paid, own("counterparty_id")), "minor units", GIVEN),
    ]


def _counterparty_own():
    before = window("transactions", "count", days=365, key="counterparty_id")
    known = where_known(compare(before, "==", 0), own("counterparty_id"))
    return [
        _declare("txn_new_counterparty_365d", known, "flag", GIVEN),
        _declare("txn_counterparty_count_365d", where_known(before, own("counterparty_id")), "count", GIVEN),
        *(each for label, span in PACE[:3] for each in _pair_pace(label, span)),
        _declare(
            "txn_amount_to_counterparty_mean_365d",
            ratio(size(own("amount")), window("transactions", "mean", "size", days=365, key="counterparty_id")),
            "ratio",
            "Missing where the transaction gives no counterparty or the customer had none with it in the window.",
        ),
        _declare("txn_counterparties_7d", window("transactions", "distinct", "counterparty_id", days=7), "count", NEVER),
        _declare("txn_counterparties_30d", window("transactions", "distinct", "counterparty_id", days=30), "count", NEVER),
    ]


def _counterparty_past():
    """What became known of the counterparty over everybody: a terminal under attack shows in days, a bad name in months.

    A fraud is counted when it becomes known, mostly after its transaction did, so a window may hold more frauds than transactions; then the share is 1.
    """
    unseen = "Missing where the transaction gives no counterparty, or nothing of it became known in the window."
    return [each for days in (1, 7, 30, 90, 365) for each in _counterparty_window(days, unseen)]


def _counterparty_window(days, unseen):
    count, frauds = (counterparty(measure, days=days) for measure in ("count", "frauds"))
    share = ratio(frauds, largest(count, frauds))
    return [
        _declare(f"cpty_count_{days}d", count, "count", GIVEN, scope="counterparty"),
        _declare(f"cpty_fraud_count_{days}d", frauds, "count", GIVEN, scope="counterparty", direction=1),
        _declare(f"cpty_fraud_rate_{days}d", share, "share", unseen, scope="counterparty", direction=1),
    ]
