"""Bins of one column with their weight of evidence, as a scorecard reads them: cut by optbinning, stored and applied without it."""
import msgspec
import numpy as np

from features.errors import RiskError

# What optbinning is told a level is that too few rows have, or that nobody had seen: it gets the special bin.
RARE = "\x00rare"
# The trees that propose cuts work in single precision; what lies beyond falls into the outer bins anyway.
LARGEST = 1e30
COARSE_BINS, CORRELATED_ROWS = 20, 10_000
# optbinning's own limit of 100 s could end a search at another place on a slower machine. Among so few proposals a search takes milliseconds.
NO_LIMIT, PROPOSALS = 86_400, 12
# Without a direction the better of the two: optbinning's own choice among peaks and valleys too follows noise (docs/experiments.md).
TRENDS = {1: "ascending", -1: "descending", 0: "auto_asc_desc"}


class Bins(msgspec.Struct, frozen=True):
    """The bins of one column: ordinary ones first, then the special one (levels that are rare or were never seen), then the missing one.

    `splits` are the upper ends of all numeric bins but the last, each exclusive; `groups` the levels by bin (None for a number). `rows` and `bad`
    count what the bins were fitted on; `woe` is ln(share of the good / share of the bad), 0 where a bin tells too little: higher is safer.
    """

    name: str
    splits: tuple[float, ...]
    groups: tuple[tuple[str, ...], ...] | None
    rows: tuple[int, ...]
    bad: tuple[int, ...]
    woe: tuple[float, ...]

    @property
    def information_value(self):
        """Sum over bins of (share of the good - share of the bad) * WoE (Siddiqi 2017, chapter 10)."""
        rows, bad = np.array(self.rows, dtype=np.float64), np.array(self.bad, dtype=np.float64)
        good = rows - bad
        return float(((good / good.sum() - bad / bad.sum()) * np.array(self.woe)).sum())

    @property
    def labels(self):
        """What each bin holds, in words of arithmetic: "< 3", "[3, 5)", ">= 5", "A, B"; the last two are "special" and "missing"."""
        if self.groups is not None:
            return (*(", ".join(group) for group in self.groups), "special", "missing")
        ends = [f"{split:.6g}" for split in self.splits]
        inner = [f"[{low}, {high})" for low, high in zip(ends[:-1], ends[1:], strict=True)]
        return (*([f"< {ends[0]}", *inner, f">= {ends[-1]}"] if ends else ["any"]), "special", "missing")


def places(bins, values):
    """The place of the bin of every value (rows,), as `bins.woe` counts them. values: float array (NaN missing) or Category.

    Raises: RiskError when the column is of the other kind.
    """
    last = len(bins.woe) - 1
    if hasattr(values, "codes") != (bins.groups is not None):
        raise RiskError(f"scorecard: column {bins.name} is of another kind than the one it was fitted on; use the card's own catalogue")
    if bins.groups is None:
        return np.where(np.isnan(values), last, np.searchsorted(np.array(bins.splits), values, side="right"))
    of_level = {level: place for place, group in enumerate(bins.groups) for level in group}
    return np.array([*(of_level.get(level, last - 1) for level in values.levels), last])[values.codes]


def weight_of_evidence(rows, bad, *, least=1):
    """ln(share of the good / share of the bad) of every bin; 0 for a bin with fewer than `least` good or bad rows."""
    rows, bad = np.asarray(rows, dtype=np.float64), np.asarray(bad, dtype=np.float64)
    good, told = rows - bad, (bad >= least) & (rows - bad >= least)
    woe = np.zeros(len(rows))
    woe[told] = np.log((good[told] / good.sum()) / (bad[told] / bad.sum()))
    return woe


