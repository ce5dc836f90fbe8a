"""The Spark feeder against the DuckDB feeder on the same rows, in one run: seconds and memory.

    python -m benchmarks.spark ROWS [ROWS ...] [--folder FOLDER] [--threads 2] [--memory 2g] [--buckets N]

Makes that many transactions of 20,000 customers over three years, known up to three days late, and 240,000 observations (the twelve month ends of
2024), and lets each feeder, in a process of its own, compute 95 windowed columns from Parquet to Parquet. Printed per size and feeder: seconds (Spark
without its start, which is printed beside it), the same per million transactions, and the highest memory of the process and all its children (driver,
JVM and Python workers; shared pages counted once). Both feeders' columns are compared at the end: the same bits.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import psutil
import pyarrow.parquet as pq

from features.catalogue import Catalogue
from features.feature import feature
from features.feeders import duck, spark
from features.feeders.sql import literal
from features.terms import where, window

DAYS, KINDS = (7, 30, 90, 180, 365), ("k0", "k1", "k2", "k3")
TRANSACTIONS = """
    SELECT i AS transaction_id, (hash(i) % 20000)::BIGINT AS customer_id,
           TIMESTAMP '2022-01-01' + to_seconds((hash(i * 7 + 1) % 94608000)::BIGINT) AS occurred_at,
           (hash(i * 3 + 5) % 100000)::BIGINT AS amount, 'k' || hash(i + 99) % 5 AS kind,
           occurred_at + to_seconds((hash(i * 11 + 3) % 259200)::BIGINT) AS known_at
    FROM range({rows}) t(i)"""
OBSERVATIONS = """
    SELECT 'O' || row_number() OVER () AS observation_id, c::BIGINT AS customer_id, d::TIMESTAMP AS as_of
    FROM range(20000) t(c), (SELECT unnest(generate_series(DATE '2024-01-31', DATE '2024-12-31', INTERVAL 1 MONTH)) AS d)"""


def catalogue_of_windows():
    """Nineteen measures of transactions over five windows."""
    asked = [(measure, "" if measure in ("count", "recency") else "amount", ()) for measure in ("count", "sum", "max", "min", "mean", "sd", "recency")]
    asked += [(measure, "" if measure == "count" else "amount", where(("kind", "==", kind))) for kind in KINDS for measure in ("count", "sum", "max")]
    return Catalogue("default", [_feature(*each, days) for each in asked for days in DAYS])


def _feature(measure, column, conditions, days):
    name = "_".join(["txn", measure, *(each.value for each in conditions), f"{days}d"])
    return feature(name, window("transactions", measure, column, days=days, where=conditions), unit="", factor="transactions", missing="")


def make(folder, rows):
    """Write both tables into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(config={"threads": 2}) as connection:
        for name, query in (("transactions", TRANSACTIONS.format(rows=rows)), ("observations", OBSERVATIONS)):
            connection.execute(f"COPY ({query}) TO {literal(folder / f'{name}.parquet')} (FORMAT parquet)")


def by_duck(folder, options):
    """The DuckDB feeder's run; seconds to start."""
    duck.featurize(folder, folder / "observations.parquet", folder / "duck.parquet", catalogue=catalogue_of_windows(), threads=options.threads)


def by_spark(folder, options):
    """The Spark feeder's run in a session that is already there."""
    asked = folder / "observations.parquet"
    spark.featurize(options.session, folder, asked, folder / "spark.parquet", catalogue=catalogue_of_windows(), buckets=options.buckets)


def child(options):
    """In the child: start, run, print the seconds of both."""
    begun = time.monotonic()
    options.session = spark.local_session(threads=options.threads, memory=options.memory) if options.work == "spark" else None
    started = time.monotonic()
    {"duck": by_duck, "spark": by_spark}[options.work](Path(options.folder), options)
    print(json.dumps({"start": started - begun, "seconds": time.monotonic() - started}))


def measured(work, folder, options):
    """One feeder's seconds and peak bytes, its children's included."""
    given = [f"--{name}={value}" for name, value in vars(options).items() if name in ("threads", "memory", "buckets") and value]
    command = [sys.executable, "-m", "benchmarks.spark", "--work", work, "--folder", str(folder), *given]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    peak = 0
    while running.poll() is None:
        peak = max(peak, _memory(psutil.Process(running.pid)))
        time.sleep(0.2)
    if running.returncode:
        raise SystemExit(f"the {work} feeder ended with {running.returncode}")
    return {**json.loads(running.stdout.read().splitlines()[-1]), "peak": peak}


def _memory(process):
    try:
        return sum(each.memory_full_info().pss for each in [process, *process.children(recursive=True)])
    except psutil.Error:
        # a process that ended while it was looked at
        return 0


def compare(folder, rows, options):
    """Two lines, one per feeder, and a word on their bits; what each took, by feeder."""
    make(folder, rows)
    millions, found = rows / 1e6, {}
    for work in ("duck", "spark"):
        taken = found[work] = measured(work, folder, options)
        print(
            f"{millions:6.1f} M {work:6} {taken['seconds']:8.1f} s {taken['seconds'] / millions:8.2f} s/M {taken['peak'] / 1e9:8.2f} GB "
            f"{taken['peak'] / 1e9 / millions:8.2f} GB/M   start {taken['start']:.1f} s",
            flush=True,
        )
    differing = _differing(*(pq.read_table(folder / f"{work}.parquet").sort_by("observation_id") for work in ("duck", "spark")))
    print(f"{millions:6.1f} M bits   {'the same' if not differing else 'differ in ' + ', '.join(differing)}", flush=True)
    return {**found, "differing": differing}


def _differing(one, other):
    figures = [name for name in one.column_names[1:] if one[name].to_numpy().tobytes() != other[name].to_numpy().tobytes()]
    return figures if one["observation_id"].equals(other["observation_id"]) else ["observation_id", *figures]


def main():
    """Measure and print, or do one feeder's work for the process that measures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", type=lambda text: int(float(text)), default=[1_000_000])
    parser.add_argument("--folder", help="where the tables are made; default: a temporary folder, removed at the end")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory", default="2g", help="the Spark driver's")
    parser.add_argument("--buckets", type=int, help="default: Spark's shuffle partitions")
    parser.add_argument("--work", choices=("duck", "spark"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        child(options)
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for rows in options.rows:
            compare(Path(folder) / str(rows), rows, options)


if __name__ == "__main__":
    main()
