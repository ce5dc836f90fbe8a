"""The real sets, read in place where they are: their folder, a mark for the tests that need one, and a set taken through the stages."""

import importlib.util
import os
from pathlib import Path

import pandas as pd
import pytest

from pipeline.datasets import TABLES, case_path, read_json
from pipeline.featurize import featurize
from pipeline.ingest import ingest
from pipeline.observe import observe
from pipeline.use import source_changes
from pipeline.workspace import workspace

SHARED = Path(os.environ.get("CUSTOMER_RISK_SHARED_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
TOOLS = SHARED.parent / "tools"


def absent(name):
    """Why the tests of a set cannot run here."""
    return f"the real set is not at {SHARED / name}; set CUSTOMER_RISK_SHARED_DATA"


def needs(name):
    """The mark of tests that read a set."""
    return pytest.mark.skipif(not (SHARED / name).exists(), reason=absent(name))


def stages(name, folder, definition=None):
    """A workspace of a shipped source, or of another definition over its files; the caller enters it and runs stages."""
    return workspace(folder, source_changes(["default"], name=name, definition=definition or f"pipeline/sources/{name}", path=(SHARED / name).resolve()))


def up_to_features(name, folder):
    """A set after the stages up to its features: tables by name, observations with their features, the intake."""
    with stages(name, folder):
        ingest()
        observe("default")
        featurize("default")
        tables = {file.stem: pd.read_parquet(file) for file in TABLES.glob("*.parquet")}
        development = case_path("default", "development")
        observed = pd.read_parquet(development / "observations.parquet").merge(pd.read_parquet(development / "features.parquet"), on="observation_id")
        return {"tables": tables, "observed": observed, "ingest": read_json("data/ingest.json")}


def need_tools():
    """Skip the test where the reference script is not."""
    if not TOOLS.exists():
        pytest.skip(f"the reference script is not at {TOOLS}")


def reference_script():
    """The reference script as a module of its own, so that a test can take its model out; skips where it is not."""
    need_tools()
    spec = importlib.util.spec_from_file_location("reference_scores", TOOLS / "reference_scores.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script
