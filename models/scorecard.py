"""A scorecard: logistic regression on weights of evidence, written as points by bin; plain data, scored with numpy alone."""
import math

import msgspec
import numpy as np

from features.errors import RiskError
from models.binning import Bins, coarse_ranking, distinct, optimal_bins, places
from models.calibration import Points
from models.clusters import cluster_codes


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a card may hold. Shares are in (0, 1).

    candidates: columns binned optimally, the best by themselves; characteristics: columns of the card at most; min_share and min_bad: rows and bad
    rows that an ordinary bin needs; min_information: a column's information value; max_correlation: of two columns' weights of evidence; min_z: how
    many standard errors, counted by customer, the next column must add.
    """

    candidates: int = 60
    characteristics: int = 15
    min_share: float = 0.05
    min_bad: int = 10
    min_information: float = 0.02
    max_correlation: float = 0.8
    min_z: float = 2.0


class Characteristic(msgspec.Struct, frozen=True):
    """One column of the card: its bins, its coefficient (log-odds of bad per unit of -WoE, positive) and its points by bin."""

    bins: Bins
    coefficient: float
    points: tuple[float, ...]


class Scorecard(msgspec.Struct, frozen=True):
    """The card. `intercept` is in log-odds of bad; a row's points sum to its score on `scale`."""

    characteristics: tuple[Characteristic, ...]
    intercept: float
    scale: Points

    @property
    def names(self):
        """Columns that the card reads, in the order they were taken."""
        return tuple(each.bins.name for each in self.characteristics)


def fit_scorecard(columns, target, *, described, groups=None, limits=None, scale=None):
    """Select, bin and weigh columns on development rows.

    columns: {name: float array or Category}; target: 0 or 1 (rows,); described: for each name an object with name, direction and levels
    (`models.bundle.Column`); groups: customer ids or None for independent rows. Columns that tell nothing or have the wrong sign beside the others are
    left out, so a card may hold none: it then gives every row the same score. Returns a Scorecard, the same for the same inputs.

    Raises: RiskError when the target has one class.
    """
    limits, target = limits or Limits(), np.asarray(target, dtype=np.float64)
    if not 0 < target.sum() < len(target):
        raise RiskError(f"scorecard: {int(target.sum())} bad of {len(target)} rows; a scorecard needs both classes, so enlarge the development sample")
    found = candidates(columns, target, described, limits)
    risk = np.column_stack([-np.array(bins.woe)[places(bins, columns[bins.name])] for bins in found]) if found else np.empty((len(target), 0))
    chosen = selected(risk, target, np.arange(len(target)) if groups is None else groups, most=limits.characteristics, min_z=limits.min_z)
    chosen, weights = right_signed(risk, target, chosen)
    return _card([found[place] for place in chosen], weights, scale or Points())


def candidates(columns, target, described, limits):
    """Bins of the columns worth trying, by information value: ranked coarsely, binned optimally, near-copies of a better one left out."""
    about = {column.name: column for column in described}
    ranked = coarse_ranking(columns, target, most=limits.candidates, max_correlation=limits.max_correlation)
    binned = [optimal_bins(name, columns[name], target, direction=about[name].direction, levels=about[name].levels, min_share=limits.min_share,
                           min_bad=limits.min_bad) for name in ranked]
    told = sorted((bins for bins in binned if bins.information_value >= limits.min_information), key=lambda bins: (-bins.information_value, bins.name))
    risk = [np.array(bins.woe)[places(bins, columns[bins.name])] for bins in told]
    return [told[place] for place in distinct(risk, most=len(told), max_correlation=limits.max_correlation)]


def selected(risk, target, groups, *, most, min_z):
    """Places of the columns taken forward one by one: each time the one that adds most beyond those taken, in standard errors.

    risk: -WoE (rows, columns), larger is riskier. What a column adds is the score test of a logistic regression (Rao 1948) with the variance over
    clusters (Liang and Zeger 1986), one-sided: a column whose sign would be wrong beside the others is not taken.
    """
    code, chosen = cluster_codes(groups), []
    while len(chosen) < most:
        z = score_tests(risk, target, code, chosen)
        z[chosen] = -np.inf
        if not len(z) or z.max() < min_z:
            break
        chosen.append(int(z.argmax()))
    return chosen


