"""Which columns change after the outcome: the same customers' values at the start and the end of a stretch, the bad beside the good."""
import numpy as np
import pandas as pd
from scipy import special

SECOND = pd.Timedelta(seconds=1)


def stretches(observations, moments, *, days, until):
    """Choose one stretch of time per customer: the bad's begin a second before their outcome, the good's on the same days.

    observations: observation_id, customer_id, as_of, target (1.0, 0.0, NaN: left out), one row per observation; moments: the outcome's
    moment, a Series on the same index, null where there is none; days: length of a stretch; until: the last moment that may be looked at.
    A good customer (no bad row) takes the beginning of one of the bad's stretches in turn, so that a day on which everybody's record was
    rewritten meets both alike, and is left out where it was not observed within the longest time from a bad one's as_of to its beginning.
    Returns one row per customer: observation_id, customer_id, target, start, end; empty where no stretch fits before `until`.
    """
    begun = observations.assign(start=moments - SECOND)
    bad = begun[begun["target"].eq(1.0) & (begun["start"] + pd.Timedelta(days=days) <= pd.Timestamp(until))]
    bad = bad.sort_values(["start", "observation_id"], kind="stable").drop_duplicates("customer_id")
    chosen = pd.concat([bad, _controls(observations, bad)]) if len(bad) else bad
    chosen = chosen.assign(end=chosen["start"] + pd.Timedelta(days=days))
    return chosen[["observation_id", "customer_id", "target", "start", "end"]].reset_index(drop=True)


def _controls(observations, bad):
    ever_bad = set(observations.loc[observations["target"].eq(1.0), "customer_id"])
    good = observations[observations["target"].eq(0.0) & ~observations["customer_id"].isin(ever_bad)]
    customers = np.sort(good["customer_id"].unique())
    asked = pd.DataFrame({"customer_id": customers, "start": bad["start"].to_numpy()[np.arange(len(customers)) % len(bad)]})
    asked = asked.astype({"customer_id": good["customer_id"].dtype}).sort_values("start", kind="stable")
    found = pd.merge_asof(asked, good.sort_values("as_of", kind="stable"), left_on="start", right_on="as_of", by="customer_id",
                          tolerance=(bad["start"] - bad["as_of"]).max())
    return found[found["observation_id"].notna()]


def changed_after(later, target, *, columns, again=()):
    """Count for each column how many of the bad and of the good have another value at the end of their stretch than at its start.

    later: two rows per observation, ordered by observation_id and when (start before end), with the columns and observed_again (bool);
    target: a Series by observation_id; again: columns that only rows observed again in the stretch can show. Missing equals missing.
    Returns {column: dict}: bad, bad_changed, good, good_changed, p (one-sided Fisher: more often among the bad).
    """
    start, end = (later.groupby("observation_id", sort=False).nth(place).set_index("observation_id") for place in (0, 1))
    bad, seen = target.loc[start.index].eq(1.0).to_numpy(), end["observed_again"].to_numpy(dtype=bool)
    return {name: _counts(_differ(start[name], end[name]), bad, seen if name in again else np.ones(len(bad), dtype=bool)) for name in columns}


def _differ(start, end):
    same = (start.to_numpy() == end.to_numpy()) | (start.isna().to_numpy() & end.isna().to_numpy())
    return ~np.asarray(same, dtype=bool)


def _counts(changed, bad, seen):
    counts = {"bad": int((bad & seen).sum()), "bad_changed": int((changed & bad & seen).sum()),
              "good": int((~bad & seen).sum()), "good_changed": int((changed & ~bad & seen).sum())}
    return counts | {"p": fisher(counts["bad_changed"], counts["bad"], counts["good_changed"], counts["good"])}


def fisher(count, rows, other_count, other_rows):
    """One-sided exact p-value that the first share is no larger than the second (Fisher 1922): the hypergeometric tail."""
    total, marked = rows + other_rows, count + other_count
    more = np.arange(count, min(rows, marked) + 1)
    ways = _log_choose(rows, more) + _log_choose(other_rows, marked - more) - _log_choose(total, marked)
    return float(min(1.0, np.exp(ways[np.isfinite(ways)]).sum()))


def _log_choose(n, k):
    k = np.asarray(k, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        return np.where((k < 0) | (k > n), -np.inf, special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1))
