"""One definition of default for all who ask: observing, booking, deciding, and looking at what happened later."""

import msgspec
import pandas as pd
import pytest
from builders import customer, invoice, outcome, payment, write_tables

from features.errors import RiskError
from models.target import IMMATURE, drop_in_default
from pipeline.book import _customers
from pipeline.datasets import INGEST, TABLES, case_path, read_json, write_json
from pipeline.frames import read_frame
from pipeline.later import _moments
from pipeline.observe import observe
from pipeline.outcomes import definition_of, known_outcomes
from pipeline.params import change_params, load_params
from pipeline.performance import with_outcomes
from pipeline.workspace import workspace

# Everybody is billed every month and pays after a fortnight, but: "late" lets one bill of 2021 lie for 200 days, "slow" for 40, "event" only has a recorded
# default.
CUSTOMERS = ("good", "late", "slow", "event")
MONTHS = pd.date_range("2019-01-01", "2023-11-01", freq="MS")
UNPAID = {"late": 200, "slow": 40}


def tables():
    owed, paid = [], []
    for who in CUSTOMERS:
        for number, month in enumerate(MONTHS):
            due = month + pd.Timedelta(days=30)
            late = UNPAID.get(who, 14) if month == pd.Timestamp("2021-03-01") else 14
            owed.append(invoice(who, invoice_id=f"{who}{number}", issued_at=month, due_at=due, known_at=month, amount=100_000))
            when = due + pd.Timedelta(days=late)
            paid.append(payment(who, payment_id=f"{who}{number}", invoice_id=f"{who}{number}", occurred_at=when, known_at=when, amount=100_000, kind="payment"))
    return {"customers": [customer(who, known_at="2019-01-01") for who in CUSTOMERS], "invoices": owed, "payments": paid,
            "outcomes": [outcome("event", kind="default", occurred_at="2021-07-01", known_at="2021-07-10")]}


@pytest.fixture
def place(tmp_path):
    """A workspace with those tables."""
    with workspace(tmp_path / "work"):
        write_tables(TABLES, tables())
        known = dict.fromkeys(tables(), {"known_from": "2019-01-01", "known_to": "2023-12-31"})
        write_json(INGEST, {"complete_to": "2023-12-31", "today": "2023-12-31", "protocol": None, "horizon_days": None, "tables": known})
        yield


def define(definition, grey_from=None):
    change_params([("observe.default.definition", definition), ("observe.default.past_due.grey_from", grey_from)])
    return load_params().observe.default


BAD = {"event": {"event"}, "days_past_due": {"late"}, "either": {"event", "late"}}


@pytest.mark.parametrize("definition", BAD)
def test_everybody_reads_the_same_definition(place, definition):
    rules = define(definition)
    known = known_outcomes("default", rules, known_by="2023-12-31")
    assert set(known["customer_id"]) == BAD[definition]
    observe("default")
    rows = read_frame(case_path("default", "development", "observations.parquet"))
    assert set(rows.loc[rows["target"].eq(1), "customer_id"]) == BAD[definition]
    about = read_json(case_path("default", "development", "maturity.json"))
    assert about["definition"]["kind"] == definition
    assert {cohort["definition"] for cohort in about["cohorts"]} == {definition}
    # Nobody is observed while in default, and the book of that day leaves the same customers out.
    assert not set(rows.loc[rows["as_of"].dt.strftime("%Y-%m-%d") == "2021-09-30", "customer_id"]) & BAD[definition]
    book, _ = _customers("2021-09-30", rules, {"protocol": None})
    assert set(book["customer_id"]) == set(CUSTOMERS) - BAD[definition]
    before = pd.DataFrame({"customer_id": CUSTOMERS, "as_of": pd.Timestamp("2021-01-31")})
    assert set(before.loc[_moments(before, "default", "2023-12-31", rules).notna(), "customer_id"]) == BAD[definition]


@pytest.mark.parametrize("definition", BAD)
def test_what_matured_since_is_labelled_alike(place, definition):
    rules = define(definition)
    write_json(INGEST, {**read_json(INGEST), "complete_to": "2021-04-30"})
    observe("default")
    rows = read_frame(case_path("default", "development", "observations.parquet"))
    still_open = rows[rows["status"].eq(IMMATURE)].drop(columns=["status", "target", "target_known_at"])
    outcomes = known_outcomes("default", rules, known_by="2023-12-31")
    young = with_outcomes(still_open, outcomes, use_case="default", rules=rules, complete_to="2023-12-31")
    assert set(young.loc[young["target"].eq(1), "customer_id"]) == BAD[definition]


def test_the_derived_default_has_its_days(place):
    found, = known_outcomes("default", define("days_past_due"), known_by="2023-12-31").itertuples(index=False)
    reached = pd.Timestamp("2021-06-29 23:59:59")
    paid = pd.Timestamp("2021-03-31") + pd.Timedelta(days=200)
    assert (found.customer_id, found.occurred_at, found.known_at) == ("late", reached, reached)
    assert found.cured_at == paid + pd.Timedelta(days=90) - pd.Timedelta(seconds=1)


def test_the_grey_zone_is_neither_good_nor_bad(place):
    define("days_past_due", 30)
    observe("default")
    rows = read_frame(case_path("default", "development", "observations.parquet"))
    grey = rows[rows["status"] == "indeterminate"]
    assert {"slow"} <= set(grey["customer_id"]) <= {"slow", "late"}
    assert grey["target"].isna().all()
    assert (grey.loc[grey["customer_id"] == "slow", "as_of"].dt.strftime("%Y-%m-%d").tolist()) == ["2020-06-30", "2020-09-30", "2020-12-31", "2021-03-31"]
    rules = define("days_past_due", None)
    assert read_json(case_path("default", "development", "maturity.json"))["definition"] == {
        "kind": "days_past_due", **msgspec.structs.asdict(rules.past_due), "grey_from": 30}


def test_nothing_known_after_the_cutoff_moves_a_label(place):
    define("either", 30)
    write_json(INGEST, {**read_json(INGEST), "complete_to": "2022-06-30"})
    observe("default")
    before = case_path("default", "development", "observations.parquet").read_bytes()
    for name in ("payments", "invoices", "outcomes"):
        frame = read_frame(TABLES / f"{name}.parquet")
        frame[frame["known_at"] <= "2022-06-30"].to_parquet(TABLES / f"{name}.parquet", index=False)
    observe("default")
    assert case_path("default", "development", "observations.parquet").read_bytes() == before


def test_without_invoices_days_past_due_is_refused(place):
    rules = define("days_past_due")
    (TABLES / "payments.parquet").unlink()
    with pytest.raises(RiskError, match="observe.default.definition days_past_due needs the table payments, which the source does not give: bring it, or"):
        known_outcomes("default", rules, known_by="2023-12-31")
    assert known_outcomes("default", define("event"), known_by="2023-12-31")["customer_id"].tolist() == ["event"]


def test_a_grey_zone_beyond_the_default_is_refused(place):
    with pytest.raises(RiskError, match="grey_from`: 90 days are not below days_past_due 90, so that nothing would lie between good and bad"):
        define("days_past_due", 90)


def test_targets_of_the_source_and_frauds_have_no_days(place):
    rules = load_params().observe
    assert definition_of("default", rules.default, pd.DataFrame({"target": [1]})) == {"kind": "given"}
    assert definition_of("fraud", rules.fraud, pd.DataFrame()) == {"kind": "event"}
    assert drop_in_default(pd.DataFrame({"customer_id": ["late"], "as_of": pd.Timestamp("2021-08-01")}),
                           known_outcomes("default", define("days_past_due"), known_by="2021-08-01")).empty
