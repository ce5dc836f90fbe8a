"""Real companies replayed year by year: what the monitor and the retrain decision said on the day, and what followed.

    python -m benchmarks.replays [american_bankruptcy dart_korea] [--out replays.json]

On 30 June of the first possible year a model is learned from what was known then. On every 30 June after it the year's cohort is compared with what the model
learned from, the cohorts that matured since are judged, and the retrain decision is taken, by the functions of the stages monitor, performance and decide. A
refit or rebuild is learned on that day, judged by the gate beside the model in force on the same customers, and takes over if the gate says so. Printed for
every year: the verdicts, the decision, and, from outcomes that nobody had on the day, how the cohort of that year was ranked by the model in force before and
after the decision, by the first model and by one learned anew every year.

Cohorts of companies are small: an AUC of thirty failures has a standard error of some 0.05, and the printed intervals say so.
"""

import argparse
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd

from features.catalogue import Catalogue
from models.discrimination import auc_interval, compare_auc
from models.drift_reference import DriftReference, period_codes, reference_column
from models.explanation import importance, sample_rows
from models.gate import Margins
from models.gate import decide as judge_challenger
from models.retrain import decide as choose
from models.sample import IN_SAMPLE, OUT_OF_TIME
from models.scoring import contributions, encode, raw_scores
from pipeline.columns import read_columns
from pipeline.datasets import FINDINGS, INGEST, REJECTS, TABLES, case_path, read_json
from pipeline.decide import faults, gathered, thresholds
from pipeline.drift_reference import SCORE
from pipeline.evaluate import judge
from pipeline.evaluate import scored as evaluated
from pipeline.featurize import featurize
from pipeline.feed import explained_columns, judge_feed
from pipeline.horizon import observe_rules
from pipeline.ingest import ingest
from pipeline.monitor import counted
from pipeline.monitor import judge as judge_drift
from pipeline.observe import observe
from pipeline.outcomes import known_outcomes
from pipeline.params import load_params
from pipeline.performance import judged, scored, with_outcomes
from pipeline.sample import split
from pipeline.train import fit_bundle
from pipeline.use import source_changes
from pipeline.workspace import workspace

