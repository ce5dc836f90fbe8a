"""What reviewers who can call so many customers a day would find: precision at capacity, frauds found and what they were worth."""
import numpy as np
import pandas as pd

from features.errors import RiskError
from models.clusters import cluster_codes

# Days drawn together: a week holds its weekends, and a spell of frauds seldom lasts longer.
BLOCK_DAYS = 7
COLUMNS = ("customer_id", "as_of", "target")


def daily_reviews(rows, score, *, capacity):
    """Play the reviewers' days: each day the `capacity` customers with the highest score of a transaction are called.

    rows: one per judged transaction with customer_id, as_of, target (0 or 1) and, where known, amount; score: (n,), higher is riskier; of equal
    scores the customer whose id sorts first is called first. A call finds a compromised customer when any of that day's transactions is a fraud;
    from the next day on a found customer is out of the list. Customers whose fraud was reported meanwhile must not be among the rows
    (`models.target.compromised`). This is the card precision top-k of Le Borgne, Siblini, Lebichot and Bontempi (Reproducible Machine Learning for
    Credit Card Fraud Detection, chapter 4) with detected cards removed.

    Returns (days, found): one row per day with transactions: day, customers (in the list), compromised (of those), found, precision (found /
    capacity); and a Series of the day on which each found customer was found, by customer_id.
    """
    listed, names = _listed(rows, score)
    found_on = np.full(len(names), -1)
    days = []
    for day, today in listed.groupby("day", sort=True):
        customer, fraud = today["customer"].to_numpy(), today["fraud"].to_numpy()
        open_ = found_on[customer] < 0
        hit = customer[open_][:capacity][fraud[open_][:capacity]]
        found_on[hit] = len(days)
        days.append((day, int(open_.sum()), int(fraud[open_].sum()), len(hit), len(hit) / capacity))
    days = pd.DataFrame(days, columns=["day", "customers", "compromised", "found", "precision"])
    caught = np.flatnonzero(found_on >= 0)
    return days, pd.Series(days["day"].to_numpy()[found_on[caught]], index=names[caught])


def at_capacity(rows, score, *, capacity, repeats=200, seed=0):
    """Precision at the reviewers' daily capacity with its interval, and what it is worth. Arguments as for `daily_reviews`.

    Returns dict: capacity (customers a day), days, customers (mean a day), precision (mean over days), low, high (95 %, by a bootstrap of blocks of
    BLOCK_DAYS days), best (the precision of a score that knows every fraud: few days hold `capacity` compromised customers), compromised (customers with a
    fraud among the rows), found, recall (found / compromised); and where amounts are known fraud_amount, found_amount (frauds of the day of the call) and
    saved_amount (later frauds of found customers: what a blocked account no longer pays), in minor units.

    Raises: RiskError when a column is missing or no row is a fraud.
    """
    _need(rows)
    days, found = daily_reviews(rows, score, capacity=capacity)
    best, _ = daily_reviews(rows, rows["target"].to_numpy(), capacity=capacity)
    low, high = _interval(days["precision"].to_numpy(), repeats=repeats, seed=seed)
    compromised = rows.loc[rows["target"] == 1, "customer_id"].nunique()
    return {"capacity": capacity, "days": len(days), "customers": float(days["customers"].mean()), "precision": float(days["precision"].mean()),
            "low": low, "high": high, "best": float(best["precision"].mean()), "compromised": int(compromised), "found": len(found),
            "recall": len(found) / compromised, **_worth(rows, found)}


def compare_at_capacity(rows, score, other, *, capacity, repeats=200, seed=0):
    """Difference of two precisions at capacity on the same days with its 95 % interval: dict of difference (score less other), low, high.

    Each score plays its own days, because who was found is out of its own list; the same days are drawn for both.
    """
    _need(rows)
    daily = [daily_reviews(rows, each, capacity=capacity)[0]["precision"].to_numpy() for each in (score, other)]
    low, high = _interval(daily[0] - daily[1], repeats=repeats, seed=seed)
    return {"difference": float((daily[0] - daily[1]).mean()), "low": low, "high": high}


def _listed(rows, score):
    """One row per day and customer (its place among the sorted names): the highest score and whether any transaction is a fraud, riskiest first."""
    code, names = cluster_codes(rows["customer_id"]), np.unique(rows["customer_id"])
    fraud, score = rows["target"].to_numpy() == 1, np.asarray(score, dtype=np.float64)
    frame = pd.DataFrame({"day": _day(rows).to_numpy(), "customer": code, "score": score, "fraud": fraud})
    listed = frame.groupby(["day", "customer"], sort=True).max().reset_index()
    return listed.sort_values(["day", "score", "customer"], ascending=[True, False, True], kind="stable"), names


def _day(rows):
    return rows["as_of"].dt.normalize()


def _interval(daily, *, repeats, seed, level=0.95):
    """Percentile interval of the mean of daily values: circular blocks of days are drawn, so that every day is as likely as any other."""
    rng, n = np.random.default_rng(seed), len(daily)
    length = min(BLOCK_DAYS, n)
    starts = rng.integers(0, n, (repeats, -(-n // length)))
    drawn = (starts[:, :, None] + np.arange(length)).reshape(repeats, -1)[:, :n] % n
    low, high = np.quantile(daily[drawn].mean(axis=1), [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)


def _worth(rows, found):
    if "amount" not in rows:
        return {}
    frauds = rows[rows["target"] == 1]
    called, amount = found.reindex(frauds["customer_id"]).set_axis(frauds.index), frauds["amount"].abs()
    return {"fraud_amount": int(amount.sum()), "found_amount": int(amount[_day(frauds) == called].sum()),
            "saved_amount": int(amount[_day(frauds) > called].sum())}


def _need(rows):
    missing = [column for column in COLUMNS if column not in rows]
    if missing:
        raise RiskError(f"capacity: column {', '.join(missing)} is missing from the judged rows; score them and join their targets first")
    if not (rows["target"] == 1).any():
        raise RiskError(f"capacity: none of {len(rows)} judged rows is a fraud; lengthen sample.fraud.out_of_time_days")
