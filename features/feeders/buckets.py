"""Some customers' rows, as an engine delivers them in any order, become the kernel's arrays in the one order that every feeder gives.

Knows Arrow and no engine. Ties in time and sums of floats depend on the order of rows, so it is settled here and not where rows were read.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.arrays import Observations, Records, seconds_down
from features.compute import compute
from features.feeders.arrow import as_array, as_codes, as_column, as_kernel_column, distinct_ascending, features_schema, microseconds
from features.tables import TABLES


def answers_of(catalogue, needs, asked, tables, *, context=None):
    """The observations of some customers and the catalogue's columns for them, {name: array}, in the order asked.

    `asked` is an Arrow table with customer_id, as_of and the own columns that the catalogue needs; `tables` as in `records_of`.
    """
    customers = distinct_ascending(asked["customer_id"])
    code, _ = as_codes(asked["customer_id"], owner=customers)
    own = {name: as_array(asked[name]) for name in catalogue.needs.get("observations", ())}
    observations = Observations(code, seconds_down(microseconds(asked["as_of"])), own)
    return observations, compute(catalogue, records_of(needs, tables, customers), observations, context=context)


def features_of(catalogue, needs, asked, tables, *, context):
    """The Arrow table of a features file for the observations of some customers, in the order asked; arguments as in `answers_of`."""
    _, columns = answers_of(catalogue, needs, asked, tables, context=context)
    ids = asked["observation_id"].cast(pa.string())
    return pa.table([ids, *(as_column(column) for column in columns.values())], schema=features_schema(catalogue))


def records_of(needs, tables, customers):
    """Records of the customers (m,), distinct and ascending, from {table: Arrow table} of rows in any order; rows of others are left out.

    Raises RiskError for moments with a time zone or outside the kernel's range.
    """
    owners, rows = {}, {}
    for table, need in needs.items():
        rows[table] = _rows(need, tables[table], customers, owners)
    return Records(tuple(customers.to_pylist()), rows)


def _rows(need, arrow, customers, owners):
    entity = as_codes(arrow["customer_id"], owner=customers)[0] if need.owned else np.zeros(len(arrow), dtype=np.int64)
    order = kernel_order(entity, arrow, need.order)
    rows = {"entity": entity[order]}
    for name in need.columns:
        rows[name] = as_kernel_column(TABLES[need.table], name, arrow[name].take(pa.array(order)), owners)
    return rows


def kernel_order(entity, arrow, names):
    """Positions of the rows of an Arrow table with an entity code (n,) of 0 or more: by entity, then by the named columns, the first of which
    is a moment, text by code point, missing values last. Rows equal in all of that keep their order."""
    moment = microseconds(arrow[names[0]])
    order = np.lexsort((moment, entity))
    order = order[np.searchsorted(entity[order], 0) :]
    return _settle_ties(order, entity, moment, arrow, names[1:])


def _settle_ties(order, entity, moment, arrow, names):
    """The order with rows of one entity and moment put in the order of the other columns."""
    follows = (entity[order[1:]] == entity[order[:-1]]) & (moment[order[1:]] == moment[order[:-1]])
    tied = np.flatnonzero(np.append(follows, False) | np.insert(follows, 0, False)) if names and len(order) else order[:0]
    if not len(tied):
        return order
    run = np.cumsum(~np.insert(follows, 0, False))[tied]
    keys = pa.table([run, *(arrow[name].take(pa.array(order[tied])) for name in names)], names=["run", *names])
    settled = order.copy()
    settled[tied] = order[tied][pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in keys.column_names]).to_numpy()]
    return settled
