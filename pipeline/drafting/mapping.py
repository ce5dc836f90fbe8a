"""Which table of the contract a file could be, and which of its columns is which of the table's."""

import itertools

import msgspec

from features.tables import LINES, TABLES
from pipeline.drafting import words
from pipeline.drafting.readings import looks_like_identifier
from pipeline.drafting.references import reference_doubts

# Kinds of reading that can fill a column of the contract.
FITTING = {"id": ("text", "number"), "category": ("text", "flag", "number"), "text": ("text",), "time": ("time",), "money": ("number",), "number": ("number",),
           "integer": ("number",), "flag": ("flag", "text", "number")}
# What a file must have, beside a customer's id, to be a table: any one of each group.
NEEDED = {
    "customers": (),
    "statements": (("period_end",),),
    "contracts": (("signed_on", "due_on"),),
    "invoices": (("issued_at", "due_at"), ("amount",)),
    "payments": (("occurred_at",), ("amount",)),
    "transactions": (("occurred_at",), ("amount",)),
    "events": (("occurred_at",),),
    "exposures": (("limit", "exposure"),),
    "series": (("period_end",), ("value",)),
    "outcomes": (("occurred_at",),),
}
# Words of a column where the table uses another's: a contract's due day is called like an invoice's.
SAME_WORDS = {"due_on": "due_at"}
# Columns that only their table has: they tell tables apart.
TELLING = {"statements": LINES, "contracts": ("contract_id", "signed_on", "fulfilled_on"), "invoices": ("invoice_id", "issued_at", "due_at"),
           "payments": ("payment_id",), "transactions": ("transaction_id", "balance", "counterparty_id", "channel"), "events": ("event_id", "severity"),
           "exposures": ("limit", "exposure", "collateral"), "customers": ("founded_on", "onboarded_on", "industry", "ownership"), "series": ("value",),
           "outcomes": ("loss", "cured_at")}
FILE_WORD, LEAST = 3, 2
OTHER_IDS = ("invoice_id", "contract_id", "payment_id", "transaction_id", "event_id")
MOST_LEVELS, MANY_TEXTS = 200, 50
SAME_IDS = 0.9


class Mapped(msgspec.Struct, frozen=True):
    """A file taken for a table: `columns` maps the contract's columns to the file's, `rivals` other tables it could nearly as well be.

    `unsure` are sentences about the file, `doubts` about one of the contract's columns; `references` are columns that hold another file's keys,
    `excluded` dates that an import left, with the reason; `units` the Unit of amounts that are not in whole currency units.
    """

    opened: object
    table: str
    columns: dict
    rivals: tuple = ()
    unsure: tuple = ()
    doubts: dict = {}
    references: dict = {}
    excluded: dict = {}
    units: dict = {}


def map_file(opened, *, ids, references=None):
    """The table a file is taken for with its columns, or None where it fits none.

    `ids` are the names that mean a customer's id (shared_ids), `references` the columns that hold another file's keys (find_references).
    """
    references = references or {}
    assigned = [(table, assign(opened, table, ids=ids, references=references)) for table in NEEDED]
    scored = sorted(((_score(opened, table, columns), table, columns) for table, columns in assigned if _enough(table, columns, opened)),
                    key=lambda item: -item[0])
    scored = [item for item in scored if item[0] >= LEAST]
    if not scored:
        return None
    best, table, columns = scored[0]
    rivals = tuple(name for score, name, _ in scored[1:] if score > best - 1)
    unsure = (f"{opened.file}: taken for {table}; it could be {' or '.join(rivals)} as well",) if rivals else ()
    return Mapped(opened, table, columns, rivals, unsure, doubts=reference_doubts(opened.file, columns, references), references=references)


def assign(opened, table, *, ids=(), references=None):
    """The file's columns by the contract's columns they fit best, each used once; a column of load dates dates nothing."""
    contract = [column for column in TABLES[table].columns if column.name not in ("target", "target_known_at", "as_of", "observation_id")]
    usable = [reading for reading in opened.columns if reading.filled and not is_import_day(reading)]
    fits = [(_fit(reading, column, ids, references or {}), -place, column.name, reading.name) for place, column in enumerate(contract) for reading in usable]
    taken = {}
    for fit, _, column, name in sorted(fits, reverse=True):
        if fit > 0 and column not in taken and name not in taken.values():
            taken[column] = name
    return _one_date(opened, table, taken)


