"""Sections of the dossier on how the model was made: trees and their settings, what drives them, the curve to probabilities, points and grades."""

from models.classifier import candidates
from models.sample import DEVELOPMENT
from pipeline.reports.dossier_parts import Test, facts, figures, good_of, links, prose, rate, readings, section, side, span, table
from pipeline.reports.explanation_figures import explanation_figures, figure_name


def method(made, words):
    """The method, how its settings were chosen, and each setting."""
    trained, rules = made.training, made.params.train
    chosen = prose(words("method.trees", trees=words.count(trained["trees"])), words("method.stopped"), _tried(made, words),
                   words(f"method.refit.{trained['settings']['refit']}"))
    rows = [(words(f"setting.{name}"), name, _written(words, value), words("setting.chosen" if getattr(rules, name, None) is None else "setting.given"))
            for name, value in sorted(trained["settings"].items()) if name not in ("threads", "refit")]
    head = (words("column.setting"), words("column.name"), "#" + words("column.value"), words("column.from"))
    return section(words, "method", chosen, _rejected(made, words), table(head, rows, title=words("method.settings")))


def _tried(made, words):
    """Among how many settings the validation customers chose."""
    if made.observations is None:
        return ""
    target = made.observations.loc[made.observations["sample"] == DEVELOPMENT, "target"]
    tried = len(candidates(made.params.train, target, len(made.model["columns"])))
    return words("method.candidates", count=words.count(tried)) if tried > 1 else words("method.one")


def _written(words, value):
    if isinstance(value, bool):
        return words("setting.on" if value else "setting.off")
    return value if isinstance(value, str) else f"{value:,.6g}"


def _rejected(made, words):
    """What taking rejected applications in changed, where they were."""
    found = (made.validation or {}).get("reject_inference")
    if found is None:
        return None
    ranks = found["auc"]
    reading = words(f"compared.{side(ranks)}") + words("test.rejected.mean", before=words.percent(found["rejected_mean_before"], 2),
                                                       after=words.percent(found["rejected_mean_after"], 2))
    asks = words("test.rejected.asks", rows=words.count(found["rejected"]))
    interval = span(words, ranks["low"], ranks["high"], 4)
    return readings([Test(words("test.rejected"), asks, words.signed(ranks["difference"], 4), interval, reading, good_of(ranks))])


def drivers(made, words):
    """What the model looks at by factor and column, whether this is right to the digit, and whether it keeps its directions."""
    if made.importance is None:
        return None
    drawn = explanation_figures(made.importance, made.dependence or [], made.interactions or {"pairs": [], "curves": []}, words)
    strength = [figure for name, figure in drawn.items() if name.startswith("importance")]
    files = [(figure.title, f"figures/{figure_name(name, words.language)}") for name, figure in drawn.items()]
    return section(words, "drivers", readings([_directions(made, words), _shap(made, words)]), figures(*strength),
                   links(files, title=words("drivers.files"), note=words("drivers.files.note")), _broken(made, words))


def _directions(made, words):
    audit = made.training["audit"]
    if not audit:
        return None
    rows, broken = sum(each["rows"] for each in audit), [each for each in audit if each["violations"]]
    reading = words("test.directions.broken", columns=words.count(len(broken))) if broken else words("test.directions.kept")
    return Test(words("test.directions"), words("test.directions.asks", columns=words.count(len(audit)), rows=words.count(rows)),
                words("test.directions.figure", broken=words.count(sum(each["violations"] for each in audit)), rows=words.count(rows)), "", reading, not broken)


def _broken(made, words):
    rows = [(words.feature(each["column"]), words(f"direction.{each['direction']}"), words.count(each["violations"]), words.number(each["worst"], 4))
            for each in made.training["audit"] if each["violations"]]
    head = (words("column.column"), words("column.direction"), "#" + words("column.violations"), "#" + words("column.worst"))
    return table(head, rows, title=words("drivers.broken"))


def _shap(made, words):
    if made.check is None:
        return None
    difference = made.check["largest_difference"]
    return Test(words("test.shap"), words("test.shap.asks", rows=words.count(made.check["rows"])), f"{difference:.1e}" if difference else "0", "",
                words("test.shap.reading"), difference < 1e-6)


def calibration_method(made, words):
    """How raw scores become probabilities, points and grades."""
    knots, points = made.model["knots"], made.model["points"]
    losses = [(words(f"calibration.{name}"), words.number(loss, 5), words("chosen") if name == knots["method"] else "")
              for name, loss in sorted(knots["loss"].items(), key=lambda each: each[1])]
    how = prose(words(f"curve.{knots['method']}"), words("curve.chosen") if knots["loss"] else "", _prior(made, words))
    scale = facts([(words("fact.base"), words("fact.base.value", points=f"{points['base_score']:g}", odds=f"{points['base_odds']:g}")),
                   (words("fact.double"), f"{points['points_to_double']:g}"), (words("fact.interval"), _interval(made, words))])
    return section(words, "scale", how, table((words("column.method"), "#" + words("column.loss"), ""), losses, title=words("scale.losses")), scale,
                   _grades(made, words))


def _prior(made, words):
    prior = made.training.get("prior")
    return words("curve.prior", rate=words.percent(prior["rate"], 2)) if prior else ""


def _interval(made, words):
    found = made.model.get("interval")
    return words("fact.interval.value", level=words.percent(found["level"], 0)) if found else ""


def _grades(made, words):
    starts = [0.0, *(grade["upper"] for grade in made.model["grades"][:-1])]
    rows = [(grade["name"], words.named("grade", grade["name"][:1]), f"{rate(words, start)} – {rate(words, grade['upper'])}",
             rate(words, grade["probability"])) for start, grade in zip(starts, made.model["grades"], strict=True)]
    head = (words("column.grade"), words("column.meaning"), "#" + words("column.range"), "#" + words("column.pd"))
    return table(head, rows, title=words("scale.grades"))
