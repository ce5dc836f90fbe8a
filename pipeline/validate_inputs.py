"""What the stage validate reads: scored rows, their columns, amounts, and which columns each part looks at."""

from dataclasses import dataclass

import msgspec
import numpy as np
import pandas as pd

from features.arrays import Category
from features.catalogue import Catalogue
from features.errors import RiskError
from models.bundle import Bundle, load_bundle
from models.classifier import Settings, columns_of
from models.scoring import encode, from_raw, score
from pipeline.columns import read_columns
from pipeline.datasets import case_path, read_json
from pipeline.frames import read_frame, read_observations
from pipeline.groups import FEW_LEVELS, distinct, found_column

# What a customer's size and age are read from, where the source gives it.
SIZE_AND_AGE = ("stmt_log_assets", "stmt_log_revenue", "bg_age_months", "bg_months_as_customer", "exp_log_limit", "txn_amount_log", "obs_age")
MINOR_UNITS = 100


@dataclass(frozen=True)
class Inputs:
    """All observations of a use case in the feature file's order: rows (customer_id, as_of, target, sample and the source's own), columns of the
    bundle, and raw_score, probability and grade name of each; `bundle` scored them. calibrated: (positions,
    probabilities) of the rows that calibrated it, by trees that did not see them."""

    rows: pd.DataFrame
    columns: dict
    bundle: Bundle
    raw_score: np.ndarray
    probability: np.ndarray
    grade: np.ndarray
    calibrated: tuple

    def where(self, sample):
        """Positions of a sample's rows. Raises: RiskError when there is none."""
        found = np.flatnonzero(self.rows["sample"].eq(sample))
        if not len(found):
            raise RiskError(f"no row is in sample {sample}, so nothing can be validated: shorten sample.out_of_time_days or bring a longer history.")
        return found

    def figures(self, places):
        """(target, probability, raw_score, customer ids) of rows."""
        rows = self.rows.iloc[places]
        return rows["target"].to_numpy(dtype=np.float64), self.probability[places], self.raw_score[places], rows["customer_id"].to_numpy()

    def taken(self, names, places):
        """Named columns of rows."""
        return {name: self.columns[name][places] for name in names}

    def encoded(self, places):
        """The bundle's matrix of rows."""
        return encode(self.taken(self.bundle.names, places), self.bundle)


def read_inputs(use_case, *, threads):
    """Read and score everything the development branch observed."""
    development = case_path(use_case, "development")
    rows = read_observations(use_case)
    bundle = load_bundle(case_path(use_case, "model"))
    columns = read_columns(development / "features.parquet", bundle.names)
    scores = score(bundle, encode(columns, bundle), threads=threads)
    calibrated = read_frame(case_path(use_case, "calibrated.parquet"))
    expected = from_raw(bundle, calibrated["raw_score"].to_numpy()).probability
    return Inputs(rows, columns, bundle, scores.raw_score, scores.probability, scores.grade_names(), (calibrated["place"].to_numpy(), expected))


def segment_columns(inputs, asked, judged):
    """The columns to cut into segments: those asked for, or the categories of few levels and what tells size and age."""
    if asked != "auto":
        return {name: found_column(inputs, name, "validate.segments")[judged] for name in asked}
    categories = [name for name, values in inputs.columns.items() if isinstance(values, Category)]
    values = inputs.taken([*categories, *(name for name in SIZE_AND_AGE if name in inputs.columns and name not in categories)], judged)
    return {name: column for name, column in values.items() if distinct(column) > 1 and (name not in categories or distinct(column) <= FEW_LEVELS)}


def amounts(inputs, asked):
    """What each row is about, in whole currency units, and where that is from; 1 where nobody knows any amount.

    asked: auto (the transaction's amount, or the customer's limit), none, or a column. A missing amount is the median of the others.
    """
    values, source = _amounts(inputs, asked)
    known = values[np.isfinite(values)]
    middle = float(np.median(known)) if len(known) else 1.0
    return np.where(np.isfinite(values), values, middle), source


def tables_of(use_case, names):
    """{table: names of the columns that read it} of the bundle's columns, from the catalogue they were computed by."""
    catalogue = Catalogue.from_dict(read_json(case_path(use_case, "development", "catalogue.json")))
    found = {}
    for feature in catalogue.features:
        for table in feature.needs if feature.name in names else ():
            found.setdefault(table, []).append(feature.name)
    return dict(sorted(found.items()))


def important_columns(use_case, bundle, count):
    """The model's `count` most important columns, and its categories."""
    ranked = [row["column"] for row in read_json(case_path(use_case, "explanation", "importance.json"))["columns"]]
    categories = [column.name for column in bundle.manifest.columns if column.levels is not None and len(column.levels) <= FEW_LEVELS]
    return list(dict.fromkeys([*ranked[:count], *categories]))


def grown_how(manifest, threads):
    """(how, Settings) of a bundle's trees: columns, categorical, directions, and its own settings."""
    return columns_of(manifest.columns), msgspec.convert({**manifest.training["settings"], "threads": threads}, Settings)


def _amounts(inputs, asked):
    if asked == "none":
        return np.ones(len(inputs.rows)), "one unit a row"
    if asked != "auto":
        return np.abs(np.asarray(found_column(inputs, asked, "validate.<use case>.amount"), dtype=np.float64)), asked
    if "amount" in inputs.rows:
        return np.abs(inputs.rows["amount"].to_numpy(dtype=np.float64)) / MINOR_UNITS, "the transaction's amount"
    if "exp_log_limit" in inputs.columns:
        return np.exp(inputs.columns["exp_log_limit"]) / MINOR_UNITS, "the customer's limit"
    return np.ones(len(inputs.rows)), "one unit a row"
