"""Bodies that break the contract: refused with a reason and a path, not read to their end, and nothing recorded as a decision."""

import asyncio
import json
import socket
import time
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from serving_world import COLUMNS, NOW, SOURCE, bundle, local_client, published
from test_server import serving

from features.tables import TABLES
from serving.app import create_app
from serving.endpoints.bodies import MAX_BODY_BYTES
from serving.inbound import record_faults
from serving.rows import RowCheck
from serving.settings import Settings
from serving.store import Store
from serving.values import parse_moment

ENDPOINTS = ("/v1/score", "/v1/score/batch", "/v1/events")
BEYOND = {"invoices": COLUMNS["invoices"] | {"discount": "number", "shop": "category", "urgent": "flag"}}


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """A client for requests that must leave no decision."""
    var = tmp_path_factory.mktemp("bad")
    published(var)
    with local_client(create_app(Settings(SOURCE, ("default",), var, var / "risk.db"), clock=lambda: NOW)) as opened:
        yield opened
        with Store(var / "risk.db").open() as store:
            assert store.history() == []


def rows(table, **changes):
    known = {
        "invoices": {"invoice_id": "I1", "known_at": "2026-01-10", "issued_at": "2026-01-10", "due_at": "2026-02-09", "amount": 1},
        "payments": {"payment_id": "P1", "known_at": "2026-01-10", "occurred_at": "2026-01-10", "amount": 1},
        "events": {"event_id": "E1", "known_at": "2026-01-10", "occurred_at": "2026-01-10", "kind": "lawsuit"},
        "statements": {"known_at": "2026-01-10", "period_end": "2025-12-31", "period_months": 12},
        "customers": {"known_at": "2026-01-10"},
        "contracts": {"contract_id": "K1", "known_at": "2026-01-10", "status": "open"},
        "exposures": {"known_at": "2026-01-10"},
    }[table]
    return {table: [known | changes]}


def faults(tables):
    return [(fault.path, fault.expected) for fault in record_faults(tables, customer_id="C1", now=NOW, columns=BEYOND)]


# --- what a field may be ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "field", "value", "expected"),
    [
        # numbers as strings, and strings as numbers
        ("invoices", "amount", "100", "an integer in minor units"),
        ("statements", "revenue", "1e6", "a finite number"),
        ("statements", "period_months", "12", "an integer"),
        ("events", "severity", "3", "a finite number"),
        ("events", "kind", 7, "text of at most 2000 characters"),
        ("invoices", "invoice_id", 7, "text of 1 to 2000 characters"),
        ("invoices", "invoice_id", "", "text of 1 to 2000 characters"),
        ("statements", "audited", "true", "true or false"),
        # numbers that are none, or no amounts
        ("statements", "revenue", 10**400, "a finite number"),
        ("statements", "revenue", True, "a finite number"),
        ("invoices", "amount", 0.5, "an integer in minor units"),
        ("exposures", "limit", 2**62, "an integer in minor units"),
        # the wrong sign for its kind, and beyond what the contract bounds
        ("invoices", "amount", 0, "an amount above 0"),
        ("payments", "amount", -5, "an amount above 0"),
        ("events", "severity", 6, "a number from 1 to 5"),
        ("events", "severity", -1, "a number from 1 to 5"),
        ("events", "confidence", 1.5, "a number from 0 to 1"),
        ("statements", "confidence", -0.1, "a number from 0 to 1"),
        ("statements", "period_months", 0, "a number of at least 1"),
        # currencies
        ("invoices", "currency", "XQZ", "a currency code of three capital letters (ISO 4217)"),
        ("invoices", "currency", "cny", "a currency code of three capital letters (ISO 4217)"),
        ("exposures", "currency", "XXX", "a currency code of three capital letters (ISO 4217)"),
        ("statements", "currency", ["CNY"], "a currency code of three capital letters (ISO 4217)"),
        # moments
        ("events", "occurred_at", "2026-04-01", "a moment that is not in the future"),
        ("events", "known_at", "2027-01-01T00:00:00Z", "a moment that is not in the future"),
        ("customers", "founded_on", "2030-01-01", "a moment that is not in the future"),
        ("contracts", "fulfilled_on", "2026-04-02", "a moment that is not in the future"),
        ("invoices", "issued_at", "10.01.2026", "a date or moment as ISO 8601 text"),
        ("invoices", "issued_at", 20260110, "a date or moment as ISO 8601 text"),
        ("invoices", "issued_at", "2026-02-30", "a date or moment as ISO 8601 text"),
        ("invoices", "issued_at", "0000-01-01", "a date or moment as ISO 8601 text"),
        # columns beyond the contract, of the source's kind
        ("invoices", "discount", "7%", "a finite number or a boolean"),
        ("invoices", "urgent", "yes", "a finite number or a boolean"),
        ("invoices", "shop", 4, "text of at most 2000 characters"),
        ("invoices", "new_one", {"a": 1}, "text, a finite number, a boolean or null"),
    ],
)
def test_a_field_of_the_wrong_kind_or_size_is_named(table, field, value, expected):
    assert (f"/{table}".replace("/", "/records/") + f"/0/{field}", expected) in faults(rows(table, **{field: value}))


