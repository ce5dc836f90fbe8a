"""Whether predicted probabilities are true: Brier, log-loss, ECE, calibration line, Hosmer-Lemeshow, Spiegelhalter, tests and intervals per
grade."""
import numpy as np
from scipy import special

from features.errors import RiskError
from models.clusters import cluster_codes
from models.discrimination import influence_variance
from models.exact import mass_of_steps

TINY = 1e-15


def brier(target, probability):
    """Mean squared distance of probability and outcome (Brier 1950)."""
    return float(np.mean(_squared(target, probability)))


def log_loss(target, probability):
    """Mean negative log-likelihood in nats; probabilities are kept 1e-15 away from 0 and 1."""
    return float(np.mean(_surprise(target, probability)))


def _squared(target, probability):
    return (np.asarray(probability) - np.asarray(target)) ** 2


def _surprise(target, probability):
    p, target = np.clip(np.asarray(probability, dtype=np.float64), TINY, 1 - TINY), np.asarray(target)
    return -(target * np.log(p) + (1 - target) * np.log1p(-p))


# What one row loses, by the name of the mean.
LOSSES = {"log_loss": _surprise, "brier": _squared}


def compare_losses(target, probability, other, *, loss, groups=None, level=0.95):
    """Difference of the mean losses (`loss`: log_loss or brier) of two probabilities on the same rows, with its interval; less is better.

    groups: cluster ids; the variance is then that of the clusters' sums (Obuchowski 1997), since one customer's rows share a default. Returns dict:
    difference (probability less other), se, low, high.
    """
    each = LOSSES[loss](target, probability) - LOSSES[loss](target, other)
    code = np.arange(len(each)) if groups is None else cluster_codes(groups)
    se = float(np.sqrt(influence_variance(each - each.mean(), target, code)) / len(each))
    difference, half = float(each.mean()), float(special.ndtri(0.5 + level / 2)) * se
    return {"difference": difference, "se": se, "low": difference - half, "high": difference + half}


def expected_calibration_error(target, probability, *, bins=10):
    """Mean distance of predicted and observed rate over bins of equal row counts, weighted by rows."""
    return float(sum(b["rows"] * abs(b["predicted"] - b["observed"]) for b in reliability(target, probability, bins=bins)) / len(target))


