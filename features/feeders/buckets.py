"""Some customers' rows, as an engine delivers them in any order, become the kernel's arrays in the one order that every feeder gives.

Knows Arrow and no engine. Ties in time and sums of floats depend on the order of rows, so it is settled here and not where rows were read.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.arrays import Observations, Records, seconds_down
from features.compute import compute
from features.derived import SUPPORT
from features.errors import RiskError
from features.feeders.arrow import as_array, as_codes, as_column, distinct_ascending, features_schema, microseconds
from features.tables import TABLES

# Ids that mean the same in several tables, and the table whose rows number them.
SHARED_IDS = {"invoice_id": "invoices", "contract_id": "contracts"}


@dataclass(frozen=True)
class Needed:
    """What is read of one table: `columns` go to the kernel, `order` puts a customer's rows in order, rows that lack one of `filled` are left
    out; `owned` says that each row belongs to a customer, otherwise every bucket reads them all."""

    table: str
    columns: tuple
    order: tuple
    filled: tuple
    owned: bool

    @property
    def carried(self):
        """All columns that have to be read, the customer's id among them."""
        return tuple(dict.fromkeys([*(["customer_id"] if self.owned else []), *self.columns, *self.order]))


def needed(catalogue, present):
    """What the catalogue reads of each table, {table: Needed}, from the columns that are there, {table: names}.

    An optional column that no row carries is missing throughout.
    Raises RiskError when a table lacks a column without which its rows cannot be dated, counted or given to a customer.
    """
    return {table: _needed(TABLES[table], names, present[table]) for table, names in catalogue.needs.items() if table != "observations"}


def _needed(contract, names, present):
    required = [name for name in contract.required if name in ("customer_id", *contract.filled, *names)]
    lacking = [name for name in required if name not in present]
    if lacking:
        raise RiskError(
            f"Table {contract.name} lacks the column {', '.join(lacking)}, without which its rows cannot be used; "
            "add it to the table or ingest it again."
        )
    wanted = [contract.occurred, "known_at", *contract.filled, *names, *SUPPORT.get(contract.name, ())]
    return Needed(
        contract.name,
        tuple(name for name in dict.fromkeys(wanted) if name in present),
        tuple(name for name in contract.order if name in present),
        contract.filled,
        contract.column("customer_id") is not None,
    )


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
    # the owners of shared ids first: a payment's invoice has the code that the invoice has
    for table in sorted(needs, key=lambda name: name not in SHARED_IDS.values()):
        rows[table] = _rows(needs[table], tables[table], customers, owners)
    return Records(tuple(customers.to_pylist()), rows)


def _rows(need, arrow, customers, owners):
    entity = as_codes(arrow["customer_id"], owner=customers)[0] if need.owned else np.zeros(len(arrow), dtype=np.int64)
    order = kernel_order(entity, arrow, need.order)
    rows = {"entity": entity[order]}
    for name in need.columns:
        rows[name] = _column(name, arrow[name].take(pa.array(order)), owners)
    return rows


def _column(name, ordered, owners):
    if name not in SHARED_IDS:
        return as_array(ordered)
    codes, ids = as_codes(ordered, owners.get(name))
    owners.setdefault(name, ids)
    return codes


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
