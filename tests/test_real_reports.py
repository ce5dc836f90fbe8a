"""Officer's reports of real companies, two that failed about a year later among them."""

import re
from datetime import timedelta

import pandas as pd
import pytest
from real_sets import needs, stages

from pipeline.book import book
from pipeline.challenge import challenge
from pipeline.datasets import TABLES, case_path
from pipeline.evaluate import evaluate
from pipeline.explain import explain
from pipeline.featurize import featurize
from pipeline.gate import gate
from pipeline.ingest import ingest
from pipeline.observe import observe
from pipeline.report import report
from pipeline.reports.text import LANGUAGES
from pipeline.sample import sample
from pipeline.score import score
from pipeline.ship import ship
from pipeline.train import train

# A filing's year and, in dart_korea, the weeks to the delisting.
ABOUT_A_YEAR = timedelta(days=430)
SAID = {"en": ("What changed since", "Among its industry", "How much is known", "how to object"),
        "zh": ("以来的变化", "在同业中的位置", "信息是否充分", "申诉途径")}

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", [pytest.param(name, marks=needs(name)) for name in ("american_bankruptcy", "dart_korea")])
def test_two_that_failed_a_year_later_are_among_the_reports(name, tmp_path):
    with stages(name, tmp_path):
        ingest()
        for stage in (observe, featurize, sample, train, evaluate, challenge, explain, ship, gate, book, score, report):
            stage("default")
        scores, outcomes = pd.read_parquet(case_path("default", "scores.parquet")), pd.read_parquet(TABLES / "outcomes.parquet")
        joined = scores.merge(outcomes, on="customer_id")
        failing = joined[joined["occurred_at"].gt(joined["as_of"]) & joined["occurred_at"].le(joined["as_of"] + ABOUT_A_YEAR)]["customer_id"]
        folder = case_path("default", "reports", "customers")
        reported = [customer for customer in failing if (folder / f"{customer}.en.html").is_file()]
        assert len(reported) >= 2
        for customer in reported:
            for language in LANGUAGES:
                page = (folder / f"{customer}.{language}.html").read_text(encoding="utf-8")
                assert [said for said in SAID[language] if said not in page] == []
                assert len(page.encode()) < 1_000_000
                assert not re.search("Simulated portfolio|模拟组合|nan%|>nan<", page)
