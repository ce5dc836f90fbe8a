"""The rush, the cause behind the new kind of default: a customer who pays on the day orders more and more, and then mostly fails."""

import numpy as np

from pipeline.sources._simulated_state import LEAVE_A_MONTH
from pipeline.sources._simulated_world import BLOCK, Purpose, stream

# Orders grow by this factor a month for six months and stay there; who comes through the ninth month is an ordinary customer again.
GROWTH, GROWING_MONTHS, RUSH_MONTHS = 1.2, 6, 9
# Cumulated hazard of the months 1 to 9 of a rush, beside the ordinary hazard; stage 0 is no rush.
RUSH_HAZARD = np.array([0.0, 0.0, 0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5])
# What the payments show meanwhile in place of lateness: paid on the day, from the new credit.
PROMPT = -0.8


class Rush:
    """How many months each customer of a block has been in a rush, `stage` (customers,); 0 is not in one."""

    def __init__(self, seed, block):
        self.seed, self.block = seed, block
        self.stage = np.zeros(BLOCK, dtype=np.int64)

    @property
    def hazard(self):
        """Hazard of the month to come from the rush alone."""
        return RUSH_HAZARD[self.stage]

    @property
    def growth(self):
        """What the rush multiplies orders by."""
        return GROWTH ** np.minimum(self.stage, GROWING_MONTHS)

    def prompt(self, lateness):
        """The lateness that payments show."""
        return np.where(self.stage > 0, PROMPT, lateness)

    def advance(self, month, trading, starts):
        """One month on; of the customers in business and not in a rush, the share `starts` begins one."""
        self.stage = np.where((self.stage == 0) | ~trading, 0, (self.stage + 1) % (RUSH_MONTHS + 1))
        if starts:
            fresh = stream(self.seed, self.block, month, Purpose.RUSH).random(BLOCK) < starts
            self.stage = np.where(fresh & trading & (self.stage == 0), 1, self.stage)


def survival(stage, starts):
    """Probability that no rush makes each customer of `stage` (n,) fail within the months to come.

    `starts` (months,) holds the share that begins a rush at the end of each of them. A chain over the stages, read backwards; who has left alive cannot
    fail any more.
    """
    alive = np.ones(RUSH_MONTHS + 1)
    for month in reversed(range(len(starts))):
        onwards = np.append(alive[1:], alive[0])
        onwards[[0, -1]] = (1 - starts[month]) * alive[0] + starts[month] * alive[1]
        alive = np.exp(-((1 - LEAVE_A_MONTH) ** month) * RUSH_HAZARD) * onwards
    return alive[stage]
