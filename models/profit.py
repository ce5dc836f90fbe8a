"""What a cut-off earns: profit of accepting up to a probability, from the cost of each mistake, and the cut-off that earns most."""
import msgspec
import numpy as np

from models.clusters import cluster_codes, draws
from models.discrimination import descending


class Costs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an outcome costs. Shares are of a row's amount: `margin` earned on a good one accepted, `loss_given_default` lost on a bad one
    accepted; `review_cost` is paid for each row not accepted, in the amount's unit."""

    margin: float
    loss_given_default: float
    review_cost: float = 0.0


def gains(target, amount, costs):
    """Each row's profit if accepted and if not, two arrays in the amount's unit."""
    target, amount = np.asarray(target, dtype=np.float64), np.asarray(amount, dtype=np.float64)
    accepted = amount * np.where(target == 1, -costs.loss_given_default, costs.margin)
    return accepted, np.full(len(target), -float(costs.review_cost))


def curve(probability, accepted, refused, *, points=101):
    """Mean profit a row as the cut-off rises: accept where probability <= cut_off.

    Returns a list of dict: cut_off, accepted (share of rows), profit; from accepting nobody (cut_off 0) over the quantiles of the
    probability to accepting all.
    """
    order = np.argsort(probability, kind="stable")
    value = np.asarray(probability)[order]
    ends = np.flatnonzero(np.r_[np.diff(value) != 0, True])
    total = np.cumsum((accepted - refused)[order])[ends] + refused.sum()
    kept = np.unique(np.searchsorted(ends, np.linspace(0, len(order) - 1, points).astype(np.int64)))
    first = {"cut_off": 0.0, "accepted": 0.0, "profit": float(refused.mean())}
    return [first, *({"cut_off": float(value[ends[k]]), "accepted": float((ends[k] + 1) / len(order)), "profit": float(total[k] / len(order))} for k in kept)]


def best_cut_off(probability, accepted, refused):
    """The cut-off with the most profit on these rows, among all their probabilities and 0 (accept nobody); the lowest of equals."""
    order = np.argsort(probability, kind="stable")
    value = np.asarray(probability, dtype=np.float64)[order]
    ends = np.flatnonzero(np.r_[np.diff(value) != 0, True])
    total = np.r_[0.0, np.cumsum((accepted - refused)[order])[ends]]
    return float(np.r_[0.0, value[ends]][total.argmax()])


def break_even(amount, costs):
    """The probability at which accepting a row earns what refusing it does: margin (1 - p) - loss p = -review / amount. In [0, 1]."""
    stake = costs.margin + costs.loss_given_default
    return np.clip((costs.margin + costs.review_cost / np.maximum(np.asarray(amount, dtype=np.float64), 1e-300)) / stake, 0.0, 1.0)


def judged(probability, amount, accepted, refused, groups, *, cut_off, costs, repeats=500, seed=0, level=0.95):
    """Profit a row of four rules on rows that chose none of them, with intervals from drawing customers.

    The rules: cut_off (accept up to it), break_even (accept each row up to its own `break_even`, which trusts the PDs), all, none.
    Returns {rule: {"profit", "low", "high", "accepted" (share), "over_all": {"difference", "low", "high"}, "over_none": the same}}:
    differences are of the same drawn customers.
    """
    accept = {"cut_off": probability <= cut_off, "break_even": probability <= break_even(amount, costs),
              "all": np.ones(len(probability), dtype=bool), "none": np.zeros(len(probability), dtype=bool)}
    earned = {rule: np.where(mask, accepted, refused) for rule, mask in accept.items()}
    means = drawn_means(np.column_stack(list(earned.values())), groups, repeats=repeats, seed=seed)
    drawn = dict(zip(earned, means.T, strict=True))
    ends = [0.5 - level / 2, 0.5 + level / 2]
    return {rule: _judged(rule, earned, drawn, ends) | {"accepted": float(mask.mean())} for rule, mask in accept.items()}


def drawn_means(values, groups, *, repeats, seed):
    """Means (repeats, columns) of values (rows, columns) over customers drawn with replacement, all their rows with them."""
    code = cluster_codes(groups)
    sums = np.column_stack([np.bincount(code, weights=column) for column in (*values.T, np.ones(len(code)))])
    totals = np.array([drawn @ sums for drawn in draws(len(sums), repeats=repeats, rng=np.random.default_rng(seed))])
    return totals[:, :-1] / totals[:, -1:]


def expected_maximum_profit(target, score, *, all_paid=0.55, all_lost=0.1, return_on_investment=0.2644):
    """Expected maximum profit of credit scoring, and the share refused at it: the cut-off best for each loss, averaged over losses.

    Of Verbraken, Bravo, Weber, Baesens (European Journal of Operational Research 2014): a bad row loses the share L of its loan, 0 with
    probability `all_paid`, 1 with `all_lost`, else uniform between; refusing a good one forgoes the return. Profit is per row and unit lent,
    over accepting all. By the convex hull of the ROC curve: between two of its slopes one cut-off is best, so the mean over L is exact.

    target: 1 bad; score: higher is riskier. Returns {"emp", "refused"}.
    """
    bad_share, good_share, found, alarms = _hull(np.asarray(target, dtype=np.float64), np.asarray(score, dtype=np.float64))
    with np.errstate(divide="ignore", invalid="ignore"):
        turns = good_share * return_on_investment * np.diff(alarms) / (bad_share * np.diff(found))
    turns = np.clip(np.r_[0.0, turns, 1.0], 0.0, 1.0)
    density, width = 1 - all_paid - all_lost, np.diff(turns)
    middle = (turns[1:] ** 2 - turns[:-1] ** 2) / 2
    profit = density * (bad_share * found * middle - good_share * return_on_investment * alarms * width)
    last = np.searchsorted(turns[1:-1], 1.0, side="left")
    whole = all_lost * (bad_share * found[last] - good_share * return_on_investment * alarms[last])
    refused = bad_share * found + good_share * alarms
    return {"emp": float(profit.sum() + whole), "refused": float((density * refused * width).sum() + all_lost * refused[last])}


def _judged(rule, earned, drawn, ends):
    low, high = np.quantile(drawn[rule], ends)
    found = {"profit": float(earned[rule].mean()), "low": float(low), "high": float(high)}
    for other in ("all", "none"):
        low, high = np.quantile(drawn[rule] - drawn[other], ends)
        found[f"over_{other}"] = {"difference": float((earned[rule] - earned[other]).mean()), "low": float(low), "high": float(high)}
    return found


def _hull(target, score):
    """Shares of bad and good, and the corners of the ROC curve's upper hull: shares of bad found and of good alarmed, from none to all."""
    order, ends = descending(score)
    bad = target[order]
    points = np.column_stack([np.cumsum(1 - bad)[ends] / (1 - bad).sum(), np.cumsum(bad)[ends] / bad.sum()])
    corners = [np.zeros(2)]
    for point in points:
        while len(corners) > 1 and _turns_left(corners[-2], corners[-1], point):
            corners.pop()
        corners.append(point)
    alarms, found = np.array(corners).T
    return target.mean(), 1 - target.mean(), found, alarms


def _turns_left(first, second, third):
    return (second[0] - first[0]) * (third[1] - first[1]) >= (second[1] - first[1]) * (third[0] - first[0])
