"""Events that the service stored reach the next ingest as files, once, and leave with their customer."""

from datetime import datetime
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from pipeline.cli import main
from pipeline.datasets import INGEST, TABLES, read_json
from pipeline.ingest import ingest
from pipeline.params import load_params
from pipeline.promote import open_store
from pipeline.use import use_source
from pipeline.workspace import workspace
from serving.incoming import Event, Incoming
from serving.store import Entry

CUSTOMERS = "SELECT id AS customer_id, TIMESTAMP '2020-01-01' AS known_at, 'company' AS kind FROM 'people.csv'"
OUTCOMES = ("SELECT id AS customer_id, 'default' AS kind, failed::TIMESTAMP AS occurred_at, failed::TIMESTAMP AS known_at "
            "FROM 'people.csv' WHERE failed IS NOT NULL")
INVOICES = ("SELECT 'I1' AS invoice_id, 'A' AS customer_id, DATE '2021-01-05' AS issued_at, DATE '2021-02-05' AS due_at, 100 AS amount, "
            "TIMESTAMP '2021-01-05' AS known_at")
BILL = {"invoice_id": "I2", "known_at": "2021-03-01T10:00:00.500000", "issued_at": "2021-03-01T00:00:00", "due_at": "2021-04-01T00:00:00", "amount": 2**40}


@pytest.fixture
def project(tmp_path):
    """A source with invoices in a workspace of its own, in use."""
    source = tmp_path / "mine"
    source.mkdir()
    (source / "source.yaml").write_text("description: two people\nuse_cases: [default]\n")
    for table, query in (("customers", CUSTOMERS), ("outcomes", OUTCOMES), ("invoices", INVOICES)):
        (source / f"{table}.sql").write_text(query)
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "people.csv").write_text("id,failed\nA,2021-05-01\nB,\n")
    with workspace(tmp_path / "work"):
        use_source(str(source), str(tmp_path / "files"))
        yield


def store_event(event_id, customer_id, **records):
    with open_store() as store:
        incoming = Incoming(store, source=load_params().source.name)
        event = Event(event_id, customer_id, records, "d" * 64, datetime(2021, 3, 2))
        after = len(incoming.of([customer_id]).get(customer_id, ()))
        entry = Entry("default", "mine", customer_id, "b" * 64, "p" * 64, "c" * 64, {})
        store.record_decisions([entry], also=lambda connection, made: incoming.append(connection, event, made[0], [], after=after, rules=None))


def export():
    result = CliRunner().invoke(main, ["inbox", "export"])
    assert result.exit_code == 0, result.output
    return result.output.strip()


def ingested(table):
    ingest()
    return pd.read_parquet(TABLES / f"{table}.parquet")


def test_stored_events_are_ingested_with_the_sources_rows(project):
    store_event("e1", "B", invoices=[BILL, BILL | {"invoice_id": "I3", "currency": "CNY", "urgent": True, "shop": "北店"}])
    assert export() == "var/inbox: rows of stored events: 2 of invoices; the next `risk run` ingests what is there."
    table = ingested("invoices").set_index("invoice_id")
    assert table.index.tolist() == ["I1", "I2", "I3"]
    assert table.loc["I2", ["customer_id", "amount", "known_at"]].tolist() == ["B", 2**40, pd.Timestamp("2021-03-01T10:00:00.5")]
    assert (table.loc["I3", "shop"], table.loc["I3", "currency"]) == ("北店", "CNY")


def test_a_row_that_the_source_delivers_too_stays_the_sources(project):
    store_event("e1", "A", invoices=[BILL | {"invoice_id": "I1"}])
    export()
    assert ingested("invoices")["amount"].tolist() == [100]
    assert read_json(INGEST)["tables"]["invoices"]["rejected"] == {}


def test_an_export_repeated_changes_nothing_and_an_erasure_takes_the_rows_away(project):
    path = Path("var/inbox/invoices-events.parquet")
    store_event("e1", "A", invoices=[BILL])
    store_event("e2", "B", invoices=[BILL | {"invoice_id": "I3"}])
    export()
    before = path.read_bytes()
    export()
    assert path.read_bytes() == before
    with open_store() as store:
        store.erase_customer("A", actor="anna", reason="asked for it")
    export()
    assert pq.read_table(path)["customer_id"].to_pylist() == ["B"]
    with open_store() as store:
        store.erase_customer("B", actor="anna", reason="asked for it")
    assert export() == "var/inbox: rows of stored events: none; the next `risk run` ingests what is there."
    assert not path.exists()


def test_columns_beyond_the_contract_keep_what_they_are(project):
    store_event("e1", "A", invoices=[BILL | {"late": True, "score": 3, "mixed": 1, "void": None}])
    store_event("e2", "B", invoices=[BILL | {"invoice_id": "I3", "score": 1.5, "mixed": "x"}])
    export()
    rows = pq.read_table("var/inbox/invoices-events.parquet").to_pylist()
    assert [[row[name] for name in ("late", "score", "mixed", "void")] for row in rows] == [[True, 3.0, "1", None], [None, 1.5, "x", None]]
