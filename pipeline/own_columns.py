"""Which of the user's own columns a feature reads: those beyond the tables' contracts, whose dates nobody but the user can vouch for."""

from features.fraud import JUDGED
from features.tables import TABLES


def own_columns(feature, use_case):
    """Names "table.column" of the columns beyond the contract that a feature reads, empty for one computed from the contract alone.

    A published series and what a fraud observation carries from its transaction are no columns of the user's.
    """
    return [f"{table}.{column}" for table, columns in feature.needs.items() for column in columns if _beyond_contract(table, column, use_case)]


def _beyond_contract(table, column, use_case):
    carried = use_case == "fraud" and table == "observations" and column in JUDGED
    return table != "series" and not carried and TABLES[table].column(column) is None
