"""All declarations of a use case, in the order of their columns."""

from features import background, contracts, events, extras, fraud, invoices, peers, statements, transactions


def declare(use_case, columns):
    """Every feature declared for a use case over tables with these columns, {table: {column: kind}}, whether or not its columns are
    there."""
    return _default(columns) if use_case == "default" else _fraud(columns)


def _default(columns):
    declared = [each for group in (statements, invoices, contracts, transactions, events, background, extras) for each in group.declare(columns)]
    return declared + peers.declare(columns, declared)


def _fraud(columns):
    own = background.observation(columns, other=fraud.JUDGED)
    return [*fraud.declare(columns), *background.customer(columns), *own, *extras.of_table(columns, "transactions")]