@pytest.mark.parametrize(
    ("table", "changes"),
    [
        ("invoices", {"due_at": "2030-01-01", "currency": "CNH", "discount": 0.5, "shop": "北店", "urgent": True, "new_one": "x"}),
        ("events", {"severity": 5, "confidence": 0, "amount": -3}),
        ("contracts", {"due_on": "2031-01-01", "amount": -1}),
        ("statements", {"revenue": -5.5, "period_months": 1, "confidence": 1}),
        ("payments", {"invoice_id": None, "kind": None, "occurred_at": "2026-01-10T23:59:59"}),
        ("events", {"known_at": "2026-03-31T12:04:00", "occurred_at": "2026-03-31T12:03:00"}),
    ],
)
def test_what_fits_the_contract_passes(table, changes):
    assert faults(rows(table, **changes)) == []


def test_a_row_cannot_be_known_on_a_day_before_it_happened():
    assert faults(rows("events", known_at="2026-01-08T23:00:00", occurred_at="2026-01-09T01:00:00")) == [
        ("/records/events/0/known_at", "a day that is not before occurred_at")]
    assert faults(rows("events", known_at="2026-01-09", occurred_at="2026-01-09T23:00:00")) == []
    assert faults(rows("events", known_at="2026-01-09T01:00:00+08:00", occurred_at="2026-01-08T20:00:00")) == []


ODD = st.sampled_from([None, "", "x", "2026-01-10", "2026-01-09T23:59:59Z", "2026-07-01", "20260110", 0, 1, -1, 0.5, True, 10**400, 1.7e308, float("inf"),
                       float("nan"), "a\0b", "y" * 3000, "CNY", "cny", "C1", "C2", [], {}])


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(["invoices", "payments", "events", "statements", "customers", "contracts", "exposures"]), st.data())
def test_a_look_at_whole_columns_passes_nothing_that_a_look_at_each_row_does_not(table, data):
    (known,) = rows(table)[table]
    names = st.sampled_from([*TABLES[table].names, "beyond", "discount", "shop"])
    drawn = data.draw(st.lists(st.just(known) | st.dictionaries(names, ODD, max_size=2).map(lambda changes: known | changes) | st.just([]), max_size=4))
    check = RowCheck(TABLES[table], "C1", NOW, beyond=BEYOND.get(table, {}))
    found = [fault for row in drawn for fault in check.faults(row)]
    assert not (found and check.plainly_fit(drawn))
    assert check.plainly_fit([known, known])


def test_moments_are_read_as_utc_and_odd_ones_are_none():
    assert str(parse_moment("2026-01-09T01:00:00+08:00")) == "2026-01-08 17:00:00"
    assert [parse_moment(value) for value in ("2026", "x" * 5000, 7, None, ["2026-01-01"], "0001-01-01T00:00:00+14:00")] == [None] * 6


# --- bodies -------------------------------------------------------------------------------------------------------------------


NESTED = ('{"a":' * 60_000 + "1" + "}" * 60_000).encode()
BODIES = {
    "nothing": b"",
    "NaN": b'{"customer_id": "C1", "features": {"stmt_current_ratio": NaN}}',
    "infinity": b'{"customer_id": "C1", "features": {"stmt_current_ratio": 1e999}}',
    "nested lists": b"[" * 100_000,
    "nested objects": NESTED,
    "nested in a row": b'{"event_id": "e", "customer_id": "C1", "items": [' + b"[" * 50_000,
    "keys that are no text": b'{1: 2}',
    "half a character": b'{"customer_id": "\\ud800"}',
    "a comma too many": b'{"customer_id": "C1",}',
    "an integer of 5,000 digits": b'{"a": ' + b"9" * 5000 + b"}",
    "no JSON": b"customer_id=C1",
}


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_that_is_no_json_object_is_refused(client, path, body):
    answer = client.post(path, content=body)
    assert answer.status_code == 422
    assert "expected a JSON object" in answer.json()["detail"]


DEEP = json.loads("[" * 200 + "]" * 200)


