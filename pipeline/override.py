"""`risk override`: overrides granted, renewed, revoked, listed, and judged by what became of the customers."""

import json
import os
from contextlib import contextmanager
from datetime import timedelta

import pandas as pd

from features.errors import RiskError
from models.horizon import horizon_of
from models.life_cycle import load_life_cycle
from models.life_cycle_file import BY_POLICY, DECLINE
from models.overrides import Change, Said
from models.policy import MINOR_UNITS, load_policy
from pipeline.datasets import INGEST, case_path, read_json
from pipeline.frames import read_frame
from pipeline.outcomes import known_outcomes
from pipeline.params import load_params
from pipeline.places import VAR
from pipeline.promote import DATABASE, open_store
from pipeline.spine import end_of
from serving.life_cycle import LifeCycleLedger, held_of
from serving.overrides import USE_CASE, Overrides
from serving.published import Published

POLICY, LIFE_CYCLE = "policy.yaml", "life_cycle.yaml"
VERDICTS = {"better": "better than comparable customers", "worse": "worse than comparable customers",
            "open": "not told apart from comparable customers", None: "nothing to compare with"}


def add_override(customer, changes, *, reason_code, reason, author, approver, expires, days):
    """Override the decision on a customer of the published book, and return a sentence about it.

    changes: action, limit (whole currency units), route, grade, each a value or None; expires: a day, or days: from today. Raises: RiskError for a customer
    who is not in the book and whatever `models.overrides.check_override` refuses.
    """
    limit = changes["limit"]
    change, source = Change(**changes | {"limit": None if limit is None else limit * MINOR_UNITS}), load_params().source.name
    said = _said(source, customer)
    with open_store() as store:
        overrides = Overrides(store, source=source)
        made = overrides.grant(customer, change, said, reason_code=reason_code, reason=reason, author=author, approver=approver,
                               expires_on=_end(overrides, expires, days), policy=load_policy(POLICY))
        bound = _bound(store, source, customer)
    return "\n".join([_sentence(made), "The service decides by it from now on; `risk publish` brings it into the published book.", *bound])


def renew_override(override_id, *, reason, author, approver, expires, days):
    """Let an override hold longer, and return a sentence about it. Raises: RiskError as `serving.overrides.Overrides.renew`."""
    with _opened() as overrides:
        made = overrides.renew(override_id, reason=reason, author=author, approver=approver, expires_on=_end(overrides, expires, days))
    return _sentence(made)


def revoke_override(override_id, *, reason, author):
    """Take an override back, and return a sentence about it. Raises: RiskError as `serving.overrides.Overrides.revoke`."""
    with _opened() as overrides:
        made = overrides.revoke(override_id, reason=reason, author=author)
    return f"override {made.id} of {made.customer_id} is revoked from {made.revoked_on} on: the policy decides again."


def list_overrides(*, customer, everything, as_of, as_json):
    """Overrides in force on a day (today unless given), or all, as lines or JSON; amounts in whole currency units."""
    with _opened() as overrides:
        day = as_of or overrides.today()
        found = overrides.all() if customer is None else overrides.of(customer)
    chosen = [each for each in found if everything or each.holds(day)]
    if as_json:
        return json.dumps([_plain(each, day) for each in chosen], ensure_ascii=False, indent=2)
    return "\n".join(_sentence(each, day) for each in chosen) or f"no override {'was ever made' if everything else f'is in force on {day}'}."


def report_overrides(*, as_json):
    """How often overrides were right, as lines or JSON: see `models.override_outcomes.hit_rates`."""
    with _opened() as overrides:
        made = overrides.all()
    judged, found, rules, today = judged_overrides(made)
    if as_json:
        return json.dumps({"outcomes_known_to": today, "horizon_days": rules.horizon_days, "overrides": judged["status"].value_counts().to_dict(),
                           "hit_rates": found}, ensure_ascii=False, indent=2)
    return "\n".join([f"outcomes known to {today}, horizon {rules.horizon_days} days, {len(made):,} overrides ever made", *map(_rate_line, found)])


def judged_overrides(made, *, until=None):
    """What became of overrides: (rows of `models.override_outcomes.judge_overrides`, hit rates, the observation rules, the day outcomes are known to).

    until: a day after which no outcome is read, nor any customer compared with whose own became known later; None for the last day of the records.
    """
    # Imported here because scipy takes its time, which adding or showing an override need not pay.
    from models.override_outcomes import COLUMNS, hit_rates, judge_overrides

    rows = _rows(made, COLUMNS)
    rules, today = load_params().observe.default, read_json(INGEST)["today"]
    today = today if until is None else min(today, until.isoformat())
    complete_to = end_of(today)
    judged = judge_overrides(rows, known_outcomes(USE_CASE, rules, known_by=complete_to), horizon_days=rules.horizon_days,
                             reporting_lag_days=rules.reporting_lag_days, complete_to=complete_to)
    matured = complete_to - pd.Timedelta(days=rules.horizon_days + rules.reporting_lag_days)
    return judged, hit_rates(judged, _comparable(set(rows["customer_id"]), until=matured)), rules, today


