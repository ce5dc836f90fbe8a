"""How a history's drift and data faults are judged: the one place that binds the benchmark to stage monitor's functions."""

import pandas as pd

from features.catalogue import Catalogue
from models.design_effect import rows_a_customer
from pipeline.datasets import case_path, read_json
from pipeline.drift_reference import measured_reference
from pipeline.feed import explained_columns, judge_feed
from pipeline.monitor import counted, judge


def learned_from(use_case, bundle, params):
    """What drift is judged against: counts and noise of what the model learned from."""
    return measured_reference(use_case, bundle, params)


def drift_verdict(reference, columns, raw_score, customers, *, use_case, params, found):
    """none, moderate or severe of a book's columns (name → values), raw scores and customer ids; `found` is what `feed` said of the same day."""
    catalogue = Catalogue.from_dict(read_json(case_path(use_case, "development", "catalogue.json")))
    current = counted(reference, {**columns, reference.score: raw_score})
    faulty = explained_columns(found["faults"], catalogue)
    return judge(reference, current, rules=params.monitor, repeats=rows_a_customer(pd.factorize(customers)[0]), faulty=faulty)["verdict"]


def feed(tables, about, *, params):
    """quality.json's content of the tables in a folder, which may hold more, as known on the day of `about` (ingest.json's content of that day)."""
    return judge_feed(about, tables=tables, rules=params.monitor.feed, until=about["today"])
