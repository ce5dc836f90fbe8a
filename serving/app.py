"""The service: score a customer with reasons, look one up, say what answers and whether it can; every decision is recorded before it is told."""

import gc
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI

from serving import openapi, problems
from serving.database import StoreUnavailable
from serving.deadline import TimeLimit
from serving.endpoints import alerts, batches, events, figures, health, model, reports, reviews, scores
from serving.metrics import Measured
from serving.service import Service
from serving.settings import Settings
from serving.store import utc_now


def create_app(settings=None, *, clock=utc_now):
    """The application. settings: serving.settings.Settings, from the environment when left out; clock gives naive UTC."""
    service = Service(settings or Settings.from_environment(), clock=clock)
    app = FastAPI(title="Customer risk", version="1", description=openapi.DESCRIPTION, lifespan=_lifespan(service))
    app.state.service = service
    problems.install(app)
    seconds = service.settings.limits.answer_seconds
    app.add_middleware(TimeLimit, seconds=seconds, late=problems.late(seconds))
    app.add_middleware(Measured, metrics=service.metrics)
    for endpoints in (health, scores, batches, events, alerts, reports, reviews, model, figures):
        endpoints.add(app, service)
    openapi.install(app)
    return app


def _lifespan(service):
    @asynccontextmanager
    async def lifespan(_app):
        # Loading now spares the first caller the wait; what cannot be loaded yet must not keep /live and /ready from saying so.
        service.readiness()
        with suppress(StoreUnavailable):
            service.access.say_who_may_call()
        # What is loaded by now stays: the collector need not walk through it on the way of every thousandth answer.
        gc.collect()
        gc.freeze()
        yield
        service.close()

    return lifespan
