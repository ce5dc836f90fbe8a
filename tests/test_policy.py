"""The policy file refused for every gap, overlap and unknown word; decisions that harden with risk; one row as in a book."""
import json
import pathlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import RiskError
from models.facts import FACTS, PD, STOP_FIELDS
from models.policy import ACTIONS, FRAUD_ACTIONS, budget_spent, decide_book, decide_fraud, decide_one, load_policy, parse_policy, queue_ahead, spent_before
from models.policy_file import PROFILES, ROUTES

FILE = pathlib.Path(__file__).parent.parent / "policy.yaml"
TEXT = FILE.read_text(encoding="utf-8")
POLICY = load_policy(FILE)
K = 1000 * 100  # a thousand units of currency in minor units


def test_comments_and_order_do_not_change_the_hash_and_numbers_do():
    assert parse_policy(TEXT.replace("# From score", "# from score").replace("deposit_share: 0.0", "deposit_share: 0")).hash == POLICY.hash
    assert parse_policy(TEXT.replace("loss_budget: 30000", "loss_budget: 30001")).hash != POLICY.hash


@pytest.mark.parametrize(("old", "new", "near", "field", "reason"), [
    ("- {from: 200000, to: 1000000, route: one_person}", "- {from: 250000, to: 1000000, route: one_person}", "from: 200000, to: 1000000",
     r"approval\[0\].amount\[1\].from", "gap between 200000 and 250000"),
    ("- {from: 200000, to: 1000000, route: one_person}", "- {from: 150000, to: 1000000, route: one_person}", "from: 200000, to: 1000000",
     r"approval\[0\].amount\[1\].from", "overlap between 200000 and 150000"),
    ("- {from: 20000, to: 200000, route: one_person}", "- {from: 20000, to: 200000, route: nobody}", "from: 20000, to: 200000",
     r"approval\[2\].amount\[1\].route", "route nobody is unknown"),
    ("- {from: 5000000, to: null, route: committee}", "- {from: 5000000, to: 9000000, route: committee}", "from: 5000000, to: null",
     r"approval\[0\].amount\[3\].to", "the last band must end at null"),
    ("    - grades: [B]\n", "    - grades: [A, B]\n", "approval:", "default.approval", r"grade A stands in two entries \(overlap\)"),
    ("    - grades: [B]\n", "    - grades: [F]\n", "approval:", "default.approval", "grade F is unknown"),
    ("- {grades: [E], payment_days: 0, ", "- {grades: [], payment_days: 0, ", "terms:", "default.terms", r"grade E is in no entry \(gap\)"),
    ("payment_days: 15", "payment_days: 31", "payment_days: 15", r"default.terms\[3\].payment_days", "is softer for grade D than for C"),
    ("D: 500000, E: 100000", "D: 500000, E: 600000", "ceiling:", "default.limits.ceiling", "must not rise from a better to a worse grade"),
    ("{A: 0.10,", "{A: .nan,", "capacity_share:", "default.limits.capacity_share", "must be numbers of 0 or more"),
    ("loss_given_default: 0.6", "loss_given_default: 1.6", "loss_given_default: 0.6", "default.limits.loss_given_default", "at most 1"),
    ("review_at: 0.02", "review_at: 0.6", "review_at:", "fraud.review_at", "review_at < block_at"),
    ("daily_capacity: 50", "daily_capacity: fifty", "daily_capacity:", "fraud.daily_capacity", "expected `int`, got `str`"),
    ("daily_capacity: 50", "daily: 50", "fraud:", "fraud", "unknown field `daily`|missing required field"),
    ("{name: automatic, authority: 200000}", "{name: automatic, authority: 0}", "from: 0, to: 200000", "exposure.*to", "reaches beyond the 0 that automatic"),
    ("{name: automatic, authority: 200000}", "{name: automatic, authority: -1}", "{name: automatic", r"routes\[0\].authority", "expected `int` >= 0"),
    ("currency: CNY", "currency: yuan", "currency:", "currency", "yuan is no currency code"),
    ("ceiling: {A: 20000000, B: 10000000", "ceiling: {A: 20000000, B: 10000000 USD", "ceiling:", "default.limits.ceiling.B",
     "is in USD, and the file in CNY: convert it, a policy has one currency"),
    ("{name: one_person, authority: 1000000}", "{name: one_person, authority: EUR 1000000}", "name: one_person", r"routes\[1\].authority", "is in EUR"),
    ("    loss_given_default: 0.6", "    currency: EUR\n    loss_given_default: 0.6", "loss_given_default: 0.6", "default.limits.currency", "is in EUR"),
    ("profile: trade_credit", "profile: barter", "profile:", "profile", "profile barter is unknown; use trade_credit, lending, fraud_review"),
    ("profile: trade_credit", "profile: lending", "grades: [A], payment_days", r"terms\[0\]", "profile lending needs term_months"),
    ("payment_days: 60,", "payment_days: 60, term_months: 12,", "grades: [A], payment_days", r"terms\[0\].term_months", "repays in one payment"),
    ("daily_loss_budget: 50000", "daily_loss_budget: -1", "daily_loss_budget:", "default.daily_loss_budget", "expected `int` >= 0"),
    ("name: days_past_due_30", "name: days_past_due_90", "field: days_past_due, at_least: 30", r"hard_stops\[2\].name", "names an earlier hard stop too"),
    ("field: in_default", "field: in_defualt", "name: in_default", r"hard_stops\[0\].field", "in_defualt is not known of a customer; use days_past_due"),
    ("at_least: 90", "at_least: .nan", "name: days_past_due_90", r"hard_stops\[1\].at_least", "must be a finite number"),
    ("then: committee", "then: prison", "name: open_lawsuit", r"hard_stops\[3\].then", "prison is unknown"),
    ("{name: committee, authority: null}", "{name: committee, authority: 9}", "routes:", "default.routes", "authority must rise"),
    ("{name: two_persons, authority: 5000000}", "{name: two_persons, authority: 4000000}", "from: 1000000, to: 5000000", "exposure.*to",
     "reaches beyond the 4000000 that two_persons may sign for"),
])
def test_a_faulty_file_is_refused_with_line_field_and_reason(old, new, near, field, reason):
    assert old in TEXT
    with pytest.raises(RiskError, match=f"policy.yaml line [0-9]+, field .*{field}.*: .*({reason})") as raised:
        parse_policy(TEXT.replace(old, new, 1))
    line = int(str(raised.value).split("line ")[1].split(",")[0])
    # Bands repeat in the file; the field says which is meant, the line must be one of theirs.
    assert line in [number for number, text in enumerate(TEXT.splitlines(), 1) if near in text]


