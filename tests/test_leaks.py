"""The screen finds columns that know the outcome, and leaves honest ones alone."""
import numpy as np
import pandas as pd
import pytest

from models.changes import fisher, stretches
from models.discrimination import auc
from models.leaks import ASKED, Limits, asked, changes, screen
from models.regions import customer_codes, lower_bound


def rows(n=2000, seed=0):
    rng = np.random.default_rng(seed)
    target = (rng.uniform(size=n) < 0.1).astype(float)
    as_of = pd.Series(pd.Timestamp("2022-01-01")).repeat(n).reset_index(drop=True)
    return target, as_of, rng


def found(values, target, as_of):
    return screen(pd.DataFrame({"x": values}), target, as_of, columns=["x"], limits=Limits(max_auc=0.97))


def test_a_column_that_is_the_outcome_is_found():
    target, as_of, rng = rows()
    finding, = found(-target + rng.normal(0, 0.05, len(target)), target, as_of)
    assert finding["reason"] == "value"
    assert finding["auc"] > 0.99


def test_a_column_filled_for_bad_rows_only_is_found():
    target, as_of, rng = rows()
    finding, = found(np.where(target == 1, rng.normal(size=len(target)), np.nan), target, as_of)
    assert (finding["reason"], finding["auc"]) == ("presence", 1.0)


def test_a_date_after_as_of_is_found():
    target, as_of, _ = rows()
    finding, = found(as_of + pd.to_timedelta(np.where(target == 1, 30, -30), unit="D"), target, as_of)
    assert finding["reason"] == "future"
    assert "after as_of" in finding["detail"]


@pytest.mark.parametrize("make", [
    lambda target, rng: rng.normal(size=len(target)),
    lambda target, rng: target + rng.normal(0, 1.0, len(target)),
    lambda target, rng: [f"id{i}" for i in range(len(target))],
    lambda target, rng: np.full(len(target), 7.0),
    lambda target, rng: np.where(rng.uniform(size=len(target)) < 0.5, np.nan, 1.0),
])
def test_honest_columns_pass(make):
    target, as_of, rng = rows()
    assert found(make(target, rng), target, as_of) == []


def test_a_leaking_category_is_found():
    target, as_of, _ = rows()
    assert found(np.where(target == 1, "legal", "normal"), target, as_of)[0]["reason"] == "value"


def test_a_category_is_judged_by_rates_of_the_other_half():
    target, as_of, rng = rows(400)
    other = np.where(rng.uniform(size=400) < 0.5, "new", None)
    values = pd.Series(np.where(rng.uniform(size=400) < 0.2 + 0.5 * target, "late", other), dtype=object)
    level, even = values.fillna("none"), customer_codes(None, 400) % 2 == 0
    rates = {half: pd.Series(target[even == half]).groupby(level[even == half].to_numpy()).mean() for half in (True, False)}
    expected = auc(target, [rates[not half][word] for half, word in zip(even, level, strict=True)])
    finding, = screen(pd.DataFrame({"x": values}), target, as_of, columns=["x"], limits=Limits(max_auc=0.5))
    assert finding["auc"] == pytest.approx(expected, abs=1e-12)


def test_rows_without_target_are_left_out():
    target, as_of, rng = rows()
    values = np.where(target == 1, 1.0, 0.0)
    unknown = target.copy()
    unknown[::2] = np.nan
    assert found(values, unknown, as_of)[0]["auc"] == 1.0


def shortened(target, rng, share):
    """36 or 60 months, but for a share of the bad whose term was cut to the month of charge-off."""
    term = rng.choice([36.0, 60.0], size=len(target))
    hit = (target == 1) & (rng.uniform(size=len(target)) < share)
    return np.where(hit, rng.integers(3, 36, size=len(target)), term)


@pytest.mark.parametrize(("n", "share"), [(1500, 0.5), (3000, 0.25), (10_000, 0.1)])
def test_a_term_shortened_for_part_of_the_bad_is_found_though_its_auc_is_low(n, share):
    target, as_of, rng = rows(n)
    finding, = found(shortened(target, rng, share), target, as_of)
    assert finding["reason"] == "bad_values"
    assert finding["auc"] < 0.8


def test_it_is_found_among_honest_short_terms():
    target, as_of, rng = rows(5000)
    honest = np.where(rng.uniform(size=5000) < 0.1, 12.0, shortened(target, rng, 0.3))
    assert found(honest, target, as_of)[0]["reason"] == "bad_values"


def test_what_it_says_names_the_values_the_customers_and_the_question():
    target, as_of, rng = rows(3000)
    values = np.where((target == 1) & (rng.uniform(size=3000) < 0.5), 7.0, rng.choice([36.0, 60.0], size=3000))
    count = int((values == 7).sum())
    detail = found(values, target, as_of)[0]["detail"]
    assert detail.startswith(f"x has values that practically only the bad have (7): {count} of {count} customers with them are bad, beside them ")
    assert detail.endswith("recorded, shortened or filled in after the outcome?")


