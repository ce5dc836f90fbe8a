"""Whether the process runs, and whether it can answer and record: what is less than it should be is named, and stops nobody."""

from serving import openapi
from serving.problems import problem


def add(app, service):
    @app.get("/live", summary="Whether the process runs", tags=["health"], **openapi.LIVE)
    def live():
        return {"status": "live"}

    @app.get("/ready", summary="Whether questions can be answered and decisions recorded", tags=["health"], **openapi.READY)
    def ready():
        # What can still tell the risk of those the book knows is not taken out of service for what it cannot do.
        causes, faults = service.readiness()
        return problem(503, " ".join(causes)) if causes else {"status": "ready", "faults": faults}
