"""A source that cannot be used is refused in one sentence, and nothing is changed."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from small_bundle import bundle as small_bundle

from features.errors import RiskError
from models.bundle import save_bundle
from pipeline.cli import main
from pipeline.datasets import INGEST, TABLES, read_json
from pipeline.ingest import ingest
from pipeline.observe import observe
from pipeline.params import change_params, load_params
from pipeline.places import bundle_path, pointer_path, training_path
from pipeline.state import read_champion
from pipeline.use import use_source
from pipeline.workspace import workspace
from serving.store import Store

CUSTOMERS = "SELECT id AS customer_id, TIMESTAMP '2020-01-01' AS known_at, 'company' AS kind FROM 'people.csv'"
OUTCOMES = ("SELECT id AS customer_id, 'default' AS kind, failed::TIMESTAMP AS occurred_at, failed::TIMESTAMP AS known_at "
            "FROM 'people.csv' WHERE failed IS NOT NULL")


@pytest.fixture
def folder(tmp_path):
    """A source of two SQL files over one CSV, in a workspace of its own."""
    source = tmp_path / "mine"
    source.mkdir()
    (source / "source.yaml").write_text("description: two people\nuse_cases: [default]\n")
    (source / "customers.sql").write_text(CUSTOMERS)
    (source / "outcomes.sql").write_text(OUTCOMES)
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "people.csv").write_text("id,failed\nA,2021-05-01\nB,\n")
    with workspace(tmp_path / "work"):
        yield source


def use(folder):
    return use_source(str(folder), str(folder.parent / "files"))


def test_using_a_source_prepares_its_pointers_and_cutoff(folder):
    use(folder)
    assert load_params().source.name == "mine"
    assert load_params().use_cases == ["default"]
    assert read_json(pointer_path("mine", "default")) == {"bundle": None}
    assert '"2021-05-01"' in training_path("mine", "default").read_text()


def test_ingest_writes_the_tables_and_says_what_it_read(folder):
    use(folder)
    ingest()
    assert pd.read_parquet(TABLES / "customers.parquet")["customer_id"].tolist() == ["A", "B"]
    assert read_json(INGEST)["tables"]["outcomes"]["kept"] == 1


def test_records_in_the_inbox_are_read_too(folder):
    use(folder)
    frame = pd.DataFrame({"customer_id": ["C"], "known_at": pd.to_datetime(["2021-01-01"]), "kind": ["person"]})
    frame.to_parquet("var/inbox/customers-1.parquet")
    ingest()
    assert pd.read_parquet(TABLES / "customers.parquet")["customer_id"].tolist() == ["A", "B", "C"]


def test_an_unreadable_file_in_the_inbox_is_named(folder):
    use(folder)
    Path("var/inbox/customers-1.parquet").write_text("not parquet")
    with pytest.raises(RiskError, match="var/inbox/customers-1.parquet cannot be read .*: correct it or take it out of var/inbox"):
        ingest()


@pytest.mark.parametrize(("name", "content", "message"), [
    ("outcomes.sql", None, "outcomes.sql is missing: write a SELECT that gives the columns of outcomes"),
    ("outcomes.sql", "SELEC 1", "outcomes.sql fails over .*: correct the SQL or the path"),
    ("outcomes.sql", OUTCOMES.replace("people.csv", "persons.csv"), "outcomes.sql fails over .*persons.csv.*: correct the SQL or the path"),
    ("orders.sql", "SELECT 1", "orders.sql names no table: the tables are customers, statements"),
    ("source.yaml", None, "has no source.yaml: let `risk source new NAME --data PATH` write a first draft"),
    ("source.yaml", "description: x\nuse_case: [default]\n", r"source.yaml: `use_case` is not a parameter: did you mean `use_cases`\?"),
])
def test_a_source_that_cannot_work_is_refused_and_changes_nothing(folder, name, content, message):
    before = Path("params.yaml").read_text()
    (folder / name).unlink(missing_ok=True)
    if content is not None:
        (folder / name).write_text(content)
    with pytest.raises(RiskError, match=message):
        use(folder)
    assert Path("params.yaml").read_text() == before


@pytest.mark.parametrize(("arguments", "message"), [
    (["use", "nowhere"], "there is no source nowhere: the shipped ones are american_bankruptcy"),
    (["use", "./files/people.csv"], "people.csv: which column is the target? likely: none: say it with --target"),
    (["publish"], "default: there is no champion yet: run `risk run`"),
    (["use", "american_bankruptcy"], "reads files: say where they are with `risk use american_bankruptcy --data PATH`"),
    (["use", "american_bankruptcy", "--data", "./missing"], "missing does not exist: run `risk use american_bankruptcy --data PATH`"),
])
def test_the_command_says_it_in_one_line_without_a_traceback(folder, arguments, message):
    Path("files").symlink_to(folder.parent / "files")
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(("column", "replacement", "message"), [
    ("failed::TIMESTAMP AS occurred_at", "failed::TIMESTAMP AS happened", "outcomes.sql: column occurred_at is missing"),
    ("failed::TIMESTAMP AS known_at", "DATE '2020-01-01' AS known_at", r"1 of 1 rows of outcomes break its contract \(known_at before occurred_at: 1\)"),
    ("failed::TIMESTAMP AS known_at", "DATE '2203-01-01' AS known_at", r"break its contract \(known_at in the future: 1\)"),
    ("WHERE failed IS NOT NULL", "WHERE false", "outcomes.sql: no rows for outcomes: correct its WHERE clause"),
])
def test_rows_that_break_the_contract_stop_the_ingest_and_leave_no_tables(folder, column, replacement, message):
    use(folder)
    (folder / "outcomes.sql").write_text(OUTCOMES.replace(column, replacement))
    with pytest.raises(RiskError, match=message):
        ingest()
    assert not TABLES.exists()
    assert not INGEST.exists()


def test_a_missing_parameter_file_is_named(folder):
    shutil.move("params.yaml", "elsewhere.yaml")
    result = CliRunner().invoke(main, ["run"])
    assert "params.yaml is missing" in result.stderr


def test_a_mistyped_parameter_stops_the_stage_with_its_name(folder):
    use(folder)
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("memory_limit:", "memory_limt:"))
    with pytest.raises(RiskError, match=r"`ingest.memory_limt` is not a parameter: did you mean `memory_limit`\?"):
        ingest()


def test_changed_parameters_survive_choosing_another_source(folder):
    change_params([("report.customers", 3)])
    use(folder)
    assert load_params().report.customers == 3


def test_a_name_with_other_letters_becomes_a_plain_one(folder):
    other = folder.with_name("My-Source")
    shutil.copytree(folder, other)
    assert use(other).name == "my_source"


def test_a_folder_called_source_goes_by_the_folder_it_is_in(folder):
    sources = [folder.with_name(name) / "source" for name in ("north", "south")]
    for source in sources:
        shutil.copytree(folder, source)
    assert [use_source(str(source), str(folder.parent / "files")).name for source in sources] == ["north", "south"]


def test_a_lost_or_damaged_pointer_says_how_it_comes_back(folder):
    use(folder)
    path = pointer_path("mine", "default")
    for content in ("[]", "{"):
        path.write_text(content)
        with pytest.raises(RiskError, match="call(ing)? `risk use mine`"):
            read_champion("mine", "default")
    path.unlink()
    promoted = small_bundle()
    with Store("var/risk.db").open() as store:
        store.record_promotion(use_case="default", source="mine", bundle=promoted.hash, previous_bundle=None, actor="a", reason="b", evidence={})
    save_bundle(promoted, bundle_path(promoted.hash))
    use(folder)
    assert read_champion("mine", "default") == promoted.hash


def test_a_source_without_anything_that_shows_business_is_refused(folder):
    use(folder)
    ingest()
    with pytest.raises(RiskError, match="nobody can be observed: the source has none of statements, contracts, invoices, transactions"):
        observe("default")


@pytest.mark.parametrize(("key", "value", "message"), [("book.as_of", "2022-02-31", "`book.as_of`: 2022-02-31 is no day of the calendar")])
def test_a_day_that_does_not_exist_is_named(folder, key, value, message):
    change_params([(key, value)])
    with pytest.raises(RiskError, match=message):
        load_params()


def test_observations_with_their_own_targets_need_no_outcomes(folder):
    (folder / "outcomes.sql").unlink()
    (folder / "source.yaml").write_text("description: two people\nuse_cases: [default]\ncomplete_to: '2023-01-01'\n")
    (folder / "observations.sql").write_text("SELECT id AS observation_id, id AS customer_id, TIMESTAMP '2021-01-01' AS as_of, "
                                             "(failed IS NOT NULL)::INTEGER AS target FROM 'people.csv'")
    use(folder)
    ingest()
    observe("default")
    rows = pd.read_parquet("data/default/development/observations.parquet")
    assert rows.set_index("customer_id")["target"].to_dict() == {"A": 1.0, "B": 0.0}