def in_force_of(customer):
    """What stands in the way of the policy's word on a customer today: (override or None, Held or None, day, sentences about both); nothing before there is a
    database."""
    if not (os.environ.get("CUSTOMER_RISK_DATABASE_URL") or os.path.exists(DATABASE)):
        return None, None, None, []
    source = load_params().source.name
    with open_store() as store:
        overrides = Overrides(store, source=source)
        today, standing = overrides.today(), LifeCycleLedger(store, source).standing(customer)
        found, bound = overrides.in_force(customer, today), _bound(store, source, customer)
    held = held_of(standing, load_life_cycle(LIFE_CYCLE).new_credit) if standing else None
    return found, held, today, [*([] if found is None else [f"overridden: {_sentence(found)}"]), *bound]


def _bound(store, source, customer):
    """A sentence about the customer's state where it leaves less than policy and override do; none where it does not, or there is none."""
    standing = LifeCycleLedger(store, source).standing(customer)
    left = None if standing is None else load_life_cycle(LIFE_CYCLE).new_credit[standing.state]
    if left in (None, BY_POLICY):
        return []
    what = "declines new credit" if left == DECLINE else f"lets nobody softer than {left} sign"
    return [f"life cycle: {customer} is in {standing.state} since {standing.since}, which {what}; an override does not lift that."]


@contextmanager
def _opened():
    """The overrides of the chosen source in the opened store."""
    with open_store() as store:
        yield Overrides(store, source=load_params().source.name)


def _said(source, customer):
    """What the policy says of a customer, override aside, as published. Raises: RiskError."""
    published = Published.open(VAR, source, USE_CASE)
    found = published.find(customer)
    published.close()
    if found is None:
        raise RiskError(f"customer {customer} is not in the book of {published.as_of}: check the id, or run `risk publish`.")
    score = found.score
    before = (score.get("override") or {}).get("policy_said")
    limit = before["risk_limit"] if before else score["limit"]
    action, route = (before or score)["action"], (before or score)["route"]
    probability = next(score[name] for name in score if horizon_of(name))
    return Said(action, int(limit), route, score["grade"], probability, int(score["exposure"] or 0), score["policy"], score["bundle"])


def _end(overrides, expires, days):
    if (expires is None) == (days is None):
        raise RiskError("an override needs an end: name its last day with --expires, or --days from today.")
    return expires or overrides.today() + timedelta(days=days)


def _sentence(override, day=None):
    what = [f"{name} {value}" for name, value in _changes(override.change).items() if value is not None]
    state = "" if day is None or override.holds(day) else " (revoked)" if override.revoked_on and day >= override.revoked_on else " (not in force)"
    return (f"override {override.id} of {override.customer_id}, until {override.expires_on}{state}: {', '.join(what)}; the policy said {override.said.action}, "
            f"limit {override.said.limit // MINOR_UNITS:,}, {override.said.route}, grade {override.said.grade}; {override.reason_code}: {override.reason} "
            f"(by {override.author}, approved by {override.approver})")


def _changes(change):
    limit = None if change.limit is None else f"{change.limit // MINOR_UNITS:,}"
    return {"decision": change.action, "limit": limit, "route": change.route, "grade": change.grade}


def _plain(override, day):
    change, said = override.change, override.said
    return {"id": override.id, "customer_id": override.customer_id, "direction": override.direction, "in_force": override.holds(day),
            "action": change.action, "limit": None if change.limit is None else change.limit / MINOR_UNITS, "route": change.route, "grade": change.grade,
            "policy_said": {"action": said.action, "limit": said.limit / MINOR_UNITS, "route": said.route, "grade": said.grade, "pd": said.pd_12m,
                            "policy": said.policy, "bundle": said.bundle},
            "reason_code": override.reason_code, "reason": override.reason, "author": override.author, "approver": override.approver,
            "made_on": override.made_on.isoformat(), "expires_on": override.expires_on.isoformat(),
            "revoked_on": override.revoked_on and override.revoked_on.isoformat(), "renewals": override.renewals}


def _rows(overrides, columns):
    """One row per override with models.override_outcomes.COLUMNS, as_of the day it was made."""
    rows = [(each.id, each.customer_id, pd.Timestamp(each.made_on), each.direction, each.said.grade, each.said.pd_12m, each.said.exposure, each.reason_code)
            for each in overrides]
    return pd.DataFrame(rows, columns=list(columns)).astype({"as_of": "datetime64[us]", "customer_id": "str", "pd_12m": "float64", "exposure": "int64"})


def _comparable(overridden, *, until):
    """Customers with grade and target that the model was judged by, observed until a moment, without those somebody overrode; None before it was judged."""
    path = case_path(USE_CASE, "evaluation", "predictions.parquet")
    if not path.exists():
        return None
    rows = read_frame(path, ["customer_id", "as_of", "grade", "target"])
    return rows[rows["as_of"].le(until) & ~rows["customer_id"].isin(overridden)]


def _rate_line(found):
    code = f", {found['reason_code']}" if found["reason_code"] else ""
    about = f"towards {found['direction']}{code}: {found['made']} made, {found['matured']} matured"
    if found["rate"] is None:
        return f"{about}: no outcome is in yet" if found["made"] else f"{about}"
    said = f"{about}, {found['right']} right: {found['rate']:.0%} ({found['low']:.0%} to {found['high']:.0%}), the model expected {found['expected']:.0%}"
    if found["comparable_rate"] is None:
        return f"{said}; {VERDICTS[None]}"
    beside = f"{found['comparable_rate']:.0%} ({found['comparable_low']:.0%} to {found['comparable_high']:.0%}) of {found['comparable']:,} comparable customers"
    return f"{said}, {beside}: {VERDICTS[found['verdict']]}"
