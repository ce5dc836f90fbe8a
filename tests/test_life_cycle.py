"""Life cycle rules refused with line and reason; customers moved by them: hysteresis, cool-down, mandatory steps, own cases, run-down plans."""

import datetime
import pathlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import RiskError
from models.life_cycle import (
    PLACE,
    STRICT,
    advance,
    behind_plan,
    called_playbooks,
    decide_move,
    exposure_to_limit,
    flips_bound,
    grade_places,
    load_life_cycle,
    parse_life_cycle,
    pd_rise,
    run_down_plan,
)
from models.life_cycle_file import PERSON, STATES, is_softer, mandatory_steps
from models.playbooks import DEPARTMENTS

FILE = pathlib.Path(__file__).parent.parent / "life_cycle.yaml"
TEXT = FILE.read_text(encoding="utf-8")
RULES = load_life_cycle(FILE)
DAY = datetime.date(2025, 6, 30)
GOOD = {"pd_12m": 0.01, "exposure": 1_000_000, "in_default": 0, "grade": 1, "days_past_due": 0, "exposure_to_limit": 0.5}


def days_before(days):
    return DAY - datetime.timedelta(days=days)


def night(state, *, since=None, today=DAY, rules=RULES, **facts):
    """What a night makes of one customer: its state, and (from, to, reason, owner, deadline) of each move."""
    given = {name: np.nan if value is None else value for name, value in (GOOD | facts).items()}
    done = advance(rules, state=[PLACE[state]], since=[since or days_before(400)], facts=given, today=today)
    moves = [(STATES[one.start[0]], STATES[one.to[0]], rules.reasons[one.reason[0]], DEPARTMENTS[one.owner[0]], one.deadline[0].astype(object))
             for one in done.moves]
    return STATES[done.state[0]], moves


# --- the file -----------------------------------------------------------------------------------------------------------------


def test_comments_do_not_change_the_hash_and_thresholds_do():
    assert parse_life_cycle(TEXT.replace("# A customer's life", "# a customer's life")).hash == RULES.hash
    assert parse_life_cycle(TEXT.replace("enter: 0.08", "enter: 0.09")).hash != RULES.hash


REENTRY = "  - {from: exit, to: re_entry, by: [person], steps: [assessment]}\n"
BACK = "  - {from: re_entry, to: watch, by: [person], steps: [assessment, approval]}\n"
AGAIN = "  - {from: re_entry, to: run_down, by: [person], steps: [plan]}\n"
FREE = "to: restrict, by: [rule, person], steps: []"
WATCH = "{name: watch, owner: sales, deadline_days: 14"
DISPUTE = "fact: disputes, owner: sales, alert: {enter: 1}, watch: {enter: 2, leave: 0}}"
DOWN = "  - {from: restrict, to: run_down, by: [rule, person], steps: [plan]}\n"


