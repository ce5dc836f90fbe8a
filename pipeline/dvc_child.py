"""DVC as a child that cannot outlive its parent: `python -m pipeline.dvc_child FD ARGUMENTS`, FD the reading end of a pipe whose other end the parent holds.

Nothing is ever written to the pipe: it closes when the parent is gone, even by SIGKILL, and then DVC's whole process group, its stages with it, is killed. A
stage is safe to kill: it writes beside its place and moves there what is whole.
"""

import os
import signal
import sys
import threading


def main():
    """Run DVC with the arguments after FD."""
    threading.Thread(target=_end_with, args=(int(sys.argv[1]),), daemon=True).start()
    from dvc.cli import main as dvc

    sys.exit(dvc(sys.argv[2:]))


def _end_with(pipe):
    while os.read(pipe, 1):
        pass
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
