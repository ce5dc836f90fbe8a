"""Folds inside the past: what trains ends a whole embargo before what is judged; the second look finds every broken rule."""

import dataclasses

import numpy as np
import pytest

from features.errors import RiskError
from models.time_folds import CUSTOMER, TIME, check_folds, time_folds

DAY = np.timedelta64(1, "D")


def past(customers=120, quarters=14, rate=0.15, seed=0):
    """Targets, customers, days and samples of a book observed every quarter; a fifth of the customers is validation, another calibration."""
    rng = np.random.default_rng(seed)
    ids = np.tile([f"C{number}" for number in range(customers)], quarters)
    as_of = np.repeat(np.array(["2019-03-31"], "datetime64[us]") + 91 * DAY * np.arange(quarters), customers)
    place = np.tile(np.arange(customers) % 5, quarters)
    sample = np.select([place == 3, place == 4], ["validation", "calibration"], "development")
    return (rng.uniform(size=len(ids)) < rate).astype(float), ids, as_of, sample


def folded(rows, **asked):
    return time_folds(*rows, **{"embargo_days": 365, "folds": 3, "least_bad": 10, **asked})


def test_each_fold_trains_a_whole_embargo_before_it_judges_and_on_all_that_is_older():
    rows = past()
    target, _, as_of, _ = rows
    found = folded(rows)
    assert (found.by, len(found.pairs)) == (TIME, 3)
    assert found.note == "3 folds by time, 365 days between what trains and what is judged"
    for train, judged in found.pairs:
        np.testing.assert_array_equal(train, as_of <= as_of[judged].min() - 365 * DAY)
        assert target[judged].sum() >= 10
    days = [set(as_of[judged]) for _, judged in found.pairs]
    assert not days[0] & days[1] | days[1] & days[2]
    assert max(as_of[found.pairs[-1][1]]) == as_of.max()


def test_the_first_window_holds_the_share_of_bad_rows_that_is_asked_for():
    rows = past()
    target, _, _, sample = rows
    grow = (sample == "development") & (target == 1)
    for share in (0.1, 0.5):
        train = folded(rows, first_share=share, embargo_days=91).pairs[0][0]
        assert (grow & train).sum() >= share * grow.sum() > (grow & train).sum() - 20


def test_fewer_folds_where_bad_rows_are_few():
    rows = past()
    judged = np.any([judged for _, judged in folded(rows).pairs], axis=0)
    half = int(rows[0][judged].sum() // 2)
    assert len(folded(rows, least_bad=half - 15, first_share=0.1).pairs) == 2


@pytest.mark.parametrize(("change", "why"), [({"quarters": 4}, "the past is too short for an embargo of 365 days"), ({"dates": False}, "there are no dates")])
def test_customers_are_folded_where_time_cannot_be(change, why):
    dated = change.pop("dates", True)
    target, ids, as_of, sample = past(**change)
    found = folded((target, ids, as_of if dated else None, sample))
    assert found.by == CUSTOMER
    assert found.note == f"3 folds of customers at all dates, because {why}: nothing is said of how settings age"
    assert np.sum([judged for _, judged in found.pairs], axis=0).tolist() == [1] * len(ids)
    for train, judged in found.pairs:
        assert not set(ids[train]) & set(ids[judged])


def test_customers_kept_apart_train_in_no_window_that_judges_them():
    rows = past()
    ids = rows[1]
    shared, apart = folded(rows), folded(rows, apart=True)
    assert set(ids[shared.pairs[0][0]]) & set(ids[shared.pairs[0][1]])
    assert apart.by == TIME
    check_folds(apart, *rows[1:], horizon_days=365, apart=True)
    with pytest.raises(RiskError, match="customers train and are judged in one fold, first C0"):
        check_folds(shared, *rows[1:], horizon_days=365, apart=True)


def test_too_few_bad_rows_and_rows_of_the_judged_year_are_refused():
    rows = past(customers=30, rate=0.05)
    bad = int(rows[0].sum())
    with pytest.raises(RiskError, match=f"tune: {bad} bad of 420 rows are too few for two folds with 10 bad each; keep the settings as they are"):
        folded(rows)
    with pytest.raises(RiskError, match="folds: 34 rows are of no sample that learns, first out_of_time; settings are chosen on development, validation"):
        folded((*past()[:3], np.where(np.arange(1680) % 50 == 3, "out_of_time", "development")))


def test_the_second_look_passes_sound_folds():
    rows = past()
    check_folds(folded(rows), *rows[1:], horizon_days=365)
    check_folds(folded((*rows[:2], None, rows[3])), rows[1], None, rows[3], horizon_days=365)


@pytest.mark.parametrize(("broken", "words"), [
    (lambda pairs, rows: pairs[::-1], "fold 1 judges days that an earlier fold judged"),
    (lambda pairs, rows: (pairs[0], (pairs[1][0], pairs[0][1] | pairs[1][1])), "rows are judged twice"),
    (lambda pairs, rows: (pairs[0], (pairs[1][0] | (rows[2] <= rows[2][pairs[1][1]].min()), pairs[1][1])), "label windows that train fold 1 reach into"),
    (lambda pairs, rows: (pairs[1], (pairs[0][0], pairs[2][1])), "fold 1 trains on less than the fold before it"),
])
def test_the_second_look_names_the_broken_rule(broken, words):
    rows = past()
    found = folded(rows)
    with pytest.raises(RiskError, match=words):
        check_folds(dataclasses.replace(found, pairs=broken(found.pairs, rows)), *rows[1:], horizon_days=365)


def test_the_second_look_refuses_other_samples():
    rows = past()
    with pytest.raises(RiskError, match="folds: rows of out_of_time are among those that choose settings"):
        check_folds(folded(rows), *rows[1:3], np.where(rows[3] == "calibration", "out_of_time", rows[3]), horizon_days=365)


def test_rows_that_may_not_judge_teach_all_the_same():
    rows = past(quarters=18)
    may = np.arange(len(rows[0])) % 3 > 0
    for by_time in (True, False):
        found = folded(rows, may_judge=may, by_time=by_time)
        taught, judged = (np.any([pair[side] for pair in found.pairs], axis=0) for side in (0, 1))
        assert not (judged & ~may).any()
        assert (judged & may).any()
        assert (taught & ~may).any()
        check_folds(found, *rows[1:], horizon_days=365)


def test_a_model_judged_on_customers_is_tuned_on_customers_and_the_note_says_why():
    found = folded(past(), by_time=False)
    assert found.by == CUSTOMER
    assert found.note == "3 folds of customers at all dates, because the model is not judged on later rows either: nothing is said of how settings age"
