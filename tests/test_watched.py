"""Whose reasons a large book keeps: those whom the decision is against, whose grade changed, and the riskiest; everybody else's are worked out when read."""

from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builders import day
from report_world import COLUMNS, decided, put, run, score, tables, trained

from features.errors import RiskError
from models.policy import decide_book, parse_policy
from models.scoring import encode
from models.watched import adverse, grade_changed, held_up, riskiest
from pipeline import kept_reasons
from pipeline.kept_reasons import explained, with_reasons
from pipeline.look_model import parts, reasons
from pipeline.params import ScoreParams, load_params
from pipeline.publish import _explained
from pipeline.reports.book import read_book, rows_of
from pipeline.reports.book import riskiest as riskiest_rows
from pipeline.score import Watch, _watch, scored

ROOT = Path(__file__).parent.parent
POLICY = parse_policy((ROOT / "policy.yaml").read_text(encoding="utf-8"))
KEPT = ("sub_financial", "sub_behavioural", "sub_cash_flow", "sub_background", "adverse", "favourable")


@pytest.fixture(autouse=True)
def workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policy.yaml").write_bytes((ROOT / "policy.yaml").read_bytes())


# --- the rule ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("case", "against"), [
    ({}, False),
    ({"exposure": 150_000_000}, False),  # two persons sign for it, and it stays
    ({"grade": "E", "pd_12m": 0.3, "exposure": 150_000_000}, True),  # more than an E may have
    ({"facts": {"days_past_due": 30.0}}, True),  # two persons, by a hard stop
    ({"facts": {"in_default": 1.0}}, True),
])
def test_a_decision_is_adverse_that_takes_or_that_a_stop_hands_to_a_person(case, against):
    (grade, pd_12m), rest = (case.pop("grade", "A"), case.pop("pd_12m", 0.001)), case
    decision = decide_book(POLICY, grade=[grade], pd_12m=[pd_12m], capacity=[1e11], **rest)
    assert adverse(decision).tolist() == [against]


def test_a_transaction_is_explained_that_did_not_just_pass():
    assert held_up(np.array([0, 1, 2])).tolist() == [False, True, True]


def test_a_grade_changed_for_the_better_or_the_worse_and_not_of_the_new():
    assert grade_changed(["a", "b", "c", "d"], ["B", "B", "B", "B"], {"a": "A", "b": "B", "c": "C"}).tolist() == [True, False, True, False]


def test_the_riskiest_are_those_that_the_reports_take():
    put([decided(score(f"C{n}", raw)) for n, raw in enumerate((-1.0, -3.0, -1.0, -2.0))], tables())
    rows = pq.read_table("data/default/scores.parquet").to_pandas()
    for customers in (0, 1, 2, 3, -1):
        wanted = {row["customer_id"] for part in riskiest_rows(read_book("default"), 9 if customers < 0 else customers, one_each=True) for row in part}
        assert set(rows["customer_id"][riskiest(rows, rows["pd_12m"], customers=customers)]) == wanted


def test_of_a_customer_with_several_rows_the_latest_is_the_riskiest():
    rows = pd.DataFrame({"observation_id": ["a", "b"], "customer_id": ["C1", "C1"], "as_of": [day("2024-06-30"), day("2024-03-31")]})
    assert riskiest(rows, np.array([0.1, 0.9]), customers=1).tolist() == [True, False]


@pytest.mark.parametrize(("how", "rows", "whole"), [("all", 10**6, True), ("watched", 20_000, True), ("watched", 20_001, False)])
def test_a_book_is_explained_whole_by_parameter_or_while_it_is_small(how, rows, whole):
    params = load_params(ROOT / "params.yaml")
    params = msgspec.structs.replace(params, score=ScoreParams(reasons=how, whole_up_to=20_000))
    assert _watch(params, "default", rows, {"C1": "A"}) == (None if whole else Watch({"C1": "A"}, params.report.customers))
    assert _watch(params, "fraud", rows, {}) == (None if whole else Watch({}, 0))


# --- the stage --------------------------------------------------------------------------------------------------------------

LATE = (0.0, 3.0, 40.0, 55.0, 12.0, 25.0)


def book_of(late=LATE):
    """Rows, columns and standing of a book of small exposures, of which the first is in default."""
    ids = [f"C{place}" for place in range(len(late))]
    rows = pd.DataFrame({"observation_id": [f"{each}@now" for each in ids], "customer_id": ids, "as_of": [day("2024-06-30")] * len(ids)})
    columns = dict(zip((name for name, *_ in COLUMNS), (np.array(late), np.full(len(late), 2.5), ["retail"] * len(late)), strict=True))
    standing = {"exposure": np.full(len(late), 100_000.0), "capacity": np.full(len(late), 1e11), "in_default": np.array([1.0] + [0.0] * (len(late) - 1))}
    return rows, columns, standing


