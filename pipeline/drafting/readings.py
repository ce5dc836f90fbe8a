"""What each column of a file holds, judged by its values: text, number, time, flag; and the SQL that reads it so."""

import functools
import re
from datetime import date

import duckdb
import msgspec

from features.feeders.sql import literal
from features.feeders.sql import quoted as always_quoted
from pipeline.drafting.dates import MOST, ZONED, date_formats, is_iso, offsets, other_order
from pipeline.drafting.numbers import number_style
from pipeline.drafting.words import DATED, IDENTIFIER, MISSING, likeness, plain, truth

VALUES = 3_000
NUMBER_TYPES = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "FLOAT", "DOUBLE", "DECIMAL")
EXCEL_DAYS = (20_000, 60_000)
YEARS = (1900, 2100)
EPOCH = (600_000_000, 2_500_000_000)
MANY_DIGITS = 15
LONG_TEXT = 40


class Reading(msgspec.Struct, frozen=True):
    """What a column holds.

    `kind` is text, number, time, flag, empty or nested; `sql` reads the column so; `how` says it in words; `filled`, `distinct` count its
    values; `low`, `high` are the ends of numbers and times as text; `examples` its commonest values; `digits` texts of digits only, kept as
    text; `longest` the mean length of texts; `unsure` what a person should look at; `proof` what the column shows about its file
    ("comma", "point", "month first", "day first"); `text` is the SQL of the text itself where the column holds one.
    """

    name: str
    kind: str
    sql: str
    how: str
    filled: int
    distinct: int
    low: str | None = None
    high: str | None = None
    examples: tuple = ()
    digits: bool = False
    whole: bool = False
    length: float = 0.0
    unsure: tuple = ()
    proof: str | None = None
    text: str | None = None

    @property
    def as_text(self):
        """SQL that gives the column as an identifier: the text as it stands, a number without decimals."""
        if self.text:
            return self.text
        return f"{quoted(self.name)}::{'BIGINT::' if self.kind == 'number' and self.whole else ''}VARCHAR"


def quoted(name):
    """A column's name as SQL writes it: bare where it is a plain lower-case word."""
    return name if re.fullmatch("[a-z_][a-z0-9_]*", name) and name not in _keywords() else always_quoted(name)


@functools.cache
def _keywords():
    """What DuckDB lets stand only between quotes."""
    rows = duckdb.execute("SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category <> 'unreserved'").fetchall()
    return frozenset(name for name, in rows)


def read_columns(connection, table):
    """A Reading of every column of a loaded table, in its order; what one column proves about the file settles the doubts of the others."""
    columns = connection.execute(f"SELECT column_name, column_type FROM (DESCRIBE {table})").fetchall()
    first = [_read(connection, table, name, kind, ()) for name, kind in columns]
    proofs = tuple({reading.proof for reading in first if reading.proof})
    return [_read(connection, table, name, kind, proofs) if reading.unsure and proofs else reading
            for reading, (name, kind) in zip(first, columns, strict=True)]


def _read(connection, table, name, kind, proofs):
    if kind == "VARCHAR":
        return _text(connection, table, name, proofs)
    if kind.startswith(("STRUCT", "MAP", "UNION", "BLOB")) or kind.endswith("]"):
        return Reading(name, "nested", quoted(name), f"nested ({kind.split('(')[0].lower()})", *_counts(connection, table, f"{quoted(name)}::VARCHAR"))
    return _typed(connection, table, name, kind)


