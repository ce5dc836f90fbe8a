"""The policies that the benchmark chooses among: policy.yaml and what its own fields can make of it, written out and validated like a file."""

import msgspec
import yaml

from models.policy import parse_policy

PUBLISHED = "published"
# The loss budget of a customer, times policy.yaml's.
TIGHTER, LOOSER, LOOSEST = 1 / 3, 3, 10
# Ceilings and shares of capacity of these grades are what "half" and "wide" change.
RISKY = ("C", "D", "E")


def candidates(spec):
    """{name: Policy}: the published policy and what a manager would try next, from strict to soft in each of its levers.

    budget: the expected loss that one customer may cost; half, wide: ceiling and capacity share of C to E halved, or raised to those of B; decline: grades
    that get nothing. Raises: RiskError when one of them is no valid policy.
    """
    tried = {
        PUBLISHED: spec,
        "budget/3": budget(spec, TIGHTER),
        "budget*3": budget(spec, LOOSER),
        "half": scaled(spec, 0.5),
        "wide": wide(spec),
        "decline E": declined(spec, "E"),
        "decline DE": declined(spec, "DE"),
        "wide, decline E": declined(wide(spec), "E"),
        "wide, budget*10": budget(wide(spec), LOOSEST),
        "wide, budget*10, decline E": declined(budget(wide(spec), LOOSEST), "E"),
    }
    return {name: parse_policy(yaml.safe_dump(msgspec.to_builtins(each))) for name, each in tried.items()}


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
