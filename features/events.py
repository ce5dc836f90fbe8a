"""Declared features of events: complaints, disputes, lawsuits, inquiries and reports, how many, how grave, how long ago."""

from features.feature import feature
from features.terms import line, plus, ratio, times, where, window

KINDS = ("complaint", "dispute", "lawsuit", "inquiry", "credit_report", "staff_report")
# Lawsuits and disputes count against a customer beyond doubt; a complaint may be ours to answer for.
ADVERSE = ("dispute", "lawsuit")
# Families of events that readers of credit reports name beside the kind.
FAMILIES = ("enforcement", "insolvency", "regulator")
# A report is superseded by the next; what the others tell of fades.
FADING = ("complaint", "dispute", "lawsuit", "inquiry", "staff_report")
FADE_DAYS = 90  # after a quarter an event weighs half of what it did
REPORT_DAYS = 730
NEVER = "Never missing: 0 where nothing happened."
NONE = "Missing when there is none in the window."
NO_ASSETS = "Missing when no statement gives the total assets."
NO_REPORT = "Missing when no report in the window gives it."


def declare(columns):
    """The event features over tables with these columns."""
    declared = [*(each for kind in KINDS for each in _counts(kind)), *(_recency(kind) for kind in ("complaint", *ADVERSE)), *_gravity()]
    declared += [_decayed(kind) for kind in FADING]
    extras = columns.get("events", {})
    return declared + (_reports(extras) if {"score", "passage_level"} & set(extras) else []) + (_families() if "family" in extras else [])


def _declare(name, how, unit, missing, direction=0):
    return feature(name, how, unit=unit, factor="disputes", missing=missing, direction=direction)


def _counts(kind):
    direction = 1 if kind in ADVERSE else 0
    return [
        _declare(
            f"evt_{kind}_count_{days}d", window("events", "count", days=days, where=where(("kind", "==", kind))), "count", NEVER, direction
        )
        for days in (90, 365)
    ]


def _recency(kind):
    how = window("events", "recency", days=1095, where=where(("kind", "==", kind)))
    return _declare(f"evt_days_since_{kind}_1095d", how, "days", NONE, -1 if kind in ADVERSE else 0)


def _decayed(kind):
    how = _fading(where(("kind", "==", kind)))
    return _declare(f"evt_{kind}_decayed_1095d", how, "weighted count", NEVER, 1 if kind in ADVERSE else 0)


def _fading(condition):
    return window("events", "decay", days=1095, where=condition, value=FADE_DAYS)


def _gravity():
    return [
        _declare("evt_count_365d", window("events", "count", days=365), "count", NEVER),
        _declare("evt_amount_365d", window("events", "sum", "amount", days=365), "minor units", NEVER),
        _declare("evt_count_trend_90d", _recent_share(), "share", NONE),
        _declare("evt_lawsuit_amount_365d", _lawsuits(), "minor units", NEVER, 1),
        _declare("evt_lawsuit_amount_to_assets_365d", ratio(times(_lawsuits(), 0.01), line("total_assets")), "share", NO_ASSETS, 1),
        _declare("evt_severity_max_365d", window("events", "max", "severity", days=365), "1 to 5", NONE),
        _declare("evt_severity_mean_365d", window("events", "mean", "severity", days=365), "1 to 5", NONE),
    ]


def _recent_share():
    return ratio(window("events", "count", days=90), window("events", "count", days=365))


def _lawsuits():
    # a case may state its amount with the judgment only; readers give a later stage no amount that an earlier one stated
    return plus(*(window("events", "sum", "amount", days=365, where=where(("kind", "==", kind))) for kind in ("lawsuit", "judgment")))


def _reports(extras):
    """What the last credit report says: its score and how that changed, its passage, its severity. Vendors differ in a score's scale and direction."""
    report = where(("kind", "==", "credit_report"))
    measures = (
        ("score", "score", "points of the report", 0),
        ("score_change", "score_change", "points of the report", 0),
        ("passage", "passage_level", "1 green to 3 red", 1),
    )
    given = [row for row in measures if row[1] in extras]
    return [
        *(
            _declare(f"evt_report_{name}_last_{REPORT_DAYS}d", _last(column, report), unit, NO_REPORT, direction)
            for name, column, unit, direction in given
        ),
        _declare(f"evt_report_severity_last_{REPORT_DAYS}d", _last("severity", report), "1 to 5", NO_REPORT, 1),
    ]


def _last(column, condition):
    return window("events", "last", column, days=REPORT_DAYS, where=condition)


def _families():
    declared = []
    for family in FAMILIES:
        # A fine may be a formality; a court's enforcement and an insolvency are not.
        condition, direction = where(("family", "==", family)), 0 if family == "regulator" else 1
        declared += [
            _declare(f"evt_{family}_count_365d", window("events", "count", days=365, where=condition), "count", NEVER, direction),
            _declare(f"evt_{family}_amount_365d", window("events", "sum", "amount", days=365, where=condition), "minor units", NEVER),
            _declare(f"evt_days_since_{family}_1095d", window("events", "recency", days=1095, where=condition), "days", NONE, -direction),
            _declare(f"evt_{family}_decayed_1095d", _fading(condition), "weighted count", NEVER, direction),
        ]
    return declared
