"""Whether groups are treated alike by a rule that accepts: measured, with intervals, and not judged."""
import numpy as np

from models.clusters import cluster_codes, draws
from models.segments import segment_figures

STATEMENT = ("Measured, not judged: which differences are lawful and right is for people to decide. Groups may differ in risk, and then no rule can hold "
             "equal acceptance, equal error rates and true probabilities in all of them at once (Kleinberg, Mullainathan, Raghavan 2017; Chouldechova 2017).")
RATES = ("selection_rate", "true_positive_rate", "false_positive_rate")
GAPS = ("demographic_parity_difference", "equalized_odds_difference")


def fairness(values, target, probability, raw_score, accepted, groups, *, fewest_bad=30, repeats=500, seed=0):
    """How a rule treats the levels of one column.

    values: (rows,) strings, None missing (a group of its own, "missing"); target: 1 bad; accepted: bool, what the rule grants; groups:
    customer ids, which are drawn whole for the intervals. The favourable outcome is to be accepted, and to be good deserves it:
    true_positive_rate is the share of good rows accepted, false_positive_rate that of bad rows accepted.

    Returns {"groups": [dict: group, too_small, figures of `segment_figures`, and each of selection_rate, true_positive_rate,
    false_positive_rate with _low and _high], "differences": dict or None, "statement"}. A group with fewer than `fewest_bad` bad rows, or no
    good one, is too small: its rates are shown, but it counts in no difference. `differences` compares the others: demographic_parity_difference and _ratio,
    equalized_odds_difference and _ratio, as fairlearn defines them, each with _low and _high; None with fewer than two groups. The widest gap
    among several groups is above 0 by luck alone, and so is its interval: `_chance` is what 95 % of shuffles of the customers among the groups
    stay within, and a gap inside it is no finding.
    """
    names = np.array([value if isinstance(value, str) else "missing" for value in values], dtype=object)
    levels, code = np.unique(names.astype(str), return_inverse=True)
    clusters = cluster_codes(groups)
    drawn = drawn_rates(target, accepted, code, clusters, repeats=repeats, seed=seed)
    bad, rows = np.bincount(code, weights=target, minlength=len(levels)), np.bincount(code, minlength=len(levels))
    large = (bad >= fewest_bad) & (bad < rows)
    found = [{"group": str(level), "too_small": bool(not large[place]),
              **segment_figures(*(each[code == place] for each in (target, probability, raw_score, clusters))), **_interval_of_rates(drawn, place)}
             for place, level in enumerate(levels)]
    rates = point_rates(target, accepted, names)
    for group, each in zip(found, rates, strict=True):
        group |= each
    differences = None
    if large.sum() > 1:
        point = {rate: np.array([[group[rate] for group, kept in zip(found, large, strict=True) if kept]], dtype=np.float64) for rate in RATES}
        shuffled = shuffled_rates(target, accepted, code, clusters, repeats=repeats, seed=seed)
        drawn, shuffled = ({rate: values[:, large] for rate, values in each.items()} for each in (drawn, shuffled))
        differences = _differences(point, drawn, shuffled)
    return {"groups": found, "differences": differences, "statement": STATEMENT}


def compare_fairness(values, target, accepted, before, groups, *, fewest_bad=30, repeats=500, seed=0, level=0.95):
    """How much wider the gaps between groups are under one rule than under another, on the same rows.

    accepted, before: bool, what the rule and the other one grant; the rest as for `fairness`. Both are drawn with the same customers, so that what the draws
    share falls out of the difference.

    Returns {"groups", "too_small" (names, ascending), "differences": {"demographic_parity_difference", "equalized_odds_difference": {"before", "after",
    "difference", "low", "high"}}}, differences None with fewer than two groups large enough.
    """
    names = np.array([value if isinstance(value, str) else "missing" for value in values], dtype=object)
    levels, code = np.unique(names.astype(str), return_inverse=True)
    clusters = cluster_codes(groups)
    bad, rows = np.bincount(code, weights=target, minlength=len(levels)), np.bincount(code, minlength=len(levels))
    large = (bad >= fewest_bad) & (bad < rows)
    found = {"groups": levels[large].tolist(), "too_small": levels[~large].tolist(), "differences": None}
    if large.sum() < 2:
        return found
    gaps = [_gaps(target, each, code, clusters, large, repeats=repeats, seed=seed) for each in (before, accepted)]
    return found | {"differences": {name: _widening(gaps[0][name], gaps[1][name], level) for name in GAPS}}


def _gaps(target, accepted, code, clusters, large, *, repeats, seed):
    """{gap: (its value, its draws)} of a rule between the large groups."""
    sums = np.array([np.concatenate([np.bincount(code, weights=mask, minlength=len(large)) for mask in _parts(target, accepted)])])
    drawn = drawn_rates(target, accepted, code, clusters, repeats=repeats, seed=seed)
    spreads = [_spreads({rate: values[:, large] for rate, values in each.items()}) for each in (_rates(sums), drawn)]
    return {name: (float(spreads[0][name][0]), spreads[1][name]) for name in GAPS}


