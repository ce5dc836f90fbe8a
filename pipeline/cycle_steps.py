"""Does the steps of a cycle one after another, and has the operational database say of each when it began, how it ended and in which words."""

import traceback
from dataclasses import dataclass

from features.errors import RiskError
from pipeline.notes import step_note
from pipeline.repro import repro

DONE, FAILED = "done", "failed"


@dataclass(frozen=True)
class Outcome:
    """How a step ended, where it is more than done, and in which words; once: what makes its note the same as an earlier run's, so that it is told once."""

    outcome: str
    sentence: str
    once: tuple = ()


class Stopped(RiskError):
    """A step failed: what it belongs to cannot go on, what stands beside it can."""


class Steps:
    """The steps of one run."""

    def __init__(self, cycles, run, *, source, languages, now, echo):
        """cycles: serving.cycles.Cycles; run: its id; now: gives naive UTC; echo: takes a line for the terminal."""
        self.cycles, self._run, self._source, self._languages, self._now, self._echo = cycles, run, source, languages, now, echo

    def do(self, name, call, *, use_case=None, detail=None):
        """Call a step, which returns an Outcome or a sentence, and return its Outcome. Raises: Stopped, with the step's sentence, when it fails."""
        step = self.cycles.begin_step(self._run, name, use_case=use_case, detail=detail)
        ended = _called(call)
        identity = ended.once or (step,)
        note = step_note(self._languages, source=self._source, identity=identity, use_case=use_case, outcome=ended.outcome, sentence=ended.sentence,
                         now=self._now())
        self.cycles.end_step(step, ended.outcome, ended.sentence, note=note)
        self._echo(f"{use_case or 'all'} {name}: {ended.outcome}" + (f": {ended.sentence}" if ended.sentence else ""))
        if ended.outcome == FAILED:
            raise Stopped(f"{name}: {ended.sentence}")
        return ended


def reproduced(*targets):
    """`dvc repro` of the targets. Raises: RiskError with the failed stage's own sentence where it said one."""
    try:
        repro(*targets)
    except RiskError as error:
        raise RiskError(getattr(error, "cause", None) or str(error)) from error


def _called(call):
    try:
        found = call()
    except RiskError as error:
        return Outcome(FAILED, str(error))
    except Exception as error:  # noqa: BLE001 - a fault in one use case's step must not keep the other's from being published
        traceback.print_exc()
        return Outcome(FAILED, f"{type(error).__name__}: {error}")
    return found if isinstance(found, Outcome) else Outcome(DONE, found or "")
