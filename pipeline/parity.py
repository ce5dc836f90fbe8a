"""What `risk promote` measures before it moves the pointer: one row alone gives what the batch gives, and how long it takes."""

import time

import numpy as np

from features.errors import RiskError
from models.bundle import load_bundle
from models.scoring import contributions, encode, raw_scores
from pipeline.columns import read_columns
from pipeline.datasets import case_path

ROWS = 200


def measure_parity(use_case, folder):
    """Score rows of the book one by one and as a batch with the bundle in a folder.

    Returns {"rows", "milliseconds_median", "milliseconds_p99"} of a single row with reasons. Raises RiskError when a single bit differs.
    """
    bundle = load_bundle(folder)
    columns = read_columns(case_path(use_case, "book", "features.parquet"), bundle.names)
    matrix = encode(columns, bundle)[:ROWS]
    batch, alone, seconds = raw_scores(bundle, matrix), np.empty(len(matrix)), np.empty(len(matrix))
    for place in range(len(matrix)):
        started = time.perf_counter()
        row = matrix[place : place + 1]
        alone[place] = raw_scores(bundle, row)[0]
        contributions(bundle, row)
        seconds[place] = time.perf_counter() - started
    different = int((alone != batch).sum())
    if different:
        raise RiskError(f"{use_case}: {different} of {len(matrix)} rows score differently alone than in the batch: install requirements.lock and train again.")
    return {"rows": len(matrix), "milliseconds_median": float(np.median(seconds) * 1e3), "milliseconds_p99": float(np.quantile(seconds, 0.99) * 1e3)}
