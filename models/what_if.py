"""What another policy would change: the same cases decided by both, sums and differences with intervals, who moves and why."""
from dataclasses import dataclass, field

import numpy as np

from features.errors import RiskError
from models.clusters import cluster_codes, draws
from models.horizon import MONTH_DAYS
from models.policy import ACTIONS, FRAUD_ACTIONS, ROUTES, decide_book, decide_fraud, queue_ahead, spent_before


@dataclass(frozen=True)
class Cases:
    """Cases that both policies decide; each (n,), money in minor units.

    day: whole days, of the daily loss budget or the reviewers' queue; periods: what sums are divided by, so that they are of one book (the days it was
    observed on) or one month; loss_rate: on history what each lost as a share of its exposure (or amount), 0 of a good one; None today.
    `probability` and `grade` are the model's; exposure, capacity and facts as `models.policy.decide_book` takes them.
    """

    customer_id: np.ndarray
    probability: np.ndarray
    day: np.ndarray
    periods: float
    grade: np.ndarray | None = None
    amount: np.ndarray | None = None
    exposure: np.ndarray | None = None
    capacity: np.ndarray | None = None
    facts: dict = field(default_factory=dict)
    loss_rate: np.ndarray | None = None

    def asked(self):
        """What `decide_book` takes."""
        return {"grade": self.grade, "pd_12m": self.probability, "amount": self.amount, "exposure": self.exposure, "capacity": self.capacity,
                "facts": self.facts}


@dataclass(frozen=True)
class _Side:
    """One policy's decisions: actions and routes as names (n,), what is granted (n,), {reason code: (n,)} and {figure: (n,)}."""

    action: np.ndarray
    route: np.ndarray
    granted: np.ndarray
    causes: dict
    figures: dict


def compare_credit(old, new, cases, *, movers=10, repeats=500, seed=0, level=0.95):
    """Credit decisions of two policies on the same cases.

    Expected loss is PD x LGD x what is granted, and both sides take the new policy's LGD, so that the difference is of decisions and not of opinions on
    recovery; observed loss is what a case lost, by the share of its exposure that the policy would have granted. Workload of a route is its reviews due in
    a month (by the terms' review_days) and one case for each request.

    Returns {"loss_given_default": {"old", "new"} (each policy's own), "cases", "customers", "figures": {name: {"old", "new", "difference", "low", "high"}},
    "moves", "movers"}: figures approve, reduce, decline
    (cases), granted, risk_limit, expected_loss, observed_loss (minor units; on history), workload.<route> (cases a month), of one book; low and high by
    drawing customers; moves: a list of {"from", "to" (action and route), "cases", "customers", "granted", "expected_loss" (differences), "because":
    {reason code of the new decision: cases}}, most cases first; movers: the `movers` cases whose grant, then limit, changes most.
    Raises: RiskError when the policies have two currencies, or one has no section for credit.
    """
    _one_currency(old, new)
    decided = [decide_book(policy, **cases.asked(), spent=spent_before(policy, cases.day, **cases.asked())) for policy in (old, new)]
    rates = {side: policy.spec.default.limits.loss_given_default for side, policy in (("old", old), ("new", new))}
    sides = [_credit_side(each, cases, rates["new"]) for each in decided]
    limits = [each.risk_limit for each in decided]
    order = np.lexsort((-np.abs(limits[1] - limits[0]), -np.abs(sides[1].granted - sides[0].granted)))
    order = order[(limits[1] != limits[0])[order] | _moved(*sides)[order]][:movers]
    told = [_mover(row, sides, cases) | {"risk_limit": [int(limit[row]) for limit in limits]} for row in order]
    return {"loss_given_default": rates, **_compared(sides, cases, repeats=repeats, seed=seed, level=level), "movers": told}


def compare_fraud(old, new, cases, *, movers=10, repeats=500, seed=0, level=0.95):
    """Fraud decisions of two policies on the same transactions, as `compare_credit`; `cases.amount` is the transaction's, unsigned.

    Figures a month: pass, review, block (transactions; review is the reviewers' workload), wrong_block (genuine ones blocked, as expected), expected_loss and
    observed_loss of what passes.
    """
    _one_currency(old, new)
    sides = [_fraud_side(policy, cases) for policy in (old, new)]
    order = np.argsort(-np.abs(sides[1].granted - sides[0].granted) * cases.probability, kind="stable")
    told = [_mover(row, sides, cases) for row in order[_moved(*sides)[order]][:movers]]
    return _compared(sides, cases, repeats=repeats, seed=seed, level=level) | {"movers": told}


def _one_currency(old, new):
    if old.spec.currency != new.spec.currency:
        raise RiskError(f"the old policy is in {old.spec.currency}, the new one in {new.spec.currency}: convert one of them, amounts cannot be compared.")


