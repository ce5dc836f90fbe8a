"""The reviewers' days: against a naive loop, the handbook's definition on an example, and what is refused."""
import numpy as np
import pandas as pd
import pytest

from features.errors import RiskError
from models.capacity import BLOCK_DAYS, at_capacity, compare_at_capacity, daily_reviews
from models.fraud_rules import RULES, rules_score


def judged(*rows):
    """Rows of (customer, day of January, target, score, amount)."""
    customer, day, target, score, amount = zip(*rows, strict=True)
    as_of = pd.to_datetime([f"2024-01-{each:02d} 12:00" for each in day])
    return pd.DataFrame({"customer_id": customer, "as_of": as_of, "target": np.array(target, dtype=float), "amount": amount}), np.array(score)


def many(seed, *, customers=30, days=40, rows=900):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"customer_id": [f"C{place}" for place in rng.integers(0, customers, rows)],
                          "as_of": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, days * 86_400, rows), unit="s"),
                          "target": (rng.random(rows) < 0.04).astype(float), "amount": -rng.integers(1, 1000, rows)})
    # Two digits, so that there are ties.
    return frame, np.round(rng.random(rows) + 0.5 * frame["target"], 2).to_numpy()


def naive(frame, score, capacity):
    """Day by day with plain dictionaries; nothing of the module is used."""
    gone, precisions, found_on = set(), [], {}
    for day in sorted({moment.date() for moment in frame["as_of"]}):
        best, bad = {}, {}
        for (_, row), risk in zip(frame.iterrows(), score, strict=True):
            name = row["customer_id"]
            if row["as_of"].date() == day and name not in gone:
                best[name], bad[name] = max(best.get(name, -np.inf), risk), bad.get(name, False) or row["target"] == 1
        called = sorted(best, key=lambda name: (-best[name], name))[:capacity]
        hit = [name for name in called if bad[name]]
        gone |= set(hit)
        found_on |= dict.fromkeys(hit, day)
        precisions.append(len(hit) / capacity)
    return precisions, found_on


def handbook(frame, score, top_k):
    """Card precision top-k with detected cards removed, as chapter 4 of the handbook defines it, written with its own steps."""
    frame = frame.assign(predictions=score, day=frame["as_of"].dt.dayofyear)
    compromised, precisions = [], []
    for day in sorted(frame["day"].unique()):
        today = frame[(frame["day"] == day) & ~frame["customer_id"].isin(compromised)]
        cards = today.groupby("customer_id")[["predictions", "target"]].max().sort_values("predictions", ascending=False, kind="stable").head(top_k)
        detected = list(cards.index[cards["target"] == 1])
        precisions.append(len(detected) / top_k)
        compromised += detected
    return precisions


@pytest.mark.slow
@pytest.mark.parametrize("capacity", [1, 3, 100])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_days_agree_with_a_naive_loop_and_the_handbook(seed, capacity):
    frame, score = many(seed)
    days, found = daily_reviews(frame, score, capacity=capacity)
    precisions, found_on = naive(frame, score, capacity)
    assert days["precision"].tolist() == precisions == handbook(frame, score, capacity)
    assert {name: day.date() for name, day in found.items()} == found_on
    assert len(found_on) > 3


def test_a_found_customer_leaves_the_list_and_an_overlooked_one_stays():
    frame, score = judged(("A", 1, 1, 0.9, -10), ("B", 1, 1, 0.2, -20), ("C", 1, 0, 0.5, -1), ("A", 2, 1, 0.9, -30), ("B", 2, 1, 0.8, -40),
                          ("B", 3, 1, 0.9, -50), ("C", 3, 0, 0.1, -1))
    days, found = daily_reviews(frame, score, capacity=1)
    assert days[["customers", "compromised", "found", "precision"]].to_numpy().tolist() == [[3, 2, 1, 1.0], [1, 1, 1, 1.0], [1, 0, 0, 0.0]]
    assert found.dt.day.to_dict() == {"A": 1, "B": 2}
    figures = at_capacity(frame, score, capacity=1)
    # A is found on day 1: 10 that day, 30 later. B on day 2: 40 that day, 50 later; his 20 of day 1 were lost.
    assert (figures["fraud_amount"], figures["found_amount"], figures["saved_amount"]) == (150, 50, 80)
    assert (figures["compromised"], figures["found"], figures["recall"]) == (2, 2, 1.0)


