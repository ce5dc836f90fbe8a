"""How often the leak screen finds what was planted and names what is honest: drawn columns, the real sets and the simulated portfolio.

    python -m benchmarks.leaks [--data ../shared/data] [--draws 40]
"""

import argparse
import tempfile
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from models.leaks import Limits, changes, screen
from pipeline.datasets import case_path
from pipeline.featurize import featurize
from pipeline.frames import read_frame
from pipeline.ingest import ingest
from pipeline.observe import observe
from pipeline.use import source_changes
from pipeline.workspace import workspace

SETS = ("american_bankruptcy", "berka", "dart_korea", "polish_bankruptcy", "uci_credit_default")
BAD_RATE, COLUMNS = 0.1, 20
SIZES, SHARES = (500, 1_000, 3_000, 10_000), (0.05, 0.1, 0.2, 0.4)
# As if each drawn column stood among twenty.
AMONG = Limits(max_auc=0.97, chance=Limits().chance / COLUMNS)


def drawn(rows, seed, bad_rate=BAD_RATE):
    """Targets (rows,) and the generator that drew them."""
    rng = np.random.default_rng(seed)
    return (rng.uniform(size=rows) < bad_rate).astype(np.float64), rng


def shortened_term(target, rng, share):
    """36 or 60 months, but for `share` of the bad the month in which they were charged off."""
    term = rng.choice([36.0, 60.0], size=len(target))
    hit = (target == 1) & (rng.uniform(size=len(target)) < share)
    return np.where(hit, rng.integers(3, 36, size=len(target)), term)


def all_paid(target, rng, share):
    """Payments made: below the term for everybody, but for `share` of the good who paid them all."""
    made = rng.integers(0, 36, size=len(target)).astype(float)
    return np.where((target == 0) & (rng.uniform(size=len(target)) < share), 36.0, made)


def filled_late(target, rng, share):
    """An amount recovered, empty but for `share` of the bad."""
    return np.where((target == 1) & (rng.uniform(size=len(target)) < share), rng.lognormal(5, 1, size=len(target)), np.nan)


def status_word(target, rng, share):
    """A word of the customer's file, which says legal for `share` of the bad."""
    return np.where((target == 1) & (rng.uniform(size=len(target)) < share), "legal", rng.choice(["new", "old", "away"], size=len(target)))


PLANTED = {"shortened term": shortened_term, "all instalments paid": all_paid, "recovered amount": filled_late, "status word": status_word}
HONEST = {
    "noise": lambda target, rng: rng.normal(size=len(target)),
    "strong score (AUC 0.92)": lambda target, rng: rng.normal(size=len(target)) + 2 * target,
    "score in tenths": lambda target, rng: np.round(rng.normal(size=len(target)) + 1.5 * target, 1),
    "late payments, mean 0.2 and 1": lambda target, rng: rng.poisson(np.where(target == 1, 1.0, 0.2)).astype(float),
    "late payments, mean 0.3 and 3": lambda target, rng: rng.poisson(np.where(target == 1, 3.0, 0.3)).astype(float),
    "days past due, 3 % and 50 %": lambda target, rng: np.round((rng.uniform(size=len(target)) < 0.03 + 0.47 * target) * rng.exponential(30, len(target))),
    "rating of seven": lambda target, rng: np.array(list("ABCDEFG"))[np.clip(np.round(3 + 1.2 * rng.normal(size=len(target)) + 2 * target), 0, 6).astype(int)],
    "amount, often round": lambda target, rng: np.round(rng.lognormal(8, 1, len(target)), rng.choice([-3, -2, 0])),
    "serial number": lambda target, rng: rng.permutation(len(target)).astype(float),
    "missing for 20 % and 60 %": lambda target, rng: np.where(rng.uniform(size=len(target)) < 0.2 + 0.4 * target, np.nan, 1.0),
    "town of forty": lambda target, rng: np.char.add("town", rng.integers(0, 40, len(target)).astype(str)),
}


def named(make, rows, seed, *arguments, bad_rate=BAD_RATE):
    """Whether one drawn column is named."""
    target, rng = drawn(rows, seed, bad_rate)
    as_of = pd.Series(pd.Timestamp("2022-01-01")).repeat(rows).reset_index(drop=True)
    return bool(screen(pd.DataFrame({"x": make(target, rng, *arguments)}), target, as_of, columns=["x"], limits=AMONG))


