"""The feeder of whole books: DuckDB filters and sorts Parquet tables customer by customer, the kernel computes, Parquet comes out."""

import contextlib
import shutil
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.arrays import Category, Observations
from features.compute import compute
from features.context import Context
from features.errors import RiskError
from features.feeders.arrow import write_context
from features.feeders.bases import INDUSTRY, bases_of, knots_of
from features.feeders.reading import Reader, connect, described, fetch, moment, read_observations
from features.feeders.sql import literal, quoted
from features.feeders.writing import Columns, replacing, write_columns
from features.tables import TABLES

FEW_LEVELS = 50
# Enough to drown the calls, few enough for a term's column to stay in the processor's cache.
CHUNK_OBSERVATIONS = 8_192
# Observations in the order of time scatter each chunk over all pages of the scratch file: they are let go after several chunks, not after each.
RELEASED_CHUNKS = 8
# Three columns are made of each kind of transaction.
FEW_KINDS = 12


def columns_of(tables_dir, *, until=None):
    """What the tables of a folder hold: {table: {column: kind}}, kinds as in `features.tables`.

    Text beyond the contract is a category when it has few levels, else free text; a numeric column whose name ends in _id is an id. The
    `series` table also lists its series as columns "market:<name>" and "industry:<name>", and `transactions` its kinds, where they are few, as
    "kind=<level>". `until` (seconds, inclusive) leaves aside what became known later, so that a level of a later month makes no new column.
    """
    connection = connect(threads=1)
    found = {}
    for name, table in TABLES.items():
        path = Path(tables_dir) / f"{name}.parquet"
        if path.exists():
            found[name] = _columns_of_file(connection, path, table, until)
    if "series" in found:
        found["series"] |= _named_series(connection, Path(tables_dir) / "series.parquet", found["series"], until)
    if "kind" in found.get("transactions", ()):
        found["transactions"] |= _kinds(connection, Path(tables_dir) / "transactions.parquet", found["transactions"], until)
    connection.close()
    return found


