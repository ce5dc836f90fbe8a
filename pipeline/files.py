"""The files that a source reads: which they are, whether they change meanwhile, and whether they are what they seem."""

import contextlib
import csv
import glob
import os
from pathlib import Path

import duckdb
import msgspec

from features.errors import RiskError
from features.feeders.sql import literal
from pipeline import text_scan
from pipeline.inputs import named_inputs
from pipeline.queries import named_files

WORKBOOKS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
PARQUET = (".parquet", ".pq")
JSON = (".json", ".jsonl", ".ndjson")
COMPRESSED = (".gz", ".zst")
DATABASES = (".db", ".duckdb", ".sqlite")
TEXT_CALLS = ("read_csv", "read_json", "read_ndjson")
# Options of read_csv that sniff_csv takes too: with them it sees what the source's own call sees.
DIALECT = ("delim", "sep", "quote", "escape", "skip", "header", "comment", "strict_mode", "null_padding", "encoding")


class ReadFile(msgspec.Struct, frozen=True):
    """A file that a query reads (`table` is the query's), or an input (`table` is None): its path, the function called and its options as written."""

    path: Path
    table: str | None
    call: str = ""
    options: dict = {}


def read_files(source):
    """Every file that the source reads, in order: those that its SQL names, patterns resolved as DuckDB does, and those of the inputs it names."""
    found = {}
    with _resolver(source.folder) as resolve:
        for table, query in source.queries.items():
            for named in named_files(query):
                for path in resolve(named.text):
                    found.setdefault(path, ReadFile(Path(path), table, named.call, named.options))
    for spec in named_inputs(source).values():
        pattern = str(source.folder / getattr(spec, "files", getattr(spec, "file", "")))
        for path in sorted(glob.glob(pattern, recursive=True)) if pattern != str(source.folder) else []:
            if os.path.isfile(path):
                found.setdefault(path, ReadFile(Path(path), None))
    return [found[path] for path in sorted(found)]


def missing_files(source):
    """What the source's SQL and inputs name as files without there being one: texts with a suffix, and the files of inputs."""
    with _resolver(source.folder) as resolve:
        texts = [named.text for query in source.queries.values() for named in named_files(query) if named.call or Path(named.text).suffix]
        missing = [text for text in texts if not resolve(text)]
    for spec in named_inputs(source).values():
        pattern = getattr(spec, "files", getattr(spec, "file", None))
        if pattern is not None and not glob.glob(str(source.folder / pattern), recursive=True):
            missing.append(pattern)
    return list(dict.fromkeys(missing))


def fingerprint(source):
    """(size, mtime_ns) of every file that the source reads, by path."""
    return {str(file.path): _stamp(file.path) for file in read_files(source)}


@contextlib.contextmanager
def watching(source):
    """Hold the source's files to what they are at the start of the block.

    Raises RiskError at its end, also instead of a RiskError from within, when one of them was changed, removed or added meanwhile.
    """
    before = fingerprint(source)
    try:
        yield
    except RiskError:
        _refuse_change(before, fingerprint(source))
        raise
    _refuse_change(before, fingerprint(source))


def inspect_files(source):
    """What is odd about the source's files but does no harm, as findings: table, file, rule, rows, example, meaning, remedy.

    Raises RiskError for what DuckDB would read wrongly without a word: a file of another kind than its name says, an empty one, another encoding or
    several in one file, NUL characters, a byte-order mark that sticks to a value or a name, a column name used twice, a name found in two places.
    """
    findings = []
    for file in read_files(source):
        if file.table is not None:
            _refuse_shadow(file, source.folder)
            findings += _inspect(file)
    return findings


def _stamp(path):
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_size, status.st_mtime_ns


def _refuse_change(before, after):
    changed = next((path for path in {**before, **after} if before.get(path) != after.get(path)), None)
    if changed is not None:
        what = "was removed" if after.get(changed) is None else "changed" if before.get(changed) else "appeared"
        raise RiskError(f"{changed} {what} while the source was read: run it again when the file is written whole and stays as it is.")


