"""Why a score is what it is: contributions grouped by business fact, the strongest on either side, each with what its figure is compared with."""
import msgspec
import numpy as np

from features.facts import comparisons

SUB_SCORES = {"financial": ("solvency", "profitability"), "behavioural": ("payment_behaviour", "contracts", "disputes"),
              "cash_flow": ("cash_flow", "transactions"), "background": ()}
COMPARED_WITH = ("industry", "book", "year_before", "quarter_before", "own_average", "typical", "none")
INDUSTRY = "bg_industry"
# Columns shown behind a reason: a fact may have two dozen, and beyond these each says little that the first did not.
SHOWN = 5


class Comparison(msgspec.Struct, frozen=True):
    """A figure of the customer and what it is held against: the column's name and value, and the reference.

    By kind the reference is the customer's quantile in its industry or in the whole book (0 lowest), the customer's own figure a year or 90 days before or
    its own longer average, the development median or most frequent level (typical), or None (none: there is no figure, or nothing to hold it against).
    """

    kind: str
    name: str
    value: float | str | None
    reference: float | str | None


class Reason(msgspec.Struct, frozen=True):
    """One reason: the message's id, its contribution in log-odds (positive raises the risk), its factor, the columns behind it, and its comparison.

    `columns` lists up to SHOWN (name, value, contribution), those that push the reason's way most first; value is a float, a category's level or None where
    missing. The comparison is of the first, or of the figure that the first is the quantile or the change of.
    """

    message_id: str
    contribution: float
    factor: str
    columns: tuple
    comparison: Comparison


def reasons(bundle, contributions, matrix, *, adverse=4, favourable=2):
    """The strongest reasons of every row: up to `adverse` that raise the risk, then up to `favourable` that lower it.

    contributions: (rows, columns + 1) of `scoring.contributions`; matrix: the encoded rows they belong to. Columns that share a message id
    are one reason, so that ten windows of one fact do not fill the list. Only positive sums are adverse and only negative ones favourable;
    ties keep the catalogue's order. Returns one tuple of Reason per row, adverse first, strongest first within each side.
    """
    grouped = bundle.grouped(_by_message)
    groups, table = grouped[0], _sums(contributions, grouped)
    # Stable, so that equal contributions do not change places between machines.
    order = np.argsort(-table, axis=1, kind="stable")
    worst, best = order[:, :adverse].tolist(), order[:, ::-1][:, :favourable].tolist()
    # Lists, since Python reads numbers of its own many times faster than numpy's one by one.
    rows = zip(worst, best, table.tolist(), contributions.tolist(), matrix.tolist(), strict=True)
    return [_row_reasons(bundle, groups, *row) for row in rows]


def reason_totals(bundle, contributions):
    """Contributions summed by reason: its message ids and (rows, reasons) in log-odds; with the base value a row adds up to the raw score within 1e-12."""
    grouped = bundle.grouped(_by_message)
    return [message_id for message_id, _ in grouped[0]], _sums(contributions, grouped)


def sub_scores(bundle, contributions):
    """Contributions summed by factor into the sub-scores, in log-odds around the base value (positive is riskier).

    Returns {name: (rows,)} for financial, behavioural, cash_flow and background (every factor not named elsewhere); with the base value
    they add up to the raw score within 1e-12.
    """
    return dict(zip(SUB_SCORES, _sums(contributions, bundle.grouped(_by_sub_score)).T, strict=True))


def shown_value(column, code):
    """An encoded value as people read it: a float, a category's level ("unseen" beyond the frozen ones), or None where missing."""
    if code != code:
        return None
    if column.levels is None:
        return float(code)
    return column.levels[int(code)] if int(code) < len(column.levels) else "unseen"


def _by_message(columns):
    """Groups of columns by their message: [(message id, places)] and each column's group."""
    groups = {}
    for place, column in enumerate(columns):
        groups.setdefault(column.message_id, []).append(place)
    return list(groups.items()), _parts([column.message_id for column in columns], list(groups))