def test_an_amount_may_say_the_currency_of_the_file():
    said = TEXT.replace("loss_budget: 30000", "loss_budget: 30000 CNY").replace("    loss_given_default", "    currency: CNY\n    loss_given_default")
    assert parse_policy(said).hash == POLICY.hash


def test_a_file_from_before_profiles_and_budgets_keeps_its_hash_by_saying_nothing_of_them():
    before = "".join(line for line in TEXT.splitlines(keepends=True) if not line.startswith(("profile:", "  daily_loss_budget:")))
    assert parse_policy(before).hash == "c4154d3c02a844c16e938dfdcfe4159b3d530136005ec985436ab3ac2e57feb3"
    assert parse_policy(before).spec.default.daily_loss_budget is None


@pytest.mark.parametrize("profile", PROFILES)
def test_a_shipped_profile_is_valid_and_the_default_policy_is_one(profile):
    shipped = FILE.parent / "policies" / f"{profile}.yaml"
    assert load_policy(shipped, PROFILES[profile]).spec.profile == profile
    assert (FILE.read_text() == shipped.read_text()) == (profile == "trade_credit")


def test_a_policy_without_a_section_decides_nothing_of_it():
    desk = load_policy(FILE.parent / "policies" / "fraud_review.yaml")
    with pytest.raises(RiskError, match="a fraud_review policy without the section default cannot decide this; add the section, or choose a profile"):
        decide_one(desk, grade="A", pd_12m=0.01)
    with pytest.raises(RiskError, match="without the section default"):
        load_policy(FILE.parent / "policies" / "fraud_review.yaml", "default")
    credit_only = parse_policy(TEXT[:TEXT.index("fraud:")])
    with pytest.raises(RiskError, match="without the section fraud"):
        decide_fraud(credit_only, [0.1])
    with pytest.raises(RiskError, match="field profile: profile fraud_review needs the section fraud; add it"):
        parse_policy(TEXT[:TEXT.index("fraud:")].replace("trade_credit", "fraud_review"))


