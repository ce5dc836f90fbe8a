"""Segments in which the model is worse than elsewhere, beyond chance: searched on one half of the customers, confirmed on the other.

Slices are searched as SliceFinder does (Chung, Kraska, Polyzotis, Tae, Whang, IEEE TKDE 2020): every level and quarter of every column, then
the worst of them crossed with all others. Who searches hundreds of slices finds bad ones by chance; so a slice counts only if customers
that the search never saw show the same, at a stated false-discovery rate.
"""
from dataclasses import dataclass

import numpy as np
from scipy import special

from models.calibration import log_odds, sigmoid
from models.clusters import cluster_codes
from models.concordance import concordance
from models.discrimination import influence_variance
from models.probability_tests import calibration_offset
from models.segments import segment_figures, slices, words
from models.shift_tests import discoveries

CALIBRATION, PROMISE, RANKING = "calibration", "promise", "ranking"
# Faults, and what may be no fault: each family is proved at its own false-discovery rate.
FAMILIES = {"found": (CALIBRATION, PROMISE), "harder": (RANKING,)}
# A slice must hold so many bad customers in a half, and so must the rest: below, no law of large numbers helps. And so much of the rows.
FEWEST_BAD, LEAST_SHARE = 8, 0.02
# Slices that go on to be crossed, and to be confirmed, of each kind: few, since each one more makes the proof harder for all.
CROSSED, CARRIED, PROMISING, OVERLAP = 6, 5, 0.05, 0.5


@dataclass(frozen=True)
class Half:
    """Rows of half the customers, with the probability's overall level put right, so that a slice is compared with the others."""

    rows: np.ndarray
    target: np.ndarray
    probability: np.ndarray
    score: np.ndarray
    groups: np.ndarray
    repeats: float


def weak_segments(columns, target, probability, raw_score, groups, *, q=0.05, seed=0):
    """Find the segments where the model is worse than elsewhere.

    columns: {name: Category or float array} of the judged rows; target, probability, raw_score: (rows,); groups: customer ids; q: the share
    of wrong finds to accept among the finds; seed: which customers search and which confirm (bad customers are dealt evenly).

    Three kinds of worse. calibration: more or fewer defaults than the PDs say, beside the level elsewhere (score test of the slice beside a
    common constant). promise: the AUC among the slice's rows falls short of what its own PDs promise (`models.concordance`) by more than
    elsewhere. ranking: the AUC is lower than elsewhere, promised or not: customers much alike are harder to tell apart without any fault of
    the model's.

    Returns {"searched": slices looked at, "carried": slices brought to the other half, "false_discovery_rate": q (of each list), "found":
    faults, "harder": slices of kind ranking}. Both are lists of dict by p: rule (in words), conditions, kind, p (on the confirming half),
    p_search (times the looks), rows, bad, and of the confirming half alone (the search flatters its own finds) `figures` (see
    `segment_figures`, probabilities at the half's common level), promised_auc and `elsewhere`, the figures of the rows outside.
    """
    target, probability, raw_score = (np.asarray(values, dtype=np.float64) for values in (target, probability, raw_score))
    groups = cluster_codes(groups)
    search, confirm = (_half(rows, target, probability, raw_score, groups) for rows in _dealt(target, groups, seed))
    if search is None or confirm is None:
        return {"searched": 0, "carried": 0, "false_discovery_rate": q, **{family: [] for family in FAMILIES}}
    single = [([condition], mask) for name, values in columns.items() for condition, mask in slices(name, values)]
    carried, searched = _searched(single, search, confirm)
    proved = {family: _proved([each for each in carried if each[0] in kinds], confirm, target, q) for family, kinds in FAMILIES.items()}
    return {"searched": searched, "carried": len(carried), "false_discovery_rate": q, **proved}


def worse(kind, inside, half):
    """p-value that a slice (bool, over the half's rows) is as good as the rest of the half; 1 where it cannot be judged.

    calibration is two-sided, the others ask only for worse.
    """
    if not _judgeable(inside, half):
        return 1.0
    if kind == CALIBRATION:
        return float(2 * special.ndtr(-abs(_excess(inside, half))))
    return _shortfall(inside, half, promised=kind == PROMISE)


def _dealt(target, groups, seed):
    """Rows of the searching and of the confirming customers; the bad ones and the others are halved apart."""
    bad = np.bincount(groups, weights=target) > 0
    order = np.lexsort((np.random.default_rng(seed).permutation(len(bad)), bad))
    half = np.empty(len(bad), dtype=np.int64)
    half[order] = np.arange(len(bad)) % 2
    return [np.flatnonzero(half[groups] == side) for side in (0, 1)]


def _half(rows, target, probability, raw_score, groups):
    # In order of the score, so that no slice has to be sorted again.
    rows = rows[np.argsort(raw_score[rows], kind="stable")]
    target, groups = target[rows], cluster_codes(groups[rows])
    if not 0 < target.sum() < len(target):
        return None
    expected = log_odds(probability[rows])
    levelled = sigmoid(expected + calibration_offset(target, expected)["offset"])
    clumped = np.bincount(groups, weights=target - levelled)
    repeats = max(1.0, float((clumped ** 2).sum() / (levelled * (1 - levelled)).sum()))
    return Half(rows, target, levelled, raw_score[rows], groups, repeats)


