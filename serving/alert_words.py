"""What an alert says: the fact, what it was before and is now, and the threshold that it came to, as a sentence in each language."""

from models.alert_file import AGAINST_EARLIER, GRADE_WORSE
from models.policy_file import LETTERS
from serving import messages
from serving.amounts import format_value

# How each fact is written: its unit as `serving.amounts.format_value` knows it, or one of these two.
GRADE, TIMES = "grade", "times"
UNITS = {"in_default": "flag", "pd_12m": "share", "pd_rise": TIMES, "grade": GRADE, "days_past_due": "days", "exposure_to_limit": TIMES,
         "open_lawsuit_amount": "currency units", "overdue_change": "share", "order_rise": TIMES, "outflow_rise": TIMES, "inflow_fall": "share"}
# Beyond it a figure stands for infinity, such as an exposure to no limit.
BEYOND = 1e200


def sentence(crossing, *, language):
    """The sentence of a models.alerts.Crossing, or of anything with its fields."""
    before, after, threshold = (value_of(crossing, name, language=language) for name in ("before", "after", "threshold"))
    fact = messages.label("fact", crossing.fact, language=language)
    said = messages.text("alert.now" if crossing.before is None else "alert.changed", language=language, fact=fact, before=before, after=after)
    return said + _what_of_it(crossing, threshold, language)


def value_of(crossing, name, *, language):
    """The figure `before`, `after` or `threshold` of a crossing in its unit."""
    value, unit = getattr(crossing, name), UNITS.get(crossing.fact, "count")
    if value is None or abs(value) > BEYOND:
        return messages.text(f"alert.{'unknown' if name == 'before' else 'beyond'}", language=language)
    if unit == GRADE:
        return LETTERS[min(max(round(value), 1), len(LETTERS)) - 1]
    written = format_value(value, "count" if unit == TIMES else unit, language=language)
    return messages.text("alert.times", language=language, value=written) if unit == TIMES else written


def _what_of_it(crossing, threshold, language):
    if crossing.kind in AGAINST_EARLIER:
        return messages.text(f"alert.{'grade' if crossing.kind == GRADE_WORSE else 'pd'}_threshold", language=language, threshold=threshold)
    if UNITS.get(crossing.fact) == "flag" and crossing.level is not None:
        return messages.text("alert.flag", language=language, state=messages.label("state", crossing.level, language=language))
    if crossing.level is None:
        return messages.text("alert.told", language=language, threshold=threshold)
    return messages.text("alert.state", language=language, threshold=threshold, state=messages.label("state", crossing.level, language=language))

