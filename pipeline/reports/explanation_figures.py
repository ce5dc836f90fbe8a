"""Figures of what the model as a whole looks at: importance with intervals, how the strongest columns act, and which act together; as files of their own."""

from importlib.resources import files

from markupsafe import Markup

from pipeline.reports.dossier_charts import Line, curves
from pipeline.reports.svg import LATIN, WIDTH, box, drawing, element, line, shortened, text, width_of

TOP = 12
TONES = ("favourable", "verylate", "base")
# Above and below a drawing that stands alone: its title, legend and note.
MARGIN, LEADING = 16, 18
PRINTED, BOLD = 1.13, 1.12


def explanation_figures(importance, dependence, interactions, words):
    """{name: Figure} in one language, from the three files of stage explain; words: made with more=("explanation",)."""
    found = {"importance_factors": _importance(importance, "factors", words), "importance_columns": _importance(importance, "columns", words)}
    found |= {f"dependence_{place}": _dependence(curve, words) for place, curve in enumerate(dependence, start=1)}
    if interactions["pairs"]:
        found["interactions"] = _pairs(interactions, words)
    return found | {f"interaction_{place}": _interaction(curve, words) for place, curve in enumerate(interactions["curves"], start=1)}


def figure_name(name, language):
    """File name of a figure: its place in the order of strength, since a column may be called anything."""
    return f"{name}.{language}.svg"


def standalone(figure):
    """A Figure as an SVG document: with its title, legend and note drawn, its own style, and nothing to load."""
    # Bold letters are wider than those that the room is reckoned in.
    head = [text(MARGIN, MARGIN + 4 + LEADING * place, each, css="value") for place, each in enumerate(_wrapped(figure.title, WIDTH * 0.9))]
    top = MARGIN + LEADING * len(head) + 4
    for tone, said in figure.legend:
        head += [box(MARGIN, top - 2, 10, 10, css=f"t-{tone}"), text(MARGIN + 16, top + 7, shortened(said, WIDTH - 16))]
        top += LEADING
    notes = _wrapped(figure.note, WIDTH)
    # The drawing's own class would size it as a page does.
    drawn = str(figure.svg).replace('class="chart"', f'x="{MARGIN}" y="{top}" width="{WIDTH}" height="{_height(figure)}"', 1)
    under = top + _height(figure) + LEADING
    tail = [text(MARGIN, under + LEADING * place, each, css="soft") for place, each in enumerate(notes)]
    whole, height = WIDTH + 2 * MARGIN, under + LEADING * len(notes)
    rules = "".join((files("pipeline.reports") / "templates" / name).read_text(encoding="utf-8") for name in ("style.css", "dossier.css"))
    return str(element("svg", element("style", Markup(rules)), element("rect", width=whole, height=height, style="fill: #fff"),
                       *head, Markup(drawn), *tail, xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {whole} {height}",
                       style=f"width: {2 * whole}px; max-width: 100%", class_="chart"))


def _height(figure):
    return int(figure.svg.split('viewBox="0 0 ')[1].split('"')[0].split(" ")[1])


def _wrapped(said, room):
    """Lines of words that fit; a text without spaces is cut where it is full."""
    lines, current = [], ""
    for part in (said if " " not in said or width_of(said) > LATIN * len(said) * 1.3 else [f"{word} " for word in said.split()]):
        # A stop or comma hangs at the end of its line, it never begins one.
        if width_of(current + part) > room and part not in "，。；：、）":
            lines, current = [*lines, current], ""
        current += part
    return [each.strip() for each in [*lines, current] if each.strip()]


def _importance(found, kind, words):
    rows = [row for row in found[kind] if row["share"] > 0][:TOP]
    named = [words.named("factor", row["factor"]) if kind == "factors" else words.feature(row["column"]) for row in rows]
    bars = [(label, row["share"], row["share_low"], row["share_high"], _share(row, words)) for label, row in zip(named, rows, strict=True)]
    described = ", ".join(f"{label}: {said}" for label, *_, said in bars)
    about = words.caption(f"importance.{kind}", description=described, rows=words.count(found["rows"]), customers=words.count(found["customers"]))
    return measured(bars, **about)


def _share(row, words):
    return words("share.between", share=words.percent(row["share"]), low=words.percent(row["share_low"]), high=words.percent(row["share_high"]))


