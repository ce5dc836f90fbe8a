"""The page over the whole book: how much risk, where, how well the model proved, and whom to look at first."""

from datetime import date

import numpy as np

from models.policy import FRAUD_ACTIONS, ROUTES
from pipeline.reports.model_health import Health, model_health_view
from pipeline.reports.portfolio_alerts import warnings_view
from pipeline.reports.portfolio_figures import calibration_figure, channels, factors, grades_figure, probabilities, strongest_columns
from pipeline.reports.portfolio_health import health_view
from pipeline.reports.portfolio_moves import MOST, earlier_of, migration_view, moves_of
from pipeline.reports.portfolio_risk import concentration, largest, loss_figures
from pipeline.reports.text import tone_of

# As many as a person works through; the page stays far below 1 MB.
LISTED = 200
# What the route column of the book holds: who signs for a customer, what happens to a transaction.
DECIDED = {"default": "route", "fraud": "action"}
WEIGHT = {"default": "exposure", "fraud": "amount"}
REASONS_LISTED = 2


def portfolio_view(book, rows, *, policy, fields, names, links, words, beside=None, in_force_on=None, warnings=None, health=None):
    """Everything the portfolio page shows, in one language.

    rows: the riskiest of the book, from the top; policy: the Spec in force; fields: {"industry": {customer_id: name}, "region": …}; names: {customer_id: name};
    links: {customer_id: address of its report} for those that have one; beside: {customer_id: row} of the customers `beside_of` names; in_force_on: the day on
    which the rows' decisions are in force, None for the policy's; warnings: pipeline.alert_measure.measured, or None; health: a
    pipeline.reports.model_health.Health, None where nothing was read.
    """
    case = book.use_case
    before = earlier_of(book)
    listed = [_listed(row, book, fields, names, links, policy, words) | _moved(row, book, before.get(row["customer_id"])) for row in rows]
    return {
        "title": words(f"title.{case}"), "currency": policy.currency, "tiles": tiles(book, policy, words), "weighted": _weighted(book),
        "figures": [grades_figure(book, words), probabilities(book, words), *channels(book, words)], "calibration": calibration_figure(book, words),
        "workload": _workload(book, words), "performance": health_view(book, words), "drivers": [factors(book, words), strongest_columns(book, words)],
        **(risk_view(book, fields, names, links, policy, beside, words) if case == "default" else {}), "rows": listed,
        "choices": _choices(listed, words, case), "in_force_on": in_force_on, "warnings": warnings_view(warnings, words),
        "health": model_health_view(health or Health(), words, use_case=case, bundle=book.bundle),
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


def _workload(book, words):
    """How many rows take which route, the softest first: (label, count, share)."""
    order = ROUTES if book.use_case == "default" else FRAUD_ACTIONS
    found = {name: int((book.arrays["route"] == name).sum()) for name in order}
    return [(words.named(DECIDED[book.use_case], name), words.count(rows), words.percent(rows / len(book))) for name, rows in found.items()]


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
