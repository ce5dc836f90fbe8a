"""The benchmark of policies: its family, its accounts by worked books, what all branches share, and its figures over seeds."""

import copy
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from benchmarks.policies import COMPARED, READINGS, differences, figures, margins, total
from benchmarks.policy_accounts import (
    CASE_COSTS,
    NONE,
    Account,
    best,
    business,
    factors,
    gain_error,
    mean_interval,
    open_at_default,
    replayed,
    reviewed,
    usual_exposure,
)
from benchmarks.policy_branches import DECIDED, STANDING, Branch, by_what_is_decided, stepped
from benchmarks.policy_family import PUBLISHED, candidates, decide
from benchmarks.policy_learning import SCORECARD, TREES, dealt, read_by_trees
from features.tables import TABLES
from models.policy import ACTIONS, load_policy
from models.policy_file import ROUTES, read_spec
from models.sample import IN_SAMPLE, UNUSED
from models.scoring import encode, raw_scores
from pipeline.params import load_params
from pipeline.sources.simulated import Portfolio, Settings
from serving.standing import standing_catalogue
from tests.small_bundle import bundle, columns

ROOT = Path(__file__).parent.parent
FAMILY = candidates(read_spec(ROOT / "policy.yaml"))
SPRING, SUMMER, AUTUMN = (pd.Timestamp(f"2019-{day} 23:59:59") for day in ("03-31", "06-30", "09-30"))


