"""Gaps between groups under two rules on the same rows: a wider one is found beyond its noise, and small groups are said."""

import numpy as np
import pytest

from models.fairness import compare_fairness
from models.gate import Margins
from models.gate_fairness import fairness_check

ROWS = 4000


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(3)
    group = np.where(rng.uniform(size=ROWS) < 0.4, "north", "south").astype(object)
    group[:20] = "isle"
    target = (rng.uniform(size=ROWS) < 0.1).astype(float)
    score = rng.normal(size=ROWS) + 1.5 * target
    return group, target, score


def compared(rows, accepted, before, **how):
    group, target, _ = rows
    return compare_fairness(group, target, accepted, before, np.arange(ROWS), repeats=200, **how)


def test_gaps_are_those_of_the_rates_counted_by_hand():
    group = np.array(["a"] * 10 + ["b"] * 10, dtype=object)
    target = np.array(([1.0] * 5 + [0.0] * 5) * 2)
    before, accepted = np.ones(20, dtype=bool), np.array([True] * 10 + [False] * 5 + [True] * 5)
    found = compare_fairness(group, target, accepted, before, np.arange(20), fewest_bad=5, repeats=50)
    gap = found["differences"]["demographic_parity_difference"]
    assert (gap["before"], gap["after"], gap["difference"]) == (0.0, 0.5, 0.5)
    assert found["differences"]["equalized_odds_difference"]["difference"] == 1.0
    assert (found["groups"], found["too_small"]) == (["a", "b"], [])


def test_the_same_rule_widens_nothing_at_all(rows):
    accepted = rows[2] < 1
    assert {tuple(gap[end] for end in ("difference", "low", "high")) for gap in compared(rows, accepted, accepted)["differences"].values()} == {(0.0, 0.0, 0.0)}


def test_a_rule_that_turns_on_a_group_fails_and_is_named(rows):
    group, _, score = rows
    found = compared(rows, score < np.where(group == "north", 0.6, 1.0), score < 1)
    said = fairness_check({"region": found}, Margins())
    assert said["passed"] is False
    assert said["detail"].startswith("groups of region differ in the share accepted by +0.1")
    assert said["detail"].endswith("; too small to judge: 1 of region")


def test_two_scores_alike_but_for_noise_pass(rows):
    _, target, score = rows
    failed = 0
    for seed in range(40):
        other = score + np.random.default_rng(100 + seed).normal(0, 0.3, ROWS)
        failed += not fairness_check({"region": compared(rows, other < 1, score < 1, seed=seed)}, Margins())["passed"]
    assert failed <= 1


@pytest.mark.parametrize(("fairness", "passed", "detail"), [
    (None, False, "the treatment of groups was not compared with the champion's"),
    ({}, True, "the source brings no column whose groups could be compared"),
    ({"sex": {"groups": ["f"], "too_small": ["m"], "differences": None}}, True,
     "no column has two groups large enough to compare; too small to judge: 1 of sex"),
])
def test_what_cannot_be_judged_is_said(fairness, passed, detail):
    said = fairness_check(fairness, Margins())
    assert (said["passed"], said["detail"]) == (passed, detail)
