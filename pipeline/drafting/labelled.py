"""A labelled file alone as a source: ids, a date, columns and a flag become the table observations."""

import datetime

import msgspec
import pandas as pd

from features.errors import RiskError
from features.feeders.sql import literal
from models.target import label_given
from pipeline.drafting import words
from pipeline.drafting.mapping import is_import_day, is_two_valued, likely_dates, likely_ids, likely_targets
from pipeline.drafting.readings import looks_like_identifier, quoted
from pipeline.drafting.sqltext import Item, one_line, output_name, select

SHOWN = 12
FEW_LEVELS = 50
LATE_SHARE = 0.01
FREE_TEXT = 40


class Asked(msgspec.Struct, frozen=True):
    """What the person says about the file: names of its columns; `date` may be one day for all rows; `bad` the target's values that mean bad."""

    target: str
    id: str | None = None
    date: str | None = None
    target_known: str | None = None
    bad: tuple = ()


class Labelled(msgspec.Struct, frozen=True):
    """What became of a labelled file: the SQL, its protocol and last day, and what there is to say, column by column and over all.

    `refusal` says why nothing can be learned from it as it stands; None where something can.
    """

    sql: str
    complete_to: str
    protocol: dict | None
    understood: list
    left_out: list
    unsure: list
    said: list
    refusal: str | None = None


def as_written(opened, asked):
    """What was asked for, with the names of columns that stand in several lines in the file and in one on the command line."""
    written = {one_line(reading.name): reading.name for reading in opened.columns}
    names = {role: written.get(name, name) for role, name in msgspec.structs.asdict(asked).items() if role != "bad"}
    return msgspec.structs.replace(asked, **names)


def check_asked(opened, asked):
    """Refuse columns that are not there, or a target that is not named, with the likely ones."""
    if asked.target is None:
        targets = likely_targets(opened)
        likely = [name for name, fit in targets if fit] or [name for name, _ in targets]
        others = [f"--id (likely: {_named(likely_ids(opened))})", f"--date (likely: {_named(likely_dates(opened))})"]
        raise RiskError(f"{opened.file}: which column is the target? likely: {_named(likely)}: say it with --target, and if there are such columns "
                        f"{' and '.join(others)}.")
    for option, name in (("--target", asked.target), ("--id", asked.id), ("--target-known", asked.target_known)):
        _refuse_unknown(opened, option, name)
    _refuse_two_roles(opened, asked)
    if asked.date is not None and _day(asked.date) is None:
        _refuse_unknown(opened, "--date", asked.date)
        _refuse_undated(opened, "--date", asked.date)
    if asked.target_known is not None:
        _refuse_undated(opened, "--target-known", asked.target_known)


def _refuse_unknown(opened, option, name):
    names = [reading.name for reading in opened.columns]
    if name is None or name in names:
        return
    alike = [other for other in names if words.plain(other) == words.plain(name)] or names
    likely = {"--target": [column for column, _ in likely_targets(opened)], "--id": likely_ids(opened)}.get(option) or likely_dates(opened)
    shown = f"did you mean {alike[0]}?" if alike is not names else f"it has {_named(names)}; likely: {_named(likely)}."
    raise RiskError(f"{opened.file} has no column {name} ({option}): {shown}")


def _refuse_two_roles(opened, asked):
    roles = [("--target", asked.target), ("--id", asked.id), ("--date", asked.date), ("--target-known", asked.target_known)]
    for name in {name for _, name in roles if name is not None}:
        both = [option for option, same in roles if same == name]
        if len(both) > 1:
            raise RiskError(f"{opened.file}: the column {name} is named twice, with {' and '.join(both)}: name another column, or leave one of them away.")


def _refuse_undated(opened, option, name):
    reading = opened.column(name)
    if reading.kind != "time":
        raise RiskError(f"{opened.file}: {option} {name} holds no dates that are recognised ({reading.how}, such as {_named(reading.examples)}): "
                        f"name another column (likely: {_named(likely_dates(opened))}), or correct the file.")


