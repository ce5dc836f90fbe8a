"""Numbers such as 1.234 that DuckDB reads as one and a bit, where the file may mean one thousand: told, since nothing in the file decides it."""

import duckdb

from features.feeders.sql import literal, quoted
from pipeline.files import COMPRESSED, DIALECT, JSON, PARQUET, read_files
from pipeline.queries import words
from pipeline.unit_findings import finding

ROWS = 20_000
LEAST = 2
# With thousands points every whole number from 1,000 on has one, three digits behind it and one to three, not a zero, before it.
GROUPED = r"[+-]?[1-9]\d{0,2}\.\d{3}"
OTHERWISE = r"[+-]?\d{4,}|.*[.eE].*"


def point_findings(connection, source):
    """A finding for each column that a query names, DuckDB takes for numbers, and whose points may all be thousands separators, by its first ROWS rows."""
    return [told for file in read_files(source) if _is_plain(file) for told in _of_file(connection, file, set(words(source.queries[file.table])))]


def _is_plain(file):
    suffix = file.path.suffix.lower()
    said = {"all_varchar", "decimal_separator", "thousands", "names", "columns"} & set(file.options)
    return file.table is not None and not said and file.call in ("", "read_csv", "read_csv_auto") and suffix not in (*PARQUET, *JSON, *COMPRESSED)


def _of_file(connection, file, named):
    options = "".join(f", {name} = {value}" for name, value in file.options.items() if name in DIALECT)
    try:
        columns = connection.execute(f"SELECT Columns FROM sniff_csv({literal(file.path)}{options})").fetchone()[0]
        names = [column["name"] for column in columns if column["type"] == "DOUBLE" and column["name"].lower() in named]
        rows = f"(FROM read_csv({literal(file.path)}{options}, all_varchar = true) LIMIT {ROWS})"
        counts = [(name, *connection.execute(f"SELECT {_counts(quoted(name))} FROM {rows}").fetchone()) for name in names]
    except duckdb.Error:
        return []  # the source's own call will say what is wrong
    return [_finding(file, *each) for each in counts if each[1] >= LEAST and not each[2]]


def _counts(text):
    grouped = f"regexp_full_match(trim({text}), {literal(GROUPED)})"
    otherwise = f"regexp_full_match(trim({text}), {literal(OTHERWISE)}) AND NOT {grouped}"
    return f"count(DISTINCT {text}) FILTER ({grouped}), count_if({otherwise}), min({text}) FILTER ({grouped})"


def _finding(file, name, rows, _, example):
    meaning = f"Each point in column {name} has three digits behind it and no number from 1,000 on is without one: DuckDB reads {example} as a fraction."
    call = f"read_csv('…', decimal_separator = ',', thousands = '.', types = {{'{name}': 'DECIMAL(18, 2)'}})"
    remedy = f"If the points part thousands, give {call} in {file.table}.sql; if not, decimal_separator = '.' says so."
    return {**finding(file.table, "points that may part thousands", rows, example, meaning, remedy), "file": str(file.path)}
