"""A simulated portfolio as a folder: one file a table and month, the truth aside, and a source of SQL files that reads them."""

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from features.tables import TABLES
from pipeline.sources._simulated_tables import SCHEMAS, TRUTH_SCHEMAS, arrow_schema, open_writer
from pipeline.sources.simulated import Portfolio

SQL_TYPES = {"id": "VARCHAR", "category": "VARCHAR", "text": "VARCHAR", "time": "TIMESTAMP", "money": "BIGINT", "number": "DOUBLE", "flag": "BOOLEAN",
             "integer": "BIGINT"}
SIMULATED = "SIMULATED, not real customers"
TRUTH = "truth"


def month_name(settings, month):
    """The month counted from the first as YYYY-MM."""
    return str(settings.calendar.first + month)


def month_place(settings, name):
    """The place of a month (YYYY-MM) counted from the first."""
    return int((np.datetime64(name, "M") - settings.calendar.first).astype(np.int64))


def month_files(settings, month, extension):
    """Where the files of one month stand in the folder: {(table, its schema's place): relative path}, tables first, then the truth."""
    name = f"{month_name(settings, month)}.{extension}"
    truth = (kind for kind in TRUTH_SCHEMAS if kind == "fraud" or (month + 1) % settings.reference_every_months == 0)
    return {table: f"{table}/{name}" for table in SCHEMAS} | {f"{TRUTH}/{kind}": f"{TRUTH}/{kind}/{name}" for kind in truth}


class Run:
    """All blocks of a portfolio, moved on together month by month. It holds some 5 MB for a thousand customers."""

    def __init__(self, settings, decisions):
        self.settings, self.decisions = settings, decisions
        self.blocks = [Portfolio(settings, block) for block in range(settings.blocks)]
        self.month = 0

    def pass_by(self):
        """Move on a month whose rows nobody wants."""
        for block in self.blocks:
            block.advance(self._decided())
        self.month += 1

    def write(self, folder, extension):
        """Move on a month and write its files below `folder`; returns {table: rows}, the truth aside."""
        parts = [block.step(self._decided()) | _aside(block.step_truth()) for block in self.blocks]
        rows = {}
        for name, path in month_files(self.settings, self.month, extension).items():
            rows[name] = _write(folder / path, [part[name] for part in parts if name in part], _schema(name))
        self.month += 1
        return {name: count for name, count in rows.items() if name in SCHEMAS}

    def _decided(self):
        return self.decisions.get(self.month)


def _aside(truth):
    return {f"{TRUTH}/{kind}": rows for kind, rows in truth.items()}


def _schema(name):
    return SCHEMAS[name] if name in SCHEMAS else TRUTH_SCHEMAS[name.removeprefix(f"{TRUTH}/")]


def _write(path, parts, schema):
    """One file, with its columns even where it has no rows."""
    typed = arrow_schema(schema)
    table = pa.concat_tables([pa.table(part, schema=typed) for part in parts]) if parts else typed.empty_table()
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".csv":
        pa_csv.write_csv(table, path)
    else:
        with open_writer(path, schema) as writer:
            writer.write_table(table)
    return len(table)


def describe(settings):
    """One line on the portfolio, for people."""
    change = "" if settings.scenario == "calm" else f", {settings.scenario} from {month_name(settings, settings.scenario_month)}"
    return f"simulated B2B portfolio of {settings.customers:,} customers from {settings.first_month[:7]} (seed {settings.seed}{change})"


def write_source(folder, settings, extension):
    """Write source.yaml and one SQL file per table into `folder`; they name no months, so that a later one needs no change here."""
    folder.mkdir(parents=True)
    about = (f'description: "{describe(settings)}  - {SIMULATED}"\nuse_cases: [default, fraud]\n'
             "# No complete_to: a month's files are complete, so the outcomes are complete to the last day in them.\n")
    (folder / "source.yaml").write_text(about, encoding="utf-8")
    for table in SCHEMAS:
        (folder / f"{table}.sql").write_text(_query(table, extension), encoding="utf-8")


def _query(table, extension):
    files = f"'{table}/*.{extension}'" if extension == "parquet" else f"read_csv('{table}/*.csv', header = true, columns = {_csv_columns(table)})"
    note = f"-- {SIMULATED}. One file a month: what became known in it.\n"
    return note + (_OUTCOMES if table == "outcomes" else "SELECT * FROM {files}\n").format(files=files)


# A cured default comes a second time when its cure is known: one row a default, known since the first.
_OUTCOMES = """-- A default that is cured stands in a second row, in the month in which the cure became known.
SELECT customer_id, transaction_id, kind, occurred_at, min(known_at) AS known_at, any_value(loss) AS loss, max(cured_at) AS cured_at
FROM {files}
GROUP BY customer_id, transaction_id, kind, occurred_at
"""


def _csv_columns(table):
    kinds = {column.name: SQL_TYPES[column.kind] for column in TABLES[table].columns}
    return "{" + ", ".join(f"'{name}': '{kinds[name]}'" for name in SCHEMAS[table]) + "}"


def outstanding(settings, months):
    """Whether months of the settings lie after today, which `risk use` refuses in files."""
    return np.datetime64(month_name(settings, months - 1), "M") >= np.datetime64("today", "M")
