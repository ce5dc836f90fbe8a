"""A catalogue's features computed from records: each term once, terms of one kind together."""

from functools import partial

import numpy as np

from features import numbers, several
from features.arrays import DAY, MISSING_TIME, Category, Observations, length, present, take
from features.derived import hour, remainder, weekday
from features.errors import RiskError
from features.plan import plan_of
from features.revisions import first_filing_days, revision
from features.windowed import fill_windows
from features.workspace import TESTS, Workspace

# A statement's code (customer, basis, length, period) has to stay within the upper half of a packed key.
MOST_CUSTOMERS = 150_000
OVERDUE_STATEMENT_DAYS = 550  # a year's accounts and the half year in which most laws want them filed


def compute(catalogue, records, observations, *, context=None):
    """Every feature of the catalogue for every observation, {name: float64 (n,) or Category}, in the catalogue's order.

    Only rows with known_at <= as_of are read. Observations may come in any order. Without a context, peer and counterparty features are
    missing. A category feature is always a Category and a number never infinite.
    Raises RiskError for more customers than the packed keys hold, moments outside their range, or sums that may leave 64 bits.
    """
    if len(records.customers) > MOST_CUSTOMERS:
        raise RiskError(
            f"{len(records.customers)} customers at once are more than the {MOST_CUSTOMERS} that the packed keys hold; take fewer a chunk, or more buckets."
        )
    if not len(observations):
        return {each.name: Category(np.zeros(0, dtype=np.int32), ()) if each.kind == "category" else np.zeros(0) for each in catalogue.features}
    order = _order(observations)
    if order is not None:
        observations = Observations(observations.entity[order], observations.as_of[order], take(observations.columns, order))
    space = Workspace(records, observations, context=context, preferred_basis=catalogue.preferred_basis)
    values, categories = evaluate(plan_of(catalogue), space)
    back = None if order is None else order.argsort()
    return _columns(catalogue, values, categories, back)


def _order(observations):
    """Positions that put observations by (entity, as_of), in which binary searches stay in the processor's cache; None where they are."""
    entity, as_of = observations.entity, observations.as_of
    if len(as_of) < 2:
        return None
    step = entity[1:] - entity[:-1]
    if ((step > 0) | ((step == 0) & (as_of[1:] >= as_of[:-1]))).all():
        return None
    return np.lexsort((as_of, entity))


def evaluate(plan, space):
    """The answers of a plan in a workspace: float64 (terms, n), and {row: Category} of those that are categories, NaN where missing."""
    values, categories = np.empty((plan.size, len(space.observations))), {}
    for batch in plan.batches:
        out, parts = values[batch.begin : batch.end], [values[part] for part in batch.parts]
        if batch.op in ARITHMETIC:
            ARITHMETIC[batch.op](batch.terms, out, *parts)
        else:
            LOOKUPS[batch.op](space, batch, out, parts, categories)
    return values, categories


def _columns(catalogue, values, categories, back):
    outputs = plan_of(catalogue).outputs
    found = values[outputs]
    found[~np.isfinite(found)] = np.nan
    found = found if back is None else found[:, back]
    columns = dict(zip(catalogue.names, found, strict=True))
    for name, place in catalogue.categories:
        column = categories.get(outputs[place], Category(np.full(found.shape[1], -1, dtype=np.int32), ()))
        columns[name] = column if back is None else column[back]
    return columns


def _put(batch, out, categories, row, column):
    """Write one answer: a category's codes stand for it among the numbers, NaN where it is missing."""
    if isinstance(column, Category):
        categories[batch.begin + row] = column
        column = np.where(column.codes < 0, np.nan, column.codes)
    out[row] = column


def _each(answer):
    """A lookup that answers term by term: answer(space, term, *parts)."""

    def lookup(space, batch, out, parts, categories):
        for row, term in enumerate(batch.terms):
            _put(batch, out, categories, row, answer(space, term, *(part[row] for part in parts)))

    return lookup


def _windows(space, batch, out, parts, categories):
    fill_windows(batch.detail, space, out, put=partial(_put, batch, out, categories))


def _lines(space, batch, out, parts, categories):
    space.accounts.fill(batch.detail, out)


def _statement(space, term):
    accounts = space.accounts
    if term.measure == "missing":
        age = accounts.age_days()
        return (np.isnan(age) | (age > OVERDUE_STATEMENT_DAYS)).astype(np.float64)
    if term.measure == "first_filing_days":
        return first_filing_days(space, term.lag)
    return {"age_days": accounts.age_days, "filing_days": accounts.filing_days}[term.measure]()


