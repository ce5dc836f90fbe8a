"""The pipeline on simulated portfolios of many seeds against the hazard that made them.

    python -m benchmarks.simulated [--seeds 20] [--first 101] [--customers 5000] [--out results.json]

For every seed: simulate, ingest, observe, featurize, sample, train and evaluate with the default parameters, in a folder of its own. Printed: the
out-of-time Gini beside the reference hazard's on the same rows, and how many grade cells hold the observed default count in their 95 % predictive interval.
"""

import argparse
import json
import tempfile
import time

import numpy as np
import pandas as pd

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


def run_seed(seed, customers):
    """One portfolio: Ginis of the model and the reference on the same rows, default rate, and the grade cells."""
    started = time.monotonic()
    changes = [("simulated.seed", seed), ("simulated.customers", customers), ("simulated.reference_every_months", 3)]
    with tempfile.TemporaryDirectory() as folder, workspace(folder, changes):
        ingest()
        for stage in STAGES:
            stage("default")
        full = read_json(case_path("default", "evaluation", "full.json"))
        judged = with_reference(pd.read_parquet(case_path("default", "evaluation", "predictions.parquet")))
    reference = 2 * auc(judged["target"], judged["reference_pd_12m"]) - 1
    gini = 2 * auc(judged["target"], judged["raw_score"]) - 1
    cells = [{key: row[key] for key in ("grade", "rows", "bad", "expected", "low", "high", "inside")} for row in full["grades"] if row["rows"]]
    return {"seed": seed, "rows": full["rows"], "bad": full["bad"], "rate": full["rate"], "gini": gini, "reference_gini": reference, "share": gini / reference,
            "mean_pd": float(judged["probability"].mean()), "mean_reference_pd": float(judged["reference_pd_12m"].mean()), "cells": cells,
            "seconds": time.monotonic() - started}


def with_reference(judged):
    """The judged rows with the reference PD of the same customer and day beside them."""
    reference = pd.read_parquet(TRUTH / "reference.parquet")
    keyed = [frame.assign(day=pd.to_datetime(frame["as_of"]).dt.normalize()) for frame in (judged, reference)]
    joined = keyed[0].merge(keyed[1].drop(columns="as_of"), on=["customer_id", "day"], how="left", validate="one_to_one")
    return joined[joined["reference_pd_12m"].notna()]


def main():
    """Run the seeds and print a line each and the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=101)
    parser.add_argument("--customers", type=int, default=5000)
    parser.add_argument("--out")
    arguments = parser.parse_args()
    results = []
    for seed in range(arguments.first, arguments.first + arguments.seeds):
        results.append(run_seed(seed, arguments.customers))
        print(_line(results[-1]), flush=True)
    print(_total(results))
    if arguments.out:
        with open(arguments.out, "w", encoding="utf-8") as file:
            json.dump(results, file, indent=1)


def _line(result):
    inside = sum(cell["inside"] for cell in result["cells"])
    return (f"seed {result['seed']}: rate {result['rate']:.4f}, Gini {result['gini']:.3f} of reference {result['reference_gini']:.3f} = "
            f"{result['share']:.3f}; mean PD {result['mean_pd']:.4f} (reference {result['mean_reference_pd']:.4f}); cells inside "
            f"{inside}/{len(result['cells'])}; {result['seconds']:.0f} s")


def _total(results):
    shares, cells = [result["share"] for result in results], [cell for result in results for cell in result["cells"]]
    low, high = np.quantile(shares, [0.05, 0.95])
    return (f"{len(results)} seeds: median share of the reference Gini {np.median(shares):.3f} (5 % to 95 %: {low:.3f} to {high:.3f}); "
            f"median reference Gini {np.median([r['reference_gini'] for r in results]):.3f}; "
            f"default counts inside their 95 % interval {np.mean([cell['inside'] for cell in cells]):.3f} of {len(cells)} cells")


if __name__ == "__main__":
    main()