def _fit(reading, column, ids, references):
    if reading.name in references:
        return 4 * (references[reading.name].column == column.name)
    if column.kind == "flag" and not is_two_valued(reading):
        return 0
    if reading.kind not in FITTING[column.kind] or (column.kind == "category" and reading.distinct > MOST_LEVELS):
        return 0
    if column.name == "customer_id":
        return max(4 * (reading.name in ids), words.likeness(reading.name, words.COLUMNS["customer_id"]))
    return words.likeness(reading.name, words.COLUMNS.get(SAME_WORDS.get(column.name, column.name), ""))


def _one_date(opened, table, taken):
    """Where the table's own date was not recognised by name but the file has exactly one left, it is that one."""
    occurred = TABLES[table].occurred
    left = [reading.name for reading in opened.columns if reading.kind == "time" and reading.name not in taken.values() and not is_import_day(reading)]
    if occurred == "known_at" or occurred in taken or len(left) != 1:
        return taken
    return taken | {occurred: left[0]}


def is_import_day(reading):
    """Whether a column dates the load, not the fact: called so, or one single day in a column that is called like a known date."""
    if reading.kind != "time":
        return False
    called = words.likeness(reading.name, words.IMPORTED) >= 2
    return called or (reading.distinct == 1 and reading.filled > 1 and words.likeness(reading.name, words.COLUMNS["known_at"]) > 0)


def _enough(table, columns, opened):
    if table != "series" and "customer_id" not in columns and not (table == "payments" and "invoice_id" in columns):
        return False
    if table == "series" and "customer_id" in columns:
        return False
    if table == "statements" and sum(line in columns for line in LINES) < 2:
        return False
    if table == "customers":
        return opened.column(columns["customer_id"]).distinct > 0.9 * opened.rows
    return all(any(column in columns for column in group) for group in NEEDED[table])


def _score(opened, table, columns):
    # Files are called after customers for many reasons; lines of account are lines of account.
    named = (FILE_WORD - (table == "customers")) if words.likeness(opened.label, words.TABLES[table]) else 0
    telling = sum(column in columns for column in TELLING[table]) * (1.5 if table == "statements" else 1)
    required = sum(column in columns for column in TABLES[table].required)
    unique = table == "customers" and opened.column(columns["customer_id"]).distinct == opened.rows
    return named + min(telling, 6) + 0.25 * required + unique


def shared_ids(connection, opened):
    """Which column of each file holds the customer's id, {loaded table: name}, and what is unsure about it.

    A column that is called so is taken, and one that other files have under the same name; then a text whose values are another file's ids. Ids that
    match only once leading zeros are off are named, and files that name the customer by different columns.
    """
    chosen = {file.loaded: name for file in opened if (name := _called_customer(file, opened))}
    unsure = []
    for file in opened:
        known = [(other, chosen[other.loaded]) for other in opened if other.loaded in chosen]
        if file.loaded in chosen:
            continue
        overlaps = [(_overlap(connection, (file, reading.name), other), reading.name, other) for reading in file.columns
                    if reading.kind == "text" and _can_be_id(reading) for other in known]
        share, name, other = max(overlaps, default=(0, None, None), key=lambda item: item[0])
        if share >= 0.5:
            chosen[file.loaded] = name
            unsure.append(f"{file.file}: {name} is taken for the customer's id because {share:.0%} of its values are in {other[1]} of {other[0].file}")
    ids = [(file, chosen[file.loaded]) for file in opened if file.loaded in chosen]
    return chosen, [*unsure, *_several_names(connection, ids, opened), *_padded(connection, ids)]


def _called_customer(file, opened):
    """The column that is called like a customer's id, or is an identifier in most files; the only one called id where nothing else is."""
    fits = [(words.likeness(reading.name, words.COLUMNS["customer_id"]) + _files_with(reading, opened) - 1, -place, reading.name)
            for place, reading in enumerate(file.columns) if _can_be_id(reading) and not _names_something_else(reading)]
    fit, _, name = max(fits, default=(0, 0, None))
    if fit > 0:
        return name
    return next((reading.name for reading in file.columns if words.likeness(reading.name, words.IDENTIFIER) == 3
                 and looks_like_identifier(reading, file.rows)), None)


def _names_something_else(reading):
    """Whether a column is called like an invoice's or another thing's id, which files share as they share the customer's."""
    return any(words.likeness(reading.name, words.COLUMNS[column]) == 3 for column in OTHER_IDS)


