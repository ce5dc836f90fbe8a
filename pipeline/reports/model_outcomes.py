"""What became of the model's cohorts beside what it promised: matured ones with their outcomes, open ones as estimated without them."""

from datetime import date

from pipeline.reports.dossier_parts import p_value, span, span_percent
from pipeline.reports.model_outcomes_chart import Cohort, beside_promise

# Cohorts of three years when they are quarters: what lies further back says what the model did, not what it does.
LATEST = 12
# Below this the grade is off (docs/monitoring.md).
OFF = 0.05


def recent_tile(performance, words):
    """(label, value, note): the AUC on the recent matured cohorts beside the promised one."""
    recent = performance["recent"]
    if recent is None or recent["auc"] is None:
        return words("health.auc"), words("health.auc.none"), words("health.auc.none.note")
    note = words("health.auc.note", interval=_interval(recent, words), promised=words.number(recent["auc_promised"], 3))
    return words("health.auc"), words.number(recent["auc"], 3), note


def outcomes_view(performance, words, *, use_case):
    """{said, grades, figures, rows, open, use_case}: sentences on matured outcomes and on grades that are off, the charts, lines of the table, and sentences on
    what is expected of open cohorts; performance: what performance.json holds."""
    matured, still_open = performance["cohorts"][-LATEST:], performance["open"]
    return {"said": _recent(performance, words, use_case), "grades": _grades(performance["recent"], words, use_case),
            "figures": _figures(matured, still_open, words, use_case), "rows": [_row(each, words) for each in (*matured, *still_open)],
            "open": [*_open(still_open, words), *_held(performance["held"], words)], "use_case": use_case}


def _recent(performance, words, use_case):
    recent, accepted = performance["recent"], performance["development"]
    before = [words("health.accepted", auc=words.number(accepted["auc"], 3), interval=_interval(accepted, words))] if accepted else []
    if recent is None:
        return [words("health.immature", cutoff=words.date(date.fromisoformat(performance["cutoff"]))), *before]
    counts = {name: words.count(recent[name]) for name in ("rows", "customers", "bad")}
    days = {name: words.date(date.fromisoformat(recent[name])) for name in ("first", "last")}
    said = [words(f"health.recent.{use_case}", expected=words.expected(recent["expected"]), **counts, **days)]
    if recent["auc"] is None:
        return [*said, words("health.few"), *before]
    error = 1.96 * recent["auc_promised_se"]
    said.append(words("health.ranks", auc=words.number(recent["auc"], 3), interval=_interval(recent, words),
                      promised=words.number(recent["auc_promised"], 3),
                      around=span(words, recent["auc_promised"] - error, min(recent["auc_promised"] + error, 1.0))))
    line = recent["line"]
    ends = {name: words.signed(line[key], 2) for name, key in (("offset", "offset"), ("low", "offset_low"), ("high", "offset_high"))}
    return [*said, words("health.line", slope=words.number(line["slope"], 2), slopes=span(words, line["slope_low"], line["slope_high"], 2), **ends), *before]


def _grades(recent, words, use_case):
    """Sentences on the grades that are off beyond chance, or that none is; nothing without a matured cohort."""
    if recent is None:
        return []
    judged = [row for row in recent["grades"] if row["p_holm"] is not None]
    off = [row for row in judged if row["p_holm"] < OFF]
    if not off:
        return [words("health.grades.none", count=words.count(len(judged)))]
    return [words("health.grades.off"), *(_grade(row, words, use_case) for row in off)]


def _grade(row, words, use_case):
    return words(f"health.grade.{use_case}", grade=row["grade"], bad=words.count(row["bad"]), rows=words.count(row["rows"]),
                 expected=words.expected(row["expected"]), p=p_value(words, row["p_holm"]))


def _open(still_open, words):
    """What the latest open cohort is expected to show."""
    if not still_open:
        return [words("health.open.none")]
    last = still_open[-1]
    estimate = last["estimate"]
    said = [words("health.open", month=words.month_name(_month(last)), rows=words.count(last["rows"]), rate=words.probability(estimate["rate"]),
                  rates=span_percent(words, estimate["rate_low"], estimate["rate_high"]))]
    if estimate["auc"] is not None:
        said.append(words("health.open.auc", auc=words.number(estimate["auc"], 3), interval=_interval(estimate, words)))
    return [*said, words("health.open.blind")]


def _held(held, words):
    """How earlier estimates did, once the truth was known."""
    written = {"auc": lambda value: words.number(value, 3), "rate": lambda value: words("health.points", points=words.number(100 * value))}
    said = []
    for name in (name for name in written if name in held):
        found, write = held[name], written[name]
        side = "high" if found["mean_error"] > 0 else "low"
        said.append(words(f"health.held.{name}", cohorts=words.count(found["cohorts"]), held=words.count(found["held"]), width=write(found["mean_width"]),
                          off=words(f"health.held.{side}", error=write(abs(found["mean_error"])))))
    return said


def _row(cohort, words):
    """A line of the table: month, rows, observed, expected with interval, AUC with interval, promised with interval; a dash where nothing has matured."""
    estimate, rows, none = cohort["estimate"], cohort["rows"], "–"
    bad, auc = cohort.get("bad"), cohort.get("auc")
    counts = [words.expected(estimate[f"rate{end}"] * rows) for end in ("", "_low", "_high")]
    return {"month": words.month_name(_month(cohort)), "rows": words.count(rows), "bad": none if bad is None else words.count(bad),
            "expected": f"{counts[0]} ({counts[1]} – {counts[2]})", "auc": none if auc is None else _within(cohort, words),
            "promised": none if estimate["auc"] is None else _within(estimate, words)}


def _within(figures, words):
    return f"{words.number(figures['auc'], 3)} ({_interval(figures, words)})"


def _interval(figures, words):
    return span(words, figures["auc_low"], figures["auc_high"])


def _figures(matured, still_open, words, use_case):
    """The AUC and the bad rate of every cohort beside what was promised of it; nothing where there is none."""
    cohorts = [*matured, *still_open]
    ranked = [_cohort(each, "auc", words, ends=True) for each in cohorts if each["estimate"]["auc"] is not None]
    rates = [_cohort(each, "rate", words, ends=False) for each in cohorts]
    drawn = (("auc", ranked, lambda value: words.number(value, 2), None), (f"rate.{use_case}", rates, words.percent, 0.0))
    return [_figure(*each, words) for each in drawn if each[1]]


def _figure(name, rows, write, floor, words):
    described = "; ".join(_described(each, words, write) for each in rows)
    within = ".within" if any(each.low is not None for each in rows) else ""
    legend = [("observed", words(f"health.legend.observed{within}")), *((tone, words(f"health.legend.{tone}")) for tone in ("expected", "band"))]
    return beside_promise(rows, axis=write, floor=floor, **words.caption(f"health.{name}", description=described, legend=legend))


def _cohort(cohort, name, words, *, ends):
    """One figure of a cohort as the chart takes it; ends: whether what was observed has an interval."""
    estimate, interval = cohort["estimate"], [cohort.get(f"{name}_{end}") if ends else None for end in ("low", "high")]
    return Cohort(words.month(_month(cohort)), cohort.get(name), *interval, *(estimate[f"{name}{end}"] for end in ("", "_low", "_high")))


def _described(each, words, write):
    promised = words("health.described", month=each.label, promised=write(each.promised), low=write(each.promised_low), high=write(each.promised_high))
    return promised if each.observed is None else promised + words("health.described.observed", observed=write(each.observed))


def _month(cohort):
    return date.fromisoformat(f"{cohort['cohort']}-01")
