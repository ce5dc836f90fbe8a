"""Market and industry series: read as published by the day, whatever their frequency, revisions, names and gaps; a stranger's SQL works."""

import re
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pytest
from builders import customer, day, observation, series, write_tables

from features.catalogue import build_catalogue
from features.compute import compute
from features.errors import RiskError
from features.feeders.duck import columns_of, featurize
from features.feeders.reading import seconds_down
from features.feeders.records import from_rows, observations_of
from features.tables import TABLES
from pipeline import book_records
from pipeline.book_records import BookRecords

STEPS = {"daily": 1, "weekly": 7, "monthly": 30.4375, "quarterly": 91.3125, "annual": 365.25}
ODD = ("steel", "PMI: new orders, \"flash\" (50 = no change)", "钢材价格", "a'b/c\\d %", "x{}[]", "ends_growth")


def value_of(tables, name, *as_of):
    """One series feature of customer C1 at each as_of."""
    columns = {table: {column.name: column.kind for column in TABLES[table].columns} for table in TABLES}
    columns["series"] |= {f"{'market' if row['industry'] is None else 'industry'}:{row['name']}": "number" for row in tables["series"]}
    catalogue = build_catalogue("default", columns).only([name])
    computed = compute(catalogue, from_rows(tables, customer_id="C1"), observations_of([{"as_of": day(str(moment))} for moment in as_of]))
    return computed[name].tolist()


def history(step, *, name="steel", industry=None, seed=0, years=4, lag=20, revised=0.3, lost=0.1):
    """Values every `step` days, published up to `lag` days later, some never, some again with a correction."""
    rng = np.random.default_rng(seed)
    ends = [datetime(2020, 1, 31) + timedelta(days=int(number * step)) for number in range(int(years * 365 / step))]
    rows = []
    for end in ends:
        if rng.random() < lost:
            continue
        known_at = end + timedelta(days=int(rng.integers(1, lag + 1)))
        rows.append(series(name, industry=industry, period_end=end, known_at=known_at, value=float(rng.normal(100, 20))))
        if rng.random() < revised:
            rows.append(rows[-1] | {"known_at": known_at + timedelta(days=int(rng.integers(1, 400))), "value": float(rng.normal(100, 20))})
    return [rows[place] for place in rng.permutation(len(rows))]


def naive(rows, as_of):
    """Level and twelve months' growth by plain reading: what is known, the last period of it, the last period of the month a year before."""
    known = sorted((row for row in rows if row["known_at"] <= as_of), key=lambda row: (row["period_end"], row["known_at"]))
    if not known:
        return np.nan, np.nan
    level, wanted = known[-1]["value"], _month(known[-1]["period_end"]) - 12
    before = [row["value"] for row in known if _month(row["period_end"]) == wanted]
    return level, (level - before[-1]) / abs(before[-1]) if before else np.nan


def _month(end):
    middle = end - timedelta(days=15)
    return middle.year * 12 + middle.month


@pytest.mark.parametrize("lag", [3, 45, 400])
@pytest.mark.parametrize("frequency", STEPS)
def test_a_series_of_any_frequency_equals_its_plain_reading(frequency, lag):
    rows = history(STEPS[frequency], lag=lag, seed=lag)
    days = [datetime(2020, 1, 15) + timedelta(days=37 * number) for number in range(44)]
    expected = np.array([naive(rows, moment) for moment in days])
    for place, name in enumerate(("bg_market_steel", "bg_market_steel_growth_12m")):
        np.testing.assert_array_equal(value_of({"series": rows}, name, *days), expected[:, place])


@pytest.mark.parametrize("frequency", STEPS)
def test_rewriting_the_future_moves_no_bit(frequency):
    as_of, rows = datetime(2022, 6, 30), history(STEPS[frequency], seed=1)
    future = [row | {"value": -1e9} if row["known_at"] > as_of else row for row in rows]
    more = [series("steel", period_end=end, known_at="2022-07-01", value=-1e9) for end in ("2021-06-29", "2022-06-29", "2020-01-31")]
    for name in ("bg_market_steel", "bg_market_steel_growth_12m"):
        np.testing.assert_array_equal(value_of({"series": future + more}, name, as_of), value_of({"series": rows}, name, as_of))


def test_a_late_correction_of_an_earlier_week_does_not_become_the_latest_value():
    rows = [series("steel", period_end=end, known_at=known, value=value) for end, known, value in (
        ("2023-01-06", "2023-01-09", 1.0), ("2023-01-13", "2023-01-16", 2.0), ("2023-01-06", "2023-01-20", 9.0))]
    assert value_of({"series": rows}, "bg_market_steel", "2023-01-09", "2023-01-19", "2023-01-31") == [1.0, 2.0, 2.0]


