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
from corners import SERIES
from corners import book as book_of_corners
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


@pytest.mark.parametrize("buckets", [1, 40])
def test_a_random_history_has_the_bits_and_the_context_of_the_duckdb_feeder(spark, book, buckets):
    folder, catalogue = book
    check_same(spark, folder, catalogue, buckets=buckets)


LINES = ("current_assets", "current_liabilities", "equity", "net_income", "revenue")


def corner_tables():
    """Customers that hurt, rows in no order: nobody's C0, single rows C1, all-null optional columns C2, ties in time C3, categories that no other
    bucket has C4, most of all rows C5; and 40 with statements, so that there are peers."""
    rng = np.random.default_rng(3)
    parts = (corner_customers(), corner_statements(rng), corner_transactions(rng), corner_events(), corner_items())
    tables = {name: rows for part in parts for name, rows in part.items()}
    judged = tables["transactions"][-1]["transaction_id"]
    tables["outcomes"] = [outcome(None, transaction_id=judged, kind="fraud", occurred_at="2023-04-01"), outcome("C1")]
    return {name: [rows[place] for place in rng.permutation(len(rows))] for name, rows in tables.items()}


def corner_customers():
    unknown = customer("C2", known_at="2021-01-01", industry=None, region=None, ownership=None, founded_on=None)
    rows = [customer(f"C{number}", industry=["steel", "retail"][number % 2]) for number in range(1, 46)]
    market = [series("index"), series("orders", industry="steel"), series("orders", industry="retail", value=7.0)]
    return {"customers": [*rows, unknown, customer("C4", known_at="2021-02-01", region="moon")], "series": market}


def corner_statements(rng):
    peers = [statement(f"C{number}", **{line: float(np.round(rng.normal(0, 50), 2)) for line in LINES}) for number in range(5, 45)]
    tied = [statement("C3", source=source, cash=cash, known_at="2023-03-01") for source, cash in (("b", 1.0), ("a", 2.0), (None, 3.0))]
    return {"statements": [*peers, *tied, statement("C2", basis=None, source=None, currency=None, audited=None)]}


def corner_transactions(rng):
    optional = dict.fromkeys(("currency", "kind", "channel", "counterparty_id", "balance"))
    tied = [
        transaction("C3", transaction_id=f"T{rng.integers(10**9)}", amount=int(rng.integers(-9, 9)), balance=int(rng.integers(9)))
        for _ in range(60)
    ]
    most = [
        transaction("C5", occurred_at=START + timedelta(minutes=int(rng.integers(10**6))), amount=part % 997 - 300, counterparty_id=f"B{part % 7}")
        for part in range(3000)
    ]
    strange = transaction("C4", kind="barter", channel="pigeon", counterparty_id="B-\u00fc")
    return {"transactions": [transaction("C1"), transaction("C2", **optional), strange, *tied, *most]}


def corner_events():
    tied = [event("C3", event_id=f"E{9 - part}", severity=value) for part, value in enumerate((0.1, 0.2, 0.7, 1e16, -1e16))]
    return {"events": [event("C1"), event("C2", amount=None, severity=None, source=None, confidence=None), event("C4", kind="omen"), *tied]}


def corner_items():
    billed = [invoice("C3", invoice_id=f"I{9 - part}") for part in range(5)]
    paid = [
        payment("C3", payment_id=f"P{9 - part}", invoice_id=f"I{5 + part % 3}", amount=30_000 + part, kind=["payment", "write_off"][part % 2])
        for part in range(9)
    ]
    invoices = [invoice("C1", invoice_id="A"), invoice("C2", currency=None), *billed]
    return {"invoices": invoices, "payments": [payment("C1", invoice_id="A"), payment("C2", kind=None), *paid]}


def corner_questions():
    own = {"occurred_at": "2023-06-30T12:00:00", "amount": 5, "currency": "EUR", "kind": "transfer", "channel": None}
    moments = ("2023-03-01T12:00:00", "2023-06-29T23:59:59")
    return [observation(f"C{number}", as_of=moment, counterparty_id=f"B{number % 4}", **own) for number in range(46) for moment in moments]


@pytest.fixture(scope="module")
def corners(tmp_path_factory):
    """Those customers, and the named corner histories of every feeder."""
    tables, named = corner_tables() | {"observations": corner_questions()}, book_of_corners() | {"series": SERIES[:2]}
    return write_tables(tmp_path_factory.mktemp("corners"), {name: tables.get(name, []) + named.get(name, []) for name in tables | named})


@pytest.mark.parametrize("use_case", ["default", "fraud"])
def test_customers_that_hurt_have_the_same_bits(spark, corners, use_case):
    catalogue = build_catalogue(use_case, duck.columns_of(corners))
    check_same(spark, corners, catalogue, buckets=7)
    assert use_case == "fraud" or any(name.startswith("peer") for name in catalogue.names)


def numbered(rows, kind):
    """Rows as an Arrow table with customers numbered in integers of that type."""
    arrow = pa.Table.from_pylist([row | {"customer_id": int(row["customer_id"][1:])} for row in rows])
    return arrow.set_column(arrow.column_names.index("customer_id"), "customer_id", arrow["customer_id"].cast(kind))


