"""What the life cycle is told of every customer on a day: the book's scores, and standing and early warnings from the tables, by the features' kernel."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from features.errors import RiskError
from models.horizon import horizon_of
from models.life_cycle import exposure_to_limit, grade_places, pd_rise
from models.overrides import TOWARDS_DECLINE
from models.target import drop_in_default
from pipeline.computed import computed
from pipeline.datasets import case_path
from pipeline.decision import decide_row, policy_of, standing_of
from pipeline.featurize import available_columns
from pipeline.frames import read_frame
from pipeline.outcomes import known_outcomes
from pipeline.spine import end_of
from serving.early_warning import life_cycle_catalogue

SCORED = ("customer_id", "as_of", "observation_id", "policy", "grade", "action", "route", "limit")


@dataclass(frozen=True)
class Book:
    """The book's latest row of each customer, by customer_id: customer_id, as_of, observation_id, policy (hash), pd_12m, grade, approved, limit (minor units);
    `day` its last as_of."""

    rows: pd.DataFrame
    day: date

    def stale(self, day, days):
        """Which rows' scores are more than so many days old on a day, each by its own as_of; (n,) bool."""
        return ((pd.Timestamp(day) - self.rows["as_of"].dt.normalize()).dt.days > days).to_numpy()


def read_book():
    """The scored Book. Raises: RiskError when there are no scores."""
    path = case_path("default", "scores.parquet")
    if not path.exists():
        raise RiskError(f"{path} is missing: run `risk run`.")
    probability = next(name for name in pq.read_schema(path).names if horizon_of(name))
    scores = read_frame(path, [*SCORED, probability]).sort_values(["customer_id", "as_of", "observation_id"], kind="stable")
    rows = scores.drop_duplicates("customer_id", keep="last").reset_index(drop=True)
    # The policy's automatic route is an approval; a customer it would grant nothing is not let in by it.
    approved = (rows["route"] == "automatic") & (rows["action"] != "decline") & (rows["limit"] > 0)
    kept = rows[["customer_id", "as_of", "observation_id", "policy", "grade", "limit"]]
    return Book(kept.assign(pd_12m=rows[probability], approved=approved.astype(np.float64)), rows["as_of"].max().date())


def overridden(book, overrides, *, today):
    """The Book as the overrides in force today leave it, {customer_id: models.overrides.Override}: the limit that the decision in force grants, by the
    override's limit or grade, is the one that the exposure is held against, and whom they were harder on than the policy is not approved by it. None of them
    approves: that is a person's move. Raises: RiskError when policy.yaml is another than the one that decided the book."""
    places = np.flatnonzero(book.rows["customer_id"].isin(list(overrides)))
    if not len(places):
        return book
    rows, chosen = book.rows.copy(), book.rows.iloc[places]
    policy, standings = policy_of(chosen), standing_of(chosen["observation_id"])
    for place, row, standing in zip(places, chosen.to_dict("records"), standings, strict=True):
        override = overrides[row["customer_id"]]
        decided, _ = decide_row(policy, row, standing, override=override, day=today)
        rows.at[place, "limit"] = decided.risk_limit
        if override.direction == TOWARDS_DECLINE:
            rows.at[place, "approved"] = 0.0
    return Book(rows, book.day)


def fresh(book, day, days):
    """The Book without the scores that are more than so many days old on a day: their customers stand as if they had none. Their limits stay, which are in
    force until others are decided."""
    rows = book.rows.copy()
    rows.loc[book.stale(day, days), ["pd_12m", "approved", "grade"]] = [np.nan, np.nan, None]
    return Book(rows, book.day)


def facts_of(customers, book, *, day, reference_pd, params):
    """Facts of customers as of the end of a day, as `models.life_cycle.advance` takes them: {name: float64 (n,)}, NaN where unknown.

    customers: ids, (n,), whether in the book or not; reference_pd: (n,). Those who are not in it have no score; standing, warnings and known defaults
    are theirs too, so that a default is seen that has taken a customer out of the book, and a run-down comes to its end.
    """
    scored = book.rows.set_index("customer_id").reindex(customers)
    pd_12m, limit = (scored[name].to_numpy(np.float64) for name in ("pd_12m", "limit"))
    standing = _standing(customers, day, params)
    exposure = np.maximum(standing.get("exposure", np.full(len(customers), np.nan)), 0)
    return {"pd_12m": pd_12m, "pd_rise": pd_rise(pd_12m, reference_pd), "grade": grade_places(scored["grade"].where(scored["grade"].notna(), None)),
            "approved": scored["approved"].to_numpy(np.float64), "in_default": in_default(customers, day, params.observe.default).astype(np.float64),
            "exposure_to_limit": exposure_to_limit(exposure, limit), **standing, "exposure": exposure}


def in_default(customers, day, rules):
    """Which customers are known to be in default at the end of a day and not cured, (n,) bool; rules: those of `observe.default`."""
    rows = _asked(customers, day)
    left = drop_in_default(rows, known_outcomes("default", rules, known_by=end_of(day)))
    return (~rows["customer_id"].isin(left["customer_id"])).to_numpy()


def _standing(customers, day, params):
    catalogue = life_cycle_catalogue(available_columns(case_path("default", "book"), "default"), preferred_basis=params.featurize.preferred_basis)
    if not len(customers) or not len(catalogue):
        return {}
    return computed(_asked(customers, day), catalogue, threads=params.featurize.threads)


def _asked(customers, day):
    moments = pd.Series([end_of(day)] * len(customers), dtype="datetime64[us]")
    return pd.DataFrame({"observation_id": customers, "customer_id": customers, "as_of": moments})
