"""From the trees' log-odds to a probability: fitted once, kept as knots, applied with comparisons and basic arithmetic only.

numpy's exp and log differ between processors in the last bit; addition, multiplication and division do not. So the curve is tabulated at
fit time on a dense grid, and one row, a batch and another machine read the same probability.
"""
import math

import msgspec
import numpy as np

from features.errors import RiskError

# Ends of every probability: beyond them the counts behind any portfolio say nothing, and odds stay finite.
LOWEST, HIGHEST = 1e-5, 1.0 - 1e-5
STEPS = 512
# By freedom. Between the first two the lower loss decides: boosting stopped early is always too flat, so a line needs no proof. The
# curves after it follow noise readily and must beat it by more than theirs.
METHODS = ("none", "logistic", "beta", "isotonic")


class Knots(msgspec.Struct, frozen=True):
    """A rising, piecewise linear curve from raw score x (log-odds) to y (probability, or points); x strictly rises, ends are flat."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    method: str = "none"
    loss: dict[str, float] = {}


class Interval(msgspec.Struct, frozen=True):
    """Lower and upper ends of the probability's interval at each of the knots' x, both rising, the curve between them; see `models.intervals`.

    level: how often such an interval holds the true probability at a score, if the calibration sample is like the book.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    level: float
    method: str


class Points(msgspec.Struct, frozen=True):
    """A points scale: `base_score` points at odds of `base_odds` good to 1 bad, `points_to_double` more for every doubling."""

    base_score: float = 600.0
    base_odds: float = 50.0
    points_to_double: float = 20.0


def fit(raw_score, target, *, method="auto", groups=None, folds=5, seed=0):
    """Fit the calibration curve on rows the trees did not grow on.

    raw_score: log-odds (rows,); target: 0 or 1; method: none, logistic (Platt 1999), beta (Kull, Silva Filho, Flach, AISTATS 2017),
    isotonic (pool adjacent violators, each step shrunk by one row at the mean rate so that no step is 0 or 1) or auto. auto is
    the better of none and logistic by mean out-of-sample log-loss over grouped folds (groups: customer ids); beta or isotonic only where it beats
    that by more than its standard error. Returns Knots; `loss` holds each method's out-of-sample log-loss, empty when the method was given.

    Raises: RiskError on one class, a missing score or an unknown method.
    """
    raw_score, target = _checked(raw_score, target)
    if method == "auto":
        chosen, loss = choose(raw_score, target, groups=np.arange(len(target)) if groups is None else groups, folds=folds, seed=seed)
        return msgspec.structs.replace(fit(raw_score, target, method=chosen), loss=loss)
    if method not in METHODS:
        raise RiskError(f"calibration method {method} is unknown; use auto, {', '.join(METHODS)}")
    return tabulate(raw_score, curve(raw_score, target, method), method)


def choose(raw_score, target, *, groups, folds, seed):
    """Out-of-sample log-loss of every method over grouped folds and the name of the chosen one. Returns (name, {name: loss})."""
    fold = _folds(target, groups, folds, seed)
    losses = {method: _fold_losses(raw_score, target, fold, method) for method in METHODS}
    _, code = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    chosen = min(METHODS[:2], key=lambda method: losses[method].mean())
    for method in METHODS[2:]:
        gain = np.bincount(code, weights=losses[chosen] - losses[method])
        if gain.mean() > gain.std(ddof=1) / math.sqrt(len(gain)):
            chosen = method
    return chosen, {method: float(loss.mean()) for method, loss in losses.items()}


def curve(raw_score, target, method):
    """A function from raw scores to probabilities, fitted by one method; arguments as for `fit`."""
    if method == "none":
        return sigmoid
    if method == "isotonic":
        return _isotonic(raw_score, target)
    if method == "logistic":
        slope, intercept = _rising_logistic(raw_score[:, None], target)
        return lambda x: sigmoid(slope * x + intercept)
    weights = _rising_logistic(_beta_sides(raw_score), target)
    return lambda x: sigmoid(_beta_sides(x) @ weights[:-1] + weights[-1])


