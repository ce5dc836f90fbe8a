"""What is kept of a person: declared for every table, exported whole, erased and expired without breaking a chain, and never named in a log or a feature."""

import json
import os
import re
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from databases import NOON
from serving_world import NOW, SOURCE, local_client, published, records

from features.catalogue import USE_CASES, build_catalogue
from features.errors import RiskError
from features.extras import NAMING
from features.tables import TABLES
from models.life_cycle import load_life_cycle
from pipeline.cli import main
from pipeline.privacy_page import PAGE, page
from serving import subjects
from serving.app import create_app
from serving.human_reviews import DUE_DAYS, HumanReviews
from serving.keys import Keys
from serving.life_cycle import LifeCycleLedger, Move
from serving.privacy import IDENTIFYING, PURPOSES, RETAINED_BY_TABLE
from serving.pseudonyms import Pseudonyms
from serving.report_access import ReportAccess
from serving.reviews import Reviews
from serving.schema import metadata
from serving.settings import Settings
from serving.store import Entry, Store

ROOT = Path(__file__).parent.parent
COLUMNS = {name: {column.name: column.kind for column in table.columns} for name, table in TABLES.items()}


@pytest.fixture
def store(url, clock):
    with Store(url, clock=clock).open() as opened:
        yield opened


def decided(store, customer, decision_id=None):
    return store.record_decision(Entry("default", SOURCE, customer, "b", "p", "c", {"request": {"customer_id": customer}}, decision_id=decision_id))


def busy(store, customer):
    """A customer with rows in six tables."""
    decision = decided(store, customer)
    Reviews(store, source=SOURCE).plan([customer], ["A"], [365])
    ReportAccess(store).record(customer, reader="crm", report="customer/zh", purpose="年审")
    HumanReviews(store).open(decision.id, "look again", opened_by="crm")
    rules = load_life_cycle(ROOT / "life_cycle.yaml")
    move = Move(customer, date(2026, 3, 31), None, "onboarding", date(2026, 3, 31), "new", "sales", None)
    LifeCycleLedger(store, SOURCE).record(rules, [move])
    return decision


# --- the declaration ----------------------------------------------------------------------------------------------------------


def test_every_table_that_holds_a_customer_is_declared():
    holding = {table.name for table in metadata.sorted_tables if "customer_id" in table.c}
    assert holding == set(RETAINED_BY_TABLE)
    assert set(PURPOSES) == set(TABLES)
    assert {table for table, purpose in PURPOSES.items() if purpose is None} == {name for name, table in TABLES.items() if table.column("customer_id") is None
                                                                                  and name != "outcomes"}


def test_every_kept_time_can_be_kept():
    for kept in RETAINED_BY_TABLE.values():
        assert (kept.days is None) == ("made_at" not in metadata.tables[kept.table].c)


def test_every_free_text_and_every_other_party_is_declared_to_identify():
    told = {(table, name) for table, columns in COLUMNS.items() for name, kind in columns.items() if kind == "text" or name == "counterparty_id"}
    assert told - {("series", "unit")} <= set(IDENTIFYING)
    assert all(TABLES[table].column(name) for table, name in IDENTIFYING)


@pytest.mark.parametrize("use_case", USE_CASES)
def test_no_features_value_says_who_somebody_is(use_case):
    # A number of one's own has as many values as customers, so the feeder calls it text (features.feeders.duck).
    beside = {"customers": {"passport_no": "text", "guarantor_id": "id", "size_class": "category"},
              "transactions": {f"payee{ending}": "category" for ending in NAMING} | {"remittance": "text", "terminal": "category"}}
    catalogue = build_catalogue(use_case, {name: columns | beside.get(name, {}) for name, columns in COLUMNS.items()})
    reading = [(each, (table, name)) for each in catalogue.features for table, names in each.needs.items() for name in names]
    assert {each.kind for each, column in reading if column in IDENTIFYING} <= {"number"}
    read = {column for _, column in reading}
    assert {("customers", "size_class"), ("transactions", "terminal")} <= read
    named = {("customers", "name"), ("customers", "passport_no"), ("customers", "guarantor_id"), ("transactions", "remittance")}
    assert not read & (named | {("transactions", f"payee{ending}") for ending in NAMING})


def test_the_page_is_in_step_with_the_declaration():
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text, "run python -m pipeline.privacy_page"
    assert f"A case is due {DUE_DAYS} days after it was opened" in text


# --- a copy, and erasure ------------------------------------------------------------------------------------------------------


