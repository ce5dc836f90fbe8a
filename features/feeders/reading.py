"""Reading for a whole book: the observations asked, and the rows of some customers at a time, filtered and sorted by DuckDB."""

from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import pairwise

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features.arrays import DAY, MISSING_TIME, Records, seconds_down
from features.errors import RiskError
from features.feeders.arrow import as_array, as_codes, as_kernel_column, distinct_ascending, microseconds
from features.feeders.bases import counted_since, counterparties_of
from features.feeders.needs import needed, oldest_needed, require_counted, zoned_moments
from features.feeders.sql import literal, quoted
from features.tables import TABLES

MEMORY_LIMIT = "1GB"
STREAM_ROWS = 200_000


@dataclass(frozen=True)
class Asked:
    """The observations of a run: ids (n), distinct customers ascending, each observation's code into them, as_of (n,) seconds, own
    columns."""

    ids: pa.Array
    customers: pa.Array
    code: np.ndarray
    as_of: np.ndarray
    columns: dict

    def __len__(self):
        return len(self.code)


def read_observations(path, catalogue):
    """The observations of a Parquet file with the own columns that the catalogue needs.

    Raises RiskError when the file cannot be read, lacks a column, or a row lacks customer_id or as_of.
    """
    own = catalogue.needs.get("observations", ())
    names = ["observation_id", "customer_id", "as_of", *own]
    try:
        present = pq.read_schema(path).names
        lacking = [name for name in names if name not in present]
        if lacking:
            raise RiskError(f"Observations {path} lack the column {', '.join(lacking)}; the catalogue of {catalogue.use_case} needs it.")
        table = pq.read_table(path, columns=names)
    except (OSError, pa.ArrowInvalid) as error:
        raise RiskError(
            f"Observations {path} cannot be read ({str(error).splitlines()[0]}); run the stage that writes them again."
        ) from None
    as_of = seconds_down(microseconds(table["as_of"]))
    gaps = {"as_of": int((as_of == MISSING_TIME).sum()), "customer_id": table["customer_id"].null_count}
    if any(gaps.values()):
        raise RiskError(
            f"Observations {path}: {gaps['as_of']} rows lack as_of and {gaps['customer_id']} lack customer_id; "
            "every observation needs both."
        )
    customers = distinct_ascending(table["customer_id"])
    code, _ = as_codes(table["customer_id"], owner=customers)
    return Asked(table["observation_id"], customers, code, as_of, {name: as_array(table[name]) for name in own})


class Reader:
    """Reads the tables customer by customer, only what the catalogue needs and what was known by the last as_of."""

    def __init__(self, connection, folder, catalogue, asked):
        self.connection, self.folder, self.asked = connection, folder, asked
        self.until = int(asked.as_of.max(initial=0))
        self.earliest = int(asked.as_of.min(initial=self.until))
        self.since = oldest_needed(catalogue, self.earliest)
        self.needs = needed(catalogue, {table: self._columns(table) for table in catalogue.needs if table != "observations"})
        for table, need in self.needs.items():
            self._require_no_zones(table, need.carried)
        self.named = any(each.scope == "counterparty" for each in catalogue.features)

    def _columns(self, table):
        path = self._path(table)
        if not path.exists():
            raise RiskError(
                f"Table {table} is missing: there is no {path}; ingest it or build the catalogue from the tables that are there."
            )
        return [name for name, _ in described(self.connection, path)]

    def _path(self, table):
        return self.folder / f"{table}.parquet"

    def chunks(self, ends):
        """Records of the customers up to each of the ascending codes `ends`, one after the other; codes in them count from the one before."""
        chosen = pa.table({"customer_id": self.asked.customers, "entity": np.arange(len(self.asked.customers), dtype=np.int32)})
        self.connection.register("chosen", chosen)
        # a table, since cursors do not see what another one registered
        self.connection.execute("CREATE OR REPLACE TABLE asked AS SELECT * FROM chosen")
        with ExitStack() as opened:
            streams = {name: opened.enter_context(closing(self._stream(need))) for name, need in self.needs.items()}
            for begin, end in pairwise([0, *ends]):
                owners = {}
                tables = {name: _rows(TABLES[name], stream.until(end), begin, owners) for name, stream in streams.items()}
                yield Records(tuple(self.asked.customers[begin:end].to_pylist()), tables)

    def _stream(self, need):
        query, path = self._query(need), self._path(need.table)
        return Stream(self.connection.cursor(), query, path) if need.owned else Shared(fetch(self.connection, query, path))

    def _query(self, need):
        """A table's rows in the kernel's order: sorted here, where DuckDB can spill, and not again."""
        # nothing asked can read what is known later or lies before every window: pruned before it is sorted
        conditions = [*(f"{_of_rows(name)} IS NOT NULL" for name in need.filled), f"rows.known_at <= {moment(self.until)}"]
        if need.table in self.since:
            conditions.append(f"{_of_rows(TABLES[need.table].occurred)} > {moment(self.since[need.table] - 1)}")
        entity, joined, by_customer = "asked.entity", "JOIN asked ON rows.customer_id = asked.customer_id", ["asked.entity"]
        if not need.owned:
            entity, joined, by_customer = "0::INTEGER AS entity", "", []
        return f"""SELECT {", ".join([entity, *map(_of_rows, need.columns)])} FROM {literal(self._path(need.table))} AS rows {joined}
            WHERE {" AND ".join(conditions)} ORDER BY {", ".join([*by_customer, *map(_of_rows, need.order)])}"""

    def counterparties(self):
        """Dated counts of all counterparties' transactions and known frauds up to the last as_of; None where no feature asks for them."""
        if not self.named:
            return None
        begin = counted_since(self.earliest) // DAY
        # a day counts from the next midnight on, like every moment rounded up; whole numbers add up exactly in any order
        counts = f"""SELECT counterparty_id, greatest(datediff('day', DATE '1970-01-01', known_at::DATE) + (known_at > known_at::DATE)::BIGINT, {begin}) AS day,
            count(*) FILTER (NOT fraud) AS count, count(*) FILTER (fraud) AS frauds
            FROM ({self._judged()}) WHERE known_at <= {moment(self.until)} AND counterparty_id IS NOT NULL GROUP BY ALL"""
        return counterparties_of(fetch(self.connection, counts, self._path("transactions")), earliest=self.earliest, latest=self.until)

    def _judged(self):
        """A query of one row per transaction, and one more for each fraud among them: counterparty_id, known_at, fraud."""
        transactions, outcomes = self._path("transactions"), self._path("outcomes")
        self._require_counted("transactions")
        rows = f"SELECT counterparty_id, known_at::TIMESTAMP AS known_at, false AS fraud FROM {literal(transactions)}"
        if not outcomes.exists():
            return rows
        self._require_counted("outcomes")
        return f"""{rows} UNION ALL SELECT judged.counterparty_id, greatest(outcome.known_at::TIMESTAMP, judged.known_at::TIMESTAMP), true
            FROM {literal(outcomes)} AS outcome JOIN {literal(transactions)} AS judged ON outcome.transaction_id = judged.transaction_id
            WHERE outcome.kind = 'fraud'"""

    def _require_counted(self, table):
        require_counted(table, self._columns(table))
        self._require_no_zones(table, ("known_at",))

    def _require_no_zones(self, table, names):
        path = self._path(table)
        zoned = [name for name, kind in described(self.connection, path) if name in names and kind == "TIMESTAMP WITH TIME ZONE"]
        if zoned:
            count = fetch(self.connection, f"SELECT count({quoted(zoned[0])}) FROM {literal(path)}", path)[0][0].as_py()
            raise zoned_moments(table, zoned[0], count)