def optimal_bins(name, values, target, *, direction=0, levels=None, min_share=0.05, min_bad=10):
    """Bins of the largest information value among those that optbinning's integer program allows (Navas-Palencia, arXiv 2001.08025).

    values: float array (NaN missing) or Category with its frozen `levels`; direction: 1 more is riskier, -1 safer (the bad rate then rises or
    falls from bin to bin), 0 whichever tells more; every ordinary bin holds `min_share` of the rows and `min_bad` bad ones, and a special
    or missing bin with fewer has WoE 0.
    """
    from optbinning import OptimalBinning

    kind = {"dtype": "numerical", "monotonic_trend": TRENDS[direction]} if levels is None else {"dtype": "categorical", "special_codes": [RARE]}
    given = np.clip(values, -LARGEST, LARGEST) if levels is None else _strings(values, levels)
    if not _varies(given):
        return _counted(name, (), None if levels is None else (tuple(levels),), values, target, min_bad)
    found = OptimalBinning(name=name, max_n_prebins=PROPOSALS, min_prebin_size=min_share, min_bin_n_event=min_bad, time_limit=NO_LIMIT, random_state=0,
                           **kind)
    found.fit(given, target)
    splits = () if levels is not None else tuple(float(split) for split in found.splits)
    groups = None if levels is None else tuple(tuple(map(str, group)) for group in found.splits)
    return _counted(name, splits, groups, values, target, min_bad)


def coarse_ranking(columns, target, *, most, max_correlation):
    """Names of the `most` columns that tell most by themselves, in that order, near-copies of a better one left out.

    What a column tells is its information value on COARSE_BINS quantile bins, less what bins of chance would show; columns that tell nothing are left
    out. Near-copies are columns whose weights of evidence correlate beyond `max_correlation` on CORRELATED_ROWS rows.
    """
    step = max(1, len(target) // CORRELATED_ROWS)
    told = {name: _coarse(values, target, step) for name, values in columns.items()}
    order = sorted((name for name in told if told[name][0] > 0), key=lambda name: -told[name][0])
    kept = distinct([told[name][1] for name in order], most=most, max_correlation=max_correlation)
    return [order[place] for place in kept]


def distinct(arrays, *, most, max_correlation):
    """Places of the arrays, best first, that correlate with no kept one before them beyond the limit: the first `most` of them."""
    standard = [_standard(array) for array in arrays]
    kept = []
    for place, array in enumerate(standard):
        if len(kept) < most and all(abs(array @ standard[other]) <= max_correlation for other in kept):
            kept.append(place)
    return kept


def _standard(array):
    centred = array - array.mean()
    return centred / max(float(np.sqrt(centred @ centred)), 1e-12)


def _coarse(values, target, step):
    """A column's corrected information value and the weights of evidence of every step-th row."""
    place, count = _coarse_places(values)
    rows, bad = np.bincount(place, minlength=count), np.bincount(place, weights=target, minlength=count)
    rows, bad = rows[rows > 0] + 1.0, bad[rows > 0] + target.mean()
    good = rows - bad
    woe = np.log((good / good.sum()) / (bad / bad.sum()))
    told = ((good / good.sum() - bad / bad.sum()) * woe).sum() - (len(rows) - 1) * (1 / good.sum() + 1 / bad.sum())
    used = np.full(count, -1)
    used[np.unique(place)] = np.arange(len(rows))
    return told, woe[used[place[::step]]]


def _coarse_places(values):
    if hasattr(values, "codes"):
        return values.codes + 1, len(values.levels) + 1
    present = ~np.isnan(values)
    edges = np.unique(np.quantile(values[present], np.linspace(0, 1, COARSE_BINS + 1)[1:-1], method="lower")) if present.any() else np.array([])
    return np.where(present, np.searchsorted(edges, values, side="left"), len(edges) + 1), len(edges) + 2


def _strings(values, levels):
    """The levels as texts: RARE for those that are not frozen, None where missing."""
    frozen = set(levels)
    table = np.array([*(level if level in frozen else RARE for level in values.levels), None], dtype=object)
    return table[values.codes]


def _varies(given):
    present = given[~np.isnan(given)] if given.dtype.kind == "f" else given[np.array([value is not None and value != RARE for value in given], dtype=bool)]
    return len(present) > 0 and bool((present != present[0]).any())


def _counted(name, splits, groups, values, target, min_bad):
    """The bins with their rows, bad rows and weights of evidence."""
    count = (len(splits) + 1 if groups is None else len(groups)) + 2
    empty = Bins(name, splits, groups, (), (), (0.0,) * count)
    place = places(empty, values)
    rows, bad = np.bincount(place, minlength=count), np.bincount(place, weights=target, minlength=count).astype(int)
    return Bins(name, splits, groups, tuple(rows.tolist()), tuple(bad.tolist()), tuple(weight_of_evidence(rows, bad, least=min_bad).tolist()))
