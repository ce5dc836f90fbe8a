"""The reference: the 12-month probability of default given what the tables record, latent part and future integrated out."""

from dataclasses import dataclass, replace

import numpy as np

from pipeline.sources._simulated_rush import PROMPT, RUSH_MONTHS, survival
from pipeline.sources._simulated_state import (
    CLIMATE_SHARE,
    DISPUTE_RATE,
    FRAILTY_SD,
    ILLIQUIDITY,
    INDEX_WEIGHT,
    INTERCEPT,
    KINK,
    LATENESS,
    LAWSUIT_COUNTS,
    LAWSUIT_RATE,
    LEAVE_A_MONTH,
    LEVERAGE,
    RHO,
    RHO_FRAILTY,
    RHO_INDEX,
    RHO_SHOCK,
    SHOCK_SD,
    THIN_BUFFER,
    WEAK_MARGIN,
)
from pipeline.sources._simulated_statements import FILED
from pipeline.sources._simulated_world import Purpose, stream

MONTHS = 12
STEP = np.arange(1, MONTHS + 1)
CHUNK = 250


@dataclass(frozen=True)
class Known:
    """What the tables record of each observed customer at the end of a month; one row each.

    `filed` holds leverage, illiquidity and weak margin at the end of the last statement known, `age` the months since; `lateness` is that
    of a month ago, which the payments known by now reveal; `buffer` is the thin buffer of today, which the balance shows; `index` is the
    industry's last published one; `events` the weighted disputes and lawsuits of each of the last twelve months, the newest last; `fixed`
    age, size and industry; `mean` and `variance` those of the frailty given survival; `rush` the months in a rush, which
    the orders show.
    """

    filed: np.ndarray
    age: np.ndarray
    lateness: np.ndarray
    buffer: np.ndarray
    index: np.ndarray
    events: np.ndarray
    fixed: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    rush: np.ndarray

    def chunk(self, start):
        """Rows `start` to `start + CHUNK`."""
        return Known(**{name: column[start : start + CHUNK] for name, column in vars(self).items()})


@dataclass(frozen=True)
class Draws:
    """Deviations from the mean path, shared by all customers of a month: (12, draws) each, and (draws,) for the starting points."""

    leverage: np.ndarray
    lateness: np.ndarray
    rest: np.ndarray
    start: np.ndarray


class Reference:
    """Monte Carlo of the next twelve months of every observed customer, seen from the end of `month`."""

    def __init__(self, seed, plan, month, draws):
        self.plan, self.month = plan, month
        self.path = [plan.effects(month + k) for k in STEP]
        # The hazard of a month is that of the states at the end of the month before.
        self.added = [plan.effects(month + k - 1) for k in STEP]
        self.draws = _draw(stream(seed, 0, month, Purpose.REFERENCE), self.path, draws)

    def pd_12m(self, known):
        """Probability of a default within the next twelve months, by customer (shape of `known.age`)."""
        usual = self._usual(known)
        starts = range(0, len(known.age), CHUNK)
        pd_12m = np.concatenate([self._chunk(usual.chunk(start)) for start in starts]) if len(known.age) else np.zeros(0)
        rushes = np.array([effect.rush for effect in self.path])
        return 1 - (1 - pd_12m) * survival(known.rush, rushes) if rushes.any() or known.rush.any() else pd_12m

    def _usual(self, known):
        """What is known less what the scenario had added by then: the rest is the plain AR(1) that the draws continue."""
        before, now = self.plan.effects(self.month - 1), self.plan.effects(self.month)
        ages, place = np.unique(known.age, return_inverse=True)
        filed = np.array([self.plan.effects(self.month - age).states[list(FILED)] for age in ages]).reshape(len(ages), len(FILED))
        return replace(known, filed=known.filed - filed[place], lateness=known.lateness - before.states[LATENESS],
                       buffer=known.buffer - now.states[THIN_BUFFER], index=known.index - CLIMATE_SHARE * before.climate)

    def _chunk(self, known):
        decay = RHO[LEVERAGE] ** known.age
        spread = np.sqrt(1 - decay**2)
        start = np.float32(decay * known.filed[:, 0])[:, None] + np.float32(spread)[:, None] * self.draws.start[0]
        margin = np.float32(spread)[:, None] * self.draws.start[1]
        frailty = np.float32(np.sqrt(known.variance))[:, None] * self.draws.start[2]
        total = np.zeros_like(start)
        for place, effect in enumerate(self.path):
            # Who has left alive cannot default any more.
            total += np.float32((1 - LEAVE_A_MONTH) ** place) * self._hazard(known, place, effect, start, margin, frailty, decay)
        return -np.expm1(-total.astype(np.float64)).mean(axis=1)

    def _hazard(self, known, place, effect, start, margin, frailty, decay):
        """Hazard of one month ahead: (customers, draws), float32."""
        added = np.float32(self.added[place].states)
        leverage = np.float32(RHO[LEVERAGE] ** place) * start + self.draws.leverage[place] + added[LEVERAGE]
        lateness = np.float32(RHO[LATENESS] ** (place + 1) * known.lateness)[:, None] + self.draws.lateness[place] + added[LATENESS]
        rushing = (known.rush > 0) & (known.rush + place <= RUSH_MONTHS)
        lateness[rushing] = PROMPT
        log_hazard = np.float32(effect.weights[LEVERAGE]) * leverage + np.float32(effect.weights[LATENESS]) * lateness
        cross = np.maximum(leverage - np.float32(KINK), 0) * np.maximum(lateness - np.float32(KINK), 0)
        log_hazard += np.float32(effect.cross) * cross
        log_hazard += np.float32(RHO[WEAK_MARGIN] ** place * _margin_weight(effect)) * margin + np.float32(RHO_FRAILTY**place) * frailty
        log_hazard += self.draws.rest[place] + np.float32(_mean_path(known, place, effect, decay) + self._added(place))[:, None]
        return np.exp(log_hazard, out=log_hazard)

    def _added(self, place):
        """What the scenario adds to the linear part of that month's log hazard through the states and the index."""
        added, weights = self.added[place], self.path[place].weights
        linear = [ILLIQUIDITY, WEAK_MARGIN, THIN_BUFFER]
        return float(weights[linear] @ added.states[linear]) + INDEX_WEIGHT * CLIMATE_SHARE * added.climate


