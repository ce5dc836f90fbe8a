"""Charts over time as inline SVG: stacked months, flows in and out, a line, a timeline of events, a sparkline.

Every chart is a Figure; `about` is its caption, as `svg.drawing` takes it.
"""

from pipeline.reports.svg import WIDTH, box, drawing, element, line, linear, mark, shortened, text, ticks

LEFT, BOTTOM = 52, 26
# Of a sparkline, which stands in a table's cell.
WIDE, HIGH = 84, 24
STRIP = 120


def stacked(months, parts, *, axis, month_words, height=190, **about):
    """One column a month, its parts stacked in the order given.

    months: first days, in order; parts: (tone, words, values a month); axis writes a tick of the value axis, month_words a month.
    """
    totals = [sum(values) for values in zip(*(values for _, _, values in parts), strict=True)]
    scale = linear(0, max(totals, default=0) or 1, height - BOTTOM, 10)
    room = (WIDTH - LEFT) / max(len(months), 1)
    marks = _value_axis(0, max(totals, default=0), scale, axis) + _month_axis(months, room, height, month_words)
    for place, month in enumerate(months):
        name = month_words(month)
        pile = [(tone, f"{name}, {words}: {axis(values[place])}", values[place]) for tone, words, values in parts if values[place]]
        marks += _pile(pile, LEFT + room * (place + 0.14), room * 0.72, scale)
    return drawing(*marks, height=height, **about)


def _pile(parts, left, width, scale):
    base, marks = 0, []
    for tone, hint, value in parts:
        marks.append(box(left, scale(base + value), width, scale(base) - scale(base + value), css=f"t-{tone}", hint=hint))
        base += value
    return marks


def flows(months, inflow, outflow, *, axis, month_words, words, height=200, **about):
    """Money in above the line and money out below it, a column each a month, with the net as a dot.

    inflow and outflow are positive and in one unit; words: the names of in, out and net for the hints.
    """
    low, high = -max(outflow, default=0), max(inflow, default=0)
    scale = linear(low, high or 1, height - BOTTOM, 10)
    room = (WIDTH - LEFT) / max(len(months), 1)
    marks = _value_axis(low, high, scale, axis) + _month_axis(months, room, height, month_words)
    for place, month in enumerate(months):
        # A month without any booking has no net of zero either.
        if inflow[place] or outflow[place]:
            hints = [f"{month_words(month)}, {word}: {axis(value)}" for word, value in zip(words, _three(inflow, outflow, place), strict=True)]
            marks += _flow(inflow[place], outflow[place], LEFT + room * (place + 0.14), room * 0.72, scale, hints)
    return drawing(*marks, line(LEFT, scale(0), WIDTH, scale(0), css="axis"), height=height, **about)


def _three(inflow, outflow, place):
    return inflow[place], outflow[place], inflow[place] - outflow[place]


def _flow(inflow, outflow, left, width, scale, hints):
    net = element("circle", element("title", hints[2]), cx=left + width / 2, cy=scale(inflow - outflow), r=2.6, class_="net")
    return [box(left, scale(inflow), width, scale(0) - scale(inflow), css="t-in", hint=hints[0]),
            box(left, scale(0), width, scale(-outflow) - scale(0), css="t-out", hint=hints[1]), net]


def curve(months, values, *, axis, month_words, highest=None, height=130, **about):
    """One line over months; None breaks it. What lies above `highest` stands at the upper edge as a triangle, the greatest with its value."""
    top = float("inf") if highest is None else highest
    drawn = [None if value is None else min(value, top) for value in values]
    known = [value for value in drawn if value is not None]
    low, high = min([0, *known]), max([0, *known])
    scale = linear(low, high if high > low else low + 1, height - BOTTOM, 18 if high == highest else 10)
    room = (WIDTH - LEFT) / max(len(months), 1)
    points = [None if value is None else (LEFT + room * (place + 0.5), scale(value)) for place, value in enumerate(drawn)]
    marks = _value_axis(low, high, scale, axis) + _month_axis(months, room, height, month_words)
    marks.append(element("path", d=_path(points), class_="curve"))
    told = [(value, point, f"{month_words(month)}: {axis(value)}") for point, month, value in zip(points, months, values, strict=True) if point is not None]
    for value, point, hint in told:
        marks.append(mark("up", *point, 5.0, css="own", hint=hint) if value > top else mark("circle", *point, 2.8, css="t-main", hint=hint))
    if told and max(told)[0] > top:
        value, (x, y), _ = max(told)
        marks.append(text(x, y - 7, axis(value), anchor="middle", css="soft"))
    return drawing(*marks, height=height, **about)


