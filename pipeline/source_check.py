"""`risk source check`: runs a source apart from everything else and finds out what it would be good for."""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

import duckdb
import msgspec

from features.errors import RiskError
from features.tables import TABLES
from pipeline.datasets import INGEST, REJECTS, read_json
from pipeline.datasets import TABLES as TABLES_FOLDER
from pipeline.files import inspect_files
from pipeline.ingest import ingest
from pipeline.params import change_params, load_params
from pipeline.source import load_source
from pipeline.source_outlook import outlook_of
from pipeline.staging import connect, open_source
from pipeline.use import PARAMS, chosen_source, initialise, source_changes, with_source


class TableFacts(msgspec.Struct, frozen=True):
    """What one table holds: counts, an example (row, value) of each rule's rejects, first and last day by column, the share of filled rows by
    column of the contract (None where the source does not give it), and the share of customers with a row in it."""

    read: int
    kept: int
    rejected: dict
    examples: dict
    dates: dict
    filled: dict
    coverage: float | None


class Check(msgspec.Struct, frozen=True):
    """What a check found: `problems` are sentences that make the source unusable as it stands."""

    name: str
    description: str
    path: str
    problems: list
    tables: dict = {}
    customers: int | None = None
    with_default: int | None = None
    findings: list = []
    today: str | None = None
    complete_to: str | None = None
    outlooks: dict = {}
    enough_bad: int = 0
    few_bad: int = 0
    max_reject_share: float = 0.0


def check(name=None, path=None):
    """Run a source (the chosen one without a name) in a temporary folder and return the Check; nothing of the installation is touched.

    Raises RiskError when there is no such source, or its definition cannot be read at all.
    """
    params = load_params(PARAMS)
    if name is not None:
        params = with_source(params, chosen_source(name, path))
    elif path is not None:
        params = with_source(params, {**msgspec.to_builtins(params.source), "path": str(path)})
    chosen = {key: str(Path(value).resolve()) if key != "name" else value for key, value in msgspec.to_builtins(params.source).items()}
    source = load_source(with_source(params, chosen))
    found = Check(source.name, source.description, str(params.source.path), _unreadable(source, params.ingest), max_reject_share=params.ingest.max_reject_share,
                  few_bad=params.decide.bad_to_recalibrate, enough_bad=params.decide.bad_to_refit)
    if found.problems:
        return found
    with _apart(chosen, source.use_cases):
        try:
            return _run(found, source)
        except RiskError as error:
            return msgspec.structs.replace(found, problems=[str(error)])


@contextlib.contextmanager
def _apart(chosen, use_cases):
    """A temporary folder with the parameters of this one, in which the stages leave no trace; every reject is let through to be told."""
    before, params = Path.cwd(), PARAMS.resolve()
    with tempfile.TemporaryDirectory(prefix="risk-check-") as folder:
        shutil.copy(params, Path(folder) / PARAMS.name)
        os.chdir(folder)
        try:
            change_params([*source_changes(use_cases, **chosen), *((f"ingest.{share}", 1.0) for share in ("max_reject_share", "max_probe_share"))])
            yield
        finally:
            os.chdir(before)


def _unreadable(source, ingest_params):
    """Every table's SQL that fails or lacks a column, so that they can be corrected in one go."""
    if source.simulated:
        return []
    try:
        inspect_files(source)
    except RiskError as error:
        return [str(error)]
    connection, problems = connect(ingest_params), []
    open_source(connection, source)
    for table, file in source.queries.items():
        try:
            query = file.read_text(encoding="utf-8").strip().rstrip(";")
            given = [row[0] for row in connection.execute(f"DESCRIBE {query}").fetchall()]
        except (duckdb.Error, UnicodeDecodeError) as error:
            problems.append(f"{table}: {file.name} fails over {source.path} ({str(error).strip().splitlines()[0]}): correct the SQL or the path.")
            continue
        missing = [column for column in TABLES[table].required if column not in given]
        if missing:
            problems.append(f"{table}: {file.name} lacks the {'column' if len(missing) == 1 else 'columns'} {', '.join(missing)} "
                            f"(it gives {', '.join(given)}): add {'it' if len(missing) == 1 else 'them'} to the SELECT.")
    connection.close()
    return problems


def _run(found, source):
    initialise()
    ingest()
    about, params = read_json(INGEST), load_params()
    connection = connect(params.ingest)
    customers = _customer_table(about["tables"])
    tables = {name: _facts(connection, name, intake, customers) for name, intake in about["tables"].items()}
    outlooks = {use_case: outlook_of(use_case, params) for use_case in source.use_cases}
    count = _one(connection, f"SELECT count(DISTINCT customer_id) FROM {customers}") if customers else None
    among = f" AND customer_id IN (SELECT customer_id FROM {customers})" if customers else ""
    defaults = _one(connection, f"SELECT count(DISTINCT customer_id) FROM '{TABLES_FOLDER}/outcomes.parquet' WHERE kind = 'default'{among}")
    connection.close()
    over = [_too_many(name, facts, found.max_reject_share) for name, facts in tables.items()
            if facts.read - facts.kept > found.max_reject_share * facts.read]
    refusals = [outlook.refusal for outlook in outlooks.values() if outlook.refusal]
    return msgspec.structs.replace(found, problems=[*over, *refusals], tables=tables, customers=count, with_default=defaults if "outcomes" in tables else None,
                                   findings=about.get("findings", []), today=about["today"], complete_to=about["complete_to"], outlooks=outlooks)


def _too_many(name, facts, limit):
    return (f"{name}: {facts.read - facts.kept:,} of {facts.read:,} rows break its contract, more than ingest.max_reject_share = {limit:g}: "
            "correct the source or raise the share.")


def _customer_table(tables):
    """The table that says who the customers are."""
    name = next((name for name in ("customers", "observations") if name in tables), None)
    return f"'{TABLES_FOLDER}/{name}.parquet'" if name else None


def _facts(connection, name, intake, customers):
    kept = f"'{TABLES_FOLDER}/{name}.parquet'"
    given = {row[0]: row[1] for row in connection.execute(f"DESCRIBE SELECT * FROM {kept}").fetchall()}
    contract = TABLES[name]
    dates = {column: _range(connection, kept, column) for column in dict.fromkeys((contract.occurred, "known_at")) if column in given}
    filled = {column.name: _one(connection, f'SELECT count("{column.name}") / greatest(count(*), 1) FROM {kept}') if column.name in given else None
              for column in contract.columns}
    coverage = _coverage(connection, kept, customers) if customers and "customer_id" in given else None
    return TableFacts(intake["read"], intake["kept"], intake["rejected"], _examples(connection, name), dates, filled, coverage)


def _range(connection, table, column):
    return connection.execute(f'SELECT min("{column}")::DATE::VARCHAR, max("{column}")::DATE::VARCHAR FROM {table}').fetchone()


def _coverage(connection, table, customers):
    return _one(connection, f"SELECT avg((customer_id IN (SELECT customer_id FROM {table}))::INTEGER) FROM (SELECT DISTINCT customer_id FROM {customers})")


def _examples(connection, name):
    """The first reject of each rule: {rule: (row number, value)}."""
    path = REJECTS / f"{name}.parquet"
    if not path.exists():
        return {}
    rows = connection.execute(f"SELECT rule, arg_min(row_number, row_number), arg_min(value, row_number) FROM '{path}' GROUP BY 1").fetchall()
    return {rule: (number, value) for rule, number, value in rows}


def _one(connection, query):
    return connection.execute(query).fetchone()[0]
