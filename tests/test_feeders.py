"""The feeders: a book through DuckDB and one customer's rows give the same bits; what cannot be read is named."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builders import customer, day, invoice, observation, outcome, payment, statement, transaction, write_table, write_tables
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import START, random_tables, running_counts, up

from features.arrays import Category
from features.catalogue import build_catalogue
from features.compute import compute
from features.context import Context
from features.errors import RiskError
from features.feeders.arrow import read_context
from features.feeders.bases import counted_since
from features.feeders.duck import columns_of, featurize
from features.feeders.records import from_rows, observations_of
from features.feeders.together import one_each, together
from features.tables import TABLES

CUSTOMERS = 30


def asked(use_case, seed=0):
    """Three quarter ends of every customer, in the order of time; for fraud with a transaction's columns."""
    rng = np.random.default_rng(seed)
    rows = [
        observation(f"C{number}", as_of=START + timedelta(days=400 + 91 * quarter)) for quarter in range(3) for number in range(CUSTOMERS)
    ]
    if use_case == "default":
        return rows
    return [
        row
        | {
            "occurred_at": row["as_of"] + timedelta(seconds=1),
            "amount": int(rng.integers(-1000, 1000)),
            "currency": "EUR",
            "kind": "card",
            "channel": None,
            "counterparty_id": [None, "B1", "B2", "B9"][int(rng.integers(0, 4))],
        }
        for row in rows
    ]


@pytest.fixture(scope="module", params=["default", "fraud"])
def book(request, tmp_path_factory):
    """A featurized book: tables, observations, catalogue, folder and the context it wrote."""
    use_case, folder = request.param, tmp_path_factory.mktemp("book")
    tables = random_tables(5, customers=CUSTOMERS)
    tables["outcomes"] = [
        outcome(None, transaction_id=row["transaction_id"], kind="fraud", occurred_at=row["occurred_at"])
        for row in tables["transactions"][::5]
    ]
    rows = asked(use_case)
    write_tables(folder / "tables", tables)
    write_table(folder, "observations", rows)
    catalogue = build_catalogue(use_case, columns_of(folder / "tables"))
    context = featurize(
        folder / "tables",
        folder / "observations.parquet",
        folder / "features.parquet",
        catalogue=catalogue,
        context_path=folder / "context.parquet",
        chunk_customers=7,
        threads=2,
    )
    return {"use_case": use_case, "tables": tables, "rows": rows, "catalogue": catalogue, "folder": folder, "context": context}


def own_rows(tables, customer_id):
    """One customer's rows of every table, in no particular order."""
    return {name: [row for row in rows if row.get("customer_id", customer_id) == customer_id][::-1] for name, rows in tables.items()}


def values(column):
    return tuple(column.strings()) if isinstance(column, Category) else tuple(np.asarray(column, dtype=np.float64).view(np.int64).tolist())


def stored_values(column):
    return tuple(column.to_pylist()) if pa.types.is_string(column.type) else values(column.to_numpy())


def test_one_customer_in_memory_has_the_bits_of_the_book(book):
    stored, context = pq.read_table(book["folder"] / "features.parquet"), read_context(book["folder"] / "context.parquet")
    by_name = {name: stored_values(stored[name]) for name in stored.column_names}
    for number in range(CUSTOMERS):
        places = [place for place, row in enumerate(book["rows"]) if row["customer_id"] == f"C{number}"]
        questions = observations_of(
            [
                {key: value for key, value in book["rows"][place].items() if not key.endswith("_id") or key == "counterparty_id"}
                for place in places
            ],
            use_case=book["use_case"],
        )
        found = compute(
            book["catalogue"], from_rows(own_rows(book["tables"], f"C{number}"), customer_id=f"C{number}"), questions, context=context
        )
        for name in book["catalogue"].names:
            assert values(found[name]) == tuple(by_name[name][place] for place in places), (name, number)


