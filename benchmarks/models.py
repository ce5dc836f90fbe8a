"""Every shipped source in its published protocol, against the reference script on the same test rows: one table, one code path.

    python -m benchmarks.models [--only NAME ...] [--data ../shared/data] [--tools ../shared/tools] [--out FOLDER]

Features are computed once a source; each round trains with the pipeline's own code and default parameters, but for `train.refit: all`: as the reference
does, the final trees use every row that the protocol lets them learn from, validation and calibration customers being taken from those.

AUC and average precision are means over rounds ± their standard deviation; a protocol of one split is played with five seeds of training on both sides,
and ± is then that of the seeds. `ours less reference` is the mean over rounds of the
difference of the two AUCs on the same rows; its 95 % interval adds each row's share in every round's difference (DeLong's components), sums them by
customer over all rounds, and so counts a row that is judged in several rounds once. It is the error of the test rows: that of the training draw is not in it.
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
from models.discrimination import auc, average_precision, influence
from models.protocols import rounds_of
from models.sample import OUT_OF_TIME
from pipeline.columns import read_columns
from pipeline.datasets import case_path, read_json
from pipeline.featurize import featurize
from pipeline.frames import read_frame
from pipeline.ingest import ingest
from pipeline.observe import observe
from pipeline.params import load_params
from pipeline.sample import split
from pipeline.source import load_source
from pipeline.train import grown, laid_out, prepared
from pipeline.use import source_changes
from pipeline.workspace import ROOT, workspace

PUBLISHED = ""
SEEDS = 5
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


def play(given, protocol):
    """Train and judge every round of a protocol, a protocol of one round with SEEDS seeds of training; yields a frame of customer_id, target and
    raw_score by observation_id a round."""
    if (rounds := rounds_of(protocol)) == 1:
        yield from (play_round(given, protocol, seed=seed) for seed in range(SEEDS))
    else:
        yield from (play_round(given, protocol, number) for number in range(rounds))


def play_round(given, protocol, number=0, *, seed=None):
    """One round, as `play` gives it, by the pipeline's own split and training; `seed` of the trees, the parameters' without it."""
    train = given.params.train if seed is None else msgspec.structs.replace(given.params.train, seed=seed)
    params = msgspec.structs.replace(given.params, sample=msgspec.structs.replace(given.params.sample, round=number), train=train)
    samples = split(given.observations, use_case="default", params=params, protocol=protocol, horizon_days=given.horizon_days)
    rows = given.observations.assign(sample=samples)
    described, parts = prepared(given.columns, rows, given.catalogue)
    booster, _ = grown(parts, described, params.train)
    judged = rows["sample"].eq(OUT_OF_TIME).to_numpy()
    raw_score = booster.predict(laid_out(given.columns, described, judged), raw_score=True, num_threads=params.train.threads)
    return rows.loc[judged, ["observation_id", "customer_id", "target"]].assign(raw_score=raw_score).set_index("observation_id")


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


def _small_sample(target):
    """The factor of an unbiased variance, by class: a fold may hold a dozen bad rows."""
    bad, good = int(target.sum()), int(len(target) - target.sum())
    return np.sqrt(np.where(target == 1, bad / max(bad - 1, 1), good / max(good - 1, 1)))


def line(given, name, *, source, folder, script):
    """One line of the table, as a dict, and the rounds it stands on."""
    started = time.monotonic()
    ours = list(play(given, given.protocols[name]))
    seconds = time.monotonic() - started
    found = {"source": f"{source}, {name}" if name else source, "rows": len(ours[0]), "bad": int(ours[0]["target"].sum()), "rounds": len(ours),
             "seconds": seconds, "auc": [auc(each["target"], each["raw_score"]) for each in ours],
             "precision": [average_precision(each["target"], each["raw_score"]) for each in ours]}
    reference = REFERENCES.get((source, name))
    if reference is None:
        return found, ours
    theirs, their_seconds = reference_rounds(script, reference, folder, drawn_ids(given, given.protocols[name]))
    return found | compare(ours, theirs) | {
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
    cells = [f"{found['source']:36}", f"{found['rows']:7,} {found['bad']:5,} {found['rounds']:3}", _spread(found["auc"]), _spread(found["precision"])]
    if "reference_auc" in found:
        cells += [_spread(found["reference_auc"]), _spread(found["reference_precision"]),
                  f"{found['difference']:+.4f} ({found['low']:+.4f} to {found['high']:+.4f})", f"{found['seconds']:5.0f} {found['reference_seconds']:5.0f}"]
        cells += [f"UNLIKE: {found['unlike']} rows are not the reference's"] if found["unlike"] else []
    else:
        cells += [" " * 15, " " * 15, f"{'no reference':30}", f"{found['seconds']:5.0f}"]
    return "  ".join(cells)


HEADER = "  ".join([f"{'source and protocol':36}", f"{'rows':>7} {'bad':>5} {'r':>3}", f"{'AUC':15}", f"{'avg precision':15}", f"{'reference AUC':15}",
                    f"{'ref. precision':15}", f"{'AUC, ours less reference':30}", f"{'s':>5} {'ref s':>5}"])


def _spread(values):
    return f"{np.mean(values):.4f} ± {np.std(values):.4f}"


def main():
    """Print the table, a line as soon as it is there."""
    shipped = sorted(path.parent.name for path in (ROOT / "pipeline" / "sources").glob("*/source.yaml"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=shipped, default=shipped, metavar="NAME", help=", ".join(shipped))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--tools", type=Path, default=Path("../shared/tools"))
    parser.add_argument("--out", type=Path, help="write each round's predictions here, a Parquet file a line")
    asked = parser.parse_args()
    script, data = Script(asked.tools.resolve()), asked.data.resolve()
    print(HEADER, flush=True)
    for source in asked.only:
        given = ground(source, data / source)
        for name in given.protocols:
            found, rounds = line(given, name, source=source, folder=data / source, script=script)
            print(written(found), flush=True)
            _keep(asked.out, f"{source}-{name or 'published'}", rounds)


def _keep(folder, name, rounds):
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        pd.concat([each.assign(round=number) for number, each in enumerate(rounds)]).to_parquet(folder / f"{name}.parquet")


if __name__ == "__main__":
    main()
