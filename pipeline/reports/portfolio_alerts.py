"""Early warning on the portfolio page: whether alerts came true and how long before, beside watching the riskiest."""

from models.alert_file import ASLEEP, OVERDUE

KINDS = 12


def warnings_view(found, words):
    """The portfolio page's section on early warning: {tiles, said, kinds}; None where no alert was ever raised. found: pipeline.alert_measure.measured."""
    if found is None:
        return None
    standing = found["standing"]
    tiles = [(words("warnings.open"), words.count(sum(standing.values())), words("warnings.open.note", overdue=words.count(standing.get(OVERDUE, 0)),
                                                                               asleep=words.count(standing.get(ASLEEP, 0))))]
    if found["alerts"]["precision"] is None:
        return {"tiles": tiles, "said": [words("warnings.immature")], "kinds": []}
    return {"tiles": [*tiles, *_judged_tiles(found, words)], "said": _said(found, words), "kinds": [_kind(each, words) for each in found["kinds"][:KINDS]]}


def _judged_tiles(found, words):
    alerts, base = found["alerts"], found["base"]["rate"]
    shares = {name: words.percent(alerts[name], 0) for name in ("low", "high")}
    tiles = [(words("warnings.precision"), words.percent(alerts["precision"], 0),
              words("warnings.precision.note", **shares, base="–" if base is None else words.percent(base), count=words.count(alerts["mature"])))]
    if alerts["recall"] is not None:
        tiles.append((words("warnings.recall"), words.percent(alerts["recall"], 0),
                      words("warnings.recall.note", caught=words.count(alerts["caught"]), defaults=words.count(found["defaults"]))))
    if alerts["lead_days"]:
        low, middle, high = map(words.days, alerts["lead_days"])
        tiles.append((words("warnings.lead"), middle, words("warnings.lead.note", low=low, high=high)))
    return tiles


def _said(found, words):
    """The comparison with watching as many of the highest PD, and what persons made of the alerts."""
    said, watched = [], found["riskiest"]
    if watched["precision"] is not None:
        lead = words("warnings.riskiest.lead", days=words.days(watched["lead_days"][1])) if watched["lead_days"] else ""
        recall = "–" if watched["recall"] is None else words.percent(watched["recall"], 0)
        said.append(words("warnings.riskiest", precision=words.percent(watched["precision"], 0), recall=recall) + lead)
    if found["closed"]:
        listed = words("list.between").join(f"{words.named('outcome', name)} {words.count(count)}" for name, count in sorted(found["closed"].items()))
        said.append(words("warnings.closed", outcomes=listed))
    return said


def _kind(each, words):
    share, low, high = ("–" if each[name] is None else words.percent(each[name], 0) for name in ("precision", "low", "high"))
    return words.named("trigger", each["kind"]), words.count(each["raised"]), words.count(each["mature"]), share, f"{low} – {high}"
