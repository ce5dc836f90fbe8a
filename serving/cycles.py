"""Runs of the scheduled job and their steps, as the operational database keeps them: what ran, what was cut short, and what has to be carried on."""

import json
from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa

from serving import outbox
from serving.schema import cycle_runs, cycle_steps

FINISHED, FAILED, HELD, INTERRUPTED = "finished", "failed", "held", "interrupted"
PREPARE = "prepare"
# How a retraining that was begun ends; until one of them is there, the next run carries it on.
PROMOTED, KEPT, IMPOSSIBLE = "promoted", "kept", "impossible"
CONCLUDED = (PROMOTED, KEPT, IMPOSSIBLE)


@dataclass(frozen=True)
class Run:
    """One run for one period. Moments are naive UTC; outcome: finished, failed, held (a faulty feed kept the last publication), interrupted (killed), or
    None while it runs or after it was killed just now."""

    id: int
    source: str
    period: str
    key: str
    as_of: date
    host: str
    pid: int
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None
    sentence: str


@dataclass(frozen=True)
class Step:
    """One step of a run; use_case is None of a step for all. detail: what a later run needs to carry on with it."""

    id: int
    run: int
    source: str
    use_case: str | None
    name: str
    detail: dict
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None
    sentence: str


class Cycles:
    """The runs of one source in a store; every method that writes is one transaction."""

    def __init__(self, store, *, source, to_send=False):
        """store: serving.store.Store; to_send: whether notes are to be sent by webhook too."""
        self._store, self._source, self._to_send = store, source, to_send

    def begin(self, *, period, key, as_of, host, pid, note=None):
        """Record that a run begins, and return its id; runs without an end are closed as interrupted, so the caller must hold the job's lock. note: as in
        `serving.outbox.queue`."""
        now = self._store.now()
        with self._store.database.writing() as connection:
            for table in (cycle_steps, cycle_runs):
                left = (table.c.source == self._source) & table.c.ended_at.is_(None)
                connection.execute(sa.update(table).where(left).values(ended_at=now, outcome=INTERRUPTED, sentence="It was cut short."))
            self._queue(connection, note, now)
            row = {"source": self._source, "period": period, "key": key, "as_of": as_of, "host": host, "pid": pid, "started_at": now, "sentence": ""}
            return connection.execute(sa.insert(cycle_runs).values(row)).inserted_primary_key[0]

    def end(self, run, outcome, sentence, *, note=None):
        """Record how a run ended, with the note that tells it."""
        self._end(cycle_runs, run, outcome, sentence, note)

    def begin_step(self, run, name, *, use_case=None, detail=None):
        """Record that a step begins, and return its id."""
        with self._store.database.writing() as connection:
            row = {"run": run, "source": self._source, "use_case": use_case, "name": name, "detail": json.dumps(detail or {}), "sentence": "",
                   "started_at": self._store.now()}
            return connection.execute(sa.insert(cycle_steps).values(row)).inserted_primary_key[0]

    def end_step(self, step, outcome, sentence, *, note=None):
        """Record how a step ended, with the note that tells it."""
        self._end(cycle_steps, step, outcome, sentence, note)

    def finished(self, period, key):
        """The last finished run of a period, or None."""
        found = [run for run in self.runs(period) if (run.key, run.outcome) == (key, FINISHED)]
        return found[-1] if found else None

    def runs(self, period=None):
        """All runs, of one kind of period or of every, oldest first."""
        query = sa.select(cycle_runs).where(cycle_runs.c.source == self._source).order_by(cycle_runs.c.id)
        query = query if period is None else query.where(cycle_runs.c.period == period)
        with self._store.database.reading() as connection:
            return [Run(**row) for row in connection.execute(query).mappings()]

    def steps(self, run):
        """The steps of a run in the order they began."""
        with self._store.database.reading() as connection:
            return _steps(connection, cycle_steps.c.run == run)

    def begun_retraining(self, use_case):
        """The step `prepare` of a retraining that was begun and came to no end, or None: an interrupted run's, which the next one carries on."""
        with self._store.database.reading() as connection:
            mine = (cycle_steps.c.source == self._source) & (cycle_steps.c.use_case == use_case)
            begun = _steps(connection, mine & (cycle_steps.c.name == PREPARE))
            ended = _steps(connection, mine & cycle_steps.c.outcome.in_(CONCLUDED))
        return begun[-1] if begun and (not ended or ended[-1].id < begun[-1].id) else None

    def _end(self, table, row, outcome, sentence, note):
        now = self._store.now()
        with self._store.database.writing() as connection:
            connection.execute(sa.update(table).where(table.c.id == row).values(ended_at=now, outcome=outcome, sentence=sentence))
            self._queue(connection, note, now)

    def _queue(self, connection, note, now):
        if note is not None:
            outbox.queue(connection, source=self._source, now=now, note=note, to_send=self._to_send)


def _steps(connection, condition):
    rows = connection.execute(sa.select(cycle_steps).where(condition).order_by(cycle_steps.c.id)).mappings()
    return [Step(**{**row, "detail": json.loads(row["detail"])}) for row in rows]
