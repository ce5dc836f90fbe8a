"""One table's SQL run over a source's files."""

import duckdb

from features.errors import RiskError
from features.feeders.sql import literal
from pipeline.datasets import DATA
from pipeline.inputs import open_inputs

SPILL = DATA / ".spill"


def connect(ingest):
    """A DuckDB connection within the memory and threads of the ingest parameters, in UTC; what does not fit is spilled beside the datasets."""
    SPILL.parent.mkdir(parents=True, exist_ok=True)
    connection = duckdb.connect(config={"memory_limit": ingest.memory_limit, "threads": ingest.threads, "temp_directory": str(SPILL)})
    connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
    # DuckDB 2.0 moves a cast of a CSV's column into its reader, past the `types` and `dateformat` of the call: `day::TIMESTAMP` then fails on 31.12.2023,
    # and `amount::VARCHAR` gives 1.234,50 for a DECIMAL.
    connection.execute("SET disabled_optimizers = 'type_pushdown'")
    return connection


def open_source(connection, source):
    """Let the SQL of the source find its files (relative paths start at its data folder) and its inputs."""
    connection.execute(f"SET file_search_path = {literal(source.folder)}")
    open_inputs(connection, source)


def stage_query(connection, source, table):
    """Materialise one table's SQL as the temporary table `staged`, its rows in the order of the answer.

    Raises RiskError with the file and DuckDB's reason when the SQL fails or a file is missing or unreadable, and for a column name given twice.
    """
    file = source.queries[table]
    open_source(connection, source)
    try:
        query = file.read_text(encoding="utf-8").strip().rstrip(";")
        _refuse_same_names(connection, source, file, query)
        # Dropped first: the old and the new table need not fit into memory together.
        connection.execute("DROP TABLE IF EXISTS staged")
        connection.execute(f"CREATE TEMP TABLE staged AS {query}")
    except (duckdb.Error, UnicodeDecodeError) as error:
        raise RiskError(f"source {source.name}: {file} fails over {source.path} ({reason(error)}): correct the SQL or the path.") from None


def reason(error):
    """What an error of DuckDB says, in one line: its first, and for a line of a text file what was wrong with it and in which file."""
    lines = [line.strip() for line in str(error).strip().splitlines()]
    details = [line for line in lines[1:] if line.startswith(("Error when", "Expected Number", "Maximum line size", "file ="))]
    return "; ".join([lines[0], *details]).rstrip(".")


def _refuse_same_names(connection, source, file, query):
    names = [row[0] for row in connection.execute(f"DESCRIBE {query}").fetchall()]
    lowered = [name.lower() for name in names]
    twice = next((name for place, name in enumerate(names) if lowered.index(name.lower()) < place), None)
    if twice is not None:
        raise RiskError(f"source {source.name}: {file} gives the column {twice} twice (capitals do not count), and DuckDB would rename the second "
                        f"without a word: name it otherwise with AS, or leave it out.")
