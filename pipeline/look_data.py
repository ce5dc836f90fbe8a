"""Looking at the data of a run: frames, for notebooks, of what stands in `data/` after ingest and observe; nothing is written there."""

import contextlib
import os
import tempfile
from pathlib import Path

import duckdb
import pandas as pd

from features.catalogue import build_catalogue
from features.errors import RiskError
from features.feeders.duck import columns_of
from features.feeders.duck import featurize as feed
from features.feeders.sql import quoted
from features.tables import TABLES as CONTRACTS
from pipeline.datasets import INGEST, REJECTS, TABLES, case_path, read_json
from pipeline.frames import read_frame, read_observations, write_frame
from pipeline.params import load_params

FINDING = ("table", "rule", "rows", "example", "meaning", "remedy")


def open_project(start="."):
    """Work in the project's folder: the nearest one, from `start` upwards, that holds params.yaml. Returns its path.

    Raises RiskError where there is none.
    """
    start = Path(start).resolve()
    found = next((folder for folder in (start, *start.parents) if (folder / "params.yaml").exists()), None)
    if found is None:
        raise RiskError(f"no params.yaml in {start} or above it: open the notebook from the project's folder.")
    os.chdir(found)
    return found


def intake():
    """What ingest made of each table: one row a table, with rows read, kept and rejected, and the first and last day known (none: undated)."""
    tables = read_json(INGEST)["tables"]
    rows = [{"table": name, **{key: about[key] for key in ("read", "kept")}, "rejected": sum(about["rejected"].values()),
             "known_from": about["known_from"], "known_to": about["known_to"]} for name, about in tables.items()]
    return pd.DataFrame(rows).set_index("table")


def rejects():
    """What was set aside and why: one row a table and rule, with the number of rows and the first of them (its place in the source's rows and the
    value that broke the rule)."""
    tables = read_json(INGEST)["tables"]
    examples = {(table, rule): rest for table in tables for rule, *rest in _first_rejects(table)}
    rows = [(table, rule, count, *examples.get((table, rule), (None, None))) for table, about in tables.items() for rule, count in about["rejected"].items()]
    return pd.DataFrame(rows, columns=["table", "rule", "rows", "first_row", "first_value"])


def _first_rejects(table):
    path = REJECTS / f"{table}.parquet"
    query = "SELECT rule, min(row_number), arg_min(value, row_number) FROM read_parquet(?) GROUP BY rule ORDER BY rule"
    return _ask(query, [str(path)]) if path.exists() else []


def findings():
    """What was noticed and kept: one row a finding, with table, rule, rows, an example, what it means and what to do about it."""
    return pd.DataFrame(read_json(INGEST).get("findings", []), columns=FINDING)


def coverage():
    """How many customers each table speaks of: one row a table, with rows, customers, and their share of all customers that any table names.

    A table without customers (series) has none.
    """
    with_customers = [table for table in _tables() if "customer_id" in _columns(table)]
    named = " UNION ".join(f"SELECT customer_id FROM '{TABLES / table}.parquet' WHERE customer_id IS NOT NULL" for table in with_customers)
    everybody = _ask(f"SELECT count(*) FROM ({named})")[0][0] if named else 0
    rows = [_covered(table, everybody, table in with_customers) for table in _tables()]
    return pd.DataFrame(rows, columns=["table", "rows", "customers", "share"]).set_index("table")


def _covered(table, everybody, with_customers):
    distinct = "count(DISTINCT customer_id)" if with_customers else "NULL"
    rows, customers = _ask(f"SELECT count(*), {distinct} FROM '{TABLES / table}.parquet'")[0]
    return table, rows, customers, None if customers is None else customers / max(everybody, 1)


def filled(table=None):
    """How full the columns of a table (of all tables without it) are: one row a column, with its kind and the share of the table's rows that give it.

    Raises RiskError for a table that the source does not give.
    """
    if table is not None and table not in _tables():
        raise RiskError(f"there is no table {table} in {TABLES}: the source gives {', '.join(_tables())}.")
    kinds = columns_of(TABLES)
    rows = [row for name in (_tables() if table is None else [table]) for row in _filled_columns(name, kinds[name])]
    return pd.DataFrame(rows, columns=["table", "column", "kind", "filled"]).set_index(["table", "column"])


def _filled_columns(table, kinds):
    columns = _columns(table)
    counts = ", ".join(f"count({quoted(name)})" for name in columns)
    rows, *given = _ask(f"SELECT count(*), {counts} FROM '{TABLES / table}.parquet'")[0]
    return [(table, name, kinds[name], count / max(rows, 1)) for name, count in zip(columns, given, strict=True)]


def cohorts(use_case="default"):
    """What became of the observed, a quarter of as_of a row: matured, immature and indeterminate rows, bad ones, the rate among the matured, and the
    naive rate, which takes everybody without a default so far for good and so falls towards the present."""
    found = read_json(case_path(use_case, "development", "maturity.json"))["cohorts"]
    return pd.DataFrame(found).assign(cohort=lambda frame: pd.to_datetime(frame["cohort"])).set_index("cohort")


