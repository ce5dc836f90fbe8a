"""Whether the process runs, and whether it can answer and record."""

from serving import openapi
from serving.problems import problem


def add(app, service):
    @app.get("/live", summary="Whether the process runs", tags=["health"], **openapi.LIVE)
    def live():
        return {"status": "live"}

    @app.get("/ready", summary="Whether questions can be answered and decisions recorded", tags=["health"], **openapi.READY)
    def ready():
        causes = service.why_not_ready()
        return problem(503, " ".join(causes)) if causes else {"status": "ready"}
