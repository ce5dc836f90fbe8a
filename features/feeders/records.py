"""The feeder of one customer: rows as an interface receives them become the kernel's arrays, in the very order the batch feeder gives."""

from datetime import UTC, date, datetime

import numpy as np

from features.arrays import MISSING_MONEY, MISSING_TIME, Observations, Records, categorize, seconds_down, seconds_up
from features.errors import RiskError
from features.fraud import JUDGED
from features.tables import TABLES

SHARED_IDS = ("invoice_id", "contract_id")
LEVELLED_IDS = ("counterparty_id",)
# Free text that is compared with something and never a feature itself.
READ_TEXT = ("scope",)
NOT_READ = ("outcomes", "observations")


def from_rows(tables, *, customer_id):
    """Records of one customer from {table: rows}, each row a mapping of column to value; tables that are not given are empty.

    Moments are ISO 8601 strings, dates or datetimes, naive ones UTC; money is whole minor units. Columns beyond the contract are kept:
    numbers and flags as numbers, text as categories. Rows without a value that the contract requires are left out; `customer_id` may be
    left out of the rows.
    Raises RiskError for an unknown table, rows of another customer, or a value that is not of its column's kind.
    """
    unknown = sorted(set(tables) - set(TABLES))
    if unknown:
        raise RiskError(f"There is no table {', '.join(unknown)}; the tables are {', '.join(TABLES)}.")
    # invoices and payments must give one invoice one code
    ids = {name: {} for name in SHARED_IDS}
    return Records(
        (customer_id,),
        {name: _rows(table, tables.get(name, ()), customer_id, ids) for name, table in TABLES.items() if name not in NOT_READ},
    )


def observations_of(rows, *, use_case="default"):
    """Observations of the records' one customer from rows with `as_of` and own columns; for fraud those of the judged transaction.

    Raises RiskError when a row lacks as_of.
    """
    as_of = seconds_down(_microseconds("observations", "as_of", [row.get("as_of") for row in rows]))
    if (as_of == MISSING_TIME).any():
        raise RiskError(
            f"Table observations: {int((as_of == MISSING_TIME).sum())} of {len(rows)} rows lack as_of; say the moment to be judged from."
        )
    judged = JUDGED if use_case == "fraud" else ()
    names = dict.fromkeys([*judged, *(name for row in rows for name in row)])
    own = {
        name: _column("transactions" if name in judged else "observations", name, [row.get(name) for row in rows], None)
        for name in names
        if TABLES["observations"].column(name) is None
    }
    return Observations(np.zeros(len(rows), dtype=np.int64), as_of, own)


def _rows(table, rows, customer_id, ids):
    own = table.column("customer_id") is not None
    if own:
        _check_owner(table.name, rows, customer_id)
    names = dict.fromkeys([*table.names, *(name for row in rows for name in row)])
    kept = [row for row in rows if all(row.get(name) is not None for name in table.filled)]
    moments = {name: _microseconds(table.name, name, [row.get(name) for row in kept]) for name in names if _kind(table, name) == "time"}
    order = _order(table, kept, moments)
    kept = [kept[place] for place in order]
    columns = {name: seconds_up(values[order]) for name, values in moments.items()}
    for name in names:
        if _is_read(table, name):
            columns[name] = _column(table.name, name, [row.get(name) for row in kept], ids.get(name))
    return {"entity": np.zeros(len(kept), dtype=np.int64), **columns}


def _check_owner(table, rows, customer_id):
    others = sum(1 for row in rows if row.get("customer_id") not in (None, customer_id))
    if others:
        raise RiskError(
            f"Table {table}: {others} of {len(rows)} rows belong to another customer than {customer_id}; send one customer's rows."
        )


def _kind(table, name):
    column = table.column(name)
    return column.kind if column else None


def _is_read(table, name):
    """Ids that only tell rows apart, names and free text of the contract that nothing compares are not read."""
    kind = _kind(table, name)
    return name in SHARED_IDS or name in LEVELLED_IDS or name in READ_TEXT or kind not in ("id", "text", "time")


def _order(table, rows, moments):
    """Positions by the table's order, missing values last, as the batch feeder sorts."""
    order = np.arange(len(rows))
    for name in reversed(table.order):
        if name in moments:
            order = order[np.argsort(np.where(moments[name] == MISSING_TIME, np.iinfo(np.int64).max, moments[name])[order], kind="stable")]
        else:
            values = [rows[place].get(name) for place in order]
            order = order[
                sorted(range(len(values)), key=lambda place: (values[place] is None, values[place] if values[place] is not None else 0))
            ]
    return order


def _column(table, name, values, codes):
    if codes is not None:
        return np.array([-1 if value is None else codes.setdefault(value, len(codes)) for value in values], dtype=np.int64)
    kind = _kind(TABLES[table], name)
    if kind == "time":
        return seconds_up(_microseconds(table, name, values))
    if kind in ("category", "id", "text"):
        return _text(table, name, values)
    if kind in ("money", "integer"):
        return _whole(table, name, values)
    return _beyond(table, name, values) if kind is None else _number(table, name, values)


def _beyond(table, name, values):
    if any(isinstance(value, str) for value in values):
        return _text(table, name, values)
    if any(isinstance(value, (date, datetime)) for value in values):
        return seconds_up(_microseconds(table, name, values))
    return _number(table, name, values)


def _text(table, name, values):
    wrong = [value for value in values if value is not None and not isinstance(value, str)]
    if wrong:
        raise RiskError(
            f"Table {table}, column {name}: {len(wrong)} of {len(values)} values are not text, first {wrong[0]!r}; send strings."
        )
    return categorize(values)


def _whole(table, name, values):
    wrong = [value for value in values if value is not None and (isinstance(value, (str, bool)) or value != value or int(value) != value)]
    if wrong:
        raise RiskError(
            f"Table {table}, column {name}: {len(wrong)} of {len(values)} values are not whole numbers, first {wrong[0]!r}; "
            "send money in minor units."
        )
    return np.array([MISSING_MONEY if value is None else int(value) for value in values], dtype=np.int64)


def _number(table, name, values):
    wrong = [value for value in values if value is not None and not isinstance(value, (int, float, np.number, np.bool_))]
    if wrong:
        raise RiskError(
            f"Table {table}, column {name}: {len(wrong)} of {len(values)} values are not numbers, first {wrong[0]!r}; send numbers."
        )
    return np.array([np.nan if value is None else float(value) for value in values], dtype=np.float64)


def _microseconds(table, name, values):
    try:
        moments = [None if value is None else _naive(value) for value in values]
    except (TypeError, ValueError):
        wrong = next(value for value in values if value is not None and not _is_moment(value))
        raise RiskError(f"Table {table}, column {name}: {wrong!r} is not a moment; send ISO 8601 such as 2024-03-31T12:00:00.") from None
    return np.array(moments, dtype="datetime64[us]").astype(np.int64)


def _naive(value):
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    elif not isinstance(value, (datetime, date)):
        raise TypeError(value)
    if isinstance(value, datetime) and value.tzinfo is not None:
        value = value.astimezone(UTC).replace(tzinfo=None)
    return value


def _is_moment(value):
    try:
        _naive(value)
    except (TypeError, ValueError):
        return False
    return True
