"""The decision in force: what a life cycle state leaves of a policy's or a person's approval."""

from datetime import date, timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest

from models.decision_in_force import Held, decide_in_force
from models.life_cycle import load_life_cycle
from models.overrides import Change, Override, Said
from models.policy import ACTIONS, decide_one, load_policy
from models.policy_file import LETTERS, ROUTES

ROOT = Path(__file__).parent.parent
POLICY = load_policy(ROOT / "policy.yaml")
RULES = load_life_cycle(ROOT / "life_cycle.yaml")
DAY = date(2026, 3, 31)
# 1,000.00 owed and 500.00 asked for by an A customer: automatic.
EASY = {"grade": "A", "pd_12m": 0.005, "exposure": 100_000, "amount": 50_000, "capacity": 500_000_000.0, "facts": {}}


def held(state, new_credit=None):
    return Held(state, DAY, "finance", DAY + timedelta(days=7), new_credit or RULES.new_credit[state])


def approving():
    said = Said("decline", 0, "committee", "A", 0.005, 100_000, "p" * 64, "b" * 64)
    return Override("o1", "C1", Change(action="approve", limit=90_000_000), said, "security", "guarantee", "anna", "ben", DAY, DAY + timedelta(days=9))


@pytest.mark.parametrize("state", ["active", "watch", "onboarding"])
def test_a_state_that_leaves_credit_to_the_policy_changes_nothing_and_is_shown(state):
    decided, beside = decide_in_force(POLICY, held=held(state), **EASY)
    assert decided == decide_one(POLICY, **EASY)
    assert beside == {"override": None, "life_cycle": {"state": state, "since": "2026-03-31", "owner": "finance", "deadline": "2026-04-07",
                                                       "new_credit": "by_policy"}}


@pytest.mark.parametrize("state", ["restrict", "run_down", "exit"])
@pytest.mark.parametrize("override", [None, approving()])
def test_from_restriction_on_new_credit_is_declined_whoever_had_granted_it(state, override):
    decided, _ = decide_in_force(POLICY, held=held(state), override=override, day=DAY, **EASY)
    assert (decided.action, decided.route, decided.risk_limit, decided.limit) == ("decline", "committee", 100_000, 100_000)
    assert decided.reasons[0] == f"life_cycle.{state}"


def test_what_a_restricted_customer_owes_already_is_no_new_credit_but_nothing_is_automatic():
    decided, _ = decide_in_force(POLICY, held=held("restrict"), **EASY | {"amount": 0})
    assert (decided.action, decided.route, decided.risk_limit) == ("approve", "committee", 100_000)


def test_who_has_left_and_owes_nothing_is_granted_nothing():
    decided, _ = decide_in_force(POLICY, held=held("exit"), **EASY | {"amount": 0, "exposure": 0})
    assert (decided.action, decided.route, decided.risk_limit) == ("decline", "committee", 0)


def test_who_asks_to_return_is_let_in_by_two_persons_at_least():
    assert decide_in_force(POLICY, held=held("re_entry"), **EASY)[0].route == "two_persons"


def test_a_customer_without_a_state_is_decided_by_the_policy():
    assert decide_in_force(POLICY, **EASY) == (decide_one(POLICY, **EASY), {"override": None, "life_cycle": None})


def test_no_state_softens_anything_and_a_stricter_one_is_never_softer():
    rng = np.random.default_rng(11)
    words = ["by_policy", *ROUTES[1:], "decline"]
    for _ in range(500):
        exposure, amount = (int(each) for each in rng.integers(0, 10**9, 2) * (rng.random(2) < 0.7))
        case = {"grade": str(rng.choice(list(LETTERS))), "pd_12m": float(rng.uniform(0.001, 0.5)), "exposure": exposure, "amount": amount,
                "facts": {"days_past_due": float(rng.integers(0, 120))}}
        plain = msgspec.structs.replace(decide_one(POLICY, **case), reasons=())
        found = [plain, *(decide_in_force(POLICY, held=held("restrict", word), **case)[0] for word in words)]
        for softer, harder in zip(found, found[1:], strict=False):
            assert ACTIONS.index(harder.action) >= ACTIONS.index(softer.action)
            assert ROUTES.index(harder.route) >= ROUTES.index(softer.route)
            assert harder.risk_limit <= softer.risk_limit
            assert harder.limit <= softer.limit
