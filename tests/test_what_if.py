"""What another policy would change, by hand and against the decisions themselves; the loss to expect against closed forms."""
import math
import pathlib

import numpy as np
import pytest

from features.errors import RiskError
from models.forecast import Severity, forecast, severity, within
from models.horizon import MONTH_DAYS
from models.policy import load_policy, parse_policy
from models.probability_tests import shock_variance
from models.what_if import Cases, compare_credit, compare_fraud
from pipeline.what_if_text import diff_lines

FILE = pathlib.Path(__file__).parent.parent / "policy.yaml"
TEXT = FILE.read_text(encoding="utf-8")
OLD = load_policy(FILE)
# Half the expected loss a customer may cost, and automatic bands of A and B that end at half.
NEW = parse_policy(TEXT.replace("loss_budget: 30000\n", "loss_budget: 15000\n").replace("- {from: 0, to: 200000, route: automatic}",
                                                                                      "- {from: 0, to: 100000, route: automatic}")
                   .replace("- {from: 200000, to: 1000000, route: one_person}", "- {from: 100000, to: 1000000, route: one_person}"))
K = 1000 * 100


def cases(**changes):
    """Three customers: the first grows beyond the new automatic band, the second beyond the new loss budget, the third keeps what it has."""
    given = {"customer_id": np.array(["c1", "c2", "c3"]), "probability": np.array([0.002, 0.05, 0.01]), "day": np.zeros(3, dtype=int), "periods": 1,
             "grade": np.array(["A", "C", "B"]), "amount": np.zeros(3, dtype=int), "exposure": np.array([150, 800, 40]) * K,
             "capacity": np.full(3, 50_000.0 * K), "facts": {}}
    return Cases(**{**given, **changes})


def test_three_customers_by_hand():
    found = compare_credit(OLD, NEW, cases(), repeats=50)
    figures = found["figures"]
    # 15,000 / (0.05 x 0.6) = 500,000 instead of 800,000 lent (30,000 allowed a million).
    assert (figures["approve"]["old"], figures["approve"]["new"], figures["reduce"]["new"]) == (3, 2, 1)
    assert figures["granted"]["difference"] == -300 * K
    assert figures["expected_loss"]["difference"] == pytest.approx(-300 * K * 0.05 * 0.6)
    assert figures["workload.automatic"]["old"] == pytest.approx(MONTH_DAYS / 365 + MONTH_DAYS / 182)
    assert figures["workload.automatic"]["difference"] == pytest.approx(-MONTH_DAYS / 365)
    assert figures["workload.one_person"]["difference"] == pytest.approx(MONTH_DAYS / 365)
    moves = {(tuple(move["from"]), tuple(move["to"])): move for move in found["moves"]}
    assert set(moves) == {(("approve", "automatic"), ("approve", "one_person")), (("approve", "two_persons"), ("reduce", "two_persons"))}
    signed, reduced = moves[("approve", "automatic"), ("approve", "one_person")], moves[("approve", "two_persons"), ("reduce", "two_persons")]
    assert (signed["because"], signed["granted"]) == ({"route.exposure": 1}, 0)
    assert (reduced["because"], reduced["granted"]) == ({"limit.expected_loss": 1}, -300 * K)
    assert [mover["customer_id"] for mover in found["movers"]] == ["c2", "c3", "c1"]
    assert found["movers"][0]["granted"] == [800 * K, 500 * K]


def test_the_comparison_is_told_in_words_a_manager_would_use():
    sides = {name: compare_credit(OLD, NEW, cases(), repeats=20) | {"first": first, "last": "2024-12-31"}
             for name, first in (("book", "2024-12-31"), ("history", "2024-06-30"))}
    lines = diff_lines({"use_case": "default", "old": {"path": "policy.yaml", "hash": OLD.hash}, "new": {"path": "new.yaml", "hash": NEW.hash},
                        "currency": "CNY", "forecast": None, **sides})
    assert "          1  approved automatically -> approved by one person: The exposure after it decides who signs (1)" in lines
    assert [line for line in lines if "who moves" in line and "rules" in line] == [
        "  who moves, and by which rules of the new policy", "  who moves (cases of all days together), and by which rules of the new policy"]


def test_both_sides_take_the_new_policys_loss_given_default_and_the_page_says_what_the_old_one_would_expect():
    hopeful = parse_policy(TEXT.replace("loss_given_default: 0.6", "loss_given_default: 0.3"))
    about = {"use_case": "default", "old": {"path": "a", "hash": OLD.hash}, "new": {"path": "b", "hash": hopeful.hash}, "currency": "CNY", "forecast": None}
    sides = {name: compare_credit(OLD, hopeful, cases(), repeats=20) | {"first": "", "last": ""} for name in ("book", "history")}
    assert sides["book"]["loss_given_default"] == {"old": 0.6, "new": 0.3}
    # 150,000 x 0.002 + 800,000 x 0.05 + 40,000 x 0.01 are 40,700; the limits are the same.
    assert sides["book"]["figures"]["expected_loss"]["old"] == pytest.approx(40_700 * 100 * 0.3)
    assert sum(line.endswith("by its own, 0.6, the old policy expects CNY 24,420") for line in diff_lines({**about, **sides})) == 2
    same = {name: compare_credit(OLD, NEW, cases(), repeats=20) | {"first": "", "last": ""} for name in ("book", "history")}
    assert not any("loss given default" in line for line in diff_lines({**about, **same}))


