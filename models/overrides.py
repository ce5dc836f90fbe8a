"""A person decides otherwise than the policy: what may be changed, by whom and until when, and the decision that comes of it."""
from dataclasses import dataclass
from datetime import date, timedelta

import msgspec
import numpy as np

from features.errors import RiskError
from models.people import person
from models.policy import ACTIONS, AUTOMATIC, MINOR_UNITS, ONE_PERSON, TERMS, decide_one, over_budget
from models.policy_file import LETTERS, MOST_MONEY, ROUTES

# Why a person knows better. A code can be counted, and its hit rate tells which reasons are worth listening to; the text says what was known.
REASONS = ("new_information", "data_error", "security", "relationship", "strategy", "suspicion")
TOWARDS_APPROVAL, TOWARDS_DECLINE = "approval", "decline"
# An override outlives no yearly review: whoever still means it then renews it with what is known then.
LONGEST_DAYS = 365


class Change(msgspec.Struct, frozen=True):
    """What an override puts in the place of the policy's: None leaves it as it is.

    action: of models.policy.ACTIONS (reduce and approve follow from the limit, so a person says approve or decline); limit: the most to be granted, minor
    units; route: who signs; grade: a letter by which the policy decides anew, the probability staying the model's.
    """

    action: str | None = None
    limit: int | None = None
    route: str | None = None
    grade: str | None = None


class Said(msgspec.Struct, frozen=True):
    """What model and policy said when the override was made: limit and exposure in minor units, pd_12m the model's probability, policy a hash."""

    action: str
    limit: int
    route: str
    grade: str
    pd_12m: float
    exposure: int
    policy: str
    bundle: str


@dataclass(frozen=True)
class Override:
    """One override as it stands: made_on and expires_on are days, the last one included; revoked_on is None while nobody took it back."""

    id: str
    customer_id: str
    change: Change
    said: Said
    reason_code: str
    reason: str
    author: str
    approver: str
    made_on: date
    expires_on: date
    revoked_on: date | None = None
    renewals: int = 0

    def holds(self, day):
        """Whether it is in force on a day."""
        return self.made_on <= day <= self.expires_on and (self.revoked_on is None or day < self.revoked_on)

    @property
    def direction(self):
        """TOWARDS_APPROVAL or TOWARDS_DECLINE."""
        return direction_of(self.change, self.said)


def direction_of(change, said):
    """Whether a change is softer or harder than what the policy said: TOWARDS_APPROVAL or TOWARDS_DECLINE.

    Raises: RiskError when it changes nothing, or softens one thing and hardens another: whether such an override was right could not be said.
    """
    steps = [("decision", _rank(ACTIONS, change.action), _rank(ACTIONS, said.action)), ("limit", _negative(change.limit), -said.limit),
             ("route", _rank(ROUTES, change.route), _rank(ROUTES, said.route)), ("grade", _rank(LETTERS, change.grade), _rank(LETTERS, said.grade[:1]))]
    softer, harder = ([name for name, new, old in steps if new is not None and sign * (new - old) > 0] for sign in (-1, 1))
    if softer and harder:
        raise RiskError(f"the override softens the {' and '.join(softer)} and hardens the {' and '.join(harder)}: decide for one direction.")
    if not softer and not harder:
        raise RiskError("the override changes nothing: the policy says the same already.")
    return TOWARDS_APPROVAL if softer else TOWARDS_DECLINE


def check_override(change, said, *, reason_code, reason, author, approver, expires_on, today, policy):
    """Refuse an override that may not be made.

    policy: models.policy.Policy. Raises: RiskError, a sentence with the remedy, for a person who approves an own case, a missing or unknown reason, an end
    that is past or more than LONGEST_DAYS away, an unknown word, a change that changes nothing or goes both ways, an approval without a limit, or a route
    that may not sign for the customer's exposure.
    """
    _check_words(change)
    check_reason(reason_code, reason)
    check_four_eyes(author, approver, what="an override")
    check_end(expires_on, today)
    if change.action == "approve" and said.action != "approve" and change.limit is None:
        raise RiskError(f"the policy grants this customer {said.limit // MINOR_UNITS:,}: say with --limit how much the override grants.")
    if change.action == "approve" and change.limit == 0:
        raise RiskError("an override that approves a limit of 0 would decline: name a limit above 0 with --limit, or say --action decline.")
    if change.action == "decline" and change.limit:
        raise RiskError("an override that declines grants nothing: leave --limit away.")
    direction_of(change, said)
    if change.route is not None and _entitled(policy, said.exposure) > ROUTES.index(change.route):
        may = policy.spec.default.routes[ROUTES.index(change.route)].authority
        raise RiskError(f"{change.route} may sign for {may:,} and the customer's exposure is {said.exposure // MINOR_UNITS:,}: "
                        f"name {ROUTES[_entitled(policy, said.exposure)]} or a stricter route.")


def check_four_eyes(author, approver, *, what):
    """Refuse a person who approves an own case, and an unnamed one. Raises: RiskError."""
    if not author.strip() or not approver.strip():
        raise RiskError(f"{what} needs two persons: name who asks for it with --by and who approves it with --approver.")
    if person(author) == person(approver):
        raise RiskError(f"{approver.strip()} cannot approve an own case: {what} needs a second person, name one with --approver.")


