"""A source: the simulator, or a folder with one SQL file per table that DuckDB runs over somebody's files."""

from pathlib import Path
from typing import Annotated, Literal

import duckdb
import msgspec

from features.errors import RiskError
from features.tables import TABLES
from pipeline.params import read_yaml, real_day

Day = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]
REQUIRED_TABLES = ("customers", "outcomes")


class Protocol(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A published split by time: as_of dates, both ends inclusive; what lies between belongs to neither side."""

    development_to: Day
    out_of_time_from: Day
    out_of_time_to: Day


class SourceFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`source.yaml` beside the SQL files."""

    description: str
    use_cases: list[Literal["default", "fraud"]]
    complete_to: Day | None = None
    protocol: Protocol | None = None


class Source(msgspec.Struct, frozen=True):
    """What the stages need to know of a source.

    `complete_to` is the day up to which every outcome is in the files (None: the last date found in them);
    `queries` maps a table to its SQL file and is empty for the simulator.
    """

    name: str
    path: Path
    description: str
    use_cases: list[str]
    complete_to: str | None
    protocol: Protocol | None
    queries: dict[str, Path]

    @property
    def simulated(self):
        """Whether the rows are simulated."""
        return not self.queries


def load_source(params):
    """The source that the parameters name.

    Raises RiskError for a missing folder or path, a file that names no table, or a missing required table.
    """
    definition, path = Path(params.source.definition), Path(params.source.path)
    for place in (definition, path):
        if not place.exists():
            raise RiskError(f"source {params.source.name}: {place} does not exist: run `risk use {params.source.name} --data PATH` with the right path.")
    if definition.is_file():
        return _simulated(params, path)
    return _folder(params.source.name, definition, path)


def _simulated(params, path):
    from pipeline.sources.simulated import last_day

    months = params.simulated
    text = f"simulated B2B portfolio of {months.customers:,} customers over {months.months} months (seed {months.seed})"
    return Source(params.source.name, path, text, ["default", "fraud"], last_day(months.first_month, months.months), None, {})


def _folder(name, definition, path):
    about = read_yaml(definition / "source.yaml", SourceFile)
    for key, day in {"complete_to": about.complete_to, **(msgspec.structs.asdict(about.protocol) if about.protocol else {})}.items():
        real_day(day or "latest", where=f"{definition / 'source.yaml'}: `{key}`")
    queries = {file.stem: file for file in sorted(definition.glob("*.sql"))}
    unknown = sorted(set(queries) - set(TABLES))
    if unknown:
        raise RiskError(f"source {name}: {unknown[0]}.sql names no table: the tables are {', '.join(TABLES)}.")
    missing = [table for table in REQUIRED_TABLES if table not in queries]
    if missing and "observations" not in queries:
        raise RiskError(f"source {name}: {definition / missing[0]}.sql is missing: write a SELECT that gives the columns of {missing[0]}.")
    return Source(name, path, about.description, list(about.use_cases), about.complete_to, about.protocol, queries)


def connect(ingest):
    """A DuckDB connection within the memory and threads of the ingest parameters, in UTC."""
    connection = duckdb.connect(config={"memory_limit": ingest.memory_limit, "threads": ingest.threads})
    connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
    return connection


def stage_query(connection, source, table):
    """Materialise one table's SQL as the temporary table `staged`; relative paths in it start at the source's data folder.

    Raises RiskError with the file and DuckDB's first line when the SQL fails or a file is missing or unreadable.
    """
    file = source.queries[table]
    connection.execute(f"SET file_search_path = '{_quoted(source.path)}'")
    try:
        query = file.read_text(encoding="utf-8").strip().rstrip(";")
        connection.execute(f"CREATE OR REPLACE TEMP TABLE staged AS {query}")
    except (duckdb.Error, UnicodeDecodeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise RiskError(f"source {source.name}: {file} fails over {source.path} ({reason}): correct the SQL or the path.") from None


def _quoted(path):
    return str(path).replace("'", "''")