def _day(text):
    try:
        return datetime.date.fromisoformat(text).isoformat()
    except ValueError:
        return None


def _named(names):
    names = list(names)
    return (", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")) or "none"


def draft_labelled(connection, opened, asked, *, file_day, today, label_after_days, by_time, written_by=""):
    """The table observations over one labelled file.

    `file_day` is the day of a file without dates; a target without a date of its own counts as known `label_after_days` after its row's date, and
    nothing is known later than `today`; `by_time` is a function of labelled observations that says whether they can be judged by time;
    `written_by` is a sentence for the head of the SQL.

    Raises RiskError for what `check_asked` refuses, and for a target that does not say yes or no.
    """
    check_asked(opened, asked)
    draft = _Draft(connection, opened, asked, file_day)
    target, mapping = draft.target()
    as_of, known = draft.as_of(), draft.known_at()
    rows = draft.rows(as_of.sql, target.sql, known and known.sql)
    rows, rejects = _without_rejects(rows, opened, today)
    identifiers, said = draft.ids(rows, as_of)
    said += rejects
    complete_to, notes = _complete_to(rows, asked, file_day, today, label_after_days)
    labels = _labels(rows, asked, complete_to, label_after_days)
    protocol, judged = _protocol(labels, asked, by_time)
    own, understood, left_out, unsure = draft.columns(as_of.sql, target.sql)
    used = [reading for name in (asked.id, asked.date, asked.target, asked.target_known) if name for reading in opened.columns if reading.name == name]
    sql = select([*identifiers, as_of, target, *([known] if known else []), *own], opened.relation, before=draft.heading(written_by),
                 after=[f"left out: {name} ({why})" for name, why in left_out])
    doubts = [*opened.unsure, *(doubt for reading in used for doubt in reading.unsure), *unsure]
    doubts += _ids_that_mean_none(rows)
    if asked.date is None and likely_dates(opened):
        doubts.append(f"no --date, but {_named(likely_dates(opened))} holds dates: is it the day of the row?")
    return Labelled(sql, complete_to, protocol, [*draft.roles(identifiers, mapping), *understood], left_out, doubts, [*said, mapping, *notes, judged],
                    _refusal(opened, labels, complete_to, label_after_days))