def test_a_value_is_read_from_the_second_of_its_publication():
    rows = [series("steel", period_end="2023-01-31", known_at="2023-02-15T09:30:00", value=5.0)]
    assert np.isnan(value_of({"series": rows}, "bg_market_steel", "2023-02-15T09:29:59")[0])
    assert value_of({"series": rows}, "bg_market_steel", "2023-02-15T09:30:00") == [5.0]


def test_growth_uses_last_years_value_as_it_stood_on_the_day():
    rows = [series("steel", period_end=end, known_at=known, value=value) for end, known, value in (
        ("2022-01-31", "2022-02-10", 100.0), ("2023-01-31", "2023-02-10", 110.0), ("2022-01-31", "2023-03-01", 88.0))]
    assert value_of({"series": rows}, "bg_market_steel_growth_12m", "2023-02-28", "2023-03-01") == pytest.approx([0.1, 0.25])


def test_a_month_without_a_value_leaves_the_last_level_and_no_growth():
    rows = [series("steel", period_end=end, known_at=known, value=value) for end, known, value in (
        ("2021-12-31", "2022-01-10", 100.0), ("2023-01-31", "2023-02-10", 110.0))]
    assert value_of({"series": rows}, "bg_market_steel", "2023-06-30") == [110.0]
    assert np.isnan(value_of({"series": rows}, "bg_market_steel_growth_12m", "2023-06-30")[0])


@pytest.mark.parametrize("industry", ["hospitality", None])
def test_a_customer_whose_industry_has_no_series_has_no_value(industry):
    rows = [series("orders", industry=other, value=1.0) for other in ("manufacturing", "retail")] + [series("orders", value=3.0)]
    tables = {"series": rows, "customers": [customer(industry=industry)]}
    assert np.isnan(value_of(tables, "bg_industry_orders", "2023-06-30")[0])
    assert value_of(tables, "bg_market_orders", "2023-06-30") == [3.0]


def test_a_change_of_industry_changes_the_series_from_the_day_it_is_known():
    rows = [series("orders", industry="retail", value=1.0), series("orders", industry="energy", value=2.0)]
    tables = {"series": rows, "customers": [customer(industry="retail"), customer(industry="energy", known_at="2023-04-01")]}
    assert value_of(tables, "bg_industry_orders", "2023-03-31", "2023-04-01") == [1.0, 2.0]


# Through the files of a source


def _book(folder, rows, customers, observations):
    write_tables(folder, {"series": rows, "customers": customers})
    write_tables(folder / "asked", {"observations": observations})
    catalogue = build_catalogue("default", columns_of(folder))
    names = [name for name in catalogue.names if name.startswith(("bg_market_", "bg_industry_"))]
    catalogue = catalogue.only([*names, "bg_industry"] if "bg_industry" in catalogue.names else names)
    featurize(folder, folder / "asked" / "observations.parquet", folder / "features.parquet", catalogue=catalogue)
    return catalogue, duckdb.sql(f"SELECT * FROM '{folder}/features.parquet'").df()


def test_names_with_odd_characters_go_through_the_whole_book(tmp_path):
    rows = [row for place, name in enumerate(ODD) for row in history(30.4375, name=name, seed=place, industry="retail" if place % 2 else None)]
    _, found = _book(tmp_path, rows, [customer(industry="retail")], [observation(as_of="2023-06-30")])
    for place, name in enumerate(ODD):
        stem = f"bg_{'industry' if place % 2 else 'market'}_{name}"
        expected = naive([row for row in rows if row["name"] == name], datetime(2023, 6, 30))
        np.testing.assert_array_equal(found[[stem, f"{stem}_growth_12m"]].to_numpy()[0], expected)


def test_one_name_in_two_units_is_refused(tmp_path):
    old, new = series("output", unit="2015 = 100"), series("output", unit="2020 = 100", known_at="2023-03-01")
    write_tables(tmp_path, {"series": [old, new, series("gdp", unit=None)]})
    with pytest.raises(RiskError, match=r"series output comes in 2 units \(2015 = 100, 2020 = 100\): convert it to one, or give each unit a name of its own"):
        columns_of(tmp_path)


def test_a_series_with_and_without_a_stated_unit_is_one_series(tmp_path):
    write_tables(tmp_path, {"series": [series("output", unit="index"), series("output", unit=None, known_at="2023-03-01")]})
    assert "market:output" in columns_of(tmp_path)["series"]


