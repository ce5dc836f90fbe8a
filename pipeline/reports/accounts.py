"""The statements of a customer as a table: amounts and ratios over its last years, each beside its own trend and its industry's quantiles."""

from typing import NamedTuple

from pipeline.reports import records
from pipeline.reports.trends import quantiles, sparkline

# A trend over more years than these is another firm's.
TREND_YEARS = 3
# How a value stands among its industry's quantiles, from the weakest.
STANDINGS = ("weakest_tenth", "weakest_quarter", "weaker_half", "stronger_half", "strongest_quarter", "strongest_tenth")


def statement_table(rows, peers, words):
    """The lines and ratios of the last statements as table rows, beside the quantiles of the industry; None without a statement.

    rows: as `records.statements` gives them, oldest first; peers: one industry of `records.industry_quantiles`, or empty.
    """
    if not rows:
        return None
    rows = [row for row in rows if rows[-1]["period_end"].year - row["period_end"].year <= TREND_YEARS]
    there = {name for name in rows[0] if any(row[name] is not None for row in rows)}
    amounts = [_amount(name, rows, words) for name in records.AMOUNTS if name in there]
    ratios = [_ratio(_Ratio(name, unit, better), rows, peers.get(name), words) for name, _, _, unit, better in records.RATIOS if name in there]
    return {"last": rows[-1], "periods": [words.date(row["period_end"]) for row in rows], "amounts": amounts, "ratios": ratios,
            "peers": peers.get("customers", 0), "years": rows[-1]["period_end"].year - rows[0]["period_end"].year}


class _Ratio(NamedTuple):
    """A ratio's name, unit and direction, +1 where more is better."""

    name: str
    unit: str
    better: int


def _amount(name, rows, words):
    change = _grown(_ends(rows, name), words)
    return _line(words(f"line.{name}"), name, rows, words.amount, words) | {"change": change, "median": None, "place": None, "strip": None}


def _ratio(ratio, rows, cuts, words):
    line = _line(words(f"ratio.{ratio.name}"), ratio.name, rows, lambda value: words.measure(value, ratio.unit), words)
    return line | {"change": _moved(_ends(rows, ratio.name), ratio, words), **_among(ratio, rows[-1][ratio.name], cuts, line["label"], words)}


def _among(ratio, own, cuts, label, words):
    """The industry's middle, where the value stands in it, and both as a drawing."""
    if cuts is None:
        return {"median": None, "place": None, "strip": None}
    low, first, middle, third, high = (words.measure(cut, ratio.unit) for cut in cuts)
    place = None if own is None else STANDINGS[_standing(own, cuts, ratio.better)]
    said = words.measure(own, ratio.unit)
    described = words("figure.among.text", low=low, first=first, middle=middle, third=third, high=high, value=said)
    return {"median": middle, "place": place, "strip": quantiles(cuts, own, key=f"q-{ratio.name}", title=label, description=described).svg}


def _standing(own, cuts, better):
    """Place among STANDINGS: how many of the cuts at 10, 25, 50, 75 and 90 % it is better than."""
    return sum((own - cut) * better > 0 for cut in cuts)


def _ends(rows, name):
    """The first and the last value, None unless both are there and of two years."""
    return (rows[0][name], rows[-1][name]) if len(rows) > 1 and None not in (rows[0][name], rows[-1][name]) else None


def _grown(ends, words):
    """Growth of an amount in per cent where it is above zero at both ends, else whether it crossed zero."""
    if ends is None or ends[0] == 0:
        return None
    if min(ends) <= 0:
        crossed = {(True, False): "change.to_loss", (False, True): "change.to_profit"}.get((ends[0] > 0, ends[1] > 0))
        return crossed and {"words": words(crossed), "stronger": None}
    share = round(ends[1] / ends[0] - 1, 2) + 0.0
    return {"words": ("+" if share > 0 else "") + words.percent(share, 0), "stronger": None}


def _moved(ends, ratio, words):
    if ends is None:
        return None
    shares = ratio.unit == "share"
    digits = {"share": 1, "days": 0}.get(ratio.unit, 2)
    # A step that is written as 0 is neither better nor worse.
    step = round((ends[1] - ends[0]) * (100 if shares else 1), digits) + 0.0
    said = words("change.points", value=words.signed(step, digits)) if shares else words.signed(step, digits)
    return {"words": said, "stronger": None if step == 0 else step * ratio.better > 0}


def _line(label, name, rows, written, words):
    first, last = (rows[place]["period_end"].year for place in (0, -1))
    by_year = {row["period_end"].year: row[name] for row in rows}
    drawn = sparkline([by_year.get(year) for year in range(first, last + 1)], key=f"s-{name}", title=label,
                      description=words("figure.spark.text", first=first, last=last))
    return {"label": label, "values": [written(row[name]) for row in rows], "spark": drawn.svg}
