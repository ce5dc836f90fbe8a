"""Which of the user's own columns a feature reads: those beyond the tables' contracts, whose dates nobody but the user can vouch for."""

from features.fraud import JUDGED
from features.tables import TABLES

# Tables of states that hold until a later row replaces them: there a change is a row of its own.
VERSIONED = ("customers", "exposures")


def own_columns(feature, use_case):
    """Names "table.column" of the columns beyond the contract that a feature reads, empty for one computed from the contract alone.

    A published series and what a fraud observation carries from its transaction are no columns of the user's.
    """
    return [f"{table}.{column}" for table, columns in feature.needs.items() for column in columns if _beyond_contract(table, column, use_case)]


def _beyond_contract(table, column, use_case):
    carried = use_case == "fraud" and table == "observations" and column in JUDGED
    return table != "series" and not carried and TABLES[table].column(column) is None


def versioned(catalogue):
    """Names of the features that read a column of the user's in a table of states with versions."""
    return [each.name for each in catalogue.features if any(own.partition(".")[0] in VERSIONED for own in own_columns(each, catalogue.use_case))]


def observed(catalogue):
    """Names of the features that are a column of the user's observations, as given."""
    return [each.name for each in catalogue.features if each.how.op == "own" and own_columns(each, catalogue.use_case)]
