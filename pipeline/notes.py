"""What the scheduled job tells: each note's kind, its figures for a program, and its text for a person in the languages asked for."""

from datetime import UTC

from serving.messages import text
from serving.outbox import note_id

# What a step's outcome is told as; the other outcomes are told with the run's end.
OF_STEPS = {"promoted": "model.promoted", "kept": "model.kept", "faulty": "data.faulty", "impossible": "retraining.impossible",
            "waiting": "retraining.impossible", "pending": "model.pending"}


def step_note(languages, *, source, identity, use_case, outcome, sentence, now):
    """The note of a step's end, or None where it is told with the run; the same for the same identity."""
    if outcome not in OF_STEPS:
        return None
    return _note(OF_STEPS[outcome], ("step", source, *identity), languages, now, {"source": source, "use_case": use_case, "sentence": sentence})


def run_note(languages, *, source, run, key, outcome, results, sentence, now):
    """The note of a run's end. results: {"use_case", "outcome", "sentence"} each."""
    values = {"source": source, "period": key, "outcome": outcome, "sentence": sentence, "use_cases": results}
    return _note(f"cycle.{outcome}", ("run", source, run), languages, now, values)


def missed_note(languages, *, source, period, keys, now):
    """The note of periods that passed without a finished run, or None where none did; the same for the same periods."""
    if not keys:
        return None
    values = {"source": source, "kind": period, "periods": keys, "count": len(keys), "first": keys[0], "last": keys[-1]}
    return _note("periods.missed", ("missed", source, period, keys[0], keys[-1], len(keys)), languages, now, values)


def _note(kind, identity, languages, now, values):
    told = {language: text(f"note.{kind}", language=language, **values) for language in languages}
    body = {"type": kind, "timestamp": now.replace(tzinfo=UTC).isoformat(), "data": {**values, "text": told}}
    return {"id": note_id(*identity), "kind": kind, "body": body}
