"""Early warning on simulated calm portfolios: how many alerts a month, how many of them came true, and how long before.

    python -m benchmarks.alerts [--seeds 3] [--customers 5000] [--nights 24] [--out results.json]

A champion learns on 60 months; then come monthly nights: the book of that month's end is scored with it, moved by the life cycle and looked at for alerts, as
`risk run`, `risk customers advance` and `risk alerts raise` do; nothing known after that day is read. What is open is closed before the next night, so that
what happens again is told again. Fourteen months later a year's outcomes of every night are in, and `risk alerts measure` judges them. Printed: alerts per 100
customers a month, precision beside the base rate and beside naming as many of the highest PD, recall, and the days from the first alert within a year to the
default.
"""

import tempfile
import time
from datetime import date

import numpy as np
import pandas as pd

from benchmarks import seeds
from models.alert_file import JUSTIFIED
from models.bundle import load_bundle
from models.life_cycle import load_life_cycle
from pipeline.alert_measure import NAMED, TITLES, measured
from pipeline.alerts import raise_alerts
from pipeline.book import book
from pipeline.customers import LIFE_CYCLE, advance_book
from pipeline.datasets import case_path
from pipeline.featurize import featurize
from pipeline.ingest import ingest
from pipeline.observe import observe
from pipeline.params import change_params, load_params
from pipeline.promote import open_store
from pipeline.sample import sample
from pipeline.score import score
from pipeline.state import keep_bundle, point_to, training_path
from pipeline.train import train
from pipeline.workspace import workspace
from serving.alerts import Alerts

FIRST, LEARNED, AFTER = "2018-01", 60, 14


def run_seed(seed, customers, nights):
    """One portfolio: what was raised each month, and the measured figures."""
    started, months = time.monotonic(), LEARNED + nights + AFTER
    changes = {"simulated.seed": seed, "simulated.customers": customers, "simulated.months": months, "simulated.scenario_month": months,
               "simulated.reference_every_months": 12, "use_cases": ["default"]}
    ends = pd.period_range(FIRST, periods=months, freq="M").to_timestamp("D", "end").strftime("%Y-%m-%d")
    with tempfile.TemporaryDirectory() as folder, workspace(folder, changes.items()):
        ingest()
        _learn(ends[LEARNED - 1])
        looked = [_night(day, first=place == 0) for place, day in enumerate(ends[LEARNED - 1 : LEARNED + nights])]
        with open_store() as store:
            found, kept = measured(store, load_params()), Alerts(store, source="simulated").all()
    return {"seed": seed, "customers": customers, "seconds": time.monotonic() - started, "nights": nights, "alerts": len(kept),
            "a_hundred_a_month": 100 * len(kept) / sum(looked[1:]), "found": found}


def _learn(cutoff):
    """The champion of what was known on a day."""
    training_path("simulated", "default").write_text(f'cutoff: "{cutoff}"\n', encoding="utf-8")
    for stage in (observe, featurize, sample, train):
        stage("default")
    model = case_path("default", "model")
    keep_bundle(model, load_bundle(model).hash)
    point_to(load_bundle(model).hash, source="simulated", use_case="default")


def _night(day, *, first):
    """How many customers the night of a day looked at."""
    change_params([("book.as_of", day)])
    book("default")
    score("default")
    advance_book(take_over=first, actor="benchmark", note="the book of the start")
    _close_all(day)
    raise_alerts()
    return len(pd.read_parquet(case_path("default", "scores.parquet"), columns=["customer_id"]))


def _close_all(day):
    rules = load_life_cycle(LIFE_CYCLE)
    with open_store() as store:
        alerts = Alerts(store, source="simulated")
        for each in alerts.listed(only_open=True):
            alerts.close(rules, each.alert.id, JUSTIFIED, actor="benchmark", note="seen", day=date.fromisoformat(day))


def line(result):
    """The lines of one seed."""
    found = result["found"]
    rows = [f"seed {result['seed']}, {result['seconds']:.0f} s: {result['alerts']:,} alerts, {result['a_hundred_a_month']:.1f} per 100 customers a month; "
            f"base rate {found['base']['rate']:.1%} of {found['base']['rows']:,}", *(_figures(TITLES[name], found[name], found["defaults"]) for name in NAMED)]
    return "\n  ".join([*rows, *(f"{each['kind']:<20} {each['raised']:>5} raised, {each['mature']:>5} mature, {_percent(each['precision'])} "
                                 f"({_percent(each['low'])} to {_percent(each['high'])})" for each in found["kinds"])])


def _figures(title, figures, defaults):
    lead = "none" if figures["lead_days"] is None else "{1:.0f} days ({0:.0f} to {2:.0f})".format(*figures["lead_days"])
    return (f"{title}: {figures['raised']:,} customers named, precision {_percent(figures['precision'])} ({_percent(figures['low'])} to "
            f"{_percent(figures['high'])}) of {figures['mature']:,}; named before {figures['caught']} of {defaults} defaults, {_percent(figures['recall'])}; "
            f"lead time {lead}")


def _percent(share):
    return "–" if share is None else f"{share:.1%}"


def total(results):
    """The table over all seeds."""
    rows = ["| | customers named | precision | base rate | recall | lead time, median (quartiles) |", "| --- | --- | --- | --- | --- | --- |"]
    for name in NAMED:
        found = [result["found"] for result in results]
        mature, true, caught, defaults = (sum(each[name][part] for each in found) if part != "defaults" else sum(each["defaults"] for each in found)
                                          for part in ("mature", "defaulted", "caught", "defaults"))
        base = sum(each["base"]["defaulted"] for each in found) / sum(each["base"]["rows"] for each in found)
        lead = np.mean([each[name]["lead_days"] for each in found if each[name]["lead_days"]], axis=0)
        rows.append(f"| {TITLES[name]} | {sum(each[name]['raised'] for each in found):,} | {true / mature:.1%} | {base:.1%} | {caught / defaults:.1%} | "
                    f"{lead[1]:.0f} days ({lead[0]:.0f} to {lead[2]:.0f}) |")
    rate = np.mean([result["a_hundred_a_month"] for result in results])
    return "\n".join([*rows, f"{rate:.1f} alerts per 100 customers a month, mean of {len(results)} seeds; lead times are means of the seeds' quartiles."])


def main():
    """Run the seeds and print their lines and the table; or only the table of results kept before."""
    parser = seeds.arguments(__doc__.splitlines()[0], first=601, customers=5000)
    parser.set_defaults(seeds=3)
    parser.add_argument("--nights", type=int, default=24)
    asked = parser.parse_args()
    print(total(seeds.results(asked, lambda seed: run_seed(seed, asked.customers, asked.nights), line)))


if __name__ == "__main__":
    main()
