"""What the monitor says when something happens after the model was learned.

    python -m benchmarks.monitoring [--customers 3000] [SCENARIO ...]

The default use case learns on a calm portfolio of 84 months and is in force; then fifteen months more pass, in which a scenario sets in with the first, long
enough for a year of defaults to mature. Printed for every scenario: the drift verdict, the columns that moved most, the feed, and the retrain decision with its
first reason.
"""

import argparse
import tempfile

from models.bundle import load_bundle
from pipeline.book import book
from pipeline.datasets import case_path, read_json
from pipeline.decide import decide
from pipeline.evaluate import evaluate
from pipeline.explain import explain
from pipeline.featurize import featurize
from pipeline.ingest import ingest
from pipeline.monitor import monitor
from pipeline.observe import observe
from pipeline.params import change_params
from pipeline.sample import sample
from pipeline.score import score
from pipeline.sources._simulated_scenarios import SCENARIOS
from pipeline.state import keep_bundle, point_to
from pipeline.summary import monitoring_lines
from pipeline.train import train
from pipeline.workspace import workspace

LEARNED, LATER = 84, 15
# Evidently's own report decides nothing here and costs most of the time.
SETTINGS = {"simulated.months": LEARNED, "simulated.scenario_month": LEARNED, "simulated.reference_every_months": 12, "use_cases": ["default"],
            "monitor.evidently_rows": 50, "monitor.evidently_columns": 1}


def learn():
    """A champion of the calm months."""
    ingest()
    for stage in (observe, featurize, sample, train, evaluate, explain):
        stage("default")
    model = case_path("default", "model")
    keep_bundle(model, load_bundle(model).hash)
    point_to(load_bundle(model).hash, source="simulated", use_case="default")


def watch(scenario):
    """The months after, seen by the monitor: its lines and the columns that moved most."""
    change_params([("simulated.scenario", scenario), ("simulated.months", LEARNED + LATER)])
    ingest()
    for stage in (book, score, monitor, decide):
        stage("default")
    moved = [row["column"] for row in read_json(case_path("default", "monitoring", "drift.json"))["reasons"]]
    return [*monitoring_lines("default"), f"  moved        {', '.join(moved[:8])}"]


def main():
    """Learn once and print what the monitor says of each scenario."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scenarios", nargs="*", default=[name for name in SCENARIOS if name != "fraud_wave"])
    parser.add_argument("--customers", type=int, default=3000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, workspace(folder, [*SETTINGS.items(), ("simulated.customers", arguments.customers)]):
        learn()
        for scenario in arguments.scenarios:
            print("\n".join([scenario, *watch(scenario)]), flush=True)


if __name__ == "__main__":
    main()
