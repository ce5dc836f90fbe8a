"""What is broken is said: the last good answer with its date and a flag, or a refusal that names the cause. Each test breaks the real thing."""

import uuid
from datetime import date, timedelta

import pandas as pd
import pytest
import sqlalchemy as sa
from databases import POSTGRES
from serving_world import AS_OF, BOOK_AS_OF, NAMES, NOW, POLICY, SOURCE, bundle, catalogue, features_of, local_client, point_to, published, records

from models.life_cycle import load_life_cycle
from models.policy import parse_policy
from pipeline.score import scored
from serving.app import create_app
from serving.database import parse_url
from serving.life_cycle import LifeCycleLedger, Move
from serving.published import BookRow
from serving.replay import replay
from serving.settings import Settings
from serving.store import Store

REFUSED_BUNDLE = "booster.txt is not the booster that model.json describes"


class Clock:
    now = NOW

    def __call__(self):
        return self.now


def client_of(var, *, clock=None, use_cases=("default",), database=None):
    app = create_app(Settings(SOURCE, use_cases, var, database or var / "risk.db"), clock=clock or Clock())
    return local_client(app)


def scored_rows(use_case="default"):
    """The book's rows as the score stage and `risk publish` write them: C1 or its transaction T1, with the score of the world's bundle."""
    model = bundle(use_case)
    values = features_of(records()) if use_case == "default" else dict(zip(NAMES["fraud"], (4.0, 3.0, "web", None), strict=True))
    standing = {"exposure": 6_000_000.0, "capacity": 90_000_000.0, "days_past_due": 45.0, "open_lawsuit_amount": 400_000.0}
    keys = {"observation_id": ["O1"], "customer_id": ["C1"], "as_of": [pd.Timestamp(BOOK_AS_OF)]} | ({"transaction_id": ["T1"]} if use_case == "fraud" else {})
    columns, stands = ({name: [value] for name, value in each.items()} for each in (values, standing))
    table = scored(pd.DataFrame(keys), columns, stands if use_case == "default" else {}, bundle=model, policy=parse_policy(POLICY), threads=1)
    (row,) = table.to_pylist()
    score = row | {"as_of": BOOK_AS_OF, "standing": standing if use_case == "default" else {}}
    return [BookRow("C1", values, score, records() if use_case == "default" else {}, row.get("transaction_id"))]


def scored_book(var, use_case="default", **parts):
    """A publication of those rows; its catalogue is the bundle's columns, as `risk publish` has it."""
    published(var, use_case=use_case, rows=scored_rows(use_case), catalogue=catalogue(use_case).only(NAMES[use_case]).to_dict(), **parts)


def ruin(var, use_case="default"):
    path = var / "bundles" / bundle(use_case).hash / "booster.txt"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return lambda: path.write_bytes(whole)


def history(var):
    with Store(var / "risk.db") as store:
        assert store.verify() == []
        return store.history()


# --- no bundle can be loaded --------------------------------------------------------------------------------------------------


@pytest.fixture
def var(tmp_path):
    scored_book(tmp_path)
    return tmp_path


SCORE = ("probability_name", "probability", "pd_low", "pd_high", "raw_score", "points", "grade")
SCORE += ("sub_scores", "sufficiency", "freshness", "decision", "versions")


def test_a_known_customer_gets_its_published_score_with_date_and_flag(var):
    with client_of(var) as client:
        whole = client.get("/v1/customers/C1", params={"requested_amount": 100_000}).json()
    ruin(var)
    with client_of(var) as client:
        answer = client.get("/v1/customers/C1", params={"requested_amount": 100_000}).json()
    assert {name: answer[name] for name in SCORE} == {name: whole[name] for name in SCORE}
    told = ("message_id", "contribution", "sentence", "comparison")
    assert [[reason[name] for name in told] for reason in answer["reasons"]] == [[reason[name] for name in told] for reason in whole["reasons"]]
    assert (answer["as_of"], len(answer["faults"])) == (BOOK_AS_OF, 2)
    assert REFUSED_BUNDLE in answer["faults"][0]
    assert answer["faults"][1] == f"No bundle answers: the score told is the one published with the book of {BOOK_AS_OF}."
    assert history(var)[0].id == answer["decision_id"]


