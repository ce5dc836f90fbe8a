"""Counts of a feature file over frozen bins, a slice of its row groups at a time: memory does not grow with the file."""

from concurrent.futures import ThreadPoolExecutor

import pyarrow.parquet as pq

from models.histograms import added, histogram
from pipeline.columns import as_column, present_columns

# Values that one thread holds at a time.
SLICE = 4_000_000


def file_histograms(path, bins, *, threads=2):
    """{column: Histogram} of a Parquet file's columns over their Bins.

    Each thread reads one row group's slice of some columns and counts it. Raises RiskError naming the columns that the file lacks.
    """
    present_columns(path, [each.column for each in bins])
    about = pq.read_metadata(path)
    parts = [(group, some) for group in range(about.num_row_groups) for some in _slices(bins, about.row_group(group).num_rows)]
    with ThreadPoolExecutor(threads) as pool:
        counted = list(pool.map(lambda part: _count(path, about, *part), parts))
    found = {}
    for part in counted:
        for name, counts in part.items():
            found.setdefault(name, []).append(counts)
    return {each.column: added(found[each.column]) if each.column in found else histogram(each, []) for each in bins}


def _slices(bins, rows):
    width = max(1, SLICE // max(rows, 1))
    return [bins[start:start + width] for start in range(0, len(bins), width)]


def _count(path, about, group, bins):
    texts = [each.column for each in bins if each.levels is not None]
    # Texts come as codes and levels: a hundred million strings would take a hundred times the room.
    with pq.ParquetFile(path, metadata=about, read_dictionary=texts) as file:
        table = file.read_row_group(group, columns=[each.column for each in bins], use_threads=False)
    return {each.column: histogram(each, as_column(table[each.column])) for each in bins}
