"""The notebooks and their trials: kept without outputs, calling the project and computing nothing, and running from first to last cell on a small run."""

import ast
import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from small_run import small_run

from features.errors import RiskError
from features.feature import feature
from features.terms import line, ratio
from pipeline import trial

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
LOGIC = (ast.For, ast.While, ast.If, ast.Try, ast.With, ast.FunctionDef, ast.ClassDef, ast.Lambda, ast.ListComp, ast.DictComp, ast.GeneratorExp)


def read(path):
    return nbformat.read(path, as_version=4)


def code_of(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_there_are_three():
    assert [path.stem for path in NOTEBOOKS] == ["iterate_on_a_feature", "look_at_my_data", "read_a_model_and_a_customer"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_valid_and_short(path):
    notebook = read(path)
    nbformat.validate(notebook)
    assert len(notebook.cells) <= 15
    assert notebook.metadata.kernelspec.name == "python3"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_and_counts_are_stripped(path):
    for cell in code_of(read(path)):
        assert cell.outputs == []
        assert cell.execution_count is None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_cells_hold_no_logic(path):
    for cell in code_of(read(path)):
        found = [type(node).__name__ for node in ast.walk(ast.parse(cell.source)) if isinstance(node, LOGIC)]
        assert found == [], f"move this into the project: {cell.source}"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A small simulated run, as `make run` leaves it behind, with the notebooks beside it."""
    with small_run(tmp_path_factory.mktemp("run")) as folder:
        shutil.copytree(NOTEBOOKS[0].parent, folder / "notebooks")
        yield folder


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_its_folder_with_an_empty_home(run, path, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("JUPYTER_DATA_DIR", "JUPYTER_PATH", "JUPYTER_CONFIG_DIR", "IPYTHONDIR", "MPLCONFIGDIR", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    notebook = read(run / "notebooks" / path.name)
    NotebookClient(notebook, timeout=180, kernel_name="python3", resources={"metadata": {"path": str(run / "notebooks")}}).execute()
    shown = [output for cell in code_of(notebook) for output in cell.outputs]
    assert [output for output in shown if output.output_type == "stream" and output.name == "stderr" and "Error" in output.text] == []
    assert sum("image/png" in output.get("data", {}) for output in shown) >= 1
    assert sum("text/html" in output.get("data", {}) for output in shown) >= 3


def cash_cover(name="stmt_cash_to_short_term_debt", top="cash"):
    return feature(name, ratio(line(top), line("short_term_debt")), unit="ratio", factor="solvency", missing="Missing without a statement.")


@pytest.mark.slow
def test_a_trial_that_changes_nothing_is_the_candidate_to_the_bit(run):
    same, now = trial.run("the same"), trial.current()
    assert same.bundle.hash == now.bundle.hash
    assert same.figures == now.figures
    assert trial.compare(same, now).loc["auc", ["difference", "low", "high"]].tolist() == [0.0, 0.0, 0.0]


@pytest.mark.slow
def test_an_added_feature_is_trained_on_and_writes_nothing_into_data(run):
    before = {file: file.stat().st_mtime_ns for file in (run / "data").rglob("*") if file.is_file()}
    found = trial.run("more", added=[cash_cover()], left_out=["bg_industry"])
    assert found.bundle.names[-1] == "stmt_cash_to_short_term_debt"
    assert "bg_industry" not in found.bundle.names
    assert found.changed == "with stmt_cash_to_short_term_debt, without bg_industry"
    assert {file: file.stat().st_mtime_ns for file in (run / "data").rglob("*") if file.is_file()} == before


@pytest.mark.slow
def test_a_trial_is_logged_once(run):
    named = trial.current()
    assert len(trial.log(named)) == len(trial.log(named))


@pytest.mark.slow
@pytest.mark.parametrize(("asked", "message"), [
    ({"changes": [("observe.default.horizon_days", 180)]}, "a trial changes train, calibrate, scale, and observe.default.horizon_days is none of them: try"),
    ({"changes": [("train.learning_rat", 0.1)]}, "`train.learning_rat` is not a parameter: did you mean `learning_rate`"),
    ({"left_out": ["stmt_nothing"]}, "there is no column stmt_nothing among the [0-9]+ of data/default/development/catalogue.json: correct the name"),
    ({"added": [cash_cover("stmt_roa")]}, "the catalogue holds stmt_roa already: give the feature another name"),
    ({"added": [cash_cover(top="goodwill")]}, "the tables lack statements.goodwill, which stmt_cash_to_short_term_debt needs"),
])
def test_a_trial_that_cannot_be_run_says_so(run, asked, message):
    with pytest.raises(RiskError, match=message):
        trial.run("broken", **asked)