def _files_with(reading, opened):
    """How many files have an identifier of this name: called so, or a text of many values."""
    called = words.likeness(reading.name, words.IDENTIFIER) >= 2
    if not called and not (reading.kind == "text" and reading.distinct > MANY_TEXTS):
        return 1
    same = [other for file in opened for other in file.columns if words.plain(other.name) == words.plain(reading.name)]
    return sum(other.filled > 0 and (called or other.distinct > MANY_TEXTS) for other in same)


def _several_names(connection, ids, opened):
    names = {}
    for file, name in ids:
        names.setdefault(words.plain(name), []).append((file, name))
    if len(names) < 2 or _one_set(connection, [files[0] for files in names.values()]):
        return []
    shown = "; ".join(f"{files[0][1]} in {', '.join(file.file for file, _ in files)}" for files in names.values())
    both = [file.file for file in opened if sum(words.plain(reading.name) in names for reading in file.columns) > 1]
    joined = f" ({', '.join(both)} {'holds' if len(both) == 1 else 'hold'} both)" if both else ""
    return [f"the customer is taken from columns of different names: {shown}: if they do not mean the same, join them in the SQL{joined}"]


def _one_set(connection, ids):
    """Whether the ids of every column are, nearly all, among those of the one that has most."""
    most = max(ids, key=lambda item: item[0].column(item[1]).distinct)
    return all(_overlap(connection, item, most) >= SAME_IDS for item in ids if item is not most)


def _can_be_id(reading):
    return bool(reading.filled) and (reading.kind == "text" or (reading.kind == "number" and reading.whole)) and reading.distinct > 1


def _overlap(connection, mine, theirs):
    """Share of the distinct values of one column that the other has."""
    (file, name), (other, key) = mine, theirs
    query = f"""SELECT avg((x IN (SELECT {other.column(key).as_text} FROM {other.loaded}))::INTEGER)
                FROM (SELECT DISTINCT {file.column(name).as_text} AS x FROM {file.loaded} WHERE {file.column(name).as_text} IS NOT NULL)"""
    return connection.execute(query).fetchone()[0] or 0.0


def _padded(connection, ids):
    found = []
    for (file, name), (other, key) in itertools.combinations(ids, 2):
        mine, theirs = (f"SELECT DISTINCT {{}} AS x FROM {one.loaded}".format for one in (file, other))
        bare = f"ltrim({file.column(name).as_text}, '0')", f"ltrim({other.column(key).as_text}, '0')"
        as_is = _common(connection, mine(file.column(name).as_text), theirs(other.column(key).as_text))
        stripped = _common(connection, mine(bare[0]), theirs(bare[1]))
        if stripped > 2 * as_is and stripped > 1:
            found.append(f"{file.file}, {name} and {other.file}, {key}: {stripped:,} ids match only without leading zeros ({as_is:,} as they stand); "
                         "one of the files lost them, pad its ids with lpad(…, length, '0')")
    return found


def _common(connection, one, other):
    return connection.execute(f"SELECT count(*) FROM ({one} INTERSECT {other})").fetchone()[0]


def likely_targets(opened):
    """Columns that could be the outcome: two values that mean yes and no or 0 and 1; those called like one first, by name and share of ones."""
    fits = [(words.likeness(reading.name, words.COLUMNS["target"]), -place, reading.name) for place, reading in enumerate(opened.columns)
            if is_two_valued(reading)]
    return [(name, fit) for fit, _, name in sorted(fits, reverse=True)]


def is_two_valued(reading):
    """Whether a column says yes or no."""
    if reading.kind == "flag":
        return True
    if reading.kind == "number":
        return reading.distinct == 2 and {float(reading.low), float(reading.high)} == {0.0, 1.0}
    return reading.kind == "text" and reading.how.startswith("yes or no")


def likely_ids(opened):
    """Columns that could name the customer, the likeliest first."""
    fits = [(words.likeness(reading.name, words.COLUMNS["customer_id"]), looks_like_identifier(reading, opened.rows), -place, reading.name)
            for place, reading in enumerate(opened.columns) if _can_be_id(reading)]
    return [name for fit, unique, _, name in sorted(fits, reverse=True) if fit or unique]


def likely_dates(opened, column="as_of"):
    """Columns of dates, those called like the asked column first; load dates are none."""
    fits = [(words.likeness(reading.name, words.COLUMNS[column]), -place, reading.name) for place, reading in enumerate(opened.columns)
            if reading.kind == "time" and not is_import_day(reading)]
    return [name for _, _, name in sorted(fits, reverse=True)]
