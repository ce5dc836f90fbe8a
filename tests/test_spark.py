"""The Spark feeder on a real local Spark: the bits and the context of the DuckDB feeder, whatever the buckets; what it refuses, in one sentence."""

import importlib.util
import os
import shutil
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builders import customer, event, invoice, observation, outcome, payment, series, statement, transaction, write_table, write_tables
from naive import START, random_tables

from features.catalogue import build_catalogue
from features.errors import RiskError
from features.feeders import duck
from features.feeders import spark as feeder
from features.feeders.arrow import read_context

LACKING = [
    what
    for what, there in {
        "pyspark is not installed: make setup-spark": importlib.util.find_spec("pyspark"),
        "java is not on the path: install Java 17": shutil.which("java") or os.environ.get("JAVA_HOME"),
    }.items()
    if not there
]
REQUIRED = os.environ.get("CUSTOMER_RISK_REQUIRE_SPARK") == "1"
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas")]
CUSTOMERS = 24


@pytest.fixture(scope="module")
def spark():
    """A Spark on two threads of this machine. In CI a missing Spark is a failure, elsewhere a reason to skip."""
    if LACKING and not REQUIRED:
        pytest.skip("; ".join(LACKING))
    session = feeder.local_session(threads=2, memory="1g", partitions=3)
    yield session
    session.stop()


def asked(use_case):
    """Three quarter ends of every customer; for fraud with a transaction's columns."""
    rng = np.random.default_rng(0)
    rows = [observation(f"C{number}", as_of=START + timedelta(days=400 + 91 * part)) for part in range(3) for number in range(CUSTOMERS + 1)]
    if use_case == "default":
        return rows
    own = {"currency": "EUR", "kind": "card", "channel": None}
    return [
        row
        | own
        | {
            "occurred_at": row["as_of"] + timedelta(seconds=1),
            "amount": int(rng.integers(-1000, 1000)),
            "counterparty_id": [None, "B1", "B2", "B9"][int(rng.integers(0, 4))],
        }
        for row in rows
    ]


def by_duck(folder, catalogue, **options):
    """The DuckDB feeder's file, by observation_id, and its context."""
    context = duck.featurize(folder, folder / "observations.parquet", folder / "duck.parquet", catalogue=catalogue, **options)
    return pq.read_table(folder / "duck.parquet").sort_by("observation_id"), context


def by_spark(spark, folder, catalogue, **options):
    """The Spark feeder's frame, by observation_id, and its context."""
    found = feeder.featurize(spark, folder, folder / "observations.parquet", catalogue=catalogue, **options)
    return found.frame.toArrow().sort_by("observation_id"), found.context


def bits(column):
    """A column's values, floats by their bits."""
    whole = column.combine_chunks()
    return whole.to_pylist() if pa.types.is_string(column.type) else (whole.null_count, whole.to_numpy(zero_copy_only=False).view(np.int64).tolist())


def check_same(spark, folder, catalogue, **options):
    """Both feeders: same names and types, same bits, same context."""
    expected, duck_context = by_duck(folder, catalogue)
    found, spark_context = by_spark(spark, folder, catalogue, **options)
    assert list(zip(found.schema.names, found.schema.types, strict=True)) == list(zip(expected.schema.names, expected.schema.types, strict=True))
    assert {name for name in expected.column_names if bits(found[name]) != bits(expected[name])} == set()
    assert spark_context.digest() == duck_context.digest()


@pytest.fixture(scope="module", params=["default", "fraud"])
def book(request, tmp_path_factory):
    """A random history with observations, and the use case's catalogue of it."""
    folder = tmp_path_factory.mktemp("book")
    tables = random_tables(7, customers=CUSTOMERS)
    tables["outcomes"] = [
        outcome(None, transaction_id=row["transaction_id"], kind="fraud", occurred_at=row["occurred_at"]) for row in tables["transactions"][::5]
    ]
    write_tables(folder, tables | {"observations": asked(request.param)})
    return folder, build_catalogue(request.param, duck.columns_of(folder))


@pytest.mark.parametrize("buckets", [1, 5, 200])
def test_a_random_history_has_the_bits_and_the_context_of_the_duckdb_feeder(spark, book, buckets):
    folder, catalogue = book
    check_same(spark, folder, catalogue, buckets=buckets)
