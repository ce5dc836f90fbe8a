"""The section of the dossier on the model's limits: each is said because an artefact shows it, with its figure."""

from models.sample import IN_SAMPLE, OUT_OF_TIME
from models.sufficiency import FEW_BAD
from pipeline.reports.dossier_data import shared_customers
from pipeline.reports.dossier_parts import listed, proven, section, span, span_percent, stated
from pipeline.reports.dossier_use import unproven
from pipeline.reports.dossier_validation import FACTOR, moved_most, rule_words, worse_inputs

SHOWN = 8


def limits(made, words):
    """What a reader must know before relying on the figures; and what earlier stages said of them."""
    said = [limit for find in (_simulated, _few, _leaks, _maturity, _judged, _shared, _scorecard, _worth, _probabilities, _interval, _directions, _weak,
                                        _drifted, _inputs, _refitted)
            for limit in find(made, words)]
    told = made.training.get("warnings", []) + (made.leaks["warnings"] if made.leaks else [])
    return section(words, "limits", listed(said), listed([stated(words, each) for each in told], title=words("limits.told"), note=words("limits.told.note")))


def _simulated(made, words):
    return [words("limit.simulated")] if made.about["simulated"] else []


def _few(made, words):
    counts = made.training["counts"]
    teaching, judging = sum(counts[name]["bad_customers"] for name in IN_SAMPLE if name in counts), counts.get(OUT_OF_TIME, {}).get("bad_customers")
    return ([words("limit.few.teaching", count=words.count(teaching), few=FEW_BAD)] if teaching < FEW_BAD else []) + \
        ([words("limit.few.judging", count=words.count(judging), few=FEW_BAD)] if judging is not None and judging < FEW_BAD else [])


def _leaks(made, words):
    suspects = (made.evaluation or {}).get("suspects", [])
    return [words("limit.leaks", columns=words("list.between").join(name.removeprefix("obs_") for name in suspects))] if suspects else []


def _maturity(made, words):
    cohorts = made.maturity["cohorts"]
    open_ = [each for each in cohorts if each["immature"]]
    if not open_:
        return []
    return [words("limit.immature", cohorts=words.count(len(open_)), of=words.count(len(cohorts)), rows=words.count(sum(each["immature"] for each in open_)))]


def _judged(made, words):
    kind = (made.leaks or {}).get("judged_by", {"kind": "by_time"})["kind"]
    return [words("limit.no_later")] if kind != "by_time" else []


def _shared(made, words):
    if made.observations is None:
        return []
    judged, shared = shared_customers(made.observations)
    return [words("limit.shared", shared=words.count(shared), judged=words.count(judged))] if shared else []


def _scorecard(made, words):
    level = unproven(made.challengers["comparison"]) if made.challengers else []
    return [words("limit.scorecard", figures=words("list.between").join(words(f"column.{name}") for name in level))] if level else []


def _worth(made, words):
    """A cut-off that earns no more than accepting all, and reviewers who find no more than simple rules would."""
    earned, capacity = (made.validation or {}).get("profit"), (made.evaluation or {}).get("capacity") or {}
    over = earned["rules"]["cut_off"]["over_all"] if earned else None
    rules = capacity.get("difference")
    return ([words("limit.profit", interval=span(words, over["low"], over["high"], 2))] if over and not proven(over) else []) + \
        ([words("limit.rules", interval=span_percent(words, rules["low"], rules["high"], 2))] if rules and not proven(rules) else [])


def _probabilities(made, words):
    full = made.evaluation
    if full is None:
        return []
    line = full["probability"]["line"]
    bent = not line["slope_low"] <= 1 <= line["slope_high"]
    outside = [row["grade"] for row in full["grades"] if row["rows"] and not row["inside"]]
    return ([words("limit.slope", slope=words.number(line["slope"], 2))] if bent else []) + \
        ([words("limit.grades", grades=words("list.between").join(outside))] if outside else [])


def _interval(made, words):
    return [words("limit.interval")] if made.model.get("interval") else []


def _directions(made, words):
    broken = [words.feature(each["column"]) for each in made.training["audit"] if each["violations"]]
    return [words("limit.directions", columns=words("list.between").join(broken[:SHOWN]))] if broken else []


def _weak(made, words):
    found = made.validation["weak_segments"]["found"] if made.validation else []
    return [words("limit.weak", segment=rule_words(line["conditions"], made, words),
                  kind=words(f"weak.{line['kind']}")) for line in found]


def _drifted(made, words):
    moved = (made.validation or {}).get("psi", {}).get(OUT_OF_TIME)
    if not moved or not moved["moved"]:
        return []
    worst = [words.feature(shift["column"]) for shift in moved["worst"] if shift["severity"] != "none"]
    return [words("limit.drifted", count=words.count(moved["moved"]), of=words.count(moved["columns"]), columns=words("list.between").join(worst[:SHOWN]))]


def _inputs(made, words):
    lines = worse_inputs(made, words) if (made.validation or {}).get("sensitivity") else []
    if not lines:
        return []
    label, each, factor = moved_most(lines)
    before, after = (words.percent(each[name], 2) for name in ("mean_before", "mean"))
    return [words("limit.inputs", label=label, before=before, after=after, factor=words.number(factor, 2))] if factor > FACTOR else []


def _refitted(made, words):
    return [words("limit.refitted")] if made.shipped and made.shipped["training"].get("describes") == "refitted" else []
