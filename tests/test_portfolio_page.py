"""The portfolio page: migration, losses, concentration and movers as it shows them, what a filter needs, and what it says of a book that lacks something."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builders import customer, observation
from report_world import AS_OF, decided, put, run, score, tables

from pipeline.reports.book import read_book
from pipeline.reports.portfolio_charts import Pair, paired
from pipeline.reports.portfolio_moves import migration_view, moves_of
from pipeline.reports.portfolio_risk import concentration, customers_of, largest
from pipeline.reports.text import Words

ROOT = Path(__file__).parent.parent
EN = Words("en", more=("portfolio",))
# Raw scores that lie in the grades A to E of test_reports.
RAW = {"A": -5.0, "B": -4.0, "C": -3.0, "D": -2.0, "E": 0.0}
PEOPLE = {"customers": [customer("C1", industry="retail", region="north", name="Alpha"), customer("C2", industry="energy", region="south", name="Beta"),
                        customer("C3", industry="retail", region="south", name="Gamma")]}


def book_of(**grades):
    return [decided(score(name, RAW[grade], exposure=amount)) for name, (grade, amount) in grades.items()]


@pytest.fixture(autouse=True)
def workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "policy.yaml", tmp_path)


def three():
    put(book_of(C1=("A", 6_000_000), C2=("E", 3_000_000), C3=("C", 1_000_000)), PEOPLE,
        before={"C1": ("A", -5.0), "C2": ("B", -4.0), "C4": ("D", -2.0, True), "C5": "A"})


def cells(page):
    """{row label: cells} of the migration matrix, tags aside."""
    table = re.search(r'<table class="matrix">(.*?)</table>', page, re.S)[1]
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.S) for row in re.findall(r"<tr>(.*?)</tr>", table, re.S)[1:]]
    return {re.sub("<.*?>", "", label): [re.sub("<.*?>", " ", cell).split() for cell in rest] for label, *rest in rows}


def test_the_matrix_shows_who_moved_defaulted_left_and_came():
    three()
    page = run()["index.html"]
    assert cells(page) == {"A": [["2"], ["1", "50%"], [], [], [], [], [], ["1", "50%"]], "B": [["1"], [], [], [], [], ["1", "100%"], [], []],
                           "D": [["1"], [], [], [], [], [], ["1", "100%"], []], "Not scored then": [["1"], [], [], ["1", "100%"], [], [], [], []]}
    assert "To a worse grade: 1. Same grade: 1. To a better grade: 0. Defaulted since: 1. Left the book: 1. Not scored then: 1." in page
    assert "From the grade on 31 Mar 2024 (rows)" in page
    assert page.index("<h2>How grades moved</h2>") < page.index('class="matrix"') < page.index("<h2>Who moved most</h2>") < page.index('id="moves"')
    assert re.findall(r'aria-label="(How grades moved|Who moved most)"', page) == ["How grades moved", "Who moved most"]
    assert "由2024年3月31日的等级（行）迁移至当前等级（列）" in run()["index.zh.html"]


def test_a_move_within_a_letter_is_counted_as_the_lists_count_it():
    split = [{"name": name, "upper": upper, "probability": upper / 2} for name, upper in (("A", 0.01), ("D", 0.2), ("E1", 0.6), ("E2", 1.0))]
    put(book_of(C1=("E", 1_000), C2=("E", 1_000)), PEOPLE, before={"C1": ("E1", -1.0), "C2": ("E2", 0.0)})
    book = read_book("default")
    book.model["grades"] = split
    book.arrays["grade"] = np.array(["E2", "E2"], dtype=object)
    view = migration_view(book, EN)
    assert view["said"].startswith("To a worse grade: 1. Same grade: 1. To a better grade: 0.")
    assert [(label, [cell[0] for cell in row]) for label, _, _, row in view["rows"]] == [("E", ["", "", "2", "", ""])]
    assert [(move["before"], move["grade"]) for move in moves_of(book)] == [("E1", "E2")]


def test_worse_and_better_cells_are_told_apart():
    three()
    (worse,) = [cell for row in migration_view(read_book("default"), EN)["rows"] for cell in row[3] if cell[2] == "worse" and cell[0] and row[0] == "B"]
    assert worse == ("1", "100%", "worse", 4)


def test_movers_name_before_and_now_and_the_strongest_reason():
    three()
    (move,) = moves_of(read_book("default"))
    assert (move["customer_id"], move["worse"], move["before"], move["grade"], round(move["was"], 4), move["probability"]) == ("C2", True, "B", "E", 0.018, 0.5)
    page = run()["index.html"]
    table = re.search(r'<table class="sortable list" id="moves">(.*?)</table>', page, re.S)[1]
    for told in ("Beta", "▲ riskier", "1.8%", "50.0%", "average days late (last 180 days) came to 12 days"):
        assert told in table


def test_nobody_scored_before_is_said_and_nothing_is_made_up():
    put([decided(score())], tables())
    page = run()["index.html"]
    assert "there is no earlier grade to compare with" in page
    assert 'class="matrix"' not in page
    assert 'id="moves"' not in page


def test_losses_lie_where_probability_and_exposure_do():
    three()
    page = run()["index.html"]
    # PD: A 0.67 %, E 50 %, C 4.74 %; of 60, 30 and 10 thousand, 60 % lost: 241, 9 000 and 285.
    assert "A: 60.0% and 2.5% (1 · 241)" in page
    assert "E: 30.0% and 94.5% (1 · 9 k)" in page
    assert "Energy: 30.0% and 94.5% (1 · 9 k)" in page
    assert "South: 40.0% and 97.5% (2 · 9.28 k)" in page


def test_concentration_by_hand():
    three()
    found = concentration(read_book("default"), {"industry": {"C1": "retail", "C2": "energy", "C3": "retail"}}, EN)
    # 0.6² + 0.3² + 0.1² = 0.46; retail 0.7, energy 0.3: 0.58.
    assert [(label, value) for label, value, _ in found] == [("Herfindahl index, customers", "0.460"), ("Herfindahl index, industries", "0.580"),
                                                             ("Largest 3 customers", "100.0%")]
    assert found[0][2] == "as if 2.2 held alike"


def test_the_largest_exposures_come_with_their_share_so_far():
    three()
    assert [(each["customer_id"], each["share"], round(each["so_far"], 3)) for each in largest(read_book("default"), 0.6)] == [
        ("C1", 0.6, 0.6), ("C2", 0.3, 0.9), ("C3", 0.1, 1.0)]


def test_a_customers_rows_count_as_one_with_its_latest_grade():
    first = decided(score("C1", RAW["E"], observation_id="O9", as_of=AS_OF.replace(year=2023), exposure=100))
    put([first, decided(score("C1", RAW["A"], observation_id="O1", exposure=200))], PEOPLE)
    found = customers_of(read_book("default"))
    assert (found["customer_id"].tolist(), found["grade"].tolist(), found["exposure"].tolist()) == (["C1"], ["A"], [300.0])


def test_a_book_without_amounts_says_so_and_counts_customers():
    put([decided(score("C1", exposure=0)), decided(score("C2", -4.0, exposure=0))], PEOPLE)
    page = run()["index.html"]
    assert "No exposure is known" in page
    assert "Customers and expected defaults by grade" in page
    assert "Herfindahl" not in page
    assert "Expected loss" not in page


def test_each_row_carries_what_the_filters_ask_for():
    three()
    page = run()["index.html"]
    assert re.findall(r'<tr data-grade="(\w)" data-route="(\w+)" data-industry="(\w+)" data-region="(\w+)" data-moved="(\w+)">', page) == [
        ("E", "two_persons", "energy", "south", "worse"), ("C", "two_persons", "retail", "south", "new"), ("A", "two_persons", "retail", "north", "same")]
    controls = re.search(r'<div class="controls" data-for="watch" hidden>(.*?)</div>', page, re.S)[1]
    assert set(re.findall(r'data-filter="(\w+)"', controls)) == {"text", "grade", "industry", "region", "moved"}
    assert "was B" in page


def test_without_a_script_the_tables_stand_plain():
    three()
    page = run()["index.html"]
    markup = page.split("<script>")[0]
    assert "<th" in markup
    assert not re.search(r"<th[^>]*>\s*<button", markup)
    assert re.findall(r'<div class="controls" data-for="(\w+)"( hidden)?>', markup) == [("watch", " hidden"), ("moves", " hidden")]


@pytest.mark.parametrize("name", ["<img src=x onerror=alert(1)>", "شركة الاختبار التجارية", "x" * 200])
def test_any_name_stands_isolated_and_escaped_wherever_it_is_shown(name):
    people = {"customers": [customer("C1", name=name, industry="<b>odd</b>", region="נגב")]}
    put(book_of(C1=("E", 1_000)), people, before={"C1": "A"})
    page = run()["index.html"]
    shown = name.replace("<", "&lt;").replace(">", "&gt;")
    assert page.count(shown) == page.count(f"<bdi>{shown}</bdi>") == 3
    assert "<img src=x" not in page
    assert "<b>odd" not in page


def test_a_fraud_page_has_no_grades_that_moved():
    put([score(transaction_id="T1", action="review")], tables(), use_case="fraud")
    own = [observation(observation_id="C1@2024-06-30", occurred_at="2024-06-30", amount=-123_400, currency="EUR", kind="supplier", channel="online")]
    pq.write_table(pa.Table.from_pylist(own), "data/fraud/book/observations.parquet")
    page = run("fraud")["index.html"]
    assert "How grades moved" not in page
    assert "Herfindahl" not in page


def test_pairs_are_told_in_words_and_drawn_to_one_scale():
    drawn = paired([Pair("<A>", (0.5, 0.25), ("50%", "25%"), "n")], key="k", title="t", description="d")
    widths = [float(width) for width in re.findall(r'<rect[^>]*width="([\d.]+)"', str(drawn.svg))]
    assert widths[0] == 2 * widths[1]
    assert "&lt;A&gt;: 50%" in drawn.svg


def test_every_message_of_both_pages_is_used():
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "pipeline/reports").rglob("*") if path.suffix in (".py", ".html"))
    for name in ("portfolio", "committee"):
        for message in json.loads((ROOT / f"pipeline/reports/templates/{name}.en.json").read_text(encoding="utf-8")):
            whole, kind = message.rsplit(".", 1)[0], message.split(".")[-2 if message.count(".") else 0]
            asked = (f'"{message}"', f"'{message}'", f"{whole}.{{", f'named("{kind}"', f'"{whole.removeprefix("figure.").rsplit(".", 1)[0]}.{{')
            assert any(each in source for each in asked), message
