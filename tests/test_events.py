"""Events of known customers over HTTP: stored once, seen at once, told when they cross a threshold, erased with their customer."""

import pathlib
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest
import sqlalchemy as sa
from serving_world import BOOK_AS_OF, NOW, SOURCE, features_of, invoice, local_client, published, records

from models.alerts import Crossing, crossings, grade_place
from models.life_cycle import parse_life_cycle
from serving.app import create_app
from serving.incoming import Incoming, in_utc, merged
from serving.life_cycle import LifeCycleLedger, Move
from serving.published import BookRow
from serving.settings import Settings
from serving.store import Store

TEXT = (pathlib.Path(__file__).parent.parent / "life_cycle.yaml").read_text(encoding="utf-8")
RULES = parse_life_cycle(TEXT)
# A customer without a lawsuit or an overdue invoice, in the book as such.
CALM = records(events=[], invoices=[invoice("I1", "2026-01-05", "2026-01-20")], payments=[])
PAID = {"payment_id": "P1", "known_at": "2026-01-21", "invoice_id": "I1", "occurred_at": "2026-01-20", "amount": 10_000, "kind": "payment"}
CALM |= {"payments": [PAID]}


@pytest.fixture
def client(tmp_path):
    publish(tmp_path)
    with client_of(tmp_path) as opened:
        yield opened


def publish(var, tables=CALM, **score):
    row = BookRow("C1", features_of(tables), {"as_of": BOOK_AS_OF, "grade": "E", "pd_12m": 0.9} | score, tables)
    return published(var, rows=[row], text=TEXT)


def client_of(var, *, database=None, now=NOW):
    app = create_app(Settings(SOURCE, ("default",), var, database or var / "risk.db"), clock=lambda: now)
    return local_client(app)


def tell(client, event_id="e1", customer_id="C1", **tables):
    return client.post("/v1/events", json={"event_id": event_id, "customer_id": customer_id, "records": tables})


def lawsuit(number=1, **changes):
    return {"event_id": f"L{number}", "occurred_at": "2026-03-30", "kind": "lawsuit", "amount": 5_000} | changes


def ledger(var):
    with Store(var / "risk.db").open() as store:
        return store.history(limit=1000)


# --- stored and seen ----------------------------------------------------------------------------------------------------------


def test_an_event_is_scored_with_the_book_and_recorded(client, tmp_path):
    answer = tell(client, invoices=[invoice("I7", "2026-02-01", "2026-03-01", amount=900)])
    assert answer.status_code == 201
    body, whole = answer.json(), CALM | {"invoices": [*CALM["invoices"], invoice("I7", "2026-02-01", "2026-03-01", amount=900)]}
    expected = client.post("/v1/score", json={"customer_id": "C1", "records": whole}).json()
    same = [name for name in expected if name not in ("decision_id", "made_at")]
    assert {name: body[name] for name in same} == {name: expected[name] for name in same}
    recorded = ledger(tmp_path)[1]
    assert (recorded.id, recorded.payload["request"]["purpose"], recorded.payload["request"]["event_id"]) == (body["decision_id"], "event", "e1")
    assert recorded.payload["request"]["records"]["invoices"][1]["invoice_id"] == "I7"


def test_a_known_customer_is_looked_up_with_its_events(client):
    before = client.get("/v1/customers/C1").json()
    told = tell(client, events=[lawsuit()]).json()
    after = client.get("/v1/customers/C1").json()
    (batched,) = client.post("/v1/score/batch", json={"items": [{"customer_id": "C1"}]}).json()["answers"]
    assert before["as_of"] == BOOK_AS_OF
    for seen in (after, batched):
        assert [seen[name] for name in ("as_of", "raw_score", "reasons", "decision")] == [told[name] for name in ("as_of", "raw_score", "reasons", "decision")]
    assert after["raw_score"] != before["raw_score"]


def test_events_add_up(client):
    first = tell(client, "e1", events=[lawsuit(1)]).json()
    second = tell(client, "e2", events=[lawsuit(2)]).json()
    both = client.post("/v1/score", json={"customer_id": "C1", "records": CALM | {"events": [lawsuit(n, known_at="2026-03-31") for n in (1, 2)]}}).json()
    assert second["raw_score"] == both["raw_score"]
    assert second["freshness"]["events"] == first["freshness"]["events"] == "2026-03-31T12:00:00"


