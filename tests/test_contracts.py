"""Table contracts: valid rows are kept, the others set aside with their rule, and a broken feed stops the run."""

import json

import msgspec
import pandas as pd
import pytest

from features.errors import RiskError
from pipeline.contract_rules import NO_DAY_LIMIT
from pipeline.contracts import check_table
from pipeline.params import IngestParams
from pipeline.staging import connect

LIMITS = IngestParams(max_reject_share=0.5, probe_rows=100, max_probe_share=0.5, rejects_per_rule=10, memory_limit="1GB", threads=1)
INVOICE = {"invoice_id": "I1", "known_at": "2024-01-05", "customer_id": "C1", "issued_at": "2024-01-05", "due_at": "2024-02-05", "amount": 100,
           "currency": "EUR"}


def invoices(*changes):
    return pd.DataFrame([{**INVOICE, "invoice_id": f"I{number}", **change} for number, change in enumerate(changes)])


def check(tmp_path, frame, table="invoices", latest=NO_DAY_LIMIT, **limits):
    with connect(LIMITS) as connection:
        connection.register("rows", frame)
        connection.execute("CREATE TEMP TABLE staged AS FROM rows")
        return check_table(connection, table, where=f"source mine, {table}.sql", kept_path=tmp_path / "kept.parquet",
                           rejects_path=tmp_path / "rejects.parquet", limits=msgspec.structs.replace(LIMITS, **limits), latest=latest)


def test_valid_rows_are_typed_and_ordered(tmp_path):
    intake = check(tmp_path, invoices({"customer_id": "C2"}, {"issued_at": "2024-01-09", "known_at": "2024-01-10"}, {}))
    kept = pd.read_parquet(tmp_path / "kept.parquet")
    assert (intake.read, intake.kept, intake.rejected, intake.known_from, intake.known_to) == (3, 3, {}, "2024-01-05", "2024-01-10")
    assert kept["invoice_id"].tolist() == ["I2", "I1", "I0"]
    assert str(kept["issued_at"].dtype) == "datetime64[us]"
    assert not (tmp_path / "rejects.parquet").exists()


@pytest.mark.parametrize(("change", "rule"), [
    ({"due_at": "soon"}, "due_at is not a time: text"),
    ({"customer_id": None}, "customer_id is empty"),
    ({"known_at": "2024-01-04"}, "known_at before issued_at"),
    ({"amount": 0}, "amount is not positive"),
    ({"invoice_id": "I0"}, "duplicate key: the same row again"),
    ({"invoice_id": "I0", "amount": 101}, "duplicate key: another row"),
])
def test_a_row_that_breaks_its_contract_is_set_aside_with_its_rule(tmp_path, change, rule):
    intake = check(tmp_path, invoices({}, change))
    rejects = pd.read_parquet(tmp_path / "rejects.parquet")
    assert intake.rejected == {rule: 1}
    assert (rejects["rule"].item(), rejects["row_number"].item(), rejects["table"].item()) == (rule, 2, "invoices")
    assert len(pd.read_parquet(tmp_path / "kept.parquet")) == 1


def test_a_date_known_during_the_day_it_happened_is_fine(tmp_path):
    assert check(tmp_path, invoices({"issued_at": "2024-01-05 09:00", "known_at": "2024-01-05"})).kept == 1


def test_too_many_rejects_stop_the_run(tmp_path):
    with pytest.raises(RiskError, match=r"source mine, invoices.sql: 1 of 2 rows of invoices break its contract \(amount is not positive: 1\), more than "
                                        "ingest.max_reject_share = 0.1: correct the source or raise the share"):
        check(tmp_path, invoices({}, {"amount": -5}), max_reject_share=0.1)


def test_a_missing_column_is_named(tmp_path):
    with pytest.raises(RiskError, match="invoices.sql: column due_at is missing .it gives invoice_id, .*add it to the SELECT"):
        check(tmp_path, invoices({}).drop(columns="due_at"))


def test_amounts_must_be_whole_minor_units(tmp_path):
    with pytest.raises(RiskError, match="column amount is DOUBLE, expected whole minor units .cents.: give round"):
        check(tmp_path, invoices({"amount": 10.5}))


