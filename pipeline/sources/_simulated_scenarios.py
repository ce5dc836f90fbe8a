"""The scenarios: what a portfolio lives through, each declared once, by name."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from features.errors import RiskError
from pipeline.sources._simulated_state import CROSS, LATENESS, RHO, THIN_BUFFER, WEAK_MARGIN, WEIGHTS, Effects

CLIMATE_RECOVERY, WORSENING_A_MONTH = 0.95, 0.02
WORSENED = (WEAK_MARGIN, LATENESS, THIN_BUFFER)


@dataclass(frozen=True)
class Scenario:
    """One thing that may happen to the portfolio from a month on.

    `size` is its usual size, in `unit`, and may lie within `limits` (both inclusive); `says` tells what changes, `monitor` what a good monitor
    should say about it. `effects` maps (size, months since the change, 0 in its first month) to the Effects in force.
    """

    name: str
    size: float
    unit: str
    limits: tuple
    says: str
    monitor: str
    effects: Callable

    def sized(self, size):
        """The size asked for, or the usual one for None.

        Raises: RiskError for a size out of range.
        """
        low, high = self.limits
        if size is not None and not low <= size <= high:
            raise RiskError(f"simulated: scenario {self.name} of size {size:g} is not possible; give {low:g} to {high:g} {self.unit}".rstrip())
        return self.size if size is None else size


@dataclass(frozen=True)
class Plan:
    """A scenario that sets in with `month` (0 is the first) in a `size`; None means its usual one."""

    scenario: Scenario
    month: int
    size: float

    def effects(self, month):
        """The Effects in force in a month; those of a calm world before the change."""
        return self.scenario.effects(self.size, month - self.month) if month >= self.month else Effects()


def plan(name, month=0, size=None):
    """The Plan of the scenario of that name.

    Raises: RiskError for an unknown name, with those there are, a month before the first, or a size out of range.
    """
    if name not in SCENARIOS:
        raise RiskError(f"simulated: there is no scenario {name!r}; use one of {', '.join(SCENARIOS)}")
    if month < 0:
        raise RiskError(f"simulated: a scenario cannot set in with month {month}; 0 is the first simulated month")
    return Plan(SCENARIOS[name], month, SCENARIOS[name].sized(size))


def _recession(size, since):
    # A shock to the climate that fades, and what it does to every firm meanwhile: a push a month that fades alike, kept by the states' own persistence.
    fading = CLIMATE_RECOVERY ** (since + 1)
    worse = np.zeros(len(RHO))
    for state in WORSENED:
        worse[state] = size * WORSENING_A_MONTH * (RHO[state] ** (since + 1) - fading) / (RHO[state] - CLIMATE_RECOVERY)
    return Effects(climate=-size * CLIMATE_RECOVERY**since, states=worse)


def _concept_drift(size, since):
    # Lateness stops mattering and the account's buffer takes its place: who defaults changes, how many hardly.
    weights = WEIGHTS.copy()
    weights[LATENESS] = (1 - size) * WEIGHTS[LATENESS]
    weights[THIN_BUFFER] = np.sqrt(WEIGHTS[THIN_BUFFER] ** 2 + WEIGHTS[LATENESS] ** 2 - weights[LATENESS] ** 2)
    return Effects(weights=weights, cross=(1 - size) * CROSS)


_ALL = (
    Scenario(
        "calm", 0.0, "", (0, 0), "nothing but the economy's usual ups and downs", "no drift beyond chance, no reason to retrain",
        lambda size, since: Effects()),
    Scenario(
        "recession", 2.0, "standard deviations", (0, 4),
        "the business climate falls at once and recovers over years; margins and account buffers thin and everybody pays later",
        "drift in payment, account and market columns, more defaults than predicted, ranking intact: recalibrate, then refit", _recession),
    Scenario(
        "covariate_shift", 0.4, "log amount", (0, 2),
        "all amounts grow and payments move online, and no hazard changes", "drift in amount and channel columns that does not matter: no reason to retrain",
        lambda size, since: Effects(amounts=float(np.exp(size)), online=min(0.6 * size, 0.9))),
    Scenario(
        "calibration_shift", 0.5, "log hazard", (-3, 3),
        "everybody defaults more often, whatever the tables show", "no drift in any column, ranking intact, defaults beyond their interval: recalibrate",
        lambda size, since: Effects(intercept=size)),
    Scenario(
        "concept_drift", 0.7, "share of the weight", (0, 1),
        "paying late stops to matter and a thin account buffer takes its place", "little drift in the columns, a worse ranking: refit", _concept_drift),
    Scenario(
        "new_default", 0.02, "rushes a customer and year", (0, 1),
        "a new kind of default: customers who pay on the day triple their orders within months, and most of them then fail",
        "matured defaults in the best grades, a worse ranking, more orders and limit use in the tail: new columns, then a refit",
        lambda size, since: Effects(rush=size / 12)),
    Scenario(
        "broken_feed", 0.3, "share of the payments", (0, 1),
        "a share of the payments is never delivered, and nothing else changes",
        "a broken feed, fewer payments than invoices ask for: repair it, do not retrain",
        lambda size, since: Effects(lost_share=size)),
    Scenario(
        "fraud_wave", 2.0, "times the usual on top", (0, 50),
        "accounts are compromised several times as often, in the known ways",
        "more frauds than predicted, ranking intact, defaults untouched: recalibrate fraud",
        lambda size, since: Effects(fraud=1.0 + size)),
)
SCENARIOS = {scenario.name: scenario for scenario in _ALL}
CALM = plan("calm")
