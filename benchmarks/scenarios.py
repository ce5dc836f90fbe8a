"""What each scenario of the simulator does: defaults, frauds and payments, and how well a calm world's knowledge still ranks.

    python -m benchmarks.scenarios [--customers 10000] [--seed 1] [--draws 200]

Every scenario sets in after 24 months in its usual size. Customers are observed at that moment and a year later, and followed for a year each. Printed for
both: the share that defaulted, what the reference (which knows the scenario) and the old reference (the calm world's, on the same records) expected, and the
Gini of both; then frauds per outflow and payments per invoice of the two years, against calm.
"""

import argparse
from dataclasses import replace

import numpy as np
import pandas as pd

from models.discrimination import auc
from pipeline.sources._simulated_reference import Reference
from pipeline.sources._simulated_rush import PROMPT
from pipeline.sources._simulated_scenarios import CALM, SCENARIOS
from pipeline.sources.simulated import Portfolio, Settings

CHANGE, YEAR = 24, 365 * 86_400


def follow(settings, block, months=CHANGE + 24):
    """One block over the scenario: who was observed when with what expectation and outcome, and counts of the two years after the change."""
    portfolio = Portfolio(settings, block)
    observed, outcomes, counts = [], [], []
    for month in range(1, months + 1):
        rows = portfolio.advance()
        outcomes.append(_outcomes(rows))
        if month > CHANGE:
            counts.append(_counts(rows))
        if month in (CHANGE, CHANGE + 12):
            observed.append(_observed(portfolio, settings, month))
    return _followed(pd.concat(observed), pd.concat(outcomes)), pd.DataFrame(counts).sum()


def _observed(portfolio, settings, month):
    truth = pd.DataFrame(portfolio.truth()["reference"]).rename(columns={"reference_pd_12m": "new"})
    return truth.assign(old=old_reference(portfolio, settings), month=month)


def old_reference(portfolio, settings):
    """What the reference of a calm world makes of what the tables show, by customer in the order of `truth`."""
    block = portfolio._block
    known = block._known(np.flatnonzero(block.status == 1))
    shown = replace(known, rush=np.zeros_like(known.rush), lateness=np.where(known.rush > 0, PROMPT, known.lateness))
    pd_12m = Reference(settings.seed, CALM, block.month - 1, settings.reference_draws).pd_12m(shown)
    return pd_12m[: max(settings.customers - block.block * 1000, 0)]


def _outcomes(rows):
    rows = rows.get("outcomes", {"customer": [], "kind": [], "occurred_at": []})
    frame = pd.DataFrame({name: rows[name] for name in ("customer", "kind", "occurred_at")})
    return frame[frame["kind"] == 0].drop_duplicates()


def _counts(rows):
    kinds = rows["outcomes"]["kind"] if "outcomes" in rows else np.zeros(0)
    return {"frauds": (kinds == 1).sum(), "outflows": (rows["transactions"]["amount"] < 0).sum(), "payments": len(rows["payments"]["amount"]),
            "invoices": len(rows["invoices"]["amount"])}


def _followed(observed, outcomes):
    observed = observed.reset_index(drop=True)
    pairs = observed.reset_index().merge(outcomes.drop_duplicates(["customer", "occurred_at"]), on="customer")
    hit = pairs.loc[(pairs["occurred_at"] > pairs["as_of"]) & (pairs["occurred_at"] <= pairs["as_of"] + YEAR), "index"]
    return observed.assign(defaulted=observed.index.isin(hit))


def run(name, arguments):
    """One scenario over all blocks: the observed rows and the counts."""
    settings = Settings(customers=arguments.customers, seed=arguments.seed, scenario=name, scenario_month=CHANGE, reference_draws=arguments.draws)
    parts = [follow(settings, block) for block in range(settings.blocks)]
    return pd.concat([part for part, _ in parts]), sum(count for _, count in parts)


def line(name, rows, counts):
    """One line of the table."""
    years = [_year(year) for _, year in rows.groupby("month")]
    return f"| {name} | {' | '.join(years)} | {counts['frauds'] / counts['outflows']:.2%} | {counts['payments'] / counts['invoices']:.2f} |"


def _year(rows):
    gini = [2 * auc(rows["defaulted"].to_numpy(float), rows[name].to_numpy()) - 1 for name in ("new", "old")]
    return f"{rows['defaulted'].mean():.2%} | {rows['new'].mean():.2%} / {rows['old'].mean():.2%} | {gini[0]:.2f} / {gini[1]:.2f}"


def main():
    """Run every scenario and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in (("customers", 10_000), ("seed", 1), ("draws", 200)):
        parser.add_argument(f"--{name}", type=int, default=value)
    arguments = parser.parse_args()
    years = (f"{year} year: defaulted | expected, new / old | Gini, new / old" for year in ("first", "second"))
    print(f"| scenario | {' | '.join(years)} | frauds | payments an invoice |")
    print("| --- |" + " --- |" * 8)
    for name in SCENARIOS:
        print(line(name, *run(name, arguments)), flush=True)


if __name__ == "__main__":
    main()
