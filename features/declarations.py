"""All declarations of a use case, in the order of their columns."""

from features import background, contracts, events, extras, fraud, invoices, peers, statements, transactions
from features.facts import with_reasons
from features.feature import renamed


def declare(use_case, columns):
    """Every feature declared for a use case over tables with these columns, {table: {column: kind}}, whether or not its columns are
    there."""
    return with_reasons(use_case, _default(columns) if use_case == "default" else _fraud(columns))


def _default(columns):
    declared = [each for group in (statements, invoices, contracts, transactions, events, background) for each in group.declare(columns)]
    declared = _with_extras(declared, [*statements.extras(columns), *background.extras(columns), *extras.declare(columns)])
    return declared + peers.declare(columns, declared)


def _fraud(columns):
    declared = [*fraud.declare(columns), *background.customer(columns)]
    own = [*background.customer_extras(columns), *background.observation(columns, other=fraud.JUDGED), *extras.of_table(columns, "transactions")]
    return _with_extras(declared, own)


def _with_extras(declared, more):
    """The declared features and those of a source's own columns; one that would bear a declared name, such as days_late of an invoice, is told
    apart by its end."""
    names = {each.name for each in declared}
    return [*declared, *(renamed(each, f"{each.name}_given") if each.name in names else each for each in more)]
