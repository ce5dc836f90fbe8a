"""What drift is judged against: counts and noise of the rows that a bundle learned from, written once beside the bundle when it is shipped."""

import msgspec
import numpy as np
import pandas as pd

from features.errors import RiskError
from models.bundle import bundle_hash, load_bundle
from models.clusters import some_customers
from models.drift_reference import NOISE_ROWS, REFERENCE_FILE, VERSION, DriftReference, period_codes, reference_column
from models.explanation import importance, sample_rows
from models.sample import learned_rows
from models.scoring import contributions, encode, raw_scores
from pipeline.columns import ColumnFile, cut, read_columns
from pipeline.datasets import case_path, read_json
from pipeline.frames import read_frame, read_observations

SCORE = "raw_score"
# Rows whose contributions say how much the model uses a column; more change the third digit.
WEIGHT_ROWS = 300


def write_reference(use_case, folder, params):
    """Write `drift_reference.json` into the folder of a bundle that has just been trained on the development branch."""
    found = measured_reference(use_case, load_bundle(folder), params)
    (folder / REFERENCE_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=0) + b"\n")


def read_reference(use_case, folder, params):
    """The DriftReference kept beside the bundle in `folder`; for a bundle kept before there was one, it is measured on the development branch as it is now.

    Raises RiskError when the file is damaged, of another version, or of another bundle.
    """
    path, bundle = folder / REFERENCE_FILE, load_bundle(folder)
    if not path.exists():
        return measured_reference(use_case, bundle, params)
    try:
        found = msgspec.json.decode(path.read_bytes(), type=DriftReference)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RiskError(f"{path} is damaged ({error}): restore it, or delete it to have it measured again.") from None
    if found.version != VERSION or found.bundle != bundle.hash:
        raise RiskError(f"{path} is not of this bundle and version: restore it, or delete it to have it measured again.")
    return found


def learned_mask(use_case, bundle):
    """Mask of the development rows that the bundle learned from."""
    rows = read_observations(use_case, ["status", "target"])
    return learned_rows(rows, rows["sample"], bundle.manifest.training, by=read_json(case_path(use_case, "development", "leaks.json"))["by"]).to_numpy()


def measured_reference(use_case, bundle, params):
    """The DriftReference of a bundle over the development rows that it learned from."""
    rows, places = read_observations(use_case, ["customer_id", "as_of"]), np.flatnonzero(learned_mask(use_case, bundle))
    customers, periods = pd.factorize(rows["customer_id"])[0], period_codes(rows["as_of"].to_numpy(), days=_period_days(use_case, params))
    values, weights = ColumnFile(case_path(use_case, "development", "features.parquet"), bundle.names), _weights(use_case, bundle, places, params)
    scored, raw_score = _scores(use_case, bundle, places)

    def column(name, kept, where, weight):
        return reference_column(name, kept, customers[where], periods[where], bins=params.monitor.bins, weight=weight, noise_rows=_some(customers[where]))

    columns = [*(column(name, values[name][places], places, weights[name]) for name in bundle.names), column(SCORE, raw_score, scored, 1.0)]
    return DriftReference(bundle=bundle.hash, score=SCORE, rows=len(places), customers=len(np.unique(customers[places])),
                          periods=len(np.unique(periods[places])), columns=tuple(columns))


def _period_days(use_case, params):
    """A week of transactions is compared with weeks, a day's customers with days."""
    return params.book.fraud_days if use_case == "fraud" else None


def _some(customers):
    """Rows of whole customers by which noise is measured; None where there are few enough."""
    return some_customers(customers, rows=NOISE_ROWS) if len(customers) > NOISE_ROWS else None


def _weights(use_case, bundle, places, params):
    """{column: share of the mean absolute contribution} over some of the rows."""
    some = places[sample_rows(len(places), limit=WEIGHT_ROWS, seed=params.monitor.seed)]
    columns = read_columns(case_path(use_case, "development", "features.parquet"), bundle.names, rows=some)
    found = importance(bundle, contributions(bundle, encode(columns, bundle), threads=params.train.threads))
    return {row["column"]: row["share"] for row in found["columns"]}


def _scores(use_case, bundle, places):
    """(places, raw scores) of rows scored by trees that had not seen them; of a bundle that was not the last trained, by its own trees.

    Trees rank the rows that they grew on too well, so that a new book would seem to have moved.
    """
    calibrated = case_path(use_case, "calibrated.parquet")
    if calibrated.exists() and bundle_hash(case_path(use_case, "model")) == bundle.validated:
        found = read_frame(calibrated)
        return found["place"].to_numpy(), found["raw_score"].to_numpy()
    some = np.sort(np.random.default_rng(0).permutation(places)[:NOISE_ROWS])
    columns = read_columns(case_path(use_case, "development", "features.parquet"), bundle.names)
    return some, raw_scores(bundle, encode(cut(columns, some), bundle), threads=2)
