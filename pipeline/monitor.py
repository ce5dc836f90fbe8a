"""Stage monitor: whether the book moved away from what the model learned from, and whether the feed is whole."""

import pandas as pd

from features.arrays import Category
from models.bundle import load_bundle
from models.explanation import sample_rows
from models.sample import learned_rows
from models.scoring import encode, raw_scores
from models.stability import Thresholds, column_shift, freeze, histogram, verdict
from pipeline.columns import read_columns
from pipeline.datasets import INGEST, case_path, read_json, replacing, write_json
from pipeline.frames import read_frame, read_observations
from pipeline.in_force import in_force
from pipeline.params import load_params
from pipeline.stage import run_stage

SCORE = "raw_score"
# Tables that business fills all the time; a customer master may rightly stand still. The slowest, quarterly statements, are filed within 150 days.
FLOWS = ("statements", "contracts", "invoices", "payments", "transactions")
STALE_DAYS = 400
# A book of which a larger part than this was learned from is compared with itself.
MOSTLY = 0.2


def monitor(use_case):
    """Write `monitoring/`: drift.json (our verdict), quality.json (the feed) and evidently.html (on bounded samples)."""
    params = load_params()
    bundle = load_bundle(in_force(params.source.name, use_case).folder)
    learned, observed = _learned(use_case, bundle), case_path(use_case, "development", "features.parquet")
    reference, current = read_columns(observed, bundle.names, rows=learned), read_columns(case_path(use_case, "book", "features.parquet"), bundle.names)
    # A customer stands in the reference many times: its rows are not that many independent ones.
    effect = _rows_per_customer(use_case, learned)
    with replacing(case_path(use_case, "monitoring")) as folder:
        folder.mkdir(parents=True)
        drift = judge(_with_score(reference, bundle), _with_score(current, bundle), rules=params.monitor, effect=effect)
        write_json(folder / "quality.json", quality(read_json(INGEST)))
        drift["note"] = _overlap(use_case, learned)
        drift["evidently"] = _evidently(use_case, reference, current, params.monitor, folder / "evidently.html")
        write_json(folder / "drift.json", drift)


def judge(reference, current, *, rules, effect=1.0):
    """One verdict over all columns (name → values) of two samples, against the sampling noise of samples of their size."""
    shifts = []
    for name, values in reference.items():
        bins = freeze(name, values, bins=rules.bins)
        shifts.append(column_shift(name, histogram(bins, values), histogram(bins, current[name]), effect=effect))
    limits = Thresholds(q=rules.false_discovery_rate, psi_moderate=rules.min_effect, psi_severe=rules.severe_effect)
    return verdict(shifts, thresholds=limits, score=SCORE)


def quality(about):
    """The feed's own verdict: rows, rejects and the last day known of every table."""
    tables = {name: {"rows": table["kept"], "rejected": sum(table["rejected"].values()), "known_to": table["known_to"]}
              for name, table in about["tables"].items()}
    stale = sorted(name for name in FLOWS if name in tables and _days(tables[name]["known_to"], about["today"]) > STALE_DAYS)
    rejected = sorted(name for name, table in tables.items() if table["rejected"])
    verdict = "stale" if stale else "rejects" if rejected else "whole"
    return {"verdict": verdict, "stale": stale, "with_rejects": rejected, "today": about["today"], "tables": tables}


def _days(known_to, today):
    return (pd.Timestamp(today) - pd.Timestamp(known_to)).days if known_to else 0


def _learned(use_case, bundle):
    """Mask of the development rows that the bundle learned from."""
    development = case_path(use_case, "development")
    rows = read_observations(use_case, ["status", "target"])
    return learned_rows(rows, rows["sample"], bundle.manifest.training, by=read_json(development / "leaks.json")["by"]).to_numpy()


def _overlap(use_case, learned):
    """A sentence where the book holds rows that the model learned from, which cannot have drifted from themselves; None where it holds none."""
    known = read_frame(case_path(use_case, "development", "observations.parquet"), ["observation_id"])["observation_id"]
    share = read_frame(case_path(use_case, "book", "observations.parquet"), ["observation_id"])["observation_id"].isin(set(known[learned])).mean()
    return f"{share:.0%} of the book's rows are among those the model learned from, so this comparison cannot show drift" if share > MOSTLY else None


def _rows_per_customer(use_case, learned):
    customers = read_frame(case_path(use_case, "development", "observations.parquet"), ["customer_id"])["customer_id"]
    return float(learned.sum() / customers[learned].nunique())


def _with_score(columns, bundle):
    return {**columns, SCORE: raw_scores(bundle, encode(columns, bundle), threads=2)}


def _evidently(use_case, reference, current, rules, path):
    from pipeline.drift_report import write_drift_report

    top = [row["column"] for row in read_json(case_path(use_case, "explanation", "importance.json"))["columns"] if row["column"] in reference]
    frames = [_frame(columns, top[: rules.evidently_columns], rules) for columns in (reference, current)]
    # Evidently cannot judge a column without any value on one side.
    both = [name for name in frames[0] if all(frame[name].notna().any() for frame in frames)]
    return write_drift_report(frames[0][both], frames[1][both], path)


def _frame(columns, names, rules):
    rows = sample_rows(len(next(iter(columns.values()))), limit=rules.evidently_rows, seed=rules.seed)
    values = {name: columns[name][rows] for name in names}
    return pd.DataFrame({name: column.strings() if isinstance(column, Category) else column for name, column in values.items()})


if __name__ == "__main__":
    run_stage(monitor)
