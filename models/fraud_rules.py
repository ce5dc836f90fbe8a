"""A plain rules score for fraud, such as a bank runs before it has a model: points set by judgement once, fitted to nothing."""
import numpy as np

# Column of the catalogue, from which value on, points. Judged as a reviewer would before seeing any outcome: a payment far beyond the customer's habit
# and a counterparty that others reported weigh twice; a first payment to somebody, haste and the small hours once each.
RULES = (
    ("txn_amount_deviations_90d", 2.0, 1),
    ("txn_amount_deviations_90d", 4.0, 1),
    ("txn_new_counterparty_365d", 1.0, 1),
    ("txn_count_1d", 1.0, 1),
    ("txn_night", 1.0, 1),
    ("cpty_fraud_count_90d", 1.0, 2),
)
DIRECTION, SIZE = "txn_amount_log", "txn_amount_to_mean_90d"


def rules_score(columns):
    """Points of each transaction, (n,): those of the RULES that it meets; among equal points the larger payment against the customer's mean is riskier.

    columns: {name: (n,) float64, NaN missing} of the fraud catalogue; a rule whose column is not there gives no points, as does a missing value. Money
    that comes in is never suspected: below every outgoing payment. Returns None where no rule has its column.
    """
    used = [(columns[name], least, points) for name, least, points in RULES if name in columns]
    if not used:
        return None
    points = sum(weight * (values >= least) for values, least, weight in used).astype(np.float64)
    points += _below_one(columns[SIZE]) if SIZE in columns else 0.0
    return np.where(columns[DIRECTION] > 0, -1.0, points) if DIRECTION in columns else points


def _below_one(ratio):
    """A ratio as a fraction of a point: order within equal points, never beyond them."""
    ratio = np.nan_to_num(ratio, nan=0.0, posinf=1e12).clip(0)
    return ratio / (1 + ratio) * 0.999
