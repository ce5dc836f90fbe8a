"""`risk shadow`: what the bundle on trial says beside the champion, as lines."""

import json

from models.gate_effect import loss_rise
from pipeline.params import load_params
from pipeline.shadow import agreement, trial


def shadow_lines(use_case):
    """Since when a bundle is on trial, and how its grades, probabilities and approvals compare, by book and over the service's answers."""
    with trial(use_case) as (store, entry):
        if entry is None:
            return [f"{use_case}: no bundle is on trial."]
        found = agreement(store, entry)
    days = load_params().promote.shadow_days
    lines = [f"{use_case}: {entry.bundle[:12]} on trial beside {entry.previous_bundle[:12]} since {entry.made_at:%Y-%m-%d %H:%M} UTC, "
             f"day {found['days']} of {days}"]
    lines += [f"  book of {night['as_of'][:10]}: {effect_words(night['effect'])}" for night in found["nights"]] or ["  no book was scored beside it yet"]
    answers = found["answers"]
    return [*lines, f"  answers: {effect_words(answers)}" if answers else "  no answer of the service was scored beside it yet"]


def shadow_json(use_cases):
    """The same figures as JSON, by use case; null where nothing is on trial."""
    found = {}
    for use_case in use_cases:
        with trial(use_case) as (store, entry):
            found[use_case] = None if entry is None else {"bundle": entry.bundle, "champion": entry.previous_bundle, **agreement(store, entry)}
    return json.dumps(found, indent=2)


def effect_words(effect):
    """An effect (`models.gate_effect.effect_of`) in one line."""
    grades, odds, approved = effect["grades"], effect["log_odds"], effect["approved"]
    words = (f"{effect['cases']:,} cases; grade worse {grades['worse']:.1%}, better {grades['better']:.1%}, by two or more {grades['two_or_more']:.1%}; "
             f"log-odds {odds['median']:+.2f} ({odds['low']:+.2f} to {odds['high']:+.2f}); approved {approved['before']:.1%} and {approved['after']:.1%}, "
             f"{approved['differing']:.1%} by one only")
    rise = loss_rise(effect)
    return words if rise is None else f"{words}; expected loss of what is granted {rise:+.1%} at the same probabilities"
