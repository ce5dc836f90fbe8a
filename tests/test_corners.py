"""Customers that hurt: the naive reading's figures, and the same bits in memory and from the DuckDB feeder, however the work is cut up."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builders import write_tables
from corners import CORNERS, SLOW, asked_of, book, rows_of
from naive import Naive, assert_as_naive

from features import kernel, panel
from features.arrays import Category
from features.catalogue import build_catalogue
from features.compute import compute
from features.feeders import duck, reading
from features.feeders.records import from_rows, observations_of

USE_CASES = ("default", "fraud")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_tables(tmp_path_factory.mktemp("corners"), book())


@pytest.fixture(scope="module", params=USE_CASES)
def fed(request, folder):
    """The use case's catalogue, what the DuckDB feeder says in one piece, and the context it built."""
    catalogue = build_catalogue(request.param, duck.columns_of(folder))
    return (catalogue, *by_duck(folder, catalogue, "whole", chunk_customers=1000, threads=1))


def by_duck(folder, catalogue, name, **options):
    context = duck.featurize(folder, folder / "observations.parquet", folder / f"{name}.parquet", catalogue=catalogue, **options)
    return pq.read_table(folder / f"{name}.parquet"), context


def by_memory(name, catalogue, context=None):
    """The catalogue's columns for the observations of one customer, from its rows alone."""
    asked = [{key: value for key, value in row.items() if key not in ("observation_id", "customer_id")} for row in asked_of(name)]
    questions = observations_of(asked, use_case=catalogue.use_case)
    return compute(catalogue, from_rows(rows_of(name), customer_id=name), questions, context=context)


def bits(column):
    if isinstance(column, Category):
        return column.strings().tolist()
    if isinstance(column, pa.ChunkedArray):
        return column.to_pylist() if pa.types.is_string(column.type) else bits(column.to_numpy())
    return column.view(np.int64).tolist()


def different(catalogue, found, expected):
    return {name for name in catalogue.names if bits(found[name]) != bits(expected[name])}


@pytest.mark.parametrize("name", CORNERS)
def test_a_customer_alone_in_memory_has_the_bits_of_the_book(fed, name):
    catalogue, stored, context = fed
    own = stored.filter(pa.array([each.startswith(f"{name}@") for each in stored["observation_id"].to_pylist()]))
    assert len(own) == len(asked_of(name))
    assert different(catalogue, by_memory(name, catalogue, context), own) == set()


@pytest.mark.parametrize("name", CORNERS)
def test_a_customer_reads_as_a_naive_loop_says(fed, name):
    catalogue = fed[0].select("own")
    found, last = by_memory(name, catalogue), 1 if name in SLOW else None
    for place, row in list(enumerate(asked_of(name)))[:last]:
        assert_as_naive(catalogue, found, place, Naive(rows_of(name), row))


@pytest.mark.parametrize(("chunk_customers", "threads"), [(1, 1), (1, 2), (4, 2)])
def test_chunks_and_threads_leave_no_trace(fed, folder, chunk_customers, threads):
    catalogue, whole, context = fed
    found, again = by_duck(folder, catalogue, "cut", chunk_customers=chunk_customers, threads=threads)
    assert found.equals(whole) or different(catalogue, found, whole) == set()
    assert again.digest() == context.digest()


def few_rows_at_a_time(monkeypatch):
    monkeypatch.setattr(kernel, "BLOCK_ROWS", 500)
    monkeypatch.setattr(panel, "FLAT_ROWS", 3_000)
    monkeypatch.setattr(panel, "FEW_ROWS", 0)


def every_straggler_aside(monkeypatch):
    few_rows_at_a_time(monkeypatch)
    monkeypatch.setattr(kernel, "FEW_ROWS", 0)


def few_observations_and_batches(monkeypatch):
    monkeypatch.setattr(duck, "CHUNK_OBSERVATIONS", 3)
    monkeypatch.setattr(reading, "STREAM_ROWS", 7)


def whatever_the_table_all_prompt(monkeypatch):
    monkeypatch.setattr(kernel, "FEW_ROWS", 10**9)


@pytest.mark.parametrize("limits", [few_rows_at_a_time, every_straggler_aside, few_observations_and_batches, whatever_the_table_all_prompt])
def test_how_many_rows_are_taken_at_a_time_leaves_no_trace(fed, folder, limits, monkeypatch):
    limits(monkeypatch)
    catalogue, whole, _ = fed
    found, _ = by_duck(folder, catalogue, "limited", chunk_customers=9, threads=2)
    assert different(catalogue, found, whole) == set()


def test_the_crowd_has_an_import_that_is_set_aside():
    rows = from_rows(rows_of("crowd"), customer_id="crowd").tables["transactions"]
    line = kernel.line_of([(rows["entity"], rows["occurred_at"], rows["known_at"])], width=1, since=0)
    assert len(line.key) > kernel.FEW_ROWS
    assert 0 < line.late[0] < len(line.key) // 10
