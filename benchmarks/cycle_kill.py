"""`kill -9` at random moments of `risk cycle`, a real process over a small simulated portfolio that gets a month older for each: the next run completes, no
promotion is half done, no row is lost, nobody is left over.

Every other moment is drawn evenly over the time that a whole run takes, the others evenly over its steps and then within the step, so that short steps, such as
the promotion's, are hit as often as long ones. Only the process itself is killed: what becomes of its children is for the product to see to.
"""

import argparse
import json
import os
import random
import signal
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

import psutil
import pyarrow.parquet as pq

from benchmarks.cycle_world import World
from models.life_cycle import load_life_cycle
from serving.cycles import Cycles
from serving.incoming import Incoming, Sent, digest, in_utc
from serving.published import Published
from serving.store import Entry, Store

SOURCE, CASE = "sim", "default"
PLAIN = ("mend", "inbox", "watermark", "ingest", "book", "score", "monitor", "decide", "report", "publish", "advance")
RETRAINED = (*PLAIN[:8], "prepare", "train", "promote", *PLAIN[8:])
FIRST_DAY = date(2025, 1, 1)
GONE_SECONDS = 5


@dataclass
class Killed:
    """What the kills left. kills, of which retraining: with one called for; late: runs that were over before their moment; steps: how many kills fell into
    each; half: promotions whose pointer, ledger and publication differ at the end; doubled: promoted twice; lost: rows; orphans: processes still there after
    GONE_SECONDS; failed: next runs that did not complete; unverified: faults in the ledgers; untold: periods without exactly one message of their end."""

    kills: int = 0
    retraining: int = 0
    late: int = 0
    promotions: int = 0
    interrupted_promotions: int = 0
    steps: dict = field(default_factory=dict)
    half: int = 0
    doubled: int = 0
    lost: int = 0
    orphans: int = 0
    failed: int = 0
    unverified: int = 0
    untold: int = 0
    seconds_to_gone: float = 0.0

    @property
    def whole(self):
        """Whether nothing was lost, half done, done twice or left over."""
        return not any((self.half, self.doubled, self.lost, self.orphans, self.failed, self.unverified, self.untold))


