"""From score to decision by the policy: who signs, how much, on what terms, and why; one customer and a million by the same arithmetic."""
from dataclasses import dataclass

import msgspec
import numpy as np

from features.errors import RiskError
from models.facts import PD
from models.policy_file import LETTERS, MOST_MONEY, ROUTES, Spec, parse_spec, policy_hash, read_spec, route_at

MINOR_UNITS = 100
ACTIONS = ("approve", "reduce", "decline")
FRAUD_ACTIONS = ("pass", "review", "block")
LIMIT_BOUNDS = ("ceiling", "capacity", "expected_loss")
TERMS = ("payment_days", "term_months", "deposit_share", "guarantee", "review_days")
AUTOMATIC, ONE_PERSON = 0, 1
PLACE_OF_LETTER = {letter: place for place, letter in enumerate(LETTERS)}
MONEY_RULE = f"must be 0 or more and at most {MOST_MONEY * MINOR_UNITS:.0e}, in minor units; a missing exposure has to be looked up first"


class Decision(msgspec.Struct, frozen=True):
    """One customer's decision. Money in minor units. `limit` is what is granted of what was asked, within the authority of `route`; `risk_limit` the
    most the policy would grant this customer to whoever may sign for it; `term_months` 0 means in one payment; `reasons` are codes (route by amount,
    exposure or the day's spent budget, what bounds the limit, every hard stop that fired)."""

    action: str
    route: str
    limit: int
    risk_limit: int
    payment_days: int
    term_months: int
    deposit_share: float
    guarantee: bool
    review_days: int
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Decisions:
    """Decisions of n customers as arrays, each (n,): action and route are positions in ACTIONS and ROUTES; `causes` holds reason codes by
    name, each with the rows it applies to."""

    action: np.ndarray
    route: np.ndarray
    limit: np.ndarray
    risk_limit: np.ndarray
    payment_days: np.ndarray
    term_months: np.ndarray
    deposit_share: np.ndarray
    guarantee: np.ndarray
    review_days: np.ndarray
    causes: dict

    def __len__(self):
        return len(self.action)

    def reasons(self, row):
        """Reason codes of one row, in the policy's order."""
        return tuple(name for name, applies in self.causes.items() if applies[row])

    def one(self, row):
        """One row as a Decision."""
        money = {"limit": int(self.limit[row]), "risk_limit": int(self.risk_limit[row])}
        terms = {name: getattr(self, name)[row].item() for name in TERMS}
        return Decision(action=ACTIONS[self.action[row]], route=ROUTES[self.route[row]], **money, **terms, reasons=self.reasons(row))


@dataclass(frozen=True)
class Policy:
    """A validated policy laid out for lookups by grade letter and band; `hash` names its content."""

    spec: Spec
    hash: str
    edges: dict
    routes: dict
    terms: dict
    ceiling: np.ndarray | None = None
    capacity_share: np.ndarray | None = None


def load_policy(path, use_case=None):
    """Read, validate and lay out a policy file. Raises: RiskError with line, field and reason, or when it has no section for the use case."""
    policy = lay_out(read_spec(path))
    if use_case is not None:
        _need(policy, use_case)
    return policy


def parse_policy(text, *, where="policy.yaml"):
    """Validate and lay out a policy's text. Raises: RiskError with line, field and reason."""
    return lay_out(parse_spec(text, where=where))


def lay_out(spec):
    """A Policy of a validated Spec."""
    if spec.default is None:
        return Policy(spec, policy_hash(spec), {}, {}, {})
    by_grade = [next(part for part in spec.default.approval if letter in part.grades) for letter in LETTERS]
    terms = [next(part for part in spec.default.terms if letter in part.grades) for letter in LETTERS]
    edges, routes = {}, {}
    for side in ("amount", "exposure"):
        starts = sorted({band.start for part in by_grade for band in getattr(part, side)})
        edges[side] = np.array(starts[1:], dtype=np.int64) * MINOR_UNITS
        routes[side] = np.array([[route_at(getattr(part, side), start) for start in starts] for part in by_grade], dtype=np.int8)
    laid = {key: np.array([getattr(part, key) or 0 for part in terms]) for key in TERMS} | {"guarantee": np.array([part.guarantee for part in terms])}
    limits = spec.default.limits
    ceiling = np.array([limits.ceiling[letter] for letter in LETTERS], dtype=np.float64) * MINOR_UNITS
    return Policy(spec, policy_hash(spec), edges, routes, laid, ceiling, np.array([limits.capacity_share[letter] for letter in LETTERS]))


