"""How a text column writes its dates: the formats that fit all of its values."""

import re

_TIME = re.compile(r"(?P<day>.+?)(?P<gap>[ T]+)(?P<clock>\d{1,2}:\d{2}(?P<seconds>:\d{2}(?P<part>\.\d+)?)?)"
                   r"(?P<half> ?[AaPp][Mm])?(?P<zone> ?(?:Z|[+-]\d{2}(?::?\d{2})?))?")
_ISO = "%Y-%m-%d"
# What a day looks like, and the formats that it may be in: two where day and month can be taken for each other.
_SHAPES = tuple((re.compile(shape), formats) for shape, formats in (
    (r"\d{4}-\d{1,2}-\d{1,2}", (_ISO,)),
    (r"\d{4}/\d{1,2}/\d{1,2}", ("%Y/%m/%d",)),
    (r"\d{4}\.\d{1,2}\.\d{1,2}", ("%Y.%m.%d",)),
    (r"\d{1,2}\.\d{1,2}\.\d{4}", ("%d.%m.%Y",)),
    (r"\d{1,2}/\d{1,2}/\d{4}", ("%d/%m/%Y", "%m/%d/%Y")),
    (r"\d{1,2}-\d{1,2}-\d{4}", ("%d-%m-%Y", "%m-%d-%Y")),
    (r"\d{1,2}\.\d{1,2}\.\d{2}", ("%d.%m.%y",)),
    (r"\d{1,2}/\d{1,2}/\d{2}", ("%d/%m/%y", "%m/%d/%y")),
    (r"(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])", ("%Y%m%d",)),
    (r"\d{4}年\d{1,2}月\d{1,2}日", ("%Y年%m月%d日",)),
    (r"\d{4}년 \d{1,2}월 \d{1,2}일", ("%Y년 %m월 %d일",)),
    (r"\d{1,2}-[A-Za-z]{3}-\d{4}", ("%d-%b-%Y",)),
    (r"\d{1,2} [A-Za-z]{3} \d{4}", ("%d %b %Y",)),
    (r"[A-Za-z]{3} \d{1,2}, \d{4}", ("%b %d, %Y",)),
    (r"\d{1,2} [A-Za-z]{4,} \d{4}", ("%d %B %Y",)),
))
# Digits that are a day only in a column that is named like one.
_NAMED = tuple((re.compile(shape), formats) for shape, formats in (
    (r"\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])", ("%y%m%d",)),
    (r"(?:19|20)\d{2}(?:0[1-9]|1[0-2])", ("%Y%m",)),
    (r"(?:19|20)\d{2}[-/](?:0[1-9]|1[0-2])", ("%Y-%m", "%Y/%m")),
    (r"(?:0[1-9]|1[0-2])/(?:19|20)\d{2}", ("%m/%Y",)),
))
MOST = 0.99
ZONED = "zoned"


def date_formats(values, *, named):
    """The formats (strptime, or ZONED for ISO with an offset) that fit at least MOST of the values, the likelier first; empty without one.

    `named` says that the column is called like a date, which lets digits such as 970605 be one.
    """
    split = [_split(value) for value in values]
    days, clocks = [day for day, _ in split], {clock for _, clock in split}
    found = [form for shape, forms in (*_SHAPES, *(_NAMED if named else ())) for form in forms if _fits(days, shape) and _real(days, form)]
    if not found or clocks == {""}:
        return found
    if any(clock.endswith("%z") for clock in clocks):
        return [ZONED] if found[0] == _ISO else []
    # Excel and databases drop the clock at midnight: then DuckDB reads the ISO text itself, other texts need one shape.
    whole = len(clocks) == 1
    return [form if form == _ISO else form + clocks.copy().pop() for form in found if whole or form == _ISO]


def is_iso(form):
    """Whether DuckDB casts a text in this format to a timestamp itself."""
    return form == _ISO


def other_order(form):
    """Whether the format puts the month first (True) or the day (False); None for those that cannot be taken for each other."""
    return {"%d/%m": False, "%d-%m": False, "%m/%d": True, "%m-%d": True}.get(form[:5])


def offsets(values):
    """How many of the values with a clock carry an offset, and how many do not."""
    clocks = [clock for _, clock in map(_split, values) if clock]
    zoned = sum(clock.endswith("%z") for clock in clocks)
    return zoned, len(clocks) - zoned


def _split(value):
    found = _TIME.fullmatch(value)
    if not found:
        return value, ""
    twelve = found["half"]
    clock = ("%I" if twelve else "%H") + ":%M" + (":%S" if found["seconds"] else "") + (".%f" if found["part"] else "")
    return found["day"], found["gap"] + clock + (twelve and twelve.replace(twelve.strip(), "%p") or "") + ("%z" if found["zone"] else "")


def _fits(days, shape):
    return sum(bool(shape.fullmatch(day)) for day in days) >= MOST * len(days) > 0


def _real(days, form):
    """Whether the parts can be what the format says: month 13 shows that it is the day."""
    if other_order(form) is None:
        return True
    first, second = zip(*(tuple(map(int, re.split("[/-]", day)[:2])) for day in days if re.fullmatch(r"\d{1,2}[/-]\d{1,2}[/-]\d+", day)), strict=True)
    months = first if form.startswith("%m") else second
    return sum(month <= 12 for month in months) >= MOST * len(months)
