"""Declared features of the columns that a source's dated rows carry beyond the contract: a number's mean and last value, a flag's share, a category's
last value.

Columns beyond the contract of customers, exposures, statements and observations are declared beside those tables' own features.
"""

from features.feature import feature
from features.tables import TABLES
from features.terms import window

DAYS = 365
EMPTY = "Missing when no row of the window gives it."
GROUPS = {
    "transactions": ("txn", "transactions"),
    "invoices": ("inv", "payment_behaviour"),
    "payments": ("pay", "payment_behaviour"),
    "contracts": ("con", "contracts"),
    "events": ("evt", "disputes"),
}
# What a credit report's readers add to events has features of its own, or tells whose report it is.
TOLD = {"events": ("score", "score_change", "passage", "passage_level", "family", "title", "role", "currency", "amount_text")}
NAMING = ("_name", "_no", "_number", "_code", "_key")


def declare(columns):
    """The features of such columns of every table of dated rows."""
    return [each for table in GROUPS for each in of_table(columns, table)]


def of_table(columns, table):
    """The features of one table's columns beyond the contract; those that name something, or that are free text, give none."""
    extras = {name: kind for name, kind in columns.get(table, {}).items() if _is_extra(table, name)}
    return [each for name, kind in extras.items() for each in _declared(table, name, kind)]


def _is_extra(table, name):
    known = TABLES[table].column(name) is not None or name in TOLD.get(table, ())
    return not known and "=" not in name and not name.endswith(NAMING)


def _declared(table, name, kind):
    mean, last = (window(table, measure, name, days=DAYS) for measure in ("mean", "last"))
    if kind == "category":
        return [_declare(table, f"{name}_last", last, "category", kind="category")]
    if kind == "flag":
        return [_declare(table, f"{name}_share", mean, "share")]
    numeric = kind in ("number", "integer", "money")
    return [_declare(table, f"{name}_mean", mean, "as given"), _declare(table, f"{name}_last", last, "as given")] if numeric else []


def _declare(table, measure, how, unit, *, kind="number"):
    group, factor = GROUPS[table]
    return feature(f"{group}_{measure}_{DAYS}d", how, unit=unit, factor=factor, missing=EMPTY, kind=kind)
