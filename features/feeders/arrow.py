"""Arrow columns as the kernel's arrays, and the context table as a Parquet file."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.arrays import MISSING_MONEY, Category, seconds_up
from features.context import Context
from features.errors import RiskError
from features.feeders.needs import SHARED_IDS

_MISSING = pa.scalar(MISSING_MONEY, pa.int64())
CONTEXT_SCHEMA = pa.schema(
    [
        ("part", pa.string()),
        ("name", pa.string()),
        ("industry", pa.string()),
        ("date", pa.int64()),
        ("knots", pa.list_(pa.float64())),
        ("count", pa.int64()),
        ("frauds", pa.int64()),
    ]
)


def as_array(chunked):
    """An Arrow column as an array: moments as seconds rounded up, whole numbers int64, other numbers and flags float64, text a Category."""
    kind = chunked.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return seconds_up(microseconds(chunked))
    if pa.types.is_integer(kind):
        return pc.fill_null(pc.cast(chunked, pa.int64()), _MISSING).to_numpy()
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind):
        return pc.cast(chunked, pa.float64()).to_numpy()
    return as_category(chunked)


def as_kernel_column(contract, name, chunked, owners):
    """A column of a table's rows for the kernel; a shared id in the codes of `owners`, {id: distinct ids}, in which its first table is entered."""
    if name not in SHARED_IDS:
        return as_array(chunked) if contract.column(name) else _as_given(chunked)
    codes, ids = as_codes(chunked, owners.get(name))
    owners.setdefault(name, ids)
    return codes


def _as_given(chunked):
    """A column beyond the contract; whole numbers as floats, as one customer's rows give them, since nobody says they are amounts to add up exactly."""
    return as_array(chunked.cast(pa.float64(), safe=False) if pa.types.is_integer(chunked.type) else chunked)


def microseconds(chunked):
    """Moments as int64 microseconds since 1970, missing ones the lowest int64.

    Raises RiskError for moments with a time zone: the tables hold naive UTC.
    """
    if getattr(chunked.type, "tz", None):
        raise RiskError(f"{len(chunked)} moments carry the time zone {chunked.type.tz}; store them as UTC without a zone.")
    return pc.fill_null(pc.cast(pc.cast(chunked, pa.timestamp("us")), pa.int64()), _MISSING).to_numpy()


def as_category(chunked):
    """Text as a Category, levels in order of first appearance."""
    encoded = _one_chunk(chunked)
    encoded = encoded if pa.types.is_dictionary(encoded.type) else encoded.dictionary_encode()
    return Category(pc.fill_null(encoded.indices.cast(pa.int32()), -1).to_numpy(), tuple(encoded.dictionary.to_pylist()))


def as_codes(chunked, owner=None):
    """Ids as int64 codes into the owner's distinct ids (their own without one), -1 where missing or unknown to it; and those ids."""
    if owner is None:
        encoded = _one_chunk(chunked).dictionary_encode()
        return pc.fill_null(encoded.indices.cast(pa.int64()), -1).to_numpy(), encoded.dictionary
    found = pc.index_in(_one_chunk(chunked), value_set=owner, skip_nulls=True)
    return pc.fill_null(found.cast(pa.int64()), -1).to_numpy(), owner


def distinct_ascending(chunked):
    """The distinct ids of a column without missing ones, ascending, text by code point."""
    found = pc.unique(chunked).drop_null()
    return found.take(pc.sort_indices(found))


def as_column(values):
    """A computed column as a file holds it: text for a Category, float64 for numbers, NaN kept as it is."""
    if not isinstance(values, Category):
        return pa.array(values, pa.float64())
    levels = pa.array([*values.levels, None], pa.string())
    return levels.take(pa.array(np.where(values.codes < 0, len(values.levels), values.codes)))


def features_schema(catalogue):
    """The schema of a file of features: observation_id and the catalogue's columns in its order."""
    kinds = ((each.name, pa.string() if each.kind == "category" else pa.float64()) for each in catalogue.features)
    return pa.schema([("observation_id", pa.string()), *kinds])


def _one_chunk(chunked):
    whole = chunked.combine_chunks() if isinstance(chunked, pa.ChunkedArray) else chunked
    return whole if not isinstance(whole, pa.ChunkedArray) else pa.concat_arrays(whole.chunks or [pa.array([], type=whole.type)])


def write_context(context, path):
    """Write a Context as a Parquet file, one row per feature, industry and date or per counterparty and date."""
    pq.write_table(pa.table(context.to_rows(), schema=CONTEXT_SCHEMA), path, compression="zstd")


def read_context(path):
    """The Context of a file that `write_context` wrote.

    Raises RiskError when the file is missing or is no context table.
    """
    try:
        table = pq.read_table(path, schema=CONTEXT_SCHEMA)
    except (OSError, pa.ArrowInvalid) as error:
        raise RiskError(
            f"Context table {path} cannot be read ({str(error).splitlines()[0]}); run the stage that writes it again."
        ) from None
    return Context.from_rows({name: table[name].to_pylist() for name in table.column_names})
