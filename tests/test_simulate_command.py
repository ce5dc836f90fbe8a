"""`risk simulate`: files a month apart that a later step leaves alone, the same rows as the built-in source, decisions on record."""

import os
import shutil

import duckdb
import pandas as pd
import pytest
from click.testing import CliRunner

from features.errors import RiskError
from features.tables import TABLES
from pipeline import simulate
from pipeline.cli import main
from pipeline.datasets import TABLES as TABLES_FOLDER
from pipeline.datasets import case_path
from pipeline.featurize import featurize
from pipeline.ingest import ingest
from pipeline.observe import observe
from pipeline.simulate import new_record, read_record, simulate_folder, step_folder
from pipeline.sources.simulated import Settings
from pipeline.sources.simulated import simulate as simulate_whole
from pipeline.use import use_source
from pipeline.workspace import workspace

WRITTEN = [name for name in TABLES if name != "observations"]
SMALL = {"customers": 60, "months": 8, "scenario": "recession", "scenario_month": 3}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Sixty customers over eight months."""
    folder = tmp_path_factory.mktemp("made") / "sim"
    simulate_folder(folder, new_record(**SMALL))
    return folder


@pytest.fixture
def own(made, tmp_path):
    """A copy of it that a test may change."""
    return shutil.copytree(made, tmp_path / "sim")


def command(*arguments):
    return CliRunner().invoke(main, ["simulate", *map(str, arguments)])


def bytes_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "simulation.yaml"}


def decided(tmp_path, *lines, header="customer_id,limit_factor,stop"):
    path = tmp_path / "decisions.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def staged(folder, table):
    """What the source's SQL gives, by key."""
    connection = duckdb.connect()
    connection.execute(f"SET file_search_path = '{folder}'")
    rows = connection.execute((folder / "source" / f"{table}.sql").read_text(encoding="utf-8")).df()
    return rows.sort_values(list(TABLES[table].key)).reset_index(drop=True)


@pytest.mark.parametrize("table", WRITTEN)
def test_a_file_holds_what_became_known_in_its_month(made, table):
    files = sorted((made / table).iterdir())
    assert [file.stem for file in files] == [f"2018-{month:02}" for month in range(1, 9)]
    for file in files:
        assert set(pd.read_parquet(file)["known_at"].dt.strftime("%Y-%m")) <= {file.stem}


def test_every_table_of_every_month_has_a_file_even_where_nothing_became_known(tmp_path):
    simulate_folder(tmp_path / "sim", new_record(customers=2, months=2))
    assert len(pd.read_parquet(tmp_path / "sim" / "outcomes" / "2018-01.parquet")) == 0
    assert staged(tmp_path / "sim", "outcomes").columns.tolist() == list(TABLES["outcomes"].names)


@pytest.mark.parametrize("extension", ["parquet", "csv"])
def test_the_source_gives_the_rows_of_the_simulator(made, tmp_path, extension):
    folder = made if extension == "parquet" else tmp_path / "sim"
    if extension == "csv":
        simulate_folder(folder, new_record(extension="csv", **SMALL))
    simulate_whole(tmp_path / "tables", tmp_path / "truth", settings=Settings(**SMALL))
    for table in WRITTEN:
        expected = duckdb.sql(f"SELECT * FROM '{tmp_path}/tables/{table}.parquet'").df().sort_values(list(TABLES[table].key)).reset_index(drop=True)
        pd.testing.assert_frame_equal(staged(folder, table)[expected.columns], expected)


def test_a_cured_default_stands_in_two_months_and_comes_once(tmp_path):
    folder = tmp_path / "sim"
    simulate_folder(folder, new_record(customers=1000, months=14, scenario="calibration_shift", scenario_month=0, scenario_size=1.5, reference_every_months=99))
    written = pd.concat([pd.read_parquet(file) for file in (folder / "outcomes").iterdir()]).query("kind == 'default'")
    twice = written[written.duplicated(["customer_id", "occurred_at"], keep=False)].sort_values("known_at")
    rows = staged(folder, "outcomes").query("kind == 'default'").set_index(["customer_id", "occurred_at"])
    assert len(twice) >= 4
    cured = rows.loc[pd.MultiIndex.from_frame(twice[["customer_id", "occurred_at"]]).unique()].reset_index()
    assert len(cured) == len(twice) / 2
    assert cured["cured_at"].notna().all()
    assert (cured["known_at"] - cured["occurred_at"] < pd.Timedelta(days=31)).all()


def test_a_step_adds_its_months_and_changes_no_other_file(own):
    before = bytes_of(own)
    step_folder(own, 2)
    after = bytes_of(own)
    assert {path: after[path] for path in before} == before
    assert {path.rpartition("/")[2] for path in after.keys() - before.keys()} == {"2018-09.parquet", "2018-10.parquet"}
    assert read_record(own).months == 10


def test_steps_give_the_bytes_of_one_longer_simulation(own, tmp_path):
    step_folder(own, 1)
    step_folder(own, 2)
    simulate_folder(tmp_path / "whole", new_record(**SMALL | {"months": 11}))
    whole = bytes_of(tmp_path / "whole")
    assert bytes_of(own) == whole


