"""Prepares what the retrain decision asked for, so that the development branch makes another candidate."""

from features.errors import RiskError
from pipeline.datasets import INGEST, read_json
from pipeline.params import load_params, load_training
from pipeline.state import move_cutoff


def prepare(use_case, action):
    """Move the training cutoff to the day that outcomes are complete to, and return a sentence about it. Raises: RiskError where that is no later day."""
    source, complete_to = load_params().source.name, read_json(INGEST)["complete_to"][:10]
    before = load_training(source, use_case).cutoff
    if complete_to <= before:
        raise RiskError(f"{use_case}: nothing is known after the training cutoff {before}: wait for newer data.")
    move_cutoff(source, use_case, complete_to)
    return f"{use_case}: {action}: the training cutoff moved from {before} to {complete_to}."
