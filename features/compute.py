"""A catalogue's features computed from records: each term once, each table's windows together."""

from dataclasses import dataclass

import numpy as np

from features import groups, kernel, numbers, several
from features.arrays import MISSING_TIME, Category, Observations, take
from features.derived import hour, remainder, weekday
from features.distinct import distinct
from features.revisions import first_filing_days, revision
from features.terms import walk
from features.workspace import TESTS, Workspace, present

OVERDUE_STATEMENT_DAYS = 550  # a year's accounts and the half year in which most laws want them filed


def compute(catalogue, records, observations, *, context=None):
    """Every feature of the catalogue for every observation, {name: float64 (n,) or Category}, in the catalogue's order.

    Only rows with known_at <= as_of are read. Observations may come in any order. Without a context, peer and counterparty features are
    missing. A category feature is always a Category and a number never infinite.
    """
    # binary searches over ascending questions stay in the processor's cache
    order = np.lexsort((observations.as_of, observations.entity))
    ordered = Observations(observations.entity[order], observations.as_of[order], take(observations.columns, order))
    plan = plan_of(catalogue)
    space = Workspace(records, ordered, spans=plan.spans, ordered=plan.ordered, context=context, preferred_basis=catalogue.preferred_basis)
    values = evaluate(plan, space)
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    asked = zip(catalogue.features, plan.outputs, strict=True)
    return {each.name: _column(values[place], each.kind, len(order))[back] for each, place in asked}


@dataclass(frozen=True)
class Plan:
    """The distinct terms of a catalogue in an order in which parts come first.

    `steps` are (term, places of its parts), `outputs` the place of each feature, `spans` the windows of each (table, key), `ordered`
    those of them of which a deviation is asked.
    """

    steps: tuple
    outputs: tuple
    spans: dict
    ordered: dict


def plan_of(catalogue):
    """The catalogue's Plan, made once per catalogue."""
    if "_plan" not in catalogue.__dict__:
        catalogue.__dict__["_plan"] = _make_plan(catalogue)
    return catalogue.__dict__["_plan"]


def _make_plan(catalogue):
    place, steps = {}, []
    for each in catalogue.features:
        for term in walk(each.how):
            if term not in place:
                place[term] = len(steps)
                steps.append((term, tuple(place[part] for part in term.parts)))
    asked = [term for term in place if term.op == "window"]
    return Plan(
        tuple(steps),
        tuple(place[each.how] for each in catalogue.features),
        _spans(asked),
        _spans([term for term in asked if term.measure == "sd"]),
    )


def _spans(asked):
    """The windows of some terms by (table, key), ascending seconds."""
    spans = {}
    for term in asked:
        spans.setdefault((term.table, term.key), set()).add(term.span)
    return {key: tuple(sorted(found)) for key, found in spans.items()}


def evaluate(plan, space):
    """The value of every step of a plan in a workspace, in the steps' order."""
    values = []
    for term, parts in plan.steps:
        values.append(OPS[term.op](space, term, *(values[part] for part in parts)))
    return values


def _column(value, kind, count):
    if kind == "category":
        return value if isinstance(value, Category) else Category(np.full(count, -1, dtype=np.int32), ())
    return np.where(np.isfinite(value), value, np.nan)


def _window(space, term):
    depth = space.spans[term.table, term.key].index(term.span)
    key = ("measure", term.table, term.key, term.where, term.column, term.measure, term.by, term.value)
    # these are worked out for one window, the others for all at once
    return space.once((*key, term.span) if term.measure in groups.MEASURES else key, _measure, space, term)[depth]


def _measure(space, term):
    """One measure for all windows of its table at once, float64 (k, n)."""
    if term.measure == "count":
        return space.selection(term, valued=bool(term.column)).counts.astype(np.float64)
    if term.measure == "recency":
        chosen = space.selection(term, valued=False)
        return kernel.recency(chosen, space.occurred(term.table))
    chosen = space.selection(term, valued=bool(term.column))
    return VALUED[term.measure](chosen, space, term)


def _sum(chosen, space, term):
    values = space.column(term.table, term.column)
    if np.issubdtype(values.dtype, np.integer):
        return kernel.total(chosen, _without_missing(values)).astype(np.float64)
    return kernel.ordered_total(chosen, values, depths=range(len(chosen.spans)))


