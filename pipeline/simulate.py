"""`risk simulate`: writes a simulated portfolio into a folder, and adds months to it later."""

import csv
import dataclasses
import filecmp
import os
import re
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import yaml

from features.errors import RiskError
from pipeline.datasets import remove, replacing
from pipeline.params import read_yaml
from pipeline.progress import progress
from pipeline.sources._simulated_folder import SIMULATED, Run, describe, month_files, month_name, month_place, outstanding, write_source
from pipeline.sources._simulated_scenarios import SCENARIOS
from pipeline.sources.simulated import Settings

RECORD, PARTIAL, DECISIONS = "simulation.yaml", ".partial", "decisions"
COLUMNS = ("from_month", "customer_id", "limit_factor", "stop")
YES, NO = ("true", "1", "yes"), ("false", "0", "no", "")


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`simulation.yaml`: what the folder's files come from. `decisions` names the files of decisions that hold, by the month they came in."""

    customers: int
    first_month: str
    months: int
    seed: int
    scenario: str
    scenario_month: int
    scenario_size: float | None
    reference_draws: int
    reference_every_months: int
    format: Literal["parquet", "csv"]
    decisions: list[Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d{2}$")]] = []

    @property
    def settings(self):
        """The simulator's settings."""
        return Settings(**{field.name: getattr(self, field.name) for field in dataclasses.fields(Settings)})


def new_record(*, extension="parquet", scenario_month=None, **given):
    """The Record of a portfolio to be; a scenario sets in with the last year unless `scenario_month` says otherwise.

    Raises RiskError for a setting out of range.
    """
    months = given.get("months", Settings.months)
    month = max(months - 12, 0) if scenario_month is None else scenario_month
    if month >= months and given.get("scenario", "calm") != "calm":
        raise RiskError(f"simulated: a change in month {month} lies after the {months} months to simulate, counted from 0: give a smaller one, or more months.")
    return Record(**dataclasses.asdict(Settings(**given, scenario_month=month)), format=extension)


def simulate_folder(folder, record, *, decisions=None):
    """Write all months of a record into a new folder, which appears whole or not at all; returns what to tell the user.

    `<table>/<YYYY-MM>.<format>` holds what became known in that month, `truth/` what nobody could know, `source/` the SQL that `risk use` takes.
    Raises RiskError when the folder holds anything.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        remedy = "add months to it with `--step`" if (folder / RECORD).exists() else "name a new folder"
        raise RiskError(f"{folder} is not empty: {remedy}.")
    given = read_decisions(decisions, record.settings, first=0) if decisions else []
    with replacing(folder) as beside:
        beside.mkdir()
        record = _with_decisions(record, given, beside, 0)
        rows = _write_months(beside, record, given, first=0)
        write_source(beside / "source", record.settings, record.format)
        _write_record(beside, record)
    return _said(folder, record, rows, first=0)


def step_folder(folder, months, *, decisions=None):
    """Add months to a folder that `simulate_folder` wrote and leave what is in it as it is; returns what to tell the user.

    The months before are simulated again from the settings and decisions on record, unseen but for the last, whose files must be the same.
    Raises RiskError for a folder without a record, a file that has changed, or too many months.
    """
    folder = Path(folder)
    before = read_record(folder)
    record = msgspec.structs.replace(before, months=before.months + months)
    settings = record.settings
    given = read_decisions(decisions, settings, first=before.months) if decisions else []
    _drop_leftovers(folder, before)
    staged = folder / PARTIAL
    try:
        staged.mkdir()
        record = _with_decisions(record, given, staged, before.months)
        held = [row for name in before.decisions for row in read_decisions(folder / DECISIONS / f"{name}.csv", settings, first=0)]
        rows = _write_months(staged, record, [*held, *given], first=before.months, against=folder)
        _put_in_place(staged, folder, record)
    finally:
        remove(staged)
    return _said(folder, record, rows, first=before.months)


def read_record(folder):
    """The Record of a folder; RiskError where there is none or it is damaged."""
    if not (Path(folder) / RECORD).exists():
        raise RiskError(f"{folder} holds no simulation: begin one with `risk simulate --to {folder}`.")
    return read_yaml(Path(folder) / RECORD, Record)


def scenario_lines():
    """What there is to simulate, one line a scenario."""
    width = max(map(len, SCENARIOS))
    return [f"{each.name:<{width}}  {each.says} (size {each.size:g} {each.unit})".replace(" (size 0 )", "") for each in SCENARIOS.values()]


def _write_months(folder, record, decisions, *, first, against=None):
    """Write the months from `first` on below `folder`; returns {table: rows}."""
    run, total = Run(record.settings, _by_month(record.settings, decisions)), {}
    bar = progress(record.months, what="simulate", unit="month")
    for month in range(record.months):
        if month < first - 1:
            run.pass_by()
        else:
            rows = run.write(folder, record.format)
            total = {name: total.get(name, 0) + count for name, count in rows.items()} if month >= first else total
            if month < first:
                _compare(folder, against, month_files(record.settings, month, record.format).values())
        bar.update(1)
    bar.close()
    return total


def _compare(staged, folder, paths):
    """Refuse to go on from files that the settings do not give, and drop the copies."""
    for path in paths:
        if not (folder / path).exists() or not filecmp.cmp(staged / path, folder / path, shallow=False):
            raise RiskError(f"{folder / path} is not what {folder / RECORD} gives: it was changed or comes from another version; simulate into a new folder.")
        (staged / path).unlink()


def _put_in_place(staged, folder, record):
    """Move the staged files to their places; the record, which counts them, comes last. A failure takes them back."""
    _write_record(staged, record)
    files = sorted(path.relative_to(staged) for path in staged.rglob("*") if path.is_file() and path.name != RECORD)
    try:
        for path in files:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            os.replace(staged / path, folder / path)
        os.replace(staged / RECORD, folder / RECORD)
    except BaseException:
        for path in files:
            remove(folder / path)
        raise


def _drop_leftovers(folder, record):
    """Remove what a killed step left: its scratch folder, and months that the record does not count."""
    remove(folder / PARTIAL)
    last = month_name(record.settings, record.months - 1)
    for path in set(month_files(record.settings, record.reference_every_months - 1, record.format).values()):
        for file in (folder / path).parent.glob(f"*.{record.format}"):
            if re.fullmatch(r"\d{4}-\d{2}", file.stem) and file.stem > last:
                file.unlink()


def _write_record(folder, record):
    head = f"# {SIMULATED}. What the files of this folder come from; `risk simulate --step` reads it and goes on from here.\n"
    text = yaml.safe_dump(msgspec.to_builtins(record), sort_keys=False)
    (folder / RECORD).write_text(head + text, encoding="utf-8")


def read_decisions(path, settings, *, first):
    """Decisions of a CSV: (from_month, customer_id, limit_factor, stop) each, by month and customer.

    `limit_factor` (empty: 1) scales new invoices, contracts and the limit, `stop` (empty: no) ends new business; both hold from `from_month` (YYYY-MM,
    absent: month `first`) until decided anew. Raises RiskError naming row and remedy.
    """
    rows = [_decision(row, f"{path}, row {number}", settings, first) for number, row in _csv_rows(path)]
    keys = [row[:2] for row in rows]
    twice = next((key for key in keys if keys.count(key) > 1), None) if len(set(keys)) < len(keys) else None
    if twice:
        raise RiskError(f"{path}: {twice[1]} is decided twice from {twice[0]} on: keep one of the rows.")
    return sorted(rows)


def _csv_rows(path):
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            names, rows = reader.fieldnames or [], list(enumerate(reader, start=2))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RiskError(f"{path} cannot be read as UTF-8 CSV ({error}): correct the file or its path.") from None
    unknown = [name for name in names if name not in COLUMNS]
    if unknown or "customer_id" not in names:
        raise RiskError(f"{path}: decisions have the columns {', '.join(COLUMNS[1:])} and, where wanted, from_month; it has {', '.join(names) or 'none'}.")
    # A decimal comma: of 0,5 the 0 would be taken and the 5 left.
    wide = next((number for number, row in rows if None in row), None)
    if wide:
        raise RiskError(f"{path}, row {wide}: has more cells than the header has columns: write factors with a point, as in 0.5.")
    return rows


def _decision(row, where, settings, first):
    given = {name: (row.get(name) or "").strip() for name in COLUMNS}
    month = given["from_month"] or month_name(settings, first)
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", month) or month < month_name(settings, first):
        raise RiskError(f"{where}: from_month {month} cannot be decided any more: give {month_name(settings, first)} or a later month as YYYY-MM.")
    if not re.fullmatch(r"C\d{7}", given["customer_id"]) or not 1 <= int(given["customer_id"][1:]) <= settings.customers:
        raise RiskError(f"{where}: {given['customer_id'] or 'an empty customer_id'} is none of the {settings.customers:,} simulated customers: "
                        "take it from the customers table.")
    return month, given["customer_id"], _factor(given["limit_factor"] or "1", where), _flag(given["stop"], where)


def _factor(text, where):
    try:
        factor = float(text)
    except ValueError:
        factor = -1.0
    if not 0 <= factor <= 100:
        raise RiskError(f"{where}: limit_factor {text} is no factor: give a number from 0 to 100.")
    return factor


def _flag(text, where):
    if text.lower() not in YES + NO:
        raise RiskError(f"{where}: stop {text} is neither true nor false.")
    return text.lower() in YES


def _with_decisions(record, given, folder, first):
    """The record that counts the decisions, which are written below `folder` under the month they came in."""
    if not given:
        return record
    name = month_name(record.settings, first)
    (folder / DECISIONS).mkdir()
    with open(folder / DECISIONS / f"{name}.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *given])
    return msgspec.structs.replace(record, decisions=[*record.decisions, name])


def _by_month(settings, decisions):
    """{month counted from the first: {customer_id: (limit factor, stop)}}; of two for one customer and month, the one given later."""
    found = {}
    for month, customer_id, factor, stop in decisions:
        found.setdefault(month_place(settings, month), {})[customer_id] = (factor, stop)
    return found


def _said(folder, record, rows, *, first):
    settings = record.settings
    counts = ", ".join(f"{count:,} {name}" for name, count in sorted(rows.items()))
    lines = [f"{describe(settings)}  - {SIMULATED}",
             f"{folder}: {record.months - first} months written, {month_name(settings, first)} to {month_name(settings, record.months - 1)}: {counts}"]
    if outstanding(settings, record.months):
        lines.append("note: some of these months are not over yet, and `risk use` refuses rows known after today.")
    return "\n".join([*lines, f"next: risk use {_as_folder(folder)}/source --data {folder}" if first == 0 else "next: risk run"])


def _as_folder(folder):
    return folder if folder.is_absolute() or str(folder).startswith(".") else f"./{folder}"
