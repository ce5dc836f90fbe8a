"""The service over HTTP: what it answers is recorded first, wrong fields are all named at once, and a moved pointer takes over by itself."""

import dataclasses
import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from serving_world import BOOK_AS_OF, NOW, SOURCE, bundle, features_of, local_client, point_to, published, records, transaction

from features.errors import RiskError
from serving.app import create_app
from serving.endpoints.bodies import MAX_BODY_BYTES
from serving.settings import Settings
from serving.store import Store


@pytest.fixture
def var(tmp_path):
    published(tmp_path)
    return tmp_path


@pytest.fixture
def client(var):
    with client_of(var) as opened:
        yield opened


@pytest.fixture(scope="module")
def steady(tmp_path_factory):
    """A client for requests that leave no trace; one world for all of them."""
    folder = tmp_path_factory.mktemp("steady")
    published(folder)
    with client_of(folder) as opened:
        yield opened
        assert ledger(folder) == []


def client_of(var, *, use_cases=("default",), database=None):
    app = create_app(Settings(SOURCE, use_cases, var, database or var / "risk.db"), clock=lambda: NOW)
    return local_client(app)


def ledger(var):
    with Store(var / "risk.db") as store:
        return store.history()


def ask(client, **body):
    return client.post("/v1/score", json={"customer_id": "C1"} | body)


# --- answers ------------------------------------------------------------------------------------------------------------------


def test_raw_records_are_scored_with_reasons_and_a_decision(client):
    answer = ask(client, records=records(), requested_amount=1_000_000).json()
    assert answer["probability_name"] == "pd_12m"
    assert 0 < answer["probability"] < 1
    assert answer["grade"] in "ABCDE"
    assert set(answer["sub_scores"]) == {"financial", "behavioural", "cash_flow", "background"}
    assert all(set(reason["sentence"]) == {"en", "zh"} for reason in answer["reasons"])
    assert answer["decision"]["action"] in ("approve", "reduce", "decline")
    assert answer["freshness"]["statements"] == "2026-02-20T00:00:00"
    assert (answer["as_of"], answer["made_at"], answer["faults"]) == ("2026-03-31T12:00:00", "2026-03-31T12:00:00.000250", [])


def test_features_and_their_records_give_the_same_score(client):
    by_records = ask(client, records=records()).json()
    by_features = ask(client, features=features_of(records())).json()
    assert [by_features[name] for name in ("probability", "raw_score", "reasons")] == [by_records[name] for name in ("probability", "raw_score", "reasons")]


def test_a_known_customer_is_looked_up_as_of_the_book(client):
    answer = client.get("/v1/customers/C1", params={"requested_amount": 500}).json()
    assert (answer["customer_id"], answer["as_of"]) == ("C1", BOOK_AS_OF)
    assert answer["sufficiency"]["absent"] == []
    assert ask(client, features=features_of(records())).json()["versions"] == answer["versions"]


def test_an_unknown_customer_is_not_found(client, var):
    answer = client.get("/v1/customers/nobody")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert "'nobody' is not in the book of 2026-02-28T00:00:00" in answer.json()["detail"]
    assert ledger(var) == []


def test_a_transaction_is_judged_from_records_and_looked_up(var):
    published(var, use_case="fraud")
    with client_of(var, use_cases=("default", "fraud")) as client:
        asked = ask(client, use_case="fraud", records={}, transaction=transaction())
        assert asked.json()["as_of"] == "2026-03-30T23:29:59"
        assert asked.json()["probability_name"] == "p_fraud"
        assert client.get("/v1/transactions/T2").json()["as_of"] == "2026-02-27T11:00:00"
    assert [one.use_case for one in ledger(var)] == ["fraud", "fraud"]


@pytest.mark.parametrize(("body", "pointer"), [({}, ""), ({"transaction": {"amount": 1.5}}, "/amount"), ({"transaction": {"amount": 1}}, "/occurred_at")])
def test_a_transaction_to_be_judged_must_be_whole(var, body, pointer):
    published(var, use_case="fraud")
    with client_of(var, use_cases=("fraud",)) as client:
        assert f"/transaction{pointer}" in dict(pointers(ask(client, use_case="fraud", records={}, **body)))


def test_the_model_says_what_answers(client):
    model = client.get("/v1/model").json()
    assert (model["versions"]["bundle"], model["source"], model["book"]["rows"]) == (bundle().hash, SOURCE, 2)
    assert model["columns"][0]["words"]["zh"] == "流动比率"


# --- the ledger ---------------------------------------------------------------------------------------------------------------


