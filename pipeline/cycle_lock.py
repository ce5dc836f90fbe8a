"""One scheduled job at a time in an installation, and who it is: a lock that the kernel takes back when its process dies, however it does."""

import contextlib
import json
import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime

from filelock import FileLock, Timeout

from features.errors import RiskError
from pipeline.datasets import write_json
from pipeline.places import VAR

LOCK, HOLDER = VAR / "cycle.lock", VAR / "cycle.holder.json"
# `risk calendar` asks by taking the lock for a moment: a job that begins in that moment waits it out.
PATIENCE_SECONDS = 1.0


@dataclass(frozen=True)
class Holder:
    """Who holds the lock: its process, its machine, and since when (UTC, to the second)."""

    pid: int
    host: str
    since: str

    def __str__(self):
        return f"process {self.pid} on {self.host} since {self.since} UTC"


def host():
    """This machine's name, a container's own."""
    return socket.gethostname()


@contextlib.contextmanager
def holding():
    """Hold the lock during the block. Raises: RiskError that names the holder when there is one."""
    LOCK.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(LOCK, timeout=PATIENCE_SECONDS, poll_interval=0.05)
    try:
        lock.acquire()
    except Timeout:
        who = _holder() or "a process that has only begun"
        raise RiskError(f"`risk cycle` is running already, {who}: wait for its end, which `risk calendar` shows.") from None
    try:
        write_json(HOLDER, {"pid": os.getpid(), "host": host(), "since": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"})
        yield
    finally:
        HOLDER.unlink(missing_ok=True)
        lock.release()


def holder():
    """The Holder of the lock, or None when nobody holds it; what a killed process wrote down does not count."""
    if not LOCK.exists():
        return None
    lock = FileLock(LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        return _holder()
    lock.release()
    return None


def _holder():
    with contextlib.suppress(OSError, ValueError, TypeError):
        return Holder(**json.loads(HOLDER.read_text(encoding="utf-8")))
    return None
