"""How parts in log-odds lead from one score to another, as a chart and in points: the average customer to this one, or this one then to now."""

import numpy as np

from pipeline.reports.charts import PROBABILITIES, waterfall


def points_at(book, raw_score):
    """Points of a raw score, or of an array of them, by the bundle's curve."""
    x, _, points = book.curves
    return np.interp(raw_score, x, points)


def probability_at(book, raw_score):
    """Probability of a raw score by the bundle's curve."""
    x, probabilities, _ = book.curves
    return float(np.interp(raw_score, x, probabilities))


def in_points(book, start, parts):
    """What each part changes the points by, one after the other from the raw score `start`: they add up to the difference of the ends' points."""
    return np.diff(points_at(book, start + np.cumsum([0.0, *parts]))).tolist()


def falling(book, parts, *, start, end, name, words):
    """A waterfall Figure "figure.<name>"; parts: [(label, log-odds)]; start and end: (label, raw score), the axis in probabilities, the parts in points."""
    changes = in_points(book, start[1], [value for _, value in parts])
    steps = [(label, value, words.points(points)) for (label, value), points in zip(parts, changes, strict=True)]
    ends = [(label, raw, words.probability(probability_at(book, raw))) for label, raw in (start, end)]
    described = words(f"figure.{name}.text", start=ends[0][2], parts=words("list.between").join(f"{label} {said}" for label, _, said in steps), end=ends[1][2])
    legend = [(tone, words(f"waterfall.{tone}")) for tone in ("adverse", "favourable")]
    axis = [(raw, words.tick(each)) for raw, each in zip(_raw(book, PROBABILITIES), PROBABILITIES, strict=True)]
    return waterfall(steps, start=ends[0], end=ends[1], axis=axis, **words.caption(name, description=described, legend=legend))


def by_factor(factors, words, *, least=0.005):
    """Factors in log-odds as parts, strongest first; what is too small to see, below `least`, goes with the strongest, so that the parts still add up."""
    ordered = sorted(((words.named("factor", factor), value) for factor, value in factors.items()), key=lambda part: -abs(part[1]))
    shown = [part for part in ordered if abs(part[1]) >= least] or ordered[:1]
    rest = sum(value for _, value in ordered[len(shown):])
    return [(label, value + rest if place == 0 else value) for place, (label, value) in enumerate(shown)]


def _raw(book, probabilities):
    """The raw scores of probabilities; infinite beyond the ends of the curve, so that no tick is drawn there."""
    x, y, _ = book.curves
    return np.interp(probabilities, y, x, left=-np.inf, right=np.inf).tolist()
