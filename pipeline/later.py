"""The user's own columns before and after the outcome, so that the leak screen sees which of them follow it."""

import tempfile
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from features.feeders.duck import featurize as feed
from models.changes import stretches
from models.target import first_default_at
from pipeline.datasets import TABLES
from pipeline.frames import read_frame, write_frame
from pipeline.outcomes import known_outcomes
from pipeline.own_columns import observed, versioned
from pipeline.spine import BEFORE, given_observations


def write_later(path, observations, catalogue, *, cutoff, days, rules, observed_by):
    """Write the user's own columns at the start and at the end of `days` days from the outcome, see `models.changes.stretches`.

    observations: as `observe` writes them; cutoff: the training cutoff, past which nothing is read; rules: chunk_customers and threads;
    observed_by: the observation rules of the use case, which say what a default is.
    A row per chosen observation and moment: observation_id, when, observed_again (whether the source's observations hold a later row of
    the customer within the stretch), and one column per feature that reads such a column; no rows where the source keeps no versions of any.
    """
    names, again = versioned(catalogue), observed(catalogue)
    history = _history(again, catalogue, cutoff)
    again = again if history is not None else []
    asked = _asked(observations, catalogue.use_case, cutoff, days, observed_by) if names or again else pd.DataFrame()
    if asked.empty:
        write_frame(path, pd.DataFrame({"observation_id": pd.Series(dtype="str"), "when": pd.Series(dtype="datetime64[us]"), "observed_again": False}))
        return
    values = _from_tables(asked, catalogue.only(names), Path(path).parent, rules) if names else asked[[]]
    write_frame(path, pd.concat([asked[["observation_id", "when"]], _again(asked, history), values, _from_history(asked, history, again)], axis=1))


def _asked(observations, use_case, cutoff, days, observed_by):
    """Two rows per chosen observation, start before end: observation_id, customer_id, when."""
    chosen = stretches(observations, _moments(observations, use_case, cutoff, observed_by), days=days, until=cutoff)
    both = pd.concat([chosen.assign(when=chosen[end].astype("datetime64[us]")) for end in ("start", "end")])
    return both.sort_values(["observation_id", "when"], kind="stable")[["observation_id", "customer_id", "when"]].reset_index(drop=True)


def _moments(observations, use_case, cutoff, observed_by):
    """When each observation's outcome was: the transaction itself, the first default known at the cutoff, or the day a given target was known."""
    if use_case == "fraud":
        return observations["as_of"] + BEFORE
    if "target" in _columns("observations"):
        return observations["target_known_at"]
    return first_default_at(observations, known_outcomes(use_case, observed_by, known_by=cutoff), complete_to=cutoff)


def _columns(table):
    path = TABLES / f"{table}.parquet"
    return pq.read_schema(path).names if path.exists() else []


def _from_tables(asked, catalogue, folder, rules):
    """The catalogue at the moments asked, by the kernel that computes every feature."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=".later.") as scratch:
        where, out = Path(scratch) / "observations.parquet", Path(scratch) / "features.parquet"
        ids = asked["observation_id"] + asked.groupby("observation_id").cumcount().map("@{}".format)
        write_frame(where, asked.assign(observation_id=ids, as_of=asked["when"]).drop(columns="when"))
        feed(TABLES, where, out, catalogue=catalogue, chunk_customers=rules.chunk_customers, threads=rules.threads)
        return read_frame(out).drop(columns="observation_id")


def _history(names, catalogue, cutoff):
    """The source's observations up to the cutoff with the named columns, where some customer has several; else None."""
    given = given_observations(until=cutoff) if names and catalogue.use_case == "default" else None
    if given is None or not given["customer_id"].duplicated().any():
        return None
    columns = {name: given[catalogue[name].how.column] for name in names}
    return given[["customer_id", "as_of"]].assign(**columns).sort_values("as_of", kind="stable")


def _from_history(asked, history, names):
    return _held(asked, history)[names] if names else asked[[]]


def _again(asked, history):
    """Whether the row held at a moment was observed after the stretch began."""
    if history is None:
        return pd.Series(False, index=asked.index, name="observed_again")
    start = asked.groupby("observation_id")["when"].transform("min")
    return (_held(asked, history)["as_of"] > start).rename("observed_again")


def _held(asked, history):
    """Each moment's latest row of the customer's observations, in the order asked."""
    rows = asked.assign(row=asked.index).astype({"customer_id": history["customer_id"].dtype}).sort_values("when", kind="stable")
    held = pd.merge_asof(rows, history, left_on="when", right_on="as_of", by="customer_id")
    return held.sort_values("row").set_index(asked.index)