def test_decisions_hold_in_later_steps_as_if_given_at_once(own, tmp_path):
    path, once = decided(tmp_path, "C0000003,0.5,", "C0000004,,yes"), shutil.copytree(own, tmp_path / "once")
    step_folder(once, 3, decisions=path)
    step_folder(own, 2, decisions=path)
    path.unlink()
    step_folder(own, 1)
    assert bytes_of(own) == bytes_of(once)
    invoices = pd.concat([pd.read_parquet(own / "invoices" / f"{month}.parquet") for month in ("2018-09", "2018-11")])
    assert "C0000004" not in set(invoices["customer_id"])
    limit = [pd.read_parquet(own / "exposures" / f"{month}.parquet").set_index("customer_id").loc["C0000003", "limit"] for month in ("2018-08", "2018-11")]
    assert limit[1] == pytest.approx(limit[0] / 2)
    assert read_record(own).decisions == ["2018-09"]


def test_a_decision_may_begin_after_the_step_that_brings_it(own, tmp_path):
    step_folder(own, 1, decisions=decided(tmp_path, "2018-10,C0000004,,1", header="from_month,customer_id,limit_factor,stop"))
    step_folder(own, 1)
    assert [("C0000004" in set(pd.read_parquet(own / "exposures" / f"2018-{month}.parquet")["customer_id"])) for month in ("09", "10")] == [True, True]
    stopped = pd.read_parquet(own / "invoices" / "2018-10.parquet")["customer_id"]
    going = pd.read_parquet(own / "invoices" / "2018-09.parquet")["customer_id"]
    assert "C0000004" in set(going)
    assert "C0000004" not in set(stopped)


@pytest.mark.parametrize(("header", "line", "message"), [
    ("customer_id,limit_factor,stop", "ACME,1,", "row 2: ACME is none of the 60 simulated customers: take it from the customers table"),
    ("customer_id,limit_factor,stop", "C0000061,1,", "row 2: C0000061 is none of the 60"),
    ("customer_id,limit_factor,stop", "C0000001,half,", "row 2: limit_factor half is no factor: give a number from 0 to 100"),
    ("customer_id,limit_factor,stop", "C0000001,-1,", "limit_factor -1 is no factor"),
    ("customer_id,limit_factor,stop", "C0000001,nan,", "limit_factor nan is no factor"),
    ("customer_id,limit_factor,stop", "C0000001,1,maybe", "stop maybe is neither true nor false"),
    ("customer_id,limit_factor,stop", "C0000001,1,\nC0000001,2,", "C0000001 is decided twice from 2018-09 on: keep one of the rows"),
    ("from_month,customer_id,stop", "2018-08,C0000001,1", "from_month 2018-08 cannot be decided any more: give 2018-09 or a later month"),
    ("from_month,customer_id,stop", "soon,C0000001,1", "from_month soon cannot be decided"),
    ("customer_id,limit_factor", "C0000001,0,5", "row 2: has more cells than the header has columns: write factors with a point"),
    ("customer,limit_factor", "C0000001,1", "decisions have the columns customer_id, limit_factor, stop and, where wanted, from_month; it has customer")])
def test_a_decision_that_makes_no_sense_is_refused_before_anything_is_written(own, tmp_path, header, line, message):
    before = bytes_of(own)
    with pytest.raises(RiskError, match=message):
        step_folder(own, 1, decisions=decided(tmp_path, line, header=header))
    assert bytes_of(own) == before


def test_an_empty_file_of_decisions_is_named(own, tmp_path):
    (tmp_path / "empty.csv").touch()
    with pytest.raises(RiskError, match="empty.csv: decisions have the columns .* it has none"):
        step_folder(own, 1, decisions=tmp_path / "empty.csv")


def test_a_file_of_decisions_that_is_not_there_is_named(own, tmp_path):
    with pytest.raises(RiskError, match="nowhere.csv cannot be read as UTF-8 CSV"):
        step_folder(own, 1, decisions=tmp_path / "nowhere.csv")


# What goes wrong


class _Stops:
    """A progress bar that breaks off after some months."""

    def __init__(self, after):
        self.left = after

    def update(self, count):
        self.left -= count
        if self.left < 0:
            raise KeyboardInterrupt

    def close(self):
        pass


def test_an_interrupted_simulation_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(simulate, "progress", lambda *arguments, **options: _Stops(3))
    with pytest.raises(KeyboardInterrupt):
        simulate_folder(tmp_path / "sim", new_record(**SMALL))
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_step_leaves_the_folder_as_it_was(own, monkeypatch):
    before, record = bytes_of(own), read_record(own)
    monkeypatch.setattr(simulate, "progress", lambda *arguments, **options: _Stops(9))
    with pytest.raises(KeyboardInterrupt):
        step_folder(own, 3)
    assert (bytes_of(own), read_record(own)) == (before, record)


