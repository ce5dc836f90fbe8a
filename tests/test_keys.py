"""Keys and limits: who is answered with what, how fast a revoked key stops, what is told to callers and written to the log, on both databases."""

import logging
import os
import re
import socket
import subprocess
import sys
import threading
import time
from datetime import date, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
import uvicorn
from databases import NOON
from serving_world import NOW, SOURCE, local_client, published, records

from features.errors import RiskError
from serving import access, ledger
from serving.access import scope_of
from serving.app import create_app
from serving.keys import SCOPES, Keys, split
from serving.limits import Buckets, Limits
from serving.settings import Settings
from serving.store import Store

ROOT = Path(__file__).parent.parent
FAR = {"client": ("10.0.0.5", 1234), "base_url": "http://risk.example"}


@pytest.fixture
def var(tmp_path):
    published(tmp_path)
    return tmp_path


@pytest.fixture
def app(var, url):
    return create_app(Settings(SOURCE, ("default",), var, url), clock=lambda: NOW)


@pytest.fixture
def store(url):
    with Store(url, clock=lambda: NOON).open() as opened:
        yield opened


def made(store, *scopes, **how):
    key, token = Keys(store).add("crm", scopes, **how)
    return key, {"Authorization": f"Bearer {token}"}


# --- keys in the database -----------------------------------------------------------------------------------------------------


def test_a_secret_is_nowhere_in_the_database(store):
    key, token = Keys(store).add(" 客户关系 ", ["read", "score"], expires_on=date(2026, 12, 31))
    assert Keys(store).all() == [key]
    assert (key.name, key.scopes, key.expires_on, key.created_at) == ("客户关系", ("score", "read"), date(2026, 12, 31), NOON)
    key_id, secret = split(token)
    assert (key_id, len(secret)) == (key.id, 43)
    assert key.matches(secret)
    assert not key.matches(secret[:-1])
    with store.database.reading() as connection:
        (row,) = connection.execute(sa.text("select * from keys")).mappings()
    assert not any(secret in str(value) for value in row.values())
    assert secret not in repr(key)
    assert key.digest not in repr(key)


def test_a_key_holds_until_its_last_day(store):
    key, _ = Keys(store).add("crm", ["read"], expires_on=date(2026, 3, 31))
    assert key.refused(date(2026, 3, 31)) is None
    assert key.refused(date(2026, 4, 1)) == "expired on 2026-03-31"


def test_a_key_is_revoked_once_and_stays_known(store):
    key, _ = made(store, "read")
    assert Keys(store).revoke(key.id).refused(date(2026, 3, 31)) == "was revoked on 2026-03-31"
    with pytest.raises(RiskError, match=rf"key {key.id} \(crm\) was revoked on 2026-03-31 already"):
        Keys(store).revoke(key.id)
    with pytest.raises(RiskError, match="there is no key 0000: `risk keys list` names them"):
        Keys(store).revoke("0000")
    assert [each.id for each in Keys(store).all()] == [key.id]


@pytest.mark.parametrize(("name", "scopes", "expires_on", "message"), [
    (" ", ["read"], None, "a key needs a name: say whose it is"),
    ("crm", [], None, "a key without a scope opens nothing: name some with --scope, of score, read"),
    ("crm", ["read", "everything"], None, "the scope everything is unknown: use some of score, read"),
    ("crm", ["read"], date(2026, 3, 30), "a key until 2026-03-30 would be expired today, 2026-03-31"),
])
def test_a_key_that_makes_no_sense_is_refused(store, name, scopes, expires_on, message):
    with pytest.raises(RiskError, match=message):
        Keys(store).add(name, scopes, expires_on=expires_on)
    assert Keys(store).all() == []


@pytest.mark.parametrize("token", ["", "risk", "risk_ab", "risk_ab_", "other_ab_cd", "Ω"])
def test_what_is_no_key_has_no_id(token):
    assert split(token) == (None, "")


# --- who is answered ----------------------------------------------------------------------------------------------------------


def test_every_endpoint_but_the_probes_asks_for_a_scope(tmp_path):
    app = create_app(Settings(SOURCE, ("default",), tmp_path, tmp_path / "risk.db"))
    routes = [route for route in app.routes if hasattr(route, "dependant")]
    assert {route.path for route in routes if scope_of(route) is None} == {"/live", "/ready"}
    assert any(route.path == "/v1/score" for route in routes)


def test_a_scope_that_no_key_can_carry_is_a_mistake():
    with pytest.raises(KeyError):
        access.allowed("everything")