def test_a_loan_has_a_term_and_an_invoice_none():
    lending = load_policy(FILE.parent / "policies" / "lending.yaml")
    assert decide_one(lending, grade="B", pd_12m=0.01).term_months == 48
    assert decide_one(POLICY, grade="B", pd_12m=0.01).term_months == 0


def test_a_worse_grade_approved_more_softly_is_refused():
    softer = TEXT.replace("- {from: 0, to: 50000, route: one_person}", "- {from: 0, to: 50000, route: automatic}", 1)
    with pytest.raises(RiskError, match="from 20000 on, grade D is approved more softly than C"):
        parse_policy(softer)


@pytest.mark.parametrize(("text", "message"), [
    ("", "line 1, field the file: .*missing required field"),
    ("a: [", "line 1: .*correct the YAML"),
    (TEXT + "\nversion: 1\n", "version is given twice"),
    (TEXT.replace("version: 1", "version: 2", 1), "version 2 is unknown"),
    ("a: &x {b: *x}", "aliases are not allowed"),
    ("? [a, b]\n: c", "a key must be a word"),
])
def test_unreadable_text_is_refused(text, message):
    with pytest.raises(RiskError, match=message):
        parse_policy(text)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RiskError, match="policy.yaml cannot be read"):
        load_policy(tmp_path / "policy.yaml")


@pytest.mark.parametrize(("asked", "action", "route", "limit"), [
    ({"grade": "A", "pd_12m": 0.002, "amount": 100 * K, "capacity": 50_000 * K}, "approve", "automatic", 100 * K),
    ({"grade": "A", "pd_12m": 0.002, "amount": 200 * K, "capacity": 50_000 * K}, "approve", "one_person", 200 * K),
    ({"grade": "A", "pd_12m": 0.002, "amount": 10 * K, "exposure": 990 * K, "capacity": 50_000 * K}, "approve", "two_persons", 1000 * K),
    # Capacity bounds: 5 % of 1 million.
    ({"grade": "C1", "pd_12m": 0.02, "amount": 60 * K, "capacity": 1000 * K}, "reduce", "one_person", 50 * K),
    # Expected loss bounds: 30,000 / (0.25 x 0.6) = 200,000, but E's ceiling of 100,000 is lower.
    ({"grade": "E", "pd_12m": 0.25, "amount": 150 * K, "capacity": 90_000 * K}, "reduce", "committee", 100 * K),
    ({"grade": "D", "pd_12m": 0.10, "amount": 600 * K, "capacity": 90_000 * K}, "reduce", "committee", 500 * K),
    # Nothing known of the customer: 10 % of half a million.
    ({"grade": "A", "pd_12m": 0.002, "amount": 60 * K}, "reduce", "automatic", 50 * K),
    ({"grade": "B", "pd_12m": 0.01}, "approve", "automatic", 0),
    ({"grade": "B", "pd_12m": 0.01, "amount": 10 * K, "capacity": 0}, "decline", "automatic", 0),
    ({"grade": "A", "pd_12m": 0.002, "amount": 10 * K, "facts": {"in_default": 1}}, "decline", "committee", 0),
    ({"grade": "A", "pd_12m": 0.002, "amount": 10 * K, "facts": {"days_past_due": 30}}, "approve", "two_persons", 10 * K),
])
def test_worked_decisions(asked, action, route, limit):
    found = decide_one(POLICY, **asked)
    assert (found.action, found.route, found.limit) == (action, route, limit)


