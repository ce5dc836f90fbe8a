"""`risk alerts raise`, `list`, `snooze`, `close` and `escalate`: early warnings on the whole book every night, and what people do about them."""

import json
from collections import Counter
from contextlib import contextmanager
from datetime import date

import numpy as np

from features.errors import RiskError
from models.alert_file import ASLEEP, OVERDUE, SEVERITIES
from models.alert_life import RAISED, SEEN, WORSENED
from models.alerts import terms_of
from models.life_cycle import load_life_cycle
from pipeline.customer_facts import facts_of, read_book
from pipeline.customers import LIFE_CYCLE, book_in_force, day_of, keep_rules
from pipeline.params import load_params
from pipeline.promote import open_store
from serving.alert_nights import AlertNights
from serving.alert_words import sentence
from serving.alerts import Alerts
from serving.life_cycle import LifeCycleLedger

LISTED = 50


def raise_alerts(as_of=None):
    """Look at the whole book as of a day, the book's unless given, raise what crossed a threshold since the last night, and return what happened as lines.

    Doing it again on the same day changes nothing. Raises: RiskError for a day before the book's or before the last night, for scores gone stale, and as
    `read_book` and `load_life_cycle`.
    """
    params, rules, book = load_params(), load_life_cycle(LIFE_CYCLE), read_book()
    day = day_of(as_of, book, rules)
    with open_store() as store:
        keep_rules(store, rules)
        book = book_in_force(book, store, params, rules, day)
        customers, reference = looked_at(book, LifeCycleLedger(store, params.source.name).columns())
        facts = facts_of(customers, book, day=day, reference_pd=reference, params=params)
        nights = AlertNights(store, source=params.source.name)
        return _lines(nights.run(rules, customers, facts, day, horizon_days=params.observe.default.horizon_days), day, rules)


def looked_at(book, known):
    """Whom a night looks at: (ids (n,), the PD when each last became active (n,)): the book's customers and those with a state, who have left aside.

    known: LifeCycleLedger.columns().
    """
    held = {customer: (state, pd_12m) for customer, state, pd_12m in zip(known["customer_id"], known["state"], known["reference_pd"], strict=True)}
    ids = [each for each in dict.fromkeys((*held, *book.rows["customer_id"])) if held.get(each, ("",))[0] != "exit"]
    reference = [held[each][1] if each in held else None for each in ids]
    return np.array(ids, dtype=object), np.array([np.nan if value is None else value for value in reference], dtype=np.float64)


def escalate_alerts(as_of=None):
    """Pass every alert past its deadline on to the next level, once a day, and return what happened as lines."""
    with _opened(as_of) as (alerts, rules, day):
        passed = alerts.escalate(rules, day)
        counts = Counter(each.with_whom(terms_of(rules)) for each in passed)
    if not passed:
        return [f"{day}: no alert is past its deadline, or the last level has it."]
    return [f"{day}: {len(passed):,} alerts past their deadline go on: {', '.join(f'{who} {count:,}' for who, count in counts.items())}",
            *(f"  {each.id}  {each.customer_id}  {each.kind}; {each.with_whom(terms_of(rules))} by {each.deadline}" for each in passed[:LISTED])]


def pass_on_alert(alert_id, *, actor, note, as_of=None):
    """Pass one alert on to the next level on a person's word, and return a sentence about it. Raises: RiskError as `serving.alerts.Alerts.pass_on`."""
    with _opened(as_of) as (alerts, rules, day):
        alert = alerts.pass_on(rules, alert_id, actor=actor, note=note, day=day).alert
        return f"alert {alert_id} on {alert.customer_id} goes to {alert.with_whom(terms_of(rules))}, due {alert.deadline}."


def snooze_alert(alert_id, until, *, actor, note, as_of=None):
    """Put an alert off and return a sentence about it. Raises: RiskError as `serving.alerts.Alerts.snooze`."""
    with _opened(as_of) as (alerts, rules, day):
        alert = alerts.snooze(rules, alert_id, until, actor=actor, note=note, day=day).alert
        return f"alert {alert_id} on {alert.customer_id} sleeps until {alert.until}, or until it gets worse by a step; due {alert.deadline}."


