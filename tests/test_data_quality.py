"""Rules of a feed on worked months: what is usual, what is beyond it, and what a faulty month does to the next."""

import numpy as np
import pytest

from models.data_quality import FeedRules, cadence, judged_in_turn, likest, missing_faults, month_name, paid_faults, volume_faults
from models.unit_slips import BINS, REACH, STEPS, slip_faults

RULES, FIRST = FeedRules(), 12 * 2020


def named(faults):
    return [(fault.kind, fault.month) for fault in faults]


def months(*last, usual=1000, count=40, spread=0.05, seed=0):
    rows = np.round(usual * np.exp(spread * np.random.default_rng(seed).normal(size=count)))
    return np.append(rows[: count - len(last)], last)


@pytest.mark.parametrize(("last", "expected"), [
    ((980,), []), ((0,), [("no_data", "2023-04")]), ((500,), [("volume", "2023-04")]), ((2000,), [("volume", "2023-04")]), ((750,), []), ((1400,), [])])
def test_a_month_s_rows_against_those_before(last, expected):
    assert named(volume_faults("t", FIRST, months(*last), RULES)) == expected


def test_a_table_of_few_rows_is_not_judged():
    assert volume_faults("t", FIRST, months(0, usual=6), RULES) == []


def test_a_noisy_table_is_given_its_noise():
    assert volume_faults("t", FIRST, months(400, spread=0.6), RULES) == []


def test_a_season_is_usual_and_its_absence_is_not():
    year = np.array([100, 100, 2000, 100, 100, 100, 100, 100, 100, 100, 100, 100.0])
    rows = np.tile(year, 4)
    assert volume_faults("t", FIRST, rows, RULES) == []
    rows[38] = 0
    assert named(volume_faults("t", FIRST, rows, RULES)) == [("no_data", "2023-03")]


@pytest.mark.parametrize(("every", "expected"), [(1, 1), (3, 3), (6, 6), (12, 12)])
def test_how_often_a_table_comes(every, expected):
    assert cadence(np.where(np.arange(120) % every == 0, 50.0, 0.0)) == expected


def test_a_bulk_import_has_no_cadence_and_a_late_start_does_not_count():
    assert cadence(np.array([0.0] * 30 + [9000] + [0] * 30)) is None
    assert cadence(np.array([0.0] * 30 + [50] * 30)) == 1


@pytest.mark.parametrize("rows", [[], [0.0], [7.0], [0.0] * 20])
def test_a_table_without_a_history_has_no_cadence_and_no_fault(rows):
    assert volume_faults("t", FIRST, np.array(rows), RULES) == []


def test_a_quarter_that_stayed_away_is_named_by_its_last_month():
    rows = np.where(np.arange(60) % 3 == 0, 200.0, 0.0)
    rows[54] = 0
    assert named(volume_faults("t", FIRST, rows, RULES)) == [("no_data", "2024-09")]


def test_a_faulty_month_is_no_history_of_the_next():
    # Were half the rows taken for usual after a year of them, the feed would be called whole again.
    assert len(volume_faults("t", FIRST, months(*[500] * 20), RULES)) == 20


def test_what_lasts_longer_than_the_history_is_taken_as_usual():
    short = FeedRules(judged_months=30, history_months=12)
    wrong = judged_in_turn(40, lambda place, before: True if place >= 20 > np.median(before) else None, short)
    assert sorted(wrong) == list(range(20, 27))


def test_only_the_last_months_are_judged():
    rows = months()
    rows[10] = 0
    assert volume_faults("t", FIRST, rows, RULES) == []


def paid(*, late=0, lost=0.0, month=35):
    """Invoices of 40 months of 30 days, a hundred a day, paid evenly at ages 20 to 49; from a month on later, or a part lost."""
    open_at, rates = np.full((40, 180), 3000.0), np.zeros((40, 180))
    rates[:, 20:50] = 1 / 30
    rates[month:] = np.roll(rates[month:], late, axis=1) * (1 - lost)
    return open_at, np.random.default_rng(0).poisson(open_at * rates)


@pytest.mark.parametrize(("change", "expected"), [({}, 0), ({"lost": 0.3}, 5), ({"lost": 0.05}, 0)])
def test_payments_that_invoices_ask_for(change, expected):
    faults = paid_faults(FIRST, *paid(**change), RULES)
    assert len(faults) == expected
    assert {fault.kind for fault in faults} <= {"broken_feed"}


def test_a_column_s_missing_share():
    rows = np.full(40, 200.0)
    filled = np.append(np.full(38, 190.0), [100, 0])
    assert named(missing_faults("t", "c", FIRST, rows, filled, RULES)) == [("column_missing", "2023-03"), ("column_gone", "2023-04")]
    assert named(missing_faults("t", "c", FIRST, rows, filled, RULES, looks_like=lambda month: "d"))[-1] == ("column_renamed", "2023-04")


def test_the_column_that_looks_like_another_is_the_one_with_its_values():
    old = {"name": "channel", "levels": {"online", "branch", "card"}}
    assert likest(old, {"way": {"name": "way", "levels": {"online", "branch"}}, "note": {"name": "note", "levels": {"x"}}}) == "way"
    assert likest(old, {"size": {"name": "size", "quantiles": [1, 2, 3, 4, 5]}}) is None
    numbers = {"name": "balance", "quantiles": [0, 1, 2, 3, 10]}
    others = {"saldo": {"name": "saldo", "quantiles": [0, 1, 2, 4, 11]}, "rate": {"name": "rate", "quantiles": [100, 101, 102, 103, 104]}}
    assert likest(numbers, others) == "saldo"


def amounts(spread, *, rows=400, factor=1.0, share=1.0, seed=0, count=40):
    """Rows by tenth of a power of ten around the customers' medians; in the last month a share of them is times a factor."""
    rng, table = np.random.default_rng(seed), np.zeros((count, BINS))
    for month in range(count):
        power = rng.normal(0, spread, rows)
        if month == count - 1:
            power[: round(share * rows)] += np.log10(factor)
        table[month] = np.bincount((np.round(power * STEPS) + REACH * STEPS).astype(int).clip(0, BINS - 1), minlength=BINS)
    return table


@pytest.mark.parametrize("spread", [0.15, 0.4, 0.8])
@pytest.mark.parametrize(("factor", "share", "named_"), [
    (1000, 1.0, True), (0.01, 1.0, True), (7.2, 1.0, True), (1000, 0.2, True), (10_000, 0.2, True), (1.5, 1.0, False), (0.6, 1.0, False), (2.5, 1.0, False)])
def test_a_slip_of_units_is_named_and_growth_is_not(spread, factor, share, named_):
    faults = slip_faults("t", "amount", FIRST, amounts(spread, factor=factor, share=share), RULES)
    assert named(faults) == ([("unit_slip", "2023-04")] if named_ else [])


@pytest.mark.parametrize(("factor", "share", "said"), [
    (1000, 1.0, "all amounts in amount of 2023-04 are about 1,000 times the same"), (0.01, 1.0, "are about 1/100 of the same"),
    (7.2, 1.0, "are about 7"), (100, 0.25, "25% of the amounts in amount of 2023-04 are about 100 times the same")])
def test_the_factor_is_said(factor, share, said):
    assert said in slip_faults("t", "amount", FIRST, amounts(0.2, factor=factor, share=share), RULES)[0].sentence


def test_month_names():
    assert [month_name(12 * 2023), month_name(12 * 2023 + 11)] == ["2023-01", "2023-12"]
