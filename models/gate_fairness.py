"""The gate's check on groups: the candidate may not treat them more unlike than the champion does, by more than a margin beyond noise."""

from models.gate_checks import check

WORDS = {"demographic_parity_difference": "share accepted", "equalized_odds_difference": "share accepted of those who turned out alike"}


def fairness_check(fairness, margins):
    """fairness: {column: dict of `fairness.compare_fairness`}; empty where the source brings no column to compare, None where it was not measured.

    A gap fails where the lower end of its widening exceeds `fairness_margin`. Groups too small to judge are said and not judged.
    """
    if fairness is None:
        return check("fairness", False, "the treatment of groups was not compared with the champion's")
    if not fairness:
        return check("fairness", True, "the source brings no column whose groups could be compared")
    gaps = [(column, name, gap) for column, found in fairness.items() for name, gap in (found["differences"] or {}).items()]
    wider = [each for each in gaps if each[2]["low"] > margins.fairness_margin]
    detail = "; ".join([*map(_said, wider)] or [_held(gaps, margins)]) + _small(fairness)
    values = {column: {"too_small": found["too_small"], "differences": found["differences"]} for column, found in fairness.items()}
    return check("fairness", not wider, detail, {"margin": margins.fairness_margin, "columns": values})


def _said(wider):
    column, name, gap = wider
    return f"groups of {column} differ in the {WORDS[name]} by {gap['difference']:+.3f} more than under the champion ({gap['low']:+.3f} to {gap['high']:+.3f})"


def _held(gaps, margins):
    if not gaps:
        return "no column has two groups large enough to compare"
    columns = list(dict.fromkeys(column for column, _, _ in gaps))
    worst = max(gap["difference"] for _, _, gap in gaps)
    return (f"groups of {', '.join(columns)} are treated no more unlike than by the champion, beyond noise and {margins.fairness_margin:g}: "
            f"the widest change is {worst:+.3f}")


def _small(fairness):
    small = [f"{len(found['too_small'])} of {column}" for column, found in fairness.items() if found["too_small"]]
    return f"; too small to judge: {', '.join(small)}" if small else ""