SHARED = Path(os.environ.get("CUSTOMER_RISK_SHARED_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
USE_CASE = "default"
DECIDED_ON = "{year}-06-30"
# The first day on which enough failures have matured to learn from, and the last whose cohort's outcomes are known.
RELEARNED = ("refit", "rebuild")
YEARS = {"american_bankruptcy": (2005, 2015), "dart_korea": (2019, 2021)}


@dataclass(frozen=True)
class World:
    """All that a source has: observations with their place in the feature file, and the rules by which they are labelled."""

    rows: pd.DataFrame
    path: Path
    catalogue: Catalogue
    rules: object
    params: object
    complete_to: str

    def known(self, day):
        """The observations up to a day, with status and target as known then."""
        rows = self.rows[self.rows["as_of"] <= pd.Timestamp(day)]
        return with_outcomes(rows, known_outcomes(USE_CASE, self.rules, known_by=day), use_case=USE_CASE, rules=self.rules, complete_to=day)

    def columns(self, rows, names):
        """Feature columns of those rows."""
        return read_columns(self.path, names, rows=rows["place"].to_numpy())


@dataclass(frozen=True)
class Learned:
    """A model, the day it was learned on, the observations known then with their samples, what it was accepted with, and what drift is judged against."""

    day: str
    bundle: object
    rows: pd.DataFrame
    accepted: dict
    reference: DriftReference


def opened():
    """The World of the source that the parameters name."""
    params, about = load_params(), read_json(INGEST)
    development = case_path(USE_CASE, "development")
    observed = pd.read_parquet(development / "observations.parquet").drop(columns=["target", "target_known_at", "status"])
    catalogue = Catalogue.from_dict(read_json(development / "catalogue.json"))
    return World(observed.assign(place=np.arange(len(observed))), development / "features.parquet", catalogue, observe_rules(params, USE_CASE, about), params,
                 about["complete_to"])


def learn(world, day):
    """A model from what was known on a day.

    Raises: RiskError where too little had matured by then.
    """
    known = world.known(day)
    samples = split(known, use_case=USE_CASE, params=world.params, protocol=None, horizon_days=world.rules.horizon_days)
    everywhere = world.rows[["customer_id"]].assign(target=np.nan, sample=None)
    everywhere.loc[known["place"], ["target", "sample"]] = np.column_stack([known["target"].astype(object), samples.astype(object)])
    everywhere["target"] = everywhere["target"].astype(float)
    bundle, _ = fit_bundle(world.path, everywhere, catalogue=world.catalogue.features, use_case=USE_CASE, horizon_days=world.rules.horizon_days,
                           params=world.params)
    rows = known.assign(sample=samples.to_numpy())
    return Learned(day, bundle, rows, accepted(world, bundle, rows), reference_of(world, bundle, rows))


def accepted(world, bundle, rows):
    """What evaluate measures of a bundle on the judged rows."""
    apart = rows[rows["sample"].eq(OUT_OF_TIME) & rows["target"].notna()].reset_index(drop=True)
    tried = evaluated(apart, world.columns(apart, bundle.names), bundle, threads=world.params.train.threads)
    return judge(tried, bundle.manifest.grades, bundle.manifest.training, world.params.evaluate)


def look(world, model, day):
    """What the stages say of the model on a day: {"quality", "drift", "performance", "decision"}."""
    known, params = world.known(day), world.params
    cohort = cohort_of(known, day)
    quality = judge_feed({**read_json(INGEST), "today": day}, tables=TABLES, rejects=REJECTS, findings=FINDINGS, rules=params.monitor.feed, until=day)
    faulty = explained_columns(quality["faults"], world.catalogue)
    drift = None if cohort.empty else judge_drift(
        model.reference, counted(model.reference, with_score(world, model.bundle, cohort)), rules=params.monitor, faulty=faulty)
    # What was open when the model was learned, and what came since.
    since = known[~known["place"].isin(model.rows.loc[model.rows["target"].notna(), "place"])]
    measured = judged(scored(since, world.columns(since, model.bundle.names), model.bundle, threads=params.train.threads), model.bundle,
                      accepted=model.accepted, rules=params.performance)
    age = (pd.Timestamp(day) - pd.Timestamp(model.day)).days
    evidence = gathered(measured, None if drift is None else drift["verdict"], faults(quality), age_days=age)
    return {"quality": quality, "drift": drift, "performance": measured, "decision": choose(evidence, thresholds=thresholds(params.decide))}


def cohort_of(rows, day):
    """The rows observed in the year that ends on a day."""
    return rows[rows["as_of"].between(pd.Timestamp(day) - pd.DateOffset(years=1), pd.Timestamp(day), inclusive="right")]


def with_score(world, bundle, rows):
    """The bundle's columns of those rows and its score."""
    columns = world.columns(rows, bundle.names)
    return {**columns, SCORE: raw_scores(bundle, encode(columns, bundle), threads=world.params.train.threads)}


def reference_of(world, bundle, rows):
    """The DriftReference of the rows that a bundle learned from; its score on the judged rows, which its trees have not seen."""
    learned, apart = (rows[rows["sample"].isin(names)] for names in (IN_SAMPLE, [OUT_OF_TIME]))
    columns, some = world.columns(learned, bundle.names), sample_rows(len(learned), limit=300, seed=world.params.monitor.seed)
    found = importance(bundle, contributions(bundle, encode({name: values[some] for name, values in columns.items()}, bundle), threads=2))
    weights = {row["column"]: row["share"] for row in found["columns"]}

    def column(name, values, of, weight):
        customers, periods = pd.factorize(of["customer_id"])[0], period_codes(of["as_of"].to_numpy())
        return reference_column(name, values, customers, periods, bins=world.params.monitor.bins, weight=weight)

    every = [*(column(name, values, learned, weights[name]) for name, values in columns.items()),
             column(SCORE, with_score(world, bundle, apart)[SCORE], apart, 1.0)]
    return DriftReference(bundle=bundle.hash, score=SCORE, rows=len(learned), customers=learned["customer_id"].nunique(),
                          periods=learned["as_of"].nunique(), columns=tuple(every))


def challenged(world, model, challenger):
    """Whether the gate's checks on ranking, calibration and directions let a challenger take over, and their details; on the rows that judge the challenger.

    The other checks want groups and exposures, which these sets do not have.
    """
    rows = challenger.rows[challenger.rows["sample"].eq(OUT_OF_TIME) & challenger.rows["target"].notna()].reset_index(drop=True)
    before = evaluated(rows, world.columns(rows, model.bundle.names), model.bundle, threads=world.params.train.threads)
    now = evaluated(rows, world.columns(rows, challenger.bundle.names), challenger.bundle, threads=world.params.train.threads)
    champion = judge(before, model.bundle.manifest.grades, model.bundle.manifest.training, world.params.evaluate)
    comparison = compare_auc(now["target"], now["raw_score"], before["raw_score"], groups=now["customer_id"])
    verdict = judge_challenger(challenger.accepted, champion, comparison=comparison, audit=challenger.bundle.manifest.training["audit"],
                               margins=Margins(**{name: getattr(world.params.gate, name) for name in Margins.__struct_fields__}))
    checks = [each for each in verdict["reasons"] if each["check"] in ("discrimination", "calibration", "monotonicity")]
    return {"passed": all(each["passed"] for each in checks), "details": [each["detail"] for each in checks]}


def followed(world, bundle, day):
    """How a model ranked the cohort of a day, by outcomes that nobody had then: {"auc", "low", "high", "bad", "expected"}; None where they never came."""
    cohort = cohort_of(world.known(world.complete_to), day)
    cohort = cohort[cohort["target"].notna()]
    if not 0 < cohort["target"].sum() < len(cohort):
        return None
    tried = scored(cohort, world.columns(cohort, bundle.names), bundle, threads=world.params.train.threads)
    found = auc_interval(tried["target"].to_numpy(), tried["raw_score"].to_numpy(), groups=tried["customer_id"])
    return {"auc": found["auc"], "low": found["low"], "high": found["high"], "bad": int(tried["target"].sum()), "expected": float(tried["probability"].sum()),
            "rows": len(tried)}


def replay(name, folder):
    """Every year of a source as a dict: what was said, what was done, and what followed."""
    first, last = YEARS[name]
    with workspace(folder, source_changes([USE_CASE], name=name, definition=f"pipeline/sources/{name}", path=(SHARED / name).resolve())):
        ingest()
        observe(USE_CASE)
        featurize(USE_CASE)
        world, days = opened(), [DECIDED_ON.format(year=year) for year in range(first, last + 1)]
        model = never = learn(world, days[0])
        years = []
        for day in days[1:]:
            said = look(world, model, day)
            before, anew = model, learn(world, day)
            gate = challenged(world, model, anew) if said["decision"]["action"] in RELEARNED else None
            model = anew if gate is not None and gate["passed"] else model
            years.append({"day": day, "in_force_since": before.day, **said, "gate": gate, "followed": {
                which: followed(world, each.bundle, day) for which, each in (("before", before), ("after", model), ("never", never), ("always", anew))}})
        return {"source": name, "first": days[0], "accepted": never.accepted["discrimination"], "years": years}


def lines(found):
    """The replay as a Markdown table, and the reasons of every year beneath it."""
    yield f"{found['source']}, first model of {found['first']}: AUC {_interval(found['accepted'])} on the rows that judged it"
    yield ("| decided on | model of | records | drift | matured since: AUC (promised) | decision | gate | failed / expected | AUC after: kept | decided | first model "
           "| every year |")
    yield "| --- |" + " --- |" * 11
    for year in found["years"]:
        yield _line(year)
    for year in found["years"]:
        yield f"- {year['day']}: {'; '.join([*year['decision']['reasons'], *(fault['sentence'] for fault in year['quality']['faults'])])}"


def _line(year):
    recent, came = year["performance"]["recent"], year["followed"]
    matured = "–" if recent is None or recent["auc"] is None else f"{recent['auc']:.3f} ({recent['auc_promised']:.3f})"
    gate = "–" if year["gate"] is None else "promote" if year["gate"]["passed"] else "keep"
    truth = came["before"]
    counts = "–" if truth is None else f"{truth['bad']} / {truth['expected']:.0f} of {truth['rows']:,}"
    return (f"| {year['day']} | {year['in_force_since'][:4]} | {year['quality']['verdict']} | {'–' if year['drift'] is None else year['drift']['verdict']} | {matured} | "
            f"{year['decision']['action']}{_wanted(year['decision'])} | {gate} | {counts} | "
            f"{' | '.join('–' if came[name] is None else _interval(came[name]) for name in ('before', 'after', 'never', 'always'))} |")


def _wanted(decision):
    return "" if decision["wanted"] == decision["action"] else f" (wanted {decision['wanted']})"


def _interval(found):
    return f"{found['auc']:.3f} ({found['low']:.3f}–{found['high']:.3f})"


def main():
    """Replay the sets asked for and print their tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="*", default=list(YEARS))
    parser.add_argument("--out", type=Path)
    arguments, found = parser.parse_args(), []
    for name in arguments.sets:
        with tempfile.TemporaryDirectory() as folder:
            found.append(replay(name, folder))
        print("\n".join(lines(found[-1])), flush=True)
    if arguments.out:
        arguments.out.write_text(json.dumps(msgspec.to_builtins(found), indent=1, default=float) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
