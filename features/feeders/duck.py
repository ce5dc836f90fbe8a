"""The feeder of whole books: DuckDB filters and sorts Parquet tables customer by customer, the kernel computes, Parquet comes out."""

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.arrays import MISSING_TIME, Category, Observations, Records, seconds_down
from features.catalogue import Catalogue
from features.compute import compute, plan_of
from features.context import Context, quantile_knots, running_counts
from features.derived import SUPPORT
from features.errors import RiskError
from features.feature import feature
from features.feeders.arrow import as_array, as_codes, microseconds, write_context
from features.tables import TABLES

FEW_LEVELS = 50
SHARED_IDS = {"invoice_id": "invoices", "contract_id": "contracts"}
WRITE_ROWS = 65_536
MEMORY_LIMIT = "1GB"


def columns_of(tables_dir):
    """What the tables of a folder hold: {table: {column: kind}}, kinds as in `features.tables`.

    Text beyond the contract is a category when it has few levels, else free text; a numeric column whose name ends in _id is an id. The `series` table also
    lists its series as columns "market:<name>" and "industry:<name>".
    """
    connection = _connect(threads=1)
    found = {}
    for name, table in TABLES.items():
        path = Path(tables_dir) / f"{name}.parquet"
        if path.exists():
            found[name] = _columns_of_file(connection, path, table)
    if "series" in found:
        found["series"] |= _named_series(connection, Path(tables_dir) / "series.parquet", found["series"])
    connection.close()
    return found


def _columns_of_file(connection, path, table):
    return {name: table.column(name).kind if table.column(name) else _kind_of(connection, path, name, kind) for name, kind in _described(connection, path)}


def _described(connection, path):
    """Names and SQL types of a file's columns."""
    described = _fetch(connection, f"DESCRIBE SELECT * FROM '{path}'", path)
    return list(zip(described["column_name"].to_pylist(), described["column_type"].to_pylist()))


def _kind_of(connection, path, name, sql_type):
    if name.endswith("_id") or name == "id":
        return "id"
    if sql_type.startswith(("TIMESTAMP", "DATE", "TIME")):
        return "time"
    if sql_type == "BOOLEAN":
        return "flag"
    if sql_type != "VARCHAR":
        return "integer" if "INT" in sql_type else "number"
    levels = _fetch(connection, f"SELECT DISTINCT {_quoted(name)} FROM '{path}' LIMIT {FEW_LEVELS + 1}", path)
    return "category" if len(levels) <= FEW_LEVELS else "text"


def _named_series(connection, path, columns):
    industry = "industry" if "industry" in columns else "NULL"
    rows = _fetch(connection, f"SELECT DISTINCT name, {industry} IS NOT NULL AS own FROM '{path}' ORDER BY ALL", path)
    return {f"{'industry' if own else 'market'}:{name}": "number" for name, own in zip(rows["name"].to_pylist(), rows["own"].to_pylist())}


def featurize(tables_dir, observations_path, out_path, *, catalogue, context_path=None, context=None, chunk_customers=2000, threads=2, progress=None):
    """Write the catalogue's features of every observation as Parquet: observation_id and the catalogue's columns, in the observations' order.

    Without a `context` one is built from these observations (and, for counterparties, from the transactions known by their last as_of) and written to
    `context_path`, if given; the Context used is returned. Customers are taken `chunk_customers` at a time, so memory follows the chunk; `progress.update(n)`
    is told of every n observations done. Two runs over the same files write the same bytes; the file appears whole or not at all.
    Raises RiskError when a table or column that the catalogue needs is missing or a file cannot be read.
    """
    asked = _read_observations(observations_path, catalogue)
    connection = _connect(threads=threads)
    with tempfile.TemporaryDirectory(dir=Path(out_path).parent, prefix=".featurize-") as scratch:
        connection.execute(f"SET temp_directory = '{scratch}'")
        reader = _Reader(connection, Path(tables_dir), catalogue, asked)
        given = context if context is not None else Context(counterparties=reader.counterparties())
        columns = _Columns(_with_bases(catalogue) if context is None else catalogue, len(asked), scratch)
        _fill(columns, reader, asked, given, chunk_customers, progress)
        if context is None:
            given = Context(_peer_knots(catalogue, columns, asked), given.counterparties)
            _fill_peers(catalogue, columns, asked, given)
        _write(columns, catalogue, asked, Path(out_path))
    connection.close()
    if context is None and context_path is not None:
        with _replacing(Path(context_path)) as beside:
            write_context(given, beside)
    return given


