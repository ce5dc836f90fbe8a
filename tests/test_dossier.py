"""The model's dossier: what it says is what the stages measured, in both languages, and what they did not measure is left out."""

import json
import re
import time
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.calibration import METHODS
from models.classifier import REFITS, Settings
from models.leaks import ASKED
from models.policy import load_policy
from models.weak_segments import CALIBRATION, PROMISE, RANKING
from pipeline.challenge import challenge
from pipeline.dossier import dossier
from pipeline.evaluate import WORDS, evaluate
from pipeline.explain import explain
from pipeline.featurize import featurize
from pipeline.gate import gate
from pipeline.ingest import ingest
from pipeline.observe import observe
from pipeline.params import load_params
from pipeline.reports import dossier as built
from pipeline.reports.dossier_charts import Line, curves
from pipeline.reports.dossier_data import ORDER
from pipeline.reports.dossier_parts import Test, p_value, rate, readings, section, side, table
from pipeline.reports.dossier_use import _bin
from pipeline.reports.pages import Site
from pipeline.reports.text import LANGUAGES, Words
from pipeline.sample import sample
from pipeline.ship import ship
from pipeline.train import train
from pipeline.validate import validate
from pipeline.workspace import workspace

ROOT = Path(__file__).parent.parent
SMALL = [("simulated.customers", 700), ("simulated.reference_every_months", 12), ("train.max_trees", 60), ("train.threads", 1), ("explain.rows", 300),
         ("evaluate.bootstrap_rounds", 20), ("validate.repeats", 20), ("validate.learning_draws", 1), ("validate.learning_trees", 40)]
FULL = "data/default/evaluation/full.json"


# A run of all stages, half a minute.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a small run of the default use case, with its dossier."""
    with workspace(tmp_path_factory.mktemp("dossier"), SMALL) as place:
        ingest()
        for stage in (observe, featurize, sample, train, evaluate, challenge, explain, validate, ship, gate, dossier):
            stage("default")
        yield place


@pytest.fixture(scope="module")
def pages(run):
    return {language: Page(read(run, language)) for language in LANGUAGES}


@pytest.fixture(scope="module")
def made(run):
    return built.read_artefacts("default", policy=load_policy(Path("policy.yaml")), params=load_params(), hashes={"data/tables": "ab" * 16})


def read(place, language):
    return (place / "data/default/dossier" / ("index.html" if language == "en" else f"index.{language}.html")).read_text(encoding="utf-8")


def artefact(run, path):
    return json.loads((run / path).read_text(encoding="utf-8"))


class Page(HTMLParser):
    """A page as a reader takes it: sections by key with their text, tables and marks, and tests by name."""

    VOID = frozenset({"meta", "link", "br", "input"})

    def __init__(self, text):
        super().__init__()
        self.raw, self.open, self.sections, self.rows, self.cell, self.marks = text, [], {}, [], None, {}
        self.key = None
        self.feed(text)
        assert self.open == [], self.open

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "section" and "aria-labelledby" in attributes:
            self.key = attributes["aria-labelledby"]
            self.sections[self.key], self.marks[self.key] = "", []
        elif self.key:
            self.marks[self.key].append(tag)
        if tag == "tr":
            self.rows.append((self.key, []))
        elif tag in ("td", "th"):
            self.cell = ""

    def handle_startendtag(self, tag, attributes):
        if self.key:
            self.marks[self.key].append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag == "section":
            self.key = None
        elif tag in ("td", "th"):
            self.rows[-1][1].append(self.cell.strip())
            self.cell = None

    def handle_data(self, data):
        if self.key:
            self.sections[self.key] += data
        if self.cell is not None:
            self.cell += data

    def table(self, key):
        return [cells for place, cells in self.rows if place == key]

    def test(self, name):
        """The cells of a test: name, question, figure, interval, reading."""
        return next(cells for _, cells in self.rows if cells[0] == name and len(cells) == 5)


def view(made, language="en"):
    return built.dossier_view(made, words_for(made, language))


