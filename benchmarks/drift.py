"""Is the drift verdict to be believed, and does it stay quick? False alarms when nothing moved, power when one column did, seconds and memory by size.

    python -m benchmarks.drift null clustered power size [--repeats 200] [--million 20] [--evidently 10] [--rows 500000 10000000] [--out drift.json]

null: no drift in 100 columns of mixed kinds, in cells of reference and current rows; how many of the repeats alarm, and beside it plain PSI >= 0.1 on ten
bins and Evidently's default tests (fewer repeats and cells: it takes seconds a call). clustered: the same where customers stand in the reference at eight
dates and in the book again, and five columns are the market's. power: one of 100 columns shifted by 0.3 standard deviations of the normal variable behind
it. size: a file of rows and 100 columns, made outside the timing, counted and judged in a process of its own on two threads, and Evidently's step on a
sample of it.
"""

import argparse
import functools
import json
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.drift_world import COLUMNS, KINDS, draw, draw_clustered, names
from benchmarks.measuring import measured, serve_work
from features.arrays import Category
from models.drift import judge_drift
from models.drift_reference import DriftReference, reference_column
from models.histograms import added, histogram
from models.stability import Thresholds, psi
from pipeline.params import load_params

REFERENCES, CURRENTS, MILLION = (500, 5_000, 50_000), (30, 50, 100, 500, 2_000, 10_000), 1_000_000
CHUNK = 100_000
EVIDENTLY_CELLS = ((500, 30), (500, 100), (5_000, 30), (5_000, 100), (5_000, 500))


@functools.cache
def limits():
    """The thresholds of params.yaml."""
    rules = load_params().monitor
    return Thresholds(q=rules.false_discovery_rate, psi_moderate=rules.min_effect, psi_severe=rules.severe_effect, missing_moderate=rules.min_missing,
                      missing_severe=rules.severe_missing, least_weight=rules.least_weight, severe_weight=rules.severe_weight)


def reference_of(columns, customers=None, dates=None):
    """The DriftReference of some rows; every column weighs alike."""
    rows = len(next(iter(columns.values())))
    customers, dates = np.arange(rows) if customers is None else customers, np.zeros(rows, dtype=np.int64) if dates is None else dates
    kept = tuple(reference_column(name, values, customers, dates, bins=10, weight=1 / len(columns)) for name, values in columns.items())
    return DriftReference(bundle="", score="", rows=rows, customers=len(np.unique(customers)), periods=len(np.unique(dates)), columns=kept)


def judged(reference, columns):
    """The verdict on rows in memory."""
    return judge_drift(reference, counted(reference, columns), thresholds=limits())


def counted(reference, columns):
    """{name: Histogram} of rows over the reference's bins."""
    return {each.bins.column: histogram(each.bins, columns[each.bins.column]) for each in reference.columns}


def alarmed(found):
    """Whether anybody is told to look."""
    return found["verdict"] != "none"


def psi_flags(reference, columns):
    """How many columns plain PSI >= 0.1 calls drifted, on the same bins."""
    current = counted(reference, columns)
    return sum(psi(each.histogram.counts, current[each.bins.column].counts) >= 0.1 for each in reference.columns)


def null(repeats, evidently, million, references=REFERENCES):
    """Alarms by cell when nothing moved."""
    cells = {(reference, current): {"alarms": 0, "psi_alarms": 0, "psi_columns": 0} for reference in references for current in CURRENTS}
    for rows in references:
        for repeat in range(repeats):
            rng = np.random.default_rng([1, rows, repeat])
            reference = reference_of(draw(rng, rows))
            for current in CURRENTS:
                _count(cells[rows, current], reference, draw(rng, current))
    table = [_null_row(*place, repeats, found) for place, found in cells.items()]
    return [*table, *_null_million(million, references), *_null_evidently(evidently)]


def _count(cell, reference, columns):
    flags = psi_flags(reference, columns)
    cell["alarms"] += alarmed(judged(reference, columns))
    cell["psi_alarms"] += flags > 0
    cell["psi_columns"] += flags


def _null_row(reference, current, repeats, found):
    return {"part": "null", "reference": reference, "current": current, "repeats": repeats, "alarms": found["alarms"], "psi_alarms": found["psi_alarms"],
            "psi_columns": found["psi_columns"] / repeats}


