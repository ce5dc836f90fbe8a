"""Charts of the portfolio page and the committee pack as inline SVG: shares of two measures side by side."""

from dataclasses import dataclass

from pipeline.reports.svg import WIDTH, box, drawing, linear, shortened, text, width_of

FIRST, SECOND = "in", "adverse"
# A label with its two bars, and the room that the words at their ends need.
ROW, WORDS = 44, 56


@dataclass(frozen=True)
class Pair:
    """One group: its label, two values of one unit, the words for each, and a note at the right of the label."""

    label: str
    values: tuple
    words: tuple
    note: str = ""


def paired(pairs, **about):
    """Two lying bars under each label, the upper one the first value; read apart by place and words as well as by colour, so in black and white too."""
    scale = linear(0, max([value for pair in pairs for value in pair.values], default=0) or 1, 0, WIDTH - WORDS)
    marks = [mark for place, pair in enumerate(pairs) for mark in _pair(pair, ROW * place, scale)]
    return drawing(*marks, height=max(ROW * len(pairs) - 4, 20), **about)


def _pair(pair, top, scale):
    note = shortened(pair.note, WIDTH / 2)
    marks = [text(0, top + 12, shortened(pair.label, WIDTH - width_of(note) - 16)), text(WIDTH, top + 12, note, anchor="end", css="soft")]
    for place, (value, words, tone) in enumerate(zip(pair.values, pair.words, (FIRST, SECOND), strict=True)):
        length, y = scale(value), top + 17 + 11 * place
        marks += [box(0, y, length, 9, css=f"t-{tone}", hint=f"{pair.label}: {words}"), text(length + 5, y + 8.5, words, css="soft")]
    return marks
