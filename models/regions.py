"""Ranges and levels of one column that only the bad, or only the good, have: learned on one half of the customers, confirmed on the other."""
import numpy as np
import pandas as pd
from scipy import special

from models.clusters import cluster_codes

BAD, GOOD = 1.0, 0.0
# Ranges shown in words; the rest are counted.
SHOWN = 4
# A range is only learned where so many customers of one class in a row would be chance in one of a hundred.
LEARNED_BY_CHANCE, FEWEST = 0.01, 3


def one_sided(values, labels, customers, *, side, chance):
    """Find the part of a column in which practically everybody belongs to one class.

    values: a Series, one row per observation, none missing unless it is a category (there missing is a level); labels: 0.0, 1.0; customers:
    whole numbers from 0, whose rows stay in one half; side: BAD or GOOD; chance: the accepted probability that the bound below is too high.

    A number's part are the gaps between the values of the other class, a category's are the levels without it, wherever enough customers of `side`
    were seen in one half; both halves learn for the other. Returns None without such a part, else a dict: rows and members (customers in the part,
    and those of them on this side), share (observed) and low (lower Clopper-Pearson bound), beside (share of this side in half as many rows next to the part,
    in the column's order), covered (share of the side's rows that lie in the part), flag (bool, one per row), ranges (of the whole sample, in words).
    """
    member = labels == side
    found = [_tried(values, member, customers, learn=np.asarray(customers % 2 == half)) for half in (0, 1)]
    flag, near = found[0][0] | found[1][0], found[0][1] | found[1][1]
    members = _distinct(customers[flag & member])
    if not members:
        return None
    others = _distinct(customers[flag & ~member])
    return {"rows": members + others, "members": members, "share": members / (members + others), "low": lower_bound(members, members + others, chance),
            "beside": float((member[near].sum() + 1) / (near.sum() + 2)), "covered": float(flag[member].mean()), "flag": flag,
            "ranges": _in_words(values, member, customers)}


def lower_bound(count, rows, chance):
    """The lower end of the exact one-sided interval of a share (Clopper and Pearson, Biometrika 1934)."""
    return 0.0 if count == 0 else float(special.betaincinv(count, rows - count + 1, chance)) if count < rows else float(chance ** (1 / rows))


def _distinct(codes):
    return len(np.unique(codes))


def _tried(values, member, customers, *, learn):
    """Masks over all rows: those of the other half that lie in what this half learned, and as many of the other half beside them."""
    cells, place = _cells(values, member, learn)
    kept = _kept(cells, member, customers, learn)
    inside = ~learn & (cells >= 0) & kept[cells]
    return inside, _beside(place, inside, ~learn & ~inside)


def _cells(values, member, learn):
    """Each row's cell, -1 for none, and its place in the column's order: gaps between the other class's numbers, or levels by their learned rate."""
    if not pd.api.types.is_numeric_dtype(values):
        return _levels(values, member, learn)
    number = values.to_numpy(dtype=np.float64)
    others = np.unique(number[learn & ~member])
    gap = np.searchsorted(others, number)
    taken = others[np.minimum(gap, len(others) - 1)] == number if len(others) else np.zeros(len(number), dtype=bool)
    return np.where(taken, -1, gap), number


def _levels(values, member, learn):
    code, _ = pd.factorize(values, use_na_sentinel=False)
    rows, members = (np.bincount(code[mask], minlength=code.max() + 1) for mask in (learn, learn & member))
    rate = (members + member.mean()) / (rows + 1)
    return np.where((rows > members)[code], -1, code), rate[code]


def _kept(cells, member, customers, learn):
    """Whether each cell holds enough customers of the side in the learning half."""
    seen = learn & member & (cells >= 0)
    pairs = np.unique(np.column_stack([cells[seen], customers[seen]]), axis=0) if seen.any() else np.zeros((0, 2), dtype=np.int64)
    share = min(max(member[learn].mean(), 1e-9), 1 - 1e-9) if learn.any() else 0.5
    enough = max(FEWEST, int(np.ceil(np.log(LEARNED_BY_CHANCE) / np.log(share))))
    return np.bincount(pairs[:, 0], minlength=max(cells.max() + 1, 1)) >= enough


def _beside(place, inside, candidates):
    """Half as many candidates as there are rows inside, nearest to them in the order of `place`, counted in candidates."""
    near = np.zeros(len(place), dtype=bool)
    if not inside.any() or not candidates.any():
        return near
    # Shuffled before the sort, because ties would else come in the file's order, which may be good before bad.
    rows = np.random.default_rng(0).permutation(np.flatnonzero(candidates))
    rows = rows[np.argsort(place[rows], kind="stable")]
    edge = np.unique(np.searchsorted(place[rows], place[inside]))
    index = np.arange(len(rows))
    above = np.searchsorted(edge, index, side="right")
    ahead = np.where(above < len(edge), edge[np.minimum(above, len(edge) - 1)] - index - 1, len(rows))
    behind = np.where(above > 0, index - edge[np.maximum(above - 1, 0)], len(rows))
    nearest = np.argsort(np.minimum(ahead, behind), kind="stable")[: max(int(inside.sum()) // 2, FEWEST)]
    near[rows[nearest]] = True
    return near


def _in_words(values, member, customers):
    """What the part is over the whole sample, fullest first: levels by name, ranges by their ends."""
    cells, _ = _cells(values, member, np.ones(len(member), dtype=bool))
    kept = _kept(cells, member, customers, np.ones(len(member), dtype=bool))
    inside = pd.Series(values).loc[(cells >= 0) & kept[cells]]
    if not pd.api.types.is_numeric_dtype(values):
        return [str(level) for level in inside.value_counts(dropna=False).index]
    cell = cells[inside.index]
    ends = inside.groupby(cell).agg(["min", "max", "size"]).sort_values("size", ascending=False, kind="stable")
    return [f"{low:g}" if low == high else f"{low:g} to {high:g}" for low, high in zip(ends["min"], ends["max"], strict=True)]


def customer_codes(customers, rows):
    """Whole numbers for customer ids; without ids each row is one of its own."""
    codes = np.arange(rows) if customers is None else cluster_codes(customers)
    # Shuffled, because a file may list bad and good rows in turn, and every other one would then be a half of one class.
    return np.random.default_rng(0).permutation(int(codes.max()) + 1)[codes]
