"""Stage track: the candidate's run in MLflow, once per bundle."""

import hashlib
from pathlib import Path

from models.bundle import load_bundle
from pipeline.datasets import case_path, read_json, write_json
from pipeline.lock import data_hashes
from pipeline.params import load_params
from pipeline.registry import log_bundle
from pipeline.stage import run_stage

CODE = ("features", "models")


def track(use_case):
    """Log parameters, metrics, plots, and the hashes of data and code; write `tracking.json` with the run's and the version's id."""
    params = load_params()
    folder = case_path(use_case, "shipped")
    bundle = load_bundle(folder)
    gate = read_json(case_path(use_case, "gate.json"))
    logged = log_bundle(
        bundle.hash, folder, source=params.source.name, use_case=use_case, parameters=_flat(bundle.manifest.training),
        metrics=read_json(case_path(use_case, "evaluation", "metrics.json")) | _challengers(use_case),
        tags={"gate": gate["verdict"], "validated": bundle.validated, "code": code_hash(),
              **{f"data.{path}": digest for path, digest in data_hashes(use_case).items()}},
        artifacts={"evaluation": case_path(use_case, "evaluation"), "explanation": case_path(use_case, "explanation"),
                   "challengers": case_path(use_case, "challengers"), "validation": case_path(use_case, "validation")})
    # The run's id would change what later stages read; the bundle finds it again.
    write_json(case_path(use_case, "tracking.json"), {"bundle": bundle.hash, "model": logged["model"], "version": logged["version"]})


def code_hash():
    """sha256 of the Python of the layers that decide a score."""
    files = sorted(file for folder in CODE for file in Path(folder).rglob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _challengers(use_case):
    """The challengers' figures and what the trees add to them, as metrics: scorecard.auc, constant.log_loss, over_scorecard.auc.low, …"""
    found = read_json(case_path(use_case, "challengers", "challengers.json"))
    flat = _flat({"scorecard": found["scorecard"], "constant": found["constant"], "over_scorecard": found["comparison"]})
    return {name: value for name, value in flat.items() if isinstance(value, (int, float))}


def _flat(tree, prefix=""):
    """Nested dicts as one, keys joined by dots."""
    items = [(f"{prefix}{key}", value) for key, value in tree.items()]
    return {name: leaf for key, value in items for name, leaf in (_flat(value, f"{key}.") if isinstance(value, dict) else {key: value}).items()}


if __name__ == "__main__":
    run_stage(track)
