"""What the decisions are worth: a history lived with the rule, with a model that is never touched, and with one that is refitted every quarter.

    python -m benchmarks.history_loss [--seeds 1-3] [--customers 3000] [--scenarios calm,concept_drift] [--out losses.jsonl]

Each cohort observed after the change is scored by the model in force on its day; its loss is known a year and the lag later. Printed, by scenario and policy:
the mean log-loss of those cohorts and their AUC, and how many actions it took. A recalibration fits new curves on the rows that the rule decided by; a refit
learns from every row matured by then, by the product's own split and training; a rebuild is taken for a refit. The rest is as in benchmarks.histories.
"""

import argparse
import json
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.histories import END, finished, seeds_of
from benchmarks.history_run import CHANGE, FIRST, QUARTER, Later, decided_on, learned, lived
from features.catalogue import Catalogue
from models.bundle import make_bundle
from models.discrimination import auc
from models.performance import window
from models.probability_tests import log_loss
from models.sample import OUT_OF_TIME
from pipeline import performance as stage
from pipeline.columns import cut, read_columns
from pipeline.datasets import case_path, read_json
from pipeline.evaluate import judge
from pipeline.frames import read_frame
from pipeline.outcomes import known_outcomes
from pipeline.sample import split
from pipeline.sources._simulated_scenarios import SCENARIOS
from pipeline.sources.simulated import last_day
from pipeline.train import curves_of, fit_bundle, kept_features

CASE, POLICIES = "default", ("never", "rule", "every quarter")
LEAD = pd.Timedelta(days=365 + 45)


@dataclass(frozen=True)
class Ground:
    """Every row of a history and its columns, and the feature file in the same order."""

    rows: pd.DataFrame
    columns: dict
    path: Path


def ground(world, later):
    """Development's rows and those since, one after the other."""
    path, development = case_path(CASE, "all.parquet"), case_path(CASE, "development")
    tables = [pq.read_table(folder / "features.parquet") for folder in (development, case_path(CASE, "later"))]
    pq.write_table(pa.concat_tables(tables, promote_options="permissive"), path)
    rows = pd.concat([read_frame(development / "observations.parquet"), later.rows])[["observation_id", "customer_id", "as_of"]].reset_index(drop=True)
    return Ground(rows, read_columns(path, world.bundle.names), path)


def labelled(given, world, day):
    """The rows known by a day with status and target; those of customers in default then are indeterminate, so that the places stay."""
    found = stage.with_outcomes(given.rows[given.rows["as_of"] < pd.Timestamp(day) + pd.Timedelta(days=1)],
                                known_outcomes(CASE, world.rules, known_by=day), use_case=CASE, rules=world.rules, complete_to=day)
    rows = given.rows.merge(found[["observation_id", "status", "target"]], on="observation_id", how="left")
    return rows.assign(status=rows["status"].fillna("indeterminate"))


def followed(world, given, bundle, accepted, day):
    """The World and Later of another bundle in force from a day on, whose cutoff it is."""
    scored = stage.scored(given.rows, given.columns, bundle, threads=1)
    end, as_of = pd.Timestamp(day) + pd.Timedelta(days=1), given.rows["as_of"]
    since = (as_of >= end).to_numpy()
    young = scored[(as_of < end) & (as_of > pd.Timestamp(day) - LEAD)]
    return replace(world, bundle=bundle, accepted=accepted, cutoff=day, young=young), Later(scored[since].reset_index(drop=True), cut(given.columns, since))


def refitted(world, given, day):
    """A bundle learned from what is known on a day, and the figures of the rows that judge it."""
    rows = labelled(given, world, day)
    rows = rows.assign(sample=split(rows, use_case=CASE, params=world.params, protocol=None, horizon_days=world.rules.horizon_days))
    catalogue = Catalogue.from_dict(read_json(case_path(CASE, "development", "catalogue.json")))
    bundle, _ = fit_bundle(given.path, rows, catalogue=kept_features(catalogue, case_path(CASE, "development"), world.params), use_case=CASE,
                           horizon_days=world.rules.horizon_days, params=world.params)
    judged = rows["sample"].eq(OUT_OF_TIME).to_numpy()
    scored = stage.scored(rows[judged], cut(given.columns, judged), bundle, threads=1)
    return bundle, judge(scored, bundle.manifest.grades, bundle.manifest.training, world.params.evaluate)


