"""The loss that `risk policy diff` forecasts against the losses that came, on simulated portfolios.

    python -m benchmarks.what_if [--seeds 20] [--first 701] [--customers 5000] [--out results.json]
    python -m benchmarks.what_if --sum results.json more.json

For every seed: simulate, ingest, observe, featurize, sample, train and evaluate with the default parameters, in a folder of its own. Every day of the
out-of-time rows is then a book: its PDs, what the policy grants on the standing of that day, and what a default cost in the years before make the forecast
of 1, 3, 6 and 12 months; beside it the same with one rate for all, that of the years before. What came: the losses of the customers' first defaults in those
months, by the share of the exposure that the policy would have granted. Nothing later than a book's day is in its forecast but the model's own
calibration, which ends a year before. Printed by horizon: how often the loss lay in its 95 % interval, with the interval of that figure by drawing seeds
(books of one seed share their defaults), and the interval's width over the expected loss.
"""

import tempfile
import time

import numpy as np
import pandas as pd

from benchmarks import seeds
from models.bundle import load_bundle
from models.clusters import draws
from models.forecast import forecast, severity, within
from models.policy import decide_book, load_policy
from models.sample import CALIBRATION, DEVELOPMENT, VALIDATION
from pipeline.datasets import case_path
from pipeline.evaluate import evaluate
from pipeline.featurize import featurize
from pipeline.frames import read_frame
from pipeline.ingest import ingest
from pipeline.observe import observe
from pipeline.params import load_params
from pipeline.sample import sample
from pipeline.score import POLICY
from pipeline.train import train
from pipeline.what_if import realised, standing_of
from pipeline.workspace import workspace
from serving.standing import policy_arguments

STAGES, MONTHS, WAYS = (observe, featurize, sample, train, evaluate), (1, 3, 6, 12), ("pd", "constant_rate")


def run_seed(seed, customers):
    """One portfolio: the forecasts of each book and horizon, and what came."""
    started = time.monotonic()
    changes = [("simulated.seed", seed), ("simulated.customers", customers), ("simulated.reference_every_months", 12)]
    with tempfile.TemporaryDirectory() as folder, workspace(folder, changes):
        ingest()
        for stage in STAGES:
            stage("default")
        found = figures(load_params())
    return {"seed": seed, "customers": customers, "seconds": time.monotonic() - started, "books": found}


def figures(params):
    """A list of {"as_of", "months", "came", "pd" and "constant_rate" (each as `models.forecast.forecast` gives it)} from what the stages wrote."""
    policy, before = load_policy(POLICY, "default"), past(params)
    cost = severity(before["bad"]["loss"], before["bad"]["exposure"], before["bad"]["customer_id"], assumed=policy.spec.default.limits.loss_given_default)
    behind = load_bundle(case_path("default", "model")).manifest.training["counts"][CALIBRATION]["bad_customers"]
    rows = read_frame(case_path("default", "evaluation", "predictions.parquet"))
    standing = standing_of(rows, "default", params)
    arguments = policy_arguments(standing)
    granted = decide_book(policy, grade=rows["grade"], pd_12m=rows["probability"], **arguments).limit
    # A default of somebody who owed nothing on the day came of what was lent later, and counts whole, as in the severity.
    share = np.where(arguments["exposure"] > 0, granted / np.maximum(arguments["exposure"], 1), 1.0)
    bad = realised(rows, standing, params)
    bad["lost"] = bad["loss"] * share[bad.index]
    sides = {"pd": (rows["probability"].to_numpy(), behind), "constant_rate": (np.full(len(rows), before["rate"]), before["bad"]["customer_id"].nunique())}
    found = []
    for day in sorted(rows["as_of"].unique()):
        book, met = (rows["as_of"] == day).to_numpy(), bad[bad["as_of"] == day]
        for months in MONTHS:
            came = met.loc[met["occurred_at"] <= day + pd.DateOffset(months=months), "lost"].sum()
            ahead = {way: forecast(within(p[book], months), granted[book], cost, estimated_from=known, asset_correlation=params.evaluate.asset_correlation)
                     for way, (p, known) in sides.items()}
            found.append({"as_of": f"{day:%Y-%m-%d}", "months": months, "came": float(came), **{way: each["loss"] for way, each in ahead.items()}})
    return found


def past(params):
    """What was known before the first book: the rate of bad rows among those the model learned from, and their defaults with exposure and loss."""
    development = case_path("default", "development")
    rows = read_frame(development / "observations.parquet", ["observation_id", "customer_id", "as_of", "target"])
    sample_of = read_frame(development / "samples.parquet")["sample"].to_numpy()
    learned = rows[pd.Series(sample_of).isin([DEVELOPMENT, VALIDATION, CALIBRATION]).to_numpy()]
    bad = learned[learned["target"] == 1].reset_index(drop=True)
    return {"rate": float(learned["target"].mean()), "bad": realised(bad, standing_of(bad, "default", params), params)}


def line(results, months, way, *, repeats=1000):
    """One line: coverage and relative width of a way's intervals at a horizon."""
    books = [[(each[way]["low"] <= each["came"] <= each[way]["high"], (each[way]["high"] - each[way]["low"]) / each[way]["expected"],
               each["came"] / each[way]["expected"]) for each in result["books"] if each["months"] == months] for result in results]
    inside, width, ratio = np.concatenate([np.array(each, dtype=float) for each in books]).T
    by_seed, size = np.array([np.sum(each, axis=0)[0] for each in books]), np.array([len(each) for each in books])
    drawn = [(times @ by_seed) / (times @ size) for times in draws(len(books), repeats=repeats, rng=np.random.default_rng(0))]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return (f"{months:>2} months, {way.replace('_', ' '):13} inside {inside.mean():.1%} ({low:.1%} to {high:.1%}) of {len(inside)} books; interval "
            f"{np.median(width):.2f} times the expected loss wide; came / expected {ratio.mean():.2f}")


def main():
    """Run the seeds and print a line each and the sums; or only the sums of results kept before."""
    asked = seeds.arguments(__doc__.splitlines()[0], first=701, customers=5000).parse_args()
    results = seeds.results(asked, lambda seed: run_seed(seed, asked.customers), lambda result: f"seed {result['seed']}, {result['seconds']:.0f} s")
    print(f"{len(results)} seeds", *(line(results, months, way) for months in MONTHS for way in WAYS), sep="\n  ")


if __name__ == "__main__":
    main()
