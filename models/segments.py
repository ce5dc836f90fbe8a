"""A model judged by segment: the levels of a category and the quarters of a number, each with its own figures and intervals."""
import numpy as np

from models import discrimination as rank
from models import probability_tests as truth
from models.calibration import log_odds

QUARTERS = 4


def slices(name, values, *, parts=QUARTERS):
    """Cut one column into segments that together hold every row.

    values: Category, or float array (NaN missing). A category gives its levels in order of name, a number at most `parts` ranges with about
    as many rows each (ties stay together), and either a segment of the rows without a value. Empty segments are left out.
    Returns a list of (condition, mask): condition is {"column", "level"} or {"column", "above", "up_to"} (ends None at the outside) or
    {"column", "missing": True}; `words` says it in English.
    """
    if hasattr(values, "codes"):
        found = [({"column": name, "level": level}, values.codes == code) for code, level in enumerate(values.levels)]
        missing = values.codes < 0
    else:
        missing = np.isnan(values)
        found = [({"column": name, "above": low, "up_to": high}, inside) for low, high, inside in _ranges(values, missing, parts)]
    found.append(({"column": name, "missing": True}, missing))
    return [(condition, mask) for condition, mask in found if mask.any()]


def words(condition):
    """A condition of `slices` as a person says it."""
    column = condition["column"]
    if condition.get("missing"):
        return f"{column} is missing"
    if "level" in condition:
        return f"{column} is {condition['level']}"
    low, high = condition["above"], condition["up_to"]
    if low is None and high is None:
        return f"{column} is known"
    if low is None:
        return f"{column} up to {high:.4g}"
    return f"{column} above {low:.4g}" if high is None else f"{column} above {low:.4g} up to {high:.4g}"


def segment_figures(target, probability, raw_score, groups):
    """Figures of one segment's rows: rows, customers, bad, bad_customers, rate, mean_probability, auc with low and high, and the offset of
    the log-odds with offset_low and offset_high.

    groups: customer codes, one cluster each. AUC and offset are None where the segment has one class: nothing can be ranked, and the
    offset has no end.
    """
    bad = int(target.sum())
    figures = {"rows": len(target), "customers": len(np.unique(groups)), "bad": bad, "bad_customers": len(np.unique(groups[target == 1])),
               "rate": bad / len(target), "mean_probability": float(probability.mean())}
    if not 0 < bad < len(target):
        return figures | dict.fromkeys(("auc", "auc_low", "auc_high", "offset", "offset_low", "offset_high"))
    ranked = rank.auc_interval(target, raw_score, groups=groups)
    return figures | {"auc": ranked["auc"], "auc_low": ranked["low"], "auc_high": ranked["high"],
                      **truth.calibration_offset(target, log_odds(probability), groups=groups)}


def by_segment(columns, target, probability, raw_score, groups, *, fewest_bad=30):
    """`segment_figures` of every segment of every column.

    columns: {name: values} as for `slices`. Returns a list of dict: column, segment (its condition in words), condition, few (fewer than
    `fewest_bad` bad rows: its figures are mostly chance) and the figures.
    """
    found = []
    for name, values in columns.items():
        for condition, mask in slices(name, values):
            figures = segment_figures(target[mask], probability[mask], raw_score[mask], groups[mask])
            found.append({"column": name, "segment": words(condition), "condition": condition, "few": figures["bad"] < fewest_bad, **figures})
    return found


def _ranges(values, missing, parts):
    """(low, high, mask) of at most `parts` ranges of the known numbers; the upper end belongs to its range."""
    known = np.sort(values[~missing])
    if not len(known):
        return []
    cuts = np.unique(known[np.ceil(np.arange(1, parts) * len(known) / parts).astype(np.int64) - 1])
    cuts = cuts[cuts < known[-1]]
    place = np.searchsorted(cuts, values, side="left")
    ends = [None, *(float(cut) for cut in cuts), None]
    return [(ends[part], ends[part + 1], ~missing & (place == part)) for part in range(len(cuts) + 1)]
