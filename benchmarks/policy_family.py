"""The policies that the benchmark chooses among: policy.yaml and what its own fields can make of it, written out and validated like a file."""

from dataclasses import dataclass

import msgspec
import numpy as np
import yaml

from models.policy import Policy, decide_book, parse_policy
from serving.standing import policy_arguments

PUBLISHED = "published"
# Ceilings and shares of capacity of these grades are what "half" and "open" change.
RISKY = ("C", "D", "E")


@dataclass(frozen=True)
class Candidate:
    """A policy, and the PD from which a customer is of grade E; None: where the model's own scale has it (see `scale.cuts` of params.yaml)."""

    policy: Policy
    worst_from: float | None = None

    def decide(self, probability, grade, standing):
        """Decisions on scored rows. `standing` has what the policy asks for, exposure (minor units) being what a customer would usually have open."""
        return decide_book(self.policy, grade=regraded(grade, probability, self.worst_from), pd_12m=probability, **policy_arguments(standing))


def regraded(grade, probability, worst_from):
    """The grades' names with E beginning at `worst_from`: those above it are E, and what was E below it is D."""
    if worst_from is None:
        return grade
    letters = np.array([name[0] for name in grade])
    return np.where(probability >= worst_from, "E", np.where(letters == "E", "D", letters))


def candidates(spec):
    """{name: Candidate}: the published policy and what a manager would try next, from strict to soft in each of its levers.

    budget: the expected loss that one customer may cost; half: ceilings and capacity shares of C to E; open: those of B for all of them and ten times the
    budget, so that hard stops are nearly all that is left; decline: grades that get nothing. Raises: RiskError when one of them is no valid policy.
    """
    opened = wide(budget(spec, 10))
    tried = {
        PUBLISHED: (spec, None),
        "budget/3": (budget(spec, 1 / 3), None),
        "budget*3": (budget(spec, 3), None),
        "half": (scaled(spec, 0.5), None),
        "decline E": (declined(spec, "E"), None),
        "decline DE": (declined(spec, "DE"), None),
        "open": (opened, None),
        "open, decline E": (declined(opened, "E"), None),
        "open, decline from 20 %": (declined(opened, "E"), 0.2),
        "open, decline from 30 %": (declined(opened, "E"), 0.3),
    }
    return {name: Candidate(parse_policy(yaml.safe_dump(msgspec.to_builtins(each))), worst_from) for name, (each, worst_from) in tried.items()}


def budget(spec, times):
    """The spec with so many times the loss budget."""
    return _limits(spec, loss_budget=round(spec.default.limits.loss_budget * times))


def scaled(spec, times):
    """The spec with so many times the ceilings and capacity shares of the risky grades."""
    return _bounds(spec, lambda _, value: value * times)


def wide(spec):
    """The spec whose risky grades have the ceiling and the capacity share of B: what then bounds them is the loss budget."""
    return _bounds(spec, lambda bounds, _: bounds["B"])


def declined(spec, grades):
    """The spec that grants these grades nothing; they must be the worst ones."""
    return _bounds(spec, lambda _, value: 0, of=grades)


def _bounds(spec, change, of=RISKY):
    limits = spec.default.limits
    moved = {name: dict(getattr(limits, name)) for name in ("ceiling", "capacity_share")}
    for bounds in moved.values():
        bounds.update({grade: type(bounds[grade])(change(bounds, bounds[grade])) for grade in of})
    return _limits(spec, **moved)


def _limits(spec, **changes):
    return msgspec.structs.replace(spec, default=msgspec.structs.replace(spec.default, limits=msgspec.structs.replace(spec.default.limits, **changes)))
