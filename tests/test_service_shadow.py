"""The service's shadow: what it says beside the answers, and that no answer waits for it or fails with it."""

import json
import shutil
import threading
import time

import msgspec
import pytest
from serving_world import NAMES, NOW, SOURCE, bundle, features_of, local_client, point_to, published, records, transaction

from models.bundle import make_bundle, save_bundle
from models.scoring import encode_rows, score
from serving import shadow as module
from serving.app import create_app
from serving.settings import Settings
from serving.shadow import pointer_of
from serving.store import Store
from serving.trials import Trials

RIVAL = {use_case: bundle(use_case, seed=1) for use_case in ("default", "fraud")}


@pytest.fixture
def var(tmp_path):
    for use_case in ("default", "fraud"):
        published(tmp_path, use_case=use_case)
        try_out(tmp_path, RIVAL[use_case], use_case)
    return tmp_path


@pytest.fixture
def client(var):
    app = create_app(Settings(SOURCE, ("default", "fraud"), var, var / "risk.db"), clock=lambda: NOW)
    with local_client(app) as opened:
        yield opened


def try_out(var, made, use_case="default"):
    save_bundle(made, var / "bundles" / made.hash)
    path = pointer_of(var, SOURCE, use_case)
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"bundle": made.hash}))


def ask(client, **body):
    answer = client.post("/v1/score", json={"customer_id": "C1", "records": records()} | body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def counted(client, outcome, use_case="default"):
    """How many decisions ended so, by the service's own figures."""
    line = f'risk_shadow_total{{outcome="{outcome}",use_case="{use_case}"}} '
    found = [each for each in client.get("/metrics").text.splitlines() if each.startswith(line)]
    return float(found[0].removeprefix(line)) if found else 0


def wait_for(client, outcome, count, use_case="default"):
    deadline = time.monotonic() + 20
    while counted(client, outcome, use_case) < count:
        assert time.monotonic() < deadline, client.get("/metrics").text
        time.sleep(0.02)


def said(var, made, use_case="default"):
    with Store(var / "risk.db").open() as store:
        return Trials(store, source=SOURCE, use_case=use_case).scores(made.hash)


def test_what_it_says_is_what_the_bundle_says_of_the_same_features(client, var):
    answer = ask(client, requested_amount=1_000_000)
    wait_for(client, "scored", 1)
    found, values = said(var, RIVAL["default"]), features_of(records())
    expected = score(RIVAL["default"], encode_rows([[values[name] for name in NAMES["default"]]], RIVAL["default"]))
    assert found["shadow_probability"] == expected.probability.tolist()
    assert found["shadow_grade"] == expected.grade_names().tolist()
    assert (found["champion_probability"], found["champion_grade"], found["champion_action"]) == ([answer["probability"]], [answer["grade"]],
                                                                                                 [answer["decision"]["action"]])


def test_transactions_are_tried_too(client, var):
    answer = ask(client, use_case="fraud", transaction=transaction())
    wait_for(client, "scored", 1, "fraud")
    found = said(var, RIVAL["fraud"], "fraud")
    assert (found["champion_action"], len(found["shadow_action"])) == ([answer["decision"]["action"]], 1)
    assert said(var, RIVAL["default"])["shadow_action"] == []


def test_a_batch_is_tried_whole_and_a_repeated_request_once(client, var):
    rows = [{"customer_id": f"C{number}", "features": features_of(records())} for number in range(30)]
    assert client.post("/v1/score/batch", json={"items": rows}).status_code == 200
    for _ in range(2):
        client.post("/v1/score", json={"customer_id": "C1", "records": records()}, headers={"Idempotency-Key": '"one"'})
    wait_for(client, "scored", 1)
    time.sleep(0.2)
    with Store(var / "risk.db").open() as store:
        assert len(said(var, RIVAL["default"])["shadow_grade"]) == len(store.history(limit=1000))


def test_an_answer_does_not_wait_for_it_and_what_does_not_fit_is_dropped(client, var, monkeypatch):
    ask(client)
    wait_for(client, "scored", 1)
    go = threading.Event()
    real = module.said_of
    monkeypatch.setattr(module, "said_of", lambda *arguments: go.wait(20) and real(*arguments))
    client.app.state.service.shadow._waiting.maxsize = 3
    started = time.monotonic()
    for _ in range(8):
        ask(client)
    assert time.monotonic() - started < 15
    # One is being scored, three wait, unless the first took more with it.
    assert 1 <= counted(client, "dropped") <= 4
    dropped = counted(client, "dropped")
    go.set()
    wait_for(client, "scored", 9 - dropped)


def test_a_bundle_that_cannot_be_loaded_fails_no_answer(client, var):
    (var / "bundles" / RIVAL["default"].hash / "booster.txt").write_text("damaged")
    ask(client)
    wait_for(client, "failed", 1)
    save_bundle(RIVAL["default"], var / "bundles" / RIVAL["default"].hash)
    ask(client)
    wait_for(client, "scored", 1)


def test_a_bundle_with_a_column_that_answers_do_not_have_is_counted(client, var):
    rival = RIVAL["default"]
    columns = tuple(msgspec.structs.replace(column, name="stmt_unheard_of") if place == 0 else column for place, column in enumerate(rival.manifest.columns))
    try_out(var, make_bundle(rival.booster_text, msgspec.structs.replace(rival.manifest, columns=columns)))
    ask(client)
    wait_for(client, "lacking", 1)


def test_it_follows_its_pointer_without_stopping(client, var):
    path = pointer_of(var, SOURCE, "default")
    path.write_text(json.dumps({"bundle": None}))
    ask(client)
    path.write_text("{")
    ask(client)
    path.unlink()
    ask(client)
    try_out(var, RIVAL["default"])
    ask(client)
    wait_for(client, "scored", 1)
    assert len(said(var, RIVAL["default"])["shadow_grade"]) == 1


def test_once_it_is_champion_nothing_is_tried(client, var):
    point_to(var, RIVAL["default"].hash)
    ask(client)
    time.sleep(0.2)
    assert sum(counted(client, outcome) for outcome in ("scored", "dropped", "lacking", "failed")) == 0


def test_no_thread_runs_without_a_trial(tmp_path):
    published(tmp_path)
    app = create_app(Settings(SOURCE, ("default",), tmp_path, tmp_path / "risk.db"), clock=lambda: NOW)
    with local_client(app) as client:
        ask(client)
        assert app.state.service.shadow._thread is None
    shutil.rmtree(tmp_path / "bundles")
