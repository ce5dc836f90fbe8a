"""What nobody would send on purpose: requests drawn from the OpenAPI document and bodies bent out of shape. Never a 5xx, never a hang, nothing recorded."""

import json
import time

import pytest
import schemathesis
import serving_world as world
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from serving.app import create_app
from serving.keys import SCOPES, Keys
from serving.limits import Limits
from serving.settings import Settings

pytestmark = pytest.mark.slow
CALM = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
# A request takes milliseconds; a busy machine may take a hundred times as long, and what hangs takes for ever.
SECONDS = 10
RECORDS = ("customers", "statements", "invoices", "payments", "transactions", "contracts", "events", "exposures")


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    """An application over a small published world of both use cases."""
    var = tmp_path_factory.mktemp("fuzz")
    for case in ("default", "fraud"):
        world.published(var, use_case=case)
    limits = Limits(requests_per_second=10**6, burst=10**6)
    return create_app(Settings(world.SOURCE, ("default", "fraud"), var, var / "risk.db", limits), clock=lambda: world.NOW)


@pytest.fixture(scope="module")
def token(app):
    """A key that opens everything: requests drawn from the document do not come from this machine."""
    return Keys(app.state.service.ledger()).add("fuzz", list(SCOPES))[1]


@pytest.fixture(scope="module")
def client(app, token):
    with world.local_client(app, headers={"Authorization": f"Bearer {token}"}) as found:
        yield found


# Every answer is as the document says: never a 5xx but the refusals that it lists, a documented status, its content type and its schema.
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
MODES = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]


@pytest.mark.parametrize("mode", MODES, ids=["as described", "as not described"])
def test_requests_drawn_from_the_document_are_answered_as_it_says(app, token, mode):
    document = schemathesis.openapi.from_asgi("/openapi.json", app)
    operations = [found.ok() for found in document.get_all_operations()]
    assert len(operations) >= 6
    for operation in operations:
        _drawn(operation, mode, {"Authorization": f"Bearer {token}"})


def _drawn(operation, mode, headers):
    try:
        strategy = operation.as_strategy(generation_mode=mode)
    except schemathesis.errors.SchemathesisError:
        return

    @CALM
    @given(case=strategy)
    def asked(case):
        begun = time.monotonic()
        answer = case.call(headers=headers)
        assert time.monotonic() - begun < SECONDS
        case.validate_response(answer, checks=CHECKS)

    try:
        asked()
    except Unsatisfiable:
        # Nothing of an operation without parameters can be other than described.
        assert mode is schemathesis.GenerationMode.NEGATIVE


# Bodies: a right one with a part replaced, dropped or repeated, and what JSON can say at all.

scalars = st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=40),
                    st.sampled_from(["NaN", "2026-13-45", "1e999", "９９", "\x00", "-0", "2999-01-01", "0001-01-01T00:00:00+23:59"]))
anything = st.recursive(scalars, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=12), inner, max_size=4)), max_leaves=20)


def places(value, path=()):
    """Every path into a JSON value."""
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from places(child, (*path, key))


def changed(value, path, new):
    """The value with the part at a path replaced."""
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(copy[path[0]], path[1:], new)
    return copy


RIGHT = {"customer_id": "C1", "requested_amount": 100, "as_of": "2026-03-31T12:00:00", "purpose": "review", "records": world.records()}
RIGHT_FEATURES = {"customer_id": "C1", "features": {"stmt_current_ratio": 1.0, "bg_industry": "纺织"}, "standing": {"exposure": 1, "capacity": None}}


@CALM
@given(data=st.data())
def test_a_right_body_with_one_part_bent_is_answered_or_refused_in_words(client, data):
    right = data.draw(st.sampled_from([RIGHT, RIGHT_FEATURES]))
    path = data.draw(st.sampled_from(list(places(right))))
    answered(client, json.dumps(changed(right, path, data.draw(anything))).encode())


@CALM
@given(body=st.one_of(st.binary(max_size=300), anything.map(lambda value: json.dumps(value).encode())))
def test_any_bytes_are_answered_or_refused_in_words(client, body):
    answered(client, body)


@pytest.mark.parametrize("body", [b"[" * 200_000, b'{"a":' * 100_000, b'{"customer_id":"' + b"x" * 4_000_000 + b'"}', b'{"customer_id": 1e400}', b"\xff\xfe{}",
                                  b'{"customer_id":"C1","customer_id":"C2","features":{}}', b'{"features":{"a":' + b"9" * 100_000 + b"}}"],
                         ids=["deep lists", "deep objects", "long text", "endless number", "utf-16 mark", "a key twice", "many digits"])
def test_what_is_deep_long_or_double_is_refused_in_words(client, body):
    assert answered(client, body) in (413, 422)


def answered(client, body):
    """The status of a body sent to be scored: 200, or 4xx with a problem that has words; within SECONDS."""
    begun = time.monotonic()
    answer = client.post("/v1/score", content=body, headers={"Content-Type": "application/json"})
    assert time.monotonic() - begun < SECONDS
    assert answer.status_code == 200 or 400 <= answer.status_code < 500, (answer.status_code, answer.text[:300])
    if answer.status_code != 200:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"]
    return answer.status_code


def test_nothing_refused_was_recorded(client, app):
    ledger = app.state.service.ledger()
    before = ledger.history(limit=1)
    for body in (b"{}", b"[]", b'{"customer_id":"C1","features":{"nobody":1}}'):
        assert answered(client, body) == 422
    assert ledger.history(limit=1) == before
    assert ledger.verify() == []
