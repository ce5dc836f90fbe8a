"""The layers point one way, and what runs at the service stays light."""

import logging

import grimp
import pytest
from importlinter.cli import lint_imports


@pytest.fixture(scope="module")
def graph():
    return grimp.build_graph("features", "models", "serving", "pipeline", include_external_packages=True, cache_dir=None)


@pytest.fixture
def loggers():
    """The linter configures logging anew, which disables every logger that is there: tests after it would read empty logs."""
    made = [each for each in logging.root.manager.loggerDict.values() if isinstance(each, logging.Logger) and not each.disabled]
    yield
    for each in made:
        each.disabled = False


@pytest.mark.usefixtures("loggers")
def test_the_import_contracts_hold():
    assert lint_imports(config_filename="pyproject.toml", no_cache=True) == 0


@pytest.mark.parametrize("package", ["duckdb", "pandas", "pyarrow", "sklearn", "scipy", "mlflow", "shap", "evidently", "dvc"])
def test_nothing_the_service_and_its_proofs_import_loads_it(graph, package):
    entries = {"serving.app", "pipeline.proof"}
    reachable = entries.union(*(graph.find_upstream_modules(entry) for entry in entries))
    ours = {module for module in reachable if module.split(".")[0] in ("features", "models", "serving", "pipeline")}
    guilty = {module for module in ours if package in graph.find_modules_directly_imported_by(module)}
    assert guilty == set()


@pytest.mark.parametrize("module", ["models.target", "models.sample", "models.retrain"])
def test_the_service_cannot_reach_the_forward_door(graph, module):
    assert module not in graph.find_upstream_modules("serving.app")