def reliability(target, probability, *, bins=10):
    """Predicted beside observed rate in bins of equal row counts, from low to high probability.

    Returns a list of dict: rows, bad, predicted, observed, low, high (95 % Jeffreys interval of the observed rate, rows taken as
    independent).
    """
    order = np.argsort(probability, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return [_bin(np.asarray(target)[part], np.asarray(probability)[part]) for part in parts]


def calibration_line(target, raw_score, *, groups=None, level=0.95):
    """Slope and intercept of a logistic regression of the outcome on the predicted log-odds, with intervals (Cox 1958).

    1 and 0 are perfect; a slope below 1 means the score is too spread out. groups: cluster ids; the variance is then the sandwich over
    clusters (Liang and Zeger 1986), since one customer's rows share a default. `intercept` is that of the joint fit; `offset` is the
    intercept with the slope held at 1 ("calibration in the large"), in log-odds: exp(offset) is roughly observed over predicted odds.

    Returns dict: slope, slope_low, slope_high, intercept, intercept_low, intercept_high, offset, offset_low, offset_high.
    """
    raw_score, target = np.asarray(raw_score, dtype=np.float64), np.asarray(target, dtype=np.float64)
    z = special.ndtri(0.5 + level / 2)
    design = np.column_stack([np.ones(len(target)), raw_score])
    joint, joint_se = _logistic(design, target, np.zeros(len(target)), groups)
    named = {"slope": (joint[1], joint_se[1]), "intercept": (joint[0], joint_se[0])}
    ends = (("", 0), ("_low", -1), ("_high", 1))
    line = {f"{name}{end}": float(value + sign * z * se) for name, (value, se) in named.items() for end, sign in ends}
    return line | calibration_offset(target, raw_score, groups=groups, level=level)


def calibration_offset(target, log_odds, *, groups=None, level=0.95):
    """The constant that, added to the predicted log-odds, makes as many defaults expected as happened, with its (clustered) interval.

    Arguments as for `calibration_line`, which has more. Returns dict: offset, offset_low, offset_high. The sample needs both classes, or the
    constant has no end.
    """
    log_odds, target = np.asarray(log_odds, dtype=np.float64), np.asarray(target, dtype=np.float64)
    value, se = (found[0] for found in _logistic(np.ones((len(target), 1)), target, log_odds, groups))
    half = special.ndtri(0.5 + level / 2) * se
    return {"offset": float(value), "offset_low": float(value - half), "offset_high": float(value + half)}


def hosmer_lemeshow(target, probability, *, bins=10):
    """Chi-square of observed against expected defaults over bins of equal row counts (Hosmer and Lemeshow 1980; bins degrees of freedom
    here).

    On rows that did not fit the model the statistic has `bins` degrees of freedom, not bins - 2 (Hosmer, Lemeshow, Sturdivant 2013, 5.2.2).
    Rows are taken as independent. Returns dict: statistic, degrees, p.
    """
    table = reliability(target, probability, bins=bins)
    rows, bad, p = (np.array([b[key] for b in table]) for key in ("rows", "bad", "predicted"))
    statistic = ((bad - rows * p) ** 2 / np.maximum(rows * p * (1 - p), TINY)).sum()
    return {"statistic": float(statistic), "degrees": len(table), "p": float(special.chdtrc(len(table), statistic))}


def spiegelhalter(target, probability):
    """Spiegelhalter's z-test of the Brier score (Statistics in Medicine 1986). Returns dict: z, p (two-sided)."""
    p, y = np.asarray(probability, dtype=np.float64), np.asarray(target, dtype=np.float64)
    z = ((y - p) * (1 - 2 * p)).sum() / np.sqrt(((1 - 2 * p) ** 2 * p * (1 - p)).sum())
    return {"z": float(z), "p": float(2 * special.ndtr(-abs(z)))}


def binomial_test(bad, rows, pd_12m):
    """Probability of at least `bad` defaults among `rows` independent ones if the PD is right (one-sided: the PD is too low)."""
    return float(special.bdtrc(bad - 1, rows, pd_12m))


def jeffreys_test(bad, rows, pd_12m):
    """Posterior probability that the true rate is not above the PD, under Jeffreys' prior Beta(1/2, 1/2).

    The test of the ECB's "Instructions for reporting the validation results of internal models" (2019, 2.5.3.1): small values say the PD is
    too low. bad of rows; rows are taken as independent.
    """
    return float(special.betainc(bad + 0.5, rows - bad + 0.5, pd_12m))


def jeffreys_interval(bad, rows, *, level=0.95):
    """Equal-tailed Jeffreys interval of a rate; the lower end is 0 without a bad row, the upper 1 without a good one (Brown, Cai, DasGupta
    2001)."""
    tail = 0.5 - level / 2
    low = 0.0 if bad == 0 else float(special.betaincinv(bad + 0.5, rows - bad + 0.5, tail))
    high = 1.0 if bad == rows else float(special.betaincinv(bad + 0.5, rows - bad + 0.5, 1 - tail))
    return low, high


def design_effect(target, groups):
    """How many times a default is counted: the mean, over bad rows, of the bad rows of the same customer; 1 when none repeats.

    Defaults that come in clumps of size k have variance E[k^2] / E[k] per expected row instead of 1 (compound Poisson), which is this mean.
    """
    bad = np.asarray(target) == 1
    if not bad.any():
        return 1.0
    clump = np.bincount(cluster_codes(np.asarray(groups)[bad]))
    return float((clump ** 2).sum() / clump.sum())


def shock_variance(pd_12m, asset_correlation):
    """Variance of a portfolio's default rate around its PD when one common factor moves all customers (Vasicek, Risk 2002).

    Phi2(h, h; rho) - pd^2 with h = Phi^-1(pd), in squared probability; 0 at correlation 0. At equal thresholds
    Phi2(h, h; rho) = Phi(h) - 2 T(h, sqrt((1 - rho) / (1 + rho))) (Owen, Annals of Mathematical Statistics 1956).
    """
    if asset_correlation == 0.0 or pd_12m <= 0.0 or pd_12m >= 1.0:
        return 0.0
    both = pd_12m - 2 * special.owens_t(special.ndtri(pd_12m), np.sqrt((1 - asset_correlation) / (1 + asset_correlation)))
    return max(float(both) - pd_12m ** 2, 0.0)


def predictive_interval(rows, pd_12m, *, repeats=1.0, asset_correlation=0.0, estimated_from=None, level=0.95):
    """Interval of the number of bad rows to expect among `rows` with mean probability `pd_12m`.

    The count has mean n p and variance  D n p (1 - p) + n^2 (S + p^2 / B):  D `repeats`, how often one default is counted when a customer
    is scored several times within the horizon (`design_effect`); S the variance that a common shock gives the rate (`shock_variance`); B
    `estimated_from`, the expected independent defaults behind the PD itself, whose relative variance is 1 / B as for a Poisson count (None:
    the PD is taken as known). A beta-binomial with this mean and variance gives the ends, both inclusive: it is the binomial when only
    chance is at work, and like it never leaves 0..n. A binomial interval alone would be broken by any real portfolio, whose defaults are
    neither distinct nor independent nor expected at a rate known without error.

    Returns (low, high) whole counts. Raises: RiskError unless 0 < pd_12m < 1.
    """
    if not 0.0 < pd_12m < 1.0:
        raise RiskError(f"pd_12m {pd_12m} must lie strictly between 0 and 1 for a predictive interval")
    if rows == 0:
        return 0, 0
    chance = rows * pd_12m * (1 - pd_12m)
    estimation = 0.0 if estimated_from is None else pd_12m ** 2 / max(estimated_from, TINY)
    variance = repeats * chance + rows ** 2 * (shock_variance(pd_12m, asset_correlation) + estimation)
    return _beta_binomial_ends(rows, pd_12m, variance / chance, 0.5 - level / 2)


def _beta_binomial_ends(rows, pd_12m, inflation, tail):
    """Quantiles of a beta-binomial of the binomial's mean and `inflation` times its variance, by summing its mass.

    Each count's mass is the one before it times (n - k)(p + k t) / ((k + 1)(1 - p + (n - k - 1) t)), t = correlation / (1 - correlation):
    Polya's urn. No gamma function is needed, which would cancel badly in large books, and t = 0 is the binomial itself.
    """
    correlation = min(max((inflation - 1) / (rows - 1), 0.0), 0.99) if rows > 1 else 0.0
    urn, k = correlation / (1 - correlation), np.arange(rows, dtype=np.float64)
    steps = np.log((rows - k) * (pd_12m + k * urn) / ((k + 1) * (1 - pd_12m + (rows - k - 1) * urn)))
    total = np.cumsum(mass_of_steps(steps))
    return tuple(min(int(end), rows) for end in np.searchsorted(total, [tail, 1 - tail]))


def _bin(target, probability):
    bad, rows = int(target.sum()), len(target)
    low, high = jeffreys_interval(bad, rows)
    return {"rows": rows, "bad": bad, "predicted": float(probability.mean()), "observed": bad / rows, "low": low, "high": high}


def _logistic(design, target, offset, groups):
    """Newton's method for logistic regression with an offset: coefficients and (clustered) standard errors."""
    weights = np.zeros(design.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(design @ weights + offset, -35, 35)))
        inverse = np.linalg.pinv((design * (p * (1 - p))[:, None]).T @ design)
        step = inverse @ (design.T @ (target - p))
        # A separable sample has no finite maximum; short steps keep it from running away before the rounds end.
        weights = weights + np.clip(step, -5, 5)
        if np.abs(step).max() < 1e-10:
            break
    if groups is None:
        return weights, np.sqrt(np.diag(inverse))
    code = cluster_codes(groups)
    scores = np.column_stack([np.bincount(code, weights=column) for column in (design * (target - p)[:, None]).T])
    return weights, np.sqrt(np.diag(inverse @ (scores.T @ scores) @ inverse))