def book(rows=400, *, seed=0):
    """Grades, PDs and exposures of customers as a model gives them: a worse grade has a higher PD."""
    rng = np.random.default_rng(seed)
    probability = np.sort(np.exp(rng.uniform(np.log(0.001), np.log(0.8), rows)))
    grade = np.repeat(["A1", "A2", "B", "C", "D", "E"], rows // 6 + 1)[:rows]
    exposure = np.exp(rng.uniform(8, 20, rows)).round()
    return probability, grade, {"exposure": exposure, "capacity": 50 * exposure, "days_past_due": np.zeros(rows), "open_lawsuit_amount": np.zeros(rows)}


# The family


def test_the_published_policy_is_the_file_and_every_other_one_is_different():
    assert FAMILY[PUBLISHED].hash == load_policy(ROOT / "policy.yaml").hash
    assert len({policy.hash for policy in FAMILY.values()}) == len(FAMILY) >= 8


@pytest.mark.parametrize(("strict", "soft"), [("half", PUBLISHED), (PUBLISHED, "open"),
                                              ("decline from 10 %", "decline from 20 %"), ("decline from 30 %", "open")])
def test_a_stricter_policy_grants_nobody_more(strict, soft):
    limits = [decide(FAMILY[name], *book()).limit for name in (strict, soft)]
    assert (limits[0] <= limits[1]).all()
    assert (limits[0] < limits[1]).any()


def test_who_is_not_declined_by_an_open_policy_does_his_usual_business_and_nobody_signs():
    probability, grade, standing = book()
    decisions = decide(FAMILY["decline from 10 %"], probability, grade, standing)
    np.testing.assert_array_equal(factors(decisions, standing["exposure"]), np.where(probability >= 0.1, 0.0, 1.0))
    assert reviewed(decisions, factors(decisions, standing["exposure"])).reviews == 0


def test_a_policy_without_signatures_grants_what_it_grants_with_them():
    signed, unsigned = (decide(FAMILY[name], *book()) for name in (PUBLISHED, "unsigned"))
    np.testing.assert_array_equal(signed.limit, unsigned.limit)
    assert (unsigned.route[unsigned.action != ACTIONS.index("decline")] == ROUTES.index("automatic")).all()
    assert (signed.route > unsigned.route).any()


# The accounts


def test_a_customer_usually_has_open_what_he_had_at_his_last_unrestricted_month_ends():
    ends = pd.date_range("2018-01-31", periods=18, freq="ME")
    exposures = pd.DataFrame({"customer_id": "C1", "known_at": ends, "exposure": np.arange(18) * 100})
    rows = pd.DataFrame({"customer_id": ["C1", "C2", "C1"], "as_of": [ends[13], ends[13], ends[2]]})
    # Months 2 to 13; nobody; months 0 to 2.
    assert usual_exposure(exposures, rows).tolist() == [750, 0, 100]
    later = exposures.assign(exposure=exposures["exposure"].where(exposures["known_at"] <= ends[13], 10**9))
    assert usual_exposure(later, rows).tolist() == [750, 0, 100]


def test_business_is_scaled_to_what_is_granted_of_the_usual():
    decisions = decide(FAMILY["decline from 10 %"], *book())
    usual = book()[2]["exposure"].copy()
    share = factors(decisions, usual)
    declined = decisions.action == ACTIONS.index("decline")
    assert (share[declined] == 0).all()
    np.testing.assert_allclose(share[~declined] * usual[~declined], decisions.limit[~declined])
    assert set(np.unique(share > 1)) == {False}
    assert (factors(decisions, np.zeros(len(usual)))[~declined] == 1).all()


def test_a_case_costs_what_its_route_does_as_often_as_it_is_reviewed():
    probability, grade, standing = book(6)
    decisions = decide(FAMILY[PUBLISHED], probability, grade, standing)
    account = reviewed(decisions, factors(decisions, standing["exposure"]))
    days = {"A": 365, "B": 182, "C": 91, "D": 30, "E": 30}
    by_hand = sum(CASE_COSTS[ROUTES[route]] * 100 * 91.3125 / days[name[0]] for route, name in zip(decisions.route, grade, strict=True))
    assert account.reviews == pytest.approx(by_hand)
    assert by_hand > 0
    assert account.decisions == 6
    assert account.automatic == (decisions.route == 0).sum()
    assert account.invoiced == account.lost == 0


def moments(*texts):
    return pd.to_datetime(list(texts)).as_unit("us")


INVOICES = pd.DataFrame({"invoice_id": list("abcdef"), "customer_id": ["C1", "C1", "C1", "C2", "C1", "C1"], "amount": [100, 200, 400, 800, 1600, 3200],
                         "issued_at": moments("2019-03-01", "2019-04-02", "2019-05-20", "2019-05-20", "2019-08-01", "2019-10-05")})
PAYMENTS = pd.DataFrame({"invoice_id": ["b", "b", "c", "c", "d"], "amount": [50, 150, 100, 300, 800],
                         "occurred_at": moments("2019-05-01", "2019-05-30", "2019-06-09", "2019-06-20", "2019-07-01")})
# C1 defaults, comes back, and defaults again.
DEFAULTS = pd.DataFrame({"customer_id": ["C1", "C1"], "occurred_at": moments("2019-06-10", "2019-11-01")})


def test_open_at_default_is_what_was_not_paid_before_the_next_default():
    assert open_at_default(INVOICES, PAYMENTS, DEFAULTS).tolist() == [100, 0, 300, 0, 1600, 3200]
    shuffled = [3, 0, 5, 2, 4, 1]
    assert open_at_default(INVOICES.iloc[shuffled], PAYMENTS, DEFAULTS).tolist() == [0, 100, 3200, 300, 1600, 0]


def test_an_invoice_hangs_on_the_decision_before_it():
    rows = pd.DataFrame({"customer_id": ["C1", "C2", "C1", "C2"], "as_of": [SPRING, SPRING, SUMMER, SUMMER]})
    invoiced, opened = business(rows, INVOICES, PAYMENTS, DEFAULTS, until=AUTUMN)
    assert invoiced.tolist() == [600, 800, 1600, 0]
    assert opened.tolist() == [300, 0, 1600, 0]


def test_a_replay_scales_each_row_by_its_factor_and_loses_the_book_s_share_of_what_was_open():
    invoiced, opened = np.array([600.0, 800.0, 1600.0]), np.array([300.0, 0.0, 1600.0])
    assert replayed(np.ones(3), invoiced, opened, loss_given_default=0.5) == Account(3000, 950)
    assert replayed(np.array([1, 0.5, 0]), invoiced, opened, loss_given_default=0.5) == Account(1000, 150)


def test_accounts_add_up_and_profit_is_margin_less_losses_less_reviews():
    account = Account(1000.0, 20.0) + Account(500.0, 5.0, 7.0, 3, 2, 1, 0)
    assert account == Account(1500.0, 25.0, 7.0, 3, 2, 1, 0)
    assert account.profit(0.1) == 150 - 25 - 7
    accounts = {"a": Account(10, 0), "b": Account(10, 0), "c": Account(20, 3)}
    assert best(accounts, 0.2) == "a"
    assert best(accounts, 0.5) == "c"
    assert best(accounts, 0.5, doubt={"a": 1.0, "b": 0.5, "c": 3.0}) == "b"


def test_the_doubt_of_a_gain_grows_with_the_rows_of_one_customer_and_is_none_where_all_gain_alike():
    gains = np.array([3.0, -1.0, 2.0, 2.0])
    assert gain_error(["a", "b", "c", "d"], gains) == pytest.approx(np.sqrt(4) * np.std(gains, ddof=1))
    assert gain_error(["a", "b", "a", "b"], gains) == pytest.approx(np.sqrt(2) * np.std([5.0, 1.0], ddof=1))
    assert gain_error(["a", "b"], [2.0, 2.0]) == 0.0


def test_the_interval_of_a_mean_is_student_s():
    found = mean_interval([1.0, 2.0, 3.0, 6.0])
    assert found["mean"] == 3
    # t with three degrees of freedom is 3.182.
    assert found["high"] - 3 == pytest.approx(3.1824 * np.std([1, 2, 3, 6], ddof=1) / 2, rel=1e-4)
    assert np.isnan(mean_interval([1.0])["low"])


def test_a_margin_is_turned_into_a_share_of_invoices_by_the_book_itself():
    exposures = pd.DataFrame({"known_at": np.repeat(moments("2019-03-31", "2019-04-30", "2019-05-31"), 2), "exposure": [9, 9, 10, 20, 30, 60],
                              "limit": [9, 9, 100, 200, 300, 300]})
    invoices = pd.DataFrame({"issued_at": moments("2019-03-01", "2019-04-10", "2019-05-10"), "amount": [5000, 1000, 2000]})
    # Two months after March: 18,000 invoiced a year, 60 open and 450 of limits on average.
    assert margins(exposures, invoices, 0.05, since=pd.Timestamp("2019-03-31")) == pytest.approx(
        {"exposure": 0.05 * 60 / 18000, "limit": 0.05 * 450 / 18000, "invoice": 0.05})


# What all branches share


@pytest.fixture(scope="module")
def decided():
    """Six months of one portfolio as it is, with everybody's business halved, and with every third customer stopped for two months."""
    start = Portfolio(Settings(customers=1000, seed=5))
    for _ in range(4):
        start.step()
    ids = [f"C{number:07d}" for number in range(1, 1001)]
    ways = {"free": [{}] * 6, "half": [dict.fromkeys(ids, (0.5, False))] * 6,
            "stopped": [dict.fromkeys(ids[::3], (1.0, month < 2)) for month in range(6)]}
    found = {}
    for way, decisions in ways.items():
        portfolio = copy.deepcopy(start)
        months = [stepped([portfolio], each) for each in decisions]
        tables = dict.fromkeys(name for month in months for name in month)
        found[way] = {name: pa.concat_tables([month[name] for month in months if name in month]).to_pandas() for name in tables}
    return start, found


def test_a_branch_leaves_the_portfolio_it_comes_from_where_it_was(decided):
    assert decided[0].month == 4


@pytest.mark.parametrize("table", ["customers", "statements", "transactions", "events", "series"])
def test_what_no_decision_moves_is_the_same_to_the_bit(decided, table):
    assert table not in DECIDED
    for way in ("half", "stopped"):
        pd.testing.assert_frame_equal(decided[1][way][table], decided[1]["free"][table])


def test_who_defaults_and_is_cured_when_is_the_same_and_only_what_it_costs_is_not(decided):
    free, half, stopped = (decided[1][way]["outcomes"] for way in ("free", "half", "stopped"))
    for other in (half, stopped):
        pd.testing.assert_frame_equal(other.drop(columns="loss"), free.drop(columns="loss"))
    fallen = free["kind"].eq("default").to_numpy()
    assert fallen.sum() > 5
    assert half["loss"][fallen].sum() < free["loss"][fallen].sum()


def test_a_customer_let_go_on_pays_on_the_days_on_which_he_would_have_paid(decided):
    def paid(way):
        rows = decided[1][way]["payments"].merge(decided[1][way]["invoices"][["invoice_id", "customer_id", "issued_at"]], on=["invoice_id", "customer_id"])
        return rows.assign(day=rows["occurred_at"].dt.normalize()).set_index(["customer_id", "issued_at", "kind"])["day"]

    stopped, free = paid("stopped").sort_values(), paid("free").sort_values()
    assert 0 < len(stopped) < len(free)
    assert set(stopped.items()) <= set(free.items())


def test_a_branch_accounts_for_its_own_invoices_and_defaults():
    portfolios = [Portfolio(Settings(customers=1000, seed=5))]
    for _ in range(4):
        tables = stepped(portfolios, {})
    branch, by_hand = Branch(copy.deepcopy(portfolios), tables, Path(), policy=None), {"invoiced": 0, "lost": 0}
    for _ in range(6):
        branch.month()
        rows = {name: table.to_pandas() for name, table in stepped(portfolios, {}).items()}
        by_hand["invoiced"] += rows["invoices"]["amount"].sum()
        new = rows["outcomes"].query("kind == 'default' and occurred_at >= '2018-05-01'")
        by_hand["lost"] += new.drop_duplicates(["customer_id", "occurred_at"])["loss"].sum()
    # Cures known within six months repeat a default of an earlier month, which counts once.
    assert asdict(branch.account) | by_hand == pytest.approx(asdict(branch.account))
    assert by_hand["lost"] > 0
    before = branch.account
    branch.run_off()
    assert branch.account.invoiced == before.invoiced
    assert branch.account.lost > before.lost


def test_columns_are_parted_by_whether_a_decision_can_move_them():
    standing = standing_catalogue({name: {column.name: column.kind for column in TABLES[name].columns} for name in ("statements", "invoices", "payments")})
    fixed, moved = by_what_is_decided(standing, set())
    assert fixed.names == ("capacity",)
    assert moved.names == ("days_past_due",)
    assert set(fixed.names + moved.names) <= set(STANDING)


# Who scores


def test_the_columns_that_no_tree_asks_for_change_no_score():
    small, named = bundle(), columns(500, seed=3)
    names, raw = read_by_trees(small)
    np.testing.assert_array_equal(raw({name: named[name] for name in names}), raw_scores(small, encode(named, small)))


def test_every_matured_row_teaches_and_no_other_does():
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"customer_id": [f"C{number % 300}" for number in range(900)], "as_of": SPRING,
                         "status": np.where(np.arange(900) < 600, "matured", "immature"), "target": (rng.uniform(size=900) < 0.1).astype(float)})
    found = dealt(rows, load_params(ROOT / "params.yaml").sample.default)
    assert found["sample"].isin(IN_SAMPLE).equals(rows["status"].eq("matured"))
    assert set(found.loc[rows["status"].ne("matured"), "sample"]) == {UNUSED}
    assert (found[:600].groupby("customer_id")["sample"].nunique() == 1).all()


