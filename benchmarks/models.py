"""Every shipped source in its published protocol, against the reference script on the same test rows: one table, one code path.

    python -m benchmarks.models [--only NAME ...] [--trials 12] [--data ../shared/data] [--tools ../shared/tools] [--out FOLDER]

Features are computed once a source; each round trains with the pipeline's own code and default parameters, but for `train.refit: all`: as the reference
does, the final trees use every row that the protocol lets them learn from, validation and calibration customers being taken from those.

AUC and average precision are means over rounds ± their standard deviation; a protocol of one split is played with five seeds of training on both sides,
and ± is then that of the seeds. `ours less reference` is the mean over rounds of the
difference of the two AUCs on the same rows; its 95 % interval adds each row's share in every round's difference (DeLong's components), sums them by
customer over all rounds, and so counts a row that is judged in several rounds once. It is the error of the test rows: that of the training draw is not in it.
The interval of the difference in average precision draws customers, the same ones in all rounds.

The tuned line below a source's holds the settings that `risk tune`'s search finds in so many trials on rows that the first round trains on (0: no such line).
Later rounds of a drawn protocol judge some of those rows: seven numbers were chosen beside them, no tree was grown on them.
"""

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd

from benchmarks.references import REFERENCES, Script, reference_rounds
from features.catalogue import Catalogue
from features.errors import RiskError
from models.clusters import cluster_codes, draws
from models.discrimination import auc, average_precision, influence
from models.protocols import rounds_of
from models.sample import IN_SAMPLE, OUT_OF_TIME
from pipeline.columns import read_columns
from pipeline.datasets import case_path, read_json
from pipeline.featurize import featurize
from pipeline.frames import read_frame
from pipeline.horizon import embargo_days
from pipeline.ingest import ingest
from pipeline.observe import observe
from pipeline.params import load_params
from pipeline.sample import split
from pipeline.source import load_source
from pipeline.train import grown, laid_out, prepared
from pipeline.tune import tune
from pipeline.use import source_changes
from pipeline.workspace import ROOT, workspace

PUBLISHED = ""
SEEDS = 5
TRIALS = 12
DRAWS = 200
Z = 1.959964


@dataclass(frozen=True)
class Ground:
    """One source with its features computed: what every round of every protocol starts from."""

    params: object
    protocols: dict
    observations: pd.DataFrame
    columns: dict
    catalogue: object
    horizon_days: int
    seconds: float


def ground(name, path, changes=()):
    """Run a shipped source up to its features in a folder of its own, and read them. `changes` are (dotted key, value) of the parameters."""
    source = source_changes(["default"], name=name, definition=f"pipeline/sources/{name}", path=Path(path).resolve())
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, workspace(folder, [*source, ("train.refit", "all"), *changes]):
        ingest()
        observe("default")
        featurize("default")
        params, development = load_params(), case_path("default", "development")
        catalogue, chosen = Catalogue.from_dict(read_json(development / "catalogue.json")), load_source(params)
        return Ground(params, _protocols(chosen), read_frame(development / "observations.parquet"), read_columns(development / "features.parquet"),
                      catalogue.features, read_json(development / "maturity.json")["horizon_days"], time.monotonic() - started)


def _protocols(source):
    """The source's protocols by name, as dicts: the published one first."""
    named = {PUBLISHED: source.protocol, **source.also}
    return {name: msgspec.to_builtins(protocol) for name, protocol in named.items() if protocol is not None}


def play(given, protocol, train):
    """Train and judge every round of a protocol, a protocol of one round with SEEDS seeds of training; yields a frame of customer_id, target and
    raw_score by observation_id a round. train: the parameters' section."""
    if (rounds := rounds_of(protocol)) == 1:
        yield from (play_round(given, protocol, msgspec.structs.replace(train, seed=seed)) for seed in range(SEEDS))
    else:
        yield from (play_round(given, protocol, train, number) for number in range(rounds))


def play_round(given, protocol, train=None, number=0):
    """One round, as `play` gives it, by the pipeline's own split and training; `train` is the parameters' section unless given."""
    train = train or given.params.train
    rows = sampled(given, protocol, number)
    described, parts = prepared(given.columns, rows, given.catalogue)
    booster, _ = grown(parts, described, train)
    judged = rows["sample"].eq(OUT_OF_TIME).to_numpy()
    raw_score = booster.predict(laid_out(given.columns, described, judged), raw_score=True, num_threads=train.threads)
    return rows.loc[judged, ["observation_id", "customer_id", "target"]].assign(raw_score=raw_score).set_index("observation_id")


