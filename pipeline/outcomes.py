"""What counts as an outcome: the source's own, or defaults derived from invoices and payments. Nothing else reads the outcomes table to label."""

import msgspec
import pandas as pd
import pyarrow.parquet as pq

from features.errors import RiskError
from models.past_due import INVOICES, PAYMENTS, Rules, defaults_past_due
from pipeline.datasets import TABLES
from pipeline.frames import read_frame

EVENT, DAYS_PAST_DUE, GIVEN = "event", "days_past_due", "given"


def known_outcomes(use_case, rules, *, known_by):
    """The outcomes of a use case known by a moment (inclusive), as `models.target` reads them.

    `rules` are the observation rules of the use case (pipeline/params.py); those of default say what a default is: the source's event, days past due, or
    either, for which both stand side by side. Raises RiskError when the definition needs a table that the source does not give.
    """
    outcomes = read_frame(TABLES / "outcomes.parquet")
    outcomes = outcomes[(outcomes["known_at"] <= pd.Timestamp(known_by)) & (outcomes["kind"] == use_case)]
    if use_case == "fraud" or rules.definition == EVENT:
        return outcomes
    derived = defaults_past_due(_table("invoices", (*INVOICES, "currency")), _table("payments", (*PAYMENTS, "kind", "currency")), complete_to=known_by,
                                rules=Rules(**msgspec.structs.asdict(rules.past_due)))
    return derived if rules.definition == DAYS_PAST_DUE else pd.concat([outcomes, derived], ignore_index=True)


def definition_of(use_case, rules, observations):
    """Which definition labels the observations: {kind, and for days past due its thresholds}; kind is `given` where a source brings its own targets."""
    if "target" in observations:
        return {"kind": GIVEN}
    if use_case == "fraud":
        return {"kind": EVENT}
    return {"kind": rules.definition} | ({} if rules.definition == EVENT else msgspec.structs.asdict(rules.past_due))


def _table(name, columns):
    path = TABLES / f"{name}.parquet"
    if not path.exists():
        raise RiskError(f"observe.default.definition days_past_due needs the table {name}, which the source does not give: "
                        "bring it, or define defaults by event.")
    return read_frame(path, [column for column in columns if column in pq.read_schema(path).names])
