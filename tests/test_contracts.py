"""Table contracts: valid rows are kept, the others set aside with their rule, and a broken feed stops the run."""

import pandas as pd
import pytest

from features.errors import RiskError
from pipeline.contracts import check_table
from pipeline.params import IngestParams
from pipeline.staging import connect

LIMITS = IngestParams(max_reject_share=0.5, memory_limit="1GB", threads=1)
INVOICE = {"invoice_id": "I1", "known_at": "2024-01-05", "customer_id": "C1", "issued_at": "2024-01-05", "due_at": "2024-02-05", "amount": 100,
           "currency": "EUR"}


def invoices(*changes):
    return pd.DataFrame([{**INVOICE, "invoice_id": f"I{number}", **change} for number, change in enumerate(changes)])


def check(tmp_path, frame, table="invoices", share=0.5):
    connection = connect(LIMITS)
    connection.register("rows", frame)
    connection.execute("CREATE TEMP TABLE staged AS FROM rows")
    return check_table(connection, table, where=f"source mine, {table}.sql", kept_path=tmp_path / "kept.parquet", rejects_path=tmp_path / "rejects.parquet",
                       max_reject_share=share)


def test_valid_rows_are_typed_and_ordered(tmp_path):
    intake = check(tmp_path, invoices({"customer_id": "C2"}, {"issued_at": "2024-01-09", "known_at": "2024-01-10"}, {}))
    kept = pd.read_parquet(tmp_path / "kept.parquet")
    assert (intake.read, intake.kept, intake.rejected, intake.known_from, intake.known_to) == (3, 3, {}, "2024-01-05", "2024-01-10")
    assert kept["invoice_id"].tolist() == ["I2", "I1", "I0"]
    assert str(kept["issued_at"].dtype) == "datetime64[us]"
    assert not (tmp_path / "rejects.parquet").exists()


@pytest.mark.parametrize(("change", "rule"), [
    ({"due_at": "soon"}, "due_at is not a time"),
    ({"customer_id": None}, "customer_id is empty"),
    ({"known_at": "2024-01-04"}, "known_at before issued_at"),
    ({"amount": 0}, "amount is not positive"),
    ({"invoice_id": "I0"}, "duplicate key"),
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
        check(tmp_path, invoices({}, {"amount": -5}), share=0.1)


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
