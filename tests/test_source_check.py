"""`risk source check`: what a colleague would say about a source, without touching anything."""

import re
from pathlib import Path

import numpy as np
import pytest
from builders import customer, invoice, observation, outcome, statement, write_tables
from click.testing import CliRunner
from real_sets import SHARED, needs

from features.errors import RiskError
from models.discrimination import auc
from pipeline.cli import main
from pipeline.params import change_params
from pipeline.source_check import check
from pipeline.source_check_text import check_lines
from pipeline.source_outlook import auc_half_width
from pipeline.use import use_source
from pipeline.workspace import workspace


@pytest.fixture
def work(tmp_path):
    """A workspace to stand in."""
    with workspace(tmp_path / "work"):
        yield tmp_path


def source(folder, tables, *, extra="", changes=None):
    """A source over Parquet tables of builders' rows: its definition, and the folder of its files."""
    write_tables(folder / "files", tables)
    definition = folder / "mine"
    definition.mkdir()
    (definition / "source.yaml").write_text(f"description: a few firms\nuse_cases: [default]\n{extra}")
    for table in tables:
        (definition / f"{table}.sql").write_text((changes or {}).get(table, f"SELECT * FROM '{table}.parquet'"))
    return str(definition), str(folder / "files")


def firms(*, years=range(2012, 2020), count=120, bad=40):
    """`count` customers with a statement and an invoice a year; the first `bad` of them default, five a year, in the middle of a year."""
    ids = [f"C{number:03d}" for number in range(count)]
    return {
        "customers": [customer(name, known_at="2011-01-01") for name in ids],
        "statements": [statement(name, period_end=f"{year}-12-31", total_assets=100.0, equity=40.0) for name in ids for year in years],
        "invoices": [invoice(name, issued_at=f"{year}-{month:02d}-10") for name in ids[: count // 2] for year in years for month in (2, 5, 8, 11)],
        "outcomes": [outcome(name, occurred_at=f"{2013 + place % 6}-07-01") for place, name in enumerate(ids[:bad])],
    }


def report(definition, files):
    return "\n".join(check_lines(check(definition, files), command="risk use it"))


def test_it_says_what_came_in_and_what_it_covers(work):
    text = report(*source(work, firms()))
    assert re.search(r"customers +120 +120 +0 +100%  as known +2011-01-01 to 2011-01-01", text)
    assert re.search(r"invoices +1,920 +1,920 +0 +50%  2012-02-10 to 2019-11-10  2012-02-10 to 2019-11-10", text)
    assert "customers: 120, 40 of them (33.3%) with a default on record" in text
    assert re.search(r"statements +all of customer_id, period_end, .*, total_assets, equity; empty: .*27 lines of account", text)


def test_it_says_what_the_horizon_allows(work):
    found = check(*source(work, firms()))
    assert found.problems == []
    outlook = found.outlooks["default"]
    assert outlook.horizon_days == 365
    assert outlook.rows == outlook.matured + outlook.immature + outlook.indeterminate
    assert outlook.bad > 0
    text = "\n".join(check_lines(found, command="risk use it"))
    assert f"{outlook.immature:,}: 365 days and 45 days of reporting lag have not passed for them by {found.complete_to}" in text
    assert "next: risk use it, then risk run" in text


def test_rejects_come_with_their_rule_and_an_example_and_stop_what_a_run_would_stop(work):
    tables = firms()
    tables["invoices"] += [invoice("C001", issued_at="2019-11-10", amount=-5) for _ in range(100)]
    found = check(*source(work, tables))
    text = "\n".join(check_lines(found, command=""))
    assert "rejected: invoices, amount is not positive: 100 of 2,020 rows, first in row 1,921: -5" in text
    assert "invoices: 100 of 2,020 rows break its contract, more than ingest.max_reject_share = 0.02: correct the source or raise the share" in text
    assert "This source cannot be used yet:" in text


def test_a_table_broken_from_its_first_rows_is_counted_whole(work):
    tables = firms()
    tables["invoices"] = [invoice("C001", issued_at="2019-11-10", amount=-5) for _ in range(50)]
    change_params([("ingest.probe_rows", 10)])
    text = report(*source(work, tables))
    assert re.search(r"invoices +50 +0 +50", text)
    assert "rejected: invoices, amount is not positive: 50 of 50 rows, first in row 1: -5" in text
    assert re.search(r"statements +960 +960 +0", text)


def test_a_file_in_another_encoding_is_named_as_such(work):
    definition, files = source(work, firms(), changes={"customers": "SELECT id AS customer_id, TIMESTAMP '2011-01-01' AS known_at FROM 'people.csv'"})
    (Path(files) / "people.csv").write_bytes("id,name\nC001,Müller GmbH\n".encode("cp1252"))
    for told in ("\n".join(check(definition, files).problems), refusal(definition, files)):
        assert re.search(r"people.csv is not UTF-8 from line 2 on \(likely cp125\d\); read so, that line is: C001,Müller GmbH", told)


def refusal(definition, files):
    with pytest.raises(RiskError) as error:
        use_source(definition, files)
    return str(error.value)


def test_outcomes_of_nobody_are_no_customers_with_a_default(work):
    tables = firms()
    tables["outcomes"] += [outcome(f"X{number}", occurred_at="2015-07-01") for number in range(30)]
    assert "customers: 120, 40 of them (33.3%) with a default on record" in report(*source(work, tables))


def test_a_few_rejects_are_told_and_do_not_stop(work):
    tables = firms()
    tables["invoices"] += [invoice("C001", issued_at="2019-11-10", amount=-5)]
    text = report(*source(work, tables))
    assert "This source can be used, with these in mind:" in text
    assert "rows set aside: 1 of invoices" in text


def test_ids_that_match_nothing_are_named(work):
    tables = firms()
    tables["invoices"] += [invoice("0C1", issued_at="2019-11-10")]
    assert "invoices: customer_id is not in customers (1 row), for example 0C1" in report(*source(work, tables))


def test_every_broken_table_is_told_at_once(work):
    definition, files = source(work, firms(), changes={"invoices": "SELECT invoice_id, amount FROM 'invoices.parquet'", "statements": "SELEC 1"})
    found = check(definition, files)
    assert any(re.match("invoices: invoices.sql lacks the columns known_at, customer_id, issued_at, due_at", problem) for problem in found.problems)
    assert any(problem.startswith("statements: statements.sql fails over") for problem in found.problems)


def test_too_few_bad_ones_are_said_with_their_number(work):
    text = report(*source(work, firms(bad=12)))
    assert re.search(r"12 bad customers are too few: with less than 30 \(decide.bad_to_recalibrate\)", text)


def test_a_history_too_short_to_judge_by_time_names_the_fall_back(work):
    text = report(*source(work, firms(years=range(2012, 2015)), extra="complete_to: '2014-12-31'\n"))
    assert "judged by customers held out (the fall-back)" in text
    assert "default: nothing is said about how a model ages" in text


def test_observations_alone_are_checked_too(work):
    rows = [observation(f"C{number}", as_of="2020-06-30", target=float(number % 4 == 0), x=float(number % 17)) for number in range(400)]
    text = report(*source(work, {"observations": rows}, extra="complete_to: '2022-01-01'\nprotocol: {kind: random}\n"))
    assert "matured     400 (as of up to 2020-06-30), 100 of them bad (25.00%), of 100 customers" in text
    assert "judged by a random draw: 120 rows judge, 30 bad" in text
    assert "100 bad customers are enough to learn from" in text


def test_one_class_alone_cannot_be_used(work):
    rows = [observation(f"C{number}", as_of="2020-06-30", target=0.0, x=float(number)) for number in range(50)]
    found = check(*source(work, {"observations": rows}, extra="complete_to: '2022-01-01'\n"))
    assert any("0 of 50 matured rows are bad" in problem for problem in found.problems)


def test_nothing_is_touched(work):
    definition, files = source(work, firms())
    before = {path: path.stat().st_mtime_ns for path in Path().rglob("*") if path.is_file() and not path.is_symlink()}
    assert CliRunner().invoke(main, ["source", "check", definition, "--data", files]).exit_code == 0
    assert {path: path.stat().st_mtime_ns for path in Path().rglob("*") if path.is_file() and not path.is_symlink()} == before


def test_the_command_ends_with_one_when_the_source_cannot_be_used(work):
    definition, files = source(work, firms(), changes={"invoices": "SELEC 1"})
    result = CliRunner().invoke(main, ["source", "check", definition, "--data", files])
    assert result.exit_code == 1
    assert "This source cannot be used yet:" in result.stdout


def test_a_source_that_is_not_there_is_refused_in_one_line(work):
    result = CliRunner().invoke(main, ["source", "check", "./nowhere"])
    assert result.exit_code == 1
    assert result.stderr.startswith("error: there is no source ./nowhere")


def test_the_list_has_a_line_for_each_shipped_source(work):
    text = CliRunner().invoke(main, ["source", "list"]).stdout
    assert re.search(r"^simulated +a simulated B2B portfolio", text, re.MULTILINE)
    assert re.search(r"^american_bankruptcy\* +18 line items", text, re.MULTILINE)


def test_the_width_of_an_auc_is_that_of_repeated_samples():
    drawn = np.random.default_rng(3)
    target = np.repeat([1, 0], [40, 400])
    areas = [auc(target, drawn.exponential(1 / np.where(target == 1, 0.25, 1.0))) for _ in range(2000)]
    assert np.mean(areas) == pytest.approx(0.8, abs=0.01)
    assert auc_half_width(0.8, 40, 400) == pytest.approx(1.96 * np.std(areas), rel=0.1)


@needs("american_bankruptcy")
def test_the_real_set_of_american_firms(work):
    found = check("american_bankruptcy", str(SHARED / "american_bankruptcy"))
    assert (found.customers, found.with_default) == (8490, 491)
    assert (found.outlooks["default"].held_out, found.outlooks["default"].held_out_bad) == (13741, 113)
    assert found.problems == []


def test_the_report_holds_no_word_of_the_machine(work):
    text = report(*source(work, firms()))
    assert not re.search(r"\bnan\b|None|NaT|risk-check-", text)