def test_an_event_sent_twice_is_one(client, tmp_path):
    first = tell(client, events=[lawsuit()])
    with client_of(tmp_path, now=NOW + timedelta(hours=1)) as later:
        again = tell(later, events=[lawsuit()])
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert len(ledger(tmp_path)) == 1
    other = tell(client, events=[lawsuit(amount=6_000)])
    assert (other.status_code, other.json()["detail"]) == (409, "The event 'e1' is stored with other content; give a new event an id of its own.")


def test_what_the_book_holds_by_now_counts_once(client, tmp_path):
    told = tell(client, events=[lawsuit(known_at="2026-03-30T08:00:00+08:00")]).json()
    publish(tmp_path, CALM | {"events": [lawsuit(known_at="2026-03-30 00:00:00")]})
    after = client.get("/v1/customers/C1").json()
    assert (after["as_of"], after["made_at"][:10]) == (BOOK_AS_OF, "2026-03-31")
    again = tell(client, "e2", invoices=[invoice("I9", "2026-03-30", "2026-04-30", amount=1)]).json()
    assert {value["value"] for reason in again["reasons"] for value in reason["values"] if value["name"] == "evt_lawsuit_count_365d"} <= {1.0}
    assert told["as_of"] == "2026-03-31T12:00:00"


def test_the_first_row_of_a_key_holds_as_in_the_ingest():
    class One:
        records = {"invoices": [invoice("I1", "2026-01-05", "2026-01-20", amount=7), invoice("I2", "2026-01-05", "2026-01-20", amount=8)]}

    assert [row["amount"] for row in merged(CALM, [One])["invoices"]] == [10_000, 8]
    assert merged({"invoices": One.records["invoices"]}, [One]) is None


def test_moments_of_any_zone_stand_in_one_column():
    rows = in_utc({"events": [lawsuit(occurred_at="2026-03-30T08:00:00+08:00", known_at="2026-03-31", note="2026-03-31")]})["events"]
    assert (rows[0]["occurred_at"], rows[0]["known_at"], rows[0]["note"]) == ("2026-03-30T00:00:00", "2026-03-31T00:00:00", "2026-03-31")


def test_a_sender_whose_clock_is_a_little_ahead_is_heard(client):
    answer = tell(client, events=[lawsuit(known_at="2026-03-31T12:02:00.5")]).json()
    assert (answer["as_of"], answer["freshness"]["events"]) == ("2026-03-31T12:02:01", "2026-03-31T12:02:00.500000")


def test_events_of_one_customer_at_once_are_all_counted(client, tmp_path):
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda number: tell(client, f"e{number}", events=[lawsuit(number)]), range(6)))
    assert {answer.status_code for answer in answers} == {201}
    counted = [len(each.payload["request"]["records"]["events"]) for each in ledger(tmp_path)]
    assert counted == [6, 5, 4, 3, 2, 1]
    with Store(tmp_path / "risk.db") as store:
        assert store.verify() == []


def test_both_databases_keep_events_and_alerts(url, tmp_path):
    publish(tmp_path)
    with client_of(tmp_path, database=url) as client:
        assert tell(client, events=[lawsuit()]).status_code == 201
        assert tell(client, events=[lawsuit()]).status_code == 200
        assert [each["kind"] for each in client.get("/v1/alerts").json()["alerts"]] == ["lawsuit"]
        assert client.app.state.service.ledger().verify() == []


# --- alerts -------------------------------------------------------------------------------------------------------------------


def test_a_threshold_that_an_event_crosses_is_told_once(client, tmp_path):
    first = tell(client, "e1", events=[lawsuit()]).json()
    (alert,) = first["alerts"]
    assert {name: alert[name] for name in ("kind", "level", "owner", "fact", "before", "after", "threshold")} == {
        "kind": "lawsuit", "level": "watch", "owner": "legal", "fact": "lawsuits", "before": 0.0, "after": 1.0, "threshold": 1.0}
    assert alert["words"]["en"] == "Lawsuits of the last 90 days: 1, before 0. The threshold is 1 and calls for the state: watch-list."
    assert (alert["decision_id"], alert["rules"]) == (first["decision_id"], RULES.hash)
    second, third = (tell(client, f"e{number}", events=[lawsuit(number)]).json()["alerts"] for number in (2, 3))
    assert "lawsuit" not in [each["kind"] for each in second]
    assert ("lawsuit", "restrict") in [(each["kind"], each["level"]) for each in third]


