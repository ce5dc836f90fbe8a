"""Declared features of invoices and payments: how late, how much is open and overdue, what is billed, credited and written off."""

from features.feature import feature
from features.terms import constant, last, minus, open_items, ratio, times, where, window

NEVER = "Never missing: 0 where nothing happened."
UNSETTLED = "Missing when no invoice was settled in the window."
NO_BASE = "Missing when there is nothing to divide by."
LATE = where(("days_late", ">", 0))
# A write-off settles an invoice, but the customer did not pay it.
PAID = where(("kind", "!=", "write_off"))


def declare(columns):
    """The features of invoices and payments over tables with these columns."""
    paid = PAID if "kind" in columns.get("payments", {}) else ()
    return [
        *(each for days in (30, 90, 180, 365) for each in _lateness(days, paid)),
        *_lateness_trend(paid),
        *_depth(paid),
        *_open(),
        *_movement(),
        *_billing(),
        *_rhythm(),
        *_payments(),
        *_limit(),
    ]


def _declare(name, how, unit, missing, direction=0, factor="payment_behaviour"):
    return feature(name, how, unit=unit, factor=factor, missing=missing, direction=direction)


def _settled(measure, column, days, conditions):
    return window("settlements", measure, column, days=days, where=conditions)


def _lateness(days, paid):
    weighted = ratio(_settled("sum", "late_amount_days", days, paid), _settled("sum", "amount", days, paid))
    return [
        _declare(f"inv_days_late_mean_{days}d", _settled("mean", "days_late", days, paid), "days", UNSETTLED, 1),
        _declare(f"inv_days_late_max_{days}d", _settled("max", "days_late", days, paid), "days", UNSETTLED, 1),
        _declare(f"inv_days_late_weighted_{days}d", weighted, "days", UNSETTLED, 1),
        _declare(f"inv_share_late_{days}d", _late_share(days, paid), "share", UNSETTLED, 1),
        _declare(f"inv_settled_count_{days}d", _settled("count", "", days, paid), "count", NEVER),
    ]


def _lateness_trend(paid):
    recent, usual = (_settled("mean", "days_late", days, paid) for days in (90, 365))
    return [
        _declare("inv_days_late_trend_90d", minus(recent, usual), "days", UNSETTLED, 1),
        _declare(
            "inv_days_late_sd_365d", _settled("sd", "days_late", 365, paid), "days", "Missing below two settled invoices in the window."
        ),
    ]


def _late_share(days, paid):
    return ratio(_settled("count", "", days, paid + LATE), _settled("count", "", days, paid))


def _depth(paid):
    """How late the late ones were, in amounts; how many came early or in parts; whether the habit is changing."""
    settled = _settled("sum", "amount", 365, paid)
    beyond = {days: _settled("sum", "amount", 365, paid + where(("days_late", ">", days))) for days in (30, 60, 90)}
    early, parts = (_settled("count", "", 365, paid + where(each)) for each in (("days_late", "<", 0), ("payments", ">", 1)))
    count = _settled("count", "", 365, paid)
    return [
        *(
            _declare(f"inv_late_over_{days}d_share_365d", ratio(amount, settled), "share", UNSETTLED, 1)
            for days, amount in beyond.items()
        ),
        _declare("inv_share_early_365d", ratio(early, count), "share", UNSETTLED),
        _declare("inv_share_in_parts_365d", ratio(parts, count), "share", UNSETTLED),
        _declare("inv_share_late_trend_90d", minus(_late_share(90, paid), _late_share(365, paid)), "difference of shares", UNSETTLED),
    ]


def _movement():
    """What is open against what was open before, as known then, and how much of the overdue rolled on into the next bucket."""
    amount, overdue, before, overdue_before = (open_items(name, ago=ago) for ago in (0, 90) for name in ("open_amount", "overdue_amount"))
    billed = window("invoices", "sum", "amount", days=365)
    return [
        _declare("inv_open_growth_90d", ratio(minus(amount, before), before), "share", "Missing when nothing was open 90 days before."),
        _declare("inv_overdue_change_to_billed_90d", ratio(minus(overdue, overdue_before), billed), "share", NO_BASE),
        _declare(
            "inv_overdue_share_change_90d",
            minus(ratio(overdue, amount), ratio(overdue_before, before)),
            "difference of shares",
            "Missing when nothing is open, or nothing was 90 days before.",
        ),
        *_rolled(),
        _declare(
            "inv_overdue_days_weighted", ratio(open_items("overdue_amount_days"), overdue), "days", "Missing when nothing is overdue.", 1
        ),
        _declare("inv_largest_open_share", ratio(open_items("largest_amount"), amount), "share", "Missing when nothing is open."),
    ]


