"""Figures on the service for Prometheus: requests, decisions, the ledger, alerts, and how old what answers is.

With PROMETHEUS_MULTIPROC_DIR, which `risk serve` sets for several workers, the counts of all workers are kept in files of that folder and added up, whichever
worker is asked; without it they are those of the one process. Nothing here names a customer.
"""

import os
import time
from collections import Counter as Tally

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector

from features.errors import RiskError
from serving import logs

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# From a score of few trees to a batch of a thousand rows with reasons, in seconds.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
# What was asked for under a path that is not there has no route; its own path is the caller's invention.
NO_ROUTE = "none"


class Metrics:
    """The figures of one application."""

    def __init__(self):
        self._registry = CollectorRegistry()
        self.requests = self._made(Counter, "risk_requests", "Requests by route as declared, method and status.", ("route", "method", "status"))
        self.seconds = self._made(Histogram, "risk_request_seconds", "Time to answer a request.", ("route",), buckets=SECONDS)
        self.decisions = self._made(Counter, "risk_decisions", "Decisions recorded, by what the policy says.", ("use_case", "action", "grade"))
        self.ledger = self._made(Histogram, "risk_ledger_write_seconds", "Time to seal and write one transaction of decisions.", (), buckets=SECONDS)
        self.shadow = self._made(Counter, "risk_shadow", "Decisions that a bundle on trial scored or could not.", ("use_case", "outcome"))
        self.alerts = self._made(Counter, "risk_alerts", "Thresholds that events crossed.", ("kind",))

    def _made(self, kind, name, text, labels, **more):
        return kind(name, text, labels, registry=self._registry, **more)

    def decided(self, bodies):
        """Count answers that are recorded."""
        for labels, count in Tally((body["use_case"], body["decision"]["action"], body["grade"]) for body in bodies).items():
            self.decisions.labels(*labels).inc(count)

    def text(self, service):
        """All figures in Prometheus' text format, with those of what answers now."""
        registry = self._registry
        if os.environ.get(FOLDER):
            registry = CollectorRegistry()
            MultiProcessCollector(registry)
        return generate_latest(registry) + generate_latest(_Now(service))


class _Now:
    """What is read at the moment it is asked for: of the files that all workers follow, so each of them says the same."""

    def __init__(self, service):
        self._service = service

    def collect(self):
        """Gauges of each use case; of one that cannot answer only that it cannot."""
        answers = GaugeMetricFamily("risk_answers", "Whether a use case can be answered.", labels=["use_case"])
        faults = GaugeMetricFamily("risk_faults", "Why what answers is not what the pointers ask for: how many causes.", labels=["use_case"])
        book = GaugeMetricFamily("risk_book_age_seconds", "Time since the moment of the published book.", labels=["use_case"])
        moved = GaugeMetricFamily("risk_pointer_age_seconds", "Time since a pointer under var last moved.", labels=["use_case", "pointer"])
        versions = InfoMetricFamily("risk_serving", "What answers.", labels=["use_case"])
        for use_case, current in self._service.current.items():
            for pointer, age in current.pointer_ages().items():
                moved.add_metric([use_case, pointer], age)
            try:
                state = current.state()
            except RiskError:
                answers.add_metric([use_case], 0)
                continue
            answers.add_metric([use_case], 1)
            faults.add_metric([use_case], len(state.faults))
            book.add_metric([use_case], (self._service.clock() - state.published.moment).total_seconds())
            versions.add_metric([use_case], dict(state.scorer.versions))
        return [answers, faults, book, moved, versions]


class Measured:
    """ASGI middleware that counts every request and its time, and writes its line into the log."""

    def __init__(self, app, *, metrics):
        self._app, self._metrics = app, metrics

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        began, status = time.perf_counter(), 500
        logs.begin()

        async def sending(message):
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            route = getattr(scope.get("route"), "path", NO_ROUTE)
            self._metrics.requests.labels(route, scope["method"] if route != NO_ROUTE else "", status).inc()
            self._metrics.seconds.labels(route).observe(time.perf_counter() - began)
            logs.requested(route, scope["method"], status, time.perf_counter() - began)