def test_an_answer_is_in_the_ledger_with_what_it_rests_on(client, var):
    answer = ask(client, records=records(), purpose="onboarding").json()
    (recorded,) = ledger(var)
    assert (recorded.id, recorded.customer_id, recorded.bundle) == (answer["decision_id"], "C1", answer["versions"]["bundle"])
    assert recorded.made_at == NOW
    kept = recorded.payload
    assert kept["request"] == {"customer_id": "C1", "records": records(), "purpose": "onboarding"}
    assert kept["features"] == features_of(records())
    assert kept["standing"]["days_past_due"] == 45.0
    assert kept["answer"] == {name: value for name, value in answer.items() if name != "made_at"}


def test_a_database_that_is_down_is_a_refusal(var):
    with client_of(var, database="postgresql+psycopg://risk@127.0.0.1:1/risk") as client:
        answer = client.get("/v1/customers/C1")
        assert answer.status_code == 503
        assert "cannot be used" in answer.json()["detail"]
        assert client.get("/ready").status_code == 503
        assert client.get("/live").status_code == 200


def test_a_database_that_goes_away_is_a_refusal_and_its_return_an_answer(client, var):
    assert client.get("/v1/customers/C1").status_code == 200
    client.app.state.service.close()
    (var / "risk.db").rename(var / "gone.db")
    for rest in var.glob("risk.db-*"):
        rest.unlink()
    assert client.get("/v1/customers/C1").status_code == 503
    client.app.state.service.close()
    for rest in var.glob("risk.db*"):
        rest.unlink()
    (var / "gone.db").rename(var / "risk.db")
    assert client.get("/v1/customers/C1").status_code == 200
    assert len(ledger(var)) == 2


def test_a_database_that_comes_up_later_is_migrated_then(tmp_path):
    (tmp_path / "database").mkdir()
    published(tmp_path)
    (tmp_path / "database" / "risk.db").mkdir()
    with client_of(tmp_path, database=tmp_path / "database" / "risk.db") as client:
        assert client.get("/v1/customers/C1").status_code == 503
        (tmp_path / "database" / "risk.db").rmdir()
        assert client.get("/v1/customers/C1").status_code == 200


# --- wrong requests -----------------------------------------------------------------------------------------------------------


def pointers(answer):
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return [(error["pointer"], error["expected"]) for error in answer.json()["errors"]]


def wrong_row(table, **values):
    row = {
        "invoices": {"invoice_id": "I1", "known_at": "2026-01-10", "issued_at": "2026-01-10", "due_at": "2026-02-09", "amount": 1},
        "statements": {"known_at": "2026-01-10", "period_end": "2025-12-31", "period_months": 12},
    }[table]
    return {"records": {table: [row | values]}}


@pytest.mark.parametrize(
    ("body", "pointer", "expected"),
    [
        ({}, "", "either records or features"),
        ({"records": {}, "features": {"stmt_current_ratio": 1}}, "", "either records or features"),
        ({"records": {}, "colour": 1}, "/colour", "one of as_of, customer_id"),
        ({"records": []}, "/records", "an object of tables"),
        ({"records": {"outcomes": []}}, "/records/outcomes", "one of the tables customers, statements"),
        ({"records": {"invoices": {}}}, "/records/invoices", "a list of at most"),
        ({"records": {"invoices": [1]}}, "/records/invoices/0", "a row as an object"),
        (wrong_row("invoices", amount="100"), "/records/invoices/0/amount", "an integer in minor units"),
        (wrong_row("invoices", amount=1.5), "/records/invoices/0/amount", "an integer in minor units"),
        (wrong_row("invoices", amount=True), "/records/invoices/0/amount", "an integer in minor units"),
        (wrong_row("invoices", amount=-5), "/records/invoices/0/amount", "an amount above 0"),
        (wrong_row("invoices", amount=2**63), "/records/invoices/0/amount", "an integer in minor units"),
        (wrong_row("invoices", amount=None), "/records/invoices/0/amount", "a value"),
        (wrong_row("invoices", due_at="soon"), "/records/invoices/0/due_at", "a date or moment as ISO 8601"),
        (wrong_row("invoices", issued_at="2026-04-01"), "/records/invoices/0/issued_at", "a moment that is not in the future"),
        (
            wrong_row("invoices", known_at="2026-04-01T00:00:00+08:00", issued_at="2030-01-01"),
            "/records/invoices/0/issued_at",
            "a moment that is not in the future",
        ),
        (wrong_row("invoices", currency="yuan"), "/records/invoices/0/currency", "a currency code of three capital letters"),
        (wrong_row("invoices", customer_id="C2"), "/records/invoices/0/customer_id", "the customer of the request, C1"),
        (wrong_row("invoices", **{"a/b": [1]}), "/records/invoices/0/a~1b", "text, a finite number, a boolean or null"),
        (wrong_row("statements", revenue="1"), "/records/statements/0/revenue", "a finite number"),
        (wrong_row("statements", audited=1), "/records/statements/0/audited", "true or false"),
        ({"features": {}}, "/features", "an object of at least one feature"),
        ({"features": {"stmt_current_ratio": "1.2"}}, "/features/stmt_current_ratio", "a finite number or null"),
        ({"features": {"bg_industry": 3}}, "/features/bg_industry", "text or null"),
        ({"features": {"shoe_size": 44}}, "/features/shoe_size", "a feature the model uses, see /v1/model"),
        ({"records": {}, "as_of": "2026-05-01"}, "/as_of", "a date or moment as ISO 8601 text that is not in the future"),
        ({"records": {}, "requested_amount": -1}, "/requested_amount", "an integer of at least 0"),
        ({"records": {}, "customer_id": ""}, "/customer_id", "text of 1 to"),
        ({"records": {}, "customer_id": None}, "/customer_id", "a value"),
        ({"records": {}, "purpose": 7}, "/purpose", "text of 1 to"),
        ({"records": {}, "standing": {"mood": 1}}, "/standing/mood", "one of exposure, capacity"),
        ({"records": {}, "standing": {"exposure": -1}}, "/standing/exposure", "a number of at least 0 or null"),
        ({"records": {}, "observation": {"amount": 1}}, "/observation/amount", "one of no column"),
        ({"records": {}, "transaction": {"amount": 1}}, "/transaction", "nothing, since this model judges customers"),
        ({"records": {}, "customer_id": "a\0b"}, "/customer_id", "text of 1 to"),
        ({"records": {}, "use_case": 3}, "/use_case", "text"),
    ],
)
def test_a_wrong_field_is_named_by_its_path_and_nothing_is_recorded(steady, body, pointer, expected):
    found = pointers(ask(steady, **body))
    assert [(path, words) for path, words in found if path == pointer and words.startswith(expected)], found


