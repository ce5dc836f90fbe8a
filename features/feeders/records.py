"""The feeder of one customer: rows as an interface receives them become the kernel's arrays, in the very order the batch feeder gives."""

from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache
from itertools import chain
from operator import itemgetter, methodcaller

import numpy as np

from features.arrays import MISSING_MONEY, MISSING_TIME, Category, Observations, Records, seconds_down, seconds_up
from features.errors import RiskError
from features.feeders.moments import microseconds_of
from features.feeders.needs import SHARED_IDS, wanted
from features.fraud import JUDGED
from features.tables import TABLES, Table

LEVELLED_IDS = ("counterparty_id",)
# Free text that is compared with something and never a feature itself.
READ_TEXT = ("scope",)
NOT_READ = ("outcomes", "observations")
TEXT = ("category", "id", "text")
NUMBERS = ("number", "flag")
WHOLE = ("money", "integer")
VALUES = methodcaller("values")
LAST_TIME = np.iinfo(np.int64).max


def from_rows(tables, *, customer_id, needs=None):
    """Records of one customer from {table: rows}, each row a mapping of column to value; tables that are not given are empty.

    Moments are ISO 8601 strings, dates or datetimes, naive ones UTC; money is whole minor units. Columns beyond the contract are kept:
    numbers and flags as numbers, text as categories. Rows without a value that the contract requires are left out; `customer_id` may be
    left out of the rows. With `needs`, {table: columns} as a catalogue has them, nothing else is read or checked.
    Raises RiskError for an unknown table, rows of another customer, a value that is not of its column's kind, or a column in which some moments
    carry a time zone and some do not.
    """
    unknown = sorted(set(tables) - set(TABLES))
    if unknown:
        raise RiskError(f"There is no table {', '.join(unknown)}; the tables are {', '.join(TABLES)}.")
    # invoices and payments must give one invoice one code
    ids = {name: {} for name in SHARED_IDS}
    return Records((customer_id,), {each.table.name: _rows(each, tables.get(each.table.name, ()), customer_id, ids) for each in _readings(needs)})


def observations_of(rows, *, use_case="default"):
    """Observations of the records' one customer from rows with `as_of` and own columns; for fraud those of the judged transaction.

    Raises RiskError when a row lacks as_of.
    """
    given, nothing = by_column(rows), [None] * len(rows)
    as_of = seconds_down(microseconds_of("observations", "as_of", given.get("as_of", nothing)))
    if (as_of == MISSING_TIME).any():
        raise RiskError(
            f"Table observations: {int((as_of == MISSING_TIME).sum())} of {len(rows)} rows lack as_of; say the moment to be judged from."
        )
    judged = JUDGED if use_case == "fraud" else ()
    own = {
        name: _own_column("transactions" if name in judged else "observations", name, given.get(name, nothing))
        for name in dict.fromkeys([*judged, *given])
        if TABLES["observations"].column(name) is None
    }
    return Observations(np.zeros(len(rows), dtype=np.int64), as_of, own)


def by_column(rows):
    """The columns that some row (a mapping of column to value) gives, in order of first appearance: {name: values}, None where a row lacks one."""
    shapes = dict.fromkeys(map(tuple, rows))
    if len(shapes) == 1:
        # nearly always: every row gives the same columns in the same order
        return dict(zip(*shapes, zip(*map(VALUES, rows), strict=True), strict=True))
    return {name: [row.get(name) for row in rows] for name in dict.fromkeys(chain.from_iterable(shapes))}


def _own_column(table, name, values):
    column = TABLES[table].column(name)
    return _column(table, name, column.kind if column else None, values, None)