def test_frames_whose_ids_are_of_another_width_and_a_folder_of_parts(spark, tmp_path):
    tables = {name: numbered(corner_tables()[name], pa.int32()) for name in ("transactions", "events")}
    for name, arrow in (tables | {"observations": numbered(corner_questions(), pa.int64())}).items():
        pq.write_table(arrow, tmp_path / f"{name}.parquet")
    catalogue = build_catalogue("default", duck.columns_of(tmp_path))
    expected, _ = by_duck(tmp_path, catalogue)
    frames = {name: spark.read.parquet(str(tmp_path / f"{name}.parquet")).repartition(3) for name in tables}
    questions = spark.read.parquet(str(tmp_path / "observations.parquet"))
    found = feeder.featurize(spark, frames, questions, tmp_path / "parts", catalogue=catalogue, buckets=3)
    stored = pq.read_table(tmp_path / "parts").sort_by("observation_id")
    assert found.frame.count() == len(stored) == len(expected)
    assert {name for name in expected.column_names if bits(stored[name]) != bits(expected[name])} == set()
    with pytest.raises(RiskError, match="parts is already there; remove it or write to another folder"):
        feeder.featurize(spark, frames, questions, tmp_path / "parts", catalogue=catalogue)


def test_the_context_is_written_and_a_given_one_is_used(spark, corners, tmp_path):
    catalogue = build_catalogue("fraud", duck.columns_of(corners)).select("counterparty")
    expected, context = by_duck(corners, catalogue, context_path=tmp_path / "duck.parquet")
    feeder.featurize(spark, corners, corners / "observations.parquet", catalogue=catalogue, context_path=tmp_path / "spark.parquet")
    assert (tmp_path / "spark.parquet").read_bytes() == (tmp_path / "duck.parquet").read_bytes()
    found, used = by_spark(spark, corners, catalogue, context=read_context(tmp_path / "spark.parquet"))
    assert used.digest() == context.digest()
    assert {name for name in catalogue.names if bits(found[name]) != bits(expected[name])} == set()


def small(folder, **tables):
    """A folder with these tables and one observation, and the catalogue of its windows."""
    write_tables(folder, {"observations": [observation()], **tables})
    return build_catalogue("default", duck.columns_of(folder))


def test_without_rows_or_observations_nothing_comes_out(spark, tmp_path):
    catalogue = small(tmp_path, transactions=[], observations=[])
    found, context = by_spark(spark, tmp_path, catalogue)
    assert (len(found), found.column_names) == (0, ["observation_id", *catalogue.names])
    assert context.digest() == by_duck(tmp_path, catalogue)[1].digest()


def test_a_missing_table_is_named_with_its_path(spark, tmp_path):
    catalogue = small(tmp_path, transactions=[transaction()])
    with pytest.raises(RiskError, match="Table transactions is missing: given are none"):
        feeder.featurize(spark, {}, tmp_path / "observations.parquet", catalogue=catalogue)
    (tmp_path / "transactions.parquet").unlink()
    with pytest.raises(RiskError, match="Table transactions is missing: there is no .*transactions.parquet; ingest it"):
        by_spark(spark, tmp_path, catalogue)


def test_a_damaged_table_is_named_with_its_path(spark, tmp_path):
    catalogue = small(tmp_path, transactions=[transaction()])
    (tmp_path / "transactions.parquet").write_bytes(b"nothing")
    with pytest.raises(RiskError, match="transactions.parquet cannot be read as a table"):
        by_spark(spark, tmp_path, catalogue)


def test_a_column_that_cannot_be_done_without_is_named(spark, tmp_path):
    catalogue = small(tmp_path, transactions=[transaction()])
    for lacking in ("known_at", "customer_id", "amount"):
        pq.write_table(pa.Table.from_pylist([transaction()]).drop_columns(lacking), tmp_path / "transactions.parquet")
        with pytest.raises(RiskError, match=f"Table transactions lacks the column {lacking}, without which its rows cannot be used"):
            by_spark(spark, tmp_path, catalogue)


def test_observations_are_checked(spark, tmp_path):
    catalogue = small(tmp_path, transactions=[transaction()], observations=[observation(), observation() | {"as_of": None}])
    with pytest.raises(RiskError, match="1 rows lack as_of and 0 lack customer_id"):
        by_spark(spark, tmp_path, catalogue)
    pq.write_table(pa.Table.from_pylist([observation()]).drop_columns("as_of"), tmp_path / "observations.parquet")
    with pytest.raises(RiskError, match="The observations lack the column as_of"):
        by_spark(spark, tmp_path, catalogue)


def test_moments_with_a_zone_are_refused(spark, tmp_path):
    catalogue = small(tmp_path, transactions=[transaction()])
    rows = pa.Table.from_pylist([transaction()])
    zoned = rows.set_column(rows.column_names.index("occurred_at"), "occurred_at", rows["occurred_at"].cast(pa.timestamp("us", tz="UTC")))
    pq.write_table(zoned, tmp_path / "transactions.parquet")
    with pytest.raises(RiskError, match="Table transactions, column occurred_at: 1 moments carry a time zone; store them as UTC without a zone"):
        by_spark(spark, tmp_path, catalogue)


def test_what_a_worker_refuses_is_one_sentence(spark, tmp_path):
    catalogue = small(tmp_path, events=[event(occurred_at="2023-05-01"), event(occurred_at="1940-05-01")])
    questions = tmp_path / "observations.parquet"
    write_table(tmp_path, "observations", [observation(), observation(as_of="1941-01-01")])
    sentence = "^1 of 2 moments lie outside 1950-01-01 to .*; correct these dates.$"
    with pytest.raises(RiskError, match=sentence):
        feeder.featurize(spark, tmp_path, questions, tmp_path / "out", catalogue=catalogue)
    with pytest.raises(RiskError, match=sentence), feeder.sentences():
        feeder.featurize(spark, tmp_path, questions, catalogue=catalogue).frame.toArrow()
