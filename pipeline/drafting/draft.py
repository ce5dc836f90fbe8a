"""`risk source new`: a first draft of a source from a folder of files, for a person to correct."""

import datetime
from pathlib import Path

import duckdb
import msgspec

from features.errors import RiskError
from pipeline.datasets import replacing
from pipeline.drafting import words
from pipeline.drafting.known import with_known_at
from pipeline.drafting.labelled import Asked, draft_labelled
from pipeline.drafting.mapping import Mapped, is_import_day, likely_dates, likely_targets, map_file, shared_ids
from pipeline.drafting.opening import Opener, find_files
from pipeline.drafting.readings import quoted
from pipeline.drafting.references import find_references, with_key
from pipeline.drafting.sqltext import input_lines, yaml_text
from pipeline.drafting.tables import Drafted, customers_from, draft_table
from pipeline.drafting.units import with_units
from pipeline.source import Source
from pipeline.source_file import Input
from pipeline.staging import connect, open_source

ROWS = 200_000
# How well a two-valued column must be called like an outcome before a file counts as labelled.
CALLED_TARGET = 2


class Draft(msgspec.Struct, frozen=True):
    """A drafted source: its tables, the files looked at, what was not read or not mapped (file, why), and what is unsure over all."""

    folder: Path
    tables: list
    opened: list
    unmapped: list
    unsure: list
    complete_to: str | None = None
    protocol: dict | None = None


def new_source(name, path, *, to=None, params):
    """Write a draft folder for the files at `path`: source.yaml and one SQL file for each table that could be mapped.

    Raises RiskError when the folder is there already, or nothing at `path` can be read.
    """
    path, folder = Path(path), Path(to or name)
    if not path.exists():
        raise RiskError(f"{path} does not exist: say where the files are with --data.")
    if folder.exists():
        raise RiskError(f"{folder} is there already: a draft overwrites nothing; take another name, or another folder with --to.")
    connection = connect(params.ingest)
    draft = _draft(connection, path, folder, params)
    connection.close()
    with replacing(folder) as beside:
        beside.mkdir(parents=True)
        for table, sql in _by_table(draft).items():
            (beside / f"{table}.sql").write_text(sql, encoding="utf-8")
        draft = msgspec.structs.replace(draft, unsure=[*draft.unsure, *_failures(draft, beside, path, params)])
        (beside / "source.yaml").write_text(_about(draft, path), encoding="utf-8")
    return draft


def draft_lines(draft, path):
    """What `risk source new` prints: file by file what it was taken for, then what is unsure and what is missing, then the next step."""
    for opened in draft.opened:
        rows = f"first {opened.rows:,} rows looked at" if opened.more else f"{opened.rows:,} rows"
        yield f"{opened.file}: {rows}, {opened.how}"
        yield from _file_lines([table for table in draft.tables if table.file == opened.file], [why for file, why in draft.unmapped if file == opened.file])
    yield from (f"not used: {file} ({why})" for file, why in draft.unmapped if file not in {opened.file for opened in draft.opened})
    yield from dict.fromkeys(f"unsure: {doubt}" for doubt in [*draft.unsure, *(doubt for table in draft.tables for doubt in _doubts(table))])
    yield from (f"missing: {sentence}" for sentence in _missing(draft))
    yield f"written: {draft.folder}: {', '.join(['source.yaml', *(f'{table}.sql' for table in _by_table(draft))])}"
    yield f"next: read and correct them, then `risk source check {_shown(draft.folder)} --data {path}`"


def _doubts(table):
    """The doubts of a table, those about one column with the file before them."""
    columns = tuple(f"{name}:" for name, *_ in table.mapped)
    return [f"{table.file}, {doubt}" if doubt.startswith(columns) else doubt for doubt in table.unsure]


def _file_lines(tables, why):
    if not tables:
        yield f"  not used: {why[0] if why else 'no table'}"
    for table in tables:
        yield f"  -> {table.table}"
        width = max((len(name) for name, *_ in table.mapped), default=0)
        yield from (f"     {name:<{width}}  {how} -> {column}" for name, how, column in table.mapped)
        reasons = dict.fromkeys(reason for _, reason in table.left_out)
        yield from (f"     left out: {', '.join(name for name, why in table.left_out if why == reason)} ({reason})" for reason in reasons)


def _draft(connection, path, folder, params):
    root = path.parent if path.is_file() else path
    opened, unmapped = _open_all(Opener(connection, root, limit=ROWS), path, root)
    if not opened:
        reasons = "; ".join(f"{file}: {why}" for file, why in unmapped[:3])
        why = f" ({reasons})" if reasons else ""
        raise RiskError(f"{path} holds no file that can be read as a table{why}: name CSV, Parquet, JSON or Excel files with --data.")
    ids, unsure = shared_ids(connection, opened)
    mapped = _mapped(connection, opened, ids)
    first_day = _first_day(opened)
    tables, more = _tables(mapped, opened, ids, first_day)
    labelled = None
    if not any(table.table == "outcomes" for table in tables):
        tables, labelled = _with_labels(connection, tables, opened, ids, params)
    tables = _with_customers(tables, opened, ids, first_day)
    tables = [_told_apart(table, tables) for table in tables]
    used = {table.file for table in tables}
    unmapped += [(file.file, _why_unmapped(file, ids, tables)) for file in opened if file.file not in used]
    return Draft(folder, tables, opened, unmapped, [*unsure, *more], labelled and labelled.complete_to, labelled and labelled.protocol)


