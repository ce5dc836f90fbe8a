"""What settings are worth: discrimination on folds of the past less its spread over periods, and an honest difference between two ways to choose them.

The spread is the standard deviation of the periods' AUC as observed. It holds the noise of the rows that happen to be bad in a period as well as true
change; periods are pooled until each has `period_bad` bad rows, and the noise that remains is not taken out: all settings are judged on the same rows, so
most of it is the same for all of them. Neither mean nor spread knows the noise of the training draw. The best of many trials is flattered by having
been chosen; `honest_gain` takes that out.
"""
from dataclasses import dataclass

import msgspec
import numpy as np

from models.classifier import refitted, stopped
from models.clusters import cluster_codes
from models.discrimination import auc, influence, influence_variance
from models.sample import CALIBRATION, DEVELOPMENT, VALIDATION
from models.time_folds import check_folds, time_folds

Z = 1.959964


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """How settings are judged: at most so many `folds` with `fold_bad` bad rows each, of which the first trains on `first_share` of all bad rows; periods of
    `period_months` calendar months, pooled to `period_bad` bad rows; the spread over them weighs `spread_weight`."""

    folds: int = 4
    fold_bad: int = 10
    first_share: float = 0.25
    period_months: int = 3
    period_bad: int = 30
    spread_weight: float = 0.5
    seed: int = 0


@dataclass(frozen=True)
class Ground:
    """The past's rows with their folds and periods: what every trial is judged on. `how` holds columns, categorical and directions as
    `models.classifier.choose` takes them; `period` numbers each row's period from 0; `pairs` counts (bad, good) pairs by fold and period."""

    matrix: np.ndarray
    target: np.ndarray
    groups: np.ndarray
    sample: np.ndarray
    how: dict
    folds: object
    period: np.ndarray
    pairs: np.ndarray
    rules: Rules


@dataclass(frozen=True)
class Verdict:
    """What one way to choose settings reaches: AUC by fold, AUC by fold and period (NaN where a class is missing), and the raw scores of the rows that
    were judged (NaN elsewhere)."""

    aucs: np.ndarray
    cells: np.ndarray
    scores: np.ndarray


def ground_of(parts, as_of, how, *, rules, horizon_days, embargo_days, by_time=True, apart=False, may_judge=None):
    """Fold the rows of the samples that may choose settings, and check the folds.

    parts: {sample: (matrix, target, customer ids)} of development, validation and perhaps calibration; as_of: {sample: datetime64 array}, or None where
    rows have no dates; `by_time`: whether the source is judged on later rows: where it is judged on customers or rows held out, so are its settings;
    may_judge: {sample: mask} of the rows that judge, all unless given; `apart` as for `time_folds`.
    Returns a Ground. Raises: RiskError as `models.time_folds.time_folds`.
    """
    matrix, target, groups = (np.concatenate([part[place] for part in parts.values()]) for place in range(3))
    sample = np.repeat(list(parts), [len(part[1]) for part in parts.values()])
    when = None if as_of is None else np.concatenate([np.asarray(as_of[name]).astype("datetime64[us]") for name in parts])
    judging = None if may_judge is None else np.concatenate([may_judge[name] for name in parts])
    folds = time_folds(target, groups, when, sample, by_time=by_time, may_judge=judging, embargo_days=embargo_days, folds=rules.folds, least_bad=rules.fold_bad,
                       first_share=rules.first_share, apart=apart, seed=rules.seed)
    check_folds(folds, groups, when, sample, horizon_days=horizon_days, apart=apart)
    judged = np.any([judged for _, judged in folds.pairs], axis=0)
    period = pooled_periods(when, target, judged, months=rules.period_months, least_bad=rules.period_bad)
    pairs = np.array([[_pairs(target[judged & (period == number)]) for number in range(period.max() + 1)] for _, judged in folds.pairs])
    return Ground(matrix, target, cluster_codes(groups), sample, how, folds, period, pairs, rules)


def pooled_periods(as_of, target, judged, *, months, least_bad):
    """A period's number for every row that is judged, -1 for others: `months` calendar months, joined with the next until `least_bad` bad rows are in.

    What is left over at the end joins the period before it. Rows without dates (as_of None) are of one period.
    """
    period = np.where(judged, 0, -1)
    if as_of is None:
        return period
    month = as_of[judged].astype("datetime64[M]").astype(int) // months
    steps, place = np.unique(month, return_inverse=True)
    number, held, numbers = 0, 0, []
    for bad in np.bincount(place, weights=target[judged]):
        numbers.append(number)
        held += bad
        if held >= least_bad:
            number, held = number + 1, 0
    period[judged] = np.minimum(numbers, max(number - 1, 0))[place]
    return period


