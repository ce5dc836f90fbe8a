"""Charts of the dossier as inline SVG: lines with their intervals over an axis, and observed beside predicted rates in bins."""

import math
from dataclasses import dataclass, field

from pipeline.reports.svg import WIDTH, drawing, element, line, linear, text, ticks, width_of

LEFT, BOTTOM = 56, 30


@dataclass(frozen=True)
class Line:
    """One line: its tone (a class of style.css), its name, its values (None: no point there), and the ends of their intervals where there are any."""

    tone: str
    name: str
    values: list
    lows: list = field(default_factory=list)
    highs: list = field(default_factory=list)


def curves(lines, labels, *, axis, words, at=None, rule=None, mark=None, height=240, **about):
    """Lines over one axis, each point with its interval as a whisker and its value as a hint.

    labels: words of the points on the x axis; at: their places on it, evenly spaced without; axis writes a tick of y, words a value; rule: a value of y
    and mark: a place of x that a dashed line is drawn at.
    """
    at = list(range(len(labels))) if at is None else at
    reached = [value for each in lines for value in (*each.values, *each.lows, *each.highs) if value is not None] + ([] if rule is None else [rule])
    low, high = min(reached), max(reached)
    room = (high - low) * 0.08 or abs(high) * 0.1 or 1.0
    scale_x, scale_y = linear(min(at), max(at), LEFT + 10, WIDTH - 14), linear(low - room, high + room, height - BOTTOM, 10)
    marks = [mark_ for value in ticks(low - room, high + room) for mark_ in _level(scale_y(value), axis(value))]
    marks += [] if rule is None else [line(LEFT, scale_y(rule), WIDTH, scale_y(rule), css="rule")]
    marks += [] if mark is None else [line(scale_x(mark), 10, scale_x(mark), height - BOTTOM, css="rule")]
    for each in lines:
        marks += _drawn(each, labels, [scale_x(place) for place in at], scale_y, words)
    return drawing(*marks, *_labelled(labels, [scale_x(place) for place in at], height), height=height, **about)


def _level(y, words):
    return line(LEFT - 6, y, WIDTH, y, css="grid"), text(LEFT - 10, y + 4, words, anchor="end", css="soft")


def _drawn(each, labels, places, scale_y, words):
    known = [(x, scale_y(value), place) for place, (x, value) in enumerate(zip(places, each.values, strict=True)) if value is not None]
    whiskers = [line(x, scale_y(each.lows[place]), x, scale_y(each.highs[place]), css=f"whisker t-{each.tone}") for x, _, place in known
                if each.lows and each.lows[place] is not None]
    path = element("path", d="M" + "L".join(f"{x:.1f} {y:.1f}" for x, y, _ in known), class_=f"line t-{each.tone}")
    dots = [element("circle", element("title", f"{labels[place]}: {words(each.values[place])}"), cx=x, cy=y, r=3.5, class_=f"t-{each.tone}")
            for x, y, place in known] if len(known) <= 40 else []
    return [*whiskers, path, *dots]


def _labelled(labels, places, height):
    """The labels that fit, the last one first: it is the one that is asked for."""
    shown, reached = [], math.inf
    for x, words in sorted(zip(places, labels, strict=True), reverse=True):
        half = width_of(words) / 2
        middle = min(max(x, half), WIDTH - half)
        if words and middle + half < reached - 8:
            shown.append(text(middle, height - 8, words, anchor="middle", css="soft"))
            reached = middle - half
    return shown


def predicted_observed(rows, *, axis, words, height=260, **about):
    """Observed beside predicted rates in bins with the interval of the observed one; on the dashed diagonal both are alike. Logarithmic axes.

    rows: mappings with predicted, observed, low and high, rates. A bin without a bad row is an open mark on the edge.
    """
    floor = min(value for row in rows for value in (row["predicted"], row["low"], row["observed"]) if value > 0) * 0.8
    ceiling = min(max(value for row in rows for value in (row["predicted"], row["high"])) * 1.25, 1.0)
    scale_x, scale_y = (linear(math.log(floor), math.log(ceiling), *ends) for ends in ((LEFT, WIDTH - 12), (height - BOTTOM, 10)))

    def on(scale, rate):
        return scale(math.log(min(max(rate, floor), ceiling)))

    powers = [step * 10.0 ** power for power in range(-5, 1) for step in (1, 2, 5) if floor <= step * 10.0 ** power <= ceiling]
    shown = powers if len(powers) <= 7 else [value for value in powers if f"{value:e}"[0] == "1"]
    marks = [mark for value in shown for mark in (*_level(on(scale_y, value), axis(value)),
                                                   text(on(scale_x, value), height - 8, axis(value), anchor="middle", css="soft"))]
    marks.append(line(on(scale_x, floor), on(scale_y, floor), on(scale_x, ceiling), on(scale_y, ceiling), css="rule"))
    for row in rows:
        x, hint = on(scale_x, row["predicted"]), element("title", f"{words(row['predicted'])} → {words(row['observed'])}")
        marks.append(line(x, on(scale_y, row["low"]), x, on(scale_y, row["high"]), css="whisker t-adverse"))
        marks.append(element("circle", hint, cx=x, cy=on(scale_y, row["observed"]), r=4.5, class_=f"observed{'' if row['observed'] >= floor else ' hollow'}"))
    return drawing(*marks, height=height, **about)
