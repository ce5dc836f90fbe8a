"""The report on one customer for the officer who decides: what the model says, why, what the policy makes of it, and the facts behind both."""

import numpy as np

from pipeline.reports import history, records
from pipeline.reports.charts import PROBABILITIES, grade_scale, waterfall
from pipeline.reports.svg import Figure
from pipeline.reports.text import tone_of
from pipeline.reports.trends import sparkline

SUB_SCORES = ("financial", "behavioural", "cash_flow", "background")
EVENTS_LISTED = 12


def read_facts(connection, rows):
    """What the tables know of the customers of these score rows: {customer_id: dict by section}, one pass per table."""
    records.take(connection, [(row["customer_id"], row["as_of"]) for row in rows])
    sections = {name: getattr(records, name)(connection) for name in (
        "profiles", "statements", "payments_by_month", "overdue", "cash_by_month", "events", "filings", "contracts", "exposures", "freshness")}
    return {row["customer_id"]: {name: found.get(row["customer_id"]) for name, found in sections.items()} for row in rows}


def officer_view(book, row, facts, medians, words):
    """Everything the template shows about one customer, in one language; row: of the score file, with its rank."""
    profile = facts["profiles"] or {}
    months = history.months_to(row["as_of"])
    return {
        "row": row, "profile": profile, "title": profile.get("name") or row["customer_id"], "tone": tone_of(row["grade"]),
        "sentence": words("officer.sentence", **_frequency(row["probability"], words), average=words.probability(float(book.arrays["probability"].mean()))),
        "position": words("officer.position", rank=words.count(row["rank"] + 1), rows=words.count(len(book))),
        "scale": _scale(book, row, words), "waterfall": _waterfall(book, row, words),
        "adverse": _reasons(book, row, "adverse", words), "favourable": _reasons(book, row, "favourable", words),
        "causes": [words.cause(code) for code in row["decision_reasons"] or ()],
        "exposure": facts["exposures"], "statements": _statements(facts["statements"], medians, profile.get("industry"), words),
        "payments": history.payment_figures(facts["payments_by_month"], months, words, currency=(facts["overdue"] or {}).get("currency")),
        "overdue": facts["overdue"], "contracts": facts["contracts"], "cash": history.cash_figures(facts["cash_by_month"], months, words),
        "timeline": history.timeline_figure(facts["events"] or [], facts["filings"] or [], months, words),
        "events": (facts["events"] or [])[:EVENTS_LISTED], "events_left": max(len(facts["events"] or []) - EVENTS_LISTED, 0),
        "freshness": [line | {"age": (row["as_of"] - line["known_at"]).days} for line in facts["freshness"] or ()],
        "silent": [name for name in records.USED if name not in {line["table"] for line in facts["freshness"] or ()}],
    }


def _frequency(probability, words):
    """A probability as so many in 100 or 1,000 customers: natural frequencies are understood where percentages are not (Gigerenzer, 2002)."""
    base = 100 if probability >= 0.01 else 1000
    count = probability * base
    return {"count": words.number(count, 0 if count >= 2 else 1), "base": words.count(base)}


def _scale(book, row, words):
    grades = [(grade["name"], grade["upper"], tone_of(grade["name"])) for grade in book.grades]
    title = words("figure.scale")
    described = words("figure.scale.text", grade=row["grade"], probability=words.probability(row["probability"]))
    return Figure(title, grade_scale(grades, row["probability"], words=words.probability, key="scale", title=title, description=described))


def _waterfall(book, row, words):
    """From the average customer to this one by sub-score; the axis is written in probabilities, the parts in points."""
    parts = _parts(book, row)
    position = start = row["raw_score"] - sum(parts.values())
    steps = []
    for name, value in parts.items():
        steps.append((words.named("sub_score", name), value, words.points(_points(book, position + value) - _points(book, position))))
        position += value
    title = words("figure.waterfall")
    ends = [(words("waterfall.start"), start, words.probability(_probability(book, start))),
            (words("waterfall.end"), row["raw_score"], words.probability(row["probability"]))]
    described = words("figure.waterfall.text", start=ends[0][2], parts=", ".join(f"{label} {said}" for label, _, said in steps), end=ends[1][2])
    axis = [(_raw(book, probability), words.tick(probability)) for probability in PROBABILITIES]
    drawn = waterfall(steps, start=ends[0], end=ends[1], axis=axis, key="waterfall", title=title, description=described)
    return Figure(title, drawn, (("adverse", words("waterfall.adverse")), ("favourable", words("waterfall.favourable"))), words("figure.waterfall.note"))


def _parts(book, row):
    """The sub-scores in log-odds; what the file does not name is background, so that the parts always lead to the score."""
    named = {name: row[f"sub_{name}"] for name in SUB_SCORES if row.get(f"sub_{name}") is not None}
    return named if "background" in named else named | {"background": row["raw_score"] - book.model["base_raw_score"] - sum(named.values())}


def _points(book, raw_score):
    knots = book.model["points_knots"]
    return float(np.interp(raw_score, knots["x"], knots["y"]))


def _probability(book, raw_score):
    knots = book.model["knots"]
    return float(np.interp(raw_score, knots["x"], knots["y"]))


def _raw(book, probability):
    knots = book.model["knots"]
    return float(np.interp(probability, knots["y"], knots["x"], left=-np.inf, right=np.inf))


def _reasons(book, row, side, words):
    """Reasons as sentences with the points they cost or bring and the length of their bar (per cent of the strongest on either side)."""
    given = row[side] or []
    longest = max([abs(reason["contribution"]) for each in ("adverse", "favourable") for reason in row[each] or ()], default=1.0)
    return [{
        "sentence": words.reason(reason, book.columns), "factor": words.named("factor", reason["factor"]), "length": 100 * abs(reason["contribution"]) / longest,
        "points": words.points(_points(book, row["raw_score"]) - _points(book, row["raw_score"] - reason["contribution"])),
    } for reason in given]


def _statements(rows, medians, industry, words):
    """The lines and ratios of the last statements as table rows, or None without a statement."""
    if not rows:
        return None
    peers = medians.get(industry or "") or {}
    amounts = [{"label": words(f"line.{name}"), "values": [words.amount(row[name]) for row in rows], "spark": _spark(words(f"line.{name}"), name, rows, words)}
               for name in records.AMOUNTS if any(row[name] is not None for row in rows)]
    ratios = [_ratio(name, unit, better, rows, peers, words) for name, _, _, unit, better in records.RATIOS if any(row[name] is not None for row in rows)]
    return {"last": rows[-1], "periods": [words.date(row["period_end"]) for row in rows], "amounts": amounts, "ratios": ratios, "peers": peers.get("customers", 0)}


def _ratio(name, unit, better, rows, peers, words):
    own, middle, label = rows[-1][name], peers.get(name), words(f"ratio.{name}")
    stronger = None if own is None or middle is None or own == middle else (own - middle) * better > 0
    return {"label": label, "values": [words.measure(row[name], unit) for row in rows], "spark": _spark(label, name, rows, words),
            "median": words.measure(middle, unit), "stronger": stronger}


def _spark(label, name, rows, words):
    described = words("figure.spark.text", first=rows[0]["period_end"].year, last=rows[-1]["period_end"].year)
    return sparkline([row[name] for row in rows], key=f"s-{name}", title=label, description=described)
