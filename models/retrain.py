"""What to do about the model in production: nothing, new knots, new trees or a new search, as the evidence says; pure rules with
reasons."""
import msgspec

from features.errors import RiskError

ACTIONS = ("none", "recalibrate", "refit", "rebuild")


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """When evidence is enough. Counts are new matured bad customers since the training cutoff; auc_* are losses of AUC; ages are days."""

    bad_to_recalibrate: int = 30
    bad_to_refit: int = 100
    auc_loss: float = 0.02
    auc_loss_rebuild: float = 0.08
    offset: float = 0.25
    slope: float = 0.3
    oldest_days: int = 730


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What is known on the day. Any part may be None: not measured.

    drift: verdict over columns and score (none, moderate, severe); faults: sentences about the month's records (feeds, units, duplicates);
    new_bad: matured bad customers since the cutoff; auc_development; auc, auc_low, auc_high: on matured cohorts since the cutoff; line:
    `calibration_line` on them; age_days: since the cutoff; refits_failed: refits since the last promotion that the gate kept out.
    """

    drift: str | None = None
    faults: tuple[str, ...] = ()
    new_bad: int = 0
    auc_development: float | None = None
    auc: float | None = None
    auc_low: float | None = None
    auc_high: float | None = None
    line: dict | None = None
    age_days: int | None = None
    refits_failed: int = 0


def decide(evidence, *, thresholds):
    """Choose the mildest action that answers what the evidence shows.

    A fault in the month's records comes first: nothing is learned from it. Then ranking: a loss beyond chance (the interval's upper end
    lies below development less `auc_loss`) asks for a refit, or a rebuild when it is large or refits did not help. Then calibration, whose
    line must be off beyond its interval. Severe drift without a proven loss asks for a refit only when enough new bad customers matured to
    learn from. Each action waits until its number of bad customers is there; a milder one that can already be carried out is taken instead.

    Returns {"action", "wanted", "enough": bool, "reasons": [str]}; `wanted` is what would be done with enough bad customers.
    Raises: RiskError when the drift verdict is unknown.
    """
    if evidence.drift not in (None, "none", "moderate", "severe"):
        raise RiskError(f"retrain: drift verdict {evidence.drift} is unknown; use none, moderate or severe")
    if evidence.faults:
        return _answer("none", "none", [f"records are faulty, so nothing is learned from them: {fault}" for fault in evidence.faults])
    found = [*_ranking(evidence, thresholds), *_calibration(evidence, thresholds), *_drifted(evidence), *_aged(evidence, thresholds)]
    if not found:
        return _answer("none", "none", [_calm(evidence)])
    wanted = max((action for action, _ in found), key=ACTIONS.index)
    return _affordable(wanted, [reason for _, reason in found], {action for action, _ in found}, evidence, thresholds)


def _answer(action, wanted, reasons):
    return {"action": action, "wanted": wanted, "enough": action == wanted, "reasons": reasons}


def _affordable(wanted, reasons, asked, evidence, thresholds):
    needed = {"recalibrate": thresholds.bad_to_recalibrate, "refit": thresholds.bad_to_refit, "rebuild": thresholds.bad_to_refit}
    if evidence.new_bad >= needed[wanted]:
        return _answer(wanted, wanted, reasons)
    wait = f"{wanted} needs {needed[wanted]} matured bad customers since the training cutoff, there are {evidence.new_bad}"
    milder = "recalibrate" if "recalibrate" in asked and evidence.new_bad >= needed["recalibrate"] else "none"
    return _answer(milder, wanted, [*reasons, wait])


def _ranking(evidence, thresholds):
    if evidence.auc_development is None or evidence.auc_high is None:
        return []
    loss = evidence.auc_development - evidence.auc
    if evidence.auc_high >= evidence.auc_development - thresholds.auc_loss:
        return []
    reason = f"AUC fell from {evidence.auc_development:.3f} to {evidence.auc:.3f} (at most {evidence.auc_high:.3f}) on matured cohorts"
    if loss >= thresholds.auc_loss_rebuild or evidence.refits_failed:
        why = "refits did not help" if evidence.refits_failed else "a loss of this size asks for new columns or settings"
        return [("rebuild", f"{reason}; {why}")]
    return [("refit", reason)]


def _calibration(evidence, thresholds):
    line = evidence.line
    if line is None:
        return []
    off = max(line["offset_low"], -line["offset_high"]) > 0 and abs(line["offset"]) > thresholds.offset
    bent = (line["slope_high"] < 1 or line["slope_low"] > 1) and abs(line["slope"] - 1) > thresholds.slope
    found = []
    if off:
        side = "above" if line["offset"] > 0 else "below"
        found.append(("recalibrate", f"default odds are {side} the predicted ones by {abs(line['offset']):.2f} in log-odds"))
    if bent:
        found.append(("recalibrate", f"the calibration slope is {line['slope']:.2f}, its interval excludes 1"))
    return found


def _drifted(evidence):
    reason = "the inputs drifted severely, so past performance says little about today's customers"
    return [("refit", reason)] if evidence.drift == "severe" else []


def _aged(evidence, thresholds):
    if evidence.age_days is None or evidence.age_days <= thresholds.oldest_days:
        return []
    return [("refit", f"the training cutoff is {evidence.age_days} days old, more than {thresholds.oldest_days}")]


def _calm(evidence):
    judged, unjudged = "no loss of ranking or calibration on matured cohorts", "no matured cohort since the cutoff to judge by"
    measured = unjudged if evidence.auc is None else judged
    return f"drift is {evidence.drift or 'not measured'}; {measured}"
