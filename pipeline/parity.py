"""What `risk promote` measures before it moves the pointer: one row alone gives what the batch gives, and how long it takes beside the champion."""

import time

import numpy as np

from features.errors import RiskError
from models.bundle import load_bundle
from models.scoring import contributions, encode, raw_scores
from pipeline.columns import read_columns
from pipeline.datasets import case_path

ROWS = 200
# Times that each row is scored; the fastest counts, since what else runs on the machine only ever adds.
REPEATS = 3


def measure_parity(use_case, folder, *, champion=None, milliseconds_max=None):
    """Score rows of the book one by one and as a batch with the bundle in a folder, in turns with the champion's in another, where there is one.

    Returns {"rows", "milliseconds_median", "milliseconds_p99"} of a single row with reasons, "champion_median" and "champion_p99" (None where it cannot be
    scored), and "milliseconds_max"; of each row its fastest of REPEATS counts. Raises RiskError when a single bit differs, or when the 99th percentile exceeds
    milliseconds_max (None: any may) and the champion's, measured in the same moments, does not: then it is the candidate that is slow and not the machine.
    """
    columns = read_columns(case_path(use_case, "book", "features.parquet"))
    bundle, before = load_bundle(folder), _before(champion, columns)
    matrix = encode(columns, bundle)[:ROWS]
    rivals = encode(columns, before)[:ROWS] if before else ()
    batch, alone = raw_scores(bundle, matrix), np.empty(len(matrix))
    seconds = np.full((2, len(matrix)), np.inf)
    for place in np.tile(np.arange(len(matrix)), REPEATS):
        alone[place], taken = _timed(bundle, matrix[place : place + 1])
        seconds[0, place] = min(seconds[0, place], taken)
        if before:
            seconds[1, place] = min(seconds[1, place], _timed(before, rivals[place : place + 1])[1])
    different = int((alone != batch).sum())
    if different:
        raise RiskError(f"{use_case}: {different} of {len(matrix)} rows score differently alone than in the batch: install requirements.lock and train again.")
    figures = _figures("milliseconds", seconds[0]) | _figures("champion", seconds[1] if before else None)
    found = {"rows": len(matrix), **figures, "milliseconds_max": milliseconds_max}
    _refuse_slow(use_case, found)
    return found


def _before(folder, columns):
    bundle = load_bundle(folder) if folder else None
    return bundle if bundle and set(bundle.names) <= set(columns) else None


def _timed(bundle, row):
    started = time.perf_counter()
    raw_score = raw_scores(bundle, row)[0]
    contributions(bundle, row)
    return raw_score, time.perf_counter() - started


def _figures(name, seconds):
    if seconds is None or not len(seconds):
        return {f"{name}_median": None, f"{name}_p99": None}
    return {f"{name}_median": float(np.median(seconds) * 1e3), f"{name}_p99": float(np.quantile(seconds, 0.99) * 1e3)}


def _refuse_slow(use_case, found):
    most, p99, rival = found["milliseconds_max"], found["milliseconds_p99"], found["champion_p99"]
    if most is None or p99 is None or p99 <= most or (rival is not None and rival > most):
        return
    beside = "" if rival is None else f", the champion's {rival:.1f}"
    raise RiskError(f"{use_case}: a row with reasons takes {p99:.1f} milliseconds at the 99th percentile{beside}, more than promote.milliseconds_max {most:g}: "
                    "grow fewer or smaller trees, raise it, or promote with --override and a reason.")
