"""Writing: beside its place first, then moved there whole."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from features.errors import RiskError
from pipeline.datasets import read_json, replacing, write_json
from pipeline.frames import read_frame


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"x": 1})

    def fail():
        with replacing(path) as beside:
            beside.write_text("half")
            raise ValueError

    with pytest.raises(ValueError):
        fail()
    assert read_json(path) == {"x": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_replaced_whole(tmp_path):
    folder = tmp_path / "model"
    for name in ("old", "new"):
        with replacing(folder) as beside:
            beside.mkdir()
            (beside / name).write_text(name)
    assert [file.name for file in folder.iterdir()] == ["new"]


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path):
    (tmp_path / ".a.json.partial").write_text("half")
    write_json(tmp_path / "a.json", {"x": 2})
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize(("content", "message"), [(None, "is missing: run `risk run`"), ("{", "is damaged: delete it")])
def test_unreadable_json_is_named(tmp_path, content, message):
    path = tmp_path / "a.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(RiskError, match=message):
        read_json(path)


def test_an_unreadable_parquet_is_named(tmp_path):
    path = tmp_path / "a.parquet"
    path.write_bytes(b"not parquet at all")
    with pytest.raises(RiskError, match="is not a readable Parquet file"):
        read_frame(path)


def test_numbers_that_are_not_numbers_are_never_written(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="parent-death signals are Linux's")
@pytest.mark.parametrize("shell", [[], ["/bin/sh", "-c", '"$0" "$@"; exit $?']], ids=["itself", "through a shell"])
def test_a_stage_dies_with_its_parent(shell):
    child = ("from pipeline.stage import run_stage; import os, time;"
             "run_stage(lambda: (print(os.getpid(), flush=True), time.sleep(60)))")
    parent = ("import subprocess, sys, time; p = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, text=True);"
              "print(p.stdout.readline(), end='', flush=True); time.sleep(60)")
    process = subprocess.Popen([sys.executable, "-c", parent, *shell, sys.executable, "-c", child], stdout=subprocess.PIPE, text=True)
    pid = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    deadline = time.monotonic() + 5
    while _alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _alive(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="parent-death signals are Linux's")
def test_a_stage_whose_dvc_died_while_it_was_importing_does_not_begin(tmp_path):
    child = "import time; time.sleep(1); from pipeline.stage import run_stage; run_stage(lambda: open('begun', 'w').close())"
    # The first process ends at once: what it started is an orphan before its imports are done.
    parent = "import subprocess, sys; subprocess.Popen(sys.argv[1:])"
    subprocess.run([sys.executable, "-c", parent, sys.executable, "-c", child], check=True, cwd=tmp_path,
                   env={**os.environ, "DVC_STAGE": "ingest", "PYTHONPATH": str(Path(__file__).parent.parent)})
    time.sleep(2.5)
    assert not (tmp_path / "begun").exists()


def _alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().split()[2] != "Z"
    except FileNotFoundError:
        return False
    finally:
        os.sched_yield()