def _moment(space, term):
    values = space.observations.columns[term.column]
    figure = {"hour": hour, "weekday": weekday, "remainder": remainder}[term.measure](values).astype(np.float64)
    return np.where(values == MISSING_TIME, np.nan, figure)


def _own(space, term):
    column = space.observations.columns[term.column]
    if isinstance(column, Category):
        return column
    return np.where(present(column), column, np.nan)


def _months_since(space, term):
    row, moments = space.held_row(term.table), space.column(term.table, term.column)
    found = np.where(row >= 0, moments[row] if len(moments) else MISSING_TIME, MISSING_TIME)
    return numbers.months_between(space.observations.as_of, found.astype(np.int64))


def _peer(space, batch, out, parts, categories):
    if space.context is None:
        out[:] = np.nan
        return
    industry = categories.get(int(batch.parts[1][0])) if len(parts) > 1 else None
    out[:] = space.context.quantiles([term.column for term in batch.terms], parts[0], industry, space.observations.as_of)


def _counterparty(space, term):
    own = space.observations.columns[term.column]
    if space.context is None:
        return np.full(len(own), np.nan)
    now, before = (space.counterparty_row(term.column, span) for span in (0, term.span))
    figure = space.context.counterparty_count(term.measure, now) - space.context.counterparty_count(term.measure, before)
    return np.where(own.codes < 0, np.nan, figure)


def _open_items(space, batch, out, parts, categories):
    if not length(space.rows("invoices")):
        out[:] = 0.0
        return
    found = space.open_items(tuple({term.span for term in batch.terms}))
    for row, term in enumerate(batch.terms):
        out[row] = found[term.measure, term.span]


def _contracts(space, batch, out, parts, categories):
    if not length(space.rows("contracts")):
        out[:] = 0.0
        return
    found = space.contracts(tuple({term.span // DAY for term in batch.terms}))
    for row, term in enumerate(batch.terms):
        out[row] = found[term.measure, term.span // DAY]


# space, batch, answers (t, n), the parts' answers by argument (t, n), categories found so far
LOOKUPS = {
    "window": _windows,
    "lines": _lines,
    "statement": _each(_statement),
    "revision": _each(revision),
    "last": _each(lambda space, term: space.last(term.table, term.column, term.span)),
    "months_since": _each(_months_since),
    "own": _each(_own),
    "moment": _each(_moment),
    "open_items": _open_items,
    "contracts": _contracts,
    "series": _each(lambda space, term: space.series_value(term.column, industry=term.measure == "industry", lag=term.lag)),
    "peer": _peer,
    "counterparty": _each(_counterparty),
}


def _value(terms):
    return np.array([term.value for term in terms])[:, None]


def _several(figure):
    """A figure of several parts at once, see `features.several`."""
    return lambda terms, out, *parts: np.copyto(out, figure(parts))


def _plus(terms, out, first, *others):
    out[:] = first
    for part in others:
        out += part


def _compare(terms, out, values):
    out[:] = TESTS[terms[0].measure](values, _value(terms))
    out[np.isnan(values)] = np.nan


# terms, answers (t, n), the parts' answers by argument (t, n)
ARITHMETIC = {
    "ratio": lambda terms, out, top, bottom: np.copyto(out, numbers.ratio(top, bottom)),
    "plus": _plus,
    "minus": lambda terms, out, left, right: np.subtract(left, right, out=out),
    "times": lambda terms, out, part: np.multiply(part, _value(terms), out=out),
    "size": lambda terms, out, part: np.abs(part, out=out),
    "log": lambda terms, out, part: np.copyto(out, numbers.log(part)),
    "signed_log": lambda terms, out, part: np.copyto(out, numbers.signed_log(part)),
    "compare": _compare,
    "constant": lambda terms, out: np.copyto(out, _value(terms)),
    "positive": lambda terms, out, part: np.copyto(out, np.where(part > 0, part, np.nan)),
    "largest": _several(several.largest),
    "spread": _several(several.spread),
    "trend": _several(several.trend),
    "known_or": lambda terms, out, part: np.copyto(out, np.where(np.isnan(part), _value(terms), part)),
    "where_known": lambda terms, out, part, condition: np.copyto(out, np.where(np.isnan(condition), np.nan, part)),
}
