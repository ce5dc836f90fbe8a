"""`kill -9` under load: the service killed again and again while many ask it, on SQLite and on PostgreSQL; not one answered decision may be missing.

Every request carries an Idempotency-Key. What was not answered when the service died is asked again under the same key after the restart, so at the end the
ledger has exactly one row for each key: a lost decision would be a row too few, one made twice a row too many.
"""

import argparse
import itertools
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import sqlalchemy as sa

from benchmarks.http_load import Connection, post
from serving.database import parse_url
from serving.store import Store

ROOT = Path(__file__).parent.parent
READY = b"GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n"
START_SECONDS = 120
# The service lives so long under load, drawn anew each time: some die in the first requests, some in full swing.
LOAD_SECONDS = (0.2, 1.5)


@dataclass
class Killed:
    """What many kills left. kills; keys: requests sent; answered: answers received before a kill; retried: keys left open by a kill and asked again;
    recovered: of those the decisions that were in the ledger already; rows: of the ledger; missing: answered decisions that are not in it; doubled: keys whose
    repeats got different decisions; faults: of the verified chains; start_seconds: the slowest start."""

    database: str
    kills: int = 0
    keys: int = 0
    answered: int = 0
    retried: int = 0
    recovered: int = 0
    rows: int = 0
    missing: int = 0
    doubled: int = 0
    faults: int = 0
    start_seconds: float = 0.0

    @property
    def whole(self):
        """Whether nothing was lost, nothing made twice and nothing broken."""
        return self.rows == self.keys and not self.missing and not self.doubled and not self.faults


class Asking:
    """Asks over and over on some connections until the service dies; `answers` is {key: decision id}, `open` {key: request} without an answer."""

    def __init__(self, bodies):
        self._bodies, self.answers, self.open = itertools.cycle(bodies), {}, {}
        self._lock = threading.Lock()

    def until_dead(self, address):
        """One connection's share; returns when the service is gone. Raises: RuntimeError for an answer other than 200."""
        try:
            connection = Connection(address)
            while True:
                with self._lock:
                    key = str(uuid.uuid4())
                    self.open[key] = post("/v1/score", next(self._bodies), headers=[("Idempotency-Key", f'"{key}"')])
                self._ask(connection, key)
        except OSError:
            return

    def again(self, address):
        """Ask once more what is open, and return {key: decision id} of it."""
        connection, keys = Connection(address), list(self.open)
        for key in keys:
            self._ask(connection, key)
        connection.close()
        return {key: self.answers[key] for key in keys}

    def _ask(self, connection, key):
        decision = _decision_of(*connection.ask(self.open[key]))
        with self._lock:
            self.answers[key] = decision
            del self.open[key]


def _decision_of(status, body):
    if status != 200:
        raise RuntimeError(f"the service answered {status}: {body[:300].decode(errors='replace')}")
    return json.loads(body)["decision_id"]


@contextmanager
def service(var, database, *, workers):
    """(address, process, seconds it took to be ready) of `risk serve` in a process group of its own, killed at the end if it still runs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = free.getsockname()
    given = ["--port", str(address[1]), "--workers", str(workers), "--database", str(database)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CUSTOMER_RISK_VAR": str(var)}
    with open(var / "log", "ab") as log:
        process = subprocess.Popen([sys.executable, "-m", "pipeline.cli", "serve", *given], env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        begun = time.perf_counter()
        _wait(address, process, var / "log")
        yield address, process, time.perf_counter() - begun
    finally:
        kill(process)


def kill(process):
    """SIGKILL to the supervisor and all its workers at once."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _wait(address, process, log):
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            connection = Connection(address)
            if connection.ask(READY)[0] == 200:
                return connection.close()
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"the service did not start: {log.read_text()[-2000:]}")


