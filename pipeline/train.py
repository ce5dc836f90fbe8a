"""Stage train: development rows to a bundle: trees, calibration, points and grades."""

from functools import partial

import msgspec
import numpy as np
import pandas as pd

from features.arrays import Category
from features.catalogue import Catalogue
from features.errors import RiskError
from models.bundle import Column, Manifest, make_bundle, save_bundle
from models.calibration import Points, fit
from models.classifier import (
    Settings,
    audit_monotone,
    booster_text,
    candidates,
    choose,
    columns_of,
    freeze_levels,
    joined,
    out_of_fold,
    refitted,
)
from models.curves import fit_curves
from models.grades import build_scale, scale_of
from models.histograms import level_counts
from models.horizon import probability_name
from models.own_scale import checked_cuts
from models.sample import CALIBRATION, DEVELOPMENT, IN_SAMPLE
from models.scoring import lay_out
from models.sufficiency import told_columns
from models.target import REJECTED
from pipeline.columns import ColumnFile
from pipeline.datasets import case_path, read_json, replacing
from pipeline.frames import read_observations, write_frame
from pipeline.params import load_params, load_training, settled
from pipeline.recalibrate import champion_to_recalibrate, recalibrated
from pipeline.rejected import decision_columns, named_rejected, with_rejected
from pipeline.stage import run_stage


def train(use_case):
    """Write `model/booster.txt` and `model/model.json`, and `calibrated.parquet`: the rows that the curve was fitted on, with their raw scores by trees
    that had not seen them."""
    params = load_params()
    training = load_training(params.source.name, use_case)
    params = msgspec.structs.replace(params, train=settled(params.train, training))
    development = case_path(use_case, "development")
    catalogue = Catalogue.from_dict(read_json(development / "catalogue.json"))
    inference = params.train.reject_inference
    decided = [] if inference == "none" else decision_columns(development / "observations.parquet")
    rows = read_observations(use_case, ["observation_id", "customer_id", "target", *decided])
    rows = rows if inference == "none" else named_rejected(rows)
    maturity = read_json(development / "maturity.json")
    about = made_by(maturity, training)
    if training.action == "recalibrate":
        bundle, calibrated = _recalibrated(development / "features.parquet", rows, training, params, {**about, "since": training.since})
    else:
        bundle, calibrated = fit_bundle(development / "features.parquet", rows, catalogue=kept_features(catalogue, development, params), use_case=use_case,
                                        horizon_days=maturity["horizon_days"], params=params, about=about)
    write_frame(case_path(use_case, "calibrated.parquet"), calibrated)
    with replacing(case_path(use_case, "model")) as folder:
        save_bundle(bundle, folder)


def made_by(maturity, training):
    """What a bundle's training says of the training file (pipeline.params.Training) and of the cutoff in maturity.json."""
    return {"cutoff": maturity["cutoff"]} | ({} if training.settings is None else {"rebuilt": msgspec.to_builtins(training.settings)})


def _recalibrated(path, rows, training, params, about):
    bundle, raw_score = recalibrated(path, rows, champion_to_recalibrate(training.booster), curves_of=partial(curves_of, params=params),
                                     counts=sample_counts(rows), about=about)
    return bundle, pd.DataFrame({"place": np.flatnonzero(rows["sample"].eq(CALIBRATION)), "raw_score": raw_score})