def _widening(before, after, level):
    low, high = np.nanquantile(after[1] - before[1], [0.5 - level / 2, 0.5 + level / 2])
    return {"before": before[0], "after": after[0], "difference": after[0] - before[0], "low": float(low), "high": float(high)}


def point_rates(target, accepted, names):
    """RATES of each group in order of name, by fairlearn; None where a group has no row to count."""
    from fairlearn.metrics import MetricFrame, false_positive_rate, selection_rate, true_positive_rate

    frame = MetricFrame(metrics={"selection_rate": selection_rate, "true_positive_rate": true_positive_rate, "false_positive_rate": false_positive_rate},
                        y_true=1 - target.astype(int), y_pred=accepted.astype(int), sensitive_features=names)
    both = {"true_positive_rate": 0, "false_positive_rate": 1}
    return [{rate: float(row[rate]) if rate not in both or (target[names == name] == both[rate]).any() else None for rate in RATES}
            for name, row in frame.by_group.sort_index().iterrows()]


def drawn_rates(target, accepted, code, clusters, *, repeats, seed):
    """RATES of each group over draws of whole customers: {rate: (repeats, groups)}, NaN where a draw has no row to count."""
    width = code.max() + 1
    counts = [np.bincount(clusters * width + code, weights=mask, minlength=(clusters.max() + 1) * width).reshape(-1, width)
              for mask in _parts(target, accepted)]
    stacked = np.hstack(counts)
    return _rates(np.array([drawn @ stacked for drawn in draws(len(stacked), repeats=repeats, rng=np.random.default_rng(seed))]))


def shuffled_rates(target, accepted, code, clusters, *, repeats, seed):
    """RATES of each group where customers are dealt to the groups by chance, each group keeping its number of them: as `drawn_rates`."""
    sums = np.column_stack([np.bincount(clusters, weights=mask) for mask in _parts(target, accepted)])
    # A customer whose rows are in several groups counts where its first row is.
    group = np.empty(len(sums), dtype=np.int64)
    group[clusters[::-1]] = code[::-1]
    member = np.eye(code.max() + 1)[group]
    rng = np.random.default_rng(seed)
    return _rates(np.array([(sums[rng.permutation(len(sums))].T @ member).ravel() for _ in range(repeats)]))


def _parts(target, accepted):
    """Masks of the rows: good, good and accepted, bad, bad and accepted."""
    bad, accepted = np.asarray(target) == 1, np.asarray(accepted, dtype=bool)
    return ~bad, ~bad & accepted, bad, bad & accepted


def _rates(totals):
    """RATES of sums by `_parts` and group, (repeats, 4 x groups)."""
    good, good_accepted, bad, bad_accepted = np.split(totals, 4, axis=1)
    with np.errstate(invalid="ignore"):
        return {"selection_rate": (good_accepted + bad_accepted) / (good + bad), "true_positive_rate": good_accepted / good,
                "false_positive_rate": bad_accepted / bad}


def _interval_of_rates(drawn, place):
    found = {}
    for rate, values in drawn.items():
        found |= _ends(rate, values[:, place])
    return found


def _ends(name, values):
    known = values[~np.isnan(values)]
    low, high = np.quantile(known, [0.025, 0.975]) if len(known) else (None, None)
    return {f"{name}_low": None if low is None else float(low), f"{name}_high": None if high is None else float(high)}


def _differences(point, drawn, shuffled):
    """Each difference of the point rates, which are one row of RATES by group, with the ends of its draws and of chance."""
    found = {}
    values, draws, luck = _spreads(point), _spreads(drawn), _spreads(shuffled)
    for name in values:
        end = 0.05 if name.endswith("ratio") else 0.95
        found |= {name: float(values[name][0]), **_ends(name, draws[name]), f"{name}_chance": float(np.nanquantile(luck[name], end))}
    return found


def _spreads(rates):
    """The four differences and ratios of each row of {rate: (rows, groups)}, as fairlearn defines them."""
    gap = {rate: values.max(axis=1) - values.min(axis=1) for rate, values in rates.items()}
    ratio = {rate: _ratio(values) for rate, values in rates.items()}
    selection, good, bad = RATES
    return {"demographic_parity_difference": gap[selection], "demographic_parity_ratio": ratio[selection],
            "equalized_odds_difference": np.maximum(gap[good], gap[bad]), "equalized_odds_ratio": np.minimum(ratio[good], ratio[bad])}


def _ratio(values):
    """Smallest over largest rate of each row, 1 where nobody is accepted anywhere."""
    largest = values.max(axis=1)
    return np.where(largest > 0, values.min(axis=1) / np.where(largest > 0, largest, 1.0), 1.0)
