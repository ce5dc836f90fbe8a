"""Runs DVC as a child process that cannot outlive its caller."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import yaml

from features.errors import RiskError
from pipeline.stage import TOLD, TOLD_ENV

# The C loader reads the lock file in 20 ms, the Python one in half a second.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class StageFailed(RiskError):
    """A stage failed and has printed why; `cause` is its sentence, None where it said none."""

    cause = None


def repro(*targets, quiet=False):
    """`dvc repro`, in a process group of its own that is killed whole when this process is stopped or killed.

    Raises StageFailed, a RiskError, when a stage failed; the stage has printed its own sentence by then.
    """
    TOLD.unlink(missing_ok=True)
    if run_dvc("repro", *(["--quiet"] if quiet else []), *targets):
        failed = StageFailed("the pipeline stopped at the stage named above: nothing after it ran, and what is published and in production is unchanged.")
        failed.cause = TOLD.read_text(encoding="utf-8") if TOLD.exists() else None
        raise failed


def run_dvc(*arguments):
    """Run dvc with this interpreter's environment and return its exit code; lock files that a killed dvc left are mended first."""
    mend_lock()
    mend_path_locks()
    end, held = os.pipe()
    try:
        command = [sys.executable, "-m", "pipeline.dvc_child", str(end), *arguments]
        process = subprocess.Popen(command, env=_environment(), start_new_session=True, pass_fds=[end])
    finally:
        os.close(end)
    previous = {number: signal.signal(number, _raise_interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        return process.wait()
    except BaseException:
        _kill_group(process)
        raise
    finally:
        os.close(held)
        for number, handler in previous.items():
            signal.signal(number, handler)


def mend_path_locks(path=Path(".dvc/tmp/rwlock")):
    """Remove DVC's list of paths in use if it is torn, or if no DVC that it names lives, and say whether it was.

    DVC writes it in place around every stage. It overlooks what a dead process left there, but refuses a torn list, and takes any living process that got a
    dead one's number for the one that wrote.
    """
    if not path.exists():
        return False
    try:
        left = json.loads(path.read_bytes())
        users = [*left.get("write", {}).values(), *(user for each in left.get("read", {}).values() for user in each)]
        stale = not any(_is_dvc(user["pid"]) for user in users)
    except (ValueError, TypeError, AttributeError, KeyError):
        stale = True
    if stale:
        path.unlink(missing_ok=True)
    return stale


def _is_dvc(pid):
    try:
        return "dvc" in " ".join(psutil.Process(pid).cmdline())
    except psutil.Error:
        return False


def mend_lock(path=Path("dvc.lock")):
    """Remove `dvc.lock` if it is not whole, and say whether it was.

    DVC writes it in place, after every stage; killed in between it leaves a torn file that it then refuses to read. Nothing is lost with it: what each
    stage read and wrote is in DVC's run cache, from which the next run restores it.
    """
    torn = path.exists() and not _is_whole(path.read_bytes())
    if torn:
        path.unlink()
    return torn


def _is_whole(content):
    try:
        lock = yaml.load(content, Loader=_LOADER)
        return content.endswith(b"\n") and "schema" in lock and all(_stage_is_whole(stage) for stage in lock.get("stages", {}).values())
    except (yaml.YAMLError, TypeError, AttributeError):
        return False


def _stage_is_whole(stage):
    entries = [entry for side in ("deps", "outs") for entry in stage.get(side, [])]
    return "cmd" in stage and all("path" in entry and "md5" in entry for entry in entries) and stage.get("params", {}) is not None


def _environment():
    # The stages say `python`: it has to be this one, also when the environment was not activated.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1", TOLD_ENV: str(TOLD.absolute())}


def _raise_interrupt(_number, _frame):
    raise KeyboardInterrupt


def _kill_group(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
