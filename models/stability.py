"""Whether a column or the score moved, judged against its own sampling noise: effect sizes on frozen bins, tests, and one verdict."""
import msgspec
import numpy as np
from scipy import special

from models.design_effect import Noise, Spread, sizes
from models.histograms import need_same_bins
from models.shift_tests import cell_tests, discoveries, homogeneity, score_test, share_test, widened

# A level with a smaller share of the reference is counted with the other rare ones in the index.
RARE = 0.02
NEW, MISSING, DISTRIBUTION = "unseen", "missing", "distribution"


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """When a change counts: q the false-discovery rate over columns; psi_* the excess PSI, missing_* the change of the missing or unseen share; least_weight
    and severe_weight the share of the model's contributions that moved columns, and severely moved ones, must carry together."""

    q: float = 0.05
    psi_moderate: float = 0.05
    psi_severe: float = 0.25
    missing_moderate: float = 0.05
    missing_severe: float = 0.20
    least_weight: float = 0.005
    severe_weight: float = 0.1


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


def rank_scores(counts):
    """(bins, 2): the mean rank, from 0 to 1, of each bin's rows among all, and its distance from the middle."""
    counts = np.asarray(counts, dtype=np.float64)
    rank = (np.cumsum(counts) - counts / 2) / max(counts.sum(), 1)
    return np.column_stack([rank, np.abs(rank - 0.5)])


def column_shift(column, reference, current, *, effect=1.0, current_effect=1.0, noise=None, ordered=True):
    """How one column moved between two histograms of the same bins.

    noise: the column's `design_effect.Noise` in the reference, and then current_effect is how many rows a customer has in the current sample. Without it,
    effect and current_effect say how many rows stand for one independent one on either side. ordered: the bins are a number's, not a category's.
    Returns dict: column, psi, psi_noise, psi_excess (psi less its mean when nothing moved, at least 0), higher (probability that a current row lies above a
    reference row, ties halved; None for a category), missing_reference, missing_current, unseen_reference, unseen_current, p_distribution, p_missing,
    p_unseen, and p, their Bonferroni-joined smallest.
    """
    need_same_bins(reference, current, column)
    alike = Spread(repeats=effect)
    judge = _Judge(reference, current, noise or Noise(cells=effect, a_customer=effect, missing=alike, location=alike, width=alike), current_effect)
    found = {"p_distribution": judge.distribution(ordered), "p_missing": judge.missing(), "p_unseen": judge.unseen()}
    # Three tests of one column: Bonferroni keeps their smallest honest whatever their dependence.
    tests = [p for p in found.values() if p is not None]
    return {"column": column, **judge.effect_size(ordered), "higher": _higher(reference.counts, current.counts) if ordered else None,
            "missing_reference": _share(reference.missing, reference.rows), "missing_current": _share(current.missing, current.rows),
            "unseen_reference": _share(reference.unseen, reference.rows), "unseen_current": _share(current.unseen, current.rows), **found,
            "p": min(1.0, len(tests) * min(tests)) if tests else 1.0}


class _Judge:
    """The tests of one column's two histograms, each on the independent rows that they count for."""

    def __init__(self, reference, current, noise, repeats):
        self.reference, self.current, self.noise, self.repeats = reference, current, noise, repeats
        self.counts = [np.asarray(each.counts, dtype=np.float64) for each in (reference, current)]

    def _sizes(self, spread, *, present=True):
        rows = [each.present if present else each.rows for each in (self.reference, self.current)]
        return sizes(spread, self.noise, reference_rows=rows[0], current_rows=rows[1], current_repeats=self.repeats)

    def distribution(self, ordered):
        """One p-value of all tests of the values that are there; None when there is nothing to compare.

        The test of what most often happens, a shift of a number's rank or any change of a category, has half of the chance of a false alarm, the others
        share the rest (weighted Bonferroni: Genovese, Roeder and Wasserman, Biometrika 2006).
        """
        if not (self.reference.present and self.current.present):
            return None
        ranks, together, cells = [*self._ranks()] if ordered else [], self._together(ordered), self._cells()
        main, *others = [*ranks, together, *cells] if ordered else [together, *cells]
        return _joined(main, [p for p in others if p is not None])

    def _ranks(self):
        for scores, spread in zip(rank_scores(sum(self.counts)).T, (self.noise.location, self.noise.width), strict=True):
            known = self._sizes(spread)
            yield widened(score_test(scores, *self._scaled(known)), known.degrees)

    def _cells(self):
        moving = self.noise.moving or (0.0,) * len(self.counts[0])
        # Bins that do not move from date to date, most of them, count alike.
        found = {between: self._sizes(Spread(repeats=self.noise.cells, between=between)) for between in set(moving)}
        known = [found[between] for between in moving]
        tables = []
        for counts, side in zip(self.counts, ("reference", "current"), strict=True):
            rows = np.array([getattr(each, side) for each in known])
            tables.append(np.column_stack([counts / counts.sum() * rows, rows]))
        places, p = cell_tests(*tables)
        return [widened(value, known[place].degrees) for place, value in zip(places, p, strict=True)]

    def _together(self, ordered):
        # What moves from date to date moves few ways at once: the way that moves most bounds what all bins together may count for.
        between = max([*(self.noise.moving or (0.0,)), *((self.noise.location.between, self.noise.width.between) if ordered else ())])
        known = self._sizes(Spread(repeats=self.noise.cells, between=between))
        # Neighbours are merged where they are few: of a category the rarest with the next rarest.
        order = slice(None) if ordered else np.argsort(-sum(self.counts), kind="stable")
        return widened(homogeneity(*(counts[order] for counts in self._scaled(known))), known.degrees)

    def _scaled(self, known):
        return [counts * size / counts.sum() for counts, size in zip(self.counts, (known.reference, known.current), strict=True)]

    def missing(self):
        """p-value of the missing share."""
        return self._share(self.reference.missing, self.current.missing, self.noise.missing)

    def unseen(self):
        """p-value of the share of levels that were not frozen."""
        # A customer brings his own new level: his rows are one.
        return self._share(self.reference.unseen, self.current.unseen, Spread(repeats=self.noise.a_customer))

    def _share(self, first, second, spread):
        if not (self.reference.rows and self.current.rows):
            return None
        known = self._sizes(spread, present=False)
        parts = first * known.reference / self.reference.rows, second * known.current / self.current.rows
        return widened(share_test(parts[0], known.reference, parts[1], known.current), known.degrees) if first or second else None

    def effect_size(self, ordered):
        """psi, psi_noise and psi_excess."""
        if not (self.reference.present and self.current.present):
            return {"psi": 0.0, "psi_noise": 0.0, "psi_excess": 0.0}
        told = self.counts if ordered else _common(*self.counts)
        value = psi(*told)
        moving = float(np.mean(self.noise.moving)) if self.noise.moving else 0.0
        known = self._sizes(Spread(repeats=self.noise.cells, between=moving))
        noise, _ = psi_noise(len(told[0]), known.reference, known.current)
        return {"psi": value, "psi_noise": noise, "psi_excess": max(value - noise, 0.0)}