def measured(bars, *, apart=False, **about):
    """Lying bars with whiskers: (label, value, low, high, words), one under the other; long labels stand on a line of their own where `apart`."""
    longest, step = max([high for _, _, _, high, _ in bars], default=0) or 1, 54 if apart else 36
    marks = [mark for place, bar in enumerate(bars) for mark in _bar(*bar, top=step * place, scale=WIDTH / longest, lower=step - 36)]
    return drawing(*marks, height=max(step * len(bars) - 4, 20), **about)


def _bar(label, value, low, high, said, *, top, scale, lower):
    under = top + lower
    middle, ends = under + 22, (low * scale, high * scale)
    # On paper letters are an eighth larger, and what is said stands in bold ones.
    room = WIDTH / PRINTED if lower else (WIDTH - 24) / PRINTED - width_of(said) * BOLD
    return (text(0, top + 12, shortened(label, room)), text(WIDTH, under + 12, said, anchor="end", css="value"),
            box(0, under + 18, WIDTH, 8, css="track"), box(0, under + 18, value * scale, 8, css="t-main", hint=f"{label}: {said}"),
            line(ends[0], middle, ends[1], middle, css="whisker t-base"), *(line(x, middle - 5, x, middle + 5, css="whisker t-base") for x in ends))


def _dependence(curve, words):
    label = words.feature(curve["column"])
    points = [point for point in curve["points"] if point["value"] is not None]
    missing = next((point for point in curve["points"] if point["value"] is None), None)
    labels = [_value(point["value"], words) for point in points]
    said = ", ".join(f"{name}: {words.signed(point['contribution'], 2)}" for name, point in zip(labels, points, strict=True))
    absent = words("dependence.missing", rows=words.count(missing["rows"]), effect=words.signed(missing["contribution"], 2)) if missing else ""
    drawn = Line("main", label, *([point[name] for point in points] for name in ("contribution", "low", "high")))
    about = words.caption("dependence", description=f"{said} {absent}".strip(), column=label, missing=absent)
    if not points:
        return drawing(text(0, 14, absent), height=20, **about)
    return curves([drawn], labels, axis=lambda value: words.signed(value, 2), words=lambda value: words.signed(value, 2), rule=0.0, **about)


def _pairs(found, words):
    rows = [row for row in found["pairs"] if row["importance"] > 0][:TOP]
    bars = [(words("pair", first=words.feature(row["first"]), second=words.feature(row["second"])), row["importance"], row["low"], row["high"],
             words("effect.between", effect=words.number(row["importance"], 3), low=words.number(row["low"], 3), high=words.number(row["high"], 3)))
            for row in rows]
    described = ", ".join(f"{label}: {said}" for label, *_, said in bars)
    return measured(bars, apart=True, **words.caption("interactions", description=described, rows=words.count(found["rows"])))


def _interaction(curve, words):
    """One line for each part of the second column; their points stand over the bins of the first, which all parts share."""
    first, second = (words.feature(curve[name]) for name in ("first", "second"))
    groups = [group for group in curve["groups"] if group["points"]]
    bins = dict(sorted({point["bin"]: point for group in groups for point in group["points"]}.items()))
    labels = [_value(point.get("value", point.get("level")), words) for point in bins.values()]
    lines = [Line(tone, _group(group, second, words), [_effect_at(group, each) for each in bins]) for tone, group in zip(TONES, groups, strict=False)]
    said = "; ".join(f"{each.name}: {_told(labels, each.values, words)}" for each in lines)
    about = words.caption("interaction", description=said, legend=[(each.tone, each.name) for each in lines], first=first, second=second)
    return curves(lines, labels, axis=lambda value: words.signed(value, 2), words=lambda value: words.signed(value, 3), rule=0.0, **about)


def _told(labels, values, words):
    return ", ".join(f"{label} {words.signed(value, 3)}" for label, value in zip(labels, values, strict=True) if value is not None)


def _effect_at(group, number):
    return next((point["effect"] for point in group["points"] if point["bin"] == number), None)


def _group(group, column, words):
    if "level" in group:
        return words("group.level", column=column, level=words.level(group["level"]))
    return words("group.between", column=column, low=_value(group["low"], words), high=_value(group["high"], words))


def _value(value, words):
    """A bin's value as a tick: few digits, a level in words."""
    if isinstance(value, str):
        return words.level(value)
    if abs(value) >= 1000:
        return words.amount(value)
    return (f"{value:.3g}" if abs(value) >= 0.001 or not value else f"{value:.4f}").replace("-", "−")
