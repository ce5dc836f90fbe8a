"""Figures on the service for Prometheus."""

from fastapi import Response

from serving import openapi
from serving.access import allowed
from serving.metrics import CONTENT_TYPE

METRICS = allowed("metrics")


def add(app, service):
    @app.get("/metrics", summary="Figures on the service for Prometheus", tags=["health"], dependencies=[METRICS], response_class=Response, **openapi.FIGURES)
    def metrics():
        return Response(service.metrics.text(service), media_type=CONTENT_TYPE)
