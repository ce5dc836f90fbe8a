"""How often sixteen looks at a good model raise an alarm: no simulator, no trees, only scores, hazards and the product's own judgement.

    python -m benchmarks.history_looks [--histories 200] [--customers 3000] [--first 101]

A book of customers with a constant hazard each and a score that knows it up to noise. A curve is calibrated on a fifth of the customers over four quarters, a
quarter of them judges it, and then nothing ever changes but a common shock a year; when each of sixteen further cohorts has matured it is decided what to do.
Printed: the histories with an alarm, by action, for several values of `decide.chance`.
"""

import argparse
from collections import Counter

import msgspec
import numpy as np
import pandas as pd

from models.calibration import Points, apply
from models.curves import fit_curves
from models.grades import Grade
from models.performance import Rules, performance
from models.probability_tests import calibration_line
from models.retrain import Evidence, Thresholds, decide
from pipeline.params import load_params

QUARTERS, LEARNED, SETTLE, SHOCK = 16, 4, 20, 0.08
CHANCES = (0.05, 0.02, 0.01, 0.005, 0.002)
GRADES = (Grade("A", 1.0, 0.08),)


def book(customers, seed):
    """Rows of every quarter: customer, quarter, raw score and whether the customer fails within the four quarters after it. Who fails is followed by
    another, so that the book keeps its mix; SETTLE quarters go by before the first, until it has found it."""
    rng = np.random.default_rng(seed)
    who, fails = np.arange(customers), {}
    (true, score), shock, parts = _drawn(customers, rng), 0.0, []
    for quarter in range(-SETTLE, LEARNED + QUARTERS + 4):
        if 0 <= quarter < LEARNED + QUARTERS:
            parts.append(pd.DataFrame({"customer_id": who.copy(), "quarter": quarter, "raw_score": score.copy()}))
        shock = rng.normal(0, SHOCK) if quarter % 4 == 0 else shock
        gone = np.flatnonzero(rng.random(customers) < 1 / (1 + np.exp(-(true + shock))))
        fails |= dict.fromkeys(who[gone].tolist(), quarter)
        who[gone] = np.arange(len(gone)) + who.max() + 1
        true[gone], score[gone] = _drawn(len(gone), rng)
    rows = pd.concat(parts, ignore_index=True)
    return rows.assign(target=(rows["customer_id"].map(fails).fillna(np.inf) < rows["quarter"] + 4).astype(float))


def _drawn(count, rng):
    """Quarterly log-odds of failing, and a score that knows them up to noise."""
    true = rng.normal(-4.3, 1.4, count)
    return true, true + rng.normal(0, 0.7, count)


def decided(rows, *, seed, params):
    """The first action of each chance over the quarters of a book: {chance: action}."""
    share = np.random.default_rng(seed).random(rows["customer_id"].max() + 1)[rows["customer_id"]]
    past = rows["quarter"] < LEARNED
    calibration, accepted = rows[past & (share < 0.18)], rows[past & (share > 0.75)]
    curves, _, _ = fit_curves(calibration["raw_score"].to_numpy(), calibration["target"].to_numpy(), calibration["customer_id"].to_numpy(), method="logistic",
                              prior_rate=None, level=0.9, points=Points(), seed=0)
    rows, accepted = (_scored(part, curves) for part in (rows, accepted))
    odds = np.log(accepted["probability"] / (1 - accepted["probability"]))
    line = calibration_line(accepted["target"].to_numpy(), odds.to_numpy(), groups=accepted["customer_id"].to_numpy())
    rules = Rules(**{name: getattr(params.performance, name) for name in Rules.__struct_fields__} | {"draws": 100})
    learned_from = calibration.loc[calibration["target"] == 1, "customer_id"].nunique()
    found = [_evidence(rows, quarter, line, learned_from, rules) for quarter in range(LEARNED, LEARNED + QUARTERS)]
    return {chance: _first(found, params.decide, chance) for chance in CHANCES}


def _scored(rows, curves):
    knots, interval = curves["knots"], curves["interval"]
    low, high = (np.interp(rows["raw_score"], knots.x, end) for end in (interval.low, interval.high))
    as_of = pd.Timestamp("2018-03-31") + rows["quarter"].map(lambda quarter: pd.DateOffset(months=3 * quarter))
    return rows.assign(as_of=as_of, probability=apply(knots, rows["raw_score"].to_numpy()), pd_low=low, pd_high=high, grade="A")


def _evidence(rows, quarter, line, learned_from, rules):
    """What is known when the cohort of a quarter has matured; nothing older than a year is judged."""
    known = rows[(rows["quarter"] > max(quarter - 4, LEARNED - 1)) & (rows["quarter"] <= quarter)]
    found = performance(known, known.iloc[:0], GRADES, confidence=0.9, learned_from=learned_from, line=line, rules=rules)
    return Evidence(drift="none", new_bad=500, recent=found["recent"], standing=found["standing"])


def _first(found, rules, chance):
    limits = Thresholds(**msgspec.structs.asdict(rules) | {"chance": chance})
    return next((action for each in found if (action := decide(each, thresholds=limits)["action"]) != "none"), "none")


def main():
    """Run the histories and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in (("histories", 200), ("customers", 3000), ("first", 101)):
        parser.add_argument(f"--{name}", type=int, default=value)
    asked, params = parser.parse_args(), load_params()
    found = [decided(book(asked.customers, seed), seed=seed, params=params) for seed in range(asked.first, asked.first + asked.histories)]
    print("| chance | alarmed | actions |\n| --- | --- | --- |")
    for chance in CHANCES:
        actions = Counter(each[chance] for each in found)
        print(f"| {chance} | {1 - actions['none'] / len(found):.1%} of {len(found)} | {dict(actions)} |")


if __name__ == "__main__":
    main()
