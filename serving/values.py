"""What a single value in a request may be, and a column of moments read at once."""

import math
import sys
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import msgspec
import numpy as np

from features.feeders.moments import microseconds_of_alike
from models.policy_file import MOST_MONEY
from serving.standing import MINOR_UNITS

MAX_TEXT = 2_000
# Minor units: what a policy can decide on at most, and one more.
MAX_MONEY = MOST_MONEY * MINOR_UNITS + 1
MAX_NUMBER = sys.float_info.max
# 2026-03-31T12:00:00.000000+08:00:00.000000 has 42 characters.
LONGEST_MOMENT = 50
# Before it nothing happened that anybody records, and a second less would be no date any more.
FIRST_YEAR = 1000
EPOCH, MICROSECOND = datetime(1970, 1, 1), timedelta(microseconds=1)
FIRST_MOMENT = np.datetime64(f"{FIRST_YEAR}-01-01", "us").astype(np.int64)


def parse_moment(value):
    """A naive UTC datetime of an ISO 8601 string (a date alone is its midnight, an offset is applied), or None when it is none."""
    return _moment(value) if isinstance(value, str) and 10 <= len(value) <= LONGEST_MOMENT else None


# A row's moments are looked at more than once, and those of many rows are the same few days.
@lru_cache(maxsize=4096)
def _moment(text):
    try:
        moment = datetime.fromisoformat(text)
        if moment.year < FIRST_YEAR:
            return None
        return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    except (ValueError, OverflowError):
        return None


def shown(value):
    """A value as a problem shows it: a scalar as JSON, cut; of a list or an object only its size."""
    if isinstance(value, list | dict):
        return f"{'a list' if isinstance(value, list) else 'an object'} of {len(value)}"
    return msgspec.json.encode(value).decode()[:80] if not isinstance(value, float) or math.isfinite(value) else "a number out of range"


def moments_alike(values):
    """int64 microseconds since 1970 of a column whose values are all text of one common spelling, as `parse_moment` reads each; None for any other."""
    found = microseconds_of_alike(values) if set(map(type, values)) == {str} else None
    return found if found is not None and found.min() >= FIRST_MOMENT else None


def microseconds(moment):
    """A naive UTC datetime as `moments_alike` counts."""
    return (moment - EPOCH) // MICROSECOND


def is_text(value):
    """Whether a value is text of a bearable length that can be written as UTF-8 and kept by both databases."""
    # PostgreSQL cannot store a zero character.
    return isinstance(value, str) and len(value) <= MAX_TEXT and "\0" not in value


def is_number(value):
    """Whether a value is a finite number that a float can hold."""
    # No math.isfinite, which an integer beyond the floats makes raise.
    return isinstance(value, int | float) and not isinstance(value, bool) and -MAX_NUMBER <= value <= MAX_NUMBER


def is_scalar(value):
    """Whether a value is text, a number or a boolean."""
    return isinstance(value, bool) or is_text(value) or is_number(value)


def is_integer(value):
    """Whether a value is a whole number that can be an amount of money in minor units."""
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < MAX_MONEY
