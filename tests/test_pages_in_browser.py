"""Every page of a run in a real headless browser: on a desktop, on a phone and as it prints on A4, in both languages.

Pages are found as files, so that a page which a stage adds is looked at without being named here. Their pictures and PDFs go to the folder that
CUSTOMER_RISK_SCREENSHOTS names, else to pytest's own.
"""

import os
import re
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from browser import COLUMN, LACKING, VIEWS, chromium, look, opened
from health_world import PERFORMANCE, QUALITY, SLIP, cohort, write_health
from small_run import small_run

from models.life_cycle import load_life_cycle
from models.overrides import Change, Said
from models.policy import load_policy
from pipeline.book import book
from pipeline.challenge import challenge
from pipeline.committee import decide
from pipeline.committee_pack import write_pack
from pipeline.datasets import TABLES, case_path
from pipeline.dossier import dossier
from pipeline.evaluate import evaluate
from pipeline.explain import explain
from pipeline.featurize import featurize
from pipeline.gate import gate
from pipeline.observe import observe
from pipeline.promote import open_store
from pipeline.report import report
from pipeline.reports.text import LANGUAGES
from pipeline.sample import sample
from pipeline.score import score
from pipeline.ship import ship
from pipeline.train import train
from pipeline.validate import validate
from serving.life_cycle import LifeCycleLedger, Move, Start
from serving.overrides import Overrides
from serving.reviews import Reviews

REQUIRED = os.environ.get("CUSTOMER_RISK_REQUIRE_BROWSER") == "1"
# What sources call customers: 200 letters without a space, right-to-left text, markup.
NAMES = ("Donaudampfschifffahrtsgesellschaft" * 6)[:200], "شركة الأفق للتجارة الدولية 有限公司", "<script>alert(1)</script> & <b>Söhne</b> \"GmbH\""
SMALL = [("simulated.customers", 700), ("train.max_trees", 60), ("explain.rows", 300), ("evaluate.bootstrap_rounds", 20), ("validate.repeats", 20),
         ("validate.learning_draws", 1), ("validate.learning_trees", 40), ("report.customers", len(NAMES))]
FRAUD = (observe, featurize, sample, train, evaluate, challenge, explain, validate, ship, gate, book, score, dossier, report)
# A message's id, a placeholder without its value, and what Python, numpy and JavaScript write for nothing; a file's name is none of them.
UNWORDED = re.compile(r"(?<![\w./:@-])[a-z][a-z_]+(?:\.[a-z][a-z0-9_]*)+(?![\w/])|\{[a-z_]+\}|\b(?:None|nan|NaN|NaT|undefined|null|Undefined)\b|\[object ")
FILE = re.compile(r".*\.(?:json|yaml|html|txt|csv|parquet|md|py)")
# A clause of English, in a page that is written in Chinese.
CLAUSE = re.compile(r"[A-Za-z]{2,}(?: [a-z]{2,}){4,}")
A4 = (595, 842)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium. In CI a missing one is a failure, elsewhere a reason to skip."""
    if LACKING and not REQUIRED:
        pytest.skip("; ".join(LACKING))
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def pages(browser, tmp_path_factory):
    """Every page of a small run of both use cases, by its path below data/."""
    with small_run(tmp_path_factory.mktemp("pages"), SMALL) as folder:
        validate("default")
        rename_riskiest()
        follow()
        for stage in (dossier, report):
            stage("default")
        for stage in FRAUD:
            stage("fraud")
        meet()
        yield {path.relative_to(folder / "data").as_posix(): path for path in sorted(folder.glob("data/*/**/*.html"))}


def follow():
    """What three years of cohorts, a fault of the feed and a decision that waits look like, in place of the stages, which need years to pass."""
    cohorts = [cohort(f"{year}-{month:02d}", bad=40, auc=0.76) for year in (2021, 2022, 2023) for month in (1, 4, 7, 10)]
    still_open = [cohort(f"2024-{month:02d}") for month in (1, 4, 7, 10)]
    write_health("default", performance=PERFORMANCE | {"cohorts": cohorts, "open": still_open},
                 quality=QUALITY | {"verdict": "faulty", "faults": [{"sentence": SLIP}] * 9, "stale": ["payments"]})


def meet():
    """The committee's pack of this month, with decisions to come back, an override and a customer under watch."""
    today = date.today()
    customers = list(dict.fromkeys(pq.read_table(case_path("default", "scores.parquet"), columns=["customer_id"])["customer_id"].to_pylist()))
    decide("Catch up the reviews", owner="lin", department="sales", due_on=today + timedelta(days=9), customer=None, actor="anna")
    decide("Raise the deposit", owner="wang", department="finance", due_on=today + timedelta(days=20), customer=customers[0], actor="anna")
    with open_store() as store:
        Reviews(store, source="simulated").plan(customers[:5], ["E"] * 5, [1] * 5)
        said = Said("decline", 0, "committee", "D", 0.08, 40_000_000, "p" * 64, "b" * 64)
        Overrides(store, source="simulated").grant(customers[1], Change(action="approve", limit=50_000_000), said, reason_code="security",
                                                   reason="bank guarantee", author="anna", approver="ben", expires_on=today + timedelta(days=20),
                                                   policy=load_policy("policy.yaml"))
        moves = [Move(customers[2], today, *states, today, reason, owner, today) for states, reason, owner in
                 (((None, "onboarding"), "first_seen", "sales"), (("onboarding", "restrict"), "lawsuit", "legal"))]
        LifeCycleLedger(store, "simulated").record(load_life_cycle("life_cycle.yaml"), moves, [Start("file_claim", customers[2], on=today)])
    write_pack(f"{today:%Y-%m}", case_path("default", "committee", "index.html"))


