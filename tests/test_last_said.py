"""What was last published or decided of a customer beside today's score: which it is, and what of the difference is the customer's and what the model's."""

import math
import re
from contextlib import closing
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
from builders import day
from report_world import AS_OF, decided, put, run, score, tables, trained

from features.catalogue import build_catalogue
from features.context import Context
from features.errors import RiskError
from models.bundle import make_bundle, save_bundle
from models.calibration import Knots
from models.last_said import log_odds, split
from models.scoring import raw_scores
from pipeline import report as stage
from pipeline import reports_in_force
from pipeline.datasets import write_json
from pipeline.last_said import LastSaid, Previously, last_said
from pipeline.reports.book import rank_of, read_book, riskiest
from pipeline.reports.said import said_view
from pipeline.reports.text import LANGUAGES, Words
from pipeline.reports_in_force import publish_pages, write_report
from serving.published import BookRow, Published, folder_of, publish
from serving.store import Entry, Store

ROOT = Path(__file__).parent.parent
TODAY, EARLIER = "ab" * 32, day("2024-03-31")
NOW, THEN = (12.0, 2.5, "retail"), (50.0, 2.5, "retail")
ENGLISH = Words("en", more=("officer",))
CATALOGUE = build_catalogue("default", {"customers": {"customer_id": "id", "known_at": "time", "industry": "category"}}).to_dict()
CONTEXT = Context({("stmt_roa", None): (np.array([86400]), np.linspace(0, 1, 21)[None, :])}).to_rows()


@pytest.fixture(autouse=True)
def workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policy.yaml").write_bytes((ROOT / "policy.yaml").read_bytes())


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "risk.db", clock=lambda: datetime(2024, 7, 1, 9)).open() as opened:
        yield opened


def other_model(*, shift=0.5):
    """The world's trees under a curve that lies so many log-odds above theirs; kept under var/bundles."""
    model = trained()
    x = np.array(model.manifest.knots.x)
    low, y, high = (tuple((1 / (1 + np.exp(-(x + shift + beside)))).tolist()) for beside in (-0.5, 0, 0.5))
    manifest = msgspec.structs.replace(model.manifest, knots=Knots(x=tuple(x.tolist()), y=y, method="logistic"),
                                       interval=msgspec.structs.replace(model.manifest.interval, low=low, high=high))
    bundle = make_bundle(model.booster_text, manifest)
    save_bundle(bundle, f"var/bundles/{bundle.hash}")
    return bundle.hash


def reading_old():
    """The world's trees with another name for their first column; kept under var/bundles."""
    model = trained()
    first, *others = model.manifest.columns
    renamed = msgspec.structs.replace(first, name="old_figure")
    bundle = make_bundle(model.booster_text.replace(first.name, renamed.name), msgspec.structs.replace(model.manifest, columns=(renamed, *others)))
    save_bundle(bundle, f"var/bundles/{bundle.hash}")
    return bundle.hash


def raw_of(values):
    return float(raw_scores(trained(), [[values[0], values[1], {"construction": 0.0, "retail": 1.0}[values[2]]]])[0])


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def book(*customers):
    """Today's book, a row of the present figures each."""
    put([decided(score(name, raw_of(NOW))) for name in customers or ("C1",)], tables())


def kept(bundle, probability, *, as_of=EARLIER, grade="C", name="pd_12m"):
    return {"as_of": as_of.isoformat(), "bundle": bundle, "probability_name": name, "probability": probability, "grade": grade}


def published(**last):
    """Stands for the publication in force; last: what the one before said of each customer."""
    return SimpleNamespace(score={name: {"last_published": said} for name, said in last.items()}.get)


def decide(store, bundle, probability, *, as_of, customer="C1", source="made_up"):
    answer = kept(bundle, probability, as_of=as_of) | {"use_case": "default"}
    return store.record_decision(Entry("default", source, customer, bundle, "c" * 64, "d" * 64, {"answer": answer}))


def said_of(store, publication, customer="C1"):
    rows = next(riskiest(read_book("default"), 9, one_each=True))
    return last_said(store, "made_up", publication)(read_book("default"), rows).get(customer)


