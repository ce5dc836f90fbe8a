"""The figures of the portfolio page and the committee pack: the book by grade, probability and channel, calibration by grade, and what drives the scores."""

import numpy as np

from pipeline.reports import performance
from pipeline.reports.charts import Bar, calibration, columns, histogram, ranked
from pipeline.reports.text import tone_of

# Six bins a decade: bins of one width on a logarithmic axis.
EDGES = tuple(10 ** (place / 6) for place in range(-24, 1))
GROUPS, COLUMNS = 8, 10


def grades_figure(book, words):
    """How many rows of the book have which grade."""
    count = {grade["name"]: int((book.arrays["grade"] == grade["name"]).sum()) for grade in book.grades}
    bars = [Bar(name, rows, words.count(rows), tone_of(name), words.percent(rows / len(book))) for name, rows in count.items()]
    return columns(bars, **words.caption(f"grades.{book.use_case}", description=_said(bars), note="figure.grades.note"))


def probabilities(book, words):
    """How many rows lie at which probability, on a logarithmic axis."""
    probability = book.arrays["probability"]
    counts = np.histogram(np.clip(probability, EDGES[0], 1.0), EDGES)[0]
    filled = np.flatnonzero(counts)
    counts, edges = counts[filled[0] : filled[-1] + 1].tolist(), EDGES[filled[0] : filled[-1] + 2]
    bins = zip(edges[:-1], edges[1:], counts, strict=True)
    described = ", ".join(f"{words.probability(low)}–{words.probability(high)}: {count}" for low, high, count in bins)
    middle, high = (words.probability(max(float(np.quantile(probability, share)), EDGES[0])) for share in (0.5, 0.99))
    about = words.caption(f"probability.{book.use_case}", description=described, note="figure.probability.note", middle=middle, high=high)
    return histogram(counts, edges, axis=words.tick, words=words.probability, **about)


def calibration_figure(book, words):
    """What was expected and what was observed in each grade, on the judged rows."""
    rows = performance.by_grade(book.evaluation)
    described = "; ".join(words("figure.calibration.row", grade=row["grade"], rows=words.count(row["rows"]),
                                expected=words.probability(row["expected"]), observed=words.probability(row["observed"])) for row in rows)
    legend = [(tone, words(f"calibration.{tone}")) for tone in ("observed", "expected", "band")]
    inside = sum(row["inside"] for row in rows)
    about = words.caption("calibration", description=described, legend=legend, inside=inside, grades=len(rows))
    return calibration(rows, axis=words.tick, words=words.probability, **about)


def factors(book, words):
    """What share of the scores each business factor has."""
    lines = [line for line in book.importance["factors"] if line["share"] > 0]
    bars = [Bar(words.named("factor", line["factor"]), line["share"], words.percent(line["share"], 0)) for line in lines]
    return ranked(bars, **words.caption("factors", description=_said(bars), rows=words.count(book.importance["rows"])))


def strongest_columns(book, words):
    """The columns with the largest shares."""
    lines = [line for line in book.importance["columns"][:COLUMNS] if line["share"] > 0]
    bars = [Bar(words.feature(line["column"]), line["share"], words.percent(line["share"])) for line in lines]
    return ranked(bars, **words.caption("columns", description=_said(bars), count=len(bars)))


def channels(book, words):
    """What is expected by channel of a fraud book, the largest first and the rest together; nothing where none is known."""
    if book.use_case != "fraud" or not any(book.arrays["channel"]):
        return []
    sums = _sums(np.array([name or "" for name in book.arrays["channel"]], dtype=object), book.arrays["probability"])
    lines = [(words.named("channel", name or None), expected, rows) for name, expected, rows in sums[:GROUPS]]
    rest = sums[GROUPS:]
    lines += [(words("group.rest", count=len(rest)), sum(line[1] for line in rest), sum(line[2] for line in rest))] if rest else []
    bars = [Bar(label, expected, words("group.words", expected=words.expected(expected), rate=words.probability(expected / rows)))
            for label, expected, rows in lines]
    return [ranked(bars, **words.caption("groups.fraud", description=_said(bars)))]


def _sums(group, probability):
    """(group, sum of probabilities, rows) with the largest sum first."""
    names, code = np.unique(group.astype(str), return_inverse=True)
    lines = zip(names.tolist(), np.bincount(code, weights=probability).tolist(), np.bincount(code).tolist(), strict=True)
    return sorted(lines, key=lambda line: (-line[1], line[0]))


def _said(bars):
    return ", ".join(f"{bar.label}: {bar.words}" for bar in bars)
