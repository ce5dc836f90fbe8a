"""What was last published or decided of a customer, beside today's score: the difference in log-odds, told apart into the customer's part and the model's."""

from models.last_said import log_odds, split

DIGITS = 2


def said_view(row, said, words):
    """What the template shows of a `pipeline.last_said.LastSaid`; None where nothing was said."""
    if said is None:
        return None
    about = {"grade": said.grade, "probability": words.probability(said.probability), "model": said.bundle[:12], "date": words.date(said.as_of)}
    made = {"made": words.date(said.made_at)} if said.made_at else {}
    return {"heading": words(f"heading.said.{said.how}"), "sentence": words(f"said.{said.how}", **about, **made), "steps": _steps(row, said, words),
            "note": _note(said, words)}


def _note(said, words):
    if said.why_not:
        return words(f"said.why.{said.why_not}")
    return "" if said.same else words("said.note")


def _steps(row, said, words):
    """Lines of the table: (label, part, log-odds, probability, whether it is riskier); the parts as shown add up to the difference of the ends as shown."""
    if said.why_not == "horizon":
        return []
    then, now, ends = log_odds(said.probability), log_odds(row["probability"]), [("said.then", said.probability)]
    at = [then]
    if said.same:
        ends, at = [*ends, ("said.customer", row["probability"])], [*at, now]
    elif said.why_not:
        ends, at = [*ends, ("said.together", row["probability"])], [*at, now]
    else:
        moved, _ = split(said.probability, row["probability"], then_today=said.then_today)
        ends, at = [*ends, ("said.customer", said.then_today), ("said.model", row["probability"])], [*at, then + moved, now]
    shown = [round(each, DIGITS) for each in at]
    parts = [None, *(new - old for old, new in zip(shown, shown[1:], strict=False))]
    return [_step(words(label), part, each, probability, words) for (label, probability), part, each in zip(ends, parts, shown, strict=True)]


def _step(label, part, at, probability, words):
    # Adding zero turns a −0 into 0.
    said = "" if part is None else words.signed(round(part, DIGITS) + 0.0, DIGITS)
    return {"label": label, "part": said, "log_odds": words.number(at, DIGITS), "probability": words.probability(probability),
            "adverse": None if part is None or round(part, DIGITS) == 0 else part > 0}
