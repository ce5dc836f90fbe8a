"""How far a probability looks ahead, as its name says it."""
import re

MONTH_DAYS = 365.25 / 12
# So far a number of days may lie from whole months and still be called by them: 365 days are twelve, 30 days one.
SLACK_DAYS = 3


def probability_name(use_case, horizon_days):
    """`p_fraud` for a transaction; for a customer `pd_12m`, after the horizon in months, or `pd_45d` where its days make no whole months."""
    if use_case == "fraud":
        return "p_fraud"
    months = round(horizon_days / MONTH_DAYS)
    whole = months > 0 and abs(months * MONTH_DAYS - horizon_days) <= SLACK_DAYS
    return f"pd_{months}m" if whole else f"pd_{horizon_days}d"


def horizon_of(name):
    """The horizon in a probability's name: (count, "m" for months or "d" for days); None for a name without one, as a transaction's."""
    found = re.fullmatch(r"pd_(\d+)([md])", name)
    return (int(found[1]), found[2]) if found else None
