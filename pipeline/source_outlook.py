"""What a source's observations allow: which may be learned from, which judge, and how well the result would be known."""

import msgspec
import numpy as np

from features.errors import RiskError
from pipeline.datasets import case_path, read_json
from pipeline.frames import read_frame
from pipeline.observe import observe
from pipeline.sample import split

# The AUC for which the sampling error is told: what a decent score reaches.
TYPICAL_AUC = 0.80


class Outlook(msgspec.Struct, frozen=True):
    """What can be learned: observations by status, their dates, the bad ones, and how they would be judged.

    `bad_customers` counts a customer with several bad rows once, as `held_out_customers_bad` does among the `held_out` rows that judge, of which
    `held_out_bad` are bad; `judged` is the split's kind (time, customer, random, …), `notes` its sentences, `refusal` why nothing can be judged;
    `auc_error` is the 95 % half-width of an AUC of TYPICAL_AUC on as many customers as judge.
    """

    rows: int
    customers: int
    matured: int
    immature: int
    indeterminate: int
    bad: int
    bad_customers: int
    first: str
    last: str
    last_matured: str | None
    horizon_days: int
    lag_days: int
    judged: str | None = None
    notes: list = []
    held_out: int = 0
    held_out_bad: int = 0
    held_out_customers_bad: int = 0
    auc_error: float | None = None
    refusal: str | None = None


def outlook_of(use_case, params):
    """What of the ingested source can be learned from and judged in a use case; where nobody can be observed, `refusal` says why.

    It runs the stage observe, and the split that the stage sample makes.
    """
    rules = getattr(params.observe, use_case)
    try:
        observe(use_case)
    except RiskError as error:
        return Outlook(0, 0, 0, 0, 0, 0, 0, "", "", None, rules.horizon_days, rules.reporting_lag_days, refusal=str(error))
    folder = case_path(use_case, "development")
    rows, maturity = read_frame(folder / "observations.parquet"), read_json(folder / "maturity.json")
    matured = rows[(rows["status"] == "matured") & rows["target"].notna()]
    counts = [int((rows["status"] == status).sum()) for status in ("matured", "immature", "indeterminate")]
    outlook = Outlook(len(rows), int(rows["customer_id"].nunique()), *counts, int(matured["target"].sum()), _bad_customers(matured), *_days(rows),
                      _days(matured)[1] if len(matured) else None, maturity["horizon_days"], rules.reporting_lag_days)
    return _with_split(outlook, rows, maturity, params, use_case)


def _with_split(outlook, rows, maturity, params, use_case):
    try:
        samples = split(rows, use_case=use_case, params=params, protocol=maturity["protocol"], horizon_days=maturity["horizon_days"])
    except RiskError as error:
        return msgspec.structs.replace(outlook, refusal=str(error))
    held = rows[samples == "out_of_time"]
    bad = _bad_customers(held)
    return msgspec.structs.replace(outlook, judged=samples.attrs["by"], notes=list(samples.attrs["notes"]), held_out=len(held),
                                   held_out_bad=int(held["target"].sum()), held_out_customers_bad=bad,
                                   auc_error=auc_half_width(TYPICAL_AUC, bad, max(held["customer_id"].nunique() - bad, 1)))


def _bad_customers(rows):
    return int(rows.loc[rows["target"] == 1, "customer_id"].nunique())


def _days(rows):
    return rows["as_of"].min().date().isoformat(), rows["as_of"].max().date().isoformat()


def auc_half_width(auc, bad, good):
    """Half of the 95 % interval of an AUC on so many bad and good ones, taken as independent (Hanley and McNeil 1982, formula 2)."""
    one, two = auc / (2 - auc), 2 * auc * auc / (1 + auc)
    variance = (auc * (1 - auc) + (bad - 1) * (one - auc * auc) + (good - 1) * (two - auc * auc)) / (bad * good)
    return float(1.96 * np.sqrt(variance))
