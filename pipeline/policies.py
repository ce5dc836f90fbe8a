"""`risk policy`: a policy file read back, a shipped profile put in its place, a version recorded."""

import hashlib
import shutil
from datetime import timedelta
from pathlib import Path

from features.errors import RiskError
from models.policy import MINOR_UNITS, load_policy
from models.policy_file import LETTERS, PROFILES
from pipeline.datasets import replacing
from pipeline.params import load_params
from pipeline.places import VAR
from pipeline.promote import open_store
from pipeline.score import POLICY
from serving.daily_spend import REVIEWS

SHIPPED = Path(__file__).resolve().parent.parent / "policies"


def check_lines(path):
    """A valid policy file as lines to read: hash, then who signs, limits, terms, hard stops and fraud as tables. Raises: RiskError with line and reason."""
    policy = load_policy(path)
    spec = policy.spec
    lines = [f"{path} is valid: profile {spec.profile}, amounts in {spec.currency}", f"hash {policy.hash}"]
    if spec.default is not None:
        lines += ["", *_approval_lines(spec.default), "", *_limit_lines(spec.default), "", *_stop_lines(spec.default)]
    if spec.fraud is not None:
        rules = spec.fraud
        lines += ["", f"Transactions: blocked from {rules.block_at:.1%}, reviewed from {rules.review_at:.1%} up to {rules.daily_capacity:,} a day"]
    return lines


def use_profile(profile, path=POLICY):
    """Copy a shipped profile to `path`, keep what was there under `var/policies/<sha256 of its text>.yaml`, and return a sentence about it.

    Raises: RiskError for a profile that is not shipped.
    """
    if profile not in PROFILES:
        raise RiskError(f"there is no profile {profile}: the shipped ones are {', '.join(PROFILES)}.")
    shipped, path = SHIPPED / f"{profile}.yaml", Path(path)
    kept = ""
    if path.exists() and path.read_bytes() != shipped.read_bytes():
        copy = VAR / "policies" / f"{hashlib.sha256(path.read_bytes()).hexdigest()}.yaml"
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
        kept = f" (what was there: {copy})"
    with replacing(path) as beside:
        shutil.copyfile(shipped, beside)
    return f"{path} is the profile {profile} now{kept}.\nnext: adapt it, risk policy check, then risk run"


def publish_policy(path):
    """Record a valid policy in the operational database under its hash, and return a sentence about it. Raises: RiskError with line and reason."""
    policy = load_policy(path)
    with open_store() as store:
        known = store.find_policy(policy.hash) is not None
        store.record_policy(policy.hash, Path(path).read_text(encoding="utf-8"))
    if known:
        return f"{policy.hash[:12]} is recorded already."
    use = "" if Path(path) == Path(POLICY) else f"copy it to {POLICY} and "
    return f"{policy.hash[:12]} is recorded; {use}run `risk run` to decide by it."


def spent_lines(path, days):
    """What the service's decisions of today and the days before (UTC, `days` in all) took of what the policy at `path` allows for a day, as lines to read."""
    policy, source = load_policy(path), load_params().source.name
    with open_store() as store:
        found = store.spends(source=source, since=store.now().date() - timedelta(days=days - 1))
    return [_spent_line(policy.spec, one) for one in found] or [f"{source}: no decision of the service drew on a day's budget since then."]


def _spent_line(spec, spend):
    if spend.unit == REVIEWS:
        most = "" if spec.fraud is None else f" of {spec.fraud.daily_capacity:,}"
        return f"{spend.day}  {spend.use_case}: {spend.spent:,}{most} transactions sent to review"
    budget = None if spec.default is None or spend.unit != spec.currency else spec.default.daily_loss_budget
    most = " (no budget)" if budget is None else f" of {budget:,.2f}"
    return f"{spend.day}  {spend.use_case}: {spend.unit} {spend.spent / MINOR_UNITS:,.2f}{most} expected loss approved automatically"


def _approval_lines(default):
    parts = {letter: part for part in default.approval for letter in part.grades}
    authority = ", ".join(f"{_route(route.name)} {_amount(route.authority)}" for route in default.routes)
    budget = "none" if default.daily_loss_budget is None else f"{default.daily_loss_budget:,}"
    lines = [f"Who may sign for an exposure up to: {authority}", f"Expected loss that automatic approvals may add up to in a day: {budget}"]
    for side, words in (("amount", "by the amount asked for"), ("exposure", "by the exposure after it")):
        lines += [f"Who signs, {words}", *(f"  {letter}  " + ", ".join(_band(band) for band in getattr(parts[letter], side)) for letter in LETTERS)]
    return lines


def _band(band):
    return f"{_route(band.route)} from {band.start:,}" if band.end is None else f"{_route(band.route)} below {band.end:,}"


def _limit_lines(default):
    limits, terms = default.limits, {letter: part for part in default.terms for letter in part.grades}
    lines = [f"Limit: the least of ceiling, share of capacity, and {limits.loss_budget:,} / (PD x {limits.loss_given_default:g}), in steps of "
             f"{limits.round_to:,}; {limits.unknown_capacity:,} where capacity is not known"]
    for letter in LETTERS:
        each = terms[letter]
        paid = "paid " + (f"in {each.payment_days} days" if each.term_months is None else f"every {each.payment_days} days for {each.term_months} months")
        guarantee = "guarantee" if each.guarantee else "no guarantee"
        lines.append(f"  {letter}  at most {limits.ceiling[letter]:,} and {limits.capacity_share[letter]:.0%} of capacity; "
                     f"{'no loan' if each.term_months == 0 else paid}, own share {each.deposit_share:.0%}, {guarantee}, reviewed every {each.review_days} days")
    return lines


def _stop_lines(default):
    return ["Hard stops", *(f"  {stop.name}: {stop.field} of {_number(stop.at_least)} or more: {_then(stop.then)}"
                            + ("" if stop.if_missing == "pass" else f", not known: {_then(stop.if_missing)}") for stop in default.hard_stops)]


def _then(then):
    return "declined" if then == "decline" else f"at least {_route(then)}"


def _route(name):
    return name.replace("_", " ")


def _number(value):
    return f"{value:,.0f}" if value == int(value) else f"{value:,}"


def _amount(authority):
    return "any" if authority is None else f"{authority:,}"
