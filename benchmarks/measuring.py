"""One piece of work in a process of its own: seconds, seconds of processor time, peak memory and peak scratch, medians of rounds turn by turn.

A module whose works are measured ends with `serve_work(WORKS)`; `measured` starts it again as a child. The measuring process stays small itself: what a
process holds when it starts another counts as the least that the other is said to have held.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

LOOK_SECONDS = 0.1
BYTES_PER_GB = 1e9


class Clock:
    """Seconds by the clock and of processor time since `start`, which a work may call again when what it needs is ready."""

    def start(self):
        self.wall, self.processor = time.perf_counter(), time.process_time()

    def read(self):
        return {"wall": time.perf_counter() - self.wall, "processor": time.process_time() - self.processor}


def measured(module, work, /, *, watch=None, **given):
    """What a child took, {wall, processor, peak_gb, own_gb, scratch_gb, told}: `told` is what the work returned.

    `peak_gb` is the highest resident memory; `own_gb`, looked at ten times a second, leaves aside pages of mapped files, which the system takes back when
    it needs them. Scratch is the most on disk in the folder `watch`.
    """
    with tempfile.TemporaryFile("w+") as said:
        command = [sys.executable, "-m", module, "--work", work, json.dumps(given, default=str)]
        running = subprocess.Popen(command, stdout=said, text=True)
        seen = _look(running, watch)
        if running.wait():
            raise SystemExit(f"{module} {work} ended with {running.returncode}: {given}")
        said.seek(0)
        return {**json.loads(said.read().splitlines()[-1]), **seen}


def _look(running, watch):
    """The most that a process held as its own and that a folder held on disk while it ran."""
    own = scratch = 0
    while running.poll() is None:
        own, scratch = max(own, _own(running.pid)), max(scratch, _held(watch) if watch else 0)
        time.sleep(LOOK_SECONDS)
    return {"own_gb": own / BYTES_PER_GB, "scratch_gb": scratch / BYTES_PER_GB}


def _own(process):
    """Bytes of a process that no file holds; 0 where the system does not tell, or the process has just ended."""
    try:
        said = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0
    return next((int(row.split()[1]) * 1024 for row in said.splitlines() if row.startswith("RssAnon")), 0)


def _held(folder):
    # a file, or a folder, may go while it is looked at
    return sum(_blocks(os.path.join(inside, name)) for inside, _, names in os.walk(folder) for name in names)


def _blocks(path):
    try:
        return os.stat(path).st_blocks * 512
    except OSError:
        return 0


def serve_work(works):
    """In the child: do the work asked on the command line and print what it took; imports are not part of it."""
    work, given = sys.argv[sys.argv.index("--work") + 1 :][:2]
    clock = Clock()
    clock.start()
    told = works[work](clock, **json.loads(given))
    taken = clock.read()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print("\n" + json.dumps({**taken, "peak_gb": peak / BYTES_PER_GB, "told": told}))


def alternate(contenders, *, rounds):
    """{name: summary} of contenders {name: call that measures it}, turn by turn, so that a busy machine is busy for all."""
    taken = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, call in contenders.items():
            taken[name].append(call())
    return {name: summary(found) for name, found in taken.items()}


def summary(found):
    """Medians of wall and processor seconds with the least and the most, the highest peaks, and each round's wall."""
    walls = [each["wall"] for each in found]
    return {
        "wall": statistics.median(walls), "wall_min": min(walls), "wall_max": max(walls), "walls": walls,
        "processor": statistics.median(each["processor"] for each in found),
        **{name: max(each[name] for each in found) for name in ("peak_gb", "own_gb", "scratch_gb")}, "told": found[-1]["told"],
    }


def ratio(one, other):
    """How many times as long and as large `one` is as `other`: wall by median and by round, processor, peak."""
    pairs = [mine / theirs for mine, theirs in zip(one["walls"], other["walls"], strict=True)]
    return {
        "wall": one["wall"] / other["wall"], "wall_min": min(pairs), "wall_max": max(pairs), "processor": one["processor"] / other["processor"],
        "peak": one["peak_gb"] / other["peak_gb"],
    }


def line(name, taken):
    """One line of a table: a summary."""
    wall = f"{taken['wall']:9.2f} s ({taken['wall_min']:.2f} to {taken['wall_max']:.2f})"
    return f"  {name:28}{wall:32}{taken['processor']:9.2f} s cpu{taken['peak_gb']:8.2f} GB ({taken['own_gb']:.2f} own){taken['scratch_gb']:8.2f} GB scratch"


def ratio_line(name, taken):
    """One line of a table: a ratio."""
    wall = f"{taken['wall']:9.2f} × ({taken['wall_min']:.2f} to {taken['wall_max']:.2f})"
    return f"  {name:28}{wall:32}{taken['processor']:9.2f} × cpu{taken['peak']:8.2f} ×"


class Tally:
    """Seconds of processor time by label, of whatever thread called."""

    def __init__(self):
        self.seconds, self._lock = {}, threading.Lock()

    def timed(self, label, call):
        """The call, with its thread's seconds added to the label."""

        def wrapper(*args, **kwargs):
            begun = time.thread_time()
            try:
                return call(*args, **kwargs)
            finally:
                self.add(label, time.thread_time() - begun)

        return wrapper

    def add(self, label, seconds):
        with self._lock:
            self.seconds[label] = self.seconds.get(label, 0.0) + seconds