def test_a_score_that_is_worse_than_the_published_one_is_told(tmp_path):
    publish(tmp_path, grade="A", pd_12m=0.0001)
    late = [invoice(f"I{n}", "2026-01-02", "2026-01-10") for n in (3, 4)]
    paid = [PAID | {"payment_id": f"P{n}", "invoice_id": f"I{n}", "occurred_at": "2026-03-30", "known_at": "2026-03-30"} for n in (3, 4)]
    rules = RULES.spec.alerts
    with client_of(tmp_path) as client:
        before = client.post("/v1/score", json={"customer_id": "C1", "records": CALM}).json()
        publish(tmp_path, grade=before["grade"], pd_12m=before["probability"])
        told = tell(client, invoices=late, payments=paid).json()
    found = {each["kind"]: each for each in told["alerts"]}
    assert (grade_place(told["grade"]) - grade_place(before["grade"]) >= rules.grades_worse) == ("grade_worse" in found)
    assert (told["probability"] >= rules.pd_times * before["probability"]) == ("pd_jump" in found)
    assert "grade_worse" in found
    assert found["grade_worse"]["words"]["zh"].startswith(f"评级：{told['grade'][0]}，此前为{before['grade'][0]}。达到")


def facts(**changes):
    return {"pd_12m": 0.01, "grade": 2.0, "lawsuits": 0.0, "pd_rise": float("nan")} | changes


BOOK = {"grade": 2.0, "pd_12m": 0.01}


@pytest.mark.parametrize(
    ("before", "after", "published", "expected"),
    [
        (facts(), facts(), BOOK, []),
        (facts(), facts(lawsuits=1.0), BOOK, [("lawsuit", "watch", 0.0, 1.0, 1.0)]),
        (facts(), facts(lawsuits=3.0), BOOK, [("lawsuit", "restrict", 0.0, 3.0, 3.0)]),
        (facts(lawsuits=1.0), facts(lawsuits=2.0), BOOK, []),
        (facts(lawsuits=float("nan")), facts(lawsuits=1.0), BOOK, [("lawsuit", "watch", None, 1.0, 1.0)]),
        (facts(), facts(grade=4.0), BOOK, [("grade_worse", None, 2.0, 4.0, 4.0)]),
        (facts(), facts(grade=3.0, pd_12m=0.02), BOOK, []),
        (facts(grade=4.0), facts(grade=4.0, pd_12m=0.02), BOOK, [("pd_jump", None, 0.01, 0.02, 0.02)]),
        (facts(grade=4.0, pd_12m=0.02), facts(grade=4.0, pd_12m=0.03), BOOK, []),
        (facts(), facts(pd_12m=0.09, grade=5.0), BOOK, [
            ("pd_level", "watch", 0.01, 0.09, 0.08), ("grade", "watch", 2.0, 5.0, 5.0),
            ("grade_worse", None, 2.0, 5.0, 5.0), ("pd_jump", None, 0.01, 0.09, 0.08)]),
        (facts(), facts(disputes=1.0), BOOK, [("dispute", None, None, 1.0, 1.0)]),
        (facts(disputes=0.0), facts(disputes=2.0), BOOK, [("dispute", "watch", 0.0, 2.0, 2.0)]),
        (facts(), facts(pd_12m=0.04), {"grade": float("nan"), "pd_12m": float("nan")}, []),
        (facts(), facts(pd_rise=3.5), BOOK, [("pd_rise", "watch", None, 3.5, 3.0)]),
    ],
)
def test_crossings_by_hand(before, after, published, expected):
    found = crossings(RULES, before, after, published=published)
    assert [(each.kind, each.level, each.before, each.after, each.threshold) for each in found] == expected


def test_without_the_section_only_triggers_alert():
    rules = parse_life_cycle(re.sub(r"^alerts:\n(?:  .*\n)*", "", TEXT, flags=re.M))
    assert rules.spec.alerts is None
    found = crossings(rules, facts(), facts(grade=4.0, lawsuits=1.0), published=BOOK)
    assert found == [Crossing("lawsuit", "watch", "legal", "lawsuits", 0.0, 1.0, 1.0, "medium")]


@pytest.mark.parametrize("crosses", [True, False])
def test_a_rise_is_held_against_the_pd_when_the_customer_last_became_active(tmp_path, crosses):
    publish(tmp_path)
    suits = [lawsuit(number, known_at="2026-03-31") for number in (1, 2)]
    with client_of(tmp_path) as client:
        calm, sued = (client.post("/v1/score", json={"customer_id": "C1", "records": CALM | {"events": rows}}).json()["probability"] for rows in ([], suits))
        assert calm < sued
        # The trigger catches at three times the reference: between the two PDs, or below both.
        reference = ((calm + sued) / 2 if crosses else calm) / 3
        move = Move("C1", date(2026, 3, 1), None, "active", date(2026, 3, 1), "first_seen", "sales", None, reference_pd=reference)
        LifeCycleLedger(client.app.state.service.ledger(), SOURCE).record(RULES, [move])
        told = tell(client, events=suits).json()
    assert ("pd_rise" in {each["kind"] for each in told["alerts"]}) == crosses
    assert told["decision"]["life_cycle"]["state"] == "active"


