"""Simulated histories of seven years: does the monitor ask for the right thing at the right time, and for nothing when nothing matters?

    python -m benchmarks.histories [--seeds 1-20] [--customers 10000] [--out FILE] [--scenarios calm,recession] [--processes 1]
    python -m benchmarks.histories --out FILE --part table         # the confusion table of what is there
    python -m benchmarks.histories --out FILE --part label-free    # coverage and width of the label-free estimate

A model learns on the first 36 months, all calm; a scenario sets in with the next; at the end of every quarter from month 36 on it is decided what to do, by
the functions of stages performance, monitor and decide on what was known that day. A history gets one verdict, by its first action: the right one in
time, none before it. Where outcomes must show the change, decisions after month 60 come too late to be right, and are left out.
Every finished history is a line of --out, and what is there is not run again. The use case fraud is judged on the first FRAUD_CUSTOMERS, until month 45.
"""

import argparse
import json
import multiprocessing
from collections import Counter
from pathlib import Path

import numpy as np

from benchmarks.history_run import CHANGE, decisions, held, learned, lived
from pipeline.sources._simulated_scenarios import SCENARIOS

END, SHOWN_BY_60, FRAUD_END, FRAUD_CUSTOMERS = 84, 60, 45, 2000
# The first cohort whose year holds the change (observed in month 27) has matured at month 42, the first observed under it (month 36) at month 51.
FIRST_SIGN, STRICT, DEADLINE = 42, 48, 57
INPUTS_DEADLINE = CHANGE + 6
NONE = frozenset({"none"})
RIGHT = {"calm": NONE, "covariate_shift": NONE, "broken_feed": NONE, "recession": {"recalibrate"}, "calibration_shift": {"recalibrate"},
         "concept_drift": {"refit"}, "new_default": {"refit", "rebuild"}, "fraud_wave": NONE}
WITHOUT_CONCEPT_DRIFT = ("calm", "covariate_shift", "recession", "calibration_shift", "fraud_wave")
FIGURES = ("auc", "rate", "brier")


def verdict(name, found):
    """(right, what was done) of a history: its scenario's action in time, and none before a cohort could show it; a broken feed has to be named as well."""
    acted = next((each for each in found["decisions"] if each["action"] != "none"), None)
    done = "none" if acted is None else acted["action"]
    if RIGHT[name] == NONE:
        seen = name != "broken_feed" or _named(found["decisions"])
        fraud = found.get("fraud")
        told = fraud is None or verdict_of_fraud(fraud)
        said = done if fraud is None else f"{done}, fraud {_first(fraud)}"
        return acted is None and seen and told, said if seen else f"{said}, no fault named"
    return acted is not None and done in RIGHT[name] and FIRST_SIGN <= acted["month"] <= DEADLINE, done if acted is None else f"{done} at {acted['month']}"


def verdict_of_fraud(found):
    """Whether the fraud wave was answered: a recalibration within two quarters of the first matured quarter, month 39."""
    acted = next((each for each in found if each["action"] != "none"), None)
    return acted is not None and acted["action"] == "recalibrate" and acted["month"] <= FRAUD_END


def _named(found):
    """A fault is named within two quarters of the change, and none before it."""
    named = [each["month"] for each in found if each["faults"]]
    return bool(named) and CHANGE < named[0] <= INPUTS_DEADLINE


def _first(found):
    return next((f"{each['action']} at {each['month']}" for each in found if each["action"] != "none"), "none")


def run_seed(seed, customers, scenarios):
    """Yield the finished history of each scenario of a seed."""
    with learned(seed, customers) as world:
        for name in scenarios:
            months = END if RIGHT[name] == NONE else SHOWN_BY_60
            later = lived(world, name, months)
            judged = {"decisions": decisions(world, later, months), "label_free": held(world, later, months)}
            yield {"seed": seed, "customers": customers, "scenario": name, **judged}


def fraud_of(seed):
    """The decisions of the use case fraud in a fraud wave."""
    with learned(seed, FRAUD_CUSTOMERS, use_case="fraud") as world:
        return decisions(world, lived(world, "fraud_wave", FRAUD_END, use_case="fraud"), FRAUD_END, use_case="fraud")