def test_an_empty_table_says_so(tmp_path):
    with pytest.raises(RiskError, match="no rows for invoices: correct its WHERE clause, or remove the file"):
        check(tmp_path, invoices({}).iloc[:0])


def test_a_column_beyond_the_contract_is_kept(tmp_path):
    check(tmp_path, invoices({"branch": "north", "weight": 2}))
    kept = pd.read_parquet(tmp_path / "kept.parquet")
    assert (kept["branch"].item(), kept["weight"].item(), str(kept["weight"].dtype)) == ("north", 2.0, "float64")


@pytest.mark.parametrize(("column", "given", "rule"), [
    ("issued_at", "31.12.2023", "issued_at is not a time: day.month.year"),
    ("issued_at", 45291, "issued_at is not a time: an Excel day serial"),
    ("issued_at", "0024-01-05", "issued_at is outside the years 1000 to 9999"),
    ("issued_at", "", "issued_at is empty"),
    ("customer_id", " ", "customer_id is empty"),
])
def test_a_reject_says_why(tmp_path, column, given, rule):
    assert check(tmp_path, invoices({column: given}), max_reject_share=1).rejected == {rule: 1}


@pytest.mark.parametrize(("change", "rule"), [
    ({"period_months": 12.5}, "period_months is not an integer: a fraction"),
    ({"period_months": 0}, "period_months is not positive"),
    ({"revenue": "1.234,56"}, "revenue is not a number: a decimal comma"),
    ({"revenue": float("inf")}, "revenue is infinite"),
    ({"confidence": 1.1}, "confidence is outside 0 to 1"),
    ({"audited": "maybe"}, "audited is not a flag: neither yes nor no"),
])
def test_a_statement_that_breaks_its_contract(tmp_path, change, rule):
    statement = {"customer_id": "C1", "period_end": "2023-12-31", "period_months": 12, "known_at": "2024-03-31", **change}
    intake = check(tmp_path, pd.DataFrame([statement]), "statements", max_reject_share=1)
    assert intake.rejected == {rule: 1}


@pytest.mark.parametrize("missing", [None, float("nan"), ""])
def test_a_missing_value_of_an_optional_column_is_no_reject(tmp_path, missing):
    event = {"event_id": "E1", "customer_id": "C1", "occurred_at": "2024-01-01", "known_at": "2024-01-01", "kind": "lawsuit", "severity": missing}
    assert check(tmp_path, pd.DataFrame([event]), "events").kept == 1


@pytest.mark.parametrize(("change", "rule"), [
    ({"as_of": "2024-07-01"}, "as_of in the future"),
    ({"target_known_at": "2023-12-31"}, "target_known_at before as_of"),
    ({"target": 2}, "target is outside 0 to 1"),
])
def test_an_observation_that_breaks_its_contract(tmp_path, change, rule):
    observation = {"observation_id": "O1", "customer_id": "C1", "as_of": "2024-01-01", "target": 1.0, "target_known_at": "2024-06-30", **change}
    assert check(tmp_path, pd.DataFrame([observation]), "observations", latest="2024-06-30", max_reject_share=1).rejected == {rule: 1}


def test_a_row_known_after_the_last_day_is_set_aside(tmp_path):
    assert check(tmp_path, invoices({}, {"known_at": "2024-01-06"}), latest="2024-01-05").rejected == {"known_at in the future": 1}


def test_the_first_valid_row_of_a_key_is_kept_and_the_others_name_it(tmp_path):
    changes = [{"invoice_id": "I9", "amount": 0}, {"invoice_id": "I9"}, {}, {"invoice_id": "I9"}, {"invoice_id": "I9", "amount": 7}]
    intake = check(tmp_path, invoices(*changes), max_reject_share=1)
    rejects = pd.read_parquet(tmp_path / "rejects.parquet")
    assert intake.rejected == {"amount is not positive": 1, "duplicate key: another row": 1, "duplicate key: the same row again": 1}
    assert rejects["value"].tolist() == ["0", "I9 first in row 2", "I9 first in row 2"]
    assert pd.read_parquet(tmp_path / "kept.parquet")["amount"].tolist() == [100, 100]