def test_a_book_published_before_comparisons_still_words_its_reasons(tmp_path):
    (row,) = scored_rows()
    for side in ("adverse", "favourable"):
        for reason in row.score[side]:
            del reason["comparison"]
    published(tmp_path, rows=[row], catalogue=catalogue("default").only(NAMES["default"]).to_dict())
    ruin(tmp_path)
    with client_of(tmp_path) as client:
        reasons = client.get("/v1/customers/C1").json()["reasons"]
    assert {reason["comparison"] for reason in reasons} == {None}
    assert not [reason for reason in reasons if "typical" in reason["sentence"]["en"]]
    assert all(reason["sentence"]["zh"].endswith("。") for reason in reasons)


KEPT = ("sub_financial", "sub_behavioural", "sub_cash_flow", "sub_background", "adverse", "favourable")
UNEXPLAINED = "The book was published without reasons for C1, and without a bundle none can be worked out: mend the bundle, or publish all of them " \
              "(score.reasons)."


def published_without_reasons(var):
    (row,) = scored_rows()
    row.score.update(dict.fromkeys(KEPT))
    published(var, rows=[row], catalogue=catalogue("default").only(NAMES["default"]).to_dict())


def test_reasons_that_were_not_published_are_worked_out_to_the_bit_when_they_are_asked_for(tmp_path):
    published_without_reasons(tmp_path)
    with client_of(tmp_path) as client:
        answer = client.get("/v1/customers/C1").json()
    (row,) = scored_rows()
    wanted = [*row.score["adverse"], *row.score["favourable"]]
    assert [(each["message_id"], each["factor"], each["contribution"]) for each in answer["reasons"]] == [
        (each["message_id"], each["factor"], each["contribution"]) for each in wanted]
    for found, kept in zip(answer["reasons"], wanted, strict=True):
        assert [(each["name"], each["value"]) for each in found["values"]] == [
            (each["name"], each["value"] if each["text"] is None else each["text"]) for each in kept["features"]]
        compared = kept["comparison"]
        sides = {side: compared[side] if compared[f"{side}_text"] is None else compared[f"{side}_text"] for side in ("value", "reference")}
        assert found["comparison"] == {"kind": compared["kind"], "name": compared["name"], **sides}
    assert answer["sub_scores"] == {name.removeprefix("sub_"): row.score[name] for name in KEPT[:4]}
    assert answer["faults"] == []


def test_reasons_that_were_not_published_are_said_to_lack_while_no_bundle_answers(tmp_path):
    published_without_reasons(tmp_path)
    ruin(tmp_path)
    with client_of(tmp_path) as client:
        answer = client.get("/v1/customers/C1").json()
    assert (answer["reasons"], answer["sub_scores"], answer["faults"][2:]) == (None, None, [UNEXPLAINED])
    with Store(tmp_path / "risk.db") as store:
        found = replay(store, tmp_path, answer["decision_id"])
    assert (found.identical, found.differences) == (True, ())


def test_a_known_transaction_gets_its_published_score(tmp_path):
    scored_book(tmp_path, "fraud")
    with client_of(tmp_path, use_cases=("fraud",)) as client:
        whole = client.get("/v1/transactions/T1").json()
    ruin(tmp_path, "fraud")
    with client_of(tmp_path, use_cases=("fraud",)) as client:
        answer = client.get("/v1/transactions/T1").json()
    assert {name: answer[name] for name in SCORE} == {name: whole[name] for name in SCORE}
    assert len(answer["faults"]) == 2


def test_what_is_sent_cannot_be_scored_and_the_service_is_ready_for_the_rest_and_says_so(var):
    ruin(var)
    with client_of(var) as client:
        for refused in (client.post("/v1/score", json={"customer_id": "C1", "records": records()}), client.get("/v1/model")):
            assert (refused.status_code, REFUSED_BUNDLE in refused.json()["detail"]) == (503, True)
        ready = client.get("/ready")
        assert (ready.status_code, ready.json()["status"], REFUSED_BUNDLE in ready.json()["faults"][0]) == (200, "ready", True)
        assert client.get("/live").status_code == 200
        assert client.get("/v1/customers/C9").status_code == 404
    assert history(var) == []


def test_a_state_of_the_life_cycle_counts_without_a_bundle(tmp_path):
    rules = load_life_cycle("life_cycle.yaml")
    scored_book(tmp_path, life_cycle=rules)
    with Store(tmp_path / "risk.db", clock=lambda: NOW).open() as store:
        held = Move("C1", date(2026, 3, 30), None, "run_down", date(2026, 3, 30), "days_past_due_90", "finance", date(2026, 4, 6))
        LifeCycleLedger(store, SOURCE).record(rules, [held])
    ruin(tmp_path)
    with client_of(tmp_path) as client:
        decision = client.get("/v1/customers/C1", params={"requested_amount": 100_000}).json()["decision"]
    assert (decision["action"], decision["life_cycle"]["state"]) == ("decline", "run_down")


