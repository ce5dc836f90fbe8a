"""How a history's drift and data faults are judged: the one place that binds the benchmark to stage monitor's functions."""

from models.scoring import encode, raw_scores
from pipeline.columns import read_columns
from pipeline.datasets import case_path
from pipeline.monitor import SCORE, _learned, _rows_per_customer, judge, quality


def learned_from(use_case, bundle, params):
    """What drift is judged against: what the model learned from, in whatever form `drift_verdict` takes it."""
    seen = _learned(use_case, bundle)
    columns = read_columns(case_path(use_case, "development", "features.parquet"), bundle.names, rows=seen)
    return {**columns, SCORE: raw_scores(bundle, encode(columns, bundle))}, _rows_per_customer(use_case, seen)


def drift_verdict(reference, columns, raw_score, customers, *, use_case, params, found):
    """none, moderate or severe of a book's columns (name → values), raw scores and customer ids; `found` is what `feed` said of the same day."""
    before, effect = reference
    return judge(before, {**columns, SCORE: raw_score}, rules=params.monitor, effect=effect)["verdict"]


def feed(tables, about, *, params):
    """quality.json's content of the tables in a folder, which may hold more, as known on the day of `about` (ingest.json's content of that day)."""
    return quality(about)