def _by_sub_score(columns):
    """The same by sub-score, background for every factor not named elsewhere."""
    named = {factor: name for name, factors in SUB_SCORES.items() for factor in factors}
    names = [named.get(column.factor, "background") for column in columns]
    return [(name, [place for place, each in enumerate(names) if each == name]) for name in SUB_SCORES], _parts(names, list(SUB_SCORES))


def _parts(names, order):
    return np.array([order.index(name) for name in names], dtype=np.int64)


def _sums(contributions, grouped):
    """(rows, groups) sums, column by column in the catalogue's order, so that one row sums as a batch does."""
    groups, part = grouped
    rows, columns = len(contributions), len(part)
    cells = (np.arange(rows)[:, None] * len(groups) + part).ravel()
    # bincount adds one weight after the other, in the order given.
    return np.bincount(cells, contributions[:, :columns].ravel(), minlength=rows * len(groups)).reshape(rows, len(groups))


def _row_reasons(bundle, groups, worst, best, sums, contributions, values):
    chosen = [g for g in worst if sums[g] > 0] + [g for g in best if sums[g] < 0]
    return tuple(_reason(bundle, *groups[g], sums[g], contributions, values) for g in chosen)


def _reason(bundle, message_id, places, total, contributions, values):
    strongest = sorted(places, key=contributions.__getitem__, reverse=total > 0)[:SHOWN] if len(places) > 1 else places
    columns = bundle.manifest.columns
    shown = tuple((columns[p].name, shown_value(columns[p], values[p]), contributions[p]) for p in strongest)
    return Reason(message_id, total, columns[strongest[0]].factor, shown, _comparison(bundle, strongest[0], total, contributions, values))


def _comparison(bundle, place, total, contributions, values):
    """The first comparison of a column that the row has the figures for and that says what the reason says, else with what is typical."""
    columns = bundle.manifest.columns
    for kind, subject, other, how in bundle.grouped(_compared)[place]:
        value, says = values[subject], values[other]
        if value != value or says != says:
            continue
        if how == "quantile":
            # where more is riskier beyond doubt, a customer above the middle is no reason that lowers the risk
            agrees = columns[subject].direction * (says - 0.5) * total >= 0
        else:
            # a change that pushes the other way does not explain the reason
            agrees = contributions[other] * total > 0 and (how != "times" or says > 0)
        if not agrees:
            continue
        reference = _reference(how, value, says)
        if how == "quantile" or not _alike(value, reference, columns[subject].unit):
            kind = "book" if how == "quantile" and not _in_industry(bundle, values) else kind
            return Comparison(kind, columns[subject].name, value, reference)
    column, shown = columns[place], shown_value(columns[place], values[place])
    # That there is no figure is what the reason says: a median beside it would be held against nothing.
    if shown is None or column.typical is None:
        return Comparison("none", column.name, shown, None)
    return Comparison("typical", column.name, shown, column.typical)


def _in_industry(bundle, values):
    """Whether a row's industry is known, without which its quantiles are those of the whole book."""
    place = bundle.grouped(_industry)
    return place is not None and values[place] == values[place]


def _industry(columns):
    return next((place for place, column in enumerate(columns) if column.name == INDUSTRY), None)


def _alike(value, reference, unit):
    """Whether two figures would be written alike, so that the one says nothing beside the other."""
    digits = 3 if "share" in unit else 2
    return round(value, digits) == round(reference, digits)


def _reference(how, value, says):
    if how == "quantile":
        return says
    return value - says if how == "difference" else value / says


def _compared(columns):
    """Of each column its comparisons that the model has both columns of, [(kind, place of the figure, place of what it is compared by, what that holds)].

    Of a quantile or a change the figure is the one it is of, since that is what a reader knows.
    """
    places = {column.name: place for place, column in enumerate(columns) if column.levels is None}
    found = [[] for _ in columns]
    for name, place in places.items():
        for kind, other, how in comparisons(name):
            if other in places:
                found[place].append((kind, place, places[other], how))
                found[places[other]].insert(0, (kind, place, places[other], how))
    return found
