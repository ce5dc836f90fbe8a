"""A screen of the columns a user brought: those that know the outcome too well to have been known before it."""
from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.changes import changed_after
from models.discrimination import auc, need_both_classes
from models.regions import BAD, GOOD, SHOWN, customer_codes, one_sided

ASKED = {
    "value": "its values alone rank bad above good with an AUC of {max_auc:g} or more",
    "presence": "being filled or empty alone does so with an AUC of {max_presence_auc:g} or more",
    "future": "it holds a date after as_of",
    "bad_values": "{one_sided_share:.0%} or more of the customers with some of its values are bad, and next to those values it is otherwise",
    "good_values": "nearly no customer with some of its values is bad, and next to those values it is otherwise",
    "changed": "in the {after_days} days after the outcome it changes for the bad far more often than for the good in as long a time",
}
WHO = {BAD: ("bad", "recorded, shortened or filled in after the outcome?"), GOOD: ("good", "known only of those who lasted to the end?")}


@dataclass(frozen=True)
class Limits:
    """From where a column is named; `params.yaml` (leaks) says what each means and why."""

    max_auc: float = 0.95
    max_presence_auc: float = 0.9
    one_sided_share: float = 0.8
    one_sided_odds: float = 10.0
    one_sided_covered: float = 0.05
    good_odds: float = 30.0
    after_days: int = 180
    change_gap: float = 0.2
    chance: float = 0.05


def screen(columns_frame, target, as_of, *, columns, customers=None, limits=Limits()):
    """Find columns that alone predict the target implausibly well, have values of only one class, or hold dates after as_of.

    columns_frame: the user's columns, one row per observation; target: 0, 1 (rows with NaN are left out); as_of: timestamps; columns: names
    to screen; customers: one id per row, or None where every row is another customer; a customer's rows stay in one half and count once in
    a bound. Asked of each, in this order until one says yes: does its being present or missing rank bad above good with an AUC (either way
    round) of `limits.max_presence_auc`; does its value do so with `limits.max_auc`; has it values that only the bad, or only the good, have
    (`models.regions`). Of a date: does any lie after as_of. A category is judged by its levels' bad rates as learned on one half of the rows
    and tried on the other, so that an identifier does not look like a leak.

    Returns a list of dict (column, auc, reason: a key of ASKED, detail), strongest first; empty when nothing is suspicious. A finding is a
    question to the source's owner, not a proof.
    """
    known = np.asarray(pd.Series(target).notna())
    labels = need_both_classes(np.asarray(target, dtype=np.float64)[known])
    moments = pd.Series(np.asarray(as_of))[known].reset_index(drop=True)
    rows, codes = columns_frame.loc[known].reset_index(drop=True), customer_codes(None if customers is None else np.asarray(customers)[known], len(labels))
    chance = limits.chance / max(len(columns), 1)
    found = [finding for name in columns for finding in _suspicions(rows[name], labels, moments, codes, limits, chance)]
    return by_strength(found)


def changes(later, target, *, columns, again=(), limits=Limits()):
    """Find columns that change after the outcome, see `models.changes.changed_after`; findings as `screen` gives them.

    A column is named where the shares of the bad and of the good that changed differ by `limits.change_gap` or more and Fisher's exact test,
    corrected for the number of columns (Bonferroni), says that this is not chance.
    """
    counted = changed_after(later, target, columns=columns, again=again)
    return by_strength([_changed(name, counts, limits) for name, counts in counted.items() if _follows(counts, limits, len(columns))])


def by_strength(findings):
    """The findings, highest AUC first, in the given order among equals."""
    return sorted(findings, key=lambda finding: -finding["auc"])


def asked(limits, counts):
    """What the screen asked, in words: a list of dict (rule, columns asked, question), `counts` being {rule: columns}."""
    return [{"rule": rule, "columns": counts.get(rule, 0), "question": words.format(**vars(limits))} for rule, words in ASKED.items()]


def _suspicions(values, labels, moments, customers, limits, chance):
    if pd.api.types.is_datetime64_any_dtype(values):
        return _future(values, labels, moments)
    alone, presence = _two_sided(labels, _ranked(values, labels, customers % 2)), _flag_auc(labels, values.notna().to_numpy())
    if presence >= limits.max_presence_auc:
        detail = "is filled for one class and empty for the other: filled in after the outcome?"
        return [_finding(values.name, presence, "presence", detail)]
    if alone >= limits.max_auc:
        return [_finding(values.name, alone, "value", f"alone reaches an AUC of {alone:.3f}: recorded after the outcome?")]
    return _one_sided(values, labels, customers, limits, chance)


