"""What a score with reasons costs in process and over HTTP, beside LightGBM's own call and `mlflow models serve` over the same booster, in one run.

    python -m benchmarks.serving [path] [http] [peer] [batch] [soak] [--minutes 20]

The model is fixed (`serving_world`: 500 trees, 31 leaves, 120 columns), rows rotate over 200 customers, decisions are written to a ledger (SQLite, WAL,
synchronous=FULL) before they are answered, and contenders take turns, so that a busy machine is busy for all. Figures are medians and 99th percentiles.
"""

import argparse
import contextlib
import gc
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import serving_world as world
from benchmarks.http_load import Connection, latencies, load, need_200, post
from benchmarks.serving_peer import PEERS
from benchmarks.serving_peer import body as peer_body
from serving.current import Current
from serving.scorer import Asked, Question
from serving.store import Store

ROUNDS, CALLS, WARM_UP = 3, 400, 60
WORKERS, CONNECTIONS, LOAD_SECONDS = 2, 32, 10
# As many rows of 120 features as fit into five megabytes.
BATCH = 800
AMOUNT = 5_000_000
PARTS = ("path", "http", "peer", "batch", "soak")


# In process


def path(place):
    """Milliseconds of LightGBM's own contributions of a row, and of the whole answer from features given."""
    # As the service does at its start.
    gc.collect()
    gc.freeze()
    scorer, rows, booster = place.scorer(), list(place.values.items()), place.bundle.booster
    matrices = [np.array([[np.nan if value is None else value for value in values.values()]]) for _, values in rows]
    taken = turns({
        "lightgbm": lambda number: booster.predict(matrices[number % len(rows)], pred_contrib=True, num_threads=1),
        "answer": lambda number: scorer.score_features(rows[number % len(rows)][1], Question(rows[number % len(rows)][0], world.AS_OF, AMOUNT)),
    })
    say("LightGBM's pred_contrib of one row", taken["lightgbm"])
    say("score with reasons and decision, features given", taken["answer"], of=taken["lightgbm"], target=1.15)
    return taken


def turns(calls):
    """{name: seconds of each call}, WARM_UP left out, the contenders taking turns call by call."""
    taken = {name: [] for name in calls}
    for number in range(WARM_UP + ROUNDS * CALLS):
        for name, call in calls.items():
            begun = time.perf_counter()
            call(number)
            taken[name].append(time.perf_counter() - begun)
    return {name: found[WARM_UP:] for name, found in taken.items()}


# Over HTTP


def http(place):
    """One worker: features given, and raw records, beside the calls in process of the same run."""
    inside = path(place)
    with place.serving(workers=1) as (address, _):
        asked = {"features given": place.asked("features"), "raw records": place.asked("records")}
        taken = over_http({name: (address, requests) for name, requests in asked.items()})
    say("HTTP, features given, one worker", taken["features given"], of=inside["answer"], target=1.5)
    say("  beside LightGBM's own call", taken["features given"], of=inside["lightgbm"])
    say("HTTP, raw records", taken["raw records"], of=taken["features given"], target=1.8)
    sizes = {name: statistics.median(map(len, requests)) for name, requests in asked.items()}
    print("  bytes of a request: " + ", ".join(f"{name} {size:,.0f}" for name, size in sizes.items()))
    return taken