def table_of(watch=None):
    return scored(*book_of(), bundle=trained(), policy=POLICY, threads=1, watch=watch)


def test_the_stage_explains_the_watched_alone_and_them_as_it_would_all():
    whole = table_of()
    grades = dict(zip(whole["customer_id"].to_pylist(), whole["grade"].to_pylist(), strict=True))
    found = table_of(Watch(grades | {"C1": "E" if grades["C1"] != "E" else "A"}, reported=2))
    by_risk = np.argsort(-whole["raw_score"].to_numpy(), kind="stable")[:2]
    wanted = {"C0", "C1", *(f"C{place}" for place in by_risk)}
    assert 2 < len(wanted) < len(LATE)
    for kept, all_of_them in zip(found.to_pylist(), whole.to_pylist(), strict=True):
        assert kept == (all_of_them if kept["customer_id"] in wanted else all_of_them | dict.fromkeys(KEPT))
    assert found.schema == whole.schema


def test_a_book_in_which_nobody_is_watched_has_the_same_columns():
    matrix = encode(book_of()[1], trained())
    nobody = pa.table(explained(trained(), matrix, chosen=np.zeros(len(matrix), dtype=bool)))
    assert nobody.to_pylist() == [dict.fromkeys(KEPT)] * len(matrix)
    assert nobody.schema == pa.table(explained(trained(), matrix)).schema


def test_rows_explained_in_parts_are_explained_alike(monkeypatch):
    whole = table_of().to_pylist()
    monkeypatch.setattr(kept_reasons, "PART", 2)
    assert table_of().to_pylist() == whole


# --- who reads --------------------------------------------------------------------------------------------------------------


def stage_wrote(watch=None):
    """Lay out what the report stage reads, with the scores that the score stage wrote."""
    table = table_of(watch)
    put([decided(score(row["customer_id"], row["raw_score"], observation_id=row["observation_id"])) for row in table.to_pylist()], tables("C3"))
    columns = book_of()[1]
    given = {"observation_id": table["observation_id"], **{name: pa.array(values) for name, values in columns.items()}}
    pq.write_table(pa.table(given), "data/default/book/features.parquet")
    pq.write_table(table, "data/default/scores.parquet")


def test_rows_that_pages_show_are_worked_out_to_the_bit():
    stage_wrote()
    wanted = ([*next(riskiest_rows(read_book("default"), 9))], rows_of(read_book("default"), {"C1", "C4"}))
    stage_wrote(Watch())
    assert pq.read_table("data/default/scores.parquet")["adverse"].null_count == len(LATE) - 1
    assert ([*next(riskiest_rows(read_book("default"), 9))], rows_of(read_book("default"), {"C1", "C4"})) == wanted


def test_pages_are_the_same_whoever_was_explained_before():
    stage_wrote()
    pages = run()
    stage_wrote(Watch())
    assert run() == pages
    assert "The risk is raised by" in pages["customers/C3.en.html"]


def test_a_look_at_a_customer_tells_reasons_and_sub_scores_all_the_same():
    stage_wrote()
    wanted = [(parts(each).tolist(), reasons(each).to_dict("records")) for each in ("C0", "C3", "C4")]
    stage_wrote(Watch())
    assert [(parts(each).tolist(), reasons(each).to_dict("records")) for each in ("C0", "C3", "C4")] == wanted
    assert all(len(listed) for _, listed in wanted)


def test_an_empty_list_is_no_lack_and_nothing_is_read_for_it():
    rows = [{"observation_id": "O1", "bundle": "ab" * 32, "adverse": [], "favourable": []}]
    assert with_reasons(rows, "default") is rows


def test_a_row_without_reasons_of_another_book_is_refused():
    stage_wrote()
    with pytest.raises(RiskError, match="O9 is not in data/default/book/features.parquet: run `risk run`, which writes the features"):
        with_reasons([{"observation_id": "O9", "bundle": "ab" * 32, "adverse": None}], "default")


@pytest.mark.parametrize(("beside", "explained_now"), [
    ({}, False),
    ({"life_cycle": {"state": "active"}}, False),
    ({"life_cycle": {"state": "watch"}}, True),
    ({"override": {"id": "o1"}, "life_cycle": None}, True),
])
def test_publishing_explains_whom_a_person_or_the_life_cycle_decides_on(beside, explained_now):
    wanted, lacking = table_of().to_pylist()[4], table_of(Watch()).to_pylist()[4]
    values = dict(zip((name for name, *_ in COLUMNS), (LATE[4], 2.5, "retail"), strict=True))
    (row,) = _explained([lacking | beside], [values], trained())
    assert row == (wanted if explained_now else lacking) | beside
