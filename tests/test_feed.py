"""The feed's verdict: each fault is named with its table, column and month; what customers do is none."""

from datetime import timedelta

import pytest
from feed_world import TODAY, in_month, judged, kinds, moment, whole

from features.catalogue import build_catalogue
from pipeline.feed import explained_columns

# The month that is spoiled: 2023-11.
SPOILED, NAME = 34, "2023-11"


def changed(table, change, *, month=SPOILED, share=1.0):
    """The whole feed with `change(row)` in place of each row of a month (or of the first part of it): a row, several, or none."""
    tables = whole()
    there = [place for place, row in enumerate(tables[table]) if in_month(row, month)]
    chosen = set(there[: round(share * len(there))])
    rows = [change(row) if place in chosen else [row] for place, row in enumerate(tables[table])]
    return tables | {table: [row for part in rows for row in part]}


def test_a_whole_feed_is_called_whole(tmp_path):
    found = judged(tmp_path, whole())
    assert (found["verdict"], found["faults"], found["stale"]) == ("whole", [], [])
    assert found["tables"]["exposures"] == {"rows": 1000, "rejected": 0, "known_to": "2024-04-28"}


FAULTS = {
    "a month without data": (changed("transactions", lambda row: []), ("no_data", "transactions", None, NAME)),
    "a column gone": (changed("transactions", lambda row: [row | {"channel": None}]), ("column_gone", "transactions", "channel", NAME)),
    "a column mostly gone": (changed("transactions", lambda row: [row | {"channel": None}], share=0.6), ("column_missing", "transactions", "channel", NAME)),
    "thousands for ones": (changed("invoices", lambda row: [row | {"amount": row["amount"] * 1000}]), ("unit_slip", "invoices", "amount", NAME)),
    "units for cents": (changed("transactions", lambda row: [row | {"amount": row["amount"] // 100}]), ("unit_slip", "transactions", "amount", NAME)),
    "ten thousands in a tenth": (changed("transactions", lambda row: [row | {"amount": row["amount"] * 10_000}], share=0.1),
                                 ("unit_slip", "transactions", "amount", NAME)),
    "a currency": (changed("exposures", lambda row: [row | {"limit": round(row["limit"] * 7.2)}]), ("unit_slip", "exposures", "limit", NAME)),
    "a month twice, ids anew": (changed("payments", lambda row: [row, row | {"payment_id": row["payment_id"] + "x"}]),
                                ("duplicated_month", "payments", None, NAME)),
    "payments lost": (changed("payments", lambda row: [], share=0.6), ("broken_feed", "payments", None, NAME)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_with_its_place(tmp_path, fault):
    tables, expected = FAULTS[fault]
    found = judged(tmp_path, tables)
    assert found["verdict"] == "faulty"
    assert expected in kinds(found)
    assert {(table, month) for _, table, _, month in kinds(found)} == {(expected[1], NAME)}


def test_a_month_that_repeats_the_one_before_is_named(tmp_path):
    tables = whole()
    rows = [row for row in tables["transactions"] if not in_month(row, SPOILED)]
    # 2023-10 again, as if it were November's.
    copied = [row | {"transaction_id": f"{row['transaction_id']}x", **{name: row[name].replace(month=11) for name in ("occurred_at", "known_at")}}
              for row in rows if in_month(row, SPOILED - 1)]
    found = judged(tmp_path, tables | {"transactions": rows + copied})
    assert kinds(found) == {("duplicated_month", "transactions", None, NAME)}


def test_a_renamed_column_is_named_with_the_new_one(tmp_path):
    tables = whole()
    rows = [row | ({"channel": None, "way": row["channel"], "note": "x"} if row["known_at"] >= moment(SPOILED) else {"way": None, "note": None})
            for row in tables["transactions"]]
    found = judged(tmp_path, tables | {"transactions": rows})
    renamed = [fault for fault in found["faults"] if fault["kind"] == "column_renamed"]
    assert renamed[-1]["sentence"] == ("transactions: channel is gone in 2023-11, and the new column way looks like it: select it under its old name.")


def test_a_clock_that_runs_ahead_is_named_and_does_not_empty_the_months_until_then(tmp_path):
    tables = whole()
    ahead = [row | {"known_at": moment(90), "occurred_at": moment(90)} for row in tables["transactions"][:3]]
    found = judged(tmp_path, tables | {"transactions": tables["transactions"][3:] + ahead})
    assert kinds(found) == {("future_clock", "transactions", "known_at", "2028-07")}


@pytest.mark.parametrize(("table", "rule", "kind"), [
    ("transactions", "known_at in the future", "future_clock"), ("outcomes", "known_at before occurred_at", "early_outcomes")])
def test_rows_that_ingest_set_aside_for_their_dates_are_a_fault(tmp_path, table, rule, kind):
    few, many = (judged(tmp_path, whole(), **{table: {rule: rows}}) for rows in (2, 30))
    assert (few["verdict"], many["verdict"]) == ("rejects", "faulty")
    assert many["faults"][0]["kind"] == kind


def test_outcomes_before_what_they_are_the_outcome_of_are_named(tmp_path):
    tables = whole()
    early = [row | {"occurred_at": moment(-3)} for row in tables["outcomes"][:4]]
    found = judged(tmp_path, tables | {"outcomes": early + tables["outcomes"][4:]})
    assert found["faults"][0]["sentence"] == ("outcomes: 4 of 5 happened before the day from which the company was a customer: correct their dates, or their "
                                              "ids.")


def test_payments_that_stay_away_are_named_in_every_month(tmp_path):
    tables = whole()
    lost = [row for place, row in enumerate(tables["payments"]) if row["known_at"] < moment(SPOILED) or place % 10 > 5]
    found = judged(tmp_path, tables | {"payments": lost})
    assert {month for kind, _, _, month in kinds(found) if kind == "broken_feed"} == {"2023-11", "2023-12", "2024-01", "2024-02", "2024-03", "2024-04"}


@pytest.mark.parametrize("case", ["all amounts half as large again", "payments a week later", "a fifth less business"])
def test_what_customers_do_is_no_fault(tmp_path, case):
    tables = whole()
    if case == "all amounts half as large again":
        for name in ("invoices", "payments", "transactions"):
            tables[name] = [row | ({"amount": round(row["amount"] * 1.5)} if row["known_at"] >= moment(SPOILED) else {}) for row in tables[name]]
    elif case == "payments a week later":
        late = [row | {"occurred_at": row["occurred_at"] + timedelta(days=7), "known_at": row["known_at"] + timedelta(days=7)}
                if row["known_at"] >= moment(SPOILED) else row for row in tables["payments"]]
        tables["payments"] = [row for row in late if row["known_at"] <= TODAY]
    else:
        tables["transactions"] = [row for place, row in enumerate(tables["transactions"]) if row["known_at"] < moment(SPOILED) or place % 5]
    assert judged(tmp_path, tables)["verdict"] == "whole"


def test_nothing_known_after_the_day_is_read(tmp_path):
    later = judged(tmp_path / "later", changed("transactions", lambda row: []), until="2023-10-31")
    assert later == judged(tmp_path / "whole", whole(), until="2023-10-31")
    assert later["today"] == "2023-10-31"


def test_a_table_without_news_for_a_year_is_stale(tmp_path):
    tables = whole()
    tables["payments"] = [row for row in tables["payments"] if row["known_at"] < moment(20)]
    assert judged(tmp_path, tables)["stale"] == ["payments"]


def test_columns_that_a_fault_explains_are_those_that_read_it():
    catalogue = build_catalogue("default", {"customers": {"customer_id": "id", "known_at": "time", "industry": "category"}, "transactions": {
        "transaction_id": "id", "customer_id": "id", "known_at": "time", "occurred_at": "time", "amount": "money", "channel": "category"}})
    everything, channel = (explained_columns([{"kind": "x", "table": "transactions", "column": column, "month": NAME}], catalogue)
                           for column in (None, "channel"))
    assert "bg_industry" not in everything
    assert set(channel) < set(everything)
    old = {"kind": "x", "table": "transactions", "column": None, "month": "2021-01"}
    assert explained_columns([old, {"kind": "x", "table": "events", "column": None, "month": NAME}], catalogue) == []
