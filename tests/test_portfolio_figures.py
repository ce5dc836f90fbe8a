"""Migration, movers and concentration against counts made one by one, and the earlier scores against the model asked row by row."""

from collections import Counter
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builders import day, write_tables
from small_bundle import bundle, columns

from models.portfolio import by_group, herfindahl, migration, moved, movers
from models.scoring import encode, score
from pipeline.earlier import write_earlier
from pipeline.frames import write_frame

LETTERS = list("ABCDE")


def test_the_matrix_counts_every_customer_once():
    rng = np.random.default_rng(3)
    before = {f"C{i}": str(rng.choice(LETTERS)) for i in range(0, 800)}
    now = {f"C{i}": str(rng.choice(LETTERS)) for i in range(300, 1000) if i % 7}
    defaulted = {f"C{i}" for i in range(0, 1000, 5)}
    matrix = migration(before, now, letters=LETTERS, defaulted=defaulted)
    naive = Counter((before.get(each, "new"), now.get(each, "defaulted" if each in defaulted else "left")) for each in before.keys() | now.keys())
    assert {(row, column): int(matrix[i, j]) for i, row in enumerate([*LETTERS, "new"]) for j, column in enumerate([*LETTERS, "defaulted", "left"])
            if matrix[i, j]} == dict(naive)
    worse = sum(count for (was, is_now), count in naive.items() if was in LETTERS and is_now in LETTERS and is_now > was)
    better = sum(count for (was, is_now), count in naive.items() if was in LETTERS and is_now in LETTERS and is_now < was)
    assert moved(matrix)[0] == worse
    assert moved(matrix)[2] == better
    assert sum(moved(matrix)) == matrix.sum() == len(before.keys() | now.keys())


@pytest.mark.parametrize(("before", "now", "expected"), [
    ({}, {}, (0, 0, 0, 0, 0, 0)), ({}, {"C1": "A"}, (0, 0, 0, 0, 0, 1)), ({"C1": "A"}, {}, (0, 0, 0, 0, 1, 0)), ({"C1": "B"}, {"C1": "B"}, (0, 1, 0, 0, 0, 0)),
    ({"C9": "E"}, {}, (0, 0, 0, 1, 0, 0)), ({"C9": "E"}, {"C9": "C"}, (0, 0, 1, 0, 0, 0))])
def test_who_moved_where(before, now, expected):
    assert moved(migration(before, now, letters=LETTERS, defaulted={"C9"})) == expected


def test_movers_come_by_grades_and_then_by_odds_in_each_direction():
    notches, change = np.array([1, 2, 0, -1, 0, -3, 1, 0]), np.array([0.4, 0.3, 2.0, -0.2, -0.9, -0.1, 0.9, 0.0])
    assert movers(notches, change, most=9) == ([1, 6, 0, 2], [5, 3, 4])
    assert movers(notches, change, most=2) == ([1, 6], [5, 3])


def test_movers_against_a_plain_sort():
    rng = np.random.default_rng(5)
    change = np.round(rng.normal(size=400), 1)
    notches = np.sign(change).astype(int) * rng.integers(0, 3, 400)
    rows = [i for i in range(400) if change[i] > 0]
    worse, better = movers(notches, change, most=400)
    assert worse == sorted(rows, key=lambda i: (-notches[i], -change[i], -i))
    assert better == sorted((i for i in range(400) if change[i] < 0), key=lambda i: (notches[i], change[i], i))


@pytest.mark.parametrize(("amounts", "expected"), [([5.0], 1.0), ([1.0] * 4, 0.25), ([3.0, 1.0], 0.625), ([2.0, np.nan, 2.0], 0.5)])
def test_the_herfindahl_index_is_the_sum_of_squared_shares(amounts, expected):
    assert herfindahl(amounts) == pytest.approx(expected)


def test_nothing_held_has_no_concentration():
    assert np.isnan(herfindahl([0.0, np.nan]))


def test_groups_come_by_their_sum_and_count_what_is_missing_as_none():
    names, counts, first, second = by_group(["b", "a", "b", "c"], [1.0, 5.0, np.nan, 1.0], [1, 2, 3, 4])
    assert (names, counts.tolist(), first.tolist(), second.tolist()) == (["a", "b", "c"], [1, 2, 1], [5.0, 1.0, 1.0], [2.0, 4.0, 4.0])


# --- the earlier scores -----------------------------------------------------------------------------------------------------------

BOOK = datetime(2024, 6, 30)
# customer, as_of: the last before a month before the book counts, within the quarter that ends with the latest of all.
OBSERVED = [("C1", "2023-12-31"), ("C1", "2024-03-31"), ("C1", "2024-06-15"), ("C2", "2024-02-29"), ("C3", "2023-12-30"), ("C4", "2024-03-31")]


@pytest.fixture
def development(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    values = columns(len(OBSERVED), seed=8)
    keys = {"observation_id": [f"O{i}" for i in range(len(OBSERVED))], "customer_id": [customer for customer, _ in OBSERVED],
            "as_of": pd.to_datetime([when for _, when in OBSERVED])}
    write_frame(tmp_path / "data/default/development/observations.parquet", pd.DataFrame(keys).astype({"as_of": "datetime64[us]"}))
    arrow = {name: pa.array(value.strings() if hasattr(value, "strings") else value) for name, value in values.items()}
    pq.write_table(pa.table(arrow), tmp_path / "data/default/development/features.parquet")
    told = [("C4", "2024-05-01", "2024-06-01"), ("C2", "2024-02-01", "2024-06-01"), ("C1", "2024-05-01", "2024-07-02")]
    write_tables("data/tables", {"outcomes": [{"customer_id": customer, "kind": "default", "occurred_at": day(happened), "known_at": day(known)}
                                              for customer, happened, known in told]})
    return values


def earlier(model, rows=1):
    book = pd.DataFrame({"as_of": pd.to_datetime([BOOK] * rows)})
    write_earlier("default", book, bundle=model, rules=SimpleNamespace(definition="event"), threads=1)
    return pq.read_table("data/default/earlier.parquet").to_pylist()


def test_each_customers_last_row_of_the_earlier_quarter_is_scored_by_the_model_in_force(development):
    found = earlier(bundle())
    assert [(row["customer_id"], str(row["as_of"].date())) for row in found] == [("C1", "2024-03-31"), ("C2", "2024-02-29"), ("C4", "2024-03-31")]
    asked = score(bundle(), encode(development, bundle()), threads=1)
    assert [row["probability"] for row in found] == asked.probability[[1, 3, 5]].tolist()
    assert [row["grade"] for row in found] == asked.grade_names()[[1, 3, 5]].tolist()


def test_a_default_counts_between_the_two_dates_and_once_it_is_known(development):
    assert {row["customer_id"]: row["defaulted"] for row in earlier(bundle())} == {"C1": False, "C2": False, "C4": True}


@pytest.mark.parametrize("reason", ["empty book", "other columns", "nobody before"])
def test_without_anybody_to_compare_there_is_a_table_without_rows(development, reason):
    model = SimpleNamespace(names=("gone",)) if reason == "other columns" else bundle()
    if reason == "nobody before":
        path = Path("data/default/development/observations.parquet")
        write_frame(path, pd.read_parquet(path).assign(as_of=pd.Timestamp("2024-06-29").as_unit("us")))
    assert earlier(model, rows=0 if reason == "empty book" else 1) == []
