"""One computation for several customers: each one's records, as the feeder of one customer gives them, joined under entity codes of their order."""

import numpy as np

from features.arrays import MISSING_MONEY, Category, Observations, Records, length
from features.errors import RiskError
from features.feeders.needs import SHARED_IDS

# Read by everybody's features, whoever's records carry it.
UNOWNED = ("series",)


def together(parts):
    """Records of several customers from each one's own (`features.feeders.records.from_rows`, all with the same needs), in their order.

    What belongs to nobody (series) is taken of the first: give customers together whose rows of it are the same. One customer may come twice; each part is
    an entity of its own. Raises RiskError for a column beyond the contract that is text in one part and a number in another.
    """
    if len(parts) == 1:
        return parts[0]
    starts = {name: _starts(parts, name) for name in SHARED_IDS}
    tables = {name: rows if name in UNOWNED else _joined(name, [part.tables[name] for part in parts], starts) for name, rows in parts[0].tables.items()}
    return Records(tuple(customer for part in parts for customer in part.customers), tables)


def one_each(observations):
    """Observations, row n of which asks for the n-th customer of `together`."""
    return Observations(np.arange(len(observations)), observations.as_of, observations.columns)


def _starts(parts, name):
    """The code from which each part's ids of a name are counted on, so that two customers' equal ids stay apart."""
    counts = [max((int(rows[name].max()) + 1 for rows in part.tables.values() if len(rows.get(name, ()))), default=0) for part in parts]
    return np.cumsum([0, *counts[:-1]])


def _joined(table, tables, starts):
    counts = [length(rows) for rows in tables]
    names = dict.fromkeys(name for rows in tables for name in rows)
    found = {name: _column(table, name, [rows.get(name) for rows in tables], counts, starts) for name in names if name != "entity"}
    return {"entity": np.repeat(np.arange(len(tables)), counts)} | found


def _column(table, name, columns, counts, starts):
    if name in starts:
        return np.concatenate([np.where(codes < 0, codes, codes + start) for codes, start in zip(columns, starts[name], strict=True)])
    if any(isinstance(column, Category) for column in columns):
        return _category(table, name, columns, counts)
    empty = next(column.dtype.type(MISSING_MONEY if column.dtype.kind == "i" else np.nan) for column in columns if column is not None)
    return np.concatenate([np.full(count, empty) if column is None else column for column, count in zip(columns, counts, strict=True)])


def _category(table, name, columns, counts):
    code, parts = {}, []
    for column, count in zip(columns, counts, strict=True):
        if isinstance(column, Category):
            recoded = np.array([*(code.setdefault(level, len(code)) for level in column.levels), -1], dtype=np.int32)
            parts.append(recoded[column.codes])
        elif column is None or np.isnan(column).all():
            parts.append(np.full(count, -1, dtype=np.int32))
        else:
            raise RiskError(f"Table {table}, column {name}: text for some customers and numbers for others; send one kind.")
    return Category(np.concatenate(parts), tuple(code))