@pytest.mark.parametrize(("old", "new", "near", "field", "reason"), [
    # What a state leaves of new credit
    ("least_days: 90, new_credit: decline", "least_days: 90, new_credit: by_policy", "name: restrict", r"states\[3\].new_credit",
     "restrict must not leave new credit to the policy, which may approve it automatically; use one_person, two_persons, committee, decline"),
    ("least_days: 180, new_credit: decline", "least_days: 180, new_credit: committee", "name: exit", r"states\[5\].new_credit",
     "is softer in exit than in run_down"),
    ("least_days: 90, new_credit: decline", "least_days: 90, new_credit: nothing", "name: restrict", r"states\[3\].new_credit",
     "nothing is unknown; use by_policy, one_person, two_persons, committee, decline"),
    # Mandatory steps
    ("{from: run_down, to: exit,", "{from: restrict, to: exit,", "from: restrict, to: exit", r"transitions\[9\]",
     "restrict to exit skips the mandatory run_down"),
    ("{from: restrict, to: watch,", "{from: restrict, to: active,", "to: active", r"transitions\[6\]", "restrict to active skips the mandatory watch"),
    ("{from: re_entry, to: watch,", "{from: exit, to: watch,", "from: exit, to: watch", r"transitions\[11\]", "exit to watch skips the mandatory re_entry"),
    ("{from: exit, to: re_entry,", "{from: run_down, to: re_entry,", "run_down, to: re_entry", r"transitions\[10\]",
     "run_down to re_entry skips the mandatory exit"),
    ("{from: active, to: restrict,", "{from: active, to: onboarding,", "to: onboarding", r"transitions\[3\]", "a customer is new only once"),
    ("re_entry, to: watch, by: [person], steps: [assessment, approval]", "re_entry, to: watch, by: [person], steps: [assessment]", "re_entry, to: watch",
     r"transitions\[11\].steps", "re_entry to watch skips the mandatory step approval; add it"),
    ("to: exit, by: [rule, person], steps: [settled]", "to: exit, by: [rule, person], steps: []", "to: exit", r"transitions\[9\].steps",
     "mandatory step settled"),
    ("onboarding, to: run_down, by: [person], steps: [plan]", "onboarding, to: run_down, by: [person], steps: []", "to: run_down", r"transitions\[1\].steps",
     "mandatory step plan"),
    # The graph
    (REENTRY, "", "transitions:", "transitions", "re_entry is out of reach: no path leads there from onboarding"),
    (DOWN, "", "from: active, to: watch", r"transitions\[2\]", "active, watch, restrict form a cycle with no way out: no path leads to exit"),
    (BACK + AGAIN, "", "transitions:", "transitions", "re_entry has no way out"),
    # Authors
    ("{from: watch, to: active, by: [rule],", "{from: watch, to: active, by: [rule, person],", "to: active", r"transitions\[4\].by", "take person out"),
    ("to: re_entry, by: [person]", "to: re_entry, by: [rule]", "to: re_entry", r"transitions\[10\].by", "is a person's decision; take rule out"),
    (FREE, "to: restrict, by: [], steps: []", "to: restrict", r"transitions\[3\].by", "nobody may take it"),
    (FREE, "to: restrict, by: [rule], steps: [approval]", "to: restrict", r"transitions\[3\].by", "no rule can give the approval"),
    (FREE, "to: watch, by: [rule, person], steps: []", "to: watch", r"transitions\[3\]", "active to watch is given twice"),
    (FREE, "to: active, by: [rule, person], steps: []", "to: active", r"transitions\[3\]", "leads from active to itself"),
    (FREE, "to: jail, by: [rule, person], steps: []", "to: jail", r"transitions\[3\].to", "jail is unknown"),
    (FREE, "to: restrict, by: [rule, person], steps: [prayer]", "prayer", r"transitions\[3\].steps", "prayer is unknown"),
    # States
    ("{name: watch, owner: sales, deadline_days: 14, least_days: 30,", "{name: watch, owner: sales, deadline_days: 14, least_days: 0,", "name: watch",
     r"states\[2\].least_days", "without a cool-down a customer could flip every night"),
    (WATCH, "{name: watch, owner: it, deadline_days: 14", "name: watch", r"states\[2\].owner", "it is unknown"),
    (WATCH, "{name: watch, owner: sales, deadline_days: 0", "name: watch", r"states\[2\].deadline_days", "must be 1 or more"),
    ("{name: re_entry, owner", "{name: comeback, owner", "states:", "states", "states must be onboarding, active"),
    # Triggers
    ("watch: {enter: 0.08, leave: 0.05}", "watch: {enter: 0.08, leave: 0.08}", "pd_level", r"triggers\[2\].watch.leave", r"no hysteresis"),
    ("watch: {enter: E, leave: C}", "watch: {enter: E, leave: E}", "name: grade", r"triggers\[4\].watch.leave", "must be milder than enter E"),
    ("watch: {enter: E, leave: C}", "watch: {enter: F, leave: C}", "name: grade", r"triggers\[4\].watch.enter", "no grade"),
    ("watch: {enter: 0.08,", "watch: {enter: E,", "pd_level", r"triggers\[2\].watch.enter", "E is no number"),
    ("watch: {enter: 0.08,", "watch: {enter: .inf,", "pd_level", r"triggers\[2\].watch.enter", "must be a finite number"),
    ("restrict: {enter: 0.20, leave: 0.12}", "restrict: {enter: 0.07, leave: 0.01}", "pd_level", r"triggers\[2\].restrict.enter", "catches earlier than watch"),
    ("name: lawsuit, fact: lawsuits", "name: lawsuit, fact: lawsuites", "name: lawsuit", r"triggers\[5\].fact", "fact lawsuites is unknown"),
    ("name: lawsuit, fact", "name: calm, fact", "name: calm", r"triggers\[5\].name", "calm cannot name a trigger"),
    ("name: lawsuit, fact", "name: pd_level, fact", "name: pd_level", r"triggers\[5\].name", "pd_level is given twice"),
    (DISPUTE, "fact: disputes, owner: sales}", "name: dispute", r"triggers\[7\]", "moves nobody"),
    # The plan
    ("shares: [0.75, 0.5, 0.25, 0]", "shares: [0.75, 0.5]", "run_down:", "run_down.shares", "the last share must be 0"),
    ("shares: [0.75, 0.5, 0.25, 0]", "shares: [0.5, 0.75, 0]", "run_down:", "run_down.shares", "must fall from date to date"),
    ("every_days: 30", "every_days: 0", "run_down:", "run_down.every_days", "must be 1 or more"),
    # Playbooks
    ("triggers: [days_past_due, in_default]", "triggers: [days_past_due, pd_rise]", "triggers: [days_past_due, pd_rise]", r"playbooks\[1\].triggers",
     "trigger pd_rise has no threshold for restrict"),
    ("triggers: [days_past_due, in_default]", "triggers: [flood]", "triggers: [flood]", r"playbooks\[1\].triggers", "trigger flood is unknown"),
    ("name: call_guarantee", "name: stop_shipment", "name: stop_shipment", r"playbooks\[1\].name", "stop_shipment is given twice"),
    ("department: finance, within_hours: 48", "department: finance, within_hours: 3", "within_hours: 3", r"playbooks\[0\].steps\[2\].within_hours",
     "is due before recall_goods_in_transit"),
    ("department: finance, within_hours: 48", "department: police, within_hours: 48", "police", r"playbooks\[0\].steps\[2\].department", "police is unknown"),
    ("version: 1", "version: 2", "version: 2", "version", "version 2 is unknown"),
    ("stale_days: 7", "stale: 7", "version", "the file", "unknown field|missing required field"),
])
def test_a_faulty_file_is_refused_with_line_field_and_reason(old, new, near, field, reason):
    assert old in TEXT
    changed = TEXT.replace(old, new, 1)
    with pytest.raises(RiskError, match=f"life_cycle.yaml line [0-9]+, field {field}: .*({reason})") as raised:
        parse_life_cycle(changed)
    line = int(str(raised.value).split("line ")[1].split(",")[0])
    assert field == "the file" or line in [number for number, text in enumerate(changed.splitlines(), 1) if near in text]


