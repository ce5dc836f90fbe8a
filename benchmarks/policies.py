"""What a policy earns that was chosen on simulated years 1 to 3 and judged on years 4 and 5, its decisions fed back into the simulator.

    python -m benchmarks.policies [--seeds 20] [--first 701] [--customers 2000] [--out results.json]
    python -m benchmarks.policies --sum results.json more.json

Everything here is simulated. For every seed, in a folder of its own: 36 months without decisions; trees and scorecard learn on every matured row
(`policy_learning`). Every policy of the family (`policy_family`) is replayed on the quarters of years 2 and 3 with scores by models that had not seen the
customer, and for the trees and for the scorecard alike the one is chosen that would have earned most, less one standard error of what it gains over no policy:
a cut that a few customers' defaults speak for is not yet a reason to turn others away. Then the portfolio goes on from month 36 to 60 under no policy, and
under each policy with each of the two (`policy_branches`): every quarter end the whole book is decided by what is known in that branch, and a
customer does granted over usual exposure of his business, nothing where declined, until decided anew. In half a year of run-off what is open is paid or
lost. The best in hindsight is the best of all these, whoever scored.

Profit is margin less losses less reviews. Losses: what the simulator's defaults write off (on average half of what is open). Reviews: `CASE_COSTS` by route, as
often a year as the policy says; a person who signs sees no more than the records here, so they cost and do not help, and every difference is also told
before them. Margin: a share of what is invoiced, in three readings of `validate.default.margin` (0.05), since it decides what a policy can earn: "exposure", of
what is open over a year (some 0.6 % of an invoice), where margin and loss are shares of one amount at stake, as params.yaml has it; "limit", of a
year's limit (1.8 %), which here is three times what is open; "invoice", of the invoice itself (5 %). The first two are turned into a share of
invoices by the seed's own books of years 2 and 3. Payment days, deposits and guarantees are not played: the simulator does not say how customers take
them. Contracts bear no margin. New customers do business unrestricted until the first quarter end that sees them.
"""

import tempfile
import time
from collections import Counter
from dataclasses import asdict

import numpy as np
import pandas as pd

from benchmarks import seeds
from benchmarks.policy_accounts import NONE, Account, best, business, factors, gain_error, mean_interval, open_at_default, replayed, reviewed, usual_exposure
from benchmarks.policy_branches import STANDING, catalogue, played
from benchmarks.policy_family import PUBLISHED, candidates, decide
from benchmarks.policy_learning import SCORECARD, TREES, scorers
from features.feeders.duck import featurize as feed
from models.policy import MINOR_UNITS
from models.policy_file import read_spec
from pipeline.columns import cut, read_columns
from pipeline.datasets import TABLES, case_path
from pipeline.featurize import featurize
from pipeline.frames import read_frame
from pipeline.ingest import ingest
from pipeline.observe import observe
from pipeline.params import load_params
from pipeline.workspace import workspace

LEARNED, LAST = 36, 60
SETTINGS = {"simulated.months": LEARNED, "simulated.reference_every_months": LEARNED, "use_cases": ["default"], "train.refit": "all",
            "ingest.threads": 1, "featurize.threads": 1, "train.threads": 1}
READINGS = {"exposure": "what is open over a year", "limit": "a year's limit", "invoice": "an invoice"}
HINDSIGHT = "hindsight"
WORDS = {NONE: "no policy", PUBLISHED: "policy.yaml with the trees", TREES: "policy chosen with the trees", SCORECARD: "policy chosen with the scorecard",
         HINDSIGHT: "best in hindsight"}
SHOWN = (PUBLISHED, TREES, SCORECARD, HINDSIGHT)
COMPARED = ((TREES, NONE), (SCORECARD, NONE), (TREES, SCORECARD), (TREES, HINDSIGHT), (SCORECARD, HINDSIGHT), (PUBLISHED, NONE))


def run_seed(seed, customers):
    """One portfolio: what was learned, the book's own rates, the accounts replayed and judged, and what was chosen."""
    started = time.monotonic()
    changes = [*SETTINGS.items(), ("simulated.seed", seed), ("simulated.customers", customers)]
    with tempfile.TemporaryDirectory() as folder, workspace(folder, changes):
        ingest()
        for stage in (observe, featurize):
            stage("default")
        found = _judged()
    return {"seed": seed, "customers": customers, "seconds": time.monotonic() - started, **found}


