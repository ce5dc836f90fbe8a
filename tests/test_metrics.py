"""Figures for Prometheus: what was asked, decided and recorded, how old what answers is; of several workers, whichever is asked."""

import json
import os
import urllib.request
from datetime import datetime, timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families
from serving_world import BOOK_AS_OF, NOW, SOURCE, bundle, local_client, point_to, published, records
from test_server import serving

from serving.app import create_app
from serving.settings import Settings


@pytest.fixture
def client(tmp_path):
    published(tmp_path)
    with local_client(create_app(Settings(SOURCE, ("default",), tmp_path, tmp_path / "risk.db"), clock=lambda: NOW)) as opened:
        yield opened


def figures(text):
    """{(name, labels as a set of pairs): value}."""
    return {(sample.name, frozenset(sample.labels.items())): sample.value for family in text_string_to_metric_families(text) for sample in family.samples}


def asked(client):
    return figures(client.get("/metrics").text)


def value(found, name, **labels):
    return found.get((name, frozenset(labels.items())))


def test_requests_are_counted_by_route_and_status(client):
    client.get("/v1/customers/C1")
    client.get("/v1/customers/C2")
    client.get("/v1/customers/nobody")
    client.get("/somewhere/C1")
    client.put("/elsewhere")
    found = asked(client)
    route = "/v1/customers/{customer_id}"
    assert value(found, "risk_requests_total", route=route, method="GET", status="200") == 2
    assert value(found, "risk_requests_total", route=route, method="GET", status="404") == 1
    assert value(found, "risk_requests_total", route="none", method="", status="404") == 2
    assert value(found, "risk_request_seconds_count", route=route) == 3
    assert value(found, "risk_request_seconds_bucket", route=route, le="+Inf") == 3
    assert not any("C1" in str(key) for key in found)


def test_a_failure_of_ours_counts_as_500(client, monkeypatch):
    monkeypatch.setattr(client.app.state.service, "book_state", lambda use_case: 1 / 0)
    client.get("/v1/customers/C1")
    assert value(asked(client), "risk_requests_total", route="/v1/customers/{customer_id}", method="GET", status="500") == 1


def test_decisions_are_counted_once_they_are_recorded(client):
    body = client.post("/v1/score", json={"customer_id": "C9", "records": records()}).json()
    client.post("/v1/score/batch", json={"items": [{"customer_id": "C9", "records": records()}] * 3})
    client.post("/v1/score", json={"customer_id": "C9"})
    found = asked(client)
    labels = {"use_case": "default", "action": body["decision"]["action"], "grade": body["grade"]}
    assert value(found, "risk_decisions_total", **labels) == 4
    assert value(found, "risk_ledger_write_seconds_count") == 2
    assert 0 < value(found, "risk_ledger_write_seconds_sum") < 5


def test_what_answers_and_how_old_it_is_can_be_read(client, tmp_path):
    found = asked(client)
    age = (NOW - datetime.fromisoformat(BOOK_AS_OF)) / timedelta(seconds=1)
    assert value(found, "risk_book_age_seconds", use_case="default") == pytest.approx(age)
    assert value(found, "risk_answers", use_case="default") == 1
    assert value(found, "risk_faults", use_case="default") == 0
    os.utime(tmp_path / "champion" / f"{SOURCE}-default.json", (1, 1))
    assert value(asked(client), "risk_pointer_age_seconds", use_case="default", pointer="champion") > 1e9
    info = next(dict(labels) for name, labels in found if name == "risk_serving_info")
    assert info["bundle"] == bundle().hash
    point_to(tmp_path, "f" * 64)
    assert value(asked(client), "risk_faults", use_case="default") == 1


def test_where_nothing_answers_it_says_so(tmp_path):
    with local_client(create_app(Settings(SOURCE, ("default",), tmp_path, tmp_path / "risk.db"), clock=lambda: NOW)) as client:
        found = asked(client)
    assert value(found, "risk_answers", use_case="default") == 0
    assert not any(name == "risk_book_age_seconds" for name, _ in found)


def test_several_workers_are_added_up_whichever_is_asked(tmp_path):
    published(tmp_path)
    question = json.dumps({"customer_id": "C1", "features": {"stmt_current_ratio": 1.0}}).encode()
    with serving(tmp_path, workers=2) as (port, _):
        address = f"http://127.0.0.1:{port}"
        for _ in range(24):
            # A connection of its own each time, so that both workers get some.
            with urllib.request.urlopen(urllib.request.Request(f"{address}/v1/score", data=question, method="POST")) as answer:
                assert answer.status == 200
        told = []
        for _ in range(8):
            with urllib.request.urlopen(f"{address}/metrics") as answer:
                told.append(figures(answer.read().decode()))
    assert {value(each, "risk_requests_total", route="/v1/score", method="POST", status="200") for each in told} == {24}
    assert {sum(count for (name, _), count in each.items() if name == "risk_decisions_total") for each in told} == {24}
    assert {value(each, "risk_answers", use_case="default") for each in told} == {1}