def over_http(contenders):
    """{name: seconds}, of contenders {name: (address, requests)}, in turns of a quarter round each."""
    taken = {name: [] for name in contenders}
    for address, requests in contenders.values():
        latencies(address, requests, WARM_UP)
    for _ in range(4 * ROUNDS):
        for name, (address, requests) in contenders.items():
            taken[name] += latencies(address, requests, CALLS // 4)
    return taken


def peer(place):
    """The same booster behind `mlflow models serve`: latency, throughput of as many workers, memory and start."""
    place.save_peers()
    with contextlib.ExitStack() as stack:
        started = {"ours": stack.enter_context(place.serving(workers=1)), **{name: stack.enter_context(place.peer(name, workers=1)) for name in PEERS}}
        contenders = {name: (address, place.asked("features" if name == "ours" else "peer")) for name, (address, _) in started.items()}
        taken = over_http(contenders)
        memory = {name: held(process) for name, (_, process) in started.items()}
    say("ours, score with reasons", taken["ours"])
    for name, target in zip(PEERS, (3.0, 4.0), strict=True):
        say(f"mlflow models serve, {name}", taken[name], of=taken["ours"], target=target, least=True)
    beside("memory, one worker, MB", {name: held / 1e6 for name, held in memory.items()}, "at most 0.5")
    starts = {name: [place.start_seconds(name) for _ in range(ROUNDS)] for name in ("ours", "reasons")}
    beside("start to the first answer, seconds", {name: statistics.median(found) for name, found in starts.items()}, "at most 0.33")
    rates = {name: place.rate(name) for name in ("ours", "reasons")}
    beside(f"answers a second, {WORKERS} workers, {CONNECTIONS} connections", rates, "at least 6")


def batch(place):
    """Many rows at once: the whole answers in process, and over HTTP with and without sentences, beside LightGBM's contributions of the same matrix."""
    people = [each for _ in range(BATCH // len(place.people)) for each in place.values.items()]
    rows = np.array([[np.nan if value is None else value for value in values.values()] for _, values in people])
    scorer, booster = place.scorer(), place.bundle.booster
    asked = [Asked(Question(name, world.AS_OF), values) for name, values in people]
    items = [{"customer_id": name, "features": values} for name, values in people]
    bodies = {"HTTP, with sentences": {"items": items}, "HTTP, without": {"items": items, "languages": []}}
    with place.serving(workers=1) as (address, _):
        connection = Connection(address)
        requests = {name: post("/v1/score/batch", json.dumps(body, separators=(",", ":")).encode()) for name, body in bodies.items()}
        taken = rounds({
            "LightGBM": lambda: booster.predict(rows, pred_contrib=True, num_threads=1),
            "in process": lambda: scorer.score_all(asked),
            **{name: lambda request=request: need_200(*connection.ask(request)) for name, request in requests.items()},
        })
    for name, found in taken.items():
        rate = [len(rows) / each for each in found]
        pairs = [theirs / ours for ours, theirs in zip(found, taken["LightGBM"], strict=True)]
        of = f"{statistics.median(pairs):.2f} of LightGBM's ({min(pairs):.2f} to {max(pairs):.2f})"
        print(f"  {name}: {statistics.median(rate):,.0f} rows a second, {of}", flush=True)
    print(f"  {len(rows)} rows a request, {len(requests['HTTP, without']) / 1e6:.1f} MB; at least 0.95 in process, 0.90 over HTTP")


def rounds(calls, *, count=2 * ROUNDS):
    """{name: seconds of each of so many calls}, the contenders taking turns."""
    taken = {name: [] for name in calls}
    for number in range(count + 1):
        for name, call in calls.items():
            begun = time.perf_counter()
            call()
            if number:
                taken[name].append(time.perf_counter() - begun)
    return taken


def soak(place, minutes):
    """Half the peak load for so many minutes: errors, memory, and what the ledger holds afterwards."""
    requests = place.asked("features")
    with place.serving(workers=WORKERS) as (address, process):
        peak = load(address, requests, connections=CONNECTIONS, seconds=LOAD_SECONDS)
        rate = peak["answers"] / peak["elapsed"] / 2
        before, answers, memory, taken, errors = place.decisions(), 0, [], [], peak["errors"]
        for _ in range(minutes):
            found = load(address, requests, connections=CONNECTIONS, seconds=60, rate=rate)
            answers, errors = answers + found["answers"], errors + found["errors"]
            memory.append(held(process))
            taken += found["seconds"]
    say(f"{minutes} minutes at {rate:.0f} answers a second", taken)
    steady = memory[1:] or memory
    kept = place.decisions() - before
    print(f"  errors {errors}; memory {min(steady) / 1e6:.0f} to {max(steady) / 1e6:.0f} MB from the second minute on; answers {answers:,}, "
          f"decisions kept {kept:,}; ledger {'DAMAGED' if place.faults() else 'whole'}; {place.database_bytes() / place.decisions():,.0f} bytes a decision")


class Place:
    """The world on disk, and what is started over it."""

    def __init__(self, folder):
        self.var = folder / "var"
        self.folder = folder
        self.var.mkdir()
        self.people, self.values = world.build(self.var)
        self.bundle = world.model_of(self.var)

    def scorer(self):
        """The scorer that the service would answer with."""
        return Current(self.var, source=world.SOURCE, use_case=world.USE_CASE).state().scorer

    def asked(self, kind):
        """Prepared requests of all customers: "features", "records", or as the "peer" takes them."""
        if kind == "peer":
            return [post("/invocations", peer_body(values)) for values in self.values.values()]
        sent = self.values if kind == "features" else dict(self.people)
        about = {"as_of": world.PUBLISHED_AT.isoformat(), "requested_amount": AMOUNT}
        return [post("/v1/score", json.dumps({"customer_id": name, kind: what, **about}).encode()) for name, what in sent.items()]

    @contextlib.contextmanager
    def serving(self, *, workers):
        """(address, process) of `risk serve` that answers."""
        environment = {"CUSTOMER_RISK_VAR": str(self.var), "CUSTOMER_RISK_SOURCE": world.SOURCE}
        command = [sys.executable, "-m", "pipeline.cli", "serve", "--workers", str(workers)]
        with started(command, "--port", self.folder, environment, self.asked("features")[0]) as found:
            yield found

    @contextlib.contextmanager
    def peer(self, name, *, workers):
        """(address, process) of `mlflow models serve` that answers."""
        command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(self.folder / "peers" / name), "--env-manager", "local", "-h", "127.0.0.1",
                   "-w", str(workers)]
        environment = {"MLFLOW_DISABLE_TELEMETRY": "true", "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
        with started(command, "-p", self.folder, environment, self.asked("peer")[0]) as found:
            yield found

    def save_peers(self):
        """Write the peers' models."""
        (self.folder / "peers").mkdir()
        (self.folder / "booster.txt").write_text(self.bundle.booster_text)
        subprocess.run([sys.executable, "-m", "benchmarks.serving_peer", self.folder / "booster.txt", self.folder / "peers"], check=True, capture_output=True)

    def start_seconds(self, name):
        """Seconds from the start of a process to its first answer."""
        begun = time.perf_counter()
        with self.serving(workers=1) if name == "ours" else self.peer(name, workers=1):
            return time.perf_counter() - begun

    def rate(self, name):
        """Answers a second of WORKERS workers at CONNECTIONS connections."""
        with self.serving(workers=WORKERS) if name == "ours" else self.peer(name, workers=WORKERS) as (address, _):
            requests = self.asked("features" if name == "ours" else "peer")
            load(address, requests, connections=CONNECTIONS, seconds=3)
            found = load(address, requests, connections=CONNECTIONS, seconds=LOAD_SECONDS)
        if found["errors"]:
            raise SystemExit(f"{name}: {found['errors']} of {found['answers']} answers were errors")
        return found["answers"] / found["elapsed"]

    def decisions(self):
        """Decisions that the ledger holds."""
        with Store(self.var / "risk.db") as store:
            return next(head.count for head in store.heads() if head.chain == "decisions")

    def faults(self):
        """What is wrong with the ledger."""
        with Store(self.var / "risk.db") as store:
            return store.verify()

    def database_bytes(self):
        """Bytes of the database and its log."""
        return sum(path.stat().st_size for path in self.var.glob("risk.db*"))


@contextlib.contextmanager
def started(command, port_option, folder, environment, first):
    """(address, process) of a server, from its first answer of 200 to its end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = free.getsockname()
    with open(folder / "log", "a") as log:
        process = subprocess.Popen([*command, port_option, str(address[1])], stdout=log, stderr=log, start_new_session=True,
                                   env={**os.environ, "PYTHONPATH": os.getcwd(), "OMP_NUM_THREADS": "1", **environment})
    try:
        _wait_for(address, process, first, folder / "log")
        yield address, process
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=60)


def _wait_for(address, process, first, log):
    for _ in range(1800):
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError):
            connection = Connection(address)
            status, body = connection.ask(first)
            connection.close()
            if status == 200:
                return
            if status < 500:
                raise SystemExit(f"the server answered {status}: {body[:500].decode(errors='replace')}")
        time.sleep(0.05)
    raise SystemExit(f"the server did not answer:\n{log.read_text()[-3000:]}")


def held(process):
    """Bytes that a server and its workers hold, pages that several share counted once (proportional set size)."""
    group = [int(found.name) for found in Path("/proc").iterdir() if found.name.isdigit() and _group_of(found.name) == process.pid]
    return sum(_own_bytes(number) for number in group)


def _group_of(number):
    try:
        return os.getpgid(int(number))
    except ProcessLookupError:
        return None


def _own_bytes(number):
    try:
        rows = Path(f"/proc/{number}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next(int(row.split()[1]) * 1024 for row in rows if row.startswith("Pss:"))


def say(name, taken, *, of=None, target=None, least=False):
    """One line: median and 99th percentile in milliseconds, and how many times as long as another."""
    median, tail = 1e3 * statistics.median(taken), 1e3 * float(np.quantile(taken, 0.99))
    times = "" if of is None else f"; {statistics.median(taken) / statistics.median(of):.2f} times"
    bound = "" if target is None else f" (at {'least' if least else 'most'} {target})"
    print(f"  {name}: p50 {median:.2f} ms, p99 {tail:.2f} ms{times}{bound}", flush=True)


def beside(what, found, bound):
    """One line: a figure of ours and of MLflow with reasons, and their ratio."""
    print(f"  {what}: ours {found['ours']:.1f}, mlflow with reasons {found['reasons']:.1f}; {found['ours'] / found['reasons']:.2f} times ({bound})", flush=True)


def main():
    """Run the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[])
    parser.add_argument("--minutes", type=int, default=20)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder))
        print(f"{place.bundle.booster.num_trees()} trees, {len(place.bundle.names)} columns, {len(place.people)} customers", flush=True)
        for part in asked.parts or PARTS:
            print(part)
            soak(place, asked.minutes) if part == "soak" else globals()[part](place)


if __name__ == "__main__":
    main()