def test_a_policy_against_itself_moves_nobody():
    found = compare_credit(OLD, OLD, cases(), repeats=20)
    assert (found["moves"], found["movers"]) == ([], [])
    assert {(figure["difference"], figure["low"], figure["high"]) for figure in found["figures"].values()} == {(0, 0, 0)}


def test_observed_loss_is_of_what_would_have_been_granted_and_sums_are_of_one_book():
    found = compare_credit(OLD, NEW, cases(loss_rate=np.array([0.0, 0.5, 0.0]), periods=2), repeats=20)
    assert found["figures"]["observed_loss"]["old"] == 800 * K * 0.5 / 2
    assert found["figures"]["observed_loss"]["new"] == 500 * K * 0.5 / 2


def test_requests_of_a_day_share_the_budget():
    many = {"customer_id": np.arange(60), "probability": np.full(60, 0.003), "day": np.zeros(60, dtype=int), "periods": 1, "grade": np.full(60, "A"),
            "amount": np.full(60, 90 * K), "exposure": np.zeros(60, dtype=int), "capacity": np.full(60, 50_000.0 * K)}
    tight = parse_policy(TEXT.replace("daily_loss_budget: 50000", "daily_loss_budget: 1000"))
    found = compare_credit(OLD, tight, Cases(**many), repeats=20)
    # 90,000 x 0.003 x 0.6 = 162 a case: six fit into 1,000.
    assert found["moves"] == [{"from": ["approve", "automatic"], "to": ["approve", "one_person"], "cases": 54, "customers": 54, "granted": 0,
                               "expected_loss": 0, "because": {"route.amount": 54, "route.daily_loss_budget": 54}}]


def test_an_interval_counts_customers_not_rows():
    once = cases()
    columns = ("customer_id", "probability", "day", "grade", "amount", "exposure", "capacity")
    often = Cases(**{name: np.tile(getattr(once, name), 9) for name in columns}, periods=9)
    one, nine = (compare_credit(OLD, NEW, each, repeats=200)["figures"]["granted"] for each in (once, often))
    assert nine == pytest.approx(one)
    assert one["low"] < one["difference"] < one["high"]


def test_policies_of_two_currencies_are_not_compared():
    with pytest.raises(RiskError, match="the old policy is in CNY, the new one in EUR: convert one of them"):
        compare_credit(OLD, parse_policy(TEXT.replace("currency: CNY", "currency: EUR")), cases())


def test_fraud_by_hand():
    lower = parse_policy(TEXT.replace("block_at: 0.50", "block_at: 0.30"))
    given = Cases(np.array(["a", "a", "b"]), np.array([0.4, 0.01, 0.9]), np.zeros(3, dtype=int), 0.5, amount=np.array([100, 200, 300]),
                  loss_rate=np.array([1.0, 1.0, 0.0]))
    figures = compare_fraud(OLD, lower, given, repeats=20)["figures"]
    assert (figures["block"]["old"], figures["block"]["new"]) == (2, 4)
    assert figures["wrong_block"]["difference"] == pytest.approx(0.6 / 0.5)
    assert figures["expected_loss"]["new"] == figures["expected_loss"]["old"] == pytest.approx(2 / 0.5)
    assert figures["observed_loss"]["old"] == 400


def test_a_constant_hazard_compounds():
    assert within([0.19], 6)[0] == pytest.approx(0.1)
    assert within([0.1], 24, horizon_months=12)[0] == pytest.approx(0.19)


def simulated_deviation(**how):
    found = forecast(np.full(2000, 0.03), np.ones(2000), Severity(1.0), repeats=4000, level=math.erf(1 / math.sqrt(2)), **how)["loss"]
    return (found["high"] - found["low"]) / 2, found["expected"]


@pytest.mark.parametrize(("correlation", "behind"), [(0.0, None), (0.02, None), (0.0, 50.0), (0.02, 50.0)])
def test_the_forecasts_spread_is_chance_and_the_common_factor_and_the_pds_own_error(correlation, behind):
    variance = 2000 * 0.03 * 0.97 + 2000 ** 2 * shock_variance(0.03, correlation) + (0 if behind is None else 60.0 ** 2 / behind)
    deviation, expected = simulated_deviation(asset_correlation=correlation, estimated_from=behind)
    assert expected == pytest.approx(60)
    assert deviation == pytest.approx(math.sqrt(variance), rel=0.1)


def test_severity_is_all_losses_over_all_exposures_and_its_draws_have_that_mean():
    rng = np.random.default_rng(1)
    exposure = rng.integers(1, 100, 400).astype(float)
    loss = exposure * rng.choice([0.1, 0.9], 400)
    exposure[:20], loss[20] = 0.0, np.nan
    found = severity(loss, exposure, np.arange(400), assumed=0.6)
    known = np.arange(400) != 20
    assert found.rate == pytest.approx(loss[known].sum() / exposure[known].sum())
    assert found.pool @ found.weights == pytest.approx(found.rate)
    assert 0 < found.se < 0.2


def test_few_losses_leave_the_policys_assumption():
    few = severity([5.0, 6.0], [10.0, 10.0], ["a", "b"], assumed=0.6)
    assert (few.rate, few.se, len(few.pool)) == (0.6, 0.0, 0)