def recalibrated(world, given, day):
    """The same trees with curves of the matured cohorts that are decided by; no rows judge it but later ones."""
    rows = labelled(given, world, day)
    young = rows[rows["status"].eq("matured") & (rows["as_of"] > pd.Timestamp(world.cutoff) - LEAD)]
    rules = stage.Rules(**{name: getattr(world.params.performance, name) for name in stage.Rules.__struct_fields__})
    recent = window(stage.scored(young, cut(given.columns, young.index.to_numpy()), world.bundle, threads=1), rules=rules)
    curves, prior, _ = curves_of(recent["raw_score"].to_numpy(), recent["target"].to_numpy(), recent["customer_id"].to_numpy(), params=world.params)
    training = {**world.bundle.manifest.training, "prior": prior}
    return make_bundle(world.bundle.booster_text, msgspec.structs.replace(world.bundle.manifest, training=training, **curves)), None


def play(policy, world, later, given):
    """The rows after the change, scored by the model in force on their day, and the actions taken: (frame, {month: action})."""
    start, parts, actions = world, [], {}
    for month in range(CHANGE, END + 1, QUARTER):
        day = last_day(FIRST, month)
        action = {"never": "none", "every quarter": "refit"}.get(policy) or decided_on(world, later, month, CASE)["action"]
        if action != "none" and month > CHANGE:
            actions[month] = action
            bundle, accepted = (recalibrated if action == "recalibrate" else refitted)(world, given, day)
            world, later = followed(start, given, bundle, accepted, day)
        # The book of a quarter is scored before what was decided at its end is in production.
        ahead = later.rows["as_of"].between(pd.Timestamp(day) + pd.Timedelta(days=1), pd.Timestamp(last_day(FIRST, month + QUARTER)) + pd.Timedelta(days=1))
        parts.append(later.rows[ahead])
    return pd.concat(parts, ignore_index=True), actions


def losses(policy, world, later, given):
    """Log-loss and AUC of the cohorts after the change that have matured by the end."""
    rows, actions = play(policy, world, later, given)
    known = labelled(given, world, last_day(FIRST, END)).set_index("observation_id")
    rows = rows.assign(target=known["target"].reindex(rows["observation_id"]).to_numpy())
    rows = rows[rows["target"].notna()]
    return {"policy": policy, "rows": len(rows), "bad": int(rows["target"].sum()), "log_loss": log_loss(rows["target"], rows["probability"]),
            "auc": float(np.mean([auc(part["target"], part["raw_score"]) for _, part in rows.groupby("as_of")])), "actions": actions}


def table(found):
    """Mean over seeds by scenario and policy, in Markdown; a millinat a row is a thousandth of the log-loss."""
    rows = ["| scenario | policy | seeds | log-loss | less than never, millinats a row (standard error) | AUC | actions |", "| --- |" + " --- |" * 6]
    for (scenario, policy), part in pd.DataFrame(found).groupby(["scenario", "policy"], sort=False):
        never = {each["seed"]: each["log_loss"] for each in found if each["scenario"] == scenario and each["policy"] == "never"}
        saved = 1000 * (part["seed"].map(never) - part["log_loss"])
        error = f" ({saved.std(ddof=1) / len(saved) ** 0.5:.2f})" if len(saved) > 1 else ""
        rows.append(f"| {scenario} | {policy} | {len(part)} | {part['log_loss'].mean():.4f} | {saved.mean():+.2f}{error} | {part['auc'].mean():.3f} | "
                    f"{part['actions'].map(len).mean():.1f} |")
    return "\n".join(rows)


def main():
    """Run what is asked and not there yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=seeds_of, default=range(1, 4))
    parser.add_argument("--customers", type=int, default=3000)
    parser.add_argument("--scenarios", default=",".join(name for name in SCENARIOS if name != "fraud_wave"))
    parser.add_argument("--out", type=Path, default=Path("losses.jsonl"))
    asked = parser.parse_args()
    out = asked.out.resolve()
    there = {(each["seed"], each["customers"], each["scenario"]) for each in finished(out)}
    for seed in asked.seeds:
        lacking = [name for name in asked.scenarios.split(",") if (seed, asked.customers, name) not in there]
        if lacking:
            _run(seed, asked.customers, lacking, out)
    print(table([{**each, **policy} for each in finished(out) if each["customers"] == asked.customers for policy in each["policies"]]))


def _run(seed, customers, scenarios, out):
    with learned(seed, customers) as world:
        for scenario in scenarios:
            later = lived(world, scenario, END)
            given = ground(world, later)
            found = {"seed": seed, "customers": customers, "scenario": scenario, "policies": [losses(policy, world, later, given) for policy in POLICIES]}
            with out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
