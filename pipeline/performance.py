"""Stage performance: the model in force on cohorts that matured since its training cutoff, and what to expect of those still open."""

import numpy as np
import pandas as pd

from features.catalogue import build_catalogue
from models.bundle import load_bundle
from models.calibration import log_odds, sigmoid
from models.performance import Rules
from models.performance import performance as judge
from models.sample import CALIBRATION
from models.scoring import encode, score
from models.target import IMMATURE, MATURED, compromised, drop_in_default, label_defaults, label_fraud, without_rejected
from pipeline.columns import read_columns
from pipeline.datasets import INGEST, case_path, read_json, replacing, write_json
from pipeline.featurize import available_columns, write_features
from pipeline.frames import read_frame, write_frame
from pipeline.horizon import observe_rules
from pipeline.in_force import in_force
from pipeline.outcomes import known_outcomes
from pipeline.params import load_params
from pipeline.spine import active_customers, given_observations, month_ends, reported_customers, transactions_between
from pipeline.stage import run_stage

FIGURES = "performance.json"


def performance(use_case):
    """Write `performance/`: performance.json, and the observations since the training cutoff with their features."""
    params, about = load_params(), read_json(INGEST)
    rules, bundle = observe_rules(params, use_case, about), load_bundle(in_force(params.source.name, use_case).folder)
    cutoff, until = read_json(case_path(use_case, "development", "maturity.json"))["cutoff"], about["complete_to"]
    with replacing(case_path(use_case, "performance")) as folder:
        folder.mkdir(parents=True)
        rows = pd.concat([_scored_young(use_case, bundle, params), _scored_since(folder, use_case, bundle, params, rules, about, cutoff)], ignore_index=True)
        labelled = with_outcomes(rows, known_outcomes(use_case, rules, known_by=until), use_case=use_case, rules=rules, complete_to=until)
        full = read_json(case_path(use_case, "evaluation", "full.json"))
        found = judged(labelled, bundle, accepted=accepted_with(full, bundle), rules=params.performance)
        write_json(folder / FIGURES, {"bundle": bundle.hash, "validated": bundle.validated, "cutoff": cutoff, "complete_to": until, **found})


def judged(labelled, bundle, *, accepted, rules):
    """`models.performance.performance` of scored rows with status and target; accepted: as `accepted_with`; rules: the section performance.

    Compromised rows are left out, as from the figures that these are compared with. `development` says what the model was accepted with.
    """
    kept = labelled[~labelled["compromised"].astype(bool)] if "compromised" in labelled else labelled
    learned_from = bundle.manifest.training.get("counts", {}).get(CALIBRATION, {}).get("bad_customers", 0)
    found = judge(kept[kept["status"].eq(MATURED)], kept[kept["status"].eq(IMMATURE)], bundle.manifest.grades, confidence=confidence_of(bundle),
                  learned_from=learned_from, line=_unmoved(accepted, bundle), rules=Rules(**{name: getattr(rules, name) for name in Rules.__struct_fields__}))
    return {**found, "development": None if accepted is None else _headline(accepted)}


def accepted_with(full, bundle):
    """The out-of-time figures of the model in force (where it was refitted, of the validated one), as evaluate measured them (`full` is its full.json); None
    when it could not be scored."""
    return full if full["bundle"] == bundle.validated else (full["champion"] or {}).get("metrics")


def scored(rows, columns, bundle, *, threads):
    """The rows with raw_score, probability, pd_low, pd_high and grade beside them, probabilities as the curve was fitted, before a move to a long-run rate."""
    if rows.empty:
        return rows.assign(**dict.fromkeys(("raw_score", "grade", "probability", "pd_low", "pd_high"), np.zeros(0)))
    scores = score(bundle, encode(columns, bundle), threads=threads)
    named = {"probability": scores.probability, "pd_low": scores.pd_low, "pd_high": scores.pd_high}
    # A move to a long-run rate is meant: nothing is held against the model because of it.
    ends = {name: sigmoid(log_odds(values) - bundle.moved) if bundle.moved else values for name, values in named.items()}
    return rows.assign(raw_score=scores.raw_score, grade=scores.grade_names(), **ends)