def killed(var, database, bodies, *, kills, connections=8, workers=2, seed=1):
    """Kill the service over `var` so many times under load, and return the Killed. bodies: of POST /v1/score; database: a URL."""
    draw, asking, found = random.Random(seed), Asking(bodies), Killed(parse_url(database).get_backend_name())
    for _ in range(kills):
        with service(var, database, workers=workers) as (address, process, seconds):
            found.start_seconds = max(found.start_seconds, seconds)
            _ask_again(asking, address, database, found)
            before = len(asking.answers)
            _load_and_kill(asking, address, process, connections, draw.uniform(*LOAD_SECONDS))
            found.kills, found.answered = found.kills + 1, found.answered + len(asking.answers) - before
    with service(var, database, workers=workers) as (address, _, _):
        _ask_again(asking, address, database, found)
    return _judged(asking, database, found)


def _load_and_kill(asking, address, process, connections, seconds):
    asked = [threading.Thread(target=asking.until_dead, args=(address,)) for _ in range(connections)]
    for one in asked:
        one.start()
    time.sleep(seconds)
    kill(process)
    for one in asked:
        one.join()


def _ask_again(asking, address, database, found):
    """Ask what the last kill left open; twice, since the second repeat must get what the first got."""
    still = dict(asking.open)
    with Store(database) as store:
        there = {decision.id for decision in store.history(limit=10 * max(1, len(still)))}
    first = asking.again(address)
    asking.open = still
    found.doubled += sum(first[key] != decision for key, decision in asking.again(address).items())
    found.retried, found.recovered = found.retried + len(first), found.recovered + sum(decision in there for decision in first.values())


def _judged(asking, database, found):
    with Store(database) as store:
        recorded = {decision.id for decision in store.history(limit=10_000_000)}
        found.faults = len(store.verify())
    found.rows, found.keys = len(recorded), len(asking.answers)
    found.missing = len(set(asking.answers.values()) - recorded)
    return found


@contextmanager
def postgres(url):
    """URL of a schema of its own on a PostgreSQL server, dropped at the end."""
    schema, engine = f"risk_kill_{uuid.uuid4().hex}", sa.create_engine(parse_url(url))
    with engine.begin() as connection:
        connection.execute(sa.text(f"create schema {schema}"))
    try:
        yield parse_url(url).update_query_dict({"options": f"-csearch_path={schema}"}).render_as_string(hide_password=False)
    finally:
        with engine.begin() as connection:
            connection.execute(sa.text(f"drop schema {schema} cascade"))
        engine.dispose()


def _lines(found):
    yield f"{found.database}: {found.kills} kills, {found.answered:,} answers before them; the slowest start took {found.start_seconds:.1f} s"
    yield f"  {found.retried:,} requests left open and asked again, of which {found.recovered:,} were decided already"
    yield f"  {found.rows:,} rows for {found.keys:,} keys: {found.missing} answers missing, {found.doubled} decided twice, {found.faults} faults in the chains"
    yield "  " + ("not one answered decision is missing, and none was made twice" if found.whole else "NOT WHOLE")


def main():
    """Kill on both databases and print what was left; exit code 1 when anything was lost."""
    from benchmarks.serving_world import build

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--postgres", default=os.environ.get("CUSTOMER_RISK_POSTGRES_URL"), help="URL of a server; left out without one.")
    parser.add_argument("--json", help="File for the figures.")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        var = Path(folder)
        _, values = build(var)
        bodies = [json.dumps({"customer_id": customer, "features": known}).encode() for customer, known in values.items()]
        given, results = {"kills": asked.kills, "connections": asked.connections, "workers": asked.workers}, []
        results.append(killed(var, f"sqlite:///{var / 'risk.db'}", bodies, **given))
        print("\n".join(_lines(results[-1])), flush=True)
        if asked.postgres:
            with postgres(asked.postgres) as database:
                results.append(killed(var, database, bodies, **given))
                print("\n".join(_lines(results[-1])), flush=True)
    if asked.json:
        Path(asked.json).write_text(json.dumps([asdict(each) for each in results], indent=1) + "\n")
    sys.exit(0 if all(each.whole for each in results) else 1)


if __name__ == "__main__":
    main()
