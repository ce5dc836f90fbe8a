"""What a caller may send: every field is checked against the contract of the tables, and all errors are told at once, by path."""

from dataclasses import dataclass

import msgspec

from features.errors import RiskError
from features.tables import TABLES
from serving.clocks import CLOCK_TOLERANCE
from serving.rows import SCALAR, RowCheck
from serving.standing import FACTS
from serving.values import MAX_MONEY, MAX_TEXT, is_integer, is_number, is_scalar, is_text, parse_moment, shown

# What is known about a customer; outcomes belong to the forward door and observations to training.
ACCEPTED = tuple(name for name in TABLES if name not in ("outcomes", "observations"))
STANDING = ("exposure", "capacity", *FACTS)
MAX_ROWS = 20_000
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
    faults += [Fault(f"/{name}", f"text of 1 to {MAX_TEXT} bytes in UTF-8", shown(body[name])) for name in _wrong_texts(body)]
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
    check = RowCheck(TABLES["transactions"], customer_id, now + CLOCK_TOLERANCE, required=("occurred_at", "amount"))
    return [Fault(path_of("transaction", *field), expected, got) for field, expected, got in check.faults(row)]


def observation_faults(values, *, columns):
    """Faults of the observation's own columns, a mapping of name to text, number, boolean or null; columns: the names the model reads."""
    if not isinstance(values, dict):
        return [Fault("/observation", "an object", shown(values))]
    faults = [Fault(path_of("observation", name), f"one of {', '.join(columns) or 'no column'}", "an unknown field") for name in values if name not in columns]
    wrong = [name for name, value in values.items() if value is not None and not is_scalar(value)]
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
    wrong = [name for name in STANDING if standing.get(name) is not None and not (is_number(standing[name]) and 0 <= standing[name] < MAX_MONEY)]
    return faults + [Fault(path_of("standing", name), "a number of at least 0 or null", shown(standing[name])) for name in wrong]


# Types of which every value that JSON can carry fits: it knows neither NaN nor infinity, and text and integers may be too long.
_PLAIN = {"number": (float, type(None)), "category": (type(None),)}
_FEATURE_KINDS = {"number": "a finite number or null", "category": "text or null"}


def _fits_feature(value, kind):
    return value is None or (is_text(value) if kind == "category" else is_number(value))


def _table_faults(name, rows, *, customer_id, now, accepted, beyond):
    if name not in accepted:
        return [Fault(path_of("records", name), f"one of the tables {', '.join(accepted)}", "an unknown table")]
    if not isinstance(rows, list) or len(rows) > MAX_ROWS:
        return [Fault(path_of("records", name), f"a list of at most {MAX_ROWS} rows", shown(rows))]
    check = RowCheck(TABLES[name], customer_id, now + CLOCK_TOLERANCE, beyond=beyond)
    if check.plainly_fit(rows):
        return []
    return [Fault(path_of("records", name, place, *field), expected, got) for place, row in enumerate(rows) for field, expected, got in check.faults(row)]


def _wrong_texts(body):
    return [name for name in ("customer_id", "transaction_id", "purpose") if body.get(name) is not None and not _is_name(body[name])]


def _is_name(value):
    # PostgreSQL keeps no more bytes than some 2,700 in an index.
    return is_text(value) and 0 < len(value.encode("utf-8", "surrogatepass")) <= MAX_TEXT


def _wrong_amounts(body):
    return [name for name in ("requested_amount",) if body.get(name) is not None and not (is_integer(body[name]) and body[name] >= 0)]


def _as_of_faults(body, now):
    if body.get("as_of") is None:
        return []
    moment = parse_moment(body["as_of"])
    if moment is None or moment > now + CLOCK_TOLERANCE:
        return [Fault("/as_of", "a date or moment as ISO 8601 text that is not in the future", shown(body["as_of"]))]
    return []
