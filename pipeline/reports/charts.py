"""Charts of quantities, shares and probabilities as inline SVG: columns, ranked bars, calibration by grade, grade scale, waterfall.

Every chart is a Figure; `about` is its caption, as `svg.drawing` takes it.
"""

import math
from dataclasses import dataclass

from pipeline.reports.svg import WIDTH, box, drawing, element, line, linear, shortened, text, width_of

PROBABILITIES = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.8, 0.9, 0.95, 0.99, 0.999)


@dataclass(frozen=True)
class Bar:
    """One bar: its label, its length in any unit, the words for its length, its tone (a class of style.css) and a second line."""

    label: str
    value: float
    words: str
    tone: str = "main"
    note: str = ""


def columns(bars, *, height=210, **about):
    """Upright bars from one baseline, each with its words above and its label beneath; `bars` in order of the axis."""
    room = WIDTH / max(len(bars), 1)
    scale = linear(0, max([bar.value for bar in bars], default=0) or 1, height - 40, 24)
    marks = [mark for place, bar in enumerate(bars) for mark in _column(bar, room * (place + 0.5), room * 0.72, scale(bar.value), height)]
    axis = line(0, height - 40, WIDTH, height - 40, css="axis")
    return drawing(axis, *marks, height=height, **about)


def _column(bar, middle, width, top, height):
    return (box(middle - width / 2, top, width, height - 40 - top, css=f"t-{bar.tone}", hint=f"{bar.label}: {bar.words}"),
            text(middle, top - 6, bar.words, anchor="middle", css="value"), text(middle, height - 24, bar.label, anchor="middle"),
            text(middle, height - 9, bar.note, anchor="middle", css="soft"))


def ranked(bars, **about):
    """Lying bars, one under the other, with the label over each and the words at the right end; negative values are drawn by size."""
    longest = max([abs(bar.value) for bar in bars], default=0) or 1
    marks = [mark for place, bar in enumerate(bars) for mark in _lying(bar, 34 * place, WIDTH * abs(bar.value) / longest)]
    return drawing(*marks, height=max(len(bars) * 34 - 4, 20), **about)


def _lying(bar, top, length):
    # On paper letters are an eighth larger (style.css).
    label = shortened(bar.label, (WIDTH - 24) / 1.125 - width_of(bar.words))
    return (text(0, top + 12, label), text(WIDTH, top + 12, bar.words, anchor="end", css="value"),
            box(0, top + 18, WIDTH, 7, css="track"), box(0, top + 18, length, 7, css=f"t-{bar.tone}", hint=f"{bar.label}: {bar.words}"))


def histogram(counts, edges, *, axis, words, height=200, **about):
    """Counts between edges of a logarithmic probability axis; `axis` writes a tick, `words` an edge."""
    scale_x = linear(math.log(edges[0]), math.log(edges[-1]), 8, WIDTH - 8)
    scale_y = linear(0, max(max(counts), 1), height - 26, 14)
    marks = [line(0, height - 26, WIDTH, height - 26, css="axis")]
    for count, low, high in zip(counts, edges[:-1], edges[1:], strict=True):
        start, end, top = scale_x(math.log(low)), scale_x(math.log(high)), scale_y(count)
        hint = f"{words(low)} – {words(high)}: {count:,}"
        marks.append(box(start + 0.5, top, end - start - 1, height - 26 - top, css="t-main", hint=hint))
    for value in _spaced(_probability_ticks(edges[0], edges[-1]), lambda value: scale_x(math.log(value)), room=44):
        place = scale_x(math.log(value))
        marks.append(line(place, height - 26, place, height - 21, css="axis"))
        marks.append(text(place, height - 8, axis(value), anchor="middle"))
    return drawing(*marks, height=height, **about)


def calibration(rows, *, axis, words, height=250, **about):
    """Expected beside observed rate per grade on a logarithmic axis.

    rows: mappings with grade, expected (rate), observed (rate), low and high (rates: the interval in which the observed rate was expected).
    What lies below the axis is drawn on its edge, as an open mark. axis writes a tick, words a rate.
    """
    floor, ceiling = _limits(rows)
    scale = linear(math.log(floor), math.log(ceiling), height - 30, 12)

    def at(rate):
        return scale(math.log(min(max(rate, floor), ceiling)))

    marks = [mark for value in _spaced(_probability_ticks(floor, ceiling), at, room=28) for mark in _grid(at(value), axis(value))]
    room = (WIDTH - 56) / max(len(rows), 1)
    for place, row in enumerate(rows):
        x = 56 + room * (place + 0.5)
        marks += _calibration_marks(row, x, at, floor, words)
        marks.append(text(x, height - 10, row["grade"], anchor="middle"))
    return drawing(*marks, height=height, **about)


def _calibration_marks(row, x, at, floor, words):
    expected, observed, low, high = (words(row[name]) for name in ("expected", "observed", "low", "high"))
    hint = element("title", f"{row['grade']}: {expected} → {observed} ({low} – {high})")
    middle = at(row["expected"])
    return [
        box(x - 9, at(row["high"]), 18, at(row["low"]) - at(row["high"]), css="t-band"),
        line(x - 9, middle, x + 9, middle, css="expected"),
        element("circle", hint, cx=x, cy=at(row["observed"]), r=5, class_="observed" if row["observed"] >= floor else "observed hollow"),
    ]


def _grid(y, words):
    return line(52, y, WIDTH, y, css="grid"), text(46, y + 4, words, anchor="end", css="soft")


