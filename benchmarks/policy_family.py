"""The policies that the benchmark chooses among: policy.yaml and what its own fields can make of it, written out and validated like a file."""

import msgspec
import yaml

from models.facts import PD
from models.policy import decide_book, parse_policy
from models.policy_file import HardStop
from serving.standing import policy_arguments

PUBLISHED = "published"
# Ceilings and shares of capacity of these grades are what "half" changes.
RISKY = ("C", "D", "E")
# A cut is worth its margin where PD x loss given default exceeds it: with 0.05 of what is open and half of it lost, from 10 % on; so around that.
CUTS = (0.05, 0.075, 0.1, 0.15, 0.2, 0.3)
BEYOND_ALL = 10**9


def candidates(spec):
    """{name: Policy}: the published policy and what a manager would try next, in each of its levers.

    half: ceilings and capacity shares of C to E; unsigned: every amount is automatic; open: that, and no limit but for hard stops, so that nearly everybody
    does what he would without a policy; decline: open, but for who has at least that PD. Raises: RiskError when one of them is no valid policy.
    """
    free = unlimited(unsigned(spec))
    tried = {PUBLISHED: spec, "half": scaled(spec, 0.5), "unsigned": unsigned(spec), "open": free,
             **{f"decline from {100 * cut:g} %": stopped(free, PD, cut) for cut in CUTS}}
    return {name: parse_policy(yaml.safe_dump(msgspec.to_builtins(each))) for name, each in tried.items()}


def decide(policy, probability, grade, standing):
    """Decisions on scored rows. `standing` has what the policy asks for, exposure (minor units) being what a customer would usually have open."""
    return decide_book(policy, grade=grade, pd_12m=probability, **policy_arguments(standing))


def scaled(spec, times):
    """The spec with so many times the ceilings and capacity shares of the risky grades."""
    limits = spec.default.limits
    moved = {name: {grade: _times(value, times) if grade in RISKY else value for grade, value in getattr(limits, name).items()} for name in _BY_GRADE}
    return _limits(spec, **moved)


def unlimited(spec):
    """The spec whose limits bind nobody."""
    ends = {name: dict.fromkeys(getattr(spec.default.limits, name), BEYOND_ALL) for name in _BY_GRADE}
    return _limits(spec, **ends, loss_budget=BEYOND_ALL, unknown_capacity=BEYOND_ALL)


def stopped(spec, field, at_least):
    """The spec with one more hard stop, which declines."""
    return _default(spec, hard_stops=(*spec.default.hard_stops, HardStop(f"{field}_cut", field, at_least, "decline")))


def unsigned(spec):
    """The spec in which nobody signs: every amount is automatic, and hard stops that only ask for a signature are gone."""
    default, changed = spec.default, msgspec.structs.replace
    routes = tuple(changed(route, authority=None) for route in default.routes)
    approval = tuple(changed(part, amount=_automatic(part.amount), exposure=_automatic(part.exposure)) for part in default.approval)
    return _default(spec, routes=routes, approval=approval, hard_stops=tuple(stop for stop in default.hard_stops if stop.then == "decline"))


def _automatic(bands):
    return (msgspec.structs.replace(bands[0], start=0, end=None, route="automatic"),)


_BY_GRADE = ("ceiling", "capacity_share")


def _times(value, times):
    return type(value)(value * times)


def _limits(spec, **changes):
    return _default(spec, limits=msgspec.structs.replace(spec.default.limits, **changes))


def _default(spec, **changes):
    return msgspec.structs.replace(spec, default=msgspec.structs.replace(spec.default, **changes))