def test_a_ring_of_exits_and_returns_without_a_way_back_to_business_is_refused():
    without = TEXT.replace(BACK, "").replace("  - {from: run_down, to: restrict, by: [person], steps: [assessment, approval]}\n", "")
    with pytest.raises(RiskError, match="run_down, exit, re_entry form a cycle with no way out: no path leads to active"):
        parse_life_cycle(without)


def test_rule_files_of_the_two_kinds_share_their_reader():
    with pytest.raises(RiskError, match="life_cycle.yaml line 2: aliases are not allowed"):
        parse_life_cycle("a: &x 1\nb: *x")
    with pytest.raises(RiskError, match="life_cycle.yaml cannot be read"):
        load_life_cycle("nowhere/life_cycle.yaml")


# --- single nights ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("state", "facts", "expected"), [
    ("active", {}, "active"),
    ("active", {"pd_12m": 0.08}, "watch"), ("active", {"pd_12m": 0.0799}, "active"),
    ("active", {"pd_rise": 3}, "watch"), ("active", {"grade": 5}, "watch"), ("active", {"grade": 4}, "active"),
    ("active", {"days_past_due": 30}, "watch"), ("active", {"days_past_due": 60}, "restrict"), ("active", {"days_past_due": 90}, "run_down"),
    ("active", {"lawsuits": 1}, "watch"), ("active", {"disputes": 2}, "watch"), ("active", {"bounced_payments": 1}, "watch"),
    ("active", {"negative_reports": 1}, "watch"), ("active", {"exposure_to_limit": 1.5}, "watch"), ("active", {"exposure_to_limit": np.inf}, "restrict"),
    ("active", {"in_default": 1, "pd_12m": None}, "restrict"),
    # Between enter and leave a customer stays where it is.
    ("watch", {"pd_12m": 0.06}, "watch"), ("watch", {"pd_12m": 0.05}, "active"), ("restrict", {"pd_12m": 0.13}, "restrict"), ("restrict", {"pd_12m": 0.12},
     "watch"),
    ("watch", {"pd_12m": None}, "watch"),
    ("onboarding", {"approved": 1}, "active"), ("onboarding", {"approved": 0}, "onboarding"), ("onboarding", {"approved": 1, "pd_12m": None}, "onboarding"),
    ("onboarding", {"approved": 1, "lawsuits": 1}, "onboarding"),
    ("run_down", {"exposure": 0}, "exit"), ("run_down", {"exposure": 1}, "run_down"), ("run_down", {"exposure": None}, "run_down"),
    ("exit", {}, "exit"), ("re_entry", {"approved": 1}, "re_entry"),
])
def test_worked_nights(state, facts, expected):
    assert night(state, **facts)[0] == expected