def with_outcomes(rows, outcomes, *, use_case, rules, complete_to):
    """The rows with status and target as known at `complete_to`; customers in default at as_of are left out, as they are from what the model learned."""
    if rows.empty:
        return rows.assign(status=[], target=[])
    if use_case == "default":
        rows = drop_in_default(rows, outcomes).reset_index(drop=True)
        labels = label_defaults(rows, outcomes, horizon_days=rules.horizon_days, reporting_lag_days=rules.reporting_lag_days, complete_to=complete_to)
    else:
        rows = rows.assign(compromised=compromised(rows, reported_customers(outcomes), days=rules.compromised_days))
        labels = label_fraud(rows, outcomes, feedback_days=rules.reporting_lag_days, complete_to=complete_to)
    return without_rejected(rows.drop(columns=["target", "target_known_at"], errors="ignore").join(labels[["status", "target"]]))


def confidence_of(bundle):
    """What the bundle's interval holds; of a bundle without one any number does, since its ends are missing."""
    return getattr(bundle.manifest.interval, "level", 0.9)


def _scored_young(use_case, bundle, params):
    """Development rows whose target was open at the training cutoff, scored: their features are there."""
    rows = read_frame(case_path(use_case, "development", "observations.parquet"))
    rows = _with_given_targets(rows[rows["status"].eq(IMMATURE)].drop(columns=["target", "target_known_at", "status"]))
    columns = read_columns(case_path(use_case, "development", "features.parquet"), bundle.names, rows=rows.index.to_numpy())
    return scored(rows, columns, bundle, threads=params.train.threads)


def _scored_since(folder, use_case, bundle, params, rules, about, cutoff):
    """Observations since the cutoff on the grid of development, scored by features computed as those were."""
    rows = _since(use_case, rules, about, cutoff)
    if rows.empty:
        return rows
    write_frame(folder / "observations.parquet", rows)
    catalogue = build_catalogue(use_case, available_columns(folder, use_case), preferred_basis=params.featurize.preferred_basis)
    write_features(folder, catalogue, params.featurize, what=f"performance {use_case}")
    return scored(rows, read_columns(folder / "features.parquet", bundle.names), bundle, threads=params.train.threads)


def _since(use_case, rules, about, cutoff):
    """One row per observation after the cutoff."""
    until = about["complete_to"]
    if use_case == "fraud":
        start = max(pd.Timestamp(cutoff) + pd.Timedelta(days=1), pd.Timestamp(until) - pd.Timedelta(days=rules.history_days))
        return transactions_between(start - pd.Timedelta(seconds=1), until)
    given = given_observations(until=until)
    if given is not None:
        return given[given["as_of"] > pd.Timestamp(cutoff) + pd.Timedelta(days=1)].reset_index(drop=True)
    dates = later_dates(month_ends(about, rules, until=cutoff), rules.every_months, until)
    return active_customers(dates, active_days=rules.active_days) if len(dates) else pd.DataFrame({"as_of": pd.to_datetime([])})


def later_dates(grid, every_months, until):
    """The month ends after the last of development's `grid`, every so many months, up to a day: the grid does not move when a month is added."""
    last = grid[-1] if len(grid) else pd.Timestamp(until)
    months = (pd.Timestamp(until).year - last.year) * 12 + pd.Timestamp(until).month - last.month
    ends = [last + pd.offsets.MonthEnd(count) for count in range(every_months, months + 1, every_months)]
    return pd.DatetimeIndex([end for end in ends if end <= pd.Timestamp(until)]).as_unit("us")


def _with_given_targets(rows):
    """The rows with the source's own targets, as they are now, where it gives any."""
    given = given_observations(until=rows["as_of"].max()) if len(rows) else None
    if given is None or "target" not in given:
        return rows
    known = given.set_index("observation_id")[[name for name in ("target", "target_known_at") if name in given]]
    return rows.join(known, on="observation_id")


def _unmoved(accepted, bundle):
    """The calibration line that the model was accepted with, its offset and intercept as they were before a move to a long-run rate."""
    if accepted is None:
        return None
    line = accepted["probability"]["line"]
    return {name: value + (bundle.moved if name.startswith("offset") else 0.0) for name, value in line.items()}


def _headline(accepted):
    ranks, line = accepted["discrimination"], accepted["probability"]["line"]
    return {"rows": accepted["rows"], "bad_customers": accepted["bad_customers"], "rate": accepted["rate"],
            **{f"auc{end}": ranks[name] for end, name in (("", "auc"), ("_low", "low"), ("_high", "high"))}, "line": line}


if __name__ == "__main__":
    run_stage(performance)