def test_without_a_key_this_machine_is_answered_and_the_log_says_so(app, caplog):
    with local_client(app) as client:
        assert client.get("/v1/customers/C1").status_code == 200
    assert "There is no key yet, so only this machine is answered; make one with `risk keys add NAME --scope SCOPE`" in caplog.text


@pytest.mark.parametrize("how", [
    {"client": ("10.0.0.5", 1)}, {"base_url": "http://risk.example"}, {"headers": {"X-Forwarded-For": "127.0.0.1"}}, {"headers": {"Via": "1.1 proxy"}},
    {"headers": {"Origin": "https://evil.example"}}, {"headers": {"Origin": "null"}}, {"headers": {"Origin": "http://[::1"}}, {"headers": {"Host": "["}},
])
def test_without_a_key_nobody_else_is_answered_nor_who_comes_through_a_proxy_or_a_page(app, store, how):
    with local_client(app, **how) as client:
        answer = client.get("/v1/customers/C1")
        assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
        assert answer.json()["detail"].startswith("There is no key yet, so only this machine is answered, directly; make one with `risk keys add")
        assert client.get("/live").status_code == 200
    assert store.history() == []


@pytest.mark.parametrize("base_url", ["http://localhost:8000", "http://[::1]:8000", "http://127.0.0.1:8000"])
def test_this_machine_has_several_names(app, base_url):
    with local_client(app, base_url=base_url, headers={"Origin": base_url}) as client:
        assert client.get("/v1/model").status_code == 200


def test_a_key_opens_what_its_scopes_name(app, store):
    key, headers = made(store, "read")
    with local_client(app, **FAR) as client:
        assert client.get("/v1/customers/C1", headers=headers).status_code == 200
        answer = client.post("/v1/score", json={"customer_id": "C1", "records": records()}, headers=headers)
    assert (answer.status_code, answer.json()["detail"]) == (403, f"The key {key.id} is not for 'score' but for read; use another one.")
    assert answer.headers["www-authenticate"] == 'Bearer realm="customer-risk", error="insufficient_scope", scope="score"'
    assert len(store.history()) == 1


@pytest.mark.parametrize(("spoil", "detail", "tried"), [
    (lambda token: None, "A key is needed: send it as 'Authorization: Bearer <key>'.", "without a key"),
    (lambda token: f"Basic {token}", "A key is needed", "without a key"),
    (lambda token: f"Bearer {token}x", "The key is not known here; check that it was copied whole.", "with a wrong secret of key"),
    (lambda token: "Bearer risk_ffff_secret", "The key is not known here", "with an unknown key"),
    (lambda token: "Bearer hunter2", "The key is not known here", "with an unknown key"),
])
def test_a_wrong_key_is_refused_before_the_body_is_read_logged_without_its_secret_and_not_recorded(app, store, caplog, spoil, detail, tried):
    _, token = Keys(store).add("crm", list(SCOPES))
    sent = spoil(token)
    with local_client(app) as client:
        answer = client.post("/v1/score", content=b"{half", headers={} if sent is None else {"Authorization": sent})
    assert answer.status_code == 401
    assert answer.json()["detail"].startswith(detail)
    assert answer.headers["www-authenticate"].startswith('Bearer realm="customer-risk"')
    assert f"POST /v1/score from 127.0.0.1 refused with 401: {tried}" in caplog.text
    assert not any(word in caplog.text + answer.text for word in (split(token)[1], "hunter2", "secret_", "ffff"))
    assert store.history() == []


def test_a_revoked_key_stops_within_a_second_and_its_end_does_not_open_the_service(app, store):
    key, headers = made(store, "model")
    with local_client(app) as client:
        assert client.get("/v1/model", headers=headers).status_code == 200
        Keys(store).revoke(key.id)
        time.sleep(access.REREAD_SECONDS)
        answer = client.get("/v1/model", headers=headers)
        assert (answer.status_code, answer.json()["detail"]) == (401, f"The key {key.id} was revoked on 2026-03-31; ask for a new one.")
        assert client.get("/v1/model").status_code == 401


def test_an_expired_key_is_refused(app, url):
    with Store(url, clock=lambda: datetime(2026, 1, 1)).open() as store:
        key, headers = made(store, "model", expires_on=date(2026, 3, 30))
    with local_client(app) as client:
        assert client.get("/v1/model", headers=headers).json()["detail"] == f"The key {key.id} expired on 2026-03-30; ask for a new one."