@dataclass(frozen=True)
class _Reading:
    """What is read of a table, found once: its contract, and the columns asked of it, None for all."""

    table: Table
    asked: tuple | None

    @cached_property
    def kinds(self):
        """Kinds of the contract's columns that are read, without ids that only tell rows apart, names and free text that nothing compares."""
        return {column.name: column.kind for column in self.table.columns if self._asks(column.name) and _is_read(column)}

    def _asks(self, name):
        return self.asked is None or name in self.asked

    @cached_property
    def moments(self):
        """The contract's moments that are read."""
        return [name for name, kind in self.kinds.items() if kind == "time"]

    @cached_property
    def numbers(self):
        """The contract's numbers and flags that are read."""
        return [name for name, kind in self.kinds.items() if kind in NUMBERS]

    @cached_property
    def others(self):
        """All else of the contract that is read."""
        return {name: kind for name, kind in self.kinds.items() if kind not in ("time", *NUMBERS)}

    @cached_property
    def contract(self):
        """All columns of the contract."""
        return frozenset(self.table.names)

    @cached_property
    def order(self):
        """Columns that put a customer's rows in order."""
        return self.table.order

    @cached_property
    def filled(self):
        """Columns that every row must have a value of."""
        return self.table.filled

    def beyond(self, given):
        """Columns beyond the contract that are read."""
        return [name for name in given if name not in self.contract and self._asks(name)]


def _is_read(column):
    return column.name in (*SHARED_IDS, *LEVELLED_IDS, *READ_TEXT) or column.kind not in ("id", "text")


def _readings(needs):
    if needs is None:
        return [_reading(name, None) for name in TABLES if name not in NOT_READ]
    return [_reading(name, tuple(needs[name])) for name in TABLES if name in needs and name not in NOT_READ]


@lru_cache(maxsize=256)
def _reading(name, asked):
    return _Reading(TABLES[name], None if asked is None else wanted(TABLES[name], asked))


def _rows(reading, rows, customer_id, ids):
    if not len(rows):
        return _absent(reading, (), 0)
    table, given = reading.table.name, by_column(rows)
    _check_owner(table, given.get("customer_id", ()), customer_id)
    rows, given = _filled(reading, rows, given)
    moments = {name: microseconds_of(table, name, given[name]) for name in reading.moments if name in given}
    # pandas' NaT is no None, but no moment either
    undated = [name for name in reading.filled if name in moments and (moments[name] == MISSING_TIME).any()]
    if undated:
        return _rows(reading, [row for place, row in enumerate(rows) if all(moments[name][place] != MISSING_TIME for name in undated)], customer_id, ids)
    columns = _columns(reading, *_in_order(reading, given, moments), ids)
    return _absent(reading, columns, len(rows)) | columns


def _columns(reading, given, moments, ids):
    """The columns that are read and given, {name: array}: all moments and all numbers of a table in one go."""
    table = reading.table.name
    columns = dict(zip(moments, seconds_up(np.array([*moments.values()])), strict=True))
    columns |= _numbers(table, {name: given[name] for name in reading.numbers if name in given})
    for name in [name for name in reading.others if name in given] + reading.beyond(given):
        columns[name] = _column(table, name, reading.others.get(name), given[name], ids.get(name))
    return columns


def _absent(reading, columns, count):
    """The one customer's code, and columns of the contract that no row gives: missing throughout, and one array for all of a kind."""
    wholes, numbers, codes = np.full(count, MISSING_MONEY), np.full(count, np.nan), np.full(count, -1)
    texts = Category(codes.astype(np.int32), ())
    by_kind = dict.fromkeys(("time", *WHOLE), wholes) | dict.fromkeys(TEXT, texts)
    absent = {name: codes if name in SHARED_IDS else by_kind.get(kind, numbers) for name, kind in reading.kinds.items() if name not in columns}
    return {"entity": np.zeros(count, dtype=np.int64)} | absent


def _check_owner(table, owners, customer_id):
    if owners.count(customer_id) == len(owners):
        return
    others = sum(1 for owner in owners if owner not in (None, customer_id))
    if others:
        raise RiskError(
            f"Table {table}: {others} of {len(owners)} rows belong to another customer than {customer_id}; send one customer's rows."
        )


