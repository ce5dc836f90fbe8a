"""Evidently's drift report beside our own verdict, on bounded samples, for people who know it."""

import re
import warnings

from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset

# Evidently names its widgets anew at every call; the same input should give the same file.
RANDOM_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|(?<=metric_)[0-9a-f]{32}")


def write_drift_report(reference, current, path):
    """Write Evidently's HTML of how `current` differs from `reference` (frames of numbers and texts) and return its own count.

    Returns {"columns", "drifted"} by Evidently's default tests, which grow with the sample: the verdict beside it is ours, not this.
    """
    kinds = DataDefinition(numerical_columns=list(reference.select_dtypes("number")), categorical_columns=list(reference.select_dtypes(exclude="number")))
    with warnings.catch_warnings():
        # Its own divisions by empty bins; nothing a reader could act on.
        warnings.simplefilter("ignore")
        snapshot = Report([DataDriftPreset()]).run(current_data=Dataset.from_pandas(current, data_definition=kinds),
                                                   reference_data=Dataset.from_pandas(reference, data_definition=kinds))
        snapshot.save_html(str(path))
    path.write_text(_renamed(path.read_text(encoding="utf-8")), encoding="utf-8")
    return {"columns": reference.shape[1], "drifted": int(snapshot.dict()["metrics"][0]["value"]["count"])}


def _renamed(html):
    names = {}
    return RANDOM_ID.sub(lambda found: names.setdefault(found.group(), f"{len(names):032d}"), html)
