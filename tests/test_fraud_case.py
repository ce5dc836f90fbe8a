"""The fraud case in the pipeline: whose reports count, what the judged rows leave out, and what a person reads of the reviewers' days."""
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.evaluate import capacity
from pipeline.params import load_params
from pipeline.reports.portfolio_health import _reviewed
from pipeline.reports.text import Words
from pipeline.spine import reported_customers
from pipeline.summary import _capacity_lines

RULES = load_params().evaluate


def judged(rows=400, *, seed=0):
    rng = np.random.default_rng(seed)
    target = (rng.random(rows) < 0.05).astype(float)
    as_of = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 20, rows), unit="D")
    return pd.DataFrame({"customer_id": [f"C{place}" for place in rng.integers(0, 120, rows)], "as_of": as_of, "target": target, "amount": 100,
                         "raw_score": target + 0.3 * rng.standard_normal(rows)})


def test_an_outcome_without_its_customer_gets_the_transaction_s(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/tables").mkdir(parents=True)
    pq.write_table(pa.table({"transaction_id": ["T1", "T2", "T3"], "customer_id": ["A", "B", "C"]}), "data/tables/transactions.parquet")
    reports = pd.DataFrame({"transaction_id": ["T2", "T1", "T9"], "customer_id": [None, "Z", None]}, dtype="str")
    assert reported_customers(reports)["customer_id"].tolist() == ["B", "Z"]
    assert reported_customers(reports.drop(columns="customer_id"))["customer_id"].tolist() == ["B", "A"]
    named = reports.assign(customer_id="Z")
    assert reported_customers(named) is named


def test_the_model_stands_beside_the_rules_on_the_same_rows():
    rows = judged()
    found = capacity(rows, {"txn_night": np.zeros(len(rows))}, RULES)
    assert found["model"]["capacity"] == RULES.reviewers_capacity
    assert found["difference"]["difference"] == pytest.approx(found["model"]["precision"] - found["rules"]["precision"])
    assert found["difference"]["low"] > 0
    json.dumps(found, allow_nan=False)


def test_a_source_without_the_rules_columns_is_judged_alone():
    found = capacity(judged(), {}, RULES)
    assert (found["rules"], found["difference"]) == (None, None)


def _figures():
    line = {"capacity": 5, "precision": 0.123, "low": 0.08, "high": 0.16, "best": 0.13, "found": 74, "compromised": 78}
    return {"model": line, "rules": line | {"precision": 0.11, "found": 67}, "difference": {"difference": 0.0117, "low": 0.003, "high": 0.0217}}


def test_the_report_says_what_reviewers_find_in_both_languages():
    for language, said in (("en", ("5 customers a day, 12.3% of the calls", "find 74 of 78", "1.2 percentage points (0.3 to 2.2)")),
                           ("zh", ("5 位客户", "78 位账户被盗用的客户中发现 74 位", "高 1.2 个百分点（0.3 至 2.2）"))):
        told = " ".join(_reviewed({"capacity": _figures()}, Words(language)))
        assert all(part in told for part in said), told
    assert len(_reviewed({"capacity": _figures() | {"rules": None, "difference": None}}, Words("en"))) == 1
    assert _reviewed({}, Words("en")) == []


def test_the_summary_says_it_in_a_line():
    assert _capacity_lines({"capacity": _figures()}) == [
        "  at capacity  5 customers a day: precision 0.123 (0.080 to 0.160) of 0.130 possible, 74 of 78 compromised customers found; rules 0.110, "
        "model less rules 0.012 (0.003 to 0.022)"]
    assert _capacity_lines({}) == []