def _typed(connection, table, name, kind):
    column = quoted(name)
    filled, distinct = _counts(connection, table, column)
    if kind == "TIMESTAMP WITH TIME ZONE":
        return _reading(connection, table, name, "time", f"{column} AT TIME ZONE 'UTC'", "moments with a zone, put in UTC", filled, distinct)
    if kind.startswith(("DATE", "TIMESTAMP")):
        return _reading(connection, table, name, "time", column, "dates as they are", filled, distinct)
    if kind.startswith(NUMBER_TYPES):
        whole = not kind.startswith(("FLOAT", "DOUBLE", "DECIMAL")) or _is_whole(connection, table, column)
        return _dated(connection, table, name, column, whole, filled, distinct) or _reading(
            connection, table, name, "number", column, "numbers as they are", filled, distinct, whole=whole)
    if kind == "BOOLEAN":
        return _reading(connection, table, name, "flag", column, "true and false", filled, distinct)
    return _reading(connection, table, name, "text", f"{column}::VARCHAR", f"{kind.lower()} as text", filled, distinct)


def _is_whole(connection, table, column):
    return connection.execute(f"SELECT count(*) = 0 FROM {table} WHERE {column} <> floor({column})").fetchone()[0]


def _text(connection, table, name, proofs):
    column, given = quoted(name), _values(connection, table, name)
    rows = connection.execute(f"SELECT count({column}), count(DISTINCT {column}) FROM {table}").fetchone()
    if not given:
        return Reading(name, "empty", column, "empty", 0, 0)
    spaced = any(value != value.strip() for value in given)
    tokens = tuple(value for value in given if value.strip().lower() in MISSING and value != "")
    values = [value.strip() for value in given if value.strip().lower() not in MISSING]
    if not values:
        return Reading(name, "empty", column, f"empty (holds {', '.join(tokens) or 'blanks'})", 0, 0)
    source = _without(f"trim({column})" if spaced else column, [token.strip() for token in tokens], blank="" in given or spaced)
    text = f"trim({column})" if spaced else column
    reading = (_as_time(connection, table, name, source, values, tokens, proofs) or _as_number(connection, table, name, source, values, tokens, proofs)
               or _as_text(connection, table, name, text, values, rows))
    return msgspec.structs.replace(reading, text=text)


def _values(connection, table, name):
    column = quoted(name)
    query = f"SELECT {column}, count(*) AS times FROM {table} WHERE {column} IS NOT NULL GROUP BY 1 ORDER BY times DESC, 1 LIMIT {VALUES}"
    return [value for value, _ in connection.execute(query).fetchall()]


def _without(source, tokens, *, blank):
    """SQL that makes the words for nothing empty."""
    words = sorted({*tokens, *([""] if blank else [])})
    literals = [literal(word) for word in words]
    if len(literals) <= 1:
        return f"nullif({source}, {literals[0]})" if literals else source
    return f"CASE WHEN {source} NOT IN ({', '.join(literals)}) THEN {source} END"


def _as_time(connection, table, name, source, values, tokens, proofs):
    named = likeness(name, DATED) > 0
    forms = date_formats(values, named=named)
    if not forms:
        return None
    forms = [form for form in forms if form == ZONED or form not in _refuted(connection, table, source, forms)] or forms
    form, unsure = _ordered(name, forms, values, proofs)
    if form.endswith(("%y", "%y%m%d")) or "%y " in form:
        unsure.append(f"{name}: {values[0]} has two digits for the year; 69 to 99 are read as 1969 to 1999")
    sql, how = _time_sql(name, source, form, values, unsure)
    if len(forms) > 1 and not unsure:
        how += " (as the other dates of the file)"
    proof = None if len(forms) > 1 or other_order(form) is None else "month first" if other_order(form) else "day first"
    return _converted(connection, table, name, "time", (source, sql), how, tokens, unsure, proof=proof)


def _refuted(connection, table, source, forms):
    """Those formats that fail on more rows than others do."""
    fails = {form: connection.execute(f"SELECT count({source}) - count(try_strptime({source}, {literal(form)})) FROM {table}").fetchone()[0] for form in forms}
    return {form for form, count in fails.items() if count > min(fails.values())}


