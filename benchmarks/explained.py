"""What it costs to explain a simulated book in the score stage: processor time a row, the share of it that is TreeSHAP, and how many rows are watched.

    python -m benchmarks.explained [--simulated 5000] [--rounds 5]

The book is simulated and its model trained first, which is not measured. Then its rows are scored with the watched and with all of them
explained, and all their TreeSHAP values are computed alone, each in a process of its own on one thread, turn by turn; the median of the rounds counts.
"""

import argparse
import os
import statistics
import sys
import tempfile

import pyarrow.parquet as pq

from benchmarks.measuring import measured, serve_work
from benchmarks.reports import STAGES
from models.bundle import load_bundle
from models.policy import load_policy
from models.scoring import contributions, encode
from pipeline.columns import read_columns
from pipeline.datasets import case_path
from pipeline.frames import read_frame
from pipeline.ingest import ingest
from pipeline.params import load_params
from pipeline.score import POLICY, Watch, scored
from pipeline.workspace import workspace

WAYS = ("watched", "all", "treeshap")


def work(clock, *, folder, way):
    """In the child: score the book in a folder one way, or `treeshap` alone; rows, and rows with reasons."""
    os.chdir(folder)
    book, bundle, policy = case_path("default", "book"), load_bundle(case_path("default", "shipped")), load_policy(POLICY, "default")
    rows, columns, standing = read_frame(book / "observations.parquet"), read_columns(book / "features.parquet"), read_columns(book / "standing.parquet")
    if way == "treeshap":
        matrix = encode(columns, bundle)
        clock.start()
        contributions(bundle, matrix)
        return {"rows": len(rows), "explained": 0}
    watch = _watch() if way == "watched" else None
    clock.start()
    table = scored(rows, columns, standing, bundle=bundle, policy=policy, threads=1, watch=watch)
    return {"rows": len(rows), "explained": len(rows) - table["adverse"].null_count}


def _watch():
    """The stage's own rule, however small the book is."""
    earlier = pq.read_table(case_path("default", "earlier.parquet"), columns=["customer_id", "grade"]).to_pydict()
    return Watch(dict(zip(earlier["customer_id"], earlier["grade"], strict=True)), load_params().report.customers)


def main():
    """Make the book, measure every way and print a line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulated", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        with workspace(folder, [("simulated.customers", arguments.simulated), ("simulated.reference_every_months", 12)]):
            ingest()
            for stage in STAGES:
                stage("default")
        taken = {way: [] for way in WAYS}
        for _ in range(arguments.rounds):
            for way in WAYS:
                taken[way].append(measured("benchmarks.explained", "score", folder=folder, way=way))
    print(line(taken))


def line(taken):
    """What was measured, in a line; the time that explaining takes is what two ways differ by."""
    (watched, whole, shap), told = (statistics.median(each["processor"] for each in taken[way]) for way in WAYS), taken["watched"][0]["told"]
    rows, explained = told["rows"], told["explained"]
    each = (whole - watched) / max(rows - explained, 1)
    return (f"{rows:,} rows, {explained:,} watched ({explained / rows:.0%}): {watched:.2f} s of processor for the watched, {whole:.2f} s for all; "
            f"{each * 1e3:.3f} ms a row explained, TreeSHAP {shap / rows * 1e3:.3f} ms of it ({shap / rows / each:.0%})")


WORKS = {"score": work}

if __name__ == "__main__":
    serve_work(WORKS) if "--work" in sys.argv else main()
