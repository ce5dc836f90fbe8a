"""Times with and without a zone in one column of a delimited file: DuckDB's reader drops the zone of some or takes the others for UTC, unasked."""

import re

import duckdb

from features.errors import RiskError
from features.feeders.sql import literal, quoted
from pipeline.files import DIALECT, JSON, PARQUET, WORKBOOKS, read_files
from pipeline.zones import REMEDY

MAYBE_ZONED = re.compile(rb":\d\d(?:\.\d+)? ?[Zz+A-Y-]")
CHUNK, REACH = 1 << 22, 40
ZONE = "TIME ZONE"
READERS = ("", "read_csv", "read_csv_auto")
# A clock follows the 10 characters of a day; then a zone is a Z, a sign or a letter. Counted without a regular expression: it takes a fifth of the time.
NAMED = "position('Z' IN {0}) + position('+' IN {0}) + position('-' IN {0}) > 0 OR lower({0}) <> upper({0})"


def refuse_mixed_clocks(connection, source):
    """Raise RiskError for a file of the source with a column of times, some with a zone and some without."""
    for file in read_files(source):
        if file.table is not None and file.call in READERS and file.path.suffix.lower() not in (*PARQUET, *JSON, *WORKBOOKS, ".gz", ".zst"):
            _refuse_mixed(connection, file, source.queries[file.table].read_text(encoding="utf-8"))


def _refuse_mixed(connection, file, query):
    options = "".join(f", {name} = {value}" for name, value in file.options.items() if name in DIALECT)
    times = {name: kind for name, kind in _times(connection, file, options).items() if not _read_as_text(file, query, name)}
    if not times or ("encoding" not in file.options and not any(ZONE in kind for kind in times.values()) and not any_zone(file.path)):
        return
    counts = ", ".join(f"{_counts(quoted(name))}" for name in times)
    try:
        rows = connection.execute(f"SELECT {counts} FROM read_csv({literal(file.path)}{options}, all_varchar = true)").fetchone()
    except duckdb.Error:
        return  # the source's own call will say what is wrong
    for place, name in enumerate(times):
        zoned, naive, with_zone, without = rows[4 * place: 4 * place + 4]
        if zoned and naive:
            raise RiskError(f"{file.path}: column {name} has {zoned:,} times with a zone, as {with_zone}, and {naive:,} without, as {without}, and DuckDB "
                            f"would read them as one kind: read the column as text in {file.table}.sql with types = {{'{name}': 'VARCHAR'}}, and for those "
                            f"without {REMEDY.format(name)}.")


def _times(connection, file, options):
    """Columns that DuckDB takes for times from the file's beginning, with their types."""
    try:
        columns = connection.execute(f"SELECT Columns FROM sniff_csv({literal(file.path)}{options})").fetchone()[0]
    except duckdb.Error:
        return {}
    return {column["name"]: column["type"] for column in columns if column["type"].startswith("TIMESTAMP")}


def any_zone(path):
    """Whether a clock is followed by what may be a zone anywhere in the file: a fifth of the time that counting by column takes, and nearly never true."""
    tail = b""
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            if MAYBE_ZONED.search(tail + chunk):
                return True
            tail = chunk[-REACH:]
    return False


def _read_as_text(file, query, name):
    """Whether the query takes the column as text, so that nothing is lost before its own casts."""
    typed = re.search(rf"['\"]?{re.escape(name)}['\"]?\s*:\s*['\"](VARCHAR|TEXT|STRING)", query, re.IGNORECASE)
    return "all_varchar" in file.options or typed is not None


def _counts(text):
    after = f"substring({text}, 11)"
    clock, zone = f"position(':' IN {after}) > 0", f"({NAMED.format(f'substring({text}, 12)')})"
    zoned, naive = f"{clock} AND {zone}", f"{clock} AND NOT {zone}"
    return f"count_if({zoned}), count_if({naive}), min({text}) FILTER ({zoned}), min({text}) FILTER ({naive})"
