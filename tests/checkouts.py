"""Checkouts of their own on which DVC itself runs, for the slow tests of whole runs."""

import os
import re
import subprocess
import sys
from pathlib import Path

from pipeline.params import change_params

ROOT = Path(__file__).parent.parent
SMALL = [("simulated.customers", 700), ("simulated.reference_every_months", 12), ("use_cases", ["default"]), ("train.max_trees", 80),
         ("report.customers", 2), ("explain.rows", 300), ("validate.learning_draws", 1)]


def run(project, *command, check=True):
    """Run a command in the project with this interpreter's environment and an empty home folder."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "HOME": str(project.parent / "home"), "PYTHONPATH": str(project), "CI": "true"}
    result = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert not check or result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result


def risk(project, *arguments, check=True):
    return run(project, sys.executable, "-m", "pipeline.cli", *arguments, check=check)


def repro(project):
    """The stages that `dvc repro` really ran."""
    result = run(project, sys.executable, "-m", "dvc", "repro")
    return set(re.findall(r"Running stage '([a-z]+)(?:@default)?'", result.stdout))


def fresh_run(folder):
    """Make `folder` a fresh checkout with a small portfolio, run once, promoted and scored by its champion."""
    (folder.parent / "home").mkdir()
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, files):
        if name != "dvc.lock" and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    run(folder, "git", "init", "-q")
    run(folder, "git", "add", "-A")
    run(folder, "git", "-c", "user.name=test", "-c", "user.email=test@example.invalid", "commit", "-qm", "start")
    change_params(SMALL, folder / "params.yaml")
    risk(folder, "run")
    return folder
