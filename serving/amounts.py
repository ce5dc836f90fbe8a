"""A feature's value as a person reads it: numbers as the language's locale writes them, with their unit; shares in per cent, logarithms as the amounts they
stand for."""

import json
import math
from functools import cache, lru_cache
from importlib.resources import files

from serving.translations import LOCALES, _, _n, counted, told

# Units whose values are written as a percentage of one.
SHARES = frozenset({"share", "quantile", "difference of shares"})
# Units whose values are logarithms of money: by how much to divide what they stand for.
LOGS = {"log currency units": 1, "log minor units": 100}
SIGNED_LOGS = {"signed log": 1, "signed log minor units": 100}
AMOUNTS = frozenset({"minor units", *LOGS, *SIGNED_LOGS})
# Units of trends of shares, said in percentage points with their sign: 0.02 a year means nothing to who reads the share as 12%.
POINTS = frozenset({"ratio per year"})
WEEKDAYS = (_("weekday.0"), _("weekday.1"), _("weekday.2"), _("weekday.3"), _("weekday.4"), _("weekday.5"), _("weekday.6"))
# Units that are said beside the number, by whether their words depend on the count; other units are not written.
COUNTED = {"days": _n("unit.days"), "months": _n("unit.months"), "standard deviations": _n("unit.standard deviations"), "points of 9": _n("unit.points of 9")}
SAID = {"hour": _("unit.hour"), "1 to 5": _("unit.1 to 5"), "1 green to 3 red": _("unit.1 green to 3 red"), "ratio per year": _("unit.ratio per year")}
# Units of averages over days and months, whose second decimal says nothing.
SPELLS = frozenset({"days", "months"})
# Values that differ only further behind are the same to anybody.
MOST_DIGITS = 6
MISSING, UNSEEN, YES, NO = _("value.missing"), _("value.unseen"), _("value.yes"), _("value.no")


def format_value(value, unit, *, language):
    """A feature's value as read by a person: None and NaN as without a value, numbers with their unit, levels of the
    standard categories in words and those that a source named itself as they are.

    unit: of the feature's declaration. Shares are written in per cent, money in whole currency units, logarithms as the amounts they stand for.
    """
    if value is None or value != value:
        return told(MISSING, language=language)
    if isinstance(value, str):
        return told(UNSEEN, language=language) if value == "unseen" else _levels(language).get(value, value)
    if unit == "flag":
        return told(YES if value else NO, language=language)
    if unit.startswith("weekday"):
        return told(WEEKDAYS[int(value) % 7], language=language)
    if unit in SHARES:
        return percent(value, language=language)
    written = _signed_points(value) if unit in POINTS else _spell(value) if unit in SPELLS else _number(_amount(value, unit) if unit in AMOUNTS else value)
    return _in_unit(written, unit, language)


def format_apart(value, other, unit, *, language):
    """Two values as `format_value` writes them, with as many digits more as it takes to see that they differ."""
    written = [format_value(each, unit, language=language) for each in (value, other)]
    if written[0] != written[1] or value == other or not all(isinstance(each, int | float) for each in (value, other)) or unit == "flag":
        return tuple(written)
    scaled = [each * 100 if unit in SHARES | POINTS else _amount(each, unit) if unit in AMOUNTS else each for each in (value, other)]
    digits = next((digits for digits in range(1, MOST_DIGITS) if round(scaled[0], digits) != round(scaled[1], digits)), MOST_DIGITS)
    sign, behind = "+" if unit in POINTS else "", "%" if unit in SHARES else ""
    return tuple(_in_unit(f"{each:{sign},.{digits}f}{behind}", unit, language) for each in scaled)


def _in_unit(written, unit, language):
    """A number that Python wrote, with the locale's symbols and the words of its unit."""
    before, after = _around(unit, written == "1", language)
    return f"{before}{_localised(written, language)}{after}"


def _spell(value):
    if abs(value) < 1:
        return _number(value)
    rounded = round(float(value), 1) + 0.0
    return f"{rounded:,.0f}" if rounded == int(rounded) else f"{rounded:,.1f}"


def _signed_points(share):
    written = _number(share * 100)
    return written if written.startswith("-") or written == "0" else f"+{written}"


def percent(value, *, language, digits=1):
    """A share in per cent, to so many decimals."""
    # Adding zero turns the -0 that a small loss rounds to into 0.
    return _localised(f"{round(value * 100, digits) + 0.0:,.{digits}f}%", language)


@lru_cache(maxsize=1024)
def _around(unit, one, language):
    """What stands before and after a number of this unit."""
    if unit in COUNTED:
        words = counted(COUNTED[unit], 1 if one else 2, language=language)
    else:
        words = told(SAID[unit], language=language) if unit in SAID else "{value}"
    before, _value, after = words.partition("{value}")
    return before, after


def _amount(value, unit):
    if unit == "minor units":
        return value / 100
    if unit in LOGS:
        return _exp(value) / LOGS[unit]
    if unit in SIGNED_LOGS:
        return math.copysign(_exp(abs(value)) - 1, value) / SIGNED_LOGS[unit]
    return value


def _exp(value):
    # A logarithm beyond this is no amount of money; exp would overflow.
    return math.exp(min(value, 700.0))


# Sentences in the next language ask for the same numbers again.
@lru_cache(maxsize=512)
def _number(value):
    """A number in Python's symbols."""
    if 0 < abs(value) < 0.1:
        # two digits that say something: a change of 0.004 is not none
        return f"{float(f'{value:.2g}'):.6f}".rstrip("0").rstrip(".") if abs(value) >= 1e-6 else "0"
    rounded = round(float(value), 2) + 0.0
    return f"{rounded:,.0f}" if rounded == int(rounded) or abs(rounded) >= 1000 else f"{rounded:,.2f}"


def _localised(written, language):
    """A number that Python wrote, with the locale's symbols."""
    symbols = _symbols(language)
    return written.translate(symbols) if symbols else written


@cache
def _levels(language):
    """Words for the levels of the standard categories, whatever column they stand in."""
    return json.loads((files("serving") / "messages" / f"{language}.json").read_text(encoding="utf-8"))["levels"]


@cache
def _symbols(language):
    """What to put in the place of Python's own symbols; empty where the locale writes the same."""
    given = json.loads((files("serving") / "messages" / "numbers.json").read_text(encoding="utf-8"))[LOCALES[language]]
    return {ord(plain): given[name] for name, plain in (("decimal", "."), ("group", ","), ("minus", "-"), ("percent", "%")) if given[name] != plain}
