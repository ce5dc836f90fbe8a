"""Sections of the dossier on the tests of the model: does it rank, are its probabilities right, does it hold over time."""

import math
from datetime import date

from pipeline.reports import performance
from pipeline.reports.charts import calibration as by_grade
from pipeline.reports.dossier_charts import Line, curves, predicted_observed
from pipeline.reports.dossier_data import ORDER
from pipeline.reports.dossier_parts import Test, counted, figures, good_of, numbers, p_value, prose, rate, readings, section, side, span, span_percent, table

LEVEL = 0.05


def ranking(made, words):
    """Whether the bad rank above the good, with intervals, and what is found among the riskiest."""
    full = made.evaluation
    if full is None:
        return None
    ranks, precision = full["discrimination"], full["discrimination"]["average_precision"]
    rows = [
        Test("Gini", words("test.gini.asks"), words.number(ranks["gini"], 3), span(words, ranks["gini_low"], ranks["gini_high"]),
             words("test.gini.proven" if ranks["gini_low"] > 0 else "test.gini.open"), ranks["gini_low"] > 0),
        Test("AUC", words("test.auc.asks"), words.number(ranks["auc"], 3), span(words, ranks["low"], ranks["high"]),
             words("test.auc.reading", share=words.percent(ranks["auc"], 0))),
        Test("KS", words("test.ks.asks"), words.number(ranks["ks"], 3), "", words("test.ks.reading", points=words.number(100 * ranks["ks"], 0))),
        Test(words("test.precision"), words("test.precision.asks"), words.number(precision["average_precision"], 3),
             span(words, precision["low"], precision["high"]), words("test.precision.reading", rate=words.percent(full["rate"], 2),
                                                                     times=words.number(precision["average_precision"] / full["rate"]))),
        _champion(made, words)]
    return section(words, "ranking", prose(judged(full, words)), readings(rows), figures(_periods(full, words)), _capture(full, words))


def judged(full, words):
    """Which rows the figures are of."""
    first, last = performance.span(full)
    how = full["judged_by"]
    when = words("performance.on", date=words.date(first)) if first == last else words("performance.span", first=words.date(first), last=words.date(last))
    return words("tests.judged", when=when, **{name: words.count(full[name]) for name in ("rows", "customers", "bad", "bad_customers")}) + " " + \
        words(f"judged.{how['kind']}", **how)


def _champion(made, words):
    compared = (made.evaluation["champion"] or {}).get("comparison")
    if not compared or made.evaluation["champion"]["bundle"] == made.bundle:
        return None
    return Test(words("test.champion"), words("test.champion.asks"), words.signed(compared["difference"], 4), span(words, compared["low"], compared["high"], 4),
                words(f"compared.{side(compared)}"), good_of(compared))


def _capture(full, words):
    rows = [(words.percent(line["share"], 0), words.count(line["rows"]), *(words.percent(line[name]) for name in ("captured", "precision")),
             words.number(line["lift"])) for line in full["discrimination"]["capture"]]
    head = numbers(words, "looked", "rows", "captured", "precision", "lift")
    return table(head, rows, title=words("ranking.capture"))


def _periods(full, words):
    periods = full["periods"]
    if len(periods) < 2:
        return None
    line = Line("main", "AUC", [each["auc"] for each in periods], [each["auc_low"] for each in periods], [each["auc_high"] for each in periods])
    labels = [words.month(date.fromisoformat(each["period"])) for each in periods]
    said = ", ".join(f"{label}: {words.number(each['auc'], 3)}" for label, each in zip(labels, periods, strict=True))
    return curves([line], labels, axis=lambda value: f"{value:.2f}", words=lambda value: words.number(value, 3),
                  **words.caption("auc_periods", description=said)) if any(value is not None for value in line.values) else None


def calibration(made, words):
    """Whether the probabilities are right: in the large, along the scale, by grade and by period."""
    full = made.evaluation
    if full is None:
        return None
    legend = [(tone, words(f"calibration.{tone}")) for tone in ("observed", "expected", "band")]
    rows = performance.by_grade(full)
    grades = by_grade(rows, axis=words.tick, words=words.probability, **words.caption(
        "calibration", description=_grades_said(rows, words), legend=legend, inside=sum(row["inside"] for row in rows), grades=len(rows)))
    bins = full["probability"]["reliability"]
    said = ", ".join(f"{words.probability(row['predicted'])} → {words.probability(row['observed'])}" for row in bins)
    drawn = predicted_observed(bins, axis=words.tick, words=words.probability, **words.caption("reliability", description=said))
    done = [*_line_tests(full["probability"], words), _grades_test(rows, words), *_fit_tests(full, words)]
    return section(words, "calibration", readings(done, note=words("calibration.note")), figures(grades, drawn), _grade_table(full, words),
                   _period_table(full, words))


def _line_tests(truth, words):
    """Level and slope of the calibration line."""
    line = truth["line"]
    large, straight = line["offset_low"] <= 0 <= line["offset_high"], line["slope_low"] <= 1 <= line["slope_high"]
    level = "right" if large else "low" if line["offset"] > 0 else "high"
    return [
        Test(words("test.large"), words("test.large.asks"), f"{words.percent(truth['mean'], 2)} / {words.percent(truth['observed'], 2)}",
             span(words, math.exp(line["offset_low"]), math.exp(line["offset_high"]), 2),
             words(f"test.large.{level}", times=words.number(math.exp(line["offset"]), 2)), large),
        Test(words("test.slope"), words("test.slope.asks"), words.number(line["slope"], 2), span(words, line["slope_low"], line["slope_high"], 2),
             words("test.slope.right" if straight else "test.slope.far" if line["slope"] < 1 else "test.slope.near"), straight)]