def words_for(made, language="en"):
    return Site(made, more=("dossier", "explanation")).words[language]


def keys(shown):
    return [each.key for _, each in shown["sections"]]


def said(shown, key):
    """All words of a section."""
    part = next(each for _, each in shown["sections"] if each.key == key)
    return " ".join(str(content) for block in part.blocks for content in (block.title, *block.content, block.note))


def test_every_section_says_something_and_all_are_numbered(pages):
    for page in pages.values():
        assert list(page.sections) == keys_of_all()
        for key, tags in page.marks.items():
            assert {"table", "ul", "dl", "figure"} & set(tags), key
        headings = re.findall(r'<h2 id="(\w+)">(\d+) · ', page.raw)
        assert [int(number) for _, number in headings] == list(range(1, len(headings) + 1))


def keys_of_all():
    return ["purpose", "identity", "gate", "data", "target", "samples", "features", "method", "drivers", "scale", "ranking", "calibration", "stability",
            "segments", "challengers", "usefulness", "fairness", "sensitivity", "learning", "limits", "monitoring", "columns"]


def test_nothing_is_shown_empty_or_unfilled(pages):
    for page in pages.values():
        assert not re.search(r"<(tbody|ul|ol|dl|figure|section)[^>]*>\s*</\1>", page.raw)
        text = " ".join(page.sections.values())
        assert not re.search(r"\bNone\b|\bnan\b|[{}]", text), re.findall(r".{30}(?:\bNone\b|\bnan\b|[{}]).{30}", text)[:3]


def test_approvals_and_results_of_monitoring_wait_until_there_are_any(pages):
    assert not {"approvals", "monitored"} & set(pages["en"].sections)


def test_both_languages_show_the_same_numbers(pages):
    numeric = re.compile(r"[−+]?[\d,.]+%?( – [−+]?[\d,.]+%?)?")
    english, chinese = (page.rows for page in pages.values())
    assert [len(cells) for _, cells in english] == [len(cells) for _, cells in chinese]
    both = [(ours, theirs) for (_, cells), (_, others) in zip(english, chinese, strict=True) for ours, theirs in zip(cells, others, strict=True)
            if numeric.fullmatch(ours)]
    assert len(both) > 1000
    assert [pair for pair in both if pair[0] != pair[1]] == []


def test_the_chinese_page_speaks_chinese(pages):
    assert len(re.findall(r"[\u4e00-\u9fff]", pages["zh"].raw)) > 3000
    assert not re.search(r"[\u4e00-\u9fff]", pages["en"].raw.replace("中文", ""))


# Three English words in a row; names of methods and of columns are not so long.
ENGLISH = re.compile(r"[A-Za-z]{2,}(?:,? [a-z]{2,}){2,}")


def test_nothing_that_a_stage_wrote_is_left_in_english_on_the_chinese_page(pages):
    assert 'lang="en"' not in re.sub(r"<a [^>]*>", "", pages["zh"].raw)
    assert [found for text in pages["zh"].sections.values() for found in ENGLISH.findall(text)] == []


def test_what_a_stage_wrote_is_told_in_chinese_whatever_it_is(made):
    oddity = {"table": "payments", "meaning": "No row of invoices has this id.", "rows": 3, "example": "I9"}
    tables = made.about["tables"] | {"payments": made.about["tables"]["payments"] | {"rejected": {"amount is not a money: a decimal comma": 2}}}
    gate = {"verdict": "keep", "first": False, "reasons": [{"check": "stability", "passed": False, "detail": "the score's stability was not measured"}]}
    leaks = made.leaks | {"notes": ["17% of the judged rows belong to customers that also train, so the figures flatter the model on new customers."],
                          "warnings": ["Only 9 customers with a bad row judge, and 30 are few: the intervals of all figures are wide, and right."]}
    shown = view(replace(made, about=made.about | {"findings": [oddity], "tables": tables}, gate=gate, leaks=leaks), "zh")
    for key, told in (("data", "数据表“发票”中没有该编号。"), ("data", "amount 不是金额：小数逗号"), ("gate", "未测量评分的稳定性"),
                      ("samples", "17% 的检验行属于也参与训练的客户"), ("limits", "仅有 9 个坏客户用于检验")):
        assert told in said(shown, key)


