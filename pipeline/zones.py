"""Times with a zone next to times without one: nothing says which zone the latter are in, so they are refused and not read as UTC."""

from features.errors import RiskError
from features.feeders.sql import literal, quoted
from pipeline.contract_rules import ZONED_TEXT

# After a clock: Z, an offset, UTC or the name of a zone. DuckDB's cast to TIMESTAMP drops all of them without a word.
ZONED = r".*\d{1,2}:\d{2}.*?([Zz]|[+-]\d{1,2}(:?\d{2}){0,2}|\s+[A-Za-z_]+(/[A-Za-z_+-]+)*)\s*"
CLOCK = r".*\d{1,2}:\d{2}.*"
NAIVE = ("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS")
REMEDY = "say which zone that is, e.g. {0}::TIMESTAMP AT TIME ZONE 'Asia/Shanghai'"


def with_zones(connection, contract, found, where):
    """The columns of `staged` with their types, a text column of zoned times marked as such: those are turned into UTC.

    Raises RiskError for a text column that holds times with a zone and times without, and for a table with a zoned and a zone-less column; a
    day without a clock needs no zone.
    """
    times = [column.name for column in contract.columns if column.kind == "time" and column.name in found]
    texts = {name: _texts(connection, name) for name in times if found[name] == "VARCHAR"}
    for name, (zoned, naive, with_zone, without) in texts.items():
        if zoned and naive:
            raise RiskError(f"{where}: column {name} has {zoned:,} times with a zone, as {with_zone}, and {naive:,} without, as {without}: "
                            f"{REMEDY.format(name)} for the latter.")
    found = found | {name: ZONED_TEXT for name, counts in texts.items() if counts[0]}
    _refuse_mixture(connection, [name for name in times if _is_zoned(found[name])], [name for name in times if not _is_zoned(found[name])], found, texts, where)
    return found


def _texts(connection, name):
    text = quoted(name)
    zoned, clock = f"regexp_full_match({text}, {literal(ZONED)})", f"regexp_full_match({text}, {literal(CLOCK)})"
    return connection.execute(f"""
        SELECT count_if({zoned}), count_if({clock} AND NOT {zoned}), any_value({text}) FILTER ({zoned}), any_value({text}) FILTER ({clock} AND NOT {zoned})
        FROM staged""").fetchone()


def _is_zoned(kind):
    return kind in ("TIMESTAMP WITH TIME ZONE", ZONED_TEXT)


def _refuse_mixture(connection, zoned, others, found, texts, where):
    for name in others if zoned else ():
        example = texts[name][3] if name in texts else _clock_time(connection, name) if found[name] in NAIVE else None
        if example is not None:
            raise RiskError(f"{where}: column {zoned[0]} gives times with a zone and column {name} without, as {example}: {REMEDY.format(name)}.")


def _clock_time(connection, name):
    """A value that is no midnight: a column of days has been cast to TIMESTAMP, and needs no zone."""
    text = quoted(name)
    row = connection.execute(f"SELECT {text}::VARCHAR FROM staged WHERE {text} <> date_trunc('day', {text}) LIMIT 1").fetchone()
    return None if row is None else row[0]
