"""Stage decide: whether the model in force should be left alone, recalibrated, refitted or rebuilt, on matured evidence."""

import msgspec
import pandas as pd

from models.bundle import load_bundle
from models.calibration import log_odds
from models.discrimination import auc_interval
from models.probability_tests import calibration_line
from models.retrain import Evidence, Thresholds
from models.retrain import decide as choose
from models.scoring import encode, score
from models.target import label_defaults, label_fraud
from pipeline.columns import read_columns
from pipeline.datasets import INGEST, case_path, read_json, write_json
from pipeline.frames import read_frame
from pipeline.horizon import observe_rules
from pipeline.in_force import in_force
from pipeline.outcomes import known_outcomes
from pipeline.params import load_params
from pipeline.spine import given_observations
from pipeline.stage import run_stage


def decide(use_case):
    """Write `retrain.json`: action, wanted, reasons, and the evidence they stand on."""
    params, about = load_params(), read_json(INGEST)
    young = _matured_since(use_case, observe_rules(params, use_case, about), about["complete_to"])
    drift = read_json(case_path(use_case, "monitoring", "drift.json"))["verdict"]
    quality = read_json(case_path(use_case, "monitoring", "quality.json"))
    cutoff = read_json(case_path(use_case, "development", "maturity.json"))["cutoff"]
    faults = tuple(f"nothing new in {table} since {quality['tables'][table]['known_to']}" for table in quality["stale"])
    age = (pd.Timestamp(about["today"]) - pd.Timestamp(cutoff)).days
    evidence = Evidence(drift=drift, faults=faults, age_days=max(age, 0), **_performance(use_case, params, young))
    chosen = choose(evidence, thresholds=Thresholds(**msgspec.structs.asdict(params.decide)))
    write_json(case_path(use_case, "retrain.json"), {**chosen, "evidence": msgspec.to_builtins(evidence)})


def _matured_since(use_case, rules, complete_to):
    """Observations whose target was open at the training cutoff and is known now, with their place in the feature file; compromised rows are left out, as
    from the figures that these are compared with."""
    observations = read_frame(case_path(use_case, "development", "observations.parquet"))
    outcomes = known_outcomes(use_case, rules, known_by=complete_to)
    was_open = _with_given_targets(observations[observations["status"] == "immature"].drop(columns=["target", "target_known_at", "status"]))
    if use_case == "default":
        labels = label_defaults(was_open, outcomes, horizon_days=rules.horizon_days, reporting_lag_days=rules.reporting_lag_days, complete_to=complete_to)
    else:
        labels = label_fraud(was_open, outcomes, feedback_days=rules.reporting_lag_days, complete_to=complete_to)
    young = was_open.drop(columns=["target", "target_known_at"], errors="ignore").join(labels)
    judged = young["status"].eq("matured") & ~(young["compromised"].astype(bool) if "compromised" in young else False)
    return young[judged]


def _with_given_targets(rows):
    """The rows with the source's own targets, as they are now, where it gives any."""
    given = given_observations(until=rows["as_of"].max()) if len(rows) else None
    if given is None or "target" not in given:
        return rows
    known = given.set_index("observation_id")[[name for name in ("target", "target_known_at") if name in given]]
    return rows.join(known, on="observation_id")


def _performance(use_case, params, young):
    """Discrimination and calibration of the model in force on those rows; empty while they hold one class only."""
    bad = young["target"].eq(1.0)
    found = {"new_bad": int(young.loc[bad, "customer_id"].nunique())}
    if not bad.any() or bad.all():
        return found
    bundle = load_bundle(in_force(params.source.name, use_case).folder)
    columns = read_columns(case_path(use_case, "development", "features.parquet"), bundle.names, rows=young.index.to_numpy())
    scores = score(bundle, encode(columns, bundle), threads=params.train.threads)
    interval = auc_interval(young["target"], scores.raw_score, groups=young["customer_id"])
    # A move to a long-run rate is meant: no recalibration is asked for because of it.
    line = calibration_line(young["target"].to_numpy(), log_odds(scores.probability) - bundle.moved, groups=young["customer_id"].to_numpy())
    return {**found, "line": line, "auc_development": _auc_before(use_case, bundle),
            "auc": interval["auc"], "auc_low": interval["low"], "auc_high": interval["high"]}


def _auc_before(use_case, bundle):
    """The out-of-time AUC of the model in force (where it was refitted, of the validated one), as evaluate measured it; None when it could not be scored."""
    full = read_json(case_path(use_case, "evaluation", "full.json"))
    measured = full if full["bundle"] == bundle.validated else (full["champion"] or {}).get("metrics")
    return None if measured is None else measured["discrimination"]["auc"]


if __name__ == "__main__":
    run_stage(decide)
