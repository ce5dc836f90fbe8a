"""The hidden side of the simulated world: the states of customers and of the economy, the hazard of default, and planted drift."""

from dataclasses import dataclass, field

import numpy as np

from pipeline.sources._simulated_world import BLOCK, BURN_IN, DAY, INDUSTRIES, Purpose, stream

LEVERAGE, ILLIQUIDITY, WEAK_MARGIN, LATENESS, THIN_BUFFER = range(5)
STATE_NAMES = ("leverage", "illiquidity", "weak_margin", "lateness", "thin_buffer")

# Every state is a standard normal AR(1), monthly; higher is riskier.
RHO = np.array([0.98, 0.98, 0.98, 0.975, 0.97])
RHO_INDEX, RHO_SHOCK, RHO_FRAILTY = 0.95, 0.8, 0.92
SHOCK_SD, FRAILTY_SD = 0.1, 0.45

# log monthly hazard = INTERCEPT + WEIGHTS · states + CROSS · (leverage − KINK)+ · (lateness − KINK)+
#   + EVENT_WEIGHT · events in twelve months + AGE_WEIGHT · exp(−age / 4 years) + SIZE_WEIGHT · size + industry
#   + INDEX_WEIGHT · industry index + frailty + common shock
INTERCEPT = -7.88
WEIGHTS = np.array([1.25, 0.25, 0.2, 1.3, 0.7])
CROSS, KINK = 0.35, 0.5
EVENT_WEIGHT, AGE_WEIGHT, SIZE_WEIGHT, INDEX_WEIGHT = 0.55, 0.7, -0.12, -0.12
INDUSTRY_EFFECT = np.array([0.0, 0.05, 0.1, 0.2, 0.05, 0.2, -0.1, -0.15, 0.0, -0.1])
DISPUTE_RATE, LAWSUIT_RATE, LAWSUIT_COUNTS = 0.025, 0.006, 2
LEAVE_A_MONTH = 0.0015


@dataclass(frozen=True)
class Effects:
    """What planted drift does to one month; the default is a world without drift."""

    intercept: float = 0.0
    weights: np.ndarray = field(default_factory=WEIGHTS.copy)
    cross: float = CROSS
    event_weight: float = EVENT_WEIGHT
    amounts: float = 1.0
    online: float = 0.0
    lost_share: float = 0.0
    fraud: float = 1.0
    climate: float = 0.0


def effects(drift, month):
    """The effects in force in a month: those of the planted drift from its month on."""
    if drift is None or month < drift.month:
        return Effects()
    return _DRIFTS[drift.kind](drift, month)


def _covariate(drift, month):
    return Effects(amounts=float(np.exp(drift.size)), online=min(0.6 * drift.size, 0.9))


def _calibration(drift, month):
    return Effects(intercept=drift.size)


def _concept(drift, month):
    # Lateness stops mattering and the account's buffer takes its place: who defaults changes, how many hardly.
    share = min(drift.size, 1.0)
    weights = WEIGHTS.copy()
    weights[LATENESS] = (1 - share) * WEIGHTS[LATENESS]
    weights[THIN_BUFFER] = np.sqrt(WEIGHTS[THIN_BUFFER] ** 2 + WEIGHTS[LATENESS] ** 2 - weights[LATENESS] ** 2)
    return Effects(weights=weights, cross=(1 - share) * CROSS)


def _feed(drift, month):
    return Effects(lost_share=min(drift.size, 1.0))


def _fraud(drift, month):
    return Effects(fraud=1.0 + drift.size)


def _recession(drift, month):
    return Effects(climate=-drift.size if month == drift.month else 0.0)


_DRIFTS = {
    "covariate": _covariate, "calibration": _calibration, "concept": _concept, "feed": _feed, "fraud": _fraud, "recession": _recession,
}
DRIFT_KINDS = tuple(_DRIFTS)


class Economy:
    """Business climate, industry indices and an unrecorded common shock; the same for every block."""

    def __init__(self, seed, drift):
        self.seed, self.drift, self.month = seed, drift, -BURN_IN - 1
        self.climate, self.own, self.shock = 0.0, np.zeros(len(INDUSTRIES)), 0.0
        self.index = self.previous_index = np.zeros(len(INDUSTRIES))

    def advance(self):
        """Move on by one month."""
        self.month += 1
        draw = stream(self.seed, 0, self.month, Purpose.ECONOMY).standard_normal(2 + len(INDUSTRIES))
        innovation = np.sqrt(1 - RHO_INDEX**2)
        self.climate = RHO_INDEX * self.climate + innovation * draw[0] + effects(self.drift, self.month).climate
        self.own = RHO_INDEX * self.own + innovation * draw[2:]
        self.shock = RHO_SHOCK * self.shock + np.sqrt(1 - RHO_SHOCK**2) * SHOCK_SD * draw[1]
        self.previous_index, self.index = self.index, np.sqrt(0.5) * (self.climate + self.own)