def test_keys_are_not_read_for_every_request(app, store, monkeypatch):
    _, headers = made(store, "model")
    read = []
    monkeypatch.setattr(access, "REREAD_SECONDS", 60.0)
    monkeypatch.setattr(access.Keys, "all", lambda self, all_of=Keys.all: read.append(1) or all_of(self))
    with local_client(app) as client:
        at_start = len(read)
        assert {client.get("/v1/model", headers=headers).status_code for _ in range(20)} == {200}
    assert len(read) - at_start == 1


def test_keys_that_cannot_be_read_are_a_refusal_and_readable_again_an_answer(app, store):
    _, headers = made(store, "model")
    with local_client(app) as client:
        with store.database.writing() as connection:
            connection.execute(sa.text("alter table keys rename to hidden"))
        answer = client.get("/v1/model", headers=headers)
        assert answer.status_code == 503
        assert "cannot be used" in answer.json()["detail"]
        with store.database.writing() as connection:
            connection.execute(sa.text("alter table hidden rename to keys"))
        assert client.get("/v1/model", headers=headers).status_code == 200


def test_the_openapi_document_says_that_a_key_is_needed(app):
    with local_client(app) as client:
        document = client.get("/openapi.json").json()
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    assert document["paths"]["/v1/score"]["post"]["security"] == [{"key": []}]
    assert {"401", "403", "429"} <= set(document["paths"]["/v1/score"]["post"]["responses"])


# --- limits -------------------------------------------------------------------------------------------------------------------


def test_a_bucket_grants_a_burst_then_its_rate():
    now = [0.0]
    buckets = Buckets(Limits(requests_per_second=0.5, burst=2), clock=lambda: now[0])
    assert [buckets.wait("a") for _ in range(4)] == [0, 0, 2, 2]
    assert buckets.wait("b") == 0
    now[0] = 1.0
    assert buckets.wait("a") == 1
    now[0] = 2.0
    assert [buckets.wait("a") for _ in range(2)] == [0, 2]
    now[0] = 1e6
    assert [buckets.wait("a") for _ in range(3)] == [0, 0, 2]


def test_a_key_that_asks_too_often_is_told_when_it_may_again(var, store, url):
    app = create_app(Settings(SOURCE, ("default",), var, url, Limits(requests_per_second=0.1, burst=2)), clock=lambda: NOW)
    (key, headers), (_, others) = made(store, "model"), made(store, "model")
    with local_client(app) as client:
        answers = [client.get("/v1/model", headers=headers) for _ in range(3)]
        assert [each.status_code for each in answers] == [200, 200, 429]
        assert answers[2].headers["retry-after"] == "10"
        assert answers[2].json()["detail"] == f"The key {key.id} sent more requests than it may; wait 10 s."
        assert client.get("/v1/model", headers=others).status_code == 200


def test_limits_are_read_from_the_environment():
    assert Limits.from_environment({"CUSTOMER_RISK_BODY_SECONDS": "2.5", "CUSTOMER_RISK_BURST": ""}) == Limits(body_seconds=2.5)
    for text in ("0", "-1", "nan", "inf", "much"):
        with pytest.raises(RiskError, match=f"CUSTOMER_RISK_ANSWER_SECONDS is '{text}': it must be a number above 0"):
            Limits.from_environment({"CUSTOMER_RISK_ANSWER_SECONDS": text})


@pytest.fixture
def served(var):
    """(port, settings, app) of a real server whose limits of time are short."""
    settings = Settings(SOURCE, ("default",), var, var / "risk.db", Limits(body_seconds=0.3, answer_seconds=0.8))
    app = create_app(settings)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1], settings, app
    server.should_exit = True
    thread.join()


