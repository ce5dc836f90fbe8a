"""Moments read a column at a time are those read one by one; whose clock they are of must be clear."""

import re
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.arrays import MISSING_TIME
from features.errors import RiskError
from features.feeders.moments import microseconds_of

EPOCH = datetime(1970, 1, 1)
NAIVE = (
    lambda moment: moment,
    datetime.isoformat,
    lambda moment: moment.isoformat(" "),
    lambda moment: moment.isoformat(timespec="seconds"),
    lambda moment: moment.isoformat(timespec="minutes"),
    lambda moment: moment.isoformat(timespec="microseconds"),
    lambda moment: moment.isoformat(timespec="milliseconds"),
    lambda moment: moment.strftime("%G-W%V-%u"),
    lambda moment: moment.date(),
    lambda moment: moment.date().isoformat(),
)
ZONED = (
    lambda moment: f"{moment.isoformat(timespec='seconds')}Z",
    lambda moment: f"{moment.isoformat()}+00:00",
    lambda moment: f"{moment.isoformat(timespec='seconds')}+00:00",
    lambda moment: f"{moment.isoformat(timespec='milliseconds')}Z",
    lambda moment: f"{moment.isoformat()}-05:30",
    lambda moment: moment.replace(tzinfo=timezone(timedelta(hours=8))),
)
# whole seconds often, since one column of them is what is read together
seconds = st.datetimes(datetime(1000, 1, 2), datetime(9999, 12, 30)).map(lambda moment: moment.replace(microsecond=0))
moments = st.lists(st.none() | seconds | st.datetimes(datetime(1000, 1, 2), datetime(9999, 12, 30)), max_size=8)


def alone(value):
    """The microseconds of one moment, read by the standard library alone."""
    if value is None:
        return MISSING_TIME
    moment = datetime.fromisoformat(value if isinstance(value, str) else value.isoformat())
    naive = moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    return (naive - EPOCH) // timedelta(microseconds=1)


@settings(max_examples=300, deadline=None)
@given(moments, st.sampled_from([NAIVE, ZONED]), st.booleans(), st.data())
def test_a_column_has_the_microseconds_of_its_values(column, spellings, one_spelling, data):
    one = data.draw(st.sampled_from(spellings))
    told = [value and (one if one_spelling else data.draw(st.sampled_from(spellings)))(value) for value in column]
    assert microseconds_of("events", "occurred_at", told).tolist() == [alone(value) for value in told]


def _fits(text):
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


near = st.from_regex(r"\A[0-2][0-9]{3}-[01][0-9]-[0-3][0-9](T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](Z|\.[0-9]{3}Z|\+00:00|\.[0-9]{6})?)?\Z", fullmatch=True)


@settings(max_examples=500, deadline=None)
@given(near | near.map(lambda text: "\u0661" + text[1:]) | st.sampled_from(["0000-01-01", "0000-12-31T00:00:00", "2023-02-29", " 2023-02-2"]))
def test_what_is_a_moment_is_what_the_standard_library_says(text):
    if _fits(text):
        assert microseconds_of("events", "occurred_at", [text]).tolist() == [alone(text)]
    else:
        with pytest.raises(RiskError, match=re.escape(f"Table events, column occurred_at: {text!r} is not a moment")):
            microseconds_of("events", "occurred_at", ["2023-01-01", text])


@pytest.mark.parametrize(
    ("zoned", "naive"),
    [("2023-03-01T12:00:00Z", "2023-03-01T12:00:00"), ("2023-03-01T12:00:00+01:00", date(2023, 3, 1)), (datetime(2023, 3, 1, tzinfo=UTC), "2023-03-01")],
)
def test_a_column_of_two_clocks_is_refused_with_the_counts(zoned, naive):
    sentence = (
        "^Table transactions, column occurred_at: 2 of 5 moments carry a time zone and 3 do not; send all with a zone or all in UTC without one\\.$"
    )
    with pytest.raises(RiskError, match=sentence):
        microseconds_of("transactions", "occurred_at", [naive, zoned, None, naive, zoned, naive])


def test_no_moments_are_no_microseconds():
    assert microseconds_of("events", "occurred_at", []).tolist() == []
    assert microseconds_of("events", "occurred_at", [None, None]).tolist() == [MISSING_TIME, MISSING_TIME]
