"""How many independent rows a sample counts for: customers that stand in it many times, and a world that moves from date to date."""
import msgspec
import numpy as np


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """What one figure of a column (its mean rank, a bin's share) varies by beyond the drawing of single rows.

    repeats: variance of the reference's figure when whole customers are drawn, over that when single rows are (the design effect: Kish, Survey
    Sampling, 1965); 1 where every row stands for itself. between: variance of the figure from date to date, in units of one row's variance.
    """

    repeats: float = 1.0
    between: float = 0.0


class Noise(msgspec.Struct, frozen=True, kw_only=True):
    """How one column varies in the reference.

    a_customer: rows a customer has, as the average row sees it; periods: dates (or weeks, quarters) that the reference spans; location, width: of the mean
    rank and of the mean distance of ranks from the middle; missing: of the missing share; cells: the design effect of a bin's share, the mean over all;
    moving: `between` of each bin.
    """

    a_customer: float = 1.0
    periods: int = 1
    location: Spread = Spread()
    width: Spread = Spread()
    missing: Spread = Spread()
    cells: float = 1.0
    moving: tuple[float, ...] = ()


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """Independent rows that the reference and the current sample count for, and the degrees of freedom with which that is known."""

    reference: float
    current: float
    degrees: float


def sizes(spread, noise, *, reference_rows, current_rows, current_repeats=1.0):
    """The Sizes of a figure of two samples that have so many rows.

    current_repeats: rows a customer has in the current sample, as the average row sees it; they resemble each other as the reference's do. A current
    sample of one date cannot count for more rows than 1 / between, however many it has. Degrees of freedom by Satterthwaite (Biometrics Bulletin 1946).
    """
    alike = _alike(spread.repeats, noise.a_customer)
    drawn = [spread.repeats / reference_rows, (1 + (current_repeats - 1) * alike) / current_rows]
    moved = [spread.between / max(noise.periods, 1), spread.between]
    both = sum(drawn) + sum(moved)
    degrees = (noise.periods - 1) * (both / sum(moved)) ** 2 if sum(moved) > 0 else np.inf
    return Sizes(reference=1 / (drawn[0] + moved[0]), current=1 / (drawn[1] + moved[1]), degrees=float(max(degrees, 1.0)))


def _alike(repeats, a_customer):
    """How much a customer's rows resemble each other (intraclass correlation): 1, the worst, where the reference could not show it."""
    return 1.0 if a_customer < 1.05 else float(np.clip((repeats - 1) / (a_customer - 1), 0.0, 1.0))


def rows_a_customer(customers):
    """Rows a customer has as the average row sees it: sum of squares over sum. customers: whole numbers from 0, one a row."""
    count = np.bincount(customers).astype(np.float64)
    return float((count**2).sum() / count.sum()) if count.sum() else 1.0


def measure(cells, count, scores, customers, periods):
    """The Noise of a column over the reference's rows.

    cells: (rows,) the bin of each, `count` for a missing value, more for an unseen one (as `histograms.placed`); scores: (count, 2) the rank and the
    distance from the middle of each bin, None for a category; customers, periods: (rows,) whole numbers from 0.
    """
    there = cells < count
    part, who, when = cells[there], customers[there], periods[there]
    missing = _spread((cells == count).astype(float), customers, periods)
    common = {"a_customer": rows_a_customer(customers), "periods": int(np.count_nonzero(np.bincount(periods))), "missing": missing}
    if not len(part):
        return Noise(**common)
    repeats, moving = _cell_repeats(part, count, who), _moving(part, count, when)
    figures = () if scores is None else zip(("location", "width"), scores.T, strict=True)
    ranks = {name: _spread(score[part], who, when) for name, score in figures}
    return Noise(**common, **ranks, cells=repeats, moving=moving)


def _spread(figure, customers, periods):
    gap = figure - figure.mean()
    square = float((gap**2).sum())
    if square <= 1e-12 * max(len(figure), 1):
        return Spread()
    repeats = float((np.bincount(customers, weights=gap) ** 2).sum()) / square
    rows = np.bincount(periods).astype(np.float64)
    sums = np.bincount(periods, weights=gap)
    return Spread(repeats=max(repeats, 1.0), between=float(_between(sums[:, None], rows, np.array([square / len(gap)]))[0]))


def _between(sums, rows, variance):
    """Variance from date to date of means, in units of one row's variance: the moments' estimator of one-way analysis of variance, at least 0.

    sums: (dates, figures) deviations from the mean of all rows, added up by date; rows: of each date; variance: of one row, by figure.
    """
    kept = rows > 0
    sums, rows = sums[kept], rows[kept]
    room = rows.sum() - (rows**2).sum() / rows.sum()
    if len(rows) < 2 or room <= 0:
        return np.zeros(sums.shape[1])
    found = (sums**2 / rows[:, None]).sum(axis=0) / np.where(variance > 0, variance, np.inf)
    return np.clip((found - (len(rows) - 1)) / room, 0.0, 1.0)


def _moving(cells, count, periods):
    dates = int(periods.max()) + 1
    table = np.bincount(periods * count + cells, minlength=dates * count).reshape(dates, count).astype(np.float64)
    share = table.sum(axis=0) / table.sum()
    rows = table.sum(axis=1)
    return tuple(float(value) for value in _between(table - rows[:, None] * share, rows, share * (1 - share)))


def _cell_repeats(cells, count, customers):
    """The mean design effect of the bins' shares (Rao and Scott, Journal of the American Statistical Association 1981), at least 1."""
    own = np.bincount(customers).astype(np.float64)
    if own.max() == 1:
        return 1.0
    pairs, together = np.unique(customers * count + cells, return_counts=True)
    share = np.bincount(cells, minlength=count) / len(cells)
    squares = np.bincount(pairs % count, weights=together.astype(np.float64) ** 2, minlength=count)
    crossed = np.bincount(pairs % count, weights=together * own[pairs // count], minlength=count)
    filled = share > 0
    if filled.sum() < 2:
        return 1.0
    variance = squares - 2 * share * crossed + share**2 * (own**2).sum()
    return max(float((variance[filled] / share[filled]).sum() / (len(cells) * (filled.sum() - 1))), 1.0)

