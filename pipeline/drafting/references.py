"""Columns that hold another file's keys, known by their values: the invoice that a payment pays."""

import msgspec

from features.tables import TABLES
from pipeline.drafting import words
from pipeline.drafting.readings import looks_like_identifier

# Tables whose key other files name, by their key.
KEYS = {"invoices": "invoice_id", "contracts": "contract_id", "transactions": "transaction_id"}
# Tables that get their key from the only column that names each row; of the others a key is more than one column, or the customer.
OWN_KEYS = {**KEYS, "payments": "payment_id", "events": "event_id"}
# Share of a column's values that must be among the keys, and how many; of files that were looked at in part less can be expected.
LEAST, LEAST_OF_PART = (0.5, 2), (0.02, 100)


class Reference(msgspec.Struct, frozen=True):
    """A column whose values are another file's keys: the contract's `column` for them, and the words that say so."""

    column: str
    share: float
    said: str


def with_key(mapped):
    """The mapping with the table's key where no column is called so but exactly one that is left names each row."""
    key, opened = OWN_KEYS.get(mapped.table), mapped.opened
    if key is None or key in mapped.columns:
        return mapped
    unique = [reading.name for reading in opened.columns if reading.name not in mapped.columns.values() and reading.distinct == opened.rows
              and reading.name not in mapped.references and looks_like_identifier(reading, opened.rows)]
    if len(unique) != 1:
        return mapped
    doubt = f"{opened.file}: {unique[0]} is taken for {key} because every row has its own"
    return msgspec.structs.replace(mapped, columns=mapped.columns | {key: unique[0]}, doubts=mapped.doubts | {key: (doubt,)})


def find_references(connection, mapped, opened, ids):
    """{loaded table: {column: Reference}} of every opened file's columns that hold keys of a mapped one; `ids` are the customers' (shared_ids)."""
    keyed = [found for found in mapped if KEYS.get(found.table) in found.columns]
    found = {file.loaded: {} for file in opened}
    for file in opened:
        usable = [reading for reading in file.columns if reading.filled and reading.name != ids.get(file.loaded)]
        for target in (target for target in keyed if target.opened is not file):
            likely = [reading for reading in usable if _can_refer(reading, target.table)]
            name, reference = max((_refer(connection, file, reading, target) for reading in likely), key=lambda pair: pair[1] and pair[1].share or 0.0,
                                  default=(None, None))
            if reference and reference.share > getattr(found[file.loaded].get(name), "share", 0.0):
                found[file.loaded][name] = reference
    return found


def _can_refer(reading, table):
    """Whether a column can hold keys of that table: a text, or whole numbers that are called so, as numbers meet by chance; no other thing's own key."""
    key = KEYS[table]
    if any(words.likeness(reading.name, words.COLUMNS[other]) == 3 for other in OWN_KEYS.values() if other != key):
        return False
    if reading.kind != "number":
        return reading.kind == "text"
    called = max(words.likeness(reading.name, phrases) for phrases in (words.TABLES[table], words.COLUMNS[key]))
    return reading.whole and called >= 2 and words.likeness(reading.name, words.COLUMNS["amount"]) == 0


def _refer(connection, file, reading, target):
    column = KEYS[target.table]
    key = target.opened.column(target.columns[column])
    values = f"SELECT DISTINCT {reading.as_text} AS x FROM {file.loaded} WHERE {reading.as_text} IS NOT NULL"
    common = connection.execute(f"SELECT count(*) FROM ({values}) WHERE x IN (SELECT {key.as_text} FROM {target.opened.loaded})").fetchone()[0]
    share = common / max(reading.distinct, 1)
    in_part = file.more or target.opened.more
    least, count = LEAST_OF_PART if in_part else LEAST
    if share < least or common < count:
        return reading.name, None
    part = " looked at" if in_part else ""
    return reading.name, Reference(column, share, f"{share:.0%} of its values{part} are in {key.name} of {target.opened.file}")


def reference_doubts(file, columns, references):
    """{contract's column: (sentence,)} of the mapped columns that are references, but for those that are called so."""
    return {column: (f"{file}: {name} is taken for {column} because {references[name].said}",) for column, name in columns.items()
            if name in references and references[name].column == column and words.likeness(name, words.COLUMNS[column]) < 3}


def why_no_reference(table, reference):
    """Why a column that holds another table's keys is left out of this one; empty where the table has a column for it."""
    return "" if TABLES[table].column(reference.column) else f"names rows of another file, {reference.said}; {table} has no column for it"
