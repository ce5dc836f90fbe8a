"""How well a score ranks bad above good: AUC with DeLong's variance, paired comparison, Gini, KS, average precision, capture."""
import numpy as np
from scipy import special

from features.errors import RiskError
from models.clusters import cluster_codes, draws


def need_both_classes(target):
    """Return the target as float64 array of 0 and 1. Raises: RiskError when rows are missing or one class is absent."""
    target = np.asarray(target, dtype=np.float64)
    bad = int((target == 1).sum())
    if bad == 0 or bad == len(target) or not np.isin(target, (0.0, 1.0)).all():
        raise RiskError(f"target: {bad} bad of {len(target)} rows; discrimination needs both classes and no missing value")
    return target


def auc(target, score):
    """Probability that a bad row scores above a good one, ties counted half (Mann-Whitney). Higher scores are riskier."""
    target = need_both_classes(target)
    bad, score = target == 1, np.asarray(score, dtype=np.float64)
    # Sorted needles walk the sorted haystack in order, which the cache rewards.
    return float(_share_below(np.sort(score[bad]), score[~bad]).mean())


def influence(target, score):
    """Each row's share in the AUC's sampling error: the structural components of DeLong, DeLong and Clarke-Pearson (Biometrics 1988).

    Each row is placed among the sorted rows of the other class, ties counted half, which spares the matrix of all pairs. A bad row carries
    (V10 - AUC) / bad, a good one (V01 - AUC) / good, so that they sum to zero and their sum of squares is the variance up to the
    small-sample factor.
    """
    target = need_both_classes(target)
    bad, score = target == 1, np.asarray(score, dtype=np.float64)
    placed = np.empty(len(score))
    placed[bad], placed[~bad] = _share_below(score[bad], score[~bad]), 1.0 - _share_below(score[~bad], score[bad])
    return np.where(bad, (placed - placed[bad].mean()) / bad.sum(), (placed - placed[~bad].mean()) / (~bad).sum())


def influence_variance(shares, target, groups=None):
    """Variance from influence shares: DeLong's for independent rows, Obuchowski's (Biometrics 1997) for clusters.

    groups: one id per row, or None for independent rows. A customer scored in four quarters is one cluster: its rows rise and fall
    together, and taking them as independent would halve the interval.
    """
    if groups is None:
        bad = np.asarray(target) == 1
        m, n = bad.sum(), (~bad).sum()
        return float((shares[bad] ** 2).sum() * m / max(m - 1, 1) + (shares[~bad] ** 2).sum() * n / max(n - 1, 1))
    sums = np.bincount(cluster_codes(groups), weights=shares)
    return float((sums ** 2).sum() * len(sums) / max(len(sums) - 1, 1))


def auc_interval(target, score, *, groups=None, level=0.95):
    """AUC, its standard error and interval on the logit scale, which stays inside (0, 1).

    Returns dict: auc, se, low, high. groups: cluster ids or None (see `influence_variance`).
    """
    value = auc(target, score)
    se = influence_variance(influence(target, score), target, groups) ** 0.5
    if value in (0.0, 1.0) or se == 0.0:
        return {"auc": value, "se": se, "low": value, "high": value}
    half = special.ndtri(0.5 + level / 2) * se / (value * (1 - value))
    centre = np.log(value / (1 - value))
    low, high = 1 / (1 + np.exp(-(centre - half))), 1 / (1 + np.exp(-(centre + half)))
    return {"auc": value, "se": se, "low": float(low), "high": float(high)}


def compare_auc(target, score, other, *, groups=None, level=0.95):
    """Difference of two AUCs on the same rows with its interval and two-sided p-value (paired DeLong).

    Returns dict: difference (score less other), se, low, high, p. Two scores that rank alike give difference 0, se 0, p 1.
    """
    difference = auc(target, score) - auc(target, other)
    se = influence_variance(influence(target, score) - influence(target, other), target, groups) ** 0.5
    half = float(special.ndtri(0.5 + level / 2)) * se
    # Scores that rank alike differ by nothing at all: no noise to divide by.
    p = 2 * special.ndtr(-abs(difference) / se) if se > 0 else float(difference == 0.0)
    return {"difference": difference, "se": se, "low": difference - half, "high": difference + half, "p": float(p)}


def ks(target, score):
    """Largest distance between the score distributions of bad and good rows (two-sample Kolmogorov-Smirnov statistic)."""
    target = need_both_classes(target)
    order, ends = descending(score)
    bad = np.cumsum(target[order])[ends]
    good = np.cumsum(1 - target[order])[ends]
    return float(np.abs(bad / bad[-1] - good / good[-1]).max())


