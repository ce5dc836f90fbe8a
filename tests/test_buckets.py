"""What every feeder of a book shares: rows in any order put into the kernel's, rows packed to travel, and what cannot be done without."""

import importlib.util
import sys

import numpy as np
import pyarrow as pa
import pytest
from builders import ARROW, customer, event, invoice, observation, payment, statement, transaction
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import running_counts

from features.catalogue import build_catalogue
from features.context import LEAST_MEMBERS, added_counts
from features.errors import RiskError
from features.feeders import spark
from features.feeders.bases import bases_of, knots_of
from features.feeders.buckets import features_of, kernel_order, records_of
from features.feeders.needs import needed
from features.feeders.parcels import PARCELS, pack, unpack
from features.tables import TABLES

IDS = pa.array(["C1", "C2", "C3"])


def arrow(table, rows):
    names = list(dict.fromkeys([*TABLES[table].names, *(name for row in rows for name in row)]))
    return pa.table({name: pa.array([row.get(name) for row in rows], ARROW[TABLES[table].column(name).kind]) for name in names})


def catalogue_of(use_case="default", **tables):
    return build_catalogue(use_case, {name: {column: TABLES[name].column(column).kind for column in rows.column_names} for name, rows in tables.items()})


def needs_of(**tables):
    return needed(catalogue_of(**tables), {name: rows.column_names for name, rows in tables.items()})


events = st.lists(st.tuples(st.integers(-1, 2), st.integers(1, 4), st.integers(1, 3), st.sampled_from(["a", "B", "\u00fc", "\U0001f600", None])), max_size=40)


@settings(max_examples=200, deadline=None)
@given(events)
def test_rows_come_by_entity_then_time_then_the_keys_text_by_code_point(rows):
    entity = np.array([each[0] for each in rows], dtype=np.int64)
    moments = {name: pa.array([each[place] for each in rows], pa.timestamp("us")) for place, name in ((1, "occurred_at"), (2, "known_at"))}
    table = pa.table(moments | {"event_id": pa.array([each[3] for each in rows], pa.string())})
    kept = [place for place, each in enumerate(rows) if each[0] >= 0]
    expected = sorted(kept, key=lambda place: (*rows[place][:3], rows[place][3] is None, (rows[place][3] or "").encode()))
    assert kernel_order(entity, table, ("occurred_at", "known_at", "event_id")).tolist() == expected


def test_an_invoice_has_one_code_in_every_table_and_strangers_rows_are_left_out():
    tables = {
        "invoices": arrow("invoices", [invoice("C2", invoice_id="B"), invoice("C9", invoice_id="X"), invoice("C1", invoice_id="A")]),
        "payments": arrow("payments", [payment("C1", invoice_id="A"), payment("C2", invoice_id="B"), payment("C1", invoice_id="X"), payment("C1")]),
    }
    found = records_of(needs_of(**tables), tables, IDS).tables
    assert found["invoices"]["invoice_id"].tolist() == [0, 1]
    assert found["payments"]["entity"].tolist() == [0, 0, 0, 1]
    assert sorted(found["payments"]["invoice_id"].tolist()) == [-1, -1, 0, 1]


def test_whole_numbers_beyond_the_contract_are_numbers_as_a_single_customers_are():
    rows = arrow("transactions", [transaction("C1"), transaction("C2")]).append_column("headcount", pa.array([7, None], pa.int64()))
    catalogue = build_catalogue("default", {"transactions": {name: "integer" if name == "headcount" else "money" for name in rows.column_names}})
    found = records_of(needed(catalogue, {"transactions": rows.column_names}), {"transactions": rows}, IDS).tables["transactions"]
    assert found["amount"].dtype == np.int64
    np.testing.assert_array_equal(found["headcount"], np.array([7.0, np.nan]))


def test_a_table_without_rows_keeps_its_columns():
    tables = {"transactions": arrow("transactions", [])}
    rows = records_of(needs_of(**tables), tables, IDS).tables["transactions"]
    assert {len(column) for column in rows.values()} == {0}
    assert {"entity", "occurred_at", "known_at", "amount", "balance"} <= set(rows)


def test_features_come_in_the_order_asked_with_the_types_of_a_file():
    tables = {"transactions": arrow("transactions", [transaction("C1"), transaction("C1", occurred_at="2023-04-01", amount=7)])}
    asked = arrow("observations", [observation(each, observation_id=f"O-{each}") for each in ("C3", "C1")])
    catalogue = catalogue_of(**tables).only(["txn_count_365d"])
    found = features_of(catalogue, needed(catalogue, {"transactions": tables["transactions"].column_names}), asked, tables, context=None)
    assert found.to_pylist() == [{"observation_id": "O-C3", "txn_count_365d": 0.0}, {"observation_id": "O-C1", "txn_count_365d": 2.0}]


