"""Stage challenge: what the trees add over a scorecard and over one rate for all, on the rows that judge them."""

import msgspec
import numpy as np

from models.bundle import bundle_hash, load_bundle
from models.calibration import apply
from models.classifier import REFITS, grouped_folds
from models.discrimination import compare_auc, compare_average_precision
from models.grades import grade_index
from models.probability_tests import LOSSES, brier, compare_losses, log_loss
from models.sample import CALIBRATION, IN_SAMPLE, OUT_OF_TIME
from models.scorecard import Limits, fit_scorecard, raw_scores, table
from models.validation import headline
from pipeline.columns import cut, read_columns
from pipeline.datasets import case_path, replacing, write_json
from pipeline.evaluate import judge
from pipeline.frames import read_frame, read_observations
from pipeline.params import load_params
from pipeline.stage import run_stage
from pipeline.train import curves_of, graded, points_scale

FOLDS = 5


def challenge(use_case):
    """Write `challengers/`: challengers.json (figures and the comparison), scorecard.json (what scores) and predictions.parquet."""
    params, development, model = load_params(), case_path(use_case, "development"), case_path(use_case, "model")
    rows = read_observations(use_case, ["observation_id", "customer_id", "target"])
    manifest = load_bundle(model).manifest
    columns = read_columns(development / "features.parquet", [column.name for column in manifest.columns])
    card, shapes = learned(columns, rows, manifest, params)
    judged = read_frame(case_path(use_case, "evaluation", "predictions.parquet"))
    challenger = scored(judged, card, cut(columns, rows["sample"].eq(OUT_OF_TIME).to_numpy()), shapes)
    found = {"bundle": bundle_hash(model), "scorecard": _scorecard(challenger, card, shapes, manifest, params.evaluate),
             "constant": constant(judged["target"].to_numpy(), params.calibrate.prior_rate or rows.loc[rows["sample"].isin(IN_SAMPLE), "target"].mean()),
             "comparison": compare(judged, challenger, repeats=params.evaluate.bootstrap_rounds, seed=params.evaluate.seed)}
    with replacing(case_path(use_case, "challengers")) as folder:
        folder.mkdir(parents=True)
        write_json(folder / "challengers.json", found)
        write_json(folder / "scorecard.json", msgspec.to_builtins({"card": card, **shapes}))
        challenger[["observation_id", "target", "probability", "raw_score"]].to_parquet(folder / "predictions.parquet", index=False)


def learned(columns, rows, manifest, params):
    """The scorecard on the rows that the trees grew on, and its knots, points and grades from the rows that calibrated the trees."""
    refit = manifest.training["settings"]["refit"]
    mask = rows["sample"].isin(IN_SAMPLE[: REFITS.index(refit) + 1]).to_numpy()
    how = {"described": manifest.columns, "limits": Limits(**msgspec.structs.asdict(params.challenge)), "scale": points_scale(params)}
    card = fit_scorecard(cut(columns, mask), rows["target"].to_numpy()[mask], groups=rows["customer_id"].to_numpy()[mask], **how)
    shapes, _, probability = curves_of(*_to_calibrate(card, columns, rows, refit, params.train.seed, how), params=params)
    return card, shapes | {"grades": graded(probability, params.scale)}


def scored(judged, card, columns, shapes):
    """The judged rows with the scorecard's raw score, probability and grade instead of the trees'."""
    raw_score = raw_scores(card, columns)
    probability, grade = shaped(shapes, raw_score)
    return judged.assign(raw_score=raw_score, probability=probability, grade=grade)


def shaped(shapes, raw_score):
    """The probability and the grade's name of each of the card's raw scores, by the knots and grades that `learned` gave."""
    probability = apply(shapes["knots"], raw_score)
    names = np.array([grade.name for grade in shapes["grades"]], dtype=object)
    return probability, names[grade_index([grade.upper for grade in shapes["grades"]], probability)]


def constant(target, rate):
    """Figures of giving every row the same rate."""
    probability = np.full(len(target), rate)
    return {"probability": float(rate), "auc": 0.5, "gini": 0.0, "average_precision": float(target.mean()), "brier": brier(target, probability),
            "log_loss": log_loss(target, probability), "predicted_over_observed": float(rate / target.mean())}


def compare(judged, challenger, *, repeats, seed):
    """The trees less the scorecard on the same rows, each figure with its interval by customer, and the `verdict` of `verdict`."""
    target, groups = judged["target"].to_numpy(), judged["customer_id"].to_numpy()
    ranks = compare_auc(target, judged["raw_score"], challenger["raw_score"], groups=groups)
    precision = compare_average_precision(target, judged["raw_score"], challenger["raw_score"], groups=groups, repeats=repeats, seed=seed)
    losses = {name: compare_losses(target, judged["probability"], challenger["probability"], loss=name, groups=groups) for name in LOSSES}
    found = {"auc": ranks, "average_precision": precision, **losses}
    return {**found, "verdict": verdict(found)}


def verdict(found):
    """better or worse where AUC, average precision or log-loss differs beyond its interval, all that do to the same side; mixed, or level where none does.

    Not the AUC alone: among few bad rows it may be level while the riskiest rows, which are looked at, hold twice as many of them.
    """
    loss = {"low": -found["log_loss"]["high"], "high": -found["log_loss"]["low"]}
    figures = (found["auc"], found["average_precision"], loss)
    better, worse = any(figure["low"] > 0 for figure in figures), any(figure["high"] < 0 for figure in figures)
    return "mixed" if better and worse else "better" if better else "worse" if worse else "level"


def _scorecard(challenger, card, shapes, manifest, rules):
    """The card's figures as the trees have them, its columns and its table."""
    full = judge(challenger, shapes["grades"], manifest.training, rules)
    return {**headline(full), "calibration": shapes["knots"].method, "columns": list(card.names), "table": table(card)}


def _to_calibrate(card, columns, rows, refit, seed, how):
    """Raw scores, targets and customers of rows that the card was not fitted on: the calibration sample, or where it was fitted on all rows, every row
    by a card of the same columns fitted without its customer."""
    mask = rows["sample"].isin(IN_SAMPLE if refit == "all" else (CALIBRATION,)).to_numpy()
    target, groups = rows["target"].to_numpy()[mask], rows["customer_id"].to_numpy()[mask]
    if refit != "all" or not card.names:
        return raw_scores(card, cut(columns, mask)), target, groups
    own, fold, raw_score = {name: columns[name][mask] for name in card.names}, grouped_folds(target, groups, folds=FOLDS, seed=seed), np.empty(len(target))
    for number in range(FOLDS):
        away = fold == number
        other = fit_scorecard(cut(own, ~away), target[~away], groups=groups[~away], **how)
        raw_score[away] = raw_scores(other, cut(own, away))
    return raw_score, target, groups


if __name__ == "__main__":
    run_stage(challenge)
