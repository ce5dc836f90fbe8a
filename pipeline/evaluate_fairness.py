"""Of stage evaluate: whether the candidate treats groups more unlike than the champion does, on the same out-of-time rows."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from models.fairness import GAPS, compare_fairness
from models.sample import OUT_OF_TIME
from pipeline.frames import read_frame
from pipeline.groups import ASKED_ABOUT, fairness_columns

# Chance, over all columns and gaps together, that an interval misses the truth.
CHANCE = 0.05


@dataclass(frozen=True)
class OutOfTime:
    """What groups are looked for in: the judged rows' own columns and their features."""

    rows: pd.DataFrame
    columns: dict


def compared_fairness(development, samples, columns, judged, before, *, rules, accepted_grades):
    """{column: dict of `models.fairness.compare_fairness`} of every column whose groups `validate.fairness` compares.

    columns: features of the out-of-time rows; judged, before: their frames as candidate and champion score them; rules: the section validate.
    accepted is who gets one of the `accepted_grades`, each by its own model's scale.
    """
    inputs = OutOfTime(_own(development, samples, rules.fairness), columns)
    found = fairness_columns(inputs, rules.fairness, slice(None))
    level = 1 - CHANCE / max(len(found) * len(GAPS), 1)
    accepted, others = (np.isin([name[0] for name in each["grade"]], accepted_grades) for each in (judged, before))
    target, groups = judged["target"].to_numpy(dtype=np.float64), judged["customer_id"].to_numpy()
    how = {"fewest_bad": rules.fewest_bad, "repeats": rules.repeats, "seed": rules.seed, "level": level}
    return {name: compare_fairness(values, target, accepted, others, groups, **how) for name, values in found.items()}


def _own(development, samples, asked):
    """The source's own columns of the judged rows that may be groups."""
    path = development / "observations.parquet"
    wanted = ASKED_ABOUT if asked == "auto" else asked
    names = [name for name in pq.read_schema(path).names if name in wanted]
    rows = read_frame(path, ["observation_id", *names])
    return rows[samples == OUT_OF_TIME].reset_index(drop=True)