def test_terms_and_reasons_follow_the_rules_that_decided():
    found = decide_one(POLICY, grade="C2", pd_12m=0.03, amount=10 * K, exposure=60 * K, facts={"open_lawsuit_amount": 2e6, "days_past_due": 0})
    assert (found.payment_days, found.deposit_share, found.guarantee, found.review_days) == (30, 0.1, False, 91)
    assert found.reasons == ("route.exposure", "limit.capacity", "stop.open_lawsuit")


def test_a_missing_fact_does_what_the_file_says():
    strict = parse_policy(TEXT.replace("then: committee, if_missing: pass", "then: committee, if_missing: two_persons"))
    found = decide_one(strict, grade="A", pd_12m=0.002, amount=10 * K)
    assert found.route == "two_persons"
    assert "stop_unknown.open_lawsuit" in found.reasons


def book(rows=400, seed=0):
    rng = np.random.default_rng(seed)
    return {"grade": rng.choice(["A1", "A2", "B", "C", "D1", "E"], rows), "pd_12m": rng.uniform(0.0005, 0.4, rows), "amount": rng.integers(0, 2000, rows) * K,
            "exposure": rng.integers(0, 3000, rows) * K, "capacity": np.where(rng.uniform(size=rows) < 0.3, np.nan, rng.uniform(0, 1e6, rows) * K),
            "facts": {"days_past_due": rng.choice([np.nan, 0.0, 40.0, 100.0], rows)}}


def test_one_customer_is_decided_as_in_a_book():
    asked = book()
    decided = decide_book(POLICY, **asked)
    facts = asked.pop("facts")["days_past_due"]
    for i in range(400):
        alone = decide_one(POLICY, **{name: values[i] for name, values in asked.items()}, facts={"days_past_due": facts[i]})
        assert alone == decided.one(i)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 4), st.integers(0, 4), st.floats(0.0002, 0.5), st.floats(1.0, 3.0), st.integers(0, 10**9), st.integers(0, 10**9),
       st.one_of(st.none(), st.floats(0, 1e10)))
def test_a_worse_pd_never_gets_a_softer_decision_nor_a_limit_beyond_authority(first, second, pd_12m, factor, amount, exposure, capacity):
    better, worse = (decide_one(POLICY, grade="ABCDE"[g], pd_12m=p, amount=amount, exposure=exposure, capacity=capacity)
                     for g, p in ((min(first, second), pd_12m), (max(first, second), min(pd_12m * factor, 0.99))))
    assert ACTIONS.index(worse.action) >= ACTIONS.index(better.action)
    assert ROUTES.index(worse.route) >= ROUTES.index(better.route)
    assert worse.limit <= better.limit
    assert worse.risk_limit <= better.risk_limit
    assert (worse.payment_days, worse.review_days) <= (better.payment_days, better.review_days)
    assert worse.deposit_share >= better.deposit_share
    authority = POLICY.spec.default.routes[ROUTES.index(worse.route)].authority
    assert authority is None or worse.limit <= authority * 100


def drawn_bands(authority, share, softest):
    """Bands of the routes from `softest` on, each up to a share of its authority."""
    found, start = [], 0
    for name, most in [*zip(ROUTES, authority, strict=False)][softest:]:
        if int(most * share) > start:
            found.append({"from": start, "to": int(most * share), "route": name})
            start = int(most * share)
    return [*found, {"from": start, "to": None, "route": ROUTES[-1]}]


def falling(values):
    """By grade, from the largest to the smallest."""
    return dict(zip("ABCDE", sorted(values.tolist(), reverse=True), strict=True))


