"""Sections of the dossier on what the model is worth: over simpler models, in money, to reviewers; and how it treats groups of customers."""

import math
import re

from models.validation import headline
from pipeline.reports.dossier_charts import Line, curves
from pipeline.reports.dossier_parts import Test, counted, facts, figures, numbers, prose, proven, readings, section, side, span, span_percent, table

AMOUNTS = {"the customer's limit": "limit", "the transaction's amount": "amount", "one unit a row": "unit"}
# How a scorecard's bin of numbers is written, and the units that have whole values only.
BINS = {"below": re.compile(r"< (?P<high>\S+)"), "between": re.compile(r"\[(?P<low>\S+), (?P<high>\S+)\)"), "from": re.compile(r">= (?P<low>\S+)")}
WHOLE = ("count", "flag", "hour")
# What the trees must be better in than the scorecard; a loss is turned into a gain.
GAINS = ("auc", "average_precision", "log_loss")
RATES = ("selection_rate", "true_positive_rate", "false_positive_rate")
RULES = ("cut_off", "break_even", "all", "none")


def challengers(made, words):
    """What the trees add over a scorecard and over one rate for all, paired on the same rows."""
    found = made.challengers
    if found is None:
        return None
    compared, full = found["comparison"], made.evaluation
    rows = [Test(words("test.over.auc"), words("test.over.asks"), words.signed(compared["auc"]["difference"], 4),
                 span(words, compared["auc"]["low"], compared["auc"]["high"], 4), words(f"over.{side(compared['auc'])}"), proven(compared["auc"])),
            Test(words("test.over.precision"), words("test.over.precision.asks"), words.signed(compared["average_precision"]["difference"], 4),
                 span(words, compared["average_precision"]["low"], compared["average_precision"]["high"], 4),
                 words(f"over.{side(compared['average_precision'])}"), proven(compared["average_precision"])),
            Test(words("test.over.loss"), words("test.over.loss.asks"), words.signed(compared["log_loss"]["difference"], 5),
                 span(words, compared["log_loss"]["low"], compared["log_loss"]["high"], 5), words(f"over.{side(_turned(compared['log_loss']))}"),
                 proven(_turned(compared["log_loss"])))]
    return section(words, "challengers", readings(rows), _beside(found, full, words) if full else None, _card(found["scorecard"], made, words),
                   columns=words.count(len(found["scorecard"]["columns"])))


def _turned(compared):
    """A difference of losses as one of gains."""
    return {"low": -compared["high"], "high": -compared["low"]}


def unproven(compared):
    """The figures in which the trees are not better than the scorecard beyond chance."""
    return [name for name in GAINS if not proven(_turned(compared[name]) if name == "log_loss" else compared[name])]


def _beside(found, full, words):
    rows = [(words(f"model.{name}"), *(words.number(each[figure], digits) for figure, digits in
                                       (("gini", 3), ("auc", 3), ("average_precision", 3), ("log_loss", 4), ("brier", 4), ("predicted_over_observed", 2))))
            for name, each in (("trees", headline(full)), ("scorecard", found["scorecard"]), ("constant", found["constant"]))]
    head = (words("column.model"), "#Gini", "#AUC", *numbers(words, "average_precision", "log_loss"), "#Brier",
            "#" + words("column.ratio"))
    return table(head, rows, title=words("challengers.beside"))


def _card(card, made, words):
    units = {each["name"]: each["unit"] for each in made.model["columns"]}
    seen = ["", *(line["column"] for line in card["table"])]
    rows = [("" if line["column"] == before else words.feature(line["column"]), _bin(line["bin"], units.get(line["column"], ""), words),
             *counted(words, line, "rows", "bad"), words.number(line["woe"], 2), words.number(line["points"], 0))
            for before, line in zip(seen, card["table"], strict=False)]
    head = (words("column.column"), words("column.bin"), *numbers(words, "rows", "bad", "woe", "points"))
    return table(head, rows, title=words("challengers.card"), note=words("challengers.card.note"))


def _bin(label, unit, words):
    """A bin as `models.binning.Bins.labels` writes it, its ends in the column's unit and its levels in words."""
    if label == "missing":
        return words.value(None, unit)
    if label == "special":
        return words("bin.special")
    kind = next((kind for kind, written in BINS.items() if written.fullmatch(label)), None)
    if kind is None:
        return words("list.between").join(words.level(level) for level in label.split(", "))
    return words(f"bin.{kind}", **{end: _end(float(value), unit, words) for end, value in BINS[kind].fullmatch(label).groupdict().items()})


def _end(value, unit, words):
    """An end of a bin. Between two whole numbers it is the upper one, where the bin above begins."""
    return words.value(math.ceil(value) if unit in WHOLE or unit.startswith("weekday") else value, unit)


def usefulness(made, words):
    """What a cut-off earns, and for fraud what reviewers find at their capacity."""
    earned, capacity = (made.validation or {}).get("profit"), (made.evaluation or {}).get("capacity")
    return section(words, "usefulness", *_profit(earned, words) if earned else (), *_reviewers(capacity, made, words) if capacity else ())