def tabulate(raw_score, probability_of, method, *, margin=2.0):
    """Knots of a curve on an even grid of STEPS + 1 raw scores, from `margin` below the lowest to `margin` above the highest seen.

    Steps of about 0.02 in log-odds keep the chord within 2e-5 of the curve, relative to the probability.
    """
    low, high = float(np.min(raw_score)) - margin, float(np.max(raw_score)) + margin
    x = np.linspace(low, high, STEPS + 1)
    y = np.maximum.accumulate(np.clip(probability_of(x), LOWEST, HIGHEST))
    return Knots(tuple(x.tolist()), tuple(y.tolist()), method)


def apply(knots, raw_score):
    """Read the curve at raw scores (rows,) and return probabilities (rows,); scores outside the knots take the end values.

    The same bits for one row and for many: one search and elementwise arithmetic. A missing score stays missing.
    """
    return interpolate(np.asarray(knots.x), np.asarray(knots.y), raw_score)


def interpolate(x, y, value):
    """Piecewise linear interpolation in a fixed order of operations, flat outside. x strictly rising (k,), value any shape."""
    return between(y, *placed(x, value))


def placed(x, value):
    """Where values lie among the knots x: the knot to the left of each, and the share of the way to the next."""
    value = np.minimum(np.maximum(np.asarray(value, dtype=np.float64), x[0]), x[-1])
    left = np.minimum(np.maximum(np.searchsorted(x, value, side="right") - 1, 0), len(x) - 2)
    return left, (value - x[left]) / (x[left + 1] - x[left])


def between(y, left, share):
    """A curve's heights y (k,) at what `placed` found."""
    low, high = y[left], y[left + 1]
    # Rounding may carry the last step past its knot, which would break the order of two neighbouring scores.
    return np.minimum(np.maximum(low + (high - low) * share, np.minimum(low, high)), np.maximum(low, high))


def points_knots(knots, scale):
    """Knots from raw score to points for the same curve: base_score + points_to_double * log2(odds / base_odds), odds = (1 - p) / p."""
    y = [scale.base_score + scale.points_to_double * (math.log2((1.0 - p) / p) - math.log2(scale.base_odds)) for p in knots.y]
    return Knots(knots.x, tuple(y), "points")


def shifted(knots, *, offset):
    """The same curve with `offset` added to its log-odds (prior shift: Elkan, IJCAI 2001; Saerens, Latinne, Decaestecker 2002)."""
    return msgspec.structs.replace(knots, y=moved(knots.y, offset))


def moved(probabilities, offset):
    """Probabilities, a tuple, with `offset` added to their log-odds, within LOWEST and HIGHEST."""
    return tuple(min(max(_logistic(math.log(p / (1.0 - p)) + offset), LOWEST), HIGHEST) for p in probabilities)


def log_odds(probability):
    """Log-odds of probabilities strictly between 0 and 1, an array or a number. Not for scores: numpy's log differs between processors in the last bit."""
    probability = np.asarray(probability, dtype=np.float64)
    return np.log(probability / (1.0 - probability))


def offset_between(from_rate, to_rate):
    """The log-odds offset that moves a curve fitted at one default rate to a population with another, the ranking unchanged."""
    return math.log(to_rate / (1.0 - to_rate)) - math.log(from_rate / (1.0 - from_rate))


def offset_for_mean(probability, rate):
    """The log-odds offset at which the mean probability equals `rate` (bisection to 1e-12)."""
    logit = log_odds(probability)
    low, high = -20.0, 20.0
    while high - low > 1e-12:
        middle = (low + high) / 2
        low, high = (middle, high) if sigmoid(logit + middle).mean() < rate else (low, middle)
    return (low + high) / 2


def _checked(raw_score, target):
    raw_score, target = np.asarray(raw_score, dtype=np.float64), np.asarray(target, dtype=np.float64)
    bad = int(target.sum())
    if bad == 0 or bad == len(target):
        raise RiskError(f"calibration: {bad} bad of {len(target)} rows; a curve needs both classes, so enlarge the calibration sample")
    if not np.isfinite(raw_score).all():
        raise RiskError(f"calibration: {int((~np.isfinite(raw_score)).sum())} of {len(raw_score)} raw scores are missing or infinite")
    return raw_score, target


