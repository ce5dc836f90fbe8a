"""Folds that judge settings inside the past: trained on what came before, judged on what came after an embargo; and the rule checked a second way."""
from dataclasses import dataclass

import numpy as np

from features.errors import RiskError
from models.classifier import grouped_folds
from models.sample import DEVELOPMENT, IN_SAMPLE, VALIDATION

TIME, CUSTOMER = "time", "customer"
DAY = np.timedelta64(86_400_000_000, "us")


@dataclass(frozen=True)
class Folds:
    """How the past's rows are folded: pairs of masks (train, judged) over them, by time or by customer, and a sentence that says so."""

    pairs: tuple
    by: str
    note: str


def time_folds(target, groups, as_of, sample, *, embargo_days, folds, least_bad, first_share=0.25, apart=False, by_time=True, may_judge=None,
               seed=0):
    """Fold the past by time: each fold trains on all rows at least `embargo_days` older than the first row it judges, and is judged up to the next one.

    target: 0 or 1 a row; groups: customer ids; as_of: datetime64, or None for rows without dates; sample: development, validation or calibration,
    nothing else. The judged rows are cut, between days, into at most `folds` stretches of about as many bad rows, each with `least_bad` or more. The first
    training window holds `first_share` of the development sample's bad rows, at least `least_bad`: settings for a tenth of the rows are other settings.
    Customers may stand on both sides, as the book is scored again every month; `apart` gives every fold customers of its own, who train in none of its
    windows. Validation customers stop the boosting in every window, as in the sample itself. Rows outside the mask `may_judge`, where it is given, teach and
    never judge.

    Where the model itself is not judged on later rows (`by_time` False), and in a past too short for two such folds, customers are folded: each fold judges
    a part of them at all dates. The embargo is never shortened instead.
    Returns Folds. Raises: RiskError when a row is not of the past, or bad rows are too few for two folds even so.
    """
    target, sample = np.asarray(target), np.asarray(sample)
    may_judge = np.ones(len(target), dtype=bool) if may_judge is None else np.asarray(may_judge, dtype=bool)
    _refuse_later(sample)
    dealt = {number: grouped_folds(target, groups, folds=number, seed=seed) for number in range(folds, 1, -1)}
    if by_time and as_of is not None:
        when = np.asarray(as_of).astype("datetime64[us]")
        start = _first_judged(when, target, sample, embargo_days * DAY, least_bad, first_share)
        for number in dealt if start is not None else ():
            pairs = _by_time(when, target, start, number, embargo_days * DAY, dealt[number] if apart else None, may_judge)
            if _hold(pairs, target, sample, least_bad):
                return Folds(pairs, TIME, f"{number} folds by time, {embargo_days} days between what trains and what is judged")
    for number, fold in dealt.items():
        pairs = tuple((fold != each, (fold == each) & may_judge) for each in range(number))
        if _hold(pairs, target, sample, least_bad):
            short = "there are no dates" if as_of is None else f"the past is too short for an embargo of {embargo_days} days"
            why = short if by_time else "the model is not judged on later rows either"
            return Folds(pairs, CUSTOMER, f"{number} folds of customers at all dates, because {why}: nothing is said of how settings age")
    raise RiskError(f"tune: {int(target.sum())} bad of {len(target)} rows are too few for two folds with {least_bad} bad each; keep the settings as they are, "
                    "or bring more outcomes")


