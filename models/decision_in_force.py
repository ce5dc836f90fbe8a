"""The decision in force: what the policy says, a person's override in its place, and the state of the customer's life cycle above both."""

from datetime import date

import msgspec

from models.life_cycle_file import BY_POLICY, DECLINE
from models.overrides import decide_overridden, described
from models.policy import decide_one
from models.policy_file import ROUTES


class Held(msgspec.Struct, frozen=True):
    """Where a customer stands in its life cycle: the state, since when, whose it is and until when (None: nothing is due), and what the state leaves of new
    credit (of `models.life_cycle_file.NEW_CREDIT`)."""

    state: str
    since: date
    owner: str
    deadline: date | None
    new_credit: str


def decide_in_force(policy, *, override=None, held=None, day=None, exposure=0, amount=0, **case):
    """One customer's decision as it leaves the house: publishing and the service both call this, so they cannot differ.

    exposure and amount: minor units; the other arguments as for `models.policy.decide_one`. override: a person's, which holds on `day`, or None; held: Held,
    or None for a customer without a state.

    Returns (Decision, {"override", "life_cycle"}), the dict in plain values to stand beside it, None where there is none. Raises: RiskError as
    `models.overrides.decide_overridden`.
    """
    if override is None:
        decided, said = decide_one(policy, exposure=exposure, amount=amount, **case), None
    else:
        decided, said = decide_overridden(policy, override, day=day, exposure=exposure, amount=amount, **case)
    exposure, amount = (int(value if isinstance(value, int) else value.item()) for value in (exposure, amount))
    beside = {"override": None if override is None else described(override, said), "life_cycle": None if held is None else msgspec.to_builtins(held)}
    return decided if held is None else in_state(decided, held, exposure=exposure, amount=amount), beside


def in_state(decided, held, *, exposure, amount):
    """A Decision as the customer's state leaves it: no softer in anything, and with the reason `life_cycle.<state>` in front where the state counts.

    exposure, amount: minor units. A state that asks for a route lets no softer one sign. One that declines lets the limit be what is owed already at most;
    what is asked for on top is declined, and so is everything where nothing is owed. As after a hard stop, only the strictest route may go back on it.
    An override does not lift a state: it was decided about the policy's word, and perhaps before the state.
    """
    if held.new_credit == BY_POLICY:
        return decided
    reasons = (f"life_cycle.{held.state}", *decided.reasons)
    if held.new_credit != DECLINE:
        return msgspec.structs.replace(decided, route=max(decided.route, held.new_credit, key=ROUTES.index), reasons=reasons)
    most = min(decided.risk_limit, exposure)
    declined = decided.action == "decline" or amount > 0 or most == 0
    return msgspec.structs.replace(decided, action="decline" if declined else decided.action, risk_limit=most, limit=min(decided.limit, most),
                                   route=ROUTES[-1], reasons=reasons)
