"""The header Idempotency-Key: a repeated request gets the first answer, byte for byte, and one row, from whichever worker."""

import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from serving_world import NOW, SOURCE, bundle, local_client, published, records

from features.errors import RiskError
from serving.app import create_app
from serving.repeats import RETENTION, KeyReused, claim
from serving.settings import Settings
from serving.store import Entry, Store


class Clock:
    now = NOW

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def world(tmp_path, url, clock):
    published(tmp_path)
    with client_of(tmp_path, url, clock) as client:
        yield tmp_path, url, client


def client_of(var, url, clock):
    return local_client(create_app(Settings(SOURCE, ("default",), var, url), clock=clock))


def ask(client, key, **body):
    return client.post("/v1/score", json={"customer_id": "C1", "records": records()} | body, headers=key if isinstance(key, dict) else {"Idempotency-Key": key})


def rows(url):
    with Store(url) as store:
        assert store.verify() == []
        return store.history(limit=1000)


def test_a_repeated_request_gets_the_first_answer_and_one_row(world, clock):
    var, url, client = world
    first = ask(client, '"k-1"')
    clock.now += timedelta(hours=1)
    published(var, model=bundle(seed=1))
    again = ask(client, '"k-1"')
    assert (again.status_code, again.content, again.headers["content-type"]) == (200, first.content, first.headers["content-type"])
    assert [one.id for one in rows(url)] == [first.json()["decision_id"]]


def test_another_worker_gives_the_same_bytes(world, clock):
    var, url, client = world
    first = ask(client, '"k-1"')
    with client_of(var, url, clock) as other:
        assert ask(other, '"k-1"').content == first.content
    assert len(rows(url)) == 1


def test_without_a_key_every_request_is_decided(world):
    _, url, client = world
    assert ask(client, {}).json()["decision_id"] != ask(client, {}).json()["decision_id"]
    assert len(rows(url)) == 2


def test_the_first_answer_is_given_while_nothing_else_can_be_answered(world):
    var, url, client = world
    first = ask(client, '"k-1"')
    (var / "published" / f"{SOURCE}-default" / "current.json").unlink()
    with client_of(var, url, client.app.state.service.clock) as other:
        assert ask(other, '"k-1"').content == first.content
        assert ask(other, '"k-2"').status_code == 503


def test_the_same_key_with_another_body_is_refused(world):
    _, url, client = world
    ask(client, '"k-1"')
    refused = ask(client, '"k-1"', requested_amount=5)
    assert refused.status_code == 422
    sentence = "This Idempotency-Key was used with another request; use a new key for each request, and the same one only to repeat it."
    assert refused.json()["detail"] == sentence
    assert len(rows(url)) == 1


def test_a_request_that_was_refused_leaves_its_key_free(world):
    _, url, client = world
    assert ask(client, '"k-1"', requested_amount=-1).status_code == 422
    assert ask(client, '"k-1"').status_code == 200
    assert len(rows(url)) == 1


def test_a_key_is_forgotten_after_its_retention(world, clock):
    _, url, client = world
    first = ask(client, '"k-1"').json()
    clock.now += RETENTION
    assert ask(client, '"k-1"').json() == first
    clock.now += timedelta(seconds=1)
    assert ask(client, '"k-1"').json()["decision_id"] != first["decision_id"]
    assert len(rows(url)) == 2


def test_the_answer_on_an_erased_customer_is_gone(world):
    _, url, client = world
    ask(client, '"k-1"')
    with Store(url) as store:
        store.erase_customer("C1", actor="privacy desk", reason="request")
    gone = ask(client, '"k-1"')
    assert (gone.status_code, "was erased with its customer" in gone.json()["detail"]) == (410, True)
    assert len(rows(url)) == 1


def test_concurrent_duplicates_on_two_workers_are_one_row_and_one_answer(world, clock):
    var, url, client = world
    gate = threading.Barrier(8)

    def one(place):
        gate.wait()
        return ask((client, other)[place % 2], '"k-1"')

    with client_of(var, url, clock) as other, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(one, range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert len(rows(url)) == 1


WORKER = """
import sys
from serving.repeats import claim
from serving.store import Entry, Store
store = Store(sys.argv[1], busy_seconds=60).open()
for number in range(20):
    asked = claim([f'"k-{number}"'], caller="crm", path="/v1/score", body=b"{}")
    made = store.record_decisions([Entry("default", "simulated", f"C{number}-{place}", "b", "p", "c", {"n": number}) for place in range(3)], claim=asked)
    print(*(one.id for one in made))
"""


def test_four_processes_that_send_the_same_requests_record_each_once(url):
    workers = [subprocess.Popen([sys.executable, "-c", WORKER, url], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = [worker.communicate(timeout=60)[0] for worker in workers]
    assert said[0].count("\n") == 20
    assert len(set(said)) == 1
    assert len(rows(url)) == 60


def test_a_key_belongs_to_its_caller(url):
    with Store(url, clock=lambda: NOW).open() as store:
        entry = Entry("default", "simulated", "C1", "b", "p", "c", {"n": 1})
        made = [store.record_decision(entry, claim=claim(["k"], caller=caller, path="/v1/score", body=b"{}")) for caller in ("crm", "web", "crm")]
        assert made[0] == made[2] != made[1]
        with pytest.raises(KeyReused, match="was used with another request"):
            store.answered(claim(["k"], caller="crm", path="/v1/other", body=b"{}"))


@pytest.mark.parametrize(("header", "key"), [
    ('"8e03978e-40d5-43e8-bc93-6894a57f9324"', "8e03978e-40d5-43e8-bc93-6894a57f9324"),
    ("8e03978e-40d5-43e8-bc93-6894a57f9324", "8e03978e-40d5-43e8-bc93-6894a57f9324"),
    (r'"a \"b\" \\c"', r'a "b" \c'),
    (" k ", "k"),
])
def test_a_key_is_a_string_of_structured_fields_or_bare(header, key):
    assert claim([header], caller="", path="/", body=b"").key == key


@pytest.mark.parametrize("headers", [[""], ['""'], ['"open'], ["two words"], ['"' + "k" * 256 + '"'], ["clé"], ['"a"', '"b"'], ['"a";x=1'], [r'"\n"']])
def test_a_malformed_key_is_refused(headers):
    with pytest.raises(RiskError, match="must be sent once, as 1 to 255 printable ASCII characters in double quotes"):
        claim(headers, caller="", path="/", body=b"")


def test_a_malformed_key_is_a_problem_and_nothing_is_recorded(world):
    _, url, client = world
    assert ask(client, "two words").status_code == 400
    assert ask(client, {"Idempotency-Key": ""}).status_code == 400
    assert rows(url) == []


def test_the_document_describes_the_header_and_for_how_long_a_key_is_known(world):
    document = world[2].get("/openapi.json").json()
    (header,) = document["paths"]["/v1/score"]["post"]["parameters"]
    assert (header["name"], header["in"], header["required"]) == ("Idempotency-Key", "header", False)
    assert "for 48 hours" in json.dumps(header)
