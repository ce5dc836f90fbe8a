"""Whether early warnings came true and in time, once outcomes are in: precision, recall and lead time, beside the base rate and beside watching the riskiest.

A customer is named when an alert is raised on it; named again within the horizon it is the same warning. `riskiest` are as many customers as were newly named
on each day, by PD alone, each once within the horizon: what the same attention would have bought without alerts.
"""

import numpy as np
import pandas as pd

from models.probability_tests import jeffreys_interval
from models.target import MATURED, drop_in_default, label_defaults

# Ends of the middle half of the lead times, and their median.
QUARTILES = (0.25, 0.5, 0.75)


def measure(alerts, riskiest, population, outcomes, *, horizon_days, reporting_lag_days, complete_to):
    """How alerts fared, and how the riskiest did.

    alerts: one row per alert: customer_id, as_of (the moment it was raised), kind; riskiest: customer_id, as_of; population: customer_id and as_of of
    everybody looked at on a sample of days, on which the base rate rests; outcomes and the other arguments as for `models.target.label_defaults`.
    Whoever is in default when named was not warned of: such rows count as `late` and nowhere else.

    Returns {alerts, riskiest: see `_named`, base: {rows, defaulted, rate}, defaults: how many of whoever was looked at before them, kinds: [{kind, raised,
    mature, defaulted, precision, low, high}], the most frequent first}. Rates are None where nothing has matured.
    """
    window = {"horizon_days": horizon_days, "reporting_lag_days": reporting_lag_days, "complete_to": complete_to}
    defaults = _defaults(population, outcomes, complete_to)
    base = label_defaults(drop_in_default(population, outcomes), outcomes, **window)
    known = base.loc[base["status"] == MATURED, "target"]
    kinds = alerts["kind"].value_counts()
    return {
        "alerts": _named(alerts, outcomes, defaults, window), "riskiest": _named(riskiest, outcomes, defaults, window), "defaults": len(defaults),
        "base": {"rows": len(known), "defaulted": int(known.sum()), "rate": float(known.mean()) if len(known) else None},
        "kinds": [{"kind": kind, **_precision(_once(alerts[alerts["kind"] == kind], horizon_days), outcomes, window)} for kind in kinds.index],
    }


def _named(rows, outcomes, defaults, window):
    """Precision (see `_precision`) of the customers named, and recall: caught (defaults with a naming in the horizon before), recall and its interval, and
    lead_days: days from the first naming within the horizon before a default to it, the three QUARTILES; None where none was caught."""
    once = _once(rows, window["horizon_days"])
    lead = _lead_days(rows, defaults, window["horizon_days"])
    low, high = jeffreys_interval(len(lead), len(defaults)) if len(defaults) else (None, None)
    return _precision(once, outcomes, window) | {
        "caught": len(lead), "recall": len(lead) / len(defaults) if len(defaults) else None, "recall_low": low, "recall_high": high,
        "lead_days": [float(value) for value in np.quantile(lead, QUARTILES)] if len(lead) else None}


def _precision(rows, outcomes, window):
    """Of the rows: raised, late (in default already), mature (the window has matured), defaulted within it, and the share with its Jeffreys interval."""
    early = drop_in_default(rows, outcomes)
    labels = label_defaults(early, outcomes, **window)
    known = labels.loc[labels["status"] == MATURED, "target"]
    low, high = jeffreys_interval(int(known.sum()), len(known)) if len(known) else (None, None)
    return {"raised": len(rows), "late": len(rows) - len(early), "mature": len(known), "defaulted": int(known.sum()),
            "precision": float(known.mean()) if len(known) else None, "low": low, "high": high}


def _once(rows, horizon_days):
    """The rows that name a customer anew: those not within the horizon of a counted one of it."""
    rows, last, kept = rows.sort_values("as_of", kind="stable"), {}, []
    for customer, moment in zip(rows["customer_id"], rows["as_of"], strict=True):
        counted = last.get(customer)
        kept.append(counted is None or moment > counted + pd.Timedelta(days=horizon_days))
        if kept[-1]:
            last[customer] = moment
    return rows[np.array(kept, dtype=bool)].reset_index(drop=True)


def _defaults(population, outcomes, complete_to):
    """The first default of each customer after it was first looked at, of those known by `complete_to`: customer_id, occurred_at. Of one in default then,
    nobody can warn any more."""
    first = drop_in_default(population, outcomes).groupby("customer_id")["as_of"].min().rename("since").reset_index()
    events = outcomes[(outcomes["kind"] == "default") & (outcomes["known_at"] <= pd.Timestamp(complete_to))]
    found = events[["customer_id", "occurred_at"]].merge(first, on="customer_id")
    found = found[found["occurred_at"] > found["since"]].sort_values("occurred_at", kind="stable")
    return found.drop_duplicates("customer_id")[["customer_id", "occurred_at"]]


def _lead_days(rows, defaults, horizon_days):
    """Days, (caught,), from the first naming within the horizon before each default to it."""
    both = rows[["customer_id", "as_of"]].merge(defaults, on="customer_id")
    days = (both["occurred_at"] - both["as_of"]) / pd.Timedelta(days=1)
    return both.assign(days=days)[(days > 0) & (days <= horizon_days)].groupby("customer_id")["days"].max().to_numpy()
