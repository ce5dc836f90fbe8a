"""The small language in which a feature says how it is computed: a tree of terms, plain enough to be stored beside the model."""

import msgspec

from features.arrays import DAY
from features.tables import FLOWS

HOUR = 3_600


class Condition(msgspec.Struct, frozen=True, array_like=True, cache_hash=True):
    """A filter on one column: `test` is one of == != < <= > >=; a category is compared with its level, anything else with a number.

    A missing value passes no test.
    """

    column: str
    test: str
    value: str | int | float


class Term(msgspec.Struct, frozen=True, omit_defaults=True, cache_hash=True):
    """One node: `op` applied to `parts`; the other fields are what that op needs (see the functions of this module)."""

    op: str
    parts: tuple["Term", ...] = ()
    table: str = ""
    column: str = ""
    measure: str = ""
    where: tuple[Condition, ...] = ()
    key: str = ""
    span: int = 0
    lag: int = 0
    value: float = 0.0
    by: str = ""


def where(*triples):
    """Conditions, all of which must hold, from (column, test, value) triples."""
    return tuple(Condition(*triple) for triple in triples)


def window(table, measure, column="", *, days=0, hours=0, where=(), key="customer", by="", value=0.0):
    """A windowed measure of a table's rows: count, sum, mean, sd, min, max, recency (days), distinct or last, over (as_of - window, as_of].

    With a column, only rows that have a value there count.
    `key` is customer, or the name of a category of the table: then only rows of the observation's own customer and own value of it count.
    Measures of `features.groups` compare the rows of a window with each other: concentration, largest_share and newcomers by the groups of
    another column, `by`; decay. `value` is what they need beside it.
    """
    return Term("window", table=table, measure=measure, column=column, where=where, key=key, span=days * DAY + hours * HOUR, by=by, value=value)


def line(name, lag=0):
    """A statement line: stocks at the latest visible period end, flows over the twelve months before it; `lag` months earlier if given."""
    return Term("flow" if name in FLOWS else "stock", table="statements", column=name, lag=lag)


def statement(measure, lag=0):
    """About the latest visible statement: age_days, filing_days, missing; or first_filing_days, of the one `lag` months earlier if given."""
    return Term("statement", table="statements", measure=measure, lag=lag)


def revision(name):
    """By how much a line of the latest visible statement, of its own period, differs from what its first version said; 0 without a restatement."""
    return Term("revision", table="statements", column=name)


def last(table, column, *, ago=0):
    """The column of the last visible row of a table of states, or of the one that was the last `ago` days before; a category stays one."""
    return Term("last", table=table, column=column, span=ago * DAY)


def months_since(table, column):
    """Months from a moment in the last visible row to as_of."""
    return Term("months_since", table=table, column=column)


def own(column):
    """A column of the observation itself."""
    return Term("own", table="observations", column=column)


def open_items(measure, *, ago=0):
    """What invoices leave open at as_of, or left open `ago` days before as known then: see `features.ledger.open_figures`."""
    return Term("open_items", table="invoices", measure=measure, span=ago * DAY)


def contracts(measure, *, days):
    """How the contracts due in a window stand: see `features.ledger.contract_figures`."""
    return Term("contracts", table="contracts", measure=measure, span=days * DAY)


def series(name, *, industry=False, lag=0):
    """The latest visible value of a market series, or the industry's own; `lag` months before that value's period if given."""
    return Term("series", table="series", column=name, measure="industry" if industry else "", lag=lag)


def peer(name, value, *industry):
    """The quantile of a named feature's value among the (industry's, if given) observed customers, from the context."""
    return Term("peer", (value, *industry), column=name)


def counterparty(measure, *, days):
    """A figure of the observation's counterparty from the context: count of its transactions, or frauds among them, that became known in a
    window."""
    return Term("counterparty", table="transactions", column="counterparty_id", measure=measure, span=days * DAY)


def ratio(top, bottom):
    """top / bottom, missing where the bottom is 0."""
    return Term("ratio", (top, bottom))


def plus(*parts):
    """The sum of all parts, missing where one is."""
    return Term("plus", parts)


def minus(left, right):
    """left - right."""
    return Term("minus", (left, right))


def times(part, value):
    """A part times a number."""
    return Term("times", (part,), value=value)


def growth(new, old):
    """(new - old) / |old|."""
    return ratio(minus(new, old), size(old))


def size(part):
    """The absolute value."""
    return Term("size", (part,))


def log(part):
    """The natural logarithm, missing at and below 0."""
    return Term("log", (part,))


def signed_log(part):
    """sign(x) ln(1 + |x|)."""
    return Term("signed_log", (part,))


def compare(left, test, value):
    """1 where the part passes the test (<, <=, >, >=, ==) against a number, 0 where not, missing where the part is."""
    return Term("compare", (left,), measure=test, value=value)


def constant(value):
    """A number that is the same for everybody."""
    return Term("constant", value=value)


def positive(part):
    """The part, missing at and below 0: what divides by it would change its meaning with the sign."""
    return Term("positive", (part,))


def largest(*parts):
    """The largest of the known parts, missing where none is."""
    return Term("largest", parts)


def spread(*parts):
    """The sample standard deviation (n - 1) of the known parts, missing below three of them."""
    return Term("spread", parts)


def trend(*parts):
    """Change per step along the least-squares line through the known parts, the latest given first; missing below three of them."""
    return Term("trend", parts)


def known_or(part, value=0.0):
    """The part, a number where it is missing."""
    return Term("known_or", (part,), value=value)


def where_known(part, condition):
    """The part, missing where the condition is missing."""
    return Term("where_known", (part, condition))


def moment(measure, column):
    """About one of the observation's own columns: hour or weekday (Monday 0) of a moment, remainder of an amount to whole hundreds."""
    return Term("moment", table="observations", column=column, measure=measure)


def walk(term):
    """All terms of a tree, parts before the whole."""
    for part in term.parts:
        yield from walk(part)
    yield term
