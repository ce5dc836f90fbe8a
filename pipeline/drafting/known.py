"""When a row was known, by the dates themselves: a date that is never before the row's own, and not the day of an import."""

from datetime import date

import msgspec

from features.tables import TABLES
from pipeline.drafting import words
from pipeline.drafting.mapping import is_import_day

# The day a row's own date is compared with, where it is not the table's `occurred`.
ANCHORS = {"customers": "onboarded_on", "contracts": "signed_on", "exposures": None}
# Days after the row's own date, in the median, beyond which a date of no telling name is something else: a due day, a payment, a closing.
LAGS = {"statements": 400, "contracts": 60, "invoices": 14, "payments": 14, "transactions": 14, "events": 90, "series": 120, "outcomes": 180}
CALLED_LAG = 730
# Shares of the rows: filled, not before the row's own date, and on one single day as an import leaves them.
FILLED, NOT_BEFORE, ONE_DAY = 0.95, 0.99, 0.5
FEW = 20


class Later(msgspec.Struct, frozen=True):
    """A date beside the row's own: rows with both, rows before it, days after it in the median, rows after it."""

    name: str
    called: int
    both: int
    before: int
    days: int
    after: int


def with_known_at(connection, mapped):
    """The mapping with known_at from its dates, where no column is called so; a column on one day in most rows is never it, and is named."""
    anchor = _anchor(mapped)
    if "known_at" in mapped.columns:
        return _confirmed(connection, mapped, anchor)
    candidates = [later for reading in mapped.opened.columns if _is_left(mapped, reading) and (later := _later(connection, mapped, anchor, reading))]
    bulk = {later.name: why for later in candidates if (why := _one_day(connection, mapped, anchor, later.name))}
    mapped = _excluded(mapped, bulk)
    best = max((later.called for later in candidates if later.name not in bulk), default=0)
    likely = [later for later in candidates if later.name not in bulk and later.called == best]
    if len(likely) == 1:
        return _taken(mapped, anchor, likely[0])
    named = ", ".join(later.name for later in likely)
    return _doubted(mapped, f"{mapped.opened.file}: each of {named} could say when a row was known, so none is taken") if likely else mapped


def _anchor(mapped):
    name = ANCHORS.get(mapped.table, TABLES[mapped.table].occurred)
    return mapped.columns.get(name)


def _is_left(mapped, reading):
    """Whether a column is a date nobody claims: not mapped, no load date, no day of payment or default, not in the future."""
    if reading.kind != "time" or reading.name in mapped.columns.values() or is_import_day(reading) or (reading.high or "9999")[:10] > date.today().isoformat():
        return False
    return words.likeness(reading.name, words.PAID) < 2 and words.likeness(reading.name, words.DEFAULTED) < 2


def _later(connection, mapped, anchor, reading):
    """The Later of a date that could be known_at; None for one that cannot."""
    opened, called = mapped.opened, words.likeness(reading.name, words.KNOWN)
    if anchor is None:
        alone = mapped.table == "exposures" and sum(each.kind == "time" for each in opened.columns) == 1
        return Later(reading.name, called, reading.filled, 0, 0, 0) if (called or alone) and reading.filled >= FILLED * opened.rows else None
    later = _compared(connection, opened, anchor, reading, called)
    # A customer may be entered many years after its first day with us.
    most = (CALLED_LAG if mapped.table != "customers" else later.days) if called else LAGS.get(mapped.table, 0)
    # Without a due day the date after an invoice's issue is rather that one.
    guessed = not called and (mapped.table == "customers" or (mapped.table == "invoices" and "due_at" not in mapped.columns))
    fits = later.both >= FILLED * opened.column(anchor).filled and later.before <= (1 - NOT_BEFORE) * later.both
    return later if fits and later.after and later.days <= most and not guessed else None


def _compared(connection, opened, anchor, reading, called=0):
    lag = f"date_diff('day', ({opened.column(anchor).sql})::DATE, ({reading.sql})::DATE)"
    found = connection.execute(f"SELECT count(lag), count(*) FILTER (lag < 0), median(lag), count(*) FILTER (lag > 0) FROM (SELECT {lag} AS lag "
                               f"FROM {opened.loaded})").fetchone()
    return Later(reading.name, called, found[0], found[1], int(found[2] or 0), found[3])


def _one_day(connection, mapped, anchor, name):
    """The words for a date that is one day in most rows though the rows' own dates are not; empty for any other."""
    reading = mapped.opened.column(name)
    share, day = _commonest(connection, mapped.opened, reading)
    own = _commonest(connection, mapped.opened, mapped.opened.column(anchor))[0] if anchor else 0.0
    constant = reading.distinct == 1 and reading.filled > 1
    if not constant and (reading.filled < FEW or share <= ONE_DAY or own > share / 2):
        return ""
    return f"{day} in {share:.0%} of the rows, as an import leaves it"


def _commonest(connection, opened, reading):
    return connection.execute(f"SELECT max(rows) / sum(rows), arg_max(day, rows) FROM (SELECT ({reading.sql})::DATE AS day, count(*) AS rows "
                              f"FROM {opened.loaded} GROUP BY 1 HAVING day IS NOT NULL)").fetchone()


def _confirmed(connection, mapped, anchor):
    """A mapping whose known_at is called so: dropped where it is an import's day, doubted where it lies before the row's own date."""
    name = mapped.columns["known_at"]
    why = _one_day(connection, mapped, anchor, name)
    if why:
        return _excluded(msgspec.structs.replace(mapped, columns={key: of for key, of in mapped.columns.items() if key != "known_at"}), {name: why})
    later = _compared(connection, mapped.opened, anchor, mapped.opened.column(name)) if anchor else None
    # Of customers both may be true: an account can be opened before the day that counts as the customer's first.
    if later is None or mapped.table == "customers" or not later.before:
        return mapped
    return _doubted(mapped, f"{mapped.opened.file}: {name} is taken as the day a row was known, yet it is before {anchor} in {_rows(later.before)}, which "
                            "the contract rejects")


def _excluded(mapped, reasons):
    """The mapping with dates that an import left: they are no column, and are named at known_at."""
    for name, why in reasons.items():
        mapped = _doubted(mapped, f"{mapped.opened.file}: {name} is not taken as the day a row was known: it is {why}")
    return msgspec.structs.replace(mapped, excluded=mapped.excluded | reasons)


def _taken(mapped, anchor, later):
    when = "the same day" if later.days == 0 else f"{later.days:,} day{'' if later.days == 1 else 's'} later"
    before = f"before {anchor} in {_rows(later.before)}, which the contract rejects, else" if later.before else f"never before {anchor},"
    why = f"it is {before} {when} in the median" if anchor else "no other date says it"
    empty = mapped.opened.rows - mapped.opened.column(later.name).filled
    gaps = f"; {_rows(empty)} without it are rejected" if empty else ""
    mapped = msgspec.structs.replace(mapped, columns=mapped.columns | {"known_at": later.name})
    return _doubted(mapped, f"{mapped.opened.file}: {later.name} is taken as the day a row was known: {why}{gaps}")


def _doubted(mapped, sentence):
    return msgspec.structs.replace(mapped, doubts=mapped.doubts | {"known_at": (*mapped.doubts.get("known_at", ()), sentence)})


def _rows(count):
    return f"{count:,} row{'' if count == 1 else 's'}"
