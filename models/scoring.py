"""The one path from columns to a score: batch, service, notebook and replay call these functions and get the same bits."""
from dataclasses import dataclass

import numpy as np

from features.errors import RiskError
from models.calibration import between, placed
from models.grades import grade_index

# pred_contrib writes rows x (columns + 1) doubles and as much again inside; this keeps a book of millions within a few hundred MB.
CHUNK = 20_000


@dataclass(frozen=True)
class Scores:
    """Scores of n rows: raw_score (log-odds by the trees), probability, pd_low and pd_high (the ends of its interval, NaN where the bundle has
    none), points (0.1 steps), grade (position, 0 safest), grades (their names)."""

    raw_score: np.ndarray
    probability: np.ndarray
    pd_low: np.ndarray
    pd_high: np.ndarray
    points: np.ndarray
    grade: np.ndarray
    grades: tuple

    def grade_names(self):
        """Grade names, one per row, as an object array."""
        return np.array(self.grades, dtype=object)[self.grade]


def encode(columns, bundle):
    """Lay named columns out as the bundle's matrix: float64 (rows, columns), NaN missing, categories as frozen codes.

    columns: {name: float array, Category, or sequence of strings and Nones}; more names than the bundle knows are ignored. A level that was
    not frozen gets the code just beyond the last, the bucket that rare levels were trained in.

    Raises: RiskError naming columns that are missing, of the wrong kind, of another length or infinite.
    """
    missing = [name for name in bundle.names if name not in columns]
    if missing:
        raise RiskError(f"scoring: {len(missing)} of {len(bundle.names)} columns are missing, first {', '.join(missing[:5])}; "
                        "compute them with the bundle's catalogue")
    return lay_out(columns, bundle.names, [column.levels for column in bundle.manifest.columns])


def encode_rows(rows, bundle):
    """The matrix of `encode` for rows of plain values (numbers, text, None) in the order of the bundle's columns, as the service has them.

    Raises: RiskError as `encode`.
    """
    coded = [_coded(row, bundle.codes) for row in rows]
    if None in coded:
        return _by_columns(rows, bundle)
    try:
        matrix = np.array(coded, dtype=np.float64).reshape(len(coded), len(bundle.names))
    except (TypeError, ValueError):
        return _by_columns(rows, bundle)
    _refuse_infinite(matrix, bundle.names)
    return matrix


def _coded(row, codes):
    """The row with categories as codes; None where one is a number."""
    row = list(row)
    for place, known in codes.items():
        value = row[place]
        if value is not None and not isinstance(value, str):
            return None
        row[place] = None if value is None else known.get(value, float(len(known)))
    return row


def _by_columns(rows, bundle):
    """The slow way, which names the column that does not fit."""
    return encode(dict(zip(bundle.names, map(list, zip(*rows, strict=True)), strict=True)), bundle)


def lay_out(columns, names, levels):
    """The matrix of `encode` for names with their frozen levels (None for a number), before there is a bundle."""
    rows = _length(columns[names[0]]) if names else 0
    matrix = np.empty((rows, len(names)))
    for place, (name, frozen) in enumerate(zip(names, levels, strict=True)):
        values = _numbers(columns[name], name) if frozen is None else _codes(columns[name], name, frozen)
        if len(values) != rows:
            raise RiskError(f"scoring: column {name} has {len(values)} rows, {names[0]} has {rows}")
        matrix[:, place] = values
    _refuse_infinite(matrix, names)
    return matrix


def score(bundle, matrix, *, threads=1):
    """Raw score, probability, points and grade of every row of an encoded matrix. Returns Scores.

    Points are rounded to 0.1; a probability on a grade's cut is of the riskier grade. Raises: RiskError when the shape is not the bundle's.
    """
    return from_raw(bundle, raw_scores(bundle, matrix, threads=threads))


def raw_scores(bundle, matrix, *, threads=1):
    """The trees' log-odds (rows,). `threads` changes the time, not the bits: each row's trees are summed in order by one thread."""
    return bundle.booster.predict(_fitting(bundle, matrix), raw_score=True, num_threads=threads)


