"""A screen of the columns a user brought: those that know the outcome too well to have been known before it."""
import numpy as np
import pandas as pd

from models.discrimination import auc, need_both_classes


def screen(columns_frame, target, as_of, *, columns, limit_auc=0.95, limit_missing=0.9):
    """Find columns that alone predict the target implausibly well, or hold dates after as_of.

    columns_frame: the user's columns, one row per observation; target: 0, 1 (rows with NaN are left out); as_of: timestamps; columns: names
    to screen. Three questions are asked of each: does its value alone rank bad above good with an AUC (either way round) of at least
    `limit_auc`; does its being present or missing do so with at least `limit_missing`; does any date lie after as_of. A category is judged
    by its levels' bad rates as learned on one half of the rows and tried on the other, so that an identifier does not look like a leak.

    Returns a list of dict (column, auc, reason: value, presence or future, detail), strongest first; empty when nothing is suspicious. A
    finding is a question to the source's owner, not a proof.
    """
    known = np.asarray(pd.Series(target).notna())
    labels = need_both_classes(np.asarray(target, dtype=np.float64)[known])
    moments = pd.Series(np.asarray(as_of))[known].reset_index(drop=True)
    rows = columns_frame.loc[known].reset_index(drop=True)
    found = [finding for name in columns for finding in _suspicions(rows[name], labels, moments, limit_auc, limit_missing)]
    return sorted(found, key=lambda finding: -finding["auc"])


def _suspicions(values, labels, moments, limit_auc, limit_missing):
    if pd.api.types.is_datetime64_any_dtype(values):
        return _future(values, labels, moments)
    alone, presence = _two_sided(labels, _ranked(values, labels)), _flag_auc(labels, values.notna().to_numpy())
    if presence >= limit_missing:
        detail = "is filled for one class and empty for the other: filled in after the outcome?"
        return [_finding(values.name, presence, "presence", detail)]
    if alone >= limit_auc:
        return [_finding(values.name, alone, "value", f"alone reaches an AUC of {alone:.3f}: recorded after the outcome?")]
    return []


def _future(values, labels, moments):
    late = (values > moments).to_numpy()
    share = float(late.mean())
    if not late.any():
        return []
    return [_finding(values.name, _flag_auc(labels, late), "future", f"holds a date after as_of in {share:.1%} of the rows")]


def _finding(column, value, reason, detail):
    return {"column": column, "auc": float(value), "reason": reason, "detail": f"{column} {detail}"}


def _two_sided(labels, score):
    score = np.asarray(score, dtype=np.float64)
    if (score == score[0]).all():
        return 0.5
    value = auc(labels, score)
    return max(value, 1.0 - value)


def _flag_auc(labels, flag):
    """`_two_sided` of a yes-or-no score without sorting: half a row for every tie leaves half the distance of the two rates."""
    bad = labels == 1
    return 0.5 + abs(float(flag[bad].mean()) - float(flag[~bad].mean())) / 2


def _ranked(values, labels):
    """A number per row that ranks it: the number itself (missing at the median), or a category's bad rate learned on the other half."""
    if pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        number = values.astype("float64")
        return number.fillna(number.median()).fillna(0.0).to_numpy()
    # Missing is a level like any other.
    code, _ = pd.factorize(values, use_na_sentinel=False)
    half, levels = np.arange(len(labels)) % 2, code.max() + 1
    rates = [_rates(code[half == h], labels[half == h], levels, default=labels.mean()) for h in (0, 1)]
    return np.where(half == 0, rates[1][code], rates[0][code])


def _rates(code, labels, levels, *, default):
    """Bad rate by level, `default` for a level without rows."""
    rows, bad = np.bincount(code, minlength=levels), np.bincount(code, weights=labels, minlength=levels)
    return np.where(rows > 0, bad / np.maximum(rows, 1), default)
