"""Small parts that the charts are made of: SVG elements as safe text, scales, ticks, and the figure around a drawing."""

import math
from dataclasses import dataclass
from functools import cache

from markupsafe import Markup, escape

WIDTH = 440
# Average width of a character at font size 12, in drawing units; CJK characters are square.
LATIN, SQUARE = 6.3, 12.0


@dataclass(frozen=True)
class Figure:
    """A drawing with its caption, its legend [(tone, words)] and a note beneath."""

    title: str
    svg: Markup
    legend: tuple = ()
    note: str = ""


def element(name, *children, **attributes):
    """One SVG element with escaped text and attributes; `class_` and `stroke_width` become class and stroke-width, None is left out."""
    written = "".join(f' {_attribute(key)}="{_value(value)}"' for key, value in attributes.items() if value is not None)
    inside = "".join(child if isinstance(child, Markup) else escape(child) for child in children)
    return Markup(f"<{name}{written}>{inside}</{name}>" if inside else f"<{name}{written}/>")


def drawing(*marks, height, key, title, description, width=WIDTH, legend=(), note=""):
    """A Figure of `marks` whose image a screen reader announces by title and description; `key` is unique on its page."""
    words = (element("title", title, id=f"{key}-t"), element("desc", description, id=f"{key}-d"))
    svg = element("svg", *words, *marks, viewBox=f"0 0 {width} {height}", role="img", aria_labelledby=f"{key}-t {key}-d", class_="chart")
    return Figure(title, svg, tuple(legend), note)


def text(x, y, content, *, anchor="start", css=None):
    """A line of text whose baseline starts, centres or ends at x."""
    return element("text", content, x=x, y=y, text_anchor=None if anchor == "start" else anchor, class_=css)


def line(x1, y1, x2, y2, *, css):
    """A straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=css)


def box(x, y, width, height, *, css, hint=None):
    """A rectangle, at least a hair wide and high so that a small value is still seen; `hint` shows while the pointer rests on it."""
    inside = () if hint is None else (element("title", hint),)
    return element("rect", *inside, x=x, y=y, width=max(width, 0.8), height=max(height, 0.8), class_=css)


def mark(shape, x, y, size, *, css, hint=None):
    """A small sign around a point, told apart by its shape: circle, ring, square, diamond, or a triangle: up, down, left, right; size is half its height."""
    inside = () if hint is None else (element("title", hint),)
    if shape in ("circle", "ring"):
        return element("circle", *inside, cx=x, cy=y, r=size, class_=f"{css} ring" if shape == "ring" else css)
    return element("path", *inside, d=f"M{x:.1f} {y:.1f}{_SHAPES[shape](size)}z", class_=css)


# Paths from a sign's middle.
_SHAPES = {
    "square": lambda a: f"m{-a:.1f} {-a:.1f}h{2 * a:.1f}v{2 * a:.1f}h{-2 * a:.1f}",
    "diamond": lambda a: f"m0 {-a:.1f}l{a:.1f} {a:.1f}l{-a:.1f} {a:.1f}l{-a:.1f} {-a:.1f}",
    "up": lambda a: f"m0 {-a:.1f}l{a:.1f} {2 * a:.1f}h{-2 * a:.1f}",
    "left": lambda a: f"m{-a:.1f} 0l{2 * a:.1f} {-a:.1f}v{2 * a:.1f}",
    "right": lambda a: f"m{a:.1f} 0l{-2 * a:.1f} {-a:.1f}v{2 * a:.1f}",
    "down": lambda a: f"m0 {a:.1f}l{a:.1f} {-2 * a:.1f}h{-2 * a:.1f}",
}


def linear(low, high, start, end):
    """The function that maps [low, high] to [start, end] in a straight line; an empty range maps to `start`."""
    span = high - low
    return lambda value: start if span == 0 else start + (end - start) * (value - low) / span


def ticks(low, high, *, count=5):
    """Round numbers (1, 2 or 5 times a power of ten apart) within [low, high], about `count` of them."""
    if not high > low:
        return [low]
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * each for each in (1, 2, 5, 10) if power * each >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(place * step, 10) for place in range(first, math.floor(high / step + 1e-9) + 1)]


def width_of(words):
    """About how wide a text is at font size 12, in drawing units."""
    return sum(SQUARE if ord(character) > 0x2E7F else LATIN for character in words)


def shortened(words, room):
    """The text, cut with an ellipsis where it would be wider than `room`."""
    if width_of(words) <= room:
        return words
    kept = words
    while kept and width_of(kept) + SQUARE > room:
        kept = kept[:-1]
    return kept.rstrip() + "…"


@cache
def _attribute(key):
    return key if key == "viewBox" else key.rstrip("_").replace("_", "-")


def _value(value):
    if isinstance(value, float):
        return f"{value:.1f}".removesuffix(".0")
    return value if isinstance(value, int) else escape(value)
