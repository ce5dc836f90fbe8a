"""What a context is made of: the figures that peer features compare, the knots drawn from them, and counterparties' counts, the same for every feeder
of a whole book."""

from features.arrays import DAY
from features.context import added_counts, quantile_knots
from features.feature import feature
from features.feeders.arrow import as_array, as_codes, distinct_ascending

INDUSTRY = "base:industry"
# Twice the longest window: older counts only matter as one sum.
COUNTED_DAYS = 2 * 365


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


def counted_since(earliest):
    """The moment in seconds before which counts are wanted as one sum, when the first as_of is `earliest`."""
    return earliest - COUNTED_DAYS * DAY


def counterparties_of(counts, *, earliest, latest):
    """Counterparties from an Arrow table of whole numbers that an engine added up, in any order: counterparty_id, the day since 1970 from whose midnight
    on they count, transactions, and frauds among them. `earliest` and `latest` are the first and the last as_of in seconds."""
    levels = distinct_ascending(counts[0])
    day, count, frauds = (as_array(counts[number]) for number in (1, 2, 3))
    code = as_codes(counts[0], levels)[0]
    return added_counts(levels.to_pylist(), code, day * DAY, count, frauds, begin=counted_since(earliest), end=latest)
