"""Whether the samples are alike: PSI of the score and of every column between development and the others, against its own noise."""
from models.stability import Thresholds, column_shift, freeze, histogram, verdict

SCORE = "raw_score"


def sample_shifts(columns, sample, customers, *, reference, others, thresholds=None, bins=10, worst=10):
    """Compare samples column by column.

    columns: {name: float array or Category} over all rows, the score as `raw_score` among them; sample: (rows,) names; customers: ids;
    reference: the sample whose bins are frozen. A customer's rows count as one in the tests (`effect` of `column_shift`).

    Returns {other: {"rows", "customers", "verdict", "moved" (columns beyond chance and large enough), "columns", "score": the score's shift,
    "worst": the largest shifts by excess PSI}}; a shift holds column, psi, psi_noise, psi_excess, missing shares and p.
    """
    before, repeats = sample == reference, {}
    for name in (reference, *others):
        rows = sample == name
        repeats[name] = rows.sum() / max(len(set(customers[rows])), 1)
    shifts = {name: [] for name in others}
    for column, values in columns.items():
        bound = freeze(column, values[before], bins=bins)
        frozen = histogram(bound, values[before])
        for name in others:
            there = histogram(bound, values[sample == name])
            shifts[name].append(column_shift(column, frozen, there, effect=repeats[reference], current_effect=repeats[name]))
    return {name: _summary(found, sample == name, customers, thresholds or Thresholds(), worst) for name, found in shifts.items()}


def _summary(shifts, rows, customers, thresholds, worst):
    judged = verdict(shifts, thresholds=thresholds, score=SCORE)
    ranked = sorted(judged["columns"], key=lambda shift: -shift["psi_excess"])
    return {"rows": int(rows.sum()), "customers": len(set(customers[rows])), "verdict": judged["verdict"], "columns": len(shifts),
            "moved": len(judged["reasons"]), "score": next(shift for shift in ranked if shift["column"] == SCORE), "worst": ranked[:worst]}