def test_all_wrong_fields_are_named_in_one_answer(steady):
    rows = {"invoices": [{"invoice_id": "I1", "amount": "1"}], "payments": [{"amount": -1}], "colours": []}
    found = dict(pointers(ask(steady, records=rows, requested_amount="much", mood="bad")))
    assert {"/mood", "/requested_amount", "/records/colours", "/records/invoices/0/amount", "/records/invoices/0/due_at", "/records/payments/0/amount"} <= set(
        found
    )


def test_moments_of_two_clocks_are_a_problem_with_the_counts(steady):
    moments = {"2026-03-01T12:00:00Z": "2026-03-01T12:00:00", "2026-03-02T12:00:00": "2026-03-02T12:00:00"}
    rows = [{"event_id": known, "occurred_at": moment, "known_at": known, "kind": "lawsuit"} for moment, known in moments.items()]
    answer = ask(steady, records={"events": rows})
    assert answer.status_code == 422
    sentence = "Table events, column occurred_at: 1 of 2 moments carry a time zone and 1 do not; send all with a zone or all in UTC without one."
    assert answer.json()["detail"] == sentence


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'"text"', b'{"a": NaN}', b'{"a": 1e999}', b"\xff\xfe", b"[" * 100_000, b'{"a": "\\ud800"}'])
def test_a_body_that_is_no_json_object_is_refused(steady, body):
    answer = steady.post("/v1/score", content=body)
    assert answer.status_code == 422
    assert "expected a JSON object" in answer.json()["detail"]


def test_a_body_that_is_too_large_is_refused(steady):
    assert steady.post("/v1/score", content=b" " * (MAX_BODY_BYTES + 1)).status_code == 413


@pytest.mark.parametrize("amount", ["-1", "much", "1.5", str(2**63)])
def test_a_wrong_parameter_is_a_problem_too(steady, amount):
    assert pointers(steady.get("/v1/customers/C1", params={"requested_amount": amount}))[0][0] == "/query/requested_amount"


