"""`policy.yaml` read and refused: a rule with a gap, an overlap or an unknown word never decides anything."""
import math
import re
from itertools import pairwise
from typing import Annotated

import msgspec

from models.facts import PD, STOP_FIELDS
from models.lined_yaml import Closed, content_hash, parse_lined, read_lined

LETTERS = ("A", "B", "C", "D", "E")
ROUTES = ("automatic", "one_person", "two_persons", "committee")
# What a file is written for, and the section that it cannot do without.
PROFILES = {"trade_credit": "default", "lending": "default", "fraud_review": "fraud"}
# Sums of two amounts stay exact as int64 minor units, and as float64 nearly so.
MOST_MONEY = 10**15
Money = Annotated[int, msgspec.Meta(ge=0, le=MOST_MONEY)]
AMOUNT_WITH_CURRENCY = re.compile(r"(?P<before>[A-Z]{3} )?\d[\d_]*(?P<after> [A-Z]{3})?")


class Route(Closed):
    """Who signs, and the largest exposure (whole currency units, inclusive; None: any) they may sign for."""

    name: str
    authority: Money | None


class Band(Closed, rename={"start": "from", "end": "to"}):
    """Amounts from `start` (inclusive) to `end` (exclusive; None: without end) and who signs for them."""

    start: Money
    end: Money | None
    route: str


class Approval(Closed):
    """The authority matrix of some grades: bands of the amount asked for and of the exposure after it."""

    grades: tuple[str, ...]
    amount: tuple[Band, ...]
    exposure: tuple[Band, ...]


class Limits(Closed):
    """What bounds a limit; money in whole currency units, shares and rates between 0 and 1."""

    loss_given_default: float
    loss_budget: Money
    capacity_share: dict[str, float]
    ceiling: dict[str, Money]
    unknown_capacity: Money
    round_to: Money


# A field that came later and stands at its default leaves the hash of older files as it was: decisions name their policy by it.
class Terms(Closed, omit_defaults=True):
    """Terms of some grades: days until a payment is due, months over which a loan is repaid at most (None: in one payment), the customer's own
    share (trade credit: deposit; lending: down payment), guarantee or collateral, days between reviews."""

    grades: tuple[str, ...]
    payment_days: int
    deposit_share: float
    guarantee: bool
    review_days: int
    term_months: int | None = None


class HardStop(Closed):
    """What overrides the grade: when `field` (a fact of the customer, or its PD) is at least `at_least`, `then` decline or a route that must sign at least."""

    name: str
    field: str
    at_least: float
    then: str
    if_missing: str = "pass"


class Default(Closed, omit_defaults=True):
    """The policy of credit decisions. `daily_loss_budget`: the expected loss, in whole currency units, that automatic approvals of one day may add
    up to (None: without end)."""

    routes: tuple[Route, ...]
    approval: tuple[Approval, ...]
    limits: Limits
    terms: tuple[Terms, ...]
    hard_stops: tuple[HardStop, ...] = ()
    daily_loss_budget: Money | None = None


class Fraud(Closed):
    """The policy of fraud review: probabilities (inclusive) from which to block or review, and reviews a day."""

    block_at: float
    review_at: float
    daily_capacity: int


class Spec(Closed, omit_defaults=True):
    """A whole policy file; a section that its profile can do without may be left out."""

    version: int
    currency: str
    profile: str = "trade_credit"
    default: Default | None = None
    fraud: Fraud | None = None


def read_spec(path):
    """Read and validate a policy file. Returns Spec. Raises: RiskError naming file, line, field and reason."""
    return read_lined(path, Spec, _faults, prepare=_in_one_currency)


def parse_spec(text, *, where="policy.yaml"):
    """Validate a policy's text. Returns Spec. Raises: RiskError with the line of the offending field."""
    return parse_lined(text, Spec, _faults, where=where, prepare=_in_one_currency)


def policy_hash(spec):
    """sha256 hex of the policy's content; comments, order of keys and spelling of numbers do not change it."""
    return content_hash(spec)


def _in_one_currency(value, refusal):
    """The same file with amounts such as `200000 CNY` as numbers, and parts' own `currency` left out. Raises: RiskError where one is not the file's."""
    return _amounts_of(value, value.get("currency") if isinstance(value, dict) else None, "", refusal)


