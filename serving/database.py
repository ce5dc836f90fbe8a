"""Connections to the operational database: SQLite in WAL mode or PostgreSQL, with one writer at a time and errors that say what to do."""

import threading
from contextlib import contextmanager, nullcontext
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import event

from features.errors import RiskError
from serving import deadline

# Any fixed number serves, as long as every process that migrates asks for the same one.
MIGRATION_LOCK = 4207


class StoreUnavailable(RiskError):
    """The operational database cannot be reached or used now: whoever needs it to record a decision must refuse."""


class Database:
    """One engine, and transactions that begin by taking the writer's lock when they write."""

    def __init__(self, url, *, busy_seconds, pool_size):
        """url: a SQLAlchemy URL or a SQLite file's path; busy_seconds: how long to wait for another writer."""
        self.url = parse_url(url)
        self.name = self.url.render_as_string(hide_password=True)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = _sqlite_engine(self.url, busy_seconds, pool_size) if self.is_sqlite else _postgres_engine(self.url, busy_seconds, pool_size)
        # SQLite's own waiting is a sleep of up to 0.1 s: threads of one process queue here instead.
        self._writer = threading.Lock() if self.is_sqlite else nullcontext()

    @contextmanager
    def reading(self):
        """A connection inside one read transaction: everything read is of one moment, whoever writes meanwhile."""
        isolation = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
        with self._errors(), self.engine.connect().execution_options(**isolation) as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self):
        """A connection inside one transaction, committed at the end and rolled back by any exception. Raises: TooLate, see serving.deadline."""
        with self._writer, self._errors(), self.engine.connect().execution_options(risk_writes=True) as connection, connection.begin():
            deadline.begin_writing()
            yield connection

    @contextmanager
    def migrating(self):
        """As writing, and on PostgreSQL alone in changing the tables as well."""
        with self.writing() as connection:
            if not self.is_sqlite:
                connection.execute(sa.text("select pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            yield connection

    def close(self):
        """Close all connections; a later use opens new ones."""
        self.engine.dispose()

    @contextmanager
    def _errors(self):
        try:
            yield
        except sa.exc.SQLAlchemyError as error:
            cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
            raise StoreUnavailable(f"The operational database {self.name} cannot be used ({cause}); check that it runs and can be written.") from error


def parse_url(url):
    """SQLAlchemy URL of a database: a path or sqlite:/// URL for SQLite, a postgresql:// URL for PostgreSQL through psycopg.

    Raises RiskError for anything else and for a SQLite file in a folder that is not there.
    """
    parsed = _parsed(url)
    backend = parsed.get_backend_name()
    if backend == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise RiskError(f"The database URL names '{backend}'; use sqlite:///file or postgresql+psycopg://user@host/name.")
    folder = Path(parsed.database or "").parent
    if not parsed.database or not folder.is_dir():
        raise RiskError(f"The database file '{parsed.database or ''}' has no folder '{folder}'; name a file in a folder that exists.")
    return parsed


def _parsed(url):
    if isinstance(url, Path) or "://" not in str(url):
        return sa.URL.create("sqlite", database=str(url))
    try:
        return sa.make_url(url)
    except sa.exc.ArgumentError:
        raise RiskError("The database URL cannot be read; use sqlite:///file or postgresql+psycopg://user@host/name.") from None


def _sqlite_engine(url, busy_seconds, pool_size):
    engine = sa.create_engine(url, connect_args={"timeout": busy_seconds}, pool_size=pool_size, max_overflow=0, pool_timeout=busy_seconds)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection, _record):
    # The driver would begin transactions by itself, late and without the write lock; _begin_sqlite does it instead.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection):
    writes = connection.get_execution_options().get("risk_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _postgres_engine(url, busy_seconds, pool_size):
    connect_args = {"connect_timeout": max(2, int(busy_seconds))}
    # pool_pre_ping costs a round trip and lets the service outlive a restart of the server.
    engine = sa.create_engine(url, connect_args=connect_args, pool_size=pool_size, max_overflow=0, pool_timeout=busy_seconds, pool_pre_ping=True)
    event.listen(engine, "connect", lambda connection, _record: _limit_waiting(connection, busy_seconds))
    return engine


def _limit_waiting(connection, busy_seconds):
    connection.autocommit = True
    connection.execute(f"SET lock_timeout = '{int(busy_seconds * 1000)}ms'")
    connection.autocommit = False
