"""Stage book: whom we score today, what is known of them, and the dated context they are compared with."""

import pandas as pd

from features.catalogue import build_catalogue
from features.errors import RiskError
from features.feeders.duck import featurize as feed
from models.target import drop_in_default
from pipeline.datasets import INGEST, TABLES, case_path, read_json, replacing, write_json
from pipeline.featurize import available_columns, write_features
from pipeline.frames import read_frame, write_frame
from pipeline.params import load_params
from pipeline.spine import active_customers, end_of, given_observations, transactions_between
from pipeline.stage import run_stage
from serving.standing import standing_catalogue


def book(use_case):
    """Write `book/`: observations, features, standing (what the policy asks for), context, catalogue, columns and about.json."""
    params, about = load_params(), read_json(INGEST)
    day = about["today"] if params.book.as_of == "latest" else params.book.as_of
    rows = _customers(day, params.observe.default) if use_case == "default" else _transactions(day, params.book)
    if rows.empty:
        raise RiskError(f"the book of {day} is empty: check book.as_of and the dates of the tables.")
    with replacing(case_path(use_case, "book")) as folder:
        folder.mkdir(parents=True)
        write_frame(folder / "observations.parquet", rows)
        columns = available_columns(folder)
        catalogue = build_catalogue(use_case, columns)
        write_features(folder, catalogue, params.featurize, what=f"book {use_case}")
        feed(TABLES, folder / "observations.parquet", folder / "standing.parquet", catalogue=standing_catalogue(columns), threads=params.featurize.threads)
        write_json(folder / "catalogue.json", catalogue.to_dict())
        write_json(folder / "columns.json", columns)
        write_json(folder / "about.json", {"as_of": rows["as_of"].max().isoformat(), "first_as_of": rows["as_of"].min().isoformat(),
                                            "rows": len(rows), "customers": int(rows["customer_id"].nunique())})


def _customers(day, rules):
    """Customers with business on that day and not known to be in default; where the source gives observations, those of its last day."""
    outcomes = read_frame(TABLES / "outcomes.parquet")
    known = outcomes[outcomes["known_at"] <= end_of(day)]
    rows = given_observations(until=day)
    if rows is None:
        rows = active_customers(pd.DatetimeIndex([day]).as_unit("us"), active_days=rules.active_days)
    else:
        rows = rows[rows["as_of"].dt.normalize() == rows["as_of"].max().normalize()].drop(columns=["target", "target_known_at"], errors="ignore")
    return drop_in_default(rows, known).reset_index(drop=True)


def _transactions(day, rules):
    return transactions_between(end_of(day) - pd.Timedelta(days=rules.fraud_days), day)


if __name__ == "__main__":
    run_stage(book)
