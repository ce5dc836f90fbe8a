"""What the terms of one computation share: tables put in order, windows found once, accounts and open items worked out once."""

from functools import cache, cached_property

import numpy as np

from features.accounts import PREFERRED_BASIS, Accounts, month_number
from features.arrays import Category, length, present, take
from features.derived import BUILT, DERIVED, LINKED
from features.ledger import contract_figures, ledger, open_figures, settlements
from features.lookups import held, pick, states
from features.scope_fit import outside_scope
from features.tables import TABLES

TESTS = {"==": np.equal, "!=": np.not_equal, "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}


class Workspace:
    """Records and observations with everything worked out from them so far; observations must ascend by (entity, as_of)."""

    def __init__(self, records, observations, *, context=None, preferred_basis=PREFERRED_BASIS):
        self.records, self.observations, self.context = records, observations, context
        self.preferred_basis = preferred_basis
        self._kept, self._columns, self._rows = {}, {}, {}

    def once(self, key, build, *args):
        """What `build(*args)` gives, worked out at the first call with that key."""
        if key not in self._kept:
            self._kept[key] = build(*args)
        return self._kept[key]

    def rows(self, table):
        """A table's rows; a built table is worked out at its first use, one without rows here is empty."""
        found = self._rows.get(table)
        if found is None:
            found = self._rows[table] = settlements(self.book) if table in BUILT else self._readable(self.records.tables[table])
        return found

    def _readable(self, rows):
        """Rows that some observation may read: what is known later than all of them takes no part, not even in a check."""
        known = rows.get("known_at", ())
        if not len(known) or not len(self.observations) or known.max() <= (until := self.observations.as_of.max()):
            return rows
        return take(rows, known <= until)

    def column(self, table, name):
        """A stored or derived column of a table; one that no row here carries is missing throughout."""
        found = self._columns.get((table, name))
        if found is None:
            found = self._columns[table, name] = self._column(table, name)
        return found

    def _column(self, table, name):
        rows = self.rows(table)
        if derived := DERIVED.get(table, {}).get(name):
            return derived.compute(rows)
        if (table, name) in LINKED:
            return outside_scope(self)
        return rows[name] if name in rows else _nothing(table, name, length(rows))

    def occurred(self, table):
        """When a table's rows happened, int64 seconds."""
        return self.rows(table)[_occurred(table)]

    @cached_property
    def book(self):
        """The ledger of invoices and payments."""
        return ledger(self.rows("invoices"), self.rows("payments"))

    @cached_property
    def accounts(self):
        """The statements as each observation can read them."""
        return Accounts(self.rows("statements"), self.observations.entity, self.observations.as_of, preferred=self.preferred_basis)

    def open_items(self, spans):
        """Open items as they stood and were known `span` seconds before as_of, for each of the spans: a dict of columns by (measure, span)."""
        entity, moment = (column.ravel() for column in np.broadcast_arrays(self.observations.entity, self.observations.as_of - np.array(spans)[:, None]))
        order = np.lexsort((moment, entity))
        found, back = open_figures(self.book, entity[order], moment[order]), order.argsort()
        return {(name, span): own for name, column in found.items() for span, own in zip(spans, column[back].reshape(len(spans), -1), strict=True)}

    def contracts(self, windows):
        """Counts of contracts due in windows of days, a dict of columns by (measure, days)."""
        return contract_figures(self.rows("contracts"), self.observations.entity, self.observations.as_of, windows=windows)

    def states(self, table):
        """The step function of a table's last known row by customer."""
        rows = self.rows(table)
        return self.once(("states", table), states, rows["entity"], rows["known_at"])

    def held_row(self, table, span=0):
        """Row of the table's last visible state, or of the one visible `span` seconds before as_of; -1 where there is none."""
        return self.once(("held", table, span), held, self.states(table), self.observations.entity, self.observations.as_of - span)

    def passes(self, table, name, test, values):
        """Which rows of a table pass a test of one column against each of the values, (v, 1), boolean (v, rows); a missing value passes none."""
        column = self.column(table, name)
        if isinstance(column, Category):
            column, values = column.codes, _codes_of(column.levels, values)
        passed = TESTS[test](column, values)
        # a level's code never equals the missing one's
        there = None if test == "==" and values.dtype == np.int32 else self.present(table, name)
        return passed if there is None else passed & there

    def present(self, table, name):
        """Which values of a column are not missing, a boolean array, or None where none can be."""
        return self.once(("present", table, name), lambda: None if _never_missing(table, name) else present(self.column(table, name)))

    def slot(self, table, key):
        """Of a table's rows by customer, or by customer and a category: entity codes of the rows and of the observations, and how many codes there are."""
        if key == "customer":
            return self.rows(table)["entity"], self.observations.entity, len(self.records.customers)
        return self.once(("slot", table, key), self._pairs, table, key)

    def _pairs(self, table, key):
        """Entity codes of (customer, category) pairs for a table's rows and the observations; -1 for a pair without rows."""
        rows, column = self.rows(table), self.column(table, key)
        width = len(column.levels) + 1
        codes, row_pair = np.unique(rows["entity"] * width + column.codes + 1, return_inverse=True)
        own = recode(self.observations.columns[key], column.levels).codes
        wanted = self.observations.entity * width + own + 1
        place = np.searchsorted(codes, wanted)
        # a missing counterparty is nobody's, not one that all such rows share
        found = (place < len(codes)) & (own >= 0)
        found[found] = codes[place[found]] == wanted[found]
        return row_pair.astype(np.int64), np.where(found, place, -1), len(codes)

    def group(self, table, name):
        """A column as int64 numbers that no two customers share, for counting what differs."""
        return self.once(("group", table, name), self._group, table, name)

    def _group(self, table, name):
        column = self.column(table, name)
        if isinstance(column, Category):
            return self.rows(table)["entity"] * (len(column.levels) + 1) + column.codes
        return column

    def series_step(self, name, industry):
        """The series of that name: its industries' levels, its rows' values and months, and two step functions: the latest by industry, and the last of
        a month by (industry, month).

        Of several values of one period the one known last holds, of several periods of one month the last.
        """
        return self.once(("series", name, industry), self._series_step, name, industry)

    def _series_step(self, name, industry):
        rows = self.rows("series")
        wanted = rows["name"].levels.index(name) if name in rows["name"].levels else -2
        chosen = np.flatnonzero(
            (rows["name"].codes == wanted) & ((rows["industry"].codes >= 0) == industry if "industry" in rows else not industry)
        )
        group = rows["industry"].codes[chosen].astype(np.int64) + 1 if industry else np.zeros(len(chosen), dtype=np.int64)
        end, known = rows["period_end"][chosen], rows["known_at"][chosen]
        period, rank = month_number(end), _ranks(end, known)
        by_period = states((group << 14) + period, known, rank=rank)
        return rows["industry"].levels if industry else (), rows["value"][chosen], period, states(group, known, rank=rank), by_period

    def series_value(self, name, *, industry, lag):
        """The latest visible value of a series for each observation, or the one `lag` months before it as known then."""
        if not length(self.rows("series")):
            return np.nan
        levels, values, period, latest, by_period = self.series_step(name, industry)
        group = np.zeros(len(self.observations), dtype=np.int64)
        if industry:
            own = self.last("customers", "industry")
            group = recode(own, levels).codes.astype(np.int64) + 1
            group[group == 0] = -1
        row = held(latest, group, self.observations.as_of)
        if lag and len(period):
            row = held(by_period, np.where(row >= 0, (group << 14) + period[row] - lag, -1), self.observations.as_of)
        return pick(values, row)

    def counterparty_row(self, name, span):
        """Row of the context's running counts that held for each observation's counterparty `span` seconds before as_of."""
        code = self.once(("counterparty", name), self.context.counterparty_codes, self.observations.columns[name])
        return self.once(("counterparty", name, span), self.context.counterparty_row, code, self.observations.as_of - span)

    def last(self, table, name, span=0):
        """A column of the last visible state, or of the one visible `span` seconds before as_of: float64 (NaN missing) or a Category."""
        row, column = self.held_row(table, span), self.column(table, name)
        if isinstance(column, Category):
            return column.where(row >= 0, row)
        return pick(column, row)


def _ranks(first, second):
    """Place of each row in the order of two int64 columns; of equal rows the later one is the higher."""
    order = np.lexsort((second, first))
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return place


def _codes_of(levels, values):
    """Codes of texts (v, 1) among levels, -2 where a text is none of them."""
    return np.array([[levels.index(value) if value in levels else -2] for value in values[:, 0].tolist()], dtype=np.int32)


def _nothing(table, name, count):
    """A column that no row carries, of the contract's kind."""
    column = TABLES[table].column(name) if table in TABLES else None
    if column is not None and column.kind in ("category", "id", "text"):
        return Category(np.full(count, -1, dtype=np.int32), ())
    return np.full(count, np.nan)


@cache
def _never_missing(table, name):
    """Whether a column is filled in every row: feeders leave out rows without what the contract requires."""
    if table in BUILT:
        return name != "kind"
    derived = DERIVED.get(table, {}).get(name)
    return all(stored in TABLES[table].filled for stored in (derived.needs if derived else (name,)))


def _occurred(table):
    return TABLES[table].occurred if table in TABLES else "occurred_at"


def recode(column, levels):
    """A Category's codes in terms of other levels; -1 where a level is unknown to them."""
    if column.levels is levels or column.levels == levels:
        return column
    code = {level: place for place, level in enumerate(levels)}
    table = np.array([*(code.get(level, -1) for level in column.levels), -1], dtype=np.int32)
    return Category(table[column.codes], levels)
