"""A source: the simulator, or a folder with one SQL file per table that DuckDB runs over somebody's files."""

from pathlib import Path

import msgspec

from features.errors import RiskError
from features.tables import TABLES
from pipeline.params import read_yaml, real_day
from pipeline.source_file import Protocol, SourceFile

REQUIRED_TABLES = ("customers", "outcomes")


class Source(msgspec.Struct, frozen=True):
    """What the stages need to know of a source.

    `complete_to`, `horizon_days`, `protocol`, `also` and `inputs` are those of `source.yaml`; `queries` maps a table to its SQL file and is
    empty for the simulator; `path` is the folder of its files, or its only file.
    """

    name: str
    path: Path
    description: str
    use_cases: list[str]
    complete_to: str | None
    queries: dict[str, Path]
    horizon_days: int | None = None
    protocol: Protocol | None = None
    also: dict = {}
    inputs: dict = {}

    @property
    def simulated(self):
        """Whether the rows are simulated."""
        return not self.queries

    @property
    def folder(self):
        """The folder that relative file names of the SQL and of the inputs start at."""
        return self.path.parent if self.path.is_file() else self.path


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
    if "," in str(path):
        # DuckDB takes the search path for a list.
        raise RiskError(f"source {params.source.name}: {path} has a comma in its name, at which DuckDB parts paths: rename the folder, or link to it.")
    return _folder(params.source.name, definition, path)


def _simulated(params, path):
    from pipeline.sources.simulated import last_day

    months = params.simulated
    text = f"simulated B2B portfolio of {months.customers:,} customers over {months.months} months (seed {months.seed})"
    if months.scenario != "calm":
        text += f", {months.scenario} from month {months.scenario_month} on"
    return Source(params.source.name, path, text, ["default", "fraud"], last_day(months.first_month, months.months), {})


def _folder(name, definition, path):
    if not (definition / "source.yaml").exists():
        raise RiskError(f"source {name}: {definition} has no source.yaml: let `risk source new NAME --data PATH` write a first draft, or see docs/sources.md.")
    about = read_yaml(definition / "source.yaml", SourceFile)
    _check_days(about, definition / "source.yaml")
    queries = {file.stem: file for file in sorted(definition.glob("*.sql"))}
    unknown = sorted(set(queries) - set(TABLES))
    if unknown:
        raise RiskError(f"source {name}: {unknown[0]}.sql names no table: the tables are {', '.join(TABLES)}.")
    missing = [table for table in REQUIRED_TABLES if table not in queries]
    if missing and "observations" not in queries:
        raise RiskError(f"source {name}: {definition / missing[0]}.sql is missing: write a SELECT that gives the columns of {missing[0]}.")
    return Source(name, path, about.description, list(about.use_cases), about.complete_to, queries, horizon_days=about.horizon_days,
                  protocol=about.protocol, also=about.also, inputs=about.inputs)


def _check_days(about, file):
    days = {"complete_to": about.complete_to}
    for name, protocol in {"protocol": about.protocol, **{f"also.{name}": protocol for name, protocol in about.also.items()}}.items():
        given = msgspec.structs.asdict(protocol) if protocol else {}
        days |= {f"{name}.{key}": day for key, day in given.items() if key.endswith(("_to", "_from"))}
    for key, day in days.items():
        real_day(day or "latest", where=f"{file}: `{key}`")
