"""`risk cycle`: the scheduled job, once per period, from what came in to what is published and told; killed anywhere and started again it carries on."""

import os
import pkgutil

from features.errors import RiskError
from pipeline.cycle_case import PUBLISHED, run_case
from pipeline.cycle_lock import holding, host
from pipeline.cycle_steps import Steps, reproduced
from pipeline.inbox import export_inbox
from pipeline.notes import missed_note, run_note
from pipeline.notify import deliver
from pipeline.params import load_params
from pipeline.periods import asked_day, missed, period_key
from pipeline.promote import open_store
from pipeline.promotion_steps import end_interrupted
from pipeline.use import initialise
from pipeline.watermarks import refresh
from pipeline.webhook import URL
from serving.cycles import FAILED, FINISHED, HELD, Cycles

CREDIT = "default"
# What follows the publication of a credit book, in this order: step and function, which returns a sentence or lines. The book is published once more in the
# end, with the states and alerts of this night.
NIGHTLY = (("advance", "pipeline.customers:advance_book"), ("alerts", "pipeline.alerts:raise_alerts"), ("escalate", "pipeline.alerts:escalate_alerts"),
           ("publish", "pipeline.cycle:publish_credit"))


def cycle(*, period=None, as_of=None, again=False, echo):
    """Do the cycle of the period that a day lies in, and return a sentence about it.

    period: day, week or month, else the parameter's; as_of: the day as a text, today (UTC) unless given: it names the period, the data are those that are
    there now; again: do a finished period once more. Raises RiskError while another runs, and at the end when a use case failed or was held.
    """
    with holding(), open_store() as store:
        params = load_params()
        rules, source, now = params.cycle, params.source.name, store.now
        period, day = period or rules.period, asked_day(as_of, now().date())
        cycles, key = Cycles(store, source=source, to_send=URL in os.environ), period_key(period, day)
        done = cycles.finished(period, key)
        if done is not None and not again:
            echo(_delivered(store, rules))
            return f"{source}, {key}: finished already at {done.ended_at:%Y-%m-%d %H:%M} UTC; --again does it once more."
        note = missed_note(rules.languages, source=source, period=period, keys=missed(cycles.runs(period), period, key), now=now())
        run = cycles.begin(period=period, key=key, as_of=day, host=host(), pid=os.getpid(), note=note)
        results, fault = _done(Steps(cycles, run, source=source, languages=rules.languages, now=now, echo=echo), store, params)
        outcome, sentence = _ended(results, fault)
        told = run_note(rules.languages, source=source, run=run, key=key, outcome=outcome, results=results, sentence=sentence, now=now())
        cycles.end(run, outcome, sentence, note=told)
        echo(_delivered(store, rules))
    if outcome != FINISHED:
        raise RiskError(f"{source}, {key}: the cycle {'failed' if outcome == FAILED else 'was held'}: {sentence}")
    return f"{source}, {key}: finished: {sentence}"


def _done(steps, store, params):
    """(results of the use cases, why the steps for all failed or None)."""
    results = []
    try:
        _arrive(steps, store, params)
        results += [run_case(steps, use_case, on_faulty_feed=params.cycle.on_faulty_feed) for use_case in params.use_cases]
        if any((each["use_case"], each["outcome"]) == (CREDIT, PUBLISHED) for each in results):
            _nightly(steps)
    except RiskError as error:
        return results, str(error)
    return results, None


def _arrive(steps, store, params):
    steps.do("mend", lambda: " ".join(filter(None, (end_interrupted(store, params.source.name, case) for case in params.use_cases))))
    steps.do("inbox", export_inbox)
    steps.do("watermark", lambda: refresh(initialise()))
    steps.do("ingest", lambda: reproduced("ingest"))


def _nightly(steps):
    for name, function in NIGHTLY:
        steps.do(name, lambda function=function: _first_line(pkgutil.resolve_name(function)()), use_case=CREDIT)


def publish_credit():
    """Publish the credit book, and return a sentence about it."""
    from pipeline.publish import publish

    return publish(CREDIT)


def _first_line(said):
    return said if isinstance(said, str) else next(iter(said or []), "")


def _ended(results, fault):
    outcomes = {each["outcome"] for each in results}
    sentence = " ".join([*(each["sentence"].rstrip(".") + "." for each in results), *([fault] if fault else [])])
    return (FAILED if fault or FAILED in outcomes else HELD if HELD in outcomes else FINISHED), sentence


def _delivered(store, rules):
    # What could not be told waits in the outbox: the work is done, whoever hears of it when.
    try:
        return deliver(store, rules)
    except (RiskError, OSError) as error:
        return f"notifications: {error}"