def test_a_key_of_several_columns_may_lack_some(tmp_path):
    rows = [{"name": "rate", "industry": industry, "period_end": "2024-01-31", "known_at": "2024-02-10", "value": 1.0} for industry in ("A", None, None, "B")]
    assert check(tmp_path, pd.DataFrame(rows), "series").rejected == {"duplicate key: the same row again": 1}


def test_rejects_are_kept_up_to_a_number_a_rule_and_counted_in_full(tmp_path):
    intake = check(tmp_path, invoices(*[{"amount": 0}] * 8, *[{"due_at": "soon"}] * 3), max_reject_share=1, rejects_per_rule=2)
    rejects = pd.read_parquet(tmp_path / "rejects.parquet")
    assert intake.rejected == {"amount is not positive": 8, "due_at is not a time: text": 3}
    assert rejects["row_number"].tolist() == [1, 2, 9, 10]


def test_a_file_read_wrongly_stops_after_its_first_rows(tmp_path):
    frame = invoices(*[{"issued_at": "05.01.2024"}] * 60, *[{}] * 60)
    with pytest.raises(RiskError, match=r"60 of the first 100 rows of invoices break its contract \(issued_at is not a time: day.month.year: 60\), more than "
                                        r"ingest.max_probe_share = 0.5, so the other 20 were not looked at: correct .* \(the first is row 1 with 05.01.2024; "
                                        r"rejects are in .*rejects.parquet\)"):
        check(tmp_path, frame, max_reject_share=1)
    assert len(pd.read_parquet(tmp_path / "rejects.parquet")) == 10
    counts = {"table": "invoices", "judged": 100, "rejected": {"issued_at is not a time: day.month.year": 60}}
    assert json.loads((tmp_path / "rejects.json").read_text()) == counts


def test_a_bad_end_is_judged_with_the_whole(tmp_path):
    with pytest.raises(RiskError, match="80 of 180 rows of invoices break its contract .amount is not positive: 80., more than ingest.max_reject_share = 0.4"):
        check(tmp_path, invoices(*[{}] * 100, *[{"amount": 0}] * 80), max_reject_share=0.4)


@pytest.mark.parametrize(("amount", "remedy"), [
    ("1.234,56", r"its texts, as 1.234,56 \(a decimal comma\), .* first, e.g. round\(replace\(replace\(amount, '.', ''\), ',', '.'\)::DECIMAL"),
    ("1,234.56", r"its texts, as 1,234.56 \(a thousands separator\), .* first, e.g. round\(replace\(amount, ',', ''\)::DECIMAL"),
    ("1234.56", r"give round\(amount::DECIMAL\(18, 4\) \* 100\)::BIGINT"),
])
def test_amounts_in_text_are_told_how_to_become_minor_units(tmp_path, amount, remedy):
    with pytest.raises(RiskError, match="column amount is VARCHAR, expected whole minor units .cents.: " + remedy):
        check(tmp_path, invoices({"amount": amount}))


def test_ids_must_not_be_fractions(tmp_path):
    with pytest.raises(RiskError, match="column customer_id is DOUBLE, and 7.0 is another id than 7: read it as text"):
        check(tmp_path, invoices({"customer_id": 7.0}))


def test_kept_rows_do_not_depend_on_threads(tmp_path):
    rows = 300_000
    for threads in (1, 2):
        with connect(msgspec.structs.replace(LIMITS, threads=threads)) as connection:
            connection.execute(f"""
                CREATE TEMP TABLE staged AS SELECT 'P' || i AS payment_id, 'C' || hash(i) % 700 AS customer_id, DATE '2024-01-01' AS known_at,
                       DATE '2024-01-01' - (hash(i, 1) % 9)::INTEGER AS occurred_at, 1 + i % 50 AS amount FROM range({rows}) r(i)""")
            check_table(connection, "payments", where="", kept_path=tmp_path / f"{threads}.parquet", rejects_path=None, limits=LIMITS)
    one, two = ((tmp_path / f"{threads}.parquet").read_bytes() for threads in (1, 2))
    kept = pd.read_parquet(tmp_path / "1.parquet")
    assert one == two
    assert kept.equals(kept.sort_values(["customer_id", "occurred_at"], kind="stable", ignore_index=True))
