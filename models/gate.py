"""Whether a candidate may replace the champion: a pure rule over evidence measured on the same customers, with its reasons."""
import msgspec

from models.gate_checks import check
from models.gate_effect import effect_check
from models.gate_fairness import fairness_check


class Margins(msgspec.Struct, frozen=True, kw_only=True):
    """What counts as good enough. auc_margin: how much AUC the candidate may be worse by, at the lower end of the paired interval; slope_*
    and offset_max bound the calibration line beyond its own interval; ece_margin: how much worse the ECE may be; violations_max: share of
    swept rows whose monotone direction breaks; auc_least: what a first model's lower AUC end must exceed; fairness_margin: how much wider than the champion's a
    gap between groups may be, at the lower end of its interval; grades_moved_max, approvals_max, loss_rise_max: shares of the book, see
    `models.gate_effect.effect_check`."""

    auc_margin: float = 0.01
    auc_least: float = 0.5
    slope_low: float = 0.7
    slope_high: float = 1.4
    offset_max: float = 0.4
    ece_margin: float = 0.005
    violations_max: float = 0.0
    fairness_margin: float = 0.02
    grades_moved_max: float = 0.05
    approvals_max: float = 0.1
    loss_rise_max: float = 0.2


def decide(candidate, champion=None, *, comparison=None, audit=(), stability=None, fairness=None, effect=None, moved=0.0, margins):
    """Promote the candidate or keep the champion.

    candidate, champion: dicts of `validation.metrics` on the same out_of_time rows (champion None: there is none yet); comparison: dict of
    `discrimination.compare_auc`, candidate less champion; audit: list of `classifier.audit_monotone`; stability: dict of
    `stability.verdict` between the candidate's development and out_of_time scores, or None when it was not measured; fairness: {column: dict of
    `fairness.compare_fairness`}, candidate less champion; effect: dict of `gate_effect.effect_of`, from the champion's decisions to the candidate's;
    moved: log-odds by which the candidate's curve was moved to a long-run rate on purpose, which no check may hold against it.

    Each check passes, fails or, where the evidence is missing against a champion, fails as "not measured". The candidate is promoted when
    none fails. A first model has nobody to be compared with: it must rank better than chance, keep its directions and be calibrated within
    the margins; an unstable score is then noted, not refused. Returns {"verdict": "promote" | "keep", "first": bool, "reasons": [{"check",
    "passed", "detail", "values"}]}; `values` are the numbers of the detail by name.
    """
    first = champion is None
    rank = _better_than_chance(candidate, margins) if first else _not_worse(comparison, margins)
    checks = [rank, _calibrated(candidate, champion, moved, margins), _directed(audit, margins), _stable(stability, first)]
    if not first:
        checks += [fairness_check(fairness, margins), effect_check(effect, margins)]
    passed = all(each["passed"] for each in checks)
    return {"verdict": "promote" if passed else "keep", "first": first, "reasons": checks}


def _better_than_chance(candidate, margins):
    found = candidate["discrimination"]
    detail = f"AUC {found['auc']:.3f}, lower end {found['low']:.3f}; a first model must exceed {margins.auc_least}"
    values = {"auc": found["auc"], "low": found["low"], "least": margins.auc_least}
    return check("discrimination", found["low"] > margins.auc_least, detail, values)


def _not_worse(comparison, margins):
    if comparison is None:
        return check("discrimination", False, "the paired comparison with the champion was not measured")
    low, high = comparison["low"], comparison["high"]
    detail = (f"AUC differs by {comparison['difference']:+.4f} ({low:+.4f} to {high:+.4f}) on the same customers; "
              f"the lower end may not fall below {-margins.auc_margin:+.4f}")
    return check("discrimination", low >= -margins.auc_margin, detail,
                 {"difference": comparison["difference"], "low": low, "high": high, "margin": margins.auc_margin})


def _calibrated(candidate, champion, moved, margins):
    """The line's interval must meet the margins' band, and the ECE may not be clearly worse than the champion's. Of a curve that was moved, the offset
    is judged as if it had not been, and its ECE, which is off by that much, against nothing."""
    line, ece = candidate["probability"]["line"], candidate["probability"]["ece"]
    # An interval that meets the band passes: with few defaults the line is uncertain, and refusing on noise would freeze the champion.
    slope_met = line["slope_low"] <= margins.slope_high and line["slope_high"] >= margins.slope_low
    offset_met = line["offset_low"] + moved <= margins.offset_max and line["offset_high"] + moved >= -margins.offset_max
    before = None if champion is None or moved else champion["probability"]["ece"]
    better = before is None or ece <= before + margins.ece_margin
    against = "" if before is None else f", ECE {ece:.4f} against {before:.4f}"
    meant = f", of which {-moved:+.2f} by the move to the long-run rate" if moved else ""
    detail = f"slope {line['slope']:.2f} ({line['slope_low']:.2f} to {line['slope_high']:.2f}), offset {line['offset']:+.2f}{meant}{against}"
    values = {name: line[name] for name in ("slope", "slope_low", "slope_high", "offset")} | {"moved": moved, "ece": ece, "ece_before": before}
    return check("calibration", slope_met and offset_met and better, detail, values)


def _directed(audit, margins):
    rows = sum(swept["rows"] for swept in audit)
    broken = [swept["column"] for swept in audit if swept["violations"]]
    share = sum(swept["violations"] for swept in audit) / rows if rows else 0.0
    detail = f"{len(audit)} directed columns swept, {len(broken)} break their direction{': ' + ', '.join(broken[:5]) if broken else ''}"
    return check("monotonicity", share <= margins.violations_max, detail, {"swept": len(audit), "broken": broken})


def _stable(stability, first):
    if stability is None:
        return check("stability", first, "the score's stability was not measured")
    detail = f"the score's distribution moved: {stability['verdict']} between development and out_of_time"
    return check("stability", first or stability["verdict"] != "severe", detail, {"verdict": stability["verdict"]})