def drawn_policy(rng):
    """A valid policy of drawn bands, authorities, limits, terms, hard stops and budget: every rule hardens with the grade by construction."""
    authority = sorted(int(value) for value in rng.integers(1, 3000, 3) * 1000)
    routes = [*zip(ROUTES[:3], authority, strict=True), (ROUTES[3], None)]
    shares, softest = np.sort(rng.uniform(0.05, 1, 5))[::-1], np.sort(rng.integers(0, 4, 5))
    approval = [{"grades": [letter], "amount": bands, "exposure": bands}
                for letter, bands in zip("ABCDE", (drawn_bands(authority, *each) for each in zip(shares, softest, strict=True)), strict=True)]
    days, deposits = sorted(rng.integers(0, 90, 5).tolist())[::-1], sorted(rng.uniform(0, 1, 5).tolist())
    reviews, secured = sorted(rng.integers(1, 400, 5).tolist())[::-1], sorted(rng.integers(0, 2, 5).tolist())
    terms = [{"grades": [letter], "payment_days": days[k], "deposit_share": deposits[k], "guarantee": bool(secured[k]), "review_days": reviews[k]}
             for k, letter in enumerate("ABCDE")]
    fields = rng.choice(STOP_FIELDS, rng.integers(0, 4))
    stops = [{"name": f"stop{k}", "field": str(field), "at_least": float(rng.uniform(0.01, 0.5) if field == PD else rng.integers(1, 100)),
              "then": str(rng.choice(["decline", *ROUTES])), "if_missing": str(rng.choice(["pass", "decline", *ROUTES]))} for k, field in enumerate(fields)]
    limits = {"loss_given_default": float(rng.uniform(0.05, 1)), "loss_budget": int(rng.integers(100, 50000)),
              "capacity_share": falling(rng.uniform(0, 0.5, 5)), "ceiling": falling(rng.integers(0, 5_000_000, 5)),
              "unknown_capacity": int(rng.integers(0, 10**6)),
              "round_to": int(rng.choice([1, 100, 1000]))}
    budget = None if rng.uniform() < 0.3 else int(rng.integers(0, 20000))
    default = {"routes": [{"name": name, "authority": most} for name, most in routes], "approval": approval, "limits": limits, "terms": terms,
               "hard_stops": stops, "daily_loss_budget": budget}
    return parse_policy(json.dumps({"version": 1, "currency": "CNY", "default": default}))


def drawn_customers(rng, rows=200):
    """Two customers a row, alike but for the second's PD and grade, which are no better."""
    first, second = np.sort(rng.integers(0, 5, (2, rows)), axis=0)
    low = rng.uniform(0.0002, 0.4, rows)
    same = {"amount": rng.integers(0, 3000, rows) * 100_000, "exposure": rng.integers(0, 3000, rows) * 100_000,
            "capacity": np.where(rng.uniform(size=rows) < 0.3, np.nan, rng.uniform(0, 1e10, rows)),
            "facts": {name: rng.choice([np.nan, 0.0, 5.0, 50.0, 200.0], rows) for name in FACTS}}
    grades = np.array(list("ABCDE"))
    return same, (grades[first], low), (grades[second], np.minimum(low * rng.uniform(1, 4, rows), 0.99))


def assert_no_softer(worse, better):
    """Row by row: action, route, limits and terms of `worse` are at least as strict."""
    for name, sign in (("action", 1), ("route", 1), ("limit", -1), ("risk_limit", -1), ("payment_days", -1), ("term_months", -1), ("deposit_share", 1),
                       ("guarantee", 1), ("review_days", -1)):
        assert (sign * getattr(worse, name).astype(float) >= sign * getattr(better, name).astype(float)).all(), name


@pytest.mark.parametrize("seed", range(60))
def test_whatever_the_policy_a_worse_pd_is_never_decided_more_softly_beside_any_spent_budget(seed):
    rng = np.random.default_rng(seed)
    policy = drawn_policy(rng)
    same, *sides = drawn_customers(rng)
    spent = rng.integers(0, 2 * 10**6, 200)
    better, worse = (decide_book(policy, grade=grade, pd_12m=p, **same, spent=spent) for grade, p in sides)
    assert_no_softer(worse, better)


