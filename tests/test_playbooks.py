"""Emergency playbooks: steps in order, deadlines to the minute, what was late."""

from datetime import datetime, timedelta

import pytest

from features.errors import RiskError
from models.playbooks import Step, require_next, standings

NOON = datetime(2026, 3, 31, 12)
STEPS = (Step(name="stop", department="sales", within_hours=4), Step(name="claim", department="legal", within_hours=24))


@pytest.mark.parametrize(("done", "now", "late"), [
    ({}, 0, [False, False]), ({}, 4, [False, False]), ({}, 4.1, [True, False]), ({}, 30, [True, True]),
    ({"stop": 3}, 30, [False, True]), ({"stop": 5}, 6, [True, False]), ({"stop": 4, "claim": 24}, 99, [False, False]),
])
def test_a_step_is_late_when_done_or_left_open_after_its_hour(done, now, late):
    moments = {name: NOON + timedelta(hours=hours) for name, hours in done.items()}
    found = standings(STEPS, NOON, moments, NOON + timedelta(hours=now))
    assert [step.late for step in found] == late
    assert [step.due_at for step in found] == [NOON + timedelta(hours=4), NOON + timedelta(hours=24)]
    assert [step.department for step in found] == ["sales", "legal"]


@pytest.mark.parametrize(("done", "step", "message"), [
    ({}, "claim", "step claim comes after stop, which is open: do that first"),
    ({"stop": NOON}, "stop", "step stop was done on 2026-03-31 12:00"),
    ({}, "dance", "there is no step dance in this run: its steps are stop, claim"),
])
def test_steps_are_done_once_and_in_order(done, step, message):
    with pytest.raises(RiskError, match=message):
        require_next(STEPS, done, step)
    assert require_next(STEPS, {"stop": NOON}, "claim") == STEPS[1]
