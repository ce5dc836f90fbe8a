"""`risk inbox export`: the events that the service stored, as files that the next ingest reads with the source's rows."""

import pyarrow as pa
import pyarrow.parquet as pq

from features.tables import TABLES
from pipeline.datasets import replacing
from pipeline.ingest import EVENTS, INBOX
from pipeline.params import load_params
from pipeline.promote import open_store
from serving.inbound import ACCEPTED
from serving.incoming import Incoming
from serving.values import parse_moment

TYPES = {"id": pa.string(), "category": pa.string(), "text": pa.string(), "time": pa.timestamp("us"), "money": pa.int64(), "number": pa.float64(),
         "integer": pa.int64(), "flag": pa.bool_()}


def export_inbox():
    """Write `var/inbox/<table>-events.parquet` of all stored events of the source, and return a sentence about it.

    Every export writes all of them anew, so that it can be repeated at any time and what was erased since is gone; a table of which nothing is left loses its
    file. Rows that the source delivers by now are left out by the ingest: the source's stay.
    """
    with open_store() as store:
        rows = _rows(Incoming(store, source=load_params().source.name).all())
    INBOX.mkdir(parents=True, exist_ok=True)
    for table in ACCEPTED:
        path = INBOX / f"{table}{EVENTS}"
        if table in rows:
            with replacing(path) as beside:
                pq.write_table(_table(TABLES[table], rows[table]), beside)
        else:
            path.unlink(missing_ok=True)
    told = ", ".join(f"{len(found):,} of {table}" for table, found in rows.items())
    return f"{INBOX}: rows of stored events: {told or 'none'}; the next `risk run` ingests what is there."


def _rows(stored):
    found = {}
    for each in stored:
        for table, rows in each.event.records.items():
            found.setdefault(table, []).extend({"customer_id": each.event.customer_id} | row for row in rows)
    return {table: rows for table, rows in found.items() if rows}


def _table(contract, rows):
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.table({name: _column(contract.column(name), [row.get(name) for row in rows]) for name in names})


def _column(column, values):
    if column is None:
        return _beyond_contract(values)
    return pa.array([parse_moment(value) for value in values] if column.kind == "time" else values, TYPES[column.kind])


def _beyond_contract(values):
    """Flags, numbers, or text where any is text: events of several senders may differ."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {bool}:
        return pa.array(values, pa.bool_())
    if kinds <= {bool, int, float}:
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    return pa.array([None if value is None else str(value) for value in values], pa.string())
