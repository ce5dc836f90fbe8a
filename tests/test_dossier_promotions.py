"""The kept dossier's section on how a model came into use, in both languages; a stage's dossier has none."""

from datetime import datetime
from types import SimpleNamespace

import pytest

from pipeline.reports.dossier_promotions import promotions
from pipeline.reports.text import LANGUAGES, Words
from serving.store import Promotion

EFFECT = {"cases": 1200, "grades": {"two_or_more": 0.01}, "approved": {"before": 0.9, "after": 0.88}}
EVIDENCE = {"override": True, "approver": "wang", "reasons": [{"check": "fairness", "passed": True, "detail": "alike"},
                                                              {"check": "decisions", "passed": False, "detail": "too many"}],
            "parity": {"rows": 200, "milliseconds_median": 3.21, "milliseconds_p99": 8.9, "champion_median": 3.0, "champion_p99": 9.5},
            "shadow": {"days": 14, "nights": [{"as_of": "2026-03-31", "effect": EFFECT}], "answers": EFFECT}}


def entry(action, bundle, **more):
    return Promotion(**{"sequence": 1, "made_at": datetime(2026, 3, 31, 12, 5), "use_case": "default", "source": "s", "action": action, "bundle": bundle,
                        "previous_bundle": None, "policy": "p" * 64, "actor": "lin", "reason": "因为"} | more)


def said(language, *entries):
    words = Words(language, more=("dossier", "promotions"))
    return promotions(SimpleNamespace(promotions=entries or None), words)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_stage_says_nothing_of_promotions(language):
    assert said(language) is None


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_step_of_the_ledger_has_its_words(language):
    every = [entry(action, "a" * 64) for action in ("promote", "rollback", "request", "shadow", "shadow_end")]
    ledger = said(language, *every).blocks[-1]
    assert len(ledger.content) == 5
    assert len({row[1] for row in ledger.content}) == 5


def test_who_when_why_and_on_what_evidence():
    found = said("en", entry("promote", "a" * 64), entry("promote", "b" * 64, previous_bundle="a" * 64, evidence=EVIDENCE))
    about, checks, override, trial, ledger = found.blocks
    assert dict(about.content) == {"Step": "Put into use", "When": "31 Mar 2026 12:05 UTC", "By": "lin", "Second person": "wang", "Why": "因为",
                                   "Model in use before": "a" * 12, "Policy from then on": "p" * 12,
                                   "One row alone and in a batch": "the same to the bit, 200 rows",
                                   "Time for a row with reasons": "3.2 ms in the median, 8.9 ms at the 99th percentile; the model in use 3.0 ms and 9.5 ms"}
    assert [row[:2] for row in checks.content] == [("Treatment of groups", "passed"), ("Effect on decisions", "failed")]
    assert "overridden" in override.content[0]
    assert trial.content[0] == "Before that it was on trial beside the model in use for 14 days; published books scored by both: 1."
    assert trial.content[2].startswith("Of 1,200 answers of the service, 1.0% would have moved two grades or more; 90.0% were approved, 88.0%")
    assert [row[2] for row in ledger.content] == ["b" * 12, "a" * 12]


def test_a_first_promotion_by_one_person_says_that_nobody_else_was_asked():
    about = dict(said("zh", entry("promote", "a" * 64)).blocks[0].content)
    assert (about["第二人"], about["时间"]) == ("未要求", "2026年3月31日 12:05 UTC")
