"""Runs one DVC stage as a process: `python -m pipeline.<stage> [use_case]`."""

import ctypes
import inspect
import os
import select
import signal
import sys
import threading
from pathlib import Path

from features.errors import RiskError

# Where a stage that fails writes its sentence, and the variable that says so to it.
TOLD, TOLD_ENV = Path("var/stage-error.txt"), "CUSTOMER_RISK_STAGE_ERROR"
_PR_SET_PDEATHSIG = 1
_SHELLS = frozenset({"sh", "dash", "bash", "zsh", "ksh", "fish"})


def run_stage(function):
    """Call a stage with the command line's arguments; a RiskError becomes one line on stderr and exit code 1."""
    _die_with_parent()
    try:
        inspect.signature(function).bind(*sys.argv[1:])
    except TypeError:
        sys.exit(f"error: python -m pipeline.{function.__name__} takes {', '.join(inspect.signature(function).parameters) or 'no argument'}: "
                 "name it as dvc.yaml does.")
    try:
        function(*sys.argv[1:])
    except RiskError as error:
        _tell(error)
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


def _tell(error):
    # Whoever runs DVC gets its exit code only, and has to say why the run failed.
    if TOLD_ENV in os.environ:
        Path(os.environ[TOLD_ENV]).write_text(str(error), encoding="utf-8")


def _die_with_parent():
    # DVC killed with SIGKILL cannot pass anything on: without this its stage would live on and write into data/.
    if sys.platform != "linux":
        return
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(1)
    if _named(parent) in _SHELLS:
        # DVC starts a stage through a shell, and not every shell hands its process over: that one would outlive DVC, and we with it.
        parent = _parent_of(parent)
        threading.Thread(target=_die_with, args=(parent,), daemon=True).start()
    if "DVC_STAGE" in os.environ and _adopts_orphans(parent):
        sys.exit(1)  # DVC died while this process was still importing


def _adopts_orphans(process):
    # In a container DVC itself may be the first process.
    return not _named(process).startswith(("dvc", "python")) if process == 1 else _named(process) == "systemd"


def _die_with(process):
    try:
        select.select([os.pidfd_open(process)], [], [])
    except (AttributeError, PermissionError):
        return  # a kernel older than 5.3, or a process of somebody else's: the shell's death is all that can be seen
    except ProcessLookupError:
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _named(process):
    return Path(f"/proc/{process}/comm").read_text().strip()


def _parent_of(process):
    # The name stands in brackets and may hold anything, a bracket too.
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