def _searched(single, search, confirm):
    """The slices worth confirming, as (kind, p, conditions, mask), and how many were looked at."""
    carried, searched = [], len(single)
    for kind in (CALIBRATION, PROMISE, RANKING):
        ranked = _ranked(kind, single, search, len(single))
        crossed = [_crossed(one, other) for _, *one in ranked[:CROSSED] for other in single if other[0][0]["column"] != one[0][0]["column"]]
        searched += len(crossed)
        # Each depth answers for how often it looked, so that a pair is taken only where it says clearly more than its parts.
        both = sorted(ranked + _ranked(kind, crossed, search, len(crossed)), key=lambda each: each[0])
        carried += [(kind, p, *each) for p, *each in _apart(both, confirm)]
    return carried, searched


def _ranked(kind, candidates, half, looks):
    """(p times the number of looks, conditions, mask) of the candidates that look worse, worst first."""
    tried = [(worse(kind, mask[half.rows], half), conditions, mask) for conditions, mask in candidates]
    kept = [(p * looks, conditions, mask) for p, conditions, mask in tried if p < PROMISING]
    return sorted(kept, key=lambda each: each[0])


def _crossed(one, other):
    return [*one[0], *other[0]], one[1] & other[1]


def _apart(ranked, confirm):
    """The first CARRIED slices that can be judged on the other half (by rows, not by outcome) and do not mostly repeat one before."""
    kept = []
    for p, conditions, mask in ranked:
        enough = _large(mask[confirm.rows])
        if enough and not any((mask & other).sum() > OVERLAP * (mask | other).sum() for _, _, other in kept):
            kept.append((p, conditions, mask))
        if len(kept) == CARRIED:
            break
    return kept


def _large(inside):
    return LEAST_SHARE <= inside.mean() <= 1 - LEAST_SHARE


def _judgeable(inside, half):
    """Whether slice and rest hold enough bad customers, expected or seen, whichever is fewer."""
    if not _large(inside):
        return False
    expected = [half.probability[side].sum() / half.repeats for side in (inside, ~inside)]
    return min(expected) >= FEWEST_BAD


def _excess(inside, half):
    """z of the score test that the slice needs a constant of its own beside the common one, customers as clusters.

    Of two variances the larger counts: the sandwich over customers is too small where few defaults happened, the model's own with one
    common number of repeats is too small where a slice's customers repeat more.
    """
    weight = half.probability * (1 - half.probability)
    lean = inside - weight[inside].sum() / weight.sum()
    score = (half.target - half.probability) * lean
    sandwich = (np.bincount(half.groups, weights=score) ** 2).sum()
    return score.sum() / np.sqrt(max(sandwich, half.repeats * (weight * lean ** 2).sum()))


def _shortfall(inside, half, *, promised):
    """One-sided p that the slice's AUC (less the promised one) is not below the rest's, customers as clusters.

    Student's t by the fewer bad customers of the two sides: a variance out of ten cases is itself uncertain.
    """
    difference, influence = 0.0, np.zeros(len(inside))
    for side, sign in ((inside, 1), (~inside, -1)):
        value, share = concordance(half.score[side], half.target[side])
        if promised:
            expected, expected_share = concordance(half.score[side], half.probability[side])
            value, share = value - expected, share - expected_share
        difference += sign * value
        influence[side] = sign * share
    cases = min(len(np.unique(half.groups[side & (half.target == 1)])) for side in (inside, ~inside))
    se = np.sqrt(influence_variance(influence, half.target, half.groups))
    return float(special.stdtr(cases - 1, difference / se)) if cases >= FEWEST_BAD and se > 0 else 1.0


def _proved(carried, confirm, target, q):
    """The carried slices that the confirming half believes, by p."""
    p_values = [worse(kind, mask[confirm.rows], confirm) for kind, _, _, mask in carried]
    found = [_found(*each, p, confirm, target) for each, p, sure in zip(carried, p_values, discoveries(p_values, q=q), strict=True) if sure]
    return sorted(found, key=lambda each: each["p"])


def _found(kind, p_search, conditions, mask, p, confirm, target):
    inside = mask[confirm.rows]
    here, there = (segment_figures(*(values[side] for values in (confirm.target, confirm.probability, confirm.score, confirm.groups)))
                   for side in (inside, ~inside))
    promised = concordance(confirm.score[inside], confirm.probability[inside])[0]
    return {"rule": " and ".join(words(condition) for condition in conditions), "conditions": conditions, "kind": kind, "p": p,
            "p_search": p_search, "rows": int(mask.sum()), "bad": int(target[mask].sum()), "figures": here, "promised_auc": promised,
            "elsewhere": there}
