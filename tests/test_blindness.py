"""Leak-proof: whatever became known later is rewritten, deleted and added, and no feature, context row or column of the catalogue moves."""

import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builders import customer, observation, series, transaction, write_tables
from histories import DATES, POSTINGS, changed_later, history, known, own_columns, whole_second
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from naive import START

from features import kernel
from features.arrays import Category
from features.catalogue import build_catalogue
from features.compute import compute
from features.context import quantile_knots
from features.feeders.duck import columns_of, featurize
from features.feeders.records import from_rows, observations_of
from features.tables import TABLES

CUSTOMERS = 24
ANYBODY = [f"C{number}" for number in range(CUSTOMERS + 4)]
UNTIL = datetime(2023, 3, 31, 23, 59, 59)
OWN_KINDS = {"x_score": "number", "x_units": "integer", "x_flag": "flag", "x_level": "category"}
SEEDS, USE_CASES = st.integers(0, 10**6), st.sampled_from(["default", "fraud"])
# A seed has no simpler one, so that a failure would only cost minutes of shrinking.
generated = settings(max_examples=10, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
generated_often = settings(generated, max_examples=50)
# With so few customers, so few are compared.
FEW_MEMBERS = patch.dict(quantile_knots.__kwdefaults__, least_members=4)


def judged(rng, as_of):
    """What a fraud observation carries from its transaction."""
    text = {name: str(rng.choice(levels)) for name, levels in (("kind", ["card", "cash"]), ("channel", ["online"]), ("counterparty_id", ["B1", "B2", "B9"]))}
    return {"occurred_at": as_of + timedelta(seconds=1), "amount": int(rng.integers(-(10**6), 10**6)), "currency": "EUR", **text}


def asked_of(rng, customers, dates):
    """One observation per customer and date, with own columns, in no order."""
    rows = [{"observation_id": f"{who}@{place}", "customer_id": who, "as_of": when} for place, when in enumerate(dates) for who in customers]
    rows = [row | own_columns(rng, full=not place) | judged(rng, row["as_of"]) for place, row in enumerate(rows)]
    return [rows[place] for place in rng.permutation(len(rows))]


def seconds(moment):
    return int(np.datetime64(whole_second(moment), "s").astype(np.int64))


def write_like(folder, other, tables):
    """Write tables with the columns and types of the other folder's files."""
    folder.mkdir()
    for name, rows in tables.items():
        pq.write_table(pa.Table.from_pylist(rows, schema=pq.read_schema(other / f"{name}.parquet")), folder / f"{name}.parquet")
    return folder


def fed(folder, catalogue, until):
    """What the features file says of each observation as of `until` or before, and the context's rows up to then."""
    context = featurize(folder, folder / "observations.parquet", folder / "features.parquet", catalogue=catalogue, chunk_customers=7)
    asked, found = (pq.read_table(folder / f"{name}.parquet") for name in ("observations", "features"))
    early = np.array([row <= until for row in asked["as_of"].to_pylist()])
    found = found.filter(pa.array(early)).sort_by("observation_id")
    rows = context.to_rows()
    dated = [tuple(str(column[place]) for column in rows.values()) for place, date in enumerate(rows["date"]) if date <= seconds(until)]
    return {name: stored_bits(found[name]) for name in found.column_names}, dated


def stored_bits(column):
    whole = column.combine_chunks()
    return whole.to_pylist() if pa.types.is_string(whole.type) else whole.to_numpy(zero_copy_only=False).view(np.int64).tolist()


@pytest.mark.slow
@generated
@given(SEEDS, USE_CASES, st.sampled_from(POSTINGS), st.sampled_from(DATES[:-1]))
def test_a_book_with_its_context_and_its_catalogue_is_blind_to_what_was_known_later(seed, use_case, posting, until):
    rng = np.random.default_rng(seed)
    tables = history(seed, customers=CUSTOMERS, posting=posting, asked=whole_second(until))
    tables["observations"] = asked_of(rng, ANYBODY[:CUSTOMERS], DATES)
    with tempfile.TemporaryDirectory() as folder, FEW_MEMBERS:
        before = write_tables(Path(folder, "before"), tables)
        # what an as_of of 12:00:00.5 may read was known by 12:00:00
        moments = {name: until if name == "observations" else whole_second(until) for name in tables}
        changed = {name: changed_later(rng, {name: rows}, moments[name], customers=ANYBODY)[name] for name, rows in tables.items()}
        after = write_like(Path(folder, "after"), before, changed)
        columns = columns_of(before, until=seconds(until))
        assert columns == columns_of(after, until=seconds(until))
        catalogue = build_catalogue(use_case, columns)
        (features_before, context_before), (features_after, context_after) = (fed(each, catalogue, until) for each in (before, after))
    assert {name for name in features_before if features_before[name] != features_after[name]} == set()
    assert context_before == context_after


def own_catalogue(use_case):
    """What one customer's rows allow, the user's own columns among them."""
    columns = {name: {column.name: column.kind for column in table.columns} | OWN_KINDS for name, table in TABLES.items()}
    columns["series"] |= {"market:gdp": "number", "industry:orders": "number"}
    columns["transactions"] |= {"kind=card": "flag", "kind=transfer": "flag"}
    return build_catalogue(use_case, columns).select("own")


def bits(column):
    return column.strings().tolist() if isinstance(column, Category) else column.view(np.int64).tolist()


@pytest.mark.slow
@generated_often
@given(SEEDS, USE_CASES, st.sampled_from(POSTINGS), st.sampled_from([0, kernel.FEW_ROWS]))
def test_many_observations_of_one_customer_are_each_blind_to_what_was_known_later(seed, use_case, posting, few_rows):
    rng = np.random.default_rng(seed)
    tables = one_customer(seed, posting)
    dates = [START + timedelta(hours=int(hours), microseconds=int(rng.integers(2)) * 500_000) for hours in rng.integers(0, 24_000, 40)]
    dates = sorted([*dates, *(known(row) for row in tables["transactions"][:5])])
    asked = [own_columns(rng, full=not place) | judged(rng, when) | {"as_of": when} for place, when in enumerate(dates)]
    until = int(rng.integers(5, len(dates) - 1))
    changed = changed_later(rng, tables, whole_second(dates[until]))
    catalogue = own_catalogue(use_case)
    with patch.object(kernel, "FEW_ROWS", few_rows):
        before, after = (
            compute(catalogue, from_rows(rows, customer_id="C0"), observations_of(each, use_case=use_case))
            for rows, each in ((tables, asked), (changed, asked[: until + 1]))
        )
    assert {name for name in catalogue.names if bits(before[name])[: until + 1] != bits(after[name])} == set()


def one_customer(seed, posting):
    """The history of a customer C0 with many rows."""
    for number in range(seed, seed + 100):
        tables = history(number, customers=1, posting=posting)
        if len(tables["transactions"]) > 1:
            return {name: rows for name, rows in tables.items() if name != "outcomes"}
    raise AssertionError("no customer with many rows")


def late_tables():
    """What first comes up after `UNTIL`, table by table: levels beyond the number that makes a category, kinds, series and units."""
    early, late = {"known_at": UNTIL}, {"known_at": UNTIL + timedelta(microseconds=1)}
    customers = [customer(f"C{number}", x_level="A", **early) for number in range(3)]
    many = [customer(f"N{number}", x_level=f"B{number}", **late) for number in range(60)]
    own = [observation(f"C{number}", x_level="A", as_of=UNTIL) for number in range(3)]
    asked = [observation(f"N{number}", x_level=f"B{number}", as_of=UNTIL + timedelta(seconds=1)) for number in range(60)]
    return {
        "customers": (customers, many),
        "transactions": ([transaction(kind="card", **early)], [transaction(kind=f"k{number}", **late) for number in range(20)]),
        "series": ([series("gdp", **early)], [series("gdp", unit="percent", **late), series("oil", **late), series("gdp", industry="steel", **late)]),
        "observations": (own, asked),
    }


@pytest.mark.parametrize("table", ["customers", "transactions", "series", "observations"])
def test_levels_kinds_series_and_units_of_a_later_moment_make_and_take_no_column(tmp_path, table):
    early, late = late_tables()[table]
    columns = [columns_of(write_tables(tmp_path / str(number), {table: rows}), until=seconds(UNTIL)) for number, rows in enumerate((early, early + late))]
    assert columns[0] == columns[1]