@pytest.mark.parametrize("seed", range(60))
def test_whatever_the_policy_what_is_granted_lies_within_the_authority_of_who_signs(seed):
    rng = np.random.default_rng(seed)
    policy = drawn_policy(rng)
    same, (grade, p), _ = drawn_customers(rng)
    decided = decide_book(policy, grade=grade, pd_12m=p, **same)
    authority = np.array([np.inf if route.authority is None else route.authority * 100.0 for route in policy.spec.default.routes])
    assert (decided.limit <= authority[decided.route]).all()
    assert (decided.limit <= decided.risk_limit).all()


@pytest.mark.parametrize("seed", range(60))
def test_whatever_the_policy_no_hard_stop_is_skipped_and_each_is_among_the_reasons(seed):
    rng = np.random.default_rng(seed)
    policy = drawn_policy(rng)
    same, (grade, p), _ = drawn_customers(rng)
    decided = decide_book(policy, grade=grade, pd_12m=p, **same)
    for stop in policy.spec.default.hard_stops:
        value = p if stop.field == PD else same["facts"][stop.field]
        for code, fires, then in (("stop", value >= stop.at_least, stop.then), ("stop_unknown", np.isnan(value), stop.if_missing)):
            if then == "pass":
                continue
            assert (decided.causes[f"{code}.{stop.name}"] == fires).all()
            assert (decided.route[fires] >= (3 if then == "decline" else ROUTES.index(then))).all()
            assert then != "decline" or (decided.limit[fires] == 0).all() and (decided.action[fires] == 2).all()


def day_book(rng, rows=300):
    """Requests of three days, of few amounts and PDs, so that ties come up."""
    place = rng.integers(0, 3, rows)
    return rng.integers(0, 3, rows), {"grade": np.array(list("ABC"))[place], "pd_12m": np.array([0.002, 0.01, 0.03])[place] * rng.choice([1.0, 1.5], rows),
                                      "amount": rng.integers(0, 30, rows) * K, "exposure": rng.integers(0, 30, rows) * K,
                                      "capacity": rng.choice([500, 5000, 50_000], rows) * K}


BUDGETED = parse_policy(TEXT.replace("daily_loss_budget: 50000", "daily_loss_budget: 2000"))


@pytest.mark.parametrize("seed", range(10))
def test_a_day_decided_at_once_and_one_by_one_agree_and_stay_within_the_budget(seed):
    day, asked = day_book(np.random.default_rng(seed))
    decided = decide_book(BUDGETED, **asked, spent=spent_before(BUDGETED, day, **asked))
    taken = budget_spent(BUDGETED, decided, pd_12m=asked["pd_12m"], exposure=asked["exposure"])
    assert (np.bincount(day, weights=taken) <= 2000 * 100).all()
    assert decided.causes["route.daily_loss_budget"].any()
    worth = np.ceil(asked["pd_12m"] * 0.6 * asked["amount"])
    so_far = np.zeros(3, dtype=int)
    for i in np.lexsort((asked["pd_12m"], worth)):
        row = {name: values[i] for name, values in asked.items()}
        alone = decide_one(BUDGETED, **row, spent=so_far[day[i]])
        assert alone == decided.one(i)
        if alone.route == "automatic":
            so_far[day[i]] += int(np.ceil(row["pd_12m"] * 0.6 * max(alone.limit - row["exposure"], 0)))


@pytest.mark.parametrize("seed", range(10))
def test_a_worse_pd_within_a_day_is_never_decided_more_softly(seed):
    rng = np.random.default_rng(seed)
    day, asked = day_book(rng)
    before = decide_book(BUDGETED, **asked, spent=spent_before(BUDGETED, day, **asked))
    for i in rng.choice(300, 40, replace=False):
        grade, pd_12m = asked["grade"].copy(), asked["pd_12m"].copy()
        grade[i], pd_12m[i] = rng.choice(list("ABCDE"[" ABCDE".index(grade[i]) - 1:])), pd_12m[i] * rng.uniform(1, 3)
        changed = {**asked, "grade": grade, "pd_12m": pd_12m}
        after = decide_book(BUDGETED, **changed, spent=spent_before(BUDGETED, day, **changed))
        assert ROUTES.index(after.one(i).route) >= ROUTES.index(before.one(i).route)
        assert after.one(i).limit <= before.one(i).limit