def test_every_change_has_reason_owner_and_deadline():
    state, moves = night("active", days_past_due=95, lawsuits=1)
    assert moves == [("active", "restrict", "days_past_due", "finance", DAY + datetime.timedelta(days=7)),
                     ("restrict", "run_down", "days_past_due", "finance", DAY + datetime.timedelta(days=120))]
    assert night("active", lawsuits=1)[1] == [("active", "watch", "lawsuit", "legal", DAY + datetime.timedelta(days=14))]
    assert night("watch")[1] == [("watch", "active", "calm", "sales", None)]
    assert night("run_down", exposure=0)[1] == [("run_down", "exit", "settled_up", "legal", None)]


@pytest.mark.parametrize(("state", "days", "expected"), [("watch", 29, "watch"), ("watch", 30, "active"), ("restrict", 89, "restrict"), ("restrict", 90,
 "watch")])
def test_the_cool_down_holds_for_the_least_days(state, days, expected):
    assert night(state, since=days_before(days))[0] == expected


def test_what_is_stricter_waits_for_no_cool_down():
    assert night("watch", since=DAY, days_past_due=60)[0] == "restrict"


def test_a_customer_whose_exposure_nobody_knows_is_held_before_its_run_down():
    done = advance(RULES, state=[PLACE["active"]] * 2, since=[days_before(9)] * 2, facts=GOOD | {"days_past_due": 95, "exposure": [np.nan, 5.0]}, today=DAY)
    assert [STATES[state] for state in done.state] == ["restrict", "run_down"]
    assert done.held.tolist() == [True, False]


def test_nobody_is_eased_while_a_stricter_trigger_fires_even_where_it_cannot_be_followed():
    rules = parse_life_cycle(TEXT.replace(DISPUTE, "fact: disputes, owner: sales, run_down: {enter: 2}}"))
    assert night("restrict", rules=rules, disputes=2, exposure=None) == ("restrict", [])
    assert night("restrict", rules=rules, disputes=1, exposure=None)[0] == "watch"


def test_the_order_of_transitions_in_the_file_decides_nothing():
    ways = [line for line in TEXT.splitlines(keepends=True) if line.startswith("  - {from:")]
    others = iter(ways[::-1])
    rules = parse_life_cycle("".join(next(others) if line in ways else line for line in TEXT.splitlines(keepends=True)))
    for state in STATES:
        for late in (0, 40, 70, 95):
            assert night(state, rules=rules, days_past_due=late) == night(state, days_past_due=late)


def test_a_past_night_is_refused():
    with pytest.raises(RiskError, match="1 of 1 customers came into their state after 2025-06-30: a past night cannot be run again"):
        night("watch", since=DAY + datetime.timedelta(days=1))


def test_playbooks_are_called_for_by_trigger_and_state():
    facts = GOOD | {"days_past_due": [65.0, 65.0, 45.0, 65.0], "in_default": 0}
    called = called_playbooks(RULES, state=np.array([PLACE["restrict"], PLACE["watch"], PLACE["restrict"], PLACE["exit"]]), facts=facts)
    assert {name: rows.tolist() for name, rows in called.items()} == {
        "stop_shipment": [True, False, False, False], "call_guarantee": [True, False, False, False], "file_claim": [False] * 4}


def test_facts_by_hand():
    assert grade_places(["A2", "C", "E1", None]).tolist()[:3] == [1, 3, 5]
    assert np.isnan(grade_places([None])[0])
    assert exposure_to_limit([0, 50, 50, np.nan, 0], [0, 100, 0, 100, np.nan]).tolist()[:3] == [0, 0.5, np.inf]
    assert exposure_to_limit([0], [np.nan])[0] == 0
    assert pd_rise([0.06], [0.02])[0] == pytest.approx(3)


# --- run-down -----------------------------------------------------------------------------------------------------------------


