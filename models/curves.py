"""Everything that follows a raw score: probability, its interval and points, fitted together on rows that the trees did not grow on."""
import msgspec

from models.calibration import apply, fit, moved, offset_between, points_knots, shifted
from models.intervals import fit_interval


def fit_curves(raw_score, target, groups, *, method, prior_rate, level, points, seed):
    """The manifest's knots, interval, points and points_knots; the prior shift; the rows' probabilities.

    raw_score, target, groups: log-odds, 0 or 1, customer ids; method: of `calibration.fit`; prior_rate: the default rate that the curve is moved to, or
    None; level: the interval's confidence; points: a Points scale. The shift's offset is that between the rows' own rate and the prior
    (Elkan, IJCAI 2001), for curve and interval alike.

    Returns (dict of the four, {"sample_rate", "rate", "offset"} or None, probabilities).
    """
    knots = fit(raw_score, target, method=method, groups=groups, seed=seed)
    interval, prior = fit_interval(knots, raw_score, target, groups, level=level), None
    if prior_rate is not None:
        offset = offset_between(float(target.mean()), prior_rate)
        prior = {"sample_rate": float(target.mean()), "rate": prior_rate, "offset": offset}
        knots = shifted(knots, offset=offset)
        interval = msgspec.structs.replace(interval, low=moved(interval.low, offset), high=moved(interval.high, offset))
    curves = {"knots": knots, "interval": interval, "points": points, "points_knots": points_knots(knots, points)}
    return curves, prior, apply(knots, raw_score)
