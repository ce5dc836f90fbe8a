"""The officer's report: what changed since, what is missing, the statements among their industry, how to object, and names that strain a page."""

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
from builders import contract, customer, day, event, exposure, invoice, payment, statement, write_tables
from report_world import AS_OF, decided, put, run, score, tables, trained, write_features

from features.errors import RiskError
from models.scoring import raw_scores
from pipeline.readers.vocabulary import KINDS
from pipeline.reports import news, officer, records
from pipeline.reports.accounts import statement_table
from pipeline.reports.book import read_book, riskiest
from pipeline.reports.explained import Change, _changes, _joined, read_explained
from pipeline.reports.history import payment_figures
from pipeline.reports.pages import Site
from pipeline.reports.since import _values, since_view
from pipeline.reports.steps import by_factor, in_points
from pipeline.reports.text import LANGUAGES, Words

EARLIER = day("2024-03-31")
ENGLISH = Words("en", more=("officer",))


@pytest.fixture(autouse=True)
def workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policy.yaml").write_bytes((Path(__file__).parent.parent / "policy.yaml").read_bytes())


def scored(*values, customer_id="C1", **changes):
    """A row of the score file whose raw score is the trees' own."""
    matrix = [[values[0], values[1], {"construction": 0.0, "retail": 1.0}[values[2]]]]
    return decided(score(customer_id, float(raw_scores(trained(), matrix)[0]), **changes))


def observed_before(*values, customer_id="C1", as_of=EARLIER):
    write_features("data/default/development", [(f"{customer_id}@{as_of:%Y-%m-%d}", customer_id, as_of, *values)])


def explained(**how):
    rows = next(riskiest(read_book("default"), 9, one_each=True))
    return read_explained(read_book("default"), rows, **how)


def test_changes_add_up_to_the_difference_of_the_scores():
    put([scored(12.0, 2.5, "retail")], tables())
    observed_before(50.0, 2.5, "retail")
    before = explained()["C1"].before
    assert before.as_of == EARLIER
    assert before.raw_score + sum(change.contribution for change in before.changes) == pytest.approx(read_rows()["C1"]["raw_score"], abs=1e-12)
    first = before.changes[0]
    assert (first.column, first.factor, first.old, first.value) == ("inv_days_late_mean_180d", "payment_behaviour", 50.0, 12.0)
    assert first.contribution < 0


def test_a_reasons_column_is_the_strongest_of_those_that_push_its_way():
    described = [SimpleNamespace(name=name, factor="solvency", message_id=message, levels=None) for name, message in zip("abcd", "mmmn", strict=True)]
    manifest = SimpleNamespace(columns=described)
    bundle = SimpleNamespace(manifest=manifest, grouped=lambda how: how(described))
    now, old = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.5, 2.5, 3.5, 4.0])
    # Together +0.1: −0.5 of a is the largest move, and pushes the other way.
    found = _changes(bundle, (now, np.array([-0.5, 0.4, 0.2, 0.0, -4.0])), (old, np.array([0.0, 0.0, 0.0, 0.0, -4.0])))
    assert found == (Change("solvency", "b", pytest.approx(0.1), 2.0, 2.5),)


@pytest.mark.parametrize(("old", "value", "shown"), [(1.61, 1.61, "unchanged; weighed with the others"), (1.6101, 1.6099, "1.6099"), (None, None, "unchanged")])
def test_unchanged_is_said_of_equal_values_only(old, value, shown):
    put([scored(12.0, 2.5, "retail")], tables())
    assert _values(read_book("default"), Change("solvency", "stmt_current_ratio", 0.1, value, old), ENGLISH)["value"].startswith(shown)


def test_without_a_column_in_the_earlier_features_nothing_is_compared():
    put([scored(12.0, 2.5, "retail")], tables())
    observed_before(50.0, 2.5, "retail")
    path = "data/default/development/features.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["stmt_current_ratio"]), path)
    assert explained()["C1"].before is None
    assert "no earlier observation of the customer that this model could score" in run()["customers/C1.en.html"]


def read_rows():
    return {row["customer_id"]: row for row in next(riskiest(read_book("default"), 9, one_each=True))}


def test_the_page_tells_the_change_and_the_facts_behind_it_in_both_languages():
    given = tables() | {"events": [event(kind="lawsuit", occurred_at="2024-05-02", amount=1_000_000), event(occurred_at="2024-02-01")]}
    put([scored(12.0, 2.5, "retail")], given)
    observed_before(50.0, 2.5, "retail")
    pages = run()
    for said in ("What changed since 31 Mar 2024", "50 days", "2 May 2024: Lawsuit, 10 k.", "Rows that became known: Invoices 1, Payments 1",
                 "Compared with the last observation before this one."):
        assert said in pages["customers/C1.en.html"]
    for said in ("自2024年3月31日以来的变化", "2024年5月2日：诉讼，金额 1万。", "新获知的记录：发票 1 条、付款 1 条"):
        assert said in pages["customers/C1.zh.html"]
    assert "1 Feb 2024: " not in pages["customers/C1.en.html"]


