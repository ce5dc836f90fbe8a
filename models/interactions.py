"""Which columns act together: exact Shapley interaction values by shap, on some rows; offline."""

import numpy as np

from features.errors import RiskError
from models import scoring
from models.explanation import TOLERANCE, means_between
from models.lightgbm_core import lgb

GROUPS, BINS = 3, 6
EVERYWHERE = 1e300
# Interactions of so many rows are columns² doubles each.
CHUNK = 20


def interactions(bundle, matrix, customers, columns, *, curves=4, threads=1, **how):
    """How the named columns act together, beyond what each does alone.

    A pair's effect on a row is twice its Shapley interaction value in log-odds (Lundberg et al. 2020, section 4.3): the part of both contributions that
    neither has without the other. Returns {"rows", "largest_difference" (of the values' sums from the contributions), "pairs": [dict: first, second,
    importance (mean absolute effect), low, high] strongest first, "curves": [dict: first, second, groups: [dict: values of the second (low, high, or level),
    points: [dict: bin, value or level of the first, effect, rows]]] of the `curves` strongest}. how: repeats, level and seed of the intervals by drawing
    customers.
    Raises: RiskError when the values do not add up to the contributions within 1e-6.
    """
    places = [bundle.names.index(name) for name in columns]
    values, difference = _values(bundle, matrix, places, threads)
    pairs = [(i, j) for i in range(len(places)) for j in range(i + 1, len(places))]
    effects = 2 * np.column_stack([values[:, i, j] for i, j in pairs]) if pairs else np.empty((len(matrix), 0))
    mean, ends = means_between(np.abs(effects), customers, **how) if pairs else ([], np.empty((4, 0)))
    rows = [{"first": columns[i], "second": columns[j], "importance": float(m), "low": float(low), "high": float(high)}
            for (i, j), m, low, high in zip(pairs, mean, *ends[:2], strict=True)]
    order = sorted(range(len(rows)), key=lambda place: -rows[place]["importance"])
    drawn = [place for place in order if rows[place]["importance"] > 0][:curves]
    return {"rows": len(matrix), "largest_difference": difference, "pairs": [rows[place] for place in order],
            "curves": [_curve(bundle, matrix, [places[end] for end in pairs[place]], effects[:, place]) for place in drawn]}


def _values(bundle, matrix, places, threads):
    """Interaction values among the columns at `places`, (rows, k, k), and the largest difference of all columns' sums from the contributions."""
    # Imported here: shap takes seconds and only explanations need it.
    import shap

    booster = lgb.Booster(model_str=bundle.booster_text)
    booster.params["objective"] = "binary"
    explainer, splits = shap.TreeExplainer(booster), _category_splits(booster)
    wanted = scoring.contributions(bundle, matrix, threads=threads)[:, :-1]
    kept, worst = np.empty((len(matrix), len(places), len(places))), 0.0
    for rows in _alike(matrix, sorted({column for _, _, column, _ in splits})):
        _answer_splits(explainer.model, splits, matrix[rows[0]])
        for start in range(0, len(rows), CHUNK):
            part = rows[start:start + CHUNK]
            found = np.asarray(explainer.shap_interaction_values(matrix[part]))
            worst = max(worst, float(np.abs(found.sum(axis=2) - wanted[part]).max()))
            kept[part] = found[:, places][:, :, places]
    if worst > TOLERANCE:
        raise RiskError(f"explanation: interactions add up to contributions that differ by {worst:.2g} log-odds on {len(matrix)} rows; "
                        "check the lightgbm and shap versions")
    return kept, worst


def _category_splits(booster):
    """(tree, node, column, codes that go left) of every split by a category."""
    found = []
    for tree in booster.dump_model()["tree_info"]:
        waiting = [tree["tree_structure"]]
        while waiting:
            node = waiting.pop()
            if "split_index" in node:
                waiting += [node["left_child"], node["right_child"]]
                if node["decision_type"] == "==":
                    found.append((tree["tree_index"], node["split_index"], node["split_feature"], {float(code) for code in str(node["threshold"]).split("||")}))
    return found


def _alike(matrix, columns):
    """Positions of rows that agree in some columns, a group at a time."""
    if not columns:
        return [np.arange(len(matrix))]
    group = np.unique(np.nan_to_num(matrix[:, columns], nan=-1.0), axis=0, return_inverse=True)[1].ravel()
    return [np.flatnonzero(group == number) for number in range(group.max() + 1)] if len(group) else []


def _answer_splits(model, splits, row):
    """Write into shap's trees which way one row's categories go, as a split by number: of a set of codes it reads code 0 wrongly. Only which way a row goes and
    how many development rows went either way enter the values, so these stay exact."""
    for tree, node, column, codes in splits:
        left = row[column] in codes
        model.threshold_types[tree, node] = 0
        model.thresholds[tree, node] = EVERYWHERE if left else -EVERYWHERE
        model.children_default[tree, node] = (model.children_left if left else model.children_right)[tree, node]


def _curve(bundle, matrix, ends, effect):
    """Mean effects over parts of the first column, the same for each part of the second; rows where either is missing are left out."""
    first, second = (bundle.manifest.columns[place] for place in ends)
    known = ~np.isnan(matrix[:, ends]).any(axis=1)
    (x, y), effect = matrix[known][:, ends].T, effect[known]
    bins = list(enumerate(_parts(x, first, BINS)))
    groups = [{**about, "points": [{"bin": number, **value, "effect": float(effect[members & inside].mean()), "rows": int((members & inside).sum())}
                                   for number, (inside, value) in bins if (members & inside).any()]} for members, about in _parts(y, second, GROUPS)]
    return {"first": first.name, "second": second.name, "groups": groups}


def _parts(values, column, count):
    """Masks of the parts that values fall into, with what each is: quantile bins of a number, the most frequent levels of a category."""
    if column.levels is not None:
        codes, rows = np.unique(values, return_counts=True)
        shown = codes[np.argsort(-rows, kind="stable")][:count]
        named = (*column.levels, "unseen")
        return [(values == code, {"level": named[min(int(code), len(column.levels))]}) for code in shown]
    if not len(values):
        return []
    cuts = np.unique(np.quantile(values, np.linspace(0, 1, count + 1)[1:-1]))
    place = np.searchsorted(cuts, values, side="left")
    masks = [place == number for number in np.unique(place)]
    return [(mask, {"value": float(values[mask].mean()), "low": float(values[mask].min()), "high": float(values[mask].max())}) for mask in masks]