class Stream:
    """The rows of one table by customer, read on as they are asked for: DuckDB sorts, spilling to disk, and hands over some rows at a time."""

    def __init__(self, connection, query, path):
        self._connection, self._path, self._batches = connection, path, []
        try:
            self._reader = connection.sql(query).to_arrow_reader(STREAM_ROWS)
        except duckdb.Error as error:
            raise _unreadable(path, error) from None
        self._schema = self._reader.schema

    def until(self, end):
        """The next rows, those of customers with codes below `end`, an Arrow table."""
        found = []
        while (batch := self._next()) is not None:
            below = int(np.searchsorted(batch["entity"].to_numpy(), end))
            found.append(batch.slice(0, below))
            if below < len(batch):
                self._batches.append(batch.slice(below))
                break
        return pa.Table.from_batches(found, schema=self._schema)

    def _next(self):
        if self._batches:
            return self._batches.pop()
        try:
            return next(self._reader, None)
        except (duckdb.Error, OSError, pa.ArrowException) as error:
            raise _unreadable(self._path, error) from None

    def close(self):
        """Give up what is still held of the answer."""
        self._reader.close()
        self._connection.close()


class Shared:
    """A table without customers: every chunk reads all of it."""

    def __init__(self, rows):
        self._rows = rows

    def until(self, end):
        """All rows."""
        return self._rows

    def close(self):
        """Nothing is held."""


def _rows(contract, arrow, begin, owners):
    """A table's rows as the kernel's arrays; customers' codes count from `begin`."""
    rows = {name: as_kernel_column(contract, name, arrow[name], owners) for name in arrow.column_names[1:]}
    return {"entity": np.maximum(arrow["entity"].to_numpy().astype(np.int64) - begin, 0), **rows}


def _of_rows(name):
    return f"rows.{quoted(name)}"


def connect(*, threads):
    """An in-memory DuckDB connection in UTC with that many threads and bounded memory."""
    connection = duckdb.connect()
    connection.execute(f"SET threads = {int(threads)}; SET memory_limit = '{MEMORY_LIMIT}'; SET TimeZone = 'UTC'")
    return connection


def moment(seconds):
    """A moment in seconds as SQL takes it."""
    return f"make_timestamp({seconds * 1_000_000}::BIGINT)"


def fetch(connection, query, path):
    """The Arrow table of a query over one file.

    Raises RiskError when the file cannot be read as one.
    """
    try:
        return connection.sql(query).to_arrow_table()
    except duckdb.Error as error:
        raise _unreadable(path, error) from None


def _unreadable(path, error):
    return RiskError(f"{path} cannot be read as a table ({str(error).splitlines()[0]}); ingest it again.")


def described(connection, path):
    """Names and SQL types of a file's columns."""
    answer = fetch(connection, f"DESCRIBE SELECT * FROM {literal(path)}", path)
    return list(zip(answer["column_name"].to_pylist(), answer["column_type"].to_pylist(), strict=True))