def test_customers_together_have_the_bits_of_each_alone(book):
    every, context = range(CUSTOMERS), read_context(book["folder"] / "context.parquet")
    rows = [{key: value for key, value in book["rows"][number].items() if not key.endswith("_id") or key == "counterparty_id"} for number in every]
    # Every customer's ids of invoices and contracts are those of every other.
    tables = {name: [row | {key: f"{key}-{place % 7}" for key in ("invoice_id", "contract_id") if key in row} for place, row in enumerate(rows)]
              for name, rows in book["tables"].items()}
    parts = [from_rows(own_rows(tables, f"C{number}"), customer_id=f"C{number}", needs=book["catalogue"].needs) for number in every]
    joint = compute(book["catalogue"], together(parts), one_each(observations_of(rows, use_case=book["use_case"])), context=context)
    for number, part in zip(every, parts, strict=True):
        alone = compute(book["catalogue"], part, observations_of([rows[number]], use_case=book["use_case"]), context=context)
        for name in book["catalogue"].names:
            assert values(joint[name][number : number + 1]) == values(alone[name]), (name, number)


def test_a_column_that_is_text_here_and_a_number_there_is_refused_together():
    parts = [from_rows({"events": [{"occurred_at": "2026-01-01", "known_at": "2026-01-01", "kind": "inquiry", "x": x}]}, customer_id="C1") for x in (1.5, "b")]
    with pytest.raises(RiskError, match="Table events, column x: text for some customers and numbers for others; send one kind"):
        together(parts)


def test_the_file_has_the_catalogues_columns_in_the_observations_order(book):
    stored = pq.read_table(book["folder"] / "features.parquet")
    assert stored.column_names == ["observation_id", *book["catalogue"].names]
    assert stored["observation_id"].to_pylist() == [row["observation_id"] for row in book["rows"]]
    kinds = {each.name: pa.string() if each.kind == "category" else pa.float64() for each in book["catalogue"].features}
    assert all(stored.schema.field(name).type == kind for name, kind in kinds.items())


@pytest.mark.parametrize(("chunk_customers", "threads"), [(7, 2), (100, 1)])
def test_a_second_run_writes_the_same_bytes_whatever_the_chunks(book, chunk_customers, threads):
    folder = book["folder"]
    featurize(
        folder / "tables",
        folder / "observations.parquet",
        folder / "again.parquet",
        catalogue=book["catalogue"],
        context_path=folder / "context2.parquet",
        chunk_customers=chunk_customers,
        threads=threads,
    )
    assert (folder / "again.parquet").read_bytes() == (folder / "features.parquet").read_bytes()
    assert (folder / "context2.parquet").read_bytes() == (folder / "context.parquet").read_bytes()


def test_a_given_context_is_used_instead_of_a_new_one(book):
    folder = book["folder"]
    given = featurize(
        folder / "tables", folder / "observations.parquet", folder / "given.parquet", catalogue=book["catalogue"], context=book["context"]
    )
    assert given is book["context"]
    assert (folder / "given.parquet").read_bytes() == (folder / "features.parquet").read_bytes()


def test_a_stored_context_says_the_same(book):
    stored = read_context(book["folder"] / "context.parquet")
    assert stored.digest() == book["context"].digest() == Context.from_rows(book["context"].to_rows()).digest()


def test_nothing_is_left_beside_the_output(book):
    assert {path.name for path in book["folder"].iterdir()} <= {
        "tables",
        "observations.parquet",
        "features.parquet",
        "context.parquet",
        "again.parquet",
        "context2.parquet",
        "given.parquet",
    }


def test_peer_quantiles_compare_the_customers_of_a_date(tmp_path):
    rows = [statement(f"C{number}", current_assets=float(number), current_liabilities=1.0) for number in range(41)]
    write_tables(
        tmp_path,
        {
            "statements": rows,
            "customers": [customer(f"C{number}") for number in range(41)],
            "observations": [observation(f"C{number}") for number in range(41)],
        },
    )
    catalogue = build_catalogue("default", columns_of(tmp_path)).only(["peer_current_ratio_quantile"])
    featurize(tmp_path, tmp_path / "observations.parquet", tmp_path / "out.parquet", catalogue=catalogue)
    assert pq.read_table(tmp_path / "out.parquet")["peer_current_ratio_quantile"].to_pylist() == pytest.approx(
        [number / 40 for number in range(41)]
    )