def _ordered(name, forms, values, proofs):
    if len(forms) == 1:
        return forms[0], []
    wanted = {"month first": True, "day first": False}
    settled = [form for form in forms if other_order(form) in [wanted[proof] for proof in proofs if proof in wanted]]
    if len(settled) == 1:
        return settled[0], []
    days = " or ".join(_words(form) for form in forms)
    return forms[0], [f"{name}: {values[0]} can be {days}; no value decides it, read as {_words(forms[0])}"]


def _words(form):
    written = (("%Y", "yyyy"), ("%y", "yy"), ("%m", "mm"), ("%d", "dd"), ("%b", "mon"), ("%B", "month"), ("%H:%M", "hh:mm"), ("%I:%M", "hh:mm"),
               ("%S", "ss"), ("%f", "ffffff"), ("%p", "am/pm"))
    for sign, word in written:
        form = form.replace(sign, word)
    return form


def _time_sql(name, source, form, values, unsure):
    if form == ZONED:
        zoned, bare = offsets(values)
        if bare:
            unsure.append(f"{name}: {zoned} of the values looked at carry an offset from UTC and {bare} do not; the latter are taken as UTC")
        return f"{source}::TIMESTAMPTZ AT TIME ZONE 'UTC'", "moments with an offset, put in UTC"
    if is_iso(form):
        return f"{source}::TIMESTAMP", "dates yyyy-mm-dd"
    return f"strptime({source}, {literal(form)})", f"dates {_words(form)}"


def _as_number(connection, table, name, source, values, tokens, proofs):
    style = number_style(values, sign=next((proof for proof in proofs if proof in ("comma", "point")), None))
    coded = [value for value in values if re.fullmatch(r"0\d+", value)]
    if style is None or coded or any(len(re.sub(r"\D", "", value)) > MANY_DIGITS for value in values if style.whole):
        return None
    number = style.sql.format(source)
    sql = f"{number}::BIGINT" if style.whole else f"{number}::DOUBLE"
    filled, distinct = _counts(connection, table, source)
    dated = _dated(connection, table, name, sql, style.whole, filled, distinct) if len(values) else None
    unsure = [f"{name}: {style.doubt}"] if style.doubt else []
    how = "numbers" if style.name == "plain" else f"numbers, {style.name}"
    return dated or _converted(connection, table, name, "number", (source, sql), how, tokens, unsure, proof=style.sign, whole=style.whole)


def _converted(connection, table, name, kind, sources, how, tokens, unsure, *, proof=None, whole=False):
    """A reading whose failures are counted: values beyond the form become empty, said aloud, or stop the SQL where there were none."""
    source, sql = sources
    softly = _softly(sql)
    failed, example = connection.execute(f"SELECT count(*), min({source}) FROM {table} WHERE {source} IS NOT NULL AND {softly} IS NULL").fetchone()
    if failed:
        unsure = [*unsure, f"{name}: {failed:,} values are no {'dates' if kind == 'time' else 'numbers'} of that form, such as {example}; they become empty"]
    notes = f"; {', '.join(sorted(tokens))} {'means' if len(tokens) == 1 else 'mean'} empty" if tokens else ""
    filled, distinct = _counts(connection, table, softly)
    return _reading(connection, table, name, kind, softly if failed else sql, how + notes, filled, distinct, whole=whole, unsure=tuple(unsure), proof=proof)


def _softly(sql):
    """The same conversion giving null where it would fail."""
    if sql.startswith("strptime("):
        return "try_" + sql
    zone = " AT TIME ZONE 'UTC'" if sql.endswith(" AT TIME ZONE 'UTC'") else ""
    inner, _, kind = sql.removesuffix(zone).rpartition("::")
    return f"try_cast({inner} AS {kind}){zone}"


