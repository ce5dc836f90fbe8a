"""A small trained bundle and its rows, for tests of what is done with one."""
import functools

import numpy as np

from features.arrays import categorize
from models.bundle import Column, Manifest, make_bundle
from models.calibration import Points, apply, fit, points_knots
from models.classifier import Settings, booster_text, freeze_levels, train
from models.grades import build_scale
from models.scoring import lay_out

NAMES = ("stmt_debt_ratio", "inv_days_late_30d", "inv_days_late_90d", "txn_outflow_90d", "industry")
FACTORS = ("solvency", "payment_behaviour", "payment_behaviour", "transactions", "background")
DIRECTIONS = (1, 1, 1, 0, 0)


def columns(rows=3000, *, seed=0):
    """Named columns of random customers, a third of one missing, with a level that training may never see."""
    rng = np.random.default_rng(seed)
    late = rng.gamma(1.0, 20.0, rows)
    return {
        "stmt_debt_ratio": np.where(rng.uniform(size=rows) < 0.3, np.nan, rng.normal(0.5, 0.2, rows)),
        "inv_days_late_30d": late + rng.normal(0, 2, rows),
        "inv_days_late_90d": late,
        "txn_outflow_90d": rng.normal(size=rows),
        "industry": categorize([None if x == 3 else ("retail", "Bau & Maschinen", "建筑")[x] for x in rng.integers(0, 4, rows)]),
    }


def target_of(named, *, seed=1):
    """Bad rows drawn from a logistic curve in debt and lateness."""
    logit = -3.5 + 2.0 * np.nan_to_num(named["stmt_debt_ratio"], nan=0.6) + 0.04 * named["inv_days_late_90d"]
    return (np.random.default_rng(seed).uniform(size=len(logit)) < 1 / (1 + np.exp(-logit))).astype(float)


@functools.cache
def bundle():
    """A bundle of 40 small trees over `columns()`; lateness over 30 and 90 days share one message."""
    named = columns()
    target = target_of(named)
    levels = [None] * 4 + [freeze_levels(named["industry"].strings())]
    matrix = lay_out(named, NAMES, levels)
    grown = train(matrix[:2000], target[:2000], validation=(matrix[2000:], target[2000:]), columns=NAMES, categorical=("industry",),
                  directions=dict(zip(NAMES, DIRECTIONS, strict=True)), settings=Settings(max_trees=40, num_leaves=6, colsample=0.8))
    knots = fit(grown.predict(matrix, raw_score=True, num_threads=1), target, method="logistic")
    grades = build_scale(apply(knots, grown.predict(matrix, raw_score=True, num_threads=1)))
    described = tuple(Column(name=name, factor=factor, message_id=f"feature.{name.removesuffix('_30d').removesuffix('_90d')}",
                             direction=direction, levels=frozen)
                      for name, factor, direction, frozen in zip(NAMES, FACTORS, DIRECTIONS, levels, strict=True))
    return make_bundle(booster_text(grown), Manifest(
        use_case="default", probability_name="pd_12m", columns=described, knots=knots, points=Points(),
        points_knots=points_knots(knots, Points()), grades=grades, base_raw_score=0.0, training={"rows": 3000}))
