"""Sections of the dossier on what the model learned from: tables and their lineage, the target and its maturity, samples, features and the list of columns."""

from collections import Counter
from datetime import date

from models.sample import IN_SAMPLE, OUT_OF_TIME
from pipeline.reports.charts import Bar, ranked
from pipeline.reports.dossier_charts import Line, curves
from pipeline.reports.dossier_parts import facts, figures, listed, numbers, prose, section, stated, table
from pipeline.reports.stage_sentences import EXAMPLES, RULES, message_of, retold

# Splits set apart by their own names; in the order in which a reader meets them.
ORDER = ("development", "validation", "calibration", "embargo", "compromised", OUT_OF_TIME, "unused")
# Below it a column hardly moves a score.
LEAST_WEIGHT = 0.001


def data(made, words):
    """Every table with its rows, rejects and span, what the screen of the records found, and the hashes that name the data."""
    rows = [(words.named("table", name), words.count(each["read"]), words.count(each["kept"]), words.count(sum(each["rejected"].values())),
             _span(words, each["known_from"], each["known_to"])) for name, each in made.about["tables"].items()]
    head = (words("column.table"), "#" + words("column.read"), "#" + words("column.kept"), "#" + words("column.rejected"), words("column.known"))
    return section(words, "data", facts(_origin(made, words)), table(head, rows, note=words("data.known_at")), _rejects(made, words), _findings(made, words),
                   _hashes(made, words))


def _origin(made, words):
    return [(words("fact.definition"), made.params.source.definition), (words("fact.path"), made.params.source.path),
            (words("fact.protocol"), _protocol(made.maturity["protocol"], words))]


def _protocol(protocol, words):
    """What a published protocol asks for; nothing where there is none."""
    asked = {key: value for key, value in (protocol or {}).items() if value not in (None, {})}
    return words("list.between").join(_asked(key, value, words) for key, value in asked.items())


def _asked(key, value, words):
    if key == "kind":
        return words(f"protocol.{value}")
    if key == "only":
        return words("protocol.only", rows=words("list.between").join(f"{column} = {wanted}" for column, wanted in value.items()))
    days = key.endswith(("_from", "_to"))
    return words(f"protocol.{key}", value=words.date(date.fromisoformat(value)) if days else f"{value:,}")


def _rejects(made, words):
    rows = [(words.named("table", name), stated(words, rule, RULES), words.count(count), words.percent(count / max(each["read"], 1), 2))
            for name, each in made.about["tables"].items() for rule, count in each["rejected"].items()]
    head = (words("column.table"), words("column.rule"), "#" + words("column.rows"), "#" + words("column.share"))
    return table(head, rows, title=words("data.rejects"), note=words("data.rejects.note"))


def _findings(made, words):
    rows = [(words.named("table", each["table"]), stated(words, each["meaning"]), words.count(each["rows"]), _example(words, each))
            for each in made.about["findings"]]
    head = (words("column.table"), words("column.finding"), "#" + words("column.rows"), words("column.example"))
    return table(head, rows, title=words("data.findings"), note=words("data.findings.note"))


def _example(words, finding):
    """The first case of a finding: its own values as they are, what a stage says around them in the page's language."""
    found = None if words.language == "en" else message_of(finding["example"], EXAMPLES)
    return finding["example"] if found is None else retold(found, words)


def _hashes(made, words):
    return table((words("column.file"), words("column.hash")), sorted(made.hashes.items()), title=words("data.hashes"), note=words("data.hashes.note"))


def target(made, words):
    """What counts as bad, how long it takes to know, and the rate by cohort, matured beside naive."""
    kind, case = made.maturity["definition"]["kind"], made.use_case
    meaning = prose(words(f"target.{kind}.{case}" if kind != "days_past_due" else "target.days_past_due", **_thresholds(made, words)),
                    words("target.either", **_thresholds(made, words)) if kind == "either" else "")
    lag = getattr(made.params.observe, case).reporting_lag_days
    pairs = [(words("fact.horizon"), words.days(made.maturity["horizon_days"])), (words("fact.lag"), "" if kind == "given" else words.days(lag)),
             (words("fact.cutoff"), words.date(made.as_of))]
    return section(words, "target", meaning, facts(pairs), figures(_rates(made, words)), _cohorts(made, words))


def _thresholds(made, words):
    """The thresholds of days past due as they are said; empty where the definition has none."""
    rules = made.maturity["definition"]
    if "days_past_due" not in rules:
        return {}
    return {"days": words.count(rules["days_past_due"]), "amount": words.money(rules["material_amount"]), "share": words.percent(rules["material_share"]),
            "cure": words.count(rules["cure_days"])}


def _cohorts(made, words):
    rows = [(words.month(date.fromisoformat(each["cohort"])), *(words.count(each[name]) for name in ("rows", "matured", "immature", "indeterminate", "bad")),
             words.percent(each["matured_rate"], 2), words.percent(each["naive_rate"], 2)) for each in made.maturity["cohorts"]]
    head = (words("column.cohort"), *numbers(words, "rows", "matured", "immature", "indeterminate", "bad", "rate", "naive"))
    return table(head, rows, title=words("target.cohorts"), note=words("target.cohorts.note"))


