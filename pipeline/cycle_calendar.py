"""`risk calendar`: which periods ran and how, which were missed, what runs now and what comes next."""

import json

from pipeline.cycle_lock import holder
from pipeline.params import load_params
from pipeline.periods import first_day, keys_between, next_key, period_key
from pipeline.promote import open_store
from serving.cycles import FINISHED, INTERRUPTED, Cycles

RUNNING, DUE, MISSED = "running", "due", "missed"


def calendar(*, period=None, last=None):
    """{"source", "period", "running", "next", "periods": [{"key", "status", "runs", "started_at", "ended_at", "sentence"}]}, oldest first.

    From the first period that was ever begun to today's; last: only so many of them. status: finished, failed, held, interrupted (killed), running, due
    (today's, not begun) or missed (an earlier one, never begun); the moments are those of its last run, UTC.
    """
    params = load_params()
    period, source = period or params.cycle.period, params.source.name
    running = holder()
    with open_store() as store:
        runs, today = Cycles(store, source=source).runs(period), store.now().date()
    current = period_key(period, today)
    first = min((run.key for run in runs), key=first_day, default=current)
    rows = [_row(key, [run for run in runs if run.key == key], current, running) for key in keys_between(period, first, current)]
    following = current if rows[-1]["status"] == DUE else next_key(period, current)
    return {"source": source, "period": period, "running": None if running is None else str(running),
            "next": {"key": following, "from": str(first_day(following))}, "periods": rows if last is None else rows[-last:]}


def calendar_json(found):
    """What `calendar` found, as JSON."""
    return json.dumps(found, ensure_ascii=False, indent=1)


def calendar_lines(found):
    """What `calendar` found, as lines of a table."""
    lines = [f"{'period':<12} {'status':<12} {'runs':>4}  {'last run, UTC':<32}  what it said"]
    lines += [f"{row['key']:<12} {row['status']:<12} {row['runs']:>4}  {_span(row):<32}  {row['sentence']}".rstrip() for row in found["periods"]]
    behind, following = sum(row["status"] not in (FINISHED, RUNNING, DUE) for row in found["periods"]), found["next"]
    return [*lines, f"running now: {found['running'] or 'nothing'}", f"not finished: {behind}", f"next: {following['key']}, from {following['from']} on"]


def _row(key, runs, current, running):
    # A period that was finished stays so, whatever a run --again came to.
    last = next((run for run in reversed(runs) if run.outcome == FINISHED), runs[-1] if runs else None)
    moments = {name: None if last is None or getattr(last, name) is None else f"{getattr(last, name):%Y-%m-%d %H:%M}" for name in ("started_at", "ended_at")}
    return {"key": key, "status": _status(key, last, current, running), "runs": len(runs), **moments, "sentence": "" if last is None else last.sentence}


def _status(key, last, current, running):
    if last is None:
        return DUE if key == current else MISSED
    return last.outcome or (INTERRUPTED if running is None else RUNNING)


def _span(row):
    return "" if row["started_at"] is None else f"{row['started_at']} to {row['ended_at'][-5:] if row['ended_at'] else '…'}"