def test_alerts_are_read_on_from_where_one_stopped(client):
    for number in (1, 2, 3):
        tell(client, f"e{number}", events=[lawsuit(number)])
    first = client.get("/v1/alerts", params={"limit": 1}).json()
    rest = client.get("/v1/alerts", params={"after": first["next"]}).json()
    everything = client.get("/v1/alerts").json()["alerts"]
    assert (first["alerts"], rest["alerts"]) == (everything[:1], everything[1:])
    assert [each["sequence"] for each in everything] == sorted({each["sequence"] for each in everything})
    assert len(everything) > 1
    assert client.get("/v1/alerts", params={"after": rest["next"]}).json() == {"alerts": [], "next": rest["next"]}
    assert client.get("/v1/alerts", params={"customer_id": "C2"}).json()["alerts"] == []


def test_an_open_alert_is_seen_again_and_not_raised_twice(client):
    answers = [tell(client, f"e{number}", events=[lawsuit(number)]).json()["alerts"] for number in (1, 2, 3)]
    ids = {each["alert_id"] for alerts in answers for each in alerts if each["kind"] == "lawsuit"}
    (kept,) = [each for each in client.get("/v1/alerts").json()["alerts"] if each["kind"] == "lawsuit"]
    assert ids == {kept["alert_id"]}
    assert (kept["severity"], kept["level"], kept["sightings"], kept["before"], kept["after"]) == ("high", "restrict", 2, 2.0, 3.0)
    assert (kept["event_id"], kept["state"], kept["with"]) == ("e3", "open", "legal")


def test_what_changes_of_an_alert_is_told_to_who_reads_on(client):
    tell(client, events=[lawsuit()])
    page = client.get("/v1/alerts").json()
    mine = next(each["alert_id"] for each in page["alerts"] if each["kind"] == "lawsuit")
    client.post(f"/v1/alerts/{mine}/snooze", json={"until": "2026-04-10", "by": "lin", "reason": "The hearing is on 9 April."})
    (changed,) = client.get("/v1/alerts", params={"after": page["next"]}).json()["alerts"]
    assert (changed["alert_id"], changed["state"], changed["snoozed_until"]) == (mine, "snoozed", "2026-04-10")


def test_an_alert_is_closed_once_over_http(client):
    tell(client, events=[lawsuit()])
    (mine,) = {each["alert_id"] for each in client.get("/v1/alerts", params={"owner": "legal"}).json()["alerts"]}
    body = {"outcome": "acted", "by": "lin", "note": "limit halved"}
    closed = client.post(f"/v1/alerts/{mine}/close", json=body)
    assert (closed.status_code, closed.json()["state"], closed.json()["closed_by"], closed.json()["note"]) == (200, "closed", "lin", "limit halved")
    again = client.post(f"/v1/alerts/{mine}/close", json=body)
    assert (again.status_code, again.json()["detail"]) == (
        409, f"alert {mine} was closed on 2026-03-31 as acted: a new one is raised when it happens again.")
    assert client.post("/v1/alerts/none/close", json=body).status_code == 404


@pytest.mark.parametrize(("path", "body", "pointer"), [
    ("close", {"outcome": "acted", "by": "lin"}, "/note"), ("close", {"outcome": "maybe", "by": "lin", "note": "x"}, "/outcome"),
    ("close", {"outcome": "acted", "by": " ", "note": "x"}, "/by"), ("close", {"outcome": "acted", "by": "lin", "note": "x", "more": 1}, "/more"),
    ("snooze", {"until": "soon", "by": "lin", "reason": "x"}, "/until"), ("snooze", {"until": 5, "by": "lin", "reason": "x"}, "/until")])
def test_a_wrong_field_of_what_is_done_about_an_alert_is_named(client, path, body, pointer):
    tell(client, events=[lawsuit()])
    answer = client.post(f"/v1/alerts/{client.get('/v1/alerts').json()['alerts'][0]['alert_id']}/{path}", json=body)
    assert (answer.status_code, [each["pointer"] for each in answer.json()["errors"]]) == (422, [pointer])