@contextlib.contextmanager
def _resolver(folder):
    """A function from a text to the paths that DuckDB would read for it."""
    with duckdb.connect() as connection:
        connection.execute(f"SET file_search_path = {literal(folder)}")

        def resolve(text):
            if not text.strip() or "://" in text:
                return []
            try:
                rows = connection.execute("SELECT file FROM glob(?)", [text]).fetchall()
            except duckdb.Error:
                return []
            return sorted(os.path.normpath(row[0]) for row in rows if os.path.isfile(row[0]))

        yield resolve


def _refuse_shadow(file, folder):
    """A name is looked for in the working folder first, and only then among the source's files."""
    if not file.path.is_absolute() and not _lies_in(file.path, folder) and (folder / file.path).exists():
        raise RiskError(f"{file.path} lies in the working folder as well as in {folder}, and DuckDB takes the former: rename or move it.")


def _lies_in(path, folder):
    return path.resolve().is_relative_to(folder.resolve())


def _inspect(file):
    suffix = file.path.suffix.lower()
    if suffix in WORKBOOKS:
        raise _refused(file, "is a workbook, which DuckDB cannot open here", "declare it in source.yaml as an input of kind excel")
    if file.call.startswith(("read_parquet", "parquet_")) or (not file.call and suffix in PARQUET):
        return _inspect_parquet(file)
    is_text = file.call.startswith(TEXT_CALLS) or (not file.call and suffix not in DATABASES)
    return _inspect_text(file) if is_text and suffix not in COMPRESSED else []


def _inspect_parquet(file):
    with file.path.open("rb") as stream:
        head = stream.read(4)
        whole = stream.seek(0, os.SEEK_END) >= 12
        stream.seek(-4 if whole else 0, os.SEEK_END)
        tail = stream.read(4)
    if head not in (b"PAR1", b"PARE"):
        raise _refused(file, "is no Parquet file", "write it again, or read it with the function for what it is")
    if not whole or tail != head:
        raise _refused(file, "is a Parquet file cut short", "copy or write it again whole")
    return []


def _inspect_text(file):
    encoding = file.options.get("encoding", "'utf-8'").strip("'").lower().replace("_", "-")
    kind = text_scan.beginning(file.path)
    if kind == "UTF-16 text" and encoding == "utf-16":
        return []
    if kind is not None:
        raise _refused(file, f"is {kind}, not delimited text in UTF-8", _remedy(kind))
    if encoding not in ("utf-8", "utf8"):
        return []
    found = text_scan.scan(file.path)
    _refuse_scan(file, found)
    is_json = file.call.startswith(("read_json", "read_ndjson")) or file.path.suffix.lower() in JSON
    first = None if is_json else _check_header(file, found.marks)
    return _findings(file, found, first)


def _remedy(kind):
    if kind == "UTF-16 text":
        return "read it with read_csv('…', encoding = 'utf-16'), or save it as UTF-8"
    if "Excel" in kind:
        return "declare it in source.yaml as an input of kind excel, or save it as CSV"
    return "give it the suffix of what it is and read it as that, or export it again as CSV"


def _refused(file, what, remedy):
    return RiskError(f"{file.path} {what}: {remedy}.")


def _refuse_scan(file, found):
    if found.empty:
        raise _refused(file, "is empty", f"export it again, or remove {file.table}.sql if the source has no {file.table}")
    if found.nul is not None:
        raise _refused(file, f"holds a NUL character in line {found.nul:,}", "it is UTF-16 without a mark, or damaged: export it again as UTF-8")
    if found.broken is not None:
        raise _not_utf8(file, text_scan.mixture(file.path), found.broken)
    if found.marks > 1:
        raise _refused(file, f"begins with {found.marks} byte-order marks, of which DuckDB drops one and glues the rest to the first name",
                       "save it once more as UTF-8 without a mark")
    if found.inner_mark is not None:
        raise _refused(file, f"has a byte-order mark in line {found.inner_mark:,}, which would stick to that line's first value",
                       "it is several files joined: join them again without their marks and inner headers")