def test_a_copy_holds_all_that_is_kept_of_one_customer_and_of_no_other(store, tmp_path):
    published(tmp_path)
    decision = busy(store, "C1")
    busy(store, "C2")
    found = subjects.exported(store, "C1", var=tmp_path)
    assert set(found["database"]) == {"decisions", "reviews", "report_access", "human_reviews", "transitions", "life_cycle_states"}
    assert found["database"]["decisions"][0]["payload"] == {"request": {"customer_id": "C1"}}
    assert found["database"]["report_access"][0]["payload"] == {"purpose": "年审"}
    assert found["database"]["human_reviews"][0]["decision_id"] == decision.id
    assert found["published"][f"{SOURCE}-default"][0]["records"] == records()
    assert "C2" not in json.dumps(found, default=str)
    assert not {"hash", "salt"} & set(found["database"]["decisions"][0])


def test_an_erased_customer_is_in_no_table_and_every_chain_is_whole(store, tmp_path):
    busy(store, "C1")
    busy(store, "C2")
    before = {head.chain: head.count for head in store.heads()}
    assert store.erase_customer("C1", actor="privacy desk", reason="request") == 5
    assert subjects.exported(store, "C1", var=tmp_path)["database"] == {}
    assert len(subjects.exported(store, "C2", var=tmp_path)["database"]) == 6
    assert {head.chain: head.count for head in store.heads()} == before | {"erasures": 1}
    assert store.verify() == []
    assert [each.customer_id for each in ReportAccess(store).all()] == [each.customer_id for each in HumanReviews(store).all()] == ["C2"]


# --- the end of its time ------------------------------------------------------------------------------------------------------


def test_what_is_past_its_time_is_erased_and_no_other_row(store, clock):
    old = decided(store, "C1").id
    clock.now += timedelta(days=RETAINED_BY_TABLE["decisions"].days)
    new = decided(store, "C1").id
    assert subjects.expired(store) == {}
    clock.now += timedelta(minutes=1)
    assert subjects.expired(store) == {"decisions": 1}
    assert subjects.expire(store, actor="night") == {"decisions": 1}
    assert subjects.expire(store, actor="night") == {}
    assert (store.find_decision(old).payload, store.find_decision(old).customer_id) == (None, None)
    assert store.find_decision(new).customer_id == "C1"
    assert store.verify() == []


def test_a_calendar_is_kept_whole_until_the_customers_last_row_is_past_its_time(store, clock, tmp_path):
    reviews = Reviews(store, source=SOURCE)
    reviews.plan(["C1", "C2"], ["A", "A"], [365, 365])
    clock.now += timedelta(days=200)
    reviews.done("C1", reviewer="anna", approver="ben", note="read")
    clock.now += timedelta(days=RETAINED_BY_TABLE["reviews"].days - 100)
    assert subjects.expire(store, actor="night") == {"reviews": 1}
    assert len(subjects.exported(store, "C1", var=tmp_path)["database"]["reviews"]) == 3
    assert subjects.exported(store, "C2", var=tmp_path)["database"] == {}
    assert store.verify() == []


def test_many_rows_expire_in_transactions_of_bounded_size(store, clock, monkeypatch):
    monkeypatch.setattr(subjects, "AT_ONCE", 2)
    for number in range(5):
        decided(store, f"C{number}")
    clock.now += timedelta(days=10)
    assert subjects.expire(store, actor="night", keep={"decisions": 9}) == {"decisions": 5}
    with store.database.reading() as connection:
        noted = [(row.actor, row.reason) for row in connection.execute(sa.text("select actor, reason from erasures"))]
    assert noted == [("night", "kept for 9 days")] * 3
    assert store.verify() == []


@pytest.mark.parametrize(("keep", "message"), [
    ({"promotions": 9}, "the table promotions keeps nothing for a time: name one of decisions, transitions"),
    ({"life_cycle_states": 9}, "the table life_cycle_states keeps nothing for a time"),
    ({"decisions": 0}, "decisions would be kept for 0 days: name at least 1"),
])
def test_other_days_must_make_sense(store, keep, message):
    for asked in (lambda: subjects.expired(store, keep=keep), lambda: subjects.expire(store, actor="night", keep=keep)):
        with pytest.raises(RiskError, match=message):
            asked()


# --- pseudonyms ---------------------------------------------------------------------------------------------------------------