class Killing:
    """Kills in one world."""

    def __init__(self, world, *, seed=1, retrain_every=3, echo=print):
        self._world, self._draw, self._every, self._echo = world, random.Random(seed), retrain_every, echo
        self._var, self._seconds, self._events, self.found = world.project / "var", {True: None, False: None}, [], Killed()
        with self._store() as store:
            self._rounds = len(Cycles(store, source=SOURCE).runs())

    def measure(self):
        """Let one run without and one with a retraining go to their end, to know how long they take; not where the world has had such runs."""
        for retrain in (False, True):
            if self._took(retrain) is None:
                done = self._world.risk(*self._new_round(retrain), check=False)
                if done.returncode:
                    raise RuntimeError(f"a cycle that nobody killed failed: {done.stdout[-2000:]}{done.stderr[-3000:]}")
                self._judge()
            self._seconds[retrain] = self._took(retrain)

    def _took(self, retrain):
        """Seconds of the last finished run with or without a retraining; None where there was none."""
        with self._store() as store:
            cycles = Cycles(store, source=SOURCE)
            for run in reversed([each for each in cycles.runs("day") if each.outcome == "finished"]):
                if ("train" in {step.name for step in cycles.steps(run.id)}) == retrain:
                    return (run.ended_at - run.started_at).total_seconds()
        return None

    def kill(self):
        """Let a month pass, kill its run once, let the next run complete, and judge what there is."""
        retrain = self._rounds % self._every == 0
        arguments = self._new_round(retrain)
        promoted = len(self._promotions())
        process = self._world.start(*arguments)
        try:
            in_time = self._wait(process, retrain)
        except BaseException:
            process.kill()
            raise
        if not in_time:
            self.found.late += 1
        else:
            self._kill(process)
            self.found.kills, self.found.retraining = self.found.kills + 1, self.found.retraining + retrain
            step = self._last_step()
            self.found.steps[step] = self.found.steps.get(step, 0) + 1
            self._echo(f"  killed in {step}{' (retraining)' if retrain else ''}")
            behind = self._pointed() != self._promotions()[-1].bundle
            self.found.interrupted_promotions += behind
        done = self._world.risk(*arguments, check=False)
        if done.returncode:
            self.found.failed += 1
            self._echo(f"  the next run failed: {done.stdout[-1500:]}{done.stderr[-1500:]}")
        self.found.promotions += len(self._promotions()) - promoted
        self._judge()

    def _new_round(self, retrain):
        """A month more, an event that the service stored meanwhile, and the arguments of the period's run."""
        self._rounds += 1
        self._world.new_month(retrain=retrain)
        self._store_event()
        return ["cycle", "--period", "day", "--as-of", str(self._day())]

    def _store_event(self):
        with self._store() as store, closing(self._published()) as published:
            row = pq.read_table(self._world.project / "data" / CASE / "scores.parquet", columns=["customer_id"])["customer_id"][self._rounds].as_py()
            moment = datetime.fromisoformat(published.manifest["as_of"])
            event_id = f"kill-{self._rounds}-{self._draw.random()}"
            records = in_utc({"events": [{"event_id": event_id, "occurred_at": moment.isoformat(), "known_at": moment.isoformat(), "kind": "complaint"}]})
            sent, rules = Sent(event_id, row, records, digest(records)), load_life_cycle(self._world.project / "life_cycle.yaml")
            incoming = Incoming(store, source=SOURCE)
            after = len(incoming.of_one(row))
            entry = Entry(use_case=CASE, source=SOURCE, customer_id=row, bundle="b", policy="p", context="c", payload={})
            store.record_decisions([entry], also=lambda connection, made: incoming.append(
                connection, _with_day(sent, moment), made[0], [], after=after, rules=rules))
        self._events.append(event_id)

    def _wait(self, process, retrain):
        """Until the moment to kill; False when the run was over before."""
        if self._rounds % 2:
            return self._sleep(process, self._draw.uniform(0, 0.95 * self._seconds[retrain]))
        step = self._draw.choice(RETRAINED if retrain else PLAIN)
        while process.poll() is None and self._last_step() != step:
            time.sleep(0.02)
        return self._sleep(process, self._draw.uniform(0, self._typical(step)))

    def _sleep(self, process, seconds):
        end = time.monotonic() + seconds
        while process.poll() is None and time.monotonic() < end:
            time.sleep(0.01)
        return process.poll() is None

    def _kill(self, process):
        family = psutil.Process(process.pid).children(recursive=True)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        begun = time.monotonic()
        _, left = psutil.wait_procs(family, timeout=GONE_SECONDS)
        self.found.seconds_to_gone = max(self.found.seconds_to_gone, time.monotonic() - begun if family else 0.0)
        left = {each.pid for each in left if each.is_running()} | set(_working_in(self._world.project))
        self.found.orphans += len(left)

    def _judge(self):
        ledger, found = self._promotions(), self.found
        with closing(self._published()) as published:
            rows, bundle = published.manifest["rows"], published.manifest["bundle"]
        pointed = self._pointed()
        found.half += not (pointed == ledger[-1].bundle == bundle and (self._var / "bundles" / pointed).is_dir())
        found.doubled += sum(before.bundle == after.bundle for before, after in zip(ledger, ledger[1:], strict=False))
        data = self._world.project / "data"
        book, scores = (pq.read_metadata(data / CASE / name).num_rows for name in ("book/observations.parquet", "scores.parquet"))
        there = set(pq.read_table(data / "tables" / "events.parquet", columns=["event_id"])["event_id"].to_pylist())
        found.lost += abs(book - scores) + abs(scores - rows) + len(set(self._events) - there)
        with self._store() as store:
            found.unverified += len(store.verify())
            ended = [run.key for run in Cycles(store, source=SOURCE).runs("day") if run.outcome == "finished"]
        told = [json.loads(path.read_text())["data"]["period"] for path in (self._var / "notifications").glob("*cycle.finished*")]
        found.untold += len(set(ended) ^ set(told)) + len(told) - len(set(told)) + len(ended) - len(set(ended))

    def _promotions(self):
        with self._store() as store:
            return store.promotions(use_case=CASE, source=SOURCE)

    def _pointed(self):
        return json.loads((self._var / "champion" / f"{SOURCE}-{CASE}.json").read_text())["bundle"]

    def _published(self):
        return Published.open(self._var, SOURCE, CASE)

    def _store(self):
        return Store(self._var / "risk.db").open()

    def _last_step(self):
        """The step that the run of this round is at; start before its first."""
        # Asked every few milliseconds: a store would be opened anew each time.
        with closing(sqlite3.connect(f"file:{self._var / 'risk.db'}?mode=ro", uri=True, timeout=10)) as connection:
            query = "select name from cycle_steps where run = (select max(id) from cycle_runs where key = ?) order by id desc limit 1"
            row = connection.execute(query, [str(self._day())]).fetchone()
        return row[0] if row else "start"

    def _day(self):
        return FIRST_DAY + timedelta(days=self._rounds)

    def _typical(self, step):
        with self._store() as store:
            cycles = Cycles(store, source=SOURCE)
            took = [(each.ended_at - each.started_at).total_seconds() for run in cycles.runs("day") for each in cycles.steps(run.id)
                    if each.name == step and each.ended_at is not None and each.outcome != "interrupted"]
        return took[-1] if took else 1.0


def _with_day(sent, moment):
    from serving.incoming import Event

    return Event(sent.event_id, sent.customer_id, sent.records, sent.digest, moment)


def _working_in(folder):
    """Ids of living processes whose working directory is the folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(folder.resolve()) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def killed(folder, *, kills, customers=300, months=60, seed=1, retrain_every=3, echo=print):
    """Kill so many runs in a new world in a folder, and return the Killed."""
    killing = Killing(World(folder, customers=customers, months=months, seed=seed), seed=seed, retrain_every=retrain_every, echo=echo)
    killing.measure()
    while killing.found.kills < kills:
        killing.kill()
        echo(f"{killing.found.kills} of {kills}: {'whole' if killing.found.whole else killing.found}")
    return killing.found


def main():
    """Kill, print what was left, exit with 1 when anything was lost, half done, done twice or left over."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--customers", type=int, default=300)
    parser.add_argument("--months", type=int, default=60)
    parser.add_argument("--retrain-every", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", help="Where the world is kept and used again; a temporary one unless given.")
    parser.add_argument("--json", help="File for the figures.")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        given = {name: getattr(asked, name) for name in ("kills", "customers", "months", "seed", "retrain_every")}
        found = killed(Path(asked.folder or temporary), **given, echo=lambda line: print(line, flush=True))
    print(json.dumps(asdict(found), indent=1))
    if asked.json:
        Path(asked.json).write_text(json.dumps(asdict(found), indent=1) + "\n", encoding="utf-8")
    sys.exit(0 if found.whole else 1)


if __name__ == "__main__":
    main()
