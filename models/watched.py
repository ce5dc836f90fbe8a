"""Whose score is explained without being asked about: who must be told why, whose grade changed, and the riskiest."""
import numpy as np

from models.policy import ACTIONS, FRAUD_ACTIONS

APPROVED, PASSED = ACTIONS.index("approve"), FRAUD_ACTIONS.index("pass")
# Codes of a policy's reasons that a hard stop gave, as models.policy names them.
STOPS = ("stop.", "stop_unknown.")


def adverse(decided):
    """Which of some models.policy.Decisions are adverse: less than is lent, nothing, or by a hard stop in a person's hands; (n,) bool.

    Who signs for an exposure of this size is no word on the customer, so a route alone is not adverse (12 CFR 1002.2(c) means refusal and worse terms).
    """
    stopped = [applies for name, applies in decided.causes.items() if name.startswith(STOPS)]
    return np.logical_or.reduce([decided.action != APPROVED, *stopped])


def held_up(action):
    """Which of some transactions, places in FRAUD_ACTIONS, did not just pass; (n,) bool."""
    return np.asarray(action) != PASSED


def grade_changed(customers, grades, earlier):
    """Which rows have another grade than their customer had; (n,) bool, False for one who had none. earlier: {customer_id: grade}."""
    return np.array([earlier.get(customer, grade) != grade for customer, grade in zip(customers, grades, strict=True)], dtype=bool)


def riskiest(rows, probability, *, customers):
    """The latest row of each of so many customers, those of the highest probability; (n,) bool.

    rows: observation_id, customer_id, as_of; customers: how many, all with -1. Equal ones in order of observation_id, as the reports take them.
    """
    ranked = rows[["observation_id", "customer_id", "as_of"]].reset_index(drop=True).assign(probability=probability)
    latest = ranked.sort_values(["as_of", "observation_id"], kind="stable").drop_duplicates("customer_id", keep="last")
    order = latest.sort_values(["probability", "observation_id"], ascending=[False, True], kind="stable").index
    chosen = np.zeros(len(ranked), dtype=bool)
    chosen[order if customers < 0 else order[:customers]] = True
    return chosen
