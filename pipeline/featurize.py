"""Stage featurize: every feature of the catalogue for every observation, from what was known at its as_of."""

from features.catalogue import build_catalogue
from features.feeders.duck import columns_of, last_as_of
from features.feeders.duck import featurize as feed
from pipeline.datasets import TABLES, case_path, read_json, write_json
from pipeline.frames import read_frame
from pipeline.later import write_later
from pipeline.params import load_params
from pipeline.progress import progress
from pipeline.stage import run_stage

# What observe adds to say what became of an observation: the forward door's columns are never features.
OUTCOME_COLUMNS = ("target", "status", "target_known_at", "compromised")


def featurize(use_case):
    """Write `development/features.parquet`, its catalogue and the dated context it was computed with; the user's own columns after the outcome."""
    params, folder = load_params(), case_path(use_case, "development")
    catalogue = build_catalogue(use_case, available_columns(folder, use_case), preferred_basis=params.featurize.preferred_basis)
    write_features(folder, catalogue, params.featurize, what=f"featurize {use_case}")
    write_json(folder / "catalogue.json", catalogue.to_dict())
    write_later(folder / "later.parquet", read_frame(folder / "observations.parquet"), catalogue, cutoff=read_json(folder / "maturity.json")["cutoff"],
                days=params.leaks.after_days, rules=params.featurize, observed_by=getattr(params.observe, use_case))


def available_columns(folder, use_case):
    """What features may be computed from: {table: {column: kind}} of the tables and of the observations in `folder`.

    Levels and series make columns only as far as they were known by the last as_of of the development observations, whoever asks: a level that
    first comes up in a later month can neither move what is learned from nor take a column away from the champion. The observations' own columns
    are of the kinds they had there.
    """
    learned_from = case_path(use_case, "development", "observations.parquet")
    columns = columns_of(TABLES, until=last_as_of(learned_from if learned_from.exists() else folder / "observations.parquet"))
    own = columns_of(folder)["observations"]
    kinds = own | (columns_of(learned_from.parent)["observations"] if learned_from.exists() else {})
    return {**columns, "observations": {name: kinds[name] for name in own if name not in OUTCOME_COLUMNS}}


def write_features(folder, catalogue, rules, *, what):
    """Compute the catalogue for `observations.parquet` in a folder; write features.parquet and context.parquet beside it."""
    bar = progress(None, what=what, unit=" rows")
    feed(TABLES, folder / "observations.parquet", folder / "features.parquet", catalogue=catalogue, context_path=folder / "context.parquet",
         chunk_customers=rules.chunk_customers, threads=rules.threads, progress=bar)
    bar.close()


if __name__ == "__main__":
    run_stage(featurize)
