"""Sections of the dossier on where the model is weak, what worse inputs do to it, and whether more customers would help."""

import math
import re

from pipeline.reports.charts import Bar, ranked
from pipeline.reports.dossier_charts import Line, curves
from pipeline.reports.dossier_parts import Test, figures, numbers, p_value, prose, readings, section, span, table

# A mean probability off by more: a policy that decides by it would decide otherwise for many.
FACTOR = 1.5
SEGMENTS_SHOWN = 15
AGE = re.compile(r"(\d+) days older")


def rule_words(conditions, made, words):
    """The conditions of a segment as they are said."""
    return words("segment.and").join(_condition(each, made, words) for each in conditions)


def _condition(condition, made, words):
    """One condition: a level, a range of a number in its unit, or a missing value."""
    name = words.feature(condition["column"])
    if condition.get("missing"):
        return words("segment.missing", column=name)
    if "level" in condition:
        return words("segment.level", column=name, level=words.level(condition["level"]))
    unit = next((each["unit"] for each in made.model["columns"] if each["name"] == condition["column"]), "")
    low, high = (None if condition[end] is None else words.value(condition[end], unit) for end in ("above", "up_to"))
    if low is None and high is None:
        return words("segment.known", column=name)
    kind = "up_to" if low is None else "above" if high is None else "between"
    return words(f"segment.{kind}", column=name, low=low, high=high)


def where(made, words):
    """Figures by segment, and the segments in which the model is worse beyond chance."""
    found = made.validation
    if found is None:
        return None
    weak = found["weak_segments"]
    faults, harder = (_weak_table(weak[name], made, words, words(f"weak.{name}")) for name in ("found", "harder"))
    return section(words, "segments", readings([_weak_test(weak, words)]), faults, harder, _segments(found["segments"], made, words))


def _weak_test(weak, words):
    if not weak["searched"]:
        return None
    count, rate = len(weak["found"]), words.percent(weak["false_discovery_rate"], 0)
    reading = words("test.weak.some", count=words.count(count)) if count else words("test.weak.none")
    asks = words("test.weak.asks", searched=words.count(weak["searched"]), rate=rate)
    return Test(words("test.weak"), asks, words("test.weak.figure", count=count), "", reading, not count)


def _weak_table(found, made, words, title):
    rows = [(rule_words(line["conditions"], made, words), words(f"weak.{line['kind']}"), words.count(line["rows"]),
             words.count(line["bad"]), words.percent(line["figures"]["rate"], 2), words.percent(line["figures"]["mean_probability"], 2),
             words.number(line["figures"]["auc"], 3), words.number(line["elsewhere"]["auc"], 3), p_value(words, line["p"])) for line in found]
    head = (words("column.segment"), words("column.reason"), *numbers(words, "rows", "bad", "rate", "mean_pd", "auc", "auc_elsewhere", "p"))
    return table(head, rows, title=title, note=words("weak.note"))


def _segments(segments, made, words):
    rows = [(_condition(line["condition"], made, words), words.count(line["rows"]), words.count(line["bad"]) + ("*" if line["few"] else ""),
             words.percent(line["rate"], 2), words.percent(line["mean_probability"], 2), words.number(line["auc"], 3),
             span(words, line["auc_low"], line["auc_high"]) or "–", _times(line, words)) for line in segments]
    head = (words("column.segment"), *numbers(words, "rows", "bad", "rate", "mean_pd", "auc", "interval", "odds_ratio"))
    return table(head, rows, title=words("segments.all"), note=words("segments.note"), shown=SEGMENTS_SHOWN)


def _times(line, words):
    """Observed over predicted odds with their interval."""
    if line["offset"] is None:
        return "–"
    return f"{words.number(math.exp(line['offset']), 2)} ({span(words, math.exp(line['offset_low']), math.exp(line['offset_high']), 2)})"


def sensitivity(made, words):
    """What noisy, missing and old inputs do to ranking and grades."""
    found = (made.validation or {}).get("sensitivity")
    if found is None:
        return None
    lines = worse_inputs(made, words)
    rows = [(label, words.count(each["rows"]), words.number(each["auc"], 3), words.signed(each["difference"]) if each["difference"] is not None else "–",
             span(words, each["difference_low"], each["difference_high"]) or "–", *(words.percent(each[f"grades_{kind}"], 0) for kind in ("changed", "worse")),
             f"{words.percent(each['mean_before'], 2)} → {words.percent(each['mean'], 2)}") for label, each in lines]
    head = (words("column.inputs"), *numbers(words, "rows", "auc", "auc_change", "interval", "grades_changed", "grades_worse", "mean_pd"))
    return section(words, "sensitivity", readings([_worst_input(lines, words), _moved(lines, words)]), figures(_losses(lines, words)), table(head, rows))


