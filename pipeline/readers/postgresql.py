"""Answers of a PostgreSQL server through ADBC: streamed, and all of one source's from one snapshot. No message shows the URL or the password."""

import contextlib
import os
import re
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import pyarrow as pa

from features.errors import RiskError
from features.feeders.sql import quoted

CONNECT_SECONDS = 10
# What libpq says, and what may be shown of it: its own words name the server, the user or the database.
REFUSALS = (
    ("Connection refused", "nothing listens at its address"),
    ("could not translate host name", "its host name is unknown"),
    ("timeout", "it does not answer"),
    ("password authentication failed", "it refuses the password"),
    ("no password supplied", "it wants a password"),
    ("does not exist", "it has no such user or database"),
    ("SSL", "the encrypted connection fails"),
    ("too many", "it takes no more connections"),
)
# The driver (1.13) lets infinity overflow when it moves PostgreSQL's epoch of 2000 to 1970: these are what comes out.
INFINITE_TIMES = {"infinity": -(2**63) - 1 + 946_684_800_000_000, "-infinity": -(2**63) + 946_684_800_000_000}
INFINITE_DAYS = {"infinity": -(2**31) - 1 + 10_957, "-infinity": -(2**31) + 10_957}


class Snapshot:
    """One read-only transaction: every query sees the same state of the database."""

    def __init__(self, connection):
        self._connection = connection

    @contextlib.contextmanager
    def stream(self, query, *, name):
        """A reader of the answer's record batches; `name` is the input that messages speak of.

        Raises RiskError for a query that fails and for a column whose type has no meaning outside PostgreSQL.
        """
        import adbc_driver_manager as adbc

        with self._connection.cursor() as cursor:
            try:
                cursor.execute(_bare(query))
                reader = cursor.fetch_record_batch()
                _check_columns(reader.schema, name)
                yield reader
            except (adbc.Error, pa.ArrowException, OSError) as error:
                raise RiskError(f"input {name}: its query fails ({_said(error)}): correct the query in source.yaml.") from None

    def row(self, query, *, name):
        """The one row of a small answer, as texts; RiskError when there are more, or none."""
        with self.stream(query, name=name) as reader:
            rows = reader.read_all().to_pylist()
        if len(rows) != 1:
            raise RiskError(f"input {name}: its watermark gives {len(rows):,} rows, not one: write a SELECT of aggregates, such as max(updated_at).")
        return ["" if value is None else str(value) for value in rows[0].values()]


@contextlib.contextmanager
def snapshot(url_env):
    """A read-only snapshot of the database whose URL the environment variable holds.

    Raises RiskError when the variable is missing or no PostgreSQL URL, and when the server cannot be reached.
    """
    import adbc_driver_manager as adbc
    from adbc_driver_postgresql import dbapi

    url = _url(url_env)
    try:
        connection = dbapi.connect(url, autocommit=True)
    except adbc.Error as error:
        reason = next((words for needle, words in REFUSALS if needle in str(error)), "it does not accept the connection")
        raise RiskError(f"the database of {url_env} cannot be reached ({reason}): check the server and the variable.") from None
    with connection:
        _execute(connection, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield Snapshot(connection)


def expressions(schema):
    """A SELECT list for DuckDB that makes an answer's columns usable.

    numeric(p, s) becomes DECIMAL(p, s), numeric without a scale DECIMAL(38, 10); infinite dates and times are infinite; char(n) loses its
    padding, as it does in PostgreSQL when it becomes text.
    """
    return ", ".join(f"{_expression(field)} AS {quoted(field.name)}" for field in schema)


def exact_numbers(schema):
    """Names of the columns of type numeric: those whose values can fail to fit."""
    return [field.name for field in schema if _kind(field) == "numeric"]


def contents(query):
    """A query whose one row changes with the answer of `query`, whatever order its rows come in: their count, and the sum of their hashes."""
    return f"SELECT count(*), coalesce(sum(hashtextextended(answer::text, 0)::numeric), 0) FROM ({_bare(query)}) AS answer"


def _url(url_env):
    given = os.environ.get(url_env, "")
    if not given:
        raise RiskError(f"the environment variable {url_env} is not set: put the database's URL into it, as postgresql://user:password@host/database.")
    url = re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql://", given.strip())
    if not url.startswith("postgresql://"):
        raise RiskError(f"the environment variable {url_env} holds no PostgreSQL URL: it starts with postgresql://.")
    try:
        parts = urlsplit(url)
    except ValueError:
        # Its own words show the password.
        raise RiskError(f"the environment variable {url_env} holds no URL: write signs such as [ and @ of the password as %5B and %40.") from None
    options = {"connect_timeout": str(CONNECT_SECONDS), **dict(parse_qsl(parts.query))}
    return urlunsplit(parts._replace(query=urlencode(options)))


def _execute(connection, statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)


def _bare(query):
    """The query without what ends it; the driver and we put it into brackets, which a comment in its last line would swallow."""
    return re.sub(r"(;(\s|--[^\n']*$)*)+\Z", "", query.rstrip(), flags=re.MULTILINE) + "\n"


def _said(error):
    found = re.search(r"ERROR:\s+(.*)", str(error))
    return found.group(1).strip() if found else str(error).strip().splitlines()[0][:200]


def _check_columns(schema, name):
    lowered = [field.name.lower() for field in schema]
    for place, field in enumerate(schema):
        if lowered[place] in lowered[:place]:
            raise RiskError(f"input {name}: its query gives the column {field.name} twice (capitals do not count): rename one with AS.")
        if _kind(field) == "money":
            raise RiskError(f"input {name}: column {field.name} is money, whose unit only the server knows: give {field.name}::numeric in the query.")
        if _kind(field) != "numeric" and isinstance(field.type, pa.OpaqueType):
            raise RiskError(f"input {name}: column {field.name} is of type {field.type.type_name}: give {field.name}::text in the query.")


def _kind(field):
    return (field.metadata or {}).get(b"POSTGRESQL:type", b"").decode()


def _expression(field):
    name, kind = quoted(field.name), _kind(field)
    if kind == "numeric":
        return f"CAST({name} AS {_decimal(field)})"
    if kind == "bpchar":
        return f"rtrim({name}, ' ')"
    if kind in ("timestamp", "timestamptz"):
        return _finite(name, f"epoch_us({name})", INFINITE_TIMES, kind)
    if kind == "date":
        return _finite(name, f"({name} - DATE '1970-01-01')", INFINITE_DAYS, kind)
    return name


def _finite(name, number, infinite, kind):
    cases = " ".join(f"WHEN {value} THEN '{word}'::{kind}" for word, value in infinite.items())
    return f"CASE {number} {cases} ELSE {name} END"


def _decimal(field):
    """DECIMAL of the column's own precision and scale; PostgreSQL packs both into the type modifier, 4 above zero (src/backend/utils/adt/numeric.c)."""
    modifier = int(field.metadata.get(b"POSTGRESQL:typmod", b"-1")) - 4
    precision, scale = (modifier >> 16) & 0xFFFF, modifier & 0x7FF
    return f"DECIMAL({precision}, {scale})" if modifier >= 0 and scale <= precision <= 38 else "DECIMAL(38, 10)"
