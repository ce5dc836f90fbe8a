"""A model judged on rows it never saw: one nested dict of discrimination, calibration, grades and periods, for metrics.json and the
reports."""
import numpy as np
import pandas as pd

from features.errors import RiskError
from models import discrimination as rank
from models import probability_tests as truth
from models.calibration import log_odds
from models.clusters import cluster_codes

# Bad customers below which an AUC's interval is none: its variance is that among them.
FEWEST = 10
COLUMNS = ("target", "probability", "raw_score", "grade", "customer_id", "as_of")


def metrics(frame, grades, *, asset_correlation=0.0, estimated_from=None, capture_shares=(0.01, 0.05, 0.1, 0.2), period_months=3,
            repeats=200, seed=0):
    """All figures of one sample of matured rows.

    frame: one row per observation with target (0 or 1), probability, raw_score (log-odds before calibration), grade (name), customer_id and
    as_of; grades: the master scale (`models.grades.Grade`). Intervals of AUC, average precision and the calibration line take a customer's
    rows as one cluster; the per-grade intervals count repeated defaults (see `predictive_interval`), a common shock of `asset_correlation`,
    and the `estimated_from` independent defaults behind the PDs (None: as known).

    Returns {"rows", "customers", "bad", "bad_customers", "rate", "discrimination", "probability", "grades", "grades_inside", "periods"}:
    floats, ints, strings and lists only. Raises: RiskError when a column is missing or the target has one class.
    """
    _need(frame)
    target, probability = frame["target"].to_numpy(dtype=np.float64), frame["probability"].to_numpy(dtype=np.float64)
    groups = cluster_codes(frame["customer_id"])
    frame = frame.assign(customer_id=groups)
    rank.need_both_classes(target)
    raw_score = frame["raw_score"].to_numpy()
    table = grade_table(frame, grades, asset_correlation=asset_correlation, estimated_from=estimated_from)
    return {
        "rows": len(frame), "customers": len(np.unique(groups)), "bad": int(target.sum()),
        "bad_customers": len(np.unique(groups[target == 1])), "rate": float(target.mean()),
        "discrimination": discrimination(target, raw_score, groups, capture_shares=capture_shares, repeats=repeats, seed=seed),
        "probability": probability_figures(target, probability, groups),
        "grades": table, "grades_inside": float(np.mean([row["inside"] for row in table if row["rows"]])),
        "periods": periods(frame, months=period_months),
    }


def headline(full):
    """The figures that runs are compared by, flat."""
    ranks, truth = full["discrimination"], full["probability"]
    reviewed = {"precision_at_capacity": full["capacity"]["model"]["precision"]} if "capacity" in full else {}
    return {"rows": full["rows"], "bad": full["bad"], "rate": full["rate"], "auc": ranks["auc"], "auc_low": ranks["low"], "auc_high": ranks["high"],
            "gini": ranks["gini"], "gini_low": ranks["gini_low"], "gini_high": ranks["gini_high"], "ks": ranks["ks"],
            "average_precision": ranks["average_precision"]["average_precision"], "brier": truth["brier"], "log_loss": truth["log_loss"],
            "ece": truth["ece"], "calibration_slope": truth["line"]["slope"], "predicted_over_observed": truth["mean"] / truth["observed"],
            "grades_inside": full["grades_inside"], **reviewed}


def discrimination(target, raw_score, groups, *, capture_shares, repeats, seed):
    """AUC and Gini with interval, KS, average precision with interval, capture. Ranked by raw score: calibration may tie what the trees
    told apart."""
    interval = rank.auc_interval(target, raw_score, groups=groups)
    return {**interval, "gini": 2 * interval["auc"] - 1, "gini_low": 2 * interval["low"] - 1, "gini_high": 2 * interval["high"] - 1,
            "ks": rank.ks(target, raw_score),
            "average_precision": rank.average_precision_interval(target, raw_score, groups=groups, repeats=repeats, seed=seed),
            "capture": rank.capture(target, raw_score, shares=capture_shares)}


