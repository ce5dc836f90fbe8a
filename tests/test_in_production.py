"""What is in production through promotions, experiments and kills, with DVC itself."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from checkouts import fresh_run, repro, risk, run

from pipeline.params import change_params
from serving.store import Store

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return fresh_run(tmp_path_factory.mktemp("fresh") / "project")


def test_the_dossier_of_what_is_in_production_is_kept_as_it_was_promoted(project):
    with Store(str(project / "var" / "risk.db")).open() as store:
        (first,) = store.promotions(use_case="default", source="simulated")
    kept = (project / "var" / "dossiers" / first.bundle / "index.html").read_bytes()
    assert first.bundle[:12].encode() in kept
    assert hashlib.sha256(kept).hexdigest() == first.evidence["dossier"]
    # Promoted, it is the champion, and the page of today says so.
    assert (project / "data" / "default" / "dossier" / "index.html").read_bytes() != kept


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


@pytest.mark.parametrize("seed", range(2))
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
