"""Sections of the dossier on what the model is for, which one it is, what the gate said of it, and how it will be watched."""

from datetime import date

from pipeline.reports.dossier_parts import facts, listed, prose, section, stated, table


def purpose(made, words):
    """What the model decides, for whom, and what it must not be used for."""
    case = made.use_case
    used = prose(words(f"purpose.use.{case}"), words(f"purpose.who.{case}"), words("purpose.persons"))
    never = listed([words(f"purpose.never.{name}") for name in ("single", f"other.{case}", "population", "alone", "causes")], title=words("purpose.never"))
    return section(words, "purpose", used, (_routes if case == "default" else _actions)(made, words), never)


def _routes(made, words):
    spec = made.policy.spec
    rows = [(words.named("route", route.name), words("purpose.any") if route.authority is None else words.amount(route.authority, spec.currency))
            for route in spec.default.routes]
    return table((words("column.decision"), "#" + words("column.authority")), rows, title=words("purpose.routes"), note=words("purpose.routes.note"))


def _actions(made, words):
    rules = made.policy.spec.fraud
    rows = [(words.named("action", "block"), words("purpose.block", share=words.percent(rules.block_at, 0))),
            (words.named("action", "review"), words("purpose.review", share=words.percent(rules.review_at, 0), count=words.count(rules.daily_capacity))),
            (words.named("action", "pass"), words("purpose.pass"))]
    note = words("purpose.review.note", capacity=words.count(made.params.evaluate.reviewers_capacity))
    return table((words("column.decision"), words("column.when")), rows, title=words("purpose.routes"), note=note)


def identity(made, words):
    """Which model this is, from which data, and whether what scores is what was validated."""
    trained = made.training
    pairs = [(words("fact.source"), words.named("source_name", made.about["source"])), (words("fact.description"), stated(words, made.about["description"])),
             (words("fact.probability"), words("fact.probability.fraud") if made.horizon is None else words("fact.probability.default")),
             (words("fact.validated"), made.bundle[:12]), (words("fact.shipped"), made.shipped_hash[:12]),
             (words("fact.cutoff"), words.date(made.as_of)), (words("fact.complete_to"), words.date(_day(made.about["complete_to"]))),
             (words("fact.columns"), words.count(len(made.model["columns"]))), (words("fact.trees"), words.count(trained["trees"])),
             (words("fact.policy"), made.policy_hash[:12])]
    return section(words, "identity", facts(pairs), prose(_shipped(made, words), words("simulated.dossier") if made.about["simulated"] else ""))


def _shipped(made, words):
    """Whether the figures of this dossier are those of what scores; nothing where nobody shipped anything yet."""
    if made.shipped is None:
        return ""
    about = made.shipped["training"]
    if about.get("describes") != "refitted":
        return words("shipped.same") if made.shipped_hash == made.bundle else words("shipped.other")
    fold = about["out_of_fold"]
    return words("shipped.refitted", rows=words.count(about["counts"]["all_matured"]["rows"]), last=words.date(_day(about["last_as_of"])),
                 auc=words.number(fold["auc"], 3), low=words.number(fold["low"], 3), high=words.number(fold["high"], 3))


def verdict(made, words):
    """What the gate decided, check by check."""
    if made.gate is None:
        return None
    rows = [(words(f"check.{line['check']}"), words("passed" if line["passed"] else "failed"), stated(words, line["detail"])) for line in made.gate["reasons"]]
    said = words(f"gate.{made.gate['verdict']}") + (words("gate.first") if made.gate["first"] else "")
    return section(words, "gate", prose(said), table((words("column.check"), words("column.passed"), words("column.detail")), rows))


def monitoring(made, words):
    """What is watched after release, how often, and from where somebody must act: the thresholds in force."""
    watch, act = made.params.monitor, made.params.decide
    rows = [
        (words("watch.inputs"), words("watch.inputs.limit", effect=words.number(watch.min_effect, 2), severe=words.number(watch.severe_effect, 2),
                                      rate=words.percent(watch.false_discovery_rate, 0)), words("watch.inputs.action")),
        (words("watch.feed"), words("watch.feed.limit"), words("watch.feed.action")),
        (words("watch.ranking"), words("watch.ranking.limit", loss=words.number(act.auc_loss, 2), rebuild=words.number(act.auc_loss_rebuild, 2)),
         words("watch.ranking.action", bad=words.count(act.bad_to_refit))),
        (words("watch.calibration"), words("watch.calibration.limit", offset=words.number(act.offset, 2), slope=words.number(act.slope, 2)),
         words("watch.calibration.action", bad=words.count(act.bad_to_recalibrate))),
        (words("watch.age"), words("watch.age.limit", days=words.count(act.oldest_days)), words("watch.age.action", bad=words.count(act.bad_to_refit)))]
    head = (words("column.watched"), words("column.threshold"), words("column.consequence"))
    gate = made.params.gate
    challenger = prose(words("watch.challenger", margin=words.number(gate.auc_margin, 2), low=words.number(gate.slope_low, 1),
                             high=words.number(gate.slope_high, 1), offset=words.number(gate.offset_max, 1), ece=words.number(gate.ece_margin, 3)))
    return section(words, "monitoring", table(head, rows), challenger)


def _day(text):
    return date.fromisoformat(text[:10])
