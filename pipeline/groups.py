"""Columns of groups whose treatment is compared, as strings; found by name among the model's columns and the source's own."""

import numpy as np
import pandas as pd

from features.arrays import Category
from features.errors import RiskError
from models.segments import slices, words

# Groups that people may not be treated differently by, or that a supervisor asks about; the source's own names.
ASKED_ABOUT = ("region", "ownership", "kind", "sex", "gender", "age", "age_band", "marital_status", "nationality")
PREFIXES = ("", "bg_", "obs_", "txn_")
FEW_LEVELS = 12


def fairness_columns(inputs, asked, judged):
    """Groups to compare, as strings by column: those asked for, or those of ASKED_ABOUT that the source brings in more than one level. A number
    of many values is compared in quarters."""
    if asked != "auto":
        return {name: _group_names(name, found_column(inputs, name, "validate.fairness")[judged]) for name in asked}
    found = {name: _own_column(inputs, name) for name in ASKED_ABOUT}
    strings = {name: _group_names(name, values[judged]) for name, values in found.items() if values is not None}
    return {name: values for name, values in strings.items() if len({value for value in values if value is not None}) > 1}


def found_column(inputs, name, parameter):
    """A column of the bundle or of the source's observations. Raises: RiskError naming the parameter and the columns near by."""
    values = _own_column(inputs, name)
    if values is None:
        raise RiskError(f"{parameter}: column {name} is neither a feature of the model nor a column of the observations: name one that docs/features.md or "
                        "your observations list.")
    return values


def _own_column(inputs, name):
    for prefix in PREFIXES:
        if prefix + name in inputs.columns:
            return inputs.columns[prefix + name]
    if name not in inputs.rows:
        return None
    values = inputs.rows[name]
    if pd.api.types.is_numeric_dtype(values):
        return values.to_numpy(dtype=np.float64)
    codes, levels = pd.factorize(values, sort=True)
    return Category(codes.astype(np.int32), tuple(str(level) for level in levels))


def _group_names(name, values):
    """Strings (None missing) of a column's levels, of its few numbers, or of its quarters in words."""
    if isinstance(values, Category):
        return values.strings()
    if distinct(values) <= FEW_LEVELS:
        return np.array([None if np.isnan(value) else f"{value:g}" for value in values], dtype=object)
    named = np.full(len(values), None, dtype=object)
    for condition, mask in slices(name, values):
        named[mask] = None if condition.get("missing") else words(condition)
    return named


def distinct(values):
    """How many values a column has, missing aside."""
    return len(np.unique(values.codes if isinstance(values, Category) else values[~np.isnan(values)]))