def _mapped(connection, opened, ids):
    """Every file that is taken for a table; twice, because which columns hold another file's keys is known once that file is mapped."""
    first = [with_key(found) for file in opened if (found := map_file(file, ids=[ids.get(file.loaded)]))]
    references = find_references(connection, first, opened, ids)
    second = [with_key(found) for file in opened if (found := map_file(file, ids=[ids.get(file.loaded)], references=references[file.loaded]))]
    return [with_units(with_known_at(connection, found)) for found in second]


def _open_all(opener, path, root):
    """Every readable file opened; and (name, why) of the others."""
    sets, others = ([[path]], []) if path.is_file() else find_files(path)
    opened, unread = [], [(str(file.relative_to(root)), "not a kind of file that tables come in") for file in others]
    for files in sets:
        try:
            found = opener.open(files)
        except RiskError as error:
            unread.append((str(files[0].relative_to(root)), str(error)))
            continue
        opened += [file for file in found if file.rows]
        unread += [(file.file, "no rows") for file in found if not file.rows]
    return opened, unread


def _first_day(opened):
    """The earliest day in any date that could date a fact; births and foundations lie before anything was known."""
    days = [reading.low[:10] for file in opened for reading in file.columns if reading.kind == "time" and reading.low and not is_import_day(reading)
            and words.likeness(reading.name, words.COLUMNS["founded_on"]) == 0]
    return min(days, default=datetime.date.today().isoformat())


def _tables(mapped, opened, ids, first_day):
    """The drafted tables of the mapped files, with payments and outcomes that stand as a date in other tables' files."""
    invoices = next((found for found in mapped if found.table == "invoices" and "customer_id" in found.columns and "invoice_id" in found.columns), None)
    tables = [draft_table(found, first_day=first_day, invoices=invoices) for found in mapped]
    unsure = []
    if not any(found.table == "payments" for found in mapped):
        for found in (found for found in mapped if found.table == "invoices"):
            tables += _paid(found, first_day, unsure)
    if not any(found.table == "outcomes" for found in mapped):
        tables += _defaulted(opened, ids, first_day, unsure)
    return tables, unsure


def _paid(invoices, first_day, unsure):
    """Payments that stand as a date in the invoices' file."""
    opened = invoices.opened
    dates = [reading.name for reading in opened.columns if reading.kind == "time" and words.likeness(reading.name, words.PAID) >= 2
             and reading.name not in invoices.columns.values()]
    if not dates:
        return []
    unsure.append(f"{opened.file}: {dates[0]} is taken for the day an invoice was paid in full; without partial payments")
    columns = {name: column for name, column in invoices.columns.items() if name in ("customer_id", "invoice_id", "amount")} | {"occurred_at": dates[0]}
    if "invoice_id" in columns:
        columns["payment_id"] = columns["invoice_id"]
    paid = with_units(Mapped(_bare(opened), "payments", columns))
    return [_own_columns(draft_table(paid, first_day=first_day, where=_filled(opened, dates[0])))]


def _defaulted(opened, ids, first_day, unsure):
    """Outcomes that stand as a date of default in another table's file."""
    for file in opened:
        dates = [reading.name for reading in file.columns if reading.kind == "time" and words.likeness(reading.name, words.DEFAULTED) >= 2]
        if dates and file.loaded in ids:
            unsure.append(f"{file.file}: {dates[0]} is taken for the day of default; customers without one are taken as not in default")
            columns = {"customer_id": ids[file.loaded], "occurred_at": dates[0]}
            return [_own_columns(draft_table(Mapped(_bare(file), "outcomes", columns), first_day=first_day, where=_filled(file, dates[0])))]
    return []


def _told_apart(table, tables):
    """The table with what another table takes from the same file said as such."""
    elsewhere = {name: other.table for other in tables if other.file == table.file and other is not table for name, _, _ in other.mapped}
    left_out = [(name, f"used for {elsewhere[name]}" if name in elsewhere else why) for name, why in table.left_out]
    sql = table.sql
    for (name, why), (_, said) in zip(table.left_out, left_out, strict=True):
        sql = sql.replace(f"-- left out: {name} ({why})", f"-- left out: {name} ({said})")
    return msgspec.structs.replace(table, left_out=left_out, sql=sql)


def _bare(opened):
    """A file already drafted for another table: its own doubts stand there."""
    return msgspec.structs.replace(opened, unsure=())


def _own_columns(drafted):
    """Columns left out of a second table over the same file are in the first."""
    lines = [line for line in drafted.sql.splitlines() if not line.startswith("-- left out")]
    return msgspec.structs.replace(drafted, left_out=[], sql="\n".join(lines) + "\n")


