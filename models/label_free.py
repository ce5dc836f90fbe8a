"""What the outcomes of a cohort will show before they are known: AUC, bad rate and Brier score expected from calibrated probabilities alone, with error bars.

The idea is that of confidence-based performance estimation: where a row of probability p is bad with probability p, every figure of a confusion matrix has an
expectation that needs no outcome. It holds as long as the probabilities do, so it is blind to a change of what makes a customer fail (concept drift), and
the later truth beside it shows such a change.
"""
import msgspec
import numpy as np
from scipy import special

from models.calibration import log_odds, sigmoid
from models.discrimination import auc
from models.probability_tests import brier

# Beyond so many groups of neighbouring scores a figure changes in its fifth digit, and a book of a million rows would take minutes.
GROUPS = 2_000
FIGURES = ("auc", "rate", "brier")
# Log-odds: nothing is known better than this, and a precision stays a number.
LEAST_ERROR = 1e-6
# Of the level's variance: less widening than this is rounding.
LEAST_BEND = 1e-4


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where a calibration stood when its model was accepted: the true log-odds at a predicted z are centre + level + slope (z - centre), each up to its
    standard error. A perfect one has level 0 and slope 1."""

    centre: float
    level: float = 0.0
    level_error: float
    slope: float = 1.0
    slope_error: float


def standing_of(probability, low, high, *, confidence):
    """The standing that a calibration's own interval tells: `low` and `high` are its ends at each row's probability, `confidence` what they hold.

    A straight line's variance at z is v + w (z - centre)^2: fitted to the rows' squared standard errors, each row weighed by the bad ones that it expects.
    """
    z = log_odds(probability)
    variance = ((log_odds(high) - log_odds(low)) / (2 * special.ndtri(0.5 + confidence / 2))) ** 2
    middle, spread = _weighed(z, probability)
    x, root = (z - middle) / spread, np.sqrt(probability)
    constant, tilt, bend = np.linalg.lstsq(np.column_stack([root, root * x, root * x * x]), root * variance, rcond=None)[0]
    bend = max(bend, 0.0)
    centre = float(np.clip(-tilt / (2 * bend), x.min(), x.max())) if bend > 0 else 0.0
    level = max(constant + tilt * centre + bend * centre * centre, float(variance.min()))
    # An interval that does not widen away from its middle tells nothing of the slope, which is then known no better than the level.
    slope_error = float(np.sqrt(bend if bend > LEAST_BEND * level else level)) / spread
    return Standing(centre=middle + centre * spread, level_error=float(np.sqrt(level)), slope_error=slope_error)


def standing_of_count(probability, bad):
    """The standing where a bundle has no interval: its level and slope were learned from `bad` independent bad rows."""
    middle, spread = _weighed(log_odds(probability), probability)
    error = float(max(bad, 1) ** -0.5)
    return Standing(centre=middle, level_error=error, slope_error=error / spread)


def judged(standing, line):
    """The standing after rows that had no part in the calibration judged it: `line` is their `probability_tests.calibration_line`.

    Each of level and slope is the mean of what it was taken for and what was measured, weighed by their precision. The line's `offset`, with the slope held at
    1, stands for the level: it is the level where the bad rows lie, near the centre, and there independent of the slope.
    """
    level, level_error = _joined(standing.level, standing.level_error, *_measured(line, "offset"))
    slope, slope_error = _joined(standing.slope, standing.slope_error, *_measured(line, "slope"))
    return msgspec.structs.replace(standing, level=level, level_error=level_error, slope=slope, slope_error=slope_error)


def estimate(probability, score, *, standing, asset_correlation=0.0, repeats=1.0, draws=500, seed=0, level=0.95):
    """Expected AUC, bad rate and Brier score of rows without outcomes, each with the interval in which the later truth should lie.

    probability: calibrated, strictly between 0 and 1; score: what ranks, higher is riskier; standing: where the calibration stood, which the probabilities are
    moved by. The interval is that of `draws` simulated cohorts: the calibration's level and slope off by their errors; one shock for all rows of
    `asset_correlation` (Vasicek, Risk 2002); then an outcome for every row, whose spread around its mean is widened by the root of `repeats` where a
    customer's bad rows come together (`probability_tests.design_effect`). The Brier score is that of the probabilities as given.

    Returns dict: rows, bad (expected), auc, auc_low, auc_high, rate, rate_low, rate_high, brier, brier_low, brier_high. The AUC's are None where less than one
    bad or one good row is expected.
    """
    probability, score = np.asarray(probability, dtype=np.float64), np.asarray(score, dtype=np.float64)
    drawn = _drawn(*_grouped(probability, score), standing, asset_correlation, repeats, draws, np.random.default_rng(seed))
    truly = stood(probability, standing)
    bad = float(truly.sum())
    found = {"auc": expected_auc(truly, score), "rate": bad / len(truly), "brier": float((truly * (1 - 2 * probability) + probability**2).mean())}
    figures = {"rows": len(probability), "bad": bad}
    for name in FIGURES:
        low, high = np.nanquantile(drawn[name], [0.5 - level / 2, 0.5 + level / 2]) if np.isfinite(drawn[name]).any() else (np.nan, np.nan)
        unknown = name == "auc" and not 1.0 <= bad <= len(probability) - 1.0
        figures |= {name: None if unknown else found[name], f"{name}_low": None if unknown else float(low), f"{name}_high": None if unknown else float(high)}
    return figures


def promised_auc(probability, score, *, standing, draws=200, seed=0):
    """The AUC that the probabilities of these rows promise, and its standard error by the calibration's own, without the chance of outcomes: (auc, se)."""
    rows, p = _grouped(np.asarray(probability, dtype=np.float64), np.asarray(score, dtype=np.float64))
    bad = rows * _moved(p, standing, draws, np.random.default_rng(seed))
    return expected_auc(stood(probability, standing), score), float(np.std(_ranked(bad, rows - bad)))