def _judged():
    family, (learned_by, rows, learned) = candidates(read_spec("policy.yaml")), scorers()
    earned, replays, errors = _replayed(family, learned_by, rows)
    choice = {by: {name: found[name] for name in family} for by, found in replays.items()}
    chosen = {reading: {by: best(accounts, earned[reading], doubt=errors[reading][by]) for by, accounts in choice.items()} for reading in READINGS}
    accounts = played({(by, name): policy for by in learned_by for name, policy in family.items()}, learned_by, first=LEARNED, last=LAST)
    judged = {}
    for (by, name), account in accounts.items():
        judged.setdefault(by, {})[name] = asdict(account)
    return {"learned": learned, "margins": earned, "chosen": chosen, "judged": judged,
            "replayed": {by: {name: asdict(account) for name, account in found.items()} for by, found in replays.items()}}


def _replayed(family, learned_by, rows):
    """({reading: margin}, {scorer: {policy: Account}}, {reading: {scorer: {policy: error of its gain}}}) of the quarters whose invoices are settled by now:
    all but the last."""
    tables = {name: read_frame(TABLES / f"{name}.parquet") for name in ("invoices", "payments", "exposures", "outcomes")}
    defaults = tables["outcomes"].query("kind == 'default'").drop_duplicates(["customer_id", "occurred_at"])
    folder, dates = case_path("default", "development"), np.sort(rows["as_of"].unique())
    decided = rows["as_of"].isin(dates[:-2]).to_numpy()
    feed(TABLES, folder / "observations.parquet", folder / "standing.parquet", catalogue=catalogue().only(STANDING), threads=1)
    standing = cut(read_columns(folder / "standing.parquet"), decided)
    kept = rows[decided].reset_index(drop=True)
    invoiced, opened = business(kept, tables["invoices"], tables["payments"], defaults, until=pd.Timestamp(dates[-2]))
    lgd = defaults["loss"].sum() / open_at_default(tables["invoices"], tables["payments"], defaults).sum()
    usual = usual_exposure(tables["exposures"], kept)
    earned = margins(tables["exposures"], tables["invoices"], load_params().validate.default.margin, since=pd.Timestamp(dates[0]))
    found, errors = {by: {} for by in learned_by}, {reading: {by: {} for by in learned_by} for reading in READINGS}
    for by, scorer in learned_by.items():
        for name, policy in family.items():
            decisions = decide(policy, *scorer.shape(scorer.unseen[decided]), standing | {"exposure": usual})
            factor = factors(decisions, usual)
            found[by][name] = replayed(factor, invoiced, opened, loss_given_default=lgd) + reviewed(decisions, factor)
            for reading, margin in earned.items():
                errors[reading][by][name] = gain_error(kept["customer_id"], (factor - 1) * (margin * invoiced - lgd * opened))
        found[by][NONE] = replayed(np.ones(len(kept)), invoiced, opened, loss_given_default=lgd)
    return earned, found, errors


def margins(exposures, invoices, share, *, since):
    """{reading: what is earned as a share of an invoice}: `share` of a year's mean exposure and of its mean limit, by the month ends and invoices after
    `since`, and of the invoice itself."""
    months = exposures[exposures["known_at"] > since].groupby("known_at")[["exposure", "limit"]].sum()
    a_year = invoices.loc[invoices["issued_at"] > since, "amount"].sum() / (len(months) / 12)
    return {name: float(share * months[name].mean() / a_year) for name in ("exposure", "limit")} | {"invoice": share}


def figures(result, reading):
    """A seed's judged branches under one reading of the margin, whole currency units: {branch: {"profit", "lost", "margin", "reviews", "automatic", "policy"}}
    of no policy, the published one with the trees, both choices, and the best of all."""
    earned, judged = result["margins"][reading], {by: {name: Account(**account) for name, account in found.items()} for by, found in result["judged"].items()}
    chosen = result["chosen"][reading]
    latest = best({(by, name): account for by in (TREES, SCORECARD) for name, account in judged[by].items()}, earned)
    picked = {NONE: (NONE, NONE), PUBLISHED: (TREES, PUBLISHED), TREES: (TREES, chosen[TREES]), SCORECARD: (SCORECARD, chosen[SCORECARD]),
              HINDSIGHT: latest}
    return {branch: _figures(judged[by][name], earned) | {"policy": name, "by": by} for branch, (by, name) in picked.items()}


def _figures(account, earned):
    automatic = account.automatic / account.decisions if account.decisions else 1.0
    return {"profit": account.profit(earned) / MINOR_UNITS, "lost": account.lost / MINOR_UNITS, "margin": earned * account.invoiced / MINOR_UNITS,
            "reviews": account.reviews / MINOR_UNITS, "automatic": automatic}