def test_an_answer_without_a_bundle_is_replayed(var):
    ruin(var)
    with client_of(var) as client:
        decision_id = client.get("/v1/customers/C1").json()["decision_id"]
    for seed in (1, 2, 3):
        published(var, model=bundle(seed=seed))
    with Store(var / "risk.db") as store:
        found = replay(store, var, decision_id)
    assert (found.identical, found.differences, found.reworded) == (True, (), ())
    assert "no bundle answered then" in found.features.why_not


def test_a_bundle_that_is_mended_answers_again_without_a_restart(var):
    mend = ruin(var)
    with client_of(var) as client:
        assert len(client.get("/v1/customers/C1").json()["faults"]) == 2
        mend()
        point_to(var, bundle().hash)
        assert client.get("/v1/customers/C1").json()["faults"] == []
        assert client.get("/ready").status_code == 200


def test_a_database_that_is_down_refuses_the_published_score_too(var):
    ruin(var)
    with client_of(var, database="postgresql+psycopg://risk@127.0.0.1:1/risk") as client:
        refused = client.get("/v1/customers/C1")
    assert (refused.status_code, "cannot be used" in refused.json()["detail"]) == (503, True)


# --- what was good a moment ago -----------------------------------------------------------------------------------------------


def damage_bundle(var):
    ruin(var)
    point_to(var, bundle().hash)


def unlink_pointer(var):
    (var / "published" / f"{SOURCE}-default" / "current.json").unlink()


def unlink_context(var):
    unlink_part(var, "context.json")


def spoil_catalogue(var):
    next((var / "published" / f"{SOURCE}-default").glob("*/catalogue.json")).write_text("{half")
    (var / "published" / f"{SOURCE}-default" / "current.json").touch()


def unlink_policy(var):
    unlink_part(var, "policy.yaml")


def unlink_part(var, name):
    next((var / "published" / f"{SOURCE}-default").glob(f"*/{name}")).unlink()
    (var / "published" / f"{SOURCE}-default" / "current.json").touch()


@pytest.mark.parametrize(("damage", "fault"), [
    (damage_bundle, REFUSED_BUNDLE),
    (unlink_pointer, "Nothing is published for simulated, default"),
    (unlink_context, "context.json is not there"),
    (unlink_policy, "policy.yaml is not there"),
    (spoil_catalogue, "cannot be read"),
])
def test_damage_while_serving_leaves_the_last_good_answer_and_at_the_start_says_its_cause(tmp_path, damage, fault):
    published(tmp_path)
    with client_of(tmp_path) as client:
        good = client.get("/v1/customers/C1").json()
        damage(tmp_path)
        answer = client.post("/v1/score", json={"customer_id": "C1", "features": {"stmt_current_ratio": 1.5}})
        assert (answer.status_code, fault in answer.json()["faults"][0]) == (200, True)
        assert client.get("/v1/customers/C1").json()["raw_score"] == good["raw_score"]
    with client_of(tmp_path) as client:
        refused = client.post("/v1/score", json={"customer_id": "C1", "features": {"stmt_current_ratio": 1.5}})
    assert (refused.status_code, fault in refused.json()["detail"]) == (503, True)


# --- stale --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("allowed", "flagged"), [(None, False), (31, False), (30, True)])
def test_a_book_older_than_it_may_be_is_a_flag_with_its_date(tmp_path, allowed, flagged):
    published(tmp_path, stale_days=allowed)
    said = "The published book is of 2026-02-28, 31 days ago, and may be 30 days old (publish.stale_days): publish a newer one."
    with client_of(tmp_path) as client:
        answers = [client.get("/v1/customers/C1").json(), client.post("/v1/score", json={"customer_id": "C1", "records": records()}).json()]
    assert [answer["faults"] for answer in answers] == [[said] if flagged else []] * 2


def test_one_book_too_old_is_one_fault_whatever_is_served_from_it(tmp_path):
    for use_case in ("default", "fraud"):
        published(tmp_path, use_case=use_case, stale_days=30)
    with client_of(tmp_path, use_cases=("default", "fraud")) as client:
        assert ["may be 30 days old" in fault for fault in client.get("/ready").json()["faults"]] == [True]


def test_a_book_that_grows_old_while_served_is_flagged_from_that_day(tmp_path):
    published(tmp_path, stale_days=31)
    clock = Clock()
    with client_of(tmp_path, clock=clock) as client:
        assert client.get("/v1/customers/C1").json()["faults"] == []
        clock.now += timedelta(days=1)
        assert "32 days ago" in client.get("/v1/customers/C1").json()["faults"][0]
    assert history(tmp_path)[0].payload["answer"]["faults"] != []