def score_tests(risk, target, code, chosen):
    """One-sided z of every column's score beside the chosen ones; 0 for one that they hold already."""
    design = np.column_stack([np.ones(len(target)), risk[:, chosen]])
    p = _probability(design, logistic(design, target))
    weight = p * (1 - p)
    held = np.linalg.solve((design * weight[:, None]).T @ design, (design * weight[:, None]).T @ risk)
    alone = risk - design @ held
    share = alone * (target - p)[:, None]
    sums = np.column_stack([np.bincount(code, weights=column) for column in share.T]) if risk.shape[1] else np.empty((1, 0))
    error = np.sqrt((sums ** 2).sum(axis=0))
    own = np.sqrt((alone ** 2).sum(axis=0)) > 1e-6 * np.sqrt((risk ** 2).sum(axis=0) + 1e-300)
    return np.where(own & (error > 0), share.sum(axis=0) / np.maximum(error, 1e-300), 0.0)


def right_signed(risk, target, chosen):
    """The chosen places whose coefficients are positive together, and the coefficients with the intercept first; the worst one goes until all are."""
    chosen = list(chosen)
    while True:
        weights = logistic(np.column_stack([np.ones(len(target)), risk[:, chosen]]), target)
        if not chosen or weights[1:].min() > 0:
            return chosen, weights
        del chosen[int(weights[1:].argmin())]


def logistic(design, target):
    """Coefficients of the logistic regression of greatest likelihood, by Newton's method from the rate; design (rows, k) with the ones first."""
    weights = np.zeros(design.shape[1])
    weights[0] = math.log(target.mean() / (1 - target.mean()))
    for _ in range(50):
        p = _probability(design, weights)
        step = np.linalg.lstsq((design * (p * (1 - p))[:, None]).T @ design, design.T @ (target - p), rcond=None)[0]
        # Columns that separate the classes have no finite maximum; short steps keep them from running away before the rounds end.
        weights = weights + np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-10:
            break
    return weights


def raw_scores(card, columns):
    """Log-odds of bad of every row: the intercept and what each column's bin adds. columns: {name: float array or Category}.

    Raises: RiskError naming columns that are missing or of the other kind.
    """
    added = [each.coefficient * -np.array(each.bins.woe)[place] for each, place in _placed(card, columns)]
    return sum(added, start=np.full(_length(columns), card.intercept))


def points(card, columns):
    """Points of every row and column of the card (rows, columns): a row's sum is its score."""
    given = [np.array(each.points)[place] for each, place in _placed(card, columns)]
    return np.column_stack(given) if given else np.empty((_length(columns), 0))


def on_scale(scale, raw_score):
    """Points of log-odds of bad: base_score at base_odds good to 1 bad, points_to_double more at twice the odds."""
    return scale.base_score + scale.points_to_double * (-np.asarray(raw_score) / math.log(2) - math.log2(scale.base_odds))


def table(card):
    """The card as a credit analyst reads it, a dict a bin in the card's order: column, bin, rows, bad, woe, points; empty bins are left out."""
    return [{"column": each.bins.name, "bin": label, "rows": rows, "bad": bad, "woe": woe, "points": given}
            for each in card.characteristics
            for label, rows, bad, woe, given in zip(each.bins.labels, each.bins.rows, each.bins.bad, each.bins.woe, each.points, strict=True) if rows]


def _card(found, weights, scale):
    """Points as in Siddiqi (2017): intercept and offset are spread evenly, so that the card needs no base line."""
    base = on_scale(scale, weights[0]) / max(len(found), 1)
    each = [Characteristic(bins, float(weight), tuple(float(base + scale.points_to_double / math.log(2) * weight * woe) for woe in bins.woe))
            for bins, weight in zip(found, weights[1:], strict=True)]
    return Scorecard(tuple(each), float(weights[0]), scale)


def _placed(card, columns):
    lacking = [name for name in card.names if name not in columns]
    if lacking:
        raise RiskError(f"scorecard: {len(lacking)} of {len(card.names)} columns are missing, first {', '.join(lacking[:5])}; compute them with its catalogue")
    return [(each, places(each.bins, columns[each.bins.name])) for each in card.characteristics]


def _length(columns):
    return len(next(iter(columns.values())))


def _probability(design, weights):
    return 1 / (1 + np.exp(-np.clip(design @ weights, -35, 35)))