def check_folds(folds, groups, as_of, sample, *, horizon_days, apart=False):
    """Verify folds by sorting label windows and customers, sharing no code with `time_folds`.

    Checked: all rows are of the past; none is judged twice; by time, every training label window (as_of, as_of + horizon_days] has ended before the first
    judged as_of of its fold, and each fold trains on all that the one before it did and judges later rows; by customer, or where they are kept
    `apart`, no customer is on both sides.

    Raises: RiskError that names the broken rule.
    """
    beyond = sorted(set(np.unique(sample)) - set(IN_SAMPLE))
    if beyond:
        raise RiskError(f"folds: rows of {beyond[0]} are among those that choose settings; only {', '.join(IN_SAMPLE)} may")
    twice = np.bincount(np.concatenate([np.flatnonzero(judged) for _, judged in folds.pairs]))
    if (twice > 1).any():
        raise RiskError(f"folds: {int((twice > 1).sum())} rows are judged twice")
    if folds.by == CUSTOMER or apart:
        _refuse_shared(folds.pairs, np.asarray(groups).astype(str))
    if folds.by == TIME:
        _refuse_overlap(folds.pairs, np.asarray(as_of).astype("datetime64[s]").astype("int64"), horizon_days * 86400)


def _refuse_later(sample):
    odd = ~np.isin(sample, IN_SAMPLE)
    if odd.any():
        raise RiskError(f"folds: {int(odd.sum())} rows are of no sample that learns, first {sample[odd][0]}; settings are chosen on {', '.join(IN_SAMPLE)}")


def _first_judged(when, target, sample, embargo, least_bad, first_share):
    """The moment from which rows are judged: the first one whose training window holds bad rows enough; None when there is none."""
    bad = target == 1
    grow = np.sort(when[bad & (sample == DEVELOPMENT)])
    stop = np.sort(when[bad & (sample == VALIDATION)])
    least = max(least_bad, int(np.ceil(first_share * len(grow))))
    if len(grow) < least or not len(stop):
        return None
    later = when[when >= max(grow[least - 1], stop[0]) + embargo]
    return later.min() if len(later) else None


def _by_time(when, target, start, number, embargo, dealt, may_judge):
    """Pairs of masks of so many stretches from `start` on with about as many bad rows each; a day is never cut."""
    day, later = when.astype("datetime64[D]"), (when >= start) & may_judge
    days, place = np.unique(day[later], return_inverse=True)
    bad = np.bincount(place, weights=target[later], minlength=len(days))
    before = np.cumsum(bad) - bad
    stretch = np.full(len(when), -1)
    stretch[later] = np.minimum(before * number // max(bad.sum(), 1), number - 1).astype(int)[place]
    pairs = []
    for each in range(number):
        judged = stretch == each
        train = when <= when[judged].min() - embargo if judged.any() else judged
        pairs.append((train, judged) if dealt is None else (train & (dealt != each), judged & (dealt == each)))
    return tuple(pairs)


def _hold(pairs, target, sample, least_bad):
    """Whether every fold can be judged and both of its training samples hold the two classes."""
    asked = ((train & (sample == DEVELOPMENT), train & (sample == VALIDATION), judged) for train, judged in pairs)
    return all(_both(target[grow], least_bad) and _both(target[stop], 1) and _both(target[judge], least_bad) for grow, stop, judge in asked)


def _both(target, least_bad):
    return target.sum() >= least_bad and (target == 0).any()


def _refuse_shared(pairs, ids):
    for train, judged in pairs:
        shared = sorted(set(ids[train]) & set(ids[judged]))
        if shared:
            raise RiskError(f"folds: {len(shared)} customers train and are judged in one fold, first {shared[0]}")


def _refuse_overlap(pairs, seconds, horizon):
    known, last = None, None
    for number, (train, judged) in enumerate(pairs):
        opened = sorted(seconds[judged])[0]
        crossed = int((seconds[train] + horizon > opened).sum())
        if crossed:
            raise RiskError(f"folds: {crossed} label windows that train fold {number} reach into the days it judges; lengthen the embargo")
        if last is not None and opened <= last:
            raise RiskError(f"folds: fold {number} judges days that an earlier fold judged")
        latest = sorted(seconds[train])[-1]
        if known is not None and latest < known:
            raise RiskError(f"folds: fold {number} trains on less than the fold before it")
        known, last = latest, sorted(seconds[judged])[-1]
