"""Stage ingest: the source's rows, with what arrived in `var/inbox/`, checked against the table contracts."""

import datetime
from pathlib import Path

import duckdb
import msgspec

from features.errors import RiskError
from features.tables import TABLES
from pipeline.contracts import SQL_TYPES, check_table
from pipeline.datasets import INGEST, REJECTS, TRUTH, remove, replacing, write_json
from pipeline.datasets import TABLES as TABLES_FOLDER
from pipeline.params import load_params
from pipeline.progress import progress
from pipeline.source import load_source
from pipeline.stage import run_stage
from pipeline.staging import connect, stage_query

INBOX = Path("var/inbox")
RAW = Path("data/.raw")


def ingest():
    """Write `data/tables/`, `data/rejects/`, `data/truth/` (only the simulator has a truth) and `data/ingest.json`."""
    params = load_params()
    source = load_source(params)
    remove(RAW)
    with replacing(TABLES_FOLDER) as tables, replacing(REJECTS) as rejects, replacing(TRUTH) as truth:
        for folder in (tables, rejects, truth):
            folder.mkdir(parents=True)
        if source.simulated:
            _simulate(params, truth)
        intake = _check(source, params, tables, rejects)
    write_json(INGEST, _summary(source, intake))
    remove(RAW)


def _simulate(params, truth):
    from pipeline.sources.simulated import settings_from, simulate

    bar = progress(params.simulated.months, what="simulate", unit="month")
    simulate(RAW, truth, settings=settings_from(params.simulated), progress=bar)
    bar.close()


def _check(source, params, tables, rejects):
    connection = connect(params.ingest)
    names = [table for table in TABLES if table in source.queries or (RAW / f"{table}.parquet").exists()]
    bar = progress(len(names), what="ingest", unit="table")
    intake = {}
    for table in names:
        _stage(connection, source, table)
        _add_inbox(connection, table)
        intake[table] = check_table(connection, table, where=_where(source, table), kept_path=tables / f"{table}.parquet",
                                    rejects_path=rejects / f"{table}.parquet", max_reject_share=params.ingest.max_reject_share,
                                    latest="9999-12-31" if source.simulated else datetime.date.today().isoformat())
        bar.update(1)
    bar.close()
    _without_outcomes(connection, tables)
    connection.close()
    return intake


def _without_outcomes(connection, tables):
    """A source whose observations bring their own targets may have no outcomes: the stages then read an empty table."""
    if not (tables / "outcomes.parquet").exists():
        columns = ", ".join(f"NULL::{SQL_TYPES[column.kind]} AS {column.name}" for column in TABLES["outcomes"].columns)
        connection.execute(f"COPY (SELECT {columns} LIMIT 0) TO '{tables / 'outcomes.parquet'}' (FORMAT parquet)")


def _where(source, table):
    return f"source {source.name}, {table if source.simulated else source.queries[table].name}"


def _stage(connection, source, table):
    if not source.simulated:
        return stage_query(connection, source, table)
    return connection.execute(f"CREATE OR REPLACE TEMP TABLE staged AS FROM '{RAW / table}.parquet'")


def _add_inbox(connection, table):
    files = sorted(str(file) for file in INBOX.glob(f"{table}*.parquet"))
    for file in files:
        try:
            connection.execute("CREATE OR REPLACE TEMP TABLE staged AS SELECT * FROM staged UNION ALL BY NAME FROM read_parquet(?)", [file])
        except duckdb.Error as error:
            reason = str(error).strip().splitlines()[0]
            raise RiskError(f"{file} cannot be read ({reason}): correct it or take it out of {INBOX}.") from None


def _summary(source, intake):
    """Rows by table, `today` (the last day anything but an outcome became known) and the day outcomes are complete to."""
    if source.complete_to is None and not any(table.known_to for table in intake.values()):
        raise RiskError(f"source {source.name}: no table gives a known_at date: add one, or state complete_to in source.yaml.")
    known = [table.known_to for name, table in intake.items() if table.known_to and name != "outcomes"]
    today = max(known, default=None)
    complete_to = source.complete_to or max([table.known_to for table in intake.values() if table.known_to], default=today)
    return {
        "source": source.name, "description": source.description, "simulated": source.simulated, "use_cases": source.use_cases,
        "protocol": None if source.protocol is None else msgspec.to_builtins(source.protocol), "horizon_days": source.horizon_days,
        "today": min(today or complete_to, complete_to), "complete_to": complete_to,
        "tables": {name: msgspec.to_builtins(table) for name, table in intake.items()},
    }


if __name__ == "__main__":
    run_stage(ingest)
