"""What to do about the model in production: nothing, new knots, new trees or a new search, as the evidence says; pure rules with
reasons."""
import msgspec
import numpy as np
from scipy import special

from features.errors import RiskError

ACTIONS = ("none", "recalibrate", "refit", "rebuild")


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """When evidence is enough; see section `decide` of params.yaml. Counts are matured bad customers; auc_* are losses of AUC; ages are days."""

    bad_to_recalibrate: int = 30
    bad_to_refit: int = 100
    chance: float = 0.01
    auc_loss: float = 0.025
    auc_loss_rebuild: float = 0.08
    offset: float = 0.25
    offset_beyond: float = 0.4
    slope: float = 0.3
    oldest_days: int = 1825


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What is known on the day. Any part may be None: not measured.

    drift: verdict over columns and score (none, moderate, severe); faults: sentences about the month's records (feeds, units, duplicates); new_bad: matured bad
    customers since the cutoff; recent: the latest matured cohorts together, and standing: where the calibration stood when the model was accepted
    (`models.performance`); expected_auc: (low, high) of the label-free estimate of the latest open cohort; auc_development: what the model was accepted with;
    development_bad: bad customers that its trees learned from; per_doubling: (difference, low, high) of the AUC with twice the customers, by the
    learning curve; age_days: since the cutoff; refits_failed: refits since the last promotion that the gate kept out.
    """

    drift: str | None = None
    faults: tuple[str, ...] = ()
    new_bad: int = 0
    recent: dict | None = None
    standing: dict | None = None
    expected_auc: tuple[float, float] | None = None
    auc_development: float | None = None
    development_bad: int | None = None
    per_doubling: tuple[float, float, float] | None = None
    age_days: int | None = None
    refits_failed: int = 0


def decide(evidence, *, thresholds):
    """Choose the mildest action that answers what matured outcomes prove.

    A fault in the month's records comes first: nothing is learned from it. Then ranking, whose loss asks for a refit, or a rebuild when it is large or
    refits did not help; then calibration; then age. Drift of the inputs proves no loss and calls for attention alone. A label-free estimate below what the
    model was accepted with asks for a refit where the inputs drifted severely and no cohort has matured since to say better. Each action waits
    until its number of bad customers is there; a milder one that can already be carried out is taken.

    Returns {"action", "wanted" (what would be done with enough bad customers), "enough": bool, "reasons": [str], "attention": [str], "gain" (`expected_gain`),
    "waiting" (`cost_of_waiting`)}. Raises: RiskError when the drift verdict is unknown.
    """
    if evidence.drift not in (None, "none", "moderate", "severe"):
        raise RiskError(f"retrain: drift verdict {evidence.drift} is unknown; use none, moderate or severe")
    if evidence.faults:
        return _answer("none", "none", [f"records are faulty, so nothing is learned from them: {fault}" for fault in evidence.faults], [], evidence)
    ranking = _ranking(evidence, thresholds)
    found = [*ranking, *_calibration(evidence, thresholds), *_expected(evidence, thresholds), *_aged(evidence, thresholds)]
    attention = _attention(evidence)
    if not found:
        return _answer("none", "none", [_calm(evidence)], attention, evidence)
    wanted = max((action for action, _ in found), key=ACTIONS.index)
    action, reasons = _affordable(wanted, found, evidence, thresholds)
    return _answer(action, wanted, reasons, attention, evidence)


def ranking_lost(evidence):
    """How far the recent cohorts rank below the promise, and by which chance: {"loss", "loss_se", "auc_p", "slope", "slope_p"}; None where nothing measured it.

    The promise is the AUC that the probabilities make on the same rows, so another mix of customers is no loss. It is known up to the calibration's own
    error, and so is the slope: a ranking that tells less makes the slope of outcomes on log-odds fall, which shows sooner than the AUC does.
    """
    recent, standing = evidence.recent, evidence.standing
    if recent is None or standing is None or recent["line"] is None or recent["auc"] is None:
        return None
    loss, loss_se = recent["auc_promised"] - recent["auc"], float(np.hypot(recent["auc_promised_se"], recent["auc_se"]))
    fall = standing["slope"] - recent["line"]["slope"]
    slope_se = float(np.hypot(standing["slope_error"], _error(recent["line"], "slope")))
    return {"loss": loss, "loss_se": loss_se, "auc_p": _tail(loss / loss_se), "slope": recent["line"]["slope"], "slope_p": _tail(fall / slope_se)}


def expected_gain(evidence, action):
    """What the action should bring on customers like the recent ones: {"figure", "gain", "low", "high"}, or None where nothing measured says it.

    recalibrate: log-loss per row, judged on customers that the new line had not seen. refit, rebuild: AUC. The ranking that was lost comes back as far as
    the new bad customers teach as much as the old ones did, and the learning curve says what more, or fewer, of them are worth; the interval adds
    both errors. Of a rebuild no more is known than of a refit. none: what a refit would bring all the same.
    """
    recent = evidence.recent
    if action == "recalibrate":
        saved = None if recent is None else recent["recalibration"]
        return None if saved is None else {"figure": "log_loss", "gain": saved["difference"], "low": saved["low"], "high": saved["high"]}
    lost, curve = ranking_lost(evidence), evidence.per_doubling
    if lost is None and (curve is None or not evidence.development_bad):
        return None
    gain, variance = (0.0, 0.0) if lost is None else (lost["loss"], lost["loss_se"] ** 2)
    if curve is not None and evidence.development_bad and evidence.new_bad:
        # A new world has to be learned from the new bad customers alone; in an unchanged one they stand beside the old.
        learned = evidence.new_bad if action in ("refit", "rebuild") else evidence.new_bad + evidence.development_bad
        doublings = float(np.log2(learned / evidence.development_bad))
        gain, variance = gain + doublings * curve[0], variance + (doublings * (curve[2] - curve[1]) / 3.92) ** 2
    half = 1.96 * float(np.sqrt(variance))
    return {"figure": "auc", "gain": gain, "low": gain - half, "high": gain + half}


def cost_of_waiting(evidence):
    """What one more cohort scored by the present model costs, if it is like the recent ones: {"rows", "unforeseen_bad", "low", "high", "auc_lost"}.

    unforeseen_bad: bad rows beyond those that the probabilities expect (negative: fewer), by the calibration line's offset and its interval; auc_lost: AUC
    below the promise. In customers, not in money: what one costs is the policy's to say. None without a matured cohort of two classes.
    """
    recent, lost = evidence.recent, ranking_lost(evidence)
    if lost is None:
        return None
    expected = recent["expected"] / recent["cohorts"]
    more = {name: expected * (float(np.exp(recent["line"][offset])) - 1) for name, offset in
            (("unforeseen_bad", "offset"), ("low", "offset_low"), ("high", "offset_high"))}
    return {"rows": round(recent["rows"] / recent["cohorts"]), **more, "auc_lost": lost["loss"]}


def _answer(action, wanted, reasons, attention, evidence):
    return {"action": action, "wanted": wanted, "enough": action == wanted, "reasons": reasons, "attention": attention,
            "gain": expected_gain(evidence, wanted), "waiting": cost_of_waiting(evidence)}


def _affordable(wanted, found, evidence, thresholds):
    """The action that enough bad customers are there for, and its reasons."""
    needed = {"recalibrate": thresholds.bad_to_recalibrate, "refit": thresholds.bad_to_refit, "rebuild": thresholds.bad_to_refit}
    reasons, asked = [reason for _, reason in found], {action for action, _ in found}
    if evidence.new_bad >= needed[wanted]:
        return wanted, reasons
    wait = f"{wanted} needs {needed[wanted]} matured bad customers since the training cutoff, there are {evidence.new_bad}"
    milder = "recalibrate" if "recalibrate" in asked and evidence.new_bad >= needed["recalibrate"] else "none"
    return milder, [*reasons, wait]


def _ranking(evidence, thresholds):
    """A loss counts when it is large enough to matter and more than chance by the AUC or by the slope."""
    lost = ranking_lost(evidence)
    if lost is None or lost["loss"] < thresholds.auc_loss or min(lost["auc_p"], lost["slope_p"]) >= thresholds.chance:
        return []
    recent = evidence.recent
    reason = (f"AUC is {recent['auc']:.3f} ({recent['auc_low']:.3f} to {recent['auc_high']:.3f}) on the cohorts {recent['first']} to {recent['last']}, "
              f"where the model promised {recent['auc_promised']:.3f}")
    if evidence.refits_failed:
        return [("rebuild", f"{reason}; refits did not help")]
    if lost["loss"] >= thresholds.auc_loss_rebuild:
        return [("rebuild", f"{reason}; a loss of this size asks for new columns or settings")]
    return [("refit", reason)]


def _calibration(evidence, thresholds):
    """The line is off when it lies beyond its own interval, and beyond what the calibration sample had left open; or, wherever it stood, so far that no such
    model would be accepted."""
    if evidence.recent is None or evidence.standing is None or (line := evidence.recent["line"]) is None:
        return []
    standing, found = evidence.standing, []
    moved = abs(line["offset"]) > thresholds.offset and _differs(line, "offset", standing["level"], standing["level_error"], thresholds.chance)
    if moved or max(line["offset_low"], -line["offset_high"]) > thresholds.offset_beyond:
        side = "above" if line["offset"] > 0 else "below"
        found.append(("recalibrate", f"default odds are {side} the predicted ones by {abs(line['offset']):.2f} in log-odds"))
    if abs(line["slope"] - 1) > thresholds.slope and _differs(line, "slope", standing["slope"], standing["slope_error"], thresholds.chance):
        found.append(("recalibrate", f"the calibration slope is {line['slope']:.2f}, where it stood at {standing['slope']:.2f}"))
    return found


def _differs(line, name, before, before_error, chance):
    return 2 * _tail(abs(line[name] - before) / float(np.hypot(_error(line, name), before_error))) < chance


def _expected(evidence, thresholds):
    """Without a matured cohort the label-free estimate speaks, and only where the inputs moved."""
    if evidence.recent is not None or evidence.drift != "severe" or evidence.expected_auc is None or evidence.auc_development is None:
        return []
    if evidence.expected_auc[1] >= evidence.auc_development - thresholds.auc_loss:
        return []
    return [("refit", f"the inputs drifted severely and the AUC expected without labels is at most {evidence.expected_auc[1]:.3f}, where the model was "
                      f"accepted with {evidence.auc_development:.3f}")]


def _aged(evidence, thresholds):
    if evidence.age_days is None or evidence.age_days <= thresholds.oldest_days:
        return []
    return [("refit", f"the training cutoff is {evidence.age_days} days old, more than {thresholds.oldest_days}")]


def _attention(evidence):
    """What a person should look at though it asks for no action."""
    if evidence.drift in (None, "none"):
        return []
    lost = "no matured cohort since the cutoff can say yet whether that matters" if evidence.recent is None else "matured cohorts say whether that matters"
    return [f"the inputs drifted ({evidence.drift}); {lost}"]


def _calm(evidence):
    judged, unjudged = "no loss of ranking or calibration on matured cohorts", "no matured cohort since the cutoff to judge by"
    return f"drift is {evidence.drift or 'not measured'}; {unjudged if evidence.recent is None else judged}"


def _error(line, name):
    """Standard error of a figure of a calibration line, whose interval is the 95 % one."""
    return (line[f"{name}_high"] - line[f"{name}_low"]) / 3.92


def _tail(z):
    return float(special.ndtr(-z))
