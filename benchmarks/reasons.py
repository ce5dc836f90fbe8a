"""Are the reasons the same when the model is learned again, are there enough of them, and does taking them away help?

    python -m benchmarks.reasons [--customers 5000 50000] [--refits 5] [--seed 901] [--out results.json]

For every size: simulate, ingest, observe, featurize, sample and train with the default parameters, in a folder of its own. Who is explained: every customer of
the out-of-time rows, on its last day there. Then the trees are grown again, as many and with the same settings, on customers drawn with replacement (all rows
of a customer together), and once on the same rows with another seed. Printed: how many of the four adverse reasons of the model every customer keeps, the
mean over the refits and that of the other seed; the same for the four strongest single columns, which is what reasons were without facts; how many distinct
reasons are named for anybody, and for at least one in a hundred; how far contributions are from adding up to the score; and for how many of those who are
declined, and of the riskiest tenth, the probability falls when the columns behind the named adverse reasons are set to the development median (or most
frequent level). Declined is who asks for 100,000 and does not get it all (an adverse action by 12 CFR 1002.2(c)(1)(i)). 50,000 customers take 9 GB and the
better part of an hour.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd

from features.catalogue import Catalogue
from models.bundle import load_bundle, make_bundle
from models.classifier import REFITS, Settings, booster_text, columns_of, fit_trees, joined
from models.policy import ACTIONS, MINOR_UNITS, decide_book, load_policy
from models.reasons import reason_totals
from models.sample import IN_SAMPLE, OUT_OF_TIME
from models.scoring import contributions, score
from pipeline.columns import ColumnFile
from pipeline.datasets import case_path, read_json
from pipeline.featurize import featurize
from pipeline.frames import read_observations
from pipeline.ingest import ingest
from pipeline.observe import observe
from pipeline.params import load_params
from pipeline.sample import sample
from pipeline.score import POLICY
from pipeline.train import kept_features, laid_out, prepared, train
from pipeline.what_if import standing_of
from pipeline.workspace import workspace
from serving.standing import policy_arguments

NAMED, KEPT = 4, 3
# What everybody asks for on top of its exposure, in the policy's currency.
REQUEST = 100_000
OTHER_SEED = 7919


def run_size(customers, *, refits, seed):
    """The figures of one portfolio, as a dict."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, workspace(folder, [("simulated.seed", seed), ("simulated.customers", customers)]):
        ingest()
        for stage in (observe, featurize, sample, train):
            stage("default")
        found = figures(load_params(), refits=refits, seed=seed)
    return {"customers": customers, "seed": seed, **found, "seconds": time.monotonic() - started}


def figures(params, *, refits, seed):
    """What the module's text says is printed, of the bundle and the samples that the stages wrote."""
    bundle, rows, columns, catalogue = load_bundle(case_path("default", "model")), *_learned(params)
    last = _last_rows(rows)
    matrix = laid_out(columns, bundle.manifest.columns, last)
    explained = contributions(bundle, matrix, threads=params.train.threads)
    names, totals = reason_totals(bundle, explained)
    scores = score(bundle, matrix, threads=params.train.threads)
    named = top(totals)
    overlap = {"bootstrap": [], "bootstrap, single columns": []}
    _described, parts = prepared(columns, rows, catalogue)
    for again in _refits(bundle, parts, refits=refits, seed=seed):
        values = contributions(again, matrix, threads=params.train.threads)
        overlap["bootstrap"].append(kept(named, top(reason_totals(bundle, values)[1])))
        overlap["bootstrap, single columns"].append(kept(top(explained[:, :-1]), top(values[:, :-1])))
    other = _grown(bundle, parts, np.arange(len(_sampled(bundle, parts)[1])), seed=seed + OTHER_SEED)
    overlap["another seed"] = [kept(named, top(reason_totals(bundle, contributions(other, matrix, threads=params.train.threads))[1]))]
    arguments = policy_arguments(standing_of(rows[last], "default", params))
    asked = decide_book(load_policy(POLICY, "default"), grade=scores.grade_names(), pd_12m=scores.probability, amount=REQUEST * MINOR_UNITS, **arguments)
    declined = asked.action != ACTIONS.index("approve")
    riskiest = scores.probability >= np.quantile(scores.probability, 0.9)
    counts = np.bincount(named[named >= 0], minlength=len(names))
    return {
        "explained": int(last.sum()),
        "overlap": {way: [{"all": float(np.mean(each >= NAMED)), "three": float(np.mean(each >= KEPT))} for each in found] for way, found in overlap.items()},
        "reasons": {"of_the_model": len(names), "named": int((counts > 0).sum()), "named_for_one_in_a_hundred": int((counts >= len(named) / 100).sum())},
        "off_the_score": float(np.abs(totals.sum(axis=1) + explained[:, -1] - scores.raw_score).max()),
        "declined": lowered(bundle, matrix, named, declined, threads=params.train.threads),
        "riskiest_tenth": lowered(bundle, matrix, named, riskiest, threads=params.train.threads),
    }


def top(totals, count=NAMED):
    """Places of the `count` largest of each row (n, m), -1 where they are not above 0, (n, count)."""
    order = np.argsort(-totals, axis=1, kind="stable")[:, :count]
    return np.where(np.take_along_axis(totals, order, axis=1) > 0, order, -1)