def test_what_an_author_wrote_of_a_source_stands_as_it_is_and_is_marked(made):
    shown = view(replace(made, about=made.about | {"description": "our debtors since 2009"}), "zh")
    assert '<span lang="en">our debtors since 2009</span>' in said(shown, "identity")


@pytest.mark.parametrize(("protocol", "told"), [
    ({"kind": "by_time", "development_to": "2014-06-30", "out_of_time_from": "2015-06-30", "out_of_time_to": "2016-06-30"},
     "by time, learning up to 30 Jun 2014, judged from 30 Jun 2015, judged up to 30 Jun 2016"),
    ({"kind": "k_fold", "only": {"year": "1"}, "as_of_from": None, "seed": 0, "folds": 10, "repeats": 1}, "fold by fold, only year = 1, seed 0, 10 folds"),
    ({"kind": "random", "only": {}, "test_share": 0.3, "rounds": 5}, "at random, judged share 0.3, 5 rounds"),
    ({"kind": "grouped", "folds": 5}, "fold by fold, customers kept whole, 5 folds")])
def test_a_published_protocol_is_said_in_words(made, protocol, told):
    assert told in said(view(replace(made, maturity=made.maturity | {"protocol": protocol})), "data")


def test_the_tests_show_what_evaluate_measured(run, pages):
    full, page = artefact(run, FULL), pages["en"]
    ranks, line = full["discrimination"], full["probability"]["line"]
    assert page.test("Gini")[2:4] == [f"{ranks['gini']:.3f}", f"{ranks['gini_low']:.3f} – {ranks['gini_high']:.3f}"]
    assert page.test("AUC")[2:4] == [f"{ranks['auc']:.3f}", f"{ranks['low']:.3f} – {ranks['high']:.3f}"]
    assert page.test("Slope")[2:4] == [f"{line['slope']:.2f}", f"{line['slope_low']:.2f} – {line['slope_high']:.2f}"]
    assert page.test("Level")[3] == f"{np.exp(line['offset_low']):.2f} – {np.exp(line['offset_high']):.2f}"
    assert page.test("Spiegelhalter")[2] == f"z = {full['probability']['spiegelhalter']['z']:.2f}".replace("-", "−")
    assert page.test("Hosmer-Lemeshow")[2] == f"{full['probability']['hosmer_lemeshow']['statistic']:,.1f} (10)"


def test_the_grades_show_what_evaluate_measured(run, pages):
    for grade in artefact(run, FULL)["grades"]:
        if grade["rows"]:
            shown = next(cells for cells in pages["en"].table("calibration") if cells[0] == grade["grade"] and len(cells) == 11)
            assert shown[1] == f"{grade['rows']:,}"
            assert shown[3:6] == [f"{grade['expected']:,.1f}", f"{grade['bad']:,}", f"{grade['low']} – {grade['high']}"]
            assert shown[9:] == [f"{grade['binomial_p']:.3f}", f"{grade['jeffreys_p']:.3f}"]


def test_the_tables_show_what_ingest_and_observe_counted(run, pages):
    about, cohorts = artefact(run, "data/ingest.json"), artefact(run, "data/default/development/maturity.json")["cohorts"]
    assert {cells[2] for cells in pages["en"].table("data")[1:11]} == {f"{each['kept']:,}" for each in about["tables"].values()}
    assert [cells[1] for cells in pages["en"].table("target")[1:]] == [f"{each['rows']:,}" for each in cohorts]


