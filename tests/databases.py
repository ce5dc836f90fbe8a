"""Operational databases for tests: a SQLite file, and a PostgreSQL schema of its own where CUSTOMER_RISK_POSTGRES_URL names a server."""

import contextlib
import os
import uuid
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from serving.database import parse_url

POSTGRES = os.environ.get("CUSTOMER_RISK_POSTGRES_URL")
NOON = datetime(2026, 3, 31, 12)


def ticking(start=NOON):
    """A clock that is a minute later every time it is read."""
    moments = iter(start + timedelta(minutes=minute) for minute in range(10_000))
    return lambda: next(moments)


@contextlib.contextmanager
def database_url(kind, folder):
    """URL of an empty database of a kind (sqlite, postgres), gone afterwards; skips the test where there is no server."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'risk.db'}"
        return
    if not POSTGRES:
        pytest.skip("CUSTOMER_RISK_POSTGRES_URL names no PostgreSQL server")
    schema = f"risk_test_{uuid.uuid4().hex}"
    engine = sa.create_engine(parse_url(POSTGRES))
    with engine.begin() as connection:
        connection.execute(sa.text(f"create schema {schema}"))
    yield str(parse_url(POSTGRES).update_query_dict({"options": f"-csearch_path={schema}"}).render_as_string(hide_password=False))
    with engine.begin() as connection:
        connection.execute(sa.text(f"drop schema {schema} cascade"))
    engine.dispose()