def _amounts_of(value, currency, path, refusal):
    if isinstance(value, list):
        return [_amounts_of(child, currency, f"{path}[{i}]", refusal) for i, child in enumerate(value)]
    if isinstance(value, dict):
        found = {key: _amounts_of(child, currency, f"{path}.{key}", refusal) for key, child in value.items()}
        if path and "currency" in found:
            _refuse_other(found.pop("currency"), currency, f"{path}.currency", refusal)
        return found
    match = AMOUNT_WITH_CURRENCY.fullmatch(value) if isinstance(value, str) else None
    if match is None or bool(match["before"]) == bool(match["after"]):
        return value
    code = (match["before"] or match["after"]).strip()
    _refuse_other(code, currency, path, refusal)
    return int(value.replace(code, "").strip())


def _refuse_other(code, currency, path, refusal):
    if code != currency:
        raise refusal(path.removeprefix("."), f"is in {code}, and the file in {currency}: convert it, a policy has one currency")


def _faults(spec):
    """(path, reason) of everything wrong that types cannot say, in the file's order."""
    if spec.version != 1:
        yield "version", f"version {spec.version} is unknown; this code reads version 1"
    if not re.fullmatch("[A-Z]{3}", spec.currency):
        yield "currency", f"{spec.currency} is no currency code; use three capital letters of ISO 4217, such as CNY or EUR"
    if spec.profile not in PROFILES:
        yield "profile", f"profile {spec.profile} is unknown; use {', '.join(PROFILES)}"
    if getattr(spec, PROFILES[spec.profile]) is None:
        yield "profile", f"profile {spec.profile} needs the section {PROFILES[spec.profile]}; add it"
    if spec.default is not None:
        yield from _default_faults(spec.default, spec.profile)
    if spec.fraud is not None:
        yield from _fraud_faults(spec.fraud)


def _default_faults(default, profile):
    yield from _route_faults(default.routes)
    for key, parts in (("approval", default.approval), ("terms", default.terms)):
        yield from _grade_faults(f"default.{key}", [part.grades for part in parts])
    authority = {route.name: route.authority for route in default.routes}
    for number, part in enumerate(default.approval):
        for side in ("amount", "exposure"):
            yield from _band_faults(f"default.approval[{number}].{side}", getattr(part, side), authority, signed=side == "exposure")
    yield from _limit_faults(default.limits)
    yield from _stop_faults(default.hard_stops)
    yield from _term_faults(default.terms, profile)
    yield from _softer_faults(default)


def _route_faults(routes):
    if tuple(route.name for route in routes) != ROUTES:
        yield "default.routes", f"routes must be {', '.join(ROUTES)}, in this order"
    authorities = [_end(route.authority) for route in routes]
    if any(b < a for a, b in pairwise(authorities)) or authorities[-1] != float("inf"):
        yield "default.routes", "authority must rise with the route and be null for the last, or some exposure could be signed by nobody"


def _grade_faults(path, parts):
    listed = [grade for grades in parts for grade in grades]
    for grade in listed:
        if grade not in LETTERS:
            yield path, f"grade {grade} is unknown; use {', '.join(LETTERS)}"
        if listed.count(grade) > 1:
            yield path, f"grade {grade} stands in two entries (overlap); keep one"
    for grade in LETTERS:
        if grade not in listed:
            yield path, f"grade {grade} is in no entry (gap); add it"


def _band_faults(path, bands, authority, *, signed):
    for number, band in enumerate(bands):
        if band.route not in ROUTES:
            yield f"{path}[{number}].route", f"route {band.route} is unknown; use {', '.join(ROUTES)}"
        elif signed and _end(band.end) > _end(authority[band.route]):
            yield f"{path}[{number}].to", f"reaches beyond the {authority[band.route]} that {band.route} may sign for"
    if not bands or bands[0].start != 0:
        yield f"{path}[0].from", "the first band must start at 0 (gap)"
    for number, (band, after) in enumerate(pairwise(bands), 1):
        if _end(band.end) != after.start:
            yield f"{path}[{number}].from", f"{'gap' if _end(band.end) < after.start else 'overlap'} between {band.end} and {after.start}"
        if ROUTES.index(after.route) < ROUTES.index(band.route):
            yield f"{path}[{number}].route", f"{after.route} is softer than {band.route} of the smaller amount"
    for number, band in enumerate(bands):
        if band.end is not None and band.end <= band.start:
            yield f"{path}[{number}].to", f"must be more than from {band.start}"
    if bands and bands[-1].end is not None:
        yield f"{path}[{len(bands) - 1}].to", "the last band must end at null (gap above it)"