def _mean_path(known, place, effect, decay):
    """The linear part of the log hazard `place` + 1 months ahead, at the mean of every path."""
    weights = effect.weights
    filed = RHO[WEAK_MARGIN] ** place * decay * (weights[ILLIQUIDITY] * known.filed[:, 1] + weights[WEAK_MARGIN] * known.filed[:, 2])
    flows = weights[THIN_BUFFER] * RHO[THIN_BUFFER] ** place * known.buffer + INDEX_WEIGHT * RHO_INDEX ** (place + 1) * known.index
    events = effect.event_weight * known.events[:, place:].sum(axis=1)
    return INTERCEPT + effect.intercept + known.fixed + filed + flows + events + RHO_FRAILTY**place * known.mean


def _margin_weight(effect):
    """Illiquidity and weak margin move alike, so their deviations are one normal with this weight."""
    return np.hypot(effect.weights[ILLIQUIDITY], effect.weights[WEAK_MARGIN])


def _draw(rng, path, draws):
    """Antithetic draws whose sample covariance is exact, so that a few hundred of them integrate a normal exponent well."""
    half = (draws + 1) // 2
    normal = rng.standard_normal((half, 3 * MONTHS + 3))
    if half >= normal.shape[1]:
        normal = np.linalg.qr(normal)[0] * np.sqrt(half) * np.sign(rng.standard_normal(normal.shape[1]))
    normal = np.concatenate([normal, -normal]).T
    leverage = _root(_path_covariance(RHO[LEVERAGE], STEP - 1)) @ normal[:MONTHS]
    lateness = _root(_path_covariance(RHO[LATENESS], STEP)) @ normal[MONTHS : 2 * MONTHS]
    rest = _root(_rest_covariance(path)) @ normal[2 * MONTHS : 3 * MONTHS] + _future_events(rng, path, normal.shape[1])
    single = [np.float32(part) for part in (leverage, lateness, rest, normal[3 * MONTHS :])]
    return Draws(*single)


def _path_covariance(rho, steps):
    """Covariance of a standard AR(1) at `steps` months after a known value: rho^|k-l| (1 - rho^(2 min(k, l)))."""
    earlier, apart = np.minimum.outer(steps, steps), np.abs(np.subtract.outer(steps, steps))
    return rho**apart * (1 - rho ** (2 * earlier))


def _rest_covariance(path):
    """Covariance of everything that enters linearly: margin and liquidity, account buffer, industry index, frailty, common shock."""
    margin, buffer = np.array([_margin_weight(effect) for effect in path]), np.array([effect.weights[THIN_BUFFER] for effect in path])
    shock = SHOCK_SD**2 * RHO_SHOCK ** np.abs(np.subtract.outer(STEP, STEP))
    return (np.outer(margin, margin) * _path_covariance(RHO[WEAK_MARGIN], STEP - 1)
            + np.outer(buffer, buffer) * _path_covariance(RHO[THIN_BUFFER], STEP - 1)
            + INDEX_WEIGHT**2 * _path_covariance(RHO_INDEX, STEP) + FRAILTY_SD**2 * _path_covariance(RHO_FRAILTY, STEP - 1) + shock)


def _root(covariance):
    """A square root that exists for a covariance with zero rows too (the first month of a path known today)."""
    values, vectors = np.linalg.eigh(covariance)
    return vectors * np.sqrt(np.maximum(values, 0))


def _future_events(rng, path, draws):
    """What disputes and lawsuits yet to come add to the log hazard of each month: those of the months before it."""
    count = rng.poisson(DISPUTE_RATE, (MONTHS, draws)) + LAWSUIT_COUNTS * rng.poisson(LAWSUIT_RATE, (MONTHS, draws))
    so_far = np.cumsum(count, axis=0) - count
    return np.array([effect.event_weight for effect in path])[:, None] * so_far
