"""The page over the whole book: how much risk, where, how well the model proved, and whom to look at first."""

from datetime import date

import numpy as np

from models.policy import FRAUD_ACTIONS, ROUTES
from pipeline.reports import performance
from pipeline.reports.charts import Bar, calibration, columns, histogram, ranked
from pipeline.reports.portfolio_moves import MOST, earlier_of, migration_view, moves_of
from pipeline.reports.portfolio_risk import concentration, largest, loss_figures
from pipeline.reports.text import tone_of

# Six bins a decade: bins of one width on a logarithmic axis.
EDGES = tuple(10 ** (place / 6) for place in range(-24, 1))
# As many as a person works through; the page stays far below 1 MB.
LISTED = 200
GROUPS, COLUMNS = 8, 10
REVIEW_SHARE = 0.05
# What the route column of the book holds: who signs for a customer, what happens to a transaction.
DECIDED = {"default": "route", "fraud": "action"}
WEIGHT = {"default": "exposure", "fraud": "amount"}
REASONS_LISTED = 2


def portfolio_view(book, rows, *, policy, fields, names, links, words, beside=None, in_force_on=None):
    """Everything the portfolio page shows, in one language.

    rows: the riskiest of the book, from the top; policy: the Spec in force; fields: {"industry": {customer_id: name}, "region": …}; names: {customer_id: name};
    links: {customer_id: address of its report} for those that have one; beside: {customer_id: row} of the customers `beside_of` names; in_force_on: the day on
    which the rows' decisions are in force, None for the policy's.
    """
    case = book.use_case
    before = earlier_of(book)
    listed = [_listed(row, book, fields, names, links, policy, words) | _moved(row, book, before.get(row["customer_id"])) for row in rows]
    return {
        "title": words(f"title.{case}"), "currency": policy.currency, "tiles": tiles(book, policy, words), "weighted": _weighted(book),
        "figures": [grades_figure(book, words), _probabilities(book, words), *_channels(book, words)], "calibration": _calibration(book, words),
        "workload": _workload(book, words), "performance": health_view(book, words), "drivers": [_factors(book, words), _columns(book, words)],
        **(risk_view(book, fields, names, links, policy, beside, words) if case == "default" else {}), "rows": listed,
        "choices": _choices(listed, words, case), "in_force_on": in_force_on,
    }


def beside_of(book, policy):
    """Ids of the customers that the page names beside the riskiest: those who moved most, and the largest exposures."""
    if book.use_case != "default":
        return set()
    return {each["customer_id"] for each in (*moves_of(book), *largest(book, loss_rate(policy)))}


def loss_rate(policy):
    """What is lost of a default, by the policy."""
    return policy.default.limits.loss_given_default


def risk_view(book, fields, names, links, policy, beside, words, *, most=MOST):
    """Losses, concentrations and the `most` who moved in each direction of a book of customers; whoever has no row in `beside` is shown without a reason."""
    def person(customer):
        return {"id": customer, "name": names.get(customer), "link": links.get(customer)}

    rate = loss_rate(policy)
    moves = [each | person(each["customer_id"]) | {"tone": tone_of(each["grade"]), "tone_before": tone_of(each["before"]),
                                                   "reason": _reason((beside or {}).get(each["customer_id"]), each["worse"], book, words)}
             for each in moves_of(book, most=most)]
    top = [each | person(each["customer_id"]) | {"tone": tone_of(each["grade"])} for each in largest(book, rate)]
    return {"losses": loss_figures(book, fields, rate, words), "concentration": concentration(book, fields, words), "largest": top,
            "migration": migration_view(book, words), "moves": moves}


def _reason(row, worse, book, words):
    """The strongest reason today on the side to which a customer moved."""
    found = (row or {}).get("adverse" if worse else "favourable")
    return words.reason(found[0], book.columns) if found else ""


