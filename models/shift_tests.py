"""Whether two samples share one distribution: tests on counts that hold for thirty rows as for millions, and how many of many to believe."""
import numpy as np
from scipy import special

from models.exact import fisher_exact

# A cell with fewer expected rows makes the chi-square approximation lie where it matters here, beyond one in 10,000: more than the five of
# Cochran (Biometrics 1954), who looked at one in 20.
LEAST_EXPECTED = 20.0
# Standard errors below which no test of many can alarm, so that the normal approximation is good enough to be told.
WORTH_EXACT = 2.5
# A cell needs so many rows on both sides together, or no split of them could be told from chance; and so many cells are tried at most.
LEAST_ROWS, MOST_CELLS = 5, 50


def score_test(scores, reference, current):
    """Two-sided p-value that the mean of `scores` (one of each cell) is the same in two count vectors, given the counts of both together.

    With the ranks as scores it is Wilcoxon's test, whose null is the permutation of rows over the two samples. Its tail is the double saddlepoint
    approximation, right within a few per cent at thirty rows and at one in a million. None when there is nothing to compare. Counts may be fractions.
    Source: Booth and Butler, Randomization distributions and saddlepoint approximations, Biometrika 1990; the lattice's correction is Daniels 1987.
    """
    # Rounded, so that two ways to the same score are one.
    scores, reference, current = np.round(scores, 9), np.asarray(reference, dtype=np.float64), np.asarray(current, dtype=np.float64)
    pooled = reference + current
    there = pooled > 0
    scores, pooled, current = scores[there], pooled[there], current[there]
    n, rows = current.sum(), pooled.sum()
    if len(scores) < 2 or not 0 < n < rows or np.ptp(scores) == 0:
        return None
    step = np.diff(np.unique(scores)).min()
    scores = scores - (scores * pooled).sum() / rows
    total = float((scores * current).sum())
    deviation = np.sqrt((scores**2 * pooled).sum() / max(rows - 1, 1) * n * (1 - n / rows))
    if abs(total) < WORTH_EXACT * deviation:
        return float(special.erfc(abs(total) / deviation / np.sqrt(2)))
    sign = np.sign(total)
    return min(1.0, 2 * _upper_tail(sign * scores, pooled, n, sign * total - step / 2, step))


def _upper_tail(scores, pooled, n, total, step):
    """P(sum of scores > total) of n rows drawn from the pooled ones without replacement; sums lie `step` apart, and total, above their mean of 0, between
    two of them."""
    share, target = n / pooled.sum(), np.array([total, n])
    tilt = _saddle(scores, pooled, share, target)
    if tilt is None:
        return 0.0
    drawn = special.expit(special.logit(share) + tilt[0] * scores + tilt[1])
    cumulant = (pooled * np.log1p(share * np.expm1(tilt[0] * scores + tilt[1]))).sum()
    w = np.sqrt(max(2 * (tilt @ target - cumulant), 0.0))
    spread = np.linalg.det(_curvature(scores, pooled * drawn * (1 - drawn))) / (pooled.sum() * share * (1 - share))
    v = 2 / step * np.sinh(min(step * tilt[0] / 2, 300.0)) * np.sqrt(max(spread, 0.0))
    if v <= 0 or w <= 0:
        return 0.5
    tail = special.ndtr(-w) + np.exp(-w * w / 2) / np.sqrt(2 * np.pi) * (1 / v - 1 / w)
    return float(np.clip(tail, 0.0, 1.0))


def _saddle(scores, pooled, share, target, rounds=60):
    """The tilt (of the scores, of the count) under which the drawn rows have the target's mean sum and count; None where no tilt reaches it."""
    tilt = np.zeros(2)
    for _ in range(rounds):
        drawn = special.expit(special.logit(share) + tilt[0] * scores + tilt[1])
        gap = target - np.array([(pooled * scores * drawn).sum(), (pooled * drawn).sum()])
        if (abs(gap) <= 1e-9 * np.maximum(abs(target), 1)).all():
            return tilt
        move = np.linalg.solve(_curvature(scores, pooled * drawn * (1 - drawn)) + 1e-12 * np.eye(2), gap)
        # At most some units of log-odds at a time, so that a far target is reached without overshooting.
        tilt = tilt + move / max(1.0, abs(move[0]) * np.abs(scores).max() / 3, abs(move[1]) / 3)
    return tilt if (abs(gap) <= 1e-3 * np.maximum(abs(target), 1)).all() else None