class _Draft:
    """One labelled file on its way to SQL."""

    def __init__(self, connection, opened, asked, file_day):
        self.connection, self.opened, self.asked, self.file_day = connection, opened, asked, file_day

    def heading(self, written_by):
        return [f"One row of {self.opened.file} is one observation: who ({self.asked.id or 'its row number'}), the day it was looked at, what is known of",
                f"it that day, and what became of it (target: 1 bad, 0 good, empty not known yet). {written_by}"]

    def target(self):
        """The target's column, and the sentence that says what its values mean."""
        reading = self.opened.column(self.asked.target)
        text = reading.as_text
        found = self.connection.execute(f"SELECT {text}, count(*) FROM {self.opened.loaded} WHERE {text} IS NOT NULL GROUP BY 1 ORDER BY 1").fetchall()
        empty = [value for value, _ in found if value.strip().lower() in words.MISSING]
        counts = {value: count for value, count in found if value not in empty}
        meaning = {value: (int(value in self.asked.bad) if self.asked.bad else words.truth(value)) for value in counts}
        self._refuse_target(counts, meaning)
        bad, good = ([value for value in counts if meaning[value] == side] for side in (1, 0))
        source = text if not empty else f"CASE WHEN {text} NOT IN ({', '.join(map(literal, empty))}) THEN {text} END"
        if set(counts) == {"0", "1"} and not self.asked.bad:
            sql = source
        else:
            sql = f"CASE {source} {' '.join(f'WHEN {literal(value)} THEN {literal(meaning[value])}' for value in [*bad, *good])} ELSE {source} END"
        rows = sum(counts.values())
        many = sum(counts[value] for value in bad)
        mapping = (f"target {self.asked.target}: {' and '.join(bad)} {'means' if len(bad) == 1 else 'mean'} bad ({many:,} of {rows:,} rows, "
                   f"{many / rows:.2%}), {' and '.join(good)} good")
        return Item(sql, "target", f"1 bad, 0 good; any other value than {_named([*bad, *good])} is rejected and named"), mapping

    def _refuse_target(self, counts, meaning):
        name, values = self.asked.target, _named(f"{value} ({count:,})" for value, count in counts.items())
        unknown = [value for value in self.asked.bad if value not in counts]
        if unknown:
            raise RiskError(f"{self.opened.file}: --bad {unknown[0]} is no value of the target {name}, which holds {values}: name one of them.")
        if None in meaning.values():
            raise RiskError(f"{self.opened.file}: the target {name} holds {values}, which do not all say yes or no: name the ones that mean bad "
                            "with --bad VALUE, or another column with --target.")
        if len(set(meaning.values())) < 2:
            raise RiskError(f"{self.opened.file}: the target {name} holds only {values or 'empty values'}: a model needs both, good ones and bad ones.")

    def as_of(self):
        """The day a row is looked at."""
        day = self.file_day if self.asked.date is None else _day(self.asked.date)
        if day is not None:
            note = "one day for all rows: the file has no date" if self.asked.date is None else "one day for all rows, as stated"
            return Item(f"TIMESTAMP {literal(day)}", "as_of", note)
        reading = self.opened.column(self.asked.date)
        return Item(_timestamp(reading), "as_of", "; ".join((reading.how, *(f"unsure: {doubt}" for doubt in reading.unsure))))

    def known_at(self):
        """When the target was known: its own column, or at once where rows have no dates; None leaves it to the horizon and the reporting lag."""
        if self.asked.target_known:
            reading = self.opened.column(self.asked.target_known)
            return Item(_timestamp(reading), "target_known_at", reading.how)
        if self.asked.date is None:
            return Item(f"TIMESTAMP {literal(self.file_day)}", "target_known_at", "rows without dates: what is known is known that day")
        return None

    def rows(self, as_of, target, known):
        """The file's rows as labelling reads them: customer, as_of, target, target_known_at."""
        person = self.opened.column(self.asked.id).as_text if self.asked.id else "row_number() OVER ()::VARCHAR"
        query = f"SELECT {person} AS customer_id, {as_of} AS as_of, try_cast({target} AS DOUBLE) AS target, {known or 'NULL::TIMESTAMP'} AS target_known_at"
        return self.connection.execute(f"{query} FROM {self.opened.loaded}").df()

    def ids(self, rows, as_of):
        """observation_id and customer_id, and what to say about them."""
        number = "printf('%08d', row_number() OVER ())"
        if not self.asked.id:
            return ([Item(number, "observation_id", "no id was named: the row's number in the file"), Item(number, "customer_id")],
                    ["no --id: rows are told apart by their number in the file, so a customer who stands in it twice is taken for two"])
        person = self.opened.column(self.asked.id).as_text
        repeated = int(rows["customer_id"].duplicated().sum())
        if not repeated:
            return [Item(person, "observation_id"), Item(person, "customer_id")], []
        dated = self.asked.date is not None and _day(self.asked.date) is None and not rows.duplicated(["customer_id", "as_of"]).any()
        note = f"{rows['customer_id'].nunique():,} customers in {len(rows):,} rows"
        if dated:
            clock = "" if (rows["as_of"] == rows["as_of"].dt.normalize()).all() else " %H:%M:%S"
            return [Item(f"{person} || '@' || strftime({as_of.sql}, '%Y-%m-%d{clock}')", "observation_id"), Item(person, "customer_id")], [note]
        return [Item(number, "observation_id", "ids stand more than once (on one day): the row's number in the file"), Item(person, "customer_id")], [note]

    def columns(self, as_of, target):
        """The remaining columns: items, what is understood of each, what is left out and why, what is unsure."""
        used = {self.asked.id, self.asked.date, self.asked.target, self.asked.target_known}
        items, understood, left_out, unsure, taken = [], [], [], [], set()
        for reading in self.opened.columns:
            if reading.name in used:
                continue
            why = self._why_not(reading, self.opened.rows, as_of, target)
            if why:
                left_out.append((reading.name, why))
                continue
            item, becomes = self._own(reading, as_of, taken)
            taken.add(item.name)
            items.append(item)
            understood.append((reading.name, reading.how, becomes))
            unsure += reading.unsure
        if not items:
            raise RiskError(f"{self.opened.file}: no column is left to learn from ({_named(f'{name}: {why}' for name, why in left_out)}): bring columns that "
                            "describe the customers.")
        return items, understood, left_out, unsure

    def _own(self, reading, as_of, taken):
        note = "; ".join(f"unsure: {doubt}" for doubt in reading.unsure)
        if reading.kind == "time":
            name = output_name(f"{reading.name}_days_before", "observations", taken)
            return Item(f"date_diff('day', {reading.sql}, {as_of})", name, note), f"{name} (days before the row's date)"
        name = output_name(reading.name, "observations", taken)
        return Item(reading.sql, name, note), f"{name} ({'category' if reading.kind == 'text' else 'number'}, {reading.distinct:,} values)"

    def _why_not(self, reading, rows, as_of, target):
        """Why a column is no feature; empty when it is one."""
        if reading.kind in ("empty", "nested"):
            return reading.how
        if reading.distinct == 1 and reading.filled == rows:
            return "the same value in every row"
        if is_import_day(reading):
            return "the day of a load, not of the customer"
        if reading.kind == "time":
            return self._late(reading, as_of)
        if words.likeness(reading.name, words.COLUMNS["customer_id"]) == 3:
            return "called like a customer's id: name it with --id if it is one"
        if reading.kind == "text" and _is_personal(reading):
            return "a name or an address"
        if looks_like_identifier(reading, rows):
            return f"an identifier: {reading.distinct:,} different values in {reading.filled:,} rows"
        if is_two_valued(reading) and self._repeats_target(reading, target):
            return "says the same as the target in every row"
        return _why_no_category(reading) if reading.kind == "text" else ""

    def _late(self, reading, as_of):
        late = self.connection.execute(f"SELECT avg(({reading.sql} > {as_of})::INTEGER) FROM {self.opened.loaded}").fetchone()[0] or 0.0
        return f"lies after the row's date in {late:.0%} of the rows: it may tell the outcome" if late > LATE_SHARE else ""

    def _repeats_target(self, reading, target):
        pairs = self.connection.execute(f"SELECT DISTINCT {quoted(reading.name)}, {target} FROM {self.opened.loaded} WHERE {target} IS NOT NULL").fetchall()
        return len(pairs) == 2

    def roles(self, identifiers, mapping):
        """What the named columns are, as (column, how it is read, what it becomes)."""
        names = ((self.asked.id, "customer_id"), (self.asked.date, "as_of"), (self.asked.target, "target"), (self.asked.target_known, "target_known_at"))
        read = {reading.name: reading for reading in self.opened.columns}
        return [(name, "identifier, kept as text" if role == "customer_id" else read[name].how, role) for name, role in names if name in read]


