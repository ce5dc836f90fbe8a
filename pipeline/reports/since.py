"""What changed since the customer was looked at before, in words: the score's difference by business reason and the facts that became known."""

from pipeline.reports.steps import by_factor, falling, in_points

LISTED = 8
NEWS_LISTED = 10


def since_view(book, row, before, facts, words):
    """What the template shows of the changes; None without an earlier observation. facts: of `read_facts`, with news and arrivals."""
    if before is None:
        return None
    # What `explained` rounds differently from the score file is part of the first step.
    difference = row["points"] - before.points
    moment = {"date": words.date(before.as_of)}
    return {
        "sentence": words("since.sentence", grade=before.grade, probability=words.probability(before.probability), points=words.number(before.points, 0),
                          difference=words.points(difference), **moment),
        "chosen": words("since.reviewed", review=words.date(before.reviewed)) if before.reviewed else words("since.observed"),
        "figure": falling(book, _by_factor(row, before, words), start=(words.date(before.as_of), before.raw_score),
                          end=(words.date(row["as_of"]), row["raw_score"]), name="since", words=words) if before.changes else None,
        "changes": _changes(book, row, before, words), "column": words.date(before.as_of), "now": words.date(row["as_of"]),
        "news": _news(facts["news"] or [], words), "arrivals": _arrivals(facts["arrivals"] or [], words),
    }


def _by_factor(row, before, words):
    sums = {}
    for change in before.changes:
        sums[change.factor] = sums.get(change.factor, 0.0) + change.contribution
    return by_factor(sums, words)


def _changes(book, row, before, words):
    """The strongest changes as table rows, and one row for all the others."""
    points = in_points(book, before.raw_score, [change.contribution for change in before.changes])
    told = [{"label": words.feature(change.column), "factor": words.named("factor", change.factor), "points": words.points(gained),
             "adverse": change.contribution > 0, **_values(book, change, words)}
            for change, gained in zip(before.changes[:LISTED], points, strict=False)]
    left = points[LISTED:]
    if left:
        told.append({"label": words("since.rest", count=words.count(len(left))), "factor": "", "old": "", "value": "", "points": words.points(sum(left)),
                     "adverse": sum(change.contribution for change in before.changes[LISTED:]) > 0})
    return told


def _values(book, change, words):
    unit = book.columns[change.column]["unit"]
    old, value = words.apart(change.old, change.value, unit)
    return {"old": old, "value": words("since.same") if change.old == change.value else value}


def _news(told, words):
    more = [words("since.more", count=words.count(len(told) - NEWS_LISTED))] if len(told) > NEWS_LISTED else []
    return [_fact(row, words) for row in told[:NEWS_LISTED]] + more


def _fact(row, words):
    """One new fact as a sentence, by its kind."""
    kind, day = row["kind"], {"date": words.date(row["on"])}
    if kind == "filed":
        return words("news.filed", period=words.date(row["period_end"]), **day)
    if kind == "event":
        with_amount = {} if row["amount"] is None else {"amount": words.money(row["amount"])}
        return words("news.event.amount" if with_amount else "news.event", event=words.named("event", row["event"]), **with_amount, **day)
    if kind in ("late", "overdue"):
        amount = words.money(row["amount"], row["currency"])
        return words(f"news.{kind}", invoices=words.count(row["invoices"]), amount=amount, days=words.days(row["days"]))
    if kind == "contract":
        return words("news.contract", status=words.named("status", row["status"]), contracts=words.count(row["contracts"]))
    if kind == "exposure":
        return words("news.exposure", old=words.money(row["old"], row["currency"]), new=words.money(row["new"], row["currency"]))
    old, new = ((words.named(row["column"], row[name]) if row["column"] != "name" else row[name] or words("none")) for name in ("old", "new"))
    return words("news.master", column=words(f"master.{row['column']}"), old=old, new=new, **day)


def _arrivals(rows, words):
    listed = words("list.between").join(words("since.arrival", table=words.named("table", row["table"]), rows=words.count(row["rows"])) for row in rows)
    return words("since.arrivals", rows=listed) if rows else words("since.no_arrivals")
