"""Takes notifications from the outbox to where they are read: a file each under `var/notifications/`, and the webhook's receiver where one is named."""

import time
from datetime import timedelta

from features.errors import RiskError
from pipeline.datasets import replacing
from pipeline.state import VAR
from pipeline.webhook import Unsent, receiver, send
from serving.outbox import Outbox

FOLDER = VAR / "notifications"


def deliver(store, rules, *, sleep=time.sleep):
    """Write and send what waits, and return a sentence about it; a receiver that is away or refuses is told of, never raised.

    rules: the section cycle of the parameters. A process killed between sending and noting it down sends once more, under the same id.
    """
    outbox = Outbox(store)
    written = _file(outbox)
    try:
        to = receiver()
    except RiskError as error:
        return f"notifications: {written} written to {FOLDER}; none sent: {error}"
    if to is None:
        return f"notifications: {written} written to {FOLDER}; no webhook is set."
    sent, fault = _send_all(store, outbox, to, rules, sleep)
    waiting = outbox.waiting()
    told = f"; {waiting} wait for the next attempt ({fault or 'not yet due'})" if waiting else f"; the last was given up ({fault})" if fault else ""
    return f"notifications: {written} written to {FOLDER}, {sent} sent to {to.host}{told}."


def _file(outbox):
    notes = outbox.unfiled()
    for note in notes:
        with replacing(FOLDER / f"{note.made_at:%Y%m%dT%H%M%S}-{note.kind}-{note.id}.json") as beside:
            beside.write_text(note.body + "\n", encoding="utf-8")
        outbox.filed(note)
    return len(notes)


def _send_all(store, outbox, to, rules, sleep):
    """(how many were sent, why the last that was not was not): tries again while the patience of a run lasts."""
    until, sent, fault = store.now() + timedelta(seconds=rules.webhook_patience_seconds), 0, None
    while True:
        for note in outbox.due():
            fault = _send(store, outbox, to, note, rules)
            sent += fault is None
            if fault is not None:
                break  # the others go to the same receiver
        left = (until - store.now()).total_seconds()
        if left <= 0 or not outbox.due(within=timedelta(seconds=left)):
            return sent, fault
        if not outbox.due():
            sleep(min(1.0, left))


def _send(store, outbox, to, note, rules):
    try:
        send(to, note.id, note.body, seconds=rules.webhook_timeout_seconds)
    except Unsent as unsent:
        old = store.now() - note.made_at > timedelta(hours=rules.webhook_give_up_hours)
        outbox.failed(note, str(unsent), give_up=unsent.final or old)
        return str(unsent)
    outbox.sent(note)
    return None