def decide_book(policy, *, grade, pd_12m, amount=0, exposure=0, capacity=None, facts=None, spent=0):
    """Decide many customers at once.

    grade: names as in the bundle's scale (the letter decides: C1 and C2 are C), (n,); pd_12m: (n,), from a bundle with another horizon its
    own probability, the expected-loss budget then being one over that horizon; amount asked for on top of exposure, and exposure: minor
    units >= 0, (n,) or one number; capacity: what the customer can bear, yearly revenue in minor units (NaN or None: unknown); facts:
    {field: (n,) or one number} for the hard stops, NaN or absent: missing; spent: expected loss that automatic approvals of the same day have spent
    before each, minor units (`spent_before` for a batch, the day's sum so far for one). Amounts of 0 decide what is already lent.

    Whoever signs must be entitled to the amount and to exposure + amount, whichever is stricter. The risk limit is the smallest of the
    grade's ceiling, its share of capacity, and the expected-loss budget over PD x LGD, rounded down. A smaller limit than asked for means
    reduce, none decline. What automatic approval would pass goes to one person where its own expected loss (`expected_loss` of the amount asked for: of
    what is granted it could fall as the PD rises) no longer fits into the day's budget beside what was spent. Since grades rise with the PD and every
    rule hardens with the grade, a worse PD never gets a softer decision, all else equal.

    Returns Decisions. Raises: RiskError for an unknown grade, a PD outside (0, 1), a missing or negative amount, or a policy without credit decisions.
    """
    _need(policy, "default")
    letter, pd_12m = _letters(grade), np.asarray(pd_12m, dtype=np.float64)
    amount, exposure = (_money(values, name, len(letter)) for values, name in ((amount, "amount"), (exposure, "exposure")))
    _refuse_rows(~((pd_12m > 0) & (pd_12m < 1)), "pd_12m", "must lie between 0 and 1; score the customer first")
    by_amount = policy.routes["amount"][letter, np.searchsorted(policy.edges["amount"], amount, side="right")]
    by_exposure = policy.routes["exposure"][letter, np.searchsorted(policy.edges["exposure"], exposure + amount, side="right")]
    bounds = _bounds(policy, letter, pd_12m, capacity)
    stops = _stops(policy, (facts or {}) | {PD: pd_12m}, len(letter))
    over = over_budget(policy, pd_12m, amount, _money(spent, "spent", len(letter)))
    return _decisions(policy, letter, np.maximum(by_amount, by_exposure), bounds, stops, exposure + amount, by_amount >= by_exposure, over)


def decide_one(policy, *, grade, pd_12m, amount=0, exposure=0, capacity=None, facts=None, spent=0):
    """Decide one customer: `decide_book` with one row. Returns Decision. Raises: as `decide_book`."""
    return decide_book(policy, grade=[grade], pd_12m=[pd_12m], amount=amount, exposure=exposure, capacity=capacity, facts=facts, spent=spent).one(0)


def expected_loss(policy, pd_12m, money):
    """PD x LGD x money in whole minor units, rounded up so that sums are exact and no case is free."""
    return np.ceil(np.asarray(pd_12m, dtype=np.float64) * policy.spec.default.limits.loss_given_default * np.asarray(money)).astype(np.int64)


def over_budget(policy, pd_12m, amount, spent):
    """Which cases no longer fit into the day's budget beside what was spent (minor units): (n,) bool; one that asks for nothing always does."""
    asked, budget = expected_loss(policy, pd_12m, amount), policy.spec.default.daily_loss_budget
    return (asked > 0) & (np.asarray(spent) + asked > (np.inf if budget is None else budget * MINOR_UNITS))


