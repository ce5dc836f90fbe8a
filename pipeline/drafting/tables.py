"""One table's SQL from the file that was taken for it: what is mapped, what a rule gives, what is left out."""

import msgspec

from features.feeders.sql import literal
from features.tables import TABLES
from pipeline.drafting import words
from pipeline.drafting.mapping import FITTING, is_import_day
from pipeline.drafting.readings import looks_like_identifier, quoted
from pipeline.drafting.references import why_no_reference
from pipeline.drafting.sqltext import Item, output_name, select

# Tables whose further columns become features.
KEEPS_MORE = ("customers", "statements", "exposures")
# Columns beyond the contract that features read by name in the other tables: those of credit reports.
READ_BY_NAME = {"events": ("score", "score_change", "passage_level", "family")}
FREE_TEXT = 40
# When a row of a table could first be read, where the file has no column that says it: the column it follows, days after it, why.
KNOWN_RULES = {
    "statements": ("period_end", 90, "accounts are taken as filed 90 days after their period; put your filing dates here"),
    "contracts": ("signed_on", 0, "known when signed; where a later row changes a contract, the day of that change"),
    "invoices": ("issued_at", 0, "known when issued; take the posting day if invoices are booked later"),
    "payments": ("occurred_at", 0, "known when paid; take the posting day if payments are booked later"),
    "transactions": ("occurred_at", 0, "known when booked"),
    "events": ("occurred_at", 0, "known when it happened; take the day it was recorded if that is later"),
    "series": ("period_end", 45, "published 45 days after its period; put the publication dates here"),
    "outcomes": ("occurred_at", 0, "known when it happened; take the day it was noticed if that is later"),
    "customers": ("onboarded_on", 0, "known since it became a customer"),
}
CONTRACT_WORDS = ("breached", "fulfilled", "open")


class Drafted(msgspec.Struct, frozen=True):
    """A table's SQL: `mapped` are (file's column, how it is read, contract's column), `left_out` (column, why), `unsure` sentences."""

    table: str
    file: str
    sql: str
    mapped: list
    left_out: list
    unsure: list


def draft_table(mapped, *, first_day, where="", invoices=None):
    """The SQL of one table over one file.

    `first_day` is the earliest day in all files, taken where nothing says when a row was known; `where` further narrows the rows; `invoices` is the
    mapped file that says whose invoice a payment without a customer pays.
    """
    writer = _Writer(mapped, first_day, invoices)
    items = writer.items()
    further, left_out = writer.further({item.name for item in items})
    unsure = [*mapped.opened.unsure, *mapped.unsure, *(doubt for item in (*items, *further) for doubt in writer.doubts.get(item.name, ()))]
    sql = select([*items, *further], writer.relation(), before=[*writer.heading(), *writer.strict()],
                 after=[f"left out: {name} ({why})" for name, why in left_out], tail=where)
    read = [(name, mapped.opened.column(name).how, column) for column, name in mapped.columns.items()]
    read += [(name, mapped.opened.column(name).how, f"{item.name} (beyond the contract)") for item, name in zip(further, writer.kept, strict=True)]
    return Drafted(mapped.table, mapped.opened.file, sql, read, left_out, unsure)


