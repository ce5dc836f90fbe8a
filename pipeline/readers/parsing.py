"""Dates and amounts as people and vendors write them, read without guessing."""

import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

# Chinese vendors stamp local midnight: the same second is still the day before in UTC.
CHINA = timezone(timedelta(hours=8))
EMPTY = frozenset({"", "-", "--", "—", "——", "/", "null", "none", "nan", "n/a", "无", "暂无", "未公开", "未披露"})
_DAY = re.compile(r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})日?(?:[T ].*)?")
_COMPACT = re.compile(r"((?:19|20)\d{2})(\d{2})(\d{2})")
_ZONED = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}.*(?:Z|[+-]\d{2}:?\d{2})")
_EPOCH = re.compile(r"(?:/Date\()?(-?\d{9,13})(?:[+-]\d{4})?(?:\)/)?")
_AMOUNT = re.compile(r"[¥￥$]?\s*([+-]?)(\d{1,3}(?:,\d{3})+|\d+)(\.\d+)?\s*(百万|千万|万|亿|千)?\s*(\D*)")
_SCALE = {"": 1, "千": 1_000, "万": 10_000, "百万": 1_000_000, "千万": 10_000_000, "亿": 100_000_000}
CURRENCIES = {
    "": None, "元": "CNY", "人民币": "CNY", "元人民币": "CNY", "人民币元": "CNY", "cny": "CNY", "rmb": "CNY", "yuan": "CNY",
    "美元": "USD", "usd": "USD", "港元": "HKD", "港币": "HKD", "hkd": "HKD", "欧元": "EUR", "eur": "EUR", "日元": "JPY", "jpy": "JPY",
}
FIRST_YEAR, LAST_YEAR = 1950, 2085


def is_empty(value):
    """Whether a value stands for nothing: null, blank, or a dash and the like."""
    return value is None or (isinstance(value, str) and value.strip().lower() in EMPTY)


def read_day(value):
    """Midnight of the day that a value names, None where it names none.

    Read are ISO dates with or without a time, 2024/3/5, 2024.3.5, 20240305, 2024年3月5日, seconds and milliseconds since 1970; moments with a zone and
    epochs are days in China (UTC+8). A day before 1950 is a vendor's word for nothing.

    Raises ValueError for anything else, as 05/03/2024, which could be March or May.
    """
    if is_empty(value) or str(value).strip() == "0":
        return None
    day = _parse_day(str(value).strip())
    if day.year > LAST_YEAR:
        raise ValueError(value)
    return None if day.year < FIRST_YEAR else day


def _parse_day(text):
    if _ZONED.fullmatch(text):
        return _local(datetime.fromisoformat(text))
    found = _DAY.fullmatch(text) or _COMPACT.fullmatch(text)
    if found:
        return datetime(*(int(part) for part in found.groups()))
    found = _EPOCH.fullmatch(text)
    if not found:
        raise ValueError(text)
    number = int(found[1])
    return _local(datetime.fromtimestamp(number / 1_000 if abs(number) >= 10**11 else number, tz=UTC))


def _local(moment):
    return moment.astimezone(CHINA).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)


def read_amount(value):
    """An amount as (minor units, currency); the currency is None where the text names none.

    Read are numbers, 12,500.00, 3万元, 1.2亿; (None, None) where the value stands for nothing.

    Raises ValueError for anything else, as 12.500,00 or 1000万股.
    """
    if is_empty(value) or value != value:
        return None, None
    text = f"{value:f}" if isinstance(value, float) else str(value).strip()
    found = _AMOUNT.fullmatch(text)
    currency = (found[5] if found else "").strip().lower()
    if not found or currency not in CURRENCIES:
        raise ValueError(value)
    number = Decimal(found[1] + found[2].replace(",", "") + (found[3] or ""))
    return int((number * _SCALE[found[4] or ""] * 100).to_integral_value()), CURRENCIES[currency]
