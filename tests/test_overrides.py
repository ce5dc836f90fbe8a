"""Overrides: who may make which, what comes of the decision, and whether they turned out right."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest

from features.errors import RiskError
from models.override_outcomes import COLUMNS, hit_rates, judge_overrides
from models.overrides import (
    LONGEST_DAYS,
    REASONS,
    Change,
    Override,
    Said,
    check_override,
    check_usable,
    decide_overridden,
    described,
    direction_of,
)
from models.policy import ACTIONS, TERMS, decide_one, load_policy
from models.policy_file import LETTERS, ROUTES
from models.probability_tests import jeffreys_interval

POLICY = load_policy(Path(__file__).parent.parent / "policy.yaml")
TODAY = date(2026, 3, 31)
SAID = Said("reduce", 10_000_000, "two_persons", "D1", 0.08, 40_000_000, "p" * 64, "b" * 64)
DECLINED = msgspec.structs.replace(SAID, action="decline", limit=0)
PERSONS = {"reason_code": "security", "reason": "bank guarantee", "author": "anna", "approver": "ben", "expires_on": TODAY + timedelta(days=90)}


def override(**change):
    return Override("o1", "C1", Change(**change), SAID, "security", "bank guarantee", "anna", "ben", TODAY, TODAY + timedelta(days=90))


def check(change, said=SAID, **changes):
    check_override(change, said, **(PERSONS | changes), today=TODAY, policy=POLICY)


# --- who may make which -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("change", "changes", "message"), [
    ({"grade": "C"}, {"approver": "anna"}, "anna cannot approve an own case: an override needs a second person, name one with --approver"),
    ({"grade": "C"}, {"approver": " Anna  "}, "Anna cannot approve an own case"),
    ({"grade": "C"}, {"approver": " "}, "an override needs two persons: name who asks for it with --by and who approves it with --approver"),
    ({"grade": "C"}, {"author": ""}, "an override needs two persons"),
    ({"grade": "C"}, {"reason": " "}, "an override needs a reason in words: give one with --reason"),
    ({"grade": "C"}, {"reason_code": "because"}, "the reason code because is unknown: use one of new_information, data_error, security"),
    ({"grade": "C"}, {"expires_on": TODAY - timedelta(days=1)}, "an override until 2026-03-30 would be expired today, 2026-03-31: name a later day"),
    ({"grade": "C"}, {"expires_on": TODAY + timedelta(days=366)}, "holds for 365 days at most, until 2027-03-31: name that day or an earlier one"),
    ({"grade": "F"}, {}, "the grade F is unknown: use one of A, B, C, D, E"),
    ({"action": "reduce"}, {}, "the decision reduce is unknown: use one of approve, decline"),
    ({"route": "boss"}, {}, "the route boss is unknown: use one of automatic, one_person"),
    ({"limit": -1}, {}, "a limit must be 0 or more"),
    ({}, {}, "the override changes nothing: the policy says the same already"),
    ({"limit": 10_000_000}, {}, "the override changes nothing"),
    ({"limit": 20_000_000, "route": "committee"}, {}, "softens the limit and hardens the route: decide for one direction"),
    ({"action": "approve"}, {}, "the policy grants this customer 100,000: say with --limit how much the override grants"),
    ({"action": "approve", "limit": 0}, {"said": DECLINED}, "approves a limit of 0 would decline"),
    ({"limit": 10**18}, {}, "a limit must be at most 1,000,000,000,000,000"),
    ({"action": "decline", "limit": 5}, {}, "an override that declines grants nothing: leave --limit away"),
    ({"route": "automatic"}, {}, "automatic may sign for 200,000 and the customer's exposure is 400,000: name one_person or a stricter route"),
])
def test_an_override_that_may_not_be_made_is_refused_with_the_remedy(change, changes, message):
    with pytest.raises(RiskError, match=message):
        check(Change(**change), **changes)


@pytest.mark.parametrize("change", [{"grade": "C"}, {"action": "approve", "limit": 50_000_000}, {"action": "decline"}, {"route": "one_person"}, {"limit": 0}])
def test_an_override_with_two_persons_a_reason_and_an_end_is_allowed(change):
    check(Change(**change))
    check(Change(**change), expires_on=TODAY)
    check(Change(**change), expires_on=TODAY + timedelta(days=LONGEST_DAYS))


@pytest.mark.parametrize(("change", "direction"), [
    ({"action": "approve", "limit": 50_000_000}, "approval"), ({"limit": 20_000_000}, "approval"), ({"route": "automatic"}, "approval"),
    ({"grade": "C"}, "approval"), ({"grade": "A", "limit": 90_000_000}, "approval"), ({"action": "decline"}, "decline"), ({"limit": 0}, "decline"),
    ({"route": "committee"}, "decline"), ({"grade": "E", "limit": 0}, "decline"),
])
def test_the_direction_is_softer_or_harder_than_the_policy(change, direction):
    assert direction_of(Change(**change), SAID) == direction


# --- the decision that comes of it --------------------------------------------------------------------------------------------


def decide(given, day=TODAY, **changes):
    values = {"grade": "D1", "pd_12m": 0.08, "exposure": 40_000_000, "capacity": 500_000_000.0, "facts": {}} | changes
    return decide_overridden(POLICY, given, day=day, **values)


def test_an_approval_of_what_the_policy_declines_grants_its_limit_and_keeps_what_the_policy_said():
    decided, said = decide(override(action="approve", limit=50_000_000), facts={"days_past_due": 95.0})
    assert (said.action, said.risk_limit, said.route) == ("decline", 0, "committee")
    assert (decided.action, decided.risk_limit, decided.limit, decided.route) == ("approve", 50_000_000, 40_000_000, "committee")
    assert decided.reasons[0] == "override.security"
    assert described(override(limit=50_000_000), said)["policy_said"]["action"] == "decline"


def test_a_limit_below_what_is_asked_for_reduces_and_none_declines():
    assert [decide(override(limit=most))[0].action for most in (30_000_000, 40_000_000, 0)] == ["reduce", "approve", "decline"]


def test_a_decline_declines_also_where_nothing_is_asked_for():
    decided, said = decide(override(action="decline"), exposure=0)
    assert (said.action, decided.action, decided.risk_limit) == ("approve", "decline", 0)


def test_another_grade_decides_by_the_policy_of_that_grade_and_the_models_probability():
    decided, said = decide(override(grade="B"))
    assert decided == replace_reasons(decide_one(POLICY, grade="B", pd_12m=0.08, exposure=40_000_000, capacity=500_000_000.0, facts={}), decided)
    assert said == decide_one(POLICY, grade="D1", pd_12m=0.08, exposure=40_000_000, capacity=500_000_000.0, facts={})


def replace_reasons(decision, other):
    assert other.reasons[1:] == decision.reasons
    return type(decision)(**{name: getattr(decision, name) for name in decision.__struct_fields__} | {"reasons": other.reasons})


def test_a_route_gives_way_where_it_may_not_sign_for_the_exposure():
    assert decide(override(route="one_person"))[0].route == "one_person"
    assert decide(override(route="one_person"), amount=80_000_000)[0].route == "two_persons"


@pytest.mark.parametrize("change", [{"grade": "E"}, {"route": "two_persons"}])
def test_what_the_policy_declines_stays_declined_until_an_override_grants_a_limit_also_where_nothing_is_owed(change):
    decided, said = decide(override(**change), exposure=0, facts={"in_default": 1.0})
    assert (said.action, decided.action, decided.limit) == ("decline", "decline", 0)


def test_an_override_to_the_automatic_route_leaves_the_days_loss_budget_in_force():
    # 0.08 x 0.6 x 100,000 is 4,800 of a budget of 50,000.
    small = {"exposure": 0, "amount": 10_000_000}
    assert decide(override(route="automatic", limit=50_000_000), **small)[0].route == "automatic"
    beyond, said = decide(override(route="automatic", limit=50_000_000), **small, spent=4_520_001)
    assert (said.route, beyond.route, beyond.reasons[-1]) == ("two_persons", "one_person", "route.daily_loss_budget")
    assert decide(override(route="automatic", limit=50_000_000), **small, spent=4_520_000)[0].route == "automatic"
    assert decide(override(grade="A", limit=50_000_000), **small, spent=4_520_001)[0].route == "one_person"


def test_every_term_of_what_the_policy_said_stands_beside_the_decision():
    lending = load_policy(Path(__file__).parent.parent / "policies" / "lending.yaml")
    decided, said = decide_overridden(lending, override(grade="E"), day=TODAY, grade="A1", pd_12m=0.01, exposure=1000)
    kept = described(override(grade="E"), said)["policy_said"]
    assert {name: kept[name] for name in TERMS} == {name: getattr(said, name) for name in TERMS}
    assert decided.term_months != said.term_months


def test_overrides_drawn_at_random_keep_what_the_policy_promises():
    rng = np.random.default_rng(5)
    authority = [route.authority for route in POLICY.spec.default.routes]
    for _ in range(300):
        change = Change(limit=int(rng.integers(0, 10**9)) if rng.random() < 0.5 else None, grade=str(rng.choice(list(LETTERS))) if rng.random() < 0.5 else None,
                        route=str(rng.choice(ROUTES)) if rng.random() < 0.5 else None, action="decline" if rng.random() < 0.2 else None)
        exposure, amount = (int(each) for each in rng.integers(0, 10**9, 2))
        decided, said = decide(replace(override(), change=change), grade=str(rng.choice(list(LETTERS))), pd_12m=float(rng.uniform(0.001, 0.5)),
                               exposure=exposure, amount=amount)
        most = authority[ROUTES.index(decided.route)]
        assert most is None or exposure + amount <= most * 100 + 99
        assert decided.limit <= min(decided.risk_limit, exposure + amount)
        assert (decided.action == "approve") == (decided.limit == exposure + amount and change.action != "decline")
        assert said.action in ACTIONS


@pytest.mark.parametrize(("day", "revoked_on", "message"), [
    (TODAY + timedelta(days=91), None, "override o1 of C1 expired on 2026-06-29: make a new one on today's decision"),
    (TODAY + timedelta(days=3), TODAY + timedelta(days=3), "override o1 of C1 was revoked on 2026-04-03: make a new one on today's decision"),
    (TODAY - timedelta(days=1), None, "override o1 of C1 was made on 2026-03-31: it says nothing about 2026-03-30"),
])
def test_an_override_that_does_not_hold_is_refused_wherever_it_is_used(day, revoked_on, message):
    given = replace(override(limit=50_000_000), revoked_on=revoked_on)
    assert not given.holds(day)
    for use in (lambda: decide(given, day), lambda: check_usable(given, day)):
        with pytest.raises(RiskError, match=message):
            use()


def test_an_override_holds_on_its_first_and_last_day():
    given = override(limit=50_000_000)
    assert [given.holds(TODAY + timedelta(days=days)) for days in (-1, 0, 90, 91)] == [False, True, True, False]


# --- whether it was right -----------------------------------------------------------------------------------------------------

KNOWN_TO = datetime(2026, 3, 31)


def made(number, as_of, direction="approval", *, customer=None, grade="D", pd_12m=0.1, exposure=100, code="security"):
    return (f"o{number}", customer or f"C{number}", pd.Timestamp(as_of), direction, grade, pd_12m, exposure, code)


def overrides(*rows):
    return pd.DataFrame(list(rows), columns=list(COLUMNS)).astype({"as_of": "datetime64[us]"})


def defaults(*rows):
    frame = pd.DataFrame(list(rows), columns=["customer_id", "occurred_at"]).astype({"occurred_at": "datetime64[us]"})
    return frame.assign(kind="default", known_at=frame["occurred_at"], loss=0, cured_at=pd.Series(pd.NaT, index=frame.index, dtype="datetime64[us]"))


def judge(rows, outcomes):
    return judge_overrides(rows, outcomes, horizon_days=365, reporting_lag_days=45, complete_to=KNOWN_TO).set_index("override_id")


def test_an_approval_is_right_without_a_default_and_a_decline_with_one():
    rows = overrides(made(1, "2024-01-10"), made(2, "2024-01-10"), made(3, "2024-01-10", "decline"), made(4, "2024-01-10", "decline"))
    found = judge(rows, defaults(("C2", "2024-06-01"), ("C3", "2024-06-01")))
    assert found["right"].to_dict() == {"o1": 1.0, "o2": 0.0, "o3": 1.0, "o4": 0.0}


def test_a_default_after_the_horizon_and_a_young_override_say_nothing():
    rows = overrides(made(1, "2024-01-10"), made(2, "2025-06-01"))
    found = judge(rows, defaults(("C1", "2025-01-10"), ("C2", "2025-07-01")))
    assert found["status"].to_dict() == {"o1": "matured", "o2": "immature"}
    assert found["right"]["o1"] == 1.0
    assert np.isnan(found["right"]["o2"])


def test_a_decline_of_a_customer_who_owes_nothing_has_no_known_outcome():
    rows = overrides(made(1, "2024-01-10", "decline", exposure=0), made(2, "2024-01-10", exposure=0))
    assert judge(rows, defaults(("C1", "2024-06-01")))["status"].to_dict() == {"o1": "no_exposure", "o2": "matured"}


def test_the_same_bet_on_a_customer_counts_once_a_horizon():
    rows = overrides(made(1, "2023-01-10", customer="C"), made(2, "2023-06-10", customer="C"), made(3, "2024-01-11", customer="C"),
                     made(4, "2023-06-10", "decline", customer="C"))
    assert judge(rows, defaults())["status"].to_dict() == {"o1": "matured", "o2": "repeated", "o3": "matured", "o4": "matured"}


def test_hit_rates_by_hand():
    rows = overrides(*(made(number, "2024-01-10", grade="C" if number <= 5 else "D", pd_12m=0.2) for number in range(1, 11)))
    judged = judge(rows, defaults(("C1", "2024-06-01"))).reset_index()
    comparable = pd.DataFrame({"grade": ["C"] * 100 + ["D"] * 50, "target": [1] * 10 + [0] * 90 + [1] * 20 + [0] * 30})
    found = hit_rates(judged, comparable)
    assert [(each["direction"], each["reason_code"]) for each in found] == [("approval", None), ("approval", "security"), ("decline", None)]
    first = found[0]
    assert (first["made"], first["matured"], first["right"], first["rate"], first["comparable"]) == (10, 10, 9, 0.9, 150)
    assert (first["low"], first["high"]) == jeffreys_interval(9, 10)
    assert first["expected"] == pytest.approx(0.8)
    assert first["comparable_rate"] == pytest.approx(0.5 * 0.9 + 0.5 * 0.6)
    assert first["comparable_low"] < 0.75 < first["comparable_high"]
    assert first["verdict"] == "open"
    assert found[2]["rate"] is None


def test_one_grades_comparable_interval_is_jeffreys():
    judged = judge(overrides(made(1, "2024-01-10", "decline")), defaults()).reset_index()
    found = hit_rates(judged, pd.DataFrame({"grade": ["D"] * 40, "target": [1] * 12 + [0] * 28}))[1:][0]
    assert (found["direction"], found["reason_code"], found["comparable_rate"]) == ("decline", None, 0.3)
    assert (found["comparable_low"], found["comparable_high"]) == pytest.approx(jeffreys_interval(12, 40))


@pytest.mark.parametrize(("defaulted", "verdict"), [(0, "better"), (60, "worse")])
def test_many_overrides_are_told_apart_from_comparable_customers(defaulted, verdict):
    judged = judge(overrides(*(made(number, "2024-01-10") for number in range(100))),
                   defaults(*((f"C{number}", "2024-06-01") for number in range(defaulted)))).reset_index()
    assert hit_rates(judged, pd.DataFrame({"grade": ["D"] * 1000, "target": [1] * 250 + [0] * 750}))[0]["verdict"] == verdict


@pytest.mark.parametrize("comparable", [None, pd.DataFrame({"grade": ["A"], "target": [0]})])
def test_without_comparable_customers_there_is_no_verdict(comparable):
    judged = judge(overrides(made(1, "2024-01-10")), defaults()).reset_index()
    found = hit_rates(judged, comparable)[0]
    assert (found["rate"], found["comparable_rate"], found["verdict"]) == (1.0, None, None)


def test_every_reason_code_has_words():
    from serving.messages import LANGUAGES, has_text

    assert all(has_text(f"policy.override.{code}", language=language) for code in REASONS for language in LANGUAGES)
