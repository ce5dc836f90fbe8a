"""The committee's pack: what it says of a month, in both databases and both languages, and that it shows nothing of later days."""

import json
import re
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from builders import customer, outcome, write_tables
from click.testing import CliRunner
from databases import Clock
from health_world import DRIFT, QUALITY, RETRAIN, write_health
from report_world import put
from test_portfolio_page import book_of

from features.errors import RiskError
from models.life_cycle import load_life_cycle
from models.overrides import Change, Said
from models.policy import load_policy
from pipeline import committee_pack
from pipeline.cli import main
from pipeline.committee_pack import write_pack
from pipeline.reports.book import read_book
from pipeline.reports.committee import agenda
from pipeline.reports.text import Words
from pipeline.workspace import workspace
from serving.committee import Committee
from serving.daily_spend import Draw
from serving.life_cycle import LifeCycleLedger, Move, Start
from serving.overrides import Overrides
from serving.reviews import Reviews
from serving.store import Entry, Store

SOURCE, MONTH = "simulated", "2024-07"
RULES = load_life_cycle(Path(__file__).parent.parent / "life_cycle.yaml")
NAME = "<script>alert(1)</script>"
EN = Words("en", more=("portfolio", "committee"))


@pytest.fixture
def world(tmp_path):
    with workspace(tmp_path):
        people = {"customers": [customer("C1", name=NAME), customer("C2", name="شركة الاختبار"), customer("C3", name="x" * 200)]}
        put(book_of(C1=("A", 600_000), C2=("E", 300_000_000), C3=("C", 100_000)), people, before={"C1": ("A", -5.0), "C2": ("B", -4.0)})
        yield tmp_path


@pytest.fixture
def clock():
    at = Clock()
    at.now = datetime(2024, 7, 3, 12)
    return at


@pytest.fixture
def store(url, clock, world, monkeypatch):
    @contextmanager
    def opened():
        yield made

    with Store(url, clock=clock).open() as made:
        monkeypatch.setattr(committee_pack, "open_store", opened)
        yield made


def pages(month=MONTH):
    write_pack(month, "pack.html")
    return {"en": Path("pack.html").read_text(encoding="utf-8"), "zh": Path("pack.zh.html").read_text(encoding="utf-8")}


def section(page, heading):
    return page.split(f">{heading}</h2>")[1].split("<h2")[0]


def decide(store, text="Catch up the reviews", **changes):
    given = {"owner": "lin", "department": "sales", "due_on": date(2024, 7, 20), "actor": "anna"}
    return Committee(store, source=SOURCE).decide(text, **given | changes)


def watch(store, customer_id="C2", *, owner="legal", deadline=date(2024, 7, 5), to="restrict", steps=True):
    start = Move(customer_id, date(2024, 7, 1), None, "onboarding", date(2024, 7, 1), "first_seen", "sales", None)
    then = Move(customer_id, date(2024, 7, 2), "onboarding", to, date(2024, 7, 2), "lawsuit", owner, deadline)
    LifeCycleLedger(store, SOURCE).record(RULES, [start, then], [Start("file_claim", customer_id, on=date(2024, 7, 2))] if steps else [])


def test_a_quiet_month_says_that_nothing_is_to_be_decided(store):
    put(book_of(C1=("A", 600_000)), {"customers": [customer("C1")]})
    page = pages()["en"]
    assert "Nothing in the figures calls for a decision this month." in page
    assert "No earlier decision is open" in page
    assert page.count("Nothing is open for this department.") == 3
    assert "No customer moved between states this month." in page
    assert "No review is overdue." in page


def test_missed_reviews_are_on_the_agenda_and_listed_oldest_first(store, clock):
    Reviews(store, source=SOURCE).plan(["C1"], ["A"], [10])
    clock.forward(2)
    Reviews(store, source=SOURCE).plan(["C2"], ["E"], [5])
    clock.forward(20)
    page = pages()["en"]
    assert "<b>sales</b> Reviews whose day has passed: 2, the oldest by 15 days." in page
    listed = section(page, "Overdue reviews")
    assert re.findall(r"<td[^>]*>(\d+ days)</td>", listed) == ["15 days", "12 days"]
    assert "<b>sales</b>" in page
    assert "Reviews to catch up: 2." in section(page, "What to do: sales")
    assert "逾期未做的复审：2项，最长逾期15 天" in pages()["zh"]


