"""The page over the whole book: how much risk, where, how well the model proved, and whom to look at first."""

import numpy as np

from models.policy import FRAUD_ACTIONS, ROUTES
from pipeline.reports import performance
from pipeline.reports.charts import Bar, calibration, columns, histogram, ranked
from pipeline.reports.svg import Figure
from pipeline.reports.text import tone_of

# Six bins a decade: bins of one width on a logarithmic axis.
EDGES = tuple(10 ** (place / 6) for place in range(-24, 1))
# As many as a person works through; the page stays far below 1 MB.
LISTED = 200
GROUPS, COLUMNS = 8, 10
REVIEW_SHARE = 0.05
# What the route column of the book holds: who signs for a customer, what happens to a transaction.
DECIDED = {"default": "route", "fraud": "action"}
GROUPED = {"default": "industry", "fraud": "channel"}


def portfolio_view(book, rows, *, policy, industries, names, links, words):
    """Everything the portfolio page shows, in one language.

    rows: the riskiest of the book, from the top; policy: the Spec in force; industries: {customer_id: industry}; names: {customer_id: name};
    links: {customer_id: address of its report} for those that have one.
    """
    return {
        "title": words(f"title.{book.use_case}"), "tiles": tiles(book, policy, words), "performance": _performance(book, words),
        "currency": policy.currency, "figures": [_grades(book, words), _probabilities(book, words), _calibration(book, words), *_groups(book, industries, words)],
        "workload": _workload(book, words), "drivers": [_factors(book, words), _columns(book, words)],
        "rows": [_listed(row, book, names, links, words) for row in rows], "grades": sorted({row["grade"][:1] for row in rows}),
        "routes": [(name, words.named(DECIDED[book.use_case], name)) for name in sorted({row["route"] for row in rows if row["route"] is not None})],
    }


def tiles(book, policy, words):
    """The figures a manager asks for first: (label, figure, note)."""
    probability, where = book.arrays["probability"], book.use_case
    shown = [(words(f"tile.rows.{where}"), words.count(len(book)), ""),
             (words(f"tile.expected.{where}"), words.count(probability.sum()), words(f"tile.expected.{where}.note", mean=words.probability(float(probability.mean()))))]
    weight = book.arrays["exposure" if where == "default" else "amount"]
    known = ~np.isnan(weight)
    if not weight[known].any():
        return shown
    loss = float((probability[known] * weight[known]).sum())
    rate = policy.default.limits.loss_given_default if where == "default" else 1.0
    return [*shown,
            (words(f"tile.weight.{where}"), words.money(float(weight[known].sum()), policy.currency), "" if known.all() else words("tile.weight.note", share=words.percent(float(known.mean()), 0))),
            (words(f"tile.loss.{where}"), words.money(loss * rate, policy.currency), words(f"tile.loss.{where}.note", rate=words.percent(rate, 0)))]


def _grades(book, words):
    count = {name: int((book.arrays["grade"] == name).sum()) for name in (grade["name"] for grade in book.grades)}
    bars = [Bar(name, rows, words.count(rows), tone_of(name), words.percent(rows / len(book))) for name, rows in count.items()]
    title = words(f"figure.grades.{book.use_case}")
    return Figure(title, columns(bars, key="grades", title=title, description=_said(bars)), note=words("figure.grades.note"))


def _probabilities(book, words):
    probability = book.arrays["probability"]
    counts = np.histogram(np.clip(probability, EDGES[0], 1.0), EDGES)[0].tolist()
    title = words(f"figure.probability.{book.use_case}")
    described = ", ".join(f"{words.probability(low)}–{words.probability(high)}: {count}" for low, high, count in zip(EDGES[:-1], EDGES[1:], counts, strict=True) if count)
    middle, high = (words.probability(float(np.quantile(probability, share))) for share in (0.5, 0.99))
    return Figure(title, histogram(counts, EDGES, words=words.tick, key="probability", title=title, description=described),
                  note=words("figure.probability.note", middle=middle, high=high))


