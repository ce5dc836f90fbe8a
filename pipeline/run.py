"""`risk run`: the main job, end to end."""

import time

from features.errors import RiskError
from pipeline.params import load_params
from pipeline.promote import promote
from pipeline.publish import publish
from pipeline.repro import repro
from pipeline.state import read_champion
from pipeline.summary import summary
from pipeline.use import initialise
from pipeline.watermarks import refresh


def run(*, echo):
    """Reproduce the pipeline, promote where there is no champion yet, score with it, publish, and print the summary."""
    started = time.monotonic()
    source = initialise()
    refresh(source)
    cases = load_params().use_cases
    first = [case for case in cases if read_champion(source.name, case) is None]
    if first:
        # Only what a promotion asks for and keeps: scores of a candidate that is champion a moment later would be made twice.
        repro(*(f"{stage}@{case}" for case in first for stage in ("dossier", "track", "book")))
    refusals = [refusal for case in first if (refusal := _promote_first(case, echo))]
    repro()
    for case in cases:
        if read_champion(source.name, case) is not None:
            echo(publish(case))
    echo(summary(seconds=time.monotonic() - started))
    if refusals:
        raise RiskError(" ".join(refusals))


def _promote_first(case, echo):
    """Promote the first candidate of a use case; a refusal is returned and ends neither the other use case nor the summary."""
    try:
        echo(promote(case, actor="risk run", reason="first champion"))
    except RiskError as refusal:
        return str(refusal)
    return None
