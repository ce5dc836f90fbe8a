"""Every example of docs/sources.md is run, and gives what the page says it gives."""

import contextlib
import csv
import datetime
import io
import os
import re
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from workbook import workbook

from features.tables import TABLES
from pipeline.datasets import INGEST, read_json
from pipeline.ingest import ingest
from pipeline.params import load_params, read_yaml
from pipeline.source import Source, load_source
from pipeline.source_file import Excel, SourceFile, Text
from pipeline.staging import connect, stage_query
from pipeline.use import use_source
from pipeline.workspace import workspace

PAGE = Path(__file__).parent.parent / "docs" / "sources.md"
BLOCKS = re.findall(r"^```(\w+) (\w+)/([\w.]+)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
EXAMPLES = {}
for _, example, name, content in BLOCKS:
    EXAMPLES.setdefault(example, {})[name] = content
ANSWERS = [(example, name) for example, files in EXAMPLES.items() for name in files if name in TABLES]
URL = os.environ.get("CUSTOMER_RISK_POSTGRES_URL")


@pytest.fixture
def server(request, monkeypatch):
    """A schema of its own on the real server with the example's tables, which LEDGER_URL finds first."""
    if not URL:
        pytest.skip("CUSTOMER_RISK_POSTGRES_URL names no server")
    engine, schema = create_engine(URL), f"test_page_{os.getpid()}"
    with engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
        connection.execute(text(f"SET search_path TO {schema}"))
        connection.execute(text(EXAMPLES["bank"]["server"].replace(":", r"\:")))
    monkeypatch.setenv("LEDGER_URL", f"{URL}?options=-csearch_path%3D{schema}")
    yield
    with engine.begin() as connection:
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
    engine.dispose()


def written(folder, example):
    """The example's source and files, each in a folder; a workbook is made of its cells, a text in its encoding."""
    files = EXAMPLES[example]
    (folder / "source").mkdir()
    (folder / "files").mkdir()
    for name, content in files.items():
        place = folder / ("source" if name.endswith((".sql", ".yaml")) else "files") / name
        place.write_text(content, encoding="utf-8")
    inputs = read_yaml(folder / "source" / "source.yaml", SourceFile).inputs if "source.yaml" in files else {}
    for spec in inputs.values():
        if isinstance(spec, Excel):
            rows = [[_cell(cell) for cell in row] for row in csv.reader(io.StringIO(files[spec.file]))]
            workbook(folder / "files" / spec.file, **{spec.sheet: rows})
        elif isinstance(spec, Text):
            (folder / "files" / spec.file).write_bytes(files[spec.file].encode(spec.encoding))
    queries = {place.stem: place for place in (folder / "source").glob("*.sql")}
    return Source(example, folder / "files", "", ["default"], None, queries, inputs=inputs)


def _cell(content):
    """As a person types it into Excel: dates and numbers become such, what begins with a zero was typed as text."""
    with contextlib.suppress(ValueError):
        return datetime.date.fromisoformat(content)
    if content.startswith("0") or not re.fullmatch(r"[\d.]+", content):
        return content or None
    return float(content)


@pytest.mark.parametrize(("example", "table"), ANSWERS)
def test_an_example_gives_what_the_page_says(tmp_path, request, example, table):
    if "server" in EXAMPLES[example]:
        request.getfixturevalue("server")
    connection = connect(load_params(PAGE.parent.parent / "params.yaml").ingest)
    stage_query(connection, written(tmp_path, example), table)
    names = connection.execute("SELECT column_name FROM (DESCRIBE staged)").fetchall()
    shown = ", ".join(f'"{name[0]}"::VARCHAR' for name in names)
    rows = connection.execute(f"SELECT {shown} FROM staged").fetchall()
    assert "\n".join(", ".join("NULL" if cell is None else cell for cell in row) for row in rows) + "\n" == EXAMPLES[example][table]


def test_every_query_of_the_page_is_covered_by_an_answer_or_by_the_whole_example():
    queries = {(example, name.removesuffix(".sql")) for example, files in EXAMPLES.items() for name in files if name.endswith(".sql")}
    assert queries - set(ANSWERS) == {("ledger", "customers"), ("ledger", "payments")}


def test_the_whole_example_is_used_and_ingested_without_a_reject(tmp_path):
    written(tmp_path, "ledger")
    with workspace(tmp_path / "work"):
        use_source(str(tmp_path / "source"), str(tmp_path / "files"))
        ingest()
        tables = read_json(INGEST)["tables"]
    assert {name: (table["read"], table["kept"]) for name, table in tables.items()} == {
        "customers": (2, 2), "invoices": (3, 3), "payments": (2, 2), "outcomes": (1, 1)}


def test_a_source_of_databases_alone_needs_no_folder_of_files(tmp_path, server):
    written(tmp_path, "bank")
    (tmp_path / "source" / "customers.sql").write_text("SELECT DISTINCT account AS customer_id, TIMESTAMP '2020-01-01' AS known_at FROM bookings")
    (tmp_path / "source" / "outcomes.sql").write_text(
        "SELECT DISTINCT account AS customer_id, 'default' AS kind, TIMESTAMP '2024-06-01' AS occurred_at, TIMESTAMP '2024-06-01' AS known_at FROM bookings")
    with workspace(tmp_path / "work"):
        use_source(str(tmp_path / "source"), None)
        assert load_source(load_params()).path == tmp_path / "source"
        ingest()
        assert read_json(INGEST)["tables"]["transactions"]["kept"] == 2


def test_what_a_call_says_about_its_columns_holds_under_a_cast(tmp_path):
    (tmp_path / "a.csv").write_text("day;amount\n31.12.2023;1.234,50\n")
    connection = connect(load_params(PAGE.parent.parent / "params.yaml").ingest)
    call = (f"read_csv('{tmp_path}/a.csv', delim = ';', decimal_separator = ',', thousands = '.', dateformat = '%d.%m.%Y', "
            "types = {'day': 'DATE', 'amount': 'DECIMAL(9, 2)'})")
    answer = connection.execute(f"SELECT day::TIMESTAMP, day::VARCHAR, amount::VARCHAR FROM {call}").fetchall()
    assert answer == [(datetime.datetime(2023, 12, 31), "2023-12-31", "1234.50")]