def test_a_pd_so_bad_that_little_is_granted_does_not_pass_where_a_better_one_goes_to_a_person():
    tight = parse_policy(TEXT.replace("daily_loss_budget: 50000", "daily_loss_budget: 20").replace("loss_budget: 30000", "loss_budget: 30"))
    asked = {"amount": 18 * K, "capacity": 50_000 * K}
    # Expected loss of what is granted: 18,000 x 0.002 x 0.6 = 21.6, and 1,000 x 0.03 x 0.6 = 18, which would fit.
    better, worse = (decide_one(tight, grade=grade, pd_12m=p, **asked) for grade, p in (("A", 0.002), ("C", 0.03)))
    assert (better.limit, worse.limit) == (18 * K, 1 * K)
    assert (better.route, worse.route) == ("one_person", "one_person")


def test_the_smallest_expected_losses_of_a_day_pass_and_the_others_go_to_a_person():
    asked = {"grade": ["A"] * 4, "pd_12m": [0.002, 0.002, 0.004, 0.002], "amount": np.array([100, 50, 100, 100]) * K, "capacity": 50_000 * K}
    tight = parse_policy(TEXT.replace("daily_loss_budget: 50000", "daily_loss_budget: 200"))
    # 120, 60 and 240 units of expected loss; the fourth is of another day.
    spent = spent_before(tight, [1, 1, 1, 2], **asked)
    assert spent.tolist() == [6000, 0, 18000, 0]
    decided = decide_book(tight, **asked, spent=spent)
    assert [decided.one(i).route for i in range(4)] == ["automatic", "automatic", "one_person", "automatic"]
    assert "route.daily_loss_budget" in decided.reasons(2)
    assert decide_one(tight, grade="A", pd_12m=0.002, spent=10**9).route == "automatic"


@pytest.mark.parametrize(("change", "message"), [
    ({"grade": "F"}, "grade F is unknown"), ({"grade": ""}, "grade  is unknown"), ({"pd_12m": float("nan")}, "pd_12m of 1 of 1 rows must lie between"),
    ({"pd_12m": 1.0}, "pd_12m of 1 of 1 rows"), ({"amount": -1}, "amount of 1 of 1 rows must be 0 or more"),
    ({"amount": 10**18}, "amount of 1 of 1 rows must be 0 or more and at most 1e"), ({"spent": -1}, "spent of 1 of 1 rows must be 0 or more"),
    ({"exposure": float("nan")}, "exposure of 1 of 1 rows"), ({"amount": None}, "amount of 1 of 1 rows"),
])
def test_undecidable_rows_are_refused(change, message):
    with pytest.raises(RiskError, match=message):
        decide_one(POLICY, **({"grade": "A", "pd_12m": 0.01} | change))


def test_fraud_is_blocked_reviewed_while_there_is_capacity_and_passed():
    p_fraud = [0.9, 0.5, 0.49, 0.02, 0.0199]
    assert [FRAUD_ACTIONS[a] for a in decide_fraud(POLICY, p_fraud)] == ["block", "block", "review", "review", "pass"]
    assert decide_fraud(POLICY, [0.3, 0.9], ahead=[50, 50]).tolist() == [0, 2]


def test_the_queue_is_by_risk_within_each_day_and_blocked_ones_need_no_reviewer():
    assert queue_ahead(POLICY, [0.1, 0.9, 0.3, 0.3, 0.2], [1, 1, 1, 1, 2]).tolist() == [2, 0, 0, 1, 0]


@pytest.mark.parametrize("p_fraud", [[-0.1], [1.1], [float("nan")]])
def test_a_fraud_probability_must_be_one(p_fraud):
    with pytest.raises(RiskError, match="p_fraud of 1 of 1 rows must lie between 0 and 1"):
        decide_fraud(POLICY, p_fraud)
