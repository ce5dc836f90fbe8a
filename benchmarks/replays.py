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
from pathlib import Path

import msgspec
import pandas as pd

from benchmarks.replay_world import USE_CASE, cohort_of, learn, opened, recalibrate, with_score
from features.errors import RiskError
from models.discrimination import auc_interval, compare_auc
from models.gate import Margins
from models.gate import decide as judge_challenger
from models.retrain import decide as choose
from models.sample import OUT_OF_TIME
from pipeline.datasets import FINDINGS, INGEST, REJECTS, TABLES, read_json
from pipeline.decide import faults, gathered, thresholds
from pipeline.evaluate import judge
from pipeline.evaluate import scored as evaluated
from pipeline.featurize import featurize
from pipeline.feed import explained_columns, judge_feed
from pipeline.ingest import ingest
from pipeline.monitor import counted
from pipeline.monitor import judge as judge_drift
from pipeline.observe import observe
from pipeline.performance import judged, scored
from pipeline.use import source_changes
from pipeline.workspace import workspace

SHARED = Path(os.environ.get("CUSTOMER_RISK_SHARED_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
DECIDED_ON = "{year}-06-30"
# The first day on which enough failures have matured to learn from, and the last whose cohort's outcomes are known.
HEADS = ("decided on", "model of", "records", "drift", "matured since: AUC (promised)", "decision", "gate", "failed / expected", "expected by the new",
         "AUC of the kept", "of the decided", "of the first", "of one learned every year")
RELEARNED = ("refit", "rebuild")
YEARS = {"american_bankruptcy": (2005, 2015), "dart_korea": (2019, 2021)}


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


def challenger(world, model, anew, action, day):
    """What the decision makes, and the sentence where it cannot be made: (Learned or None, None or str)."""
    if action in RELEARNED:
        return anew, None
    if action != "recalibrate":
        return None, None
    try:
        return recalibrate(world, model, day), None
    except RiskError as error:
        return None, str(error)


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
            wanted, refusal = challenger(world, model, anew, said["decision"]["action"], day)
            gate = None if wanted is None else challenged(world, model, wanted)
            model = wanted if gate is not None and gate["passed"] else model
            years.append({"day": day, "in_force_since": before.day, **said, "gate": gate, "refusal": refusal, "followed": {
                which: followed(world, each.bundle, day) for which, each in (("before", before), ("after", model), ("never", never), ("always", anew))}})
        return {"source": name, "first": days[0], "accepted": never.accepted["discrimination"], "years": years}


def lines(found):
    """The replay as a Markdown table, and the reasons of every year beneath it."""
    yield f"{found['source']}, first model of {found['first']}: AUC {_interval(found['accepted'])} on the rows that judged it"
    yield f"| {' | '.join(HEADS)} |"
    yield "| --- |" + " --- |" * (len(HEADS) - 1)
    yield from map(_line, found["years"])
    for year in found["years"]:
        yield f"- {year['day']}: {'; '.join([*year['decision']['reasons'], *(fault['sentence'] for fault in year['quality']['faults'])])}"


def _line(year):
    recent, came = year["performance"]["recent"], year["followed"]
    matured = "–" if recent is None or recent["auc"] is None else f"{recent['auc']:.3f} ({recent['auc_promised']:.3f})"
    gate = ("impossible" if year["refusal"] else "–") if year["gate"] is None else "promote" if year["gate"]["passed"] else "keep"
    truth = came["before"]
    counts = "–" if truth is None else f"{truth['bad']} / {truth['expected']:.0f} of {truth['rows']:,}"
    drift, after = "–" if year["drift"] is None else year["drift"]["verdict"], came["after"]
    expected = "–" if after is None or gate != "promote" else f"{after['expected']:.0f}"
    ranked = ("–" if came[name] is None else _interval(came[name]) for name in ("before", "after", "never", "always"))
    return (f"| {year['day']} | {year['in_force_since'][:4]} | {year['quality']['verdict']} | {drift} | {matured} | {year['decision']['action']}"
            f"{_wanted(year['decision'])} | {gate} | {counts} | {expected} | {' | '.join(ranked)} |")


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
