"""Notifications: signed as the specification's own example, written whole, sent once under one id, and never a reason to fail."""

import base64
import json
import threading
import time
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from standardwebhooks import Webhook

from features.errors import RiskError
from pipeline import notify
from pipeline.notes import missed_note, run_note, step_note
from pipeline.notify import deliver
from pipeline.params import CycleParams
from pipeline.webhook import SECRET, URL, Unsent, headers, receiver, send
from serving.cycles import FINISHED, Cycles
from serving.outbox import Outbox
from serving.store import Store

KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + base64.b64encode(b"another secret of enough bytes").decode()
RULES = CycleParams(period="month", on_faulty_feed="keep_last", languages=["en", "zh"], webhook_timeout_seconds=1, webhook_patience_seconds=0,
                    webhook_give_up_hours=72)
NOON = datetime(2026, 3, 31, 12)


class Listener:
    """An HTTP receiver that keeps what it got and answers the next of the given status codes, 204 when there are none left."""

    def __init__(self, *answers, wait=0.0):
        self.got, self.answers = [], list(answers)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                time.sleep(wait)
                self.send_response(outer.answers.pop(0) if outer.answers else 204)
                self.send_header("location", "http://127.0.0.1:9/elsewhere")
                self.end_headers()

            def log_message(self, *_arguments):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook?token=t0ken"

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def listen(monkeypatch):
    opened = []

    def begin(*answers, **options):
        opened.append(Listener(*answers, **options))
        monkeypatch.setenv(URL, opened[-1].url)
        monkeypatch.setenv(SECRET, KEY)
        return opened[-1]

    yield begin
    for each in opened:
        each.close()


@pytest.fixture
def store(tmp_path, clock, monkeypatch):
    monkeypatch.setattr(notify, "FOLDER", tmp_path / "notifications")
    monkeypatch.delenv(URL, raising=False)
    with Store(tmp_path / "risk.db", clock=clock).open() as opened:
        yield opened


def tell(store, *, key="2026-03", to_send=True):
    cycles = Cycles(store, source="simulated", to_send=to_send)
    run = cycles.begin(period="month", key=key, as_of=date(2026, 3, 31), host="night", pid=1)
    note = run_note(["en", "zh"], source="simulated", run=run, key=key, outcome=FINISHED, results=[], sentence="All is well.", now=store.now())
    cycles.end(run, FINISHED, "All is well.", note=note)
    return note["id"]


def test_the_specification_s_own_example_is_signed_as_it_says():
    found = headers("msg_p5jXN8AQM9LWM0D4loKWxJek", '{"test": 2432232314}', receiver({URL: "http://x", SECRET: KEY}).signers,
                    moment=datetime.fromtimestamp(1614265330, UTC))
    assert found == {"webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp": "1614265330",
                     "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="}


def test_while_a_secret_is_changed_either_verifies(listen, monkeypatch):
    there = listen()
    monkeypatch.setenv(SECRET, f"{KEY} {OTHER}")
    send(receiver(), "msg_1", '{"text": "完成"}', seconds=5)
    (given, body), = there.got
    for secret in (KEY, OTHER):
        assert Webhook(secret).verify(body, given) == {"text": "完成"}


@pytest.mark.parametrize(("env", "message"), [
    ({URL: "http://x"}, f"{URL} is set and {SECRET} is not: nothing is sent unsigned"),
    ({URL: "ftp://x", SECRET: KEY}, "is no http or https address"),
    ({URL: "http://x", SECRET: "whsec_§§§hidden"}, f"{SECRET} is not whsec_ and base64"),
])
def test_a_wrong_setting_is_named_without_its_secret(env, message):
    with pytest.raises(RiskError, match=message) as caught:
        receiver(env)
    assert "hidden" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_without_an_address_there_is_no_receiver():
    assert receiver({}) is receiver({URL: " ", SECRET: KEY}) is None


@pytest.mark.parametrize(("answer", "why", "final"), [(500, "answered 500", False), (307, "answered 307", False), (410, "answered 410", True)])
def test_any_answer_but_success_leaves_it_unsent(listen, answer, why, final):
    there = listen(answer)
    with pytest.raises(Unsent, match=why) as caught:
        send(receiver(), "msg_1", "{}", seconds=5)
    assert (caught.value.final, len(there.got)) == (final, 1)


def test_a_receiver_that_does_not_answer_is_left_in_time(listen):
    listen(wait=3)
    begun = time.monotonic()
    with pytest.raises(Unsent):
        send(receiver(), "msg_1", "{}", seconds=0.3)
    assert time.monotonic() - begun < 2