def test_a_pseudonym_is_stable_and_hangs_on_a_secret_for_its_owner_only(tmp_path):
    first = Pseudonyms(tmp_path, env={})
    assert first.of("C1") == Pseudonyms(tmp_path, env={}).of("C1") != first.of("C2")
    assert re.fullmatch("p-[0-9a-f]{16}", first.of("客户1"))
    kept = tmp_path / "secrets" / "pseudonym.key"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert [each.name for each in kept.parent.iterdir()] == ["pseudonym.key"]
    assert Pseudonyms(tmp_path, env={"CUSTOMER_RISK_PSEUDONYM_KEY": "x" * 32}).of("C1") != first.of("C1")


def test_processes_that_start_together_agree_on_one_secret(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: Pseudonyms(tmp_path, env={}).of("C1"), range(32)))) == 1


def test_a_secret_that_is_too_short_or_cannot_be_made_is_refused(tmp_path):
    with pytest.raises(RiskError, match="CUSTOMER_RISK_PSEUDONYM_KEY holds 3 characters: a secret of pseudonyms needs at least 32"):
        Pseudonyms(tmp_path, env={"CUSTOMER_RISK_PSEUDONYM_KEY": "abc"}).of("C1")
    (tmp_path / "secrets").write_text("a file in its way")
    with pytest.raises(RiskError, match="cannot be read or made .* set CUSTOMER_RISK_PSEUDONYM_KEY instead"):
        Pseudonyms(tmp_path, env={}).of("C1")


def test_the_log_calls_a_customer_by_its_pseudonym_and_answers_without_one(tmp_path, caplog):
    published(tmp_path)
    app = create_app(Settings(SOURCE, ("default",), tmp_path, tmp_path / "risk.db"), clock=lambda: NOW)
    with local_client(app) as client:
        client.get("/v1/customers/Zhang-San")
        assert f"GET /v1/customers/{{customer_id}} (customer_id {Pseudonyms(tmp_path).of('Zhang-San')}) from 127.0.0.1 refused" in caplog.text
        (tmp_path / "secrets" / "pseudonym.key").write_text("short")
        app.state.service.pseudonyms = Pseudonyms(tmp_path, env={})
        assert client.get("/v1/customers/Zhang-San").status_code == 404
    assert "no pseudonym" in caplog.text
    assert "Zhang" not in caplog.text


# --- readings of reports ------------------------------------------------------------------------------------------------------


@pytest.fixture
def reading_client(tmp_path, url):
    """A client, of Chinese, of a service with finished reports."""
    published(tmp_path, reports=[(customer, "zh", "<p>报告") for customer in ("C1", "C2")])
    app = create_app(Settings(SOURCE, ("default",), tmp_path, url), clock=lambda: NOW)
    with local_client(app, headers={"Accept-Language": "zh"}) as client:
        yield client


def test_a_reading_is_logged_with_who_whom_and_why(reading_client, store):
    assert reading_client.get("/v1/reports/C1", params={"purpose": " 年审 "}).status_code == 200
    key, token = Keys(store).add("crm", ["reports"])
    reading_client.app.state.service.access._read_at = float("-inf")
    sent = {"Authorization": f"Bearer {token}", "X-Purpose": "yearly review"}
    assert reading_client.get("/v1/reports/C2", headers=sent).status_code == 200
    found = [(each.customer_id, each.reader, each.key_id, each.report, each.purpose, each.made_at) for each in ReportAccess(store).all()]
    assert found == [("C1", "this machine", None, "customer/zh", "年审", NOW), ("C2", "crm", key.id, "customer/zh", "yearly review", NOW)]
    assert [each.purpose for each in ReportAccess(store).all(customer_id="C2")] == ["yearly review"]
    assert store.verify() == []


@pytest.mark.parametrize("purpose", [None, "", "  ", "x" * 501, "a\0b", "a\nb"])
def test_a_report_is_not_shown_without_a_purpose(reading_client, store, purpose):
    answer = reading_client.get("/v1/reports/C1", params={} if purpose is None else {"purpose": purpose})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/query/purpose")
    assert ReportAccess(store).all() == []


def test_what_cannot_be_logged_is_not_shown(reading_client, store):
    with store.database.writing() as connection:
        connection.execute(sa.text("alter table report_access rename to hidden"))
    answer = reading_client.get("/v1/reports/C1", params={"purpose": "review"})
    assert answer.status_code == 503
    assert "报告" not in answer.text


def test_a_reading_that_was_tampered_with_is_named(store):
    ReportAccess(store).record("C1", reader="crm", report="customer/zh", purpose="review")
    with store.database.writing() as connection:
        connection.execute(sa.text("update report_access set reader = 'nobody'"))
    assert [(fault.chain, fault.kind) for fault in store.verify()] == [("report_access", "changed")]


