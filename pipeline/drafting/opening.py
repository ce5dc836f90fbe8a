"""The files somebody has, each loaded so that its columns can be looked at, with the SQL that reads it."""

import glob
import importlib
import re
import tempfile
from collections import defaultdict
from pathlib import Path

import duckdb
import msgspec

from features.errors import RiskError
from features.feeders.sql import literal
from pipeline.drafting.delimited import NAMES, look_at_text, open_text
from pipeline.drafting.readings import read_columns
from pipeline.drafting.words import plain

TEXT = (".csv", ".tsv", ".txt", ".dat", ".asc", ".tab")
PARQUET = (".parquet", ".pq")
JSON = (".json", ".jsonl", ".ndjson")
WORKBOOK = (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods")
ARFF = (".arff",)
KNOWN = (*TEXT, *PARQUET, *JSON, *WORKBOOK, *ARFF)


class Opened(msgspec.Struct, frozen=True):
    """One file (or sheet, or a set of files of one form) that was looked at.

    `label` is what it is called, `relation` what its SQL reads FROM, `input` the entry of source.yaml it needs, `loaded` the table on the
    connection, `rows` those looked at, `more` whether the file has further ones, `how` says in words how it is written, `title` is
    what stands above its header.
    """

    label: str
    file: str
    relation: str
    loaded: str
    rows: int
    more: bool
    how: str
    columns: tuple
    input: tuple | None = None
    unsure: tuple = ()
    title: str = ""

    def column(self, name):
        """The reading of the column of that name."""
        return next(column for column in self.columns if column.name == name)


class Opener:
    """Opens files below one folder on a connection; `limit` is how many rows are looked at, all without one."""

    def __init__(self, connection, root, *, limit=None, encoding=None, delimiter=None, sheet=None):
        self.connection, self.root, self.limit = connection, Path(root), limit
        self.encoding, self.delimiter, self.sheet = encoding, delimiter, sheet
        self.count, self.names = 0, set()
        connection.execute(f"SET file_search_path = {literal(self.root)}")

    def open(self, paths):
        """The Opened of a file, or of several files of one form; of a workbook one for each sheet.

        Raises RiskError that names the file and why it cannot be read.
        """
        path = paths[0]
        kind = path.name.removesuffix(".gz").lower()
        if kind.endswith(WORKBOOK):
            return self._workbook(path)
        if kind.endswith(ARFF):
            return [self._input(path, self._named(path.stem), {"kind": "arff", "file": self._relative(path)}, "Weka's ARFF")]
        return [self._text(paths) if kind.endswith(TEXT) else self._direct(paths, kind)]

    def _direct(self, paths, kind):
        reader = "read_parquet" if kind.endswith(PARQUET) else "read_json"
        return self._load(paths, f"{reader}({{}})", kind.rpartition(".")[2])

    def _text(self, paths):
        path = paths[0]
        look = look_at_text(path, encoding=self.encoding, delimiter=self.delimiter)
        how = f"{look.encoding}, {NAMES.get(look.delimiter, look.delimiter)} between columns"
        if look.encoding != "utf-8":
            return self._foreign(path, look, how)
        return msgspec.structs.replace(self._load(paths, f"read_csv({{}}, {_options(look)})", how), unsure=look.unsure, title=look.title)

    def _foreign(self, path, look, how):
        if look.skip or not look.names:
            raise RiskError(f"{path.name} is {look.encoding} and its header is not its first line: convert it to UTF-8, or take the lines before it out.")
        name = self._named(path.stem)
        entry = {"kind": "text", "file": self._relative(path), "encoding": look.encoding, "delimiter": look.delimiter}
        with tempfile.NamedTemporaryFile("w", suffix=".csv", encoding="utf-8", newline="") as copy:
            with open_text(path, look.encoding) as file:
                for part in iter(lambda: file.read(1 << 20), ""):
                    copy.write(part)
            copy.flush()
            opened = self._load([path], f"read_csv('{copy.name}', {_options(look)})", how)
        return msgspec.structs.replace(opened, relation=name, input=(name, entry), unsure=look.unsure)

    def _workbook(self, path):
        from pipeline.readers.excel import sheet_names

        names = sheet_names(path)
        if self.sheet and self.sheet not in names:
            raise RiskError(f"{path.name} has no sheet {self.sheet}: it has {', '.join(names)}.")
        wanted = [self.sheet] if self.sheet else names
        several = len(names) > 1
        return [self._input(path, self._named(f"{path.stem}_{sheet}" if several else path.stem),
                            {"kind": "excel", "file": self._relative(path), **({"sheet": sheet} if several else {})},
                            f"Excel, sheet {sheet}", label=sheet if several else path.stem) for sheet in wanted]

    def _input(self, path, name, entry, how, *, label=None):
        """A file that one of the project's readers opens: loaded by that reader, so that its types are what the SQL will see."""
        from pipeline.source_file import Input

        reader = importlib.import_module(f"pipeline.readers.{entry['kind']}")
        table = reader.read(msgspec.convert(entry, Input), self.root)
        # DuckDB registers nothing while a result, of which one row was asked, is not read to its end.
        self.connection.complete()
        self.connection.register("given", table)
        opened = self._load([path], "given", how, label=label)
        self.connection.complete()
        self.connection.unregister("given")
        return msgspec.structs.replace(opened, relation=name, input=(name, entry))

    def _load(self, paths, relation, how, *, label=None):
        """Load what `relation` reads, `{}` in it standing for the files.

        By their whole paths, because DuckDB would take a file of the same name in the working folder first; the SQL names them from the data folder.
        """
        self.count += 1
        table = f"file_{self.count}"
        limit = f" LIMIT {self.limit + 1}" if self.limit else ""
        whole = relation.replace("{}", self._place(paths, self.root.resolve()))
        try:
            self.connection.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT * FROM {whole}{limit}")
        except duckdb.Error as error:
            raise RiskError(f"{paths[0].name} cannot be read ({str(error).strip().splitlines()[0]}): correct the file, or name how it is written.") from None
        rows = self.connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        more = bool(self.limit) and rows > self.limit
        if more:
            self.connection.execute(f"DELETE FROM {table} WHERE rowid = {self.limit}")
        columns = tuple(read_columns(self.connection, table))
        file = self._relative(paths[0]) if len(paths) == 1 else _starred(self._relative(paths[0]))
        return Opened(label or paths[0].name.split(".")[0], file, relation.replace("{}", self._place(paths)), table, min(rows, self.limit or rows), more, how,
                      columns)

    def _named(self, stem):
        """A name for an input that no other has: files called by other letters than a to z would all be `file`."""
        plain_stem = _name(stem)
        name = next(each for each in (plain_stem, *(f"{plain_stem}_{number}" for number in range(2, 10_000))) if each not in self.names)
        self.names.add(name)
        return name

    def _relative(self, path):
        return str(path.relative_to(self.root)).replace("\\", "/")

    def _place(self, paths, root=None):
        """The files as SQL names them, below `root` where it is given: one name, a pattern where it means just these files, else a list."""
        names = [self._relative(path) for path in paths]
        pattern = _starred(names[0])
        if len(names) > 1 and root is None and sorted(glob.glob(pattern, root_dir=self.root)) == sorted(names):
            return _literal(pattern)
        written = [_literal(str(root / name) if root else name) for name in names]
        return written[0] if len(written) == 1 else f"[{', '.join(written)}]"


def find_files(path):
    """Files that can be read below a folder, in sets that differ only by digits in their names (2021.csv, 2022.csv), and the others' names."""
    files = sorted(file for file in path.rglob("*") if file.is_file() and not any(part.startswith(".") for part in file.relative_to(path).parts))
    readable = [file for file in files if file.name.removesuffix(".gz").lower().endswith(KNOWN)]
    sets = defaultdict(list)
    for file in readable:
        joins = file.name.removesuffix(".gz").lower().endswith((*TEXT, *PARQUET, *JSON))
        sets[_starred(str(file.relative_to(path))) if joins and _head(file) is not None else str(file)].append(file)
    alike = [group for files in sets.values() for group in _same_head(files)]
    return alike, [file for file in files if file not in readable]


def _same_head(files):
    by_head = defaultdict(list)
    for file in files:
        by_head[_head(file)].append(file)
    return list(by_head.values())


def _head(file):
    """What files of one form share: the first line of a text, the columns of a Parquet file."""
    if file.name.lower().endswith(PARQUET):
        import pyarrow.parquet as pq

        try:
            return tuple(pq.read_schema(file).names)
        except (OSError, ValueError):
            return None
    if file.name.lower().endswith(JSON):
        return file.suffix
    with file.open("rb") as opened:
        return opened.readline(100_000)


def _starred(name):
    return re.sub(r"\d+", "*", name)


def _options(look):
    header = f"skip = {look.skip}, " if look.skip else ""
    return f"delim = {_literal(look.delimiter)}, quote = '\"', {header}header = {'true' if look.names else 'false'}, all_varchar = true"


def _name(stem):
    name = re.sub("[^a-z0-9]+", "_", plain(stem)).strip("_")
    return name if re.match("[a-z]", name) else f"file_{name}".rstrip("_")


def _literal(text):
    return literal(text).replace("\t", "\\t")
