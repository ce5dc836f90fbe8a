"""What the model as a whole looks at: importance by column and factor, and how the strongest columns act; offline, checked against shap."""
import numpy as np

from features.errors import RiskError
from models import scoring
from models.lightgbm_core import lgb

TOLERANCE = 1e-6


def importance(bundle, contributions):
    """Mean absolute contribution per column and per business factor, strongest first.

    contributions: (rows, columns + 1) in log-odds. Returns {"columns": [dict: column, factor, direction, importance, share], "factors":
    [dict: factor, importance, share]}; share is of the sum over columns. A factor's importance is the mean absolute value of its columns'
    sum per row, which is less than the sum of the columns' own where they pull against each other.
    """
    values = contributions[:, :-1]
    columns = bundle.manifest.columns
    mean = np.abs(values).mean(axis=0)
    total = mean.sum() or 1.0
    rows = [{"column": c.name, "factor": c.factor, "direction": c.direction, "importance": float(m), "share": float(m / total)}
            for c, m in zip(columns, mean, strict=True)]
    factors = sorted({c.factor for c in columns})
    sums = {f: float(np.abs(values[:, [c.factor == f for c in columns]].sum(axis=1)).mean()) for f in factors}
    whole = sum(sums.values()) or 1.0
    parts = [{"factor": f, "importance": s, "share": s / whole} for f, s in sums.items()]
    return {"columns": _strongest(rows), "factors": _strongest(parts)}


def dependence(bundle, contributions, matrix, *, top=10, bins=20):
    """How the strongest columns act: mean value and mean contribution over quantile bins (or levels), with missing values apart.

    Returns a list of dict, one per column, strongest first: column, kind, points: list of dict (value, contribution, low, high, rows),
    where low and high are the 10 % and 90 % points of the contribution in the bin, and value is None for missing.
    """
    ranked = [row["column"] for row in importance(bundle, contributions)["columns"] if row["importance"] > 0][:top]
    places = [bundle.names.index(name) for name in ranked]
    return [_curve(bundle.manifest.columns[p], matrix[:, p], contributions[:, p], bins) for p in places]


def check_against_shap(bundle, matrix, *, threads=1):
    """Compare the bundle's contributions with shap.TreeExplainer on some rows and return the largest difference (log-odds).

    Raises: RiskError when they differ by more than 1e-6: the reasons given to customers would then not be Shapley values.
    """
    # Imported here: shap takes seconds and only this check needs it.
    import shap

    booster = lgb.Booster(model_str=bundle.booster_text)
    # TreeExplainer asks the objective what raw output means, and the bundle's text carries no parameters.
    booster.params["objective"] = "binary"
    values = np.asarray(shap.TreeExplainer(booster).shap_values(matrix))
    values = values[-1] if values.ndim == 3 and values.shape[0] == 2 else values
    difference = float(np.abs(values - scoring.contributions(bundle, matrix, threads=threads)[:, :-1]).max())
    if difference > TOLERANCE:
        raise RiskError(f"explanation: contributions differ from shap's by {difference:.2g} log-odds on {len(matrix)} rows; "
                        "check the lightgbm and shap versions")
    return difference


def sample_rows(rows, *, limit, seed=0):
    """Positions of at most `limit` of `rows` rows, drawn by seed, in order."""
    return np.sort(np.random.default_rng(seed).permutation(rows)[:limit])


def _strongest(rows):
    return sorted(rows, key=lambda row: -row["importance"])


def _curve(column, values, contributions, bins):
    absent = np.isnan(values)
    place = np.full(len(values), -1)
    if column.levels is None:
        cuts = np.unique(np.quantile(values[~absent], np.linspace(0, 1, bins + 1)[1:-1])) if (~absent).any() else np.array([])
        place[~absent] = np.searchsorted(cuts, values[~absent], side="left")
    else:
        place[~absent] = values[~absent].astype(int)
    found = [_point(column, values[place == b], contributions[place == b]) for b in np.unique(place)]
    return {"column": column.name, "kind": "number" if column.levels is None else "category", "points": found}


def _point(column, values, contributions):
    value = None if np.isnan(values[0]) else float(values.mean())
    if column.levels is not None and value is not None:
        value = column.levels[int(value)] if int(value) < len(column.levels) else "unseen"
    low, high = np.quantile(contributions, [0.1, 0.9])
    return {"value": value, "contribution": float(contributions.mean()), "low": float(low), "high": float(high), "rows": len(values)}
