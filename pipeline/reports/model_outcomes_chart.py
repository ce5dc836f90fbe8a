"""A chart of cohorts in order of time, as inline SVG: what was observed of each beside what was promised of it."""

import math
from dataclasses import dataclass

from pipeline.reports.svg import WIDTH, box, drawing, element, line, linear, text, ticks, width_of

LEFT, RIGHT, BOTTOM = 52, 8, 30


@dataclass(frozen=True)
class Cohort:
    """One cohort: its label, the figure observed with the ends of its interval, None where it is not known, and the figure promised with its ends."""

    label: str
    observed: float | None
    low: float | None
    high: float | None
    promised: float
    promised_low: float
    promised_high: float


def beside_promise(cohorts, *, axis, floor=None, height=220, **about):
    """A Figure of Cohorts: the promise as a stroke on the band of its interval, what was observed as a dot with a whisker.

    axis writes a value; floor: where the axis begins, None for just below the lowest.
    """
    known = [value for each in cohorts for value in (each.promised_low, each.promised_high, each.observed, each.low, each.high) if value is not None]
    low, high = min(known) if floor is None else floor, max(known)
    scale, room = linear(low, high, height - BOTTOM, 10), (WIDTH - LEFT - RIGHT) / len(cohorts)
    marks = [mark for value in ticks(low, high) for mark in (line(LEFT, scale(value), WIDTH, scale(value), css="grid"),
                                                             text(LEFT - 6, scale(value) + 4, axis(value), anchor="end", css="soft"))]
    # On paper letters are an eighth larger (style.css).
    every = math.ceil(1.25 * max(width_of(each.label) for each in cohorts) / room)
    for place, each in enumerate(cohorts):
        x = LEFT + room * (place + 0.5)
        marks += _marks(each, x, min(room * 0.7, 18) / 2, scale, axis)
        # Labels are counted from the last, which is the one that is asked about.
        if (len(cohorts) - 1 - place) % every == 0:
            marks.append(text(x, height - 10, each.label, anchor="middle", css="soft"))
    return drawing(*marks, height=height, **about)


def _marks(each, x, half, scale, axis):
    top, bottom = scale(each.promised_high), scale(each.promised_low)
    promised = f"{each.label}: {axis(each.promised)} ({axis(each.promised_low)} – {axis(each.promised_high)})"
    marks = [box(x - half, top, 2 * half, bottom - top, css="t-band", hint=promised),
             line(x - half, scale(each.promised), x + half, scale(each.promised), css="expected")]
    if each.observed is None:
        return marks
    if each.low is not None:
        marks.append(line(x, scale(each.low), x, scale(each.high), css="whisker"))
    return [*marks, element("circle", element("title", f"{each.label}: {axis(each.observed)}"), cx=x, cy=scale(each.observed), r=4.5, class_="observed")]
