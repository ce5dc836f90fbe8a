"""Why a score is what it is: contributions grouped as people speak of them, the strongest on either side."""
import msgspec
import numpy as np

SUB_SCORES = {"financial": ("solvency", "profitability"), "behavioural": ("payment_behaviour", "contracts", "disputes"),
              "cash_flow": ("cash_flow", "transactions"), "background": ()}


class Reason(msgspec.Struct, frozen=True):
    """One reason: the message's id, its contribution in log-odds (positive raises the risk), its factor, and the columns behind it.

    `columns` lists (name, value, contribution), strongest first; value is a float, a category's level or None where missing.
    """

    message_id: str
    contribution: float
    factor: str
    columns: tuple


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
    strongest = sorted(places, key=lambda place: -abs(contributions[place])) if len(places) > 1 else places
    columns = bundle.manifest.columns
    shown = tuple((columns[p].name, shown_value(columns[p], values[p]), contributions[p]) for p in strongest)
    return Reason(message_id, total, columns[strongest[0]].factor, shown)
