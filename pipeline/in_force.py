"""Which bundle scores: the champion, or the candidate while there is none."""

from dataclasses import dataclass
from pathlib import Path

from models.bundle import bundle_hash
from pipeline.datasets import case_path
from pipeline.places import bundle_path
from pipeline.state import read_champion


@dataclass(frozen=True)
class InForce:
    """A bundle's hash and folder, and whether it is the champion."""

    bundle: str
    folder: Path
    champion: bool


def in_force(source, use_case):
    """The bundle that scores the book now."""
    champion = read_champion(source, use_case)
    if champion is not None:
        return InForce(champion, bundle_path(champion), True)
    candidate = case_path(use_case, "shipped")
    return InForce(bundle_hash(candidate), candidate, False)