def fit_bundle(path, rows, *, catalogue, use_case, horizon_days, params, about=None):
    """Grow, calibrate and grade on one feature file; `rows` (customer_id, target, sample) are its rows in order. about: what else its training is to say.

    Returns a Bundle, and a frame of the rows that calibrated it: place (in `rows`), raw_score by trees that did not grow on the row's customer.
    """
    columns = ColumnFile(path, [feature.name for feature in catalogue])
    described, parts = prepared(columns, rows, catalogue)
    told = told_columns(parts[DEVELOPMENT][0], list(columns), _levels(columns, described, rows["sample"].eq(DEVELOPMENT).to_numpy()))
    said = about or {}
    booster, about = grown(parts, described, params.train)
    raw_score = raw_scores_to_calibrate(booster, parts, described, Settings(**about["settings"]))
    if params.train.reject_inference != "none":
        rejected = laid_out(columns, described, rows["sample"].eq(REJECTED).to_numpy())
        booster, about = _taught_by_rejected(booster, about, parts, described, rejected, raw_score, params)
        raw_score = raw_scores_to_calibrate(booster, parts, described, Settings(**about["settings"]))
    curves, prior, probability = curves_of(*raw_score, params=params)
    about |= {"counts": sample_counts(rows), "calibration": curves["knots"].method, "prior": prior, "source": params.source.name, "warnings": told, **said}
    base = booster.predict(parts[DEVELOPMENT][0], raw_score=True, num_threads=params.train.threads)
    bundle = make_bundle(booster_text(booster), Manifest(
        use_case=use_case, probability_name=probability_name(use_case, horizon_days), columns=tuple(described), base_raw_score=float(np.mean(base)),
        training=about, grades=graded(probability, params.scale), **curves))
    return bundle, pd.DataFrame({"place": _calibrating(rows["sample"], about["settings"]["refit"]), "raw_score": raw_score[0]})


def prepared(columns, rows, catalogue):
    """What the trees take of named columns (as `read_columns` or `ColumnFile` gives them) in the rows' order: the columns described as the bundle keeps
    them, and {sample: (matrix, target, customer ids)} of the samples that learn.

    The matrices are neighbouring views of one, filled a column at a time: of a million rows a second copy would be the peak of the memory.
    """
    places = {name: np.flatnonzero(rows["sample"].eq(name)) for name in IN_SAMPLE}
    learned = np.concatenate(list(places.values()))
    matrix, described = np.empty((len(learned), len(catalogue))), []
    for place, feature in enumerate(catalogue):
        values = columns[feature.name]
        described.append(_described(feature, values, places[DEVELOPMENT]))
        matrix[:, place : place + 1] = lay_out({feature.name: values[learned]}, [feature.name], [described[-1].levels])
    target, groups = rows["target"].to_numpy()[learned], rows["customer_id"].to_numpy()[learned]
    ends = np.cumsum([0, *map(len, places.values())])
    parts = {name: slice(*ends[number : number + 2]) for number, name in enumerate(places)}
    return described, {name: (matrix[part], target[part], groups[part]) for name, part in parts.items()}


def _levels(columns, described, development):
    """{name: levels seen on the development rows} of the categories."""
    return {column.name: len(level_counts(columns[column.name][development])) for column in described if column.levels is not None}


def laid_out(columns, described, mask):
    """The matrix of the masked rows, categories as the codes of the described columns."""
    return lay_out({name: values[mask] for name, values in columns.items()}, list(columns), [column.levels for column in described])


def grown(parts, described, given):
    """The booster of the prepared samples, and what to say of how it was grown; `given` are the train parameters."""
    how = columns_of(described)
    development, validation, calibration = (parts[name] for name in IN_SAMPLE)
    both = np.concatenate([development[2], validation[2]])
    tried = candidates(given, development[1], len(described))
    settings, rounds, stopped_at = choose(*development[:2], validation=validation[:2], groups=both, candidates=tried, **how)
    booster = refitted(*development[:2], validation=validation[:2], calibration=calibration[:2], rounds=rounds, settings=settings, stopped_at=stopped_at, **how)
    audit = audit_monotone(booster, development[0], columns=how["columns"], directions=how["directions"], seed=settings.seed)
    return booster, {"settings": msgspec.to_builtins(settings), "trees": booster.num_trees(), "audit": audit}


