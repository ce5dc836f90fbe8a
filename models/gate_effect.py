"""What another model would change on the same cases, by the same policy: who moves grade, what is approved, what it may cost; and the gate's check on it."""

from dataclasses import dataclass

import numpy as np

from models.calibration import log_odds, sigmoid
from models.gate_checks import check
from models.own_scale import LETTERS


@dataclass(frozen=True)
class Side:
    """One model's word on n cases and what the policy makes of it, each (n,): probability, grade name, approved (bool), and granted (minor units), None where
    no amount is known."""

    probability: np.ndarray
    grade: np.ndarray
    approved: np.ndarray
    granted: np.ndarray | None = None


def effect_of(before, after, *, loss_given_default=1.0):
    """How the decisions on the same cases change from one Side to another.

    Returns {"cases", "grades": {"matrix" (counts; a row per letter before, a column per letter after), "letters", "worse", "better", "two_or_more" (shares;
    a letter's halves are one grade)}, "probability": {"before", "after"} (means), "log_odds": {"low", "median", "high"} (5 %, 50 % and 95 % of the change),
    "approved": {"before", "after", "differing"} (shares; differing: of cases that only one approves), "granted" and "expected_loss": {"before", "after"} or
    None (minor units)}. Two expected losses are given: `expected_loss` prices each side by its own probabilities, `expected_loss_alike` both by the middle
    of the two in log-odds, so that it tells of decisions and not of how high either model puts its level. None for no case.
    """
    if not len(before.probability):
        return None
    return {"cases": len(before.probability), "grades": _grades(before.grade, after.grade), "log_odds": _change(before.probability, after.probability),
            "probability": {"before": float(np.mean(before.probability)), "after": float(np.mean(after.probability))},
            "approved": {"before": float(np.mean(before.approved)), "after": float(np.mean(after.approved)),
                         "differing": float(np.mean(before.approved != after.approved))},
            **_money(before, after, loss_given_default)}


def effect_check(found, margins):
    """found: dict of `effect_of`, or None where it was not measured or there is no case.

    Fails where more than `grades_moved_max` of the cases move by two grades or more, approvals change by more than `approvals_max` of the cases either way,
    or the expected loss of what is granted rises by more than a share `loss_rise_max` at the same probabilities.
    """
    if found is None:
        return check("decisions", False, "the effect on decisions was not measured: there is no book, or the champion cannot be scored on it")
    moved, approved = found["grades"]["two_or_more"], found["approved"]["after"] - found["approved"]["before"]
    rise = loss_rise(found)
    passed = moved <= margins.grades_moved_max and abs(approved) <= margins.approvals_max and (rise is None or rise <= margins.loss_rise_max)
    loss = "" if rise is None else f", expected loss of what is granted by {rise:+.1%} at the same probabilities (at most {margins.loss_rise_max:+.0%})"
    detail = (f"of {found['cases']:,} cases of the book {moved:.1%} move two grades or more (at most {margins.grades_moved_max:.0%}), "
              f"the share approved changes by {approved:+.1%} (at most ±{margins.approvals_max:.0%}){loss}")
    return check("decisions", passed, detail, {"cases": found["cases"], "moved": moved, "approved": approved, "loss_rise": rise})


def loss_rise(found):
    """Change of the expected loss at the same probabilities as a share of what it was, None where it is not known or was nothing."""
    alike = found["expected_loss_alike"]
    return alike["after"] / alike["before"] - 1 if alike and alike["before"] > 0 else None


def letter_places(grade):
    """Places of grade names on the scale of letters, 0 the safest."""
    return np.array([LETTERS.index(str(name)[0]) for name in grade], dtype=np.int64)


def _grades(before, after):
    old, new = letter_places(before), letter_places(after)
    matrix = np.zeros((len(LETTERS), len(LETTERS)), dtype=np.int64)
    np.add.at(matrix, (old, new), 1)
    return {"letters": list(LETTERS), "matrix": matrix.tolist(), "worse": float(np.mean(new > old)), "better": float(np.mean(new < old)),
            "two_or_more": float(np.mean(np.abs(new - old) >= 2))}


def _change(before, after):
    low, median, high = np.quantile(log_odds(after) - log_odds(before), [0.05, 0.5, 0.95])
    return {"low": float(low), "median": float(median), "high": float(high)}


def _money(before, after, rate):
    if before.granted is None or after.granted is None:
        return dict.fromkeys(("granted", "expected_loss", "expected_loss_alike"))
    middle = sigmoid((log_odds(before.probability) + log_odds(after.probability)) / 2)
    return {"granted": _both(before.granted, after.granted),
            "expected_loss": _both(before.probability * rate * before.granted, after.probability * rate * after.granted),
            "expected_loss_alike": _both(middle * rate * before.granted, middle * rate * after.granted)}


def _both(before, after):
    return {"before": float(np.sum(before)), "after": float(np.sum(after))}