@pytest.mark.parametrize(("method", "path", "status"), [("get", "/nowhere", 404), ("put", "/v1/score", 405)])
def test_what_is_not_there_is_a_problem(steady, method, path, status):
    answer = steady.request(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


def test_a_use_case_that_is_not_served_is_named(steady):
    answer = ask(steady, use_case="fraud", records={})
    assert (answer.status_code, answer.json()["detail"]) == (404, "The use case 'fraud' is not served here; use one of default.")


def test_a_failure_of_ours_is_a_problem_without_its_inside(client, monkeypatch, caplog):
    monkeypatch.setattr(client.app.state.service, "book_state", lambda use_case: 1 / 0)
    answer = client.get("/v1/customers/C1")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert "division" not in answer.text
    assert "ZeroDivisionError" in caplog.text


# --- pointers -----------------------------------------------------------------------------------------------------------------


def test_nothing_published_is_a_refusal_that_says_so(tmp_path):
    with client_of(tmp_path) as client:
        answer = client.get("/v1/customers/C1")
        assert answer.status_code == 503
        assert "Nothing is published for simulated, default" in answer.json()["detail"]
        assert "run `risk publish`" in client.get("/ready").json()["detail"]


def test_a_publication_that_comes_later_is_served(tmp_path):
    with client_of(tmp_path) as client:
        assert client.get("/ready").status_code == 503
        published(tmp_path)
        assert client.get("/ready").json() == {"status": "ready", "faults": []}
        assert client.get("/v1/customers/C1").status_code == 200


def test_a_new_champion_takes_over(client, var):
    challenger = bundle(seed=1)
    before = client.get("/v1/customers/C1").json()
    published(var, model=challenger, promote=False)
    assert client.get("/v1/customers/C1").json()["versions"]["bundle"] == before["versions"]["bundle"]
    point_to(var, challenger.hash)
    after = client.get("/v1/customers/C1").json()
    assert (after["versions"]["bundle"], after["faults"]) == (challenger.hash, [])
    assert after["raw_score"] != before["raw_score"]


def test_a_champion_that_cannot_answer_leaves_the_published_bundle_and_a_fault(client, var):
    point_to(var, "f" * 64)
    answer = client.get("/v1/customers/C1").json()
    assert answer["versions"]["bundle"] == bundle().hash
    assert "The champion ffffffffffff cannot answer" in answer["faults"][0]


@pytest.mark.parametrize("damage", ["pointer", "champion", "book"])
def test_damage_leaves_the_last_good_answer_with_its_fault(client, var, damage):
    good = client.get("/v1/customers/C1").json()
    home = var / "published" / f"{SOURCE}-default"
    if damage == "pointer":
        (home / "current.json").write_text("{half")
    if damage == "champion":
        (var / "champion" / f"{SOURCE}-default.json").write_text("{half")
    if damage == "book":
        shutil.rmtree(home / json.loads((home / "current.json").read_bytes())["hash"])
        (home / "current.json").touch()
    answer = client.get("/v1/customers/C1").json()
    assert answer["raw_score"] == good["raw_score"]
    assert len(answer["faults"]) == 1


def test_damage_at_the_start_is_a_refusal(var):
    (var / "bundles" / bundle().hash / "booster.txt").write_text("broken")
    with client_of(var) as client:
        answer = client.get("/v1/customers/C1")
    assert answer.status_code == 503
    assert "booster.txt is not the booster" in answer.json()["detail"]


def test_no_request_is_dropped_while_publications_change(client, var):
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(client.get, "/v1/customers/C1") for _ in range(60)]
        for seed in (1, 2, 0):
            model = bundle(seed=seed)
            published(var, model=model)
            for champion in (0, seed):
                point_to(var, bundle(seed=champion).hash)
        answers = [one.result() for one in asked]
    assert {answer.status_code for answer in answers} == {200}
    # Whatever answered, it was one bundle with its own score, never a mixture.
    scores = {(answer.json()["versions"]["bundle"], answer.json()["raw_score"]) for answer in answers}
    assert len(scores) == len({bundle_hash for bundle_hash, _ in scores})
    with Store(var / "risk.db") as store:
        assert store.verify() == []
        assert len(store.history(limit=100)) == 60


# --- settings and weight ------------------------------------------------------------------------------------------------------


def test_settings_follow_what_is_published(var):
    found = Settings.from_environment(env={"CUSTOMER_RISK_VAR": str(var)})
    assert found == Settings(SOURCE, ("default",), var, var / "risk.db")


def test_arguments_win_over_the_environment(var):
    env = {"CUSTOMER_RISK_VAR": "elsewhere", "CUSTOMER_RISK_SOURCE": "other", "CUSTOMER_RISK_DATABASE_URL": "sqlite:///a", "CUSTOMER_RISK_USE_CASES": "fraud"}
    assert Settings.from_environment(var=var, env=env) == Settings("other", ("fraud",), var, "sqlite:///a")
    given = Settings.from_environment(var=var, source=SOURCE, use_cases=("default",), database="sqlite:///b", env=env)
    assert given == dataclasses.replace(given, source=SOURCE, use_cases=("default",), database="sqlite:///b")


def test_settings_without_a_publication_say_so(tmp_path):
    with pytest.raises(RiskError, match="Nothing is published under .*run `risk publish`"):
        Settings.from_environment(var=tmp_path, env={})
    with pytest.raises(RiskError, match="Nothing is published for source other"):
        Settings.from_environment(var=tmp_path, source="other", env={})


HEAVY = ("mlflow", "shap", "evidently", "dvc", "alembic", "duckdb")


def test_the_service_starts_without_the_heavy_packages():
    code = f"import sys, serving.app; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
