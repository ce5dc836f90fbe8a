"""Stage ingest: the source's rows, with what arrived in `var/inbox/`, checked against the table contracts."""

import datetime
import os
from pathlib import Path

import duckdb
import msgspec

from features.errors import RiskError
from features.feeders.sql import literal
from features.tables import TABLES
from pipeline.account_checks import account_findings
from pipeline.clocks import refuse_mixed_clocks
from pipeline.contract_rules import NO_DAY_LIMIT, SQL_TYPES, cast
from pipeline.contracts import check_table
from pipeline.datasets import DATA, FINDINGS, INGEST, REJECTS, TRUTH, remove, replacing, write_json
from pipeline.datasets import TABLES as TABLES_FOLDER
from pipeline.dropped_zones import refuse_dropped_zones
from pipeline.files import inspect_files, watching
from pipeline.findings import number_ids, table_findings
from pipeline.params import load_params
from pipeline.progress import progress
from pipeline.source import load_source
from pipeline.stage import run_stage
from pipeline.staging import connect, reason, stage_query
from pipeline.thousands_points import point_findings

INBOX = Path("var/inbox")
# What `risk inbox export` writes for a table: events that a source may deliver too, sooner or later.
EVENTS = "-events.parquet"
RAW = DATA / ".raw"
WORK = DATA / ".ingest"
PLACES = {"tables": TABLES_FOLDER, "rejects": REJECTS, "findings": FINDINGS, "truth": TRUTH}


def ingest():
    """Write `data/tables/`, `data/rejects/`, `data/findings/`, `data/truth/` (only the simulator has a truth) and `data/ingest.json`.

    A source that cannot be used leaves all as it was but `data/rejects/`, where the rejects that stopped it are.
    """
    params = load_params()
    source = load_source(params)
    for folder in (RAW, WORK):
        remove(folder)
    (WORK / "truth").mkdir(parents=True)
    if source.simulated:
        _simulate(params, WORK / "truth")
    try:
        intake = check_source(source, params.ingest, WORK, raw=RAW, told=REJECTS)
    except RiskError:
        if any((WORK / "rejects").glob("*")):
            _move("rejects")
        raise
    for name in PLACES:
        _move(name)
    write_json(INGEST, intake)
    for folder in (RAW, WORK):
        remove(folder)


def _move(name):
    with replacing(PLACES[name]) as beside:
        os.replace(WORK / name, beside)


def check_source(source, limits, folder, *, raw=RAW, told=None):
    """Read a source, check it against the contracts, and write `tables/`, `rejects/` and `findings/` into `folder`; returns what ingest.json holds.

    `limits` is the section ingest of the parameters, `raw` where a simulated source's rows lie, `told` the folder of rejects that messages name.
    `data/` is left alone. Raises RiskError when the source cannot be used: `rejects/` then says which rows.
    """
    told = told or folder / "rejects"
    for name in ("tables", "rejects", "findings"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    latest = NO_DAY_LIMIT if source.simulated else datetime.date.today().isoformat()
    with connect(limits) as connection, watching(source):
        findings = inspect_files(source) + point_findings(connection, source)
        refuse_mixed_clocks(connection, source)
        refuse_dropped_zones(connection, source)
        intake, odd = _check_tables(connection, source, limits, folder, raw=raw, told=told, latest=latest)
        findings += odd + table_findings(connection, folder / "tables", latest=latest)
        findings += account_findings(connection, folder / "tables", folder / "findings")
        _without_outcomes(connection, folder / "tables")
    return _summary(source, intake, findings)


def _simulate(params, truth):
    from pipeline.sources.simulated import settings_from, simulate

    bar = progress(params.simulated.months, what="simulate", unit="month")
    simulate(RAW, truth, settings=settings_from(params.simulated), progress=bar)
    bar.close()


def _check_tables(connection, source, limits, folder, *, raw, told, latest):
    names = [table for table in TABLES if table in source.queries or (source.simulated and (raw / f"{table}.parquet").exists())]
    bar = progress(len(names), what="ingest", unit="table")
    intake, findings = {}, []
    for table in names:
        _stage(connection, source, table, raw)
        _add_inbox(connection, table)
        intake[table] = check_table(connection, table, where=_where(source, table), kept_path=folder / "tables" / f"{table}.parquet", limits=limits,
                                    rejects_path=folder / "rejects" / f"{table}.parquet", rejects_told=told / f"{table}.parquet", latest=latest)
        findings += number_ids(connection, TABLES[table])
        connection.execute("DROP TABLE staged")
        bar.update(1)
    bar.close()
    return intake, findings


def _without_outcomes(connection, tables):
    """A source whose observations bring their own targets may have no outcomes: the stages then read an empty table."""
    if not (tables / "outcomes.parquet").exists():
        columns = ", ".join(f"NULL::{SQL_TYPES[column.kind]} AS {column.name}" for column in TABLES["outcomes"].columns)
        connection.execute(f"COPY (SELECT {columns} LIMIT 0) TO '{tables / 'outcomes.parquet'}' (FORMAT parquet)")


def _where(source, table):
    return f"source {source.name}, {table if source.simulated else source.queries[table].name}"


def _stage(connection, source, table, raw):
    if not source.simulated:
        return stage_query(connection, source, table)
    return connection.execute(f"CREATE OR REPLACE TEMP TABLE staged AS FROM '{raw / table}.parquet'")


def _add_inbox(connection, table):
    files = sorted(str(file) for file in INBOX.glob(f"{table}*.parquet"))
    for file in files:
        try:
            new = _not_staged(connection, TABLES[table], file) if file.endswith(EVENTS) else ""
            connection.execute(f"CREATE OR REPLACE TEMP TABLE staged AS SELECT * FROM staged UNION ALL BY NAME SELECT * FROM read_parquet(?) i {new}", [file])
        except duckdb.Error as error:
            raise RiskError(f"{file} cannot be read ({reason(error)}): correct it or take it out of {INBOX}.") from None


def _not_staged(connection, contract, file):
    """SQL that leaves out the rows of a file, as `i`, whose key a row of `staged` has."""
    came, there = (dict(connection.execute(f"SELECT column_name, column_type FROM (DESCRIBE {relation})").fetchall())
                   for relation in (f"FROM read_parquet({literal(file)})", "staged"))
    key = [contract.column(name) for name in contract.key if name in came and name in there]
    same = " AND ".join(f"{cast(each.name, came[each.name], each, row='i')} IS NOT DISTINCT FROM {cast(each.name, there[each.name], each)}" for each in key)
    return f"WHERE NOT EXISTS (SELECT 1 FROM staged s WHERE {same})"


def _summary(source, intake, findings):
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
        "tables": {name: msgspec.to_builtins(table) for name, table in intake.items()}, "findings": findings,
    }


if __name__ == "__main__":
    run_stage(ingest)