def _filled(opened, name):
    reading = opened.column(name)
    return f"\nWHERE {reading.sql if reading.sql != quoted(name) else quoted(name)} IS NOT NULL"


def _with_labels(connection, tables, opened, ids, params):
    """The tables with observations, where a file has a column that is called like an outcome; that file is then no other table than customers."""
    for file in opened:
        target = next((name for name, fit in likely_targets(file) if fit >= CALLED_TARGET), None)
        if target is None:
            continue
        date = next((name for name in likely_dates(file) if words.likeness(name, words.COLUMNS["as_of"]) > 0), None)
        labelled = _labelled(connection, file, Asked(target=target, id=ids.get(file.loaded), date=date), params)
        doubts = [f"{file.file}: {target} is taken for the target{f', {date} for the day of the row' if date else ''}", *labelled.unsure, *labelled.said]
        drafted = Drafted("observations", file.file, labelled.sql, labelled.understood, labelled.left_out, doubts)
        return [table for table in tables if table.file != file.file] + [drafted], labelled
    return tables, None


def _labelled(connection, file, asked, params):
    rules, today = params.observe.default, datetime.date.today().isoformat()
    return draft_labelled(connection, file, asked, file_day=today, today=today, label_after_days=rules.horizon_days + rules.reporting_lag_days,
                          by_time=lambda rows: True, written_by="A draft: correct it.")


def _with_customers(tables, opened, ids, first_day):
    """The tables with customers: where no file describes them, the ids of the file that has most."""
    names = {table.table for table in tables}
    if "customers" in names or not names - {"observations", "series"}:
        return tables
    files = [file for file in opened if file.loaded in ids]
    if not files:
        return tables
    most = max(files, key=lambda file: file.column(ids[file.loaded]).distinct)
    return [customers_from(most, ids[most.loaded], first_day=first_day), *tables]


def _why_unmapped(file, ids, tables):
    target = next((name for name, fit in likely_targets(file) if fit >= CALLED_TARGET), None)
    if target and any(table.table == "observations" for table in tables):
        return f"labelled too ({target}), and one labelled file is taken: draft it apart, or with `risk use`"
    if file.loaded not in ids:
        return "no column that could be a customer's id, and no table it looks like"
    return f"has a customer's id ({ids[file.loaded]}) but no dates, amounts or words of a table: write its SQL by hand if you need it"


def _missing(draft):
    names = set(_by_table(draft))
    if not names & {"outcomes", "observations"}:
        yield ("outcomes: no file looks like defaults, and no column like a flag; nothing can be learned until you write outcomes.sql (customer_id, kind "
               "'default', occurred_at, known_at)")
    if "customers" not in names and "observations" not in names:
        yield "customers: no file holds customers' ids; write customers.sql (customer_id, known_at)"


def _by_table(draft):
    """The SQL of each table; several files of one table are put one below the other."""
    tables = {}
    for drafted in draft.tables:
        earlier = tables.get(drafted.table)
        tables[drafted.table] = drafted.sql if earlier is None else f"{earlier}UNION ALL BY NAME\n{drafted.sql}"
    return tables


def _failures(draft, folder, path, params):
    """What of the draft does not run over the files it was made from."""
    inputs = {name: msgspec.convert(entry, Input) for name, entry in _inputs(draft)}
    queries = {table: folder / f"{table}.sql" for table in _by_table(draft)}
    connection, failures = connect(params.ingest), []
    open_source(connection, Source(draft.folder.name, path, "", ["default"], None, queries, inputs=inputs))
    for table, file in queries.items():
        try:
            connection.execute(f"SELECT * FROM ({file.read_text(encoding='utf-8')}) LIMIT 1")
        except duckdb.Error as error:
            failures.append(f"{table}.sql does not run yet ({str(error).strip().splitlines()[0]}): correct it by hand")
    connection.close()
    return failures


def _inputs(draft):
    used = {table.file for table in draft.tables}
    return [file.input for file in draft.opened if file.input and file.file in used]


def _about(draft, path):
    lines = [f"# A draft from {path.name}: correct what is wrong; what nobody was sure of stands here and in the SQL files as comments.",
             f"description: {yaml_text(f'draft from {path.name}')}", "use_cases: [default]"]
    lines += [f"# missing: {sentence}" for sentence in _missing(draft)] + [f"# unsure: {doubt}" for doubt in draft.unsure]
    lines += [f"# not used: {file} ({why})" for file, why in draft.unmapped]
    if draft.complete_to:
        lines.append(f"complete_to: {yaml_text(draft.complete_to)}")
    else:
        lines.append("# complete_to: the day up to which every default is in the files; without it the last day anything is known in them is taken")
    if draft.protocol:
        lines += ["protocol:", *(f"  {key}: {value}" for key, value in draft.protocol.items())]
    return "\n".join([*lines, *input_lines(_inputs(draft))]) + "\n"


def _shown(folder):
    return folder if folder.is_absolute() or str(folder).startswith((".", "/")) else f"./{folder}"