def test_validate_and_challenge_are_shown_as_they_measured(run, pages):
    compared = artefact(run, "data/default/challengers/challengers.json")["comparison"]["auc"]
    assert pages["en"].test("AUC over the scorecard")[2] == f"{compared['difference']:+.4f}".replace("-", "−")
    found = artefact(run, "data/default/validation/validation.json")
    shown = pages["en"].table("segments")
    assert len(shown) >= len(found["segments"])
    missing = {each["table"]: each for each in found["sensitivity"]["missing"]}
    line = next(cells for cells in pages["en"].table("sensitivity") if cells[0] == "missing: Invoices")
    assert line[2] == f"{missing['invoices']['auc']:.3f}"
    assert [(cells[4], cells[6]) for cells in pages["en"].table("learning")[2:] if len(cells) == 7][1:] == \
        [(f"{point['auc']:.3f}", f"{point['average_precision']:.3f}") for point in found["learning_curve"]["points"]]


def test_every_column_is_listed_once_the_strongest_first(run, pages):
    head, *rows = pages["en"].table("columns")
    names = [cells[1] for cells in rows if cells != head]
    model = artefact(run, "data/default/model/model.json")
    assert sorted(names) == sorted(column["name"] for column in model["columns"])
    assert names[0] == artefact(run, "data/default/explanation/importance.json")["columns"][0]["column"]


def test_the_plots_are_linked_and_lie_beside_the_page_in_its_language(run, pages):
    for language, page in pages.items():
        linked = re.findall(r'href="(figures/[^"]+)"', page.raw)
        folder = run / "data/default/dossier"
        assert sorted(linked) == sorted(f"figures/{path.name}" for path in (folder / "figures").glob(f"*.{language}.svg"))
        assert {name.split("/")[1].split("_")[0].split(".")[0] for name in linked} == {"importance", "dependence", "interactions", "interaction"}
        for name in linked:
            assert (folder / name).read_bytes() == (run / "data/default/explanation" / name).read_bytes()


def test_importances_are_shown_with_their_intervals(run, pages):
    found = artefact(run, "data/default/explanation/importance.json")
    first = found["factors"][0]
    assert first["share_low"] <= first["share"] <= first["share_high"]
    assert f"{first['share']:.1%} ({first['share_low']:.1%} – {first['share_high']:.1%})" in pages["en"].raw
    assert f"by drawing {found['customers']} customers" in pages["en"].raw


def test_the_page_loads_nothing_from_a_network(pages):
    for page in pages.values():
        assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//|@import|url\(|<script""", page.raw)
        assert len(page.raw.encode()) < 1_000_000


def test_every_drawing_says_in_words_what_it_shows(pages):
    for page in pages.values():
        ids = re.findall(r'\sid="([^"]+)"', page.raw)
        assert len(ids) == len(set(ids))
        assert page.raw.count("<svg") == len(re.findall(r"<svg[^>]*><title[^>]*>[^<]+</title><desc[^>]*>[^<]+</desc>", page.raw)) > 5


def test_the_same_artefacts_give_the_same_bytes_in_seconds(run):
    before, started = [read(run, language) for language in LANGUAGES], time.monotonic()
    dossier("default")
    assert time.monotonic() - started < 10
    assert [read(run, language) for language in LANGUAGES] == before


@pytest.mark.parametrize(("missing", "gone"), [
    ({"evaluation": None}, {"ranking", "calibration", "stability"}),
    ({"validation": None}, {"segments", "usefulness", "fairness", "sensitivity", "learning"}),
    ({"challengers": None}, {"challengers"}),
    ({"gate": None}, {"gate"}),
    ({"importance": None}, {"drivers"}),
    ({"observations": None}, {"samples"}),
])
def test_without_an_artefact_its_sections_are_left_out(made, missing, gone):
    for language in LANGUAGES:
        shown = view(replace(made, **missing), language)
        # The stability of the samples is measured by two stages: either is enough.
        gone_now = gone - ({"stability"} if "evaluation" in missing else set())
        assert set(keys_of_all()) - set(keys(shown)) == gone_now
        assert [number for number, _ in shown["sections"]] == list(range(1, len(shown["sections"]) + 1))
        assert all(part.blocks for _, part in shown["sections"])


