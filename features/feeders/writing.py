"""Writing for a whole book: columns gathered chunk by chunk in a scratch file, then written in the observations' order."""

import mmap
import os
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features.arrays import Category
from features.feeders.arrow import as_column, features_schema

WRITE_ROWS = 65_536


class Columns:
    """The columns of all observations, kept in a scratch file so that they need not fit into memory; categories as codes with growing
    levels."""

    def __init__(self, catalogue, count, scratch):
        self.catalogue, self.place = catalogue, {name: number for number, name in enumerate(catalogue.names)}
        # a file, so that the page cache and not this process bounds a large book
        self.matrix = np.memmap(os.path.join(scratch, "columns"), dtype=np.float64, mode="w+", shape=(len(catalogue), max(count, 1)))
        self.levels = {each.name: {} for each in catalogue.features if each.kind == "category"}
        self.added, self._calls = {}, 0

    def put(self, name, rows, column):
        """Store a column's values at these observations."""
        self.matrix[self.place[name], rows] = self._global(name, column) if isinstance(column, Category) else column

    def release(self, *, every=1):
        """Let the page cache alone hold what was stored, this process need not; with `every`, only at each so manieth call."""
        self._calls += 1
        if self._calls % every == 0:
            self.matrix._mmap.madvise(mmap.MADV_DONTNEED)

    def _global(self, name, column):
        known = self.levels[name]
        table = np.array([*(known.setdefault(level, len(known)) for level in column.levels), -1])
        return table[column.codes]

    def values(self, name, begin=0, end=None):
        """Values of a column, an array or a Category."""
        if name in self.added:
            return self.added[name][begin:end]
        stored = self.matrix[self.place[name], begin:end]
        return Category(stored.astype(np.int32), tuple(self.levels[name])) if name in self.levels else np.asarray(stored)


def write_columns(columns, catalogue, asked, out_path):
    schema = features_schema(catalogue)
    texts = [name for name, kind in zip(schema.names, schema.types, strict=True) if kind == pa.string()]
    with replacing(out_path) as beside, pq.ParquetWriter(beside, schema, compression="snappy", use_dictionary=texts) as writer:
        for begin in range(0, len(asked), WRITE_ROWS):
            end = min(begin + WRITE_ROWS, len(asked))
            ids = asked.ids[begin:end].cast(pa.string()).combine_chunks()
            writer.write_table(pa.table([ids, *(as_column(columns.values(name, begin, end)) for name in catalogue.names)], schema=schema))
            columns.release()


@contextmanager
def replacing(path):
    """A name beside `path` that takes its place when all went well and disappears when not."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield beside
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