def _limits(rows):
    positive = [value for row in rows for value in (row["expected"], row["low"], row["observed"]) if value > 0]
    highest = max([value for row in rows for value in (row["high"], row["observed"], row["expected"])], default=1.0)
    floor = max(min(positive, default=0.001) * 0.7, 1e-5)
    return floor, max(min(highest * 1.25, 1.0), floor * 10)


def _probability_ticks(low, high):
    return [value for value in PROBABILITIES if low <= value <= high]


def _spaced(values, place, *, room):
    """The values whose places on the axis are at least `room` apart from the one kept before."""
    kept = []
    for value in values:
        if not kept or abs(place(value) - place(kept[-1])) >= room:
            kept.append(value)
    return kept


def grade_scale(grades, probability, *, words, interval=(None, None), **about):
    """The grades side by side with the probability at each cut, and a pointer at this customer's own, its interval as a bracket beneath.

    grades: (name, upper, tone), safest first; interval: two probabilities, or None for either.
    """
    lowest = min(grades[0][1] / 4, *(each / 1.2 for each in (probability, interval[0]) if each))
    scale = linear(math.log(lowest), 0.0, 0, WIDTH)
    starts = [lowest, *(upper for _, upper, _ in grades[:-1])]
    marks = [mark for start, grade in zip(starts, grades, strict=True) for mark in _grade_marks(start, *grade, scale)]
    cuts = _spaced(starts[1:], lambda cut: scale(math.log(cut)), room=36)
    marks += [text(scale(math.log(cut)), 64, words(cut), anchor="middle", css="soft") for cut in cuts]
    place = min(max(scale(math.log(probability)), 6), WIDTH - 6)
    marks.append(element("path", d=f"M{place - 6:.1f} 12h12l-6 10z", class_="pointer"))
    marks.append(text(min(max(place, 24), WIDTH - 24), 9, words(probability), anchor="middle", css="value"))
    if None in interval:
        return drawing(*marks, height=70, **about)
    low, high = (scale(math.log(end)) for end in interval)
    # Three strokes of its own, since a bracket of a hair's width must still be seen.
    marks += [line(low, 74, max(high, low + 1), 74, css="expected"), line(low, 70, low, 78, css="expected"), line(high, 70, high, 78, css="expected")]
    said = f"{words(interval[0])} – {words(interval[1])}"
    half = width_of(said) / 2
    marks.append(text(min(max((low + high) / 2, half), WIDTH - half), 92, said, anchor="middle", css="soft"))
    return drawing(*marks, height=96, **about)


def _grade_marks(start, name, upper, tone, scale):
    left, right = scale(math.log(start)), scale(math.log(upper))
    label = name if right - left > 8 * len(name) else ""
    return box(left, 24, right - left - 1.5, 24, css=f"t-{tone}"), text((left + right) / 2, 41, label, anchor="middle", css=f"on-{tone}")


def waterfall(steps, *, start, end, axis, **about):
    """How parts lead from a starting score to the customer's, in log-odds.

    steps: (label, value, words); start and end: (label, score, words); axis: (score, words) pairs for the scale above, so that readers see
    probabilities and not log-odds.
    """
    rows = _falling(steps, start, end)
    reached = [score for _, low, high, _, _ in rows for score in (low, high)]
    low, high = min(reached) - 0.15, max(reached) + 0.15
    scale, height = linear(low, high, 150, WIDTH - 78), 26 + 30 * len(rows)
    shown = _spaced([tick for tick in axis if low <= tick[0] <= high], lambda tick: scale(tick[0]), room=40)
    marks = [mark for score, words in shown for mark in _rule(scale(score), words, height)]
    for place, row in enumerate(rows):
        marks += _waterfall_row(row, scale, 26 + 30 * place, last=place == len(rows) - 1)
    return drawing(*marks, height=height, **about)


def _falling(steps, start, end):
    """(label, from, to, words, tone) of every row, each step from where the one before ended."""
    rows, position = [(start[0], start[1], start[1], start[2], "base")], start[1]
    for label, value, words in steps:
        rows.append((label, position, position + value, words, "adverse" if value > 0 else "favourable"))
        position += value
    return [*rows, (end[0], end[1], end[1], end[2], "base")]


def _rule(x, words, height):
    return line(x, 18, x, height, css="grid"), text(x, 12, words, anchor="middle", css="soft")


def _arrow(x, y, width, height, *, tone, hint):
    """A bar that points the way it leads, to the right where it is adverse: told without its colour."""
    tip, middle = min(width, 7.0), y + height / 2
    start, turn, end = (x, x + width - tip, x + width) if tone == "adverse" else (x + width, x + tip, x)
    path = f"M{start:.1f} {y:.1f}L{turn:.1f} {y:.1f}L{end:.1f} {middle:.1f}L{turn:.1f} {y + height:.1f}L{start:.1f} {y + height:.1f}z"
    return element("path", element("title", hint), d=path, class_=f"t-{tone}")


def _waterfall_row(row, scale, top, *, last):
    label, low, high, words, tone = row
    if tone == "base":
        x = scale(high)
        marks = [element("circle", cx=x, cy=top + 13, r=6, class_="t-base")]
    else:
        x = max(scale(low), scale(high))
        width = abs(scale(high) - scale(low))
        marks = [_arrow(x - width, top + 4, max(width, 0.8), 18, tone=tone, hint=f"{label}: {words}")]
    connector = [] if last else [line(scale(high), top + 22, scale(high), top + 34, css="axis")]
    named = text(0, top + 17, shortened(label, 142), css="value" if tone == "base" else None)
    return [named, *marks, *connector, text(x + 9, top + 17, words, css="value")]