def _taught_by_rejected(booster, about, parts, described, rejected, judged, params):
    """The booster grown again with the rejected rows beside the rows it learned from, and what to say of it; judged: as `raw_scores_to_calibrate`."""
    settings = Settings(**about["settings"])
    raw_score, target, groups = judged
    knots = fit(raw_score, target, method=params.calibrate.method, groups=groups, seed=settings.seed)
    samples, how = [parts[name][:2] for name in IN_SAMPLE[: 1 + (settings.refit == "validation")]], columns_of(described)
    booster, said = with_rejected(booster, samples, rejected, raw_score=raw_score, target=target, how=how, settings=settings,
                                  method=params.train.reject_inference, prudence=params.train.reject_prudence, knots=knots)
    audit = audit_monotone(booster, parts[DEVELOPMENT][0], columns=how["columns"], directions=how["directions"], seed=settings.seed)
    return booster, {**about, "audit": audit, "reject_inference": said}


def raw_scores_to_calibrate(booster, parts, described, settings):
    """Raw scores, targets and customers of rows that the trees did not grow on: the calibration sample, or where they grew on all rows, every row by
    trees grown without its customer."""
    if settings.refit != "all":
        matrix, target, groups = parts[CALIBRATION]
        return booster.predict(matrix, raw_score=True, num_threads=settings.threads), target, groups
    matrix = joined([parts[name][0] for name in IN_SAMPLE])
    target, groups = (np.concatenate([parts[name][place] for name in IN_SAMPLE]) for place in (1, 2))
    return out_of_fold(matrix, target, groups, rounds=booster.num_trees(), settings=settings, **columns_of(described)), target, groups


def _calibrating(samples, refit):
    """Places of the rows that `raw_scores_to_calibrate` scores, in its order."""
    return np.concatenate([np.flatnonzero(samples.eq(name)) for name in (IN_SAMPLE if refit == "all" else (CALIBRATION,))])


def kept_features(catalogue, development, params):
    """The catalogue's features, less those the leak screen named, and what reads the same, where the parameters say to drop them."""
    named = read_json(development / "leaks.json")["left_out"] if params.leaks.drop else []
    kept = [feature for feature in catalogue.features if feature.name not in named]
    if not kept:
        raise RiskError("leaks.drop leaves no feature to train on: set leaks.drop to false or bring more tables.")
    return kept


def _described(feature, values, development):
    levels = typical = None
    if isinstance(values, Category):
        levels = freeze_levels(values[development])
        typical = levels[0] if levels else None
    else:
        present = values[development]
        present = present[~np.isnan(present)]
        typical = float(np.median(present)) if len(present) else None
    return Column(name=feature.name, factor=feature.factor, message_id=feature.message_id, direction=feature.direction, scope=feature.scope,
                  unit=feature.unit, levels=levels, typical=typical)


def curves_of(raw_score, target, groups, *, params):
    """What turns raw scores into probabilities and points, as `models.curves.fit_curves` gives it by the parameters."""
    return fit_curves(raw_score, target, groups, method=params.calibrate.method, prior_rate=params.calibrate.prior_rate, level=params.calibrate.interval,
                      points=points_scale(params), seed=params.train.seed)


def graded(probability, scale):
    """The company's own grades where it has cuts, else those that the shares cut."""
    if scale.cuts is not None:
        return scale_of(checked_cuts(scale.cuts, scale.names), probability)
    return build_scale(probability, shares=tuple(scale.grade_shares), split_min_defaults=scale.split_min_defaults)


def points_scale(params):
    """The scale of points that the parameters give."""
    return Points(base_score=params.scale.base_points, base_odds=params.scale.base_odds, points_to_double=params.scale.points_to_double)


def sample_counts(rows):
    """Rows, bad rows and distinct bad customers of each sample: a customer's rows share one default."""
    known = rows[rows["target"].notna()]
    return {name: {"rows": len(part), "bad": int(part["target"].sum()), "bad_customers": int(part.loc[part["target"] == 1, "customer_id"].nunique())}
            for name, part in known.groupby("sample")}


if __name__ == "__main__":
    run_stage(train)