def test_a_counterpartys_frauds_count_from_the_midnight_after_they_are_known(tmp_path):
    history = [transaction(f"C{number}", transaction_id=f"T{number}", occurred_at="2023-06-01T12:00:00") for number in range(4)]
    dates = [f"2023-06-{number:02d}T00:00:00" for number in (1, 2, 10, 11)]
    own = {key: history[0][key] for key in ("occurred_at", "amount", "currency", "kind", "channel", "counterparty_id")}
    write_tables(
        tmp_path,
        {
            "transactions": history,
            "outcomes": [outcome(None, transaction_id="T1", kind="fraud", occurred_at="2023-06-01", known_at="2023-06-10T09:00:00")],
            "observations": [observation("C0", as_of=date, **own) for date in dates],
        },
    )
    catalogue = build_catalogue("fraud", columns_of(tmp_path)).select("counterparty")
    featurize(tmp_path, tmp_path / "observations.parquet", tmp_path / "out.parquet", catalogue=catalogue)
    out = pq.read_table(tmp_path / "out.parquet")
    assert out["cpty_count_90d"].to_pylist() == [0, 4, 4, 4]
    assert out["cpty_fraud_count_90d"].to_pylist() == [0, 0, 0, 1]


@pytest.mark.parametrize(
    ("moment", "seconds"), [("2023-03-01T12:00:00.000001", 1), ("2023-03-01T12:00:00", 0), ("2023-03-01T13:00:00+01:00", 0)]
)
def test_moments_are_rounded_up_and_taken_to_utc(moment, seconds):
    rows = from_rows({"transactions": [transaction() | {"occurred_at": moment}]}, customer_id="C1").tables["transactions"]
    assert rows["occurred_at"].tolist() == [int(day("2023-03-01T12:00:00").replace(tzinfo=UTC).timestamp()) + seconds]


def test_an_as_of_is_rounded_down():
    assert (
        observations_of([{"as_of": "2023-03-01T12:00:00.9"}]).as_of.tolist()
        == observations_of([{"as_of": "2023-03-01T12:00:00"}]).as_of.tolist()
    )


def test_a_row_without_a_required_value_is_left_out_by_both_feeders(tmp_path):
    tables = {
        "invoices": [invoice(invoice_id="A"), invoice(invoice_id="B") | {"amount": None}, invoice(invoice_id="D") | {"known_at": None}],
        "payments": [payment(invoice_id="B")],
        "observations": [observation()],
    }
    write_tables(tmp_path, tables)
    catalogue = build_catalogue("default", columns_of(tmp_path)).only(["inv_count_365d", "inv_open_amount"])
    featurize(tmp_path, tmp_path / "observations.parquet", tmp_path / "out.parquet", catalogue=catalogue)
    found = compute(
        catalogue,
        from_rows({name: tables[name] for name in ("invoices", "payments")}, customer_id="C1"),
        observations_of([{"as_of": "2023-06-30"}]),
    )
    assert found["inv_count_365d"].tolist() == pq.read_table(tmp_path / "out.parquet")["inv_count_365d"].to_pylist() == [1.0]


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"invoice": []}, "There is no table invoice; the tables are customers, statements"),
        ({"invoices": [invoice("C2")]}, "Table invoices: 1 of 1 rows belong to another customer than C1"),
        ({"invoices": [invoice(amount="5")]}, "Table invoices, column amount: 1 of 1 values are not whole numbers, first '5'"),
        ({"invoices": [invoice(amount=5.5)]}, "first 5.5; send money in minor units"),
        ({"statements": [statement(cash="5")]}, "Table statements, column cash: 1 of 1 values are not numbers"),
        ({"customers": [customer(industry=5)]}, "Table customers, column industry: 1 of 1 values are not text, first 5"),
        (
            {"invoices": [invoice() | {"issued_at": "yesterday"}]},
            "Table invoices, column issued_at: 'yesterday' is not a moment; send ISO 8601",
        ),
        ({"invoices": [invoice() | {"due_at": 5}]}, "column due_at: 5 is not a moment"),
    ],
)
def test_rows_that_cannot_be_read_are_named(tables, message):
    with pytest.raises(RiskError, match=message):
        from_rows(tables, customer_id="C1")


