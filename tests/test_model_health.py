"""The section on the model in use: what it says of drift, the feed, outcomes against the promise and the decision, and where nothing is known."""

import re
import shutil
from pathlib import Path

import pytest
from builders import customer
from health_world import DRIFT, NOTHING_KNOWN, PERFORMANCE, QUALITY, RECENT, RETRAIN, SLIP, cohort, estimate, grade, write_health
from report_world import put, run
from test_committee_pack import clock, pages, section, store, world  # noqa: F401
from test_portfolio_page import book_of

from pipeline.reports.model_health import SHOWN, Health, model_health_view
from pipeline.reports.model_outcomes import LATEST, outcomes_view
from pipeline.reports.model_outcomes_chart import Cohort, beside_promise
from pipeline.reports.text import LANGUAGES, Words

EN = Words("en", more=("portfolio", "model_health"))
ZH = Words("zh", more=("portfolio", "model_health"))
HEADING = {"en": "Model in use: is it still right?", "zh": "在用模型：是否仍然准确？"}
# A clause of English, in a page that is written in Chinese.
CLAUSE = re.compile(r"[A-Za-z]{2,}(?: [a-z]{2,}){2,}")


@pytest.fixture
def portfolio(tmp_path, monkeypatch):
    """The section of the portfolio page in each language, tags aside; changes: the files as `write_health` takes them."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(Path(__file__).parent.parent / "policy.yaml", tmp_path)
    put(book_of(C1=("A", 600_000)), {"customers": [customer("C1")]})

    def made(**changes):
        write_health("default", **changes)
        written = run(customers=0)
        return {language: plain(section(written[name], HEADING[language])) for language, name in (("en", "index.html"), ("zh", "index.zh.html"))}

    return made


def plain(html):
    return re.sub(r"\s+", " ", re.sub("<.*?>", " ", html))


def view(words=EN, use_case="default", **parts):
    found = {"drift": DRIFT, "quality": QUALITY, "performance": PERFORMANCE, "retrain": RETRAIN} | parts
    return model_health_view(Health(**found), words, use_case=use_case, bundle="ab" * 32)


@pytest.mark.parametrize("told", [
    "Inputs moderate drift 2 of 40 columns moved beyond chance", "Records whole", "0.740 0.690 – 0.790; promised: 0.800",
    "leave it alone a refit waits for outcomes",
    "A refit is called for and waits until enough outcomes are known",
    "Because: AUC is 0.740 (0.690 to 0.790) on the cohorts 2022-10-31 to 2023-03-31, where the model promised 0.800.",
    "Because: refit needs 100 matured bad customers since the training cutoff, there are 52.",
    "To look at: the inputs drifted (moderate); matured cohorts say whether that matters.",
    "A refit should change the AUC by +0.050 (−0.010 to +0.110).",
    "Another 1,000 rows scored by this model, if they are like the recent ones: bad rows beyond those expected +6 (−2 to +15), AUC against the promise −0.060.",
    "Of 2,000 observations of 1,100 customers from 31 Oct 2022 to 31 Mar 2023, 52 defaulted; the model expected 40.",
    # 1.96 standard errors of 0.01 around the promise.
    "The AUC on them is 0.740 (0.690 – 0.790); the probabilities promised 0.800 on the same rows (0.780 – 0.820).",
    "The odds differ from the predicted ones by +0.30 in log-odds (+0.10 to +0.50); the calibration slope is 0.90 (0.70 – 1.10).",
    "It was accepted with an AUC of 0.820 (0.780 – 0.860).", "D: 30 of 500 defaulted, 18 were expected (p &lt; 0.001).",
    "Of the 1,000 rows from Jan 2024 on, the latest, 3.5% are expected to turn out bad (1.5% – 5.5%).", "The AUC expected on them is 0.810 (0.710 – 0.910).",
    "once the outcomes of 2 cohorts were known: 1 held the truth in their 95 % interval (0.200 wide); on average they were 0.060 too high.",
    "Of the bad rate: 2 of 2 held the truth (interval 4.0 points wide); on average they were 0.4 points too low.",
    "Average days late, last 180 days moved: PSI 0.123, of which 0.004 is chance; it carries 12.0% of what the model uses.",
    "Oct 2022 1,000 4 40 (20 – 60) – 0.800 (0.700 – 0.900)", "Jan 2024 1,000 – 35 (15 – 55) – 0.810 (0.710 – 0.910)",
])
def test_the_portfolio_page_tells(portfolio, told):
    assert told in portfolio()["en"]


def test_grades_within_chance_are_not_named(portfolio):
    shown = portfolio()["en"]
    assert "E: 20 of 500" not in shown
    calm = PERFORMANCE | {"recent": RECENT | {"grades": [grade("A", 2, 3.0, 1.0)]}}
    assert outcomes_view(calm, EN, use_case="default")["grades"] == ["No grade is off beyond chance (grades judged: 1)."]


def test_the_chinese_section_says_the_same_and_nothing_in_english(portfolio):
    faulty = QUALITY | {"verdict": "faulty", "faults": [{"sentence": SLIP}], "stale": ["payments"]}
    shown = portfolio(quality=faulty)["zh"]
    assert CLAUSE.findall(shown) == []
    for told in ("输入 中度漂移", "评分发生变动：PSI 0.310，其中 0.010 属随机，数值偏高。", "约为同一客户通常金额的 100 倍",
                 "“付款”：自2024年1月31日以来没有新记录。",
                 "D：500 行中违约 30 行，预期 18 行（p &lt; 0.001）。", "依据：重新拟合需要训练截止日以来 100 个已成熟的坏客户，现有 52 个。"):
        assert told in shown


def test_the_committees_pack_has_the_section_too(store):  # noqa: F811
    write_health("default")
    for language, page in pages().items():
        assert {"en": "Another 1,000 rows scored", "zh": "若再以该模型评分 1,000 行"}[language] in plain(section(page, HEADING[language]))


def test_before_anything_has_matured_one_sentence_says_so(portfolio):
    shown = portfolio(performance=NOTHING_KNOWN, retrain=RETRAIN | {"gain": None, "waiting": None})["en"]
    assert "No outcome is known yet of whom the model has scored since its training cutoff (31 Dec 2022)" in shown
    assert "not known yet too few outcomes are known" in shown
    assert "Grade by grade" not in shown
    assert "Another" not in shown


def test_where_no_stage_has_run_one_sentence_says_so(portfolio):
    shown = portfolio(drift=None, quality=None, performance=None, retrain=None)
    assert shown["en"].strip() == "Nothing has looked at the model in use yet: the stages monitor, performance and decide have not run."
    assert "均未运行" in shown["zh"]


def test_too_few_bad_rows_give_no_ranking():
    shown = view(performance=PERFORMANCE | {"recent": RECENT | {"auc": None, "line": None, "bad": 4}})
    assert "They are too few to say how well it ranks." in shown["outcomes"]["said"]
    assert shown["tiles"][2][1] == "not known yet"


def test_outcomes_of_another_model_are_said_to_be():
    assert not view()["other"]
    assert view(performance=PERFORMANCE | {"bundle": "cd" * 32})["other"]


def test_faults_are_listed_as_far_as_they_are_read_and_not_said_again_as_reasons():
    faults = [{"sentence": SLIP.replace("2024-03", f"2023-{month:02d}")} for month in range(1, 12)]
    retrain = RETRAIN | {"reasons": [f"records are faulty, so nothing is learned from them: {each['sentence']}" for each in faults],
                         "evidence": {"faults": [each["sentence"] for each in faults]}, "wanted": "none"}
    shown = view(quality=QUALITY | {"verdict": "faulty", "faults": faults}, retrain=retrain)
    assert (len(shown["feed"]["lines"]), shown["feed"]["more"]) == (SHOWN, len(faults) - SHOWN)
    assert shown["feed"]["lines"][0].unescape() == (
        "Invoices: 12% of the amounts in amount of Jan 2023 are about 100 times the same customers' usual ones, as in another unit or currency: bring them to "
        "minor units.")
    assert [each for each in shown["decided"] if "faulty" in each] == ["Because the records are faulty, as named below: nothing is learned from them."]


def test_columns_that_a_fault_explains_are_named_up_to_a_number():
    names = ["raw_score", *(f"inv_days_late_mean_{days}d" for days in range(30, 330, 30))]
    note = "80% of the book's rows are among those the model learned from, so this comparison cannot show drift"
    said = view(drift=DRIFT | {"left_out": names, "note": note})
    assert said["drift"][-1].startswith("Not judged: the score itself; Average days late, last 30 days; ")
    assert said["drift"][-1].endswith(f" And {len(names) - SHOWN} more.")
    assert said["drift"][-2].unescape() == f"{note}."


def test_a_gain_without_width_was_measured_on_nothing():
    flat = {"figure": "auc", "gain": 0.0, "low": 0.0, "high": 0.0}
    assert not [each for each in view(retrain=RETRAIN | {"gain": flat})["decided"] if "AUC by" in each]


def test_what_an_unknown_stage_wrote_stands_marked_and_its_markup_escaped():
    said = view(ZH, drift=DRIFT | {"sentences": ["a <b>new</b> sentence."]})["drift"]
    assert said == ['<span lang="en">a &lt;b&gt;new&lt;/b&gt; sentence.</span>。']


@pytest.mark.parametrize("use_case", ["default", "fraud"])
@pytest.mark.parametrize("action", ["none", "recalibrate", "refit", "rebuild"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_action_and_verdict_has_words(language, action, use_case):
    words = Words(language, more=("portfolio", "model_health"))
    for drift, feed, wanted in (("none", "whole", "refit"), ("severe", "rejects", "rebuild"), ("moderate", "stale", "recalibrate")):
        shown = view(words, use_case, drift=DRIFT | {"verdict": drift}, quality=QUALITY | {"verdict": feed},
                     retrain=RETRAIN | {"action": action, "wanted": wanted})
        assert len(shown["tiles"]) == 4
        assert len(shown["outcomes"]["figures"]) == 2
    figure = "log_loss" if action == "recalibrate" else "auc"
    assert view(words, use_case, retrain=RETRAIN | {"action": action, "wanted": action, "gain": RETRAIN["gain"] | {"figure": figure}})["decided"]


def test_only_the_latest_matured_cohorts_are_shown_and_all_that_are_open():
    many = [cohort(f"{year}-{month:02d}", bad=30, auc=0.8) for year in range(2018, 2024) for month in (1, 4, 7, 10)]
    shown = outcomes_view(PERFORMANCE | {"cohorts": many}, EN, use_case="default")
    quarters = [f"{month} {year}" for year in (2021, 2022, 2023) for month in ("Jan", "Apr", "Jul", "Oct")]
    assert [row["month"] for row in shown["rows"]] == [*quarters, "Jan 2024"]
    assert len(shown["rows"]) == LATEST + 1


def test_cohorts_of_which_no_ranking_is_promised_stand_in_the_rate_alone():
    shown = outcomes_view(PERFORMANCE | {"cohorts": [], "open": [cohort("2024-01", promised=estimate(None))]}, EN, use_case="default")
    assert [figure.title for figure in shown["figures"]] == ["Default rate, cohort by cohort"]
    assert shown["rows"][0]["promised"] == "–"


def test_the_chart_places_promise_and_observation_on_one_axis():
    """Axis from 0 to 0.4 over 180 units of height from y = 190 up to y = 10: 0.2 lies at 100, 0.3 at 55."""
    drawn = beside_promise([Cohort("Q1", 0.3, 0.2, 0.4, 0.2, 0.1, 0.3), Cohort("Q2", None, None, None, 0.2, 0.1, 0.3)], axis=str, floor=0.0, key="k",
                           title="t", description="d")
    bands = re.findall(r'<rect x="[\d.]+" y="([\d.]+)" width="[\d.]+" height="([\d.]+)" class="t-band">', drawn.svg)
    assert bands == [("55", "90"), ("55", "90")]
    assert re.findall(r'cy="([\d.]+)" r="4.5" class="observed"', drawn.svg) == ["55"]
    assert re.findall(r'y1="([\d.]+)" x2="[\d.]+" y2="([\d.]+)" class="whisker"', drawn.svg) == [("100", "10")]
    assert re.findall(r'y1="([\d.]+)" x2="[\d.]+" y2="[\d.]+" class="expected"', drawn.svg) == ["100", "100"]
