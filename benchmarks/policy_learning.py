"""Who scores: the trees and the scorecard, both learned on every matured row of the history, and both again without a fifth of the customers each."""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import numpy as np

from features.catalogue import Catalogue
from models.classifier import Settings, columns_of, fit_trees, grouped_folds
from models.sample import CALIBRATION, UNUSED, VALIDATION, customer_places, deal, matured_rows
from models.scorecard import Limits, fit_scorecard, raw_scores
from models.scoring import encode, from_raw, lay_out
from models.scoring import raw_scores as score_raw
from pipeline.challenge import learned, shaped
from pipeline.columns import cut, read_columns
from pipeline.datasets import case_path, read_json
from pipeline.frames import read_frame
from pipeline.params import load_params
from pipeline.train import fit_bundle, points_scale

TREES, SCORECARD = "trees", "scorecard"
FOLDS = 5


@dataclass(frozen=True)
class Scorer:
    """`names` of the columns it reads; `raw` gives the log-odds of named columns, `shape` the probability and the grade names of log-odds; `unseen` (rows,)
    are those of the development rows, in order, by scorers that learned from other customers."""

    names: tuple
    raw: Callable
    shape: Callable
    unseen: np.ndarray


def dealt(observations, rules):
    """The observations with `sample`: every matured row teaches, since later years judge; by customer in the shares that `rules` (sample.default) give."""
    matured = matured_rows(observations, "customer_id").to_numpy()
    place = customer_places(observations[matured], seed=rules.seed, group="customer_id")
    sample = np.full(len(observations), UNUSED, dtype=object)
    sample[matured] = deal(place, ((VALIDATION, rules.validation_share), (CALIBRATION, rules.calibration_share)))
    return observations.assign(sample=sample)


def scorers():
    """({name: Scorer}, the development rows, counts of what they taught) of the working directory, whose parameters say train.refit: all."""
    params, folder = load_params(), case_path("default", "development")
    rows = dealt(read_frame(folder / "observations.parquet"), params.sample.default)
    catalogue = Catalogue.from_dict(read_json(folder / "catalogue.json"))
    horizon = read_json(folder / "maturity.json")["horizon_days"]
    bundle, _ = fit_bundle(folder / "features.parquet", rows, catalogue=catalogue.features, use_case="default", horizon_days=horizon, params=params)
    columns = read_columns(folder / "features.parquet", bundle.names)
    card, shapes = learned(columns, rows, bundle.manifest, params)
    matured = rows["sample"].ne(UNUSED).to_numpy()
    fold = grouped_folds(rows["target"].fillna(0.0), rows["customer_id"], folds=FOLDS, seed=params.sample.default.seed)
    found = {TREES: _trees(bundle, columns, rows, matured, fold), SCORECARD: _scorecard(card, shapes, columns, rows, matured, fold, bundle.manifest, params)}
    counts = {"rows": int(matured.sum()), "bad": int(rows["target"].sum()), "bad_customers": int(rows.loc[rows["target"].eq(1), "customer_id"].nunique()),
              "trees": bundle.booster.num_trees(), "characteristics": list(card.names)}
    return found, rows, counts


def _trees(bundle, columns, rows, matured, fold):
    how = {"rounds": bundle.booster.num_trees(), "settings": Settings(**bundle.manifest.training["settings"]), **columns_of(bundle.manifest.columns)}
    matrix, target, unseen = encode(columns, bundle), rows["target"].to_numpy(), np.empty(len(rows))
    for number in range(FOLDS):
        away = fold == number
        unseen[away] = fit_trees(matrix[matured & ~away], target[matured & ~away], **how).predict(matrix[away], raw_score=True, num_threads=1)

    def shape(raw_score):
        scores = from_raw(bundle, raw_score)
        return scores.probability, scores.grade_names()

    names, raw = read_by_trees(bundle)
    return Scorer(names, raw, shape, unseen)


def read_by_trees(bundle):
    """The columns that the bundle's trees ask for, and the function of them that gives its raw scores: no other needs to be computed."""
    used = np.flatnonzero(bundle.booster.feature_importance("split"))
    names, levels = tuple(bundle.names[place] for place in used), [bundle.manifest.columns[place].levels for place in used]

    def raw(named):
        asked = lay_out(named, names, levels)
        matrix = np.full((len(asked), len(bundle.names)), np.nan)
        matrix[:, used] = asked
        return score_raw(bundle, matrix)

    return names, raw


def _scorecard(card, shapes, columns, rows, matured, fold, manifest, params):
    how = {"described": manifest.columns, "limits": Limits(**msgspec.structs.asdict(params.challenge)), "scale": points_scale(params)}
    target, groups, own = rows["target"].to_numpy(), rows["customer_id"].to_numpy(), {name: columns[name] for name in card.names}
    # A card that found nothing scores all rows alike, and so would one of other customers.
    unseen = raw_scores(card, columns)
    for number in range(FOLDS) if own else ():
        away, taught = fold == number, matured & (fold != number)
        other = fit_scorecard(cut(own, taught), target[taught], groups=groups[taught], **how)
        unseen[away] = raw_scores(other, cut(own, away))
    return Scorer(card.names, lambda named: raw_scores(card, named), lambda raw_score: shaped(shapes, raw_score), unseen)