def _rates(made, words):
    cohorts = made.maturity["cohorts"]
    # The matured line is drawn over the naive one, which is the same until it falls.
    lines = [Line(tone, words(f"column.{name}"), [each[key] for each in cohorts])
             for tone, name, key in (("adverse", "naive", "naive_rate"), ("favourable", "rate", "matured_rate"))]
    if len(cohorts) < 2:
        return None
    return curves(lines, [words.month(date.fromisoformat(each["cohort"])) for each in cohorts], axis=words.tick, words=words.percent,
                  **words.caption("rates", description=words("figure.rates.text"), legend=[(line.tone, line.name) for line in lines]))


def samples(made, words):
    """Rows, customers and bad ones of each sample with its dates, how they were set apart, and that this was checked a second way."""
    if made.leaks is None or made.observations is None:
        return None
    rows = made.observations
    parts = [(name, rows[rows["sample"] == name]) for name in ORDER if (rows["sample"] == name).any()]
    lines = [_sample_line(words, name, part) for name, part in parts]
    head = (words("column.sample"), words("column.purpose"), *numbers(words, "rows", "customers", "bad", "bad_customers", "rate"),
            words("column.observed"))
    return section(words, "samples", prose(words(f"samples.{made.leaks['judged_by']['kind']}"), words("samples.checked"), _shared(words, rows)),
                   table(head, lines), listed([stated(words, each) for each in made.leaks["notes"]], title=words("samples.notes")))


def _sample_line(words, name, part):
    bad = part[part["target"] == 1]
    matured = int(part["target"].notna().sum())
    return (words(f"sample.{name}"), words(f"sample.{name}.for"), words.count(len(part)), words.count(part["customer_id"].nunique()), words.count(len(bad)),
            words.count(bad["customer_id"].nunique()), words.percent(len(bad) / matured, 2) if matured else "–",
            " – ".join(dict.fromkeys(words.date(moment) for moment in (part["as_of"].min(), part["as_of"].max()))))


def shared_customers(rows):
    """Customers among the judged rows, and how many of them the model learned from too: (judged, shared)."""
    judged = set(rows.loc[rows["sample"] == OUT_OF_TIME, "customer_id"])
    return len(judged), len(judged & set(rows.loc[rows["sample"].isin(IN_SAMPLE), "customer_id"]))


def _shared(words, rows):
    judged, shared = shared_customers(rows)
    return words("samples.shared", judged=words.count(judged), shared=words.count(shared)) if shared else words("samples.apart")


def features(made, words):
    """How many columns of which kind, what the screen for leaks asked and found, and the list of all columns."""
    used = made.model["columns"]
    bars = [Bar(words.named("factor", name), count, words.count(count)) for name, count in Counter(each["factor"] for each in used).most_common()]
    drawn = ranked(bars, **words.caption("columns_by_factor", description=", ".join(f"{bar.label}: {bar.words}" for bar in bars)))
    return section(words, "features", prose(words("features.count", columns=words.count(len(used)), directed=_directed(made, words))),
                   figures(drawn), _screen(made, words), _leaks(made, words), _left_out(made, words), columns=words.count(len(used)))


def _directed(made, words):
    return words.count(sum(1 for each in made.model["columns"] if each["direction"]))


def _screen(made, words):
    asked = made.leaks["screened"] if made.leaks else None
    if asked is None:
        return None
    if not asked["columns"]:
        return prose(words("leaks.own"), title=words("leaks.title"))
    count = len(made.leaks["findings"])
    return prose(words("leaks.asked", columns=words.count(asked["columns"]), rules=words.count(len(asked["rules"]))),
                 words("leaks.found", count=words.count(count)) if count else words("leaks.none"), title=words("leaks.title"))


def _leaks(made, words):
    found = made.leaks["findings"] if made.leaks else []
    rows = [(each["column"].removeprefix("obs_"), words.number(each["auc"], 3), words(f"leak.{each['reason']}"),
             words("leak.left_out") if each["column"] in made.leaks["left_out"] else words("leak.kept")) for each in found]
    return table((words("column.column"), "#" + words("column.auc"), words("column.reason"), words("column.consequence")), rows)


def _left_out(made, words):
    left = made.catalogue["left_out"] if made.catalogue else {}
    lacking = sorted({words.named("table", column.split(".")[0]) for columns in left.values() for column in columns.split(", ")})
    return prose(words("features.left_out", count=words.count(len(left)), lacking=words("list.between").join(lacking))) if left else None


def columns(made, words):
    """Every column in words, with its name in the data, its factor, direction and weight, the strongest first."""
    strength = {each["column"]: each for each in made.importance["columns"]} if made.importance else {}
    order = sorted(made.model["columns"], key=lambda each: -strength.get(each["name"], {"share": 0.0})["share"])
    rows = [(words.feature(each["name"]), each["name"], words.named("factor", each["factor"]), words(f"direction.{each['direction']}"),
             words.percent(strength[each["name"]]["share"]) if each["name"] in strength else "–") for each in order]
    head = (words("column.words"), words("column.column"), words("column.factor"), words("column.direction"), "#" + words("column.importance"))
    shown = sum(each["share"] >= LEAST_WEIGHT for each in strength.values()) or None
    return section(words, "columns", table(head, rows, note=words("features.all.note"), shown=shown))


def _span(words, first, last):
    return f"{words.date(date.fromisoformat(first[:10]))} – {words.date(date.fromisoformat(last[:10]))}" if first and last else "–"


