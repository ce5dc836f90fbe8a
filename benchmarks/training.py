"""Training by the pipeline against bare LightGBM on the same matrix, and what a run from the feature file holds in memory.

    python -m benchmarks.training [--rows 20000 200000 1000000] [--columns 150] [--rounds 3]

`bare` is one call of lightgbm.train with the pipeline's settings, stopped by the validation rows, and a prediction of the calibration rows: what a
notebook would do. `pipeline` chooses among its candidates, stops, refits where it does, audits directions, calibrates. Both start with the matrix in
memory. Where fewer than 100,000 rows hold a hundred bad ones or more, three ways to grow are tried and the chosen one is grown again: that is several times
the work, not overhead, and the table says how many trees each grew. `file to bundle` is the whole of it, reading included.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.measuring import alternate, line, measured, ratio, ratio_line, serve_work
from features.feature import feature
from features.terms import own
from models.classifier import Settings, candidates, columns_of, parameters
from models.sample import CALIBRATION, DEVELOPMENT, VALIDATION
from pipeline.columns import ColumnFile
from pipeline.params import load_params
from pipeline.train import curves_of, fit_bundle, grown, prepared, raw_scores_to_calibrate

MODULE = "benchmarks.training"
SHARES = {DEVELOPMENT: 0.7, VALIDATION: 0.12, CALIBRATION: 0.18}
CATEGORIES = 5
DIRECTED = ("number_0", "number_20")


def write_book(folder, *, rows, columns, seed=0):
    """A feature file and its rows: near-copies of twenty hidden facts, a tenth missing, five categories, some 3 % bad, eight rows a customer."""
    rng = np.random.default_rng(seed)
    facts = rng.normal(size=(rows, 20)).astype(np.float32)
    with pq.ParquetWriter(folder / "features.parquet", _schema(columns)) as writer:
        for start in range(0, rows, 100_000):
            writer.write_table(_block(facts[start : start + 100_000], columns, rng))
    logit = -4.2 + 0.7 * facts[:, 0] + 0.5 * facts[:, 1] + 0.4 * np.abs(facts[:, 2]) + 0.3 * facts[:, 3] * facts[:, 4]
    customers = np.arange(rows) // 8
    sample = np.repeat(rng.choice(list(SHARES), size=rows // 8 + 1, p=list(SHARES.values())), 8)[:rows]
    pd.DataFrame({"customer_id": pd.Series(customers).astype("str"), "target": (rng.uniform(size=rows) < 1 / (1 + np.exp(-logit))).astype(float),
                  "sample": sample}).to_parquet(folder / "rows.parquet")


def _schema(columns):
    numbers = [(f"number_{place}", pa.float64()) for place in range(columns - CATEGORIES)]
    return pa.schema(numbers + [(f"name_{place}", pa.string()) for place in range(CATEGORIES)])


def _block(facts, columns, rng):
    arrays = []
    for place in range(columns - CATEGORIES):
        values = facts[:, place % 20] + 0.5 * rng.normal(size=len(facts))
        arrays.append(pa.array(values, mask=rng.uniform(size=len(facts)) < 0.1))
    levels = np.array([f"level {number}" for number in range(12)])
    return pa.Table.from_arrays([*arrays, *(pa.array(levels[rng.integers(0, 12, len(facts))]) for _ in range(CATEGORIES))], schema=_schema(columns))


def _catalogue(folder):
    names = pq.read_schema(folder / "features.parquet").names
    return [feature(name, own(name), unit="", factor="solvency", direction=int(name in DIRECTED), missing="Missing where it is missing.",
                    kind="category" if name.startswith("name_") else "number") for name in names]


def _read(folder):
    folder = Path(folder)
    catalogue, rows = _catalogue(folder), pd.read_parquet(folder / "rows.parquet")
    return prepared(ColumnFile(folder / "features.parquet", [each.name for each in catalogue]), rows, catalogue)


def bare(clock, folder):
    """One call of LightGBM, by the first of the pipeline's settings."""
    import lightgbm

    described, parts = _read(folder)
    settings, how = candidates(load_params().train, parts[DEVELOPMENT][1], len(described))[0], columns_of(described)
    clock.start()
    grown_on = lightgbm.Dataset(*parts[DEVELOPMENT][:2], categorical_feature=[how["columns"].index(name) for name in how["categorical"]],
                                params={"max_bin": settings.max_bin, "verbosity": -1})
    watched = lightgbm.Dataset(*parts[VALIDATION][:2], reference=grown_on)
    booster = lightgbm.train(parameters(how["columns"], how["directions"], settings), grown_on, settings.max_trees, valid_sets=[watched],
                             callbacks=[lightgbm.early_stopping(settings.early_stopping_rounds, verbose=False)])
    booster.predict(parts[CALIBRATION][0], raw_score=True, num_threads=settings.threads)
    return {"trees": booster.best_iteration}


def pipeline(clock, folder):
    """The pipeline's training on the same matrix, up to the calibrated curve."""
    described, parts = _read(folder)
    params = load_params()
    clock.start()
    booster, about = grown(parts, described, params.train)
    curves_of(*raw_scores_to_calibrate(booster, parts, described, Settings(**about["settings"])), params=params)
    return {"trees": booster.num_trees(), "refit": about["settings"]["refit"]}


def whole(clock, folder):
    """From the feature file to a bundle in memory."""
    catalogue, rows = _catalogue(Path(folder)), pd.read_parquet(Path(folder) / "rows.parquet")
    clock.start()
    bundle, _ = fit_bundle(Path(folder) / "features.parquet", rows, catalogue=catalogue, use_case="default", horizon_days=365, params=load_params())
    return {"trees": bundle.booster.num_trees()}


WORKS = {"bare": bare, "pipeline": pipeline, "whole": whole}


def main():
    """Print the lines of every size as soon as they are there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[20_000, 200_000, 1_000_000])
    parser.add_argument("--columns", type=int, default=150)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    for rows in asked.rows:
        with tempfile.TemporaryDirectory() as folder:
            write_book(Path(folder), rows=rows, columns=asked.columns)
            print(f"{rows:,} rows × {asked.columns} columns", flush=True)
            found = alternate({name: lambda name=name: measured(MODULE, name, folder=folder) for name in WORKS}, rounds=asked.rounds)
        for name, words in (("bare", "bare LightGBM"), ("pipeline", "pipeline"), ("whole", "file to bundle")):
            print(line(words, found[name]), f" {found[name]['told']}")
        print(ratio_line("pipeline over bare", ratio(found["pipeline"], found["bare"])), flush=True)


if __name__ == "__main__":
    serve_work(WORKS) if "--work" in sys.argv else main()