def _filled(reading, rows, given):
    """The rows that have a value of all that the contract requires, and their columns."""
    gaps = [name for name in reading.filled if name not in given or None in given[name]]
    if not gaps or not len(rows):
        return rows, given
    kept = [row for row in rows if all(row.get(name) is not None for name in gaps)]
    return kept, by_column(kept)


def _in_order(reading, given, moments):
    order = _order(reading, given, moments)
    if order is None:
        return given, moments
    pick = itemgetter(*order.tolist())
    return {name: pick(values) for name, values in given.items()}, {name: column[order] for name, column in moments.items()}


def _order(reading, given, moments):
    """Positions by the table's order, missing values last, as the batch feeder sorts; None where the rows are in it."""
    if not moments or (np.diff(moments[reading.order[0]]) > 0).all():
        return None
    times = [np.where(moments[name] == MISSING_TIME, LAST_TIME, moments[name]) for name in reading.order if name in moments]
    order = np.lexsort(times[::-1])
    keys = [given[name] for name in reading.order if name not in moments and name in given]
    tied = np.logical_and.reduce([np.diff(time[order]) == 0 for time in times])
    return _settled(times, keys) if keys and tied.any() else order


def _settled(times, keys):
    """Positions by times, of equal ones by the other keys."""
    places = list(range(len(times[0])))
    for values in reversed(keys):
        places.sort(key=[(value is None, value or 0) for value in values].__getitem__)
    order = np.array(places)
    return order[np.lexsort([time[order] for time in reversed(times)])]


def _column(table, name, kind, values, codes):
    if codes is not None:
        return np.array([-1 if value is None else codes.setdefault(value, len(codes)) for value in values], dtype=np.int64)
    if kind == "time":
        return seconds_up(microseconds_of(table, name, values))
    if kind in TEXT:
        return _text(table, name, values)
    if kind in WHOLE:
        return _whole(table, name, values)
    return _beyond(table, name, values) if kind is None else _numbers(table, {name: values})[name]


def _beyond(table, name, values):
    kinds = set(map(type, values))
    if any(issubclass(kind, str) for kind in kinds):
        return _text(table, name, values)
    if any(issubclass(kind, date) for kind in kinds):
        return seconds_up(microseconds_of(table, name, values))
    return _numbers(table, {name: values})[name]


def _text(table, name, values):
    if not set(map(type, values)) <= {str, type(None)}:
        _require(table, name, values, lambda value: isinstance(value, str), "text", "send strings")
    levels = [level for level in dict.fromkeys(values) if level is not None]
    code = {None: -1} | {level: place for place, level in enumerate(levels)}
    return Category(np.fromiter(map(code.__getitem__, values), dtype=np.int32, count=len(values)), tuple(levels))


def _whole(table, name, values):
    if set(map(type, values)) == {int}:
        return np.array(values, dtype=np.int64)
    _require(table, name, values, _is_whole, "whole numbers", "send money in minor units")
    return np.array([MISSING_MONEY if value is None else int(value) for value in values], dtype=np.int64)


def _is_whole(value):
    try:
        return not isinstance(value, (str, bool)) and value == value and int(value) == value
    except (TypeError, OverflowError):
        return False


def _numbers(table, given):
    """Columns of numbers and flags as float64, NaN where missing."""
    if not set(map(type, chain.from_iterable(given.values()))) <= {int, float, bool, type(None)}:
        for name, values in given.items():
            _require(table, name, values, lambda value: isinstance(value, (int, float, np.number, np.bool_)), "numbers", "send numbers")
    return dict(zip(given, np.array([*given.values()], dtype=np.float64), strict=True))


def _require(table, name, values, fits, what, remedy):
    wrong = [value for value in values if value is not None and not fits(value)]
    if wrong:
        raise RiskError(f"Table {table}, column {name}: {len(wrong)} of {len(values)} values are not {what}, first {wrong[0]!r}; {remedy}.")
