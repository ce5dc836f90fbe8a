"""Generated histories with all that a clock can do to them, and the same ones with everything known after a moment changed."""

from datetime import datetime, timedelta

import numpy as np
from naive import START, random_tables

from features.tables import TABLES

# Mixed lags; all of a day's rows known at 02:00 of the next; a whole year's on one day two years later; everything of a day in its same second;
# everything within a second of the moment that is asked.
POSTINGS = ("mixed", "nightly", "import", "ties", "fractions")
IMPORT_DAY = datetime(2023, 2, 1, 3)
MONTH_END, TENTH, TWENTIETH = datetime(2022, 3, 31, 23, 59, 59), datetime(2022, 6, 10), datetime(2022, 6, 20, 12, 0, 0, 500_000)
DATES = (MONTH_END, TENTH, TWENTIETH, IMPORT_DAY - timedelta(seconds=1))
# what holds from the moment it is known: a correction is a later row of the same key
STATES = ("customers", "statements", "contracts", "exposures", "series")
SECOND, INSTANT = timedelta(seconds=1), timedelta(microseconds=1)


def history(seed, *, customers, posting, asked=TENTH):
    """{table: rows} of every table but observations, with the user's own columns in each, frauds and defaults among the outcomes."""
    rng, tables = np.random.default_rng(seed), random_tables(seed, customers=customers)
    tables = {name: [_posted(rng, name, row, posting, asked) for row in rows] for name, rows in tables.items()}
    for name in STATES:
        tables[name] += [_corrected(rng, row) for row in tables[name] if rng.random() < 0.3]
    tables["outcomes"] = _outcomes(rng, tables["transactions"], customers)
    return {name: keyed(name, [row | own_columns(rng, full=not place) for place, row in enumerate(rows)]) for name, rows in tables.items()}


def own_columns(rng, *, full=False):
    """A user's own columns of a row, in which any may be missing unless it is `full`."""
    given = {"x_score": float(rng.normal()), "x_units": int(rng.integers(100)), "x_flag": bool(rng.random() < 0.5), "x_level": f"L{rng.integers(4)}"}
    return {name: None if rng.random() < 0.3 and not full else value for name, value in given.items()}


def occurred(table):
    """The column that says when a row happened, None where that is when it was known."""
    column = TABLES[table].occurred
    return None if column in ("known_at", "period_end") else column


def _posted(rng, table, row, posting, asked):
    moment = occurred(table)
    if moment is None or posting == "mixed":
        return row
    when = row[moment]
    if posting == "nightly":
        known = when.replace(hour=2, minute=0, second=0, microsecond=0) + timedelta(days=1)
    elif posting == "import":
        known = IMPORT_DAY if when.year == START.year else when
    else:
        step = timedelta(microseconds=int(rng.choice([-1_500_000, -500_000, -1, 0, 1, 500_000, 1_000_000])))
        when = when.replace(hour=12, minute=0, second=0, microsecond=0) if posting == "ties" else asked + step
        known = when + timedelta(microseconds=int(rng.choice([0, 0, 1, 700_000])))
    return row | {moment: when, "known_at": known}


def _corrected(rng, row):
    later = {"known_at": row["known_at"] + timedelta(microseconds=int(rng.choice([1, 400_000, 10**6, 10**12])))}
    return row | later | {name: -value if value else value for name, value in row.items() if isinstance(value, float)}


def _outcomes(rng, transactions, customers):
    frauds = [_outcome(rng, row["known_at"], kind="fraud", transaction_id=row["transaction_id"]) for row in transactions[::4]]
    return frauds + [_outcome(rng, START + timedelta(days=300), kind="default", customer_id=f"C{number}") for number in range(0, customers, 5)]


def _outcome(rng, moment, **about):
    known = moment + timedelta(seconds=int(rng.integers(0, 90 * 86_400)))
    return {"customer_id": None, "transaction_id": None, "occurred_at": moment, "known_at": known, "loss": None, "cured_at": None} | about


def keyed(table, rows):
    """Rows with different keys: the first of each."""
    return list({tuple(row.get(name) for name in TABLES[table].key): row for row in rows[::-1]}.values())[::-1]


def whole_second(moment):
    """The second that a moment lies in."""
    return moment.replace(microsecond=0)


def known(row):
    """When a row became known; an observation is, when it is asked."""
    return row["as_of"] if "as_of" in row else row["known_at"]


def changed_later(rng, tables, moment, *, customers=()):
    """The tables with everything known after the moment rewritten, deleted and added to, in another order; `customers` are who else there may be."""
    return {name: _changed(rng, name, rows, moment, customers) for name, rows in tables.items()}


def _changed(rng, table, rows, moment, customers):
    kept, later = ([row for row in rows if (known(row) > moment) == after] for after in (False, True))
    rewritten = [_rewritten(rng, table, row, customers) for row in later if rng.random() < 0.6]
    added = [_added(rng, table, row, number, moment, customers) for number, row in enumerate(rows) if rng.random() < 0.5]
    found = keyed(table, kept + rewritten + added)
    return [found[place] for place in rng.permutation(len(found))]


def _rewritten(rng, table, row, customers):
    fixed = (*TABLES[table].key, "customer_id", "as_of", "known_at")
    return row | {name: None if rng.random() < 0.5 else _other(rng, value) for name, value in row.items() if name not in fixed and rng.random() < 0.4}


def _other(rng, value):
    """Another value of the kind, for text a new level."""
    if isinstance(value, str):
        return f"new {value}"
    return value if value is None or isinstance(value, (bool, datetime)) else value * 3 + type(value)(7)


def _added(rng, table, row, number, moment, customers):
    """A new fact, or a correction of the row, that becomes known after the moment, at times within its second."""
    later = whole_second(moment) + SECOND * int(rng.choice([0, 1, 10**4, 10**7])) + INSTANT * int(rng.integers(1, 10**6))
    # an as_of counts in whole seconds: later is the next one
    later = whole_second(later) + SECOND if "as_of" in row else max(later, moment + INSTANT)
    new = {name: _other(rng, value) for name, value in row.items() if name not in (*TABLES[table].key, "customer_id") and rng.random() < 0.4}
    ids = {name: f"new{number}" for name in TABLES[table].key if name.endswith("_id") and name != "customer_id" and table not in ("contracts", "outcomes")}
    who = {"customer_id": str(rng.choice(customers))} if len(customers) and row.get("customer_id") and rng.random() < 0.3 else {}
    when = occurred(table)
    early = {when: min(row[when], later)} if when and when != "as_of" else {}
    return row | new | ids | who | early | {"as_of" if "as_of" in row else "known_at": later}
