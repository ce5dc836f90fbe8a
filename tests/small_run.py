"""A small simulated run, as `make run` leaves it behind: every stage of the default use case that imports neither MLflow nor Evidently."""

import contextlib

from pipeline.book import book
from pipeline.challenge import challenge
from pipeline.evaluate import evaluate
from pipeline.explain import explain
from pipeline.featurize import featurize
from pipeline.gate import gate
from pipeline.ingest import ingest
from pipeline.observe import observe
from pipeline.sample import sample
from pipeline.score import score
from pipeline.ship import ship
from pipeline.train import train
from pipeline.workspace import workspace

SMALL = [("simulated.customers", 900), ("simulated.reference_every_months", 12), ("train.max_trees", 150)]


@contextlib.contextmanager
def small_run(folder, changes=()):
    """Work in `folder` after the run; `changes` are (dotted key, value) of the parameters beyond SMALL."""
    with workspace(folder, [*SMALL, *changes]) as place:
        ingest()
        for stage in (observe, featurize, sample, train, evaluate, challenge, explain, ship, gate, book, score):
            stage("default")
        yield place