def _end(amount):
    """An upper end, None being without end; 0 is an end."""
    return math.inf if amount is None else amount


def _limit_faults(limits):
    for key in ("capacity_share", "ceiling"):
        values = getattr(limits, key)
        if set(values) != set(LETTERS):
            yield f"default.limits.{key}", f"needs exactly the grades {', '.join(LETTERS)}"
        elif any(values[b] > values[a] for a, b in pairwise(LETTERS)):
            yield f"default.limits.{key}", "must not rise from a better to a worse grade"
        elif not all(0 <= value < math.inf for value in values.values()):
            yield f"default.limits.{key}", "must be numbers of 0 or more"
    if not 0 < limits.loss_given_default <= 1:
        yield "default.limits.loss_given_default", "must be above 0 and at most 1"
    for key in ("loss_budget", "round_to"):
        if getattr(limits, key) <= 0:
            yield f"default.limits.{key}", "must be above 0"


def _stop_faults(stops):
    for number, stop in enumerate(stops):
        if stop.name in [earlier.name for earlier in stops[:number]]:
            yield f"default.hard_stops[{number}].name", f"{stop.name} names an earlier hard stop too; decisions give a stop by its name"
        # Such a stop would never fire and nobody would notice.
        if stop.field not in STOP_FIELDS:
            yield f"default.hard_stops[{number}].field", f"{stop.field} is not known of a customer; use {', '.join(STOP_FIELDS)}"
        if not math.isfinite(stop.at_least):
            yield f"default.hard_stops[{number}].at_least", "must be a finite number"
        elif stop.field == PD and not 0 < stop.at_least < 1:
            yield f"default.hard_stops[{number}].at_least", f"must lie between 0 and 1, as {PD} does"
        for key, allowed in (("then", ("decline", *ROUTES)), ("if_missing", ("pass", "decline", *ROUTES))):
            if getattr(stop, key) not in allowed:
                yield f"default.hard_stops[{number}].{key}", f"{getattr(stop, key)} is unknown; use {', '.join(allowed)}"


def _term_faults(terms, profile):
    for number, part in enumerate(terms):
        if part.payment_days < 0 or part.review_days < 1 or not 0 <= part.deposit_share <= 1:
            rule = "payment_days must be 0 or more, review_days 1 or more, deposit_share between 0 and 1"
            yield f"default.terms[{number}]", rule
        if (part.term_months is not None) != (profile == "lending"):
            rule = "needs term_months, the months over which it is repaid at most" if profile == "lending" else "repays in one payment; leave term_months away"
            yield f"default.terms[{number}].term_months", f"profile {profile} {rule}"
        elif part.term_months is not None and part.term_months < 0:
            yield f"default.terms[{number}].term_months", "must be 0 (no loan) or more"


def _softer_faults(default):
    """A worse grade treated more softly than a better one, anywhere: such a policy would reward a worse score."""
    by_grade = {grade: part for part in default.approval for grade in part.grades}
    terms = {grade: part for part in default.terms for grade in part.grades}
    for better, worse in pairwise(LETTERS):
        for side in ("amount", "exposure"):
            place = default.approval.index(by_grade[worse])
            for start in sorted({band.start for g in (better, worse) for band in getattr(by_grade[g], side)}):
                if route_at(getattr(by_grade[worse], side), start) < route_at(getattr(by_grade[better], side), start):
                    yield f"default.approval[{place}].{side}", f"from {start} on, grade {worse} is approved more softly than {better}"
        place = default.terms.index(terms[worse])
        for key, sign in (("payment_days", -1), ("term_months", -1), ("deposit_share", 1), ("guarantee", 1), ("review_days", -1)):
            if sign * (getattr(terms[worse], key) or 0) < sign * (getattr(terms[better], key) or 0):
                yield f"default.terms[{place}].{key}", f"is softer for grade {worse} than for {better}"


def _fraud_faults(fraud):
    if not 0 < fraud.review_at < fraud.block_at <= 1:
        yield "fraud.review_at", "0 < review_at < block_at <= 1 must hold"
    if fraud.daily_capacity < 0:
        yield "fraud.daily_capacity", "must not be negative"


def route_at(bands, amount):
    """Position in ROUTES of the band that holds an amount (whole currency units)."""
    return next(ROUTES.index(band.route) for band in bands if band.start <= amount and (band.end is None or amount < band.end))
