"""Whether more customers would help: the same settings on growing shares of the development customers, judged on the same later rows."""
import msgspec
import numpy as np

from models.classifier import stopped_trees
from models.clusters import cluster_codes
from models.discrimination import auc, average_precision, compare_auc, influence, influence_variance

SHARES = (0.1, 0.2, 0.4, 0.7, 1.0)
# Below so many bad customers a draw's trees are luck.
FEWEST_BAD = 10


def learning_curve(development, validation, judged, *, how, settings, grown, shares=SHARES, draws=3, trees=200, seed=0):
    """AUC and average precision on the judged rows by the share of development customers that the trees grew on.

    development, validation, judged: (matrix, target, customer ids); how: columns, categorical and directions as for
    `models.classifier.choose`; settings: the model's own, of which so many trees were `grown`. The trees stop on the validation rows; where
    the model has more than `trees` of them, fewer and bolder ones grow. The model itself may have grown on validation rows too (`refit`),
    and so stand higher. Shares below 30 % are drawn `draws` times, below half once less, larger ones, whose draws would overlap, once.
    Customers with and without a bad row are drawn apart.

    Returns {"trees_at_most", "learning_rate", "points": [dict: share, customers, bad_customers, rows (means over draws), draws, auc (mean),
    low, high (95 %, of the mean: by judged customers, and by draws where there are several), average_precision (mean)], "last_step": dict or None (from, to,
    difference, low, high, per_doubling: paired on the judged rows), "verdict": a sentence}. A share with fewer than FEWEST_BAD bad customers is left out.
    """
    quick = _quicker(settings, grown, trees)
    points, scores = [], []
    for share in shares:
        grown = [_grown(rows, development, validation, judged, how, quick) for rows in _drawn(development, share, _times(share, draws), seed)]
        if grown:
            points.append(_point(share, grown, development, judged))
            scores.append(np.mean([raw for _, raw in grown], axis=0))
    step = _last_step(points, scores, judged) if len(points) > 1 else None
    return {"points": points, "trees_at_most": quick.max_trees, "learning_rate": quick.learning_rate, "last_step": step, "verdict": _verdict(step)}


def _quicker(settings, grown, limit):
    """The settings where about `limit` trees do what `grown` trees did: each bolder, if those were more; half as many again may grow."""
    bolder = max(1.0, grown / limit)
    return msgspec.structs.replace(settings, max_trees=int(np.ceil(1.5 * grown / bolder)), learning_rate=min(1.0, settings.learning_rate * bolder),
                                   early_stopping_rounds=max(20, round(settings.early_stopping_rounds / bolder)))


def _times(share, draws):
    return draws if share < 0.3 else max(1, draws - 1) if share < 0.5 else 1


def _drawn(development, share, times, seed):
    """Rows of the customers of each draw, in the sample's order; draws with too few bad customers are left out."""
    _, target, customers = development
    code = cluster_codes(customers)
    bad = np.bincount(code, weights=target) > 0
    rng = np.random.default_rng([seed, round(share * 1000)])
    taken = [_taken(bad, share, rng) for _ in range(times)]
    return [np.flatnonzero(mask[code]) for mask in taken if (mask & bad).sum() >= FEWEST_BAD]


def _taken(bad, share, rng):
    mask = np.zeros(len(bad), dtype=bool)
    for kind in (bad, ~bad):
        places = np.flatnonzero(kind)
        mask[rng.permutation(places)[: round(share * len(places))]] = True
    return mask


def _grown(rows, development, validation, judged, how, settings):
    """The rows, and the raw scores of the judged rows by trees grown on them."""
    booster = stopped_trees(development[0][rows], development[1][rows], validation[:2], settings=settings, **how)
    return rows, booster.predict(judged[0], raw_score=True, num_threads=settings.threads)


def _point(share, grown, development, judged):
    target, groups = judged[1], judged[2]
    code = cluster_codes(development[2])
    values = [auc(target, raw) for _, raw in grown]
    # The mean of the draws' influences is the influence of the mean AUC; the draws' own spread comes on top.
    shared = np.mean([influence(target, raw) for _, raw in grown], axis=0)
    drawn = np.var(values, ddof=1) / len(values) if len(values) > 1 else 0.0
    half = 1.96 * np.sqrt(influence_variance(shared, target, groups) + drawn)
    count = {"customers": [len(np.unique(code[rows])) for rows, _ in grown], "rows": [len(rows) for rows, _ in grown],
             "bad_customers": [len(np.unique(code[rows[development[1][rows] == 1]])) for rows, _ in grown]}
    mean = float(np.mean(values))
    return {"share": share, **{name: float(np.mean(each)) for name, each in count.items()}, "draws": len(grown), "auc": mean,
            "low": float(mean - half), "high": float(min(mean + half, 1.0)),
            "average_precision": float(np.mean([average_precision(target, raw) for _, raw in grown]))}


def _last_step(points, scores, judged):
    """The difference of the last two points, on the same judged rows; by the mean of the draws' scores where there were several."""
    paired = compare_auc(judged[1], scores[-1], scores[-2], groups=judged[2])
    doublings = np.log2(points[-1]["customers"] / points[-2]["customers"])
    return {"from": points[-2]["share"], "to": points[-1]["share"], **{key: paired[key] for key in ("difference", "low", "high")},
            "per_doubling": paired["difference"] / doublings}


def _verdict(step):
    if step is None:
        return "Too few bad customers to draw shares of them: the curve says nothing."
    change = f"{step['difference']:+.4f} ({step['low']:+.4f} to {step['high']:+.4f})"
    span = f"From {step['from']:.0%} to {step['to']:.0%} of the customers the AUC changed by {change}"
    if step["low"] > 0:
        return f"{span}: more customers would help."
    if step["high"] < 0.005:
        return f"{span}: more customers like these would hardly help."
    return f"{span}: not beyond chance, so whether more customers would help is open."
