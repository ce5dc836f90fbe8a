"""Why a text is no date or no number, as far as its shape tells: SQL that names the reason, for the rejected rows alone."""

from features.feeders.sql import literal

# Regular expression of the whole text (RE2) and the words for it; the first that fits counts.
TIMES = (
    (r"\d{4}-\d{2}-\d{2}.*", "no moment of the calendar"),
    (r"\d{1,2}\.\s?\d{1,2}\.\s?(\d{4}|\d{2})( .*)?", "day.month.year"),
    (r"\d{1,2}/\d{1,2}/(\d{4}|\d{2})( .*)?", "day/month/year or month/day/year"),
    (r"\d{1,2}-\d{1,2}-\d{4}( .*)?", "day-month-year or month-day-year"),
    (r"\d{4}\.\d{1,2}\.\d{1,2}\.?( .*)?", "year.month.day"),
    (r"(19|20)\d{2}(0[1-9]|1[0-2])([0-2]\d|3[01])(\.0+)?", "year, month and day without separators"),
    (r"[1-9]\d{4}([.,]\d+)?", "an Excel day serial"),
    (r"1\d{9}(\.\d+)?", "seconds since 1970"),
    (r"1\d{12}(\.0+)?", "milliseconds since 1970"),
    (r"\d{4}\s*年.*", "year, month and day in Chinese"),
    (r"(?i)\d{1,2}[ -]?[a-zäéû]{3,9}\.?[ -,]*\d{2,4}.*|[a-z]{3,9}\.? \d{1,2},? \d{4}.*", "the month in letters"),
    (r".*", "text"),
)
NUMBERS = (
    (r"[+-]?\d{1,3}(,\d{3})+", "a thousands separator or a decimal comma"),
    (r"[+-]?(\d{1,3}([. '’\x{a0}\x{202f}]\d{3})+|\d*),\d+", "a decimal comma"),
    (r"[+-]?\d{1,3}([, '’\x{a0}\x{202f}]\d{3})+(\.\d+)?|[+-]?\d{1,3}(\.\d{3}){2,}", "a thousands separator"),
    (r"\([\d.,' ]+\)|[\d.,' ]+-", "a minus written as brackets or behind"),
    (r"[+-]?[\d.,' ]+\s?%", "a percent sign"),
    (r"[+-]?[\d.,' ]+\s?([^\d\s.,]{1,4})|([^\d\s.,+-]{1,4})\s?[+-]?[\d.,' ]+", "a currency or unit beside the number"),
    (r"[+-]?\d+(\.\d+)?(?i:e[+-]?\d+)?", "an overflow"),
    (r".*", "text"),
)
WHOLE = (((r"[+-]?\d*\.\d*[1-9]\d*"), "a fraction"), *NUMBERS)
REASONS = {"time": TIMES, "number": NUMBERS, "money": WHOLE, "integer": WHOLE, "flag": ((r".*", "neither yes nor no"),)}


def cast_reason(raw, kind):
    """SQL that gives the words for why `raw` is not of that kind of column."""
    text = f"trim({raw}::VARCHAR)"
    cases = " ".join(f"WHEN regexp_full_match({text}, {literal(pattern)}, 's') THEN {literal(words)}" for pattern, words in REASONS[kind])
    return f"CASE {cases} END"
