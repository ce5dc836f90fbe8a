"""Rows of different tables travel through an engine as parcels of one schema: a bucket, a table's name, and Arrow's own bytes.

An engine that shuffles parcels moves a few thousand opaque rows and needs no table wide enough for all tables' columns.
"""

import numpy as np
import pyarrow as pa

# Bounds what a reading worker holds, and a parcel's size; ten times smaller and the parcels' headers weigh more than their rows.
PARCEL_ROWS = 100_000
PARCELS = pa.schema([("bucket", pa.int32()), ("table", pa.string()), ("rows", pa.binary())])


def pack(batches, table):
    """Parcels, as record batches of PARCELS, of a table's record batches with a column `bucket` beside the table's own."""
    held = []
    for batch in batches:
        held.append(batch)
        if sum(len(each) for each in held) >= PARCEL_ROWS:
            yield _parcels(held, table)
            held = []
    if held:
        yield _parcels(held, table)


def _parcels(batches, table):
    rows = pa.Table.from_batches(batches)
    bucket = rows["bucket"].to_numpy()
    order = np.argsort(bucket, kind="stable")
    first = np.flatnonzero(np.diff(bucket[order], prepend=-1))
    rows = rows.drop_columns("bucket").take(pa.array(order)).combine_chunks()
    pieces = [_written(rows.slice(begin, count)) for begin, count in zip(first, np.diff(first, append=len(order)), strict=True)]
    return pa.record_batch([pa.array(bucket[order][first], pa.int32()), pa.array([table] * len(first), pa.string()), pieces], schema=PARCELS)


def _written(rows):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    return sink.getvalue().to_pybytes()


def unpack(parcels, tables):
    """{table: Arrow table}: the rows given in `tables`, which every bucket reads, and after them those of the parcels (an Arrow table)."""
    found = {name: [rows] for name, rows in tables.items()}
    for table, rows in zip(parcels["table"].to_pylist(), _buffers(parcels["rows"]), strict=True):
        found[table].append(pa.ipc.open_stream(rows).read_all())
    return {name: pa.concat_tables(pieces) for name, pieces in found.items()}


def _buffers(column):
    return [each.as_buffer() for each in column]
