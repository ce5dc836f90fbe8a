"""The report pages: what they say, what they leave out, and that every word of them exists in both languages."""

import hashlib
import json
import re
import shutil
from pathlib import Path
from string import Formatter
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builders import customer, day, event, observation
from report_world import decided, put, reason, run, score, tables, write_features, write_model

from features.errors import RiskError
from pipeline import report as stage
from pipeline.reports import officer
from pipeline.reports.book import read_book, riskiest
from pipeline.reports.charts import Bar, columns
from pipeline.reports.history import months_to
from pipeline.reports.pages import report_link, report_name
from pipeline.reports.svg import element, shortened, ticks
from pipeline.reports.text import LANGUAGES, Words
from pipeline.reports_in_force import publish_pages
from pipeline.state import pages_folder

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "policy.yaml", tmp_path)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The pages of one customer with every kind of record."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("pages"))
        shutil.copy(ROOT / "policy.yaml", ".")
        return written()


def written():
    put([decided(score())], tables())
    return run()


def test_there_is_a_portfolio_page_and_a_report_per_customer_in_each_language(pages):
    assert sorted(pages) == ["customers/C1.en.html", "customers/C1.zh.html", "index.html", "index.zh.html"]


@pytest.mark.parametrize("told", ["11.9%", "two persons sign", "An invoice is 30 or more days past due.", "average days late (last 180 days) came to 12 days",
                                  "against 4 days for a typical customer.", "About 12 in 100 customers", "EUR 10 k", "ab" * 6, "40.0%"])
def test_the_report_tells(pages, told):
    assert told in pages["customers/C1.en.html"]


@pytest.mark.parametrize("told", ["0.620", "0.540 – 0.680", "Simulated portfolio.", 'href="customers/C1.en.html"', "5 of 5 grades"])
def test_the_portfolio_tells(pages, told):
    assert told in pages["index.html"]


def test_a_real_portfolio_is_not_called_simulated():
    put([decided(score())], tables(), simulated=False)
    assert not any("Simulated portfolio" in page or "模拟组合" in page for page in run().values())


def test_figures_of_another_model_than_the_one_that_scored_are_said_to_be():
    put([decided(score(bundle="ef" * 32))], tables())
    assert "newest candidate, not of the model in use" in run()["index.html"]


def test_expected_loss_is_probability_times_exposure_times_loss_given_default():
    put([decided(score("C1", exposure=1_000_000_00)), decided(score("C2", exposure=0))], tables())
    # sigmoid(-2) = 11.92 %, times one million, times 60 %
    assert "CNY 71.5 k" in run()["index.html"]


def test_markup_in_a_name_is_shown_and_not_run():
    put([decided(score())], tables(name="<script>alert(1)</script> & Söhne"))
    for page in run().values():
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; Söhne" in page


def test_a_customer_without_records_gets_a_report_that_says_so():
    put([decided(score(exposure=0))], {"customers": [customer()]})
    page = run()["customers/C1.en.html"]
    for said in ("No annual statement", "no invoices", "no account transactions", "No statement was filed", "nothing known"):
        assert said in page


def test_an_unknown_customer_gets_a_report_under_its_id():
    put([decided(score("X9"))], {"customers": [customer("C1")]})
    assert "X9" in run()["customers/X9.en.html"]


def test_nothing_known_after_as_of_is_told():
    late = tables() | {"events": [event(kind="lawsuit", occurred_at="2024-06-01", known_at="2024-07-01")], "customers": [
        customer(), customer(known_at="2024-07-05", name="Renamed Ltd")]}
    put([decided(score())], late)
    assert not any("Lawsuit" in page or "Renamed" in page for page in run().values())


def test_the_fraud_page_lists_transactions_with_two_reasons():
    put([score(transaction_id="T1", action="review", adverse=[reason(0, 0.9), reason(2, 0.5, text="construction")])], tables(), use_case="fraud")
    own = [observation(observation_id="C1@2024-06-30", occurred_at="2024-06-30", amount=-123_400, currency="EUR", kind="supplier", channel="online")]
    pq.write_table(pa.Table.from_pylist(own), "data/fraud/book/observations.parquet")
    pages = run("fraud")
    assert sorted(pages) == ["index.html", "index.zh.html"]
    for said in ("T1", "Supplier payment", "−1.23 k", "review by a person", "Construction", "against Retail for a typical customer.", "Online"):
        assert said in pages["index.html"]


OVERRIDE = {"id": "o1", "reason_code": "security", "author": "anna", "approver": "ben", "expires_on": "2024-09-30", "grade": "B"}
STATE = {"state": "restrict", "since": "2024-06-28", "owner": "finance", "deadline": "2024-07-05", "new_credit": "decline"}


