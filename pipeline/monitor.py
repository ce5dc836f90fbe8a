"""Stage monitor: whether the book moved away from what the model learned from, and whether the feed is whole."""

import numpy as np
import pandas as pd

from features.arrays import Category
from features.catalogue import Catalogue
from features.errors import RiskError
from models.bundle import load_bundle
from models.design_effect import rows_a_customer
from models.drift import judge_drift
from models.explanation import sample_rows
from models.histograms import histogram
from models.stability import Thresholds
from pipeline.columns import ColumnFile
from pipeline.datasets import FINDINGS, INGEST, REJECTS, TABLES, case_path, read_json, replacing, write_json
from pipeline.drift_reference import learned_mask, read_reference
from pipeline.feature_counts import file_histograms
from pipeline.feed import explained_columns, judge_feed
from pipeline.frames import read_frame
from pipeline.in_force import in_force
from pipeline.params import load_params
from pipeline.stage import run_stage

# A book of which a larger part than this was learned from is compared with itself.
MOSTLY = 0.2


def monitor(use_case):
    """Write `monitoring/`: drift.json (our verdict), quality.json (the feed) and evidently.html (on bounded samples)."""
    params = load_params()
    force = in_force(params.source.name, use_case)
    bundle, reference = load_bundle(force.folder), read_reference(use_case, force.folder, params)
    quality = judge_feed(read_json(INGEST), tables=TABLES, rejects=REJECTS, findings=FINDINGS, rules=params.monitor.feed)
    faulty = explained_columns(quality["faults"], Catalogue.from_dict(read_json(case_path(use_case, "book", "catalogue.json"))))
    current, repeats = _book(use_case, reference, bundle)
    drift = judge(reference, current, rules=params.monitor, repeats=repeats, faulty=faulty)
    learned = learned_mask(use_case, bundle)
    with replacing(case_path(use_case, "monitoring")) as folder:
        folder.mkdir(parents=True)
        write_json(folder / "quality.json", quality)
        drift["note"] = _overlap(use_case, learned)
        drift["evidently"] = _evidently(use_case, learned, reference, params.monitor, folder / "evidently.html")
        write_json(folder / "drift.json", drift)


def judge(reference, current, *, rules, repeats=1.0, faulty=()):
    """One verdict over all columns ({name: Histogram} of a book) against a DriftReference by the parameters `monitor`; as `models.drift.judge_drift`."""
    limits = Thresholds(q=rules.false_discovery_rate, psi_moderate=rules.min_effect, psi_severe=rules.severe_effect, missing_moderate=rules.min_missing,
                        missing_severe=rules.severe_missing, least_weight=rules.least_weight, severe_weight=rules.severe_weight)
    return judge_drift(reference, current, thresholds=limits, repeats=repeats, faulty=faulty)


def counted(reference, columns):
    """{name: Histogram} over the reference's bins of columns that are in memory, {name: values}."""
    return {each.bins.column: histogram(each.bins, columns[each.bins.column]) for each in reference.columns if each.bins.column in columns}


def _book(use_case, reference, bundle):
    """The book counted over the reference's bins, its score as stage score wrote it among them; and how many rows a customer has in it."""
    scores = read_frame(case_path(use_case, "scores.parquet"), ["customer_id", "bundle", "raw_score"])
    if len(scores) and scores["bundle"].iloc[0] != bundle.hash:
        raise RiskError(f"{case_path(use_case, 'scores.parquet')} was scored by {scores['bundle'].iloc[0][:12]}, and {bundle.hash[:12]} is in force: "
                        "run `risk run`, which scores it again.")
    bins = [each.bins for each in reference.columns]
    read = file_histograms(case_path(use_case, "book", "features.parquet"), [each for each in bins if each.column != reference.score])
    read |= counted(reference, {reference.score: scores["raw_score"].to_numpy()})
    return read, rows_a_customer(pd.factorize(scores["customer_id"])[0])


def _overlap(use_case, learned):
    """A sentence where the book holds rows that the model learned from, which cannot have drifted from themselves; None where it holds none."""
    known = read_frame(case_path(use_case, "development", "observations.parquet"), ["observation_id"])["observation_id"]
    share = read_frame(case_path(use_case, "book", "observations.parquet"), ["observation_id"])["observation_id"].isin(set(known[learned])).mean()
    return f"{share:.0%} of the book's rows are among those the model learned from, so this comparison cannot show drift" if share > MOSTLY else None


def _evidently(use_case, learned, reference, rules, path):
    """Evidently's view of the most important columns over some rows of both sides."""
    from pipeline.drift_report import write_drift_report

    ranked = sorted((each for each in reference.columns if each.bins.column != reference.score), key=lambda each: -each.weight)
    names = [each.bins.column for each in ranked[: rules.evidently_columns]]
    files = [case_path(use_case, folder, "features.parquet") for folder in ("development", "book")]
    before, now = (_frame(ColumnFile(file, names), rows, rules) for file, rows in zip(files, (np.flatnonzero(learned), None), strict=True))
    # Evidently cannot judge a column without any value on one side.
    both = [name for name in names if before[name].notna().any() and now[name].notna().any()]
    return write_drift_report(before[both], now[both], path)


def _frame(columns, rows, rules):
    """Some rows, of all or of those given, as a frame of numbers and texts."""
    count = columns.rows if rows is None else len(rows)
    some = sample_rows(count, limit=rules.evidently_rows, seed=rules.seed)
    chosen = some if rows is None else rows[some]
    values = {name: columns[name][chosen] for name in columns}
    return pd.DataFrame({name: column.strings() if isinstance(column, Category) else column for name, column in values.items()})


if __name__ == "__main__":
    run_stage(monitor)