# --- the difference ---------------------------------------------------------------------------------------------------------


def test_a_difference_is_told_apart_by_hand():
    # 20 % is -ln 4 in log-odds, 80 % is ln 4, 50 % is 0.
    assert split(0.2, 0.5, then_today=0.8) == (pytest.approx(2 * math.log(4)), pytest.approx(-math.log(4)))


def test_the_parts_add_up_to_the_difference():
    rng = np.random.default_rng(3)
    for then, now, middle in rng.uniform(1e-6, 1 - 1e-6, (500, 3)):
        assert sum(split(then, now, then_today=middle)) == pytest.approx(log_odds(now) - log_odds(then), abs=1e-12)


def test_a_model_whose_curve_alone_changed_is_told_apart_from_the_customers_move(store):
    book()
    said = said_of(store, published(C1=kept(other_model(), sigmoid(raw_of(THEN) + 0.5))))
    moved, changed = split(said.probability, sigmoid(raw_of(NOW)), then_today=said.then_today)
    # By the curves' straight lines between knots.
    assert (moved, changed) == (pytest.approx(raw_of(NOW) - raw_of(THEN), abs=2e-3), pytest.approx(-0.5, abs=2e-3))
    assert moved < -0.2
    assert (said.same, said.why_not, said.as_of) == (False, None, EARLIER)


def test_the_same_model_says_nothing_of_a_change_of_model(store):
    book()
    said = said_of(store, published(C1=kept(TODAY, sigmoid(raw_of(THEN)))))
    assert (said.same, said.then_today, said.why_not) == (True, None, None)
    view = said_view({"probability": sigmoid(raw_of(NOW))}, said, ENGLISH)
    assert ([step["label"] for step in view["steps"]], view["note"]) == (["As said then", "The customer moved"], "")


@pytest.mark.parametrize(("how", "why"), [
    ("gone", "the model of then is not kept here"),
    ("columns", "the model of then reads figures that the book does not have any more"),
    ("horizon", "The model of then looked ahead another time"),
])
def test_what_cannot_be_told_apart_is_said(store, how, why):
    book()
    bundle, name = other_model(), "pd_12m"
    if how == "gone":
        bundle = "9" * 64
    elif how == "columns":
        bundle = reading_old()
    else:
        name = "pd_6m"
    said = said_of(store, published(C1=kept(bundle, 0.3, name=name)))
    view = said_view({"probability": sigmoid(raw_of(NOW))}, said, ENGLISH)
    assert said.why_not == how
    assert why in view["note"]
    assert [step["label"] for step in view["steps"]] == ([] if how == "horizon" else ["As said then", "Both together"])


def test_parts_as_shown_add_up_to_the_ends_as_shown():
    rng = np.random.default_rng(5)
    for then, now, middle in rng.uniform(0.001, 0.9, (300, 3)):
        said = LastSaid("published", EARLIER, None, then, "C", "9" * 64, same=False, then_today=middle)
        first, moved, model = said_view({"probability": now}, said, ENGLISH)["steps"]
        ends = [_number(step["log_odds"]) for step in (first, model)]
        assert ends[0] + _number(moved["part"]) + _number(model["part"]) == pytest.approx(ends[1], abs=1e-9)
        assert (first["part"], first["adverse"]) == ("", None)


def _number(text):
    return float(text.replace("−", "-"))


# --- which it is ------------------------------------------------------------------------------------------------------------


def test_the_later_of_what_was_published_and_decided_is_told(store):
    book()
    decide(store, TODAY, 0.11, as_of=day("2024-02-29"))
    assert said_of(store, published(C1=kept(TODAY, 0.22))).probability == 0.22
    decide(store, TODAY, 0.33, as_of=day("2024-05-31"))
    found = said_of(store, published(C1=kept(TODAY, 0.22)))
    assert (found.how, found.probability, found.as_of, found.made_at) == ("decided", 0.33, day("2024-05-31"), datetime(2024, 7, 1, 9))


