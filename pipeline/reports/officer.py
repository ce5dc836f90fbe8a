"""The report on one customer for the officer who decides: what the model says and why, what the policy makes of it, and the facts."""

from datetime import date

from pipeline.reports import history, news, records
from pipeline.reports.accounts import statement_table
from pipeline.reports.charts import grade_scale
from pipeline.reports.explained import TOLD
from pipeline.reports.said import said_view
from pipeline.reports.since import since_view
from pipeline.reports.steps import by_factor, falling, points_at
from pipeline.reports.text import tone_of
from serving.human_reviews import DUE_DAYS, PATH

SECTIONS = ("profiles", "statements", "payments_by_month", "overdue", "cash_by_month", "events", "filings", "contracts", "exposures",
            "freshness")
EVENTS_LISTED = 12
# What each part of the page is made of; a part without any of its tables in the source is left out.
PARTS = {"statements": {"statements"}, "payments": {"invoices", "payments", "contracts"}, "cash": {"transactions"},
         "timeline": {"statements", "events", "invoices"}, "freshness": set(records.USED)}


def read_facts(connection, rows, explained):
    """What the tables know of the customers of these score rows: {customer_id: dict by section}, one pass per table.

    explained: of `read_explained`; what is news became known after its earlier moment.
    """
    since = {customer: each.before.as_of for customer, each in explained.items() if each.before}
    records.take(connection, [(row["customer_id"], row["as_of"], since.get(row["customer_id"])) for row in rows])
    found = {name: getattr(records, name)(connection) for name in SECTIONS} | {"news": news.facts_since(connection), "arrivals": news.arrivals(connection)}
    return {row["customer_id"]: {name: each.get(row["customer_id"]) for name, each in found.items()} for row in rows}


def officer_view(book, row, facts, peers, words, *, explained, given=None, said=None):
    """Everything the template shows about one customer, in one language; row: of the score file, with its rank; peers: of `records.industry_quantiles`;
    explained: its Explained; given: of `book.given_values`; said: its `pipeline.last_said.LastSaid`."""
    profile = facts["profiles"] or {}
    average = float(book.arrays["probability"].mean())
    return {
        "row": row, "profile": profile, "title": profile.get("name") or row["customer_id"], "tone": tone_of(row["grade"]),
        "sentence": words("officer.sentence", **_frequency(row["probability"], words), average=words.probability(average)),
        "position": words("officer.position", rank=words.count(row["rank"] + 1), rows=words.count(len(book))),
        "interval": _interval(book, row, words), "scale": _scale(book, row, words), "waterfall": _waterfall(book, row, explained.factors, words),
        "since": since_view(book, row, explained.before, facts, words), "said": said_view(row, said, words),
        "adverse": _reasons(book, row, "adverse", words), "favourable": _reasons(book, row, "favourable", words),
        "causes": [words.cause(code) for code in row["decision_reasons"] or ()], "in_force": _in_force(row, facts, words), "exposure": facts["exposures"],
        "statements": statement_table(facts["statements"], peers.get(profile.get("industry")) or {}, words),
        "overdue": facts["overdue"], "contracts": facts["contracts"], **_histories(row, facts, words), **_freshness(row, facts, book.tables),
        "sufficiency": _sufficiency(explained, book.tables, words), "made_from": _made_from(book, words),
        "appeal": [words("appeal.right"), words("appeal.how", path=PATH, days=words.days(DUE_DAYS)), words("appeal.override")],
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
        "timeline": history.timeline_figure(events, facts["filings"] or [], facts["payments_by_month"] or [], months, words),
        "events": events[:EVENTS_LISTED], "events_left": max(len(events) - EVENTS_LISTED, 0),
    }


def _freshness(row, facts, tables):
    lines = [line | {"age": (row["as_of"] - line["known_at"]).days} for line in facts["freshness"] or ()]
    return {"freshness": lines, "silent": [name for name in records.USED if name in tables - {line["table"] for line in lines}]}