# Figures over seeds


def result(seed):
    """A seed's result as a run gives it, with drawn accounts."""
    rng = np.random.default_rng(seed)

    def account(reviews):
        return asdict(Account(rng.uniform(9e9, 1e10), rng.uniform(5e7, 1e8), *((rng.uniform(1e6, 2e6), 100, 60, 1, 2) if reviews else ())))

    return {"seed": seed, "margins": {"exposure": 0.006, "limit": 0.02, "invoice": 0.05}, "learned": {"rows": 9, "bad_customers": 3, "characteristics": []},
            "chosen": {reading: {TREES: "open", SCORECARD: "half"} for reading in READINGS},
            "judged": {NONE: {NONE: account(False)}, **{by: {name: account(True) for name in FAMILY} for by in (TREES, SCORECARD)}},
            "replayed": {by: {name: account(True) for name in (*FAMILY, NONE)} for by in (TREES, SCORECARD)}}


def test_the_best_in_hindsight_is_the_most_that_any_policy_of_the_family_earned():
    for seed in range(5):
        one = json.loads(json.dumps(result(seed)))
        found = figures(one, "limit")
        assert found["hindsight"]["profit"] == max(Account(**each).profit(0.02) for by in (TREES, SCORECARD) for each in one["judged"][by].values()) / 100
        assert found["hindsight"]["profit"] >= found[TREES]["profit"]
        assert found[NONE]["automatic"] == 1
        assert found[TREES]["automatic"] == 0.6