@pytest.mark.parametrize(("bundle", "as_of", "told"), [
    (TODAY, AS_OF, False),  # a look-up of this very book
    ("9" * 64, AS_OF, True),  # another model on the same figures
    (TODAY, day("2024-07-01"), False),  # it knew more than the book
])
def test_a_decision_of_the_books_own_day_counts_only_by_another_model(store, bundle, as_of, told):
    book()
    decide(store, bundle, 0.3, as_of=as_of)
    assert (said_of(store, published()) is not None) == told


def test_decisions_of_others_and_on_other_sources_are_not_the_customers(store):
    book()
    decide(store, TODAY, 0.3, as_of=EARLIER, customer="C2")
    decide(store, TODAY, 0.3, as_of=EARLIER, source="another")
    assert said_of(store, published()) is None


# --- what a publication remembers of the one before -------------------------------------------------------------------------


def put_in_force(probability, *, as_of, bundle=TODAY, last=None):
    said = {"as_of": as_of, "bundle": bundle, "pd_12m": probability, "grade": "C", "last_published": last}
    parts = {"source": "made_up", "use_case": "default", "as_of": as_of.isoformat(), "bundle": bundle, "catalogue": CATALOGUE, "context": CONTEXT}
    return publish("var", [BookRow("C1", {}, said)], policy=Path("policy.yaml").read_text(encoding="utf-8"), **parts)


def previously(*, as_of=AS_OF, bundle=TODAY, customer="C1"):
    with closing(Previously("made_up")) as before:
        return before.of({"customer_id": customer, "as_of": as_of, "bundle": bundle})


def test_what_the_publication_before_said_is_remembered():
    put_in_force(0.3, as_of=EARLIER)
    assert previously() == kept(TODAY, 0.3)
    assert previously(customer="C2") is None


def test_publishing_the_same_day_again_remembers_what_was_remembered():
    put_in_force(0.3, as_of=AS_OF, last=kept(TODAY, 0.2))
    assert previously() == kept(TODAY, 0.2)
    assert previously(bundle="9" * 64) == kept(TODAY, 0.3, as_of=AS_OF)


def test_a_book_set_back_remembers_nothing_of_a_later_day():
    put_in_force(0.3, as_of=AS_OF)
    assert previously(as_of=EARLIER) is None


def test_a_publication_before_that_is_damaged_or_not_there_says_nothing():
    assert previously() is None
    manifest = put_in_force(0.3, as_of=EARLIER)
    (folder_of("var", "made_up", "default") / manifest["hash"] / "book.sqlite").write_bytes(b"broken" * 1000)
    assert previously() is None


# --- pages ------------------------------------------------------------------------------------------------------------------


def pages_published(store, publication):
    run()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "load_params", lambda: SimpleNamespace(report=SimpleNamespace(customers=40), ingest=SimpleNamespace(threads=1)))
        whole = SimpleNamespace(find=lambda customer: SimpleNamespace(score=publication.score(customer) or {}), hash="ef" * 32)
        publish_pages("made_up", whole, today=day("2024-07-01").date(), any_in_force=False, said=last_said(store, "made_up", publication))
    return {path.name: path.read_text(encoding="utf-8") for path in Path("var/reports/made_up-default").rglob("*.html")}


def test_the_published_page_tells_both_parts_in_both_languages_and_the_stages_page_tells_nothing(store):
    book("C1", "C2")
    bundle = other_model()
    pages = pages_published(store, published(C1=kept(bundle, 0.3)))
    for said in ("Since the last publication", f"What was published for 31 Mar 2024 said: grade C and a PD of 30.0%, by model {bundle[:12]}.", "As said then",
                 "The customer moved", "The model changed", "−0.50", "−0.85"):
        assert said in pages["C1.en.html"]
    for said in ("自上次发布以来", f"截至 2024年3月31日 的发布给出：等级 C，违约概率 30.0%，模型 {bundle[:12]}。", "客户自身变化", "模型变更"):
        assert said in pages["C1.zh.html"]
    assert "Since the last publication" not in pages["C2.en.html"]
    assert not any("Since the last publication" in page.read_text(encoding="utf-8") for page in Path("data/default/reports").rglob("*.html"))


