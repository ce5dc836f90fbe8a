"""How long a million credit decisions take, with and without the day's loss budget, and a million fraud decisions.

    python -m benchmarks.decisions [--rows 1000000] [--rounds 3]

Customers, amounts and facts are drawn, requests fall on 21 days. Printed: the best and the median of the rounds in seconds. One customer at a time is
what the service does; its figure is a thousand decisions, called one by one.
"""

import argparse
import statistics
import time
from pathlib import Path

import numpy as np

from models.policy import decide_book, decide_fraud, decide_one, load_policy, queue_ahead, spent_before

POLICY = Path(__file__).resolve().parent.parent / "policy.yaml"
DAYS, ALONE = 21, 1000


def drawn(rows, seed=1):
    """Cases as `decide_book` takes them: PDs of a usual book, grades by the PD, amounts up to ten million units, a fifth of the facts missing."""
    rng = np.random.default_rng(seed)
    pd_12m = np.clip(np.exp(rng.normal(-5, 1.2, rows)), 1e-5, 0.9)
    grade = np.array(["A1", "A2", "B", "C", "D", "E"])[np.searchsorted([0.002, 0.005, 0.01, 0.03, 0.1], pd_12m)]
    money = np.exp(rng.normal(13, 2, (2, rows))).astype(np.int64)
    facts = {"days_past_due": np.where(rng.uniform(size=rows) < 0.2, np.nan, rng.exponential(8, rows)),
             "open_lawsuit_amount": np.where(rng.uniform(size=rows) < 0.02, 2e6, 0.0), "in_default": np.full(rows, np.nan)}
    return {"grade": grade, "pd_12m": pd_12m, "amount": money[0], "exposure": money[1], "capacity": np.exp(rng.normal(19, 1.5, rows)), "facts": facts}


def measured(call, rounds):
    """Seconds of each round."""
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        call()
        taken.append(time.perf_counter() - started)
    return taken


def main():
    """Draw, time and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    policy, case, day = load_policy(POLICY), drawn(asked.rows), np.arange(asked.rows) % DAYS
    p_fraud = case["pd_12m"]
    alone = [{name: values[row] for name, values in case.items() if name != "facts"} for row in range(min(ALONE, asked.rows))]
    works = {
        f"{asked.rows:,} credit decisions": lambda: decide_book(policy, **case),
        "… each against its day's loss budget": lambda: decide_book(policy, **case, spent=spent_before(policy, day, **case)),
        f"{asked.rows:,} credit decisions with a list of reasons each": lambda: _with_reasons(decide_book(policy, **case)),
        f"{asked.rows:,} fraud decisions with the reviewers' queue": lambda: decide_fraud(policy, p_fraud, ahead=queue_ahead(policy, p_fraud, day)),
        f"{len(alone):,} credit decisions one by one": lambda: [decide_one(policy, **one) for one in alone],
    }
    for name, call in works.items():
        taken = measured(call, asked.rounds)
        print(f"{name:55}{min(taken):8.2f} s at best, {statistics.median(taken):.2f} s in the middle of {asked.rounds}", flush=True)


def _with_reasons(decided):
    return [decided.reasons(row) for row in range(len(decided))]


if __name__ == "__main__":
    main()
