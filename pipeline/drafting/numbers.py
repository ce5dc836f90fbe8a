"""How a text column writes its numbers: decimal sign, thousands, what stands around them."""

import re

import msgspec

from features.feeders.sql import literal

MOST = 0.99
POINT, COMMA = "point", "comma"
_PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_SPACES = "\u00a0\u202f'’ "
# Name, what it looks like, the signs taken out, the decimal sign.
_STYLES = (
    ("plain", _PLAIN, "", "."),
    ("decimal comma", re.compile(r"[+-]?(\d+|\d{1,3}(\.\d{3})+)(,\d+)?"), ".", ","),
    ("thousands by comma", re.compile(r"[+-]?(\d+|\d{1,3}(,\d{3})+)(\.\d+)?"), ",", "."),
    ("decimal comma, thousands by space or '", re.compile(rf"[+-]?(\d+|\d{{1,3}}([{_SPACES}]\d{{3}})+)(,\d+)?"), _SPACES, ","),
    ("thousands by space or '", re.compile(rf"[+-]?(\d+|\d{{1,3}}([{_SPACES}]\d{{3}})+)(\.\d+)?"), _SPACES, "."),
)
_DECORATED = re.compile(r"(?:€|\$|£|¥|￥|₩|%|EUR|USD|GBP|CHF|CNY|RMB|KRW|JPY|PLN|CZK|元|원|Kč|zł)")
_POINTS = re.compile(r"[+-]?[1-9]\d{0,2}\.\d{3}")
_COMMAS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")


class NumberStyle(msgspec.Struct, frozen=True):
    """How numbers are written; `sql` turns the text `{}` into one; `sign` is the decimal sign it proves, `doubt` the other way to read it."""

    name: str
    sql: str
    whole: bool
    sign: str | None
    doubt: str


def number_style(values, *, sign=None):
    """The style that fits at least MOST of the values, None without one; `sign` (point, comma) settles 1.234 and 1,234 by the file's other columns."""
    bare = [_bare(value) for value in values]
    fitting = [style for style in _STYLES if sum(bool(style[1].fullmatch(value)) for value in bare) >= MOST * len(bare) > 0]
    if not fitting:
        return None
    marked = [value for value in bare if "." in value or "," in value]
    by_threes = {form for form in (_POINTS, _COMMAS) if marked and all(form.fullmatch(value) for value in marked)}
    name, pattern, removed, decimal = _choose(fitting, by_threes, sign)
    whole = not any(decimal in value or "e" in value.lower() for value in bare if pattern.fullmatch(value))
    return NumberStyle(name, _sql(removed, decimal, values), whole, _proof(marked, by_threes, decimal),
                       "" if sign else _doubt(marked, by_threes, name))


def _choose(fitting, by_threes, sign):
    by_name = {style[0]: style for style in fitting}
    if _POINTS in by_threes and "decimal comma" in by_name:
        return by_name["decimal comma"] if sign == COMMA else by_name.get("plain", fitting[0])
    if _COMMAS in by_threes and "thousands by comma" in by_name:
        return by_name["decimal comma"] if sign == COMMA else by_name["thousands by comma"]
    return fitting[0]


def _proof(marked, by_threes, decimal):
    if not marked or by_threes:
        return None
    return COMMA if decimal == "," else POINT


def _doubt(marked, by_threes, name):
    if not by_threes:
        return ""
    shown = marked[0]
    read, other = ("thousands", "decimals") if ("." in shown) == (name == "decimal comma") else ("decimals", "thousands")
    return f"{shown} is read as {read}; it could be {other}"


def _bare(value):
    """The digits and signs alone: no currency, no percent sign; (1) and 1- are negative."""
    bare = _DECORATED.sub("", value).strip()
    if bare.startswith("(") and bare.endswith(")"):
        return "-" + bare[1:-1].strip()
    return "-" + bare[:-1].strip() if re.fullmatch(r"[\d.,]+ ?-", bare) else bare


def _sql(removed, decimal, values):
    """SQL around the text `{}`; only what occurs in the values is taken out, so that it stays short to read."""
    text, marks = "{}", sorted({mark for value in values for mark in _DECORATED.findall(value)})
    for mark in (*marks, *(sign for sign in removed if any(sign in value for value in values))):
        text = f"replace({text}, {literal(mark)}, '')"
    if decimal != "." and any(decimal in value for value in values):
        text = f"replace({text}, '{decimal}', '.')"
    text = f"trim({text})" if marks else text
    turned = any(value.strip().endswith(("-", ")")) for value in values)
    return f"regexp_replace({text}, '^[(]?([0-9.]+) *[)-]$', '-\\1')" if turned else text
