"""The section of a kept dossier on how the model came into production: who asked, who approved, when, and on what evidence."""

from pipeline.reports.dossier_parts import facts, prose, quoted, section, table


def promotions(made, words):
    """The promotion this dossier was kept for, what was measured for it, and the ledger up to it; None in a stage, which reads no database."""
    if not made.promotions:
        return None
    last = made.promotions[-1]
    return section(words, "promotions", facts(_about(last, words)), _checks(last, words), prose(_override(last, words)), prose(*_trial(last, words)),
                   _ledger(made.promotions, words))


def _about(entry, words):
    evidence, parity = entry.evidence, entry.evidence.get("parity") or {}
    pairs = [(words("promotion.action"), words(f"promotion.{entry.action}")), (words("promotion.made_at"), _moment(entry, words)),
             (words("promotion.actor"), entry.actor), (words("promotion.approver"), evidence.get("approver") or words("promotion.nobody")),
             (words("promotion.reason"), entry.reason), (words("promotion.previous"), _short(entry.previous_bundle)),
             (words("promotion.policy"), _short(entry.policy))]
    if parity:
        pairs.append((words("promotion.parity"), words("promotion.parity.same", rows=words.count(parity["rows"]))))
        pairs.append((words("promotion.latency"), _latency(parity, words)))
    return pairs


def _latency(parity, words):
    own = words("promotion.milliseconds", median=words.number(parity["milliseconds_median"], 1), p99=words.number(parity["milliseconds_p99"], 1))
    if parity.get("champion_median") is None:
        return own
    return own + words("promotion.beside", median=words.number(parity["champion_median"], 1), p99=words.number(parity["champion_p99"], 1))


def _checks(entry, words):
    reasons = entry.evidence.get("reasons", [])
    rows = [(words(f"check.{line['check']}"), words("passed") if line["passed"] else words("failed"), quoted(line["detail"])) for line in reasons]
    return table((words("column.check"), words("column.passed"), words("column.detail")), rows, title=words("promotion.evidence"))


def _override(entry, words):
    return words("promotion.override") if entry.evidence.get("override") else ""


def _trial(entry, words):
    """What the trial in shadow said; nothing where there was none."""
    found = entry.evidence.get("shadow")
    if not found:
        return []
    said = [words("promotion.trial", days=words.count(found["days"]), nights=words.count(len(found["nights"])))]
    for name, each in (("night", found["nights"][-1]["effect"] if found["nights"] else None), ("answers", found["answers"])):
        if each:
            approved = each["approved"]
            said.append(words(f"promotion.trial.{name}", cases=words.count(each["cases"]), moved=words.percent(each["grades"]["two_or_more"]),
                              before=words.percent(approved["before"]), after=words.percent(approved["after"])))
    return said


def _ledger(entries, words):
    rows = [(_moment(entry, words), words(f"promotion.{entry.action}"), _short(entry.bundle), entry.actor, entry.evidence.get("approver") or "–", entry.reason)
            for entry in reversed(entries)]
    head = tuple(words(f"promotion.{name}") for name in ("made_at", "action", "bundle", "actor", "approver", "reason"))
    return table(head, rows, title=words("promotion.ledger"), note=words("promotion.ledger.note"), shown=12)


def _moment(entry, words):
    return f"{words.date(entry.made_at)} {entry.made_at:%H:%M} UTC"


def _short(bundle):
    return "–" if bundle is None else bundle[:12]
