"""A candidate on trial: for some days it scores what the champion answers and every published book, decides nothing, and what it said is evidence for its
promotion."""

from contextlib import contextmanager

import numpy as np

from features.errors import RiskError
from models.bundle import load_bundle
from models.gate_effect import Side, effect_of
from pipeline.datasets import write_json
from pipeline.operational import open_store
from pipeline.params import load_params
from pipeline.places import VAR, bundle_path
from serving.shadow import pointer_of, shadow_of
from serving.store import CHANGES
from serving.trials import SIDES, Trials

APPROVED = ("approve", "pass")
START, END = "shadow", "shadow_end"


def on_trial(store, source, use_case):
    """The entry of the promotion ledger that began the trial under way, or None: a change of champion ends every trial."""
    entries = [each for each in store.promotions(use_case=use_case, source=source, every=True) if each.action in (START, END, *CHANGES)]
    return entries[-1] if entries and entries[-1].action == START else None


def start(store, source, use_case, *, bundle, champion, actor, reason, evidence):
    """Begin a trial: the ledger first, then the pointer that the service follows. What earlier ones said is forgotten."""
    entry = store.record_promotion(use_case=use_case, source=source, bundle=bundle, previous_bundle=champion, actor=actor, reason=reason, evidence=evidence,
                                   action=START)
    Trials(store, source=source, use_case=use_case).forget(but=bundle)
    write_json(pointer_of(VAR, source, use_case), {"bundle": bundle})
    return entry


def end(use_case, *, actor, reason):
    """End the trial under way and return a sentence about it; it may be called again. Raises: RiskError where there is none."""
    source = load_params().source.name
    with open_store() as store:
        entry = on_trial(store, source, use_case)
        if entry is not None:
            store.record_promotion(use_case=use_case, source=source, bundle=entry.bundle, previous_bundle=entry.previous_bundle, actor=actor, reason=reason,
                                   evidence={"started": entry.sequence}, action=END)
    was = end_pointer(source, use_case)
    if entry is None and not was:
        raise RiskError(f"{use_case}: no bundle is on trial: `risk promote` begins a trial where promote.shadow_days is above 0.")
    tried = was if entry is None else entry.bundle
    return f"{use_case}: the trial of {tried[:12]} is over; the champion stays."


def end_pointer(source, use_case):
    """Let the service's shadow stop, and return what it followed; nothing where nothing was on trial."""
    path = pointer_of(VAR, source, use_case)
    if not path.exists():
        return None
    try:
        was = shadow_of(VAR, source, use_case)
    except RiskError:
        was = "damaged"
    if was is not None:
        write_json(path, {"bundle": None})
    return was


def try_on_book(store, source, use_case, *, champion, as_of):
    """Score the published book with the bundle on trial too, keep the effect, and return what to say of it; "" without a trial of a champion's rival."""
    from pipeline.effect import book_effect

    entry = on_trial(store, source, use_case)
    if entry is None or entry.previous_bundle != champion:
        return ""
    _mend_pointer(source, use_case, entry.bundle)
    try:
        found = book_effect(use_case, load_bundle(bundle_path(champion)), load_bundle(bundle_path(entry.bundle)))
    except RiskError as error:
        # A trial decides nothing: what is published stands whatever becomes of it.
        return f", {entry.bundle[:12]} on trial could not be scored ({error})"
    if found["effect"] is None:
        return f", {entry.bundle[:12]} on trial could not be scored: {len(found['lacking'])} of its columns are gone"
    Trials(store, source=source, use_case=use_case).record_night(entry.bundle, champion=champion, as_of=as_of, effect=found["effect"])
    return f", {entry.bundle[:12]} on trial scored beside it"


def agreement(store, entry):
    """What the trial that `entry` began has said so far: {"started", "since", "days", "nights" (a list of {"as_of", "effect"}), "answers" (an effect, None
    while there is none)}."""
    trials = Trials(store, source=entry.source, use_case=entry.use_case)
    nights = [{"as_of": night.as_of, "effect": night.effect} for night in trials.nights(entry.bundle, since=entry.made_at)]
    answers = effect_of(*_sides(trials.scores(entry.bundle, since=entry.made_at)))
    return {"started": entry.sequence, "since": entry.made_at.isoformat(), "days": (store.now() - entry.made_at).days, "nights": nights, "answers": answers}


@contextmanager
def trial(use_case):
    """The store, and the entry of the trial under way or None."""
    source = load_params().source.name
    with open_store() as store:
        yield store, on_trial(store, source, use_case)


def _sides(columns):
    for side in SIDES:
        probability, grade, action = (np.array(columns[f"{side}_{name}"], dtype=kind) for name, kind in
                                      (("probability", np.float64), ("grade", object), ("action", object)))
        yield Side(probability, grade, np.isin(action.astype(str), APPROVED))


def _mend_pointer(source, use_case, bundle):
    """The pointer that a crash after the ledger's entry left behind."""
    try:
        there = shadow_of(VAR, source, use_case)
    except RiskError:
        there = None
    if there != bundle:
        write_json(pointer_of(VAR, source, use_case), {"bundle": bundle})