# --- clocks -------------------------------------------------------------------------------------------------------------------


def test_a_clock_before_the_book_is_a_refusal(tmp_path):
    published(tmp_path, as_of=(AS_OF + timedelta(days=2)).isoformat())
    with client_of(tmp_path) as client:
        refused = client.post("/v1/score", json={"customer_id": "C1", "records": {}})
        assert refused.status_code == client.get("/v1/customers/C1").status_code == client.get("/ready").status_code == 503
    said = "Our clock says 2026-03-31 12:00 UTC and the published book is of 2026-04-02 12:00, which is later: set the clock"
    assert refused.json()["detail"].startswith(said)
    assert history(tmp_path) == []


def test_a_book_of_today_in_a_place_ahead_of_utc_is_served(tmp_path):
    published(tmp_path, as_of=(AS_OF + timedelta(hours=14)).isoformat())
    with client_of(tmp_path) as client:
        assert client.get("/v1/customers/C1").status_code == 200


def test_a_clock_before_the_ledger_is_a_refusal_until_it_is_set(tmp_path):
    published(tmp_path)
    clock = Clock()
    with client_of(tmp_path, clock=clock) as client:
        assert client.get("/v1/customers/C1").status_code == 200
        clock.now = NOW - timedelta(minutes=4)
        assert client.get("/v1/customers/C1").status_code == 200
        clock.now = NOW - timedelta(minutes=10)
        refused = client.get("/v1/customers/C1")
        assert (refused.status_code, client.get("/ready").status_code) == (503, 503)
        assert refused.json()["detail"].startswith("Our clock says 2026-03-31 11:50 UTC and the ledger's last decision was made at 2026-03-31 11:56: set")
        clock.now = NOW
        assert client.get("/v1/customers/C1").status_code == 200
    assert len(history(tmp_path)) == 3


# --- the database -------------------------------------------------------------------------------------------------------------


def test_a_database_that_only_reads_is_a_refusal(tmp_path, postgres_url):
    """As a standby is, or a disk that filled up."""
    published(tmp_path)
    Store(postgres_url).open().close()
    read_only = parse_url(postgres_url)
    options = read_only.query["options"] + " -cdefault_transaction_read_only=on"
    read_only = read_only.update_query_dict({"options": options}).render_as_string(hide_password=False)
    with client_of(tmp_path, database=read_only) as client:
        refused = client.get("/v1/customers/C1")
    assert (refused.status_code, "read-only transaction" in refused.json()["detail"]) == (503, True)


def test_a_database_that_denies_the_row_is_a_refusal(tmp_path, postgres_url):
    published(tmp_path)
    role = f"risk_{uuid.uuid4().hex}"
    schema = parse_url(postgres_url).query["options"].split("=")[1]
    server = sa.create_engine(parse_url(POSTGRES), isolation_level="AUTOCOMMIT")
    with Store(postgres_url).open() as store, server.connect() as connection:
        store.record_policy(parse_policy(POLICY).hash, POLICY)
        for statement in (f"create role {role} login", f"grant usage on schema {schema} to {role}",
                          f"grant select, update on all tables in schema {schema} to {role}"):
            connection.execute(sa.text(statement))
        try:
            database = parse_url(postgres_url).set(username=role).render_as_string(hide_password=False)
            with client_of(tmp_path, database=database) as client:
                refused = client.get("/v1/customers/C1")
            assert (refused.status_code, "permission denied" in refused.json()["detail"]) == (503, True)
        finally:
            connection.execute(sa.text(f"drop owned by {role}"))
            connection.execute(sa.text(f"drop role {role}"))
        assert store.history() == []


def test_connections_that_the_server_ends_cost_no_answer(tmp_path, postgres_url):
    published(tmp_path)
    name = f"risk_{uuid.uuid4().hex}"
    database = parse_url(postgres_url).update_query_dict({"application_name": name}).render_as_string(hide_password=False)
    with client_of(tmp_path, database=database) as client:
        assert client.get("/v1/customers/C1").status_code == 200
        engine = sa.create_engine(parse_url(POSTGRES))
        with engine.begin() as connection:
            ended = sa.text("select pg_terminate_backend(pid) from pg_stat_activity where application_name = :name")
            assert connection.execute(ended, {"name": name}).rowcount >= 1
        engine.dispose()
        assert client.get("/v1/customers/C1").status_code == 200
    with Store(postgres_url) as store:
        assert len(store.history()) == 2
        assert store.verify() == []
