"""The fraud case of a simulated portfolio: against the oracle that knows the generator, and against a plain set of rules."""

import numpy as np
import pandas as pd

from models.capacity import at_capacity
from models.discrimination import auc, average_precision
from pipeline.datasets import TRUTH, case_path, read_json
from pipeline.params import load_params


def figures():
    """What the stages wrote in the working directory, beside the oracle: average precision on the same judged rows, and precision at the reviewers' daily
    capacity of model, rules and oracle."""
    rules = load_params().evaluate
    full = read_json(case_path("fraud", "evaluation", "full.json"))
    judged = pd.read_parquet(case_path("fraud", "evaluation", "predictions.parquet"))
    oracle = pd.read_parquet(TRUTH / "fraud.parquet").set_index("transaction_id")["reference_probability"].loc[judged["observation_id"]].to_numpy()
    target, reviewed = judged["target"], full["capacity"]
    best = at_capacity(judged, oracle, capacity=rules.reviewers_capacity, repeats=rules.bootstrap_rounds, seed=rules.seed)
    found = {"rows": full["rows"], "bad": full["bad"], "auc": full["discrimination"]["auc"], "oracle_auc": auc(target, oracle),
             "precision": average_precision(target, judged["raw_score"]), "oracle_precision": average_precision(target, oracle),
             "expected": float(oracle.sum())}
    return found | {"share": found["precision"] / found["oracle_precision"], "capacity": {**reviewed, "oracle": best}}


def line(result):
    """One seed as text."""
    reviewed = result["capacity"]
    at, less = (f"{reviewed[name]['precision']:.3f}" for name in ("model", "rules")), reviewed["difference"]
    return (f"fraud: {result['rows']:,} rows, {result['bad']} frauds ({result['expected']:.0f} expected); average precision "
            f"{result['precision']:.3f} of oracle {result['oracle_precision']:.3f} = {result['share']:.3f}; AUC {result['auc']:.4f} (oracle "
            f"{result['oracle_auc']:.4f}); at {reviewed['model']['capacity']} a day model {next(at)}, rules {next(at)}, oracle "
            f"{reviewed['oracle']['precision']:.3f}, best {reviewed['model']['best']:.3f}; model less rules {less['difference']:+.4f} "
            f"({less['low']:+.4f} to {less['high']:+.4f})")


def total(results):
    """All seeds as text: the share of the oracle's average precision and the precision at capacity."""
    shares = [result["share"] for result in results]
    low, high = np.quantile(shares, [0.05, 0.95])
    mean = {name: np.mean([result["capacity"][name]["precision"] for result in results]) for name in ("model", "rules", "oracle")}
    less = np.array([result["capacity"]["difference"]["difference"] for result in results])
    error = less.std(ddof=1) / np.sqrt(len(less)) if len(less) > 1 else np.nan
    return (f"fraud: share of the oracle's average precision, median {np.median(shares):.3f} (5 % to 95 %: {low:.3f} to {high:.3f}), at "
            f"least 0.80 on {sum(share >= 0.8 for share in shares)}; precision at capacity: model {mean['model']:.3f}, rules {mean['rules']:.3f}, oracle "
            f"{mean['oracle']:.3f}; model less rules {less.mean():+.4f} ± {1.96 * error:.4f}, above zero on {(less > 0).sum()}")