def test_a_receiver_that_is_not_there_is_said_without_its_address(listen):
    there = listen()
    there.close()
    with pytest.raises(Unsent) as caught:
        send(receiver(), "msg_1", "{}", seconds=5)
    assert "t0ken" not in str(caught.value)


def test_a_note_is_written_whole_and_once(store, tmp_path):
    note = tell(store, to_send=False)
    assert deliver(store, RULES) == f"notifications: 1 written to {tmp_path}/notifications; no webhook is set."
    assert "0 written" in deliver(store, RULES)
    (path,) = (tmp_path / "notifications").iterdir()
    assert path.name == f"20260331T120000-cycle.finished-{note}.json"
    written = json.loads(path.read_text(encoding="utf-8"))
    assert (written["type"], written["timestamp"]) == ("cycle.finished", "2026-03-31T12:00:00+00:00")
    assert written["data"]["text"] == {"en": "Customer Risk, simulated, 2026-03: the cycle is finished. All is well.",
                                       "zh": "客户风险，simulated，2026-03：本期任务已完成。All is well."}


def test_a_note_is_sent_once_as_it_was_written(store, listen, tmp_path):
    there, note = listen(), tell(store)
    assert deliver(store, RULES).endswith("1 sent to 127.0.0.1.")
    assert deliver(store, RULES).endswith("0 sent to 127.0.0.1.")
    (given, body), = there.got
    assert given["webhook-id"] == note
    assert Webhook(KEY).verify(body, given) == json.loads(next((tmp_path / "notifications").iterdir()).read_text(encoding="utf-8"))


def test_what_was_not_taken_is_sent_later_under_the_same_id(store, listen, clock):
    there, note = listen(503), tell(store)
    assert deliver(store, RULES).endswith("0 sent to 127.0.0.1; 1 wait for the next attempt (the receiver answered 503).")
    assert deliver(store, RULES).endswith("1 wait for the next attempt (not yet due).")
    clock.forward(1)
    assert deliver(store, RULES).endswith("1 sent to 127.0.0.1.")
    assert [given["webhook-id"] for given, _ in there.got] == [note, note]


def test_a_process_killed_after_sending_sends_again_under_the_same_id(store, listen, monkeypatch):
    there, note = listen(), tell(store)
    monkeypatch.setattr(Outbox, "sent", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        deliver(store, RULES)
    monkeypatch.undo()
    monkeypatch.setenv(URL, there.url)
    monkeypatch.setenv(SECRET, KEY)
    deliver(store, RULES)
    assert [given["webhook-id"] for given, _ in there.got] == [note, note]


def test_a_receiver_that_never_answers_is_given_up(store, listen, clock):
    listen(*[500] * 5)
    tell(store)
    deliver(store, RULES)
    clock.forward(4)
    assert "the last was given up (the receiver answered 500)" in deliver(store, RULES)
    assert Outbox(store).waiting() == 0


def test_a_receiver_that_is_gone_for_good_is_not_asked_again(store, listen, clock):
    there = listen(410)
    tell(store)
    deliver(store, RULES)
    clock.forward(1)
    deliver(store, RULES)
    assert len(there.got) == 1


def test_a_missing_secret_is_said_and_the_file_written(store, listen, monkeypatch):
    listen()
    tell(store)
    monkeypatch.delenv(SECRET)
    assert "1 written" in (said := deliver(store, RULES))
    assert "nothing is sent unsigned" in said


@pytest.mark.parametrize("outcome", ["promoted", "kept", "faulty", "impossible", "waiting", "pending"])
def test_what_concerns_the_model_or_the_data_has_words_of_its_own(outcome):
    note = step_note(["en", "zh"], source="s", identity=(1,), use_case="default", outcome=outcome, sentence="Said so.", now=NOON)
    assert note["body"]["data"]["text"]["en"].endswith(". Said so.")
    assert note["body"]["data"]["text"]["zh"] != note["body"]["data"]["text"]["en"]
    assert step_note(["en"], source="s", identity=(1,), use_case=None, outcome="done", sentence="", now=NOON) is None


def test_the_same_missed_periods_are_told_once():
    first, again, more = (missed_note(["en"], source="s", period="day", keys=keys, now=NOON) for keys in (["a", "b"], ["a", "b"], ["a", "c"]))
    assert first["id"] == again["id"] != more["id"]
    assert first["body"]["data"]["text"]["en"] == "Customer Risk, s: 2 without a finished cycle, from a to b."
    assert missed_note(["en"], source="s", period="day", keys=[], now=NOON) is None
