"""Whether what was sold to a customer belongs to the business it says it does."""

import numpy as np

from features.arrays import Category
from features.lookups import held


def outside_scope(space):
    """Of each invoice row 1 where its category is not named in the customer's scope, 0 where it is, NaN where either is unknown.

    The scope is the one last known when the invoice became known, both casefolded; a part of a text is found in any script.
    """
    invoices = space.rows("invoices")
    scope, category = space.column("customers", "scope"), space.column("invoices", "category")
    if not (_says_something(scope) and _says_something(category)):
        return np.full(len(invoices["known_at"]), np.nan)
    row = held(space.states("customers"), invoices["entity"], np.maximum(invoices["issued_at"], invoices["known_at"]))
    return _outside(category, np.where(row >= 0, scope.codes[row], -1), scope.levels)


def _says_something(column):
    return isinstance(column, Category) and len(column.levels) > 0 and len(column) > 0


def _outside(category, scope_codes, scopes):
    """The answer of every row, each pair of category and scope compared once."""
    width = len(scopes) + 1
    pairs, place = np.unique((category.codes + 1).astype(np.int64) * width + scope_codes + 1, return_inverse=True)
    said = [_pair(pair // width - 1, pair % width - 1, category.levels, scopes) for pair in pairs.tolist()]
    return np.array(said, dtype=np.float64)[place] if said else np.zeros(0)


def _pair(category, scope, categories, scopes):
    if category < 0 or scope < 0:
        return np.nan
    wanted, text = categories[category].strip().casefold(), scopes[scope].strip().casefold()
    return float(wanted not in text) if wanted and text else np.nan