def _choices(listed, words, case):
    """What the list can be filtered by: (name of the filter, label, [(value, words)]), those with more than one value."""
    def pairs(name, said):
        return sorted({each[name]: said(each) for each in listed if each[name]}.items(), key=lambda pair: pair[1])

    letters = [(letter, letter) for letter in sorted({each["letter"] for each in listed})]
    moved = [(side, words(f"filter.moved.{side}")) for side in ("worse", "same", "better", "new")]
    kinds = [("grade", words("column.grade"), letters), ("route", words(f"column.route.{case}"), pairs("route_id", lambda each: each["route"])),
             ("industry", words("column.industry"), pairs("industry_id", lambda each: each["industry"])),
             ("region", words("column.region"), pairs("region_id", lambda each: each["region"])),
             ("moved", words("column.moved"), [pair for pair in moved if pair[0] in {each["moved"] for each in listed}])]
    return [kind for kind in kinds if len(kind[2]) > 1]


def tiles(book, policy, words):
    """The figures a manager asks for first: (label, figure, note). Without any exposure the book's loss is left out, not zero."""
    probability, case = book.arrays["probability"], book.use_case
    mean = words.probability(float(probability.mean()))
    shown = [(words(f"tile.rows.{case}"), words.count(len(book)), ""),
             (words(f"tile.expected.{case}"), words.expected(float(probability.sum())), words(f"tile.expected.{case}.note", mean=mean))]
    if not _weighted(book):
        return shown
    weight = book.arrays[WEIGHT[case]]
    known = ~np.isnan(weight)
    rate = policy.default.limits.loss_given_default if case == "default" else 1.0
    loss = rate * float((probability[known] * weight[known]).sum())
    note = "" if known.all() else words("tile.weight.note", share=words.percent(float(known.mean()), 0))
    return [*shown, (words(f"tile.weight.{case}"), words.money(float(weight[known].sum()), policy.currency), note),
            (words(f"tile.loss.{case}"), words.money(loss, policy.currency), words(f"tile.loss.{case}.note", rate=words.percent(rate, 0)))]


def _weighted(book):
    """Whether any exposure (for fraud any amount) is known; a book without exposures counts each as none."""
    return bool(np.nan_to_num(book.arrays[WEIGHT[book.use_case]]).any())


def grades_figure(book, words):
    """How many rows of the book have which grade."""
    count = {grade["name"]: int((book.arrays["grade"] == grade["name"]).sum()) for grade in book.grades}
    bars = [Bar(name, rows, words.count(rows), tone_of(name), words.percent(rows / len(book))) for name, rows in count.items()]
    return columns(bars, **words.caption(f"grades.{book.use_case}", description=_said(bars), note="figure.grades.note"))


def _probabilities(book, words):
    probability = book.arrays["probability"]
    counts = np.histogram(np.clip(probability, EDGES[0], 1.0), EDGES)[0]
    filled = np.flatnonzero(counts)
    counts, edges = counts[filled[0] : filled[-1] + 1].tolist(), EDGES[filled[0] : filled[-1] + 2]
    bins = zip(edges[:-1], edges[1:], counts, strict=True)
    described = ", ".join(f"{words.probability(low)}–{words.probability(high)}: {count}" for low, high, count in bins)
    middle, high = (words.probability(max(float(np.quantile(probability, share)), EDGES[0])) for share in (0.5, 0.99))
    about = words.caption(f"probability.{book.use_case}", description=described, note="figure.probability.note", middle=middle, high=high)
    return histogram(counts, edges, axis=words.tick, words=words.probability, **about)


def _calibration(book, words):
    rows = performance.by_grade(book.evaluation)
    described = "; ".join(words("figure.calibration.row", grade=row["grade"], rows=words.count(row["rows"]),
                                expected=words.probability(row["expected"]), observed=words.probability(row["observed"])) for row in rows)
    legend = [(tone, words(f"calibration.{tone}")) for tone in ("observed", "expected", "band")]
    inside = sum(row["inside"] for row in rows)
    about = words.caption("calibration", description=described, legend=legend, inside=inside, grades=len(rows))
    return calibration(rows, axis=words.tick, words=words.probability, **about)


