"""The OpenAPI document: every example fits its schema and works, and every answer of the service fits what the document says of it."""

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from serving_world import BOOK_AS_OF, NOW, SOURCE, book, features_of, local_client, published, records, transaction
from test_events import TEXT

from serving import openapi_examples as examples
from serving.app import create_app
from serving.published import BookRow
from serving.settings import Settings

NO_TEXT = {"application/json", "application/problem+json"}


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """A service in which the customer and the transaction of the examples are known."""
    var = tmp_path_factory.mktemp("openapi")
    rows = [BookRow(examples.CUSTOMER, features_of(records()), {"as_of": BOOK_AS_OF, "grade": "A", "pd_12m": 0.01}, records())]
    published(var, rows=rows, text=TEXT, reports=[("", "en", "<p>all"), (examples.CUSTOMER, "en", "<p>one")])
    judged = book("fraud")[0]
    published(var, use_case="fraud", rows=[BookRow(examples.CUSTOMER, judged.features, judged.score, {}, examples.TRANSACTION)])
    app = create_app(Settings(SOURCE, ("default", "fraud"), var, var / "risk.db"), clock=lambda: NOW)
    with local_client(app) as opened:
        yield opened


@pytest.fixture(scope="module")
def document(client):
    return client.get("/openapi.json").json()


def faults(document, schema, value):
    """What of a value does not fit a schema of the document."""
    registry = Registry().with_resource("urn:document", Resource.opaque(document))
    rooted = _rooted(schema)
    return [f"{each.json_path}: {each.message}" for each in Draft202012Validator(rooted, registry=registry).iter_errors(value)]


def _rooted(schema):
    """A schema whose references name the document they lead into."""
    if isinstance(schema, dict):
        return {key: f"urn:document{value}" if key == "$ref" else _rooted(value) for key, value in schema.items()}
    return [_rooted(each) for each in schema] if isinstance(schema, list) else schema


def operations(document):
    return [(path, method, about) for path, methods in document["paths"].items() for method, about in methods.items()]


def bodies(about):
    return about.get("requestBody", {}).get("content", {}).get("application/json")


def fits_as_told(document, about, answer):
    """Hold an answer against what the document says of its status."""
    told = about["responses"][str(answer.status_code)]["content"]
    media = answer.headers["content-type"].split(";")[0]
    assert media in told
    assert faults(document, told[media]["schema"], answer.json() if media in NO_TEXT else answer.text) == []


def test_every_endpoint_says_what_it_answers_by_schema_and_example(document):
    assert len(operations(document)) >= 12
    for path, method, about in operations(document):
        good = [answer for status, answer in about["responses"].items() if status.startswith("2")]
        assert good, path
        for answer in good:
            for content in answer["content"].values():
                assert content["schema"] not in ({}, {"type": "object"}), (path, method)
                assert faults(document, content["schema"], content["example"]) == [], (path, method)
        assert about["summary"], path
        assert about["tags"], path


def test_every_documented_problem_fits_its_schema(document):
    for path, _, about in operations(document):
        for status, answer in about["responses"].items():
            if not status.startswith("2"):
                content = answer["content"]["application/problem+json"]
                assert faults(document, content["schema"], content["example"]) == [], (path, status)


def test_every_example_of_a_request_fits_works_and_is_answered_as_told(client, document):
    sent = 0
    for path, method, about in operations(document):
        for name, example in ((bodies(about) or {}).get("examples") or {}).items():
            assert faults(document, bodies(about)["schema"], example["value"]) == [], (path, name)
            # Which decision a person is to look at, and which alert is acted on, no document can know.
            own = {"decision_id": decided(client)} if path == "/v1/reviews" else {}
            named = {"alert_id": alerted(client)} if "{alert_id}" in path else {}
            answer = client.request(method, path.format(**named), json=example["value"] | own)
            assert answer.status_code in (200, 201), (path, name, answer.text)
            fits_as_told(document, about, answer)
            sent += 1
        assert (bodies(about) is None) == (method == "get"), path
    assert sent == len(examples.SCORE) + len(examples.BATCH) + len(examples.EVENT) + 3


def decided(client):
    """The id of a decision that the service made."""
    return client.get(f"/v1/customers/{examples.CUSTOMER}").json()["decision_id"]


def alerted(client):
    """The id of an open alert of the service."""
    suits = [{"event_id": f"L{number}", "occurred_at": "2026-03-30", "kind": "lawsuit", "amount": 5_000} for number in range(9)]
    client.post("/v1/events", json={"event_id": "sued", "customer_id": examples.CUSTOMER, "records": {"events": suits}})
    return next(each["alert_id"] for each in client.get("/v1/alerts").json()["alerts"] if each["state"] != "closed")


def test_every_get_works_with_the_examples_of_its_parameters(client, document):
    for path, method, about in operations(document):
        if method != "get":
            continue
        named = {each["name"]: each["schema"]["examples"][0] if "examples" in each["schema"] else each["example"]
                 for each in about.get("parameters", ()) if each["in"] == "path" and each["name"] != "case_id"}
        if "{case_id}" in path:
            named = {"case_id": client.post("/v1/reviews", json={"decision_id": decided(client), "statement": "It was paid."}).json()["case_id"]}
        answer = client.get(path.format(**named), headers={"X-Purpose": "review"})
        assert answer.status_code == 200, (path, answer.text)
        fits_as_told(document, about, answer)


@pytest.mark.parametrize(
    "body",
    [
        {"customer_id": "C1", "features": {"stmt_current_ratio": None}},
        {"customer_id": "C1", "records": {}, "languages": []},
        {"customer_id": "C1", "records": records(), "standing": {"in_default": 1}},
        {"customer_id": "C1", "use_case": "fraud", "records": {}, "transaction": transaction()},
        {"customer_id": "C1"},
        {"customer_id": "C1", "records": {"invoices": [{"amount": "1"}]}},
        {"customer_id": "C1", "use_case": "other", "records": {}},
    ],
)
def test_answers_and_problems_fit_what_is_told_of_their_status(client, document, body):
    fits_as_told(document, document["paths"]["/v1/score"]["post"], client.post("/v1/score", json=body))


@pytest.mark.parametrize(
    "body",
    [
        {"customer_id": "C1"},
        {"customer_id": "", "features": {"a": 1}},
        {"customer_id": "C1", "features": {}},
        {"customer_id": "C1", "features": {"a": 1}, "records": {}},
        {"customer_id": "C1", "records": {"colours": []}},
        {"customer_id": "C1", "records": {"invoices": [{"invoice_id": "I1"}]}},
        {"customer_id": "C1", "records": {}, "standing": {"mood": 1}},
        {"customer_id": "C1", "records": {}, "languages": ["fr"]},
    ],
)
def test_what_the_schema_refuses_the_service_refuses(client, document, body):
    assert faults(document, bodies(document["paths"]["/v1/score"]["post"])["schema"], body)
    assert client.post("/v1/score", json=body).status_code == 422


def test_references_lead_somewhere(document):
    def walk(value):
        if isinstance(value, dict):
            for key, each in value.items():
                if key == "$ref":
                    assert each.removeprefix("#/components/schemas/") in document["components"]["schemas"], each
                walk(each)
        elif isinstance(value, list):
            for each in value:
                walk(each)

    walk(document)