@pytest.mark.parametrize("make", [
    lambda hit, rng: np.where(hit, rng.lognormal(5, 1, size=len(hit)), np.nan),
    lambda hit, rng: np.where(hit, "legal", rng.choice(["new", "old"], size=len(hit))),
    lambda hit, rng: np.where(hit, np.nan, rng.normal(size=len(hit))),
    lambda hit, rng: pd.Series(np.where(hit, None, "asked"), dtype=object),
], ids=["an amount only they have", "a word", "a gap in a number", "a gap in a word"])
def test_amounts_words_and_gaps_of_part_of_the_bad_are_found(make):
    target, as_of, rng = rows(3000)
    hit = (target == 1) & (rng.uniform(size=3000) < 0.4)
    assert found(make(hit, rng), target, as_of)[0]["reason"] == "bad_values"


def test_values_only_the_good_lived_to_get_are_found():
    target, as_of, rng = rows(20_000)
    paid = np.where((target == 0) & (rng.uniform(size=20_000) < 0.4), 36.0, rng.integers(0, 36, size=20_000))
    finding, = found(paid, target, as_of)
    assert finding["reason"] == "good_values"
    assert "practically only the good have (36)" in finding["detail"]


HONEST = {
    "a strong score": lambda target, rng: rng.normal(size=len(target)) + 2 * target,
    "late payments": lambda target, rng: rng.poisson(np.where(target == 1, 1.0, 0.2)).astype(float),
    "days past due": lambda target, rng: np.round((rng.uniform(size=len(target)) < 0.03 + 0.47 * target) * rng.exponential(30, len(target))),
    "a rating": lambda target, rng: np.array(list("ABCDEFG"))[np.clip(np.round(3 + 1.2 * rng.normal(size=len(target)) + 2 * target), 0, 6).astype(int)],
    "gaps": lambda target, rng: np.where(rng.uniform(size=len(target)) < 0.2 + 0.4 * target, np.nan, rng.normal(size=len(target))),
    "a serial number": lambda target, rng: rng.permutation(len(target)).astype(float),
    "rounded amounts": lambda target, rng: np.round(rng.lognormal(8, 1, len(target)), -2),
}


@pytest.mark.parametrize("name", HONEST)
@pytest.mark.parametrize("n", [300, 3000])
def test_at_most_one_honest_column_in_thirty_is_named(name, n):
    seeds = range(30)
    named = sum(bool(found(HONEST[name](target, rng), target, as_of)) for target, as_of, rng in (rows(n, seed) for seed in seeds))
    assert named <= 1


@pytest.mark.parametrize("seed", range(5))
def test_a_handful_of_bad_rows_is_too_few_to_call_values_theirs(seed):
    target, as_of, rng = rows(150, seed)
    assert target.sum() < 25
    assert found(shortened(target, rng, 0.6), target, as_of) == []


@pytest.mark.parametrize("order", [np.arange(600), np.argsort(np.arange(600) % 2, kind="stable")], ids=["bad and good in turn", "bad first"])
def test_the_order_of_the_file_is_no_matter(order):
    target = np.arange(600)[order] % 2 == 0
    rng = np.random.default_rng(3)
    assert found(np.round(rng.normal(size=600), 1), target.astype(float), pd.Series(pd.Timestamp("2022-01-01")).repeat(600).reset_index(drop=True)) == []


def test_rows_of_one_customer_are_one_witness():
    target, as_of, rng = rows(2000)
    customers = np.where(target == 1, rng.integers(0, 12, size=2000), 1000 + np.arange(2000))
    values = np.where((target == 1) & (rng.uniform(size=2000) < 0.5), customers / 10, rng.choice([36.0, 60.0], size=2000))
    frame = pd.DataFrame({"x": values})
    assert screen(frame, target, as_of, columns=["x"], customers=customers) == []
    assert screen(frame, target, as_of, columns=["x"])[0]["reason"] == "bad_values"


def test_rows_without_target_are_neither_bad_nor_good():
    target, as_of, rng = rows(4000)
    values = shortened(target, rng, 0.5)
    unknown = np.where(rng.uniform(size=4000) < 0.3, np.nan, target)
    known = ~np.isnan(unknown)
    assert found(values, unknown, as_of) == screen(pd.DataFrame({"x": values[known]}), target[known], as_of[known], columns=["x"], limits=Limits(max_auc=0.97))


def test_the_bound_of_a_share_is_clopper_and_pearson_s():
    assert lower_bound(0, 10, 0.05) == 0.0
    assert lower_bound(10, 10, 0.05) == pytest.approx(0.05 ** 0.1)
    assert lower_bound(8, 10, 0.05) == pytest.approx(0.49310, abs=1e-5)


