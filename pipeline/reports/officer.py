"""The report on one customer for the officer who decides: what the model says and why, what the policy makes of it, and the facts."""

from datetime import date

import numpy as np

from pipeline.reports import history, records
from pipeline.reports.charts import PROBABILITIES, grade_scale, waterfall
from pipeline.reports.text import tone_of
from pipeline.reports.trends import sparkline

SUB_SCORES = ("financial", "behavioural", "cash_flow", "background")
SECTIONS = ("profiles", "statements", "payments_by_month", "overdue", "cash_by_month", "events", "filings", "contracts", "exposures",
            "freshness")
EVENTS_LISTED = 12
# What each part of the page is made of; a part without any of its tables in the source is left out.
PARTS = {"statements": {"statements"}, "payments": {"invoices", "payments", "contracts"}, "cash": {"transactions"}, "timeline": {"statements", "events"},
         "freshness": set(records.USED)}


def read_facts(connection, rows):
    """What the tables know of the customers of these score rows: {customer_id: dict by section}, one pass per table."""
    records.take(connection, [(row["customer_id"], row["as_of"]) for row in rows])
    found = {name: getattr(records, name)(connection) for name in SECTIONS}
    return {row["customer_id"]: {name: found[name].get(row["customer_id"]) for name in SECTIONS} for row in rows}


def officer_view(book, row, facts, medians, words, *, given=None):
    """Everything the template shows about one customer, in one language; row: of the score file, with its rank; given: of `book.given_values`."""
    profile = facts["profiles"] or {}
    average = float(book.arrays["probability"].mean())
    return {
        "row": row, "profile": profile, "title": profile.get("name") or row["customer_id"], "tone": tone_of(row["grade"]),
        "sentence": words("officer.sentence", **_frequency(row["probability"], words), average=words.probability(average)),
        "position": words("officer.position", rank=words.count(row["rank"] + 1), rows=words.count(len(book))),
        "scale": _scale(book, row, words), "waterfall": _waterfall(book, row, words),
        "adverse": _reasons(book, row, "adverse", words), "favourable": _reasons(book, row, "favourable", words),
        "causes": [words.cause(code) for code in row["decision_reasons"] or ()], "in_force": _in_force(row, facts, words), "exposure": facts["exposures"],
        "statements": statement_table(facts["statements"], medians.get(profile.get("industry")) or {}, words),
        "overdue": facts["overdue"], "contracts": facts["contracts"], **_histories(row, facts, words), **_freshness(row, facts, book.tables),
        "parts": {name for name, tables in PARTS.items() if tables & book.tables}, "given": _given(book, given or {}, words),
    }


def _in_force(row, facts, words):
    """What stands beside the policy's decision, as sentences: who overrode it, where the customer is in its life cycle, what the policy alone says."""
    override, state, policys = (row.get(name) for name in ("override", "life_cycle", "policys"))
    said = []
    if override:
        said.append(words("in_force.override", author=override["author"], approver=override["approver"], until=words.date(_day(override["expires_on"]))))
        said += [words("in_force.grade", grade=override["grade"])] if override["grade"] else []
    if state:
        about = {"state": words.named("state", state["state"]), "since": words.date(_day(state["since"])), "owner": words.named("department", state["owner"])}
        due = state["deadline"]
        said.append(words("in_force.until", deadline=words.date(_day(due)), **about) if due else words("in_force.since", **about))
    if policys:
        limit = words.money(policys["limit"], (facts["exposures"] or {}).get("currency"))
        said.append(words("in_force.policy", action=words.named("standing", policys["action"]), limit=limit, route=words.named("route", policys["route"])))
    return said


def _day(text):
    return date.fromisoformat(text)


def _given(book, values, words):
    """The source's own columns of this row: (name, value, what is typical)."""
    return [(words.feature(name), words.value(value, book.columns[name]["unit"]), words.value(book.columns[name]["typical"], book.columns[name]["unit"]))
            for name, value in values.items()]


def _histories(row, facts, words):
    months, events = history.months_to(row["as_of"]), facts["events"] or []
    return {
        "payments": history.payment_figures(facts["payments_by_month"], months, words),
        "cash": history.cash_figures(facts["cash_by_month"], months, words),
        "timeline": history.timeline_figure(events, facts["filings"] or [], months, words),
        "events": events[:EVENTS_LISTED], "events_left": max(len(events) - EVENTS_LISTED, 0),
    }


def _freshness(row, facts, tables):
    lines = [line | {"age": (row["as_of"] - line["known_at"]).days} for line in facts["freshness"] or ()]
    return {"freshness": lines, "silent": [name for name in records.USED if name in tables - {line["table"] for line in lines}]}