@dataclass(frozen=True)
class _Asked:
    """The observations of a run: ids (n), distinct customers ascending, each observation's code into them, as_of (n,) seconds, own columns."""

    ids: pa.Array
    customers: pa.Array
    code: np.ndarray
    as_of: np.ndarray
    columns: dict

    def __len__(self):
        return len(self.code)


def _read_observations(path, catalogue):
    own = catalogue.needs.get("observations", ())
    names = ["observation_id", "customer_id", "as_of", *own]
    try:
        present = pq.read_schema(path).names
        lacking = [name for name in names if name not in present]
        if lacking:
            raise RiskError(f"Observations {path} lack the column {', '.join(lacking)}; the catalogue of {catalogue.use_case} needs it.")
        table = pq.read_table(path, columns=names)
    except (OSError, pa.ArrowInvalid) as error:
        raise RiskError(f"Observations {path} cannot be read ({str(error).splitlines()[0]}); run the stage that writes them again.") from None
    as_of = seconds_down(microseconds(table["as_of"]))
    customers = pc.unique(table["customer_id"])
    if (as_of == MISSING_TIME).any() or customers.null_count:
        raise RiskError(f"Observations {path}: {int((as_of == MISSING_TIME).sum())} rows lack as_of or some lack customer_id; every observation needs both.")
    customers = customers.take(pc.sort_indices(customers))
    code, _ = as_codes(table["customer_id"], owner=customers)
    return _Asked(table["observation_id"], customers, code, as_of, {name: as_array(table[name]) for name in own})


class _Reader:
    """Reads the rows of some customers from the tables, only what the catalogue needs and what was known by the last as_of."""

    def __init__(self, connection, folder, catalogue, asked):
        self.connection, self.folder, self.asked = connection, folder, asked
        self.needs = {table: names for table, names in catalogue.needs.items() if table != "observations"}
        self.until = int(asked.as_of.max(initial=0))
        self.since = _oldest_needed(catalogue, asked)
        self.present = {table: self._columns(table) for table in self.needs}
        self.named = any(each.scope == "counterparty" for each in catalogue.features)

    def _columns(self, table):
        path = self._path(table)
        if not path.exists():
            raise RiskError(f"Table {table} is missing: there is no {path}; ingest it or build the catalogue from the tables that are there.")
        return [name for name, _ in _described(self.connection, path)]

    def _path(self, table):
        return self.folder / f"{table}.parquet"

    def records(self, first, last):
        """Records of the customers with codes first to last - 1."""
        chunk = pa.table({"customer_id": self.asked.customers[first:last], "entity": np.arange(last - first)})
        self.connection.register("chunk", chunk)
        owners, tables = {}, {}
        for table in sorted(self.needs, key=lambda name: name not in SHARED_IDS.values()):
            tables[table] = self._rows(table, owners)
        self.connection.unregister("chunk")
        return Records((), tables)

    def _rows(self, table, owners):
        arrow = _fetch(self.connection, self._query(table), self._path(table))
        rows = {}
        for name in arrow.column_names:
            if name in SHARED_IDS:
                rows[name], ids = as_codes(arrow[name], owners.get(name))
                owners.setdefault(name, ids)
            else:
                rows[name] = as_array(arrow[name])
        return rows

    def _query(self, table):
        contract, present = TABLES[table], self.present[table]
        wanted = [contract.occurred, "known_at", *contract.filled, *self.needs[table], *SUPPORT.get(table, ())]
        names = [name for name in dict.fromkeys(wanted) if name in present]
        conditions = [f"rows.{_quoted(name)} IS NOT NULL" for name in contract.filled if name in present]
        conditions.append(f"rows.known_at <= {_moment(self.until)}")
        if table in self.since:
            conditions.append(f"rows.{contract.occurred} > {_moment(self.since[table] - 1)}")
        own = "customer_id" in present
        order = [f"rows.{_quoted(name)}" for name in contract.order if name in present]
        return f"""SELECT {'chunk.entity' if own else '0::BIGINT AS entity'}, {', '.join(f'rows.{_quoted(name)}' for name in names)}
            FROM '{self._path(table)}' AS rows {self._join(own)}
            WHERE {' AND '.join(conditions)} ORDER BY {', '.join((['chunk.entity'] if own else []) + order)}"""

    def _join(self, own):
        return "JOIN chunk ON rows.customer_id = chunk.customer_id" if own else ""

    def counterparties(self):
        """Dated counts of all counterparties' transactions and known frauds up to the last as_of; None where no feature asks for them."""
        if not self.named:
            return None
        begin = int(self.asked.as_of.min(initial=self.until)) - 2 * 365 * 86_400
        known = f"known_at <= {_moment(self.until)} AND counterparty_id IS NOT NULL"
        path = self._path("transactions")
        seen = _fetch(self.connection, f"SELECT counterparty_id, known_at FROM '{path}' WHERE {known}", path)
        levels = pc.unique(seen["counterparty_id"])
        levels = levels.take(pc.sort_indices(levels))
        code, _ = as_codes(seen["counterparty_id"], owner=levels)
        fraud_code, fraud_known = self._frauds(levels)
        return running_counts(levels.to_pylist(), code, as_array(seen["known_at"]), fraud_code, fraud_known, begin=begin, end=self.until)

    def _frauds(self, levels):
        outcomes = self._path("outcomes")
        if not outcomes.exists():
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        frauds = _fetch(self.connection, f"""SELECT judged.counterparty_id, greatest(outcome.known_at, judged.known_at) AS known_at
            FROM '{outcomes}' AS outcome JOIN '{self._path("transactions")}' AS judged ON outcome.transaction_id = judged.transaction_id
            WHERE outcome.kind = 'fraud' AND greatest(outcome.known_at, judged.known_at) <= {_moment(self.until)}""",
                        outcomes)
        return as_codes(frauds["counterparty_id"], owner=levels)[0], as_array(frauds["known_at"])


