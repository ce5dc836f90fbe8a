"""Whether a column or the score moved, judged against its own sampling noise: frozen bins, PSI, tests, false-discovery control, one
verdict."""
from collections import Counter

import msgspec
import numpy as np
from scipy import special

from features.errors import RiskError
from models.exact import fisher_exact

# Cells below this expected count make the chi-square approximation lie (Cochran, Biometrics 1954).
LEAST_EXPECTED = 5.0


class Bins(msgspec.Struct, frozen=True, kw_only=True):
    """A column's bins as frozen on the reference: upper `edges` of a number (right-closed, the last open) or `levels` of a category."""

    column: str
    edges: tuple[float, ...] | None = None
    levels: tuple[str, ...] | None = None


class Histogram(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of one column over its bins, with missing and (for categories) unseen values counted apart."""

    counts: tuple[int, ...]
    missing: int
    unseen: int = 0


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """When a change counts: q the false-discovery rate over columns; psi_* the excess PSI, missing_* the change of the missing or unseen
    share."""

    q: float = 0.05
    psi_moderate: float = 0.05
    psi_severe: float = 0.25
    missing_moderate: float = 0.05
    missing_severe: float = 0.20


def level_counts(values):
    """{level: rows} of the levels that a categorical column has. values: a Category, or strings among which anything else is missing."""
    if not hasattr(values, "codes"):
        return Counter(str(value) for value in np.asarray(values, dtype=object) if isinstance(value, str))
    # By code: a hundred thousand levels as an array of texts would take the longest's room for each row.
    rows = np.bincount(values.codes[values.codes >= 0], minlength=len(values.levels))
    return {values.levels[code]: int(rows[code]) for code in np.flatnonzero(rows)}


def freeze(column, values, *, bins=10):
    """Bins of a reference column: at most `bins` quantile bins of a number, or the levels of a category.

    values: float array (NaN missing), Category, or sequence of strings and Nones. A number with few distinct values gets one bin each; cuts
    are values themselves, so ties never straddle them.
    """
    if _is_category(values):
        return Bins(column=column, levels=tuple(sorted(level_counts(values))))
    present = _present(values)
    if not len(present):
        return Bins(column=column, edges=())
    cuts = np.unique(present[np.floor(np.linspace(0, 1, bins + 1)[1:-1] * (len(present) - 1)).astype(np.int64)])
    return Bins(column=column, edges=tuple(float(c) for c in cuts if c < present[-1]))


def histogram(bins, values):
    """Count values (as for `freeze`) into frozen bins. Histograms of parts add up, so size does not matter."""
    if bins.levels is not None:
        return _category_histogram(bins, values)
    present = _present(values)
    ends = np.searchsorted(present, np.asarray(bins.edges), side="right")
    counts = np.diff(ends, prepend=0, append=len(present))
    return Histogram(counts=tuple(int(c) for c in counts), missing=len(values) - len(present))


def added(histograms):
    """The histogram of all parts together."""
    counts = np.sum([h.counts for h in histograms], axis=0)
    missing, unseen = sum(h.missing for h in histograms), sum(h.unseen for h in histograms)
    return Histogram(counts=tuple(int(c) for c in counts), missing=missing, unseen=unseen)


def psi(reference, current):
    """Population stability index of two count vectors: sum of (p - q) ln(p / q), half a row added to every bin so that none is empty."""
    p, q = (_shares(counts) for counts in (reference, current))
    return float(((p - q) * np.log(p / q)).sum())


def psi_noise(bins, reference_rows, current_rows):
    """Mean and 95 % point of PSI when nothing moved: chi-square with bins - 1 degrees of freedom times (1 / n + 1 / m).

    Source: Yurdakul and Naranjo, Statistical properties of the population stability index, Journal of Risk Model Validation 2020.
    Returns (mean, high); zeros when either side is empty.
    """
    if bins < 2 or not reference_rows or not current_rows:
        return 0.0, 0.0
    scale = 1 / reference_rows + 1 / current_rows
    return (bins - 1) * scale, float(special.chdtri(bins - 1, 0.05)) * scale


def column_shift(column, reference, current, *, effect=1.0, current_effect=1.0):
    """How one column moved between two histograms of the same bins.

    effect, current_effect: how many rows stand for one independent one on either side (a customer observed in eight quarters is nearly one
    customer); counts are divided by it before testing.
    Returns dict: column, psi, psi_noise, psi_excess (psi less its mean when nothing moved, at least 0), missing_reference, missing_current,
    unseen_current, p_distribution, p_missing, p_unseen, and p, their Bonferroni-joined smallest.
    """
    need_same_bins(reference, current, column)
    # Three tests of one column: Bonferroni keeps their smallest honest whatever their dependence.
    p_distribution = homogeneity(np.asarray(reference.counts) / effect, np.asarray(current.counts) / current_effect)
    totals = [_rows(h) for h in (reference, current)]
    p_missing = _share_test(reference.missing, totals[0], current.missing, totals[1], (effect, current_effect))
    p_unseen = _share_test(reference.unseen, totals[0], current.unseen, totals[1], (effect, current_effect))
    value = psi(reference.counts, current.counts) if sum(reference.counts) and sum(current.counts) else 0.0
    noise, _ = psi_noise(len(reference.counts), sum(reference.counts) / effect, sum(current.counts) / current_effect)
    tests = [p for p in (p_distribution, p_missing, p_unseen) if p is not None]
    return {"column": column, "psi": value, "psi_noise": noise, "psi_excess": max(value - noise, 0.0),
            "missing_reference": _share(reference.missing, totals[0]), "missing_current": _share(current.missing, totals[1]),
            "unseen_current": _share(current.unseen, totals[1]), "p_distribution": p_distribution, "p_missing": p_missing,
            "p_unseen": p_unseen, "p": min(1.0, len(tests) * min(tests)) if tests else 1.0}


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


def discoveries(p_values, *, q):
    """Which of many tests to believe at a false-discovery rate q (Benjamini and Hochberg 1995). Returns a bool array."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    passed = np.flatnonzero(p[order] <= q * np.arange(1, len(p) + 1) / max(len(p), 1))
    found = np.zeros(len(p), dtype=bool)
    found[order[:passed[-1] + 1 if len(passed) else 0]] = True
    return found


def verdict(shifts, *, thresholds, score="score"):
    """One verdict over all columns' shifts (`column_shift`): none, moderate or severe, with its reasons.

    A column counts only when its change is both beyond chance (false-discovery control over all columns) and large enough to matter.
    severe: the score itself moved severely, or a tenth of the columns did; moderate: anything that counts. `score` names the shift of the
    score, if there.

    Returns {"verdict", "reasons": [{"column", "severity", "kind", "size"}], "columns": the shifts with "severity" added}.
    """
    believed = discoveries([s["p"] for s in shifts], q=thresholds.q) if shifts else []
    graded = [s | _severity(s, sure, thresholds) for s, sure in zip(shifts, believed, strict=True)]
    moved = [s for s in graded if s["severity"] != "none"]
    severe = [s for s in moved if s["severity"] == "severe"]
    worst = any(s["column"] == score for s in severe) or len(severe) >= max(1, len(shifts) / 10)
    reasons = [{key: s[key] for key in ("column", "severity", "kind", "size")} for s in sorted(moved, key=lambda s: -s["size"])]
    return {"verdict": "severe" if worst else "moderate" if moved else "none", "reasons": reasons, "columns": graded}


def _severity(shift, sure, thresholds):
    missing = abs(shift["missing_current"] - shift["missing_reference"])
    sizes = [("distribution", shift["psi_excess"], thresholds.psi_moderate, thresholds.psi_severe),
             ("missing", missing, thresholds.missing_moderate, thresholds.missing_severe),
             ("unseen", shift["unseen_current"], thresholds.missing_moderate, thresholds.missing_severe)]
    # One scale for three kinds of change: how far each is along its own way to severe.
    kind, size, moderate, severe = max(sizes, key=lambda s: s[1] / s[3])
    level = "severe" if size >= severe else "moderate" if size >= moderate else "none"
    return {"severity": level if sure else "none", "kind": kind, "size": float(size)}


def _merged(reference, current):
    total = reference.sum() + current.sum()
    smaller = min(reference.sum(), current.sum())
    if total == 0 or smaller == 0:
        return reference[:0], current[:0]
    expected = np.cumsum((reference + current) / total * smaller)
    group = np.minimum(np.floor((expected - 1e-9) / LEAST_EXPECTED), max(np.floor(expected[-1] / LEAST_EXPECTED) - 1, 0)).astype(int)
    _, group = np.unique(group, return_inverse=True)
    return np.bincount(group, weights=reference), np.bincount(group, weights=current)


def _share_test(first, first_rows, second, second_rows, effects):
    """Fisher's exact test of two shares; None when neither side has any, or a side is empty."""
    if not (first or second) or not first_rows or not second_rows:
        return None
    return fisher_exact(*_independent(first, first_rows, effects[0]), *_independent(second, second_rows, effects[1]))


def _independent(part, rows, effect):
    """Whole counts of independent rows: `effect` rows stand for one."""
    part = round(part / effect)
    return part, max(round(rows / effect), part)


def _shares(counts):
    counts = np.asarray(counts, dtype=np.float64) + 0.5
    return counts / counts.sum()


def _rows(counted):
    return sum(counted.counts) + counted.missing + counted.unseen


def _share(part, rows):
    return part / rows if rows else 0.0


def _is_category(values):
    return hasattr(values, "codes") or np.asarray(values).dtype.kind in "OUST"


def _present(values):
    """The numbers that are there, sorted: one sort answers both quantiles and counts."""
    number = np.asarray(values, dtype=np.float64)
    return np.sort(number[~np.isnan(number)])


def _category_histogram(bins, values):
    found = level_counts(values)
    known = tuple(found.get(level, 0) for level in bins.levels)
    present = sum(found.values())
    return Histogram(counts=known, missing=len(values) - present, unseen=present - sum(known))


def need_same_bins(reference, current, column):
    """Raises: RiskError when two histograms of a column were not counted over the same bins."""
    if len(reference.counts) != len(current.counts):
        raise RiskError(f"stability: column {column} has {len(reference.counts)} reference bins and {len(current.counts)} current ones; "
                        "freeze the bins again")