def _null_million(repeats, sizes):
    """The same for a million current rows, drawn and counted in chunks; the references share them."""
    found = {rows: {"alarms": 0, "psi_alarms": 0, "psi_columns": 0} for rows in sizes}
    for repeat in range(repeats):
        rng = np.random.default_rng([2, repeat])
        references = {rows: reference_of(draw(rng, rows)) for rows in sizes}
        parts = {rows: [] for rows in sizes}
        for _ in range(MILLION // CHUNK):
            columns = draw(rng, CHUNK)
            for rows, reference in references.items():
                parts[rows].append(counted(reference, columns))
        for rows, reference in references.items():
            current = {name: added([part[name] for part in parts[rows]]) for name in parts[rows][0]}
            flags = sum(psi(each.histogram.counts, current[each.bins.column].counts) >= 0.1 for each in reference.columns)
            cell = found[rows]
            cell["alarms"] += alarmed(judge_drift(reference, current, thresholds=limits()))
            cell["psi_alarms"] += flags > 0
            cell["psi_columns"] += flags
    return [_null_row(rows, MILLION, repeats, cell) for rows, cell in found.items() if repeats]


def _null_evidently(repeats):
    from pipeline.drift_report import drift_snapshot, drifted

    table = []
    for rows, current in EVIDENTLY_CELLS if repeats else ():
        flags = []
        for repeat in range(repeats):
            rng = np.random.default_rng([3, rows, repeat])
            frames = [_frame(draw(rng, size)) for size in (rows, current)]
            both = [name for name in frames[0] if all(frame[name].notna().any() for frame in frames)]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                flags.append(drifted(drift_snapshot(frames[0][both], frames[1][both])))
        table.append({"part": "evidently", "reference": rows, "current": current, "repeats": repeats, "alarms": sum(flag > 0 for flag in flags),
                      "half_alarms": sum(flag >= COLUMNS / 2 for flag in flags), "columns": float(np.mean(flags))})
    return table


def _frame(columns):
    return pd.DataFrame({name: values.strings() if isinstance(values, Category) else values for name, values in columns.items()})


def clustered(repeats):
    """Alarms when nothing moved but customers stand in the reference eight times and in the book again; beside them those of rows counted as independent."""
    table = []
    for customers in (100, 600, 3_000):
        alarms = naive = 0
        for repeat in range(repeats):
            rng = np.random.default_rng([4, customers, repeat])
            columns, who, when = draw_clustered(rng, customers, 13)
            learned, book = when < 8, when == 12
            before, now = ({name: values[rows] for name, values in columns.items()} for rows in (learned, book))
            alarms += alarmed(judged(reference_of(before, who[learned], when[learned]), now))
            naive += alarmed(judged(reference_of(before), now))
        table.append({"part": "clustered", "customers": customers, "dates": 8, "repeats": repeats, "alarms": alarms, "alarms_if_independent": naive})
    return table


def power(repeats, *, rows=5_000, current=500, by=0.3):
    """How often an alarm names the one shifted column, by its kind."""
    found = {kind: [] for kind in KINDS}
    for repeat in range(repeats):
        rng = np.random.default_rng([5, repeat])
        reference = reference_of(draw(rng, rows))
        for kind in KINDS:
            moved = rng.choice([name for name in names() if name.startswith(kind)])
            told = judged(reference, draw(rng, current, moved=moved, by=by))
            found[kind].append(alarmed(told) and moved in {reason["column"] for reason in told["reasons"]})
    return [{"part": "power", "kind": kind, "reference": rows, "current": current, "by": by, "repeats": repeats, "named": sum(hits)}
            for kind, hits in found.items()]


def size(rows_asked):
    """Seconds and memory of counting and judging a file, and of Evidently's step on a sample of it."""
    table = []
    with tempfile.TemporaryDirectory() as folder:
        before, path = Path(folder) / "reference.parquet", Path(folder) / "book.parquet"
        write_rows(before, 50_000, seed=6)
        for rows in rows_asked:
            write_rows(path, rows, seed=7)
            for work in ("judge", "evidently"):
                taken = measured("benchmarks.drift", work, reference=before, book=path)
                table.append({"part": "size", "work": work, "rows": rows, "columns": COLUMNS, "seconds": taken["wall"], "processor": taken["processor"],
                              "peak_gb": taken["peak_gb"], "own_gb": taken["own_gb"], "told": taken["told"]})
    return table


def write_rows(path, rows, *, seed):
    """A feature file, in row groups of at most CHUNK rows."""
    rng, writer = np.random.default_rng(seed), None
    for start in range(0, rows, CHUNK):
        part = {name: pa.DictionaryArray.from_arrays(values.codes, list(values.levels)).cast(pa.string()) if isinstance(values, Category) else values
                for name, values in draw(rng, min(CHUNK, rows - start)).items()}
        table = pa.table(part)
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table)
    writer.close()


def _judge_work(clock, *, reference, book):
    from pipeline.columns import read_columns
    from pipeline.feature_counts import file_histograms

    kept = reference_of(read_columns(reference))
    clock.start()
    current = file_histograms(book, [each.bins for each in kept.columns], threads=2)
    found = judge_drift(kept, current, thresholds=limits())
    return {"verdict": found["verdict"], "rows": found["rows"]["current"]}


def _evidently_work(clock, *, reference, book):
    from pipeline.columns import ColumnFile
    from pipeline.drift_report import write_drift_report
    from pipeline.monitor import _frame

    rules, chosen = load_params().monitor, names()[: load_params().monitor.evidently_columns]
    clock.start()
    frames = [_frame(ColumnFile(path, chosen), None, rules) for path in (reference, book)]
    with tempfile.TemporaryDirectory() as folder:
        return write_drift_report(*frames, Path(folder) / "evidently.html")




def show(table):
    """A part's rows as a Markdown table."""
    heads = list(table[0])
    print("| " + " | ".join(heads) + " |\n|" + " --- |" * len(heads))
    for row in table:
        print("| " + " | ".join(f"{value:.3g}" if isinstance(value, float) else str(value) for value in row.values()) + " |")
    print(flush=True)


def main():
    """Run the parts asked for, print a table each, and write them all where `--out` says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", default=["null", "clustered", "power", "size"])
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--evidently", type=int, default=10)
    parser.add_argument("--million", type=int, default=20)
    parser.add_argument("--references", type=int, nargs="+", default=REFERENCES)
    parser.add_argument("--rows", type=int, nargs="+", default=[500_000, 10_000_000])
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    run = {"null": lambda: null(arguments.repeats, arguments.evidently, arguments.million, arguments.references),
           "clustered": lambda: clustered(arguments.repeats), "power": lambda: power(arguments.repeats), "size": lambda: size(arguments.rows)}
    found = {}
    for part in arguments.parts:
        found[part] = run[part]()
        for kind in dict.fromkeys(row["part"] for row in found[part]):
            show([row for row in found[part] if row["part"] == kind])
    if arguments.out:
        arguments.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    import sys

    if "--work" in sys.argv:
        serve_work({"judge": _judge_work, "evidently": _evidently_work})
    else:
        main()
