"""What one changed input re-runs, with DVC itself: the table in the README's architecture section."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from pipeline.params import change_params

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.slow

SMALL = [("simulated.customers", 700), ("simulated.reference_every_months", 12), ("use_cases", ["default"]), ("train.max_trees", 80),
         ("report.customers", 2), ("explain.rows", 300), ("validate.learning_draws", 1)]
LEARN = {"train", "evaluate", "challenge", "explain", "validate", "ship", "gate", "dossier", "track"}
FOLLOW = {"score", "report", "monitor", "decide"}


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


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A fresh checkout with a small portfolio, run once, promoted and scored by its champion."""
    folder = tmp_path_factory.mktemp("fresh") / "project"
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


def append(text):
    return lambda path: path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


NEW_FEATURE = '\n\n_declared_before = declare\n\n\ndef declare(columns):\n    """Adds one feature."""\n' \
              '    from features.terms import months_since, times\n\n' \
              '    twice = times(months_since("customers", "known_at"), 2)\n' \
              '    return [*_declared_before(columns), feature("bg_twice_known_months", twice, unit="months", factor="background", missing="Never.")]\n'

CHANGES = {
    "nothing": (None, set()),
    "the gate's margins": (("gate.auc_margin", 0.02), {"gate", "dossier"}),
    "the number of officer reports": (("report.customers", 3), {"report"}),
    "a drift threshold": (("monitor.min_effect", 0.2), {"dossier", "monitor", "decide"}),
    "the policy": (("policy.yaml", append("# a remark\n")), {"dossier", "score", "report"}),
    "a month more of data": (("simulated.months", 85), {"ingest", "observe", "featurize", "dossier", "book"} | FOLLOW),
    "a learning rate": (("train.learning_rate", 0.11), LEARN | FOLLOW),
    "the way calibration is chosen": (("calibrate.method", "logistic"), LEARN | FOLLOW),
    "what is refitted": (("ship.refit_on", "all_matured"), {"ship", "gate", "dossier", "track"} | FOLLOW),
    "a new feature": (("features/background.py", append(NEW_FEATURE)), {"featurize", "sample", "book"} | LEARN | FOLLOW),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_re_runs_what_depends_on_it(project, change):
    edit, expected = CHANGES[change]
    if edit is not None and callable(edit[1]):
        edit[1](project / edit[0])
    elif edit is not None:
        change_params([edit], project / "params.yaml")
    assert repro(project) == expected
    assert repro(project) == set()


def test_the_champion_moves_by_promotion_alone_and_back_by_rollback(project):
    pointer = project / "var" / "champion" / "simulated-default.json"
    before = pointer.read_text()
    change_params([("train.seed", 12)], project / "params.yaml")
    repro(project)
    risk(project, "promote", "--by", "tester", "--reason", "trial", "--override")
    assert pointer.read_text() != before
    assert {"score", "report", "monitor", "decide"} <= repro(project)
    risk(project, "publish")
    risk(project, "rollback", "--by", "tester", "--reason", "trial over")
    assert pointer.read_text() == before
    repro(project)
    assert "there is no champion before the current one" in risk(project, "rollback", "--reason", "again", check=False).stderr


def test_an_experiment_leaves_production_alone(project):
    pointer = (project / "var" / "champion" / "simulated-default.json").read_text()
    published = sorted(str(path) for path in (project / "var" / "published").rglob("*"))
    run(project, "git", "add", "-A")
    run(project, "git", "-c", "user.name=test", "-c", "user.email=test@example.invalid", "commit", "-qm", "state")
    result = run(project, sys.executable, "-m", "dvc", "exp", "run", "-S", "train.learning_rate=0.05")
    assert "Running stage 'train@default'" in result.stdout
    assert (project / "var" / "champion" / "simulated-default.json").read_text() == pointer
    assert sorted(str(path) for path in (project / "var" / "published").rglob("*")) == published
    assert "train.learning_rate" in run(project, sys.executable, "-m", "dvc", "exp", "show", "--csv").stdout
    assert "gini" in run(project, sys.executable, "-m", "dvc", "metrics", "diff").stdout
    run(project, sys.executable, "-m", "dvc", "plots", "show")
    assert (project / "dvc_plots" / "index.html").exists()


def processes_of(project):
    """Command lines of processes that work in the project's folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.readlink(entry / "cwd") == str(project) and (entry / "stat").read_text().split()[2] != "Z":
                found.append((entry / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("seed", range(4))
def test_a_run_killed_at_any_moment_leaves_no_process_and_the_next_one_completes(project, seed):
    draw = random.Random(seed)
    change_params([("simulated.months", 86 + seed)], project / "params.yaml")
    environment = {**os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]), "PYTHONPATH": str(project)}
    process = subprocess.Popen([sys.executable, "-m", "dvc", "repro"], cwd=project, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(draw.uniform(2, 14))
    process.send_signal(signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 10
    while processes_of(project) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes_of(project) == []
    risk(project, "run")
    assert repro(project) == set()
    assert len(pd.read_parquet(project / "data" / "default" / "scores.parquet")) > 0
    assert not [path for path in (project / "data").rglob(".*") if path.name != ".gitignore"]