def test_the_last_review_chooses_the_moment_before():
    put([scored(12.0, 2.5, "retail")], tables())
    rows = [(f"C1@{moment:%Y-%m-%d}", "C1", moment, late, 2.5, "retail") for moment, late in ((day("2023-12-31"), 5.0), (EARLIER, 50.0))]
    write_features("data/default/development", rows)
    assert explained(reviewed={"C1": day("2024-01-15").date()})["C1"].before.as_of == day("2023-12-31")
    assert explained(reviewed={"C1": EARLIER.date()})["C1"].before.as_of == EARLIER
    assert explained()["C1"].before.as_of == EARLIER


def test_nothing_of_the_books_own_moment_or_later_is_before():
    put([scored(12.0, 2.5, "retail")], tables())
    rows = [(f"C1@{moment:%Y-%m-%d}", "C1", moment, 50.0, 2.5, "retail") for moment in (AS_OF, day("2024-07-31"))]
    write_features("data/default/development", rows)
    assert explained()["C1"].before is None
    assert "no earlier observation of the customer that this model could score" in run()["customers/C1.en.html"]


def test_points_of_steps_add_up_to_the_ends_difference():
    put([decided(score())], tables())
    points = in_points(read_book("default"), -4.0, [0.7, -0.2, 1.3])
    # 20 points a doubling of the odds.
    assert sum(points) == pytest.approx(-20 * 1.8 / 0.6931471805599453)


def test_small_parts_go_with_the_strongest_so_that_all_is_there():
    parts = by_factor({"solvency": -1.0, "disputes": 0.001, "contracts": 0.4}, ENGLISH)
    assert parts == [("Solvency", pytest.approx(-0.999)), ("Contract performance", 0.4)]


def told(given, *, since=EARLIER):
    connection = records.open_tables(write_tables("data/tables", given), as_of=AS_OF, threads=1)
    records.take(connection, [("C1", AS_OF, since)])
    return [{key: value for key, value in row.items() if key not in ("customer_id", "on")} for row in news.facts_since(connection).get("C1", [])]


@pytest.mark.parametrize(("given", "fact"), [
    ({"statements": [statement(period_end="2023-12-31", known_at="2024-04-20")]}, {"kind": "filed", "period_end": day("2023-12-31")}),
    ({"events": [event(kind="dispute", occurred_at="2024-04-20", amount=500)]}, {"kind": "event", "event": "dispute", "amount": 500}),
    ({"contracts": [contract(status="open", known_at="2024-01-01"), contract(status="breached", known_at="2024-05-01")]},
     {"kind": "contract", "status": "breached", "contracts": 1}),
    ({"customers": [customer(region="east"), customer(region="west", known_at="2024-05-01")]},
     {"kind": "master", "column": "region", "old": "east", "new": "west"}),
    ({"exposures": [exposure(exposure=100, known_at="2024-01-01"), exposure(exposure=300, known_at="2024-05-01")]},
     {"kind": "exposure", "old": 100, "new": 300, "currency": "EUR"}),
])
def test_a_fact_is_news_once_it_became_known(given, fact):
    assert fact in told(given)
    assert told(given, since=day("2024-06-01")) == []
    assert told(given, since=None) == []


def test_late_payments_and_what_is_overdue_since_are_summed():
    invoices = [invoice(invoice_id="I1", issued_at="2024-03-20", amount=100), invoice(invoice_id="I2", issued_at="2024-04-20", amount=200)]
    found = told({"invoices": invoices, "payments": [payment(invoice_id="I1", occurred_at="2024-05-04", amount=100)]})
    assert [(row["kind"], row["invoices"], row["amount"], row["days"]) for row in found] == [("overdue", 1, 200, 41), ("late", 1, 100, 15)]


def test_what_is_missing_widens_the_interval_and_is_said():
    firms = [scored(12.0, ratio, "retail", customer_id=f"C{place}") for place, ratio in enumerate((2.5, 0.4, 0.5, 3.5, 3.8), 1)]
    given = {"customers": [customer(f"C{place}") for place in range(1, 6)], "statements": [statement(f"C{place}", current_assets=1.0, current_liabilities=1.0)
                                                                                         for place in range(2, 6)]}
    put(firms, given)
    rows = [(row["observation_id"], row["customer_id"], row["as_of"], 12.0, ratio, "retail")
            for row, ratio in zip(firms, (None, 0.4, 0.5, 3.5, 3.8), strict=True)]
    write_features("data/default/book", rows)
    with records_open() as connection:
        found = explained(tables_of=records.tables_of(connection))
    missing = found["C1"].missing
    assert found["C1"].known == 2
    assert missing.tables == ("statements",)
    assert found["C2"].missing is None
    page = run()["customers/C1.en.html"]
    assert "Nothing is known from: Statements." in page
    assert "Of the 3 inputs of the model 2 (67%) are known" in page
    assert "nothing widens the interval" in run()["customers/C2.en.html"]