def test_earlier_decisions_come_back_with_their_state(store, clock):
    late, done, gone = decide(store), decide(store, "Raise the deposit", department="finance", customer_id="C2"), decide(store, "Old business")
    Committee(store, source=SOURCE).close(gone.id, outcome="dropped", note="long ago", actor="anna")
    clock.now = datetime(2024, 8, 10, 9)
    Committee(store, source=SOURCE).close(done.id, outcome="done", note="deposit is in", actor="ben")
    decide(store, "Brand <new>", due_on=date(2024, 9, 30))
    page = pages("2024-08")["en"]
    table = section(page, "Earlier decisions and their state")
    rows = [re.sub(r"<.*?>|\s+", " ", row) for row in re.findall(r"<tr>(.*?)</tr>", table, re.S)[1:]]
    assert [[word for word in ("overdue", "done", "open", "new", "dropped") if re.search(rf"\b{word}\b", row)] for row in rows] == [
        ["overdue"], ["done"], ["open", "new"]]
    assert "deposit is in" in rows[1]
    assert "Brand &lt;new&gt;" in table
    assert "Earlier decisions past their due day: 1." in section(page, "Decisions to take")
    assert late.id in section(page, "What to do: sales")
    assert "Raise the deposit" not in section(page, "What to do: finance")


def test_a_past_months_pack_knows_nothing_of_what_followed(store, clock):
    made = decide(store)
    watch(store)
    clock.now = datetime(2024, 8, 10, 9)
    Committee(store, source=SOURCE).close(made.id, outcome="done", note="returned in full", actor="ben")
    decide(store, "In August", due_on=date(2024, 9, 1))
    watch(store, "C3")
    july = pages()["en"]
    assert "returned in full" not in july
    assert "In August" not in july
    assert "overdue" in section(july, "Earlier decisions and their state")
    assert "onboarding → restricted: 1" in july
    assert "onboarding → restricted: 1" in pages("2024-08")["en"]
    assert "x" * 200 not in section(july, "What to do: legal")


def test_each_department_finds_its_customers_and_steps(store):
    watch(store)
    page = pages()["en"]
    legal, sales = section(page, "What to do: legal"), section(page, "What to do: sales")
    assert "restricted: 1, past their deadline 0" in legal
    assert "lawsuits" in legal
    # The first step of the claim is the sales department's; the others wait for it.
    assert "Collect contracts and delivery notes" in sales
    assert "Emergency steps" not in legal
    assert "Collect contracts" not in section(page, "What to do: finance")


def test_owners_who_did_not_act_are_on_the_agenda(store):
    watch(store, deadline=date(2024, 7, 1))
    page = pages()["en"]
    assert "<b>legal</b> Watched or restricted customers whose owner has not acted by the deadline: 1." in page
    assert "past their deadline 1" in section(page, "What to do: legal")


def test_exposures_over_the_limit_and_the_committees_own_cases_are_summed(store):
    put(book_of(C1=("A", 600_000), C2=("E", 300_000_000), C3=("C", 1_500_000)), {"customers": [customer("C1")]})
    # The policy's limit in these rows is 1,000,000 minor units: 299 million and half a million of them over.
    assert "Customers who owe more than the policy’s limit: 2, by CNY 3 m together." in pages()["en"]


def test_a_spent_budget_is_on_the_agenda(store):
    budget = int(load_policy("policy.yaml").spec.default.daily_loss_budget * 100)
    for takes in (budget - 10, 10):
        draw = Draw("CNY", lambda before, takes=takes: ({}, takes))
        store.record_decision(Entry("default", SOURCE, "C1", "b" * 64, "p" * 64, "c" * 64, None, draw=draw))
    assert "used up the daily loss budget of CNY 50 k: 1, last on 3 Jul 2024." in pages()["en"]


SAID = Said("decline", 0, "committee", "D", 0.08, 40_000_000, "p" * 64, "b" * 64)


def no_outcomes():
    about = json.loads(Path("data/ingest.json").read_text(encoding="utf-8"))
    Path("data/ingest.json").write_text(json.dumps(about | {"today": "2024-06-30"}), encoding="utf-8")
    write_tables("data/tables", {"outcomes": []})