def _mean(chosen, space, term):
    return numbers.ratio(_sum(chosen, space, term), chosen.counts.astype(np.float64))


def _extreme(chosen, space, term):
    found = kernel.extreme(chosen, space.column(term.table, term.column), largest=term.measure == "max")
    return np.where(chosen.counts > 0, found, np.nan)


def _deviation(chosen, space, term):
    return kernel.deviation(chosen, space.column(term.table, term.column), depths=space.depths(term))


def _distinct(chosen, space, term):
    return distinct(chosen, space.group(term.table, term.column)).astype(np.float64)


def _last_in_window(chosen, space, term):
    values, row = space.column(term.table, term.column), kernel.latest(chosen)
    if isinstance(values, Category):
        return Category(np.where(row >= 0, values.codes[row] if len(values) else -1, -1).astype(np.int32), values.levels)
    return np.where(row >= 0, values[row] if len(values) else np.nan, np.nan)


VALUED = {"sum": _sum, "mean": _mean, "min": _extreme, "max": _extreme, "sd": _deviation, "distinct": _distinct, "last": _last_in_window}
VALUED |= groups.MEASURES


def _without_missing(values):
    there = present(values)
    return values if there is None else np.where(there, values, 0)


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
    there = present(column)
    return column.astype(np.float64) if there is None else np.where(there, column, np.nan)


def _months_since(space, term):
    row, moments = space.held_row(term.table), space.column(term.table, term.column)
    found = np.where(row >= 0, moments[row] if len(moments) else MISSING_TIME, MISSING_TIME)
    return numbers.months_between(space.observations.as_of, found.astype(np.int64))


def _peer(space, term, values, *industry):
    if space.context is None:
        return np.full(len(values), np.nan)
    return space.context.quantiles(term.column, values, industry[0] if industry else None, space.observations.as_of)


def _counterparty(space, term):
    own = space.observations.columns[term.column]
    if space.context is None:
        return np.full(len(own), np.nan)
    now, before = (space.counterparty_row(term.column, span) for span in (0, term.span))
    figure = space.context.counterparty_count(term.measure, now) - space.context.counterparty_count(term.measure, before)
    return np.where(own.codes < 0, np.nan, figure)


def _compare(space, term, values):
    return np.where(np.isnan(values), np.nan, TESTS[term.measure](values, term.value))


def _plus(space, term, *parts):
    answer = parts[0]
    for part in parts[1:]:
        answer = answer + part
    return answer


def _where_known(space, term, values, condition):
    missing = condition.codes < 0 if isinstance(condition, Category) else np.isnan(condition)
    return np.where(missing, np.nan, values)


OPS = {
    "window": _window,
    "stock": lambda space, term: space.accounts.stock(term.column, term.lag),
    "flow": lambda space, term: space.accounts.flow(term.column, term.lag),
    "statement": _statement,
    "revision": revision,
    "last": lambda space, term: space.last(term.table, term.column, term.span),
    "months_since": _months_since,
    "own": _own,
    "moment": _moment,
    "open_items": lambda space, term: space.open_items(term.span)[term.measure],
    "contracts": lambda space, term: space.contracts(term.span // 86_400)[term.measure],
    "series": lambda space, term: space.series_value(term.column, industry=term.measure == "industry", lag=term.lag),
    "peer": _peer,
    "counterparty": _counterparty,
    "ratio": lambda space, term, top, bottom: numbers.ratio(top, bottom),
    "plus": _plus,
    "minus": lambda space, term, left, right: left - right,
    "times": lambda space, term, part: part * term.value,
    "size": lambda space, term, part: np.abs(part),
    "log": lambda space, term, part: numbers.log(part),
    "signed_log": lambda space, term, part: numbers.signed_log(part),
    "compare": _compare,
    "constant": lambda space, term: np.full(len(space.observations), term.value),
    "positive": lambda space, term, part: np.where(part > 0, part, np.nan),
    "largest": lambda space, term, *parts: several.largest(parts),
    "spread": lambda space, term, *parts: several.spread(parts),
    "trend": lambda space, term, *parts: several.trend(parts),
    "known_or": lambda space, term, part: np.where(np.isnan(part), term.value, part),
    "where_known": _where_known,
}