def _oldest_needed(catalogue, asked):
    """Seconds before which rows of a table fall out of every window, for tables of which nothing but windows is asked."""
    oldest, earliest = {}, int(asked.as_of.min(initial=0))
    for term, _ in plan_of(catalogue).steps:
        if term.table in TABLES:
            reach = earliest - term.span if term.op == "window" and term.table != "invoices" else MISSING_TIME
            oldest[term.table] = min(oldest.get(term.table, reach), reach)
    built = {"payments"} if "invoices" in catalogue.needs else set()
    return {table: since for table, since in oldest.items() if since > MISSING_TIME and table not in built}


def _with_bases(catalogue):
    """The catalogue without peer features, and with what they compare: hidden columns named "base:<feature>" and "base:industry"."""
    peers = [each for each in catalogue.features if each.scope == "peer"]
    kept = [each for each in catalogue.features if each.scope != "peer"]
    about = {"unit": "", "factor": "background", "missing": ""}
    hidden = {f"base:{each.how.column}": feature(f"base:{each.how.column}", each.how.parts[0], **about) for each in peers}
    industry = {"base:industry": feature("base:industry", each.how.parts[1], kind="category", **about) for each in peers if len(each.how.parts) > 1}
    return Catalogue(catalogue.use_case, [*kept, *hidden.values(), *industry.values()])


class _Columns:
    """The columns of all observations, kept in a scratch file so that they need not fit into memory; categories as codes with growing levels."""

    def __init__(self, catalogue, count, scratch):
        self.catalogue, self.place = catalogue, {name: number for number, name in enumerate(catalogue.names)}
        self.matrix = np.memmap(os.path.join(scratch, "columns"), dtype=np.float64, mode="w+", shape=(len(catalogue), max(count, 1)))
        self.levels = {each.name: {} for each in catalogue.features if each.kind == "category"}
        self.added = {}

    def put(self, name, rows, column):
        """Store a column's values at these observations."""
        self.matrix[self.place[name], rows] = self._global(name, column) if isinstance(column, Category) else column

    def _global(self, name, column):
        known = self.levels[name]
        table = np.array([*(known.setdefault(level, len(known)) for level in column.levels), -1])
        return table[column.codes]

    def numbers(self, name, begin=0, end=None):
        """Values of a number column."""
        return self.added[name][begin:end] if name in self.added else np.asarray(self.matrix[self.place[name], begin:end])

    def category(self, name, begin=0, end=None):
        """Values of a category column."""
        codes = self.matrix[self.place[name], begin:end].astype(np.int32)
        return Category(codes, tuple(self.levels[name]))