def budget_spent(policy, decided, *, pd_12m, exposure):
    """What each decision takes of the day's budget, (n,) minor units: the expected loss of what automatic approval grants beyond the exposure."""
    granted = np.maximum(decided.limit - exposure, 0)
    return np.where(decided.route == AUTOMATIC, expected_loss(policy, pd_12m, granted), 0)


def spent_by(policy, decision, *, pd_12m, exposure):
    """`budget_spent` of one Decision, in minor units; exposure in minor units."""
    return int(expected_loss(policy, pd_12m, max(decision.limit - exposure, 0))) if decision.route == ROUTES[AUTOMATIC] else 0


def spent_before(policy, day, *, grade, pd_12m, amount=0, exposure=0, capacity=None, facts=None):
    """Expected loss that automatic approvals of the same day have spent before each of a batch, for `decide_book(spent=)`; minor units, (n,).

    day: (n,) whole days; the rest as for `decide_book`. Within a day the cases with the smallest expected loss come first (ties: the smaller PD, then
    earlier in the batch): what people are left to look at is where most can be lost, most cases pass, and a worse PD, which only moves a case back and
    makes it larger, is never treated more softly than a better one of the same day. In order of arrival it could be. Deciding one by one in this order,
    with the day's sum so far, decides the same: behind the first case that does not fit, none does.
    """
    case = {"grade": grade, "pd_12m": pd_12m, "amount": amount, "exposure": exposure, "capacity": capacity, "facts": facts}
    decided, pd_12m = decide_book(policy, **case), np.asarray(pd_12m, dtype=np.float64)
    asked = expected_loss(policy, pd_12m, np.broadcast_to(amount, pd_12m.shape))
    return _before(budget_spent(policy, decided, pd_12m=pd_12m, exposure=exposure), np.asarray(day), asked, pd_12m)


def decide_fraud(policy, p_fraud, *, ahead=0):
    """Positions in FRAUD_ACTIONS for transactions: block, review, or pass.

    p_fraud: (n,); ahead: how many transactions of the same day stand before each in the reviewers' queue (`queue_ahead` for a batch, the
    day's count so far for one). From `review_at` a transaction is reviewed while there is capacity, and passed beyond it.
    """
    _need(policy, "fraud")
    rules = policy.spec.fraud
    p_fraud = np.asarray(p_fraud, dtype=np.float64)
    _refuse_rows(~((p_fraud >= 0) & (p_fraud <= 1)), "p_fraud", "must lie between 0 and 1; score the transaction first")
    reviewed = (p_fraud >= rules.review_at) & (np.asarray(ahead) < rules.daily_capacity)
    return np.where(p_fraud >= rules.block_at, 2, np.where(reviewed, 1, 0)).astype(np.int8)


def may_be_reviewed(policy, p_fraud):
    """Whether a transaction of this probability is reviewed or passed by how many of its day stand before it."""
    return policy.spec.fraud.review_at <= p_fraud < policy.spec.fraud.block_at


def queue_ahead(policy, p_fraud, day):
    """How many reviewable transactions of the same day are riskier (ties: earlier in the batch), for each of a batch.

    day: (n,) whole days. Blocked ones need no reviewer and are not counted.
    """
    _need(policy, "fraud")
    p_fraud = np.asarray(p_fraud, dtype=np.float64)
    return _before((p_fraud < policy.spec.fraud.block_at).astype(np.int64), np.asarray(day), -p_fraud)


def _before(counts, day, *keys):
    """Sum of the counts of the same day that stand before each row when a day is ordered by keys, the first one first; ties keep their order."""
    order = np.lexsort((*keys[::-1], day))
    before = np.cumsum(counts[order]) - counts[order]
    first = np.r_[True, day[order][1:] != day[order][:-1]]
    ahead = np.empty(len(order), dtype=np.int64)
    ahead[order] = before - np.maximum.accumulate(np.where(first, before, 0))
    return ahead


