"""What the model as a whole looks at: importance by column and factor, and how the strongest columns act; offline, checked against shap."""
import numpy as np

from features.errors import RiskError
from models import scoring
from models.clusters import cluster_codes, draws
from models.lightgbm_core import lgb

TOLERANCE = 1e-6


def importance(bundle, contributions, *, customers=None, repeats=200, level=0.95, seed=0):
    """Mean absolute contribution per column and per business factor, strongest first.

    contributions: (rows, columns + 1) in log-odds. Returns {"columns": [dict: column, factor, direction, importance, share], "factors":
    [dict: factor, importance, share]}; share is of the sum over columns. A factor's importance is the mean absolute value of its columns'
    sum per row, which is less than the sum of the columns' own where they pull against each other.
    With customers (rows,), the ids, each also has low, high, share_low and share_high: the ends of the interval at `level` by drawing customers, each with
    all of its rows at once, since the rows of one customer say the same thing again.
    """
    values, columns = contributions[:, :-1], bundle.manifest.columns
    factors = sorted({c.factor for c in columns})
    sums = np.column_stack([values[:, [c.factor == f for c in columns]].sum(axis=1) for f in factors])
    described = [{"column": c.name, "factor": c.factor, "direction": c.direction} for c in columns]
    measured = (("columns", described, np.abs(values)), ("factors", [{"factor": f} for f in factors], np.abs(sums)))
    return {kind: _strongest(_measured(about, sizes, customers, repeats=repeats, level=level, seed=seed)) for kind, about, sizes in measured}


def means_between(values, customers, *, repeats=200, level=0.95, seed=0):
    """The means of columns (rows, k), and the ends of their intervals and of those of their shares, (4, k) as low, high, share low, share high.

    The percentile bootstrap over customers: a draw is of as many customers as there are, with all of their rows, so a mean is a ratio of sums.
    """
    code = cluster_codes(customers)
    count = np.bincount(code)
    totals = np.column_stack([np.bincount(code, weights=column) for column in values.T])
    drawn = np.array([each @ totals / (each @ count) for each in draws(len(count), repeats=repeats, rng=np.random.default_rng(seed))])
    shares = drawn / np.where(drawn.sum(axis=1, keepdims=True) > 0, drawn.sum(axis=1, keepdims=True), 1.0)
    tails = [0.5 - level / 2, 0.5 + level / 2]
    return values.mean(axis=0), np.concatenate([np.quantile(drawn, tails, axis=0), np.quantile(shares, tails, axis=0)])


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


def _measured(described, sizes, customers, **how):
    mean = sizes.mean(axis=0)
    whole = mean.sum() or 1.0
    rows = [about | {"importance": float(m), "share": float(m / whole)} for about, m in zip(described, mean, strict=True)]
    if customers is None:
        return rows
    ends = means_between(sizes, customers, **how)[1].T.tolist()
    return [row | dict(zip(("low", "high", "share_low", "share_high"), each, strict=True)) for row, each in zip(rows, ends, strict=True)]


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