def publication(**scores):
    """Stands for a publication whose customers' decisions are these."""
    rows = {name: SimpleNamespace(score=decided(score(name)) | {"term_months": 0} | changes) for name, changes in scores.items()}
    return SimpleNamespace(find=rows.get, hash="ef" * 32)


def in_force(published, *, any_in_force=True, reviewed=None):
    run()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "load_params", lambda: SimpleNamespace(report=SimpleNamespace(customers=40), ingest=SimpleNamespace(threads=1)))
        publish_pages("made_up", published, today=day("2024-07-01"), any_in_force=any_in_force, reviewed=reviewed)
    return {str(path.relative_to("var/reports/made_up-default")): path.read_text(encoding="utf-8") for path in Path("var/reports").rglob("*.html")}


def test_published_pages_show_overrides_and_states_in_both_languages_and_the_policys_word_beside():
    put([decided(score("C1")), decided(score("C2", -3.0))], tables())
    changed = {"action": "decline", "route": "committee", "limit": 12_300, "decision_reasons": ["life_cycle.restrict", "override.security"]}
    pages = in_force(publication(C1=changed | {"override": OVERRIDE, "life_cycle": STATE}, C2={}))
    for sentence in ("The decision in force", "anna and ben decided otherwise than the policy; this holds until 30 Sep 2024.", "by grade B in place",
                     "Life cycle: restricted since 28 Jun 2024, with finance, who has to act by 5 Jul 2024.", "grant nothing more",
                     "The policy alone: bring the exposure down to the limit; at most EUR 10 k; two persons sign.", "The customer is under restriction."):
        assert sentence in pages["customers/C1.en.html"]
    for sentence in ("现行决定", "anna与ben作出了与政策不同的决定，有效期至2024年9月30日。", "客户生命周期：限制，自2024年6月28日起，由财务部门负责",
                     "仅按政策：将敞口压降至限额"):
        assert sentence in pages["customers/C1.zh.html"]
    assert "What the policy says" in pages["customers/C2.en.html"]
    assert 'data-route="committee"' in pages["index.html"]
    assert '<span class="id">override until 30 Sep 2024</span><span class="id">restricted</span>' in pages["index.html"]
    assert "decisions in force on 1 Jul 2024" in pages["index.html"]
    assert "7月1日的现行决定" in pages["index.zh.html"]
    assert pages_folder("made_up", "default") == Path("var/reports/made_up-default")
    publish_pages("made_up", publication(), today=None, any_in_force=False)
    assert pages_folder("made_up", "default") == Path("data/default/reports")


def test_a_state_of_ordinary_business_is_shown_and_leaves_the_policys_word():
    put([decided(score("C1"))], tables())
    pages = in_force(publication(C1={"life_cycle": STATE | {"state": "active", "deadline": None}}))
    assert "Life cycle: active since 28 Jun 2024, with finance." in pages["customers/C1.en.html"]
    assert "The policy alone" not in pages["customers/C1.en.html"]
    assert '<span class="id">active</span>' not in pages["index.html"]


def test_a_review_alone_makes_pages_that_tell_what_changed_since():
    put([decided(score("C1"))], tables())
    write_features("data/default/development", [("C1@2024-03-31", "C1", day("2024-03-31"), 50.0, 2.5, "retail")])
    pages = in_force(publication(C1={}), any_in_force=False, reviewed={"C1": day("2024-04-15").date()})
    assert "Compared with the last observation up to the review of 15 Apr 2024." in pages["customers/C1.en.html"]
    assert "与2024年4月15日复核之前的最近一次观察相比。" in pages["customers/C1.zh.html"]


def test_pages_of_another_book_than_the_published_are_refused():
    put([decided(score("C1"))], tables())
    with pytest.raises(RiskError, match="customer C1 is not in the publication efefefefefef: run `risk publish` again"):
        in_force(publication(C9={}))


@pytest.mark.parametrize(("customers", "reports"), [(0, 0), (1, 1), (2, 2), (40, 3), (-1, 3)])
def test_the_riskiest_are_reported(customers, reports):
    put([decided(score(f"C{place}", raw_score=-1.0 - place)) for place in (1, 2, 3)], {"customers": [customer("C1")]})
    assert sorted(name for name in run(customers=customers) if name.endswith("en.html")) == [f"customers/C{place + 1}.en.html" for place in range(reports)]


def test_rows_come_riskiest_first_and_equal_ones_by_id():
    put([decided(score("C1", -3.0)), decided(score("C3", -1.0)), decided(score("C2", -1.0))], tables())
    found = [row for rows in riskiest(read_book("default"), 3, size=2) for row in rows]
    assert [(row["rank"], row["customer_id"]) for row in found] == [(0, "C2"), (1, "C3"), (2, "C1")]