def _workload(book, words):
    """How many rows take which route, the softest first: (label, count, share)."""
    order = ROUTES if book.use_case == "default" else FRAUD_ACTIONS
    found = {name: int((book.arrays["route"] == name).sum()) for name in order}
    return [(words.named(DECIDED[book.use_case], name), words.count(rows), words.percent(rows / len(book))) for name, rows in found.items()]


def _factors(book, words):
    lines = [line for line in book.importance["factors"] if line["share"] > 0]
    bars = [Bar(words.named("factor", line["factor"]), line["share"], words.percent(line["share"], 0)) for line in lines]
    return ranked(bars, **words.caption("factors", description=_said(bars), rows=words.count(book.importance["rows"])))


def _columns(book, words):
    lines = [line for line in book.importance["columns"][:COLUMNS] if line["share"] > 0]
    bars = [Bar(words.feature(line["column"]), line["share"], words.percent(line["share"])) for line in lines]
    return ranked(bars, **words.caption("columns", description=_said(bars), count=len(bars)))


def _channels(book, words):
    """What is expected by channel of a fraud book, the largest first and the rest together; nothing where none is known."""
    if book.use_case != "fraud" or not any(book.arrays["channel"]):
        return []
    sums = _sums(np.array([name or "" for name in book.arrays["channel"]], dtype=object), book.arrays["probability"])
    lines = [(words.named("channel", name or None), expected, rows) for name, expected, rows in sums[:GROUPS]]
    rest = sums[GROUPS:]
    lines += [(words("group.rest", count=len(rest)), sum(line[1] for line in rest), sum(line[2] for line in rest))] if rest else []
    bars = [Bar(label, expected, words("group.words", expected=words.expected(expected), rate=words.probability(expected / rows)))
            for label, expected, rows in lines]
    return [ranked(bars, **words.caption("groups.fraud", description=_said(bars)))]


def _sums(group, probability):
    """(group, sum of probabilities, rows) with the largest sum first."""
    names, code = np.unique(group.astype(str), return_inverse=True)
    lines = zip(names.tolist(), np.bincount(code, weights=probability).tolist(), np.bincount(code).tolist(), strict=True)
    return sorted(lines, key=lambda line: (-line[1], line[0]))


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


def _listed(row, book, fields, names, links, policy, words):
    customer, case = row["customer_id"], book.use_case
    found = {"row": row, "name": names.get(customer), "link": links.get(customer), "tone": tone_of(row["grade"]), "letter": row["grade"][:1],
             "reasons": [words.reason(reason, book.columns) for reason in (row["adverse"] or ())[:REASONS_LISTED]], "route_id": row["route"],
             "route": words.named(DECIDED[case], row["route"]), "marks": _marks(row, words)}
    exposure = row.get("exposure")
    found |= {"loss": None if exposure is None or case == "fraud" else loss_rate(policy) * row["probability"] * exposure}
    for name in ("industry", "region"):
        known = fields.get(name, {}).get(customer)
        found |= {f"{name}_id": known, name: words.named(name, known) if known else ""}
    return found


def _moved(row, book, before):
    """The grade before and to which side it moved: worse, same, better, or new where there was none; None where nobody was scored before."""
    if before is None:
        return {"moved": "new" if len(book.earlier["customer_id"]) else None, "before": None}
    order = {grade["name"]: place for place, grade in enumerate(book.grades)}
    step = order[row["grade"]] - order[before[0]]
    return {"moved": "worse" if step > 0 else "better" if step < 0 else "same", "before": before[0]}


def _marks(row, words):
    """What a decision carries beside the policy's word: an override, and a state that is not ordinary business."""
    override, state = row.get("override"), (row.get("life_cycle") or {}).get("state")
    marks = [words("mark.override", until=words.date(date.fromisoformat(override["expires_on"])))] if override else []
    return marks + ([words.named("state", state)] if state not in (None, "active") else [])


def _said(bars):
    return ", ".join(f"{bar.label}: {bar.words}" for bar in bars)
