"""What DVC cannot see of a source: the state of its databases, and of files beside its data folder. A change of it makes ingest run again."""

from pathlib import Path

from pipeline.datasets import write_json
from pipeline.files import read_files
from pipeline.inputs import databases, named_inputs
from pipeline.places import watermark_path


def refresh(source):
    """Write `var/watermarks/<source>.json`: by PostgreSQL input its watermark, by file outside the source's own path its size and time of change.

    `{}` for a source that has neither. It is asked before ingest reads, so a change in between makes the next run ingest once more, and none is
    missed. Raises RiskError when a database cannot be asked.
    """
    found = {"databases": _database_marks(source), "files": _outside(source)}
    write_json(watermark_path(source.name), {what: marks for what, marks in found.items() if marks})


def _database_marks(source):
    from pipeline.readers import postgresql

    marks = {}
    for url_env, specs in databases(named_inputs(source)).items():
        with postgresql.snapshot(url_env) as snapshot:
            for name, spec in specs.items():
                marks[name] = snapshot.row(spec.watermark or postgresql.contents(spec.query), name=name)
    return marks


def _outside(source):
    seen = [place.resolve() for place in (source.path, *(query.parent for query in source.queries.values()))]
    paths = [file.path for file in read_files(source)]
    return {str(path): _stamp(path) for path in paths if not any(path.resolve().is_relative_to(place) for place in seen)}


def _stamp(path):
    status = Path(path).stat()
    return [status.st_size, status.st_mtime_ns]