def test_a_customer_is_as_risky_as_his_riskiest_transaction_and_compromised_by_any_of_the_day():
    frame, score = judged(("A", 1, 1, 0.1, -1), ("A", 1, 0, 0.9, -1), ("B", 1, 0, 0.5, -1))
    assert daily_reviews(frame, score, capacity=1)[0]["found"].tolist() == [1]


def test_precision_is_per_call_that_could_be_made_and_best_is_what_a_perfect_score_reaches():
    frame, score = judged(("A", 1, 1, 0.1, -1), ("B", 1, 0, 0.5, -1), ("C", 2, 0, 0.5, -1))
    figures = at_capacity(frame, score, capacity=2)
    assert (figures["precision"], figures["best"], figures["customers"]) == (0.25, 0.25, 1.5)
    assert at_capacity(frame, score, capacity=1)["precision"] == 0.0
    assert at_capacity(frame, score, capacity=1)["best"] == 0.5


def test_without_amounts_nothing_is_said_of_worth():
    frame, score = many(0)
    assert not [name for name in at_capacity(frame.drop(columns="amount"), score, capacity=3) if name.endswith("amount")]


@pytest.mark.slow
def test_the_interval_covers_the_mean_of_independent_days():
    rng, inside = np.random.default_rng(0), 0
    for seed in range(100):
        hit = rng.random(140) < 0.3
        frame = pd.DataFrame({"customer_id": [f"C{place}" for place in range(140)], "target": hit.astype(float),
                              "as_of": pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(140), unit="D")})
        figures = at_capacity(frame, np.ones(140), capacity=1, seed=seed, repeats=400)
        inside += figures["low"] <= 0.3 <= figures["high"]
    assert 86 <= inside <= 99
    assert BLOCK_DAYS == 7


def test_a_score_compared_with_itself_differs_by_nothing_and_a_better_one_by_more_than_chance():
    frame, score = many(2, rows=2000)
    assert compare_at_capacity(frame, score, score, capacity=3) == {"difference": 0.0, "low": 0.0, "high": 0.0}
    found = compare_at_capacity(frame, score, -score, capacity=3)
    own = [at_capacity(frame, each, capacity=3)["precision"] for each in (score, -score)]
    assert found["difference"] == pytest.approx(own[0] - own[1])
    assert 0 < found["low"] < found["difference"] < found["high"]


@pytest.mark.parametrize(("change", "message"), [
    (lambda frame: frame.assign(target=0.0), "capacity: none of 900 judged rows is a fraud; lengthen sample.fraud.out_of_time_days"),
    (lambda frame: frame.drop(columns="as_of"), "capacity: column as_of is missing from the judged rows")])
def test_what_cannot_be_judged_is_refused(change, message):
    frame, score = many(0)
    with pytest.raises(RiskError, match=message):
        at_capacity(change(frame), score, capacity=3)


# The rules baseline


def columns(**given):
    names = {name for name, _, _ in RULES} | {"txn_amount_log", "txn_amount_to_mean_90d"}
    return {name: np.array(given.get(name, [0.0, 0.0]), dtype=np.float64) for name in names}


@pytest.mark.parametrize(("given", "points"), [
    ({}, 0), ({"txn_amount_deviations_90d": [2.0, 0]}, 1), ({"txn_amount_deviations_90d": [4.0, 0]}, 2), ({"txn_new_counterparty_365d": [1, 0]}, 1),
    ({"txn_count_1d": [3, 0]}, 1), ({"txn_night": [1, 0]}, 1), ({"cpty_fraud_count_90d": [2, 0], "txn_night": [1, 0]}, 3),
    ({"txn_amount_deviations_90d": [np.nan, 0]}, 0)])
def test_rules_give_their_points(given, points):
    assert rules_score(columns(**given))[0] == points


def test_among_equal_points_the_larger_payment_is_riskier_and_never_beyond_a_point():
    score = rules_score(columns(txn_amount_to_mean_90d=[1.0, np.inf]))
    assert 0 < score[0] < score[1] < 1


def test_money_that_comes_in_is_below_every_payment():
    assert rules_score(columns(txn_amount_log=[12.0, -12.0], txn_night=[1.0, 0.0])).tolist() == [-1.0, 0.0]


def test_a_source_without_the_columns_has_no_rules():
    assert rules_score({"other": np.zeros(2)}) is None
    assert rules_score({"txn_night": np.array([1.0, 0.0])}).tolist() == [1.0, 0.0]
