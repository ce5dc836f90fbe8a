"""The rules of a table's rows as a request brings them: a whole table looked at a column at a time, and what does not plainly fit row by row."""

import math

from features.feeders.records import TEXT, WHOLE, by_column
from serving.currencies import CURRENCIES
from serving.values import MAX_MONEY, MAX_NUMBER, MAX_TEXT, is_integer, is_number, is_scalar, is_text, microseconds, moments_alike, parse_moment, shown

SCALAR = "text, a finite number, a boolean or null"
# In microseconds.
DAY = 86_400_000_000


class RowCheck:
    """The rules of one table, prepared once for all its rows."""

    def __init__(self, table, customer_id, latest, *, required=None, beyond=None):
        self._table, self._customer_id, self._latest, self._beyond = table, customer_id, latest, beyond or {}
        self._columns = {column.name: column for column in table.columns}
        self._required = [name for name in required or table.required if name != "customer_id"]

    def faults(self, row):
        """Yield (path within the row, expected, got) of every wrong field."""
        if not isinstance(row, dict):
            yield (), "a row as an object", shown(row)
            return
        for name in self._required:
            if row.get(name) is None:
                yield (name,), "a value", "nothing"
        for name, value in row.items():
            expected = None if value is None else self._expected(name, value)
            if expected:
                yield (name,), expected, shown(value)
        if self._is_known_before(row):
            yield ("known_at",), f"a day that is not before {self._table.occurred}", shown(row["known_at"])

    def plainly_fit(self, rows):
        """Whether a look at whole columns is enough to say that no row has a fault; where it is not, `faults` says of each row whether it has one."""
        if not rows or set(map(type, rows)) != {dict}:
            return not rows
        given = by_column(rows)
        known = {name: [value for value in values if value is not None] if None in values else values for name, values in given.items()}
        whole = all(name in given and len(known[name]) == len(rows) for name in self._required)
        moments = {name: moments_alike(values) for name, values in known.items() if values and self._is_moment(name)}
        return whole and self._plain_moments(moments, given, known) and all(
            not values or name in moments or self._plain(name, values) for name, values in known.items())

    def _is_moment(self, name):
        return name in self._columns and self._columns[name].kind == "time"

    def _plain_moments(self, moments, given, known):
        latest = microseconds(self._latest)
        for name, found in moments.items():
            if found is None or not (self._columns[name].ahead or found.max() <= latest):
                return False
        happened, read = moments.get(self._table.occurred), moments.get("known_at")
        if happened is None or read is None:
            return True
        return len(happened) == len(read) == len(given["known_at"]) and bool((read // DAY >= happened // DAY).all())

    def _plain(self, name, values):
        """Whether all values of a column, none of them None, fit for sure."""
        column, types = self._columns.get(name), set(map(type, values))
        if column is None:
            fits, _ = _BEYOND.get(self._beyond.get(name), (is_scalar, SCALAR))
            return all(map(fits, values))
        if name == "customer_id":
            return values.count(self._customer_id) == len(values)
        if name == "currency":
            return types == {str} and CURRENCIES.issuperset(values)
        if column.kind == "flag":
            return types == {bool}
        if column.kind in TEXT:
            return types == {str} and "\0" not in "".join(values) and max(map(len, values)) <= MAX_TEXT and (column.kind != "id" or all(values))
        # Comparisons pass over what is no number, a sum does not.
        fits = types <= ({int} if column.kind in WHOLE else {int, float}) and _bounded(column, min(values), max(values))
        return fits and math.isfinite(sum(map(float, values)))

    def _is_known_before(self, row):
        """Whether a row was known on an earlier day than it happened on, which the ingest sets aside too."""
        known, happened = parse_moment(row.get("known_at")), parse_moment(row.get(self._table.occurred))
        return known is not None and happened is not None and known.date() < happened.date()

    def _expected(self, name, value):
        """What the column asks for when the value does not fit, otherwise None."""
        column = self._columns.get(name)
        if column is None:
            fits, expected = _BEYOND.get(self._beyond.get(name), (is_scalar, SCALAR))
            return None if fits(value) else expected
        if name == "customer_id":
            return None if value == self._customer_id else f"the customer of the request, {self._customer_id}"
        if column.kind == "time":
            return self._expected_moment(column, value)
        if name == "currency":
            return None if isinstance(value, str) and value in CURRENCIES else "a currency code of three capital letters (ISO 4217)"
        fits, expected = _KINDS[column.kind]
        return expected if not fits(value) else _out_of_bounds(column, value)

    def _expected_moment(self, column, value):
        moment = parse_moment(value)
        if moment is None:
            return "a date or moment as ISO 8601 text"
        return "a moment that is not in the future" if not column.ahead and moment > self._latest else None


def _bounded(column, least, most):
    """Whether all numbers from least to most are such as a column may hold."""
    bound = MAX_MONEY - 1 if column.kind in WHOLE else MAX_NUMBER
    return -bound <= least and most <= bound and not (_out_of_bounds(column, least) or _out_of_bounds(column, most))


def _out_of_bounds(column, value):
    """What the contract asks of a number's size when it is not so, otherwise None."""
    if column.least is None or (value >= column.least and (column.most is None or value <= column.most)):
        return None
    if column.most is not None:
        return f"a number from {column.least:g} to {column.most:g}"
    return "an amount above 0" if column.kind == "money" else f"a number of at least {column.least:g}"


_KINDS = {
    "id": (lambda value: is_text(value) and bool(value), f"text of 1 to {MAX_TEXT} characters"),
    "category": (is_text, f"text of at most {MAX_TEXT} characters"),
    "text": (is_text, f"text of at most {MAX_TEXT} characters"),
    "money": (is_integer, "an integer in minor units"),
    "number": (is_number, "a finite number"),
    "flag": (lambda value: isinstance(value, bool), "true or false"),
    "integer": (is_integer, "an integer"),
}
_NUMBERS = (lambda value: isinstance(value, bool) or is_number(value), "a finite number or a boolean")
# Of columns beyond the contract, by the kind they have in the source; a kind that is not here is never read.
_BEYOND = dict.fromkeys(("number", "integer", "money", "flag"), _NUMBERS) | {"category": _KINDS["category"]}
