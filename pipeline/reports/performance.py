"""How good the model proved on the rows it was judged by, as the pages show it."""

from datetime import date


def headline(evaluation):
    """Figures with their intervals: [(id, value, low, high)], None where a figure has no interval."""
    ranks, line = evaluation["discrimination"], evaluation["probability"]["line"]
    precision = ranks["average_precision"]
    return [
        ("gini", ranks["gini"], ranks["gini_low"], ranks["gini_high"]),
        ("auc", ranks["auc"], ranks["low"], ranks["high"]),
        ("average_precision", precision["average_precision"], precision["low"], precision["high"]),
        ("slope", line["slope"], line["slope_low"], line["slope_high"]),
    ]


def by_grade(evaluation):
    """Expected and observed rates of the grades that had rows, with the interval the observed rate was expected in.

    Returns dicts of grade, rows, bad, expected, observed, low, high (rates) and inside.
    """
    return [
        {"grade": row["grade"], "rows": row["rows"], "bad": row["bad"], "inside": row["inside"], "expected": row["expected"] / row["rows"],
         "observed": row["bad"] / row["rows"], "low": row["low"] / row["rows"], "high": row["high"] / row["rows"]}
        for row in evaluation["grades"] if row["rows"]]


def capture_at(evaluation, share):
    """The line of the capture table for a share of rows looked at, or None."""
    return next((line for line in evaluation["discrimination"]["capture"] if abs(line["share"] - share) < 1e-9), None)


def over_scorecard(challengers):
    """What the trees add over the scorecard: number of its columns, the verdict, and (difference, low, high) of AUC, average precision and log-loss."""
    added = challengers["comparison"]
    figures = {name: tuple(added[name][end] for end in ("difference", "low", "high")) for name in ("auc", "average_precision", "log_loss")}
    return len(challengers["scorecard"]["columns"]), added["verdict"], figures


def span(evaluation):
    """First and last as_of of the judged rows, as days."""
    return tuple(date.fromisoformat(evaluation["as_of"][name]) for name in ("first", "last"))
