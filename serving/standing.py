"""Where a customer stands beside its score: exposure, capacity and the facts the policy's hard stops ask for, computed by the features' own kernel.

The score stage decides the book with the same catalogue and the same arguments, so that a batch and a request differ in nothing.
"""

import numpy as np

from features.accounts import PREFERRED_BASIS
from features.catalogue import Catalogue
from features.feature import feature
from features.terms import last, line, open_items, plus, times, where, window
from models.facts import FACTS

MINOR_UNITS = 100
LAWSUIT_DAYS = 365


def standing_catalogue(columns, *, preferred_basis=PREFERRED_BASIS):
    """The Catalogue of a customer's standing over tables with these columns, {table: {column: kind}}: exposure and capacity in minor units, days past due
    of the oldest overdue invoice, and the amount of lawsuits of the last year in whole currency units. What the tables lack is left out; statements are
    read of the `preferred_basis`, as the model's own catalogue reads them."""
    declared = [each for each in _declared() if all(name in columns.get(table, ()) for table, names in each.needs.items() for name in names)]
    return Catalogue("standing", declared, preferred_basis=preferred_basis)


def policy_arguments(standing):
    """What models.policy.decide_book and decide_one take beside grade, PD and amount: exposure, capacity and facts.

    standing: name to float64 (n,) or to a number or None; one that is missing or left out counts as no exposure and as unknown otherwise.
    """
    known = {name: _numbers(values) for name, values in standing.items()}
    exposure = known.get("exposure", np.zeros(1))
    exposure = np.where(np.isnan(exposure), 0.0, exposure)
    facts = {name: known[name] for name in FACTS if name in known}
    # An overpaid account has a negative exposure; to the policy it is none.
    return {"exposure": np.maximum(exposure, 0.0).astype(np.int64), "capacity": known.get("capacity"), "facts": facts}


def _declared():
    # A case may state its amount with the judgment only; readers give a later stage no amount that an earlier one stated.
    lawsuits, judgments = (window("events", "sum", "amount", days=LAWSUIT_DAYS, where=where(("kind", "==", kind))) for kind in ("lawsuit", "judgment"))
    return [
        _fact("exposure", last("exposures", "exposure"), "minor units"),
        _fact("capacity", times(line("revenue"), MINOR_UNITS), "minor units"),
        _fact("days_past_due", open_items("oldest_days"), "days"),
        _fact("open_lawsuit_amount", times(plus(lawsuits, judgments), 1 / MINOR_UNITS), "currency units"),
    ]


def _fact(name, how, unit):
    return feature(name, how, unit=unit, factor="background", missing="Missing when the tables do not say.")


def _numbers(values):
    return np.atleast_1d(np.asarray(values, dtype=np.float64))
