"""Runs one DVC stage as a process: `python -m pipeline.<stage> [use_case]`."""

import ctypes
import inspect
import os
import signal
import sys

from features.errors import RiskError

_PR_SET_PDEATHSIG = 1


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
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


def _die_with_parent():
    # DVC killed with SIGKILL cannot pass anything on: without this its stage would live on and write into data/.
    if sys.platform != "linux":
        return
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(1)
