"""Times whose zone the source's SQL drops: DuckDB turns the text 23:00+08:00 into the TIMESTAMP 23:00, without a word and hours off."""

import functools
import json
import re

import duckdb

from features.errors import RiskError
from features.feeders.sql import literal, quoted
from pipeline.clocks import ZONE, any_zone
from pipeline.files import COMPRESSED, DIALECT, JSON, PARQUET, read_files
from pipeline.inputs import SCHEMA, named_inputs
from pipeline.queries import words
from pipeline.staging import open_source
from pipeline.zones import ZONED

NAIVE = ("TIMESTAMP", "DATETIME")
# A column with its type as `types` and `columns` of a reader declare it.
DECLARED = re.compile(r"""['"]?([^'",{}:]+?)['"]?\s*:\s*['"](TIMESTAMP|DATETIME|VARCHAR|TEXT|STRING)(?:_S|_MS|_NS)?['"]""", re.IGNORECASE)
NAMES = re.compile(r"\bnames\s*=\s*(\[[^\]]*\])", re.IGNORECASE)


def refuse_dropped_zones(connection, source):
    """Raise RiskError where a query takes texts with a zone for times without one: by a cast to TIMESTAMP, or by that type in the reader's call.

    A column that the query also casts to TIMESTAMPTZ is left alone, its author knows; so is one cut to its clock (`left(seen, 19)::TIMESTAMP`).
    """
    files = [file for file in read_files(source) if file.table is not None]
    for table, file in source.queries.items():
        query = file.read_text(encoding="utf-8")
        cast, declared = _cast(connection, query), _declared(query)
        if cast or set(NAIVE) & set(declared.values()):
            here = [(f"{each.path}", _relation(each, query), functools.cache(functools.partial(_may_hold, each))) for each in files if each.table == table]
            for where, relation, may_hold in here + _inputs(connection, source, file):
                _refuse(connection, where, relation, cast, declared, file.name, may_hold)


def _declared(query):
    """Types by column; none where a format of the call reads the offset itself."""
    return {} if "%z" in query else {name.strip().lower(): kind.upper() for name, kind in DECLARED.findall(query)}


def _may_hold(file):
    """Whether a time in the file may have a zone, by its bytes where they are plain text: quicker than a search in its columns, and nearly never true."""
    return file.path.suffix.lower() in (*PARQUET, *COMPRESSED) or "encoding" in file.options or any_zone(file.path)


def _relation(file, query):
    """The file's rows for a FROM clause, each column of the type that DuckDB finds in it: what a call declares may drop the zone."""
    suffix = file.path.suffix.lower()
    if file.call.startswith(("read_parquet", "parquet_")) or suffix in PARQUET:
        return f"read_parquet({literal(file.path)})"
    if file.call.startswith(("read_json", "read_ndjson")) or suffix in JSON:
        return f"read_json({literal(file.path)})"
    options = "".join(f", {name} = {value}" for name, value in file.options.items() if name in DIALECT)
    names = NAMES.search(query) if "names" in file.options else None
    names = f", names = {names[1]}" if names else ""
    return f"read_csv({literal(file.path)}{options}{names}{', all_varchar = true' if 'all_varchar' in file.options else ''})"


def _inputs(connection, source, file):
    named = [name for name in named_inputs(source) if name in words(file)]
    if named:
        open_source(connection, source)
    return [(f"input {name}", f"{SCHEMA}.{quoted(name)}", lambda: True) for name in named]


def _cast(connection, query):
    """Columns, as the paths that name them, that the query casts to TIMESTAMP and nowhere to TIMESTAMPTZ."""
    try:
        tree = json.loads(connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [query.strip().rstrip(";")]).fetchone()[0])
    except duckdb.Error:
        return set()
    casts = list(_casts(tree))
    zoned = {path[-1] for path, kind in casts if kind == "TIMESTAMPTZ" or ZONE in kind}
    return {path for path, kind in casts if kind.startswith(NAIVE) and path[-1] not in zoned and ZONE not in kind}


def _casts(node):
    """(path of the column, type) of every cast of a bare column below a node of the parsed query."""
    if isinstance(node, list):
        for each in node:
            yield from _casts(each)
    elif isinstance(node, dict):
        if node.get("class") == "CAST" and node["child"].get("class") == "COLUMN_REF":
            yield tuple(name.lower() for name in node["child"]["column_names"]), node["type_expr"].get("type_name", "").upper()
        for each in node.values():
            yield from _casts(each)


def _refuse(connection, where, relation, cast, declared, file, may_hold):
    for path in sorted(cast | {(name,) for name, kind in declared.items() if kind in NAIVE}):
        example = next(filter(None, (_zoned(connection, relation, path[place:], path[-1] in declared, may_hold) for place in range(len(path)))), None)
        if example is not None:
            name = path[-1]
            remedy = f"read it as text and give {name}::TIMESTAMPTZ AT TIME ZONE 'UTC', or left({name}, 19)::TIMESTAMP if the zone is to be dropped"
            raise RiskError(f"{where}: column {name} has times with a zone, as {example}, and {file} makes it TIMESTAMP, which drops the zone: {remedy}.")


def _zoned(connection, relation, path, declared, may_hold):
    """A time of the column with its zone; None where the relation has no such column, no time in it has a zone, or DuckDB sees the zone itself.

    It does, and a cast is right, where a column has zones throughout and the call does not declare it as something else (`declared`).
    """
    name = ".".join(map(quoted, path))
    try:
        kind = connection.execute(f"SELECT column_type FROM (DESCRIBE SELECT {name} FROM {relation})").fetchone()[0]
        if kind == "VARCHAR" and may_hold():
            row = connection.execute(f"SELECT {name} FROM {relation} WHERE regexp_full_match({name}, {literal(ZONED)}) LIMIT 1").fetchone()
        elif declared and ZONE in kind:
            row = connection.execute(f"SELECT {name}::VARCHAR FROM {relation} WHERE {name} IS NOT NULL LIMIT 1").fetchone()
        else:
            row = None
    except duckdb.Error:
        return None  # another relation's column, or a file that the source's own call will speak of
    return None if row is None else row[0] if kind == "VARCHAR" else f"{row[0]} in UTC"