def _dated(connection, table, name, sql, whole, filled, distinct):
    """Numbers that are days in a column named like a date: Excel's, years, seconds since 1970, yyyymmdd."""
    if not filled or likeness(name, DATED + " year jahr 年 fiscal_year geschaeftsjahr bsns_year") == 0:
        return None
    low, high = connection.execute(f"SELECT min({_softened(sql)}), max({_softened(sql)}) FROM {table}").fetchone()
    for (least, most), text, how, doubt in _DAY_NUMBERS:
        if low is not None and least <= low and high <= most and (whole or "Excel" in how):
            return _reading(connection, table, name, "time", text.format(sql), how, filled, distinct, unsure=(f"{name}: {doubt.format(low=_short(low))}",))
    return None


def _softened(sql):
    return _softly(sql) if "::" in sql else sql


_DAY_NUMBERS = (
    (YEARS, "make_date({}::INTEGER, 12, 31)::TIMESTAMP", "years, taken as their last day", "holds years such as {low}, taken as 31 December"),
    (EXCEL_DAYS, "TIMESTAMP '1899-12-30' + to_seconds(round({} * 86400)::BIGINT)", "Excel's day numbers",
     "holds numbers such as {low}, read as Excel's days since 1899-12-30"),
    ((19000101, 21001231), "strptime({}::BIGINT::VARCHAR, '%Y%m%d')", "dates yyyymmdd", "holds numbers such as {low}, read as yyyymmdd"),
    (EPOCH, "to_timestamp({}) AT TIME ZONE 'UTC'", "seconds since 1970", "holds numbers such as {low}, read as seconds since 1970 in UTC"),
    (tuple(end * 1000 for end in EPOCH), "make_timestamp({}::BIGINT * 1000)", "milliseconds since 1970",
     "holds numbers such as {low}, read as milliseconds since 1970 in UTC"),
)


def _short(number):
    return f"{number:.15g}"


def _as_text(connection, table, name, column, values, rows):
    digits = all(re.fullmatch(r"\d+", value) for value in values)
    words = sorted(set(values), key=str.lower)
    how = "text"
    if len(words) == 2 and {truth(word) for word in words} == {0, 1}:
        how = f"yes or no ({', '.join(words)})"
    elif digits:
        how = "digits kept as text (leading zeros or very long)"
    length = sum(map(len, values)) / len(values)
    return Reading(name, "text", column, how, *rows, examples=tuple(values[:3]), digits=digits, length=length)


def _reading(connection, table, name, kind, sql, how, filled, distinct, *, whole=False, unsure=(), proof=None):
    ends = (None, None)
    if kind in ("time", "number"):
        ends = connection.execute(f"SELECT min({sql})::VARCHAR, max({sql})::VARCHAR FROM {table}").fetchone()
    if kind == "time" and ends[1] and ends[1][:10] > date.today().isoformat():
        unsure = (*unsure, f"{name}: goes up to {ends[1][:10]}, which has not come yet")
    shown = connection.execute(f"SELECT DISTINCT {quoted(name)}::VARCHAR FROM {table} WHERE {quoted(name)} IS NOT NULL ORDER BY 1 LIMIT 3").fetchall()
    return Reading(name, kind, sql, how, filled, distinct, *ends, examples=tuple(value for value, in shown), whole=whole, unsure=tuple(unsure), proof=proof)


def _counts(connection, table, sql):
    return connection.execute(f"SELECT count({sql}), count(DISTINCT {sql}) FROM {table}").fetchone()


def looks_like_identifier(reading, rows):
    """Whether a column names rows rather than describes them: texts nearly all different, what is called so and mostly different, row numbers."""
    if reading.kind not in ("text", "number") or (reading.kind == "number" and not reading.whole) or rows < 2:
        return False
    share = reading.distinct / max(reading.filled, 1)
    if share > 0.5 and (likeness(reading.name, IDENTIFIER) >= 2 or plain(reading.name).endswith("id")):
        return True
    if reading.kind == "text":
        return share > MOST
    return reading.distinct == rows and reading.low in ("0", "1") and int(reading.high) - int(reading.low) == rows - 1
