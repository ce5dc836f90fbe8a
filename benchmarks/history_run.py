"""One seed of simulated histories: a model learned on the calm months, then each scenario's quarters, judged by the product's own functions."""

import contextlib
import shutil
import tempfile
from dataclasses import dataclass

import msgspec
import numpy as np
import pandas as pd

from benchmarks.history_inputs import drift_verdict, feed, learned_from
from benchmarks.history_world import Past, about_of
from models.bundle import load_bundle
from models.retrain import decide
from pipeline import performance as stage
from pipeline.columns import cut, read_columns
from pipeline.datasets import INGEST, TABLES, case_path, read_json, write_json
from pipeline.decide import faults, gathered, thresholds
from pipeline.evaluate import evaluate
from pipeline.featurize import featurize
from pipeline.horizon import observe_rules
from pipeline.observe import observe
from pipeline.outcomes import known_outcomes
from pipeline.params import load_params
from pipeline.sample import sample
from pipeline.sources.simulated import Settings, last_day
from pipeline.train import train
from pipeline.workspace import workspace

FIRST, CHANGE, QUARTER = "2018-01", 36, 3
# A cohort older than this decides nothing and costs as much as a young one.
LOOKED_BACK = pd.Timedelta(days=3 * 366)
DRAWS = 100


@dataclass(frozen=True)
class World:
    """What the histories of a seed and use case share: the simulated past, the model learned on it, and what it learned from."""

    past: Past
    params: object
    rules: object
    bundle: object
    accepted: dict
    cutoff: str
    reference: object
    young: pd.DataFrame


@contextlib.contextmanager
def learned(seed, customers, *, use_case="default"):
    """A World in a workspace of its own, which is the working directory meanwhile."""
    changes = [("use_cases", [use_case]), ("simulated.customers", customers), ("simulated.seed", seed), ("simulated.months", CHANGE),
               ("simulated.scenario_month", CHANGE), ("train.threads", 1), ("featurize.threads", 1)]
    past = Past(Settings(customers=customers, seed=seed, first_month=FIRST), CHANGE)
    with tempfile.TemporaryDirectory() as folder, workspace(folder, changes):
        cutoff = last_day(FIRST, CHANGE)
        past.write(TABLES)
        write_json(INGEST, about_of(TABLES, until=cutoff))
        for each in (observe, featurize, sample, train, evaluate):
            each(use_case)
        yield _world(past, use_case, cutoff)


def _world(past, use_case, cutoff):
    params, bundle = load_params(), load_bundle(case_path(use_case, "model"))
    params = msgspec.structs.replace(params, performance=msgspec.structs.replace(params.performance, draws=DRAWS))
    accepted = stage.accepted_with(read_json(case_path(use_case, "evaluation", "full.json")), bundle)
    return World(past, params, observe_rules(params, use_case, read_json(INGEST)), bundle, accepted, cutoff, learned_from(use_case, bundle, params),
                 stage._scored_young(use_case, bundle, params))


@dataclass(frozen=True)
class Later:
    """The months after the change: rows since the cutoff, scored, and their columns."""

    rows: pd.DataFrame
    columns: dict


def lived(world, scenario, months, *, use_case="default"):
    """The Later of a scenario that sets in with the month CHANGE, `months` in all; the tables are then those of its last day."""
    world.past.go_on(scenario, months - CHANGE, TABLES)
    about = about_of(TABLES, until=last_day(FIRST, months))
    write_json(INGEST, about)
    folder = case_path(use_case, "later")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rows = stage._scored_since(folder, use_case, world.bundle, world.params, world.rules, about, world.cutoff)
    return Later(rows, read_columns(folder / "features.parquet", world.bundle.names))


def decisions(world, later, months, *, use_case="default"):
    """What is decided at the end of each quarter from CHANGE to `months`: dicts of month, action, wanted, reason, drift, faults, and the figures they rest on.

    Every date sees what was known on it and nothing else. The model stays what it was, so what follows a first action shows how the evidence goes on.
    """
    return [decided_on(world, later, month, use_case) for month in range(CHANGE, months + 1, QUARTER)]


def decided_on(world, later, month, use_case):
    """What is decided at the end of a month, with the figures that it rests on."""
    day = last_day(FIRST, month)
    found = figures(world, later, day, use_case=use_case)
    about = about_of(TABLES, until=day)
    quality = feed(TABLES, about, params=world.params)
    drift = _drift(world, later, day, quality, use_case)
    evidence = gathered(found, drift, faults(quality), age_days=(pd.Timestamp(day) - pd.Timestamp(world.cutoff)).days)
    chosen = decide(evidence, thresholds=thresholds(world.params.decide))
    recent = {name: value for name, value in (found["recent"] or {}).items() if name != "grades"}
    return {"month": month, **{name: chosen[name] for name in ("action", "wanted")}, "reason": chosen["reasons"][0], "drift": drift,
            "faults": sorted({fault["kind"] for fault in quality.get("faults", [])}),
            "new_bad": found["new_bad"], "recent": recent, "standing": found["standing"]}


def figures(world, later, day, *, use_case="default", draws=DRAWS, looked_back=LOOKED_BACK):
    """performance.json's content on a day."""
    rows = pd.concat([world.young, later.rows[later.rows["as_of"] < pd.Timestamp(day) + pd.Timedelta(days=1)]], ignore_index=True)
    rows = rows[rows["as_of"] > pd.Timestamp(day) - looked_back].reset_index(drop=True)
    outcomes = known_outcomes(use_case, world.rules, known_by=day)
    labelled = stage.with_outcomes(rows, outcomes, use_case=use_case, rules=world.rules, complete_to=day)
    return stage.judged(labelled, world.bundle, accepted=world.accepted, rules=msgspec.structs.replace(world.params.performance, draws=draws))


def _drift(world, later, day, quality, use_case):
    """The drift verdict of the book of a day: the customers (or the last week's transactions) observed by then; "none" on the day of the cutoff."""
    as_of = later.rows["as_of"]
    known = as_of < pd.Timestamp(day) + pd.Timedelta(days=1)
    book = np.flatnonzero(known & (as_of > pd.Timestamp(day) - pd.Timedelta(days=world.params.book.fraud_days)))
    if not len(book):
        return "none"
    scored = later.rows.iloc[book]
    return drift_verdict(world.reference, cut(later.columns, book), scored["raw_score"].to_numpy(), scored["customer_id"].to_numpy(),
                         use_case=use_case, params=world.params, found=quality)


def held(world, later, months, *, use_case="default"):
    """The label-free estimates of every cohort matured by the last month beside the truth: dicts of cohort and, per figure, estimate, low, high, realised."""
    found = figures(world, later, last_day(FIRST, months), use_case=use_case, draws=500, looked_back=pd.Timedelta(days=36_500))
    return [{"cohort": each["cohort"], **{name: _beside(each, name) for name in each["held"]}} for each in found["cohorts"]]


def _beside(cohort, name):
    ends = {"estimate": "", "low": "_low", "high": "_high"}
    return {**{end: cohort["estimate"][f"{name}{mark}"] for end, mark in ends.items()}, "realised": cohort["held"][name]["realised"]}