@pytest.mark.parametrize("frequency", STEPS)
def test_the_records_that_are_published_hold_all_that_a_later_score_reads(tmp_path, monkeypatch, frequency):
    rows = history(STEPS[frequency], lag=200, seed=4) + history(STEPS[frequency], lag=200, seed=5, name="orders", industry="retail")
    rows += history(STEPS[frequency], lag=200, seed=6, name="orders", industry="energy")
    asked = [observation(as_of=moment) for moment in ("2023-06-01", "2023-06-14", "2023-06-30")]
    catalogue, found = _book(tmp_path, rows, [customer(industry="retail")], asked)
    monkeypatch.setattr(book_records, "TABLES", tmp_path)
    earliest = int(seconds_down(np.array([np.datetime64("2023-06-01", "us").astype(np.int64)]))[0])
    book = BookRecords(catalogue, columns_of(tmp_path), as_of=datetime(2023, 6, 30), earliest=earliest)
    tables = {table: _decoded(raw) for table, raw in book.of(["C1"])["C1"].items()}
    assert {row["industry"] for row in tables["series"]} == {None, "retail"}
    again = compute(catalogue, from_rows(tables, customer_id="C1"), observations_of([{"as_of": row["as_of"]} for row in asked]))
    for name in catalogue.names:
        if name != "bg_industry":
            np.testing.assert_array_equal(again[name], found[name])


def _decoded(raw):
    import msgspec

    return msgspec.json.decode(bytes(raw))


def test_published_records_leave_out_what_is_never_read_again(tmp_path, monkeypatch):
    write_tables(tmp_path, {"series": history(30.4375, years=4, lag=20, revised=0, lost=0), "customers": [customer()]})
    monkeypatch.setattr(book_records, "TABLES", tmp_path)
    catalogue = build_catalogue("default", columns_of(tmp_path)).only(["bg_market_steel"])
    book = BookRecords(catalogue, columns_of(tmp_path), as_of=datetime(2023, 6, 30), earliest=1_688_083_200)
    assert 12 < len(_decoded(book.of(["C1"])["C1"]["series"])) < 18


def test_a_source_without_industries_publishes_its_series(tmp_path, monkeypatch):
    write_tables(tmp_path, {"series": [series("gdp")], "customers": [customer()]})
    for table in ("series", "customers"):
        duckdb.sql(f"COPY (SELECT * EXCLUDE (industry) FROM '{tmp_path}/{table}.parquet') TO '{tmp_path}/less.parquet'")
        (tmp_path / "less.parquet").replace(tmp_path / f"{table}.parquet")
    monkeypatch.setattr(book_records, "TABLES", tmp_path)
    catalogue = build_catalogue("default", columns_of(tmp_path)).only(["bg_market_gdp"])
    book = BookRecords(catalogue, columns_of(tmp_path), as_of=datetime(2023, 6, 30), earliest=1_688_083_200)
    assert len(_decoded(book.of(["C1"])["C1"]["series"])) == 1


# The page


def test_the_example_of_the_page_gives_the_three_series(tmp_path):
    page = (Path(__file__).parent.parent / "docs" / "series.md").read_text(encoding="utf-8")
    sql, = re.findall(r"```sql\n(.*?)```", page, flags=re.DOTALL)
    (tmp_path / "pmi.csv").write_text("month,pmi\n2022-12,47.0\n2023-01,50.1\n")
    prices = "2023-01-06,2023-01-09,Construction,4120\n2023-01-06,2023-01-16,Construction,4090\n"
    (tmp_path / "steel.csv").write_text("week_ending,published,sector,price\n" + prices)
    (tmp_path / "rate.csv").write_text("date,three_months\n2023-01-06,2.34\n")
    connection = duckdb.connect()
    connection.execute(f"SET file_search_path = '{tmp_path}'")
    rows = connection.execute(sql).df().sort_values(["name", "period_end", "known_at"])
    assert rows.columns.tolist() == list(TABLES["series"].names)
    assert rows["name"].tolist() == ["interbank_3m", "pmi", "pmi", "steel_price", "steel_price"]
    assert rows["known_at"].dt.strftime("%Y-%m-%d").tolist() == ["2023-01-07", "2023-01-02", "2023-02-02", "2023-01-10", "2023-01-17"]
    assert rows["industry"].tolist()[-1] == "construction"
    assert (rows["known_at"] >= rows["period_end"]).all()