def worse_inputs(made, words):
    """(label, effect) of each way in which the inputs were made worse."""
    found = made.validation["sensitivity"]
    # Of a fraud the row's own columns are those of the transaction itself; no rows were labelled.
    names = {"observations": words("sensitivity.transaction")} if made.use_case == "fraud" else {}
    return [*((words("sensitivity.noise", share=words.percent(each["share"], 0)), each) for each in found["noise"]),
            *((words("sensitivity.missing", table=names.get(each["table"]) or words.named("table", each["table"])), each) for each in found["missing"]),
            *((_stale(words, each["how"]), each) for each in found["stale"])]


def moved_most(lines):
    """(label, effect, factor above 1) of the worse input that moves the mean probability most, up or down."""
    label, each = max(lines, key=lambda line: _factor(line[1]))
    return label, each, _factor(each)


def _factor(each):
    return max(each["mean"] / each["mean_before"], each["mean_before"] / each["mean"])


def _moved(lines, words):
    if not lines:
        return None
    label, each, factor = moved_most(lines)
    reading = words("test.moved.reading", label=label, before=words.percent(each["mean_before"], 2), after=words.percent(each["mean"], 2))
    return Test(words("test.moved"), words("test.moved.asks"), words("test.moved.figure", factor=words.number(factor, 2)), "", reading, factor <= FACTOR)


def _stale(words, how):
    age = AGE.search(how)
    return words("sensitivity.stale", days=age[1]) if age else how


def _worst_input(lines, words):
    known = [line for line in lines if line[1]["difference"] is not None]
    if not known:
        return None
    label, each = min(known, key=lambda line: line[1]["difference"])
    return Test(words("test.inputs"), words("test.inputs.asks"), words.signed(each["difference"]), span(words, each["difference_low"], each["difference_high"]),
                words("test.inputs.reading", label=label, auc=words.number(each["auc"], 3)))


def _losses(lines, words):
    known = sorted((line for line in lines if line[1]["difference"] is not None), key=lambda line: line[1]["difference"])
    bars = [Bar(label, max(-each["difference"], 0.0), words.signed(each["difference"]), "adverse") for label, each in known]
    said = ", ".join(f"{bar.label}: {bar.words}" for bar in bars)
    return ranked(bars, **words.caption("sensitivity", description=said)) if bars else None


def learning(made, words):
    """AUC by the number of customers learned from, and whether more of them would help."""
    found = (made.validation or {}).get("learning_curve")
    if not found or not found["points"]:
        return None
    points, step = found["points"], found["last_step"]
    line = Line("main", "AUC", *([point[name] for point in points] for name in ("auc", "low", "high")))
    labels = [words.count(point["customers"]) for point in points]
    said = ", ".join(f"{label}: {words.number(point['auc'], 3)}" for label, point in zip(labels, points, strict=True))
    drawn = curves([line], labels, at=[math.log(point["customers"]) for point in points], axis=lambda value: f"{value:.2f}",
                   words=lambda value: words.number(value, 3), **words.caption("learning", description=said)) if len(points) > 1 else None
    rows = [(words.percent(point["share"], 0), words.count(point["customers"]), words.count(point["bad_customers"]), words.count(point["draws"]),
             words.number(point["auc"], 3), span(words, point["low"], point["high"]), words.number(point["average_precision"], 3)) for point in points]
    head = numbers(words, "share", "customers", "bad_customers", "draws", "auc", "interval", "average_precision")
    return section(words, "learning", prose(_quicker(found, made, words)), readings([_step(step, words)]), figures(drawn), table(head, rows))


def _quicker(found, made, words):
    """By what the curve's trees and rows differ from the model's own."""
    return words("learning.quicker", trees=words.count(found["trees_at_most"]), rate=words.number(found["learning_rate"], 3),
                 rows=words.count(found["development_rows"]), of=words.count(found["of_rows"]), own_trees=words.count(made.training["trees"]),
                 own_rate=words.number(made.training["settings"]["learning_rate"], 3))


def _step(step, words):
    if step is None:
        return None
    reading = "more" if step["low"] > 0 else "enough" if step["high"] < 0.005 else "open"
    return Test(words("test.learning"), words("test.learning.asks", start=words.percent(step["from"], 0), end=words.percent(step["to"], 0)),
                words.signed(step["difference"], 4), span(words, step["low"], step["high"], 4), words(f"test.learning.{reading}"))
