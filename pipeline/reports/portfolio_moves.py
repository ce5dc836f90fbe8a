"""How the book moved since the earlier date: the migration matrix and the customers who moved most."""

import numpy as np

from models.portfolio import DEFAULTED, LEFT, NEW, migration, moved, movers
from pipeline.reports.portfolio_risk import customers_of, letters_of
from pipeline.reports.text import tone_of

MOST = 15
# How strongly a cell is shaded: from which share of its row on.
SHADES = (0.0, 0.02, 0.1, 0.3)


def migration_view(book, words):
    """The matrix as the page shows it: {since, said, head, rows}; None where nobody was scored before.

    A row is (label, tone, count, cells) and a cell (words, share, side, shade): side is worse, better or same.
    """
    if not len(book.earlier["customer_id"]):
        return None
    letters, earlier, customers = letters_of(book), book.earlier, customers_of(book)
    before, now = (dict(zip(each["customer_id"], each["grade"], strict=True)) for each in (earlier, customers))
    defaulted = earlier["customer_id"][earlier["defaulted"].astype(bool)]
    matrix = migration(_lettered(before), _lettered(now), letters=letters, defaulted=defaulted)
    # Of each grade, as the lists of customers tell worse from better: from E1 to E2 is a move, though the matrix has no room for it.
    counts = moved(migration(before, now, letters=[grade["name"] for grade in book.grades], defaulted=defaulted))
    names = ("worse", "same", "better", "defaulted", "left", "new")
    said = words("moves.said", **{name: words.count(count) for name, count in zip(names, counts, strict=True)})
    head = [*letters, *(words(f"moves.{name}") for name in (DEFAULTED, LEFT))]
    rows = [_row(letter, place, line, len(letters), words) for place, (letter, line) in enumerate(zip([*letters, NEW], matrix.tolist(), strict=True))]
    return {"since": since(book), "said": said, "head": head, "rows": [row for row in rows if row[2] != "0"]}


def _lettered(grades):
    return {customer: grade[:1] for customer, grade in grades.items()}


def since(book):
    """The latest earlier date, as a day."""
    return book.earlier["as_of"].max().astype("datetime64[D]").astype(object)


def _row(letter, place, line, size, words):
    total = sum(line)
    cells = [_cell(count, total, _side(place, column, size), words) for column, count in enumerate(line)]
    if letter == NEW:
        return words("moves.new"), "", words.count(total), cells
    return letter, tone_of(letter), words.count(total), cells


def _side(row, column, size):
    """What moving from a row to a column means; who left, and who is new, moved to neither side."""
    if row == size or column == size + 1:
        return "same"
    return "worse" if column > row else "better" if column < row else "same"


def _cell(count, total, side, words):
    share = count / total if total else 0.0
    shade = sum(share > edge for edge in SHADES)
    return words.count(count) if count else "", words.percent(share, 0 if share >= 0.1 else 1) if count else "", side, shade


def earlier_of(book):
    """What was said of each customer before: {customer_id: (grade, probability)}."""
    earlier = book.earlier
    if not len(earlier["customer_id"]):
        return {}
    return {customer: (grade, float(probability)) for customer, grade, probability in
            zip(earlier["customer_id"], earlier["grade"], earlier["probability"], strict=True)}


def moves_of(book, *, most=MOST):
    """The customers who moved most, worse first: dicts of customer_id, worse (bool), before and grade (grade names), was and probability, exposure."""
    earlier = {customer: place for place, customer in enumerate(book.earlier["customer_id"])}
    customers = customers_of(book)
    both = [(place, earlier[customer]) for place, customer in enumerate(customers["customer_id"]) if customer in earlier]
    if not both:
        return []
    now, then = (np.array(part) for part in zip(*both, strict=True))
    order = {grade["name"]: place for place, grade in enumerate(book.grades)}
    notches = np.array([order[customers["grade"][i]] - order[book.earlier["grade"][j]] for i, j in both])
    change = customers["raw_score"][now] - book.earlier["raw_score"][then]
    sides = movers(notches, change, most=most)
    return [_move(customers, int(now[i]), book.earlier, int(then[i]), worse) for worse, places in zip((True, False), sides, strict=True) for i in places]


def _move(customers, now, earlier, then, worse):
    return {"customer_id": str(customers["customer_id"][now]), "worse": worse, "before": earlier["grade"][then], "grade": customers["grade"][now],
            "was": float(earlier["probability"][then]), "probability": float(customers["probability"][now]), "exposure": float(customers["exposure"][now])}