class _Writer:
    """One mapped file on its way to SQL."""

    def __init__(self, mapped, first_day, invoices):
        self.mapped, self.opened, self.table = mapped, mapped.opened, TABLES[mapped.table]
        self.first_day, self.invoices = first_day, invoices
        self.doubts, self.kept = {}, []

    def heading(self):
        seen = f"the first {self.opened.rows:,} rows" if self.opened.more else f"all {self.opened.rows:,} rows"
        yield f"A draft of {self.table.name} from {self.opened.file} ({self.opened.how}), judged by {seen}: correct it, then run `risk source check`."
        yield from (f"unsure: {doubt}" for doubt in (*self.opened.unsure, *self.mapped.unsure))

    def strict(self):
        """What the head of the SQL says of conversions that stop at the first value they do not fit.

        They could let such a value through as text, which the contract then rejects with its reason, but every date would stand twice in the SQL,
        and no rule could be built on it: a draft is there to be read.
        """
        converted = [name for column, name in self.mapped.columns.items() if self.table.column(column).kind not in ("id", "category", "text")]
        used = [reading for name in (*converted, *self.kept) if (reading := self.opened.column(name)).text]
        if any(reading.kind in ("time", "number") and not reading.sql.startswith("try_") for reading in used):
            yield "Dates and numbers are read strictly: a value of another form stops the table and is named; try_strptime and try_cast make it empty."

    def relation(self):
        named = self.table.name == "payments" and "customer_id" not in self.mapped.columns
        return f"{self.opened.relation} AS payment" if named else self.opened.relation

    def items(self):
        """The contract's columns that are mapped or required, in its order."""
        found = ((column, self._mapped(column) if column.name in self.mapped.columns else self._ruled(column)) for column in self.table.columns)
        return [Item(sql, column.name, self._note(column.name, note)) for column, (sql, note) in found if sql]

    def _note(self, name, note):
        return "; ".join(filter(None, (note, *(f"unsure: {doubt}" for doubt in self.doubts.get(name, ())))))

    def _doubt(self, name, sentence):
        self.doubts.setdefault(name, []).append(sentence)

    def _mapped(self, column):
        reading = self.opened.column(self.mapped.columns[column.name])
        self.doubts[column.name] = [*reading.unsure, *self.mapped.doubts.get(column.name, ())]
        if column.kind == "id":
            return reading.as_text, ""
        if column.kind == "money":
            return self._money(column.name, reading)
        if column.kind == "flag":
            return self._flag(reading)
        if column.kind == "category":
            self._check_words(column.name, reading)
            return (reading.sql if reading.kind == "text" else f"{reading.sql}::VARCHAR"), ""
        if column.name in self.mapped.units:
            unit = self.mapped.units[column.name]
            return f"{_wide(reading)} * {unit.factor}", f"given in {unit.word}"
        note = "" if column.kind != "time" else reading.how
        return (reading.sql if column.kind != "integer" else f"{reading.sql}::BIGINT"), note

    def _money(self, name, reading):
        unit = self.mapped.units.get(name)
        given = f", given in {unit.word}" if unit else ""
        return f"round({_wide(reading)} * {100 * (unit.factor if unit else 1)})::BIGINT", f"whole minor units (cents){given}"

    def _flag(self, reading):
        if reading.kind == "flag":
            return reading.sql, ""
        if reading.kind == "number":
            return f"{reading.sql} = 1", ""
        sides = [[literal(value) for value in reading.examples if words.truth(value) == side] for side in (1, 0)]
        return f"CASE WHEN {reading.sql} IN ({', '.join(sides[0])}) THEN true WHEN {reading.sql} IN ({', '.join(sides[1])}) THEN false END", ""

    def _check_words(self, name, reading):
        known = {"status": CONTRACT_WORDS, "kind": tuple(words.EVENT_KINDS) if self.table.name == "events" else ()}.get(name, ())
        if known and not set(reading.examples) & set(known):
            self._doubt(name, f"{reading.name} holds {', '.join(reading.examples)}; the features count the words {', '.join(known)}: translate them with CASE")

    def _ruled(self, column):
        """SQL for a column that no file's column gives; empty where it may stay away."""
        rule = {"known_at": self._known_at, "customer_id": self._customer}.get(column.name) or getattr(self, f"_{self.table.name}_{column.name}", None)
        if rule:
            return rule()
        if column.name == self.table.key[0] and column.kind == "id" and column.required:
            self._doubt(column.name, f"{self.opened.file} has no column for {column.name}: the row's number is taken, which must stay the same in later files")
            return f"'{self.opened.label}-' || row_number() OVER ()", ""
        if column.name == self.table.occurred and column.required:
            return self._from_other_date(column.name)
        return "", ""

    def _known_at(self):
        follows, days, why = KNOWN_RULES.get(self.table.name, ("", 0, ""))
        others = {"contracts": ("due_on",), "invoices": ("due_at",)}.get(self.table.name, ())
        source = next((name for name in (follows, *others) if name in self.mapped.columns), None)
        if source is None:
            self._doubt("known_at", f"nothing in {self.opened.file} says when a row was known: the earliest day of all files is taken")
            return f"TIMESTAMP {literal(self.first_day)}", "rule: known from the first day on"
        sql = self.opened.column(self.mapped.columns[source]).sql
        for doubt in self.mapped.doubts.get("known_at", ()):
            self._doubt("known_at", doubt)
        self._doubt("known_at", f"{self.opened.file} does not say when a row was known; rule: {why}")
        return (f"{sql} + INTERVAL {days} DAY" if days else sql), ""

    def _customer(self):
        """A payment that only names its invoice belongs to that invoice's customer."""
        if self.table.name != "payments" or self.invoices is None:
            return "", ""
        other, ids = self.invoices.opened, self.invoices.columns
        mine = self.opened.column(self.mapped.columns["invoice_id"]).as_text
        theirs, whose = (other.column(ids[name]).as_text for name in ("invoice_id", "customer_id"))
        self._doubt("customer_id", f"{self.opened.file} names no customer: the one of the invoice in {other.file} is taken")
        return f"(SELECT any_value({whose}) FROM {other.relation} AS invoice WHERE invoice.{theirs} = payment.{mine})", ""

    def _from_other_date(self, name):
        other = next((column for column in ("due_at", "due_on") if column in self.mapped.columns), None)
        if other is None:
            return "", ""
        self._doubt(name, f"{self.opened.file} has no {name}: 30 days before {other} are taken")
        return f"{self.opened.column(self.mapped.columns[other]).sql} - INTERVAL 30 DAY", ""

    def _invoices_due_at(self):
        self._doubt("due_at", f"{self.opened.file} has no due day: 30 days after the issue are taken")
        return f"{self.opened.column(self.mapped.columns['issued_at']).sql} + INTERVAL 30 DAY", ""

    def _contracts_status(self):
        done = self.mapped.columns.get("fulfilled_on")
        self._doubt("status", f"{self.opened.file} has no status: a contract is never 'breached' then, which is the word the features count")
        return (f"CASE WHEN {self.opened.column(done).sql} IS NULL THEN 'open' ELSE 'fulfilled' END" if done else "'open'"), ""

    def _statements_period_months(self):
        self._doubt("period_months", f"{self.opened.file} does not say how long its periods are: 12 months are taken")
        return "12", ""

    def _statements_basis(self):
        self._doubt("basis", f"{self.opened.file} does not say whether its accounts are separate or consolidated: separate is taken")
        return "'separate'", ""

    def _statements_source(self):
        return "'file'", ""

    def _events_kind(self):
        kind = next((kind for kind, phrases in words.EVENT_KINDS.items() if words.likeness(self.opened.label, phrases)), "complaint")
        self._doubt("kind", f"{self.opened.file} has no kind of event: all are taken as {kind}")
        return literal(kind), ""

    def _outcomes_kind(self):
        return "'default'", "every row of the file is taken as a default"

    def _series_name(self):
        self._doubt("name", f"{self.opened.file} does not name its series: the file's name is taken")
        return literal(words.plain(self.opened.label).replace(" ", "_")), ""

    def further(self, taken):
        """Columns beyond the contract that become features, and those left out with the reason."""
        items, left_out = [], []
        for reading in self.opened.columns:
            if reading.name in self.mapped.columns.values():
                continue
            why = self._why_not(reading)
            if why:
                left_out.append((reading.name, why))
                continue
            name = output_name(reading.name, self.table.name, taken | {item.name for item in items})
            self.doubts[name] = list(reading.unsure)
            items.append(Item(reading.sql, name, self._note(name, "")))
            self.kept.append(reading.name)
        return items, left_out

    def _why_not(self, reading):
        if reading.kind in ("empty", "nested"):
            return reading.how
        if is_import_day(reading):
            return "the day of a load, not of the fact"
        if reading.name in self.mapped.excluded:
            return self.mapped.excluded[reading.name]
        why = reading.name in self.mapped.references and why_no_reference(self.table.name, self.mapped.references[reading.name])
        if why:
            return why
        if self.table.name not in KEEPS_MORE:
            return self._why_not_read(reading)
        if reading.kind == "time":
            return f"not recognised as a date of {self.table.name}; a further date becomes no feature"
        if looks_like_identifier(reading, self.opened.rows) or words.likeness(reading.name, words.IDENTIFIER) == 3:
            return "an identifier"
        if reading.kind == "text" and (words.likeness(reading.name, words.PERSONAL) >= 2 or reading.length > FREE_TEXT):
            return "a name, an address or free text"
        return ""

    def _why_not_read(self, reading):
        """Why a column of a table whose further columns become no features is left out: which of the table's it could still be."""
        if reading.name in READ_BY_NAME.get(self.table.name, ()):
            return ""
        could = [column.name for column in self.table.columns if column.name not in self.mapped.columns and reading.kind in FITTING[column.kind]]
        return f"not recognised; {self.table.name} could still take {', '.join(could)}" if could else f"{self.table.name} has no further column of this kind"


def _wide(reading):
    """SQL of a number that can be multiplied: a column of 32 bits would overflow."""
    return f"{reading.sql}::BIGINT" if reading.whole and reading.sql == quoted(reading.name) else reading.sql


def customers_from(opened, name, *, first_day):
    """The SQL of customers where no file describes them: the ids of another table's file, known from the first day."""
    reading = opened.column(name)
    note = f"unsure: no file describes the customers; they are the ids in {opened.file}, known from the earliest day of all files on"
    items = [Item(f"DISTINCT {reading.as_text}", "customer_id"), Item(f"TIMESTAMP {literal(first_day)}", "known_at", note)]
    sql = select(items, opened.relation, before=[f"A draft of customers from the ids in {opened.file}."], tail=f"\nWHERE {quoted(name)} IS NOT NULL")
    return Drafted("customers", opened.file, sql, [(name, reading.how, "customer_id")], [], [note.removeprefix("unsure: ")])
