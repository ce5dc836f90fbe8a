"""The hidden side of the simulated world: the states of customers and of the economy, and the hazard of default."""

from dataclasses import dataclass, field

import numpy as np

from pipeline.sources._simulated_world import BLOCK, BURN_IN, DAY, INDUSTRIES, Purpose, stream

LEVERAGE, ILLIQUIDITY, WEAK_MARGIN, LATENESS, THIN_BUFFER = range(5)
STATE_NAMES = ("leverage", "illiquidity", "weak_margin", "lateness", "thin_buffer")

# Every state is a standard normal AR(1), monthly; higher is riskier.
RHO = np.array([0.98, 0.98, 0.98, 0.975, 0.97])
RHO_INDEX, RHO_SHOCK, RHO_FRAILTY = 0.95, 0.8, 0.92
SHOCK_SD, FRAILTY_SD = 0.1, 0.45
# Of an industry index, half the variance is the climate's.
CLIMATE_SHARE = np.sqrt(0.5)

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
    """What a scenario does to one month; the default is a calm world.

    `intercept`, `weights`, `cross` and `event_weight` are those of the hazard; `states` (5,) is what the states stand higher by at the month's end and
    `climate` what the business climate does; `rush` is the share of customers that begins one. `amounts` multiplies all amounts, `online` moves that
    share of the transactions there, `lost_share` of the payments is never delivered, `fraud` multiplies the compromised accounts.
    """

    intercept: float = 0.0
    weights: np.ndarray = field(default_factory=WEIGHTS.copy)
    cross: float = CROSS
    event_weight: float = EVENT_WEIGHT
    amounts: float = 1.0
    online: float = 0.0
    lost_share: float = 0.0
    fraud: float = 1.0
    climate: float = 0.0
    states: np.ndarray = field(default_factory=lambda: np.zeros(len(RHO)))
    rush: float = 0.0


class Economy:
    """Business climate, industry indices and an unrecorded common shock; the same for every block."""

    def __init__(self, seed, plan):
        self.seed, self.plan, self.month = seed, plan, -BURN_IN - 1
        self.climate, self.usual, self.own, self.shock = 0.0, 0.0, np.zeros(len(INDUSTRIES)), 0.0
        self.index = self.previous_index = np.zeros(len(INDUSTRIES))

    def advance(self):
        """Move on by one month."""
        self.month += 1
        draw = stream(self.seed, 0, self.month, Purpose.ECONOMY).standard_normal(2 + len(INDUSTRIES))
        innovation = np.sqrt(1 - RHO_INDEX**2)
        self.usual = RHO_INDEX * self.usual + innovation * draw[0]
        self.climate = self.usual + self.plan.effects(self.month).climate
        self.own = RHO_INDEX * self.own + innovation * draw[2:]
        self.shock = RHO_SHOCK * self.shock + np.sqrt(1 - RHO_SHOCK**2) * SHOCK_SD * draw[1]
        self.previous_index, self.index = self.index, CLIMATE_SHARE * (self.climate + self.own)


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

    `x` is (customers, 5) at the end of the last month, `before` a month earlier: the usual AR(1) and what a scenario adds. `events` counts
    disputes and lawsuits (twice) in each of the last twelve months, the newest last. `mean` and `variance` are those of the frailty given
    the customer's survival so far: the survivors of a risky state are, on average, less frail than they started.
    """

    def __init__(self, seed, block, profile):
        self.seed, self.block, self.profile = seed, block, profile
        self.usual, self.added = np.zeros((BLOCK, len(RHO))), np.zeros(len(RHO))
        self.before = self.x
        self.frailty = np.zeros(BLOCK)
        self.events = np.zeros((BLOCK, 12))
        self.mean, self.variance = np.zeros(BLOCK), np.full(BLOCK, FRAILTY_SD**2)
        self.log_hazard = np.zeros(BLOCK)
        self.hazard = np.zeros(BLOCK)

    @property
    def x(self):
        """States at the end of the last month, (customers, 5)."""
        return self.usual + self.added

    def begin(self, month):
        """Draw the stationary states with which the burn-in starts."""
        rng = stream(self.seed, self.block, month, Purpose.PROFILE)
        self.usual = rng.standard_normal((BLOCK, len(RHO)))
        self.before = self.x
        self.frailty = FRAILTY_SD * rng.standard_normal(BLOCK)

    def defaults(self, month, economy, start, effect, rush):
        """Whether each customer would default in the month that starts at `start`, given the states and the rush at its beginning."""
        rng = stream(self.seed, self.block, month, Purpose.DEFAULT)
        recorded = self._recorded(economy, start, effect, rush)
        self.log_hazard = recorded + self.frailty + economy.shock
        self.hazard = np.exp(self.log_hazard) + rush.hazard
        fallen = rng.random(BLOCK) < -np.expm1(-self.hazard)
        self._learn(np.exp(recorded))
        return fallen

    def _recorded(self, economy, start, effect, rush):
        shown = self.x
        shown[:, LATENESS] = rush.prompt(shown[:, LATENESS])
        index = economy.previous_index[self.profile.industry]
        legal = effect.event_weight * self.events.sum(axis=1)
        return INTERCEPT + state_terms(shown, effect) + legal + fixed_terms(self.profile, start) + INDEX_WEIGHT * index

    def _learn(self, hazard):
        """Gaussian update of the frailty by one month survived (one step of Laplace's method on exp(-hazard · e^u))."""
        expected = hazard * np.exp(self.mean + self.variance / 2)
        self.variance = self.variance / (1 + self.variance * expected)
        self.mean = self.mean - self.variance * expected

    def advance(self, month, effect):
        """Move all states to the end of the month."""
        rng = stream(self.seed, self.block, month, Purpose.STATE)
        self.before = self.x
        self.usual, self.added = RHO * self.usual + np.sqrt(1 - RHO**2) * rng.standard_normal((BLOCK, len(RHO))), effect.states
        spread = np.sqrt(1 - RHO_FRAILTY**2) * FRAILTY_SD
        self.frailty = RHO_FRAILTY * self.frailty + spread * rng.standard_normal(BLOCK)
        self.mean, self.variance = RHO_FRAILTY * self.mean, RHO_FRAILTY**2 * self.variance + spread**2

    def renew(self, chosen, month):
        """Replace the chosen customers by fresh ones: a firm that failed before it became a customer never becomes one."""
        rng = stream(self.seed, self.block, month, Purpose.CHANGE)
        x, frailty = rng.standard_normal((BLOCK, len(RHO))), FRAILTY_SD * rng.standard_normal(BLOCK)
        self.usual = np.where(chosen[:, None], x, self.usual)
        self.forget(chosen, frailty)

    def forget(self, chosen, frailty):
        """Start the frailty of the chosen customers anew."""
        self.frailty = np.where(chosen, frailty, self.frailty)
        self.mean = np.where(chosen, 0.0, self.mean)
        self.variance = np.where(chosen, FRAILTY_SD**2, self.variance)

    def record_events(self, weights):
        """Push the month's weighted number of disputes and lawsuits by customer."""
        self.events = np.column_stack([self.events[:, 1:], weights])
