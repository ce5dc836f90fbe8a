"""One table's SQL run over a source's files."""

import duckdb

from features.errors import RiskError
from pipeline.inputs import open_inputs


def connect(ingest):
    """A DuckDB connection within the memory and threads of the ingest parameters, in UTC."""
    connection = duckdb.connect(config={"memory_limit": ingest.memory_limit, "threads": ingest.threads})
    connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
    return connection


def open_source(connection, source):
    """Let the SQL of the source find its files (relative paths start at its data folder) and its inputs."""
    folder = source.path.parent if source.path.is_file() else source.path
    connection.execute(f"SET file_search_path = '{_quoted(folder)}'")
    open_inputs(connection, source)


def stage_query(connection, source, table):
    """Materialise one table's SQL as the temporary table `staged`.

    Raises RiskError with the file and DuckDB's first line when the SQL fails or a file is missing or unreadable.
    """
    file = source.queries[table]
    open_source(connection, source)
    try:
        query = file.read_text(encoding="utf-8").strip().rstrip(";")
        connection.execute(f"CREATE OR REPLACE TEMP TABLE staged AS {query}")
    except (duckdb.Error, UnicodeDecodeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise RiskError(f"source {source.name}: {file} fails over {source.path} ({reason}): correct the SQL or the path.") from None


def _quoted(path):
    return str(path).replace("'", "''")
