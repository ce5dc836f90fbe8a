"""Stage decide: whether the model in force should be left alone, recalibrated, refitted or rebuilt, on matured evidence."""

import msgspec
import numpy as np
import pandas as pd

from models.retrain import Evidence, Thresholds
from models.retrain import decide as choose
from models.sample import DEVELOPMENT
from pipeline.datasets import INGEST, case_path, read_json, write_json
from pipeline.params import load_params
from pipeline.performance import FIGURES
from pipeline.stage import run_stage


def decide(use_case):
    """Write `retrain.json`: action, wanted, reasons, attention, gain, waiting, and the evidence they stand on."""
    params, about = load_params(), read_json(INGEST)
    performance = read_json(case_path(use_case, "performance", FIGURES))
    drift, quality = (read_json(case_path(use_case, "monitoring", f"{name}.json")) for name in ("drift", "quality"))
    age = (pd.Timestamp(about["today"]) - pd.Timestamp(performance["cutoff"])).days
    evidence = gathered(performance, drift["verdict"], faults(quality), age_days=age, learning=learning(use_case, performance["validated"]))
    chosen = choose(evidence, thresholds=thresholds(params.decide))
    write_json(case_path(use_case, "retrain.json"), {**chosen, "evidence": msgspec.to_builtins(evidence)})


def gathered(performance, drift, faults, *, age_days, learning=None):
    """The Evidence of performance.json's content, a drift verdict, sentences on faults, the cutoff's age and what the learning curve says (`learning`)."""
    development, still_open = performance["development"], performance["open"]
    expected = still_open[-1]["estimate"] if still_open else None
    accepted = None if development is None else development["auc"]
    known = None if expected is None or expected["auc"] is None else (expected["auc_low"], expected["auc_high"])
    return Evidence(drift=drift, faults=faults, age_days=max(age_days, 0), new_bad=performance["new_bad"], recent=performance["recent"],
                    standing=performance["standing"], expected_auc=known, auc_development=accepted, **(learning or {}))


def faults(quality):
    """Sentences on what is wrong with the records, of quality.json: feeds that stand still, and the faults that it names."""
    stale = (f"nothing new in {table} since {quality['tables'][table]['known_to']}" for table in quality["stale"])
    return (*stale, *(fault["sentence"] for fault in quality.get("faults", [])))


def learning(use_case, bundle):
    """What the learning curve says of the model in force: the bad customers that its trees learned from and what twice as many are worth.

    Empty while validate describes another bundle, or drew no curve.
    """
    found = read_json(case_path(use_case, "validation", "validation.json"))
    step = found["learning_curve"]["last_step"]
    if found["bundle"] != bundle or step is None:
        return {}
    counts = read_json(case_path(use_case, "model", "model.json"))["training"]["counts"]
    doublings = float(np.log2(step["to"] / step["from"]))
    return {"development_bad": counts[DEVELOPMENT]["bad_customers"], "per_doubling": tuple(step[end] / doublings for end in ("difference", "low", "high"))}


def thresholds(rules):
    """The Thresholds of the section decide."""
    return Thresholds(**msgspec.structs.asdict(rules))


if __name__ == "__main__":
    run_stage(decide)
