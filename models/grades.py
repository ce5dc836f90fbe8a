"""The master scale: five grades by probability, each split where the book is large enough, or a company's own; with rising PD."""
import math

import msgspec
import numpy as np

from features.errors import RiskError
from models.calibration import LOWEST
from models.own_scale import LETTERS


class Grade(msgspec.Struct, frozen=True):
    """One grade: probabilities up to `upper` (exclusive; the last grade includes 1) belong to it; `probability` is the grade's own PD."""

    name: str
    upper: float
    probability: float


def build_scale(probability, *, shares=(0.35, 0.30, 0.20, 0.10, 0.05), split_min_defaults=25.0):
    """Cut calibrated probabilities into grades A to E and freeze the cuts.

    probability: (rows,) of a sample as the book looks; shares: of rows from safest to riskiest, summing to 1. A letter is split in two
    (A1, A2) at its median where each half holds at least `split_min_defaults` expected defaults, the count below which two neighbouring
    grades could not be told apart. A grade's PD is the mean probability of its rows, so it rises with the grade by construction. Where
    many equal probabilities make cuts coincide, the letters between them are left out.

    Returns a tuple of Grade, safest first. Raises: RiskError when shares do not sum to 1 or nothing varies.
    """
    if len(shares) != len(LETTERS) or abs(sum(shares) - 1.0) > 1e-9:
        raise RiskError(f"grade shares {tuple(shares)} must be {len(LETTERS)} numbers that sum to 1")
    ordered = np.sort(np.asarray(probability, dtype=np.float64))
    cuts = np.concatenate([np.quantile(ordered, np.cumsum(shares)[:-1], method="higher"), [1.0]])
    parts = _parts(ordered, cuts)
    named = [piece for letter, part, upper in parts for piece in _split(letter, part, upper, split_min_defaults)]
    return tuple(Grade(name, float(upper), float(part.mean())) for name, part, upper in named)


def scale_of(cuts, probability):
    """Grades of given (name, upper PD) pairs, whoever cut them: each one's PD is the mean of its rows' probabilities, which rises by construction.

    A grade without rows gets the geometric middle of its bounds, since PDs spread over orders of magnitude; below the first cut the lowest
    probability that calibration gives is the bound. Returns a tuple of Grade.
    """
    uppers = [upper for _, upper in cuts]
    index, lowers = grade_index(uppers, probability), [min(LOWEST, uppers[0]), *uppers[:-1]]
    parts = [np.asarray(probability)[index == place] for place in range(len(cuts))]
    return tuple(Grade(name, float(upper), float(part.mean()) if len(part) else math.sqrt(lower * upper))
                 for (name, upper), lower, part in zip(cuts, lowers, parts, strict=True))


def grade_index(uppers, probability):
    """Position of each probability's grade (0 is the safest); a probability equal to a cut belongs to the riskier grade."""
    return np.searchsorted(np.asarray(uppers)[:-1], probability, side="right")


def grade_table(grades, probability, target=None):
    """Rows, mean probability, and where the target is known observed bad rows, per grade.

    Returns a list of dict: grade, pd (the grade's own), rows, expected (sum of probabilities), bad (None without target).
    """
    index = grade_index([g.upper for g in grades], probability)
    return [_counted(g, index == i, np.asarray(probability), target) for i, g in enumerate(grades)]


def _parts(ordered, cuts):
    """(letter, its rows, upper cut) for every letter that has rows; a letter left empty by tied cuts is dropped."""
    index = np.searchsorted(cuts[:-1], ordered, side="right")
    found = [(letter, ordered[index == i], cuts[i]) for i, letter in enumerate(LETTERS)]
    return [part for part in found if len(part[1])]


def _split(letter, part, upper, split_min_defaults):
    middle = np.quantile(part, 0.5, method="higher")
    low, high = part[part < middle], part[part >= middle]
    if min(low.sum() if len(low) else 0.0, high.sum()) < split_min_defaults:
        return [(letter, part, upper)]
    return [(letter + "1", low, middle), (letter + "2", high, upper)]


def _counted(grade, inside, probability, target):
    bad = None if target is None else int(np.asarray(target)[inside].sum())
    expected = float(probability[inside].sum())
    return {"grade": grade.name, "pd": grade.probability, "rows": int(inside.sum()), "expected": expected, "bad": bad}