def _rolled():
    """The amount 31 to 60 (61 to 90) days overdue against the one 1 to 30 (31 to 60) days overdue thirty days before."""
    return [
        _declare(
            f"inv_roll_rate_to_{later}d_30d",
            ratio(open_items(f"overdue_{later}d"), open_items(f"overdue_{earlier}d", ago=30)),
            "share",
            "Missing when nothing was that overdue 30 days before.",
        )
        for earlier, later in ((0, 30), (30, 60))
    ]


def _rhythm():
    gap = ratio(constant(365.0), window("invoices", "count", days=365))
    nothing = "Missing when nothing was billed in the last 365 days."
    terms, usual_terms, amount, usual = (window("invoices", "mean", name, days=days) for name in ("terms_days", "amount") for days in (90, 365))
    return [
        _declare("inv_terms_days_365d", usual_terms, "days", nothing),
        _declare("inv_terms_days_trend_90d", minus(terms, usual_terms), "days", NO_BASE),
        _declare("inv_amount_trend_90d", ratio(amount, usual), "ratio", NO_BASE),
        _declare("inv_active_months_365d", window("invoices", "distinct", "month", days=365), "count", NEVER),
        _declare("inv_gap_to_usual_365d", ratio(window("invoices", "recency", days=365), gap), "ratio", nothing),
    ]


def _open():
    amount, overdue = open_items("open_amount"), open_items("overdue_amount")
    billed = window("invoices", "sum", "amount", days=90)
    return [
        _declare("inv_open_amount", amount, "minor units", NEVER),
        _declare("inv_open_count", open_items("open_count"), "count", NEVER),
        _declare("inv_overdue_amount", overdue, "minor units", NEVER, 1),
        _declare("inv_overdue_count", open_items("overdue_count"), "count", NEVER, 1),
        _declare("inv_overdue_share", ratio(overdue, amount), "share", "Missing when nothing is open.", 1),
        _declare("inv_oldest_overdue_days", open_items("oldest_days"), "days", NEVER, 1),
        *(
            _declare(
                f"inv_overdue_over_{days}d_share", ratio(open_items(f"overdue_{days}d"), amount), "share", "Missing when nothing is open."
            )
            for days in (0, 30, 60, 90)
        ),
        _declare("inv_partly_paid_share", ratio(open_items("partial_amount"), amount), "share", "Missing when nothing is open."),
        _declare("inv_open_to_billed_90d", times(ratio(amount, billed), 90.0), "days", NO_BASE),
    ]


def _billing():
    short, long = (window("invoices", "sum", "amount", days=days) for days in (90, 365))
    return [
        _declare("inv_billed_amount_90d", short, "minor units", NEVER),
        _declare("inv_billed_amount_365d", long, "minor units", NEVER),
        _declare("inv_count_90d", window("invoices", "count", days=90), "count", NEVER),
        _declare("inv_count_365d", window("invoices", "count", days=365), "count", NEVER),
        _declare("inv_billing_trend_90d", times(ratio(short, long), 365 / 90), "ratio", NO_BASE),
        _declare(
            "inv_days_since_last_730d", window("invoices", "recency", days=730), "days", "Missing when nothing was billed in the window."
        ),
    ]


def _payments():
    billed = window("invoices", "sum", "amount", days=365)
    credited, lost = (
        window("payments", "sum", "amount", days=365, where=where(("kind", "==", kind))) for kind in ("credit_note", "write_off")
    )
    disputed = window("events", "sum", "amount", days=365, where=where(("kind", "==", "dispute")))
    return [
        # what disputes and credit notes take from the bills never comes in, however good the customer
        _declare("inv_disputed_to_billed_365d", ratio(disputed, billed), "share", NO_BASE, factor="disputes"),
        _declare("pay_credit_note_share_365d", ratio(credited, billed), "share", NO_BASE),
        _declare("pay_write_off_share_365d", ratio(lost, billed), "share", NO_BASE, 1),
        _declare(
            "pay_write_off_count_730d", window("payments", "count", days=730, where=where(("kind", "==", "write_off"))), "count", NEVER, 1
        ),
        *(
            _declare(
                f"pay_paid_to_billed_{days}d",
                ratio(window("payments", "sum", "amount", days=days), window("invoices", "sum", "amount", days=days)),
                "share",
                NO_BASE,
            )
            for days in (90, 365)
        ),
        _declare(
            "pay_days_since_last_730d", window("payments", "recency", days=730), "days", "Missing when nothing was paid in the window."
        ),
    ]


def _limit():
    used = ratio(open_items("open_amount"), last("exposures", "limit"))
    return [_declare("inv_open_to_limit", used, "share", NO_BASE, factor="background")]
