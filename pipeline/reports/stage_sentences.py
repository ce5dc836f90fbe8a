"""The sentences that stages write about a run, told in a reader's language.

A stage writes a sentence once, in English, into its artefact. That wording is the English text of one message of the catalogue `stages`, with the values
filled in: `message_of` finds message and values again, and `retold` says them in any language. A sentence that a stage changes or adds must be changed or
added in the catalogue, which tests/test_stage_sentences.py checks against the stages' code.

A placeholder's name tells what stands there: its part before the first "_" is one of KINDS, and any other name is a number's.
"""

import re
from dataclasses import dataclass
from datetime import date
from functools import cache

from serving.translations import STAGES, _, told

# Faults of the data: models/data_quality.py, models/unit_slips.py, pipeline/feed.py.
FAULTS = (
    _("fault.nothing"), _("fault.few"), _("fault.many"), _("fault.missing"), _("fault.gone"), _("fault.renamed"), _("fault.repeated"), _("fault.units"),
    _("fault.slip"), _("fault.unpaid"), _("fault.clock"), _("fault.clock.rejected"), _("fault.early"), _("fault.early.rejected"), _("fault.twice"),
    _("fault.twice.month"),
)
# What whole sentences there are, by the part of the run that writes them.
SENTENCES = (
    *FAULTS,
    # models/gate.py, models/gate_effect.py, models/gate_fairness.py, pipeline/gate.py
    _("gate.first"), _("gate.paired"), _("gate.unpaired"), _("gate.line"), _("gate.line.moved"), _("gate.line.against"), _("gate.directed"),
    _("gate.directed.broken"), _("gate.stability"), _("gate.stability.unknown"), _("gate.same"), _("gate.lacking"),
    _("gate.effect"), _("gate.effect.loss"), _("gate.effect.unknown"), _("gate.fairness"), _("gate.fairness.none"), _("gate.fairness.unknown"),
    # models/sample.py, models/protocols.py
    _("split.time"), _("split.time.late"), _("split.apart"), _("split.short"), _("split.compromised"), _("split.random"), _("split.fold"),
    _("split.fold.repeat"), _("split.grouped"), _("split.grouped.repeat"), _("split.shared"),
    # models/sufficiency.py
    _("few.teach"), _("few.judge"), _("flat.one"), _("flat.many"), _("flat.some"), _("levels.many"),
    # models/retrain.py, pipeline/decide.py, pipeline/monitor.py
    _("retrain.faulty"), _("retrain.calm"), _("retrain.offset"), _("retrain.aged"), _("retrain.promised"), _("retrain.promised.rebuild"),
    _("retrain.stood"), _("retrain.expected"), _("retrain.attention"), _("retrain.wait"), _("monitor.overlap"),
    # models/drift.py
    _("drift.chance"), _("drift.none"), _("drift.moderate"), _("drift.severe"), _("drift.score"), _("drift.column"), _("drift.more"), _("drift.left"),
    _("drift.left.score"), _("drift.one_date"),
    # pipeline/findings.py, pipeline/unit_findings.py, pipeline/files.py, pipeline/thousands_points.py
    _("finding.zeros"), _("finding.blanks"), _("finding.unmatched"), _("finding.future"), _("finding.later"), _("finding.number_id"), _("finding.units"),
    _("finding.payment"), _("finding.slip"), _("finding.mark"), _("finding.lost"), _("finding.points"),
    # pipeline/account_rules.py, pipeline/account_checks.py, pipeline/source_conflicts.py
    _("account.balance"), _("account.part"), _("account.gross"), _("account.unit"), _("account.sign"), _("account.cash"), _("account.retained"),
    _("account.currency"), _("account.repeated"), _("account.gap"), _("account.overlap"), _("account.twice"), _("account.expenses"),
    _("conflict.sources"), _("conflict.currencies"), _("conflict.event"), _("conflict.fact"),
    # pipeline/source.py, pipeline/sources/_simulated_folder.py, pipeline/drafting/draft.py: what is said of a source that has no author
    _("source.simulated"), _("source.simulated.scenario"), _("source.folder"), _("source.folder.scenario"), _("source.draft"),
)
# Names of the contracts' rules (pipeline/contract_rules.py, pipeline/duplicates.py), and how findings show their first case.
RULES = (_("rule.cast"), _("rule.fraction"), _("rule.empty"), _("rule.years"), _("rule.infinite"), _("rule.positive"), _("rule.outside"), _("rule.before"),
         _("rule.future"), _("rule.duplicate.same"), _("rule.duplicate.other"))
EXAMPLES = (_("example.paid"), _("example.half"), _("example.month"), _("example.expected"), _("example.found"), _("example.against"),
            _("example.line.unnamed"), _("example.line"), _("example.spelled"), _("example.both"))
