"""What answers now."""

from serving import openapi
from serving.access import allowed
from serving.endpoints.bodies import json_answer


def add(app, service):
    @app.get(
        "/v1/model", summary="What answers now: bundle, columns, grades, policy", tags=["model"], dependencies=[allowed("model")], **openapi.MODEL
    )
    def model(use_case: str = "default"):
        state = service.state(use_case)
        book = {"as_of": state.published.as_of, "rows": state.published.manifest["rows"]}
        return json_answer(state.scorer.describe() | {"source": service.settings.source, "book": book, "faults": state.faults})
