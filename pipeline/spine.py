"""Who is looked at, and when: the rows that observe and book start from."""

import duckdb
import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.errors import RiskError
from features.tables import TABLES as CONTRACTS
from pipeline.datasets import TABLES
from pipeline.frames import read_frame

# What shows that a customer still does business: a booking in any of these tables.
ACTIVITY = ("statements", "contracts", "invoices", "transactions")
# The transaction itself is what is judged: its history ends one second before it.
BEFORE = pd.Timedelta(seconds=1)
OWN_COLUMNS = ("amount", "currency", "kind", "channel", "counterparty_id")


def given_observations(*, until):
    """The observations a source brought, with as_of up to `until` (inclusive), or None when it brought none."""
    path = TABLES / "observations.parquet"
    if not path.exists():
        return None
    given = read_frame(path)
    return given[given["as_of"] <= end_of(until)].reset_index(drop=True)


def month_ends(about, rules, *, until):
    """Month ends from the end of the warm-up to `until`, every `rules.every_months` counted back from the last one."""
    first = min(table["known_from"] for table in about["tables"].values() if table["known_from"])
    start = pd.Timestamp(first) + pd.DateOffset(months=rules.warm_up_months)
    last = pd.Timestamp(until) + pd.Timedelta(days=1) - pd.offsets.MonthEnd(1)
    ends = pd.date_range(start, last, freq="ME")
    return ends[::-1][:: rules.every_months][::-1].as_unit("us")


def active_customers(dates, *, active_days):
    """One row per customer and date: observation_id, customer_id, as_of (the end of that day).

    A customer is there from the day it was first known, while anything of its business became known in the last `active_days`.
    """
    if not any((TABLES / f"{table}.parquet").exists() for table in ACTIVITY):
        raise RiskError(f"nobody can be observed: the source has none of {', '.join(ACTIVITY)}: bring one of them, or observations with their dates.")
    connection = duckdb.connect()
    connection.execute("SET threads = 2; SET TimeZone = 'UTC'")
    connection.register("dates", pd.DataFrame({"as_of": dates + pd.Timedelta(days=1) - BEFORE}))
    activity = " UNION ".join(f"SELECT customer_id, known_at::DATE AS day FROM '{TABLES / table}.parquet'" for table in ACTIVITY
                              if (TABLES / f"{table}.parquet").exists())
    frame = _active_rows(connection, activity, active_days)
    connection.close()
    return frame


def _active_rows(connection, activity, active_days):
    return connection.execute(f"""
        WITH known AS (SELECT customer_id, min(known_at) AS since FROM '{TABLES}/customers.parquet' GROUP BY 1),
             grid AS (SELECT customer_id, as_of FROM known CROSS JOIN dates WHERE since <= as_of),
             activity AS ({activity})
        SELECT grid.customer_id || '@' || strftime(grid.as_of, '%Y-%m-%d') AS observation_id, grid.customer_id, grid.as_of
        FROM grid ASOF JOIN activity ON grid.customer_id = activity.customer_id AND grid.as_of >= activity.day
        WHERE activity.day > grid.as_of::DATE - {active_days}
        ORDER BY grid.as_of, grid.customer_id""").df()


def transactions_between(start, end):
    """One row per transaction with start < occurred_at <= the end of day `end` and known by then; as_of is one second before it."""
    path = TABLES / "transactions.parquet"
    if not path.exists():
        raise RiskError("fraud needs the table transactions, which the source does not give: take fraud out of use_cases in its source.yaml.")
    own = [column for column in pq.read_schema(path).names if column in OWN_COLUMNS or _is_own(column)]
    dates = (pc.field("occurred_at") > pd.Timestamp(start)) & (pc.field("occurred_at") <= end_of(end)) & (pc.field("known_at") <= end_of(end))
    frame = pq.read_table(path, columns=["transaction_id", "customer_id", "occurred_at", *own], filters=dates).to_pandas()
    spine = frame.assign(observation_id=frame["transaction_id"], as_of=frame["occurred_at"] - BEFORE)
    return spine.sort_values(["as_of", "transaction_id"], kind="stable").reset_index(drop=True)


def reported_customers(outcomes):
    """Outcomes of frauds with the customer_id of each; where an outcome names its transaction only, the transaction's."""
    unnamed = outcomes["customer_id"].isna() if "customer_id" in outcomes else pd.Series(True, index=outcomes.index)
    if not unnamed.any():
        return outcomes
    asked = pc.field("transaction_id").isin(outcomes.loc[unnamed, "transaction_id"].dropna().tolist())
    owners = pq.read_table(TABLES / "transactions.parquet", columns=["transaction_id", "customer_id"], filters=asked).to_pandas()
    owner = outcomes["transaction_id"].map(owners.set_index("transaction_id")["customer_id"])
    named = outcomes.assign(customer_id=owner if unnamed.all() else outcomes["customer_id"].fillna(owner))
    return named[named["customer_id"].notna()]


def _is_own(column):
    """Whether a column is one of the source's own that says something of the transaction, such as its device."""
    return CONTRACTS["transactions"].column(column) is None and column != "id" and not column.endswith("_id")


def end_of(day):
    """The last second of a day: what became known on it is known."""
    return pd.Timestamp(day) + pd.Timedelta(days=1) - BEFORE