def share_named(make, rows, draws, *arguments, **about):
    """Share of draws in which it is named; seeds follow from what is drawn."""
    first = zlib.crc32(repr((rows, arguments)).encode()) % 100_000
    return np.mean([named(make, rows, first + draw, *arguments, **about) for draw in range(draws)])


def changing(bad, good, *, bad_share, good_share, seed):
    """Later values of so many bad and good customers, of whom shares changed in their stretch: the frame, and the targets by observation."""
    rng = np.random.default_rng(seed)
    target = pd.Series(np.repeat([1.0, 0.0], [bad, good]), index=[f"o{place:06d}" for place in range(bad + good)])
    moved = rng.uniform(size=len(target)) < np.where(target == 1, bad_share, good_share)
    frame = pd.DataFrame({"observation_id": np.repeat(target.index, 2), "when": pd.Timestamp("2022-01-01"), "observed_again": False})
    return frame.assign(x=np.where(np.arange(len(frame)) % 2 == 1, np.repeat(moved, 2), 0).astype(float)), target


def change_named(bad, draws, bad_share, good_share):
    """Share of draws in which a column that changes like this is named, with ten times as many good as bad customers."""
    made = (changing(bad, 10 * bad, bad_share=bad_share, good_share=good_share, seed=seed) for seed in range(draws))
    return np.mean([bool(changes(frame, target, columns=["x"], limits=AMONG)) for frame, target in made])


def all_columns(folder):
    """The findings over every column of a development folder, as if each were the user's own."""
    rows, frame = read_frame(folder / "observations.parquet"), read_frame(folder / "features.parquet")
    columns = [name for name in frame if name != "observation_id"]
    return screen(frame, rows["target"], rows["as_of"], columns=columns, customers=rows["customer_id"], limits=Limits(max_auc=0.97)), len(columns), rows


def of_source(changes_of_params, use_cases=("default",)):
    """`all_columns` of a source's use cases, by way of the stages."""
    with tempfile.TemporaryDirectory() as folder, workspace(Path(folder) / "work", changes_of_params):
        ingest()
        for use_case in use_cases:
            observe(use_case)
            featurize(use_case)
            yield use_case, *all_columns(case_path(use_case, "development"))


def tell(name, results):
    for use_case, findings, columns, rows in results:
        reasons = ", ".join(f"{reason} {count}" for reason, count in Counter(finding["reason"] for finding in findings).items()) or "none"
        counts = f"{int(rows['target'].notna().sum()):,} rows, {int(rows['target'].sum()):,} bad"
        print(f"{name} {use_case}: {columns} columns, {counts}; named: {reasons}", flush=True)
        for finding in findings:
            print(f"  {finding['detail']}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--data", type=Path, default=Path("../shared/data"))
    arguments.add_argument("--draws", type=int, default=40)
    given = arguments.parse_args()
    print(f"share of {given.draws} draws in which a planted column is named; {BAD_RATE:.0%} bad; rows {SIZES}")
    for name, make in PLANTED.items():
        for share in SHARES:
            print(f"  {name}, {share:.0%} of its class: " + "  ".join(f"{share_named(make, rows, given.draws, share):.2f}" for rows in SIZES), flush=True)
    print(f"share of {given.draws} draws in which an honest column is named, {BAD_RATE:.0%} and 30% bad; rows {SIZES}")
    for name, make in HONEST.items():
        shares = [f"{share_named(make, rows, given.draws, bad_rate=rate):.2f}" for rate in (BAD_RATE, 0.3) for rows in SIZES]
        print(f"  {name}: " + "  ".join(shares), flush=True)
    print("share of draws in which a column that changes after the outcome is named; 10, 20, 40, 100, 300 bad, ten times as many good")
    for bad, good in ((0.6, 0.03), (0.4, 0.1), (0.3, 0.05), (0.1, 0.1), (0.5, 0.5), (0.2, 0.1)):
        print(f"  {bad:.0%} of the bad, {good:.0%} of the good: " + "  ".join(f"{change_named(count, 200, bad, good):.2f}" for count in (10, 20, 40, 100, 300)))
    for name in SETS:
        if (given.data / name).exists():
            tell(name, of_source(source_changes(["default"], name=name, definition=f"pipeline/sources/{name}", path=(given.data / name).resolve())))
    tell("simulated", of_source([("simulated.customers", 3000), ("simulated.reference_every_months", 12)], ("default", "fraud")))


if __name__ == "__main__":
    main()