# What a part of a sentence may say, by the kind of its placeholder.
PARTS = {
    "severity": (_("severity.none"), _("severity.moderate"), _("severity.severe"), _("severity.unknown")),
    "action": (_("action.recalibrate"), _("action.refit"), _("action.rebuild")),
    "why": (_("why.refits"), _("why.large")),
    "evidence": (_("evidence.calm"), _("evidence.open")),
    "matters": (_("matters.open"), _("matters.judged")),
    "groups": (_("groups.wider"), _("groups.held"), _("groups.none"), _("groups.small")),
    "measure": (_("measure.accepted"), _("measure.alike")),
    "small": (_("small.groups"),),
    "side": (_("side.above"), _("side.below")),
    "lacking": (_("lacking.class"),),
    "fault": (_("fault.stale"), *FAULTS),
    "change": (_("change.missing"), _("change.new"), _("change.higher"), _("change.lower"), _("change.moved")),
    "when": (_("when.month"), _("when.months")),
    "again": (_("again.rows"), _("again.month")),
    "amounts": (_("amounts.all"), _("amounts.some")),
    "factor": (_("factor.times"), _("factor.part")),
    "early": (_("early.transaction"), _("early.customer")),
    "rule": RULES,
    "type": (_("type.time"), _("type.number"), _("type.money"), _("type.integer"), _("type.flag")),
    "shape": (_("shape.calendar"), _("shape.dotted"), _("shape.slashed"), _("shape.dashed"), _("shape.year_dotted"), _("shape.compact"), _("shape.excel"),
              _("shape.seconds"), _("shape.milliseconds"), _("shape.chinese"), _("shape.letters"), _("shape.text"), _("shape.thousands_or_decimal"),
              _("shape.decimal"), _("shape.thousands"), _("shape.minus"), _("shape.percent"), _("shape.unit"), _("shape.overflow"), _("shape.fraction"),
              _("shape.yes_no")),
}
# Where a list of such parts is one value, what stands between two of them, and the message that says what does in a language.
BETWEEN = {"lacking": (re.compile(r", (?=[a-z_]+ has )"), _("between.lacking")), "groups": (re.compile("; "), _("between.groups")),
           "small": (re.compile(", "), _("between.small"))}
NUMBER = r"[+−-]?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?%?"
KINDS = {"day": r"\d{4}-\d\d-\d\d", "month": r"\d{4}-\d\d", "column": r"\S+", "columns": r".+", "table": r"\w+", "sample": r"[a-z_]+", "own": r"\w+",
         "owns": r".+", "field": r"\S+", "text": r".*", **dict.fromkeys(PARTS, r".+")}
PLACEHOLDER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Message:
    """A sentence as its message id with the values by placeholder: texts as they were written, Messages for parts, tuples of them for lists."""

    id: str
    values: dict


def message_of(sentence, ids=SENTENCES):
    """The Message that a stage's sentence is; None where it is none of these messages, as what a source's author wrote."""
    return next((found for found in (_read(each, sentence) for each in ids) if found is not None), None)


def retold(message, words):
    """A Message in the language of `words` (pipeline.reports.text.Words), which names tables, columns and samples and writes days."""
    values = {name: _said(kind_of(name), value, words) for name, value in message.values.items()}
    return told(message.id, language=words.language, domain=STAGES).format(**values)


def kind_of(placeholder):
    """What stands in a placeholder of this name: one of KINDS, or "number"."""
    kind = placeholder.partition("_")[0]
    return kind if kind in KINDS else "number"


def _read(message_id, sentence):
    found = _pattern(message_id).fullmatch(sentence)
    if found is None:
        return None
    values = {name: _value(kind_of(name), value) for name, value in found.groupdict().items()}
    return None if None in values.values() else Message(message_id, values)


@cache
def _pattern(message_id):
    """What the English sentences of a message look like."""
    parts = PLACEHOLDER.split(told(message_id, language="en", domain=STAGES))
    return re.compile("".join(f"(?P<{part}>{KINDS.get(kind_of(part), NUMBER)})" if place % 2 else re.escape(part) for place, part in enumerate(parts)))


def _value(kind, written):
    """The value of a placeholder; None where it is no such part."""
    if kind not in PARTS:
        return written
    if kind not in BETWEEN:
        return message_of(written, PARTS[kind])
    parts = tuple(message_of(part, PARTS[kind]) for part in BETWEEN[kind][0].split(written))
    return None if None in parts else parts


def _said(kind, value, words):
    if isinstance(value, Message):
        return retold(value, words)
    if isinstance(value, tuple):
        return told(BETWEEN[kind][1], language=words.language, domain=STAGES).join(retold(each, words) for each in value)
    if kind in SPOKEN:
        return SPOKEN[kind](value, words)
    return value.replace("-", "−") if kind == "number" else value


SPOKEN = {
    "day": lambda value, words: words.date(date.fromisoformat(value)),
    "month": lambda value, words: words.month_name(date.fromisoformat(f"{value}-01")),
    "column": lambda value, words: words.feature(value),
    "columns": lambda value, words: words("list.between").join(words.feature(name) for name in value.split(", ")),
    "table": lambda value, words: words.named("table", value),
    "sample": lambda value, words: words.named("sample", value),
    "own": lambda value, words: words.named("own", value),
    "owns": lambda value, words: words("list.between").join(words.named("own", name) for name in value.split(", ")),
}