def _not_utf8(file, mixed, line):
    likely = f" (likely {mixed.likely[0]})" if mixed.likely else ""
    shown = mixed.sample[:60].decode(mixed.likely[0] if mixed.likely else "latin-1", "replace")
    if mixed.utf8:
        other = f"{mixed.other:,} lines are not UTF-8{likely}, the first is line {mixed.first_other:,} ({shown})"
        utf8 = f"{mixed.utf8:,} lines are, the first is line {mixed.first_utf8:,}"
        return _refused(file, f"mixes encodings: {other}, and {utf8}", "export it again in one encoding")
    best = mixed.likely[0] if mixed.likely else "cp1252"
    return _refused(file, f"is not UTF-8 from line {line:,} on{likely}; read so, that line is: {shown}",
                    f"declare it in source.yaml as an input of kind text with encoding: {best} after checking that line, or save it as UTF-8")


def _check_header(file, marks):
    """The first column's name; None where the file has no header or DuckDB cannot make it out, which it then says itself when it reads the file."""
    if {"names", "columns"} & set(file.options) or file.options.get("header", "").lower() in ("false", "0"):
        return None
    sniffed = _sniff(file)
    if sniffed is None or not sniffed[3]:
        return None
    names = _header_names(file, *sniffed[:3])
    lowered = [name.lower() for name in names]
    twice = next((name for place, name in enumerate(names) if name and lowered[place] in lowered[:place]), None)
    if twice is not None:
        raise _refused(file, f"has the column {twice} twice in its header (capitals do not count), and DuckDB would rename one without a word",
                       f"rename one in the file, or name all columns in {file.table}.sql with read_csv('…', names = […], skip = 1)")
    first = sniffed[4][0]["name"]
    if marks and first.startswith('"'):
        raise _refused(file, f"begins with a byte-order mark and DuckDB takes the quotes of {first} for part of the name",
                       "read it with read_csv('…', quote = '\"'), or save it without the mark")
    return first


def _sniff(file):
    """Delimiter, quote, lines to skip, whether there is a header, and columns, as DuckDB makes them out with the options of the source's call."""
    given = "".join(f", {name} = {value}" for name, value in file.options.items() if name in DIALECT)
    with duckdb.connect() as connection, contextlib.suppress(duckdb.Error):
        return connection.execute(f"SELECT Delimiter, Quote, SkipRows, HasHeader, Columns FROM sniff_csv({literal(file.path)}{given})").fetchone()
    return None


def _header_names(file, delimiter, quote, skip):
    with file.path.open(encoding="utf-8-sig", newline="") as stream:
        for _ in range(skip):
            stream.readline()
        quote = quote if len(quote) == 1 else '"'
        return [name.strip() for name in next(csv.reader(stream, delimiter=delimiter, quotechar=quote), [])]


def _findings(file, found, first):
    findings = []
    if found.marks:
        findings.append(_finding(file, "byte-order mark", 1, first or "", "The file begins with a byte-order mark; DuckDB drops it, no name has it.",
                                 "Nothing has to be done; saved as UTF-8 without a mark it is gone."))
    if found.lost:
        findings.append(_finding(file, "lost characters", found.lost, "\ufffd", "The file holds the sign for a character that an earlier conversion lost, "
                                 "so names and ids in it may be incomplete.", "Export it again from where it comes, as UTF-8."))
    return findings


def _finding(file, rule, rows, example, meaning, remedy):
    return {"table": file.table, "file": str(file.path), "rule": rule, "rows": rows, "example": example, "meaning": meaning, "remedy": remedy}
