"""A change in a database makes ingest run again, and nothing else does: with DVC itself, on the real server."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

ROOT = Path(__file__).parent.parent
URL = os.environ.get("CUSTOMER_RISK_POSTGRES_URL")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not URL, reason="CUSTOMER_RISK_POSTGRES_URL names no server")]

SOURCE = """description: two customers in a database
use_cases: [default]
complete_to: "2022-12-31"
inputs:
  people: {{kind: postgresql, url_env: TEST_URL, query: "SELECT id, failed FROM {schema}.people ORDER BY id"}}
"""
CUSTOMERS = "SELECT id AS customer_id, TIMESTAMP '2020-01-01' AS known_at FROM people"
OUTCOMES = "SELECT id AS customer_id, 'default' AS kind, failed AS occurred_at, failed AS known_at FROM people WHERE failed IS NOT NULL"


def run(project, *command):
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "HOME": str(project.parent), "PYTHONPATH": str(project), "TEST_URL": URL, "CI": "true"}
    result = subprocess.run([sys.executable, "-m", *command], cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result.stdout


@pytest.fixture
def people():
    """A function that runs a statement on a table of two customers in a schema of its own."""
    engine, schema = create_engine(URL), f"test_watermark_{os.getpid()}"

    def change(statement):
        with engine.begin() as connection:
            connection.execute(text(statement.format(schema=schema)))

    change("CREATE SCHEMA {schema}")
    change("CREATE TABLE {schema}.people AS SELECT * FROM (VALUES ('007', timestamp '2021-05-01'), ('008', NULL)) AS t (id, failed)")
    change.schema = schema
    yield change
    change("DROP SCHEMA {schema} CASCADE")
    engine.dispose()


@pytest.fixture
def project(tmp_path, people):
    """A fresh checkout that uses the database, without a folder of files."""
    folder = tmp_path / "project"
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, files):
        if name != "dvc.lock" and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    mine = folder / "mine"
    mine.mkdir()
    (mine / "source.yaml").write_text(SOURCE.format(schema=people.schema))
    (mine / "customers.sql").write_text(CUSTOMERS)
    (mine / "outcomes.sql").write_text(OUTCOMES)
    return folder


def ingested(project):
    """Whether `dvc repro ingest` ran the stage, after the source was looked at anew."""
    run(project, "pipeline.cli", "use", "./mine")
    return "Running stage 'ingest'" in run(project, "dvc", "repro", "ingest")


def test_ingest_follows_the_database(project, people):
    assert ingested(project)
    assert not ingested(project)
    people("UPDATE {schema}.people SET failed = '2021-06-01' WHERE id = '007'")
    assert ingested(project)
    assert not ingested(project)