def fold_scores(ground, number, settings):
    """Grow trees on what trains one fold, as the final ones are grown: stopped by its validation customers, refitted as the settings say.

    Returns (log-loss on the validation rows, raw scores of the rows that the fold judges).
    """
    train, judged = ground.folds.pairs[number]
    masks = {name: train & (ground.sample == name) for name in (DEVELOPMENT, VALIDATION, CALIBRATION)}
    development, validation, calibration = ((ground.matrix[mask], ground.target[mask]) for mask in masks.values())
    both = np.concatenate([ground.groups[masks[name]] for name in (DEVELOPMENT, VALIDATION)])
    loss, rounds, _ = stopped(*development, validation=validation, settings=settings, groups=both, **ground.how)
    booster = refitted(*development, validation=validation, calibration=calibration, rounds=rounds, settings=settings, **ground.how)
    return loss, booster.predict(ground.matrix[judged], raw_score=True, num_threads=settings.threads)


def verdict(ground, scores):
    """The Verdict of raw scores (rows,) of all judged rows."""
    aucs = [auc(ground.target[judged], scores[judged]) for _, judged in ground.folds.pairs]
    cells = np.full(ground.pairs.shape, np.nan)
    for fold, number in zip(*np.nonzero(ground.pairs), strict=True):
        rows = ground.folds.pairs[fold][1] & (ground.period == number)
        cells[fold, number] = auc(ground.target[rows], scores[rows])
    return Verdict(np.array(aucs), cells, scores)


def composed(ground, verdicts, losses):
    """The Verdict of choosing among candidates in each fold by the lowest log-loss on its validation rows, the first winning a tie, as `choose` does.

    verdicts: one a candidate; losses: (candidates, folds).
    """
    taken = np.argmin(losses, axis=0)
    scores = np.full(len(ground.target), np.nan)
    for (_, judged), place in zip(ground.folds.pairs, taken, strict=True):
        scores[judged] = verdicts[place].scores[judged]
    return Verdict(*(np.array([getattr(verdicts[place], name)[fold] for fold, place in enumerate(taken)]) for name in ("aucs", "cells")), scores)


def objective(ground, found, folds=None):
    """Mean AUC over the folds (of `folds`, all unless given), its spread over periods, and their value: the mean less `spread_weight` times the spread.

    A period's AUC is that of its pairs of rows judged by one model: cells of several folds are weighted by their pairs. The spread is the standard
    deviation (n - 1) over the periods, 0 for a single one. Returns dict: auc, spread, value.
    """
    kept = list(range(len(found.aucs))) if folds is None else folds
    pairs = ground.pairs[kept]
    seen = pairs.sum(axis=0) > 0
    by_period = (np.nan_to_num(found.cells[kept]) * pairs).sum(axis=0)[seen] / pairs.sum(axis=0)[seen]
    spread = float(np.std(by_period, ddof=1)) if len(by_period) > 1 else 0.0
    mean = float(np.mean(found.aucs[kept]))
    return {"auc": mean, "spread": spread, "value": mean - ground.rules.spread_weight * spread}


def honest_gain(ground, today, others):
    """What choosing by trials gains over today's settings: each fold is judged by the Verdict that has the best objective on the other folds.

    today: a Verdict; others: further ones; today's wins a tie. The mean over folds of the difference in AUC, with a 95 % interval that pairs the rows and
    counts a customer's rows once (DeLong's components, summed by customer over all folds). The choice for an early fold knows later ones, which a real one
    would not; the noise of the training draw is not in the interval. Returns dict: difference, low, high.
    """
    numbers = range(len(today.aucs))
    best = [_best_without(ground, number, [today, *others]) for number in numbers]
    return paired(ground, [found.scores for found in best], [today.scores] * len(best))


def paired(ground, scores, base):
    """The mean over folds of the AUC's difference, a list of score arrays (one a fold) less another, with its interval as in `honest_gain`."""
    shares, targets, groups, differences = [], [], [], []
    for (_, judged), one, other in zip(ground.folds.pairs, scores, base, strict=True):
        target = ground.target[judged]
        differences.append(auc(target, one[judged]) - auc(target, other[judged]))
        shares.append((influence(target, one[judged]) - influence(target, other[judged])) / len(scores))
        targets.append(target)
        groups.append(ground.groups[judged])
    error = influence_variance(np.concatenate(shares), np.concatenate(targets), np.concatenate(groups)) ** 0.5
    mean = float(np.mean(differences))
    return {"difference": mean, "low": mean - Z * error, "high": mean + Z * error}


def _best_without(ground, number, verdicts):
    rest = [fold for fold in range(len(verdicts[0].aucs)) if fold != number]
    return max(verdicts, key=lambda found: objective(ground, found, rest)["value"])


def _pairs(target):
    return int(target.sum() * (len(target) - target.sum()))