def test_a_past_months_pack_judges_overrides_by_no_later_outcome(store, clock):
    about = json.loads(Path("data/ingest.json").read_text(encoding="utf-8"))
    Path("data/ingest.json").write_text(json.dumps(about | {"today": "2024-12-31"}), encoding="utf-8")
    late = outcome("C2", occurred_at=datetime(2023, 12, 20), known_at=datetime(2024, 9, 1))
    write_tables("data/tables", {"outcomes": [late, outcome("C3", occurred_at=datetime(2023, 12, 20), known_at=datetime(2024, 1, 2))]})
    beside = pd.DataFrame({"customer_id": ["X1", "X2"], "as_of": pd.to_datetime(["2023-03-31", "2023-09-30"]), "grade": "D", "target": [0.0, 1.0]})
    Path("data/default/evaluation").mkdir(exist_ok=True)
    beside.to_parquet("data/default/evaluation/predictions.parquet")
    clock.now = datetime(2023, 3, 1, 9)
    given = {"reason_code": "security", "reason": "guarantee", "author": "anna", "approver": "ben", "expires_on": date(2023, 5, 1)}
    for customer_id in ("C2", "C3"):
        Overrides(store, source=SOURCE).grant(customer_id, Change(action="approve", limit=50_000_000), SAID, policy=load_policy("policy.yaml"), **given)
    july, december = (committee_pack.month_facts(store, SOURCE, date(2024, month, 1), datetime(2024, month, 31, 23), load_policy("policy.yaml").spec,
                                                 book_day=date(2024, 6, 30)).hit_rates[0] for month in (7, 12))
    assert [(each["matured"], each["right"], each["comparable"]) for each in (july, december)] == [(2, 1, 1), (2, 0, 2)]


def test_a_past_months_pack_knows_no_later_renewal_or_end(store, clock):
    no_outcomes()
    ledger = Overrides(store, source=SOURCE)
    given = {"reason_code": "security", "reason": "guarantee", "author": "anna", "approver": "ben", "expires_on": date(2024, 8, 10)}
    kept, ended = (ledger.grant(customer_id, Change(action="approve", limit=50_000_000), SAID, policy=load_policy("policy.yaml"), **given)
                   for customer_id in ("C2", "C3"))
    clock.now = datetime(2024, 8, 5, 9)
    ledger.renew(kept.id, reason="held", author="carl", approver="dora", expires_on=date(2024, 10, 1))
    ledger.revoke(ended.id, reason="sold", author="carl")
    july = committee_pack.month_facts(store, SOURCE, date(2024, 7, 1), datetime(2024, 7, 31, 23), load_policy("policy.yaml").spec, book_day=date(2024, 6, 30))
    assert [(each.author, each.expires_on, each.renewals, each.revoked_on) for each in july.expiring] == [("anna", date(2024, 8, 10), 0, None)] * 2
    assert [each.renewals for each in ledger.all()] == [1, 0]


def test_overrides_in_force_and_ending_are_shown_with_what_became_of_them(store, clock):
    no_outcomes()
    given = {"reason_code": "security", "reason": "<b>guarantee</b>", "author": "anna", "approver": "ben", "expires_on": date(2024, 8, 10)}
    Overrides(store, source=SOURCE).grant("C2", Change(action="approve", limit=50_000_000), SAID, policy=load_policy("policy.yaml"), **given)
    clock.forward(20)
    page = pages()["en"]
    assert "In force: 1. Granted this month: 1. Ending within a month: 1." in page
    assert "Overrides that end within a month: 1." in section(page, "Decisions to take")
    listed = section(page, "Overrides and what became of them")
    for told in ("&lt;b&gt;guarantee&lt;/b&gt;", "<bdi>anna</bdi>, <bdi>ben</bdi>", "10 Aug 2024", "Towards approval: 1 made; no outcome is known yet."):
        assert told in listed


@pytest.mark.parametrize(("gate", "said"), [
    ({"bundle": "c" * 64, "champion": "d" * 64, "verdict": "promote", "reasons": []}, ["The candidate model cccccccccccc passed the gate"]),
    ({"bundle": "c" * 64, "champion": "d" * 64, "verdict": "keep", "reasons": [
        {"check": name, "passed": name == "monotonicity"} for name in ("calibration", "monotonicity", "stability")]},
     ["The candidate model cccccccccccc failed the gate (Calibration, Stability)"]),
    ({"bundle": "c" * 64, "champion": "c" * 64, "verdict": "keep", "reasons": []}, [])])
def test_the_gates_verdict_is_a_decision_where_a_candidate_waits(store, gate, said):
    Path("data/default/gate.json").write_text(json.dumps(gate), encoding="utf-8")
    page = pages()
    assert [each for each in said if each in page["en"]] == said
    assert ("model cccccccccccc" in page["en"]) == bool(said)
    assert ("（校准、稳定性）" in page["zh"]) == ("Stability" in "".join(said))


