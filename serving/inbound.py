"""What a caller may send: every field is checked against the contract of the tables, and all errors are told at once, by path."""

import math
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from features.errors import RiskError
from features.tables import TABLES
from models.policy_file import MOST_MONEY
from serving.clocks import CLOCK_TOLERANCE
from serving.currencies import CURRENCIES
from serving.standing import FACTS, MINOR_UNITS

# What is known about a customer; outcomes belong to the forward door and observations to training.
ACCEPTED = tuple(name for name in TABLES if name not in ("outcomes", "observations"))
STANDING = ("exposure", "capacity", *FACTS)
MAX_ROWS = 20_000
MAX_TEXT = 2_000
SCALAR = "text, a finite number, a boolean or null"
# Minor units: what a policy can decide on at most, and one more.
MAX_MONEY = MOST_MONEY * MINOR_UNITS + 1
# 2026-03-31T12:00:00.000000+08:00:00.000000 has 42 characters.
LONGEST_MOMENT = 50
# Before it nothing happened that anybody records, and a second less would be no date any more.
FIRST_YEAR = 1000
MAX_NUMBER = sys.float_info.max
# More faults than a person reads in one answer; the rest are counted.
MAX_FAULTS = 200


@dataclass(frozen=True)
class Fault:
    """One wrong field: its path as a JSON pointer, what was expected and what came."""

    path: str
    expected: str
    got: str


class Refused(RiskError):
    """A body that breaks its contract: `faults` names every wrong field."""

    def __init__(self, faults):
        super().__init__(f"The request has {len(faults)} wrong fields, the first at {faults[0].path}: expected {faults[0].expected}, got {faults[0].got}.")
        self.faults = faults


def decode(body):
    """The JSON object in a request's body. Raises Refused when it is no JSON (NaN is none), nested too deeply or no object."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Refused([Fault("", "a JSON object", f"{type(error).__name__}: {error}"[:200])]) from None
    if not isinstance(value, dict):
        raise Refused([Fault("", "a JSON object", shown(value))])
    return value


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


def path_of(*parts):
    """The JSON pointer (RFC 6901) of a field by the names and places on the way to it."""
    return "/" + "/".join(str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def under(prefix, faults):
    """Faults of a part of a body, by their paths in the whole; prefix: the part's own path."""
    return [Fault(prefix + fault.path, fault.expected, fault.got) for fault in faults]


def envelope_faults(body, *, known, required, now):
    """Faults of a request's outer fields: unknown ones, missing ones, and the types of those every request shares."""
    faults = [Fault(path_of(name), f"one of {', '.join(sorted(known))}", "an unknown field") for name in body if name not in known]
    faults += [Fault(f"/{name}", "a value", "nothing") for name in required if body.get(name) is None]
    faults += [Fault(f"/{name}", f"text of 1 to {MAX_TEXT} characters", shown(body[name])) for name in _wrong_texts(body)]
    faults += [Fault(f"/{name}", "an integer of at least 0, in minor units", shown(body[name])) for name in _wrong_amounts(body)]
    return faults + _as_of_faults(body, now)


def record_faults(tables, *, customer_id, now, accepted=ACCEPTED, columns=None):
    """Faults of a customer's raw records, a mapping of table to a list of rows, against the contract of the tables (features.tables).

    accepted: the tables that may come. now: naive UTC; a row that happened or was known later is a fault. columns: {table: {column: kind}} of the source, by
    which a column beyond the contract is held to its kind; one that the source does not know may hold text, a number, a boolean or null.
    """
    if not isinstance(tables, dict):
        return [Fault("/records", f"an object of tables: {', '.join(accepted)}", shown(tables))]
    faults = []
    for name, rows in tables.items():
        faults += _table_faults(name, rows, customer_id=customer_id, now=now, accepted=accepted, beyond=(columns or {}).get(name, {}))
    return faults


def transaction_faults(row, *, customer_id, now):
    """Faults of the transaction to be judged: a row of the table transactions, of which occurred_at and amount must be there."""
    check = _RowCheck(TABLES["transactions"], customer_id, now + CLOCK_TOLERANCE, required=("occurred_at", "amount"))
    return [Fault(path_of("transaction", *field), expected, got) for field, expected, got in check.faults(row)]


def observation_faults(values, *, columns):
    """Faults of the observation's own columns, a mapping of name to text, number, boolean or null; columns: the names the model reads."""
    if not isinstance(values, dict):
        return [Fault("/observation", "an object", shown(values))]
    faults = [Fault(path_of("observation", name), f"one of {', '.join(columns) or 'no column'}", "an unknown field") for name in values if name not in columns]
    wrong = [name for name, value in values.items() if value is not None and not _is_scalar(value)]
    return faults + [Fault(path_of("observation", name), SCALAR, shown(values[name])) for name in wrong]