def test_a_run_down_falls_to_zero_by_dates():
    plan = run_down_plan(RULES, 1001, DAY)
    assert plan == [(datetime.date(2025, 7, 30), 750), (datetime.date(2025, 8, 29), 500), (datetime.date(2025, 9, 28), 250), (datetime.date(2025, 10, 28), 0)]
    assert RULES.deadline("run_down", DAY) == plan[-1][0]
    assert [behind_plan(plan, 800, day) for day in (DAY, plan[0][0], plan[1][0])] == [0, 50, 300]
    assert behind_plan(plan, None, plan[0][0]) == 0


# --- people -------------------------------------------------------------------------------------------------------------------


def decide(state, to, **changes):
    given = {"since": days_before(400), "actor": "wang", "today": DAY, "assessed_on": DAY, "exposure": 1000, "opened_by": ()} | changes
    return decide_move(RULES, state=state, to=to, **given)


def test_a_person_moves_with_owner_deadline_and_what_was_shown():
    found = decide("re_entry", "watch", opened_by=("lin",))
    assert (found.reason, found.owner, found.deadline) == ("decided", "sales", DAY + datetime.timedelta(days=14))
    assert found.steps == {"assessment": "2025-06-30", "approval": "wang"}
    assert decide("restrict", "run_down").steps["plan"][-1] == ["2025-10-28", 0]


def test_confirming_a_state_sets_its_deadline_anew_but_no_more_time_for_a_run_down():
    assert decide("watch", "watch").deadline == DAY + datetime.timedelta(days=14)
    assert decide("run_down", "run_down", since=days_before(100)).deadline == days_before(100) + datetime.timedelta(days=120)


@pytest.mark.parametrize(("state", "to", "changes", "message"), [
    ("re_entry", "watch", {"opened_by": ("lin", " Wang ")}, "wang opened or confirmed this case and cannot approve it: nobody approves a case of their own"),
    ("run_down", "restrict", {"opened_by": ("WANG",)}, "nobody approves a case of their own"),
    ("active", "exit", {}, "there is no way from active to exit: a person can move a customer in active to watch or restrict, or confirm active"),
    ("active", "run_down", {}, "there is no way from active to run_down"),
    ("exit", "active", {}, "there is no way from exit to active: a person can move a customer in exit to re_entry"),
    ("watch", "active", {}, "watch to active is taken by the rules alone"),
    ("active", "heaven", {}, "there is no state heaven: use onboarding"),
    ("run_down", "exit", {}, "exposure is 10.00: it can leave only when nothing is owed"),
    ("run_down", "exit", {"exposure": None}, "exposure is not known: it can leave only"),
    ("restrict", "run_down", {"exposure": None}, "exposure is not known, so it cannot be run down by a plan"),
    ("exit", "re_entry", {"assessed_on": None}, "has no score, which this move needs"),
    ("exit", "re_entry", {"assessed_on": days_before(31)}, "needs one of the last 30 days: score it anew"),
    ("exit", "re_entry", {"since": days_before(10)}, "cool-down of exit ends on 2025-12-17"),
    ("re_entry", "watch", {"assessed_on": DAY + datetime.timedelta(days=1)}, "needs one of the last 30 days"),
    ("watch", "restrict", {"since": DAY + datetime.timedelta(days=1)}, "give a later day with --as-of"),
])
def test_a_person_is_refused_with_the_reason(state, to, changes, message):
    with pytest.raises(RiskError, match=message):
        decide(state, to, **changes)


def test_re_entry_wants_a_score_made_after_the_exit():
    short = parse_life_cycle(TEXT.replace("least_days: 180", "least_days: 5"))
    with pytest.raises(RiskError, match="it left on 2025-06-20: re-entry needs a score made after the exit"):
        decide_move(short, state="exit", since=days_before(10), to="re_entry", actor="lin", today=DAY, assessed_on=days_before(10))
    assert decide_move(short, state="exit", since=days_before(10), to="re_entry", actor="lin", today=DAY, assessed_on=days_before(9)).reason == "decided"


# --- properties ---------------------------------------------------------------------------------------------------------------


