"""The samples of a recalibration: rows whose outcome became known since the model was made, some customers' to fit the curve and the others' to judge it."""

import numpy as np
import pandas as pd

from features.errors import RiskError
from models.sample import CALIBRATION, OUT_OF_TIME, TIME, UNUSED, customer_places


def recent_split(samples, observations, *, since, share, seed, group="customer_id"):
    """The samples of a split by time with its judged rows dealt anew by customer: `share` of the customers calibrates, the others judge.

    samples: sample names with the attrs of `models.sample.split_by_time`; observations: customer_id, as_of, target, target_known_at, on their index; since:
    the day, inclusive, up to which the model knew outcomes already. Only judged rows known after it take part, so that neither trees nor an earlier curve
    have seen one; older judged rows and the split's own calibration rows are unused. Rows that trees learn from keep their names: nothing is grown.

    Raises: RiskError where the split is not by time, or either part lacks a class.
    """
    if samples.attrs["by"] != "time":
        raise RiskError("a recalibration needs rows that became known after the model was made, and this source's rows have no order in time: refit instead.")
    known = observations["target_known_at"].astype(TIME) >= pd.Timestamp(since) + pd.Timedelta(days=1)
    recent = samples.eq(OUT_OF_TIME) & known
    dealt = samples.mask(samples.isin((OUT_OF_TIME, CALIBRATION)), UNUSED)
    if recent.any():
        place = customer_places(observations[recent], seed=seed, group=group)
        dealt.loc[place.index] = np.where(place < share, CALIBRATION, OUT_OF_TIME)
    _check(dealt, observations, since=since, group=group)
    dealt.attrs = {**samples.attrs, "notes": [*samples.attrs["notes"], _note(dealt, observations, since, group)]}
    return dealt


def _check(samples, observations, *, since, group):
    """The rule a second way: both parts hold both classes, and no customer is in both."""
    parts = {name: observations[samples.eq(name)] for name in (CALIBRATION, OUT_OF_TIME)}
    for name, part in parts.items():
        bad = int(part["target"].eq(1).sum())
        if bad in (0, len(part)):
            raise RiskError(f"recalibration: {bad} of {len(part)} {name} rows that became known after {since} are bad, and both classes are needed: "
                            "wait for more outcomes, or refit.")
    if shared := set(parts[CALIBRATION][group]) & set(parts[OUT_OF_TIME][group]):
        raise RiskError(f"recalibration: {len(shared)} customers both fit and judge the curve; deal customers whole.")


def _note(samples, observations, since, group):
    counts = [observations.loc[samples.eq(name), group].nunique() for name in (CALIBRATION, OUT_OF_TIME)]
    return (f"recalibration: of the customers with outcomes that became known after {since}, {counts[0]:,} fit the curve and {counts[1]:,} judge it, "
            "in the same months: it was not tried on later ones.")
