"""A small bundle whose columns and levels are Chinese, and questions with nulls and levels it never saw."""

import functools
import json

import numpy as np

from features.arrays import categorize
from models.bundle import Column, Manifest, make_bundle
from models.calibration import Points
from models.classifier import Settings, booster_text, columns_of, fit_trees
from models.curves import fit_curves
from models.grades import build_scale
from models.scoring import lay_out

LEVELS = ("纺织", "建筑", "批发和零售")
COLUMNS = (Column(name="资产负债率", factor="solvency", message_id="feature.debt", direction=1),
           Column(name="行业", factor="background", message_id="feature.industry", levels=LEVELS))
# A debt ratio and an industry a row: known, null, and never seen.
QUESTIONS = {"资产负债率": [0.1, 0.35000000000000003, None, 1.2, None, 0.7, 2, 0.1 + 0.2],
             "行业": ["纺织", "建筑", "批发和零售", None, "月球开采", "", "建筑", "纺织"]}


@functools.cache
def bundle():
    """Trees that learned that debt is risky and 建筑 more so."""
    rng = np.random.default_rng(3)
    debt, place = np.where(rng.uniform(size=1500) < 0.2, np.nan, rng.gamma(2.0, 0.25, 1500)), rng.integers(0, 4, 1500)
    industry = categorize([(*LEVELS, None)[code] for code in place])
    matrix = lay_out({"资产负债率": debt, "行业": industry}, [column.name for column in COLUMNS], [column.levels for column in COLUMNS])
    target = (rng.uniform(size=1500) < 1 / (1 + np.exp(3.0 - 1.5 * np.nan_to_num(debt, nan=0.5) - 1.5 * (place == 1)))).astype(float)
    settings = Settings(num_leaves=6, min_child_samples=20, colsample=1.0, learning_rate=0.1, extra_trees=False)
    booster = fit_trees(matrix, target, rounds=40, settings=settings, **columns_of(COLUMNS))
    curves, _, probability = fit_curves(booster.predict(matrix, raw_score=True, num_threads=1), target, np.arange(1500), method="logistic", prior_rate=None,
                                        level=0.9, points=Points(), seed=0)
    return make_bundle(booster_text(booster), Manifest(use_case="default", probability_name="pd_12m", columns=COLUMNS, grades=build_scale(probability),
                                                       base_raw_score=0.0, training={"rows": 1500}, **curves))


def split_json():
    """The questions as MLflow's `dataframe_split`."""
    rows = [list(row) for row in zip(*QUESTIONS.values(), strict=True)]
    return json.dumps({"dataframe_split": {"columns": list(QUESTIONS), "data": rows}}, ensure_ascii=False)