def check_reason(reason_code, reason):
    """Refuse an unknown code and an empty text. Raises: RiskError."""
    if reason_code not in REASONS:
        raise RiskError(f"the reason code {reason_code} is unknown: use one of {', '.join(REASONS)}.")
    if not reason.strip():
        raise RiskError("an override needs a reason in words: give one with --reason.")


def check_end(expires_on, today):
    """Refuse a last day that is past or too far away. Raises: RiskError."""
    if expires_on < today:
        raise RiskError(f"an override until {expires_on} would be expired today, {today}: name a later day.")
    if expires_on > today + timedelta(days=LONGEST_DAYS):
        raise RiskError(f"an override holds for {LONGEST_DAYS} days at most, until {today + timedelta(days=LONGEST_DAYS)}: name that day or an earlier one.")


def check_usable(override, day):
    """Refuse the use or the renewal of an override that does not hold. Raises: RiskError."""
    if override.revoked_on is not None and day >= override.revoked_on:
        raise RiskError(f"override {override.id} of {override.customer_id} was revoked on {override.revoked_on}: make a new one on today's decision.")
    if day > override.expires_on:
        raise RiskError(f"override {override.id} of {override.customer_id} expired on {override.expires_on}: make a new one on today's decision.")
    if day < override.made_on:
        raise RiskError(f"override {override.id} of {override.customer_id} was made on {override.made_on}: it says nothing about {day}.")


def decide_overridden(policy, override, *, day, grade, pd_12m, amount=0, exposure=0, capacity=None, facts=None, spent=0):
    """One customer's decision with an override in its place: batch and service both call this, so they cannot differ.

    Arguments as for `models.policy.decide_one`; override: one that holds on `day`. The policy decides by the override's grade where it names one. Its limit
    stands in the place of the policy's risk limit, hard stops included, and decides with the amount what is granted: approve, reduce or decline. Its route
    stands in the place of the policy's, but never for an exposure it has no authority for: then the least route that has; and an automatic one no more than
    the policy's own beyond the day's loss budget. What the policy declines stays declined until the override grants a limit.

    Returns (decided, said): both models.policy.Decision, the second what the policy says without the override. `decided.reasons` begins with
    `override.<reason code>`. Raises: RiskError for an override that does not hold on that day.
    """
    check_usable(override, day)
    arguments = {"pd_12m": pd_12m, "amount": amount, "exposure": exposure, "capacity": capacity, "facts": facts, "spent": spent}
    said, change = decide_one(policy, grade=grade, **arguments), override.change
    base = said if change.grade is None else decide_one(policy, grade=change.grade, **arguments)
    asked = _first(exposure) + _first(amount)
    most = 0 if change.action == "decline" else base.risk_limit if change.limit is None else change.limit
    limit, route, reasons = min(most, asked), base.route, base.reasons
    if change.route is not None:
        route = ROUTES[max(ROUTES.index(change.route), _entitled(policy, asked))]
    if route == ROUTES[AUTOMATIC] and over_budget(policy, pd_12m, _first(amount), _first(spent)).any():
        route, reasons = ROUTES[ONE_PERSON], (*reasons, "route.daily_loss_budget")
    declined = change.action == "decline" or (most == 0 and (asked > 0 or base.action == "decline"))
    action = "decline" if declined else "reduce" if limit < asked else "approve"
    return msgspec.structs.replace(base, action=action, limit=limit, risk_limit=most, route=route,
                                   reasons=(f"override.{override.reason_code}", *reasons)), said


def described(override, said):
    """An override as it stands beside the decision it changed: plain values. said: the Decision without it."""
    kept = {name: getattr(said, name) for name in ("action", "route", "limit", "risk_limit", *TERMS)}
    return {"id": override.id, "reason_code": override.reason_code, "author": override.author, "approver": override.approver,
            "expires_on": override.expires_on.isoformat(), "grade": override.change.grade, "policy_said": kept | {"reasons": list(said.reasons)}}


def _check_words(change):
    for name, value, allowed in (("decision", change.action, ("approve", "decline")), ("route", change.route, ROUTES), ("grade", change.grade, LETTERS)):
        if value is not None and value not in allowed:
            raise RiskError(f"the {name} {value} is unknown: use one of {', '.join(allowed)}.")
    if change.limit is not None and change.limit < 0:
        raise RiskError("a limit must be 0 or more: name whole currency units.")
    if change.limit is not None and change.limit > MOST_MONEY * MINOR_UNITS:
        raise RiskError(f"a limit must be at most {MOST_MONEY:,}, which no policy exceeds either: name a smaller one.")


def _entitled(policy, amount):
    """Place of the least route whose authority covers an exposure in minor units."""
    authorities = [route.authority for route in policy.spec.default.routes]
    return next(place for place, most in enumerate(authorities) if most is None or amount <= most * MINOR_UNITS)


def _rank(words, value):
    return None if value is None else words.index(value)


def _negative(value):
    return None if value is None else -value


def _first(value):
    return int(np.asarray(value).reshape(-1)[0])