def test_a_decision_is_told_with_its_day(store):
    book()
    decide(store, TODAY, 0.3, as_of=EARLIER)
    page = pages_published(store, published())["C1.en.html"]
    assert "Since the last decision" in page
    assert "The decision recorded on 1 Jul 2024 said, on what was known by 31 Mar 2024: grade C and a PD of 30.0%, by model abababababab." in page
    assert "The model changed" not in page


def test_every_word_is_there_in_both_languages():
    used = set(re.findall(r'"((?:heading\.)?said\.[a-z._]+)"', (ROOT / "pipeline/reports/said.py").read_text(encoding="utf-8")))
    used |= set(re.findall(r"'(said\.[a-z._]+)'", (ROOT / "pipeline/reports/templates/said.html").read_text(encoding="utf-8"))) - {"said.html"}
    used |= {f"{part}said.{how}" for how in ("published", "decided") for part in ("", "heading.")}
    used |= {f"said.why.{why}" for why in ("gone", "columns", "horizon")}
    for language in LANGUAGES:
        words = Words(language, more=("officer",))
        assert {each for each in used if each not in words._own} == set()


# --- a report on request ----------------------------------------------------------------------------------------------------


@pytest.fixture
def params(monkeypatch):
    found = SimpleNamespace(report=SimpleNamespace(customers=1), ingest=SimpleNamespace(threads=1), source=SimpleNamespace(name="made_up"))
    for module in (stage, reports_in_force):
        monkeypatch.setattr(module, "load_params", lambda: found)


def test_a_report_on_request_is_the_stages_but_for_the_link_to_the_portfolio(params):
    put([decided(score("C1", -1.0)), decided(score("C2", -2.0)), decided(score("C3", -2.0, adverse=None, favourable=None))], tables("C2"))
    pages = run(customers=3)
    for customer in ("C2", "C3"):
        written = write_report(customer, "asked")
        assert written == [Path(f"asked/{customer}.en.html"), Path(f"asked/{customer}.zh.html")]
        for path in written:
            linked = re.sub(r'<a href="\.\./index[^"]*">([^<]*)</a>', "", pages[f"customers/{path.name}"])
            asked = path.read_text(encoding="utf-8")
            assert re.sub(r"<header.*?</header>", "", asked, flags=re.S) == re.sub(r"<header.*?</header>", "", linked, flags=re.S)


def test_a_report_on_request_keeps_what_else_is_in_the_folder(params):
    book()
    Path("asked").mkdir()
    Path("asked/mine.txt").write_text("mine")
    write_report("C1", "asked")
    assert sorted(path.name for path in Path("asked").iterdir()) == ["C1.en.html", "C1.zh.html", "mine.txt"]


def test_a_report_on_request_of_the_published_book_tells_what_was_last_said(params):
    book()
    put_in_force(0.3, as_of=AS_OF, last=kept(TODAY, 0.3))
    write_json("data/default/book/about.json", {"as_of": AS_OF.isoformat()})
    assert "Since the last publication" in write_report("C1", "asked")[0].read_text(encoding="utf-8")
    write_json("data/default/book/about.json", {"as_of": "2024-07-31T00:00:00"})
    assert "Since the last publication" not in write_report("C1", "asked")[0].read_text(encoding="utf-8")


def test_a_report_on_request_on_nobody_is_refused(params):
    book()
    with pytest.raises(RiskError, match="customer C9 is not in the book of 1: check the id, or whether it is active"):
        write_report("C9", "asked")
    assert not Path("asked").exists()


def test_a_rank_is_the_one_of_the_reports():
    put([decided(score(f"C{n}", raw)) for n, raw in enumerate((-1.0, -3.0, -1.0, -2.0))], tables())
    read = read_book("default")
    for row in next(riskiest(read, 9, one_each=True)):
        assert rank_of(read, row["customer_id"]) == row["rank"]


def test_published_scores_are_read_without_records():
    put_in_force(0.3, as_of=AS_OF)
    with closing(Published.open("var", "made_up", "default")) as opened:
        assert (opened.score("C1")["pd_12m"], opened.score("C9")) == (0.3, None)
