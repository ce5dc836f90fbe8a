"""What the life cycle asks about a customer beside its score: its standing as the policy sees it, and early warnings among the events of the last quarter."""

from features.accounts import PREFERRED_BASIS
from features.catalogue import Catalogue
from features.feature import feature
from features.terms import plus, where, window
from serving.standing import standing_catalogue

WARNING_DAYS = 90
# Of severity's 1 to 5: what its source itself calls grave.
GRAVE = 4
REPORTS = ("credit_report", "staff_report")


def life_cycle_catalogue(columns, *, preferred_basis=PREFERRED_BASIS):
    """The Catalogue of `serving.standing` and of counts of events known in the last 90 days, over tables with these columns, {table: {column: kind}}:
    lawsuits, disputes, bounced_payments, and negative_reports, those of severity 4 and 5. What the tables lack is left out."""
    declared = [each for each in _declared() if all(name in columns.get(table, ()) for table, names in each.needs.items() for name in names)]
    standing = standing_catalogue(columns, preferred_basis=preferred_basis)
    return Catalogue("life_cycle", [*standing.features, *declared], preferred_basis=preferred_basis)


def _declared():
    reports = [_count(("kind", "==", kind), ("severity", ">=", GRAVE)) for kind in REPORTS]
    return [
        _fact("lawsuits", _count(("kind", "==", "lawsuit"))),
        _fact("disputes", _count(("kind", "==", "dispute"))),
        _fact("bounced_payments", _count(("kind", "==", "bounced_payment"))),
        _fact("negative_reports", plus(*reports)),
    ]


def _count(*conditions):
    return window("events", "count", days=WARNING_DAYS, where=where(*conditions))


def _fact(name, how):
    return feature(name, how, unit="count", factor="disputes", missing="Never missing: 0 where nothing happened.")