def test_the_same_inputs_give_the_same_bytes():
    pages = written()
    first = {name: hashlib.sha256(page.encode()).hexdigest() for name, page in pages.items()}
    assert {name: hashlib.sha256(page.encode()).hexdigest() for name, page in run().items()} == first


def test_a_stage_that_fails_leaves_the_pages_as_they_were(monkeypatch):
    pages = written()
    monkeypatch.setattr(stage, "_write_report", lambda *_, **__: (_ for _ in ()).throw(RiskError("stopped")))
    with pytest.raises(RiskError, match="stopped"):
        run()
    assert (Path("data/default/reports/index.html")).read_text(encoding="utf-8") == pages["index.html"]
    assert [path.name for path in Path("data/default").iterdir() if path.name.startswith(".")] == []


def test_pages_need_no_network_and_stay_small(pages):
    for page in pages.values():
        assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//|@import|url\((?!#)""", page)
        assert len(page.encode()) < 1_000_000


def test_every_drawing_says_in_words_what_it_shows(pages):
    for page in pages.values():
        ids = re.findall(r'\sid="([^"]+)"', page)
        assert len(ids) == len(set(ids))
        drawings = page.replace('<svg class="patterns" aria-hidden="true"', "")
        told = re.findall(r"<svg[^>]*><title[^>]*>[^<]+</title><desc[^>]*>[^<]+</desc>", drawings)
        assert drawings.count("<svg") == drawings.count('role="img"') == len(told) > 0


@pytest.mark.parametrize(("break_it", "match"), [
    (lambda: Path("data/default/scores.parquet").unlink(), "scores.parquet is missing: run `risk run`"),
    (lambda: Path("data/default/scores.parquet").write_bytes(b"PAR1"), "scores.parquet cannot be read .*delete it"),
    (lambda: write_empty(), "scores.parquet has no row: nobody is in the book"),
    (lambda: Path("data/default/evaluation/full.json").unlink(), "full.json is missing"),
])
def test_what_cannot_be_read_is_named(break_it, match):
    put([decided(score())], tables())
    break_it()
    with pytest.raises(RiskError, match=match):
        run()


def write_empty():
    table = pq.read_table("data/default/scores.parquet")
    pq.write_table(table.slice(0, 0), "data/default/scores.parquet")


@pytest.mark.parametrize("name", ["../../etc", "a b", "企业", "A/B?C#D", "x" * 300, ".", "%41"])
def test_any_id_is_a_file_in_the_folder_and_its_link_leads_there(name):
    from urllib.parse import unquote

    assert "/" not in report_name(name, "en")
    assert len(report_name(name, "en").encode()) < 200
    assert unquote(report_link(name, "en", folder="")) == report_name(name, "en")


def test_two_ids_never_share_a_file():
    names = ["%41", "A", "a", "x" * 300, "x" * 301, "A.en"]
    assert len({report_name(name, "en") for name in names}) == len(names)


def catalogue(name):
    return json.loads((ROOT / "pipeline/reports/templates" / name).read_text(encoding="utf-8"))


# Files of words beside those of all pages, as pages load them together.
TOGETHER = (("dossier", "explanation", "promotions"), ("portfolio", "committee", "alerts", "model_health"),
            ("officer", "moves", "portfolio", "alerts", "model_health"))
MORE = tuple(dict.fromkeys(name for names in TOGETHER for name in names))


@pytest.mark.parametrize("name", ["", *(f"{each}." for each in MORE)])
def test_both_languages_have_the_same_messages_with_the_same_places(name):
    catalogues = [catalogue(f"{name}{language}.json") for language in LANGUAGES]
    places = [{name: {field for _, field, _, _ in Formatter().parse(words) if field} for name, words in each.items()} for each in catalogues]
    assert places[0] == places[1]


@pytest.mark.parametrize("names", TOGETHER)
def test_no_message_of_a_page_hides_another(names):
    own = [set(catalogue(f"{name}en.json")) for name in ("", *(f"{each}." for each in names))]
    assert len(set().union(*own)) == sum(map(len, own))


def test_every_message_of_the_templates_and_modules_has_words():
    known_ids = {key for name in ("", *(f"{each}." for each in MORE)) for key in catalogue(f"{name}en.json")}
    source = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "pipeline/reports").rglob("*")) if path.suffix in (".py", ".html"))
    asked = set(re.findall(r"""\b(?:t|words|self)\(\s*["']([a-z_.]+)["']\s*[,)]""", source)) - {"day"}
    asked |= {f"{stem}{case}" for stem in re.findall(r"""t\('([a-z_.]+\.)' ~ case""", source) for case in ("default", "fraud")}
    assert asked - known_ids == set()


