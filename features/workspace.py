"""What the terms of one computation share: tables put in order, windows found once, accounts and open items worked out once."""

from functools import cached_property

import numpy as np

from features import kernel
from features.accounts import PREFERRED_BASIS, Accounts, month_number
from features.arrays import MISSING_MONEY, Category, length
from features.derived import BUILT, DERIVED, LINKED
from features.ledger import contract_figures, ledger, open_figures, settlements
from features.lookups import held, pick, states
from features.scope_fit import outside_scope
from features.tables import TABLES

TESTS = {"==": np.equal, "!=": np.not_equal, "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}


class Workspace:
    """Records and observations with everything worked out from them so far.

    Observations must ascend by (entity, as_of). `spans` says which windows are asked of which (table, key), so that all are found together:
    {(table, key): ascending seconds}; `ordered` the windows of which a
    deviation is asked, by (table, key) too, since those are worth working out one by one.
    """

    def __init__(self, records, observations, *, spans, ordered=None, context=None, preferred_basis=PREFERRED_BASIS):
        self.records, self.observations, self.spans, self.context = records, observations, spans, context
        self.preferred_basis, self._ordered = preferred_basis, ordered or {}
        self._kept = {}

    def once(self, key, build, *args):
        """What `build(*args)` gives, worked out at the first call with that key."""
        if key not in self._kept:
            self._kept[key] = build(*args)
        return self._kept[key]

    def rows(self, table):
        """A table's rows; a built table is worked out at its first use, one without rows here is empty."""
        if table in BUILT:
            return self.once(("rows", table), settlements, self.book)
        return self.records.tables[table]

    def column(self, table, name):
        """A stored or derived column of a table; one that no row here carries is missing throughout."""
        rows = self.rows(table)
        derived = DERIVED.get(table, {}).get(name)
        if derived:
            return self.once(("column", table, name), derived.compute, rows)
        if (table, name) in LINKED:
            return self.once(("column", table, name), outside_scope, self)
        return rows[name] if name in rows else np.full(length(rows), np.nan)

    def occurred(self, table):
        """When a table's rows happened, int64 seconds."""
        return self.rows(table)[_occurred(table)]

    def depths(self, term):
        """Places, among the windows of a term's table, of those a deviation is asked of."""
        spans = self.spans[term.table, term.key]
        return [spans.index(span) for span in self._ordered[term.table, term.key]]

    @cached_property
    def book(self):
        """The ledger of invoices and payments."""
        return ledger(self.rows("invoices"), self.rows("payments"))

    @cached_property
    def accounts(self):
        """The statements as each observation can read them."""
        return Accounts(self.rows("statements"), self.observations.entity, self.observations.as_of, preferred=self.preferred_basis)

    def open_items(self, span=0):
        """Open items at each as_of, or as they stood and were known `span` seconds before, a dict of columns."""
        moment = self.observations.as_of - span
        return self.once(("open", span), open_figures, self.book, self.observations.entity, moment)

    def contracts(self, days):
        """Counts of contracts due in a window, a dict of columns."""
        return self.once(
            ("contracts", days),
            lambda: contract_figures(self.rows("contracts"), self.observations.entity, self.observations.as_of, days=days),
        )

    def states(self, table):
        """The step function of a table's last known row by customer."""
        rows = self.rows(table)
        return self.once(("states", table), states, rows["entity"], rows["known_at"])

    def held_row(self, table, span=0):
        """Row of the table's last visible state, or of the one visible `span` seconds before as_of; -1 where there is none."""
        return self.once(("held", table, span), held, self.states(table), self.observations.entity, self.observations.as_of - span)

    def mask(self, table, conditions):
        """Rows of a table that pass all conditions, a boolean array, or None where there are none."""
        if not conditions:
            return None
        return self.once(("mask", table, conditions), self._mask, table, conditions)

    def _mask(self, table, conditions):
        passed = [_passes(self.column(table, each.column), each) for each in conditions]
        return np.logical_and.reduce(passed)

    def selection(self, term, *, valued):
        """The kernel's selection of a window term's rows; with `valued`, of those whose column is not missing."""
        key = ("selection", term.table, term.key, term.where, term.column if valued else "")
        return self.once(key, self._selection, term, valued)

    def _selection(self, term, valued):
        where = self.mask(term.table, term.where)
        there = present(self.column(term.table, term.column)) if valued else None
        if there is not None:
            where = there if where is None else where & there
        return kernel.select(self._windows(term.table, term.key), where=where)

    def _windows(self, table, key):
        return self.once(("windows", table, key), self._find_windows, table, key)

    def _find_windows(self, table, key):
        rows = self.rows(table)
        row_entity, entity = rows["entity"], self.observations.entity
        if key != "customer":
            row_entity, entity = self._pairs(table, key)
        line = kernel.timeline(row_entity, self.occurred(table), rows["known_at"])
        return kernel.windows(line, entity, self.observations.as_of, spans=self.spans[table, key])

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
        return row_pair.astype(np.int64), np.where(found, place, -1)

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
            return Category(np.where(row >= 0, column.codes[row] if len(column) else -1, -1).astype(np.int32), column.levels)
        return pick(column, row)


def _ranks(first, second):
    """Place of each row in the order of two int64 columns; of equal rows the later one is the higher."""
    order = np.lexsort((second, first))
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return place


def _occurred(table):
    return TABLES[table].occurred if table in TABLES else "occurred_at"


def _passes(column, condition):
    if isinstance(column, Category):
        code = column.levels.index(condition.value) if condition.value in column.levels else -2
        return (column.codes >= 0) & TESTS[condition.test](column.codes, code)
    there = present(column)
    passed = TESTS[condition.test](column, condition.value)
    return passed if there is None else passed & there


def present(column):
    """Which values are not missing, a boolean array, or None where all are there."""
    if isinstance(column, Category):
        there = column.codes >= 0
    elif np.issubdtype(column.dtype, np.floating):
        there = ~np.isnan(column)
    else:
        there = column != MISSING_MONEY
    return None if there.all() else there


def recode(column, levels):
    """A Category's codes in terms of other levels; -1 where a level is unknown to them."""
    if column.levels is levels or column.levels == levels:
        return column
    code = {level: place for place, level in enumerate(levels)}
    table = np.array([*(code.get(level, -1) for level in column.levels), -1], dtype=np.int32)
    return Category(table[column.codes], levels)