def samples(use_case="default"):
    """How the observations were dealt: one row a sample, with rows, bad rows, customers, and the first and last as_of."""
    rows = read_observations(use_case, ["customer_id", "as_of", "target"])
    return rows.groupby("sample").agg(rows=("customer_id", "size"), bad=("target", "sum"), customers=("customer_id", "nunique"),
                                      first_as_of=("as_of", "min"), last_as_of=("as_of", "max"))


def bad_example(use_case="default"):
    """A customer to look at and the moment to look: customer_id and as_of of the last observation that turned out bad.

    Raises RiskError where none did.
    """
    rows = read_frame(case_path(use_case, "development", "observations.parquet"), ["customer_id", "as_of", "target"])
    bad = rows[rows["target"] == 1].sort_values(["as_of", "customer_id"])
    if bad.empty:
        raise RiskError(f"none of the {len(rows):,} observations of {use_case} turned out bad: bring outcomes, or a longer history.")
    return bad["customer_id"].iloc[-1], bad["as_of"].iloc[-1]


def history(customer, as_of):
    """Every dated row of one customer, newest first, and whether it was known at `as_of`: table, happened, known_at, known, and the row's values in words.

    Raises RiskError for a customer that no table names.
    """
    as_of = pd.Timestamp(as_of)
    dated = [table for table in _tables() if table != "observations" and "customer_id" in _columns(table)]
    rows = [row for table in dated for row in _rows_of(table, customer)]
    if not rows and not _observed(customer):
        raise RiskError(f"no table names the customer {customer}: check the id (look_data.coverage() counts them).")
    frame = pd.DataFrame(rows, columns=["table", "happened", "known_at", "values"])
    frame.insert(3, "known", frame["known_at"] <= as_of)
    return frame.sort_values(["happened", "known_at", "table"], ascending=False, ignore_index=True)


def _rows_of(table, customer):
    happened, columns = CONTRACTS[table].occurred, _columns(table)
    shown = [name for name in columns if name not in {"customer_id", "known_at", happened}]
    for row in _ask(f"SELECT * FROM '{TABLES / table}.parquet' WHERE customer_id = ?", [customer]):
        values = dict(zip(columns, row, strict=True))
        words = ", ".join(f"{name} {_written(values[name])}" for name in shown if values[name] is not None)
        yield table, values[happened], values["known_at"], words


def _written(value):
    return f"{value:,.12g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else value


def _observed(customer):
    return "observations" in _tables() and _ask(f"SELECT count(*) FROM '{TABLES}/observations.parquet' WHERE customer_id = ?", [customer])[0][0] > 0


def features_over_time(customer, as_of, *, quarters=4, names=None):
    """A customer's own features as they would have been computed at `as_of` and at each of the quarters before: one row a moment, oldest first, one column
    a feature.

    The kernel computes them, from what was known then; `names` chooses (all that the tables allow without it). Features that compare with other
    customers, and columns that observations bring, are left out. Raises RiskError for a name that is not among them.
    """
    catalogue = _own_catalogue()
    catalogue = catalogue if names is None else catalogue.only(names)
    moments = pd.DatetimeIndex([pd.Timestamp(as_of) - pd.DateOffset(months=3 * back) for back in range(quarters, -1, -1)], name="as_of").as_unit("us")
    return _computed(customer, moments, catalogue) if len(catalogue) else pd.DataFrame(index=moments)


def _computed(customer, moments, catalogue):
    asked = pd.DataFrame({"observation_id": [str(place) for place in range(len(moments))], "customer_id": customer, "as_of": moments})
    with scratch() as folder:
        write_frame(folder / "observations.parquet", asked)
        feed(TABLES, folder / "observations.parquet", folder / "features.parquet", catalogue=catalogue, threads=1)
        return read_frame(folder / "features.parquet").drop(columns="observation_id").set_axis(moments, axis=0)


def _own_catalogue():
    catalogue = build_catalogue("default", columns_of(TABLES), preferred_basis=load_params().featurize.preferred_basis)
    return catalogue.of([each for each in catalogue.features if each.scope == "own" and "observations" not in each.needs])


@contextlib.contextmanager
def scratch():
    """A folder for what a look or a trial writes on its way; it is gone at the end."""
    with tempfile.TemporaryDirectory(prefix="customer-risk-") as folder:
        yield Path(folder)


def _tables():
    return [table for table in CONTRACTS if (TABLES / f"{table}.parquet").exists()]


def _columns(table):
    return [row[0] for row in _ask(f"DESCRIBE SELECT * FROM '{TABLES / table}.parquet'")]


def _ask(query, values=None):
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return connection.execute(query, values).fetchall()
