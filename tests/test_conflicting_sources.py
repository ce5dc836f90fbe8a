"""Two sources of one customer: kept side by side, one of them read by one rule, and their disagreements named."""

import duckdb
import numpy as np
import pandas as pd
import pytest
from builders import customer, day, event, statement, write_tables
from naive import Naive, random_tables

from features.accounts import trust
from features.arrays import Category
from features.catalogue import build_catalogue
from features.compute import compute
from features.feeders.records import from_rows, observations_of
from features.tables import TABLES
from pipeline.account_checks import account_findings

COLUMNS = {name: {column.name: column.kind for column in table.columns} for name, table in TABLES.items()}
CATALOGUE = build_catalogue("default", COLUMNS)
NAMES = ("stmt_equity_ratio", "stmt_roa", "stmt_revenue_growth_12m")


def filed(confidence=None, **lines):
    return statement(source="filing", confidence=confidence, total_assets=100.0, **lines)


def mailed(confidence=None, **lines):
    return statement(source="mail", confidence=confidence, total_assets=100.0, known_at=lines.pop("known_at", "2023-05-01"), **lines)


def features_of(rows, *as_of, names=NAMES):
    asked = observations_of([{"as_of": day(moment)} for moment in as_of or ("2023-06-30",)])
    computed = compute(CATALOGUE.only(names), from_rows({"statements": rows}, customer_id="C1"), asked)
    return {name: values.tolist() for name, values in computed.items()}


@pytest.mark.parametrize(("first", "second", "read"), [
    (None, None, 0.2), (0.9, 0.5, 0.4), (0.5, 0.9, 0.2), (0.9, None, 0.2), (None, 0.9, 0.4), (0.5, 0.5, 0.2), (0.9, 0.8999, 0.2),
])
def test_the_higher_confidence_is_read_and_of_equals_the_one_known_last(first, second, read):
    assert features_of([filed(first, equity=40.0), mailed(second, equity=20.0)])["stmt_equity_ratio"] == [read]


def test_the_better_source_counts_from_the_day_it_is_known():
    rows = [filed(0.5, equity=40.0), mailed(1.0, equity=20.0)]
    assert features_of(rows, "2023-04-30", "2023-05-01")["stmt_equity_ratio"] == [0.4, 0.2]


def test_a_statement_is_read_whole_never_line_by_line():
    found = features_of([filed(1.0, equity=40.0), mailed(0.5, equity=20.0, net_income=7.0)])
    assert found["stmt_equity_ratio"] == [0.4]
    assert np.isnan(found["stmt_roa"][0])


def test_a_later_period_is_read_whatever_the_confidence():
    rows = [filed(1.0, period_end="2021-12-31", equity=40.0), mailed(0.1, equity=20.0)]
    assert features_of(rows)["stmt_equity_ratio"] == [0.2]


def test_the_year_before_follows_the_same_rule():
    rows = [filed(1.0, revenue=90.0, period_end="2021-12-31"), mailed(0.5, revenue=50.0, period_end="2021-12-31"), filed(1.0, revenue=99.0)]
    assert features_of(rows)["stmt_revenue_growth_12m"] == pytest.approx([0.1])


@pytest.mark.parametrize("seed", range(8))
def test_confidences_are_read_as_the_naive_reading_reads_them(seed):
    tables = random_tables(seed, customers=1, extra=False)
    moment = day("2023-06-30")
    rows = [row for row in tables["statements"] if row["customer_id"] == "C0"]
    computed = compute(CATALOGUE.only(NAMES), from_rows({"statements": rows}, customer_id="C0"), observations_of([{"as_of": moment}]))
    naive = Naive({"statements": rows}, {"customer_id": "C0", "as_of": moment})
    for name in NAMES:
        expected = naive.value(CATALOGUE[name].how)
        assert computed[name][0] == pytest.approx(expected if np.isfinite(expected) else np.nan, nan_ok=True)


@pytest.mark.parametrize("seed", range(4))
def test_without_confidences_no_bit_differs_from_all_being_certain(seed):
    tables = random_tables(seed, customers=1, extra=False)
    asked = observations_of([{"as_of": day("2023-06-30")}, {"as_of": day("2022-03-01")}])
    names = [name for name in CATALOGUE.names if name.startswith("stmt_")]
    answers = []
    for given in ({}, {"confidence": None}, {"confidence": 1.0}):
        rows = [{name: value for name, value in row.items() if name != "confidence"} | given for row in tables["statements"] if row["customer_id"] == "C0"]
        computed = compute(CATALOGUE.only(names), from_rows({"statements": rows}, customer_id="C0"), asked)
        answers.append({name: (values.codes if isinstance(values, Category) else values).tobytes() for name, values in computed.items()})
    assert answers[0] == answers[1] == answers[2]


