"""DVC as a child: its torn lock file is mended, and it does not outlive its caller."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from pipeline import repro as module
from pipeline.repro import StageFailed, mend_lock, mend_path_locks, repro

ROOT = Path(__file__).parent.parent

WHOLE = "schema: '2.0'\nstages:\n  ingest:\n    cmd: python -m pipeline.ingest\n"


@pytest.mark.parametrize(("content", "torn"), [
    (WHOLE, False),
    ("", True),
    ("\n", True),
    (WHOLE + "    deps:\n    - path: pipeline/ing", True),
    ("stages:\n  ingest:\n    cmd: pyth", True),
    ("schema: '2.0'\nstages:\n  ingest:\n    deps:\n    - path: [a", True),
    ("schema: '2.0'\n\x00\x00", True),
])
def test_a_torn_lock_file_is_removed_and_a_whole_one_kept(tmp_path, content, torn):
    path = tmp_path / "dvc.lock"
    path.write_text(content)
    assert mend_lock(path) is torn
    assert path.exists() is not torn


def test_without_a_lock_file_there_is_nothing_to_mend(tmp_path):
    assert mend_lock(tmp_path / "dvc.lock") is False


# --- paths in use ---------------------------------------------------------------------------------------------------------------


def paths(pid):
    return json.dumps({"write": {"data/tables": {"pid": pid, "cmd": "dvc repro"}}, "read": {"params.yaml": [{"pid": pid, "cmd": "dvc repro"}]}})


@pytest.mark.parametrize(("content", "stale"), [
    ("", True),
    ('{"write": {"data/tab', True),
    ("[]", True),
    ('{"write": {"data/tables": {"cmd": "dvc repro"}}}', True),
    ("{}", True),
    (paths(2**22 + 1), True),
    (paths(os.getpid()), True),
])
def test_a_list_of_paths_that_no_living_dvc_uses_is_removed(tmp_path, content, stale):
    path = tmp_path / "rwlock"
    path.write_text(content)
    assert (mend_path_locks(path), path.exists()) == (stale, not stale)


def test_a_list_of_paths_that_a_living_dvc_uses_is_kept(tmp_path):
    living = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "dvc", "repro"])
    try:
        (tmp_path / "rwlock").write_text(paths(living.pid))
        assert mend_path_locks(tmp_path / "rwlock") is False
    finally:
        living.kill()
        living.wait()
    assert mend_path_locks(tmp_path / "rwlock") is True
    assert mend_path_locks(tmp_path / "rwlock") is False


# --- nobody is left over --------------------------------------------------------------------------------------------------------

# In the place of DVC: it starts a stage through a shell, as DVC does, that writes its process id and sleeps.
STAGE = "import os, time\nopen('stage.pid', 'w').write(str(os.getpid()))\ntime.sleep(60)\n"
DVC = "import subprocess, sys\n\n\ndef main(arguments):\n    subprocess.run(f'{sys.executable} stage.py; true', shell=True)\n"
CALLER = "from pipeline.repro import run_dvc\nrun_dvc('repro')\n"


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


def living(pid):
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@pytest.fixture
def fake_dvc(tmp_path):
    (tmp_path / "dvc").mkdir()
    (tmp_path / "dvc" / "__init__.py").touch()
    (tmp_path / "dvc" / "cli.py").write_text(DVC)
    (tmp_path / "stage.py").write_text(STAGE)
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}


@pytest.mark.parametrize("end", ["kill", "terminate"])
def test_whoever_calls_dvc_takes_it_and_its_stages_along_however_it_dies(tmp_path, fake_dvc, end):
    caller = subprocess.Popen([sys.executable, "-c", CALLER], cwd=tmp_path, env=fake_dvc, start_new_session=True)
    stage = tmp_path / "stage.pid"
    assert wait_for(lambda: stage.exists() and stage.read_text())
    family = psutil.Process(caller.pid).children(recursive=True)
    assert int(stage.read_text()) in [each.pid for each in family]
    assert len(family) >= 3
    getattr(caller, end)()
    caller.wait()
    left = [each for each in family if not wait_for(lambda each=each: not living(each.pid), seconds=10)]
    for each in left:
        each.kill()
    assert left == []


def test_the_stage_s_own_sentence_is_kept_for_whoever_asks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("var").mkdir()
    module.TOLD.write_text("of a run before")

    def stage(*_arguments):
        assert not module.TOLD.exists()
        module.TOLD.write_text("column amount is gone.")
        return 1

    monkeypatch.setattr(module, "run_dvc", stage)
    with pytest.raises(StageFailed, match="the pipeline stopped at the stage named above") as caught:
        repro("ingest")
    assert caught.value.cause == "column amount is gone."
    monkeypatch.setattr(module, "run_dvc", lambda *_arguments: 1)
    with pytest.raises(StageFailed) as caught:
        repro("ingest")
    assert caught.value.cause is None


def test_a_stage_that_fails_writes_its_sentence_where_it_is_told_to(tmp_path):
    stage = ("from features.errors import RiskError\nfrom pipeline.stage import run_stage\n\n\n"
             "def boom():\n    raise RiskError('no such column.')\n\n\nrun_stage(boom)\n")
    told = tmp_path / "told"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CUSTOMER_RISK_STAGE_ERROR": str(told)}
    done = subprocess.run([sys.executable, "-c", stage], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr, told.read_text()) == (1, "error: no such column.\n", "no such column.")