def average_precision(target, score, weights=None):
    """Area under the precision-recall steps, tied scores taken together; the value for a score that says nothing is the bad rate."""
    target = need_both_classes(target)
    order, ends = descending(score)
    weight = np.ones(len(target)) if weights is None else np.asarray(weights, dtype=np.float64)
    return float(_precision_area(weight[order], target[order], ends))


def average_precision_interval(target, score, *, groups=None, repeats=200, seed=0, level=0.95):
    """Average precision with its percentile bootstrap interval; whole clusters are drawn when groups are given.

    Returns dict: average_precision, low, high. Draws that hold no bad row are left out.
    """
    target = need_both_classes(target)
    code = np.arange(len(target)) if groups is None else cluster_codes(groups)
    draws = _precision_draws(target, score, code, repeats=repeats, rng=np.random.default_rng(seed))
    low, high = np.nanquantile(draws, [0.5 - level / 2, 0.5 + level / 2])
    return {"average_precision": average_precision(target, score), "low": float(low), "high": float(high)}


def compare_average_precision(target, score, other, *, groups=None, repeats=200, seed=0, level=0.95):
    """Difference of two average precisions on the same rows with its percentile bootstrap interval; both are taken of the same drawn clusters.

    Returns dict: difference (score less other), low, high. groups: cluster ids or None for independent rows.
    """
    target = need_both_classes(target)
    code = np.arange(len(target)) if groups is None else cluster_codes(groups)
    # The same seed draws the same clusters for both, which is what pairs them.
    draws = [_precision_draws(target, each, code, repeats=repeats, rng=np.random.default_rng(seed)) for each in (score, other)]
    low, high = np.nanquantile(draws[0] - draws[1], [0.5 - level / 2, 0.5 + level / 2])
    return {"difference": average_precision(target, score) - average_precision(target, other), "low": float(low), "high": float(high)}


def capture(target, score, *, shares=(0.01, 0.05, 0.1, 0.2)):
    """Share of the bad rows found among the riskiest rows, for each share of rows that can be looked at.

    Returns a list of dict: share, rows (rounded up), captured (share of all bad), precision (bad among them), lift (precision / bad rate).
    Ties at the edge keep the input's order, as a work list would.
    """
    target = need_both_classes(target)
    order, _ = descending(score)
    hit = target[order]
    return [_captured(hit, share, int(np.ceil(share * len(hit)))) for share in shares]


def _captured(hit, share, rows):
    found = hit[:rows].sum()
    return {"share": share, "rows": rows, "captured": float(found / hit.sum()), "precision": float(found / rows),
            "lift": float(found / rows / hit.mean())}


def _refuse_missing(*scores):
    if missing := sum(int(np.isnan(each).sum()) for each in scores):
        raise RiskError(f"scores: {missing} of {sum(map(len, scores))} are missing; a row without a score has no rank, so score every row or leave it out")


def _share_below(values, others):
    """Share of `others` below each value, ties counted half."""
    _refuse_missing(values, others)
    others = np.sort(others)
    return (np.searchsorted(others, values, side="left") + np.searchsorted(others, values, side="right")) / (2 * len(others))


def _precision_draws(target, score, code, *, repeats, rng):
    """Average precision of bootstrap draws of clusters; NaN for a draw without a bad row.

    Rows are sorted once and a draw only changes their weights. Precision steps at runs of equal scores that hold a bad row only.
    """
    order, ends = descending(score)
    bad_at = np.flatnonzero(target[order])
    runs, run = np.unique(np.searchsorted(ends, bad_at), return_inverse=True)
    code, bad_code, clusters = code[order], code[order][bad_at], code.max() + 1
    areas = np.full(repeats, np.nan)
    for place, drawn in enumerate(draws(clusters, repeats=repeats, rng=rng)):
        bad = np.bincount(run, weights=drawn[bad_code])
        rows = np.cumsum(drawn[code])[ends[runs]]
        areas[place] = _step_area(bad, np.cumsum(bad), rows)
    return areas


def _step_area(bad, bad_so_far, rows):
    """Area under precision steps of weights; NaN without a bad row. A step of no rows holds no bad row either."""
    return (bad * bad_so_far / np.maximum(rows, 1e-300)).sum() / bad_so_far[-1] if bad_so_far[-1] else np.nan


def descending(score):
    """Row order from riskiest to safest and the last position of every run of equal scores."""
    score = np.asarray(score, dtype=np.float64)
    _refuse_missing(score)
    order = np.argsort(-score, kind="stable")
    return order, np.flatnonzero(np.r_[np.diff(score[order]) != 0, True])


def _precision_area(weight, target, ends):
    bad = np.cumsum(weight * target)[ends]
    return _step_area(np.diff(bad, prepend=0.0), bad, np.cumsum(weight)[ends])