def test_moments_of_two_clocks_are_refused():
    rows = [transaction() | {"occurred_at": "2023-03-01T12:00:00Z"}, transaction()]
    with pytest.raises(RiskError, match="Table transactions, column occurred_at: 1 of 2 moments carry a time zone and 1 do not; send all"):
        from_rows({"transactions": rows}, customer_id="C1")


@pytest.mark.parametrize("use_case", ["default", "fraud"])
@pytest.mark.parametrize("seed", range(5))
def test_what_is_asked_of_the_rows_is_enough(use_case, seed):
    tables = random_tables(seed, customers=1)
    columns = {name: {column: TABLES[name].column(column).kind for column in TABLES[name].names} for name in tables}
    catalogue = build_catalogue(use_case, columns)
    own = {key: value for key, value in asked(use_case)[0].items() if not key.endswith("_id") or key == "counterparty_id"}
    questions = observations_of([own], use_case=use_case)
    every, needed = (compute(catalogue, from_rows(tables, customer_id="C0", needs=needs), questions) for needs in (None, catalogue.needs))
    assert {name for name in catalogue.names if values(every[name]) != values(needed[name])} == set()


TOLD_APART = ("contracts", "invoices", "payments", "transactions", "events")
SPELLINGS = (
    lambda moment: moment.isoformat(),
    lambda moment: f"{moment.isoformat()}Z",
    lambda moment: moment.isoformat(" ", timespec="microseconds"),
    lambda moment: f"{(moment + timedelta(hours=8)).isoformat()}+08:00",
)


def spelled(tables, spelling):
    """Tables as a caller may send them: moments as text, what is missing left out, rows that an id tells apart in another order."""
    told = {
        name: [{key: spelling(value) if isinstance(value, datetime) else value for key, value in row.items() if value is not None} for row in rows]
        for name, rows in tables.items()
    }
    return {name: rows[1::2] + rows[::2] if name in TOLD_APART else rows for name, rows in told.items()}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(SPELLINGS))
def test_how_rows_are_spelled_and_ordered_changes_no_bit(seed, spelling):
    tables = random_tables(seed, customers=1)
    plain, told = (from_rows(each, customer_id="C0").tables for each in (tables, spelled(tables, spelling)))
    for name, rows in told.items():
        assert {column for column, found in rows.items() if values(found) != values(plain[name][column])} == set(), name


def test_a_column_that_no_row_gives_is_missing_throughout():
    rows = from_rows({"payments": [{"occurred_at": "2023-03-01", "known_at": "2023-03-01", "amount": 5}]}, customer_id="C1").tables["payments"]
    assert (rows["invoice_id"].tolist(), rows["kind"].strings().tolist()) == ([-1], [None])


def test_an_observation_without_as_of_is_refused():
    with pytest.raises(RiskError, match="1 of 2 rows lack as_of"):
        observations_of([{"as_of": "2023-01-01"}, {}])


@pytest.fixture
def small(tmp_path):
    write_tables(tmp_path, {"statements": [statement(cash=1.0, total_assets=2.0)], "observations": [observation()]})
    return tmp_path


def count_one_by_one(tables, *, begin, end):
    """The counterparties' counts from single rows, as Python counts them."""
    there = [row for row in tables["transactions"] if row["counterparty_id"] is not None and up(row["known_at"]) <= end]
    levels = sorted({row["counterparty_id"] for row in there})
    by_id = {row["transaction_id"]: row for row in there}
    frauds = [(by_id[row["transaction_id"]], row) for row in tables["outcomes"] if row["transaction_id"] in by_id]
    frauds = [(row["counterparty_id"], up(max(row["known_at"], found["known_at"]))) for row, found in frauds]
    columns = [(row["counterparty_id"], up(row["known_at"])) for row in there], [each for each in frauds if each[1] <= end]
    arrays = [np.array(column, dtype=np.int64) for rows in columns for column in ([levels.index(who) for who, _ in rows], [known for _, known in rows])]
    return running_counts(levels, *arrays, begin=begin, end=end)