def drawn(rng, rows):
    """Facts of a night that reach every threshold often, some of them unknown."""
    def some(values):
        return np.where(rng.uniform(size=rows) < 0.1, np.nan, rng.choice(values, rows))

    return {"pd_12m": some([0.01, 0.04, 0.06, 0.1, 0.15, 0.3, 0.6]), "pd_rise": some([0.5, 1, 2.5, 4]), "grade": some([1, 2, 3, 4, 5]),
            "days_past_due": some([0, 0, 0, 10, 40, 70, 95]), "lawsuits": some([0, 0, 0, 1, 2, 4]), "disputes": some([0, 0, 2]), "in_default": some([0, 0, 0,
             1]),
            "bounced_payments": some([0, 0, 1, 3]), "negative_reports": some([0, 0, 1]), "exposure_to_limit": some([0, 0.5, 1.2, 2, 5]),
            "open_lawsuit_amount": some([0, 0, 600_000, 2_000_000]), "exposure": some([0, 0, 500_000]), "approved": some([0, 1])}


CALM_FACTS = {"pd_12m": 0.01, "pd_rise": 1, "grade": 1, "days_past_due": 0, "exposure": 1000}


def walked(rng, rows, nights, facts_of):
    """States and moves of customers, all active first, over consecutive nights: states (nights, n) and the moves of each night."""
    state, since = np.full(rows, PLACE["active"]), np.full(rows, np.datetime64(DAY))
    states, moves = [], []
    for number in range(1, nights + 1):
        done = advance(RULES, state=state, since=since, facts=facts_of(rng, rows), today=DAY + datetime.timedelta(days=number))
        state, since = done.state, done.since
        states.append(state)
        moves.append(done.moves)
    return np.array(states), moves


def stormy(rng, rows):
    """Every night either calm throughout or past a threshold of watch or restrict: as unsteady as facts can be."""
    bad = rng.uniform(size=rows) < rng.uniform()
    return CALM_FACTS | {"days_past_due": np.where(bad, rng.choice([40.0, 70.0], rows), 0.0)}


def adversary(rng, rows):
    """Seldom bad, so that customers are let go as soon as the cool-down allows, and caught again."""
    return CALM_FACTS | {"days_past_due": np.where(rng.uniform(size=rows) < 0.03, 40.0, 0.0)}


