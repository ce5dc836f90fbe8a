"""From days past due, default and probabilities to the stages of IFRS 9, each rule with the paragraph it stands on; docs/crosswalks.md quotes them.

The five-tier classification of Chinese banks has no mapping here: the order's own text could not be read, and a rule that nobody read is none.
"""
from dataclasses import dataclass

import numpy as np

from features.errors import RiskError

# Stage 0 is no stage of the standard: what is known does not suffice to say one.
NOT_JUDGED, TWELVE_MONTHS, LIFETIME, CREDIT_IMPAIRED = range(4)
PAST_DUE_30, PAST_DUE_90 = 30, 90

# Paragraphs of IFRS 9, word for word; where a paragraph is longer, the sentences a rule stands on.
QUOTES = {
    "5.5.3": "Subject to paragraphs 5.5.13–5.5.16, at each reporting date, an entity shall measure the loss allowance for a financial instrument at an amount "
             "equal to the lifetime expected credit losses if the credit risk on that financial instrument has increased significantly since initial "
             "recognition.",
    "5.5.5": "Subject to paragraphs 5.5.13–5.5.16, if, at the reporting date, the credit risk on a financial instrument has not increased significantly since "
             "initial recognition, an entity shall measure the loss allowance for that financial instrument at an amount equal to 12-month expected credit "
             "losses.",
    "5.5.9": "To make that assessment, an entity shall compare the risk of a default occurring on the financial instrument as at the reporting date with the "
             "risk of a default occurring on the financial instrument as at the date of initial recognition and consider reasonable and supportable "
             "information, that is available without undue cost or effort, that is indicative of significant increases in credit risk since initial "
             "recognition.",
    "5.5.10": "An entity may assume that the credit risk on a financial instrument has not increased significantly since initial recognition if the financial "
              "instrument is determined to have low credit risk at the reporting date (see paragraphs B5.5.22–B5.5.24).",
    "5.5.11": "Regardless of the way in which an entity assesses significant increases in credit risk, there is a rebuttable presumption that the credit risk "
              "on a financial asset has increased significantly since initial recognition when contractual payments are more than 30 days past due.",
    "5.5.11 first sentence": "If reasonable and supportable forward-looking information is available without undue cost or effort, an entity cannot rely "
                             "solely on past due information when determining whether credit risk has increased significantly since initial recognition.",
    "B5.5.13": "Despite the requirement in paragraph 5.5.9, for financial instruments for which default patterns are not concentrated at a specific point "
               "during the expected life of the financial instrument, changes in the risk of a default occurring over the next 12 months may be a reasonable "
               "approximation of the changes in the lifetime risk of a default occurring.",
    "B5.5.37": "However, there is a rebuttable presumption that default does not occur later than when a financial asset is 90 days past due unless an entity "
               "has reasonable and supportable information to demonstrate that a more lagging default criterion is more appropriate.",
    "Appendix A": "A financial asset is credit-impaired when one or more events that have a detrimental impact on the estimated future cash flows of that "
                  "financial asset have occurred.",
    "Appendix A (b)": "a breach of contract, such as a default or past due event;",
}


@dataclass(frozen=True)
class Rule:
    """One rule of the mapping: its reason code, the stage it leads to, and the paragraphs (keys of QUOTES) it stands on."""

    code: str
    stage: int
    quotes: tuple[str, ...]


RULES = (
    Rule("ifrs9.default", CREDIT_IMPAIRED, ("Appendix A", "Appendix A (b)")),
    Rule("ifrs9.past_due_90", CREDIT_IMPAIRED, ("B5.5.37", "Appendix A", "Appendix A (b)")),
    Rule("ifrs9.past_due_30", LIFETIME, ("5.5.11", "5.5.3")),
    Rule("ifrs9.pd_increase", LIFETIME, ("5.5.9", "B5.5.13", "5.5.3")),
    Rule("ifrs9.low_credit_risk", TWELVE_MONTHS, ("5.5.10", "5.5.5")),
    Rule("ifrs9.no_increase", TWELVE_MONTHS, ("5.5.9", "5.5.5")),
    Rule("ifrs9.not_judged", NOT_JUDGED, ("5.5.9", "5.5.11 first sentence")),
)


