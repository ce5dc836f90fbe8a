"""How a retraining is carried out: what `var/training/<source>-<use_case>.yaml` says of the next candidate, from which the stages make it.

No tracked file is changed: production must not edit what people do. The same call again changes nothing, so that DVC then runs nothing.
"""

import shutil

import msgspec

from features.errors import RiskError
from models.bundle import load_bundle
from pipeline.datasets import INGEST, case_path, read_json, replacing
from pipeline.params import Settings, Training, load_params, load_training
from pipeline.places import bundle_path, training_path
from pipeline.state import read_champion, write_training

ACTIONS = ("recalibrate", "refit", "rebuild")


def prepare(use_case, action, *, echo=lambda _: None):
    """Write how the next candidate is made, and return a sentence about it; `risk retrain` or the cycle then runs the stages.

    All three learn up to the last day that outcomes are complete to; what had not matured by then stays unlabelled. recalibrate keeps the champion's trees and
    grades and fits its curve on what became known since it was made. refit grows trees with the parameters' settings, or those that a search found for the
    champion. rebuild searches settings on the moved cutoff first (`tune` of params.yaml bounds it; it needs the stages up to sample, which it runs), and goes
    on where a killed one was left. echo takes the search's lines.

    Raises RiskError for another action, a recalibration without champion, or where nothing became known since the champion was made.
    """
    if action not in ACTIONS:
        raise RiskError(f"{use_case}: {action} is no retraining: use {', '.join(ACTIONS)}.")
    source, now = load_params().source.name, load_training(load_params().source.name, use_case)
    champion = read_champion(source, use_case)
    training = {} if champion is None else load_bundle(bundle_path(champion)).manifest.training
    cutoff = max(now.cutoff, read_json(INGEST)["complete_to"][:10])
    how = {"recalibrate": _recalibrate, "refit": _refit, "rebuild": _rebuild}[action]
    said, wanted = how(use_case, champion, training, now, cutoff, echo)
    if wanted == now:
        return f"{use_case}: {said}, as was prepared before."
    _write(source, use_case, wanted, now)
    return f"{use_case}: {said}."


def retrain(use_case, action=None, *, echo=lambda _: None):
    """Prepare a candidate, make it and let the gate judge it, and return a sentence about it; action: that of `retrain.json` unless given."""
    from pipeline.repro import repro

    action = action or read_json(case_path(use_case, "retrain.json"))["action"]
    if action == "none":
        return f"{use_case}: nothing asks for a retraining (`risk monitor`); name one with --action."
    echo(prepare(use_case, action, echo=echo))
    repro(f"dossier@{use_case}", f"track@{use_case}")
    gate = read_json(case_path(use_case, "gate.json"))
    failed = "; ".join(each["detail"] for each in gate["reasons"] if not each["passed"])
    if gate["verdict"] == "promote":
        return f"{use_case}: the gate lets {gate['bundle'][:12]} pass; next: risk promote --by NAME --reason WHY"
    return f"{use_case}: the gate keeps the champion ({failed or gate['reasons'][0]['detail']}); `risk retrain --withdraw` goes back to the candidate before."


def withdraw(use_case):
    """Put back how the candidate before was made, after the gate kept out the one that was prepared, and return a sentence about it.

    Raises RiskError where nothing was prepared, or the prepared candidate is in production.
    """
    source = load_params().source.name
    before, champion = _before_path(source, use_case), read_champion(source, use_case)
    if not before.exists():
        raise RiskError(f"{use_case}: nothing was prepared since the last candidate that stayed: nothing to withdraw.")
    if champion and load_bundle(bundle_path(champion)).manifest.training.get("cutoff") == load_training(source, use_case).cutoff:
        raise RiskError(f"{use_case}: the candidate that was prepared is in production: `risk rollback` takes it back.")
    with replacing(training_path(source, use_case)) as beside:
        shutil.copyfile(before, beside)
    before.unlink()
    return f"{use_case}: the training cutoff is {load_training(source, use_case).cutoff} again; `dvc repro` restores the candidate of then."


def _recalibrate(use_case, champion, training, now, cutoff, _echo):
    if champion is None:
        raise RiskError(f"{use_case}: there is no champion whose curve could be fitted anew: prepare a refit.")
    since = training.get("cutoff") or now.cutoff
    if since >= cutoff:
        raise RiskError(f"{use_case}: outcomes are complete to {cutoff}, and the champion knew those of {since} already: nothing to recalibrate on; wait for a "
                        "new month.")
    wanted = Training(cutoff=cutoff, action="recalibrate", booster=champion, since=since)
    return f"the trees of {champion[:12]} get a curve fitted on what became known after {since} up to {cutoff}", wanted


def _refit(_use_case, _champion, training, _now, cutoff, _echo):
    found = _settings(training)
    which = "the parameters' settings" if found is None else "the settings that a search found for the champion"
    return f"trees are grown on what was known up to {cutoff}, with {which}", Training(cutoff=cutoff, settings=found)


def _rebuild(use_case, champion, training, now, cutoff, echo):
    if now.action == "rebuild" and now.cutoff == cutoff:
        return f"trees are grown on what was known up to {cutoff}, with settings searched there", now
    found = _searched(use_case, training, now, cutoff, echo)
    if found is None:
        said, wanted = _refit(use_case, champion, training, now, cutoff, echo)
        return f"a search found no better settings, so {said}", wanted
    return (f"trees are grown on what was known up to {cutoff}, with settings searched there",
            Training(cutoff=cutoff, action="rebuild", settings=msgspec.convert(found, type=Settings)))


def _searched(use_case, training, now, cutoff, echo):
    """The best settings of a search on the moved cutoff by name, None where today's are no worse than any."""
    from pipeline.repro import repro
    from pipeline.tune import tune_case

    source = load_params().source.name
    refit = Training(cutoff=cutoff, settings=_settings(training))
    if refit != now:
        _write(source, use_case, refit, now)
    repro(f"sample@{use_case}", quiet=True)
    return tune_case(use_case, echo=echo)


def _settings(training):
    found = training.get("rebuilt")
    return None if found is None else msgspec.convert(found, type=Settings)


def _write(source, use_case, wanted, now):
    """Write the training file; what it said of the candidate before is kept beside, once."""
    before = _before_path(source, use_case)
    if not before.exists() or _is_in_production(source, use_case, now):
        write_training(before, **msgspec.to_builtins(now))
    write_training(training_path(source, use_case), **msgspec.to_builtins(wanted))


def _is_in_production(source, use_case, training):
    """Whether the champion is what this training file made: only then is it what a withdrawal goes back to."""
    champion = read_champion(source, use_case)
    return bool(champion) and load_bundle(bundle_path(champion)).manifest.training.get("cutoff") == training.cutoff


def _before_path(source, use_case):
    return training_path(source, use_case).with_suffix(".before.yaml")
