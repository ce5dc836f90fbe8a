"""One customer's history as figures: payments, cash, and what happened when."""

from datetime import date

from pipeline.reports.records import MONTHS
from pipeline.reports.trends import curve, flows, stacked, timeline

# A mark grows with the event's severity from 1 to 5; an unknown severity is drawn as mild.
_RADIUS = {1: 4.0, 2: 5.0, 3: 6.0, 4: 7.5, 5: 9.0}
_PAID = (("paid", "on_time"), ("late", "late"), ("verylate", "very_late"), ("open", "open"))
_GRAVE = 4


def months_to(as_of, *, count=MONTHS):
    """First days of the `count` months up to the one that holds as_of, in order."""
    last = as_of.year * 12 + as_of.month - 1
    return [date(place // 12, place % 12 + 1, 1) for place in range(last - count + 1, last + 1)]


def payment_figures(rows, months, words):
    """How late each month's due amounts were paid, and how much of them; nothing without an invoice."""
    if not rows:
        return []
    by_month = {row["month"]: row for row in rows}
    late = [by_month[month]["days_late"] if month in by_month else None for month in months]
    parts = [(tone, words(f"paid.{name}"), [by_month.get(month, {}).get(name, 0) for month in months]) for tone, name in _PAID]
    legend = [(tone, name) for tone, name, values in parts if any(values)]
    about = words.caption("days_late", description=_listed(months, late, words.number, words))
    paid = words.caption("paid", description=_shares(parts, words), legend=legend, currency=rows[-1]["currency"] or "")
    return [curve(months, late, axis=lambda value: words.number(value, 0), month_words=words.month, highest=_highest(late), **about),
            stacked(months, parts, axis=words.money, month_words=words.month, **paid)]


def _highest(values):
    """Where the axis of days late ends when one forgotten invoice would flatten all other months: three times the third quartile, at least 90 days."""
    known = sorted(value for value in values if value is not None)
    edge = max(3 * known[3 * (len(known) - 1) // 4], 90)
    return edge if known[-1] > edge else None


def cash_figures(rows, months, words):
    """Money in and out, and the balance where the source has one; nothing without a transaction."""
    if not rows:
        return []
    by_month = {row["month"]: row for row in rows}
    inflow, outflow = ([by_month.get(month, {}).get(name, 0) for month in months] for name in ("inflow", "outflow"))
    names = tuple(words(f"cash.{name}") for name in ("in", "out", "net"))
    described = f"{names[0]}: {words.money(sum(inflow))}, {names[1]}: {words.money(sum(outflow))}"
    legend = zip(("in", "out", "net"), names, strict=True)
    about = words.caption("cash", description=described, legend=legend, currency=rows[-1]["currency"] or "")
    found = [flows(months, inflow, outflow, axis=words.money, month_words=words.month, words=names, **about)]
    return found + _balance([by_month.get(month, {}).get("balance") for month in months], months, words)


def _balance(values, months, words):
    if all(value is None for value in values):
        return []
    about = words.caption("balance", description=_listed(months, values, words.money, words))
    return [curve(months, values, axis=words.money, month_words=words.month, **about)]


def timeline_figure(events, filings, payments, months, words):
    """Events by kind, with the filings of statements and the months of late payments above them; None when nothing happened."""
    filed = [(_place(row["known_at"], months), "square", 4.0, "main", _filing(row, words)) for row in filings]
    late = [_late(row, months, words) for row in payments if row["late_invoices"]]
    lanes = [(label, marks) for label, marks in ((words("timeline.statements"), filed), (words("timeline.late"), late)) if marks]
    for kind in sorted({event["kind"] for event in events}):
        lanes.append((words.named("event", kind), [_mark(event, months, words) for event in events if event["kind"] == kind]))
    if not lanes:
        return None
    described = "; ".join(f"{label}: {len(marks)}" for label, marks in lanes)
    return timeline(lanes, months, month_words=words.month, **words.caption("timeline", description=described))


def _place(moment, months):
    return (moment.year - months[0].year) * 12 + moment.month - months[0].month + (moment.day - 1) / 31


def _filing(row, words):
    return words("timeline.filed", date=words.date(row["known_at"]), period=words.date(row["period_end"]))


def _mark(event, months, words):
    severity = min(max(round(event["severity"] or 1), 1), 5)
    hint = f"{words.date(event['occurred_at'])} · {words.named('event', event['kind'])} · {words.money(event['amount'])}"
    grave = severity >= _GRAVE
    return _place(event["occurred_at"], months), "diamond" if grave else "ring", _RADIUS[severity], "verylate" if grave else "late", hint


def _late(row, months, words):
    """A month's late payments: a triangle in its middle, as large as the latest of them was late."""
    days = row["worst_days"]
    hint = words("timeline.late.month", month=words.month(row["month"]), invoices=words.count(row["late_invoices"]), days=words.days(days))
    # The same sizes as an event's from mild to grave, at 30, 60 and 90 days.
    size = _RADIUS[min(1 + days // 30, 5)]
    return _place(row["month"], months) + 0.5, "down", size, "verylate" if days > 30 else "late", hint


def _listed(months, values, written, words):
    return words("list.between").join(f"{words.month(month)}: {written(value)}" for month, value in zip(months, values, strict=True) if value is not None)


def _shares(parts, words):
    whole = sum(sum(values) for _, _, values in parts) or 1
    return words("list.between").join(f"{name} {words.percent(sum(values) / whole)}" for _, name, values in parts)
