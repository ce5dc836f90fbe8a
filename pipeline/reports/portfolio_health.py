"""How well the model proved, in sentences and lines with intervals, as the portfolio page and the committee pack show it."""

from pipeline.reports import performance

REVIEW_SHARE = 0.05


def health_view(book, words):
    """How well the model proved, as `performance_part` of the templates shows it."""
    evaluation, case = book.evaluation, book.use_case
    lines = [(words(f"performance.{name}"), words.number(value, 3), f"{words.number(low, 3)} – {words.number(high, 3)}",
              words(f"performance.{name}.note")) for name, value, low, high in performance.headline(evaluation)]
    counts = {name: words.count(evaluation[name]) for name in ("rows", "customers", "bad")}
    return {"lines": lines, "sample": words(f"performance.sample.{case}", **counts, when=_when(evaluation, words)),
            "judged": _judged(evaluation, words), "doubt": _doubt(evaluation, words),
            "other": evaluation.get("bundle") not in (None, book.validated), "refitted": book.bundle != book.validated,
            "caught": _caught(evaluation, case, words), "reviewed": _reviewed(evaluation, words), "challenger": _challenger(book.challengers, words)}


def _challenger(challengers, words):
    """What the trees add over the scorecard, and whether a simpler model would do."""
    columns, verdict, figures = performance.over_scorecard(challengers)
    added = {name: words("challenger.added", **{end: words.signed(value, 4 if name == "log_loss" else 3)
                                                for end, value in zip(("value", "low", "high"), ends, strict=True)}) for name, ends in figures.items()}
    return words("challenger.none") if not columns else words("challenger", columns=columns, **added) + words(f"challenger.{verdict}")


def _when(evaluation, words):
    first, last = performance.span(evaluation)
    return words("performance.on", date=words.date(first)) if first == last else words("performance.span", first=words.date(first), last=words.date(last))


def _judged(evaluation, words):
    """How the judged rows were set apart, and what that cannot tell."""
    how = evaluation["judged_by"]
    repeat = words("judged.repeat", **how) if how.get("repeats", 1) > 1 else ""
    return words(f"judged.{how['kind']}", **how) + repeat + (words("judged.no_dates") if how["kind"] != "by_time" else "")


def _doubt(evaluation, words):
    """Which columns of the model look as if they were recorded after the outcome; nothing where none does."""
    suspects = [name.removeprefix("obs_") for name in evaluation["suspects"]]
    return words("performance.doubt", columns=words("list.between").join(suspects)) if suspects else ""


def _caught(evaluation, case, words):
    line = performance.capture_at(evaluation, REVIEW_SHARE)
    if line is None:
        return ""
    share, captured = (words.percent(line[name], 0) for name in ("share", "captured"))
    return words(f"performance.caught.{case}", share=share, captured=captured, lift=words.number(line["lift"]))


def _reviewed(evaluation, words):
    """Lines on what reviewers would find at their daily capacity, the rules baseline beside it; none where nobody reviews."""
    if "capacity" not in evaluation:
        return []
    model, rules, difference = (evaluation["capacity"][name] for name in ("model", "rules", "difference"))
    shares = {name: words.percent(model[name]) for name in ("precision", "low", "high", "best")}
    counts = {name: words.count(model[name]) for name in ("capacity", "found", "compromised")}
    lines = [words("performance.reviewed", **shares, **counts)]
    if rules is not None:
        more = {name: words.number(100 * difference[name]) for name in ("difference", "low", "high")}
        lines.append(words("performance.rules", precision=words.percent(rules["precision"]), found=words.count(rules["found"]), **more))
    return lines
