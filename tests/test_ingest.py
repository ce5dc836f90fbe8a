"""Ingest as a whole: findings beside the counts, a stop that leaves its rejects, and a source checked apart from `data/`."""

import json
import os
from pathlib import Path

import pandas as pd
import pytest

from features.errors import RiskError
from pipeline.datasets import DATA, INGEST, REJECTS, TABLES, read_json
from pipeline.ingest import check_source, ingest
from pipeline.params import load_params
from pipeline.source import load_source
from pipeline.use import use_source
from pipeline.workspace import workspace

CUSTOMERS = "SELECT id AS customer_id, TIMESTAMP '2020-01-01' AS known_at FROM read_csv('people.csv', types = {'id': 'VARCHAR'})"
OUTCOMES = "SELECT '01' AS customer_id, 'default' AS kind, DATE '2021-05-01' AS occurred_at, DATE '2021-05-01' AS known_at"
INVOICES = """SELECT no AS invoice_id, customer AS customer_id, day AS issued_at, day AS known_at, day + INTERVAL 30 DAY AS due_at, amount::BIGINT AS amount
FROM 'invoices.csv'"""


@pytest.fixture
def source(tmp_path):
    """Two customers with one invoice each, used in a workspace of its own; `invoices` of another content can be written before ingest."""
    definition, files = tmp_path / "mine", tmp_path / "files"
    definition.mkdir()
    files.mkdir()
    (definition / "source.yaml").write_text("description: two people\nuse_cases: [default]\n")
    for table, sql in {"customers": CUSTOMERS, "outcomes": OUTCOMES, "invoices": INVOICES}.items():
        (definition / f"{table}.sql").write_text(sql)
    (files / "people.csv").write_text("id\n01\n02\n")
    invoices(files, "I1,01,2021-01-05,100", "I2,02,2021-01-06,200")
    with workspace(tmp_path / "work"):
        use_source(str(definition), str(files))
        yield files


def invoices(files, *lines):
    (files / "invoices.csv").write_text("\n".join(["no,customer,day,amount", *lines, ""]))


def sql(files, table, text):
    (files.parent / "mine" / f"{table}.sql").write_text(text)


def test_a_source_without_oddities_has_no_findings(source):
    ingest()
    assert read_json(INGEST)["findings"] == []
    assert sorted(each.name for each in DATA.iterdir()) == ["findings", "ingest.json", "rejects", "tables", "truth"]


def test_findings_of_files_types_and_tables_stand_beside_the_counts(source):
    (source / "people.csv").write_text("\ufeffid\n0001\n1002\n")
    invoices(source, "I1,1,2021-01-05,100", "I2,1002,2021-01-06,200")
    ingest()
    found = {(each["table"], each["rule"]): (each["rows"], each["example"]) for each in read_json(INGEST)["findings"]}
    assert found == {
        ("customers", "byte-order mark"): (1, "id"),
        ("invoices", "customer_id came as a number"): (1, "1"),
        ("invoices", "customer_id is in customers only with other leading zeros"): (1, "1 for 0001"),
        ("outcomes", "customer_id is in customers only with other leading zeros"): (1, "01 for 0001"),
    }


def test_a_stop_leaves_the_tables_and_the_rejects_that_caused_it(source):
    ingest()
    before = (TABLES / "invoices.parquet").read_bytes(), INGEST.read_bytes()
    invoices(source, "I1,01,2021-01-05,100", "I2,02,2021-01-06,-200", "I2,02,2021-01-07,0")
    with pytest.raises(RiskError, match=r"2 of 3 rows of invoices break its contract \(amount is not positive: 2\), .*; rejects are in data/rejects/invoices"):
        ingest()
    assert before == ((TABLES / "invoices.parquet").read_bytes(), INGEST.read_bytes())
    assert pd.read_parquet(REJECTS / "invoices.parquet")["key"].tolist() == ["I2", "I2"]
    assert json.loads((REJECTS / "invoices.json").read_text())["rejected"] == {"amount is not positive": 2}


def test_a_source_is_checked_apart_from_the_datasets(source, tmp_path):
    params = load_params()
    intake = check_source(load_source(params), params.ingest, tmp_path / "apart")
    assert intake["tables"]["invoices"]["kept"] == 2
    assert (tmp_path / "apart" / "tables" / "invoices.parquet").exists()
    assert list(DATA.iterdir()) == []


def test_a_check_that_stops_names_its_own_rejects(source, tmp_path):
    params = load_params()
    invoices(source, "I1,01,2021-01-05,0")
    with pytest.raises(RiskError, match="rejects are in .*apart/rejects/invoices.parquet"):
        check_source(load_source(params), params.ingest, tmp_path / "apart")


@pytest.mark.parametrize("names", ["no AS invoice_id, customer AS invoice_id", "no AS invoice_id, customer AS Invoice_ID"])
def test_a_column_given_twice_is_refused(source, names):
    sql(source, "invoices", f"SELECT {names}, * FROM 'invoices.csv'")
    with pytest.raises(RiskError, match=r"invoices.sql gives the column [iI]nvoice_(id|ID) twice .*name it otherwise with AS, or leave it out"):
        ingest()


def test_a_line_that_cannot_be_read_is_named(source):
    invoices(source, *(f"I{number},01,2021-01-05,100" for number in range(30_000)), "I9,01,05.01.2021,100")
    with pytest.raises(RiskError, match=r"invoices.sql fails over .*CSV Error on Line: 30002; .*column \"day\". Could not convert string "
                                        r"\"05.01.2021\" to 'DATE'; file = .*invoices.csv.: correct the SQL or the path"):
        ingest()


def test_a_file_with_zoned_and_zoneless_times_is_refused(source):
    invoices(source, "I1,01,2021-01-05 10:00:00+08:00,100", "I2,02,2021-01-06 10:00:00,200")
    with pytest.raises(RiskError, match="invoices.csv: column day has 1 times with a zone, as 2021-01-05 10:00:00.08:00, and 1 without"):
        ingest()


def test_a_file_that_changes_while_it_is_read_is_refused(source, monkeypatch):
    from pipeline import ingest as stage

    def changing(*given, **named):
        os.utime(source / "invoices.csv", ns=(1, 1))
        return []

    monkeypatch.setattr(stage, "table_findings", changing)
    with pytest.raises(RiskError, match="invoices.csv changed while the source was read"):
        ingest()
    assert not Path("data/tables").exists()