def _is_personal(reading):
    return words.likeness(reading.name, words.PERSONAL) >= 2 and reading.distinct > 0.2 * reading.filled and reading.distinct > 2


def _why_no_category(reading):
    share = reading.distinct / max(reading.filled, 1)
    if reading.length > FREE_TEXT and share > 0.5:
        return "free text"
    return f"texts that are nearly all different ({reading.distinct:,} in {reading.filled:,} rows)" if share > 0.5 and reading.distinct > FEW_LEVELS else ""


def _timestamp(reading):
    whole = reading.sql.startswith(("strptime", "try_strptime", "TIMESTAMP")) or reading.sql.endswith("TIMESTAMP")
    return reading.sql if whole else f"({reading.sql})::TIMESTAMP"


def _rows(count):
    return f"{count:,} row{'' if count == 1 else 's'}"


def _without_rejects(rows, opened, today):
    """The rows that the contract will keep, and a sentence on each kind that it will not."""
    late = rows["as_of"] > pd.Timestamp(today) + pd.Timedelta(days=1)
    broken = ((rows["as_of"].isna(), "without a date"), (late, f"dated after {today}"), (rows["customer_id"].isna(), "without an id"))
    said = [f"{_rows(int(rule.sum()))} {words}: set aside as rejects when the file is read" for rule, words in broken if rule.any()]
    kept = rows[~(broken[0][0] | broken[1][0] | broken[2][0])]
    if kept["target"].dropna().nunique() < 2:
        raise RiskError(f"{opened.file}: without the rows that cannot be used ({'; '.join(said)}) the target does not hold both, good ones and bad ones: "
                        "correct the file or the --date.")
    return kept, said


