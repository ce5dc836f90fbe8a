"""Why a text is no date or no number: the reason that a reject's rule names."""

import duckdb
import pytest

from features.feeders.sql import literal
from pipeline.cast_reasons import cast_reason


def told(text, kind):
    # All rows are fetched: an unfinished answer would block the shared connection for other tests.
    return duckdb.execute(f"SELECT {cast_reason(literal(text), kind)}").fetchall()[0][0]


@pytest.mark.parametrize(("text", "reason"), [
    ("31.12.2023", "day.month.year"),
    ("1.2.23 10:15", "day.month.year"),
    ("12/31/2023", "day/month/year or month/day/year"),
    ("31-12-2023", "day-month-year or month-day-year"),
    ("2023.12.31", "year.month.day"),
    ("20231231", "year, month and day without separators"),
    ("45291", "an Excel day serial"),
    ("45291.5", "an Excel day serial"),
    ("1703980800", "seconds since 1970"),
    ("1703980800000", "milliseconds since 1970"),
    ("2023年12月31日", "year, month and day in Chinese"),
    ("31 Dec 2023", "the month in letters"),
    ("December 31, 2023", "the month in letters"),
    ("2023-02-30", "no moment of the calendar"),
    ("soon", "text"),
])
def test_a_text_that_is_no_time(text, reason):
    assert told(text, "time") == reason


@pytest.mark.parametrize(("text", "reason"), [
    ("1234,56", "a decimal comma"),
    ("1.234,56", "a decimal comma"),
    ("-1 234,56", "a decimal comma"),
    (",5", "a decimal comma"),
    ("1,234.56", "a thousands separator"),
    ("1'234.50", "a thousands separator"),
    ("1 234", "a thousands separator"),
    ("1.234.567", "a thousands separator"),
    ("1,234", "a thousands separator or a decimal comma"),
    ("(1,234)", "a minus written as brackets or behind"),
    ("12.5-", "a minus written as brackets or behind"),
    ("12,5 %", "a percent sign"),
    ("€ 12.50", "a currency or unit beside the number"),
    ("12,50 EUR", "a currency or unit beside the number"),
    ("3万元", "a currency or unit beside the number"),
    ("1" + "0" * 400, "an overflow"),
    ("n/a", "text"),
])
def test_a_text_that_is_no_number(text, reason):
    assert told(text, "number") == reason


@pytest.mark.parametrize(("text", "kind", "reason"), [
    ("12.7", "integer", "a fraction"), ("9223372036854775808", "integer", "an overflow"), ("maybe", "flag", "neither yes nor no"),
])
def test_a_text_of_another_kind(text, kind, reason):
    assert told(text, kind) == reason
