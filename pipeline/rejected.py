"""Rejected applications in training: which rows they are, and trees that take them in."""

import numpy as np
import pyarrow.parquet as pq

from features.errors import RiskError
from models.calibration import apply, log_odds
from models.classifier import fit_trees, stacked
from models.reject_inference import inferred
from models.sample import IN_SAMPLE
from models.target import DECISION, REJECTED


def decision_columns(path):
    """The columns that tell rejected rows, where the observations have a decision; none otherwise."""
    return [DECISION, "as_of"] if DECISION in pq.read_schema(path).names else []


def named_rejected(rows):
    """The rows (decision, as_of, sample) with sample `rejected` where an application was rejected while the model's own rows were observed.

    Raises: RiskError when there is none.
    """
    there = rows[DECISION].eq(REJECTED) if DECISION in rows else np.zeros(len(rows), dtype=bool)
    if not there.any():
        raise RiskError("train.reject_inference is asked for, but no observation has decision = rejected: bring rejected applications in observations.sql, "
                        "with a null target, or set it to none.")
    learned = rows["as_of"] <= rows.loc[rows["sample"].isin(IN_SAMPLE), "as_of"].max()
    return rows.assign(sample=rows["sample"].mask(there & learned, REJECTED))


def with_rejected(first, samples, rejected, *, raw_score, target, how, settings, method, prudence, knots):
    """Trees grown on the samples and the rejected rows with inferred outcomes, and what to say of them.

    first: the trees grown on the samples alone, [(matrix, target)]; as many are grown again. rejected: matrix; raw_score, target: of accepted rows that the
    first trees did not learn from, by those; knots: their calibration. Returns (booster, dict: method, prudence, rejected, inferred_rate).
    """
    before = calibrated_log_odds(knots, first.predict(rejected, raw_score=True, num_threads=settings.threads))
    told = calibrated_log_odds(knots, raw_score)
    places, labels, weight = inferred(method, raw_score=told, target=target, rejected=before, prudence=prudence, seed=settings.seed)
    matrix, known = stacked(*samples, (rejected[places], labels))
    booster = fit_trees(matrix, known, rounds=first.num_trees(), settings=settings, weight=np.concatenate([np.ones(len(known) - len(weight)), weight]),
                        **how)
    return booster, {"method": method, "prudence": prudence, "rejected": len(rejected), "inferred_rate": float(labels @ weight / len(rejected))}


def calibrated_log_odds(knots, raw_score):
    """Calibrated log-odds of raw scores."""
    return log_odds(apply(knots, raw_score))