def test_overdue_alerts_are_asked_for_by_their_day(client, tmp_path):
    tell(client, events=[lawsuit()])
    assert client.get("/v1/alerts", params={"overdue": True}).json()["alerts"] == []
    with client_of(tmp_path, now=NOW + timedelta(days=8)) as later:
        found = later.get("/v1/alerts", params={"overdue": True, "owner": "legal"}).json()["alerts"]
        assert [(each["kind"], each["state"], each["deadline"]) for each in found] == [("lawsuit", "overdue", "2026-04-07")]
        assert later.get("/v1/alerts", params={"owner": "nobody"}).status_code == 422


def test_a_publication_without_a_life_cycle_raises_no_alert(tmp_path):
    published(tmp_path, rows=[BookRow("C1", features_of(CALM), {"as_of": BOOK_AS_OF}, CALM)])
    with client_of(tmp_path) as client:
        assert tell(client, events=[lawsuit()]).json()["alerts"] == []


# --- nothing half done --------------------------------------------------------------------------------------------------------


def test_decision_event_and_alert_are_stored_together_or_not_at_all(client, tmp_path):
    store = client.app.state.service.ledger()
    with store.database.writing() as connection:
        connection.execute(sa.text("alter table alerts rename to away"))
    assert tell(client, events=[lawsuit()]).status_code == 503
    with store.database.writing() as connection:
        connection.execute(sa.text("alter table away rename to alerts"))
    assert (ledger(tmp_path), Incoming(store, source=SOURCE).find("e1")) == ([], None)
    assert tell(client, events=[lawsuit()]).status_code == 201


def test_an_erased_customers_events_and_alerts_are_erased(client, tmp_path):
    tell(client, events=[lawsuit()])
    with Store(tmp_path / "risk.db", clock=lambda: NOW) as store:
        # A decision, an event, the threshold that it crossed, and the alert's first step.
        assert store.erase_customer("C1", actor="anna", reason="asked for it") == 4
        assert store.verify() == []
        assert list(Incoming(store, source=SOURCE).all()) == []
    assert client.get("/v1/alerts").json()["alerts"] == []
    again = tell(client, events=[lawsuit()])
    assert (again.status_code, again.json()["detail"]) == (410, "The event 'e1' was stored, and what is known of its customer was erased since.")
    assert client.get("/v1/customers/C1").json()["as_of"] == BOOK_AS_OF


# --- wrong events -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "pointer", "expected"),
    [
        ({"event_id": None}, "/event_id", "a value"),
        ({"event_id": ""}, "/event_id", "text of 1 to 200 characters"),
        ({"event_id": "x" * 201}, "/event_id", "text of 1 to 200 characters"),
        ({"event_id": 7}, "/event_id", "text of 1 to 200 characters"),
        ({"customer_id": 7}, "/customer_id", "text of 1 to"),
        ({"records": None}, "/records", "a value"),
        ({"records": {}}, "/records", "at least one row"),
        ({"records": {"events": []}}, "/records", "at least one row"),
        ({"records": [1]}, "/records", "an object of tables"),
        ({"records": {"outcomes": [{}]}}, "/records/outcomes", "one of the tables customers, statements"),
        ({"records": {"series": [{}]}}, "/records/series", "one of the tables customers, statements"),
        ({"records": {"events": {}}}, "/records/events", "a list of at most"),
        ({"records": {"events": [3]}}, "/records/events/0", "a row as an object"),
        ({"records": {"events": [lawsuit(occurred_at="2026-04-02")]}}, "/records/events/0/occurred_at", "a moment that is not in the future"),
        ({"records": {"events": [lawsuit(kind=None)]}}, "/records/events/0/kind", "a value"),
        ({"records": {"events": [lawsuit(customer_id="C2")]}}, "/records/events/0/customer_id", "the customer of the request, C1"),
        ({"as_of": "2026-01-01"}, "/as_of", "one of customer_id, event_id, languages, records"),
    ],
)
def test_a_wrong_event_is_named_by_its_path_and_not_stored(client, tmp_path, change, pointer, expected):
    body = {"event_id": "e1", "customer_id": "C1", "records": {"events": [lawsuit()]}} | change
    answer = client.post("/v1/events", json=body)
    assert answer.status_code == 422, answer.text
    found = [(each["pointer"], each["expected"]) for each in answer.json()["errors"]]
    assert [one for one in found if one[0] == pointer and one[1].startswith(expected)], found
    assert ledger(tmp_path) == []


def test_an_unknown_customer_has_no_events(client):
    assert tell(client, customer_id="nobody", events=[lawsuit()]).status_code == 404


@pytest.mark.parametrize("query", [{"after": -1}, {"limit": 0}, {"limit": 1001}, {"after": 2**70}])
def test_a_wrong_page_of_alerts_is_refused(client, query):
    assert client.get("/v1/alerts", params=query).status_code == 422