def test_retraining_and_severe_drift_call_for_a_decision_and_stand_in_the_health(store):
    write_health("default", retrain=RETRAIN | {"action": "refit", "wanted": "refit", "reasons": ["the training cutoff is 800 days old, more than 730"]},
                 drift=DRIFT | {"verdict": "severe"}, quality=QUALITY | {"verdict": "stale", "stale": ["payments"]})
    both = pages()
    page = both["en"]
    for told in ("decide on a refit", "drifted severely"):
        assert told in section(page, "Decisions to take")
    for told in ("<b>severe drift</b>", "The score moved: PSI 0.310, of which 0.010 is chance, higher values.", "Payments: nothing new since 31 Jan 2024.",
                 "The model is to be refitted", "Because: the training cutoff is 800 days old, more than 730."):
        assert told in section(page, "Model in use: is it still right?")
    assert "依据：训练截止日距今 800 天，超过 730 天。" in both["zh"]


def test_the_portfolio_and_its_moves_are_the_ones_of_the_page(store):
    page = pages()["en"]
    for told in ("To a worse grade: 1. Same grade: 1.", "Herfindahl index, customers", "Largest exposures", "▲ riskier", "Customers by grade",
                 "<h2>How grades moved</h2>", "<h3>Who moved most</h3>"):
        assert told in page
    assert "<b>3</b>" in page


def test_a_book_without_amounts_gets_a_pack_that_says_so(store):
    put(book_of(C1=("A", 0), C2=("E", 0)), {"customers": [customer("C1")]})
    page = pages()["en"]
    assert "No exposure is known" in page
    assert "Herfindahl" not in page


def test_an_empty_book_is_a_sentence(store):
    table = pq.read_table("data/default/scores.parquet")
    pq.write_table(table.slice(0, 0), "data/default/scores.parquet")
    with pytest.raises(RiskError, match="scores.parquet has no row: nobody is in the book"):
        write_pack(MONTH, "pack.html")


def test_both_languages_lead_to_each_other_and_need_no_network(store):
    watch(store)
    decide(store, "العربية " + "y" * 300, customer_id="C1", department="legal")
    found = pages()
    assert 'href="pack.zh.html"' in found["en"]
    assert 'href="pack.html"' in found["zh"]
    assert "风险委员会会议材料（2024年7月）" in found["zh"]
    for page in found.values():
        assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//|@import|url\(""", page)
        assert len(page.encode()) < 1_000_000
        assert "<script" not in page
        assert "&lt;script&gt;alert(1)" in page
        assert page.count("شركة الاختبار") == page.count("<bdi>شركة الاختبار</bdi>") > 0
        ids = re.findall(r'\sid="([^"]+)"', page)
        assert len(ids) == len(set(ids))


def test_an_erased_customer_is_in_no_later_pack(store):
    decide(store, "About C1 alone", customer_id="C1")
    store.erase_customer("C1", actor="privacy desk", reason="request")
    assert "About C1 alone" not in pages()["en"]


@pytest.mark.parametrize(("month", "path", "match"), [
    ("2024-13", "pack.html", "2024-13 is no month: name it as YYYY-MM"), ("July", "pack.html", "July is no month"),
    ("2024-08", "pack.html", "the month 2024-08 has not begun: its pack can be made from 2024-08-01 on"),
    ("2024-05", "pack.html", "the book is of 2024-06-30, after 2024-05: a pack shows nothing of later days"),
    (MONTH, "pack.pdf", "pack.pdf is no page: name a file that ends in .html"), (MONTH, "data/ingest.json/pack.html", "cannot be written")])
def test_what_cannot_be_made_is_named(store, month, path, match):
    with pytest.raises(RiskError, match=match):
        write_pack(month, path)


def test_a_stale_book_is_said_to_be(store, clock):
    clock.forward(90)
    assert "The book is 93 days older than that" in pages("2024-10")["en"]
    assert "older than that" not in pages()["en"]


def test_the_agenda_is_empty_of_what_has_no_figures(store):
    put(book_of(C1=("A", 600_000)), {"customers": [customer("C1")]})
    facts = committee_pack.month_facts(store, SOURCE, date(2024, 7, 1), store.now(), load_policy("policy.yaml").spec, book_day=date(2024, 6, 30))
    assert agenda(read_book("default"), facts, EN, currency="CNY") == []
    assert facts.night == date(2024, 6, 30)
    assert facts.day == date(2024, 7, 3)


def test_the_command_writes_the_pack(world, monkeypatch):
    monkeypatch.delenv("CUSTOMER_RISK_DATABASE_URL", raising=False)
    month = f"{datetime.now():%Y-%m}"
    result = CliRunner().invoke(main, ["committee", "pack", "--month", month, "--to", "pack.html"])
    assert result.output.strip() == f"the committee's pack of {month}: pack.html, pack.zh.html."
    assert Path("pack.html").is_file()
