"""All declarations of a use case, in the order of their columns."""

from features import background, contracts, events, extras, fraud, invoices, peers, statements, transactions


def declare(use_case, columns):
    """Every feature declared for a use case over tables with these columns, {table: {column: kind}}, whether or not its columns are
    there."""
    return _default(columns) if use_case == "default" else _fraud(columns)


def _default(columns):
    declared = [each for group in (statements, invoices, contracts, transactions, events, background) for each in group.declare(columns)]
    declared = _with_extras(declared, extras.declare(columns))
    return declared + peers.declare(columns, declared)


def _fraud(columns):
    declared = [*fraud.declare(columns), *background.customer(columns), *background.observation(columns, other=fraud.JUDGED)]
    return _with_extras(declared, extras.of_table(columns, "transactions"))


def _with_extras(declared, more):
    """The declared features and those of a source's own columns; where one would bear a declared name, such as days_late of an invoice, ours stands."""
    names = {each.name for each in declared}
    return [*declared, *(each for each in more if each.name not in names)]
