"""pandas frames at the edge of scoring: for notebooks, MLflow and batch code; the service never comes here."""
import numpy as np
import pandas as pd

from features.errors import RiskError
from models.scoring import encode, score


def score_frame(bundle, frame, *, threads=1):
    """Score a frame that has the bundle's columns, one row per observation, any index, any order of columns.

    Numbers may be any numeric dtype, or objects holding numbers and nulls; categories strings, nulls or pandas categoricals. Returns a
    frame on the same index: raw_score (log-odds), the bundle's probability name, pd_low, pd_high (its interval, NaN without one), points, grade.

    Raises: RiskError naming columns that are missing or of the wrong kind.
    """
    scores = score(bundle, encode_frame(bundle, frame), threads=threads)
    return pd.DataFrame({"raw_score": scores.raw_score, bundle.manifest.probability_name: scores.probability, "pd_low": scores.pd_low,
                         "pd_high": scores.pd_high, "points": scores.points, "grade": scores.grade_names()}, index=frame.index)


def encode_frame(bundle, frame):
    """The bundle's matrix of a frame; see `score_frame`."""
    wanted = [column for column in bundle.manifest.columns if column.name in frame]
    return encode({c.name: _strings(frame[c.name]) if c.levels is not None else _numbers(frame[c.name]) for c in wanted}, bundle)


def _numbers(values):
    try:
        return pd.to_numeric(values).to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise RiskError(f"scoring: column {values.name} holds values that are no numbers ({error}); a missing number is null") from error


def _strings(values):
    if pd.api.types.is_numeric_dtype(values) and values.notna().any():
        raise RiskError(f"scoring: column {values.name} is a number, the model was trained on a category; bring it as text")
    return values.astype(object).where(values.notna(), None).to_numpy()