def from_raw(bundle, raw_score):
    """Scores of raw scores (rows,), by the bundle's curves; pd_low <= probability <= pd_high to the last bit. Raises: RiskError when one is missing."""
    x, probabilities, points, uppers = bundle.curves
    if lacking := int(np.count_nonzero(np.isnan(raw_score))):
        raise RiskError(f"scoring: {lacking} of {np.size(raw_score)} rows have no raw score; a missing one would read as the riskiest "
                        "grade, so score them first")
    place = placed(x, raw_score)
    probability = between(probabilities, *place)
    names = tuple(grade.name for grade in bundle.manifest.grades)
    rounded = np.round(between(points, *place), 1)
    low, high = _interval(bundle, place, probability)
    return Scores(np.asarray(raw_score), probability, low, high, rounded, grade_index(uppers, probability), names)


def _interval(bundle, place, probability):
    """Ends of each probability's interval. The knots enclose the curve's; the last rounding of an interpolation must not let it out."""
    if bundle.interval_curves is None:
        return np.full(np.shape(probability), np.nan), np.full(np.shape(probability), np.nan)
    low, high = (between(ends, *place) for ends in bundle.interval_curves)
    return np.minimum(low, probability), np.maximum(high, probability)


def contributions(bundle, matrix, *, threads=1, chunk=CHUNK):
    """Exact TreeSHAP values in log-odds: (rows, columns + 1), the last column the base value.

    A row's sum equals its raw score within 1e-12, not to the bit. Source: Lundberg et al., Nature Machine Intelligence 2020
    (path-dependent).
    """
    matrix = _fitting(bundle, matrix)
    chunks = [matrix[start:start + chunk] for start in range(0, len(matrix), chunk)]
    parts = [bundle.booster.predict(rows, pred_contrib=True, num_threads=threads) for rows in chunks]
    return np.concatenate(parts) if parts else np.empty((0, len(bundle.names) + 1))


def _fitting(bundle, matrix):
    matrix = np.ascontiguousarray(matrix, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[1] != len(bundle.names):
        raise RiskError(f"scoring: a matrix of shape {matrix.shape} does not fit the bundle's {len(bundle.names)} columns; "
                        "encode the columns first")
    return matrix


def _refuse_infinite(matrix, names):
    # In parts, so that the answer takes no eighth of the matrix; a row of the service takes one call.
    for start in range(0, len(matrix), CHUNK):
        infinite = np.isinf(matrix[start:start + CHUNK])
        if infinite.any():
            found = [name for name, any_row in zip(names, infinite.any(axis=0), strict=True) if any_row]
            raise RiskError(f"column {', '.join(found[:5])} holds infinite values, first in row {start + int(infinite.any(axis=1).argmax()):,}; "
                            "a ratio to nothing is missing, so make it null where it is computed")


def _length(values):
    return len(values.codes) if hasattr(values, "codes") else len(values)


def _numbers(values, name):
    if hasattr(values, "codes"):
        raise RiskError(f"scoring: column {name} is a category, the model was trained on a number; use the bundle's own catalogue")
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise RiskError(f"scoring: column {name} holds values that are no numbers ({error}); a missing number is null") from error


def _codes(values, name, frozen):
    # LightGBM sends codes it never saw the way of the missing ones; the bucket beyond the last level was trained on rare levels.
    place = {level: float(code) for code, level in enumerate(frozen)}
    if hasattr(values, "codes"):
        table = np.array([*(place.get(level, float(len(frozen))) for level in values.levels), np.nan])
        return table[np.asarray(values.codes)]
    if np.asarray(values).dtype.kind in "fiub":
        raise RiskError(f"scoring: column {name} is a number, the model was trained on a category; use the bundle's own catalogue")
    return np.array([place.get(value, float(len(frozen))) if isinstance(value, str) else np.nan for value in values])