def verdict(shifts, *, thresholds, score="score", weights=None):
    """One verdict over all columns' shifts (`column_shift`): none, moderate or severe, with its reasons.

    A column moved when its change is both beyond chance (false-discovery control over all columns) and large enough to matter. `weights` are the columns'
    shares of the model's contributions, {column: share}; without them all columns weigh alike. moderate: the score moved, or moved columns carry
    `least_weight` together; severe: the score moved severely, or severely moved columns carry `severe_weight`. `score` names the shift of the score, if there.

    Returns {"verdict", "reasons": [{"column", "severity", "kind", "size", "weight"}], most weight times size first, the score before all; "columns": the shifts
    with "severity" and "weight" added}.
    """
    believed = discoveries([s["p"] for s in shifts], q=thresholds.q) if shifts else []
    even = 1 / max(len([s for s in shifts if s["column"] != score]), 1)
    graded = [s | {"weight": 1.0 if s["column"] == score else even if weights is None else weights.get(s["column"], 0.0)} |
              _severity(s, sure, thresholds) for s, sure in zip(shifts, believed, strict=True)]
    moved = [s for s in graded if s["severity"] != "none"]
    carried = sum(s["weight"] for s in moved)
    severe = sum(s["weight"] for s in moved if s["severity"] == "severe")
    least = thresholds.least_weight if weights is not None else min(even, thresholds.least_weight)
    level = "severe" if severe >= thresholds.severe_weight else "moderate" if moved and carried >= least else "none"
    ranked = sorted(moved, key=lambda s: (s["column"] != score, -s["weight"] * s["size"], -s["size"]))
    return {"verdict": level, "reasons": [{key: s[key] for key in ("column", "severity", "kind", "size", "weight")} for s in ranked], "columns": graded}


def _severity(shift, sure, thresholds):
    missing = abs(shift["missing_current"] - shift["missing_reference"])
    new = max(shift["unseen_current"] - shift["unseen_reference"], 0.0)
    sizes = [(DISTRIBUTION, shift["psi_excess"], thresholds.psi_moderate, thresholds.psi_severe),
             (MISSING, missing, thresholds.missing_moderate, thresholds.missing_severe),
             (NEW, new, thresholds.missing_moderate, thresholds.missing_severe)]
    # One scale for three kinds of change: how far each is along its own way to severe.
    kind, size, moderate, severe = max(sizes, key=lambda s: s[1] / s[3])
    level = "severe" if size >= severe else "moderate" if size >= moderate else "none"
    return {"severity": level if sure else "none", "kind": kind, "size": float(size)}


def _joined(main, others):
    """The p-value of several tests, `main` (or None) with half of the chance of a false alarm; None when there is none."""
    if not others:
        return main
    rest = len(others) * min(others)
    return min(1.0, rest if main is None else 2 * min(main, rest))


def _common(reference, current):
    """Both count vectors with the levels that are rare in the reference as one bin: each would add noise to the index and no effect."""
    rare = reference < RARE * reference.sum()
    return [np.append(counts[~rare], counts[rare].sum()) if rare.any() else counts for counts in (reference, current)]


def _higher(reference, current):
    """Probability that a row of the current counts lies in a higher bin than one of the reference, ties halved; None when either is empty."""
    if not (sum(reference) and sum(current)):
        return None
    below = np.cumsum(reference) - np.asarray(reference) / 2
    return float((below * current).sum() / (sum(reference) * sum(current)))


def _shares(counts):
    counts = np.asarray(counts, dtype=np.float64) + 0.5
    return counts / counts.sum()


def _share(part, rows):
    return part / rows if rows else 0.0