def differences(results, reading, one, other):
    """Profit of one branch less another's of the same seeds: `mean_interval` of millions, of percent of the margin without policy, and of that percent
    before reviews are paid."""
    found = [figures(result, reading) for result in results]
    base = np.array([seed[NONE]["margin"] for seed in found])
    less, reviews = (np.array([seed[one][name] - seed[other][name] for seed in found]) for name in ("profit", "reviews"))
    return {"millions": mean_interval(less / 1e6), "percent": mean_interval(100 * less / base), "before_reviews": mean_interval(100 * (less + reviews) / base)}


def line(result):
    """One seed as text, a line for each reading."""
    said = [f"learned from {result['learned']['rows']:,} rows, {result['learned']['bad_customers']} bad customers; "
            f"{len(result['learned']['characteristics'])} characteristics"]
    for reading in READINGS:
        found = figures(result, reading)
        branches = (f"{branch} {here['profit'] / 1e6:.2f} ({here['by']}: {here['policy']})" for branch, here in found.items() if branch != NONE)
        said.append(f"margin {100 * result['margins'][reading]:.2f} % of an invoice: profit in millions, no policy {found[NONE]['profit'] / 1e6:.2f}, "
                    f"{', '.join(branches)}")
    return "\n  ".join(said)


def total(results):
    """All seeds as text: for each reading the paired differences, what was avoided and given up, and each policy of the family."""
    return "\n".join(text for reading in READINGS for text in _total(results, reading))


def _total(results, reading):
    found = [figures(result, reading) for result in results]
    mean = {branch: {name: np.mean([seed[branch][name] for seed in found]) for name in ("profit", "lost", "margin", "reviews", "automatic")}
            for branch in (NONE, *SHOWN)}
    earned = 100 * np.mean([each["margins"][reading] for each in results])
    share = results[0]["margins"]["invoice"]
    yield (f"SIMULATED, {len(results)} seeds, years 4 and 5; margin {share} of {READINGS[reading]}, {earned:.2f} % of an invoice. Millions without policy: "
           f"margin {mean[NONE]['margin'] / 1e6:.2f}, lost {mean[NONE]['lost'] / 1e6:.2f}, profit {mean[NONE]['profit'] / 1e6:.2f}")
    for one, other in COMPARED:
        less = differences(results, reading, one, other)
        yield (f"  {WORDS[one]} less {WORDS[other]}: {_interval(less['millions'])} million, {_interval(less['percent'])} % of the margin without policy; "
               f"before reviews {_interval(less['before_reviews'])} %")
    for branch in SHOWN:
        here = mean[branch]
        yield (f"  {WORDS[branch]}: losses avoided {(mean[NONE]['lost'] - here['lost']) / 1e6:.2f}, margin given up "
               f"{(mean[NONE]['margin'] - here['margin']) / 1e6:.2f}, reviews {here['reviews'] / 1e6:.2f} million; automatic {100 * here['automatic']:.0f} %")
    yield "  each policy less no policy in percent of the margin without policy, in brackets what its replay of years 2 and 3 promised:"
    yield "  with the trees; with the scorecard; times chosen with the trees, with the scorecard, best in hindsight"
    times = {branch: Counter(seed[branch]["policy"] for seed in found) for branch in (TREES, SCORECARD, HINDSIGHT)}
    for name in results[0]["judged"][TREES]:
        came = "; ".join(_came_and_promised(results, by, name, reading) for by in (TREES, SCORECARD))
        yield f"    {name:28}{came}; {', '.join(str(count[name]) for count in times.values())}"


def _came_and_promised(results, by, name, reading):
    judged = mean_interval([_gain(each["judged"][by][name], each["judged"][NONE][NONE], each["margins"][reading]) for each in results])
    promised = np.mean([_gain(each["replayed"][by][name], each["replayed"][by][NONE], each["margins"][reading]) for each in results])
    return f"{_interval(judged)} [{promised:+.2f}]"


def _gain(account, none, earned):
    """What an account earns beyond the one without policy, in percent of the latter's margin."""
    account, none = Account(**account), Account(**none)
    return 100 * (account.profit(earned) - none.profit(earned)) / (earned * none.invoiced)


def _interval(found):
    if np.isnan(found["low"]):
        return f"{found['mean']:+.2f}"
    return f"{found['mean']:+.2f} ({found['low']:+.2f} to {found['high']:+.2f})"


def main():
    """Run the seeds and print a line each and the totals; or only the totals of results kept before."""
    asked = seeds.arguments(__doc__.splitlines()[0], first=701, customers=2000).parse_args()
    print(total(seeds.results(asked, lambda seed: run_seed(seed, asked.customers),
                              lambda result: f"simulated, seed {result['seed']}, {result['seconds']:.0f} s\n  {line(result)}")))


if __name__ == "__main__":
    main()
