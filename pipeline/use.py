"""Chooses a source: `risk use` and `risk init`."""

import re
from datetime import date
from pathlib import Path

import msgspec

from features.errors import RiskError
from pipeline.files import inspect_files, missing_files
from pipeline.params import change_params, load_params
from pipeline.places import training_path
from pipeline.source import load_source
from pipeline.staging import connect, stage_query
from pipeline.state import ensure_state
from pipeline.watermarks import refresh

PARAMS = Path("params.yaml")
SHIPPED = Path("pipeline/sources")


def initialise():
    """Create under `var/` what the chosen source needs; what is there stays."""
    params = load_params(PARAMS)
    source = load_source(params)
    known = all(training_path(source.name, case).exists() for case in source.use_cases)
    ensure_state(source, source.complete_to or (None if known else _last_known(source, params.ingest)))
    return source


def use_source(name, path):
    """Write the source into `params.yaml` and prepare its pointers.

    `name` is a shipped source or a folder of SQL files, `path` the data it reads. Raises RiskError and leaves the
    parameters as they were when the source cannot be used.
    """
    chosen = chosen_source(name, path)
    definition, path = Path(chosen["definition"]), Path(chosen["path"])
    params = with_source(load_params(PARAMS), chosen)
    source = load_source(params)
    if definition.is_dir() and path == definition and missing_files(source):
        raise RiskError(f"source {name} reads files: say where they are with `risk use {name} --data PATH`.")
    cutoff = source.complete_to or _last_known(source, params.ingest)
    refresh(source)
    change_params(source_changes(source.use_cases, **chosen), PARAMS)
    ensure_state(source, cutoff)
    return source


def chosen_source(name, path):
    """The `source` section of the parameters for a shipped source or a folder, and the files it reads (itself where none are given)."""
    definition = _definition(name)
    return {"name": _label(definition), "definition": str(definition), "path": str(Path(path) if path else definition)}


def _label(definition):
    """What a source is called: its file's or its folder's name; a folder called just `source` is one of many, so its parent's."""
    if definition.is_file():
        return plain_name(definition.stem)
    folder = definition.resolve()
    return next((name for part in (folder, folder.parent) if (name := plain_name(part.name)) not in ("", "source")), "source")


def source_changes(use_cases, *, name, definition, path):
    """The changes of `params.yaml`, as (dotted key, value), that choose a source and the use cases to run."""
    return [("source.name", name), ("source.definition", str(definition)), ("source.path", str(path)), ("use_cases", list(use_cases))]


def with_source(params, chosen):
    """The parameters with another `source` section."""
    return msgspec.structs.replace(params, source=msgspec.convert(chosen, type(params.source)))


def plain_name(text):
    """A text as the name of a source: lower-case letters, digits and _."""
    return re.sub("[^a-z0-9]+", "_", text.lower()).strip("_")


def _definition(name):
    places = [SHIPPED / f"{name}.py", SHIPPED / name, Path(name)]
    for place in places[:2] if "/" not in name else places[2:]:
        if "/" in name and place.is_file():
            raise RiskError(f"{name} is a file: a source is a folder with source.yaml and one SQL file per table.")
        if place.exists() and not place.name.startswith("_"):
            return place
    shipped = sorted({place.stem for place in SHIPPED.iterdir() if not place.name.startswith("_")})
    raise RiskError(f"there is no source {name}: the shipped ones are {', '.join(shipped)}; a folder of your own starts with ./ or /.")


def _last_known(source, ingest):
    """The last day that anything is known in the source's files, for a source that does not say what its outcomes are complete to."""
    inspect_files(source)
    connection = connect(ingest)
    days = []
    for table in source.queries:
        stage_query(connection, source, table)
        if "known_at" in [row[0] for row in connection.execute("DESCRIBE staged").fetchall()]:
            days.append(connection.execute("SELECT max(try_cast(known_at AS DATE)) FROM staged").fetchone()[0])
    connection.close()
    last = max((day for day in days if day is not None), default=None)
    if not isinstance(last, date):
        raise RiskError(f"source {source.name}: no table gives a known_at date: add one, or state complete_to in source.yaml.")
    if last > date.today():
        raise RiskError(f"source {source.name}: something is known as late as {last}, in the future: correct that date, or state complete_to in source.yaml.")
    return last.isoformat()