def _grades_test(rows, words):
    """In how many grades the observed count lies where it was expected."""
    inside = sum(row["inside"] for row in rows)
    reading = words("test.grades.right" if inside == len(rows) else "test.grades.wrong", outside=len(rows) - inside)
    return Test(words("test.grades"), words("test.grades.asks"), words("test.grades.figure", inside=inside, grades=len(rows)), "", reading, inside == len(rows))


def _fit_tests(full, words):
    """Tests of the fit over the whole scale, and its errors."""
    truth, base = full["probability"], full["rate"] * (1 - full["rate"])
    fit, z = truth["hosmer_lemeshow"], truth["spiegelhalter"]
    return [
        Test("Hosmer-Lemeshow", words("test.hl.asks"), f"{words.number(fit['statistic'])} ({fit['degrees']})", p_value(words, fit["p"]),
             words("test.p.calm" if fit["p"] >= LEVEL else "test.p.alarm"), fit["p"] >= LEVEL),
        Test("Spiegelhalter", words("test.spiegelhalter.asks"), f"z = {words.number(z['z'], 2)}", p_value(words, z["p"]),
             words("test.p.calm" if z["p"] >= LEVEL else "test.p.alarm"), z["p"] >= LEVEL),
        Test(words("test.ece"), words("test.ece.asks"), words.percent(truth["ece"], 2), "", words("test.ece.reading", value=words.percent(truth["ece"], 2))),
        Test("Brier", words("test.brier.asks"), words.number(truth["brier"], 4), "", words("test.brier.reading", base=words.number(base, 4)),
             truth["brier"] < base)]


def _grades_said(rows, words):
    return "; ".join(words("figure.calibration.row", grade=row["grade"], rows=words.count(row["rows"]), expected=words.probability(row["expected"]),
                           observed=words.probability(row["observed"])) for row in rows)


def _grade_table(full, words):
    rows = [(row["grade"], words.count(row["rows"]), rate(words, row["expected"] / row["rows"]), words.number(row["expected"]), words.count(row["bad"]),
             " – ".join(counted(words, row, "low", "high")), words("yes.inside" if row["inside"] else "no.inside"), words.percent(row["observed"], 2),
             span_percent(words, row["rate_low"], row["rate_high"], 2), words.number(row["binomial_p"], 3), words.number(row["jeffreys_p"], 3))
            for row in full["grades"] if row["rows"]]
    head = (words("column.grade"), *numbers(words, "rows", "mean_pd", "expected", "bad", "expected_interval"), words("column.inside"),
            *numbers(words, "rate", "jeffreys_interval", "binomial", "jeffreys"))
    return table(head, rows, title=words("calibration.grades"), note=words("calibration.grades.note"))


def _period_table(full, words):
    rows = [(words.month(date.fromisoformat(row["period"])), *counted(words, row, "rows", "bad"), words.percent(row["rate"], 2),
             words.percent(row["mean_probability"], 2), words.number(row["auc"], 3), span(words, row["auc_low"], row["auc_high"]) or "–")
            for row in full["periods"]]
    head = (words("column.period"), *numbers(words, "rows", "bad", "rate", "mean_pd", "auc", "interval"))
    return table(head, rows, title=words("calibration.periods"))


def stability(made, words):
    """Whether the samples are alike: the score and the columns, between the learning and the judging rows."""
    full = made.evaluation
    moved = None if full is None else full["stability"]
    score = Test(words("test.psi"), words("test.psi.asks"), words.number(moved["psi"], 3), "", words(f"drift.{moved['verdict']}"),
                 moved["verdict"] == "none") if moved else None
    return section(words, "stability", readings([score]), *_samples_compared(made, words))


def _samples_compared(made, words):
    measured = (made.validation or {}).get("psi") or {}
    found = {name: measured[name] for name in ORDER if name in measured}
    rows = [(words(f"sample.{name}"), words.count(each["rows"]), words.count(each["customers"]), words.number(each["score"]["psi"], 3),
             words.number(each["score"]["psi_noise"], 3), f"{words.count(each['moved'])} / {words.count(each['columns'])}", words(f"drift.{each['verdict']}"))
            for name, each in found.items()]
    head = (words("column.sample"), *numbers(words, "rows", "customers", "score_psi", "psi_noise", "moved"), words("column.reading"))
    worst = [(words(f"sample.{name}"), words.feature(shift["column"]), words.number(shift["psi"], 3), words.number(shift["psi_noise"], 3),
              p_value(words, shift["p"]))
             for name, each in found.items() for shift in each["worst"] if shift["severity"] != "none"]
    return (table(head, rows, title=words("stability.samples"), note=words("stability.samples.note")),
            table((words("column.sample"), words("column.column"), "#PSI", "#" + words("column.psi_noise"), "#" + words("column.p")), worst,
                  title=words("stability.worst")))