def test_a_step_that_fails_while_files_move_takes_them_back(own, monkeypatch):
    before, record, moves = bytes_of(own), read_record(own), []

    def replace(*paths):
        moves.append(paths)
        if len(moves) == 5:
            raise OSError("disk full")
        os.rename(*paths)

    monkeypatch.setattr(simulate.os, "replace", replace)
    with pytest.raises(OSError, match="disk full"):
        step_folder(own, 1)
    assert len(moves) == 5
    assert (bytes_of(own), read_record(own)) == (before, record)


def test_what_a_killed_step_left_is_cleared_by_the_next(own, tmp_path):
    clean = shutil.copytree(own, tmp_path / "clean")
    step_folder(clean, 1)
    shutil.copy(clean / "events" / "2018-09.parquet", own / "events" / "2018-10.parquet")
    (own / ".partial" / "events").mkdir(parents=True)
    step_folder(own, 1)
    assert bytes_of(own) == bytes_of(clean)


def test_a_step_refuses_a_folder_whose_last_month_was_changed(own):
    shutil.copy(own / "payments" / "2018-07.parquet", own / "payments" / "2018-08.parquet")
    before = bytes_of(own)
    with pytest.raises(RiskError, match="payments/2018-08.parquet is not what .*simulation.yaml gives: it was changed or comes from another version"):
        step_folder(own, 1)
    assert bytes_of(own) == before


def test_a_step_refuses_a_folder_without_a_simulation(tmp_path):
    with pytest.raises(RiskError, match="holds no simulation: begin one with `risk simulate --to"):
        step_folder(tmp_path, 1)


def test_a_damaged_record_is_named(own):
    (own / "simulation.yaml").write_text("months: many\n")
    with pytest.raises(RiskError, match="simulation.yaml: "):
        step_folder(own, 1)


def test_a_folder_with_anything_in_it_is_left_alone(own, tmp_path):
    with pytest.raises(RiskError, match="is not empty: add months to it with `--step`"):
        simulate_folder(own, new_record(**SMALL))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("mine")
    with pytest.raises(RiskError, match="other is not empty: name a new folder"):
        simulate_folder(tmp_path / "other", new_record(**SMALL))


def test_a_change_after_the_last_month_is_refused():
    with pytest.raises(RiskError, match="a change in month 8 lies after the 8 months to simulate"):
        new_record(**SMALL | {"scenario_month": 8})


# The command


def test_the_command_writes_says_that_it_is_simulated_and_steps(tmp_path):
    folder = tmp_path / "sim"
    first = command("fraud_wave", "--to", folder, "--customers", 20, "--months", 2, "--month-of-change", 1, "--seed", 5, "--first-month", "2020-03", "--csv")
    assert (first.exit_code, "SIMULATED, not real customers" in first.output) == (0, True)
    assert f"next: risk use {folder}/source --data {folder}" in first.output
    second = command("--to", folder, "--step")
    assert (second.exit_code, "1 months written, 2020-05 to 2020-05" in second.output) == (0, True)
    assert sorted(file.name for file in (folder / "invoices").iterdir()) == ["2020-03.csv", "2020-04.csv", "2020-05.csv"]
    assert (read_record(folder).scenario, read_record(folder).seed, read_record(folder).months) == ("fraud_wave", 5, 3)


def test_the_scenarios_are_listed_with_a_sentence():
    listed = command("--list").output.splitlines()
    assert [line.split()[0] for line in listed] == ["calm", "recession", "covariate_shift", "calibration_shift", "concept_drift", "new_default", "broken_feed",
                                                    "fraud_wave"]
    assert "triple their orders" in listed[5]


@pytest.mark.parametrize(("arguments", "message"), [
    ((), "name the folder to write with --to"), (("calm", "--to", "x", "--step"), "--step goes on with the settings of the folder"),
    (("boom", "--to", "x"), "there is no scenario 'boom'; use one of calm, recession"), (("--to", "x", "--customers", "0"), "customers = 0 is out of range"),
    (("--to", "x", "--first-month", "soon"), "first_month = 'soon' is not a month"),
    (("--to", "x", "--first-month", "20"), "first_month = '20' is not a month")])
def test_what_cannot_be_simulated_is_said_in_a_sentence(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    result = command(*arguments)
    assert result.exit_code != 0
    assert message in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_folder_gives_the_features_of_the_built_in_source(tmp_path):
    settings = {"customers": 150, "months": 40, "seed": 4}
    simulate_folder(tmp_path / "sim", new_record(scenario="calm", **settings))
    found = []
    for source in (None, tmp_path / "sim"):
        with workspace(tmp_path / ("built_in" if source is None else "files"), [(f"simulated.{name}", value) for name, value in settings.items()]):
            if source:
                use_source(str(source / "source"), str(source))
            ingest()
            observe("default")
            featurize("default")
            tables = {table: pd.read_parquet(TABLES_FOLDER / f"{table}.parquet") for table in WRITTEN}
            found.append((tables, pd.read_parquet(case_path("default", "development", "features.parquet"))))
    for table in WRITTEN:
        pd.testing.assert_frame_equal(found[0][0][table], found[1][0][table])
    pd.testing.assert_frame_equal(found[0][1], found[1][1])
    assert len(found[0][1]) > 500
