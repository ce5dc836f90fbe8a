"""Whether the samples are alike: PSI of the score and of every column between development and the others, against its own noise."""
import numpy as np

from models.histograms import freeze, histogram
from models.stability import Thresholds, column_shift, verdict

SCORE = "raw_score"


def sample_shifts(columns, sample, customers, *, reference, others, thresholds=None, bins=10, worst=10):
    """Compare samples column by column.

    columns: {name: float array or Category} over all rows, the score as `raw_score` among them; sample: (rows,) names; customers: ids;
    reference: the sample whose bins are frozen. A customer's rows count as one in the tests (`effect` of `column_shift`).

    Returns {other: {"rows", "customers", "verdict", "moved" (columns beyond chance and large enough), "columns", "score": the score's shift,
    "worst": the largest shifts by excess PSI}}; a shift holds column, psi, psi_noise, psi_excess, missing shares and p.
    """
    rows = {name: np.flatnonzero(sample == name) for name in (reference, *others)}
    repeats = {name: len(places) / max(len(set(customers[places])), 1) for name, places in rows.items()}
    shifts = {name: [] for name in others}
    for column, values in columns.items():
        bound = freeze(column, values[rows[reference]], bins=bins)
        frozen = histogram(bound, values[rows[reference]])
        for name in others:
            there = histogram(bound, values[rows[name]])
            shifts[name].append(column_shift(column, frozen, there, effect=repeats[reference], current_effect=repeats[name],
                                             ordered=bound.levels is None))
    return {name: _summary(found, customers[rows[name]], thresholds or Thresholds(), worst) for name, found in shifts.items()}


def _summary(shifts, customers, thresholds, worst):
    judged = verdict(shifts, thresholds=thresholds, score=SCORE)
    ranked = sorted(judged["columns"], key=lambda shift: -shift["psi_excess"])
    return {"rows": len(customers), "customers": len(set(customers)), "verdict": judged["verdict"], "columns": len(shifts),
            "moved": len(judged["reasons"]), "score": next(shift for shift in ranked if shift["column"] == SCORE), "worst": ranked[:worst]}
