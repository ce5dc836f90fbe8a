"""The inputs of a source that DuckDB cannot open itself: tables in the schema `inputs`, which its SQL names without the schema."""

import contextlib

import duckdb
import pyarrow as pa

from features.errors import RiskError
from pipeline.queries import words
from pipeline.source_file import Arff, BureauFile, CompanyReports, Excel, PostgreSQL, Text

SCHEMA = "inputs"


def open_inputs(connection, source):
    """Read every input that the source's SQL names into a table of that name, once a connection.

    Raises RiskError when an input cannot be read; it is then not there at all.
    """
    wanted = named_inputs(source)
    if not wanted:
        return
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    connection.execute(f"SET search_path = 'main,{SCHEMA}'")
    _check_names(connection, wanted)
    there = {row[0] for row in connection.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name = ?", [SCHEMA]).fetchall()}
    missing = {name: spec for name, spec in wanted.items() if name not in there}
    _read_databases(connection, {name: spec for name, spec in missing.items() if isinstance(spec, PostgreSQL)})
    for name, spec in missing.items():
        if not isinstance(spec, PostgreSQL):
            _store(connection, name, _reader(spec)(spec, source.folder))


def named_inputs(source):
    """The inputs that some query of the source names, by name."""
    if not source.inputs:
        return {}
    named = {word for file in source.queries.values() for word in words(file)}
    return {name: spec for name, spec in source.inputs.items() if name in named}


def databases(inputs):
    """The PostgreSQL inputs among some, grouped by the variable with their database's URL."""
    grouped = {}
    for name, spec in inputs.items():
        if isinstance(spec, PostgreSQL):
            grouped.setdefault(spec.url_env, {})[name] = spec
    return grouped


def _check_names(connection, wanted):
    taken = {row[0] for row in connection.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main'").fetchall()}
    for name in wanted:
        if name in taken:
            raise RiskError(f"input {name}: the intake has a table of that name itself: call the input otherwise in source.yaml and in the SQL.")


def _read_databases(connection, inputs):
    from pipeline.readers import postgresql

    for url_env, specs in databases(inputs).items():
        with postgresql.snapshot(url_env) as snapshot:
            for name, spec in specs.items():
                with snapshot.stream(spec.query, name=name) as reader, _fitting(name, postgresql.exact_numbers(reader.schema)):
                    _store(connection, name, reader, postgresql.expressions(reader.schema))


@contextlib.contextmanager
def _fitting(name, numbers):
    try:
        yield
    except duckdb.ConversionException as error:
        reason = str(error).strip().splitlines()[0].removeprefix("Conversion Error: ")
        remedy = f"cast it in the query, for example {numbers[0]}::float8"
        raise RiskError(f"input {name}: a value of {', '.join(numbers)} does not fit ({reason}): {remedy}.") from None


def _reader(spec):
    """The reader of a kind, imported when it is needed; each has the signature read(spec, folder)."""
    if isinstance(spec, Excel):
        from pipeline.readers.excel import read
    elif isinstance(spec, Arff):
        from pipeline.readers.arff import read
    elif isinstance(spec, Text):
        from pipeline.readers.text import read
    elif isinstance(spec, CompanyReports):
        from pipeline.readers.company_reports import read
    elif isinstance(spec, BureauFile):
        from pipeline.readers.bureau import read
    return read


def _store(connection, name, arrow, expressions="*"):
    """Append the batches one by one, from Python: a stream given to DuckDB whole would turn a reader's error into one of DuckDB's."""
    batches = arrow.to_batches() if isinstance(arrow, pa.Table) else arrow
    table = f"{SCHEMA}.{name}"
    try:
        with _arriving(connection, arrow.schema.empty_table()):
            connection.execute(f"CREATE TABLE {table} AS SELECT {expressions} FROM arriving")
        for batch in batches:
            with _arriving(connection, pa.Table.from_batches([batch])):
                connection.execute(f"INSERT INTO {table} SELECT {expressions} FROM arriving")
    except BaseException:
        connection.execute(f"DROP TABLE IF EXISTS {table}")
        raise


@contextlib.contextmanager
def _arriving(connection, table):
    connection.register("arriving", table)
    try:
        yield
    finally:
        connection.unregister("arriving")