def test_a_confidence_outside_its_range_counts_as_the_nearer_end():
    assert trust(np.array([-3.0, 0.0, 0.25, np.nan, 80.0]), 5).tolist() == [0, 0, 250, 1000, 1000]
    assert trust(None, 2).tolist() == [1000, 1000]


def check(tmp_path, **tables):
    write_tables(tmp_path / "tables", tables)
    return account_findings(duckdb.connect(), tmp_path / "tables", tmp_path / "findings")


def test_disagreements_are_named_line_by_line_and_nothing_is_merged(tmp_path):
    rows = [filed(1.0, equity=40.0, revenue=500.0), mailed(0.5, equity=80.0, revenue=501.0)]
    finding = check(tmp_path, statements=rows)[0]
    written = pd.read_parquet(tmp_path / "findings" / "statements.parquet")
    assert (finding["rule"], finding["rows"]) == ("conflicting sources", 1)
    assert finding["example"] == "C1, 2022-12-31, equity: 80 of mail against 40 of filing"
    row = written.iloc[0]
    assert (row["source"], row["found"], row["other_source"], row["expected"], row["difference"]) == ("mail", 80.0, "filing", 40.0, 40.0)
    assert row["known_at"] == day("2023-05-01")


@pytest.mark.parametrize(("first", "second", "not_read"), [(1.0, 0.5, "mail"), (0.5, 1.0, "filing"), (None, None, "filing")])
def test_the_finding_names_the_source_that_features_do_not_read(tmp_path, first, second, not_read):
    check(tmp_path, statements=[filed(first, equity=4e6), mailed(second, equity=8e6)])
    assert pd.read_parquet(tmp_path / "findings" / "statements.parquet")["source"].tolist() == [not_read]


@pytest.mark.parametrize("other", [
    mailed(equity=40.2), mailed(), mailed(equity=80.0, period_end="2021-12-31"), mailed(equity=80.0, basis="consolidated"),
    mailed(equity=80.0, period_months=3),
])
def test_what_agrees_or_cannot_be_compared_is_no_conflict(tmp_path, other):
    rows = [filed(equity=40.0), other]
    assert check(tmp_path, statements=rows) == []


def test_a_restatement_of_one_source_is_no_conflict(tmp_path):
    assert check(tmp_path, statements=[filed(equity=4e6), filed(equity=8e6, known_at="2023-05-01")]) == []


def test_different_currencies_are_named_instead_of_their_lines(tmp_path):
    findings = check(tmp_path, statements=[filed(equity=40.0), mailed(equity=80.0, currency="USD")])
    assert [(each["rule"], each["example"]) for each in findings] == [("conflicting currencies", "C1, 2022-12-31, currency: filing and mail")]


@pytest.mark.parametrize(("other", "count"), [
    ({"source": "court"}, 1), ({"source": "crm"}, 0), ({"source": "court", "amount": 5}, 0), ({"source": "court", "kind": "dispute"}, 0),
    ({"source": "court", "occurred_at": "2023-03-02"}, 0), ({"source": "court", "customer_id": "C2"}, 0),
])
def test_one_event_of_two_sources_is_named(tmp_path, other, count):
    findings = check(tmp_path, events=[event(), event(**other)])
    assert [each["rule"] for each in findings] == ["one event of two sources"] * count
    if count:
        assert findings[0]["example"] == "C1, 2023-03-01, complaint: court and crm"
        assert len(pd.read_parquet(tmp_path / "findings" / "events.parquet")) == 1


@pytest.mark.parametrize(("regions", "count"), [("nsnsns", 1), ("nsn", 0), ("nnss", 0), ("nsw", 0)])
def test_two_registries_that_take_turns_are_named(tmp_path, regions, count):
    rows = [customer(known_at=f"2020-0{number + 1}-01", region=region) for number, region in enumerate(regions)]
    findings = check(tmp_path, customers=rows)
    assert [(each["table"], each["rule"]) for each in findings] == [("customers", "fact changes back and forth")] * count
    if count:
        assert findings[0]["example"] == "C1, 2020-06-01, region: s and n"
