"""The pipeline on simulated portfolios of many seeds against the hazard that made them.

    python -m benchmarks.simulated [--seeds 20] [--first 501] [--customers 5000] [--cases default fraud] [--out results.json]
    python -m benchmarks.simulated --sum results.json more.json

For every seed: simulate, ingest, observe, featurize, sample, train and evaluate with the default parameters, in a folder of its own. Printed: the
out-of-time Gini beside the reference hazard's on the same rows; how far the mean PD of each grade lies from the mean reference PD of the same rows, grades
weighted by the defaults that the reference expects in them; and how many grade cells hold the observed default count in their 95 % predictive interval.
Of the fraud case what `benchmarks/simulated_fraud.py` says.
"""

import tempfile
import time

import numpy as np
import pandas as pd

from benchmarks import seeds, simulated_fraud
from models.discrimination import auc
from pipeline.datasets import TRUTH, case_path, read_json
from pipeline.evaluate import evaluate
from pipeline.featurize import featurize
from pipeline.ingest import ingest
from pipeline.observe import observe
from pipeline.sample import sample
from pipeline.train import train
from pipeline.workspace import workspace

STAGES = (observe, featurize, sample, train, evaluate)


def run_seed(seed, customers, cases):
    """One portfolio: the figures of each use case by its name."""
    started = time.monotonic()
    changes = [("simulated.seed", seed), ("simulated.customers", customers), ("simulated.reference_every_months", 3)]
    with tempfile.TemporaryDirectory() as folder, workspace(folder, changes):
        ingest()
        found = {case: _case(case) for case in cases}
    return {"seed": seed, "customers": customers, "seconds": time.monotonic() - started, **found}


def _case(case):
    for stage in STAGES:
        stage(case)
    return simulated_fraud.figures() if case == "fraud" else figures()


def figures():
    """What the stages wrote in the working directory: Ginis of the model and the reference on the same rows, default rate, and the grade cells."""
    full = read_json(case_path("default", "evaluation", "full.json"))
    judged = with_reference(pd.read_parquet(case_path("default", "evaluation", "predictions.parquet")))
    reference = 2 * auc(judged["target"], judged["reference_pd_12m"]) - 1
    gini = 2 * auc(judged["target"], judged["raw_score"]) - 1
    cells = [{key: row[key] for key in ("grade", "rows", "bad", "expected", "low", "high", "inside")} for row in full["grades"] if row["rows"]]
    return {"rows": full["rows"], "bad": full["bad"], "rate": full["rate"], "gini": gini, "reference_gini": reference, "share": gini / reference,
            "pd_error": grade_error(judged), "mean_pd": float(judged["probability"].mean()), "mean_reference_pd": float(judged["reference_pd_12m"].mean()),
            "cells": cells}


def grade_error(judged):
    """The distance of each grade's mean PD from its mean reference PD, as a share of the latter, averaged over grades by the defaults expected there."""
    grades = judged.groupby("grade")[["probability", "reference_pd_12m"]].sum()
    return float((grades["probability"] - grades["reference_pd_12m"]).abs().sum() / grades["reference_pd_12m"].sum())


def with_reference(judged):
    """The judged rows with the reference PD of the same customer and day beside them."""
    reference = pd.read_parquet(TRUTH / "reference.parquet")
    keyed = [frame.assign(day=pd.to_datetime(frame["as_of"]).dt.normalize()) for frame in (judged, reference)]
    joined = keyed[0].merge(keyed[1].drop(columns="as_of"), on=["customer_id", "day"], how="left", validate="one_to_one")
    return joined[joined["reference_pd_12m"].notna()]


def main():
    """Run the seeds and print a line each and the medians; or only the medians of results kept before."""
    parser = seeds.arguments(__doc__.splitlines()[0], first=501, customers=5000)
    parser.add_argument("--cases", nargs="+", choices=["default", "fraud"], default=["default", "fraud"])
    asked = parser.parse_args()
    results = seeds.results(asked, lambda seed: run_seed(seed, asked.customers, asked.cases), lambda result: "\n  ".join(
        [f"seed {result['seed']}, {result['seconds']:.0f} s", *(LINES[case](result[case]) for case in asked.cases)]))
    print(f"{len(results)} seeds", *(TOTALS[case](found) for case in asked.cases if (found := [seed[case] for seed in results if case in seed])), sep="\n  ")


def _line(result):
    inside = sum(cell["inside"] for cell in result["cells"])
    return (f"default: rate {result['rate']:.4f}, Gini {result['gini']:.3f} of reference {result['reference_gini']:.3f} = {result['share']:.3f}; mean PD "
            f"{result['mean_pd']:.4f} (reference {result['mean_reference_pd']:.4f}), by grade off by {result['pd_error']:.3f}; cells inside "
            f"{inside}/{len(result['cells'])}")


def _total(results):
    shares, errors = ([result[name] for result in results] for name in ("share", "pd_error"))
    cells = [cell for result in results for cell in result["cells"]]
    low, high, error_low, error_high = (np.quantile(values, end) for values in (shares, errors) for end in (0.05, 0.95))
    return (f"default: median share of the reference Gini {np.median(shares):.3f} (5 % to 95 %: {low:.3f} to {high:.3f}); median reference Gini "
            f"{np.median([result['reference_gini'] for result in results]):.3f}; mean PD by grade off by {np.median(errors):.3f} ({error_low:.3f} to "
            f"{error_high:.3f}); default counts inside their 95 % interval {np.mean([cell['inside'] for cell in cells]):.3f} of "
            f"{len(cells)} cells")


LINES = {"default": _line, "fraud": simulated_fraud.line}
TOTALS = {"default": _total, "fraud": simulated_fraud.total}


if __name__ == "__main__":
    main()
