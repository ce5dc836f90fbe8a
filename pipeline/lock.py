"""What `dvc.lock` knows of the data: DVC's hashes by path."""

from pathlib import Path

import yaml

from pipeline.datasets import DATA


def data_hashes(use_case):
    """DVC's hashes of what the bundle was trained on, by path, from `dvc.lock`; empty while the lock is not there."""
    lock = Path("dvc.lock")
    stages = yaml.safe_load(lock.read_text(encoding="utf-8")).get("stages", {}) if lock.exists() else {}
    wanted = (f"featurize@{use_case}", f"sample@{use_case}", "ingest")
    return {out["path"]: out["md5"] for stage in wanted for out in stages.get(stage, {}).get("outs", []) if str(out["path"]).startswith(str(DATA))}