def sigmoid(x):
    """Probabilities of log-odds, any shape."""
    return 1.0 / (1.0 + np.exp(-np.asarray(x, dtype=np.float64)))


def _logistic(x):
    return 1.0 / (1.0 + math.exp(-x))


def _beta_sides(raw_score):
    """ln p and -ln(1 - p) of the uncalibrated probability: the two columns of beta calibration."""
    return np.column_stack([-np.logaddexp(0.0, -raw_score), np.logaddexp(0.0, raw_score)])


def _rising_logistic(columns, target):
    """Logistic regression of target on columns whose weights may not be negative; a negative one is set to 0 and the rest refitted."""
    weights = newton(np.column_stack([columns, np.ones(len(target))]), target)
    negative = weights[:-1] < 0
    if not negative.any():
        return weights
    kept = np.zeros(len(weights))
    if negative.all() or columns.shape[1] == 1:
        kept[-1] = math.log(target.mean() / (1 - target.mean()))
        return kept
    alone = _rising_logistic(columns[:, ~negative], target)
    kept[:-1][~negative], kept[-1] = alone[:-1], alone[-1]
    return kept


def newton(design, target):
    """Logistic regression by Newton's method with halved steps, on Platt's softened targets, which keep a separable sample finite."""
    bad = target.sum()
    soft = np.where(target == 1, (bad + 1) / (bad + 2), 1 / (len(target) - bad + 2))
    weights = np.zeros(design.shape[1])
    weights[-1] = math.log(bad / (len(target) - bad))
    for _ in range(100):
        p = sigmoid(design @ weights)
        curvature = (design * (p * (1 - p))[:, None]).T @ design + 1e-9 * np.eye(design.shape[1])
        step = np.linalg.solve(curvature, design.T @ (soft - p))
        weights = _descended(design, soft, weights, step)
        if np.abs(step).max() < 1e-9:
            break
    return weights


def _descended(design, soft, weights, step):
    """The weights after the longest of step, step / 2, step / 4, … that does not raise the loss; a full Newton step can overshoot."""
    loss = _binomial_loss(design @ weights, soft)
    for halvings in range(30):
        moved = weights + step * 0.5 ** halvings
        if _binomial_loss(design @ moved, soft) <= loss:
            return moved
    return weights


def _binomial_loss(raw_score, soft):
    return float((np.logaddexp(0.0, raw_score) - soft * raw_score).sum())


def _isotonic(raw_score, target):
    order = np.argsort(raw_score, kind="stable")
    ends, means = _pooled(raw_score[order], target[order])
    return lambda x: np.interp(x, ends, means)


def _pooled(score, target):
    """Pool adjacent violators: middles of the pooled steps and their shrunk rates, both rising."""
    blocks = []
    for x, y in zip(score, target, strict=True):
        blocks.append([y, 1.0, x])
        while len(blocks) > 1 and (blocks[-2][0] * blocks[-1][1] >= blocks[-1][0] * blocks[-2][1] or blocks[-2][2] == blocks[-1][2]):
            bad, rows, place = blocks.pop()
            last = blocks[-1]
            last[2] = (last[2] * last[1] + place * rows) / (last[1] + rows)
            last[0], last[1] = last[0] + bad, last[1] + rows
    bad, rows, middle = np.array(blocks).T
    rate = target.mean()
    return middle, np.maximum.accumulate((bad + rate) / (rows + 1.0))


def _folds(target, groups, folds, seed):
    ids, code = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    bad = np.bincount(code, weights=target) > 0
    order = np.lexsort((np.random.default_rng(seed).permutation(len(ids)), bad))
    place = np.empty(len(ids), dtype=np.int64)
    place[order] = np.arange(len(ids))
    return (place % folds)[code]


def _fold_losses(raw_score, target, fold, method):
    loss = np.empty(len(target))
    for number in np.unique(fold):
        away = fold == number
        inside = target[~away]
        both = 0 < inside.sum() < len(inside)
        p = np.clip(curve(raw_score[~away], inside, method)(raw_score[away]) if both else inside.mean(), LOWEST, HIGHEST)
        loss[away] = -(target[away] * np.log(p) + (1 - target[away]) * np.log(1 - p))
    return loss