def fixed_terms(profile, at):
    """The part of the log hazard that the customers table records, at a moment: age, size and industry."""
    age_years = (at - profile.founded) / (365.25 * DAY)
    return AGE_WEIGHT * np.exp(-np.maximum(age_years, 0.0) / 4) + SIZE_WEIGHT * profile.size + INDUSTRY_EFFECT[profile.industry]


def state_terms(x, effect):
    """The part of the log hazard that comes from the five states."""
    cross = np.maximum(x[:, LEVERAGE] - KINK, 0) * np.maximum(x[:, LATENESS] - KINK, 0)
    return effect.intercept + x @ effect.weights + effect.cross * cross


class States:
    """States, frailty and recent events of one block.

    `x` is (customers, 5) at the end of the last month, `before` a month earlier; `events` counts disputes and lawsuits (twice) in each of
    the last twelve months, the newest last. `mean` and `variance` are those of the frailty given the customer's survival so far: the
    survivors of a risky state are, on average, less frail than they started.
    """

    def __init__(self, seed, block, profile):
        self.seed, self.block, self.profile = seed, block, profile
        self.x = self.before = np.zeros((BLOCK, len(RHO)))
        self.frailty = np.zeros(BLOCK)
        self.events = np.zeros((BLOCK, 12))
        self.mean, self.variance = np.zeros(BLOCK), np.full(BLOCK, FRAILTY_SD**2)
        self.log_hazard = np.zeros(BLOCK)

    def begin(self, month):
        """Draw the stationary states with which the burn-in starts."""
        rng = stream(self.seed, self.block, month, Purpose.PROFILE)
        self.x = self.before = rng.standard_normal((BLOCK, len(RHO)))
        self.frailty = FRAILTY_SD * rng.standard_normal(BLOCK)

    def defaults(self, month, economy, start, effect):
        """Whether each customer would default in the month that starts at `start`, given the states at its beginning."""
        rng = stream(self.seed, self.block, month, Purpose.DEFAULT)
        recorded = self._recorded(economy, start, effect)
        self.log_hazard = recorded + self.frailty + economy.shock
        fallen = rng.random(BLOCK) < -np.expm1(-np.exp(self.log_hazard))
        self._learn(np.exp(recorded))
        return fallen

    def _recorded(self, economy, start, effect):
        index = economy.previous_index[self.profile.industry]
        legal = effect.event_weight * self.events.sum(axis=1)
        return INTERCEPT + state_terms(self.x, effect) + legal + fixed_terms(self.profile, start) + INDEX_WEIGHT * index

    def _learn(self, hazard):
        """Gaussian update of the frailty by one month survived (one step of Laplace's method on exp(-hazard · e^u))."""
        expected = hazard * np.exp(self.mean + self.variance / 2)
        self.variance = self.variance / (1 + self.variance * expected)
        self.mean = self.mean - self.variance * expected

    def advance(self, month):
        """Move all states to the end of the month."""
        rng = stream(self.seed, self.block, month, Purpose.STATE)
        self.before, self.x = self.x, RHO * self.x + np.sqrt(1 - RHO**2) * rng.standard_normal((BLOCK, len(RHO)))
        spread = np.sqrt(1 - RHO_FRAILTY**2) * FRAILTY_SD
        self.frailty = RHO_FRAILTY * self.frailty + spread * rng.standard_normal(BLOCK)
        self.mean, self.variance = RHO_FRAILTY * self.mean, RHO_FRAILTY**2 * self.variance + spread**2

    def renew(self, chosen, month):
        """Replace the chosen customers by fresh ones: a firm that failed before it became a customer never becomes one."""
        rng = stream(self.seed, self.block, month, Purpose.CHANGE)
        x, frailty = rng.standard_normal((BLOCK, len(RHO))), FRAILTY_SD * rng.standard_normal(BLOCK)
        self.x = np.where(chosen[:, None], x, self.x)
        self.forget(chosen, frailty)

    def forget(self, chosen, frailty):
        """Start the frailty of the chosen customers anew."""
        self.frailty = np.where(chosen, frailty, self.frailty)
        self.mean = np.where(chosen, 0.0, self.mean)
        self.variance = np.where(chosen, FRAILTY_SD**2, self.variance)

    def record_events(self, weights):
        """Push the month's weighted number of disputes and lawsuits by customer."""
        self.events = np.column_stack([self.events[:, 1:], weights])