def _fill(columns, reader, asked, context, chunk_customers, progress):
    order = np.argsort(asked.code, kind="stable")
    first = np.arange(0, len(asked.customers), chunk_customers)
    edges = np.searchsorted(asked.code[order], np.append(first, len(asked.customers)))
    for number, records in enumerate(_read_ahead(reader, first, chunk_customers)):
        chosen = np.sort(order[edges[number]:edges[number + 1]])
        _fill_chunk(columns, records, asked, chosen, first[number], context)
        if progress is not None:
            progress.update(len(chosen))


def _read_ahead(reader, first, size):
    """Records of each chunk of customers; the next chunk is read while one is computed."""
    with ThreadPoolExecutor(max_workers=1) as reading:
        ahead = [reading.submit(reader.records, begin, min(begin + size, len(reader.asked.customers))) for begin in first[:1]]
        for begin in first[1:]:
            records = ahead.pop().result()
            ahead.append(reading.submit(reader.records, begin, min(begin + size, len(reader.asked.customers))))
            yield records
        yield from (each.result() for each in ahead)


def _fill_chunk(columns, records, asked, chosen, first, context):
    observations = Observations(asked.code[chosen] - first, asked.as_of[chosen], {name: _compact(column[chosen]) for name, column in asked.columns.items()})
    for name, column in compute(columns.catalogue, records, observations, context=context).items():
        columns.put(name, chosen, column)


def _compact(column):
    """A Category with only the levels it uses."""
    if not isinstance(column, Category):
        return column
    used, code = np.unique(column.codes[column.codes >= 0], return_inverse=True)
    codes = np.full(len(column), -1, dtype=np.int32)
    codes[column.codes >= 0] = code
    return Category(codes, tuple(column.levels[place] for place in used))


def _peer_knots(catalogue, columns, asked):
    bases = {each.how.column: columns.numbers(f"base:{each.how.column}") for each in catalogue.features if each.scope == "peer"}
    return quantile_knots(bases, _industry(columns), asked.as_of) if len(asked) else {}


def _industry(columns):
    return columns.category("base:industry") if "base:industry" in columns.place else None


def _fill_peers(catalogue, columns, asked, context):
    for each in catalogue.features:
        if each.scope == "peer":
            industry = _industry(columns) if len(each.how.parts) > 1 else None
            columns.added[each.name] = context.quantiles(each.how.column, columns.numbers(f"base:{each.how.column}"), industry, asked.as_of)


def _write(columns, catalogue, asked, out_path):
    schema = pa.schema([("observation_id", pa.string()), *((each.name, pa.string() if each.kind == "category" else pa.float64()) for each in catalogue.features)])
    texts = [name for name, kind in zip(schema.names, schema.types) if kind == pa.string()]
    with _replacing(out_path) as beside, pq.ParquetWriter(beside, schema, compression="snappy", use_dictionary=texts) as writer:
        for begin in range(0, len(asked), WRITE_ROWS):
            end = min(begin + WRITE_ROWS, len(asked))
            ids = asked.ids[begin:end].cast(pa.string()).combine_chunks()
            writer.write_table(pa.table([ids, *(_arrow(columns, each, begin, end) for each in catalogue.features)], schema=schema))


def _arrow(columns, each, begin, end):
    if each.kind == "category":
        column = columns.category(each.name, begin, end)
        levels = pa.array([*column.levels, None], pa.string())
        return levels.take(pa.array(np.where(column.codes < 0, len(column.levels), column.codes)))
    values = columns.numbers(each.name, begin, end)
    return pa.array(values, pa.float64())


@contextmanager
def _replacing(path):
    """A name beside `path` that takes its place when all went well and disappears when not."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield beside
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def _connect(*, threads):
    connection = duckdb.connect()
    connection.execute(f"SET threads = {int(threads)}; SET memory_limit = '{MEMORY_LIMIT}'; SET TimeZone = 'UTC'")
    return connection


def _moment(seconds):
    return f"make_timestamp({seconds * 1_000_000}::BIGINT)"


def _fetch(connection, query, path):
    """The Arrow table of a query over one file.

    Raises RiskError when the file cannot be read as one.
    """
    try:
        return connection.sql(query).to_arrow_table()
    except duckdb.Error as error:
        raise RiskError(f"{path} cannot be read as a table ({str(error).splitlines()[0]}); ingest it again.") from None


def _quoted(name):
    return '"' + name.replace('"', '""') + '"'