def feature_faults(values, *, columns):
    """Faults of features given by name; columns: name to "number" or "category". A feature left out counts as not known."""
    if not isinstance(values, dict) or not values:
        return [Fault("/features", "an object of at least one feature", shown(values))]
    # Of a thousand rows with a hundred columns each, nearly all pass this first look.
    odd = [name for name, value in values.items() if type(value) not in _PLAIN.get(columns.get(name), ())]
    wrong = [name for name in odd if name not in columns or not _fits_feature(values[name], columns[name])]
    expected = {name: _FEATURE_KINDS.get(columns.get(name), "a feature the model uses, see /v1/model") for name in wrong}
    return [Fault(path_of("features", name), expected[name], shown(values[name])) for name in wrong]


def standing_faults(standing):
    """Faults of a customer's standing given by the caller: exposure, capacity and the facts of the policy, each a number of at least 0 or null."""
    if not isinstance(standing, dict):
        return [Fault("/standing", "an object of numbers", shown(standing))]
    faults = [Fault(path_of("standing", name), f"one of {', '.join(STANDING)}", "an unknown field") for name in standing if name not in STANDING]
    wrong = [name for name in STANDING if standing.get(name) is not None and not (_is_number(standing[name]) and 0 <= standing[name] < MAX_MONEY)]
    return faults + [Fault(path_of("standing", name), "a number of at least 0 or null", shown(standing[name])) for name in wrong]


# Types of which every value that JSON can carry fits: it knows neither NaN nor infinity, and text and integers may be too long.
_PLAIN = {"number": (float, type(None)), "category": (type(None),)}
_FEATURE_KINDS = {"number": "a finite number or null", "category": "text or null"}


def _fits_feature(value, kind):
    return value is None or (is_text(value) if kind == "category" else _is_number(value))


def _table_faults(name, rows, *, customer_id, now, accepted, beyond):
    if name not in accepted:
        return [Fault(path_of("records", name), f"one of the tables {', '.join(accepted)}", "an unknown table")]
    if not isinstance(rows, list) or len(rows) > MAX_ROWS:
        return [Fault(path_of("records", name), f"a list of at most {MAX_ROWS} rows", shown(rows))]
    check = _RowCheck(TABLES[name], customer_id, now + CLOCK_TOLERANCE, beyond=beyond)
    return [Fault(path_of("records", name, place, *field), expected, got) for place, row in enumerate(rows) for field, expected, got in check.faults(row)]


class _RowCheck:
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

    def _is_known_before(self, row):
        """Whether a row was known on an earlier day than it happened on, which the ingest sets aside too."""
        known, happened = parse_moment(row.get("known_at")), parse_moment(row.get(self._table.occurred))
        return known is not None and happened is not None and known.date() < happened.date()

    def _expected(self, name, value):
        """What the column asks for when the value does not fit, otherwise None."""
        column = self._columns.get(name)
        if column is None:
            fits, expected = _BEYOND.get(self._beyond.get(name), (_is_scalar, SCALAR))
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


def _out_of_bounds(column, value):
    """What the contract asks of a number's size when it is not so, otherwise None."""
    if column.least is None or (value >= column.least and (column.most is None or value <= column.most)):
        return None
    if column.most is not None:
        return f"a number from {column.least:g} to {column.most:g}"
    return "an amount above 0" if column.kind == "money" else f"a number of at least {column.least:g}"


def is_text(value):
    """Whether a value is text of a bearable length that can be written as UTF-8 and kept by both databases."""
    # PostgreSQL cannot store a zero character.
    return isinstance(value, str) and len(value) <= MAX_TEXT and "\0" not in value


def _is_number(value):
    # No math.isfinite, which an integer beyond the floats makes raise.
    return isinstance(value, int | float) and not isinstance(value, bool) and -MAX_NUMBER <= value <= MAX_NUMBER


def _is_scalar(value):
    return isinstance(value, bool) or is_text(value) or _is_number(value)


def _is_integer(value):
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < MAX_MONEY


_is_money = _is_integer

_KINDS = {
    "id": (lambda value: is_text(value) and bool(value), f"text of 1 to {MAX_TEXT} characters"),
    "category": (is_text, f"text of at most {MAX_TEXT} characters"),
    "text": (is_text, f"text of at most {MAX_TEXT} characters"),
    "money": (_is_money, "an integer in minor units"),
    "number": (_is_number, "a finite number"),
    "flag": (lambda value: isinstance(value, bool), "true or false"),
    "integer": (_is_integer, "an integer"),
}
_NUMBERS = (lambda value: isinstance(value, bool) or _is_number(value), "a finite number or a boolean")
# Of columns beyond the contract, by the kind they have in the source; a kind that is not here is never read.
_BEYOND = dict.fromkeys(("number", "integer", "money", "flag"), _NUMBERS) | {"category": _KINDS["category"]}


def _wrong_texts(body):
    return [name for name in ("customer_id", "transaction_id", "purpose") if body.get(name) is not None and not (is_text(body[name]) and body[name])]


def _wrong_amounts(body):
    return [name for name in ("requested_amount",) if body.get(name) is not None and not (_is_money(body[name]) and body[name] >= 0)]


def _as_of_faults(body, now):
    if body.get("as_of") is None:
        return []
    moment = parse_moment(body["as_of"])
    if moment is None or moment > now + CLOCK_TOLERANCE:
        return [Fault("/as_of", "a date or moment as ISO 8601 text that is not in the future", shown(body["as_of"]))]
    return []