def last_as_of(observations_path):
    """The last as_of of an observations file, whole seconds rounded down; None where it holds none."""
    latest = pc.max(pq.read_table(observations_path, columns=["as_of"])["as_of"].cast(pa.timestamp("us"))).as_py()
    return None if latest is None else int((latest - datetime(1970, 1, 1)).total_seconds() // 1)


def _columns_of_file(connection, path, table, until):
    described_columns = described(connection, path)
    known = _known(dict(described_columns), until)
    return {
        name: table.column(name).kind if table.column(name) else _kind_of(connection, path, name, kind, known)
        for name, kind in described_columns
    }


def _known(columns, until):
    """The condition under which a row was known, or an observation asked, by `until`, for a file with these columns."""
    if until is not None and "known_at" in columns:
        return f"known_at <= {moment(until)}"
    # an as_of is rounded down to its second
    return f"as_of < {moment(until + 1)}" if until is not None and "as_of" in columns else "true"


def _kinds(connection, path, columns, until):
    query = f"SELECT DISTINCT kind FROM {literal(path)} WHERE kind IS NOT NULL AND {_known(columns, until)} LIMIT {FEW_KINDS + 1}"
    levels = sorted(fetch(connection, query, path)["kind"].to_pylist())
    return {f"kind={level}": "flag" for level in levels} if len(levels) <= FEW_KINDS else {}


def _kind_of(connection, path, name, sql_type, known):
    if name.endswith("_id") or name == "id":
        return "id"
    if sql_type.startswith(("TIMESTAMP", "DATE", "TIME")):
        return "time"
    if sql_type == "BOOLEAN":
        return "flag"
    if sql_type != "VARCHAR":
        return "integer" if "INT" in sql_type else "number"
    levels = fetch(connection, f"SELECT DISTINCT {quoted(name)} FROM {literal(path)} WHERE {known} LIMIT {FEW_LEVELS + 1}", path)
    return "category" if len(levels) <= FEW_LEVELS else "text"


def _named_series(connection, path, columns, until):
    industry, unit = ("industry" if "industry" in columns else "NULL"), ("unit" if "unit" in columns else "NULL")
    query = f"""SELECT name, {industry} IS NOT NULL AS own, list(DISTINCT {unit}::VARCHAR) AS units
        FROM {literal(path)} WHERE {_known(columns, until)} GROUP BY ALL ORDER BY ALL"""
    rows = fetch(connection, query, path).to_pylist()
    for row in rows:
        _require_one_unit(row["name"], sorted(unit for unit in row["units"] if unit))
    return {f"{'industry' if row['own'] else 'market'}:{row['name']}": "number" for row in rows}


def _require_one_unit(name, units):
    if len(units) > 1:
        raise RiskError(f"series {name} comes in {len(units)} units ({', '.join(units)}): convert it to one, or give each unit a name of its own.")


def featurize(
    tables_dir, observations_path, out_path, *, catalogue, context_path=None, context=None, chunk_customers=2000, threads=2, progress=None
):
    """Write the catalogue's features of every observation as Parquet: observation_id and the catalogue's columns, in the observations'
    order.

    Without a `context` one is built from these observations (and, for counterparties, from the transactions known by their last as_of) and
    written to `context_path`, if given; the Context used is returned. Customers are taken `chunk_customers` at a time, so memory follows
    the chunk; `progress.update(n)` is told of every n observations done. Two runs over the same files write the same bytes; the file
    appears whole or not at all.
    Raises RiskError when a table or column that the catalogue needs is missing or a file cannot be read.
    """
    asked = read_observations(observations_path, catalogue)
    with _scratch(Path(out_path)) as scratch, contextlib.closing(connect(threads=threads)) as connection:
        connection.execute(f"SET temp_directory = {literal(scratch)}")
        reader = Reader(connection, Path(tables_dir), catalogue, asked)
        given = context if context is not None else Context(counterparties=reader.counterparties())
        columns = Columns(_with_bases(catalogue) if context is None else catalogue, len(asked), scratch)
        _fill(columns, reader, asked, given, chunk_customers, threads, progress)
        if context is None:
            given = Context(_peer_knots(bases_of(catalogue), columns, asked), given.counterparties)
            _fill_peers(catalogue, columns, asked, given, threads)
        write_columns(columns, catalogue, asked, Path(out_path))
    if context is None and context_path is not None:
        with replacing(Path(context_path)) as beside:
            write_context(given, beside)
    return given


def _with_bases(catalogue):
    """The catalogue without peer features, and with what they compare."""
    return catalogue.of([*(each for each in catalogue.features if each.scope != "peer"), *bases_of(catalogue).features])


def _fill(columns, reader, asked, context, chunk_customers, threads, progress):
    """Compute the columns chunk by chunk: one is read while others are computed, and they are stored in their order."""
    order = _by_customer(asked.code)
    ends = _chunk_ends(asked, chunk_customers)
    edges = np.searchsorted(asked.code if order is None else asked.code[order], [0, *ends])
    with ThreadPoolExecutor(max_workers=threads) as pool:
        waiting = deque()
        for number, records in enumerate(reader.chunks(ends)):
            low, high = edges[number : number + 2]
            chosen = slice(low, high) if order is None else np.sort(order[low:high])
            observations = _observations(asked, chosen, ends[number - 1] if number else 0)
            waiting.append((chosen, pool.submit(compute, columns.catalogue, records, observations, context=context)))
            while len(waiting) > threads:
                _store(columns, *waiting.popleft(), progress)
        while waiting:
            _store(columns, *waiting.popleft(), progress)


def _by_customer(code):
    """Positions that put observations by customer, None where they are."""
    return None if (code[1:] >= code[:-1]).all() else np.argsort(code, kind="stable")


def _chunk_ends(asked, chunk_customers):
    """Codes of customers at which chunks end: of at most so many customers, and of about CHUNK_OBSERVATIONS observations."""
    before = np.cumsum(np.bincount(asked.code, minlength=len(asked.customers)))
    ends, begin = [], 0
    while begin < len(before):
        full = int(np.searchsorted(before, (before[begin - 1] if begin else 0) + CHUNK_OBSERVATIONS, side="right"))
        begin = min(max(full, begin + 1), begin + chunk_customers, len(before))
        ends.append(begin)
    return ends


def _observations(asked, chosen, first):
    own = {name: _compact(column[chosen]) for name, column in asked.columns.items()}
    return Observations(asked.code[chosen] - first, asked.as_of[chosen], own)


def _store(columns, chosen, computed, progress):
    found = computed.result()
    for name, column in found.items():
        columns.put(name, chosen, column)
    columns.release(every=RELEASED_CHUNKS)
    if progress is not None:
        progress.update(len(next(iter(found.values()), ())))


def _compact(column):
    """A Category with only the levels it uses."""
    if not isinstance(column, Category):
        return column
    used, code = np.unique(column.codes[column.codes >= 0], return_inverse=True)
    codes = np.full(len(column), -1, dtype=np.int32)
    codes[column.codes >= 0] = code
    return Category(codes, tuple(column.levels[place] for place in used))


def _peer_knots(compared, columns, asked):
    return knots_of({name: columns.values(name) for name in compared.names}, asked.as_of)


def _fill_peers(catalogue, columns, asked, context, threads):
    peers = [each for each in catalogue.features if each.scope == "peer"]
    industry = columns.values(INDUSTRY) if any(len(each.how.parts) > 1 for each in peers) else None

    def placed(each):
        own = industry if len(each.how.parts) > 1 else None
        return context.quantiles([each.how.column], columns.values(f"base:{each.how.column}")[None], own, asked.as_of)[0]

    with ThreadPoolExecutor(max_workers=threads) as pool:
        columns.added.update(zip((each.name for each in peers), pool.map(placed, peers), strict=True))


@contextlib.contextmanager
def _scratch(out_path):
    """A folder beside the output, of a fixed name: what a killed run left there is removed by the next one."""
    folder = out_path.with_name(f".{out_path.name}.scratch")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield str(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