def sent(port, content, *, wait=5.0):
    """All that the server answers to bytes until it closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=wait) as connection:
        connection.sendall(content)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer.decode()


def test_a_body_that_arrives_slowly_is_cut_off_and_the_connection_closed(served):
    began = time.monotonic()
    answer = sent(served[0], b"POST /v1/score HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{")
    assert answer.startswith("HTTP/1.1 408")
    assert "The request's body did not arrive within 0.3 seconds; send it whole." in answer
    assert time.monotonic() - began < 2


def test_a_caller_who_leaves_early_is_no_failure_of_ours(served, caplog):
    with socket.create_connection(("127.0.0.1", served[0])) as connection:
        connection.sendall(b"POST /v1/score HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{")
    wait_for(lambda: "refused with 400: CallerGone" in caplog.text)
    assert "failed" not in caplog.text


def test_a_request_that_is_late_is_told_so_in_time_and_leaves_nothing(served, monkeypatch, caplog):
    port, settings, app = served
    finished = threading.Event()
    slow(monkeypatch, app.state.service, "answer", seconds=1.2, finished=finished)
    began = time.monotonic()
    answer = sent(port, b"GET /v1/customers/C1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert answer.startswith("HTTP/1.1 503")
    assert time.monotonic() - began < 1.1
    assert "The request took longer than 0.8 seconds and nothing of it was recorded; send it again" in answer
    assert finished.wait(5)
    wait_for(lambda: "TooLate" in caplog.text or "took too long" in caplog.text)
    with Store(settings.database) as store:
        assert store.history() == []


def test_a_request_that_has_begun_to_write_is_finished_and_answered(served, monkeypatch):
    port, settings, _ = served
    wait_inside_the_transaction(monkeypatch, seconds=1.2)
    answer = sent(port, b"GET /v1/customers/C1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert answer.startswith("HTTP/1.1 200")
    with Store(settings.database) as store:
        assert [each.id in answer for each in store.history()] == [True]


def slow(monkeypatch, owner, name, *, seconds, finished):
    """Make a method wait before it does its work, and say when it is done."""
    real = getattr(owner, name)

    def waiting(*arguments, **options):
        time.sleep(seconds)
        try:
            return real(*arguments, **options)
        finally:
            finished.set()

    monkeypatch.setattr(owner, name, waiting)


def wait_inside_the_transaction(monkeypatch, *, seconds):
    real = ledger.append
    monkeypatch.setattr(ledger, "append", lambda *arguments: time.sleep(seconds) or real(*arguments))


def wait_for(condition, seconds=5.0):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


# --- the log ------------------------------------------------------------------------------------------------------------------


def test_the_log_names_no_customer(app, caplog, monkeypatch):
    caplog.set_level(logging.DEBUG, "risk.serving")
    with local_client(app) as client:
        assert client.get("/v1/customers/Zhang-San-8812").status_code == 404
        assert client.post("/v1/score", json={"customer_id": "Zhang-San-8812", "records": {"customers": [{"name": 8812}]}}).status_code == 422
        monkeypatch.setattr(app.state.service, "book_state", lambda use_case: {}["Zhang-San-8812"])
        assert client.get("/v1/customers/Zhang-San-8812").status_code == 500
        assert client.get("/v1/Zhang-San-8812").status_code == 404
    assert re.search(r"GET /v1/customers/\{customer_id\} \(customer_id p-[0-9a-f]{16}\) from 127.0.0.1 refused with 404: Unknown", caplog.text)
    assert "POST /v1/score from 127.0.0.1 refused with 422: Refused, 2 wrong fields" in caplog.text
    assert re.search(r"failed: KeyError\n(  .*\n)*  .*scores.py:\d+ in customer", caplog.text)
    assert "8812" not in caplog.text


# --- the command --------------------------------------------------------------------------------------------------------------


def risk(*arguments, env):
    return subprocess.run([sys.executable, "-m", "pipeline.cli", *arguments], capture_output=True, text=True, cwd=ROOT, env={**os.environ, **env})


def test_keys_are_made_listed_and_revoked_on_the_command_line(tmp_path):
    env = {"CUSTOMER_RISK_VAR": str(tmp_path), "CUSTOMER_RISK_DATABASE_URL": ""}
    assert "there is no key" in risk("keys", "list", env=env).stdout
    made = risk("keys", "add", "crm", "--scope", "score", "--scope", "read", "--expires", "2999-12-31", env=env)
    (token,) = made.stdout.splitlines()
    key_id, secret = split(token)
    assert f"key {key_id} of crm, for score, read, made on" in made.stderr
    assert secret not in made.stderr
    assert f"key {key_id} of crm" in risk("keys", "revoke", key_id, env=env).stdout
    listed = risk("keys", "list", env=env).stdout
    assert "was revoked on" in listed
    assert secret not in listed
    wrong = risk("keys", "add", "crm", "--scope", "everything", env=env)
    assert (wrong.returncode, wrong.stderr) == (1, f"error: the scope everything is unknown: use some of {', '.join(SCOPES)}.\n")
    elsewhere = risk("keys", "list", env={"CUSTOMER_RISK_VAR": str(tmp_path / "nowhere"), "CUSTOMER_RISK_DATABASE_URL": ""})
    assert "has no folder" in elsewhere.stderr


def test_the_commands_of_keys_need_the_serving_extra_only():
    code = "import sys, pipeline.cli, pipeline.keys; print([name for name in ('pandas', 'pyarrow', 'duckdb', 'sklearn', 'mlflow') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout.strip() == "[]"
