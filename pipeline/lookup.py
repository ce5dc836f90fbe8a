"""Answers about what is there already: one customer's score, a report's place, a scored file."""

from pathlib import Path

import pandas as pd

from features.errors import RiskError
from models.bundle import load_bundle
from models.frames import score_frame
from models.horizon import horizon_of
from models.policy import MINOR_UNITS
from pipeline.datasets import case_path, replacing
from pipeline.decision import decide_row, policy_of, standing_of
from pipeline.frames import read_frame, write_frame
from pipeline.in_force import in_force
from pipeline.kept_reasons import with_reasons
from pipeline.override import in_force_of
from pipeline.params import load_params
from pipeline.state import pages_folder
from serving.messages import label, text

KEYS = ("observation_id", "customer_id", "transaction_id", "as_of")


def show_customer(customer):
    """The score of a customer of the book, as lines.

    Raises RiskError when the customer is not in the book.
    """
    scores = read_frame(case_path("default", "scores.parquet"))
    found = scores[scores["customer_id"] == customer]
    if found.empty:
        raise RiskError(f"customer {customer} is not in the book of {len(scores):,}: check the id, or whether it is active.")
    row = pd.Series(with_reasons([found.iloc[0].to_dict()], "default")[0])
    reasons = [f"  {text(reason['message_id'], language='en')} ({reason['contribution']:+.2f})" for reason in row["adverse"]]
    name = next(column for column in scores if horizon_of(column))
    count, unit = horizon_of(name)
    said = f"{count}-{'month' if unit == 'm' else 'day'} PD {row[name]:.2%}" + (f" ({row['pd_low']:.2%} to {row['pd_high']:.2%})" if row["pd_low"] > 0 else "")
    return "\n".join([f"{customer} on {row['as_of']:%Y-%m-%d}: grade {row['grade']}, {said}, {row['points']:.0f} points",
                      *_decision_lines(customer, row), "what raises the risk (log-odds):", *reasons])


def _decision_lines(customer, row):
    """The decision in force, and beside it the policy's where an override or a state stands before it."""
    override, held, day, why = in_force_of(customer)
    policys = _decision(row["action"], row["limit"], row["route"])
    if not why:
        return [f"decision: {policys}"]
    (standing,) = standing_of([row["observation_id"]])
    decided, _ = decide_row(policy_of(row.to_frame().T), row.to_dict(), standing, override=override, held=held, day=day)
    return [f"decision: {_decision(decided.action, decided.risk_limit, decided.route)}", f"the policy alone: {policys}", *why]


def _decision(action, limit, route):
    return f"{label('action', action, language='en')}, limit {limit // MINOR_UNITS:,}, {label('route', route, language='en')}"


def find_report(customer):
    """Path of the portfolio page, or of the officer's report on a customer.

    Raises RiskError when there is none.
    """
    folder = pages_folder(load_params().source.name, "default")
    if customer is None:
        page = folder / "index.html"
        if not page.exists():
            raise RiskError("there is no report yet: run `risk run`.")
        return str(page)
    pages = sorted(folder.glob(f"customers/{customer}.*.html"))
    if not pages:
        raise RiskError(f"there is no report on {customer}: reports are written for the {load_params().report.customers} riskiest customers; "
                        f"write it with `risk report {customer} --to FOLDER`, or raise report.customers in params.yaml (-1: all) and run `risk run`.")
    return "\n".join(str(page) for page in pages)


def score_file(source, output, *, use_case):
    """Score a feature file (Parquet or CSV) with the bundle in force; write `output` or return the table as text.

    Raises RiskError when the file cannot be read or lacks columns.
    """
    frame = _read(Path(source))
    scores = score_frame(load_bundle(in_force(load_params().source.name, use_case).folder), frame)
    result = pd.concat([frame[[key for key in KEYS if key in frame]], scores], axis=1)
    if output is None:
        return result.to_string(index=False)
    if Path(output).suffix == ".parquet":
        write_frame(output, result)
    else:
        with replacing(output) as beside:
            result.to_csv(beside, index=False)
    return f"{len(result):,} rows scored into {output}"


def _read(path):
    try:
        return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    except FileNotFoundError:
        raise RiskError(f"{path} does not exist: name a feature file, such as data/default/book/features.parquet.") from None
    except (ValueError, OSError) as error:
        raise RiskError(f"{path} cannot be read ({str(error).splitlines()[0]}): bring Parquet or CSV with a header.") from None
