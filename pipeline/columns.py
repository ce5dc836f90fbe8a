"""Feature files as the named columns that scoring encodes, without a detour over objects."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.arrays import Category
from features.errors import RiskError

KEYS = ("observation_id", "customer_id", "transaction_id", "as_of", "target", "sample")


def read_columns(path, names=None, *, rows=None):
    """Columns of a feature file: {name: float64 array (NaN missing) or Category}, in the file's order.

    `names` chooses columns (all but the keys without it), `rows` is a mask or positions.
    Raises RiskError naming the columns that the file lacks.
    """
    names = present_columns(path, names)
    table = pq.read_table(path, columns=names)
    return {name: as_column(table[name], rows) for name in names}


def cut(columns, rows):
    """The columns of `read_columns` at a mask or at positions."""
    return {name: values[rows] for name, values in columns.items()}


class ColumnFile(Mapping):
    """The columns of `read_columns`, each read when it is asked for: a book of a million rows then needs a column's memory, not the file's."""

    def __init__(self, path, names=None):
        self._names, self._file = present_columns(path, names), pq.ParquetFile(path)

    def __getitem__(self, name):
        return as_column(self._file.read(columns=[name])[name])

    def __iter__(self):
        return iter(self._names)

    def __len__(self):
        return len(self._names)

    @property
    def rows(self):
        """How many rows the file has."""
        return self._file.metadata.num_rows


def present_columns(path, names=None):
    """The names asked for, or all but the keys. Raises RiskError as `read_columns`."""
    try:
        present = pq.read_schema(path).names
    except (OSError, pa.ArrowInvalid) as error:
        raise RiskError(f"{path} cannot be read as Parquet ({str(error).splitlines()[0]}): run `risk run`, or correct the path.") from None
    names = [name for name in present if name not in KEYS] if names is None else list(names)
    lacking = [name for name in names if name not in present]
    if lacking:
        raise RiskError(f"{path} lacks {len(lacking)} of the columns asked for, first {lacking[0]}: compute the features with the catalogue of the bundle.")
    return names


def as_column(chunked, rows=None):
    """An Arrow column as a float64 array or, for text, a Category with levels in order of name."""
    if pa.types.is_string(chunked.type) or pa.types.is_large_string(chunked.type) or pa.types.is_dictionary(chunked.type):
        column = _category(chunked)
    else:
        column = pc.cast(chunked, pa.float64()).to_numpy()
    return column if rows is None else column[rows]


def _category(chunked):
    encoded = chunked.combine_chunks()
    encoded = encoded if pa.types.is_dictionary(encoded.type) else encoded.dictionary_encode()
    levels = encoded.dictionary.to_pylist()
    order = np.argsort(np.array(levels, dtype=object), kind="stable") if levels else np.array([], dtype=np.int64)
    place = np.empty(len(levels) + 1, dtype=np.int32)
    place[order] = np.arange(len(levels), dtype=np.int32)
    place[-1] = -1
    codes = pc.fill_null(encoded.indices.cast(pa.int64()), len(levels)).to_numpy()
    return Category(place[codes], tuple(levels[index] for index in order))
