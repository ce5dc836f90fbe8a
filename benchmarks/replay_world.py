"""Real companies as they were known on a day: models learned, judged and recalibrated from what was known then."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd

from features.catalogue import Catalogue
from models.drift_reference import DriftReference, period_codes, reference_column
from models.explanation import importance, sample_rows
from models.sample import IN_SAMPLE, OUT_OF_TIME, UNUSED
from models.sample_recent import recent_split
from models.scoring import contributions, encode, raw_scores
from pipeline.columns import read_columns
from pipeline.datasets import INGEST, case_path, read_json
from pipeline.drift_reference import SCORE
from pipeline.evaluate import judge
from pipeline.evaluate import scored as evaluated
from pipeline.horizon import observe_rules
from pipeline.outcomes import known_outcomes
from pipeline.params import load_params
from pipeline.performance import with_outcomes
from pipeline.recalibrate import recalibrated
from pipeline.sample import split
from pipeline.train import curves_of, fit_bundle, sample_counts

USE_CASE = "default"


@dataclass(frozen=True)
class World:
    """All that a source has: observations with their place in the feature file, and the rules by which they are labelled."""

    rows: pd.DataFrame
    path: Path
    catalogue: Catalogue
    rules: object
    params: object
    complete_to: str

    def known(self, day):
        """The observations up to a day, with status and target as known then."""
        rows = self.rows[self.rows["as_of"] <= pd.Timestamp(day)]
        found = with_outcomes(rows, known_outcomes(USE_CASE, self.rules, known_by=day), use_case=USE_CASE, rules=self.rules, complete_to=day)
        return found.assign(target_known_at=found["as_of"] + pd.Timedelta(days=self.rules.horizon_days + self.rules.reporting_lag_days))

    def columns(self, rows, names):
        """Feature columns of those rows."""
        return read_columns(self.path, names, rows=rows["place"].to_numpy())


@dataclass(frozen=True)
class Learned:
    """A model, the day it was learned on, the observations known then with their samples, what it was accepted with, and what drift is judged against."""

    day: str
    bundle: object
    rows: pd.DataFrame
    accepted: dict
    reference: DriftReference


def opened():
    """The World of the source that the parameters name."""
    params, about = load_params(), read_json(INGEST)
    development = case_path(USE_CASE, "development")
    observed = pd.read_parquet(development / "observations.parquet").drop(columns=["target", "target_known_at", "status"])
    catalogue = Catalogue.from_dict(read_json(development / "catalogue.json"))
    return World(observed.assign(place=np.arange(len(observed))), development / "features.parquet", catalogue, observe_rules(params, USE_CASE, about), params,
                 about["complete_to"])


def learn(world, day):
    """A model from what was known on a day.

    Raises: RiskError where too little had matured by then.
    """
    known, params = world.known(day), world.params
    rows = known.assign(sample=dealt(world, known))
    bundle, _ = fit_bundle(world.path, everywhere(world, rows), catalogue=world.catalogue.features, use_case=USE_CASE, horizon_days=world.rules.horizon_days,
                           params=params)
    return Learned(day, bundle, rows, accepted(world, bundle, rows), reference_of(world, bundle, rows))


def recalibrate(world, model, day):
    """The model with a curve of what matured since; its rows and the reference of drift stay those of the trees.

    Raises: RiskError as `recent_split`.
    """
    known, params = world.known(day), world.params
    samples = recent_split(dealt(world, known), known, since=model.day, share=params.calibrate.recent_share, seed=params.sample.default.seed)
    rows = known.assign(sample=samples)
    bundle, _ = recalibrated(world.path, everywhere(world, rows), model.bundle, curves_of=partial(curves_of, params=params), counts=sample_counts(rows),
                             about={})
    return Learned(day, bundle, rows.assign(sample=rows["sample"].where(rows["sample"].ne(UNUSED), None)), accepted(world, bundle, rows),
                   msgspec.structs.replace(model.reference, bundle=bundle.hash))


def dealt(world, known):
    """The samples of the observations known on a day, by time as far as they reach; published protocols are for one day only."""
    return split(known, use_case=USE_CASE, params=world.params, protocol=None, horizon_days=world.rules.horizon_days)


def everywhere(world, rows):
    """customer_id, target and sample of every row of the feature file: nothing of those not known."""
    found = world.rows[["customer_id"]].join(rows.set_index("place")[["target", "sample"]])
    return found.assign(sample=found["sample"].astype(object).where(found["sample"].notna(), None))


def accepted(world, bundle, rows):
    """What evaluate measures of a bundle on the judged rows."""
    apart = rows[rows["sample"].eq(OUT_OF_TIME) & rows["target"].notna()].reset_index(drop=True)
    tried = evaluated(apart, world.columns(apart, bundle.names), bundle, threads=world.params.train.threads)
    return judge(tried, bundle.manifest.grades, bundle.manifest.training, world.params.evaluate)


def cohort_of(rows, day):
    """The rows observed in the year that ends on a day."""
    return rows[rows["as_of"].between(pd.Timestamp(day) - pd.DateOffset(years=1), pd.Timestamp(day), inclusive="right")]


def with_score(world, bundle, rows):
    """The bundle's columns of those rows and its score."""
    columns = world.columns(rows, bundle.names)
    return {**columns, SCORE: raw_scores(bundle, encode(columns, bundle), threads=world.params.train.threads)}


def reference_of(world, bundle, rows):
    """The DriftReference of the rows that a bundle learned from; its score on the judged rows, which its trees have not seen."""
    learned, apart = (rows[rows["sample"].isin(names)] for names in (IN_SAMPLE, [OUT_OF_TIME]))
    columns, some = world.columns(learned, bundle.names), sample_rows(len(learned), limit=300, seed=world.params.monitor.seed)
    found = importance(bundle, contributions(bundle, encode({name: values[some] for name, values in columns.items()}, bundle), threads=2))
    weights = {row["column"]: row["share"] for row in found["columns"]}

    def column(name, values, of, weight):
        customers, periods = pd.factorize(of["customer_id"])[0], period_codes(of["as_of"].to_numpy())
        return reference_column(name, values, customers, periods, bins=world.params.monitor.bins, weight=weight)

    every = [*(column(name, values, learned, weights[name]) for name, values in columns.items()),
             column(SCORE, with_score(world, bundle, apart)[SCORE], apart, 1.0)]
    return DriftReference(bundle=bundle.hash, score=SCORE, rows=len(learned), customers=learned["customer_id"].nunique(),
                          periods=learned["as_of"].nunique(), columns=tuple(every))
