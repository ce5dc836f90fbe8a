"""Rejected applications in training: outcomes guessed for rows that nobody let happen, as weighted rows beside the accepted ones.

A model that learned from accepted applications alone says of rejected ones what accepted ones like them did. Where the past decision knew
more than the model's columns, that is too kind, and nothing in the accepted rows can tell by how much (Hand and Henley, IMA Journal of
Management Mathematics 1993): `prudence` is an assumption, not an estimate. docs/experiments.md measures when it helps, which is seldom.
"""
import numpy as np

from features.errors import RiskError
from models.calibration import sigmoid

METHODS = ("none", "parcelling", "fuzzy")


def inferred(method, *, raw_score, target, rejected, prudence=1.0, bands=10, seed=0):
    """Rows to add for rejected applications.

    method: parcelling (Siddiqi, Credit Risk Scorecards, 2006: in each score band the accepted rows' bad rate, times `prudence`, is dealt to
    the rejected rows of the band at random) or fuzzy (each rejected row enters twice, as bad with its probability times `prudence` and as
    good with the rest); raw_score, target: of accepted rows that did not teach that score, or the rates are too good; rejected: raw scores
    (log-odds) of the rejected rows.

    Returns (places, target, weight): positions in `rejected`, and what each row counts as and how much. A rejected row's weights sum to 1.
    Raises: RiskError for an unknown method.
    """
    if method == "parcelling":
        rate = np.minimum(1.0, prudence * _band_rates(raw_score, target, rejected, bands))
        dealt = _dealt(rate, rejected, np.random.default_rng(seed))
        return np.arange(len(rejected)), dealt, np.ones(len(rejected))
    if method == "fuzzy":
        bad = np.minimum(1.0, prudence / (1 + np.exp(-np.asarray(rejected, dtype=np.float64))))
        places = np.arange(len(rejected))
        both = np.concatenate([places, places]), np.repeat([1.0, 0.0], len(rejected)), np.concatenate([bad, 1 - bad])
        return tuple(values[both[2] > 0] for values in both)
    raise RiskError(f"train.reject_inference {method} is unknown; use {', '.join(METHODS)}")


def _band_rates(raw_score, target, rejected, bands):
    """Each rejected row's bad rate: of the accepted rows in its band of scores, cut so that the rejected fill all bands alike; accepted
    rows beyond all rejected ones say nothing of them. Ten rows at
    the score's own probability are added to each band, so that a band without accepted rows has a rate."""
    raw_score, rejected, target = (np.asarray(values, dtype=np.float64) for values in (raw_score, rejected, target))
    among = (raw_score >= rejected.min()) & (raw_score <= rejected.max())
    raw_score, target = raw_score[among], target[among]
    cuts = np.unique(np.quantile(rejected, np.arange(1, bands) / bands))
    place, theirs = np.searchsorted(cuts, raw_score, side="right"), np.searchsorted(cuts, rejected, side="right")
    width = len(cuts) + 1
    own = np.bincount(theirs, weights=sigmoid(rejected), minlength=width) / np.maximum(np.bincount(theirs, minlength=width), 1)
    rate = (np.bincount(place, weights=target, minlength=width) + 10 * own) / (np.bincount(place, minlength=width) + 10)
    return rate[theirs]


def _dealt(rate, rejected, rng):
    """Targets, exactly each band's rate of bad rows (to a rounding that is drawn), at random within it."""
    dealt = np.zeros(len(rejected))
    for each in np.unique(rate):
        places = np.flatnonzero(rate == each)
        count = int(np.floor(each * len(places) + rng.uniform()))
        dealt[rng.permutation(places)[:count]] = 1.0
    return dealt
