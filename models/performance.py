"""How the model in force does on matured cohorts since its training cutoff, against what it promised; and what it is expected to do on those still open."""
import msgspec
import numpy as np
import pandas as pd

from models import label_free
from models.calibration import log_odds
from models.clusters import cluster_codes
from models.discrimination import auc_interval
from models.probability_tests import calibration_line, compare_losses, design_effect, jeffreys_test, log_loss
from models.validation import FEWEST, grade_table

COLUMNS = ("customer_id", "as_of", "probability", "pd_low", "pd_high", "raw_score", "grade")


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """How cohorts are cut and judged; see section `performance` of params.yaml."""

    cohort_months: int = 3
    window_bad: int = 250
    window_cohorts: int = 4
    asset_correlation: float = 0.02
    draws: int = 500
    seed: int = 0


def performance(matured, still_open, grades, *, confidence, learned_from, line=None, rules):
    """Every matured cohort, the recent ones together, and the label-free estimate of every cohort, matured (with how far off it was) or still open.

    matured, still_open: one row per observation with COLUMNS, `matured` with target (0 or 1) too; the probability is as the curve was fitted, before any move
    to a long-run rate. grades: the master scale; confidence: of pd_low and pd_high, which may be missing; learned_from: bad customers that calibrated;
    line: `calibration_line` on the rows that judged the model when it was accepted, None where there is none.

    Returns {"standing", "cohorts", "recent" (None without a matured cohort of two classes), "open", "held" (how the estimates did), "new_bad"}.
    """
    # Whole numbers once, so that no statistic has to compare strings again.
    rows = pd.concat([matured, still_open]).assign(customer_id=lambda both: cluster_codes(both["customer_id"]))
    matured, still_open = rows[: len(matured)], rows[len(matured):]
    standing = _standing(rows, confidence, learned_from, line) if len(rows) else None
    repeats = _repeats(matured, rules.cohort_months)
    judged = [_cohort(key, part, standing, repeats, rules) for key, part in cohorts(matured, months=rules.cohort_months)]
    return {"standing": None if standing is None else msgspec.to_builtins(standing), "cohorts": judged,
            "recent": _recent(matured, grades, standing, learned_from, rules),
            "open": [{**_about(key, part), "estimate": _estimate(part, standing, repeats, rules)}
                     for key, part in cohorts(still_open, months=rules.cohort_months)],
            "held": _held(judged), "new_bad": int(matured.loc[matured["target"] == 1, "customer_id"].nunique())}


def cohorts(frame, *, months):
    """(first month, rows) of each cohort of `months` calendar months of as_of, in order of time."""
    return [(f"{key // 12:04d}-{key % 12 + 1:02d}", part) for key, part in frame.groupby(_key(frame["as_of"], months).to_numpy())]


def window(matured, *, rules):
    """The rows of the latest cohorts: as few as hold `window_bad` bad customers, `window_cohorts` at most; None where they lack a class.

    Few cohorts say what the model does now, and one that changed a year ago is not hidden behind the years before; but an AUC of few bad customers is chance.
    """
    parts = [part for _, part in cohorts(matured, months=rules.cohort_months)][-rules.window_cohorts:]
    for count in range(1, len(parts) + 1):
        found = pd.concat(parts[-count:])
        if found.loc[found["target"] == 1, "customer_id"].nunique() >= rules.window_bad:
            break
    return found if parts and 0 < found["target"].sum() < len(found) else None