def _complete_to(rows, asked, file_day, today, label_after_days):
    """The day up to which outcomes are in the file, and the sentences that say why."""
    labelled, to_score = rows[rows["target"].notna()], int(rows["target"].isna().sum())
    notes = [f"{_rows(to_score)} without a target: not learned from, but scored"] if to_score else []
    if asked.date is None:
        return file_day, notes
    last = labelled["target_known_at"].max() if asked.target_known else labelled["as_of"].max() + pd.Timedelta(days=label_after_days)
    complete_to = min(max(last, rows["as_of"].max()).date().isoformat(), today)
    if asked.target_known:
        return complete_to, [*notes, f"outcomes are taken as complete to {complete_to}"]
    notes.append(f"no --target-known: each target is taken as known {label_after_days} days after its row's date (horizon and reporting lag); complete to "
                 f"{complete_to}")
    early = int((labelled["as_of"] + pd.Timedelta(days=label_after_days) > pd.Timestamp(complete_to)).sum())
    if early:
        notes.append(f"{early:,} rows have a target although those days have not passed by {complete_to}: they are not learned from; if the targets are final, "
                     "name the column that dates them with --target-known, or a shorter --horizon")
    return complete_to, notes


def _ids_that_mean_none(rows):
    """A sentence on each id that is a word for nothing: its rows would be one customer's."""
    strange = rows["customer_id"][rows["customer_id"].str.strip().str.lower().isin(words.MISSING)].value_counts()
    return [f"{_rows(count)} have the id {name or 'of blanks'} and are taken for one customer; empty it in the file if it means none"
            for name, count in strange.items()]


def _labels(rows, asked, complete_to, label_after_days):
    """The rows as the stage observe labels them: with observation_id, and the status and target that hold on the day `complete_to`."""
    known = rows.assign(observation_id=range(len(rows)), as_of=rows["as_of"].astype("datetime64[us]"))
    if asked.date is not None and not asked.target_known:
        known = known.drop(columns="target_known_at")
    labels = label_given(known, complete_to=complete_to, label_after_days=label_after_days)
    return known.assign(status=labels["status"], target=labels["target"])


def _refusal(opened, labels, complete_to, label_after_days):
    if (labels["status"] == "matured").any():
        return None
    return (f"{opened.file}: none of its targets counts as known by {complete_to}, because each is taken as known {label_after_days} days after its row's "
            "date (horizon and reporting lag): name the column that dates them with --target-known, an earlier --date, or with --horizon the days that the "
            "target looks ahead.")


def _protocol(labels, asked, by_time):
    """How results are judged, as source.yaml writes it (None: by time, as the parameters say), and the sentence that says it."""
    repeated = bool(labels["customer_id"].duplicated().any()) and asked.id is not None
    drawn = {"kind": "grouped"} if repeated else {"kind": "random"}
    how = "fold by fold, every customer wholly on one side" if repeated else "by a random draw of the rows"
    if asked.date is None or _day(asked.date):
        return drawn, f"{'no date' if asked.date is None else 'one date'}: rows are judged {how}; nothing can be said about later dates"
    if (labels["status"] == "matured").any() and by_time(labels):
        return None, "judged by time: the last year of dates, after an embargo, judges what the years before taught"
    return drawn, (f"the dates reach too short a time, or hold too few bad ones, to judge by later ones: rows are judged {how}; nothing can be said about "
                   "later dates")
