"""Runs, steps and waiting notifications in both databases."""

from datetime import date, timedelta

import pytest

from serving.cycles import FINISHED, INTERRUPTED, KEPT, PREPARE, PROMOTED, Cycles
from serving.outbox import LONGEST_WAIT, Outbox, note_id
from serving.store import Store

MONTH = {"period": "month", "key": "2026-03", "as_of": date(2026, 3, 31), "host": "night", "pid": 17}
NOTE = {"id": note_id("run", "simulated", 1), "kind": "cycle.finished", "body": {"text": "完成"}}


@pytest.fixture
def store(url, clock):
    with Store(url, clock=clock).open() as opened:
        yield opened


@pytest.fixture
def cycles(store):
    return Cycles(store, source="simulated", to_send=True)


def step(cycles, run, name, outcome=None, *, use_case="default", **detail):
    begun = cycles.begin_step(run, name, use_case=use_case, detail=detail)
    if outcome:
        cycles.end_step(begun, outcome, "It ended.")


def test_a_run_and_its_steps_are_read_as_they_were_recorded(cycles, clock):
    run = cycles.begin(**MONTH)
    step(cycles, run, "book", "done", action="refit")
    clock.forward(1)
    cycles.end(run, FINISHED, "All is well.")
    (found,) = cycles.runs("month")
    assert (found.id, found.source, found.key, found.host, found.pid) == (run, "simulated", "2026-03", "night", 17)
    assert (found.ended_at - found.started_at, found.outcome, found.sentence) == (timedelta(days=1), FINISHED, "All is well.")
    (one,) = cycles.steps(run)
    assert (one.use_case, one.name, one.outcome, one.detail) == ("default", "book", "done", {"action": "refit"})


def test_a_period_is_finished_by_a_finished_run_alone(cycles):
    first = cycles.begin(**MONTH)
    cycles.end(first, "failed", "Ingest.")
    assert cycles.finished("month", "2026-03") is None
    second = cycles.begin(**MONTH)
    cycles.end(second, FINISHED, "")
    assert cycles.finished("month", "2026-03").id == second
    assert cycles.finished("day", "2026-03") is cycles.finished("month", "2026-04") is None


def test_a_new_run_closes_what_a_killed_one_left(cycles):
    killed = cycles.begin(**MONTH)
    step(cycles, killed, "ingest", use_case=None)
    cycles.begin(**MONTH)
    assert [run.outcome for run in cycles.runs()] == [INTERRUPTED, None]
    assert cycles.steps(killed)[0].outcome == INTERRUPTED


def test_another_source_is_left_alone(cycles, store):
    cycles.begin(**MONTH)
    other = Cycles(store, source="elsewhere")
    other.begin(**MONTH)
    assert [run.outcome for run in cycles.runs()] == [None]
    assert len(other.runs()) == 1


@pytest.mark.parametrize(("steps", "carried_on"), [
    ([], False),
    ([(PREPARE, None)], True),
    ([(PREPARE, "done"), ("train", None)], True),
    ([(PREPARE, "done"), ("train", "done"), ("promote", "failed")], True),
    ([(PREPARE, "done"), ("promote", PROMOTED)], False),
    ([(PREPARE, "done"), ("promote", KEPT)], False),
    ([(PREPARE, "impossible")], False),
    ([(PREPARE, "done"), ("train", "impossible")], False),
    ([(PREPARE, "done"), ("promote", KEPT), (PREPARE, "done")], True),
])
def test_a_retraining_is_carried_on_until_it_comes_to_an_end(cycles, steps, carried_on):
    first = cycles.begin(**MONTH)
    for name, outcome in steps:
        step(cycles, first, name, outcome, action="refit")
    cycles.begin(**MONTH)
    begun = cycles.begun_retraining("default")
    assert (begun is not None) is carried_on
    assert cycles.begun_retraining("fraud") is None


def test_a_note_is_queued_once_with_the_end_it_tells(cycles, store):
    run = cycles.begin(**MONTH)
    for _ in range(2):
        cycles.end(run, FINISHED, "", note=NOTE)
    (waiting,) = Outbox(store).due()
    assert (waiting.id, waiting.kind, waiting.body) == (NOTE["id"], "cycle.finished", '{"text": "完成"}')


def test_without_a_webhook_a_note_waits_for_its_file_alone(store):
    cycles = Cycles(store, source="simulated")
    cycles.end(cycles.begin(**MONTH), FINISHED, "", note=NOTE)
    outbox = Outbox(store)
    assert (len(outbox.unfiled()), outbox.due(), outbox.waiting()) == (1, [], 0)
    outbox.filed(outbox.unfiled()[0])
    assert outbox.unfiled() == []


def test_attempts_lie_ever_further_apart_and_keep_the_id(cycles, store, clock):
    cycles.end(cycles.begin(**MONTH), FINISHED, "", note=NOTE)
    outbox, waits = Outbox(store), []
    for _ in range(14):
        (note,) = outbox.due(within=timedelta(days=1))
        outbox.failed(note, "no answer", give_up=False)
        assert outbox.due() == []
        with store.database.reading() as connection:
            due = connection.exec_driver_sql("select due_at from notifications").scalar()
        waits.append(due if not isinstance(due, str) else clock.now.fromisoformat(due))
        waits[-1] -= clock.now
        clock.now += waits[-1]
        assert [each.id for each in outbox.due()] == [NOTE["id"]]
    assert waits[:4] == [timedelta(seconds=seconds) for seconds in (2, 4, 8, 16)]
    assert waits[-1] == LONGEST_WAIT


def test_a_note_that_was_sent_or_given_up_is_not_sent_again(cycles, store, clock):
    run = cycles.begin(**MONTH)
    cycles.end(run, FINISHED, "", note=NOTE)
    cycles.end(run, FINISHED, "", note={**NOTE, "id": note_id("other")})
    outbox = Outbox(store)
    first, second = outbox.due()
    outbox.sent(first)
    outbox.failed(second, "gone", give_up=True)
    clock.forward(3)
    assert (outbox.due(), outbox.waiting()) == ([], 0)
