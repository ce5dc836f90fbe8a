"""The cross-walk to IFRS 9: every rule stands on words that the page quotes, and what nobody read has no rule."""

import re
from pathlib import Path

import numpy as np
import pytest

import models.crosswalk as crosswalk
from features.errors import RiskError
from models.crosswalk import QUOTES, RULES, SignificantIncrease, ifrs9_stages

PAGE = (Path(__file__).parent.parent / "docs" / "crosswalks.md").read_text(encoding="utf-8")
INCREASE = SignificantIncrease(ratio=2.0, points=0.01)


def judged(days, default=0, now=0.02, before=0.02, **rules):
    stages = ifrs9_stages(days_past_due=[days], in_default=[default], pd_now=[now], pd_at_recognition=[before], **({"increase": INCREASE} | rules))
    return int(stages.stage[0]), stages.reason(0).code.removeprefix("ifrs9.")


def test_every_quote_stands_on_the_page_word_for_word():
    quoted = dict(re.findall(r'^- \*\*(.+?)\*\* "(.+)"$', PAGE, flags=re.MULTILINE))
    assert quoted == QUOTES


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_every_rule_names_quotes_and_stands_in_the_pages_table(rule):
    assert rule.quotes
    assert set(rule.quotes) <= set(QUOTES)
    (row,) = re.findall(rf"^\| `{re.escape(rule.code)}` \| .+ \| (.+?) \| (.+?) \|$", PAGE, flags=re.MULTILINE)
    assert row == ("none (0)" if rule.stage == 0 else str(rule.stage), ", ".join(rule.quotes))


def test_no_quote_is_without_a_rule():
    assert {name for rule in RULES for name in rule.quotes} == set(QUOTES)


def test_the_five_tiers_have_no_mapping_and_the_page_says_so():
    assert "**There is no mapping.**" in PAGE.split("## The five-tier classification")[1]
    assert not [name for name in dir(crosswalk) if re.search("tier|five", name, flags=re.IGNORECASE)]


@pytest.mark.parametrize(("days", "changes", "expected"), [
    (0, {}, (1, "no_increase")),
    (30, {}, (1, "no_increase")),
    (31, {}, (2, "past_due_30")),
    (89, {}, (2, "past_due_30")),
    (90, {}, (3, "past_due_90")),
    (0, {"default": 1}, (3, "default")),
    (0, {"default": np.nan}, (1, "no_increase")),
    (0, {"now": 0.04}, (2, "pd_increase")),
    (0, {"now": 0.039}, (1, "no_increase")),
    (0, {"now": 0.009, "before": 0.001}, (1, "no_increase")),
    (0, {"now": 0.04, "low_credit_risk_below": 0.05}, (1, "low_credit_risk")),
    (31, {"now": 0.04, "low_credit_risk_below": 0.05}, (2, "past_due_30")),
    (31, {"rebutted_30": True}, (1, "no_increase")),
    (90, {"rebutted_90": True}, (2, "past_due_30")),
    (0, {"before": np.nan}, (0, "not_judged")),
    (31, {"before": np.nan}, (2, "past_due_30")),
    (np.nan, {}, (0, "not_judged")),
    (0, {"increase": None}, (0, "not_judged")),
    (91, {"increase": None}, (3, "past_due_90")),
])
def test_worked_assets(days, changes, expected):
    assert judged(days, **changes) == expected


def test_more_arrears_never_lead_to_a_better_stage():
    rng, n = np.random.default_rng(2), 20_000
    given = {"in_default": rng.random(n) < 0.05, "pd_now": rng.uniform(0, 0.3, n), "pd_at_recognition": rng.uniform(0, 0.3, n), "increase": INCREASE}
    days, more = rng.integers(0, 120, n), rng.integers(0, 60, n)
    assert (ifrs9_stages(days_past_due=days + more, **given).stage >= ifrs9_stages(days_past_due=days, **given).stage).all()
    worse = given | {"pd_now": np.minimum(given["pd_now"] + 0.1, 1.0)}
    assert (ifrs9_stages(days_past_due=days, **worse).stage >= ifrs9_stages(days_past_due=days, **given).stage).all()


@pytest.mark.parametrize(("changes", "message"), [
    ({"days": -1}, "days_past_due of 1 of 1 assets is negative: 0 is not past due"),
    ({"now": 2.0}, "pd_now of 1 of 1 assets lies outside 0 to 1: give probabilities, not percentages"),
    ({"before": -0.1}, "pd_at_recognition of 1 of 1 assets lies outside 0 to 1"),
    ({"increase": SignificantIncrease(0.5, 0.0)}, "a significant increase is at least 1 time the probability at recognition and 0 points more"),
])
def test_what_cannot_be_judged_is_refused(changes, message):
    with pytest.raises(RiskError, match=message):
        judged(**({"days": 0} | changes))