@pytest.mark.parametrize("seed", range(4))
def test_counterparties_are_counted_as_single_rows_are(tmp_path, seed):
    tables = random_tables(seed, customers=8)
    tables["outcomes"] = [
        outcome(None, transaction_id=row["transaction_id"], kind="fraud", occurred_at=row["occurred_at"], known_at=row["known_at"] + timedelta(days=days))
        for days, row in enumerate(tables["transactions"][::3])
    ]
    rows = asked("fraud", seed)
    write_tables(tmp_path, tables | {"observations": rows})
    catalogue = build_catalogue("fraud", columns_of(tmp_path)).select("counterparty")
    context = featurize(tmp_path, tmp_path / "observations.parquet", tmp_path / "out.parquet", catalogue=catalogue)
    first, last = (up(pick(row["as_of"] for row in rows)) for pick in (min, max))
    expected = Context(counterparties=count_one_by_one(tables, begin=counted_since(first), end=last))
    assert len(expected.counterparties.code) > 20
    assert context.digest() == expected.digest()


def run(folder, catalogue):
    featurize(folder, folder / "observations.parquet", folder / "out.parquet", catalogue=catalogue)


def test_a_missing_table_is_named_with_its_path(small):
    catalogue = build_catalogue("default", columns_of(small))
    (small / "statements.parquet").unlink()
    with pytest.raises(RiskError, match="Table statements is missing: there is no .*statements.parquet"):
        run(small, catalogue)
    assert not (small / "out.parquet").exists()
    assert not [path for path in small.iterdir() if path.name.startswith(".")]


def test_a_damaged_table_is_named_with_its_path(small):
    catalogue = build_catalogue("default", columns_of(small))
    (small / "statements.parquet").write_bytes(b"nothing")
    with pytest.raises(RiskError, match="statements.parquet cannot be read as a table"):
        run(small, catalogue)


@pytest.mark.parametrize("lacking", ["known_at", "customer_id", "period_end"])
def test_a_column_that_cannot_be_done_without_is_named(small, lacking):
    catalogue = build_catalogue("default", columns_of(small))
    pq.write_table(pq.read_table(small / "statements.parquet").drop_columns(lacking), small / "statements.parquet")
    with pytest.raises(RiskError, match=f"Table statements lacks the column {lacking}, without which its rows cannot be used"):
        run(small, catalogue)


def test_moments_with_a_zone_are_refused_with_the_count(small):
    catalogue = build_catalogue("default", columns_of(small))
    rows = pq.read_table(small / "statements.parquet")
    zoned = rows["known_at"].cast(pa.timestamp("us", "UTC"))
    pq.write_table(rows.set_column(rows.column_names.index("known_at"), "known_at", zoned), small / "statements.parquet")
    with pytest.raises(RiskError, match="Table statements, column known_at: 1 moments carry a time zone; store them as UTC without a zone"):
        run(small, catalogue)


@pytest.mark.parametrize(("table", "lacking"), [("transactions", "counterparty_id"), ("outcomes", "transaction_id")])
def test_what_counterparties_are_counted_from_is_named(tmp_path, table, lacking):
    write_tables(tmp_path, {"transactions": [transaction()], "outcomes": [outcome(None)], "observations": asked("fraud")})
    catalogue = build_catalogue("fraud", columns_of(tmp_path)).select("counterparty")
    pq.write_table(pq.read_table(tmp_path / f"{table}.parquet").drop_columns(lacking), tmp_path / f"{table}.parquet")
    with pytest.raises(RiskError, match=f"Table {table} lacks the column {lacking}"):
        run(tmp_path, catalogue)


def test_observations_without_a_needed_column_are_refused(small):
    write_tables(small, {"transactions": [transaction()]})
    with pytest.raises(RiskError, match="lack the column amount, "):
        run(small, build_catalogue("fraud", columns_of(small)))


def test_observations_without_as_of_are_refused(small):
    write_table(small, "observations", [observation(), observation() | {"as_of": None}])
    with pytest.raises(RiskError, match="1 rows lack as_of and 0 lack customer_id"):
        run(small, build_catalogue("default", columns_of(small)))


def test_a_damaged_context_is_named(tmp_path):
    (tmp_path / "context.parquet").write_bytes(b"nothing")
    with pytest.raises(RiskError, match="Context table .*context.parquet cannot be read"):
        read_context(tmp_path / "context.parquet")