def test_a_bare_model_still_has_a_dossier_of_what_is_known(made):
    bare = replace(made, **dict.fromkeys(("catalogue", "leaks", "shipped", "evaluation", "importance", "check", "gate", "challengers", "validation",
                                          "observations")), hashes={})
    shown = view(bare)
    assert keys(shown) == ["purpose", "identity", "data", "target", "features", "method", "scale", "limits", "monitoring", "columns"]
    assert shown["tiles"] == [] or all(tile[1] for tile in shown["tiles"])


def test_a_test_that_fails_is_named_first(made):
    line = made.evaluation["probability"]["line"] | {"slope": 0.4, "slope_low": 0.3, "slope_high": 0.5}
    full = made.evaluation | {"probability": made.evaluation["probability"] | {"line": line}}
    shown = view(replace(made, evaluation=full))
    number, key, test = next(each for each in shown["look"] if each[2].name == "Slope")
    assert (key, test.figure, test.reading) == ("calibration", "0.40", "The probabilities are too far apart.")
    assert dict(shown["sections"])[number].key == "calibration"
    assert "The calibration slope is 0.40" in said(shown, "limits")


def test_a_refit_that_scores_is_told_apart_from_what_was_validated(made):
    about = made.model["training"] | {"describes": "refitted", "last_as_of": "2024-01-31", "out_of_fold": {"auc": 0.8, "low": 0.75, "high": 0.85},
                                      "counts": {"all_matured": {"rows": 12_345}}}
    shown = view(replace(made, shipped=made.model | {"training": about}, shipped_hash="cd" * 32))
    assert "all 12,345 matured rows up to 31 Jan 2024" in said(shown, "identity")
    assert "out of fold its AUC is 0.800 (0.750 – 0.850)" in said(shown, "identity")
    assert "refitted after these tests" in said(shown, "limits")
    assert "byte for byte" in said(view(made), "identity")


@pytest.mark.parametrize(("definition", "told"), [
    ({"kind": "event"}, "the source records a default within 12 months"),
    ({"kind": "given"}, "as its labelled rows give it"),
    ({"kind": "days_past_due", "days_past_due": 90, "material_amount": 50_000, "material_share": 0.01, "cure_days": 60}, "more than 500 (and 1.0% of all"),
    ({"kind": "either", "days_past_due": 90, "material_amount": 50_000, "material_share": 0.01, "cure_days": 60}, "Past due: 90 days, more than 500"),
])
def test_the_target_says_what_counts_as_bad(made, definition, told):
    assert told in said(view(replace(made, maturity=made.maturity | {"definition": definition})), "target")


def test_a_column_that_knows_the_outcome_is_named_with_its_reason(made):
    finding = {"column": "obs_days_in_recovery", "auc": 0.991, "reason": "bad_values", "detail": "", "reads": [], "also": []}
    leaks = made.leaks | {"findings": [finding], "screened": {"columns": 7, "rules": [{}] * 6}, "left_out": []}
    shown = view(replace(made, leaks=leaks, evaluation=made.evaluation | {"suspects": ["obs_days_in_recovery"]}))
    assert "'days_in_recovery', '0.991', 'some values are those of the bad only', 'kept in the model'" in said(shown, "features")
    assert "may know the outcome: days_in_recovery" in said(shown, "limits")


def test_reviewers_of_fraud_read_what_they_find_at_their_capacity(made):
    mine = {"capacity": 5, "days": 120, "precision": 0.0233, "low": 0.0116, "high": 0.035, "best": 0.03, "found": 14, "compromised": 16, "recall": 0.875,
            "found_amount": 4_392_060_449, "saved_amount": 1_938_413_811}
    over = {"difference": 0.0133, "low": 0.002, "high": 0.03}
    full = made.evaluation | {"capacity": {"model": mine, "rules": mine | {"precision": 0.01}, "difference": over}}
    shown = said(view(replace(made, evaluation=full)), "usefulness")
    assert "figure='2.33%', interval='1.16% – 3.50%'" in shown
    assert "14 of 16 compromised customers are found" in shown
    assert "figure='1.33%'" in shown
    assert "More, beyond chance." in shown


