"""Reading for a whole book: the observations asked, and the rows of some customers at a time, filtered and sorted by DuckDB."""

from dataclasses import dataclass
from itertools import pairwise

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.arrays import MISSING_TIME, Records, seconds_down
from features.context import running_counts
from features.derived import SUPPORT
from features.errors import RiskError
from features.feeders.arrow import as_array, as_codes, microseconds
from features.feeders.sql import literal, quoted
from features.plan import plan_of, reading_terms
from features.tables import TABLES

SHARED_IDS = {"invoice_id": "invoices", "contract_id": "contracts"}
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
    customers = pc.unique(table["customer_id"])
    customers = customers.take(pc.sort_indices(customers))
    code, _ = as_codes(table["customer_id"], owner=customers)
    return Asked(table["observation_id"], customers, code, as_of, {name: as_array(table[name]) for name in own})


class Reader:
    """Reads the tables customer by customer, only what the catalogue needs and what was known by the last as_of."""

    def __init__(self, connection, folder, catalogue, asked):
        self.connection, self.folder, self.asked = connection, folder, asked
        self.needs = {table: names for table, names in catalogue.needs.items() if table != "observations"}
        self.until = int(asked.as_of.max(initial=0))
        self.since = oldest_needed(catalogue, int(asked.as_of.min(initial=self.until)))
        self.present = {table: self._columns(table) for table in self.needs}
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
        # a table of shared ids first, so that others are told in its codes
        names = sorted(self.needs, key=lambda name: name not in SHARED_IDS.values())
        streams = {name: self._stream(name) for name in names}
        for begin, end in pairwise([0, *ends]):
            owners = {}
            tables = {name: _rows(TABLES[name], streams[name].until(end), begin, owners) for name in names}
            yield Records(tuple(self.asked.customers[begin:end].to_pylist()), tables)
        for stream in streams.values():
            stream.close()

    def _stream(self, table):
        if "customer_id" not in self.present[table]:
            return Shared(fetch(self.connection, self._query(table), self._path(table)))
        return Stream(self.connection.cursor(), self._query(table), self._path(table))

    def _query(self, table):
        contract, present = TABLES[table], self.present[table]
        wanted = [contract.occurred, "known_at", *contract.filled, *self.needs[table], *SUPPORT.get(table, ())]
        names = [name for name in dict.fromkeys(wanted) if name in present]
        conditions = [f"rows.{quoted(name)} IS NOT NULL" for name in contract.filled if name in present]
        # nothing asked can read what is known later or lies before every window: pruned before it is sorted
        conditions.append(f"rows.known_at <= {moment(self.until)}")
        if table in self.since:
            conditions.append(f"rows.{contract.occurred} > {moment(self.since[table] - 1)}")
        own = "customer_id" in present
        order = [f"rows.{quoted(name)}" for name in contract.order if name in present]
        return f"""SELECT {"asked.entity" if own else "0::INTEGER AS entity"}, {", ".join(f"rows.{quoted(name)}" for name in names)}
            FROM {literal(self._path(table))} AS rows {"JOIN asked ON rows.customer_id = asked.customer_id" if own else ""}
            WHERE {" AND ".join(conditions)} ORDER BY {", ".join((["asked.entity"] if own else []) + order)}"""

    def counterparties(self):
        """Dated counts of all counterparties' transactions and known frauds up to the last as_of; None where no feature asks for them."""
        if not self.named:
            return None
        # twice the longest window: older counts only matter as one sum
        begin = int(self.asked.as_of.min(initial=self.until)) - 2 * 365 * 86_400
        known = f"known_at <= {moment(self.until)} AND counterparty_id IS NOT NULL"
        path = self._path("transactions")
        seen = fetch(self.connection, f"SELECT counterparty_id, known_at FROM {literal(path)} WHERE {known}", path)
        levels = pc.unique(seen["counterparty_id"])
        levels = levels.take(pc.sort_indices(levels))
        code, _ = as_codes(seen["counterparty_id"], owner=levels)
        fraud_code, fraud_known = self._frauds(levels)
        return running_counts(levels.to_pylist(), code, as_array(seen["known_at"]), fraud_code, fraud_known, begin=begin, end=self.until)

    def _frauds(self, levels):
        outcomes = self._path("outcomes")
        if not outcomes.exists():
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        frauds = fetch(
            self.connection,
            f"""SELECT judged.counterparty_id, greatest(outcome.known_at, judged.known_at) AS known_at
            FROM {literal(outcomes)} AS outcome
            JOIN {literal(self._path("transactions"))} AS judged ON outcome.transaction_id = judged.transaction_id
            WHERE outcome.kind = 'fraud' AND greatest(outcome.known_at, judged.known_at) <= {moment(self.until)}""",
            outcomes,
        )
        return as_codes(frauds["counterparty_id"], owner=levels)[0], as_array(frauds["known_at"])


def _as_given(chunked):
    """A column beyond the contract; whole numbers as floats, as one customer's rows give them, since nobody says they are amounts to add up exactly."""
    return as_array(chunked.cast(pa.float64(), safe=False) if pa.types.is_integer(chunked.type) else chunked)


def oldest_needed(catalogue, earliest):
    """Seconds before which rows of a table fall out of every window of observations from `earliest` on, by when they occurred.

    Only tables of which nothing but windows is asked are named: of the others any row may still matter.
    """
    oldest = {}
    for term in reading_terms(plan_of(catalogue)):
        if term.table in TABLES and term.op != "counterparty":
            reach = earliest - term.span if term.op == "window" and term.table != "invoices" else MISSING_TIME
            oldest[term.table] = min(oldest.get(term.table, reach), reach)
    built = {"payments"} if "invoices" in catalogue.needs else set()
    return {table: since for table, since in oldest.items() if since > MISSING_TIME and table not in built}


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
        while batch := self._next():
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
    """A table's rows as the kernel's arrays; customers' codes count from `begin`, ids of `owners` are told in their codes."""
    rows = {}
    for name in arrow.column_names:
        if name in SHARED_IDS:
            rows[name], ids = as_codes(arrow[name], owners.get(name))
            owners.setdefault(name, ids)
        elif name == "entity":
            rows[name] = np.maximum(arrow[name].to_numpy().astype(np.int64) - begin, 0)
        else:
            rows[name] = as_array(arrow[name]) if contract.column(name) else _as_given(arrow[name])
    return rows


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
