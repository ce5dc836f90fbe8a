"""What the scores do when the inputs are worse than they were: noisy, missing by table, or older than they should be."""
import numpy as np

from models import scoring
from models.clusters import cluster_codes
from models.discrimination import auc, compare_auc


def noisy(matrix, bundle, share, *, seed=0):
    """The encoded matrix with every known number moved by a normal error of `share` times its column's spread.

    The spread is the standard deviation of the values between the 1 % and 99 % points, so that a few giants do not drown the rest; codes of
    categories and missing values stay.
    """
    moved = matrix.copy()
    rng = np.random.default_rng(seed)
    for place, column in enumerate(bundle.manifest.columns):
        error = rng.normal(size=len(matrix))
        known = matrix[~np.isnan(matrix[:, place]), place]
        if column.levels is None and len(known):
            low, high = np.quantile(known, [0.01, 0.99])
            moved[:, place] += share * known[(known >= low) & (known <= high)].std() * error
    return moved


def without(matrix, bundle, names):
    """The matrix with the named columns missing in every row."""
    emptied = matrix.copy()
    emptied[:, [place for place, name in enumerate(bundle.names) if name in names]] = np.nan
    return emptied


def previous_rows(customers, as_of, back):
    """For each row the position of the same customer's row `back` observations earlier, -1 where there is none. Ties keep their order."""
    customers, as_of = np.asarray(customers), np.asarray(as_of)
    code = cluster_codes(customers)
    order = np.lexsort((as_of, code))
    found = np.full(len(order), -1, dtype=np.int64)
    same = code[order][back:] == code[order][: len(order) - back]
    found[order[back:][same]] = order[: len(order) - back][same]
    return found


def effect(bundle, before, matrix, target, groups, *, threads=1):
    """What a changed matrix does to the scores of the same rows.

    before: `models.scoring.Scores` of the unchanged rows. Returns dict: rows, auc_before, auc, difference with difference_low and
    difference_high (paired, customers as clusters; the auc figures None with one class), mean_before, mean (probability), grades_changed and
    grades_worse (shares of rows).
    """
    after = scoring.score(bundle, matrix, threads=threads)
    found = {"rows": len(target), "mean_before": float(before.probability.mean()), "mean": float(after.probability.mean()),
             "grades_changed": float((after.grade != before.grade).mean()), "grades_worse": float((after.grade > before.grade).mean())}
    if not 0 < np.sum(target) < len(target):
        return found | dict.fromkeys(("auc_before", "auc", "difference", "difference_low", "difference_high"))
    paired = compare_auc(target, after.raw_score, before.raw_score, groups=groups)
    return found | {"auc_before": auc(target, before.raw_score), "auc": auc(target, after.raw_score), "difference": paired["difference"],
                    "difference_low": paired["low"], "difference_high": paired["high"]}


def sensitivity(bundle, matrix, target, groups, *, tables, older, noise=(0.1, 0.25, 0.5), seed=0, threads=1):
    """The effect of each way in which inputs can be worse.

    matrix: encoded judged rows; tables: {table: names of the columns that read it}; older: {words: (rows, matrix)}, rows of `matrix` that have
    an older feature row and those rows encoded. Returns {"noise": [{"share", **effect}], "missing": [{"table", "columns", **effect}], "stale":
    [{"how", **effect}]}; a stale effect compares the same rows with their own fresh scores.
    """
    def of(changed, rows=slice(None)):
        before = scoring.from_raw(bundle, fresh[rows])
        return effect(bundle, before, changed, target[rows], groups[rows], threads=threads)

    fresh = scoring.raw_scores(bundle, matrix, threads=threads)
    return {
        "noise": [{"share": share, **of(noisy(matrix, bundle, share, seed=seed))} for share in noise],
        "missing": [{"table": table, "columns": len(names), **of(without(matrix, bundle, names))} for table, names in tables.items()],
        "stale": [{"how": words, **of(old, rows)} for words, (rows, old) in older.items() if len(rows)],
    }