def stood(probability, standing):
    """The probabilities moved by the standing's level and slope."""
    z = log_odds(probability)
    return sigmoid(standing.centre + standing.level + standing.slope * (z - standing.centre))


def expected_auc(probability, score):
    """AUC that probabilities promise: the share of pairs i, j, weighed by p_i (1 - p_j), in which i scores higher, ties counted half; i is not j."""
    order = np.argsort(score, kind="stable")
    p, ends = np.asarray(probability)[order], np.flatnonzero(np.r_[np.diff(np.asarray(score)[order]) != 0, True])
    bad, good, self_pairs = (np.diff(np.cumsum(part)[ends], prepend=0.0) for part in (p, 1 - p, p * (1 - p)))
    below = np.cumsum(good) - good
    pairs = bad.sum() * good.sum() - self_pairs.sum()
    return float((bad * below + (bad * good - self_pairs) / 2).sum() / pairs) if pairs > 0 else 0.5


def compared(estimated, target, probability, score):
    """How far off an estimate was, once the outcomes are in: {figure: {"realised", "error" (estimate less realised), "inside"}}.

    target, probability, score: of the same rows. The AUC is left out where the rows hold one class only or nothing was estimated.
    """
    target = np.asarray(target, dtype=np.float64)
    realised = {"rate": float(target.mean()), "brier": brier(target, probability)}
    if estimated["auc"] is not None and 0 < target.sum() < len(target):
        realised["auc"] = auc(target, score)
    return {name: {"realised": value, "error": estimated[name] - value, "inside": bool(estimated[f"{name}_low"] <= value <= estimated[f"{name}_high"])}
            for name, value in realised.items()}


def _grouped(probability, score):
    """Rows, and mean probability, of at most GROUPS neighbouring groups of scores, from low to high; single rows where there are few."""
    order = np.argsort(score, kind="stable")
    starts = np.unique(np.linspace(0, len(order), min(GROUPS, len(order)) + 1).astype(np.int64))[:-1]
    rows = np.diff(starts, append=len(order)).astype(np.float64)
    return rows, np.add.reduceat(probability[order], starts) / rows


def _drawn(rows, p, standing, asset_correlation, repeats, draws, rng):
    """AUC, rate and Brier score of simulated cohorts, an array of `draws` each; NaN where a cohort lacks a class."""
    truly = _shocked(_moved(p, standing, draws, rng), asset_correlation, rng.standard_normal((draws, 1)))
    bad = _outcomes(rows, truly, repeats, rng)
    squares = (rows * p * p).sum() + (bad * (1 - 2 * p)).sum(axis=1)
    return {"auc": _ranked(bad, rows - bad), "rate": bad.sum(axis=1) / rows.sum(), "brier": squares / rows.sum()}


def _moved(p, standing, draws, rng):
    """(draws, groups): what the probabilities truly are by the standing, its level and slope drawn."""
    level, slope = rng.standard_normal((2, draws, 1))
    from_centre = log_odds(p) - standing.centre
    # A calibration curve never falls.
    drawn = np.maximum(standing.slope + standing.slope_error * slope, 0.0)
    return sigmoid(standing.centre + standing.level + standing.level_error * level + drawn * from_centre)


def _shocked(p, asset_correlation, shock):
    return special.ndtr((special.ndtri(p) + np.sqrt(asset_correlation) * shock) / np.sqrt(1 - asset_correlation))


def _outcomes(rows, p, repeats, rng):
    """Bad rows of every group in every draw; with `repeats` above 1 further from their mean, and then no whole numbers."""
    bad = rng.binomial(rows.astype(np.int64), p).astype(np.float64)
    return bad if repeats <= 1.0 else np.clip(rows * p + np.sqrt(repeats) * (bad - rows * p), 0.0, rows)


def _ranked(bad, good):
    """AUC of counts by group, (draws, groups) from low to high score; NaN where there is one class."""
    below = np.cumsum(good, axis=1) - good
    with np.errstate(invalid="ignore", divide="ignore"):
        return (bad * (below + good / 2)).sum(axis=1) / (bad.sum(axis=1) * good.sum(axis=1))


def _weighed(z, probability):
    """Middle and spread of log-odds, each row weighed by the bad ones that it expects."""
    middle = float(np.average(z, weights=probability))
    return middle, max(float(np.sqrt(np.average((z - middle) ** 2, weights=probability))), 1e-6)


def _measured(line, name):
    """Value and standard error of a figure of a calibration line, whose interval is the 95 % one."""
    return line[name], (line[f"{name}_high"] - line[f"{name}_low"]) / (2 * special.ndtri(0.975))


def _joined(first, first_error, second, second_error):
    """Mean by precision and its error; the first alone where few or like rows left the second without a value or an error."""
    if not np.isfinite([second, second_error]).all():
        return first, first_error
    weights = np.maximum([first_error, second_error], LEAST_ERROR) ** -2.0
    return float(np.average([first, second], weights=weights)), float(weights.sum() ** -0.5)
