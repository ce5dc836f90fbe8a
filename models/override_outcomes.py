"""Whether overrides turned out right, once outcomes are in, beside what comparable customers did without one."""
import numpy as np
import pandas as pd
from scipy import special

from models.overrides import TOWARDS_APPROVAL, TOWARDS_DECLINE
from models.probability_tests import jeffreys_interval
from models.target import MATURED, label_defaults

COLUMNS = ("override_id", "customer_id", "as_of", "direction", "grade", "pd_12m", "exposure", "reason_code")
REPEATED, NO_EXPOSURE = "repeated", "no_exposure"


def judge_overrides(overrides, outcomes, *, horizon_days, reporting_lag_days, complete_to):
    """What became of each override.

    overrides: one row each with COLUMNS: as_of the moment it was made, direction, and grade, probability and exposure (minor units) as model and policy said
    them then; outcomes and the other arguments as for `models.target.label_defaults`.
    An override towards approval is right when no default follows within the horizon, one towards decline when one does. A customer nothing was lent to when
    he was declined cannot default with us: his outcome stays unknown (`no_exposure`), since counting only the defaults that show up anyway would flatter.
    A customer's later override in the same direction within the horizon of one that counts is the same bet and counts once (`repeated`).

    Returns the overrides with status (matured, immature, indeterminate, no_exposure, repeated), default (1.0, 0.0, NaN unless matured) and right likewise.
    Raises: RiskError as `label_defaults`.
    """
    rows = overrides.sort_values(["as_of", "override_id"], kind="stable").reset_index(drop=True)
    labels = label_defaults(rows[["customer_id", "as_of"]], outcomes, horizon_days=horizon_days, reporting_lag_days=reporting_lag_days,
                            complete_to=complete_to)
    status = labels["status"].astype(object)
    status = status.mask((rows["direction"] == TOWARDS_DECLINE) & (rows["exposure"] <= 0), NO_EXPOSURE).mask(_repeated(rows, horizon_days), REPEATED)
    default = labels["target"].where(status == MATURED)
    return rows.assign(status=status, default=default, right=np.where(rows["direction"] == TOWARDS_APPROVAL, 1.0 - default, default))


def hit_rates(judged, comparable, *, level=0.95):
    """How often overrides were right, by direction, beside customers of the same grades whom nobody overrode.

    judged: see `judge_overrides`; comparable: grade and target (0 or 1) of customers the model judged and whose outcome is known, or None. Their rate is
    what the same bet would have won on customers picked at random from the same grades, in the overrides' mix: an override is worth something where its
    rate lies above. `expected` is what the model's probabilities promised for the overridden customers themselves.

    Returns a list of dict, one per direction and one per direction and reason code: direction, reason_code (None: all), made, matured, right, rate, low,
    high (Jeffreys), expected, comparable (customers), comparable_rate, comparable_low, comparable_high, and verdict: better, worse (the interval of the
    overrides lies wholly above or below the comparable rate), open, or None without either. Rates are None where nothing has matured.
    """
    found = []
    for direction in (TOWARDS_APPROVAL, TOWARDS_DECLINE):
        rows = judged[judged["direction"] == direction]
        for code in [None, *sorted(rows["reason_code"].unique())]:
            found.append(_hit_rate(rows if code is None else rows[rows["reason_code"] == code], comparable, direction, code, level))
    return found


def _hit_rate(rows, comparable, direction, code, level):
    known = rows[rows["status"] == MATURED]
    about = {"direction": direction, "reason_code": code, "made": len(rows), "matured": len(known), "right": int(known["right"].sum())}
    if known.empty:
        return about | dict.fromkeys(("rate", "low", "high", "expected", "comparable", "comparable_rate", "comparable_low", "comparable_high", "verdict"))
    low, high = jeffreys_interval(about["right"], len(known), level=level)
    promised = known["pd_12m"].mean()
    about |= {"rate": about["right"] / len(known), "low": low, "high": high, "expected": float(1 - promised if direction == TOWARDS_APPROVAL else promised)}
    beside = _comparable(known["grade"], comparable, direction, level)
    rate = beside["comparable_rate"]
    return about | beside | {"verdict": None if rate is None else "better" if low > rate else "worse" if high < rate else "open"}


def _comparable(grades, comparable, direction, level):
    """Rate of the comparable customers in the overrides' mix of grades, with an interval: each grade's Jeffreys posterior, mixed, and a beta law of the
    mixture's mean and variance (exact for one grade). None where a grade has no customers to compare with."""
    weights = grades.value_counts(normalize=True)
    counts = None if comparable is None else comparable.groupby("grade")["target"].agg(["sum", "size"]).reindex(weights.index)
    if counts is None or counts["size"].isna().any():
        return dict.fromkeys(("comparable", "comparable_rate", "comparable_low", "comparable_high"))
    size = counts["size"]
    right = size - counts["sum"] if direction == TOWARDS_APPROVAL else counts["sum"]
    a, total = right + 0.5, size + 1.0
    mean, variance = float((weights * a / total).sum()), float((weights ** 2 * a * (total - a) / (total ** 2 * (total + 1))).sum())
    weight = mean * (1 - mean) / variance - 1
    low, high = (float(special.betaincinv(mean * weight, (1 - mean) * weight, tail)) for tail in (0.5 - level / 2, 0.5 + level / 2))
    return {"comparable": int(size.sum()), "comparable_rate": float((weights * right / size).sum()), "comparable_low": low, "comparable_high": high}


def _repeated(rows, horizon_days):
    """Whether each row (in time) lies within the horizon of a counted one of the same customer and direction."""
    last, found = {}, []
    for customer, direction, moment in zip(rows["customer_id"], rows["direction"], rows["as_of"], strict=True):
        counted = last.get((customer, direction))
        found.append(counted is not None and moment <= counted + pd.Timedelta(days=horizon_days))
        if not found[-1]:
            last[customer, direction] = moment
    return pd.Series(found, index=rows.index, dtype=bool)
