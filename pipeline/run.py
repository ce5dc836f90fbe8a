"""`risk run`: the main job, end to end."""

import time

from pipeline.params import load_params
from pipeline.promote import promote
from pipeline.publish import publish
from pipeline.repro import repro
from pipeline.state import read_champion
from pipeline.summary import summary
from pipeline.use import initialise


def run(*, echo):
    """Reproduce the pipeline, promote where there is no champion yet, score with it, publish, and print the summary."""
    started = time.monotonic()
    source = initialise()
    repro()
    cases = load_params().use_cases
    first = [case for case in cases if read_champion(source.name, case) is None]
    for case in first:
        echo(promote(case, actor="risk run", reason="first champion"))
    if first:
        repro()
    for case in cases:
        echo(publish(case))
    echo(summary(seconds=time.monotonic() - started))
