"""Stage book: whom we score today, what is known of them, and the dated context they are compared with."""

import pandas as pd

from features.catalogue import build_catalogue
from features.errors import RiskError
from features.feeders.duck import featurize as feed
from models.target import drop_in_default
from pipeline.datasets import INGEST, TABLES, case_path, read_json, replacing, write_json
from pipeline.featurize import available_columns, write_features
from pipeline.frames import write_frame
from pipeline.outcomes import known_outcomes
from pipeline.params import load_params
from pipeline.spine import active_customers, end_of, given_observations, transactions_between
from pipeline.stage import run_stage
from serving.standing import standing_catalogue

ACTIVE, LAST_DAY, OPEN, LATEST, TRANSACTIONS = "active", "last_day", "open", "latest", "transactions"
WORDS = {ACTIVE: "customers with business on that day", LAST_DAY: "the observations of the last day", TRANSACTIONS: "the latest transactions",
         OPEN: "the observations whose target is not known yet", LATEST: "each customer's latest observation, since every target is known"}


def book(use_case):
    """Write `book/`: observations, features, standing (what the policy asks for), context, catalogue, columns and about.json."""
    params, about = load_params(), read_json(INGEST)
    day = about["today"] if params.book.as_of == "latest" else params.book.as_of
    rows, rule = _customers(day, params.observe.default, about) if use_case == "default" else (_transactions(day, params.book), TRANSACTIONS)
    if rows.empty:
        raise RiskError(f"the book of {day} is empty: check book.as_of and the dates of the tables.")
    with replacing(case_path(use_case, "book")) as folder:
        folder.mkdir(parents=True)
        write_frame(folder / "observations.parquet", rows)
        columns, basis = available_columns(folder, use_case), params.featurize.preferred_basis
        catalogue = build_catalogue(use_case, columns, preferred_basis=basis)
        write_features(folder, catalogue, params.featurize, what=f"book {use_case}")
        standing = standing_catalogue(columns, preferred_basis=basis)
        feed(TABLES, folder / "observations.parquet", folder / "standing.parquet", catalogue=standing, threads=params.featurize.threads)
        write_json(folder / "catalogue.json", catalogue.to_dict())
        write_json(folder / "columns.json", columns)
        write_json(folder / "about.json", {"as_of": rows["as_of"].max().isoformat(), "first_as_of": rows["as_of"].min().isoformat(), "rule": rule,
                                            "words": WORDS[rule], "rows": len(rows), "customers": int(rows["customer_id"].nunique())})


def _customers(day, rules, about):
    """Whom the book of a day holds, none of them known to be in default, and by which rule (a key of WORDS)."""
    rows, rule = given_observations(until=day), ACTIVE
    if rows is None:
        rows = active_customers(pd.DatetimeIndex([day]).as_unit("us"), active_days=rules.active_days)
    else:
        rows, rule = _given(rows, day, (about["protocol"] or {}).get("only", {}))
    return drop_in_default(rows, known_outcomes("default", rules, known_by=end_of(day))).reset_index(drop=True), rule


def _given(rows, day, only):
    """Of the observations a source gives: those of the last day where outcomes say what became of them; where they bring their own targets, those
    without one yet, else each customer's latest. `only` (column: value) are the published protocol's, whose rows the model learned from."""
    for column, value in only.items():
        rows = rows[rows[column].astype("str").eq(value)] if column in rows else rows
    if "target" not in rows:
        return rows[rows["as_of"].dt.normalize() == rows["as_of"].max().normalize()], LAST_DAY
    opened = rows["target"].isna()
    if "target_known_at" in rows:
        opened |= rows["target_known_at"] > end_of(day)
    rows = rows.drop(columns=["target", "target_known_at"], errors="ignore")
    if opened.any():
        return rows[opened], OPEN
    return rows.sort_values(["as_of", "observation_id"], kind="stable").groupby("customer_id").tail(1), LATEST


def _transactions(day, rules):
    return transactions_between(end_of(day) - pd.Timedelta(days=rules.fraud_days), day)


if __name__ == "__main__":
    run_stage(book)