def _calibration(book, words):
    rows = performance.by_grade(book.evaluation)
    title = words("figure.calibration")
    described = "; ".join(words("figure.calibration.row", grade=row["grade"], rows=words.count(row["rows"]), expected=words.probability(row["expected"]),
                                observed=words.probability(row["observed"])) for row in rows)
    note = words("figure.calibration.note", inside=sum(row["inside"] for row in rows), grades=len(rows))
    drawn = calibration(rows, words=words.tick, key="calibration", title=title, description=described)
    return Figure(title, drawn, (("observed", words("calibration.observed")), ("expectedline", words("calibration.expected")), ("band", words("calibration.band"))), note)


def _workload(book, words):
    """How many rows take which route, the softest first: (label, count, share)."""
    order = ROUTES if book.use_case == "default" else FRAUD_ACTIONS
    found = {name: int((book.arrays["route"] == name).sum()) for name in order}
    return [(words.named(DECIDED[book.use_case], name), words.count(rows), words.percent(rows / len(book))) for name, rows in found.items()]


def _factors(book, words):
    bars = [Bar(words.named("factor", line["factor"]), line["share"], words.percent(line["share"], 0)) for line in book.importance["factors"] if line["share"] > 0]
    title = words("figure.factors")
    return Figure(title, ranked(bars, key="factors", title=title, description=_said(bars)), note=words("figure.factors.note", rows=words.count(book.importance["rows"])))


def _columns(book, words):
    bars = [Bar(words.feature(line["column"]), line["share"], words.percent(line["share"])) for line in book.importance["columns"][:COLUMNS] if line["share"] > 0]
    title = words("figure.columns", count=len(bars))
    return Figure(title, ranked(bars, key="columns", title=title, description=_said(bars)))


def _groups(book, industries, words):
    """What is expected by industry, for fraud by channel, the largest first and the rest together; nothing where the source knows neither."""
    kind = GROUPED[book.use_case]
    given = [industries.get(customer) for customer in book.arrays["customer_id"]] if kind == "industry" else book.arrays["channel"]
    if not any(given):
        return []
    of_row, probability = np.array([name or "" for name in given], dtype=object), book.arrays["probability"]
    sums = [(name, float(probability[of_row == name].sum()), int((of_row == name).sum())) for name in sorted(set(of_row))]
    ordered = sorted(sums, key=lambda line: (-line[1], line[0]))
    lines = [(words.named(kind, name or None), expected, rows) for name, expected, rows in ordered[:GROUPS]]
    rest = ordered[GROUPS:]
    lines += [(words("group.rest", count=len(rest)), sum(line[1] for line in rest), sum(line[2] for line in rest))] if rest else []
    bars = [Bar(label, expected, words("group.words", expected=words.number(expected), rate=words.probability(expected / rows))) for label, expected, rows in lines]
    title = words(f"figure.groups.{book.use_case}")
    return [Figure(title, ranked(bars, key="groups", title=title, description=_said(bars)), note=words(f"figure.groups.{book.use_case}.note"))]


def _performance(book, words):
    first, last = performance.span(book.evaluation)
    lines = [(words(f"performance.{name}"), words.number(value, 3), f"{words.number(low, 3)} – {words.number(high, 3)}", words(f"performance.{name}.note"))
             for name, value, low, high in performance.headline(book.evaluation)]
    caught = performance.capture_at(book.evaluation, REVIEW_SHARE)
    sample = words(f"performance.sample.{book.use_case}", rows=words.count(book.evaluation["rows"]), customers=words.count(book.evaluation["customers"]),
                   bad=words.count(book.evaluation["bad"]), first=first, last=last)
    return {
        "lines": lines, "sample": sample, "other": book.evaluation.get("bundle") not in (None, book.bundle),
        "caught": caught and words(f"performance.caught.{book.use_case}", share=words.percent(caught["share"], 0), captured=words.percent(caught["captured"], 0),
                                   lift=words.number(caught["lift"])),
    }


def _listed(row, book, names, links, words):
    reasons = [words.reason(reason, book.columns) for reason in (row["adverse"] or ())[: 1 if book.use_case == "default" else 2]]
    return {"row": row, "name": names.get(row["customer_id"]), "link": links.get(row["customer_id"]), "tone": tone_of(row["grade"]), "reasons": reasons,
            "route": words.named(DECIDED[book.use_case], row["route"])}


def _said(bars):
    return ", ".join(f"{bar.label}: {bar.words}" for bar in bars)
