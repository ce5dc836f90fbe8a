"""Stage train: development rows to a bundle: trees, calibration, points and grades."""

import msgspec
import numpy as np

from features.arrays import Category
from features.catalogue import Catalogue
from features.errors import RiskError
from models.bundle import Column, Manifest, make_bundle, save_bundle
from models.calibration import Points, apply, fit, points_knots
from models.classifier import audit_monotone, booster_text, freeze_levels, settings_for
from models.classifier import train as grow
from models.grades import build_scale
from models.sample import CALIBRATION, DEVELOPMENT, VALIDATION
from models.scoring import lay_out
from pipeline.columns import read_columns
from pipeline.datasets import case_path, read_json, replacing
from pipeline.frames import read_frame
from pipeline.params import load_params
from pipeline.stage import run_stage

PROBABILITY = {"default": "pd_12m", "fraud": "p_fraud"}


def train(use_case):
    """Write `model/booster.txt` and `model/model.json`."""
    params = load_params()
    development = case_path(use_case, "development")
    catalogue = Catalogue.from_dict(read_json(development / "catalogue.json"))
    rows = read_frame(development / "observations.parquet", ["observation_id", "customer_id", "target"])
    rows = rows.assign(sample=read_frame(development / "samples.parquet")["sample"])
    bundle = fit_bundle(development / "features.parquet", rows, catalogue=_kept(catalogue, development, params), use_case=use_case, params=params)
    with replacing(case_path(use_case, "model")) as folder:
        save_bundle(bundle, folder)


def fit_bundle(path, rows, *, catalogue, use_case, params):
    """Grow, calibrate and grade on one feature file; `rows` (customer_id, target, sample) are its rows in order. Returns a Bundle."""
    used = {name: rows["sample"].eq(name).to_numpy() for name in (DEVELOPMENT, VALIDATION, CALIBRATION)}
    columns = read_columns(path, [feature.name for feature in catalogue])
    described = [_described(feature, columns[feature.name], used[DEVELOPMENT]) for feature in catalogue]
    matrix = {name: _matrix(columns, described, mask) for name, mask in used.items()}
    target = {name: rows["target"].to_numpy()[mask] for name, mask in used.items()}
    booster, about = _grown(matrix, target, described, params.train)
    raw_score = {name: booster.predict(matrix[name], raw_score=True, num_threads=params.train.threads) for name in (DEVELOPMENT, CALIBRATION)}
    curves = _curves(raw_score[CALIBRATION], target[CALIBRATION], groups=rows["customer_id"].to_numpy()[used[CALIBRATION]], params=params)
    about |= {"counts": _counts(rows), "calibration": curves["knots"].method, "source": params.source.name}
    return make_bundle(booster_text(booster), Manifest(
        use_case=use_case, probability_name=PROBABILITY[use_case], columns=tuple(described), base_raw_score=float(np.mean(raw_score[DEVELOPMENT])),
        training=about, **curves))


def _matrix(columns, described, mask):
    return lay_out({name: values[mask] for name, values in columns.items()}, list(columns), [column.levels for column in described])


def _grown(matrix, target, described, given):
    """The booster, and what to say of how it was grown."""
    settings, directions = _settings(given, target[DEVELOPMENT]), {column.name: column.direction for column in described}
    names, categorical = [column.name for column in described], [column.name for column in described if column.levels is not None]
    booster = grow(matrix[DEVELOPMENT], target[DEVELOPMENT], validation=(matrix[VALIDATION], target[VALIDATION]), columns=names, categorical=categorical,
                   directions=directions, settings=settings)
    audit = audit_monotone(booster, matrix[DEVELOPMENT], columns=names, directions=directions, seed=settings.seed)
    return booster, {"settings": msgspec.to_builtins(settings), "trees": booster.num_trees(), "audit": audit}


def _kept(catalogue, development, params):
    """The catalogue's features, less those the leak screen named where the parameters say to drop them."""
    named = {finding["column"] for finding in read_json(development / "leaks.json")["findings"]} if params.leaks.drop else set()
    kept = [feature for feature in catalogue.features if feature.name not in named]
    if not kept:
        raise RiskError("leaks.drop leaves no feature to train on: set leaks.drop to false or bring more tables.")
    return kept


def _settings(given, target):
    values = {field: value for field, value in msgspec.structs.asdict(given).items() if value is not None}
    return settings_for(len(target), int(target.sum()), **values)


def _described(feature, values, development):
    levels = typical = None
    if isinstance(values, Category):
        strings = [value for value in values[development].strings() if value is not None]
        levels = freeze_levels(strings)
        typical = levels[0] if levels else None
    else:
        present = values[development]
        present = present[~np.isnan(present)]
        typical = float(np.median(present)) if len(present) else None
    return Column(name=feature.name, factor=feature.factor, message_id=feature.message_id, direction=feature.direction, scope=feature.scope,
                  unit=feature.unit, levels=levels, typical=typical)


def _curves(raw_score, target, *, groups, params):
    knots = fit(raw_score, target, method=params.calibrate.method, groups=groups, seed=params.train.seed)
    scale = Points(base_score=params.scale.base_points, base_odds=params.scale.base_odds, points_to_double=params.scale.points_to_double)
    grades = build_scale(apply(knots, raw_score), shares=tuple(params.scale.grade_shares), split_min_defaults=params.scale.split_min_defaults)
    return {"knots": knots, "points": scale, "points_knots": points_knots(knots, scale), "grades": grades}


def _counts(rows):
    """Rows, bad rows and distinct bad customers of each sample: a customer's rows share one default."""
    known = rows[rows["target"].notna()]
    return {name: {"rows": len(part), "bad": int(part["target"].sum()), "bad_customers": int(part.loc[part["target"] == 1, "customer_id"].nunique())}
            for name, part in known.groupby("sample")}


if __name__ == "__main__":
    run_stage(train)