@pytest.mark.parametrize(
    "body",
    [
        {"customer_id": "C1", "features": {"stmt_current_ratio": DEEP}},
        {"customer_id": "C1", "records": {"events": DEEP}},
        {"customer_id": DEEP, "records": {}},
        {"customer_id": "C1", "records": {}, "standing": DEEP},
        {"customer_id": "C1", "records": {}, "observation": {"x": DEEP}},
        {"customer_id": "C1", "records": {}, "languages": DEEP},
        {"customer_id": "C1", "records": {}, "as_of": DEEP},
        {"customer_id": "C1", "features": {"": 1}},
        {"customer_id": "C1", "features": {"stmt_current_ratio": 10**300 * 10**100}},
        {"customer_id": "C1", "records": {}, "requested_amount": 10**400},
        {"customer_id": "C1", "records": {}, "standing": {"exposure": 10**400}},
        {"customer_id": "C1", "records": {}, "standing": {"exposure": 1e300}},
        {"customer_id": "C1", "features": {"stmt_current_ratio": 1}, "requested_amount": 2**61},
    ],
)
def test_odd_values_are_refused_alone_in_a_batch_and_as_an_event(client, body):
    for path, sent in (("/v1/score", body), ("/v1/score/batch", {"items": [body]}), ("/v1/events", body | {"event_id": "e"})):
        answer = client.post(path, json=sent)
        assert answer.status_code == 422, (path, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"


def test_many_faults_are_counted_and_some_told(client):
    answer = client.post("/v1/score", json={"customer_id": "C1", "features": {f"x{place}": 1 for place in range(5_000)}}).json()
    assert answer["detail"].startswith("The request has 5000 wrong fields")
    assert len(answer["errors"]) == 200


# --- size ---------------------------------------------------------------------------------------------------------------------


def asked(app, path, parts):
    """(status, parts read) of a POST whose body would come in so many parts of 64 kB."""
    read, sent = [], []

    async def receive():
        read.append(1)
        return {"type": "http.request", "body": b" " * 65_536, "more_body": len(read) < parts}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "path": path, "raw_path": path.encode(), "root_path": "",
             "scheme": "http", "query_string": b"", "headers": [(b"host", b"127.0.0.1")], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "state": {}}
    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], len(read)


@pytest.mark.parametrize("path", ENDPOINTS)
def test_a_body_of_50_mb_is_not_read_on(client, path):
    status, read = asked(client.app, path, 50_000_000 // 65_536)
    assert status == 413
    assert (read - 1) * 65_536 <= MAX_BODY_BYTES


def connected(port):
    """A connection, tried until the port is open: the application says that it has started a moment before."""
    for _ in range(100):
        with suppress(ConnectionRefusedError):
            return socket.create_connection(("127.0.0.1", port), timeout=30)
        time.sleep(0.1)
    raise AssertionError("the port stayed closed")


def test_a_sender_of_50_mb_is_answered_before_it_is_done(tmp_path):
    published(tmp_path)
    with serving(tmp_path, workers=1) as (port, _), connected(port) as connection:
        connection.sendall(b"POST /v1/score HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 50000000\r\n\r\n")
        connection.settimeout(20)
        sent, answer = 0, b""
        # A connection that the service closed is as good an answer: nobody reads on.
        with suppress(OSError):
            while sent < 50_000_000:
                sent += connection.send(b" " * 65_536)
        with suppress(OSError):
            answer = connection.recv(65_536)
        assert sent < 50_000_000 or answer.startswith(b"HTTP/1.1 413")
        # It goes on answering others.
        with connected(port) as other:
            other.sendall(b"GET /live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert other.recv(65_536).startswith(b"HTTP/1.1 200")


def test_a_batch_of_the_largest_size_still_fits(client):
    # Room for a thousand rows of a hundred columns, as the limits promise together.
    row = dict.fromkeys(bundle().names, 0.123456789012345)
    assert 1000 * 100 * len(json.dumps(row)) / len(row) < MAX_BODY_BYTES


@pytest.mark.parametrize("path", ["/v1/customers/%00", "/v1/alerts?customer_id=%00", "/v1/reviews/%00"])
def test_a_name_that_no_database_can_hold_is_nobodys(client, path):
    assert client.get(path).status_code in (404, 422)


def test_the_first_day_of_all_time_is_no_moment(client):
    body = {"customer_id": "C1", "records": {"invoices": [{"invoice_id": "I", "known_at": "2026-01-01", "issued_at": "0001-01-01", "amount": 5}]}}
    answer = client.post("/v1/score", json=body)
    assert answer.status_code == 422
    assert any(each["pointer"].endswith("/issued_at") for each in answer.json()["errors"])