def kept(before, after):
    """How many of the named places of each row are named again; of a row with fewer than NAMED, those it lacks count as kept."""
    again = (before[:, :, None] == after[:, None, :]).any(axis=2)
    return (again | (before < 0)).sum(axis=1)


def lowered(bundle, matrix, named, chosen, *, threads=1):
    """Of the chosen rows: how many there are, and for what share the probability (the raw score) falls when all columns behind the named reasons are
    set to what is typical."""
    replaced = replace_named(bundle, matrix[chosen], named[chosen])
    before, after = (score(bundle, each, threads=threads) for each in (matrix[chosen], replaced)) if chosen.any() else (None, None)
    if before is None:
        return {"rows": 0, "probability_falls": None, "raw_score_falls": None}
    return {"rows": int(chosen.sum()), "probability_falls": float(np.mean(after.probability < before.probability)),
            "raw_score_falls": float(np.mean(after.raw_score < before.raw_score))}


def replace_named(bundle, matrix, named):
    """The rows with every column of their named reasons at the development median, or at the code of the most frequent level; unknown where none was seen."""
    ids = list(dict.fromkeys(column.message_id for column in bundle.manifest.columns))
    replaced = matrix.copy()
    for place, column in enumerate(bundle.manifest.columns):
        told = (named == ids.index(column.message_id)).any(axis=1)
        replaced[told, place] = _reference(column)
    return replaced


def _reference(column):
    if column.typical is None:
        return np.nan
    return column.typical if column.levels is None else float(column.levels.index(column.typical))


def _learned(params):
    """The rows with their samples, the columns and the features that the model is made of."""
    development = case_path("default", "development")
    catalogue = kept_features(Catalogue.from_dict(read_json(development / "catalogue.json")), development, params)
    rows = read_observations("default", ["observation_id", "customer_id", "as_of", "target"])
    return rows, ColumnFile(development / "features.parquet", [feature.name for feature in catalogue]), catalogue


def _last_rows(rows):
    """Mask of the last out-of-time row of each customer."""
    tested = rows[rows["sample"] == OUT_OF_TIME].sort_values(["as_of", "observation_id"])
    return rows.index.isin(tested.groupby("customer_id").tail(1).index)


def _sampled(bundle, parts):
    """(matrix, target, customer ids) of the rows that the bundle's trees grew on."""
    refit = bundle.manifest.training["settings"]["refit"]
    learned = [parts[name] for name in IN_SAMPLE[: REFITS.index(refit) + 1]]
    return joined([part[0] for part in learned]), *(np.concatenate([part[place] for part in learned]) for place in (1, 2))


def _refits(bundle, parts, *, refits, seed):
    """Yield the bundle with trees grown on customers drawn with replacement, `refits` times."""
    customers = pd.factorize(_sampled(bundle, parts)[2])[0]
    order = np.argsort(customers, kind="stable")
    first = np.searchsorted(customers[order], np.arange(customers.max() + 2))
    for number in range(refits):
        drawn = np.random.default_rng([seed, number]).integers(0, customers.max() + 1, customers.max() + 1)
        yield _grown(bundle, parts, np.concatenate([order[first[each] : first[each + 1]] for each in drawn]), seed=None)


def _grown(bundle, parts, places, *, seed):
    """The bundle with trees grown anew on these rows; seed: another than its own, or None."""
    training, (matrix, target, _customers) = bundle.manifest.training, _sampled(bundle, parts)
    settings = Settings(**training["settings"] | ({} if seed is None else {"seed": seed}))
    booster = fit_trees(matrix[places], target[places], rounds=training["trees"], settings=settings, **columns_of(bundle.manifest.columns))
    return make_bundle(booster_text(booster), msgspec.structs.replace(bundle.manifest))


def said(found):
    """A size's figures as lines."""
    lines = [f"{found['customers']:,} customers, seed {found['seed']}: {found['explained']:,} explained, {found['seconds']:.0f} s"]
    for way, each in found["overlap"].items():
        three, four = ([refit[name] for refit in each] for name in ("three", "all"))
        lines.append(f"  {way}: three of four kept for {np.mean(three):.1%} of customers ({min(three):.1%} to {max(three):.1%}, {len(three)} refits), "
                     f"all four for {np.mean(four):.1%}")
    many = found["reasons"]
    lines.append(f"  reasons: {many['of_the_model']} in the model, {many['named']} named for somebody, "
                 f"{many['named_for_one_in_a_hundred']} for one customer in a hundred or more")
    lines.append(f"  contributions and base are at most {found['off_the_score']:.1e} off the score")
    for whose in ("declined", "riskiest_tenth"):
        each = found[whose]
        if each["rows"]:
            lines.append(f"  {whose.replace('_', ' ')} ({each['rows']:,}): without the named reasons the PD falls for {each['probability_falls']:.1%}, "
                         f"the raw score for {each['raw_score_falls']:.1%}")
    return "\n".join(lines)


def main():
    """Print the figures of each size as they come."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, nargs="+", default=[5000, 50000])
    parser.add_argument("--refits", type=int, default=5)
    parser.add_argument("--seed", type=int, default=901)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    found = []
    for customers in asked.customers:
        found.append(run_size(customers, refits=asked.refits, seed=asked.seed))
        print(said(found[-1]), flush=True)
        if asked.out:
            asked.out.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
