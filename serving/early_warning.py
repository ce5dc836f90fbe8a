"""What the life cycle asks about a customer beside its score: its standing as the policy sees it, early warnings among the events of the last quarter, and how
fast its overdue amounts, orders and flows change."""

from features import invoices, transactions
from features.accounts import PREFERRED_BASIS
from features.catalogue import Catalogue
from features.feature import feature
from features.terms import constant, minus, plus, positive, where, where_known, window
from serving.standing import standing_catalogue

WARNING_DAYS = 90
# Of severity's 1 to 5: what its source itself calls grave.
GRAVE = 4
REPORTS = ("credit_report", "staff_report")
# Facts that features of the model give already: their names there, and the table they are of. Trends are 1 where the quarter is as the year; a fall is said as
# the share that is lacking, since thresholds are reached from below.
PACES = {"overdue_change": ("inv_overdue_change_to_billed_90d", "invoices"), "order_rise": ("inv_billing_trend_90d", "invoices"),
         "outflow_rise": ("txn_outflow_trend_90d", "transactions"), "inflow_fall": ("txn_inflow_trend_90d", "transactions")}
FALLS = ("inflow_fall",)
# A customer without business before the last half year has no usual pace.
YOUNG_DAYS, YEAR_DAYS = 180, 365


def life_cycle_catalogue(columns, *, preferred_basis=PREFERRED_BASIS):
    """The Catalogue of `serving.standing` and of counts of events known in the last 90 days, over tables with these columns, {table: {column: kind}}:
    lawsuits, disputes, bounced_payments, and negative_reports, those of severity 4 and 5; of overdue_change, what more is overdue than 90 days before as a
    share of a year's billing; and of order_rise, outflow_rise and inflow_fall, the last 90 days against the year. What the tables lack is left out."""
    declared = [each for each in (*_declared(), *_paces(columns))
                if all(name in columns.get(table, ()) for table, names in each.needs.items() for name in names)]
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


def _paces(columns):
    given = {each.name: each.how for each in (*invoices.declare(columns), *transactions.declare(columns))}
    found = {name: _of_old(minus(constant(1.0), given[of]) if name in FALLS else given[of], table) for name, (of, table) in PACES.items() if of in given}
    return [feature(name, how, unit="ratio", factor="transactions", missing="Missing of young customers, and with nothing to divide by.")
            for name, how in found.items()]


def _of_old(how, table):
    year, half = (window(table, "count", days=days) for days in (YEAR_DAYS, YOUNG_DAYS))
    return where_known(how, positive(minus(year, half)))


def _count(*conditions):
    return window("events", "count", days=WARNING_DAYS, where=where(*conditions))


def _fact(name, how):
    return feature(name, how, unit="count", factor="disputes", missing="Never missing: 0 where nothing happened.")
