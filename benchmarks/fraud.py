"""The fraud case on simulated portfolios of many seeds: against the oracle that knows the generator, and against a plain set of rules.

    python -m benchmarks.fraud [--seeds 20] [--first 301] [--customers 5000] [--out results.json]

For every seed: simulate, ingest, observe, featurize, sample, train and evaluate with the default parameters, in a folder of its own. Printed: average
precision beside the oracle's on the same judged rows, and precision at the reviewers' daily capacity of model, rules and oracle.
"""

import argparse
import json
import tempfile
import time

import numpy as np
import pandas as pd

from models.capacity import at_capacity
from models.discrimination import auc, average_precision
from pipeline.datasets import TRUTH, case_path, read_json
from pipeline.evaluate import evaluate
from pipeline.featurize import featurize
from pipeline.ingest import ingest
from pipeline.observe import observe
from pipeline.params import load_params
from pipeline.sample import sample
from pipeline.train import train
from pipeline.workspace import workspace

STAGES = (observe, featurize, sample, train, evaluate)


def run_seed(seed, customers):
    """One portfolio: figures of model, rules and oracle on the same rows."""
    started = time.monotonic()
    changes = [("simulated.seed", seed), ("simulated.customers", customers)]
    with tempfile.TemporaryDirectory() as folder, workspace(folder, changes):
        ingest()
        for stage in STAGES:
            stage("fraud")
        return figures(load_params().evaluate) | {"seed": seed, "seconds": time.monotonic() - started}


def figures(rules):
    """What the stages wrote in the working directory, beside the oracle."""
    full = read_json(case_path("fraud", "evaluation", "full.json"))
    judged = pd.read_parquet(case_path("fraud", "evaluation", "predictions.parquet"))
    oracle = pd.read_parquet(TRUTH / "fraud.parquet").set_index("transaction_id")["reference_probability"].loc[judged["observation_id"]].to_numpy()
    target, reviewed = judged["target"], full["capacity"]
    best = at_capacity(judged, oracle, capacity=rules.reviewers_capacity, repeats=rules.bootstrap_rounds, seed=rules.seed)
    found = {"rows": full["rows"], "bad": full["bad"], "auc": full["discrimination"]["auc"], "oracle_auc": auc(target, oracle),
             "precision": average_precision(target, judged["raw_score"]), "oracle_precision": average_precision(target, oracle),
             "expected": float(oracle.sum())}
    return found | {"share": found["precision"] / found["oracle_precision"], "capacity": {**reviewed, "oracle": best}}


def main():
    """Run the seeds and print a line each and the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=301)
    parser.add_argument("--customers", type=int, default=5000)
    parser.add_argument("--out")
    arguments = parser.parse_args()
    results = []
    for seed in range(arguments.first, arguments.first + arguments.seeds):
        results.append(run_seed(seed, arguments.customers))
        print(line(results[-1]), flush=True)
    print(total(results))
    if arguments.out:
        with open(arguments.out, "w", encoding="utf-8") as file:
            json.dump(results, file, indent=1)


def line(result):
    """One seed as text."""
    reviewed = result["capacity"]
    at, less = (f"{reviewed[name]['precision']:.3f}" for name in ("model", "rules")), reviewed["difference"]
    return (f"seed {result['seed']}: {result['rows']:,} rows, {result['bad']} frauds ({result['expected']:.0f} expected); average precision "
            f"{result['precision']:.3f} of oracle {result['oracle_precision']:.3f} = {result['share']:.3f}; AUC {result['auc']:.4f} (oracle "
            f"{result['oracle_auc']:.4f}); at {reviewed['model']['capacity']} a day model {next(at)}, rules {next(at)}, oracle "
            f"{reviewed['oracle']['precision']:.3f}, best {reviewed['model']['best']:.3f}; model less rules {less['difference']:+.4f} "
            f"({less['low']:+.4f} to {less['high']:+.4f}); {result['seconds']:.0f} s")


def total(results):
    """All seeds as text: the share of the oracle's average precision and the precision at capacity."""
    shares = [result["share"] for result in results]
    low, high = np.quantile(shares, [0.05, 0.95])
    mean = {name: np.mean([result["capacity"][name]["precision"] for result in results]) for name in ("model", "rules", "oracle")}
    less = np.array([result["capacity"]["difference"]["difference"] for result in results])
    error = less.std(ddof=1) / np.sqrt(len(less)) if len(less) > 1 else np.nan
    return (f"{len(results)} seeds: share of the oracle's average precision, median {np.median(shares):.3f} (5 % to 95 %: {low:.3f} to {high:.3f}), at "
            f"least 0.80 on {sum(share >= 0.8 for share in shares)}; precision at capacity: model {mean['model']:.3f}, rules {mean['rules']:.3f}, oracle "
            f"{mean['oracle']:.3f}; model less rules {less.mean():+.4f} ± {1.96 * error:.4f}, above zero on {(less > 0).sum()}")


if __name__ == "__main__":
    main()