def test_differences_are_of_the_same_seed_and_add_up():
    results = [result(seed) for seed in range(6)]
    found = {pair: differences(results, "exposure", *pair)["millions"] for pair in [(TREES, NONE), (TREES, SCORECARD), (SCORECARD, NONE)]}
    assert found[TREES, NONE]["mean"] == pytest.approx(found[TREES, SCORECARD]["mean"] + found[SCORECARD, NONE]["mean"])
    profits = [[figures(each, "exposure")[branch]["profit"] / 1e6 for each in results] for branch in (TREES, NONE)]
    assert found[TREES, NONE] == pytest.approx(mean_interval(np.subtract(*profits)))


def test_before_reviews_nothing_is_paid_for_them():
    results = [result(seed) for seed in range(3)]
    dear = json.loads(json.dumps(results))
    for each in dear:
        for account in each["judged"][TREES].values():
            account["reviews"] *= 3
    found = [differences(each, "limit", TREES, NONE) for each in (results, dear)]
    assert found[0]["before_reviews"] == pytest.approx(found[1]["before_reviews"])
    assert found[0]["percent"]["mean"] > found[1]["percent"]["mean"]


def test_the_totals_say_simulated_and_compare_every_pair_with_an_interval():
    text = total([result(seed) for seed in range(4)])
    assert text.count("SIMULATED, 4 seeds") == len(READINGS)
    compared = [line for line in text.splitlines() if "before reviews" in line]
    assert len(compared) == len(READINGS) * len(COMPARED)
    assert all(line.count(" to ") == 3 for line in compared)
    assert sum(line.strip().startswith("decline from 10 %") for line in text.splitlines()) == len(READINGS)
