"""The SQL of a draft as a person wants to correct it: one column a line, each doubt beside what it is about."""

import re

import msgspec

from features.tables import TABLES
from pipeline.drafting.readings import quoted

# Names that observe, or a transaction judged for fraud, gives itself.
RESERVED = frozenset(("status", "default_at", "event_seen", "occurred_at", "amount", "currency", "kind", "channel", "counterparty_id"))
WIDTH = 150


class Item(msgspec.Struct, frozen=True):
    """One column of a SELECT: its SQL, its name, and what there is to say about it."""

    sql: str
    name: str
    note: str = ""


def select(items, relation, *, before=(), after=(), tail=""):
    """A SELECT of the items; `before` and `after` are sentences that become comments, `tail` follows the relation."""
    lines = [f"-- {one_line(line)}" for line in before]
    written = [f"{item.sql}{'' if item.sql == quoted(item.name) else f' AS {quoted(item.name)}'}" for item in items]
    ends = [","] * (len(items) - 1) + [""]
    for place, (text, item, end) in enumerate(zip(written, items, ends, strict=True)):
        lead = "SELECT " if place == 0 else "       "
        lines += _noted(lead, text + end, item.note)
    return "\n".join([*lines, f"FROM {relation}{tail}", *(f"-- {one_line(line)}" for line in after)]) + "\n"


def _noted(lead, text, note):
    note = one_line(note)
    if not note:
        return [lead + text]
    if len(lead) + len(text) + len(note) + 5 <= WIDTH:
        return [f"{lead}{text}  -- {note}"]
    # A long note stands below its column, each doubt in a line of its own; above the first one it would part SELECT from it.
    first, *doubts = note.split("; unsure: ")
    return [f"{lead}{text}", f"         -- ^ {first}", *(f"         --   unsure: {doubt}" for doubt in doubts)]


def output_name(name, table, taken=()):
    """A column's name in the table: lower case, words joined by _; one that means something else there gets `_given`."""
    plain = re.sub(r"\W+", "_", name.strip().lower()).strip("_") or "column"
    reserved = RESERVED if table == "observations" else ()
    if TABLES[table].column(plain) is not None or plain in reserved:
        plain += "_given"
    candidates = [plain, *(f"{plain}_{number}" for number in range(2, 1000))]
    return next(candidate for candidate in candidates if candidate not in taken)


def one_line(text):
    """A text as a comment holds it: the name of a workbook's column may have several lines, and what stands below the first would be read as code."""
    return " ".join(text.splitlines())


def yaml_text(text):
    """A text as a double-quoted YAML scalar."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t") + '"'


def input_lines(inputs):
    """The `inputs:` section of source.yaml for (name, entry) pairs; nothing without any."""
    if not inputs:
        return []
    lines = ["inputs:"]
    for name, entry in inputs:
        lines += [f"  {name}:", *(f"    {key}: {value if key == 'kind' else yaml_text(str(value))}" for key, value in entry.items())]
    return lines