def probability_figures(target, probability, groups):
    """Brier, log-loss, ECE, calibration line with clustered intervals, Hosmer-Lemeshow, Spiegelhalter, and the reliability curve."""
    return {"mean": float(probability.mean()), "observed": float(target.mean()), "brier": truth.brier(target, probability),
            "log_loss": truth.log_loss(target, probability), "ece": truth.expected_calibration_error(target, probability),
            "line": truth.calibration_line(target, log_odds(probability), groups=groups), "hosmer_lemeshow": truth.hosmer_lemeshow(target, probability),
            "spiegelhalter": truth.spiegelhalter(target, probability), "reliability": truth.reliability(target, probability)}


def grade_table(frame, grades, *, asset_correlation=0.0, estimated_from=None):
    """Each grade's expected and observed defaults with the predictive interval and the tests of its PD.

    frame: target, probability, grade, customer_id. The expectation is the rows' mean probability; `pd` is the grade's own. Binomial and
    Jeffreys tests take rows as independent, as their published forms do, and so are too strict on repeated customers; `inside` is not.
    Returns a list of dict, one per grade of the scale, safest first; a grade without rows has rows 0 and no tests.
    """
    repeats = truth.design_effect(frame["target"], frame["customer_id"])
    by_grade = dict(tuple(frame.groupby("grade", sort=False, observed=True)))
    return [_grade_row(grade, by_grade.get(grade.name), repeats, asset_correlation, estimated_from) for grade in grades]


def periods(frame, *, months=3):
    """Rows, bad rows, rate, mean probability and AUC with its interval per period of as_of (`months` calendar months, named by its first day).

    auc is None where a period has one class, auc_low and auc_high also where it has fewer than FEWEST bad customers: of one, the interval would have no
    width. Returns a list of dict in order of time.
    """
    as_of = pd.to_datetime(frame["as_of"])
    start = (as_of.dt.year * 12 + as_of.dt.month - 1) // months * months
    return [_period_row(int(key), rows) for key, rows in frame.groupby(start.to_numpy())]


def _grade_row(grade, rows, repeats, asset_correlation, estimated_from):
    if rows is None or rows.empty:
        return {"grade": grade.name, "pd": grade.probability, "rows": 0, "bad": 0, "expected": 0.0, "low": 0, "high": 0, "inside": True}
    count, bad, mean = len(rows), int(rows["target"].sum()), float(rows["probability"].mean())
    low, high = truth.predictive_interval(count, mean, repeats=repeats, asset_correlation=asset_correlation, estimated_from=estimated_from)
    rate_low, rate_high = truth.jeffreys_interval(bad, count)
    return {"grade": grade.name, "pd": grade.probability, "rows": count, "bad": bad, "expected": count * mean, "observed": bad / count,
            "rate_low": rate_low, "rate_high": rate_high, "low": low, "high": high, "inside": low <= bad <= high,
            "binomial_p": truth.binomial_test(bad, count, mean), "jeffreys_p": truth.jeffreys_test(bad, count, mean)}


def _period_row(key, rows):
    bad = int(rows["target"].sum())
    ranked = rank.auc_interval(rows["target"], rows["raw_score"], groups=rows["customer_id"]) if 0 < bad < len(rows) else {}
    sure = rows.loc[rows["target"] == 1, "customer_id"].nunique() >= FEWEST
    figures = {"auc": ranked.get("auc"), **{f"auc_{end}": ranked.get(end) if sure else None for end in ("low", "high")}}
    return {"period": f"{key // 12:04d}-{key % 12 + 1:02d}-01", "rows": len(rows), "bad": bad, "rate": bad / len(rows),
            "mean_probability": float(rows["probability"].mean()), **figures}


def _need(frame):
    missing = [column for column in COLUMNS if column not in frame]
    if missing:
        raise RiskError(f"validation: column {', '.join(missing)} is missing from the scored rows; score them and join their targets first")
    empty = int(frame[["target", "probability"]].isna().any(axis=1).sum())
    if empty:
        raise RiskError(f"validation: {empty} of {len(frame)} rows lack target or probability; judge matured rows only")