def _future(values, labels, moments):
    late = (values > moments).to_numpy()
    share = float(late.mean())
    if not late.any():
        return []
    return [_finding(values.name, _flag_auc(labels, late), "future", f"holds a date after as_of in {share:.1%} of the rows")]


def _one_sided(values, labels, customers, limits, chance):
    """The strongest finding of values that only one class has, whether they are certain numbers, certain levels, or any value at all."""
    found = [finding for part, present in _views(values) for side in (BAD, GOOD)
             for finding in _of_side(part, labels, customers, present, side=side, limits=limits, chance=chance)]
    return by_strength(found)[:1]


def _views(values):
    """The column as `models.regions` takes it, each with a mask of its rows: a category whole; a number where it is filled, and whether it is."""
    present = values.notna().to_numpy()
    if not (pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values)):
        return [(values, np.ones(len(values), dtype=bool))]
    filled = values.mask(~present).astype("float64")[present].reset_index(drop=True)
    flag = pd.Series(np.where(present, "any value", "no value"), name=values.name)
    return [*([(filled, present)] if present.any() else []), *([(flag, np.ones(len(values), dtype=bool))] if 0 < present.sum() < len(values) else [])]


def _of_side(part, labels, customers, present, *, side, limits, chance):
    found = one_sided(part, labels[present], customers[present], side=side, chance=chance)
    if found is None or not _strong(found, limits, labels, side):
        return []
    flag = np.zeros(len(labels), dtype=bool)
    flag[present] = found["flag"]
    covered = float(flag[labels == side].mean())
    return [_one_sided_finding(part.name, found, labels, flag, covered, side)] if covered >= limits.one_sided_covered else []


def _strong(found, limits, labels, side):
    # Where most are good, nearly everybody with an honest low risk is good: only odds far beyond everybody's say more than that.
    enough = found["low"] >= limits.one_sided_share if side == BAD else _odds(found["low"]) >= limits.good_odds * _odds(1.0 - labels.mean())
    return enough and _odds(found["low"]) >= limits.one_sided_odds * _odds(found["beside"])


def _odds(share):
    return share / max(1.0 - share, 1e-12)


def _one_sided_finding(column, found, labels, flag, covered, side):
    word, question = WHO[side]
    ranges = found["ranges"] or ["some values"]
    more = f" and {len(ranges) - SHOWN} more ranges or levels" if len(ranges) > SHOWN else ""
    detail = (f"has values that practically only the {word} have ({', '.join(ranges[:SHOWN])}{more}): {found['members']:,} of {found['rows']:,} customers "
              f"with them are {word}, beside them {found['beside']:.0%}; {covered:.0%} of all {word} rows have them: {question}")
    return _finding(column, _flag_auc(labels, flag), f"{word}_values", detail)


def _follows(counts, limits, columns):
    return min(counts["bad"], counts["good"]) > 0 and _gap(counts) >= limits.change_gap and counts["p"] <= limits.chance / columns


def _gap(counts):
    return counts["bad_changed"] / counts["bad"] - counts["good_changed"] / counts["good"]


def _changed(column, counts, limits):
    bad, good = (counts[f"{who}_changed"] / counts[who] for who in ("bad", "good"))
    detail = (f"in the {limits.after_days} days after the outcome changed for {bad:.0%} of {counts['bad']:,} bad and, in as many days, for {good:.0%} of "
              f"{counts['good']:,} good customers: is its date the day of the change, or was the past overwritten?")
    return _finding(column, 0.5 + (bad - good) / 2, "changed", detail)


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


def _ranked(values, labels, half):
    """A number per row that ranks it: the number itself (missing at the median), or a category's bad rate learned on the other half of the customers."""
    if pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        number = values.astype("float64")
        return number.fillna(number.median()).fillna(0.0).to_numpy()
    # Missing is a level like any other.
    code, _ = pd.factorize(values, use_na_sentinel=False)
    levels = code.max() + 1
    rates = [_rates(code[half == h], labels[half == h], levels, default=labels.mean()) for h in (0, 1)]
    return np.where(half == 0, rates[1][code], rates[0][code])


def _rates(code, labels, levels, *, default):
    """Bad rate by level, `default` for a level without rows."""
    rows, bad = np.bincount(code, minlength=levels), np.bincount(code, weights=labels, minlength=levels)
    return np.where(rows > 0, bad / np.maximum(rows, 1), default)
