"""A company's own rating scale, checked; apart from the grades, because whoever reads parameters needs no curves."""
from itertools import pairwise

from features.errors import RiskError

LETTERS = ("A", "B", "C", "D", "E")


def checked_cuts(uppers, names):
    """A company's own scale as (name, upper PD) pairs, safest first.

    Raises: RiskError when the cuts do not rise to 1, or the names are too few, repeated, or do not start with a letter that the policy decides by.
    """
    within, rising = all(0 < upper <= 1 for upper in uppers), all(before < after for before, after in pairwise(uppers))
    if not (uppers and within and rising and uppers[-1] == 1):
        raise RiskError(f"scale.cuts {list(uppers)} must be upper PDs within (0, 1] that rise strictly and end with 1: sort them, "
                        "and give the riskiest grade 1.")
    if len(names or ()) != len(uppers) or len(set(names)) != len(names):
        raise RiskError(f"scale.names {list(names or ())} must be {len(uppers)} different names, one for each of scale.cuts: "
                        "name each grade once, safest first.")
    letters = [name[:1] for name in names]
    if letters != sorted(letters) or not set(letters) <= set(LETTERS):
        raise RiskError(f"scale.names {list(names)} must start with {', '.join(LETTERS)}, in this order, since the policy decides by that letter: "
                        "put it before your own names.")
    return tuple(zip(names, uppers, strict=True))