def _credit_side(decided, cases, lgd):
    granted, names = decided.limit, np.array(ROUTES)[decided.route]
    due = MONTH_DAYS / decided.review_days + (cases.amount > 0)
    figures = {name: decided.action == place for place, name in enumerate(ACTIONS)}
    figures |= {"granted": granted, "risk_limit": decided.risk_limit, "expected_loss": cases.probability * lgd * granted}
    figures |= {} if cases.loss_rate is None else {"observed_loss": cases.loss_rate * granted}
    # Reviews are of a month already; periods count the days a book was looked at.
    figures |= {f"workload.{name}": due * (names == name) for name in ROUTES}
    return _Side(np.array(ACTIONS)[decided.action], names, granted, decided.causes, figures)


def _fraud_side(policy, cases):
    action = decide_fraud(policy, cases.probability, ahead=queue_ahead(policy, cases.probability, cases.day))
    passed = np.where(action == 0, cases.amount, 0)
    figures = {name: action == place for place, name in enumerate(FRAUD_ACTIONS)}
    figures |= {"wrong_block": (action == 2) * (1 - cases.probability), "expected_loss": cases.probability * passed}
    figures |= {} if cases.loss_rate is None else {"observed_loss": cases.loss_rate * passed}
    return _Side(np.array(FRAUD_ACTIONS)[action], np.full(len(action), ""), passed, {}, figures)


def _compared(sides, cases, *, repeats, seed, level):
    code = cluster_codes(cases.customer_id)
    return {"cases": len(code), "customers": int(code.max()) + 1 if len(code) else 0,
            "figures": _figures(sides, code, cases.periods, repeats=repeats, seed=seed, level=level), "moves": _moves(sides, code)}


def _figures(sides, code, periods, *, repeats, seed, level):
    """Sums of both sides over `periods`, and their difference with the ends of what other draws of as many customers would have shown."""
    names = list(sides[0].figures)
    values = [np.column_stack([np.bincount(code, weights=side.figures[name]) for name in names]) / periods for side in sides]
    change = values[1] - values[0]
    drawn = np.array([each @ change for each in draws(len(change), repeats=repeats, rng=np.random.default_rng(seed))])
    low, high = np.quantile(drawn, [0.5 - level / 2, 0.5 + level / 2], axis=0)
    sums = [side.sum(axis=0) for side in values]
    return {name: {"old": float(sums[0][at]), "new": float(sums[1][at]), "difference": float(sums[1][at] - sums[0][at]), "low": float(low[at]),
                   "high": float(high[at])} for at, name in enumerate(names)}


def _moved(old, new):
    return (old.action != new.action) | (old.route != new.route) | (old.granted != new.granted)


def _moves(sides, code):
    old, new = sides
    rows = np.flatnonzero(_moved(old, new))
    keys, group = np.unique(np.column_stack([part[rows] for part in (old.action, old.route, new.action, new.route)]), axis=0, return_inverse=True)
    found = [_move(key, rows[group.ravel() == number], sides, code) for number, key in enumerate(keys.tolist())]
    return sorted(found, key=lambda move: (-move["cases"], move["from"], move["to"]))


def _move(key, rows, sides, code):
    old, new = sides
    counted = {cause: int(applies[rows].sum()) for cause, applies in new.causes.items() if _explains(cause, key)}
    cheaper = float((new.figures["expected_loss"][rows] - old.figures["expected_loss"][rows]).sum())
    return {"from": key[:2], "to": key[2:], "cases": len(rows), "customers": len(np.unique(code[rows])),
            "granted": float((new.granted[rows] - old.granted[rows]).sum()), "expected_loss": cheaper,
            "because": {cause: count for cause, count in counted.items() if count}}


def _explains(cause, key):
    """Whether a reason code can be why a case moved: a hard stop always, a route's when another signs, a limit's when the action or only the amount changed."""
    kind, another_signs = cause.partition(".")[0], key[1] != key[3]
    if kind == "route":
        return another_signs
    return kind.startswith("stop") or key[0] != key[2] or not another_signs


def _mover(row, sides, cases):
    old, new = sides
    key = [str(part[row]) for part in (old.action, old.route, new.action, new.route)]
    about = {"customer_id": str(cases.customer_id[row]), "probability": float(cases.probability[row])}
    about |= {} if cases.grade is None else {"grade": str(cases.grade[row])}
    return about | {"from": key[:2], "to": key[2:], "granted": [int(side.granted[row]) for side in sides],
                    "because": [cause for cause, applies in new.causes.items() if applies[row] and _explains(cause, key)]}