def records_open():
    return records.open_tables(Path("data/tables"), as_of=AS_OF, threads=1)


def test_the_joined_interval_holds_the_own_one_and_is_wider():
    row = {"probability": 0.1, "pd_low": 0.06, "pd_high": 0.16}
    joined = _joined(row, 0.03, 0.2, ("statements",))
    assert joined.low < 0.03
    assert joined.high > 0.2
    # By hand: 0.1 is −2.197, 0.06 −2.752, 0.16 −1.658, 0.03 −3.476, 0.2 −1.386: sides of 1.395 and 0.974 against 0.554 and 0.539.
    assert joined.wider == pytest.approx((1.3949 + 0.9736) / (0.5543 + 0.5390), abs=2e-3)
    assert _joined(row, 0.08, 0.09, ("statements",)).high == pytest.approx(0.16)
    assert _joined({"probability": 0.1}, 0.03, 0.2, ("statements",)).wider is None


def years(*values, name="equity_ratio"):
    """Statements as `records.statements` gives them, a year apart up to 2023, with one ratio; None is a year without a statement."""
    empty = dict.fromkeys([*records.AMOUNTS, *(each for each, *_ in records.RATIOS)])
    return [{**empty, "period_end": day(f"{2023 - back}-12-31"), name: value}
            for back, value in zip(range(len(values) - 1, -1, -1), values, strict=True) if value is not None]


@pytest.mark.parametrize(("value", "place"), [(0.05, "weakest_tenth"), (0.15, "weakest_quarter"), (0.35, "weaker_half"), (0.45, "stronger_half"),
                                              (0.65, "strongest_quarter"), (0.9, "strongest_tenth")])
def test_a_ratio_stands_among_its_industry(value, place):
    line, = statement_table(years(value), {"customers": 9, "equity_ratio": [0.1, 0.2, 0.4, 0.6, 0.8]}, ENGLISH)["ratios"]
    assert (line["place"], line["median"]) == (place, "40.0%")
    assert "a quarter below 20.0%" in line["strip"]


def test_fewer_days_are_stronger():
    line, = statement_table(years(95.0, 10.0, name="receivable_days"), {"customers": 9, "receivable_days": [20, 30, 40, 60, 90]}, ENGLISH)["ratios"]
    assert line["place"] == "strongest_tenth"
    assert line["change"] == {"words": "−85", "stronger": True}


@pytest.mark.parametrize(("values", "change"), [((0.4, 0.5), {"words": "+10.0 pp", "stronger": True}), ((0.5, 0.4), {"words": "−10.0 pp", "stronger": False}),
                                                ((0.4, 0.40001), {"words": "+0.0 pp", "stronger": None}), ((0.4,), None),
                                                ((0.9, 0.1, None, None, 0.3), {"words": "+20.0 pp", "stronger": True})])
def test_a_trend_is_over_three_years_and_a_step_that_reads_as_zero_is_no_change(values, change):
    line, = statement_table(years(*values), {}, ENGLISH)["ratios"]
    assert line["change"] == change
    assert line["place"] is None


@pytest.mark.parametrize(("values", "words"), [((100.0, 150.0), "+50%"), ((100.0, 50.0), "−50%"), ((100.0, -1500.0), "now negative"),
                                               ((-5.0, 5.0), "now positive"), ((-5.0, -6.0), None), ((0.0, 6.0), None)])
def test_an_amount_grows_in_per_cent_where_that_means_something(values, words):
    line, = statement_table(years(*values, name="ebit"), {}, ENGLISH)["amounts"]
    assert line["change"] == (words and {"words": words, "stronger": None})


def test_an_industry_of_equal_firms_is_drawn_too():
    line, = statement_table(years(0.4), {"customers": 9, "equity_ratio": [0.4] * 5}, ENGLISH)["ratios"]
    assert "<svg" in line["strip"]
    assert "nan" not in line["strip"]


def test_one_forgotten_invoice_does_not_flatten_the_months():
    months = [day(f"2024-0{month}-01").date() for month in range(1, 7)]
    rows = [{"month": month, "days_late": days, "on_time": 1, "late": 0, "very_late": 0, "open": 0, "currency": "CNY"}
            for month, days in zip(months, (5.0, 6.0, 640.0, 8.0, 9.0, 10.0), strict=True)]
    drawn = payment_figures(rows, months, ENGLISH)[0].svg
    assert ">640</text>" in drawn
    assert ">600</text>" not in drawn


