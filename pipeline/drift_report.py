"""Evidently's drift report and tests beside our own verdict, on bounded samples, for people who know them."""

import re
import warnings

from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset

# Evidently names its widgets anew at every call; the same input should give the same file.
RANDOM_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|(?<=metric_)[0-9a-f]{32}")


def write_drift_report(reference, current, path):
    """Write Evidently's HTML of how `current` differs from `reference` (frames of numbers and texts), its tests in it, and return its own counts.

    Returns {"columns", "drifted", "tests": {"passed", "failed"}} by Evidently's default tests, which are chosen by the sample's size: the verdict beside
    it is ours, not this. Its time grows with rows and columns, so both frames must be bounded.
    """
    snapshot = drift_snapshot(reference, current, tests=True)
    snapshot.save_html(str(path))
    path.write_text(_renamed(path.read_text(encoding="utf-8")), encoding="utf-8")
    passed = sum(test.status.value == "SUCCESS" for test in snapshot.tests_results)
    return {"columns": reference.shape[1], "drifted": drifted(snapshot), "tests": {"passed": passed, "failed": len(snapshot.tests_results) - passed}}


def drift_snapshot(reference, current, *, tests=False):
    """Evidently's default drift preset on two frames, with its default tests if asked for."""
    kinds = DataDefinition(numerical_columns=list(reference.select_dtypes("number")), categorical_columns=list(reference.select_dtypes(exclude="number")))
    with warnings.catch_warnings():
        # Its own divisions by empty bins; nothing a reader could act on.
        warnings.simplefilter("ignore")
        return Report([DataDriftPreset()], include_tests=tests).run(current_data=Dataset.from_pandas(current, data_definition=kinds),
                                                                    reference_data=Dataset.from_pandas(reference, data_definition=kinds))


def drifted(snapshot):
    """How many columns a snapshot of the preset calls drifted."""
    return int(snapshot.dict()["metrics"][0]["value"]["count"])


def _renamed(html):
    names = {}
    return RANDOM_ID.sub(lambda found: names.setdefault(found.group(), f"{len(names):032d}"), html)