def _run(asked):
    seed, customers, scenarios, out = asked
    for found in run_seed(seed, customers, scenarios):
        if found["scenario"] == "fraud_wave":
            found["fraud"] = fraud_of(seed)
        with out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(found) + "\n")
        right, done = verdict(found["scenario"], found)
        print(f"seed {seed} {found['scenario']}: {done}, {'right' if right else 'WRONG'}", flush=True)


def finished(out):
    """The histories in the file."""
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()] if out.exists() else []


def table(histories):
    """The confusion table in Markdown: what was done in the histories of each scenario, how many were right, and by which month."""
    heads = ("scenario", "histories", "none", "recalibrate", "refit", "rebuild", "acted in month (median)", "right", "right by month 48", "drift by month 42")
    rows = [f"| {' | '.join(heads)} |", "| --- |" + " --- |" * 9]
    for name in SCENARIOS:
        of = [each for each in histories if each["scenario"] == name]
        if of:
            rows.append(_row(name, of))
    return "\n".join(rows)


def _row(name, of):
    acted = [next((each for each in found["decisions"] if each["action"] != "none"), None) for found in of]
    done = Counter("none" if each is None else each["action"] for each in acted)
    months = [each["month"] for each in acted if each]
    right = [verdict(name, found)[0] for found in of]
    early = [fine and (each is None or each["month"] <= STRICT) for fine, each in zip(right, acted, strict=True)]
    seen = [any(each["drift"] != "none" for each in found["decisions"] if CHANGE < each["month"] <= INPUTS_DEADLINE) for found in of]
    counts = " | ".join(str(done[action]) for action in ("none", "recalibrate", "refit", "rebuild"))
    return f"| {name} | {len(of)} | {counts} | {np.median(months) if months else '–'} | {sum(right)} ({np.mean(right):.0%}) | {sum(early)} | {sum(seen)} |"


def label_free(histories):
    """Coverage and mean width of the label-free estimate's interval by scenario, in Markdown; cohorts of a history overlap."""
    rows = ["| scenario | cohorts | " + " | ".join(f"{name} held, mean error, width" for name in FIGURES) + " |", "| --- |" + " --- |" * 4]
    groups = [*((name, (name,)) for name in SCENARIOS), ("all without concept drift", WITHOUT_CONCEPT_DRIFT)]
    for label, names in groups:
        cohorts = [cohort for each in histories if each["scenario"] in names for cohort in each["label_free"]]
        if cohorts:
            rows.append(f"| {label} | {len(cohorts)} | " + " | ".join(_coverage(cohorts, name) for name in FIGURES) + " |")
    return "\n".join(rows)


def _coverage(cohorts, name):
    found = [each[name] for each in cohorts if name in each]
    inside = np.mean([each["low"] <= each["realised"] <= each["high"] for each in found])
    error, width = np.mean([each["estimate"] - each["realised"] for each in found]), np.mean([each["high"] - each["low"] for each in found])
    return f"{inside:.1%}, {error:+.4f}, {width:.4f}"


def seeds_of(text):
    """Seeds asked for as 3 or 1-20."""
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def main():
    """Run what is asked and not there yet, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=seeds_of, default=range(1, 21))
    parser.add_argument("--customers", type=int, default=10_000)
    parser.add_argument("--scenarios", default=",".join(SCENARIOS))
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--part", choices=("run", "table", "label-free"), default="run")
    parser.add_argument("--out", type=Path, default=Path("histories.jsonl"))
    asked = parser.parse_args()
    out = asked.out.resolve()
    if asked.part == "run":
        there = {(each["seed"], each["customers"], each["scenario"]) for each in finished(out)}
        lacking = {seed: [name for name in asked.scenarios.split(",") if (seed, asked.customers, name) not in there] for seed in asked.seeds}
        todo = [(seed, asked.customers, names, out) for seed, names in lacking.items() if names]
        with multiprocessing.get_context("spawn").Pool(asked.processes, maxtasksperchild=1) as pool:
            for _ in pool.imap_unordered(_run, todo):
                pass
    histories = [each for each in finished(out) if each["customers"] == asked.customers and each["seed"] in asked.seeds]
    print(label_free(histories) if asked.part == "label-free" else table(histories))


if __name__ == "__main__":
    main()