def _profit(earned, words):
    costs, rules = earned["costs"], earned["rules"]
    amount = AMOUNTS.get(earned["amount"])
    pairs = [(words("fact.amount"), words(f"amount.{amount}") if amount else earned["amount"]), (words("fact.margin"), words.percent(costs["margin"])),
             (words("fact.lgd"), words.percent(costs["loss_given_default"], 0)), (words("fact.review_cost"), words.amount(costs["review_cost"])),
             (words("fact.cut_off"), words.probability(earned["cut_off"]))]
    over = rules["cut_off"]["over_all"]
    test = Test(words("test.profit"), words("test.profit.asks"), words.signed(over["difference"], 2), span(words, over["low"], over["high"], 2),
                words(f"profit.{side(over)}"), proven(over))
    rows = [(words(f"rule.{name}"), words.percent(each["accepted"]), words.number(each["profit"], 2), span(words, each["low"], each["high"], 2))
            for name, each in ((name, rules[name]) for name in RULES)]
    head = (words("column.rule_used"), *numbers(words, "accepted", "profit", "interval"))
    return (readings([test]), facts(pairs), figures(_profit_curve(earned, words)), table(head, rows, title=words("profit.rules"), note=words("profit.note")))


def _profit_curve(earned, words):
    points = earned["curve"]
    if len(points) < 2:
        return None
    line = Line("main", words("column.profit"), [point["profit"] for point in points])
    labels = [words.percent(point["accepted"], 0) if place % max(len(points) // 6, 1) == 0 else "" for place, point in enumerate(points)]
    nearest = min(points, key=lambda point: abs(point["cut_off"] - earned["cut_off"]))
    return curves([line], labels, at=[point["accepted"] for point in points], axis=words.amount, words=lambda value: words.number(value, 2), rule=0.0,
                  mark=nearest["accepted"], **words.caption("profit", description=words("figure.profit.text", cut_off=words.probability(earned["cut_off"]))))


def _reviewers(found, made, words):
    mine = found["model"]
    rows = [Test(words("test.capacity"), words("test.capacity.asks", capacity=words.count(mine["capacity"]), days=words.count(mine["days"])),
                 words.percent(mine["precision"], 2), span_percent(words, mine["low"], mine["high"], 2),
                 words("test.capacity.reading", best=words.percent(mine["best"], 2), **{name: words.count(mine[name]) for name in ("found", "compromised")}))]
    if (over := found.get("difference")) is not None:
        rows.append(Test(words("test.capacity.over"), words("test.capacity.over.asks"), words.percent(over["difference"], 2),
                         span_percent(words, over["low"], over["high"], 2), words(f"compared.rules.{side(over)}"), proven(over)))
    note = words("capacity.note", capacity=words.count(mine["capacity"]), routed=words.count(made.policy.spec.fraud.daily_capacity))
    return (readings(rows, title=words("capacity.title"), note=note), _found(found, words))


def _found(found, words):
    kinds = [name for name in ("model", "rules") if found.get(name) is not None]
    rows = [(words(f"capacity.{name}"), words.percent(found[name]["precision"], 2), words.count(found[name]["found"]), words.percent(found[name]["recall"], 0),
             words.money(found[name].get("found_amount")), words.money(found[name].get("saved_amount"))) for name in kinds]
    head = (words("column.score"), *numbers(words, "precision", "found", "recall", "found_amount", "saved_amount"))
    return table(head, rows)


def fairness(made, words):
    """How a rule that accepts by grade treats groups: measured with intervals and with what chance gives, and not judged."""
    found = (made.validation or {}).get("fairness")
    if not found or not found["columns"]:
        return None
    blocks = [block for name, each in found["columns"].items() for block in (_differences(name, each, words), _groups(name, each, words))]
    return section(words, "fairness", prose(words("fairness.statement")), *blocks, grades=words("list.between").join(found["accepted_grades"]))


def _differences(name, each, words):
    gaps = each["differences"]
    rows = [] if gaps is None else [_gap(gaps, kind, words) for kind in ("demographic_parity_difference", "equalized_odds_difference")]
    return readings(rows, title=words.named("own", name))


def _gap(gaps, kind, words):
    beyond = gaps[kind] > gaps[f"{kind}_chance"]
    return Test(words(f"test.{kind}"), words(f"test.{kind}.asks"), words.percent(gaps[kind]), span_percent(words, gaps[f"{kind}_low"], gaps[f"{kind}_high"]),
                words("test.gap.beyond" if beyond else "test.gap.chance", chance=words.percent(gaps[f"{kind}_chance"])), not beyond)


def _groups(name, each, words):
    named = {line["group"]: words("none") if line["group"] == "missing" else words.level(line["group"]) for line in each["groups"]}
    rows = [(named[line["group"]] + ("*" if line["too_small"] else ""), *counted(words, line, "rows", "bad"), words.percent(line["rate"], 2),
             words.percent(line["mean_probability"], 2), *(words.percent(line[rate]) for rate in RATES), words.number(line["auc"], 3))
            for line in each["groups"]]
    head = (words("column.group"), *numbers(words, "rows", "bad", "rate", "mean_pd", "selection", "good_accepted", "bad_accepted", "auc"))
    return table(head, rows, title="" if each["differences"] else words.named("own", name), note=words("fairness.note"))