def close_alert(alert_id, outcome, *, actor, note, as_of=None):
    """Close an alert and return a sentence about it. Raises: RiskError as `serving.alerts.Alerts.close`."""
    with _opened(as_of) as (alerts, rules, day):
        alert = alerts.close(rules, alert_id, outcome, actor=actor, note=note, day=day).alert
        return f"alert {alert_id} on {alert.customer_id} is closed on {alert.closed_on} as {alert.outcome}."


def list_alerts(*, owner=None, customer=None, overdue=False, everything=False, as_of=None, as_json=False):
    """Alerts as lines or JSON, the most urgent first: open ones, or `everything`: the latest of each kind and customer, closed ones too."""
    with _opened(as_of) as (alerts, rules, day):
        found = alerts.listed(owner=owner, customer_id=customer, only_open=not everything)
    found = [each for each in found if not overdue or each.alert.state(day) == OVERDUE]
    found.sort(key=lambda each: (each.alert.outcome is not None, each.alert.state(day) == ASLEEP, each.alert.deadline,
                                 -SEVERITIES.index(each.alert.severity), each.alert.customer_id))
    if as_json:
        return json.dumps([_plain(each, rules, day) for each in found], ensure_ascii=False, indent=2)
    return "\n".join(line for each in found for line in _described(each, rules, day)) or f"no alert is {'overdue' if overdue else 'open'} on {day}."


@contextmanager
def _opened(as_of):
    """The source's alerts, the rules, and the day: the one given, or the later of the book's and the last step's."""
    params, rules = load_params(), load_life_cycle(LIFE_CYCLE)
    with open_store() as store:
        keep_rules(store, rules)
        alerts = Alerts(store, source=params.source.name)
        yield alerts, rules, _day(as_of, alerts)


def _day(as_of, alerts):
    try:
        given = None if as_of is None else date.fromisoformat(as_of)
    except ValueError:
        raise RiskError(f"--as-of {as_of} is no day: write it as YYYY-MM-DD.") from None
    last = alerts.last_day()
    if given is not None and last is not None and given < last:
        raise RiskError(f"alerts have steps of {last} already: take that day or a later one with --as-of.")
    return given or max(filter(None, (read_book().day, last)))


def _lines(night, day, rules):
    count, seen = Counter(step for *_, step in night.seen), Counter((crossing.kind, crossing.owner) for _, crossing, step in night.seen if step == RAISED)
    lines = [f"{day}: {night.customers:,} customers looked at, {night.new:,} of them for the first time; rules {rules.hash[:12]}"]
    if night.new == night.customers:
        return [*lines, "A first night remembers and raises nothing: who stands at a threshold already is in `risk customers list`."]
    lines.append(f"alerts: {count[RAISED]:,} new, {count[WORSENED]:,} open ones got worse, {count[SEEN]:,} were seen again")
    return lines + [f"  {kind}: {number:,} ({owner})" for (kind, owner), number in seen.most_common()]


def _described(kept, rules, day):
    alert, end = kept.alert, f"; {kept.alert.with_whom(terms_of(rules))} by {kept.alert.deadline}"
    end = f"; {alert.outcome}, {alert.closed_by} on {alert.closed_on}: {alert.note}" if alert.outcome else end
    asleep = f", sleeps until {alert.until}" if alert.state(day) == ASLEEP else ""
    seen = f", seen {alert.sightings} times, last on {alert.seen_on}" if alert.sightings > 1 else ""
    yield f"{alert.id}  {alert.customer_id}  {alert.severity} {alert.kind}, {alert.state(day)} since {alert.raised_on}{seen}{asleep}{end}"
    yield f"  {sentence(alert.worst, language='en')}"


def _plain(kept, rules, day):
    alert = kept.alert
    about = {name: getattr(alert, name) for name in ("id", "customer_id", "kind", "severity", "owner", "raised_on", "seen_on", "sightings", "deadline", "until",
                                                     "outcome", "closed_on", "closed_by", "note")}
    about |= {name: getattr(alert.worst, name) for name in ("fact", "before", "after", "threshold", "level")}
    words = {language: sentence(alert.worst, language=language) for language in ("en", "zh")}
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in about.items()} | {
        "state": alert.state(day), "with": alert.with_whom(terms_of(rules)), "words": words}