@dataclass(frozen=True)
class SignificantIncrease:
    """When a higher probability is a significant increase: the standard names no number, so the entity does and answers for it.

    ratio: at least so many times the probability at initial recognition; points: and at least so much more, as a probability.
    """

    ratio: float
    points: float


@dataclass(frozen=True)
class Stages:
    """Stages of n assets: stage (n,), 0 where none can be said; rule (n,), position in RULES of the rule that decided."""

    stage: np.ndarray
    rule: np.ndarray

    def reason(self, row):
        """The Rule behind a row."""
        return RULES[self.rule[row]]


def ifrs9_stages(*, days_past_due, in_default, pd_now, pd_at_recognition, increase=None, low_credit_risk_below=None, rebutted_30=False, rebutted_90=False):
    """The stage of each asset under the general approach of IFRS 9 (5.5.3 to 5.5.11); see docs/crosswalks.md for what it leaves out.

    days_past_due: (n,) of the oldest contractual payment, NaN where unknown; in_default: (n,) by the entity's own definition, NaN counts as no; pd_now,
    pd_at_recognition: (n,) probabilities over the same 12 months, NaN where unknown; increase: SignificantIncrease, or None where the entity has named no
    numbers: then nobody without arrears is judged; low_credit_risk_below: the probability below which the entity assumes low credit risk, None: it does not;
    rebutted_30, rebutted_90: (n,) or one, whether the entity has the information that rebuts the presumption.
    The first rule of RULES that applies decides. More than 30 days is lifetime losses, 90 days or more credit-impaired, whatever the probability.

    Returns Stages. Raises: RiskError for negative days, a probability outside [0, 1], or an increase below 1 time or 0 points.
    """
    days, default, now, before = (np.atleast_1d(np.asarray(each, dtype=np.float64)) for each in (days_past_due, in_default, pd_now, pd_at_recognition))
    _refuse(days, now, before, increase)
    judged = ~(np.isnan(days) | np.isnan(now) | np.isnan(before)) & (increase is not None)
    risen = judged & (now >= before * increase.ratio) & (now - before >= increase.points) if increase is not None else judged
    low = judged & risen & (now < (0.0 if low_credit_risk_below is None else low_credit_risk_below))
    applies = {"ifrs9.default": default >= 1, "ifrs9.past_due_90": (days >= PAST_DUE_90) & ~np.asarray(rebutted_90, dtype=bool),
               "ifrs9.past_due_30": (days > PAST_DUE_30) & ~np.asarray(rebutted_30, dtype=bool), "ifrs9.pd_increase": risen & ~low,
               "ifrs9.low_credit_risk": low, "ifrs9.no_increase": judged & ~risen}
    rule = np.select(np.broadcast_arrays(*(applies[each.code] for each in RULES[:-1])), range(len(RULES) - 1), len(RULES) - 1)
    return Stages(np.array([each.stage for each in RULES])[rule], rule)


def _refuse(days, now, before, increase):
    if (days < 0).any():
        raise RiskError(f"days_past_due of {int((days < 0).sum())} of {len(days)} assets is negative: 0 is not past due.")
    for name, values in (("pd_now", now), ("pd_at_recognition", before)):
        wrong = (values < 0) | (values > 1)
        if wrong.any():
            raise RiskError(f"{name} of {int(wrong.sum())} of {len(values)} assets lies outside 0 to 1: give probabilities, not percentages.")
    if increase is not None and (increase.ratio < 1 or increase.points < 0):
        raise RiskError("a significant increase is at least 1 time the probability at recognition and 0 points more: correct ratio and points.")