def _decisions(policy, letter, route, bounds, stops, asked, amount_rules, over):
    step = policy.spec.default.limits.round_to * MINOR_UNITS
    risk_limit = (np.floor(bounds.min(axis=0) / step) * step).astype(np.int64)
    stopped, least = stops.pop("decline"), stops.pop("route")
    risk_limit = np.where(stopped, 0, risk_limit)
    limit = np.minimum(risk_limit, asked)
    action = np.where(stopped | ((limit == 0) & (asked > 0)), 2, np.where(limit < asked, 1, 0)).astype(np.int8)
    # Only the strictest route may go back on a hard stop.
    route = np.where(stopped, len(ROUTES) - 1, np.maximum(route, least)).astype(np.int8)
    over &= route == AUTOMATIC
    route[over] = ONE_PERSON
    tight = bounds.argmin(axis=0)
    causes = {"route.amount": amount_rules, "route.exposure": ~amount_rules, "route.daily_loss_budget": over}
    causes |= {f"limit.{name}": tight == place for place, name in enumerate(LIMIT_BOUNDS)} | stops
    laid = {key: values[letter] for key, values in policy.terms.items()}
    return Decisions(action=action, route=route, limit=limit, risk_limit=risk_limit, **laid, causes=causes)


def _bounds(policy, letter, pd_12m, capacity):
    """The three upper bounds of a limit in minor units, (3, n), in LIMIT_BOUNDS' order."""
    limits = policy.spec.default.limits
    able = np.asarray(np.nan if capacity is None else capacity, dtype=np.float64)
    able = np.where(np.isnan(able), limits.unknown_capacity * MINOR_UNITS, np.maximum(able, 0.0))
    return np.array([policy.ceiling[letter], able * policy.capacity_share[letter], limits.loss_budget * MINOR_UNITS / (pd_12m * limits.loss_given_default)])


def _stops(policy, facts, rows):
    """Which hard stops fire, by reason code, with `decline` (n,) and the least strict `route` (n,) they leave."""
    decline, route, causes = np.zeros(rows, dtype=bool), np.zeros(rows, dtype=np.int8), {}
    nobody, everybody = np.zeros(rows, dtype=bool), np.ones(rows, dtype=bool)
    for stop in policy.spec.default.hard_stops:
        reached, missing = nobody, everybody
        if stop.field in facts:
            value = _spread(np.asarray(facts[stop.field], dtype=np.float64), rows)
            reached, missing = value >= stop.at_least, np.isnan(value)
        for fires, then, code in ((reached, stop.then, "stop."), (missing, stop.if_missing, "stop_unknown.")):
            if then == "pass":
                continue
            causes[code + stop.name] = fires
            if then == "decline":
                decline |= fires
            else:
                route[fires & (route < ROUTES.index(then))] = ROUTES.index(then)
    return causes | {"decline": decline, "route": route}


def _letters(grade):
    names = grade.tolist() if isinstance(grade, np.ndarray) else list(grade)
    code = np.array([PLACE_OF_LETTER.get(str(name)[:1], -1) for name in names], dtype=np.int64)
    if (code < 0).any():
        unknown = sorted({str(name) for name, place in zip(names, code.tolist(), strict=True) if place < 0})
        raise RiskError(f"policy: grade {', '.join(unknown)} is unknown; grades start with {', '.join(LETTERS)}")
    return code


def _money(values, name, rows):
    values = np.asarray(values)
    wrong = ~((values >= 0) & (values <= MOST_MONEY * MINOR_UNITS)) if values.dtype.kind in "iuf" else np.ones(values.shape, dtype=bool)
    _refuse_rows(np.atleast_1d(wrong), name, MONEY_RULE)
    return _spread(values.astype(np.int64), rows)


def _spread(values, rows):
    """The values for so many rows: one number stands for all."""
    return values if values.shape == (rows,) else np.broadcast_to(values, (rows,))


def _need(policy, section):
    if getattr(policy.spec, section) is None:
        raise RiskError(f"policy: a {policy.spec.profile} policy without the section {section} cannot decide this; add the section, or choose a profile that "
                        "has it with `risk policy use`")


def _refuse_rows(wrong, name, rule):
    if wrong.any():
        raise RiskError(f"policy: {name} of {int(wrong.sum())} of {len(wrong)} rows {rule}")