def sampled(given, protocol, number=0):
    """The observations with the names of their samples in one round."""
    params = msgspec.structs.replace(given.params, sample=msgspec.structs.replace(given.params.sample, round=number))
    return given.observations.assign(sample=split(given.observations, use_case="default", params=params, protocol=protocol, horizon_days=given.horizon_days))


def tuned(given, protocol, trials):
    """The section train with the settings found on the first round's own rows, and words for what came of it; None for both where nothing better was found."""
    rows = sampled(given, protocol)
    described, parts = prepared(given.columns, rows, given.catalogue)
    dates = {name: rows.loc[rows["sample"].eq(name), "as_of"].to_numpy() for name in IN_SAMPLE}
    try:
        found = tune(parts, described, dates, train=given.params.train, rules=given.params.tune, horizon_days=given.horizon_days, trials=trials,
                     embargo_days=embargo_days(given.params, "default", given.horizon_days), by_time=protocol["kind"] == "by_time")
    except RiskError as error:
        return None, f"not tuned: {error}"
    if found.settings is None:
        return None, f"tuned, {trials} trials: none better than the defaults"
    chosen = {name: getattr(found.settings, name) for name in given.params.tune.space.__struct_fields__}
    gain = "AUC {difference:+.4f} ({low:+.4f} to {high:+.4f})".format(**found.gain)
    return msgspec.structs.replace(given.params.train, **chosen), f"tuned, {trials} trials; on the folds {gain}: {chosen}"


def compare(ours, reference):
    """The mean difference of AUC over paired rounds with its interval, and whether rows and targets were the same.

    ours, reference: lists of frames by observation_id, a round each. Returns dict: difference, low, high, unlike (rows that stand on one side
    only or with another target, the largest of all rounds).
    """
    differences, shares, unlike = [], [], []
    for own, other in zip(ours, reference, strict=True):
        joined = own.join(other, how="inner", rsuffix="_other")
        unlike.append(len(own) + len(other) - 2 * int((joined["target"] == joined["target_other"]).sum()))
        target = joined["target"].to_numpy()
        differences.append(auc(target, joined["raw_score"]) - auc(target, joined["probability"]))
        share = influence(target, joined["raw_score"]) - influence(target, joined["probability"])
        shares.append(pd.Series(share * _small_sample(target), index=joined["customer_id"]))
    error = float(np.sqrt((pd.concat(shares).groupby(level=0).sum() ** 2).sum()) / len(ours))
    mean = float(np.mean(differences))
    return {"difference": mean, "low": mean - Z * error, "high": mean + Z * error, "unlike": max(unlike)}


def compare_precision(ours, reference):
    """The mean difference of average precision over paired rounds, with its interval from DRAWS draws of customers. Arguments as for `compare`.

    Returns dict: precision_difference, precision_low, precision_high.
    """
    joined = [own.join(other["probability"], how="inner") for own, other in zip(ours, reference, strict=True)]
    codes = cluster_codes(pd.concat([each["customer_id"] for each in joined]))
    codes = np.split(codes, np.cumsum([len(each) for each in joined])[:-1])
    customers = max(code.max() for code in codes) + 1
    drawn = [_precision_difference(joined, [weights[code] for code in codes]) for weights in draws(customers, repeats=DRAWS, rng=np.random.default_rng(0))]
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return {"precision_difference": _precision_difference(joined, [None] * len(joined)), "precision_low": float(low), "precision_high": float(high)}


def _precision_difference(joined, weights):
    # A draw may leave a small fold without its bad rows; the others speak for it.
    return float(np.nanmean([average_precision(each["target"], each["raw_score"], weight) - average_precision(each["target"], each["probability"], weight)
                          for each, weight in zip(joined, weights, strict=True)]))


def _small_sample(target):
    """The factor of an unbiased variance, by class: a fold may hold a dozen bad rows."""
    bad, good = int(target.sum()), int(len(target) - target.sum())
    return np.sqrt(np.where(target == 1, bad / max(bad - 1, 1), good / max(good - 1, 1)))


