"""Runs DVC as a child process that cannot outlive its caller."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import yaml

from features.errors import RiskError

# The C loader reads the lock file in 20 ms, the Python one in half a second.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def repro(*targets, quiet=False):
    """`dvc repro`, in a process group of its own that is killed whole when this process is stopped.

    Raises RiskError when a stage failed; the stage has printed its own sentence by then.
    """
    if run_dvc("repro", *(["--quiet"] if quiet else []), *targets):
        raise RiskError("the pipeline stopped at the stage named above: nothing after it ran, and what is published and in production is unchanged.")


def run_dvc(*arguments):
    """Run dvc with this interpreter's environment and return its exit code; a lock file that a killed dvc left half-written is mended first."""
    mend_lock()
    process = subprocess.Popen([sys.executable, "-m", "dvc", *arguments], env=_environment(), start_new_session=True)
    previous = {number: signal.signal(number, _raise_interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        return process.wait()
    except BaseException:
        _kill_group(process)
        raise
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


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
    return {**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1"}


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