def _sufficiency(explained, tables, words):
    """How much is known of the customer, and by how much the interval is wider for what is not, as sentences."""
    share = explained.known / explained.columns
    said = [words("sufficiency.columns", known=words.count(explained.known), columns=words.count(explained.columns), share=words.percent(share, 0))]
    missing, between = explained.missing, words("list.between")
    if missing is None:
        asked = between.join(words.named("table", table) for table in TOLD if table in tables)
        return [*said, words("sufficiency.nothing_missing", tables=asked)] if asked else said
    absent = between.join(words.named("table", table) for table in missing.tables)
    ends = {"low": words.probability(missing.low), "high": words.probability(missing.high)}
    said.append(words("sufficiency.missing", tables=absent, **ends))
    return said if missing.wider is None else [*said, words("sufficiency.wider", wider=words.number(missing.wider, 1))]


def _made_from(book, words):
    """What the page was made from: (label, value) pairs."""
    learned, source = book.model["training"].get("last_as_of"), words.named("source_name", book.about["source"])
    values = {"bundle": book.bundle[:12], "validated": book.validated[:12] if book.validated != book.bundle else None,
              "learned": words.date(date.fromisoformat(learned[:10])) if learned else None, "policy": book.policy_hash[:12], "source": source,
              "as_of": words.date(book.as_of)}
    return [(words(f"version.{name}"), value) for name, value in values.items() if value]


def _frequency(probability, words):
    """A probability as so many in 100 or 1,000: natural frequencies are understood where percentages are not (Gigerenzer 2002)."""
    base = 100 if probability >= 0.01 else 1000
    count = probability * base
    return {"count": words.number(count, 0 if count >= 2 else 1), "base": words.count(base)}


def _scale(book, row, words):
    grades = [(grade["name"], grade["upper"], tone_of(grade["name"])) for grade in book.grades]
    interval = (row.get("pd_low"), row.get("pd_high"))
    described = words("figure.scale.text", grade=row["grade"], probability=words.probability(row["probability"]))
    described += "" if None in interval else words("figure.scale.interval", low=words.probability(interval[0]), high=words.probability(interval[1]))
    return grade_scale(grades, row["probability"], words=words.probability, interval=interval, **words.caption("scale", description=described))


def _parts(book, row, factors):
    """The factors in log-odds; what they leave of the way from the average customer to the score is background, so that they always lead there."""
    rest = row["raw_score"] - book.model["base_raw_score"] - sum(factors.values())
    return factors | {"background": factors.get("background", 0.0) + rest}


def _waterfall(book, row, factors, words):
    """From the average customer to this one by factor."""
    parts = by_factor(_parts(book, row, factors), words)
    start = (words("waterfall.start"), book.model["base_raw_score"])
    return falling(book, parts, start=start, end=(words("waterfall.end"), row["raw_score"]), name="waterfall", words=words)


def _interval(book, row, words):
    """The interval of the probability in words, None where the bundle has none."""
    if row.get("pd_low") is None:
        return None
    ends = {"low": words.probability(row["pd_low"]), "high": words.probability(row["pd_high"])}
    return {"words": words("interval", **ends), "note": words("interval.note", level=words.percent(book.model["interval"]["level"], 0), **ends)}


def _reasons(book, row, side, words):
    """Reasons as sentences with the points they cost or bring and the length of their bar (per cent of the strongest on either side); one whose points round
    to none is no reason."""
    longest = max([abs(reason["contribution"]) for each in ("adverse", "favourable") for reason in row[each] or ()], default=1.0)
    told = [_reason(book, row["raw_score"], reason, longest, words) for reason in row[side] or ()]
    return [each for each in told if each["points"] != words.points(0.0)]


def _reason(book, raw_score, reason, longest, words):
    points = points_at(book, raw_score) - points_at(book, raw_score - reason["contribution"])
    return {"sentence": words.reason(reason, book.columns), "factor": words.named("factor", reason["factor"]),
            "points": words.points(points), "length": 100 * abs(reason["contribution"]) / longest}