def test_what_rejected_applications_changed_is_told_where_they_took_part(made):
    found = {"auc": {"difference": -0.01, "low": -0.02, "high": -0.001}, "rejected": 250, "rejected_mean_before": 0.05, "rejected_mean_after": 0.12}
    shown = said(view(replace(made, validation=made.validation | {"reject_inference": found})), "method")
    assert "250 rows" in shown
    assert "good=False" in shown
    assert "from 5.00% to 12.00%" in shown


def test_few_bad_customers_and_held_out_customers_are_limits(made):
    counts = {name: {"rows": 10, "bad": 3, "bad_customers": 3} for name in made.training["counts"]}
    rows = pd.DataFrame({"customer_id": ["a", "b"], "as_of": pd.Timestamp("2024-01-31"), "target": 1.0, "status": "matured",
                         "sample": ["development", "out_of_time"]})
    shown = said(view(replace(made, model=made.model | {"training": made.training | {"counts": counts}}, observations=rows,
                              leaks=made.leaks | {"judged_by": {"kind": "by_customer"}})), "limits")
    assert "Only 9 bad customers taught" in shown
    assert "Only 3 bad customers judged" in shown
    assert "not later than those that taught" in shown
    assert "were seen in the past" not in shown


def test_the_plan_of_monitoring_reads_the_thresholds_in_force(made):
    shown = said(view(made), "monitoring")
    for value in (made.params.monitor.min_effect, made.params.decide.auc_loss_rebuild, made.params.decide.offset):
        assert f"{value:.2f}" in shown
    assert f"older than {made.params.decide.oldest_days:,} days" in shown


def test_data_is_found_again_by_its_hash(made):
    assert "ab" * 16 in said(view(made), "data")
    assert "ab" * 16 not in said(view(replace(made, hashes={})), "data")


def test_every_kind_that_a_stage_may_write_has_words():
    words = Words("en", more=("dossier", "explanation"))
    named = [*(f"setting.{name}" for name in Settings.__struct_fields__ if name not in ("threads", "refit")), *(f"method.refit.{name}" for name in REFITS),
             *(f"leak.{reason}" for reason in ASKED), *(f"samples.{kind}" for kind in WORDS), *(f"sample.{name}" for name in ORDER),
             *(f"sample.{name}.for" for name in ORDER),
             *(f"weak.{kind}" for kind in (CALIBRATION, PROMISE, RANKING)), *(f"{part}.{name}" for name in METHODS for part in ("calibration", "curve")),
             *(f"drift.{verdict}" for verdict in ("none", "moderate", "severe")), *(f"check.{name}" for name in CHECKS)]
    assert all(words(name) for name in named)


CHECKS = set(re.findall(r'_(?:check|keep)\("(\w+)"', "".join((ROOT / path).read_text(encoding="utf-8") for path in ("models/gate.py", "pipeline/gate.py"))))


def test_no_words_of_the_dossier_wait_for_a_reader():
    files = [*sorted((ROOT / "pipeline/reports").glob("dossier*.py")), ROOT / "pipeline/reports/templates/dossier.html"]
    source = "".join(path.read_text(encoding="utf-8") for path in files)
    known = json.loads((ROOT / "pipeline/reports/templates/dossier.en.json").read_text(encoding="utf-8"))
    named, stems = set(re.findall(r"""["']#?([\w.-]+)["']""", source)), tuple(re.findall(r"""f["']([a-z_.]+\.)\{""", source))
    # Asked for by the name of a thing, a figure or a column.
    kinds = ("table.", "own.", "ownership.", "figure.", "column.", *stems)
    assert [key for key in known if key not in named and not key.startswith(kinds)] == []
    labels = [key.removeprefix("column.") for key in known if key.startswith("column.")]
    assert [label for label in labels if label not in named and f"column.{label}" not in named] == []