@pytest.mark.parametrize("name", ["公司" * 100, "x" * 200, "شركة الاختبار المحدودة " * 9, "a&\"'<b>" * 25])
def test_a_long_or_right_to_left_name_stands_apart_and_is_escaped(name):
    put([scored(12.0, 2.5, "retail")], tables(name=name))
    for language in LANGUAGES:
        page = run()[f"customers/C1.{language}.html"]
        heading = re.search(r'<h1 dir="auto"( class="long")?><bdi>(.*?)</bdi></h1>', page)
        assert (heading[1] is not None) == (len(name.strip()) > 80)
        assert "<b>" not in heading[2]
        assert "overflow-wrap: anywhere" in page


def test_versions_and_the_way_to_object_are_told_in_both_languages():
    put([scored(12.0, 2.5, "retail")], tables())
    pages = run()
    for said in ("PIPL, article 24", "POST /v1/reviews", "risk human-reviews open DECISION_ID", "within 15 days", "ab" * 6, "cd" * 6):
        assert said in pages["customers/C1.en.html"]
    for said in ("《个人信息保护法》第二十四条", "POST /v1/reviews", "在15 天内答复"):
        assert said in pages["customers/C1.zh.html"]


def test_the_interval_is_told_with_its_level():
    put([scored(12.0, 2.5, "retail", pd_low=0.04, pd_high=0.09)], tables())
    page = run()["customers/C1.en.html"]
    assert "lies between 4.0% and 9.0% in about 90% of cases" in page
    assert "Interval 4.0% to 9.0%." in page


def test_moves_have_their_place_and_are_escaped():
    put([scored(12.0, 2.5, "retail")], tables())
    book = read_book("default")
    row, = read_rows().values()
    with records_open() as connection:
        about = explained()
        facts = officer.read_facts(connection, [row], about)
    site = Site(book, more=("moves", "officer"))
    view = officer.officer_view(book, row, facts["C1"], {}, ENGLISH, explained=about["C1"])
    moves = {"said": "One move.", "steps": [{"sentence": "Pay <now>.", "effort": "a little"}]}
    page = site.page("officer.html", view | {"moves": moves}, language="en", addresses=dict.fromkeys(LANGUAGES, "#"), home=None)
    assert "What would change the grade" in page
    assert "<li>Pay &lt;now&gt;." in page


def test_more_changes_and_news_than_are_listed_are_counted():
    put([scored(12.0, 2.5, "retail")], tables())
    changes = tuple(Change("solvency", "stmt_current_ratio", 0.1, 2.0, 1.0) for _ in range(10))
    facts = {"news": [{"kind": "filed", "on": AS_OF, "period_end": EARLIER}] * 12, "arrivals": None}
    observed_before(50.0, 2.5, "retail")
    before = explained()["C1"].before
    view = since_view(read_book("default"), read_rows()["C1"], type(before)(**vars(before) | {"changes": changes}), facts, ENGLISH)
    assert len(view["changes"]) == 9
    assert view["changes"][-1]["label"] == "2 smaller changes"
    assert view["news"][-1] == "and 2 more"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_kind_of_event_ownership_and_source_of_ours_has_words(language):
    words = Words(language, more=("officer",))
    named = [("event", kind) for kind in KINDS] + [("ownership", each) for each in ("state", "private", "foreign", "listed")] + [("source_name", "simulated")]
    without = [f"{kind}.{name}" for kind, name in named if f"{kind}.{name}" not in words._own]
    assert without == []


def test_no_english_sentence_is_on_a_chinese_page():
    put([scored(12.0, 2.5, "retail", pd_low=0.04, pd_high=0.09)], tables(ownership="private", name="测试有限公司"))
    observed_before(50.0, 2.5, "construction")
    page = re.sub(r"<style>.*?</style>", "", run()["customers/C1.zh.html"], flags=re.S)
    shown = re.sub(r"<[^>]+>", "\n", page)
    # Names, commands and currencies; cust_industry is no column of ours, so it is shown as its owner calls it.
    names = ("English", "CNY", "EUR", "POST /v1/reviews", "decision_id", "risk human-reviews open DECISION_ID", "risk override add", "made up")
    for name in (*names, "cust", "industry", "ab" * 6, "cd" * 6):
        shown = shown.replace(name, "")
    assert re.findall(r"[A-Za-z]{3,}", shown) == []


def test_features_of_another_book_are_an_error_not_another_customers():
    put([scored(12.0, 2.5, "retail")], tables())
    write_features("data/default/book", [("C9@2024-06-30", "C9", AS_OF, 12.0, 2.5, "retail")])
    with pytest.raises(RiskError, match="C1@2024-06-30 is not in .*features.parquet: run `risk run`"):
        run()