def test_the_parts_of_the_waterfall_lead_to_the_score_even_where_the_factors_do_not():
    put([decided(score())], tables())
    book, row = read_book("default"), decided(score())
    assert sum(officer._parts(book, row, {"solvency": 0.7}).values()) == pytest.approx(row["raw_score"] - book.model["base_raw_score"])
    drawn = officer._waterfall(book, row, {"solvency": 0.7, "background": 1.3}, Words("en", more=("officer",))).svg
    # −4 in log-odds is 1.8 %; 0.7 at 20 points a doubling are 20 points.
    assert "1.8%" in drawn
    assert "−20 points" in drawn


def test_a_reason_costs_the_points_that_its_contribution_moves():
    put([decided(score())], tables())
    # 0.9 of log-odds at 20 points a doubling: 0.9 / ln 2 * 20 = 26.
    found, = officer._reasons(read_book("default"), decided(score()), "adverse", Words("en"))
    assert found["points"] == "−26 points"


def test_no_message_stands_twice_in_a_catalogue():
    def once(pairs):
        keys = [key for key, _ in pairs]
        assert [key for key in keys if keys.count(key) > 1] == [], path
        return dict(pairs)

    for path in (*ROOT.glob("pipeline/reports/templates/*.json"), *ROOT.glob("serving/messages/*.json")):
        json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=once)


@pytest.mark.parametrize(("write", "english", "chinese"), [
    (lambda words: words.money(123_456_789, "CNY"), "CNY 1.23 m", "123万 CNY"),
    (lambda words: words.money(-98_00), "−98", "−98"),
    (lambda words: words.money(None), "–", "–"),
    (lambda words: words.amount(2.5e9), "2.5 bn", "25亿"),
    (lambda words: words.date(day("2024-02-09")), "9 Feb 2024", "2024年2月9日"),
    (lambda words: words.probability(0.00001), "<0.01%", "<0.01%"),
    (lambda words: words.probability(0.0123), "1.2%", "1.2%"),
    (lambda words: words.probability(0.00123), "0.12%", "0.12%"),
    (lambda words: words.days(1), "1 day", "1 天"),
    (lambda words: words.days(1.2), "1 day", "1 天"),
    (lambda words: words.days(1.6), "2 days", "2 天"),
    (lambda words: words.percent(-0.0004), "0.0%", "0.0%"),
    (lambda words: words.percent(-0.0126), "−1.3%", "−1.3%"),
    (lambda words: words.percent(12.5, 0), "1,250%", "1,250%"),
    (lambda words: words.level("company"), "company", "企业"),
    (lambda words: words.points(3.04), "+3.0 points", "+3.0 分"),
    (lambda words: words.measure(float("nan"), "share"), "–", "–"),
    (lambda words: words.named("industry", "sea_salt"), "sea salt", "sea salt"),
    (lambda words: words.cause("stop.days_past_due_30"), "An invoice is 30 or more days past due.", "有发票逾期30天或以上。"),
])
def test_values_are_written_as_readers_write_them(write, english, chinese):
    assert [write(Words(language)) for language in LANGUAGES] == [english, chinese]


@pytest.mark.parametrize(("low", "high", "expected"), [
    (0, 10, [0, 2, 4, 6, 8, 10]), (-1.1, 0.9, [-1.0, -0.5, 0.0, 0.5]), (0, 0, [0]), (0, 0.3, [0.0, 0.1, 0.2, 0.3]), (3, 97, [20, 40, 60, 80])])
def test_ticks_are_round_numbers_inside_the_range(low, high, expected):
    assert ticks(low, high) == expected


def test_text_in_a_drawing_is_escaped():
    assert str(element("text", "<b>&", x=1.25, class_="a\"b")) == '<text x="1.2" class="a&#34;b">&lt;b&gt;&amp;</text>'
    assert "&lt;i&gt;" in columns([Bar("<i>", 1.0, "1")], key="k", title="t", description="d").svg


def test_long_labels_are_cut():
    assert shortened("short", 100) == "short"
    assert shortened("a long label", 50) == "a long…"


def test_months_end_with_the_month_of_as_of():
    months = months_to(day("2024-02-29"), count=3)
    assert [month.isoformat() for month in months] == ["2023-12-01", "2024-01-01", "2024-02-01"]


@pytest.mark.parametrize(("page", "doubt"), [("index.html", "know the outcome suspiciously well and may have been recorded after it: date_of_loss"),
                                             ("index.zh.html", "可能是在结果发生之后才记录的：date_of_loss")])
def test_figures_that_rest_on_a_suspected_column_are_doubted(page, doubt):
    put([decided(score())], tables())
    assert "date_of_loss" not in run()[page]
    write_model("default", suspects=["obs_date_of_loss"])
    assert doubt in run()[page]
