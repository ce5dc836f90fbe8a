"""Reading for a whole book: the observations asked, and the rows of some customers at a time, filtered and sorted by DuckDB."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.arrays import MISSING_TIME, Records, seconds_down
from features.compute import plan_of
from features.context import running_counts
from features.derived import SUPPORT
from features.errors import RiskError
from features.feeders.arrow import as_array, as_codes, microseconds
from features.feeders.sql import literal, quoted
from features.tables import TABLES

SHARED_IDS = {"invoice_id": "invoices", "contract_id": "contracts"}
MEMORY_LIMIT = "1GB"


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
    """Reads the rows of some customers from the tables, only what the catalogue needs and what was known by the last as_of."""

    def __init__(self, connection, folder, catalogue, asked):
        self.connection, self.folder, self.asked = connection, folder, asked
        self.needs = {table: names for table, names in catalogue.needs.items() if table != "observations"}
        self.until = int(asked.as_of.max(initial=0))
        self.since = oldest_needed(catalogue, int(asked.as_of.min(initial=0)))
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

    def records(self, first, last):
        """Records of the customers with codes first to last - 1."""
        chunk = pa.table({"customer_id": self.asked.customers[first:last], "entity": np.arange(last - first)})
        self.connection.register("chunk", chunk)
        owners, tables = {}, {}
        for table in sorted(self.needs, key=lambda name: name not in SHARED_IDS.values()):
            tables[table] = self._rows(table, owners)
        self.connection.unregister("chunk")
        return Records(tuple(self.asked.customers[first:last].to_pylist()), tables)

    def _rows(self, table, owners):
        arrow = fetch(self.connection, self._query(table), self._path(table))
        contract, rows = TABLES[table], {"entity": as_array(arrow["entity"])}
        for name in arrow.column_names[1:]:
            if name in SHARED_IDS:
                rows[name], ids = as_codes(arrow[name], owners.get(name))
                owners.setdefault(name, ids)
            else:
                rows[name] = as_array(arrow[name]) if contract.column(name) else _as_given(arrow[name])
        return rows

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
        return f"""SELECT {"chunk.entity" if own else "0::BIGINT AS entity"}, {", ".join(f"rows.{quoted(name)}" for name in names)}
            FROM {literal(self._path(table))} AS rows {self._join(own)}
            WHERE {" AND ".join(conditions)} ORDER BY {", ".join((["chunk.entity"] if own else []) + order)}"""

    def _join(self, own):
        return "JOIN chunk ON rows.customer_id = chunk.customer_id" if own else ""

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
    for term, _ in plan_of(catalogue).steps:
        if term.table in TABLES and term.op != "counterparty":
            reach = earliest - term.span if term.op == "window" and term.table != "invoices" else MISSING_TIME
            oldest[term.table] = min(oldest.get(term.table, reach), reach)
    built = {"payments"} if "invoices" in catalogue.needs else set()
    return {table: since for table, since in oldest.items() if since > MISSING_TIME and table not in built}


def read_ahead(reader, first, size):
    """Records of each chunk of customers; the next chunk is read while one is computed."""
    with ThreadPoolExecutor(max_workers=1) as reading:
        ahead = [reading.submit(reader.records, begin, min(begin + size, len(reader.asked.customers))) for begin in first[:1]]
        for begin in first[1:]:
            records = ahead.pop().result()
            ahead.append(reading.submit(reader.records, begin, min(begin + size, len(reader.asked.customers))))
            yield records
        yield from (each.result() for each in ahead)


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
        raise RiskError(f"{path} cannot be read as a table ({str(error).splitlines()[0]}); ingest it again.") from None


def described(connection, path):
    """Names and SQL types of a file's columns."""
    answer = fetch(connection, f"DESCRIBE SELECT * FROM {literal(path)}", path)
    return list(zip(answer["column_name"].to_pylist(), answer["column_type"].to_pylist(), strict=True))