# --- commands -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def risk(tmp_path, monkeypatch):
    """Runs a command on a database of its own, and gives (exit code, output)."""
    monkeypatch.setenv("CUSTOMER_RISK_VAR", str(tmp_path))
    monkeypatch.delenv("CUSTOMER_RISK_DATABASE_URL", raising=False)

    def run(*arguments):
        done = CliRunner().invoke(main, arguments)
        return done.exit_code, done.output

    return run


@pytest.fixture
def kept(tmp_path):
    """The database that the commands find."""
    with Store(tmp_path / "risk.db").open() as opened:
        yield opened


def test_a_copy_is_written_for_its_owner_only_and_logged(risk, kept, tmp_path):
    busy(kept, "C1")
    path = tmp_path / "c1.json"
    code, said = risk("privacy", "export", "C1", "--to", str(path), "--actor", "lin")
    assert (code, stat.S_IMODE(path.stat().st_mode)) == (0, 0o600)
    assert "1 decisions" in said
    assert json.loads(path.read_text(encoding="utf-8"))["database"]["report_access"][0]["payload"]["purpose"] == "年审"
    assert [(each.reader, each.report) for each in ReportAccess(kept).all()][1:] == [("lin", "export of all that is kept")]
    assert "crm read customer/zh of C1: 年审" in risk("privacy", "readings", "C1")[1]
    assert risk("privacy", "export", "C1", "--to", str(path), "--actor", "lin")[0] == 1
    code, said = risk("privacy", "export", "C9", "--to", str(tmp_path / "c9.json"), "--actor", "lin")
    assert (code, said) == (1, "error: nothing is kept of customer C9: check the id.\n")
    assert not (tmp_path / "c9.json").exists()


def test_erasing_verifies_the_ledgers_and_says_where_the_customer_still_stands(risk, kept, tmp_path):
    published(tmp_path)
    busy(kept, "C1")
    code, said = risk("privacy", "erase", "C1", "--actor", "lin", "--reason", "request of 3 May")
    assert code == 0
    assert "5 rows of C1 are erased; every ledger is whole." in said
    assert f"It still stands in what is published ({SOURCE}-default): take it out of the source" in said
    assert "packs that `risk committee pack` wrote (delete them" in said
    assert "as they were exported" not in said
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "events-events.parquet").touch()
    assert f"Events stand in {tmp_path / 'inbox'} as they were exported: run `risk inbox export` again." in risk(
        "privacy", "erase", "C9", "--actor", "lin", "--reason", "request")[1]
    assert "no ledger holds customer C9" in risk("privacy", "erase", "C9", "--actor", "lin", "--reason", "request")[1]
    assert "an erasure needs a reason in words" in risk("privacy", "erase", "C1", "--actor", "lin", "--reason", " ")[1]
    assert "say who does it with --actor" in risk("privacy", "erase", "C1", "--actor", " ", "--reason", "request")[1]
    with kept.database.writing() as connection:
        connection.execute(sa.text("update reviews set grade = 'B'"))
    code, said = risk("privacy", "erase", "C1", "--actor", "lin", "--reason", "again")
    assert code == 1
    assert "the ledgers are not whole: row 1 of reviews differs from its own hash" in said


def test_expiry_is_shown_before_it_is_done(risk, kept, clock):
    with Store(kept.database.url.render_as_string(), clock=lambda: NOON - timedelta(days=4000)) as then:
        decided(then, "C1")
    assert risk("privacy", "expire", "--dry-run") == (0, "decisions: 1 rows would be erased\n")
    assert risk("privacy", "expire", "--actor", "night", "--keep", "decisions=40000") == (0, "nothing is past its time.\n")
    assert "say who does it with --actor" in risk("privacy", "expire")[1]
    assert "--keep decisions=soon is not TABLE=DAYS, such as decisions=3650" in risk("privacy", "expire", "--actor", "n", "--keep", "decisions=soon")[1]
    assert risk("privacy", "expire", "--actor", "night") == (0, "decisions: 1 rows erased\n")
    assert kept.verify() == []


def test_an_operator_can_find_a_customer_in_the_log(risk, tmp_path):
    assert risk("privacy", "pseudonym", "C1") == (0, Pseudonyms(tmp_path, env={}).of("C1") + "\n")


def test_the_commands_need_the_serving_extra_only():
    heavy = ("pandas", "pyarrow", "duckdb", "sklearn", "mlflow")
    code = f"import sys, pipeline.cli, pipeline.privacy, pipeline.human_reviews; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, env=os.environ).stdout.strip() == "[]"
