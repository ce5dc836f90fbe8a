"""Whether there is enough to learn from: too little is refused, little is told in a sentence that a reader of the run sees."""
import numpy as np

from features.errors import RiskError
from models.sample import DEVELOPMENT, IN_SAMPLE, OUT_OF_TIME, VALIDATION

# The folds of customers that choose among trees (models.classifier.FOLDS): each must judge a bad customer.
LEAST_BAD = 5
FEW_BAD = 30
# Levels beyond these share one code (models.classifier.freeze_levels), so that a column of so many is mostly that code.
MANY_LEVELS = 200
NAMED = 5


def told_bad(observations, samples, *, group="customer_id"):
    """Sentences on samples with few bad customers: a list, empty where there are FEW_BAD or more to learn from and as many to judge by.

    observations: target and the `group` column, one row per observation; samples: sample names on the same index. Rows of one customer hold one
    default, so customers are counted.

    Raises: RiskError when development and validation together have fewer than LEAST_BAD bad customers.
    """
    bad = observations.loc[observations["target"].eq(1.0), group].groupby(samples).nunique()
    counts = {name: int(bad.get(name, 0)) for name in (*IN_SAMPLE, OUT_OF_TIME)}
    if (growing := counts[DEVELOPMENT] + counts[VALIDATION]) < LEAST_BAD:
        raise RiskError(f"samples: development and validation hold {growing} customers with a bad row; the {LEAST_BAD} folds that choose the trees need "
                        f"{LEAST_BAD}: bring more outcomes or a longer history")
    teaching, judging = sum(counts[name] for name in IN_SAMPLE), counts[OUT_OF_TIME]
    split = ", ".join(f"{counts[name]} in {name}" for name in IN_SAMPLE)
    return [*([f"Only {teaching} customers with a bad row teach ({split}), and {FEW_BAD} are few: read the order of the customers, not the second digit "
               "of a probability."] if teaching < FEW_BAD else []),
            *([f"Only {judging} customers with a bad row judge, and {FEW_BAD} are few: the intervals of all figures are wide, and right."]
              if judging < FEW_BAD else [])]


def told_columns(matrix, columns, levels):
    """Sentences on columns that tell little or nothing: those that never vary on the development rows, and those of very many levels.

    matrix: float64 (rows, columns), NaN missing, categories as codes; columns: their names; levels: {name: distinct levels seen} of the categories.

    Raises: RiskError when no column varies.
    """
    flat = [name for name, values in zip(columns, matrix.T, strict=True) if _flat(values)]
    if len(flat) == len(columns):
        raise RiskError(f"train: none of {len(columns)} columns varies on the development rows, first {', '.join(flat[:NAMED])}; nobody can be told apart, "
                        "so bring columns that differ between customers")
    many = {name: count for name, count in levels.items() if count > MANY_LEVELS}
    return [*([f"{_counted(flat)} the same on every development row, so the trees cannot use {'it' if len(flat) == 1 else 'them'}."] if flat else []),
            *(f"Column {name} has {count:,} levels, as a name or a number of each customer has: at most the {MANY_LEVELS} most frequent are told apart."
              for name, count in many.items())]


def _counted(names):
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"Column {names[0]} is" if len(names) == 1 else f"{len(names)} columns ({', '.join(names[:NAMED])}{more}) are each"


def _flat(values):
    """Whether all values are one, a missing one being a value like any other."""
    first = values[0]
    return bool(np.isnan(values).all() if np.isnan(first) else (values == first).all())
