"""How a history's drift and data faults are judged: the one place that binds the benchmark to stage monitor's functions."""

from pipeline.monitor import judge, quality


def drift_verdict(reference, current, *, rules, effect, quality):
    """none, moderate or severe of two samples of columns (the score among them); `quality` is what `feed` found on the same day."""
    return judge(reference, current, rules=rules, effect=effect)["verdict"]


def feed(tables, about):
    """quality.json's content of the tables in a folder as known on a day; `about` is ingest.json's content of that day."""
    return quality(about)
