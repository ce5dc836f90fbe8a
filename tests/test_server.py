"""`risk serve` as a process of its own: several workers, a graceful stop, logs as JSON lines, and what it needs installed."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import serving_world as world

from serving.logs import JsonLines
from serving.server import _reserved
from serving.settings import Settings

ROOT = Path(__file__).parent.parent
# What the serving extra does not bring; a service that imported one of them would not start where only that is installed.
BLOCKED = ("mlflow", "shap", "evidently", "dvc", "pandas", "pyarrow", "duckdb", "sklearn", "jinja2")
SERVE = f"""
import sys
sys.modules.update(dict.fromkeys({BLOCKED}))
from pipeline.cli import main
main(["serve", *sys.argv[1:]])
"""
QUESTION = json.dumps({"customer_id": "C1", "features": {"stmt_current_ratio": 1.0}}).encode()


@contextmanager
def serving(var, *, workers):
    """(port, process) of a service over `var` whose workers have all started; its log is var/log."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CUSTOMER_RISK_VAR": str(var)}
    with open(var / "log", "wb") as log:
        process = subprocess.Popen([sys.executable, "-c", SERVE, "--port", str(port), "--workers", str(workers)], env=environment, stdout=log, stderr=log,
                                   start_new_session=True)
    try:
        _wait_until_ready(workers, process, var / "log")
        yield port, process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_until_ready(workers, process, log):
    """Until every worker said that it started: the first one would answer while another still loads."""
    for _ in range(600):
        assert process.poll() is None, log.read_text()
        if log.read_text().count("Application startup complete.") == workers:
            return
        time.sleep(0.1)
    raise AssertionError(log.read_text())


def begun(port, body):
    """A connection on which a question was sent but for its last byte."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=20)
    head = f"POST /v1/score HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body[:-1])
    return connection


def received(connection):
    """All that comes until the other side closes, which a service that stops does after its answer."""
    parts = []
    while part := connection.recv(1 << 20):
        parts.append(part)
    return b"".join(parts)


@pytest.mark.parametrize("workers", [1, 2])
def test_what_is_being_asked_when_the_service_is_told_to_stop_is_still_answered_and_recorded(tmp_path, workers):
    world.published(tmp_path)
    with serving(tmp_path, workers=workers) as (port, process):
        asked = [begun(port, QUESTION) for _ in range(4)]
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        for connection in asked:
            connection.sendall(QUESTION[-1:])
        answers = [received(connection) for connection in asked]
        assert process.wait(timeout=30) in (0, -signal.SIGTERM)
    assert [answer.split(b"\r\n")[0] for answer in answers] == [b"HTTP/1.1 200 OK"] * 4
    ids = {json.loads(answer.split(b"\r\n\r\n", 1)[1])["decision_id"] for answer in answers}
    assert ids == {decision.id for decision in _recorded(tmp_path)}
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    told = [line for line in lines if line["logger"] == "risk.requests"]
    assert {line["decision_id"] for line in told} == ids
    assert all((line["route"], line["status"], line["decisions"]) == ("/v1/score", 200, 1) and line["ms"] > 0 for line in told)
    assert "C1" not in (tmp_path / "log").read_text()


def _recorded(var):
    from serving.store import Store

    with Store(var / "risk.db") as store:
        assert store.verify() == []
        return store.history()


def test_every_line_of_the_log_is_json_and_several_workers_say_that_they_started(tmp_path):
    world.published(tmp_path)
    with serving(tmp_path, workers=2) as (_, process):
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert all({"time", "level", "logger", "message"} <= set(line) for line in lines)
    assert sum(line["message"] == "Application startup complete." for line in lines) == 2


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_port_that_another_service_has_ends_with_a_sentence(tmp_path, workers):
    world.published(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CUSTOMER_RISK_VAR": str(tmp_path)}
    with _reserved("127.0.0.1", 0) as kept:
        port = str(kept.getsockname()[1])
        done = subprocess.run([sys.executable, "-c", SERVE, "--port", port, "--workers", workers], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (f"error: 127.0.0.1:{port} cannot be served on (Address already in use); end what uses it, or name another with --host and --port.\n")


def test_a_service_without_a_publication_ends_with_a_sentence(tmp_path):
    done = subprocess.run([sys.executable, "-c", SERVE], env={**os.environ, "PYTHONPATH": str(ROOT), "CUSTOMER_RISK_VAR": str(tmp_path)}, capture_output=True,
                          text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == f"error: Nothing is published under {tmp_path / 'published'}; run `risk publish`.\n"


def test_the_environment_of_settings_gives_the_same_settings_again(tmp_path):
    world.published(tmp_path)
    settings = Settings.from_environment(var=tmp_path, database=tmp_path / "other.db", env={})
    again = Settings.from_environment(env=settings.to_environment())
    assert again == Settings(settings.source, settings.use_cases, tmp_path, str(tmp_path / "other.db"))


def test_a_traceback_and_a_broken_line_stay_within_one_line():
    import logging

    try:
        raise ValueError("first\nsecond")
    except ValueError:
        record = logging.LogRecord("risk.serving", logging.ERROR, __file__, 1, "a sentence\nof %s", ("two",), sys.exc_info())
    record.about = {"decision_id": "d1"}
    text = JsonLines().format(record)
    assert "\n" not in text
    line = json.loads(text)
    assert (line["message"], line["decision_id"], line["level"]) == ("a sentence\nof two", "d1", "error")
    assert line["trace"].endswith("ValueError: first\nsecond")