@pytest.mark.parametrize("lacking", ["known_at", "occurred_at", "customer_id"])
def test_a_column_that_cannot_be_done_without_is_named(lacking):
    rows = arrow("events", [event()])
    with pytest.raises(RiskError, match=f"^Table events lacks the column {lacking}, without which its rows cannot be used; add it"):
        needed(catalogue_of(events=rows), {"events": [name for name in rows.column_names if name != lacking]})


def test_an_optional_column_that_is_not_there_is_not_read():
    rows = arrow("transactions", [transaction()])
    found = needed(catalogue_of(transactions=rows), {"transactions": [name for name in rows.column_names if name != "balance"]})["transactions"]
    assert "balance" not in found.carried
    assert found.order == ("occurred_at", "known_at", "transaction_id")


def test_parcels_hold_what_was_packed_bucket_by_bucket():
    rows = pa.table({"bucket": pa.array([2, 0, 2, 1], pa.int32()), "id": ["a", "b", "c", None], "value": [1.0, None, 3.0, 4.0]})
    [batch] = pack(rows.to_batches(max_chunksize=3), "events")
    assert batch.schema == PARCELS
    assert batch["bucket"].to_pylist() == [0, 1, 2]
    [second] = [batch.slice(place, 1) for place in range(3) if batch["bucket"][place].as_py() == 2]
    empty = rows.drop_columns("bucket").slice(0, 0)
    found = unpack(pa.Table.from_batches([second]), {"events": empty, "series": pa.table({"name": ["x"]})})
    assert found["events"].to_pylist() == [{"id": "a", "value": 1.0}, {"id": "c", "value": 3.0}]
    assert found["series"].to_pylist() == [{"name": "x"}]


def test_nothing_packed_gives_no_parcel():
    assert list(pack([], "events")) == []


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9 * 86_400), st.booleans()), max_size=50))
def test_counts_added_up_by_day_are_the_counts_of_single_rows(rows):
    code, known, fraud = (np.array([each[place] for each in rows], dtype=np.int64) for place in range(3))
    begin, end = 2 * 86_400 + 5, 7 * 86_400 + 5
    single = running_counts(list("abcd"), code[fraud == 0], known[fraud == 0], code[fraud == 1], known[fraud == 1], begin=begin, end=end)
    days, place = np.unique(np.stack([code, -(-known // 86_400)]), axis=1, return_inverse=True)
    count, frauds = (np.bincount(place.ravel(), weights=which, minlength=days.shape[1]).astype(np.int64) for which in (1 - fraud, fraud))
    added = added_counts(list("abcd"), days[0], days[1] * 86_400, count, frauds, begin=begin, end=end)
    assert added.levels == single.levels
    assert all((getattr(added, name) == getattr(single, name)).all() for name in ("code", "date", "count", "frauds"))


def test_what_peers_compare_is_a_catalogue_and_gives_the_knots():
    tables = {"statements": arrow("statements", [statement()]), "customers": arrow("customers", [customer()])}
    compared = bases_of(catalogue_of(**tables))
    assert {"base:stmt_current_ratio", "base:industry"} <= set(compared.names)
    values = np.arange(LEAST_MEMBERS, dtype=np.float64)
    knots = knots_of({"base:stmt_current_ratio": values}, np.full(LEAST_MEMBERS, 86_400))
    assert knots["stmt_current_ratio", None][1][0, [0, -1]].tolist() == [0.0, LEAST_MEMBERS - 1]


def test_a_catalogue_without_peers_compares_nothing():
    assert len(bases_of(catalogue_of(transactions=arrow("transactions", [])))) == 0


def without_pyspark(monkeypatch):
    """The Spark feeder as it is imported where pyspark is not installed."""
    for name in ("pyspark", "py4j"):
        monkeypatch.setitem(sys.modules, name, None)
    spec = importlib.util.spec_from_file_location("spark_without_pyspark", spark.__file__)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("use", [lambda module: module.featurize(None, {}, None, catalogue=None), lambda module: module.local_session()])
def test_without_pyspark_the_spark_feeder_says_what_to_install(monkeypatch, use):
    with pytest.raises(RiskError, match=r"^The Spark feeder needs pyspark, which is not installed: pip install \.\[spark\]\.$"):
        use(without_pyspark(monkeypatch))