def holm(p_values):
    """p-values adjusted for their number (Holm 1979): each one below a level may be believed at that level."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    return adjusted


def recalibration_gain(target, log_odds_given, groups):
    """Log-loss per row that a new line through the log-odds would save, judged on customers it was not fitted on (two halves, each by the other's line).

    Returns dict: difference (present less recalibrated, in nats; positive is a gain), low, high; None where a half lacks a class or has no rising line.
    """
    code = cluster_codes(groups)
    half = np.random.default_rng(0).permutation(code.max() + 1)[code] % 2 == 0
    moved = np.empty(len(target))
    for part in (half, ~half):
        if not 1 < target[~part].sum() < (~part).sum():
            return None
        line = calibration_line(target[~part], log_odds_given[~part])
        moved[part] = line["intercept"] + max(line["slope"], 0.0) * log_odds_given[part]
    found = compare_losses(target, _probability(log_odds_given), _probability(moved), loss="log_loss", groups=code)
    return {name: found[name] for name in ("difference", "low", "high")}


def _standing(rows, confidence, learned_from, line):
    probability = rows["probability"].to_numpy()
    known = rows[["pd_low", "pd_high"]].notna().all(axis=None)
    ends = (probability, rows["pd_low"].to_numpy(), rows["pd_high"].to_numpy())
    standing = label_free.standing_of(*ends, confidence=confidence) if known else label_free.standing_of_count(probability, learned_from)
    return standing if line is None else label_free.judged(standing, line)


def _key(as_of, months):
    as_of = pd.to_datetime(as_of)
    return (as_of.dt.year * 12 + as_of.dt.month - 1) // months * months


def _repeats(matured, months):
    """How often a default is counted within a cohort (`design_effect`)."""
    return design_effect(matured["target"], matured.groupby(["customer_id", _key(matured["as_of"], months).rename("cohort")]).ngroup()) if len(matured) else 1.0


def _about(key, rows):
    return {"cohort": key, "rows": len(rows), "customers": int(rows["customer_id"].nunique())}


def _cohort(key, rows, standing, repeats, rules):
    estimate = _estimate(rows, standing, repeats, rules)
    held = label_free.compared(estimate, rows["target"].to_numpy(), rows["probability"].to_numpy(), rows["raw_score"].to_numpy())
    return {**_about(key, rows), **_figures(rows), "estimate": estimate, "held": held}


def _estimate(rows, standing, repeats, rules):
    return label_free.estimate(rows["probability"].to_numpy(), rows["raw_score"].to_numpy(), standing=standing, repeats=repeats, draws=rules.draws,
                               asset_correlation=rules.asset_correlation, seed=rules.seed)


def _figures(rows):
    """Counts, rate, log-loss, and of two classes the AUC and calibration line, with intervals only where there are FEWEST bad customers."""
    target, probability, groups = rows["target"].to_numpy(), rows["probability"].to_numpy(), rows["customer_id"].to_numpy()
    bad_customers = int(rows.loc[target == 1, "customer_id"].nunique())
    found = {"bad": int(target.sum()), "bad_customers": bad_customers, "expected": float(probability.sum()), "rate": float(target.mean()),
             "mean_probability": float(probability.mean()), "log_loss": log_loss(target, probability), "auc": None, "line": None}
    if bad_customers < FEWEST or target.all():
        return found
    interval = auc_interval(target, rows["raw_score"].to_numpy(), groups=groups)
    named = {"auc": interval["auc"], "auc_se": interval["se"], "auc_low": interval["low"], "auc_high": interval["high"]}
    return {**found, **named, "line": calibration_line(target, log_odds(probability), groups=groups)}


def _recent(matured, grades, standing, learned_from, rules):
    """The window's figures with its grades, the AUC promised on its rows, and what a new curve would save; None without both classes."""
    rows = window(matured, rules=rules) if len(matured) else None
    if rows is None:
        return None
    probability = rows["probability"].to_numpy()
    promised, error = label_free.promised_auc(probability, rows["raw_score"].to_numpy(), standing=standing, seed=rules.seed)
    keys = _key(rows["as_of"], rules.cohort_months)
    return {"first": str(rows["as_of"].min().date()), "last": str(rows["as_of"].max().date()), "cohorts": int(keys.nunique()),
            "rows": len(rows), "customers": int(rows["customer_id"].nunique()), **_figures(rows), "auc_promised": promised, "auc_promised_se": error,
            "grades": judged_grades(rows, grades, asset_correlation=rules.asset_correlation, estimated_from=learned_from),
            "recalibration": recalibration_gain(rows["target"].to_numpy(), log_odds(probability), rows["customer_id"].to_numpy())}


def judged_grades(rows, grades, *, asset_correlation, estimated_from):
    """`validation.grade_table` with a two-sided test of each grade's PD, `p`, and `p_holm`, adjusted for the number of grades; None for a grade without rows.

    The test is Jeffreys' on rows and bad rows divided by how often a default is counted (`design_effect`), since a customer's rows share one; unlike the
    interval low to high it knows no common shock: a year in which all grades fail more often is off in all of them.
    """
    table = grade_table(rows, grades, asset_correlation=asset_correlation, estimated_from=estimated_from)
    repeats = design_effect(rows["target"], rows["customer_id"])
    p = [_two_sided(row, repeats) for row in table]
    adjusted = iter(holm([each for each in p if each is not None]))
    return [{**row, "p": each, "p_holm": None if each is None else float(next(adjusted))} for row, each in zip(table, p, strict=True)]


def _two_sided(row, repeats):
    if not row["rows"]:
        return None
    below = jeffreys_test(row["bad"] / repeats, row["rows"] / repeats, row["expected"] / row["rows"])
    return float(2 * min(below, 1 - below))


def _held(judged):
    """Over matured cohorts, of each figure: how many estimates held the truth, the mean error (estimate less truth) and the mean width of the interval."""
    found = {}
    for name in label_free.FIGURES:
        both = [(each["held"][name], each["estimate"]) for each in judged if name in each["held"]]
        if both:
            error, width = np.mean([(truth["error"], said[f"{name}_high"] - said[f"{name}_low"]) for truth, said in both], axis=0)
            found[name] = {"cohorts": len(both), "held": sum(truth["inside"] for truth, _ in both), "mean_error": float(error), "mean_width": float(width)}
    return found


def _probability(z):
    return 1 / (1 + np.exp(-z))
