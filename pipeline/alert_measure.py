"""`risk alerts measure`: whether the alerts raised so far came true and in time, by the outcomes known now."""

from collections import Counter

import pandas as pd

from models.alert_outcomes import measure
from pipeline.datasets import INGEST, read_json
from pipeline.outcomes import known_outcomes
from pipeline.params import load_params
from pipeline.promote import open_store
from pipeline.spine import end_of
from serving.alert_nights import AlertNights
from serving.alerts import Alerts

NAMED = ("alerts", "riskiest")
TITLES = {"alerts": "alerts", "riskiest": "as many of the highest PD"}


def measured(store, params):
    """What `models.alert_outcomes.measure` finds of a store's alerts by the outcomes that are complete now, with `horizon_days`, `closed`: {outcome: how many},
    and `standing`: {state: how many} of the open ones on the day that the nights have reached. None before any alert was raised.
    """
    source, rules = params.source.name, params.observe.default
    kept, watched = Alerts(store, source=source).all(), AlertNights(store, source=source).watched()
    if not kept or not watched:
        return None
    alerts = pd.DataFrame({"customer_id": [each.alert.customer_id for each in kept], "kind": [each.alert.kind for each in kept],
                           "as_of": _moments([each.alert.raised_on for each in kept])})
    riskiest = pd.DataFrame([(each.customer_id, day) for each in watched for day in each.riskiest], columns=["customer_id", "as_of"])
    complete_to = read_json(INGEST)["complete_to"]
    outcomes = known_outcomes("default", rules, known_by=end_of(complete_to))
    day = max(each.last_on for each in watched)
    return measure(alerts, riskiest.assign(as_of=_moments(riskiest["as_of"])), _population(watched), outcomes, horizon_days=rules.horizon_days,
                   reporting_lag_days=rules.reporting_lag_days, complete_to=complete_to) | {
                       "horizon_days": rules.horizon_days, "closed": Counter(each.alert.outcome for each in kept if each.alert.outcome),
                       "standing": Counter(each.alert.state(day) for each in kept if each.alert.outcome is None)}


def measure_lines():
    """The figures as lines."""
    params = load_params()
    with open_store() as store:
        found = measured(store, params)
    return figure_lines(found) if found else ["no alert was raised yet: `risk alerts raise` looks at the book every night."]


def figure_lines(found):
    """What `measured` found, as lines."""
    base = found["base"]["rate"]
    lines = [f"{TITLES[name]}: {found[name]['raised']:,} customers named, {found[name]['mature']:,} of them long enough ago{_came_true(found[name])}"
             for name in NAMED]
    lines.append("base rate: " + ("nothing has matured" if base is None else f"{base:.1%} of {found['base']['rows']:,} customers looked at defaulted"))
    lines += [f"{TITLES[name]}: {_warned(found[name], found['defaults'])}" for name in NAMED] if found["defaults"] else ["no customer looked at defaulted yet."]
    lines += [f"  {each['kind']}: {each['raised']:,}, long enough ago {each['mature']:,}{_came_true(each)}" for each in found["kinds"]]
    return lines + ([f"closed as {', '.join(f'{name} {count:,}' for name, count in found['closed'].items())}"] if found["closed"] else [])


def _came_true(figures):
    late = f"; {figures['late']:,} were in default already" if figures["late"] else ""
    if figures["precision"] is None:
        return late
    return f", of whom {figures['precision']:.1%} ({figures['low']:.1%} to {figures['high']:.1%}) defaulted within the horizon{late}"


def _warned(figures, defaults):
    said = f"{figures['caught']:,} of {defaults:,} defaults named before, {figures['recall']:.0%} ({figures['recall_low']:.0%} to {figures['recall_high']:.0%})"
    if figures["lead_days"] is None:
        return said
    low, middle, high = figures["lead_days"]
    return f"{said}, by {middle:.0f} days in the middle (half of them {low:.0f} to {high:.0f})"


def _moments(days):
    return pd.to_datetime(pd.Series(days, dtype=object)).astype("datetime64[us]").to_numpy()


def _population(watched):
    """Everybody looked at, once a month from the first night: as many as carry a base rate, however often the nights are."""
    first, last = min(each.first_on for each in watched), max(each.last_on for each in watched)
    days = pd.date_range(first, last, freq=pd.DateOffset(months=1))
    frame = pd.DataFrame([(each.customer_id, each.first_on, each.last_on) for each in watched], columns=["customer_id", "first", "last"])
    frame = frame.assign(first=_moments(frame["first"]), last=_moments(frame["last"]))
    found = [frame.loc[(frame["first"] <= day) & (day <= frame["last"]), ["customer_id"]].assign(as_of=day.to_datetime64()) for day in days]
    return pd.concat(found, ignore_index=True).astype({"as_of": "datetime64[us]"})
