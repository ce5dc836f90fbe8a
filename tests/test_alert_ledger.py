"""Alerts in both databases: steps that are never changed, one open alert of a kind, nights that remember, and nothing from the future."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from databases import NOON

from features.errors import RiskError
from models.alerts import Crossing
from models.life_cycle import load_life_cycle
from serving import ledger, subjects
from serving.alert_nights import AlertNights
from serving.alerts import Alerts, AlreadyClosed, Sighting, UnknownAlert
from serving.schema import alert_states
from serving.store import Store

RULES = load_life_cycle(Path(__file__).parent.parent / "life_cycle.yaml")
DAY = NOON.date()
CUSTOMERS = np.array(["C1", "C2", "C3"], dtype=object)


@pytest.fixture
def store(url, clock):
    with Store(url, clock=clock).open() as opened:
        yield opened


@pytest.fixture
def alerts(store):
    return Alerts(store, source="simulated")


@pytest.fixture
def nights(store):
    return AlertNights(store, source="simulated")


def on(days):
    return DAY + timedelta(days=days)


def crossing(kind="dispute", severity="low", after=1.0, **changes):
    return Crossing(**{"kind": kind, "level": None, "owner": "sales", "fact": "disputes", "before": 0.0, "after": after, "threshold": 1.0,
                       "severity": severity} | changes)


def sight(store, alerts, *sightings, day=DAY):
    with store.database.writing() as connection:
        ledger.locked_head(connection, "alert_steps")
        return alerts.sight(connection, RULES, list(sightings), day)


def raise_one(store, alerts, customer="C1", **changes):
    ((alert_id, _),) = sight(store, alerts, Sighting(customer, crossing(**changes)))
    return alert_id


def facts(**changes):
    """Facts of CUSTOMERS on which nothing fires; a change is one value for all, or three."""
    calm = {"pd_12m": 0.01, "grade": 4.0, "disputes": 0.0, "days_past_due": 0.0, "lawsuits": 0.0, "exposure_to_limit": 0.2}
    return {name: np.broadcast_to(np.asarray(value, dtype=np.float64), 3) for name, value in (calm | changes).items()}


def run(nights, day=DAY, **changes):
    return nights.run(RULES, CUSTOMERS, facts(**changes), day, horizon_days=365)


def told(night):
    return [(customer, each.kind, step) for customer, each, step in night.seen]


# --- steps --------------------------------------------------------------------------------------------------------------------


def test_an_alert_is_found_again_as_it_was_raised(store, alerts):
    made = raise_one(store, alerts, severity="medium", before=None, after=2.5)
    kept = alerts.find(made)
    assert (kept.alert.customer_id, kept.alert.severity, kept.alert.deadline) == ("C1", "medium", on(7))
    assert (kept.alert.worst.before, kept.alert.worst.after) == (None, 2.5)
    assert (kept.sequence, kept.made_at, kept.rules, kept.steps) == (1, NOON, RULES.hash, {"raised": 1})
    assert alerts.listed() == alerts.all() == [kept]
    assert Alerts(store, source="elsewhere").listed() == []
    assert store.verify() == []


def test_one_kind_of_a_customer_has_one_open_alert(store, alerts):
    first = raise_one(store, alerts)
    ((second, step),) = sight(store, alerts, Sighting("C1", crossing(after=2.0)), day=on(2))
    ((other, _), (third, _)) = sight(store, alerts, Sighting("C2", crossing()), Sighting("C1", crossing("lawsuit")), day=on(2))
    assert (second, step, len({first, other, third})) == (first, "seen", 3)
    assert [each.alert.sightings for each in alerts.listed(customer_id="C1")] == [2, 1]
    with store.database.engine.connect() as connection:
        row = dict(connection.execute(sa.select(alert_states).limit(1)).mappings().one())
        with pytest.raises(sa.exc.IntegrityError):
            connection.execute(sa.insert(alert_states), row | {"alert_id": "another"})


def test_an_alert_is_put_off_wakes_when_worse_and_is_closed(store, alerts):
    made = raise_one(store, alerts)
    asleep = alerts.snooze(RULES, made, on(20), actor=" lin ", note=" hearing ")
    assert asleep.alert.state(on(3)) == "snoozed"
    sight(store, alerts, Sighting("C1", crossing(severity="high", after=3.0)), day=on(4))
    woken = alerts.find(made)
    assert (woken.alert.state(on(4)), woken.alert.deadline, woken.alert.worst.after) == ("open", on(7), 3.0)
    closed = alerts.close(RULES, made, "acted", actor="anna", note="limit halved", day=on(5))
    assert (closed.alert.outcome, closed.alert.closed_by, closed.alert.closed_on) == ("acted", "anna", on(5))
    assert alerts.find(made).steps == {"raised": 1, "snoozed": 1, "worsened": 1, "closed": 1}
    with pytest.raises(AlreadyClosed, match=f"alert {made} was closed on {on(5)} as acted"):
        alerts.close(RULES, made, "acted", actor="anna", note="again", day=on(6))
    assert alerts.listed(only_open=True) == []
    assert store.verify() == []


def test_a_new_alert_follows_a_closed_one_and_the_old_one_stays_in_the_history(store, alerts):
    first = raise_one(store, alerts)
    alerts.close(RULES, first, "false_alarm", actor="anna", note="settled")
    second = raise_one(store, alerts)
    assert [each.alert.id for each in alerts.listed()] == [second]
    assert [(each.alert.id, each.alert.outcome) for each in alerts.all()] == [(first, "false_alarm"), (second, None)]
    with pytest.raises(UnknownAlert, match=f"There is no alert {first}"):
        alerts.find(first)


def test_alerts_past_their_deadline_go_on_once_a_day(store, alerts):
    late, fresh = raise_one(store, alerts, severity="high"), raise_one(store, alerts, "C2")
    assert alerts.escalate(RULES, on(3)) == []
    assert [(each.id, each.place, each.deadline) for each in alerts.escalate(RULES, on(4))] == [(late, 1, on(7))]
    assert alerts.escalate(RULES, on(4)) == []
    assert alerts.find(fresh).alert.place == 0
    assert alerts.find(late).alert.with_whom(RULES.spec.alerts) == "head_of_department"


def test_a_past_moment_knows_nothing_of_what_followed(store, alerts, clock):
    made = raise_one(store, alerts)
    clock.forward(2)
    alerts.close(RULES, made, "acted", actor="anna", note="done")
    assert [each.alert.outcome for each in alerts.all(until=NOON)] == [None]
    assert [each.alert.outcome for each in alerts.all()] == ["acted"]


def test_what_stands_is_what_the_steps_give(store, alerts):
    rng = np.random.default_rng(0)
    for day in range(40):
        seen = [crossing(severity=("low", "medium", "high")[rng.integers(3)], after=float(day)) for _ in CUSTOMERS]
        sight(store, alerts, *(Sighting(*pair) for pair in zip(CUSTOMERS, seen, strict=True) if rng.uniform() < 0.4), day=on(day))
        for kept in alerts.listed(only_open=True):
            if rng.uniform() < 0.2:
                alerts.close(RULES, kept.alert.id, "acted", actor="lin", note="x", day=on(day))
        alerts.escalate(RULES, on(day))
    latest = {(each.alert.customer_id, each.alert.kind): each for each in alerts.all()}
    assert {(each.alert.customer_id, each.alert.kind): each for each in alerts.listed()} == latest
    with store.database.reading() as connection:
        states = {(row.customer_id, row.kind): (row.alert_id, row.outcome, row.deadline, row.sequence) for row in connection.execute(sa.select(alert_states))}
    assert states == {key: (each.alert.id, each.alert.outcome, each.alert.deadline, each.sequence) for key, each in latest.items()}
    assert len(alerts.all()) > len(latest)


def test_two_who_close_at_once_close_it_once(store, alerts):
    made = raise_one(store, alerts)

    def close(actor):
        try:
            return alerts.close(RULES, made, "acted", actor=actor, note="x").alert.closed_by
        except AlreadyClosed:
            return None

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(close, ["anna", "ben", "carl", "dora"]))
    assert [each for each in found if each] == [alerts.find(made).alert.closed_by]


@pytest.mark.parametrize("change", ["severity = 'low'", "deadline = '2027-01-01'", "outcome = 'acted'", "customer_id = 'C2'"])
def test_a_step_that_was_tampered_with_is_named(store, alerts, change):
    raise_one(store, alerts, severity="high")
    with store.database.engine.begin() as connection:
        connection.execute(sa.text(f"update alert_steps set {change}"))
    assert [(fault.chain, fault.kind, fault.sequence) for fault in store.verify()] == [("alert_steps", "changed", 1)]


def test_an_erased_customers_alerts_are_gone_and_every_chain_is_whole(store, alerts, nights, tmp_path):
    run(nights)
    made, other = raise_one(store, alerts), raise_one(store, alerts, "C2")
    assert set(subjects.exported(store, "C1", var=tmp_path)["database"]) == {"alert_steps", "alert_states", "alert_facts"}
    store.erase_customer("C1", actor="privacy desk", reason="request")
    assert [each.alert.id for each in alerts.all()] == [each.alert.id for each in alerts.listed()] == [other]
    assert [each.customer_id for each in nights.watched()] == ["C2", "C3"]
    with pytest.raises(UnknownAlert, match=f"There is no alert {made}: `risk alerts list --all` names them"):
        alerts.close(RULES, made, "acted", actor="anna", note="x")
    assert store.verify() == []


# --- nights -------------------------------------------------------------------------------------------------------------------


def test_a_first_night_remembers_and_raises_nothing(nights, alerts):
    night = run(nights, disputes=5, pd_12m=0.6)
    assert (night.customers, night.new, night.seen, alerts.all()) == (3, 3, [], [])


def test_a_night_raises_what_changed_since_the_last_and_a_second_one_nothing(nights, alerts):
    run(nights)
    worse = {"disputes": [1, 0, 0], "grade": [4, 5, 4], "days_past_due": [0, 0, 95]}
    assert told(run(nights, on(1), **worse)) == [
        ("C3", "days_past_due", "raised"), ("C2", "grade", "raised"), ("C1", "dispute", "raised"), ("C2", "grade_worse", "raised")]
    for day in (1, 2):
        assert told(run(nights, on(day), **worse)) == []
    assert {each.alert.kind: each.alert.severity for each in alerts.listed()} == {
        "days_past_due": "critical", "dispute": "low", "grade": "medium", "grade_worse": "low"}


def test_a_slow_slide_is_seen_against_a_month_ago(nights):
    run(nights)
    found = [told(run(nights, on(day), pd_12m=0.01 * 1.03 ** day)) for day in range(1, 30)]
    assert [place for place, each in enumerate(found, 1) if each] == [24]
    assert {kind for _, kind, _ in found[23]} == {"pd_jump"}


def test_the_score_a_night_is_held_against_is_renewed(nights):
    for day in range(0, 200, 20):
        assert told(run(nights, on(day), pd_12m=0.01 * 1.01 ** day)) == []


def test_a_fact_that_is_unknown_for_a_night_is_not_new_when_it_is_known_again(nights):
    run(nights, disputes=1)
    run(nights, on(1), disputes=np.nan)
    assert told(run(nights, on(2), disputes=1)) == []
    assert len(told(run(nights, on(3), disputes=2))) == 3


def test_an_infinite_ratio_is_crossed_once(nights):
    run(nights)
    assert len(told(run(nights, on(1), exposure_to_limit=np.inf))) == 3
    assert told(run(nights, on(2), exposure_to_limit=np.inf)) == []


def test_a_night_before_the_last_is_refused(nights):
    run(nights, on(3))
    with pytest.raises(RiskError, match=f"alerts were raised as of {on(3)} already: a night before it cannot be run again, take {on(3)} or later"):
        run(nights, on(2))


def test_what_an_event_showed_and_a_person_closed_is_not_raised_again_by_the_night(store, nights, alerts):
    run(nights)
    ((made, _),) = sight(store, alerts, Sighting("C1", crossing(), event_id="e1", decision_id="d1"), day=on(1))
    alerts.close(RULES, made, "false_alarm", actor="anna", note="settled", day=on(1))
    assert told(run(nights, on(1), disputes=[1, 0, 0])) == []
    run(nights, on(2), disputes=0)
    assert told(run(nights, on(3), disputes=[1, 0, 0])) == [("C1", "dispute", "raised")]


def test_a_night_sees_an_event_s_alert_again_and_raises_no_second(store, nights, alerts):
    run(nights)
    sight(store, alerts, Sighting("C1", crossing(), event_id="e1", decision_id="d1"), day=on(1))
    assert told(run(nights, on(2), disputes=[1, 0, 0])) == [("C1", "dispute", "seen")]
    assert len(alerts.all()) == 1


def test_as_many_of_the_riskiest_are_noted_as_customers_were_newly_named(nights):
    run(nights)
    run(nights, on(31), disputes=[1, 0, 0], lawsuits=[1, 0, 0], pd_12m=[0.01, 0.018, 0.015])
    run(nights, on(62), disputes=[1, 1, 0], lawsuits=[1, 0, 0], pd_12m=[0.01, 0.018, 0.015])
    assert {each.customer_id: each.riskiest for each in nights.watched()} == {"C1": (), "C2": (on(31),), "C3": (on(62),)}
    run(nights, on(62), disputes=[1, 1, 0], lawsuits=[1, 0, 0], pd_12m=[0.01, 0.018, 0.015])
    assert [each.riskiest for each in nights.watched()] == [(), (on(31),), (on(62),)]


def test_who_is_in_default_is_not_among_the_riskiest(nights):
    run(nights)
    # Two are named, by the dispute and by the default.
    run(nights, on(31), disputes=[1, 0, 0], pd_12m=[0.01, 0.9, 0.015], in_default=[0, 1, 0])
    assert {each.customer_id for each in nights.watched() if each.riskiest} == {"C1", "C3"}


def test_a_customer_is_named_anew_only_a_horizon_after_it_was_named_whatever_was_raised_meanwhile(nights, alerts):
    run(nights)
    # A dispute that comes back every hundred days: named on the first of them, and on the first more than a horizon after that.
    for day in range(1, 6):
        run(nights, on(100 * day), disputes=[1, 0, 0])
        run(nights, on(100 * day + 50))
        (mine,) = alerts.listed(only_open=True)
        alerts.close(RULES, mine.alert.id, "acted", actor="lin", note="x", day=on(100 * day + 50))
    assert len(alerts.all()) == 5
    watched = {each.customer_id: each.riskiest for each in nights.watched()}
    assert sum(map(len, watched.values())) == 2
    assert {when for days in watched.values() for when in days} == {on(100), on(500)}