@pytest.mark.parametrize(("low", "high", "who"), [(0.01, 0.02, "better"), (-0.01, 0.02, "level"), (-0.02, -0.01, "worse"), (0.0, 0.0, "level")])
def test_a_difference_is_level_where_its_interval_holds_nothing(low, high, who):
    assert side({"low": low, "high": high}) == who


def test_what_is_empty_is_no_part():
    words = Words("en", more=("dossier", "explanation"))
    assert table(("a",), []) is None
    assert readings([None]) is None
    assert section(words, "limits", None, table(("a",), [])) is None
    kept = section(words, "limits", readings([None, Test("t", "q", "1", "", "r")]))
    assert [test.name for test in kept.tests] == ["t"]


@pytest.mark.parametrize(("value", "written"), [(0.0123, "1.23%"), (0.00012, "0.0120%"), (0.0, "0.00%"), (0.001, "0.10%")])
def test_a_small_rate_keeps_its_digits(value, written):
    assert rate(Words("en"), value) == written


def test_a_p_value_is_a_bound_where_it_is_tiny():
    assert [p_value(Words("en"), p) for p in (0.0004, 0.0213)] == ["p < 0.001", "p = 0.021"]


def test_a_point_without_a_value_is_left_out_and_the_last_label_stands():
    line = Line("main", "AUC", [0.7, None, 0.9], [0.6, None, 0.8], [0.8, None, 1.0])
    drawn = curves([line], ["first", "second", "third"], axis=str, words=str, key="k", title="t", description="d")
    assert drawn.svg.count("<circle") == 2
    assert drawn.svg.count("whisker") == 2
    assert ">third<" in drawn.svg


def level(low=-0.01, high=0.02):
    return {"difference": 0.005, "low": low, "high": high}


def earning(made, over):
    """The validation where the cut-off earns so much over accepting all."""
    profit = made.validation["profit"]
    rules = profit["rules"] | {"cut_off": profit["rules"]["cut_off"] | {"over_all": over}}
    return made.validation | {"profit": profit | {"rules": rules}}


def test_trees_that_are_level_with_a_scorecard_are_a_finding(made):
    better = {"auc": level(0.01), "average_precision": level(0.01), "log_loss": level(-0.02, -0.01)}
    proven = view(replace(made, challengers=made.challengers | {"comparison": better}, validation=earning(made, level(0.01))))
    assert not {"challengers", "usefulness"} & {key for _, key, _ in proven["look"]}
    assert "the scorecard" not in said(proven, "limits")
    same = made.challengers | {"comparison": better | {"auc": level(), "log_loss": level()}}
    shown = view(replace(made, challengers=same, validation=earning(made, level())))
    assert [test.name for _, key, test in shown["look"] if key in ("challengers", "usefulness")] == \
        ["AUC over the scorecard", "Log-loss over the scorecard", "Cut-off over accepting all"]
    assert "the trees are not better than the scorecard in these figures: AUC, Log-loss." in said(shown, "limits")
    assert "not proven to earn more than accepting all: the difference per row lies within −0.01 – 0.02." in said(shown, "limits")


def test_a_model_level_with_simple_rules_is_a_finding(made):
    mine = {"capacity": 5, "days": 120, "precision": 0.02, "low": 0.01, "high": 0.03, "best": 0.03, "found": 14, "compromised": 16, "recall": 0.875}
    shown = view(replace(made, evaluation=made.evaluation | {"capacity": {"model": mine, "rules": mine, "difference": level()}}))
    assert "Over simple rules" in [test.name for _, _, test in shown["look"]]
    assert "not proven to find more than simple rules: the difference lies within −1.00% – 2.00%." in said(shown, "limits")