def timeline(lanes, months, *, month_words, **about):
    """What happened when: a lane per kind, a mark per event.

    lanes: (label, [(place in months as a float, shape, size, tone, hint)]), shapes as `svg.mark` has them; months: first days of the whole span, in order.
    """
    left, height = 132, 30 * len(lanes) + BOTTOM + 4
    room = (WIDTH - left - 8) / max(len(months), 1)
    marks = _month_axis(months, room, height, month_words, left=left)
    for number, (label, events) in enumerate(lanes):
        y = 18 + 30 * number
        marks += [text(0, y + 4, shortened(label, left - 12)), line(left, y, WIDTH, y, css="grid")]
        marks += [mark(shape, left + room * place, y, size, css=f"event t-{tone}", hint=hint) for place, shape, size, tone, hint in events]
    return drawing(*marks, height=height, **about)


def sparkline(values, **about):
    """A line of a few values without axes, its last point marked; a None in between is passed over."""
    known = [value for value in values if value is not None]
    scale = linear(min(known, default=0), max(known, default=1), HIGH - 5, 5)
    step = (WIDE - 12) / max(len(values) - 1, 1)
    points = [(6 + step * place, scale(value)) for place, value in enumerate(values) if value is not None]
    marks = [element("path", d=_path(points), class_="curve")] if len(points) > 1 else []
    if values and values[-1] is not None:
        marks.append(element("circle", cx=points[-1][0], cy=points[-1][1], r=3, class_="t-main"))
    return drawing(*marks, width=WIDE, height=HIGH, **about)


def quantiles(cuts, value, **about):
    """Where a value stands among others: their outer and inner quantiles as a line and a box with the middle, the value as a diamond.

    cuts: five ascending quantiles; a value beyond the outer ones is drawn at the edge, as an open triangle that points there.
    """
    room, middle = 6, HIGH / 2
    span = cuts[4] - cuts[0]
    scale = linear(cuts[0] - 0.12 * span, cuts[4] + 0.12 * span, room, STRIP - room)
    at = [scale(cut) for cut in cuts] if span else [STRIP / 2 + 12 * step for step in (-2, -1, 0, 1, 2)]
    marks = [line(at[0], middle, at[4], middle, css="axis"), box(at[1], middle - 6, at[3] - at[1], 12, css="t-band"),
             line(at[2], middle - 8, at[2], middle + 8, css="expected")]
    return drawing(*marks, *_standing(cuts, value, scale if span else None, middle, room), width=STRIP, height=HIGH, **about)


def _standing(cuts, value, scale, middle, room):
    if value is None:
        return []
    place = STRIP / 2 if scale is None else scale(value)
    if value < cuts[0] and place < room:
        return [mark("left", room, middle, 5.0, css="own")]
    if value > cuts[4] and place > STRIP - room:
        return [mark("right", STRIP - room, middle, 5.0, css="own")]
    return [mark("diamond", min(max(place, room), STRIP - room), middle, 5.0, css="own")]


def _path(points):
    written, pen = [], "M"
    for point in points:
        if point is not None:
            written.append(f"{pen}{point[0]:.1f} {point[1]:.1f}")
        pen = "M" if point is None else "L"
    return "".join(written)


def _value_axis(low, high, scale, words):
    marks = []
    for value in ticks(low, high):
        y = scale(value)
        marks += [line(LEFT, y, WIDTH, y, css="grid"), text(LEFT - 6, y + 4, words(value), anchor="end", css="soft")]
    return marks


def _month_axis(months, room, height, words, *, left=LEFT):
    """A word every third month, or every sixth where there are many; the months in between keep the axis quiet."""
    every, y = 3 if len(months) <= 15 else 6, height - BOTTOM
    marks = [line(left, y, WIDTH, y, css="axis")]
    for place, month in enumerate(months):
        if (month.month - 1) % every == 0:
            x = left + room * (place + 0.5)
            marks += [line(x, y, x, y + 4, css="axis"), text(min(x, WIDTH - 20), height - 8, words(month), anchor="middle")]
    return marks