def _frequency(probability, words):
    """A probability as so many in 100 or 1,000: natural frequencies are understood where percentages are not (Gigerenzer 2002)."""
    base = 100 if probability >= 0.01 else 1000
    count = probability * base
    return {"count": words.number(count, 0 if count >= 2 else 1), "base": words.count(base)}


def _scale(book, row, words):
    grades = [(grade["name"], grade["upper"], tone_of(grade["name"])) for grade in book.grades]
    described = words("figure.scale.text", grade=row["grade"], probability=words.probability(row["probability"]))
    return grade_scale(grades, row["probability"], words=words.probability, **words.caption("scale", description=described))


def _waterfall(book, row, words):
    """From the average customer to this one by sub-score; the axis is written in probabilities, the parts in points."""
    parts = _parts(book, row)
    position = start = row["raw_score"] - sum(parts.values())
    steps = []
    for name, value in parts.items():
        steps.append((words.named("sub_score", name), value, words.points(_points(book, position + value) - _points(book, position))))
        position += value
    begin = (words("waterfall.start"), start, words.probability(_probability(book, start)))
    end = (words("waterfall.end"), row["raw_score"], words.probability(row["probability"]))
    described = words("figure.waterfall.text", start=begin[2], parts=", ".join(f"{label} {said}" for label, _, said in steps), end=end[2])
    legend = [(tone, words(f"waterfall.{tone}")) for tone in ("adverse", "favourable")]
    about = words.caption("waterfall", description=described, legend=legend)
    return waterfall(steps, start=begin, end=end, axis=[(_raw(book, each), words.tick(each)) for each in PROBABILITIES], **about)


def _parts(book, row):
    """The sub-scores in log-odds; what the file does not name is background, so that the parts always lead to the score."""
    named = {name: row[f"sub_{name}"] for name in SUB_SCORES if row.get(f"sub_{name}") is not None}
    rest = row["raw_score"] - book.model["base_raw_score"] - sum(named.values())
    return named if "background" in named else named | {"background": rest}


def _points(book, raw_score):
    knots = book.model["points_knots"]
    return float(np.interp(raw_score, knots["x"], knots["y"]))


def _probability(book, raw_score):
    knots = book.model["knots"]
    return float(np.interp(raw_score, knots["x"], knots["y"]))


def _raw(book, probability):
    """The raw score of a probability; infinite beyond the ends of the curve, so that no tick is drawn there."""
    knots = book.model["knots"]
    return float(np.interp(probability, knots["y"], knots["x"], left=-np.inf, right=np.inf))


def _reasons(book, row, side, words):
    """Reasons as sentences with the points they cost or bring and the length of their bar (per cent of the strongest on either side)."""
    longest = max([abs(reason["contribution"]) for each in ("adverse", "favourable") for reason in row[each] or ()], default=1.0)
    return [_reason(book, row["raw_score"], reason, longest, words) for reason in row[side] or ()]


def _reason(book, raw_score, reason, longest, words):
    points = _points(book, raw_score) - _points(book, raw_score - reason["contribution"])
    return {"sentence": words.reason(reason, book.columns), "factor": words.named("factor", reason["factor"]),
            "points": words.points(points), "length": 100 * abs(reason["contribution"]) / longest}


def statement_table(rows, peers, words):
    """The lines and ratios of the last statements as table rows, beside the medians of the industry; None without a statement.

    rows: as `records.statements` gives them, oldest first; peers: one industry of `records.industry_medians`, or empty.
    """
    if not rows:
        return None
    there = {name for name in rows[0] if any(row[name] is not None for row in rows)}
    amounts = [_line(words(f"line.{name}"), name, rows, words.amount, words) for name in records.AMOUNTS if name in there]
    ratios = [_ratio(rows, peers, words, name=name, unit=unit, better=better)
              for name, _, _, unit, better in records.RATIOS if name in there]
    return {"last": rows[-1], "periods": [words.date(row["period_end"]) for row in rows], "amounts": amounts, "ratios": ratios,
            "peers": peers.get("customers", 0)}


def _ratio(rows, peers, words, *, name, unit, better):
    own, middle = rows[-1][name], peers.get(name)
    stronger = None if own is None or middle is None or own == middle else (own - middle) * better > 0
    line = _line(words(f"ratio.{name}"), name, rows, lambda value: words.measure(value, unit), words)
    return line | {"median": words.measure(middle, unit), "stronger": stronger}


def _line(label, name, rows, written, words):
    described = words("figure.spark.text", first=rows[0]["period_end"].year, last=rows[-1]["period_end"].year)
    drawn = sparkline([row[name] for row in rows], key=f"s-{name}", title=label, description=described)
    return {"label": label, "values": [written(row[name]) for row in rows], "spark": drawn.svg}