def rename_riskiest():
    """Give the customers that get a report names that are hard to set."""
    scores = pq.read_table(case_path("default", "scores.parquet"), columns=["customer_id", "pd_12m"]).sort_by([("pd_12m", "descending")])
    called = dict(zip(dict.fromkeys(scores["customer_id"].to_pylist()), NAMES, strict=False))
    path = TABLES / "customers.parquet"
    table = pq.read_table(path)
    names = [called.get(customer, name) for customer, name in zip(table["customer_id"].to_pylist(), table["name"].to_pylist(), strict=True)]
    pq.write_table(table.set_column(table.schema.get_field_index("name"), "name", pa.array(names, table.schema.field("name").type)), path)


@pytest.fixture(scope="module")
def seen(browser, pages, tmp_path_factory):
    """Every page in every view. Languages share templates: axe-core, which is slow, looks at one on a desktop and at the other on a phone."""
    pictures = Path(os.environ.get("CUSTOMER_RISK_SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    pictures.mkdir(parents=True, exist_ok=True)
    return [look(browser, path, view, named=name, pictures=pictures, audit=view == ("phone" if ".zh." in name else "desktop"))
            for name, path in pages.items() for view in VIEWS]


def found(seen, what):
    """The findings of a kind as sentences that name page and view."""
    return [f"{each.page}, {each.view}: {finding}" for each in seen for finding in getattr(each, what)]


def test_a_run_makes_every_kind_of_page_in_every_language(pages):
    kinds = {"default/reports/index": 1, "default/reports/customers/": len(NAMES), "default/dossier/index": 1, "default/committee/index": 1,
             "fraud/reports/index": 1, "fraud/dossier/index": 1}
    assert {kind: sum(name.startswith(kind) for name in pages) for kind in kinds} == {kind: many * len(LANGUAGES) for kind, many in kinds.items()}


def test_no_page_complains_on_the_console(seen):
    assert found(seen, "console") == []


def test_no_page_asks_a_network(seen):
    assert found(seen, "requests") == []


@pytest.mark.parametrize("view", VIEWS)
def test_nothing_sticks_out(seen, view):
    assert found([each for each in seen if each.view == view], "sticking_out") == []


def test_no_text_of_a_drawing_lies_on_another(seen):
    assert found(seen, "overlapping") == []


def test_every_picture_has_a_text_alternative(seen):
    assert found(seen, "unnamed") == []


def test_axe_core_finds_nothing_serious(seen):
    assert found(seen, "violations") == []


def test_every_sheet_is_a4(seen):
    assert {each.page: set(each.paper) for each in seen if each.view == "print"} == {each.page: {A4} for each in seen}


def test_no_word_is_missing(seen):
    said = [(each.page, word) for each in seen if each.view == "desktop" for text in each.texts for word in UNWORDED.findall(text) if not FILE.fullmatch(word)]
    assert said == []


def test_chinese_pages_say_nothing_in_english(seen):
    said = [(each.page, clause) for each in seen if each.view == "desktop" and ".zh." in each.page for text in each.texts for clause in CLAUSE.findall(text)]
    assert said == []


def test_every_link_leads_somewhere(seen):
    files = {each.page: [link for link in each.links if not Path(unquote(urlsplit(link).path)).is_file()] for each in seen}
    assert found(seen, "anchors") == []
    assert {name: missing for name, missing in files.items() if missing} == {}


def test_both_languages_lead_to_each_other(seen, pages):
    apart = [each.page for each in seen if pages[in_the_other_language(each.page, pages)].resolve().as_uri() not in each.links]
    assert apart == []


def in_the_other_language(name, pages):
    """The same page in the other language."""
    stem = re.sub(r"(?:\.en|\.zh)?\.html$", "", name)
    return next(other for other in pages if other != name and re.fullmatch(re.escape(stem) + r"(?:\.en|\.zh)?\.html", other))


@pytest.fixture(scope="module")
def tabled(seen, pages):
    """The pages whose tables can be sorted or filtered, by name."""
    with_tables = {each.page: pages[each.page] for each in seen if each.view == "desktop" and each.worked}
    assert {name for name in pages if "/reports/index" in name} <= set(with_tables)
    return with_tables


def test_a_column_sorts_up_and_down(browser, tabled):
    for name, path in tabled.items():
        with opened(browser, path) as page:
            for header in page.locator("th:has(button)").all():
                assert sorted_by(page, header, "ascending") == sorted_by(page, header, "descending")[::-1] != [], (name, header.inner_text())


def sorted_by(page, header, order):
    """The column's values from the top after its button was pressed: in that order, numbers as numbers and words as the page's language sorts them."""
    table, column = header.evaluate("(each) => [[...document.querySelectorAll('table')].indexOf(each.closest('table')), each.cellIndex]")
    header.locator("button").click()
    assert header.get_attribute("aria-sort") == order
    values = page.evaluate(COLUMN, [table, column])
    numbers = "n" in (header.get_attribute("class") or "").split()
    in_order = page.evaluate("([values, numbers]) => values.toSorted(numbers ? (a, b) => a - b : (a, b) => a.localeCompare(b, document.documentElement.lang))",
                             [values, numbers])
    assert values == (in_order if order == "ascending" else in_order[::-1])
    return values


def test_a_filter_keeps_what_was_asked_for(browser, tabled):
    for name, path in tabled.items():
        with opened(browser, path) as page:
            for controls in page.locator(".controls[data-for]").all():
                rows = page.locator(f"#{controls.get_attribute('data-for')} tbody tr")
                for select in controls.locator("select[data-filter]").all():
                    keeps_what_is_chosen(controls, rows, select, name)
                for typed in controls.locator("input[data-filter=text]").all():
                    keeps_what_holds_the_text(controls, rows, typed, name)


def keeps_what_is_chosen(controls, rows, select, name):
    """Each choice of a list leaves the rows of that value, and no choice is offered that leaves none."""
    about = select.get_attribute("data-filter")
    values = rows.evaluate_all("(rows, about) => rows.map((row) => row.dataset[about])", about)
    for choice in select.evaluate("(each) => [...each.options].map((option) => option.value)"):
        select.select_option(choice)
        assert shown(controls, rows) == (values.count(choice) if choice else len(values)) > 0, (name, about, choice)
    select.select_option("")


def keeps_what_holds_the_text(controls, rows, typed, name):
    """A text leaves the rows that hold it, whatever the case; one that none holds leaves none; without it all are back."""
    texts = rows.all_text_contents()
    part = max(re.findall(r"[^\W_]+", texts[0]), key=len).upper()
    for text, expected in ((part, sum(part.lower() in each.lower() for each in texts)), ("no such customer", 0), ("", len(texts))):
        typed.fill(text)
        assert shown(controls, rows) == expected, (name, text)


def shown(controls, rows):
    """How many rows are seen, which is also what the page says."""
    count = rows.evaluate_all("(rows) => rows.filter((row) => row.checkVisibility()).length")
    assert str(count) in re.findall(r"\d+", controls.locator("[data-shown]").inner_text())
    return count
