"""The shipped real set against the reference script on the same test rows, in one run.

    python -m benchmarks.sources [--data ../shared/data] [--tools ../shared/tools]

Runs the reference (untuned LightGBM on simple columns, five seeds), then the pipeline's stages with the default parameters on the source's published
protocol, and prints AUC and average precision of both, with the paired interval of the difference (DeLong).
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from models.discrimination import auc, average_precision, compare_auc
from pipeline.datasets import case_path
from pipeline.evaluate import evaluate
from pipeline.featurize import featurize
from pipeline.ingest import ingest
from pipeline.observe import observe
from pipeline.sample import sample
from pipeline.train import train
from pipeline.workspace import workspace

STAGES = (observe, featurize, sample, train, evaluate)


def pipeline_predictions(name, path):
    """Out-of-time predictions of the pipeline on a shipped source: observation_id, target, raw_score."""
    changes = [("source.name", name), ("source.definition", f"pipeline/sources/{name}"), ("source.path", str(path.resolve())), ("use_cases", ["default"])]
    with tempfile.TemporaryDirectory() as folder, workspace(folder, changes):
        ingest()
        for stage in STAGES:
            stage("default")
        return pd.read_parquet(case_path("default", "evaluation", "predictions.parquet"))


def american_reference(data, tools):
    """The reference script's predictions, one column a seed, by observation_id."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, str(tools / "reference_scores.py"), "american", "--out", folder], check=True, stdout=subprocess.DEVNULL)
        rounds = pd.read_csv(Path(folder) / "american.csv")
    # The script names a row by its place in this order.
    years = pd.read_parquet(data / "american_bankruptcy" / "firm_years_1999_2014.parquet", columns=["company_name", "year"])
    years = years.sort_values(["company_name", "year"]).reset_index(drop=True)
    ids = years["company_name"] + "@" + years["year"].astype(str)
    return rounds.assign(observation_id=ids[rounds["row"]].to_numpy()).pivot(index="observation_id", columns="round", values="probability")


def compare(ours, reference):
    """Both models' figures on the rows they share, and the paired difference from the reference's mean prediction."""
    joined = ours.set_index("observation_id").join(reference, how="inner")
    seeds = [joined[seed].to_numpy() for seed in reference]
    target = joined["target"].to_numpy()
    paired = compare_auc(target, joined["raw_score"], np.mean(seeds, axis=0), groups=joined["customer_id"])
    own = joined["raw_score"]
    return {"rows": len(joined), "bad": int(target.sum()), "difference": paired,
            "auc": auc(target, own), "reference_auc": [auc(target, seed) for seed in seeds],
            "average_precision": average_precision(target, own), "reference_average_precision": [average_precision(target, seed) for seed in seeds]}


def main():
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--tools", type=Path, default=Path("../shared/tools"))
    arguments = parser.parse_args()
    ours = pipeline_predictions("american_bankruptcy", arguments.data / "american_bankruptcy")
    found = compare(ours, american_reference(arguments.data, arguments.tools))
    print(f"american_bankruptcy, {found['rows']:,} rows, {found['bad']} bad")
    for name in ("auc", "average_precision"):
        seeds = found[f"reference_{name}"]
        print(f"  {name:18} pipeline {found[name]:.4f}   reference {np.mean(seeds):.4f} (seeds {min(seeds):.4f} to {max(seeds):.4f})")
    difference = found["difference"]
    print(f"  AUC less that of the reference's mean prediction: {difference['difference']:+.4f} ({difference['low']:+.4f} to {difference['high']:+.4f})")


if __name__ == "__main__":
    main()
