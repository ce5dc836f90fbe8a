"""Moments as an interface sends them, one column at a time: ISO 8601 strings, dates or datetimes become microseconds since 1970 in UTC."""

from datetime import UTC, date, datetime

import numpy as np

from features.arrays import MISSING_TIME
from features.errors import RiskError

EPOCH = datetime(1970, 1, 1)
EPOCH_UTC = EPOCH.replace(tzinfo=UTC)
FIRST_YEAR = (datetime(1, 1, 1) - EPOCH).days * 86_400_000_000
# The spellings that are read a column at a time, by their length: the lowest and the highest character of each place, and how many of them numpy reads; all
# others go one by one.
SPELLINGS = {
    len(low): (np.frombuffer(low, np.uint8), np.frombuffer(high, np.uint8) - np.frombuffer(low, np.uint8), read)
    for low, high, read in (
        (b"0000-00-00", b"9999-99-99", 10),
        (b"0000-00-00T00:00:00", b"9999-99-99T99:99:99", 19),
        (b"0000-00-00T00:00:00Z", b"9999-99-99T99:99:99Z", 19),
        (b"0000-00-00T00:00:00.000Z", b"9999-99-99T99:99:99.999Z", 23),
        (b"0000-00-00T00:00:00+00:00", b"9999-99-99T99:99:99+00:00", 19),
        (b"0000-00-00T00:00:00.000000", b"9999-99-99T99:99:99.999999", 26),
    )
}


def microseconds_of(table, name, values):
    """int64 microseconds (n,) of a column of moments, naive ones taken as UTC and zoned ones to UTC; None is missing.

    Raises RiskError for a value that is no moment, and where some carry a time zone and some do not: nobody can say whose clock the latter are of.
    """
    if None not in values:
        return _all_of(table, name, values)
    found = np.full(len(values), MISSING_TIME)
    found[[value is not None for value in values]] = _all_of(table, name, [value for value in values if value is not None])
    return found


def _all_of(table, name, values):
    together = microseconds_of_alike(values) if set(map(type, values)) == {str} else None
    return _one_by_one(table, name, values) if together is None else together


def microseconds_of_alike(texts):
    """int64 microseconds (n,) of strings that all are of one of SPELLINGS, otherwise None; with a range for each character numpy takes what
    `datetime.fromisoformat` takes, but for the year 0."""
    widths, joined = set(map(len, texts)), "".join(texts).encode(errors="replace")
    width = widths.pop()
    if widths or width not in SPELLINGS or len(joined) != width * len(texts):
        return None
    characters, (low, span, read) = np.frombuffer(joined, np.uint8).reshape(-1, width), SPELLINGS[width]
    if not (characters - low <= span).all():
        return None
    found = _parsed(np.ascontiguousarray(characters[:, :read]))
    return found if found is not None and found.min() >= FIRST_YEAR else None


def _parsed(characters):
    try:
        return characters.view(f"S{characters.shape[1]}").ravel().astype("datetime64[us]").astype(np.int64)
    except ValueError:
        return None


def _one_by_one(table, name, values):
    try:
        moments = [_datetime(value) for value in values]
    except (TypeError, ValueError):
        wrong = next(value for value in values if not _is_moment(value))
        raise RiskError(f"Table {table}, column {name}: {wrong!r} is not a moment; send ISO 8601 such as 2024-03-31T12:00:00.") from None
    _require_one_clock(table, name, moments)
    return np.array([_since_epoch(moment) for moment in moments], dtype=np.int64)


def _require_one_clock(table, name, moments):
    zoned = sum(moment.tzinfo is not None for moment in moments)
    if 0 < zoned < len(moments):
        raise RiskError(
            f"Table {table}, column {name}: {zoned} of {len(moments)} moments carry a time zone and {len(moments) - zoned} do not; "
            "send all with a zone or all in UTC without one."
        )


def _datetime(value):
    if isinstance(value, str):
        return datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    raise TypeError(value)


def _since_epoch(moment):
    # numpy takes five microseconds to turn a datetime into a number; pandas calls a missing moment a datetime unequal to itself
    if moment != moment:
        return MISSING_TIME
    passed = moment - (EPOCH if moment.tzinfo is None else EPOCH_UTC)
    return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds


def _is_moment(value):
    try:
        _datetime(value)
    except (TypeError, ValueError):
        return False
    return True