def line(given, name, *, source, folder, script, train=None):
    """One line of the table, as a dict, and the rounds it stands on; `train` is another section train than the parameters' (a tuned one)."""
    started = time.monotonic()
    ours = list(play(given, given.protocols[name], train or given.params.train))
    seconds = time.monotonic() - started
    title = (f"{source}, {name}" if name else source) + (", tuned" if train else "")
    found = {"source": title, "rows": len(ours[0]), "bad": int(ours[0]["target"].sum()), "rounds": len(ours),
             "seconds": seconds, "auc": [auc(each["target"], each["raw_score"]) for each in ours],
             "precision": [average_precision(each["target"], each["raw_score"]) for each in ours]}
    reference = REFERENCES.get((source, name))
    if reference is None:
        return found, ours
    theirs, their_seconds = reference_rounds(script, reference, folder, drawn_ids(given, given.protocols[name]))
    return found | compare(ours, theirs) | compare_precision(ours, theirs) | {
        "reference_seconds": their_seconds, "reference_auc": [auc(each["target"], each["probability"]) for each in theirs],
        "reference_precision": [average_precision(each["target"], each["probability"]) for each in theirs]}, ours


def drawn_ids(given, protocol):
    """Ids of the observations that the protocol's `only` keeps, in their order."""
    rows = given.observations
    for column, value in protocol.get("only", {}).items():
        rows = rows[rows[column].astype("str") == value]
    return rows["observation_id"].sort_values().to_numpy()


def written(found):
    """A line of the table as text."""
    cells = [f"{found['source']:42}", f"{found['rows']:7,} {found['bad']:5,} {found['rounds']:3}", _spread(found["auc"]), _spread(found["precision"])]
    if "reference_auc" in found:
        cells += [_spread(found["reference_auc"]), _spread(found["reference_precision"]),
                  f"{found['difference']:+.4f} ({found['low']:+.4f} to {found['high']:+.4f})",
                  f"{found['precision_difference']:+.3f} ({found['precision_low']:+.3f} to {found['precision_high']:+.3f})",
                  f"{found['seconds']:5.0f} {found['reference_seconds']:5.0f}"]
        cells += [f"UNLIKE: {found['unlike']} rows are not the reference's"] if found["unlike"] else []
    else:
        cells += [" " * 15, " " * 15, f"{'no reference':28}", " " * 25, f"{found['seconds']:5.0f}"]
    return "  ".join(cells)


HEADER = "  ".join([f"{'source and protocol':42}", f"{'rows':>7} {'bad':>5} {'r':>3}", f"{'AUC':15}", f"{'avg precision':15}", f"{'reference AUC':15}",
                    f"{'ref. precision':15}", f"{'AUC, ours less reference':28}", f"{'average precision, the same':25}", f"{'s':>5} {'ref s':>5}"])


def _spread(values):
    return f"{np.mean(values):.4f} ± {np.std(values):.4f}"


def main():
    """Print the table, a line as soon as it is there."""
    shipped = sorted(path.parent.name for path in (ROOT / "pipeline" / "sources").glob("*/source.yaml"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=shipped, default=shipped, metavar="NAME", help=", ".join(shipped))
    parser.add_argument("--trials", type=int, default=TRIALS, help=f"of the search for the tuned line, {TRIALS} unless given; 0: none")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--tools", type=Path, default=Path("../shared/tools"))
    parser.add_argument("--out", type=Path, help="write each round's predictions here, a Parquet file a line")
    asked = parser.parse_args()
    script, data = Script(asked.tools.resolve()), asked.data.resolve()
    print(HEADER, flush=True)
    for source in asked.only:
        given = ground(source, data / source)
        for name in given.protocols:
            told = {"source": source, "folder": data / source, "script": script}
            found, rounds = line(given, name, **told)
            print(written(found), flush=True)
            _keep(asked.out, f"{source}-{name or 'published'}", rounds)
            if asked.trials:
                _tuned_line(given, name, asked.trials, told)


def _tuned_line(given, name, trials, told):
    train, words = tuned(given, given.protocols[name], trials)
    if train is not None:
        print(written(line(given, name, train=train, **told)[0]))
    print(f"  {words}", flush=True)


def _keep(folder, name, rounds):
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        pd.concat([each.assign(round=number) for number, each in enumerate(rounds)]).to_parquet(folder / f"{name}.parquet")


if __name__ == "__main__":
    main()
