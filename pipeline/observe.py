"""Stage observe: who was observed when, and what became of them, from what was known at the training cutoff."""

import pandas as pd

from features.errors import RiskError
from models.target import compromised, drop_in_default, label_defaults, label_fraud, ledger, without_rejected
from pipeline.datasets import INGEST, case_path, read_json, write_json
from pipeline.frames import write_frame
from pipeline.horizon import observe_rules
from pipeline.outcomes import definition_of, known_outcomes
from pipeline.params import load_params, load_training
from pipeline.spine import active_customers, given_observations, month_ends, reported_customers, transactions_between
from pipeline.stage import run_stage


def observe(use_case):
    """Write `development/observations.parquet`, one row per observation with its target, and the maturity ledger beside it."""
    params = load_params()
    about = read_json(INGEST)
    cutoff = min(load_training(params.source.name, use_case).cutoff, about["complete_to"])
    rules = observe_rules(params, use_case, about)
    spine, outcomes = _spine(use_case, rules, about, cutoff), known_outcomes(use_case, rules, known_by=cutoff)
    definition = definition_of(use_case, rules, spine)
    observations = without_rejected(_default(spine, outcomes, rules, cutoff) if use_case == "default" else _fraud(spine, outcomes, rules, cutoff))
    if observations.empty:
        raise RiskError(f"source {params.source.name}: nobody is observed up to {cutoff}: check observe.{use_case} and the dates of the tables.")
    write_frame(case_path(use_case, "development", "observations.parquet"), observations.drop(columns=["default_at", "event_seen"]))
    cohorts = ledger(observations, observations, months=3, definition=definition["kind"])
    write_json(case_path(use_case, "development", "maturity.json"), {
        "cutoff": cutoff, "protocol": about["protocol"], "horizon_days": rules.horizon_days, "definition": definition, "cohorts": _plain(cohorts)})


def _spine(use_case, rules, about, cutoff):
    if use_case == "fraud":
        return transactions_between(pd.Timestamp(cutoff) - pd.Timedelta(days=rules.history_days), cutoff)
    given = given_observations(until=cutoff)
    return active_customers(month_ends(about, rules, until=cutoff), active_days=rules.active_days) if given is None else given


def _default(spine, outcomes, rules, cutoff):
    spine = drop_in_default(spine, outcomes).reset_index(drop=True)
    labels = label_defaults(spine, outcomes, horizon_days=rules.horizon_days, reporting_lag_days=rules.reporting_lag_days, complete_to=cutoff)
    return spine.drop(columns=["target", "target_known_at"], errors="ignore").join(labels)


def _fraud(spine, outcomes, rules, cutoff):
    labels = label_fraud(spine, outcomes, feedback_days=rules.reporting_lag_days, complete_to=cutoff)
    return spine.join(labels).assign(compromised=compromised(spine, reported_customers(outcomes), days=rules.compromised_days))


def _plain(cohorts):
    cohorts = cohorts.assign(cohort=cohorts["cohort"].dt.strftime("%Y-%m-%d"))
    return cohorts.astype(object).where(cohorts.notna(), None).to_dict("records")


if __name__ == "__main__":
    run_stage(observe)