@pytest.mark.parametrize(("mean", "told"), [(0.031, True), (0.0131, True), (0.025, False)])
def test_inputs_that_move_the_mean_by_half_are_a_finding(made, mean, told):
    effect = made.validation["sensitivity"]["noise"][0] | {"mean_before": 0.02}
    found = made.validation | {"sensitivity": {"noise": [effect | {"mean": 0.02}], "missing": [effect | {"mean": mean, "table": "invoices"}], "stale": []}}
    shown = view(replace(made, validation=found))
    test = next(test for _, part in shown["sections"] for test in part.tests if test.name == "Level with worse inputs")
    assert (test.figure, test.good) == (f"× {max(mean / 0.02, 0.02 / mean):.2f}", not told)
    assert test.reading == f"missing: Invoices: from 2.00% to {mean:.2%}."
    assert ("Worse inputs move the mean probability" in said(shown, "limits")) == told


def test_the_learning_curve_says_by_what_it_differs_from_the_model(run, pages):
    found, model = artefact(run, "data/default/validation/validation.json")["learning_curve"], artefact(run, "data/default/model/model.json")
    text = pages["en"].sections["learning"]
    assert f"on {found['development_rows']:,} of the {found['of_rows']:,} development rows, the model {model['training']['trees']}" in text
    assert "may stand below the model’s own AUC" in text
    assert "same settings" not in text


@pytest.mark.parametrize(("label", "unit", "written"), [
    ("< 926312", "minor units", "below 9,263"), (">= 5.33129e+07", "minor units", "from 533,129"),
    ("[-17.9551, -14.7974)", "signed log minor units", "−627,770 to below −26,695"), ("[0.05, 0.354167)", "share", "5.0% to below 35.4%"),
    ("< 8.5", "hour", "below 9:00"), (">= 0.5", "count", "from 1"), ("missing", "days", "no value"), ("special", "category", "rare or never seen"),
    ("branch, zither", "category", "Branch, zither")])
def test_a_bin_is_said_in_its_unit(label, unit, written):
    assert _bin(label, unit, Words("en", more=("dossier", "explanation"))).casefold() == written.casefold()


def test_reviewers_of_a_source_without_the_columns_of_the_rules_read_the_model_alone(made):
    alone = {"capacity": 5, "days": 120, "precision": 0.02, "low": 0.01, "high": 0.03, "best": 0.03, "found": 14, "compromised": 16, "recall": 0.875}
    shown = view(replace(made, use_case="fraud", evaluation=made.evaluation | {"capacity": {"model": alone, "rules": None, "difference": None}}))
    assert "2.00%" in said(shown, "usefulness")
    assert "simple rules" not in said(shown, "usefulness").casefold()


def test_reviews_and_calls_of_a_day_are_told_apart(made):
    shown = view(replace(made, use_case="fraud", evaluation=made.evaluation | {"capacity": {"model": {
        "capacity": 5, "days": 120, "precision": 0.02, "low": 0.01, "high": 0.03, "best": 0.03, "found": 14, "compromised": 16, "recall": 0.875}}}))
    assert f"5 customers called a day is a yardstick, scarce so that only the ranking decides; the {made.policy.spec.fraud.daily_capacity} a day" in \
        said(shown, "usefulness")
    assert f"judged on {made.params.evaluate.reviewers_capacity} customers called a day" in said(shown, "purpose")


def test_what_is_long_is_folded_and_complete(pages):
    for page in pages.values():
        assert page.marks["columns"].count("details") == page.marks["segments"].count("details") == 1
    kept = table(("a",), [("1",), ("2",), ("3",)], shown=2)
    assert (kept.content, kept.folded) == ((("1",), ("2",)), (("3",),))
    assert table(("a",), [("1",)], shown=2).folded == table(("a",), [("1",)]).folded == ()


def test_the_chinese_findings_are_punctuated_in_chinese(pages):
    lines = re.search(r'<ul class="plain look">(.*?)</ul>', pages["zh"].raw).group(1)
    assert not re.search(r"[:;] |\. |\(", re.sub(r"<[^>]+>", "", lines))