def _curvature(scores, weight):
    mixed = (weight * scores).sum()
    return np.array([[(weight * scores**2).sum(), mixed], [mixed, weight.sum()]])


def share_test(first, first_rows, second, second_rows):
    """Two-sided p-value that two shares are one (Fisher's exact test, of counts rounded to whole ones); None when neither side has any, or a side is
    empty."""
    if not (first or second) or first_rows <= 0 or second_rows <= 0:
        return None
    (first, first_rows), (second, second_rows) = _whole(first, first_rows), _whole(second, second_rows)
    return fisher_exact(first, first_rows, second, second_rows) if first_rows and second_rows else None


def _whole(part, rows):
    return round(part), max(round(rows), round(part))


def cell_tests(reference, current):
    """(places, p-values) of the cells whose share in two count vectors is worth comparing, the fullest first: each against all others together.

    reference, current: counts of one pair of samples; or, where the samples count for different numbers of independent rows from cell to cell, arrays
    (cells, 2) of the cell's count and all of its sample's. Which cells are worth it follows from both sides together, so it does not spoil the tests.
    """
    reference, current = (_with_totals(counts) for counts in (reference, current))
    pooled = reference[:, 0] + current[:, 0]
    places = np.argsort(-pooled, kind="stable")[:MOST_CELLS]
    places = places[pooled[places] >= LEAST_ROWS]
    p = [_cell_test(*reference[place], *current[place]) for place in places]
    told = [number for number, value in enumerate(p) if value is not None]
    return places[told], [p[number] for number in told]


def _with_totals(counts):
    counts = np.asarray(counts, dtype=np.float64)
    return counts if counts.ndim == 2 else np.column_stack([counts, np.full(len(counts), counts.sum())])


def _cell_test(first, first_rows, second, second_rows):
    if not 0 < first + second < first_rows + second_rows or not first_rows or not second_rows:
        return None
    pooled = (first + second) / (first_rows + second_rows)
    z = abs(first / first_rows - second / second_rows) / np.sqrt(pooled * (1 - pooled) * (1 / first_rows + 1 / second_rows))
    return share_test(first, first_rows, second, second_rows) if z >= WORTH_EXACT else float(special.erfc(z / np.sqrt(2)))


def homogeneity(reference, current):
    """p-value that two count vectors share one distribution (Pearson's chi-square); None when fewer than two bins can be compared.

    Neighbouring bins are merged until each expects LEAST_EXPECTED rows on the smaller side; the merging looks at both sides together only,
    so it does not spoil the test.
    """
    reference, current = _merged(np.asarray(reference, dtype=np.float64), np.asarray(current, dtype=np.float64))
    n, m = reference.sum(), current.sum()
    if len(reference) < 2 or not n or not m:
        return None
    pooled = (reference + current) / (n + m)
    statistic = ((reference - n * pooled) ** 2 / (n * pooled)).sum() + ((current - m * pooled) ** 2 / (m * pooled)).sum()
    return float(special.chdtrc(len(reference) - 1, statistic))


def _merged(reference, current):
    total = reference.sum() + current.sum()
    smaller = min(reference.sum(), current.sum())
    if total == 0 or smaller == 0:
        return reference[:0], current[:0]
    expected = np.cumsum((reference + current) / total * smaller)
    group = np.minimum(np.floor((expected - 1e-9) / LEAST_EXPECTED), max(np.floor(expected[-1] / LEAST_EXPECTED) - 1, 0)).astype(int)
    _, group = np.unique(group, return_inverse=True)
    return np.bincount(group, weights=reference), np.bincount(group, weights=current)


def widened(p, degrees):
    """The p-value when the noise it was judged by was itself estimated, with so many degrees of freedom (infinite: known): the same number of standard
    errors read as Student's t."""
    if p is None or not np.isfinite(degrees):
        return p
    return float(2 * special.stdtr(degrees, special.ndtri(max(p, 1e-300) / 2)))


def discoveries(p_values, *, q):
    """Which of many tests to believe at a false-discovery rate q (Benjamini and Hochberg 1995). Returns a bool array."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    passed = np.flatnonzero(p[order] <= q * np.arange(1, len(p) + 1) / max(len(p), 1))
    found = np.zeros(len(p), dtype=bool)
    found[order[:passed[-1] + 1 if len(passed) else 0]] = True
    return found
