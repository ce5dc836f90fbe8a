"""Both databases that the store is tested on, and a clock that ticks: fixtures that tests/conftest.py gives to every test."""

import os
import uuid
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from serving.database import parse_url

POSTGRES = os.environ.get("CUSTOMER_RISK_POSTGRES_URL")
NOON = datetime(2026, 3, 31, 12)


def ticking(start=NOON):
    moments = iter(start + timedelta(minutes=minute) for minute in range(10_000))
    return lambda: next(moments)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self):
        self.now = NOON

    def __call__(self):
        return self.now

    def forward(self, days):
        self.now += timedelta(days=days)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def postgres_url():
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


@pytest.fixture(params=["sqlite", "postgres"])
def url(request, tmp_path):
    return f"sqlite:///{tmp_path / 'risk.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
