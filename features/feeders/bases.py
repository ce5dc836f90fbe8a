"""What peer features compare, and the knots of the context drawn from it: the same for every feeder of a whole book."""

from features.context import quantile_knots
from features.feature import feature

INDUSTRY = "base:industry"


def bases_of(catalogue):
    """What the catalogue's peer features compare, as a catalogue of its own: columns "base:<feature>", and "base:industry" where one is
    compared within industries; empty without peer features."""
    peers = [each for each in catalogue.features if each.scope == "peer"]
    about = {"unit": "", "factor": "background", "missing": ""}
    values = {each.how.column: feature(f"base:{each.how.column}", each.how.parts[0], **about) for each in peers}
    industries = [each.how.parts[1] for each in peers if len(each.how.parts) > 1][:1]
    return catalogue.of([*values.values(), *(feature(INDUSTRY, how, kind="category", **about) for how in industries)])


def knots_of(columns, as_of):
    """The `knots` of a Context from the columns (n,) of `bases_of` over all observations and their as_of (n,) in seconds, in any order."""
    values = {name.removeprefix("base:"): column for name, column in columns.items() if name != INDUSTRY}
    return quantile_knots(values, columns.get(INDUSTRY), as_of) if len(as_of) else {}