def later(bad, good, *, bad_changed, good_changed, seen=True):
    """Two rows per observation, and targets: so many of each changed in their stretch."""
    target = pd.Series([1.0] * bad + [0.0] * good, index=[f"o{place:05d}" for place in range(bad + good)])
    moved = np.r_[np.arange(bad) < bad_changed, np.arange(good) < good_changed]
    end = np.where(moved, "after", "before")
    frame = pd.DataFrame({"observation_id": np.repeat(target.index, 2), "observed_again": seen, "x": np.ravel(np.column_stack([["before"] * len(end), end]))})
    return frame, target


def test_a_column_that_changes_after_the_outcome_is_found_and_asked_about():
    frame, target = later(100, 1000, bad_changed=62, good_changed=30)
    finding, = changes(frame, target, columns=["x"])
    assert finding == {"column": "x", "auc": pytest.approx(0.795), "reason": "changed", "detail": (
        "x in the 180 days after the outcome changed for 62% of 100 bad and, in as many days, for 3% of 1,000 good customers: "
        "is its date the day of the change, or was the past overwritten?")}


@pytest.mark.parametrize(("bad", "good", "bad_changed", "good_changed"), [
    (100, 1000, 50, 500), (100, 1000, 15, 20), (5, 50, 2, 5), (100, 1000, 0, 0), (0, 100, 0, 10), (20, 0, 10, 0), (100, 1000, 10, 600),
], ids=["both alike", "too small a gap", "too few", "never", "no bad", "no good", "the good more often"])
def test_other_changes_say_nothing(bad, good, bad_changed, good_changed):
    frame, target = later(bad, good, bad_changed=bad_changed, good_changed=good_changed)
    assert changes(frame, target, columns=["x"]) == []


def test_the_more_columns_are_asked_the_more_it_takes():
    frame, target = later(12, 100, bad_changed=6, good_changed=10)
    assert changes(frame, target, columns=["x"])
    many = frame.assign(**{f"y{place}": "same" for place in range(200)})
    assert changes(many, target, columns=["x", *(f"y{place}" for place in range(200))]) == []


def test_missing_twice_is_no_change_and_a_row_not_seen_again_no_evidence():
    frame, target = later(100, 1000, bad_changed=62, good_changed=30)
    assert changes(frame.assign(x=frame["x"].where(frame["x"].eq("after"))), target, columns=["x"])
    assert changes(frame.assign(x=None), target, columns=["x"]) == []
    assert changes(frame.assign(observed_again=False), target, columns=["x"], again=["x"]) == []


@pytest.mark.parametrize("table", [(3, 10, 1, 12), (6, 6, 0, 9), (0, 5, 3, 8)])
def test_fisher_s_test_is_scipy_s(table):
    from scipy.stats import fisher_exact

    count, n, other, m = table
    assert fisher(*table) == pytest.approx(fisher_exact([[count, n - count], [other, m - other]], alternative="greater")[1], rel=1e-9)


def observed(*rows_given):
    frame = pd.DataFrame(rows_given, columns=["observation_id", "customer_id", "as_of", "target", "moment"])
    return frame.drop(columns="moment").assign(as_of=pd.to_datetime(frame["as_of"])), pd.to_datetime(frame["moment"])


def test_the_good_are_looked_at_on_the_bad_s_days_and_nobody_past_the_cutoff():
    frame, moments = observed(("a1", "a", "2020-01-31", 1.0, "2020-06-01"), ("b1", "b", "2020-01-31", 0.0, None), ("c1", "c", "2020-07-31", 0.0, None),
                              ("d1", "d", "2020-01-31", 1.0, "2020-12-01"))
    chosen = stretches(frame, moments, days=180, until="2020-12-31").set_index("customer_id")
    assert list(chosen.index) == ["a", "b"]
    assert chosen["start"].eq(pd.Timestamp("2020-05-31 23:59:59")).all()
    assert (chosen["end"] - chosen["start"]).eq(pd.Timedelta(days=180)).all()


def test_a_customer_is_looked_at_once_and_no_bad_one_among_the_good():
    frame, moments = observed(("a1", "a", "2020-01-31", 1.0, "2020-06-01"), ("a2", "a", "2020-04-30", 1.0, "2020-06-01"), ("a3", "a", "2019-01-31", 0.0, None))
    assert len(stretches(frame, moments, days=30, until="2020-12-31")) == 1


def test_what_was_asked_is_said_with_its_limits():
    told = asked(Limits(), {"value": 3})
    assert told[0] == {"rule": "value", "columns": 3, "question": "its values alone rank bad above good with an AUC of 0.95 or more"}
    assert [each["rule"] for each in told] == list(ASKED)
    assert {each["columns"] for each in told[1:]} == {0}