@pytest.mark.parametrize("facts_of", [drawn, stormy, adversary])
@pytest.mark.parametrize("seed", [0, 1])
def test_hysteresis_bounds_the_flips_of_a_customer_in_a_year(facts_of, seed):
    rows, year = 300, 365
    _, moves = walked(np.random.default_rng(seed), rows, 2 * year, facts_of)
    flips = np.zeros((2 * year, rows), dtype=int)
    for number, passes in enumerate(moves):
        for one in passes:
            flips[number, one.row] += np.isin(one.to, [PLACE[name] for name in ("active", "watch", "restrict", "run_down")])
    total = np.vstack([np.zeros((1, rows), dtype=int), flips.cumsum(axis=0)])
    most = (total[year:] - total[:-year]).max()
    assert most <= flips_bound(RULES) == 2 * (1 + 364 // 30) + 3
    # The walk is unsteady enough for the bound to mean something.
    assert most >= 3


def test_the_tightest_alternation_comes_close_to_the_bound_and_not_past_it():
    state, since, flips = np.array([PLACE["active"]]), np.array([np.datetime64(DAY)]), 0
    for number in range(1, 366):
        bad = state[0] == PLACE["active"]
        done = advance(RULES, state=state, since=since, facts=CALM_FACTS | {"days_past_due": 40.0 if bad else 0.0}, today=DAY + datetime.timedelta(days=number))
        state, since, flips = done.state, done.since, flips + sum(len(one) for one in done.moves)
    assert flips_bound(RULES) - 8 <= flips <= flips_bound(RULES)


def test_no_path_skips_a_mandatory_step():
    rng, rows = np.random.default_rng(7), 200
    state, since = np.full(rows, PLACE["onboarding"]), np.full(rows, np.datetime64(DAY))
    seen, actors = np.zeros(len(STATES), dtype=int), [()] * rows
    history = [["onboarding"] for _ in range(rows)]
    for number in range(1, 700):
        today = DAY + datetime.timedelta(days=3 * number)
        facts = drawn(rng, rows)
        done = advance(RULES, state=state, since=since, facts=facts, today=today)
        for one in done.moves:
            for row, start, to in zip(one.row, one.start, one.to, strict=True):
                needed = mandatory_steps(STATES[start], STATES[to])
                assert "assessment" not in needed or not np.isnan(facts["pd_12m"][row])
                assert "approval" not in needed or (STATES[start] == "onboarding" and facts["approved"][row] == 1)
                assert "settled" not in needed or facts["exposure"][row] <= 0
                assert "plan" not in needed or not np.isnan(facts["exposure"][row])
                history[row].append(STATES[to])
                actors[row] = ()
        state, since = done.state.copy(), done.since.copy()
        # People try anything, and the rules let through what they may.
        for row in rng.choice(rows, 20, replace=False):
            start, to, actor = STATES[state[row]], str(rng.choice(STATES)), str(rng.choice(["lin", "wang"]))
            assessed = None if np.isnan(facts["pd_12m"][row]) else today - datetime.timedelta(days=int(rng.integers(0, 60)))
            exposure = None if np.isnan(facts["exposure"][row]) else int(facts["exposure"][row])
            try:
                found = decide_move(RULES, state=start, since=since[row].astype(object), to=to, actor=actor, today=today, assessed_on=assessed,
                            exposure=exposure,
                                    opened_by=actors[row])
            except RiskError:
                continue
            actors[row] = (*actors[row], actor) if to == start else (actor,)
            if to != start:
                assert set(mandatory_steps(start, to)) <= set(found.steps)
                assert PERSON in RULES.way(start, to).by
                assert "approval" not in found.steps or actor not in actors[row][:-1]
                if is_softer(start, to):
                    assert (today - since[row].astype(object)).days >= RULES.state(start).least_days
                state[row], since[row] = PLACE[to], np.datetime64(today)
                history[row].append(to)
        seen += np.bincount(state, minlength=len(STATES))
    assert (seen > 0).all()
    for path in history:
        for before, after in zip(path, path[1:], strict=False):
            assert after != "exit" or before == "run_down"
            assert before != "exit" or after == "re_entry"
            assert after != "active" or before in ("onboarding", "watch")
    assert sum("re_entry" in path for path in history) > 10


@pytest.mark.parametrize("seed", range(5))
def test_a_night_run_twice_moves_nobody_the_second_time(seed):
    rng, rows = np.random.default_rng(seed), 2000
    facts = drawn(rng, rows)
    since = np.datetime64(DAY) - rng.integers(0, 200, rows)
    first = advance(RULES, state=rng.integers(0, len(STATES), rows), since=since, facts=facts, today=DAY)
    again = advance(RULES, state=first.state, since=first.since, facts=facts, today=DAY)
    assert sum(map(len, first.moves)) > 100
    assert again.moves == ()
    assert (again.state == first.state).all()
    assert (again.since == first.since).all()


def test_a_book_is_moved_as_its_customers_one_by_one():
    rng, rows = np.random.default_rng(3), 300
    facts, state, since = drawn(rng, rows), rng.integers(0, len(STATES), rows), np.datetime64(DAY) - rng.integers(0, 200, rows)
    whole = advance(RULES, state=state, since=since, facts=facts, today=DAY)
    for row in range(rows):
        alone = advance(RULES, state=state[row : row + 1], since=since[row : row + 1], facts={name: given[row] for name, given in facts.items()}, today=DAY)
        assert alone.state[0] == whole.state[row]
        assert alone.since[0] == whole.since[row]


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.0001, 0.9), st.floats(1.0, 20.0))
def test_a_worse_pd_never_leads_to_a_softer_state(seed, pd_12m, factor):
    rng = np.random.default_rng(seed)
    facts = {name: np.repeat(values, 2) for name, values in drawn(rng, 12).items()}
    worse, reference = min(pd_12m * factor, 0.99), rng.choice([0.005, 0.02, 0.1], 12).repeat(2)
    facts |= {"pd_12m": np.tile([pd_12m, worse], 12), "pd_rise": pd_rise(np.tile([pd_12m, worse], 12), reference)}
    # The grade and the limit follow the PD, as the scale and the policy have them.
    facts |= {"grade": 1 + np.searchsorted([0.005, 0.02, 0.06, 0.2], facts["pd_12m"]), "exposure_to_limit": facts["pd_12m"] * rng.choice([5.0, 20.0],
     12).repeat(2)}
    state, since = rng.integers(0, len(STATES), 12).repeat(2), np.datetime64(DAY) - rng.integers(0, 200, 12).repeat(2)
    done = advance(RULES, state=state, since=since, facts=facts, today=DAY)
    strictness = STRICT[done.state].reshape(12, 2)
    assert (strictness[:, 1] >= strictness[:, 0]).all()
