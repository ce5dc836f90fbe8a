"""What the book stands to lose and where: expected loss by grade, industry and region, and how few customers hold how much of it."""

import numpy as np

from models.portfolio import by_group, herfindahl
from pipeline.reports.portfolio_charts import FIRST, SECOND, Pair, paired

GROUPS, LARGEST = 8, 10


def customers_of(book):
    """The book by customer, in order of id: dict of customer_id, probability, raw_score and grade (of its latest row), and for all its rows together exposure
    (minor units, NaN where none is known) and expected (defaults)."""
    arrays = book.arrays
    order = np.lexsort((np.arange(len(book)), arrays["as_of"], arrays["customer_id"].astype(str)))
    ids, place = np.unique(arrays["customer_id"][order].astype(str), return_inverse=True)
    last = np.searchsorted(place, np.arange(len(ids)), side="right") - 1
    exposure = arrays["exposure"][order].astype(np.float64)
    known = np.bincount(place, ~np.isnan(exposure), minlength=len(ids)) > 0
    summed = np.where(known, np.bincount(place, np.nan_to_num(exposure), minlength=len(ids)), np.nan)
    return {"customer_id": ids, "exposure": summed, "expected": np.bincount(place, arrays["probability"][order], minlength=len(ids)),
            **{name: arrays[name][order][last] for name in ("probability", "raw_score", "grade")}}


def losses(book, rate):
    """Expected loss of each row of the book, minor units, NaN where no exposure is known; rate: what is lost of a default."""
    return rate * book.arrays["probability"] * book.arrays["exposure"]


def letters_of(book):
    """The letters of the master scale, safest first."""
    return list(dict.fromkeys(grade["name"][:1] for grade in book.grades))


def loss_figures(book, fields, rate, words):
    """Figures of expected loss by grade, and by each of fields ({"industry": {customer_id: name}, …}) that any customer of the book has."""
    grades = np.array([name[:1] for name in book.arrays["grade"]])
    drawn = [_figure(book, "grade", grades, rate, words, names=letters_of(book))]
    for kind, known in fields.items():
        named = [known.get(customer) for customer in book.arrays["customer_id"]]
        if any(named):
            drawn.append(_figure(book, kind, np.array([name or "" for name in named], dtype=object), rate, words))
    return drawn


def _figure(book, kind, group, rate, words, names=None):
    """Shares of exposure and expected loss by group; of customers and expected defaults where no exposure is known."""
    weighted = bool(np.nan_to_num(book.arrays["exposure"]).any())
    first = book.arrays["exposure"] if weighted else np.ones(len(book))
    found = by_group(group, losses(book, rate) if weighted else book.arrays["probability"], first)
    lines = list(zip(*(list(part) for part in found), strict=True))
    if names is not None:
        lines = sorted(lines, key=lambda line: names.index(line[0]))
    shown = _shortened([(words.named(kind, name or None) if kind != "grade" else name, *rest) for name, *rest in lines], words)
    totals = [sum(line[place] for line in lines) or 1 for place in (2, 3)]
    pairs = [Pair(label, (weight / totals[1], loss / totals[0]), (words.percent(weight / totals[1]), words.percent(loss / totals[0])),
                  words("pair.note", customers=words.count(count), loss=words.money(loss) if weighted else words.expected(loss)))
             for label, count, loss, weight in shown]
    unit = "money" if weighted else "count"
    legend = [(FIRST, words(f"pair.{unit}.first")), (SECOND, words(f"pair.{unit}.second"))]
    said = "; ".join(words("pair.said", label=pair.label, first=pair.words[0], second=pair.words[1], note=pair.note) for pair in pairs)
    return paired(pairs, **words.caption(f"loss.{unit}.{kind}", description=said, legend=legend, note=f"figure.loss.note.{unit}"))


def _shortened(lines, words):
    rest = lines[GROUPS:]
    more = [(words("group.rest", count=len(rest)), *(sum(line[place] for line in rest) for place in (1, 2, 3)))] if len(rest) > 1 else rest
    return lines[:GROUPS] + more


def concentration(book, fields, words):
    """How concentrated the exposure is: (label, figure, note) of the Herfindahl index by customer and by each field, and the share of the largest ten;
    nothing where no exposure is known."""
    customers = customers_of(book)
    total = np.nansum(customers["exposure"])
    if not total:
        return []
    shown = [_index("customer", customers["exposure"], words)]
    for kind, known in fields.items():
        if any(known.get(customer) for customer in customers["customer_id"]):
            group = [known.get(customer) or "" for customer in customers["customer_id"]]
            shown.append(_index(kind, by_group(group, customers["exposure"])[2], words))
    top = np.sort(np.nan_to_num(customers["exposure"]))[::-1][:LARGEST].sum() / total
    return [*shown, (words("tile.largest", count=min(LARGEST, len(customers["exposure"]))), words.percent(float(top)), words("tile.largest.note"))]


def _index(kind, amounts, words):
    index = herfindahl(amounts)
    note = words("tile.herfindahl.note", equal=words.number(1 / index, 0 if index < 0.1 else 1))
    return words(f"tile.herfindahl.{kind}"), words.number(index, 4 if index < 0.01 else 3), note


def largest(book, rate):
    """The customers of the largest exposure, from the top: dicts of customer_id, grade, probability, exposure, share (of all), so_far (share of all down to
    here) and loss."""
    customers = customers_of(book)
    exposure = np.nan_to_num(customers["exposure"])
    order, total, so_far, found = np.lexsort((customers["customer_id"], -exposure))[:LARGEST], exposure.sum(), 0.0, []
    for place in order[exposure[order] > 0]:
        so_far += exposure[place]
        found.append({"customer_id": str(customers["customer_id"][place]), "grade": customers["grade"][place],
                      "probability": float(customers["probability"][place]), "exposure": float(exposure[place]), "share": float(exposure[place] / total),
                      "so_far": float(so_far / total), "loss": float(rate * customers["probability"][place] * exposure[place])})
    return found
